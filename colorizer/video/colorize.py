"""Colorize a video; memory use doesn't grow with its length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from colorizer.imaging.decode import MAX_PIXELS
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS
from colorizer.video import VideoError
from colorizer.video.planes import Look, add_color, describe, read_luma, to_full, to_square, turn
from colorizer.video.reading import Film
from colorizer.video.steadying import EVERY, Steadier
from colorizer.video.unfinished import Progress, Unfinished
from colorizer.video.writing import Part, Plan, join_parts, open_encoder, plan_writing

PART_SECONDS = 10.0
"""Seconds per part; a run that is interrupted loses no more than that."""
_BATCH = 8  # Maximum number of frames per batch.
_BATCH_PIXELS = 1 << 24  # Maximum number of pixels per batch.

ReportProgress = Callable[[int, int | None], None]
"""Called with the number of finished frames, and the total, or None if that is unknown."""


class ChromaPredictor(Protocol):
    """Predicts the chroma of frames: a `Colorizer`, or a proxy for one in another process."""

    def predict_chroma(
        self, lumas: Sequence[NDArray[np.uint8]], *, vividness: float, detail: int | None
    ) -> list[NDArray[np.float32]]:
        """Predict low-resolution chroma of luma planes, see `Colorizer.predict_chroma`."""


@dataclass(frozen=True)
class Summary:
    """Summary of a colorized video.

    Attributes
    ----------
    frames : int
        Number of frames written.
    height, width : int
        Size of a stored frame, before rotation.
    seconds : float
        Time from the first frame to the last.
    damaged : tuple of float
        Times in seconds of damaged frames, which were dropped or repaired; infinity if the file breaks off.
    notes : tuple of str
        What couldn't be kept as it was, and whether the run was resumed, in words.
    """

    frames: int
    height: int
    width: int
    seconds: float
    damaged: tuple[float, ...]
    notes: tuple[str, ...]


def colorize_video(
    source: str | Path,
    target: str | Path,
    colorizer: ChromaPredictor,
    *,
    vividness: float = DEFAULT_VIVIDNESS,
    detail: int | None = None,
    lossless: bool = False,
    every: int = EVERY,
    max_pixels: int = MAX_PIXELS,
    progress: ReportProgress | None = None,
    part_seconds: float = PART_SECONDS,
) -> Summary:
    """Colorize a video, with colors that are stable from frame to frame.

    The video's luma, timing, sound, subtitles, chapters and flags are kept; `Summary.notes` lists exceptions. An
    interrupted run leaves its finished parts in a hidden folder beside the target, and the same call resumes it. The
    target is renamed to its final name once it is complete.

    Parameters
    ----------
    source : str or pathlib.Path
        MP4, MOV, MKV, WebM, AVI or MPEG.
    target : str or pathlib.Path
        ``.mp4``, ``.mov`` or ``.mkv``; replaced if it exists.
    colorizer : Colorizer
        The model, or another `ChromaPredictor`.
    vividness, detail
        As in `Colorizer.colorize`.
    lossless : bool
        Encode as FFV1 in ``.mkv`` instead of H.264.
    every : int
        Run the network on every n-th frame; other frames take their colors from those before.
    max_pixels : int
        Maximum H x W of a frame.
    progress : callable, optional
        Called with the number of finished frames, and the total or None. If it raises, the run stops.
    part_seconds : float
        Seconds per part; an interrupted run resumes after the last finished part.

    Returns
    -------
    Summary
        What was written.

    Raises
    ------
    VideoError
        If the video can't be read, its frames are too large, or it can't be written as requested; raised before the
        first frame if possible.
    ValueError
        If `every` is less than 1.
    OSError
        If a file can't be read or written.
    """
    source, target = Path(source), Path(target)
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    if target.exists() and target.samefile(source):
        raise VideoError(f"{target} is the source itself", "choose another name for the result")
    with Film.open(source, max_pixels=max_pixels) as film:
        look = describe(film.first, film.stream.sample_aspect_ratio, film.is_interlaced, source.name)
        plan = plan_writing(film, look, target, lossless)
        predict = partial(_predict, colorizer, vividness, detail)
        settings: dict[str, Any] = {
            "every": every,
            "part_seconds": part_seconds,
            "detail": detail,
            "vividness": vividness,
        }
        settings |= {"codec": plan.codec, **plan.options}
        try:
            with Unfinished.open(source, target, settings, _fingerprint(predict)) as unfinished:
                done = _color(film, look, plan, unfinished, Steadier(predict, every), part_seconds, progress)
                if not done.frames:
                    raise VideoError(f"{source.name} has no picture that can be decoded")
                whole = unfinished.folder / "film.part"
                join_parts(film, look, plan, unfinished.parts(), whole, target.suffix.lower())
                whole.replace(target)
                unfinished.remove()
                notes = (*plan.notes, *unfinished.notes)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(target)) from error
            raise VideoError(f"{target.name} can't be written: {error.strerror}") from error
    seconds = float((done.last - done.first) * film.time_base)
    return Summary(done.frames, look.height, look.width, seconds, done.damaged, notes)


def _color(
    film: Film,
    look: Look,
    plan: Plan,
    unfinished: Unfinished,
    steadier: Steadier,
    part_seconds: float,
    progress: ReportProgress | None,
) -> Progress:
    """Colorize the rest of the video, part by part."""
    done = unfinished.load()
    steadier.state = done.state
    film.damaged = list(done.damaged)
    total = film.total
    if progress is not None:
        progress(done.frames, total)
    frames = film.frames(done.last if done.frames else None)
    batch_size = max(1, min(_BATCH, _BATCH_PIXELS // (look.height * look.width)))
    following = next(frames, None)
    while following is not None:
        first = done.first if done.frames else following.pts
        count, last, end = done.frames, following.pts, following.pts + part_seconds / film.time_base
        with Part(unfinished.begin(), open_encoder(film, look, plan)) as part:
            while following is not None and following.pts < end:
                batch: list[VideoFrame] = []
                while following is not None and following.pts < end and len(batch) < batch_size:
                    batch.append(following)
                    following = next(frames, None)
                for frame in _color_batch(batch, look, steadier):
                    part.add(frame)
                count, last = count + len(batch), batch[-1].pts
                if progress is not None:
                    progress(count, total)
            part.add(None)
        # Damaged frames that were read ahead are counted with their own part.
        damaged = tuple(seconds for seconds in film.damaged if seconds <= last * film.time_base)
        done = Progress(count, first, last, damaged, steadier.state)
        unfinished.finish(done)
    return replace(done, damaged=tuple(sorted(film.damaged)))


def _color_batch(frames: list[VideoFrame], look: Look, steadier: Steadier) -> Iterator[VideoFrame]:
    stored = [read_luma(frame, look) for frame in frames]
    lumas = [to_full(luma, look) for luma in stored]
    upright = [turn(to_square(luma, look.aspect), look.rotation) for luma in lumas]
    for frame, own, luma, (_, chroma) in zip(frames, stored, lumas, steadier.steady(upright), strict=True):
        yield add_color(frame, own, luma, chroma, look)


def _predict(
    colorizer: ChromaPredictor, vividness: float, detail: int | None, lumas: list[NDArray[np.uint8]]
) -> list[NDArray[np.float32]]:
    return colorizer.predict_chroma(lumas, vividness=vividness, detail=detail)


def _fingerprint(predict: Callable[[list[NDArray[np.uint8]]], list[NDArray[np.float32]]]) -> list[float]:
    """Fingerprint weights and settings by their prediction for a test image."""
    rows, columns = np.mgrid[:96, :128].astype(np.float32)
    picture = 128 + 60 * np.sin(rows / 9) * np.cos(columns / 13) + columns / 4
    chroma = predict([picture.astype(np.uint8)])[0]
    part = np.linspace(0, 1, 5)[:-1]
    picked = chroma[(part * chroma.shape[0]).astype(int)][:, (part * chroma.shape[1]).astype(int)]
    return [float(value) for value in picked.reshape(-1)]
