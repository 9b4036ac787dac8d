"""Parts of BMP and icons that Pillow misreads: some gray palettes, runs of odd length, 16-bit alpha."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.srgb import apply_palette, to_bytes
from colorizer.machine import quiet_opencv

_FIRST = 14  # Bytes of the file header, which bitmaps inside other files lack.
_OLDEST = 12  # Bytes of the OS/2 header, which has no compression and palettes of three bytes per color.
_WITH_ALPHA = 56  # Bytes of the first version of the header that has an alpha mask.
_RUNS, _MASKS = (1, 2), 3
_RAW_MODES = {1: "P;1", 4: "P;4", 8: "P"}


def as_bmp(content: bytes) -> bytes:
    """Prepend the file header, which bitmaps inside other files lack."""
    return b"BM" + bytes(_FIRST - 2) + content


def has_palette(content: bytes) -> bool:
    """Whether a BMP's header says that its pixels are palette indices."""
    at = 24 if content[14:15] == bytes([_OLDEST]) else 28
    return content[:2] == b"BM" and int.from_bytes(content[at : at + 2], "little") in _RAW_MODES


def decode_palette_bmp(content: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode a BMP with a palette to (H, W, 3) uint8; `ValueError` or `struct.error` if it is damaged."""
    start, header = struct.unpack_from("<II", content, 10)
    old = header == _OLDEST
    bits = content[24 if old else 28]
    compression, colors = (0, 0) if old else struct.unpack_from("<I12xI", content, 30)
    colors, entry, at = colors or 1 << bits, 3 if old else 4, 14 + header
    if start <= at:  # Some writers leave the palette out of this offset.
        start = at + entry * colors
    colors = min(colors, 1 << bits, (start - at) // entry)
    table = np.frombuffer(content, np.uint8, entry * colors, at).reshape(colors, entry)[:, 2::-1]
    upside_down = not old and content[25] == 0xFF
    if compression in _RUNS:
        indices = _unpack_runs(content[start:], -height if upside_down else height, width, bits, compression)
    else:
        row = -(-width * bits // 32) * 4
        data = content[start : start + row * height]
        direction = 1 if upside_down else -1
        indices = np.asarray(Image.frombytes("P", (width, height), data, "raw", _RAW_MODES[bits], row, direction))
    return apply_palette(indices, table)


def decode_alpha(content: bytes, height: int, width: int) -> NDArray[np.uint8] | None:
    """Decode the transparency of a BMP of 16 bits to (H, W) uint8; Pillow leaves it out. None if it has none."""
    start, header = struct.unpack_from("<II", content, 10)
    if header < _WITH_ALPHA or content[28] != 16 or content[30] != _MASKS:
        return None
    start = max(start, 14 + header)
    (mask,) = struct.unpack_from("<I", content, 66)
    row = -(-width * 16 // 32) * 4
    samples = np.frombuffer(content, "<u2", row * height // 2, start).reshape(height, -1)[:, :width]
    samples = (samples if content[25] == 0xFF else samples[::-1]) & np.uint16(mask & 0xFFFF)
    # Some writers declare an alpha bit but leave it 0 everywhere.
    return to_bytes(samples // np.uint16(mask & -mask), mask.bit_count())[0] if samples.any() else None


def _unpack_runs(data: bytes, height: int, width: int, bits: int, compression: int) -> NDArray[np.uint8]:
    """Decode runs to indices with OpenCV and a gray ramp as the palette; some writers pad rows to four bytes."""
    ramp = np.repeat(np.arange(1 << bits, dtype=np.uint8), 4).tobytes()
    start = 54 + len(ramp)
    filled = -(-width * bits // 32) * 32 // bits
    columns = filled if _count_first_row(data, bits) == filled else width
    header = struct.pack("<IiiHHIIiiII", 40, columns, height, 1, bits, compression, len(data), 0, 0, 1 << bits, 0)
    content = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + ramp + data
    with quiet_opencv():
        array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    if array is None:
        raise ValueError("its runs can't be unpacked")
    return np.asarray(array, np.uint8)[:, :width]


def _count_first_row(data: bytes, bits: int) -> int:
    """Count the pixels up to the end of the first row, or up to the first jump over pixels."""
    at = pixels = 0
    while at + 1 < len(data) and (data[at] or data[at + 1] > 2):
        if data[at]:
            pixels, at = pixels + data[at], at + 2
        else:
            count = data[at + 1]
            pixels, at = pixels + count, at + 2 + -(-count * bits // 16) * 2
    return pixels
