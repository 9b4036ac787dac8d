"""Colorize visitors' videos in a separate process, which asks the server's network for colors.

It asks for a few frames at a time, so a visitor with a photo waits only for these frames, not for the whole video.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from colorizer.demo.decoding import decode
from colorizer.demo.processes import Watch, explain_end, spawn
from colorizer.files import write_whole
from colorizer.imaging.encode import encode_image
from colorizer.inference.colorizer import Colorizer
from colorizer.video import VideoError
from colorizer.video.messages import Limits, Message, receive, send

BYTES_VARIABLE, SECONDS_VARIABLE, LINES_VARIABLE = (
    "COLORIZER_VIDEO_MB",
    "COLORIZER_VIDEO_SECONDS",
    "COLORIZER_VIDEO_LINES",
)
"""Environment variables: the largest video that is accepted, in megabytes, seconds, and lines of a 16:9 picture."""

_RANGES = {BYTES_VARIABLE: (50, 1, 100), SECONDS_VARIABLE: (30, 1, 600), LINES_VARIABLE: (720, 36, 2160)}
_MAX_MEMORY = 1_000_000_000  # Resident memory in bytes. At 720p, an encoder and its threads take a third of that.
_PREVIEW_CPU_SECONDS = 20  # Seconds of processor time for a preview frame.
_BASE_CPU_SECONDS, _FRAME_CPU_SECONDS = 30, 0.5  # Seconds of processor time for a video, plus an allowance per frame.
_WALL_CLOCK_FACTOR = 8  # Wall-clock time over processor time: other processes use the processor, too.
_STILLS_AT_ONCE = 2
_GROWTH = 4  # A result may be this many times as large as the largest video that is accepted.
_STILL = ".still.png"

_stills = threading.BoundedSemaphore(_STILLS_AT_ONCE)
_running: dict[str, "Popen[bytes]"] = {}
_lock = threading.Lock()


class Canceled(Exception):  # noqa: N818  It is a request, not an error.
    """The visitor canceled the video."""


def read_limits() -> tuple[Limits, int]:
    """Read the limits of a video from the environment, and the size of its file in bytes.

    Raises
    ------
    ValueError
        If a value in the environment is invalid.
    """
    values = []
    for name, (default, least, most) in _RANGES.items():
        given = os.environ.get(name) or str(default)
        if not given.isdecimal() or not least <= int(given) <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most}, got {given!r}")
        values.append(int(given))
    return Limits(seconds=values[1], lines=values[2]), values[0] * 1_000_000


def read_still(path: Path, limits: Limits) -> NDArray[np.uint8]:
    """Read a representative frame of a video: (H, W, 3) uint8 RGB, upright. It is kept beside the video.

    Raises
    ------
    VideoError
        If the video can't be read, or is too large or too long.
    FileNotFoundError
        If it has been deleted.
    """
    kept = path.with_name(_STILL)
    if not kept.exists():
        if not path.exists():
            raise FileNotFoundError(2, os.strerror(2), str(path))
        request = {"path": str(path), "limits": asdict(limits), "target": None, "vividness": 0}
        with _stills:
            for _, arrays in _ask(request, _PREVIEW_CPU_SECONDS):
                write_whole(kept, encode_image(np.asarray(arrays[0], np.uint8), "PNG"))
    return decode(kept, 8 * limits.pixels)[0][:, :, :3]


def colorize_film(
    path: Path, target: Path, colorizer: Colorizer, vividness: float, limits: Limits, visitor: str
) -> Iterator[Message]:
    """Colorize a video.

    Parameters
    ----------
    path, target : pathlib.Path
        The video, and the MP4 to write.
    colorizer : Colorizer
        The model; it gets a few frames at a time.
    vividness : float
        As in `Colorizer.colorize`.
    limits : Limits
        The largest video that is accepted.
    visitor : str
        Whose video it is, for `cancel`.

    Yields
    ------
    dict
        Progress: ``frames`` that are done, of ``total``; at the end ``done``, a `colorizer.video.colorize.Summary`.

    Raises
    ------
    Canceled
        If `cancel` was called.
    VideoError, FileNotFoundError, OSError
        If the video can't be colorized.
    """
    seconds = _BASE_CPU_SECONDS + round(_FRAME_CPU_SECONDS * limits.frames)
    request = {"path": str(path), "limits": asdict(limits), "target": str(target), "vividness": vividness}
    for message, _ in _ask(request, seconds, colorizer, visitor):
        yield message


def cancel(visitor: str) -> None:
    """Stop colorizing a visitor's video, if there is one."""
    with _lock:
        process = _running.pop(visitor, None)
    if process is not None:
        process.kill()


def _ask(
    request: Message, seconds: int, colorizer: Colorizer | None = None, visitor: str = ""
) -> Iterator[tuple[Message, list[NDArray[Any]]]]:
    """Send a request to a process and yield its messages; what it asks for in turn is answered here."""
    name = Path(request["path"]).name
    max_bytes = _GROWTH * 1_000_000 * _RANGES[BYTES_VARIABLE][2]
    process: Popen[bytes] = spawn("colorizer.video.child")
    requests, responses = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
    if visitor:
        with _lock:
            _running[visitor] = process
    watch = Watch(process.pid, _MAX_MEMORY, seconds + 1, seconds * _WALL_CLOCK_FACTOR)
    try:
        with watch, suppress(BrokenPipeError):  # The process may end at any time.
            send(requests, {**request, "processor_seconds": seconds, "max_bytes": max_bytes})
            while (received := receive(responses)) is not None:
                message, arrays = received
                if "predict" in message and colorizer is not None:
                    chromas = colorizer.predict_chroma(arrays, vividness=request["vividness"])
                    send(requests, {}, chromas)
                    continue
                _raise_error(message, name)
                yield message, arrays
                if "done" in message:
                    return
        with suppress(TimeoutExpired):
            process.wait(timeout=5)
    finally:
        process.kill()
        code = process.wait()
        with _lock:
            canceled = bool(visitor) and _running.get(visitor) is not process
            if visitor and not canceled:
                del _running[visitor]
    if canceled:
        raise Canceled
    reason, advice = watch.ended or explain_end(code)
    raise VideoError(f"{name} {reason}", advice)


def _raise_error(message: Message, name: str) -> None:
    if "error" in message:
        raise VideoError(*map(str, message["error"]))
    if "missing" in message:
        raise FileNotFoundError(2, os.strerror(2), name)
    if "lacking" in message:
        raise OSError(int(message["lacking"]), "the video can't be written")
