"""Sandboxed process that reads, colorizes and writes one untrusted video: ``python -m colorizer.video.child``.

Only this process opens the file, and its memory, CPU time and output are limited, so that no file can harm the server.
It sends luma planes to the parent process, which has the network, and gets chroma back, see `colorizer.video.messages`.
"""

import errno
import math
import os
import random
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.child import limit_memory, limit_time
from colorizer.machine import describe_shortage
from colorizer.video import VideoError
from colorizer.video.colorize import Summary, colorize_video
from colorizer.video.messages import Limits, Message, receive, send
from colorizer.video.planes import describe
from colorizer.video.reading import Film, choose_stream, open_video, read_frame

MEMORY = 1_500_000_000
"""Bytes by which the address space of the process may grow; an encoder reserves far more than it uses."""
_MAX_CORES = 4


def main() -> None:
    """Read one request from standard input, and write the response to standard output."""
    warnings.simplefilter("ignore")
    received = receive(sys.stdin.buffer)
    if received is None:
        return
    request, _ = received
    cv2.setNumThreads(1)
    with suppress(AttributeError, OSError, ValueError):  # Not available on every system, or there are fewer cores.
        os.nice(10)  # Photos have priority over videos.
        # Encoders start a thread per core, and each takes memory.
        os.sched_setaffinity(0, random.sample(sorted(os.sched_getaffinity(0)), _MAX_CORES))
    limit_memory(MEMORY)
    limit_time(request.pop("processor_seconds"))
    _limit_file_size(request.pop("max_bytes"))
    name = Path(request["path"]).name
    arrays: list[NDArray[Any]] = []
    try:
        response, arrays = _respond(**request)
    except (VideoError, MemoryError, OSError, cv2.error) as error:
        response = _explain(error, name)
    send(sys.stdout.buffer, response, arrays)


def _respond(path: str, limits: Message, target: str | None, vividness: float) -> tuple[Message, list[NDArray[Any]]]:
    checked, source = Limits(**limits), Path(path)
    length = measure_length(source, checked)
    _check_format(source)
    if target is None:
        # Not the first frame, which is often black.
        return {"done": {"seconds": length}}, [read_frame(source, length / 3)]
    summary = _colorize(source, Path(target), vividness, checked)
    return {"done": asdict(summary)}, []


def measure_length(path: Path, limits: Limits) -> float:
    """Measure the length of a video in seconds, without decoding it.

    Raises
    ------
    VideoError
        If it is too long, or its frames are too large.
    """
    with open_video(path) as container:
        stream = choose_stream(container, path)
        height, width = stream.codec_context.height, stream.codec_context.width
        if height * width > limits.pixels:
            raise VideoError(
                f"{path.name} has {width} × {height} pixels, and {16 * limits.lines // 9} × {limits.lines} is the "
                "limit",
                "make it smaller first",
            )
        count, first, last = 0, math.inf, -math.inf
        with suppress(av.error.InvalidDataError):  # Damaged from here on; use what came before.
            for packet in container.demux(stream):
                ticks = packet.pts if packet.pts is not None else packet.dts
                count += packet.size > 0
                if ticks is not None:
                    first, last = min(first, ticks), max(last, ticks)
                seconds = float((last - first) * (stream.time_base or 0)) if last > first else 0.0
                if seconds > limits.seconds or count > limits.frames:
                    raise VideoError(
                        f"{path.name} is too long; {limits.seconds:g} seconds and {limits.frames:,} frames are the "
                        "limit",
                        "shorten it first",
                    )
    return seconds if count else 0.0


class _RemotePredictor:
    """Stands in for a `Colorizer`, and asks the parent process for its predictions."""

    def predict_chroma(
        self, lumas: Sequence[NDArray[np.uint8]], *, vividness: float, detail: int | None
    ) -> list[NDArray[np.float32]]:
        send(sys.stdout.buffer, {"predict": len(lumas)}, lumas)
        received = receive(sys.stdin.buffer)
        if received is None:  # The parent process is gone.
            sys.exit()
        return received[1]


def _check_format(source: Path) -> None:
    """Refuse what can't be written as an MP4, before the visitor chooses settings."""
    with Film.open(source) as film:
        look = describe(film.first, film.stream.sample_aspect_ratio, film.is_interlaced, source.name)
        if look.bits > 8:
            raise VideoError(
                f"{source.name} has {look.bits} bits per sample, and the demo writes only 8",
                "convert it to 8 bits first",
            )


def _colorize(source: Path, target: Path, vividness: float, limits: Limits) -> Summary:
    def report(done: int, total: int | None) -> None:
        if done > limits.frames:  # More frames than packets.
            raise VideoError(f"{source.name} is too long; {limits.frames:,} frames are the limit", "shorten it first")
        send(sys.stdout.buffer, {"frames": done, "total": total})

    return colorize_video(source, target, _RemotePredictor(), vividness=vividness, progress=report)


def _explain(error: Exception, name: str) -> Message:
    if isinstance(error, VideoError):
        return {"error": error.args}
    if isinstance(error, FileNotFoundError):
        return {"missing": True}
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return {"error": (f"{name} would become too large", "shorten it or make it smaller first")}
    if isinstance(error, OSError) and describe_shortage(error):
        return {"lacking": error.errno}
    if describe_shortage(error):
        return {"error": (f"{name} takes too much memory", "make it smaller first")}
    raise error


def _limit_file_size(size: int) -> None:
    """Limit the size of files that this process writes, in bytes, if the system supports it."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    main()
