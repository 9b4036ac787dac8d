"""The engine ``ray`` of ``colorizer colorize``: distribute a folder of any size over a Ray cluster.

One task lists the folder in chunks; Ray Data passes them to workers, replaces workers and machines that fail, and
pauses the listing while all workers are busy. Each worker loads the model once and runs its chunks through
`colorizer.batch.run.run_images`, as a single machine does, so results and reports are the same. Images never pass
through Ray; the workers read and write them themselves.
"""

import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import cv2

from colorizer.batch.options import PaintOptions
from colorizer.batch.plan import DEEPER, Job, UsageError, check_apart, find_files, is_image, is_video, name_results
from colorizer.batch.report import Outcome
from colorizer.batch.run import JobsByStatus, run_images, skip
from colorizer.batch.storage import Entry, Place, is_folder, join_place, list_folder
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.machine import count_cores, quiet_stderr

_CHUNK_BYTES = 128_000_000  # Total size of its files at which a chunk ends.
_PLANNED_BYTES = 64_000_000  # Limit of chunks and outcomes waiting in Ray: some thousands, however large the cluster.
_OWN_STORE = 200_000_000  # Size of Ray's object store on a single machine: for the model's files and the chunks.


@dataclass(frozen=True)
class FolderPlan:
    """The files to read and write, in chunks.

    Attributes
    ----------
    source, output : Place
        Folders, on a disk that all machines can access or in a bucket.
    options : PaintOptions
        How the images are colorized.
    format, recursive, overwrite
        As on the command line.
    chunk_files : int
        Maximum number of files in a chunk, which is redone if its worker dies.
    start : Path
        Working directory, for relative paths.
    """

    source: Place
    output: Place
    options: PaintOptions
    format: str | None = None
    recursive: bool = False
    overwrite: bool = False
    chunk_files: int = 32
    start: Path = field(default_factory=Path.cwd)

    def check(self) -> list[Place]:
        """Check the folders before anything is done, and return the files to ignore.

        Raises
        ------
        UsageError
            If the folders don't fit together, or there is a video, which would keep one worker busy for hours.
        OSError
            If a folder can't be listed.
        """
        if not is_folder(self.source):
            _refuse_video(self.source)
            raise UsageError(f"the Ray engine takes a folder, and there is none at {self.source}")
        if isinstance(self.output, Path) and self.output.exists() and not self.output.is_dir():
            raise UsageError(f"the output {self.output} must be a folder")
        check_apart(self.source, self.output)
        others = []
        for folder, files in find_files(self.source, self.output, self.recursive):
            for file in files:
                path = join_place(self.source, folder / file.name)
                _refuse_video(path)
                if not is_image(PurePath(file.name)):
                    others.append(path)
        return others

    def enter(self) -> None:
        """Make relative paths mean the same in this process as in the one that made the plan."""
        places = (self.source, self.output)
        if not all(place.is_absolute() for place in places if isinstance(place, Path)):
            os.chdir(self.start)

    def chunks(self) -> Iterator[list[tuple[Job, bool]]]:
        """Yield the jobs of each chunk, and whether the results of each exist.

        Memory holds the names of one folder at a time. The chunks don't depend on existing results, so that Ray can
        list them again.
        """
        chunk: list[tuple[Job, bool]] = []
        size = 0
        for folder, files in find_files(self.source, self.output, self.recursive):
            images = [file for file in files if is_image(PurePath(file.name))]
            for job, is_done, file_size in self._jobs(folder, images):
                chunk.append((job, is_done and not self.overwrite))
                size += file_size
                if len(chunk) == self.chunk_files or size >= _CHUNK_BYTES:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    def _jobs(self, folder: PurePath, images: list[Entry]) -> Iterator[tuple[Job, bool, int]]:
        """Make the jobs of a folder; yield each with whether its results exist, and the size of its file."""
        sources = [(join_place(self.source, folder / image.name), folder / image.name) for image in images]
        jobs = name_results(sources, self.output, self.format, self.options.name_suffixes)
        existing = {file.name for file in list_folder(join_place(self.output, folder))[0]} if images else set()
        for job, image in zip(jobs, images, strict=True):
            yield job, all(PurePosixPath(target).name in existing for target in job.targets), image.size


def _refuse_video(place: Place) -> None:
    if is_video(PurePath(place)):
        raise UsageError(
            f"{place} is a video, and the Ray engine takes only images: use the local engine, or move videos to "
            "another folder"
        )


