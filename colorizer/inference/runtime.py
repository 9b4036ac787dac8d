"""Runtimes for trained networks: LiteRT for exported ones, which load fast, and Keras for newly trained ones.

For inference, this is the only module that uses either of them.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from colorizer.inference.checkpoint import EXPORTED, Checkpoint
from colorizer.inference.chroma_bins import softmax
from colorizer.inference.weight_checks import check_exported_weights, check_finite, check_keras_file
from colorizer.machine import count_cores, quiet_stderr

Part = TypeVar("Part")
Result = TypeVar("Result")


class Runtime(Protocol):
    """A trained network, ready for inference; any number of threads may call it.

    Attributes
    ----------
    network : str
        Which network it is: ``unet`` or ``autoencoder``.
    size : tuple of int
        Height and width of the images that the autoencoder takes; (0, 0) for the U-Net, which takes any.
    """

    network: str
    size: tuple[int, int]

    def __call__(self, *inputs: NDArray[np.float32], one_core: bool = False) -> NDArray[np.float32]:
        """Run the network.

        Parameters
        ----------
        *inputs : float32 arrays
            The autoencoder's (N, h, w, 1) luma in [0, 1]; the U-Net's (N, h, w, 1) luma and (N, h/2, w/2, 3) hints,
            and, to return only weighted sums over its distribution, the (3, K) weights of the bins, see
            `colorizer.inference.chroma_bins.moment_weights`. Returning the whole distribution takes longer.
        one_core : bool
            Whether to use only one core, if parallel calls use the others: that is faster overall than all cores for
            each call.

        Returns
        -------
        float32 array
            The autoencoder's (N, h, w, 3) RGB in [0, 1]; the U-Net's (N, h/2, w/2, K) logits, or (N, h/2, w/2, 3)
            ``softmax(logits) @ weights.T``.
        """


def load_runtime(checkpoint: Checkpoint) -> Runtime:
    """Load a network: the export if there is one, otherwise the Keras file.

    Raises
    ------
    ValueError
        If the export is damaged or was made from another ``model.keras``; if there is no export and Keras is not
        installed; if it is neither the autoencoder nor the U-Net; or if its weights are not finite, or the file
        declares far more than it contains.
    Exception
        Whatever Keras raises for files that it can't load.
    """
    if checkpoint.export:
        content = checkpoint.read_weights(EXPORTED)
        runtime = LiteRTRuntime(content)
        if not checkpoint.is_included:
            check_exported_weights(content)
        return runtime
    if importlib.util.find_spec("keras") is None:
        raise ValueError(
            f"there is no {EXPORTED} beside it, and Keras, which is needed to run it, is not installed: "
            "pip install .[train]"
        )
    check_keras_file(checkpoint.path, import_keras())
    return KerasRuntime(checkpoint.path)


def _identify(shapes: Mapping[str, tuple[Any, ...]], outputs: list[tuple[Any, ...]]) -> tuple[str, tuple[int, int]]:
    """Identify the network by the shapes of its inputs and outputs; also return the autoencoder's size."""
    planes = {name: shape[3] for name, shape in shapes.items() if len(shape) == 4}
    if planes.get("luma") == 1 and planes.get("hints") == 3 and shapes.keys() <= {"luma", "hints", "weights"}:
        return "unet", (0, 0)
    if list(planes.values()) == [1] and len(shapes) == 1 and [shape[3:] for shape in outputs] == [(3,)]:
        (shape,) = shapes.values()
        return "autoencoder", (int(shape[1]), int(shape[2]))
    raise ValueError(f"maps {dict(shapes)} to {outputs}: neither the autoencoder nor the U-Net")


