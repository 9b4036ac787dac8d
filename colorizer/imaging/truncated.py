"""Truncated files: tell them from complete ones, and pad them so that what is there can be decoded."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.animation import pack_chunk

_END = b"\xff\xd9"  # The end marker of a JPEG.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # Channels of a PNG by color type.
# Formats with raw or run-length encoded rows, in both of which zeros decode to zeros.
_PADDED = {"BMP", "PPM", "TGA", "PCX", "SGI"}


def complete_jpeg(content: bytes) -> bytes:
    """Append the end marker to a JPEG that is otherwise complete; `ValueError` if more is missing.

    If the last scan is complete, whatever follows it makes no difference to the pixels, which is how it is checked.
    """

    def decode(filling: bytes) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(content + filling + _END), formats=["JPEG"]) as picture:
            return np.asarray(picture)

    content = content.removesuffix(_END[:1])
    if not np.array_equal(decode(b""), decode(b"\xaa" * 64)):
        raise ValueError("it ends before its picture does")
    return content + _END


def fill_up(content: bytes, kind: str, pixels: int) -> bytes | None:
    """Pad a truncated file so that a decoder returns everything that is left; None for formats that can't be padded.

    Parameters
    ----------
    content : bytes
        The file.
    kind : str
        Pillow's name of its format.
    pixels : int
        Number of pixels of its picture. Missing ones become black, or gray in a JPEG.
    """
    if kind == "JPEG":
        return content.removesuffix(_END[:1]) + _END
    if kind == "PNG":
        return _fill_up_png(content)
    return content + bytes(8 * pixels) if kind in _PADDED else None


def _fill_up_png(content: bytes) -> bytes:
    """Unpack as many rows as possible, add black ones, and pack them all again."""
    width, height, bits, kind = struct.unpack_from(">IIBB", content, 16)
    row = 1 + -(-width * bits * _CHANNELS[kind] // 8)
    size = row * height + (8 * (height + width) if content[28] else 0)  # Interlaced: each pass rounds its rows up.
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
        elif not rows and name not in (b"acTL", b"fcTL"):  # Only a still picture is left.
            before.append(content[at : at + 12 + length])
        at += 12 + length
    packed = zlib.compress(bytes(rows.ljust(size, b"\0")), 1)
    return b"".join([content[:8], *before, pack_chunk(b"IDAT", packed), pack_chunk(b"IEND", b"")])
