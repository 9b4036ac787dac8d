"""Composite the frames of a GIF or PNG animation, each extracted as a file of its own.

References
----------
CompuServe, GIF89a; W3C, Portable Network Graphics (Third Edition), sections 11.3.6 and 12.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.facts import UnreadableError

GIF_IMAGE = 0x2C
_GIF_EXTENSION, _GIF_CONTROL, _GIF_COMMENT = 0x21, 0xF9, 0xFE
_MAX_BLOCKS = 1_000_000
_MAX_COMMENT_BYTES = 1_000_000  # Bytes; Pillow joins a comment's parts in quadratic time.
_COLORS_OF_PNG = {b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"iCCP", b"sRGB"}
_STAY, _CLEAR, _RESTORE = range(3)
_NOTHING = (0, 0, 0, 0)


@dataclass(frozen=True)
class _Frame:
    content: bytes
    top: int
    left: int
    blend: bool  # Whether the frames before it show through where it is transparent.
    disposal: int  # What happens to its area before the next frame.
    background: tuple[int, ...] = _NOTHING  # RGBA that its area is cleared to.


def walk_gif(content: bytes) -> Iterator[tuple[int, int, int]]:
    """List the images and extensions of a GIF: kind (the label, for an extension), start and end."""
    at, blocks, comment = 13 + _palette_size(content[10]), 0, 0
    while at < len(content) and content[at] in (GIF_IMAGE, _GIF_EXTENSION):
        start, kind = at, content[at]
        if kind == GIF_IMAGE:
            at += 11 + _palette_size(content[at + 9])
        else:
            at, kind = at + 2, content[at + 1]
        while at < len(content) and content[at]:
            comment += content[at] if kind == _GIF_COMMENT else 0
            at += 1 + content[at]
            if (blocks := blocks + 1) > _MAX_BLOCKS or comment > _MAX_COMMENT_BYTES:
                raise UnreadableError("is a GIF in too many pieces, or with too long a comment")
        at += 1
        yield kind, start, at


def _palette_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def compose(
    content: bytes, height: int, width: int, decode: Callable[[bytes], NDArray[np.uint8]]
) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames of a GIF or PNG one after the other.

    Pillow neither notices colors missing from a later frame's palette nor transparent colors in a PNG's later frames.

    Parameters
    ----------
    content : bytes
        The file.
    height, width : int
        Size of the canvas; frames are cropped to it.
    decode : callable
        Decodes a file with a single frame to (H, W, 3 or 4) uint8.

    Yields
    ------
    (H, W, 4) uint8
        The canvas after each frame, RGBA. It is reused: copy it before requesting the next one.
    """
    canvas = np.zeros((height, width, 4), np.uint8)
    for frame in _split_gif(content) if content[:3] == b"GIF" else _split_png(content):
        image = decode(frame.content)
        area = canvas[frame.top : frame.top + image.shape[0], frame.left : frame.left + image.shape[1]]
        image = image[: area.shape[0], : area.shape[1]]
        before = area.copy() if frame.disposal == _RESTORE else None
        if image.shape[2] == 3:
            area[..., :3], area[..., 3] = image, 255
        elif frame.blend and image.size:
            area[:] = np.asarray(Image.alpha_composite(Image.fromarray(area), Image.fromarray(image)))
        else:
            area[:] = image
        yield canvas
        if frame.disposal != _STAY:
            area[:] = frame.background if before is None else before


def _split_gif(content: bytes) -> Iterator[_Frame]:
    palette = content[13 : 13 + _palette_size(content[10])]
    color = palette[3 * content[11] : 3 * content[11] + 3]
    control = b""
    for kind, start, end in walk_gif(content):
        if kind == _GIF_CONTROL:
            control = content[start:end]
        elif kind == GIF_IMAGE:
            left, top, across, down = struct.unpack_from("<HHHH", content, start + 1)
            screen = content[:6] + struct.pack("<HH", across, down) + content[10:13] + palette
            place = struct.pack("<BHHHH", GIF_IMAGE, 0, 0, across, down)
            flags = control[3] if len(control) > 3 else 0
            yield _Frame(
                b"".join([screen, control, place, content[start + 9 : end], b";"]),
                top,
                left,
                blend=True,
                disposal={2: _CLEAR, 3: _RESTORE}.get(flags >> 2 & 7, _STAY),
                background=(*color, 255) if len(color) == 3 and not flags & 1 else _NOTHING,
            )
            control = b""


def _split_png(content: bytes) -> Iterator[_Frame]:
    header, shared, parts, control = b"", b"", list[bytes](), b""
    for name, data in chain(_walk_png(content), [(b"IEND", b"")]):
        if name in (b"fcTL", b"IEND") and parts:
            across_down, left, top, disposal, blend = header[:8], 0, 0, _CLEAR, 0
            if control:  # Without it, this is the fallback picture for programs that don't support animation.
                across_down, left, top, disposal, blend = struct.unpack_from(">4x8sII4xBB", control)
            start = content[:8] + pack_chunk(b"IHDR", across_down + header[8:]) + shared
            alone = start + pack_chunk(b"IDAT", b"".join(parts)) + pack_chunk(b"IEND", b"")
            yield _Frame(alone, top, left, bool(blend), disposal)
            parts = []
        if name == b"IHDR":
            header = data
        elif name == b"fcTL":
            control = data
        elif name in _COLORS_OF_PNG:
            shared += pack_chunk(name, data)
        elif name in (b"IDAT", b"fdAT"):
            parts.append(data[4:] if name == b"fdAT" else data)


def _walk_png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at + 8 : at + 8 + length]
        at += 12 + length


def pack_chunk(name: bytes, data: bytes) -> bytes:
    """Make a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
