"""Colorize the videos of a run, one at a time, since each keeps all cores busy."""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from colorizer.batch.options import PaintOptions
from colorizer.batch.plan import Job, UsageError
from colorizer.batch.report import ERRORS, Outcome, explain
from colorizer.imaging.encode import save_image
from colorizer.inference.colorizer import Colorizer

MISSING = "videos need PyAV, which is not installed: pip install .[video]"

Follow = Callable[[Job], AbstractContextManager[Callable[[int, int | None], None]]]
"""Returns a context manager that gives a progress callback for a video: frames done, and the total if it is known."""


def can_read_videos() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def check_videos(options: PaintOptions, format: str | None) -> None:
    """Raise `UsageError` for options that don't apply to videos."""
    options_given = {
        "--hint": options.hints,
        "--alternatives": options.alternatives,
        "--uncertainty": options.uncertainty,
        "--raw": options.raw,
        "--format": format,
    }
    for option, given in options_given.items():
        if given:
            raise UsageError(f"{option} applies only to images, and there are videos among the inputs")


def run_videos(
    jobs: Sequence[Job], model: Colorizer, options: PaintOptions, *, lossless: bool, follow: Follow
) -> Iterator[Outcome]:
    """Colorize videos, and yield the outcome of each as soon as its result is written.

    Parameters
    ----------
    jobs : sequence of Job
        The videos; existing results are overwritten, and interrupted runs are resumed.
    model : Colorizer
        The model.
    options : PaintOptions
        Only vividness, detail and max_pixels apply.
    lossless : bool
        As in `colorizer.video.colorize.colorize_video`.
    follow : callable
        Returns a progress bar for a job, see `Follow`.
    """
    from colorizer.video.colorize import colorize_video

    for job in jobs:
        started = time.perf_counter()
        try:
            with follow(job) as progress:
                summary = colorize_video(
                    Path(job.source),
                    Path(job.targets[0]),
                    model,
                    vividness=options.vividness,
                    detail=options.detail,
                    lossless=lossless,
                    max_pixels=options.max_pixels,
                    progress=progress,
                )
        except ERRORS as error:
            yield Outcome(job, "failed", explain(error), seconds=time.perf_counter() - started)
            continue
        notes = list(summary.notes)
        if summary.damaged:
            places = ", ".join(f"{seconds:.2f}" for seconds in summary.damaged[:10])
            notes.append(f"{len(summary.damaged)} damaged frames left out or repaired, at {places} seconds")
        seconds = time.perf_counter() - started
        size = (summary.height, summary.width)
        yield Outcome(job, "done", size=size, seconds=seconds, frames=summary.frames, notes=tuple(notes))


def run_frame(job: Job, model: Colorizer, options: PaintOptions, second: float) -> Iterator[Outcome]:
    """Colorize the frame of a video that is shown at a time, in seconds, as an image."""
    from colorizer.video.reading import read_frame

    started = time.perf_counter()
    try:
        image = read_frame(Path(job.source), second, max_pixels=options.max_pixels)
        image = model.colorize(image, vividness=options.vividness, detail=options.detail, max_pixels=options.max_pixels)
        save_image(image, Path(job.targets[0]))
    except ERRORS as error:
        yield Outcome(job, "failed", explain(error), seconds=time.perf_counter() - started)
        return
    yield Outcome(job, "done", size=image.shape[:2], seconds=time.perf_counter() - started, frames=1)
