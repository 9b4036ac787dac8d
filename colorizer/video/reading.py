"""Read videos: their properties, and frames in order of time."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from colorizer.imaging.decode import MAX_PIXELS
from colorizer.video import VideoError
from colorizer.video.planes import to_square, turn

# Chosen by a file's content, not its name. No playlists, which refer to other files and hosts.
_DEMUXERS = "mov,matroska,avi,mpeg,mpegts"
_SEEK_BACK = Fraction(3)  # Seconds to seek before the wanted frame: frames right after a seek may be damaged.
_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: a cover image.
_PROGRESSIVE = 1  # FFmpeg's AV_FIELD_PROGRESSIVE


def open_video(path: Path) -> InputContainer:
    """Open a file as a video, without access to any other file.

    Raises
    ------
    VideoError
        If its format can't be read, or its beginning is damaged.
    OSError
        If it can't be read.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError(f"{path.name} is empty (0 bytes)")
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    try:
        return av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError(
            f"{path.name} is not a video that can be read (MP4, MOV, MKV, WebM, AVI, MPEG), or it is damaged"
        ) from error


@dataclass
class Film:
    """An open video: its main video stream, and its properties.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    container : av.container.InputContainer
        The file, opened.
    stream : av.video.stream.VideoStream
        The video stream; cover images are ignored.
    first : av.video.frame.VideoFrame
        The first frame that can be decoded.
    damaged : list of float
        Times in seconds of frames read so far that couldn't be decoded or had to be repaired; infinity if the file
        breaks off.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    first: VideoFrame = field(init=False)
    damaged: list[float] = field(default_factory=list)
    _counted: float = -math.inf  # Seconds up to which an earlier run recorded damaged frames.

    @classmethod
    def open(cls, path: Path, *, max_pixels: int = MAX_PIXELS) -> "Film":
        """Open a file; raise `VideoError` if no frame can be decoded, or frames have more than `max_pixels`."""
        container = open_video(path)
        try:
            stream = choose_stream(container, path)
            film = cls(path, container, stream)
            height, width = stream.codec_context.height, stream.codec_context.width
            if height * width > max_pixels:
                raise VideoError(
                    f"{path.name} has frames of {width} x {height} = {height * width:,} pixels; "
                    f"the limit is {max_pixels:,}",
                    "make it smaller first",
                )
            first = next(film._decode(), None)
            if first is None:
                raise VideoError(f"{path.name} has no picture that can be decoded")
        except BaseException:
            container.close()
            raise
        film.first, film.damaged = first, []
        return film

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the frames' times."""
        return self.stream.time_base or Fraction(1, 90_000)

    @property
    def rate(self) -> Fraction:
        """Frames per second; an estimate if the rate varies or is unknown."""
        rate = self.stream.guessed_rate or self.stream.average_rate or Fraction(25)
        return rate if 0 < rate <= 1000 else Fraction(25)

    @property
    def step(self) -> int:
        """Ticks from one frame to the next; an estimate if the rate varies or is unknown."""
        return max(1, round(1 / (self.rate * self.time_base)))

    @property
    def total(self) -> int | None:
        """Number of frames, possibly estimated; None if it is unknown."""
        if self.stream.frames:
            return self.stream.frames
        if self.container.duration:
            return max(1, round(Fraction(self.container.duration, 1_000_000) * self.rate))
        return None

    @property
    def is_interlaced(self) -> bool:
        """Whether a frame holds two fields from different times."""
        return self.first.interlaced_frame or self.stream.codec_context.field_order > _PROGRESSIVE

    def frames(self, after: int | None = None) -> Iterator[VideoFrame]:
        """Decode all frames, or those after a given time.

        Times are strictly increasing: a frame without a time is put one step after the one before, and a frame whose
        time is too early one tick after it.

        Parameters
        ----------
        after : int, optional
            Time of a frame in ticks, from an earlier reading of this file.

        Yields
        ------
        av.video.frame.VideoFrame
            Frames of the same size and pixel format as the first.

        Raises
        ------
        VideoError
            If the video is encrypted, or changes its size.
        """
        if after is not None:
            self._counted = float(after * self.time_base)
            frames = self._frames_from(after)
            if frames is not None:
                yield from frames
                return
        self._rewind()
        for frame in self._timed(self._decode(), None):
            if after is None or frame.pts > after:
                yield frame

    def _frames_from(self, after: int) -> Iterator[VideoFrame] | None:
        """Seek and decode up to a frame, to continue after it; None if the seek may have missed it."""
        with suppress(av.error.FFmpegError):
            self._seek(after - int(_SEEK_BACK / self.time_base))
            frames = self._decode()
            for frame in frames:
                if frame.pts is None or frame.pts > after:
                    return None
                if frame.pts == after:
                    return self._timed(frames, after)
        return None

    def _decode(self) -> Iterator[VideoFrame]:
        """Decode frames, and record the times of those that are damaged."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.has_sidedata("encryption_info"):
                    raise VideoError(f"{self.path.name} is encrypted")
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self._note(packet.pts if packet.pts is not None else packet.dts)
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        self._note(frame.pts)
                    yield frame
        except av.error.InvalidDataError:  # The container is damaged from here on; keep what came before.
            self._note(None)

    def _note(self, ticks: int | None) -> None:
        """Record a damaged frame, unless an earlier run did."""
        seconds = float(ticks * self.time_base) if ticks is not None else math.inf
        if seconds > self._counted:
            self.damaged.append(seconds)

    def _seek(self, ticks: int) -> None:
        """Seek to a key frame at or before a time; to the beginning if the file isn't seekable."""
        if ticks > (self.stream.start_time or 0):
            with suppress(av.error.FFmpegError):
                self.container.seek(ticks, stream=self.stream)
                return
        self._rewind()

    def _rewind(self) -> None:
        """Reopen the file: not every demuxer can seek to the very first frame."""
        self.container.close()
        self.container = open_video(self.path)
        self.stream = choose_stream(self.container, self.path)

    def _timed(self, frames: Iterator[VideoFrame], last: int | None) -> Iterator[VideoFrame]:
        for frame in frames:
            if frame.pts is None:
                frame.pts = (self.stream.start_time or 0) if last is None else last + self.step
            if last is not None and frame.pts <= last:
                frame.pts = last + 1
            last = frame.pts
            if (frame.width, frame.height) != (self.first.width, self.first.height):
                raise VideoError(
                    f"{self.path.name} changes its size at {float(frame.pts * self.time_base):.1f} s, from "
                    f"{self.first.width} x {self.first.height} to {frame.width} x {frame.height} pixels",
                    "split it there first",
                )
            if frame.format.name != self.first.format.name:
                frame = frame.reformat(format=self.first.format.name)
            yield frame


