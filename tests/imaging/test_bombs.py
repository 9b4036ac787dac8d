"""Files that are broken, and files that unpack to gigabytes."""

import struct
import zlib

import numpy as np
import psutil
import pytest
from conftest import encode, random_images
from image_files import RGB, bmp, chunk, opencv, pillow, psd, tiff
from PIL import Image

from colorizer.imaging.decode import ImageError, decode_image


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF", "JPEG2000", "TGA"])
def test_truncated_file_is_named_with_its_reason(tmp_path, format):
    content = encode(random_images(1, 200)[0], format)
    path = tmp_path / f"half.{format.lower()}"
    for part in (0.05, 0.5, 0.8):
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(ImageError, match=rf"half\.{format.lower()} (is|has) .{{10}}"):
            decode_image(path)


def test_truncated_deep_tiff():
    content = opencv(np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16), ".tif")
    for part in (0.5, 0.9):
        with pytest.raises(ImageError, match="damaged"):
            decode_image(content[: int(len(content) * part)])


def png_bomb(side: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_bomb(side: int) -> bytes:
    """A screen of 8 x 8 whose only frame is far larger."""
    small = pillow(Image.new("P", (8, 8)), "GIF")
    at = small.index(b"\x2c", 13)
    return small[: at + 5] + struct.pack("<HH", side, side) + small[at + 9 :]


def webp_bomb(side: int) -> bytes:
    content = bytearray(pillow(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", exif=b"Exif\0\0" + bytes(8)))
    at = content.index(b"VP8X") + 12
    content[at : at + 6] = struct.pack("<I", side - 1)[:3] * 2
    return bytes(content)


def heif_bomb(side: int, format: str) -> bytes:
    """A file of 64 x 64 whose header tells another size."""
    content = bytearray(pillow(Image.new("RGB", (64, 64)), format))
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", side, side)
    return bytes(content)


def bmp_bomb(side: int) -> bytes:
    """Run-length encoded: a few bytes fill all rows."""
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 2, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + 2, 0, 0, 14 + 40 + 1024) + header + bytes(1024) + b"\x00\x01"


def tiff_bomb(compression: str) -> bytes:
    return pillow(Image.new("1", (12_000, 12_000)), "TIFF", compression=compression)


def jpeg2000_bomb(side: int) -> bytes:
    content = pillow(Image.new("L", (64, 64)), "JPEG2000")
    return content.replace(struct.pack(">II", 64, 64), struct.pack(">II", side, side))


def jpeg_bomb(side: int, **options) -> bytes:
    content = bytearray(pillow(Image.new("RGB", (64, 64)), "JPEG", **options))
    at = content.index(b"\xff\xc2" if options else b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def patched_bomb(format: str, at: int, size: bytes) -> bytes:
    """A small picture whose header tells another size."""
    content = pillow(Image.new("RGB", (64, 64)), format)
    return content[:at] + size + content[at + len(size) :]


def ico_bomb(bomb: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(bomb), 22) + bomb


def icns_bomb(bomb: bytes) -> bytes:
    return b"icns" + struct.pack(">I", 16 + len(bomb)) + b"ic07" + struct.pack(">I", 8 + len(bomb)) + bomb


SIDE = 60_000


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (jpeg_bomb, SIDE),
        (lambda side: jpeg_bomb(side, progressive=True), SIDE),
        (lambda size: patched_bomb("TGA", 12, size), struct.pack("<HH", SIDE, SIDE)),
        (lambda size: patched_bomb("PCX", 8, size), struct.pack("<HH", SIDE, SIDE)),
        (lambda size: patched_bomb("SGI", 6, size), struct.pack(">HH", SIDE, SIDE)),
        (lambda size: patched_bomb("DDS", 12, size), struct.pack("<II", SIDE, SIDE)),
        (lambda size: patched_bomb("QOI", 4, size), struct.pack(">II", SIDE, SIDE)),
        (lambda size: b"P6 " + size + b" 255\n", b"60000 60000"),
        (lambda side: psd(np.zeros((1, 1, 3), np.uint8), 3)[:14] + struct.pack(">II", side, side) + bytes(200), SIDE),
        (lambda side: ico_bomb(png_bomb(side)), 12_000),
        (lambda side: ico_bomb(bmp(32, 0, bytes(32), b"", side, side)[14:]), 30_000),
        (lambda side: icns_bomb(png_bomb(side)), 12_000),
        (png_bomb, 12_000),
        (gif_bomb, 24_000),
        (webp_bomb, 16_000),
        (tiff_bomb, "tiff_adobe_deflate"),
        (tiff_bomb, "tiff_lzw"),
        (lambda side: tiff(np.zeros((2, 2), np.uint16), t256=side, t257=side), 60_000),
        (lambda side: heif_bomb(side, "HEIF"), 30_000),
        (lambda side: heif_bomb(side, "AVIF"), 30_000),
        (bmp_bomb, 24_000),
        (jpeg2000_bomb, 30_000),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bomb_is_refused_before_it_is_decoded(make, argument):
    bomb = make(argument)
    assert len(bomb) < 300_000
    memory = psutil.Process()
    before = memory.memory_info().rss
    with pytest.raises(ImageError, match=r"megapixels|damaged|no image"):
        decode_image(bomb)
    assert memory.memory_info().rss - before < 100e6


def test_limit_can_be_raised_beyond_that_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert decode_image(encode(RGB), max_pixels=RGB.size).shape == RGB.shape
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(encode(RGB), max_pixels=100)
