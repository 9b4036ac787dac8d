"""Bitmaps with a bit mask per channel, icons and cursors, parts of which Pillow ignores or misreads."""

import struct
from unittest import mock

import numpy as np
import pytest
from image_files import RGB, bmp, pillow
from PIL import Image
from PIL.PpmImagePlugin import PpmDecoder

from colorizer.imaging.decode import ImageError, decode_image, decode_with_metadata

COLORS = np.uint8([[[255, 0, 0, 255], [0, 255, 0, 0]], [[0, 0, 255, 255], [255, 255, 255, 255]]])


def write_masked(bits: int, masks: tuple[int, ...], header: int = 40) -> bytes:
    """Write a bitmap of four colors, the lowest row first."""
    given = COLORS[::-1, :, : len(masks)].reshape(4, -1) > 0
    pixels = (given * np.array(masks)).sum(axis=1).tolist()
    rows = struct.pack("<4" + {16: "H", 32: "I"}[bits], *pixels)
    content = bmp(bits, 6 if header == 40 and len(masks) == 4 else 3, b"", width=2)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    start = max(14 + header, 54 + len(packed))
    content = content[:10] + struct.pack("<II", start, header) + content[18:] + packed
    return content.ljust(start, b"\0") + rows


@pytest.mark.parametrize(
    "content",
    [
        write_masked(16, (0xF00, 0xF0, 0xF)),
        write_masked(16, (0xF00, 0xF0, 0xF, 0xF000), 124),
        write_masked(16, (0x7C00, 0x3E0, 0x1F, 0x8000), 124),
        write_masked(16, (0xC000, 0x3800, 0x780), 52),
        write_masked(32, (0x3FF00000, 0xFFC00, 0x3FF)),
        write_masked(32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 56),
        write_masked(32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    ],
    ids=["444", "4444", "5551", "234", "10 bits", "RGBA", "ABGR"],
)
def test_bitmap_with_masks(content):
    decoded = decode_image(content)
    assert np.array_equal(decoded, COLORS[..., : decoded.shape[2]])
    assert decoded.shape[2] == (4 if content[14] >= 56 or content[30] == 6 else 3)


def test_alpha_mask_without_any_alpha():
    content = write_masked(16, (0x7C00, 0x3E0, 0x1F, 0x8000), 124)
    opaque = b"".join(struct.pack("<H", pixel & 0x7FFF) for (pixel,) in struct.iter_unpack("<H", content[-8:]))
    assert np.array_equal(decode_image(content[:-8] + opaque), COLORS[..., :3])


GRAYS = np.repeat(np.arange(16, dtype=np.uint8) * 17, 4).tobytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bmp(4, 2, b"\4\x45\0\0\4\x12\0\1", GRAYS, width=3), [[1, 2, 1], [4, 5, 4]]),
        (bmp(4, 2, b"\3\x45\0\0\4\x12\0\1", GRAYS, width=3), [[1, 2, 1], [4, 5, 4]]),
        (bmp(4, 2, b"\0\2\0\1\2\x12\0\2\1\0\1\x30\0\1", GRAYS), [[1, 2, 0, 3], [0] * 4]),
        (bmp(8, 1, b"\0\2\1\0\1\4\0\2\1\1\1\5\0\1", GRAYS), [[0, 0, 0, 5], [0, 4, 0, 0]]),
        (bmp(4, 2, b"\0\4\x45\x67\0\0\0\3\x12\x30\0\1", GRAYS), [[1, 2, 3, 0], [4, 5, 6, 7]]),
    ],
    ids=["rows padded to a byte", "the second row alone", "jumps of 4 bits", "jumps of 8 bits", "literal pixels"],
)
def test_bmp_rle_decoding(content, expected):
    assert np.array_equal(decode_image(content)[..., 0], np.uint8(expected) * 17)


@pytest.mark.parametrize("data", [b"\4\1\0\0\4\2", b"\4\1\0\0\5\2\0\1", b"\0\5\1\2"])
def test_runs_that_do_not_fit_or_end_early(data):
    with pytest.raises(ImageError, match="is damaged and can't be decoded"):
        decode_image(bmp(8, 1, data, GRAYS))


