"""Colorize many files: decoding, colorizing and encoding overlap, in bounded memory."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from colorizer.batch.options import PaintOptions, mark_result, paint
from colorizer.batch.plan import Job
from colorizer.batch.report import ERRORS, Outcome, explain
from colorizer.batch.storage import Place, fetch, put
from colorizer.files import remove_leftovers
from colorizer.imaging.decode import decode_pages, decode_with_metadata, read_size
from colorizer.imaging.encode import EXTENSIONS, PageWriter, encode_image
from colorizer.imaging.metadata import Metadata
from colorizer.inference.colorizer import Colorizer
from colorizer.machine import count_cores

Paint = Callable[[list[NDArray[np.uint8]]], list[list[NDArray[np.uint8]]]]
"""Colorizes images; returns the results of each, one per target of its job."""

Mark = Callable[[Metadata], Metadata]
"""Marks the metadata of a source as those of a colorized result."""

# Pixels in memory between reading and writing, about ten bytes each; a larger picture is processed alone.
_PIXELS_IN_FLIGHT = 48_000_000
_MIN_COST = 1 << 18  # Minimum pixels that a picture counts as: small ones take more memory than their pixels.
_BATCH = 16  # Batch size for small pictures.
_SMALL = 1 << 16  # Pixels; batches of larger pictures are no faster.
_FETCHES = 4  # Objects of a bucket that are fetched at the same time.
_REDONE = "redone, since the source, the settings or the weights have changed"


@dataclass(frozen=True)
class JobsByStatus:
    """The jobs of a run: new ones, ones to redo, and ones to skip."""

    new: list[Job]
    outdated: list[Job]
    finished: list[Job]

    @classmethod
    def of(cls, jobs: Iterable[tuple[Job, bool]], digest: str) -> "JobsByStatus":
        """Group jobs, each with whether its results exist, by whether the results are up to date with the digest."""
        grouped = cls([], [], [])
        for job, is_done in jobs:
            (grouped.new if not is_done else grouped.outdated if job.is_outdated(digest) else grouped.finished).append(
                job
            )
        return grouped


@dataclass(frozen=True)
class _Picture:
    pixels: NDArray[np.uint8]
    metadata: Metadata
    seconds: float
    source: Path | bytes  # Empty if there are no further pages to read.


def skip(jobs: Iterable[Job]) -> Iterator[Outcome]:
    """Make the outcomes of jobs whose results are up to date."""
    return (Outcome(job, "skipped") for job in jobs)


def run_images(
    new: Sequence[Job], outdated: Sequence[Job], model: Colorizer, options: PaintOptions, digest: str
) -> Iterator[Outcome]:
    """Colorize new images, then those whose results are outdated, with a note that says so; see `run_jobs`."""
    for jobs, notes in ((new, ()), (outdated, (_REDONE,))):
        for outcome in run_jobs(
            jobs,
            partial(paint, model, options=options),
            max_pixels=options.max_pixels,
            accept_truncated=options.accept_truncated,
            mark=partial(mark_result, digest=digest),
        ):
            yield replace(outcome, notes=(*outcome.notes, *notes))


def run_jobs(
    jobs: Sequence[Job], paint: Paint, *, max_pixels: int, accept_truncated: bool = False, mark: Mark = dict
) -> Iterator[Outcome]:
    """Colorize files, and yield the outcome of each as soon as its results are written.

    While the network runs, other threads read the next files and write earlier results: Pillow and OpenCV release the
    GIL. Reading ahead is limited by the pixels in memory, not by the number of files.

    Parameters
    ----------
    jobs : sequence of Job
        The files; existing results are overwritten.
    paint : callable
        Colorizes a list of images of (H, W, 3 or 4) uint8; called from this thread only.
    max_pixels, accept_truncated
        As in `colorizer.imaging.decode.decode_with_metadata`.
    mark : callable
        Marks a source's metadata as those of a colorized result.

    Yields
    ------
    Outcome
        One for each job, in the order of the jobs, except that failures may come earlier.
    """
    remove_leftovers([target for job in jobs for target in job.targets if isinstance(target, Path)])
    fetchers, readers, writers = (ThreadPoolExecutor(count) for count in (_FETCHES, count_cores(), count_cores()))
    coming = ((job, fetched, _estimate_cost(job, fetched, max_pixels)) for job, fetched in _fetch_ahead(jobs, fetchers))
    upcoming = next(coming, None)
    room = _PIXELS_IN_FLIGHT
    ahead: deque[tuple[Job, int, Future[_Picture]]] = deque()
    behind: deque[tuple[Outcome, int, Future[float]]] = deque()
    try:
        while upcoming or ahead or behind:
            while upcoming and (upcoming[2] <= room or not (ahead or behind)):
                job, fetched, cost = upcoming
                ahead.append((job, cost, readers.submit(_read, job, fetched, max_pixels, accept_truncated)))
                room -= cost
                upcoming = next(coming, None)
            batch: list[tuple[Job, int, _Picture]] = []
            while ahead and (not batch or (ahead[0][2].done() and len(batch) < _BATCH and _is_small(batch[-1][2]))):
                job, cost, reading = ahead.popleft()
                try:
                    batch.append((job, cost, reading.result()))
                except ERRORS as error:
                    room += cost
                    yield Outcome(job, "failed", explain(error))
            started = time.perf_counter()
            painted = _paint_each(paint, [picture.pixels for _, _, picture in batch]) if batch else []
            seconds = (time.perf_counter() - started) / max(len(batch), 1)
            for (job, cost, picture), results in zip(batch, painted, strict=True):
                if isinstance(results, Exception):
                    room += cost
                    yield Outcome(job, "failed", explain(results), picture.pixels.shape[:2])
                    continue
                size, notes = picture.pixels.shape[:2], tuple(picture.metadata.get("notes", ()))
                outcome = Outcome(job, "done", size=size, seconds=picture.seconds + seconds, notes=notes)
                if _has_pages(job, picture):
                    try:
                        contents = _paint_pages(job, picture, results, paint, max_pixels, mark)
                    except ERRORS as error:
                        room += cost
                        yield replace(outcome, status="failed", reason=explain(error))
                        continue
                    outcome = replace(outcome, notes=tuple(note for note in notes if "the first of" not in note))
                    behind.append((outcome, cost, writers.submit(_write_contents, job, contents)))
                    continue
                metadata = mark(picture.metadata)
                behind.append((outcome, cost, writers.submit(_write, job, results, metadata)))
            batch, painted = [], []  # Don't keep written pictures in memory until the next batch.
            while behind and (behind[0][2].done() or not ahead):
                outcome, cost, writing = behind.popleft()
                room += cost
                yield _finish(outcome, writing)
    finally:
        for pool in (fetchers, readers, writers):
            pool.shutdown(cancel_futures=True)


def _fetch_ahead(jobs: Sequence[Job], pool: ThreadPoolExecutor) -> Iterator[tuple[Job, Future[Path | bytes]]]:
    coming: deque[tuple[Job, Future[Path | bytes]]] = deque()
    for job in jobs:
        coming.append((job, pool.submit(fetch, job.source)))
        if len(coming) == _FETCHES:
            yield coming.popleft()
    yield from coming


def _estimate_cost(job: Job, fetched: Future[Path | bytes], max_pixels: int) -> int:
    """Estimate from a file's header how much memory it will take, in pixels; each additional result adds a third."""
    height, width = (fetched.exception() is None and read_size(fetched.result(), max_pixels=max_pixels)) or (0, 0)
    pixels = height * width if height * width <= max_pixels else 0
    return max(pixels * (2 + len(job.targets)) // 3, _MIN_COST)


def _is_small(picture: _Picture) -> bool:
    return picture.pixels.shape[0] * picture.pixels.shape[1] <= _SMALL


def _read(job: Job, fetched: Future[Path | bytes], max_pixels: int, accept_truncated: bool) -> _Picture:
    started = time.perf_counter()
    name = PurePath(job.source).name
    source = fetched.result()
    pixels, metadata = decode_with_metadata(source, max_pixels=max_pixels, accept_truncated=accept_truncated, name=name)
    return _Picture(pixels, metadata, time.perf_counter() - started, source if "pages" in metadata else b"")


def _paint_each(paint: Paint, images: list[NDArray[np.uint8]]) -> list[list[NDArray[np.uint8]] | Exception]:
    """Colorize a batch; if that fails, one image at a time, so that only those with errors fail."""
    try:
        return [*paint(images)]
    except ERRORS as error:
        if len(images) == 1:
            return [error]
    return [_paint_each(paint, [image])[0] for image in images]


def _has_pages(job: Job, picture: _Picture) -> bool:
    """Whether the source has further pages or frames and the results can hold them, as only TIFF can."""
    return "pages" in picture.metadata and all(_format(target) == "TIFF" for target in job.targets)


def _paint_pages(
    job: Job,
    picture: _Picture,
    results: list[NDArray[np.uint8]],
    paint: Paint,
    max_pixels: int,
    mark: Mark,
) -> list[bytes]:
    """Colorize the further pages one by one; return the encoded results, each with all pages."""
    writers = [PageWriter() for _ in job.targets]
    pages = decode_pages(picture.source, max_pixels=max_pixels, name=PurePath(job.source).name)
    for page, (pixels, metadata) in enumerate(pages):
        if page:
            (results,) = paint([pixels])
        for writer, image in zip(writers, results, strict=True):
            writer.add(image, mark(metadata))
    return [writer.finish() for writer in writers]


def _format(target: Place) -> str:
    return EXTENSIONS[PurePath(target).suffix.lower()]


def _write_contents(job: Job, contents: list[bytes]) -> float:
    started = time.perf_counter()
    for target, content in zip(job.targets, contents, strict=True):
        put(target, content)
    return time.perf_counter() - started


def _write(job: Job, results: list[NDArray[np.uint8]], metadata: Metadata) -> float:
    started = time.perf_counter()
    for target, image in zip(job.targets, results, strict=True):
        put(target, encode_image(image, _format(target), metadata))
    return time.perf_counter() - started


def _finish(outcome: Outcome, writing: Future[float]) -> Outcome:
    try:
        seconds = outcome.seconds + writing.result()
        return replace(outcome, seconds=seconds)
    except ERRORS as error:
        return replace(outcome, status="failed", reason=explain(error))
