"""Parts of BMP and icons that Pillow misreads: some gray palettes, runs of odd length, color masks, lists of icons."""

import struct
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.srgb import apply_palette, to_bytes

_FIRST = 14  # Bytes of the file header, which bitmaps inside other files lack.
_OLDEST = 12  # Bytes of the OS/2 header, which has no compression and palettes of three bytes per color.
_WITH_ALPHA = 56  # Bytes of the first version of the header that has an alpha mask.
_MASKS_START = 54
_RUNS, _MASKED = (1, 2), (b"\3", b"\6")
_NIBBLES = bytes(int(chr(code), 16) if chr(code) in "0123456789abcdef" else 0 for code in range(256))  # Of hex digits.
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
        indices = _unpack_runs(content[start:], height, width, bits)
        indices = indices if upside_down else indices[::-1]
    else:
        row = -(-width * bits // 32) * 4
        data = content[start : start + row * height]
        direction = 1 if upside_down else -1
        indices = np.asarray(Image.frombytes("P", (width, height), data, "raw", _RAW_MODES[bits], row, direction))
    return apply_palette(indices, table)


def has_masks(content: bytes) -> bool:
    """Whether a BMP's header has a bit mask for each channel; Pillow supports some of them, and no 16-bit alpha."""
    kind, bits = content[30:31], content[28:29]
    return content[:2] == b"BM" and content[14:15] > bytes([_OLDEST]) and kind in _MASKED and bits in (b"\x10", b"\x20")


def hide_masks(content: bytes) -> bytes:
    """Change the header of a BMP with masks so that Pillow opens it."""
    return content[:30] + bytes(4) + content[34:]


def decode_masked_bmp(content: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode a BMP with masks to (H, W, 3) or, if it has transparency, (H, W, 4) uint8."""
    start, header = struct.unpack_from("<II", content, 10)
    alpha = header >= _WITH_ALPHA or content[30:31] == _MASKED[1]
    masks = struct.unpack_from("<4I" if alpha else "<3I", content, _MASKS_START)
    bits = content[28]
    row = -(-width * bits // 32) * 4
    samples = np.frombuffer(content, f"<u{bits // 8}", row * height * 8 // bits, max(start, 14 + header))
    samples = samples.reshape(height, -1)[:, :width]
    samples = samples if content[25] == 0xFF else samples[::-1]
    image = np.zeros((height, width, 4), np.uint8)
    for channel, mask in enumerate(masks):
        if lowest := mask & -mask:
            levels = (samples & samples.dtype.type(mask)) // samples.dtype.type(lowest)
            image[..., channel] = to_bytes(levels, (mask // lowest).bit_length())[0]
    # Some writers declare an alpha mask but leave its bits 0 everywhere.
    return image if image[..., 3].any() else image[..., :3]


@dataclass(frozen=True)
class Icon:
    """One of the pictures of an icon or cursor: its size, bits per pixel, and positions in the file."""

    height: int
    width: int
    bits: int
    entry: int
    start: int


def is_icon(content: bytes) -> bool:
    """Whether a file begins like an icon or cursor with a picture; many TGA files begin like one without any."""
    return content[:4] in (b"\0\0\1\0", b"\0\0\2\0") and any(content[4:6])


def list_icons(content: bytes) -> list[Icon]:
    """List the pictures of an icon or cursor by their own headers, the best one first."""
    (count,) = struct.unpack_from("<H", content, 4)
    icons = []
    for entry in range(6, 6 + 16 * count, 16):
        with suppress(struct.error):  # Some icons may be damaged and others intact.
            (at,) = struct.unpack_from("<I", content, entry + 12)
            if content[at : at + 8] == b"\x89PNG\r\n\x1a\n":
                width, height = struct.unpack_from(">II", content, at + 16)
                bits = 32
            else:  # A bitmap, whose height includes its mask.
                old = content[at : at + 4] == bytes([_OLDEST, 0, 0, 0])
                width, height, bits = struct.unpack_from("<HH2xH" if old else "<ii2xH", content, at + 4)
                width, height = abs(width), abs(height) // 2
            icons.append(Icon(height, width, bits, entry, at))
    return sorted(icons, key=lambda icon: (icon.height * icon.width, icon.bits), reverse=True)


def keep_best_icon(content: bytes) -> bytes:
    """Return an icon that lists only the best picture of an icon or cursor, with its true number of bits.

    Among pictures of equal size, Pillow would choose the one with the fewest bits. It ignores the masks of cursors, and
    goes by the list's number of bits to decide whether there is alpha; many icons have 0 there, and cursors a hotspot.
    """
    best = list_icons(content)[0]
    bits, alpha = best.bits, content[best.start + 43 : best.start + 40 + 4 * best.height * best.width : 4]
    if bits == 32 and not any(alpha):  # In that case, the mask is used.
        bits = 24
    place = content[best.entry + 8 : best.entry + 16]
    return struct.pack("<HHHBBHHH", 0, 1, 1, best.width % 256, best.height % 256, 0, 1, bits) + place + content[22:]


def _unpack_runs(data: bytes, height: int, width: int, bits: int) -> NDArray[np.uint8]:
    """Unpack runs to indices (H, W), in the order of the file; pixels that are left out become 0.

    Some writers pad rows to four bytes. `ValueError` or `IndexError` if the runs don't fit the picture or end early.
    """
    indices = bytearray(height * width)
    filled = -(-width * bits // 32) * 32 // bits
    runs = [bytes([value] if bits == 8 else divmod(value, 16)) * 255 for value in range(256)]
    at = x = y = 0
    while y < height and data[at : at + 2] != b"\0\1":
        count, value = data[at], data[at + 1]
        at += 2
        if not count and value == 0:
            x, y = 0, y + 1
        elif not count and value == 2:
            x, y, at = x + data[at], y + data[at + 1], at + 2
        else:
            if count:
                pixels = runs[value]
            else:
                count, size = value, -(-value * bits // 8)
                pixels = data[at : at + size]
                pixels = pixels if bits == 8 else pixels.hex().encode().translate(_NIBBLES)
                at += size + size % 2
            if x + count > filled or len(pixels) < count:
                raise ValueError("its runs don't fit the picture")
            if (shown := min(count, width - x)) > 0:
                start = y * width + x
                indices[start : start + shown] = pixels[:shown]
            x += count
    return np.frombuffer(indices, np.uint8).reshape(height, width)
