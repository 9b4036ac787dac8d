"""Videos for the tests, and functions to examine the results."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags

TICKS = Fraction(1, 12_800)


class OneColor:
    """A fast stand-in for `Colorizer`, whose chroma depends slightly on luma."""

    def __init__(self, chroma: tuple[float, float] = (0.1, -0.05), slope: float = 0.05) -> None:
        self.chroma, self.slope = np.array(chroma, np.float32), slope

    def predict_chroma(self, lumas: Sequence[np.ndarray], **_: object) -> list[np.ndarray]:
        small = [luma[:: max(1, luma.shape[0] // 16), :: max(1, luma.shape[1] // 16)] for luma in lumas]
        return [self.chroma + np.float32(self.slope) * (luma[..., None] / np.float32(255) - 0.5) for luma in small]


def moving(count: int, height: int = 48, width: int = 64, depth: int = 8, seed: int = 0) -> list[np.ndarray]:
    """Make limited-range luma planes of a moving pattern."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(-3, 4, (height, width))
    waves = [60 * np.sin((rows + 2 * i) / 7) * np.cos((columns + 3 * i) / 9) + noise for i in range(count)]
    return [((128 + wave) * 2 ** (depth - 8)).astype(np.uint8 if depth == 8 else np.uint16) for wave in waves]


def uneven(count: int) -> list[int]:
    """Make uneven times of frames."""
    return np.cumsum([0, *([512, 700, 512, 300] * count)])[:count].tolist()


def write_video(
    path: Path,
    lumas: Sequence[np.ndarray],
    times: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound: str | None = None,
    subtitles: bool = False,
    attachment: bool = False,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    matrix: int = 1,
    color_range: int = 1,
    interlaced: bool = False,
    metadata: dict[str, str] | None = None,
    chapters: Sequence[dict] = (),
) -> Path:
    """Write a gray video, optionally with other streams."""
    height, width = lumas[0].shape
    options = {"crf": "20", "g": "12"} if codec == "libx264" and options is None else options or {}
    with av.open(str(path), "w", container_options=container_options or {}) as out:
        out.metadata.update(metadata or {})
        out.set_chapters(list(chapters))
        video = out.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt, video.time_base = width, height, pixels, TICKS
        context = video.codec_context
        context.time_base, context.colorspace, context.color_range = TICKS, matrix, color_range
        context.color_primaries = context.color_trc = 1
        if aspect:
            context.sample_aspect_ratio = aspect
        if interlaced:
            context.flags |= Flags.interlaced_dct
            context.field_order = 2
        if rotation is not None:
            video.set_display_rotation(rotation)
        audio = out.add_stream(sound, rate=48_000, layout="mono") if sound else None
        text = out.add_mux_stream("subrip") if subtitles else None
        if text is not None:
            text.time_base = Fraction(1, 1000)
        if attachment:
            out.add_attachment("font.ttf", "font/ttf", b"letters")
        times = times or [512 * i for i in range(len(lumas))]
        for luma, time in zip(lumas, times, strict=True):
            out.mux(video.encode(gray_frame(luma, pixels, time)))
        out.mux(video.encode(None))
        if audio is not None:
            _write_sound(out, audio, float(times[-1] * TICKS))
        if text is not None:
            packet = av.Packet("Grüße".encode())
            packet.pts = packet.dts = 100
            packet.duration, packet.time_base, packet.stream = 400, Fraction(1, 1000), text
            out.mux(packet)
    return path


def gray_frame(luma: np.ndarray, pixels: str, time: int) -> av.VideoFrame:
    """Make a frame without color."""
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], pixels)
    for i, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, luma.dtype).reshape(plane.height, -1)[:, : plane.width]
        rows[:] = (
            luma if i == 0 else 128 * (1 if luma.dtype == np.uint8 else 2 ** (frame.format.components[0].bits - 8))
        )
    frame.pts, frame.time_base = time, TICKS
    return frame


def _write_sound(out: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = np.sin(np.arange(round(seconds * 48_000)) / 20)[None].astype(np.float32)
    resampler = av.AudioResampler(stream.format, "mono", 48_000, frame_size=1024)
    frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def read_frames(path: Path) -> list[av.VideoFrame]:
    """Decode all frames."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def read_times(path: Path) -> list[Fraction]:
    """Read the times of all frames, in seconds and exactly."""
    return [frame.pts * frame.time_base for frame in read_frames(path)]


def read_packets(path: Path, kind: str) -> list[tuple[bytes, Fraction]]:
    """Read the packets of the first stream of a kind, and their times."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(bytes(packet), packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size]


def plane(frame: av.VideoFrame, index: int) -> np.ndarray:
    """Copy a plane of a frame out."""
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    rows = np.frombuffer(frame.planes[index], kind).reshape(frame.planes[index].height, -1)
    return rows[:, : frame.planes[index].width].copy()
