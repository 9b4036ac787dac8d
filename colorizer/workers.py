"""Training on several workers: each learns from its share of every batch, and all take the sum of their gradients.

`keras.Model.fit` does not run under TensorFlow's `MultiWorkerMirroredStrategy` (keras-team/keras, issue 20585), which
would spread the variables as well. Here the strategy only connects the processes and adds up what they give it: models,
optimizers, callbacks and `fit` are the same as for one worker, and every worker keeps a whole copy of the variables.
The first worker, the chief, alone validates and writes; before each epoch the others take over its state. So workers
need no folder in common, and one that was killed needs no file of its own to go on.

Workers are told of each other by ``TF_CONFIG``, as TensorFlow's launchers set it; `launch` does so on one machine.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

_CHILD = "COLORIZER_WORKER"  # Set for processes that `launch` started: they end with the one that did.
_POLL = 0.2  # Seconds.


class Workers:
    """The processes that train together, as one of them sees them.

    Attributes
    ----------
    rank, count : int
        Number of this worker, the chief's is 0, and how many there are.
    share : slice
        Its part of the images of a batch.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count
        self.share = slice(rank, None, count)
        self.strategy: Any = None

    @property
    def is_chief(self) -> bool:
        """Whether this worker validates and writes."""
        return self.rank == 0

    @classmethod
    def connect(cls) -> "Workers":
        """Meet the others, if ``TF_CONFIG`` names any; before TensorFlow does anything else."""
        described = json.loads(os.environ.get("TF_CONFIG") or "{}")
        chiefs, others = (len(described.get("cluster", {}).get(kind, [])) for kind in ("chief", "worker"))
        count = chiefs + others  # A chief, where one is named, is the first worker.
        if count < 2:
            return cls()
        import tensorflow as tf

        if os.environ.get(_CHILD):
            threading.Thread(target=_end_with_parent, daemon=True).start()
        tf.get_logger().setLevel("ERROR")  # Else each sum of a new shape is announced.
        task = described["task"]
        workers = cls(int(task["index"]) + (chiefs if task["type"] == "worker" else 0), count)
        workers.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        return workers

    def sum(self, tensors: list[Any]) -> list[Any]:
        """Add up what all workers give, tensor by tensor; all must call it, in the same order."""
        import tensorflow as tf

        def add(*given: Any) -> Any:
            placed = [tf.identity(tensor) for tensor in given]  # On a device, as the strategy wants them.
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)

        return list(self.strategy.run(add, args=tensors))

    def tell(self, values: Sequence[Any]) -> list[Any]:
        """Give all workers the chief's numbers or arrays; what others pass must be of the same shapes, and is lost."""
        if self.count == 1:
            return list(values)
        import tensorflow as tf

        @tf.function(autograph=False)
        def send() -> list[Any]:
            # In double precision, which is exact for counters as well.
            return self.sum([tf.cast(value, tf.float64) * float(self.is_chief) for value in values])

        return [value.numpy() for value in send()]


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run ``train.py`` with the same arguments in several processes on this machine.

    Returns
    -------
    int
        Exit code: of the first worker that failed, else 0. The others are ended as soon as one fails.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    threads = str(max(1, (os.cpu_count() or 1) // count))
    processes = []
    try:
        for rank in range(count):
            described = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
            environment = {
                **os.environ,
                "TF_CONFIG": json.dumps(described),
                "TF_NUM_INTRAOP_THREADS": threads,
                "TF_CPP_MIN_LOG_LEVEL": "2",
                _CHILD: "1",
            }
            command = [sys.executable, *arguments]
            processes.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE))
        while not any(codes := [process.poll() for process in processes]) and None in codes:
            time.sleep(_POLL)
        failed = next(((rank, code) for rank, code in enumerate(codes) if code), None)
        if failed is None:
            return 0
        rank, code = failed
        if code < 0:
            print(
                f"train.py: worker {rank} of {count} was killed (signal {-code}); the same command goes on from the "
                "last finished epoch",
                file=sys.stderr,
            )
        return code if code > 0 else 1
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def _end_with_parent() -> None:
    """End this process when the one that launched it is gone: a second run would write into the same folder."""
    os.read(0, 1)
    os._exit(1)