class Worker:
    """A long-lived Ray process that holds the model and colorizes chunks."""

    def __init__(self, model: Any, plan: FolderPlan) -> None:
        """Load the model from the contents of its files, which are in Ray's object store."""
        import ray

        plan.enter()
        cv2.setNumThreads(count_cores())
        with tempfile.TemporaryDirectory() as folder:
            files: dict[str, bytes] = ray.get(model)
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            path = Path(folder, next(iter(files)))
            self._model = Colorizer.load(path)
            self._digest = plan.options.digest(path)
        self._options = plan.options

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Colorize the pickled chunks of a batch, and return their pickled outcomes."""
        return {"outcomes": [pickle.dumps(list(self._run(pickle.loads(chunk)))) for chunk in batch["chunk"]]}

    def _run(self, chunk: list[tuple[Job, bool]]) -> Iterator[Outcome]:
        grouped = JobsByStatus.of(chunk, self._digest)
        yield from skip(grouped.finished)
        yield from run_images(grouped.new, grouped.outdated, self._model, self._options, self._digest)


def run_on_cluster(
    plan: FolderPlan, model: str | Path, *, address: str | None = None, workers: int | None = None
) -> Iterator[Outcome]:
    """Colorize a folder on a Ray cluster, and yield the outcomes as chunks are finished.

    Parameters
    ----------
    plan : FolderPlan
        What to do; must have been checked.
    model : str or pathlib.Path
        As in `Colorizer.load`. Its files are sent to the workers, so that all use the same.
    address : str, optional
        Address of the cluster, as in `ray.init`; without it and ``RAY_ADDRESS``, only this machine is used.
    workers : int, optional
        Number of worker processes, one core each; by default one per core of the cluster.

    Yields
    ------
    Outcome
        One for each image.

    Raises
    ------
    UsageError
        If there is no cluster at the address, no image in the folder, or two files would have the same result.
    OSError
        If a folder can't be listed, or the cluster fails in a way that Ray can't recover from.
    """
    content = {path.name: path.read_bytes() for path in Checkpoint.find(model).files}
    ray = import_ray()
    _connect(ray, address)
    try:
        _set_up_ray_data(ray)
        model_files = ray.put(content)  # Shared by all workers.
        planned = ray.data.read_datasource(_plan_source(plan), override_num_blocks=1, num_cpus=0)
        size = {"size": workers} if workers else {"min_size": 1}
        done = planned.map_batches(
            Worker,
            fn_constructor_args=(model_files, plan),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(**size),
            num_cpus=1,
        )
        empty = True
        for batch in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for pickled in batch.to_pydict().get("outcomes", ()):
                yield from pickle.loads(pickled)
                empty = False
        if empty:
            raise UsageError(f"no images in {plan.source}" + ("" if plan.recursive else DEEPER))
    except ray.exceptions.RayError as error:
        cause: BaseException = error
        while deeper := getattr(cause, "cause", None) or cause.__cause__:  # Ray wraps what its workers raise.
            cause = deeper
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]  # The rest is advice on Ray.
        if isinstance(cause, UsageError):
            raise UsageError(reason) from None
        raise OSError(f"Ray gave up; run the same command again to finish the rest: {reason}") from error
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """Import Ray with Ray Data; `UsageError` if it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # By default it sends usage statistics.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Its native code logs errors that it recovers from.
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise UsageError(f"the Ray engine needs {error.name}, which is not installed: pip install .[cluster]") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None and not os.environ.get("RAY_ADDRESS"):
        # A cluster on this machine only, which nothing outside of it can reach.
        address = "local"
        options |= {"_node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": _OWN_STORE}
    host, _, port = (address or "").rpartition(":")
    if host and "/" not in host and port.isdecimal():
        try:  # Ray itself would keep trying for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise UsageError(f"no Ray cluster answers at {address}: {error}") from error
    with quiet_stderr():
        ray.init(address, **options)


def _set_up_ray_data(ray: Any) -> None:
    """Make each row, which is a chunk, a task of its own, and limit how many of them wait."""
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    limits = context.execution_options.resource_limits
    context.execution_options.resource_limits = limits.copy(object_store_memory=_PLANNED_BYTES)
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _plan_source(plan: FolderPlan) -> Any:
    """Wrap the chunks of a plan as a data source for Ray Data, one row each."""
    import pyarrow as pa
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    def read() -> Iterator[pa.Table]:
        plan.enter()
        for chunk in plan.chunks():
            yield pa.table({"chunk": [pickle.dumps(chunk)]})

    class PlanSource(Datasource):
        # List on the machine of the command, so that losing another machine doesn't lose the listing.
        supports_distributed_reads = False

        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, *arguments: Any, **options: Any) -> list[ReadTask]:
            return [ReadTask(read, BlockMetadata(None, None, None, None))]

    return PlanSource()