def test_what_is_there_of_runs_that_end_early():
    content = bmp(8, 1, b"\4\1\0\0\3\2", GRAYS, height=3000)
    image, metadata = decode_with_metadata(content, accept_truncated=True)
    assert (image[-2:, :, 0] // 17).tolist() == [[2, 2, 2, 0], [1] * 4]
    assert "cut off or damaged" in str(metadata["notes"])


def write_icons(*icons: tuple[int, bytes], kind: int = 1) -> bytes:
    """Write an icon or cursor of bitmaps, each with its bits according to the list, or a cursor's hotspot."""
    start, entries = 6 + 16 * len(icons), b""
    for told, icon in icons:
        entries += struct.pack("<4B2H2I", icon[4], icon[8] // 2, 0, 0, 1, told, len(icon), start)
        start += len(icon)
    return struct.pack("<3H", 0, kind, len(icons)) + entries + b"".join(icon for _, icon in icons)


def write_icon(bits: int, rows: bytes, mask: bytes, palette: bytes = b"") -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 2, 4, 1, bits, 0, 0, 0, 0, len(palette) // 4, 0)
    return header + palette + rows + mask


MASK = b"\0\0\0\0\x40\0\0\0"  # The right pixel of the upper row is transparent.
BGRA = COLORS[::-1][..., [2, 1, 0, 3]]
WITH_ALPHA = write_icon(32, BGRA.tobytes(), bytes(8))
WITH_MASK = write_icon(32, (BGRA * np.uint8([1, 1, 1, 0])).tobytes(), MASK)
FEW = write_icon(1, bytes(8), bytes(8), bytes(8))


@pytest.mark.parametrize(
    "content",
    [
        write_icons((0, WITH_ALPHA)),
        write_icons((32, WITH_MASK)),
        write_icons((1, FEW), (32, WITH_ALPHA)),
        write_icons((7, WITH_ALPHA), kind=2),
        write_icons((32, WITH_MASK), kind=2),
        write_icons((3, write_icon(24, np.pad(BGRA[..., :3].reshape(2, 6), ((0, 0), (0, 2))).tobytes(), MASK)), kind=2),
        write_icons((5, write_icon(4, b"\x23\0\0\0\x01\0\0\0", MASK, BGRA[::-1].tobytes())), kind=2),
    ],
    ids=["list tells no bits", "mask", "two of a size", "cursor", "cursor with mask", "of 24 bits", "of 4 bits"],
)
def test_icons_and_cursors(content):
    image, metadata = decode_with_metadata(content)
    assert np.array_equal(image, COLORS)
    assert metadata["kind"] == "ICO"


def test_icon_that_is_a_png():
    array = np.dstack([RGB[:16, :16], np.full((16, 16), 99, np.uint8)])
    assert np.array_equal(decode_image(pillow(Image.fromarray(array), "ICO", sizes=[(16, 16)])), array)


def test_tga_that_begins_like_a_cursor():
    content = pillow(Image.fromarray(RGB), "TGA")
    assert content[:6] == b"\0\0\2\0\0\0"
    assert np.array_equal(decode_image(content), RGB)


def test_portable_graymap_with_a_long_comment():
    content = b"P5\n# " + b"words " * 500 + b"\n3 1\n# more\n255\n\1\2\3"
    assert decode_image(content)[0, :, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("greatest", [1, 63, 100, 255, 1000, 65535])
def test_portable_pixmap_of_any_range(channels: int, greatest: int):
    samples = np.linspace(0, greatest, 4 * 1000 * channels).round().reshape(4, 1000, channels)
    stored = samples.astype(">u2" if greatest > 255 else np.uint8).tobytes()
    content = f"P{5 if channels == 1 else 6}\n1000 4\n{greatest}\n".encode() + stored
    assert np.abs(decode_image(content) - samples * (255 / greatest)).max() <= 1
    with pytest.raises(ImageError, match="damaged"):
        decode_image(content[:-1000])


def test_large_portable_pixmap_is_not_slow():
    content = b"P6\n2000 2000\n1000\n" + bytes(24_000_000)
    with mock.patch.object(PpmDecoder, "decode", side_effect=AssertionError):
        assert decode_image(content).shape == (2000, 2000, 3)
