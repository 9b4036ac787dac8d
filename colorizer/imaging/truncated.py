"""Files that end before their pictures do: told from whole ones, and filled up so that what is there can be decoded."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.animation import pack_chunk

_END = b"\xff\xd9"  # Of a JPEG.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # Of a PNG, by its type of color.
# Pillow decodes them from rows as they are, or from runs, for which zeros stand for themselves.
_PADDED = {"BMP", "PPM", "TGA", "PCX", "SGI"}


def complete_jpeg(content: bytes) -> bytes:
    """Put the end marker to a JPEG that lacks nothing else; `ValueError` if it lacks more.

    Where the last scan is whole, what follows it makes no difference.
    """

    def decode(filling: bytes) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(content + filling + _END), formats=["JPEG"]) as picture:
            return np.asarray(picture)

    content = content.removesuffix(_END[:1])
    if not np.array_equal(decode(b""), decode(b"\xaa" * 64)):
        raise ValueError("it ends before its picture does")
    return content + _END


def fill_up(content: bytes, kind: str, pixels: int) -> bytes | None:
    """Add to a truncated file what makes a decoder give all that is there; None for kinds where that can't be done.

    Parameters
    ----------
    content : bytes
        The file.
    kind : str
        Pillow's name of its format.
    pixels : int
        Of its picture. What is missing of them becomes black, or gray in a JPEG.
    """
    if kind == "JPEG":
        return content.removesuffix(_END[:1]) + _END
    if kind == "PNG":
        return _fill_up_png(content)
    return content + bytes(8 * pixels) if kind in _PADDED else None


def _fill_up_png(content: bytes) -> bytes:
    """Unpack the rows as far as they can be, add black ones, and pack them all again."""
    width, height, bits, kind = struct.unpack_from(">IIBB", content, 16)
    row = 1 + -(-width * bits * _CHANNELS[kind] // 8)
    size = row * height + (8 * (height + width) if content[28] else 0)  # Of seven passes, rows are rounded up.
    unpacker, rows, before = zlib.decompressobj(), bytearray(), list[bytes]()
    at = 8
    while at + 8 <= len(content) and len(rows) < size:
        length, name = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        if name == b"IDAT":
            try:
                rows += unpacker.decompress(data, size - len(rows))
            except zlib.error:
                break
        elif not rows and name not in (b"acTL", b"fcTL"):  # There is one picture left.
            before.append(content[at : at + 12 + length])
        at += 12 + length
    packed = zlib.compress(bytes(rows.ljust(size, b"\0")), 1)
    return b"".join([content[:8], *before, pack_chunk(b"IDAT", packed), pack_chunk(b"IEND", b"")])