def read_frame(path: Path, seconds: float, *, max_pixels: int = MAX_PIXELS) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read the frame that is shown at a given time, upright and with square pixels.

    Parameters
    ----------
    path : pathlib.Path
        A video.
    seconds : float
        Time since its beginning, at least 0.
    max_pixels : int
        Maximum H x W of a frame.

    Returns
    -------
    (H, W, 3) uint8
        The frame in RGB.

    Raises
    ------
    VideoError
        If the video can't be read, its frames are too large, or it ends before that time.
    OSError
        If the file can't be read.
    """
    if not seconds >= 0:
        raise VideoError(f"the time of a frame must be at least 0 seconds, got {seconds}")
    with Film.open(path, max_pixels=max_pixels) as film:
        wanted = (film.stream.start_time or 0) + int(Fraction(seconds) / film.time_base)
        film._seek(wanted)
        shown: VideoFrame | None = None
        for frame in film._timed(film._decode(), None):
            if shown is not None and frame.pts > wanted:
                break
            shown = frame
        else:
            if shown is None or wanted >= shown.pts + 2 * film.step:
                raise VideoError(f"{path.name} ends before {seconds:g} seconds")
        rgb = shown.to_ndarray(format="rgb24")
        return turn(to_square(rgb, film.stream.sample_aspect_ratio), film.first.rotation)


def choose_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first video stream that isn't a cover image; raise `VideoError` if none can be decoded."""
    for stream in container.streams.video:
        if stream.disposition.value & _ATTACHED_PICTURE:
            continue
        if stream.codec_context is None:
            raise VideoError(f"{path.name} uses a codec that this build of FFmpeg can't decode")
        if stream.codec_context.codec_tag in ("encv", "drmi"):
            raise VideoError(f"{path.name} is encrypted")
        stream.thread_type = "AUTO"
        return stream
    raise VideoError(f"{path.name} has no video stream")
