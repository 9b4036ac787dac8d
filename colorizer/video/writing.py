"""Write videos: decide what to keep before the first frame, encode frames in parts, and join the parts at the end.

A part is the encoder's output for about ten seconds, starting with a key frame. Parts are joined without re-encoding,
so an interrupted run can be resumed.
"""

import heapq
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from colorizer.video import CONTAINERS, VideoError
from colorizer.video.planes import Look
from colorizer.video.reading import Film, open_video

_LOSSY = ("libx264", {"preset": "medium", "crf": "18"})
_LOSSLESS = ("ffv1", {"level": "3", "slicecrc": "1", "g": "1"})
_AUDIO_RATE = 192_000  # Bits per second of AAC.
_AAC_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_HEADER = struct.Struct("<qq?I")  # A packet's time, duration, whether it is a key frame, and size in bytes.
# Metadata that describe the source file rather than the film.
_STALE = {"major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration", "handler_name"}
_STALE_STARTS = ("_statistics", "bps", "number_of_", "duration")


@dataclass(frozen=True)
class Plan:
    """How a film is written, decided before its first frame.

    Attributes
    ----------
    copied : tuple of int
        Indices of the streams whose packets are copied.
    encoded : tuple of int
        Indices of the audio streams that the container doesn't support, and that are re-encoded as AAC.
    notes : tuple of str
        What can't be kept as it was, in words.
    codec : str
        FFmpeg's name of the encoder.
    options : dict
        Options of the encoder.
    """

    copied: tuple[int, ...]
    encoded: tuple[int, ...]
    notes: tuple[str, ...]
    codec: str
    options: dict[str, str]


def plan_writing(film: Film, look: Look, target: Path, lossless: bool) -> Plan:
    """Decide how a film is written, and which of its streams are kept.

    Raises
    ------
    VideoError
        If the target's format can't hold the film.
    """
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        raise VideoError(f"can't write {target.name}: the extension of a video must be one of {', '.join(CONTAINERS)}")
    if lossless and suffix != ".mkv":
        raise VideoError(f"lossless video needs an output that ends in .mkv, not {target.name}")
    if look.bits > 8 and not lossless:
        raise VideoError(
            f"{film.path.name} has {look.bits} bits per sample, which only lossless video keeps",
            "choose lossless, and an output that ends in .mkv",
        )
    codec, options = _LOSSLESS if lossless else _LOSSY
    notes = []
    copied, encoded, lost = [], [], dict.fromkeys(("audio", "subtitle", "attachment", "data", "video"), 0)
    plan = Plan((), (), (), codec, dict(options))
    for stream in film.container.streams:
        if stream.index == film.stream.index or _has_chapter_titles(stream, film.container):
            continue
        if _supports(film, look, target, plan, stream):
            copied.append(stream.index)
        elif stream.type == "audio" and stream.codec_context is not None:
            encoded.append(stream.index)
        else:
            lost[stream.type if stream.type in lost else "data"] += 1
    if encoded:
        notes.append(
            f"{_count(len(encoded), 'audio track')} re-encoded as AAC, since {suffix} doesn't support the codec"
        )
    for kind, count in lost.items():
        if count:
            advice = "; .mkv may" if suffix != ".mkv" and kind in ("subtitle", "attachment", "audio") else ""
            notes.append(f"{_count(count, f'{kind} track')} left out, since {suffix} doesn't support it{advice}")
    return Plan(tuple(copied), tuple(encoded), tuple(notes), codec, dict(options))


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _has_chapter_titles(stream: Stream, container: InputContainer) -> bool:
    """Whether a stream holds chapter titles, as in MP4; they are written from the chapters instead."""
    return stream.type == "data" and "mov" in container.format.name and bool(container.chapters())