class LiteRTNetwork:
    """A network, or a part of one, run by LiteRT. Thread-safe.

    Attributes
    ----------
    shapes, outputs : dict of str to tuple of int
        Shapes of inputs and outputs by name; -1 for any length.
    """

    def __init__(self, content: bytes) -> None:
        """Load the content of a ``.tflite`` file; raise `ValueError` if it is invalid."""
        self._content = content
        self._all_cores = self._load(count_cores())
        self._lock = threading.Lock()  # LiteRT serves one thread at a time.
        self._single_core: SimpleQueue[Any] = SimpleQueue()
        self.shapes = {name: _shape(details) for name, details in self._all_cores.get_input_details().items()}
        self.outputs = {name: _shape(details) for name, details in self._all_cores.get_output_details().items()}

    def run(self, *, one_core: bool = False, **inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the network, see `Runtime`, and return its outputs by name; raise `ValueError` for wrong shapes."""
        for name, given in inputs.items():
            shape = self.shapes.get(name, ())
            if len(shape) != given.ndim or any(n not in (-1, m) for n, m in zip(shape, given.shape, strict=True)):
                raise ValueError(f"{name} must have the shape {shape}, -1 for any length, got {given.shape}")
        if not one_core:
            with self._lock:
                return self._all_cores(**inputs)
        try:
            runner = self._single_core.get_nowait()
        except Empty:
            runner = self._load(1)
        try:
            return runner(**inputs)
        finally:
            self._single_core.put(runner)

    def _load(self, cores: int) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        with quiet_stderr():  # LiteRT prints which kernels it uses.
            interpreter = Interpreter(model_content=self._content, num_threads=cores)
            interpreter.allocate_tensors()
        return interpreter.get_signature_runner()

    def __call__(self, given: NDArray[np.float32], *, one_core: bool = False) -> NDArray[np.float32]:
        """Run a network with one input and one output."""
        (output,) = self.run(**dict.fromkeys(self.shapes, given), one_core=one_core).values()
        return output


class LiteRTRuntime:
    """A whole exported network, see `Runtime`."""

    def __init__(self, content: bytes) -> None:
        """Load the content of a ``.tflite`` file; raise `ValueError` unless it is one of the two networks."""
        self._network = LiteRTNetwork(content)
        self.network, self.size = _identify(self._network.shapes, list(self._network.outputs.values()))
        if self.network == "unet":
            if "weights" not in self._network.shapes:
                raise ValueError("it was exported by an older version of the project: run `colorizer export` again")
            self._no_weights = np.zeros(self._network.shapes["weights"], np.float32)

    def __call__(self, *inputs: NDArray[np.float32], one_core: bool = False) -> NDArray[np.float32]:
        """Run the network, see `Runtime`."""
        if self.network == "autoencoder":
            return self._network(*inputs, one_core=one_core)
        luma, hints, *weights = inputs
        given = weights[0][None, None] if weights else self._no_weights
        outputs = self._network.run(luma=luma, hints=hints, weights=given, one_core=one_core)
        return outputs["sums" if weights else "chroma"]


def _shape(details: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(details["shape_signature"].tolist())


class KerasRuntime:
    """A ``.keras`` file, run by Keras on any backend, see `Runtime`."""

    def __init__(self, path: Path) -> None:
        """Load a ``.keras`` file; Keras refuses files that would run code."""
        keras = import_keras()
        self._model = keras.models.load_model(path, compile=False)
        for weight in self._model.weights:
            check_finite(np.asarray(weight.numpy(), np.float32))
        self._flatten = keras.tree.flatten
        self._lock = threading.Lock()  # Backends may keep state in the model, and use all cores anyway.
        shapes = {tensor.name: tuple(tensor.shape) for tensor in self._model.inputs}
        outputs = [tuple(tensor.shape) for tensor in self._model.outputs]
        self.network, self.size = _identify(shapes, outputs)

    def __call__(self, *inputs: NDArray[np.float32], one_core: bool = False) -> NDArray[np.float32]:
        """Run the network, see `Runtime`; `one_core` has no effect."""
        if self.network == "autoencoder":
            return self._predict(inputs[0])
        luma, hints, *weights = inputs
        logits = self._predict({"luma": luma, "hints": hints})
        return softmax(logits) @ weights[0].T if weights else logits

    def _predict(self, given: Any) -> NDArray[np.float32]:
        with self._lock:
            (output,) = self._flatten(self._model.predict_on_batch(given))
        return np.asarray(output, np.float32)


def map_parallel(work: Callable[..., Result], parts: Sequence[Part]) -> Iterator[Result]:
    """Process parts and yield the results in order: one core per part, or all cores for each if there are few parts.

    Calls ``work(part, one_core=...)``, which passes `one_core` on to its calls of a `Runtime`.
    """
    cores = count_cores()
    if len(parts) < cores or cores == 1:
        yield from (work(part, one_core=False) for part in parts)
        return
    with ThreadPoolExecutor(cores) as pool:
        yield from pool.map(partial(work, one_core=True), parts)


@contextmanager
def expect_memory() -> Iterator[None]:
    """Convert LiteRT's `RuntimeError` to `MemoryError`, for calls whose inputs are known to fit the network.

    LiteRT raises it when memory runs out, but also for many other reasons.
    """
    try:
        yield
    except RuntimeError as error:
        raise MemoryError(str(error)) from error


def import_keras() -> Any:
    """Import Keras and its backend without TensorFlow's startup messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with quiet_stderr():
        import keras
    return keras
