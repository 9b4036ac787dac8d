"""Truncated files: tell them from complete ones, and pad them so that what is there can be decoded."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

from colorizer.imaging.animation import pack_chunk
from colorizer.imaging.facts import Facts

_END = b"\xff\xd9"  # The end marker of a JPEG.
# What could follow a truncated scan; one of them alone may happen to give the pixels that are missing.
_FILLINGS = [
    byte * 4096 + b"".join(b"\xff" + bytes([0xD0 + restart]) + byte * 64 for restart in range(8))
    for byte in (b"\xaa", b"\x55", b"\x7f")
]
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # Channels of a PNG by color type.
# Formats with raw or run-length encoded rows, in both of which zeros decode to zeros.
_PADDED = {"BMP", "PPM", "TGA", "PCX", "SGI", "QOI"}
_QOI_END = b"\0\0\0\0\0\0\0\1"
_ENDS = {"QOI": _QOI_END, "PCX": b"\x0c" + bytes(level // 3 for level in range(768))}  # A palette of grays.


def complete(content: bytes, facts: Facts, decode: Callable[[bytes], Any]) -> bytes:
    """Append the end marker to a JPEG that is otherwise complete.

    If the last scan is complete, whatever follows it makes no difference to the pixels, which is how it is checked.

    Parameters
    ----------
    content : bytes
        A JPEG or a QOI.
    facts : Facts
        What is known from its structure.
    decode : callable
        The decoder, which fills up whatever is missing; it returns an array or bytes.

    Raises
    ------
    ValueError
        If more than the end marker of a JPEG is missing, or that of a QOI.
    """
    if facts.whole and (facts.kind != "QOI" or _QOI_END in content):
        return content
    content = content.removesuffix(_END[:1])
    if facts.kind == "QOI" or facts.scans_missing or _count_pictures(content, decode) > 1:
        raise ValueError("it ends before its picture does")
    return content + _END


def _count_pictures(content: bytes, decode: Callable[[bytes], Any]) -> int:
    return len({zlib.crc32(decode(content + filling + _END)) for filling in (b"", *_FILLINGS)})


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
    return content + bytes(8 * pixels) + _ENDS.get(kind, b"") if kind in _PADDED else None


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