def _supports(film: Film, look: Look, target: Path, plan: Plan, stream: Stream) -> bool:
    """Test whether the container supports a stream, by writing the header of a file to memory."""
    if stream.type == "attachment" and target.suffix.lower() != ".mkv":
        return False
    if stream.type not in ("audio", "subtitle", "attachment"):
        return False
    try:
        with av.open(BytesIO(), "w", format=CONTAINERS[target.suffix.lower()]) as trial:
            _add_video(trial, film, look, plan)
            _add_copy(trial, stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def open_encoder(film: Film, look: Look, plan: Plan) -> VideoCodecContext:
    """Open an encoder for a part of the film."""
    context = av.CodecContext.create(plan.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.options = dict(plan.options)
    _set_up(context, film, look)
    context.flags |= Flags.global_header  # Required by the containers: all parts share one header.
    context.open()
    return context


def _set_up(context: Any, film: Film, look: Look) -> None:
    context.width, context.height, context.pix_fmt = look.width, look.height, look.target
    context.time_base, context.framerate = film.time_base, film.rate
    context.sample_aspect_ratio = look.aspect
    context.color_range = 2 if look.full_range else 1
    context.colorspace = look.matrix
    context.color_primaries = int(film.first.color_primaries)
    context.color_trc = int(film.first.color_trc)
    if look.interlaced:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.field_order = film.stream.codec_context.field_order


class Part:
    """Encodes a part of the film, and writes its packets to a file.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    encoder : av.video.codeccontext.VideoCodecContext
        A new encoder, see `open_encoder`.
    """

    def __init__(self, path: Path, encoder: VideoCodecContext) -> None:
        self._file: BinaryIO = path.open("wb")
        self._encoder = encoder

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, frame: VideoFrame | None) -> None:
        """Encode a frame; None ends the part."""
        if frame is not None:
            frame.pict_type = 0  # Let the encoder choose, whatever it was in the source.
        for packet in self._encoder.encode(frame):
            content = bytes(packet)
            pts = 0 if packet.pts is None else packet.pts
            self._file.write(_HEADER.pack(pts, packet.duration or 0, packet.is_keyframe, len(content)))
            self._file.write(content)


def _read_part(path: Path) -> Iterator[Packet]:
    with path.open("rb") as file:
        while header := file.read(_HEADER.size):
            pts, duration, is_key, size = _HEADER.unpack(header)
            packet = Packet(file.read(size))
            packet.pts, packet.duration, packet.is_keyframe = pts, duration, is_key
            yield packet


def join_parts(film: Film, look: Look, plan: Plan, parts: Sequence[Path], target: Path, suffix: str) -> None:
    """Write the video from its encoded parts, and the source's other streams and metadata.

    Parameters
    ----------
    film : Film
        The source.
    look : Look
        How it stores its frames.
    plan : Plan
        How the video is written.
    parts : sequence of pathlib.Path
        Files that `Part` wrote, in order.
    target : pathlib.Path
        The file to write, with any extension.
    suffix : str
        Extension that determines the format, one of `colorizer.video.CONTAINERS`.
    """
    with ExitStack() as stack:
        others = stack.enter_context(open_video(film.path))
        options = {"movie_timescale": str(film.time_base.denominator)} if suffix != ".mkv" else {}
        if suffix != ".mkv":
            options["movflags"] = "+faststart"
        out = stack.enter_context(
            av.open(str(target), "w", format=CONTAINERS[suffix], container_options=options, metadata_errors="replace")
        )
        out.metadata.update(_keep(others.metadata))
        out.set_chapters(others.chapters())
        video = _add_video(out, film, look, plan)
        copies = {i: _add_copy(out, others.streams[i]) for i in plan.copied}
        sounds = {i: _Sound(out, others.streams[i]) for i in plan.encoded}
        out.start_encoding()
        depth = video.codec_context.reorder_depth
        pictures = _set_decoding_times(chain.from_iterable(map(_read_part, parts)), depth, film.step)
        wanted = [others.streams[i] for i in (*copies, *sounds) if others.streams[i].type != "attachment"]
        rest = _copy_packets(others, wanted, copies, sounds) if wanted else iter(())
        for packet in _merge(_assign_stream(pictures, video, film.time_base), rest):
            out.mux(packet)


def _assign_stream(packets: Iterator[Packet], stream: Stream, time_base: Fraction) -> Iterator[Packet]:
    for packet in packets:
        packet.stream, packet.time_base = stream, time_base
        yield packet


def _set_decoding_times(packets: Iterator[Packet], depth: int, step: int) -> Iterator[Packet]:
    """Set the decoding times (DTS) of packets: their presentation times (PTS), sorted and delayed by `depth`."""
    times: list[int] = []
    first = 0
    for i, packet in enumerate(packets):
        pts = packet.pts or 0
        first = first if i else pts
        heapq.heappush(times, pts)
        packet.dts = first - step * (depth - i) if i < depth else heapq.heappop(times)
        yield packet


def _merge(one: Iterator[Packet], other: Iterator[Packet]) -> Iterator[Packet]:
    """Merge the packets of two iterators in the order of their times, without buffering."""

    def time(packet: Packet) -> float:
        ticks = packet.dts if packet.dts is not None else packet.pts
        return float((ticks or 0) * (packet.time_base or 0))

    return heapq.merge(one, other, key=time)


def _copy_packets(
    source: InputContainer, wanted: list[Stream], copies: dict[int, Stream], sounds: dict[int, "_Sound"]
) -> Iterator[Packet]:
    try:
        for packet in source.demux(wanted):
            index = packet.stream_index
            if index in sounds:
                yield from sounds[index].encode(packet)
            elif packet.size and (packet.pts is not None or packet.dts is not None):
                packet.stream = copies[index]
                yield packet
    except av.error.InvalidDataError:
        pass  # The container is damaged from here on, as already reported for the frames.
    for sound in sounds.values():
        yield from sound.end()


class _Sound:
    """An audio track that is re-encoded as AAC."""

    def __init__(self, out: OutputContainer, source: Stream) -> None:
        rate = source.codec_context.sample_rate
        rate = rate if rate in _AAC_RATES else 48_000
        layout = _AAC_LAYOUTS.get(source.codec_context.layout.nb_channels, "stereo")
        self._stream = out.add_stream("aac", rate=rate, layout=layout)
        self._stream.bit_rate = _AUDIO_RATE
        self._stream.metadata.update(_keep(source.metadata))
        context = self._stream.codec_context
        self._resampler = AudioResampler(context.format, context.layout, rate, frame_size=1024)

    def encode(self, packet: Packet) -> Iterator[Packet]:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            for part in self._resampler.resample(frame):
                yield from self._stream.encode(part)

    def end(self) -> Iterator[Packet]:
        for part in self._resampler.resample(None):
            yield from self._stream.encode(part)
        yield from self._stream.encode(None)


def _add_video(out: OutputContainer, film: Film, look: Look, plan: Plan) -> Any:
    video = out.add_stream(plan.codec, rate=film.rate, options=dict(plan.options))
    _set_up(video.codec_context, film, look)
    video.time_base = film.time_base
    video.metadata.update(_keep(film.stream.metadata))
    matrix = film.first.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        video.set_display_matrix(np.frombuffer(bytes(matrix), np.int32).tolist())
    return video


def _add_copy(out: OutputContainer, stream: Stream) -> Any:
    copy = out.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(_keep(stream.metadata) if stream.type != "attachment" else stream.metadata)
    copy.disposition = stream.disposition.value
    return copy


def _keep(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE and not key.lower().startswith(_STALE_STARTS)
    }
