"""Files that unpack to gigabytes, and files whose structure would take too much memory or time."""

import io
import os
import struct
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import encode, random_images
from image_files import RGB, bmp, chunk, pillow, png, tiff
from PIL import Image

from benchmarks.fuzz import photoshop
from colorizer.imaging.avif import list_stream_sizes
from colorizer.imaging.decode import ImageError, decode_image, decode_pages, decode_with_metadata


def png_bomb(side: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_bomb(side: int) -> bytes:
    """A screen of 8 x 8 with a single, far larger frame."""
    small = pillow(Image.new("P", (8, 8)), "GIF")
    at = small.index(b"\x2c", 13)
    return small[: at + 5] + struct.pack("<HH", side, side) + small[at + 9 :]


def webp_bomb(side: int) -> bytes:
    content = bytearray(pillow(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", exif=b"Exif\0\0" + bytes(8)))
    at = content.index(b"VP8X") + 12
    content[at : at + 6] = struct.pack("<I", side - 1)[:3] * 2
    return bytes(content)


def heif_bomb(side: int, format: str) -> bytes:
    """A file of 64 x 64 whose header states another size."""
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
    """A small picture whose header states another size."""
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
        (
            lambda side: photoshop(np.zeros((1, 1, 3), np.uint8)).replace(
                bytes([0, 0, 0, 1] * 2), struct.pack(">II", side, side)
            ),
            SIDE,
        ),
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
    with measured() as taken, pytest.raises(ImageError, match=r"megapixels|damaged|not an image"):
        decode_image(bomb)
    assert taken["bytes"] < 100e6


@contextmanager
def measured():
    """Measure how far the resident memory of this process rises at its peak, and the processor's seconds."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("the peak of memory is known on Linux alone")

    def read(name: str) -> int:
        return 1024 * int(status.read_text().split(name + ":")[1].split()[0])

    Path("/proc/self/clear_refs").write_text("5")  # Measure the peak from here on.
    before, started, taken = read("VmRSS"), time.process_time(), {}
    yield taken
    taken["bytes"], taken["seconds"] = read("VmHWM") - before, time.process_time() - started


def test_the_peak_is_measured_not_what_stays():
    with measured() as taken:
        bytes(np.ones(200_000_000, np.uint8)[:1])
    assert 190e6 < taken["bytes"] < 250e6


def blp(side: int, jpeg: bytes) -> bytes:
    """A texture whose picture is a JPEG."""
    header = struct.pack("<4sIIIIII", b"BLP1", 0, 0, side, side, 5, 0)
    return header + struct.pack("<16I16II", 160, *[0] * 15, len(jpeg), *[0] * 15, 0) + jpeg


def test_blp_and_dds_with_mismatched_sizes_are_refused():
    """Pillow makes room for the former first, and decodes a JPEG of any size to the latter's layout."""
    picture = Image.fromarray(random_images(1, 16)[0])
    assert decode_image(blp(16, pillow(picture, "JPEG"))).shape == (16, 16, 3)
    bombs = [blp(16, pillow(Image.new("L", (5000, 5000)), "JPEG"))]
    for format in ("BLP", "DDS"):
        content = bytearray(pillow(picture.quantize(8) if format == "BLP" else picture, format))
        size, order = struct.pack("<II", 16, 16), struct.pack("<II", 1, 80_000_000)
        bombs.append(bytes(content.replace(size, order, 1)))
    for bomb in bombs:
        with measured() as taken, pytest.raises(ImageError, match="damaged"):
            decode_image(bomb)
        assert taken["bytes"] < 50e6


def test_runs_that_draw_nothing_count_as_work():
    content = bmp(8, 1, b"\0\2\0\0" * 4_000_000, bytes(1024))
    with measured() as taken, pytest.raises(ImageError, match="would take as long to decode"):
        decode_image(content, max_pixels=16_000_000)
    assert taken["seconds"] < 1


# === Structures that take more than their pictures ===


def test_many_pages_are_not_copied_with_each():
    content = io.BytesIO()
    with tifffile.TiffWriter(content) as file:
        for _ in range(60):
            file.write(np.zeros((500, 1000), np.uint8), photometric="minisblack", metadata=None)
    content = content.getvalue()
    with measured() as taken:
        assert sum(1 for _ in decode_pages(content)) == 60
    assert taken["bytes"] < len(content)


def avif_lie(**options) -> bytes:
    """A picture whose container states another size than its stream."""
    content = bytearray(pillow(Image.new("L", (1500, 1500)), "AVIF", speed=10, **options))
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", 64, 64)
    return bytes(content)


def avif_sequence_lie() -> bytes:
    """The same for an animation: the sizes of its track and of its first picture are false."""
    content = avif_lie(save_all=True, append_images=[Image.new("L", (1500, 1500))])
    return content.replace(struct.pack(">HH", 1500, 1500), struct.pack(">HH", 64, 64)).replace(
        struct.pack(">II", 1500 << 16, 1500 << 16), struct.pack(">II", 64 << 16, 64 << 16)
    )


def giant_tile() -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, np.zeros((96, 96), np.uint8), tile=(96, 96), compression="deflate", metadata=None)
    side = struct.pack("<I", 30_000)
    changed = bytearray(content.getvalue())
    for tag in (322, 323):
        at = changed.index(struct.pack("<HHI", tag, 4, 1)) + 8
        changed[at : at + 4] = side
    return bytes(changed)


def picture_in_a_tile() -> bytes:
    """A strip whose JPEG is far larger than the strip."""
    content = pillow(Image.new("L", (64, 64)), "TIFF", compression="jpeg")
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", 9000, 9000) + content[at + 4 :]


def exif_bomb(length: int) -> bytes:
    """A directory of tags whose values are all the whole rest of the file."""
    count = 4000
    entries = b"".join(struct.pack(">HHII", 50_000 + i, 7, length, 16) for i in range(count))
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", count) + entries + bytes(4 + length)


def exif_png() -> bytes:
    return png(RGB, chunk(b"eXIf", exif_bomb(2_000_000)))


def exif_webp() -> bytes:
    content = pillow(Image.new("RGB", (8, 8)), "WEBP", exif=b"Exif\0\0" + exif_bomb(2_000_000))
    assert len(content) > 2_000_000
    return content


def exif_jpeg(exif: bytes = exif_bomb(2_000_000), size: int = 60_000) -> bytes:
    """EXIF in many segments, which Pillow joins."""
    parts = [exif[i : i + size] for i in range(0, len(exif), size)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts)
    content = encode(RGB, "JPEG")
    return content[:2] + segments + content[2:]


def exif_psd() -> bytes:
    exif, content = exif_bomb(2_000_000), photoshop(RGB)
    resource = b"8BIM" + struct.pack(">HHI", 1058, 0, len(exif)) + exif
    return content[:30] + struct.pack(">I", len(resource)) + resource + content[34:]


def exif_as_text() -> bytes:
    """As ImageMagick used to write it, in hexadecimal."""
    text = b"\nexif\n  2000000\n" + exif_bomb(2_000_000).hex().encode()
    return png(RGB, chunk(b"tEXt", b"Raw profile type exif\0" + text))


def exif_of_many_large_values() -> bytes:
    """No values share bytes, but writing appends them one by one."""
    count, size = 4000, 1000
    start = 14 + 12 * count
    entries = b"".join(struct.pack(">HHII", 50_000 + i, 7, size, start + i * size) for i in range(count))
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">H", count) + entries + bytes(4 + count * size)
    return png(RGB, chunk(b"eXIf", exif))


def icons_in_icons() -> bytes:
    """A file of icons that contains another one, and so on."""
    content = bytes(1_000_000)
    for _ in range(600):
        content = icns_bomb(content)
    return content


def lists_of_chunks() -> bytes:
    """An AVIF whose movie has lists that all claim the rest of it."""
    lists = b"stco\0\0\0\0\xff\xff\xff\xff" * 25_000
    free = struct.pack(">I4s", 8 + len(lists), b"free") + lists
    return pillow(Image.fromarray(RGB), "AVIF") + struct.pack(">I4s", 8 + len(free), b"moov") + free


def fake_codestream() -> bytes:
    """A small codestream in a box that decoders skip, before the large one."""
    large = jpeg2000_bomb(30_000)
    small = pillow(Image.new("L", (64, 64)), "JPEG2000", no_jp2=True)
    at = 12 + struct.unpack_from(">I", large, 12)[0]
    return large[:at] + struct.pack(">I4s", 8 + len(small), b"uuid") + small + large[at:]


def heif_with_exif(format: str) -> bytes:
    exif = exif_bomb(2_000_000)
    empty = exif[:8].ljust(len(exif), b"\0")  # Pillow also parses what it writes.
    return pillow(Image.new("RGB", (64, 64)), format, exif=b"Exif\0\0" + empty).replace(empty, exif)


def many_scans() -> bytes:
    content = pillow(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    at = content.rindex(b"\xff\xda")
    scan = content[at:-2]
    return content[:-2] + scan * 3000 + content[-2:]


def gif_comment() -> bytes:
    """A comment in small parts, which Pillow appends one by one."""
    content = pillow(Image.new("L", (8, 8)), "GIF")
    at = content.index(b"\x2c", 13)
    return content[:at] + b"\x21\xfe" + (b"\xff" + bytes(255)) * 60_000 + b"\0" + content[at:]


def many_chunks() -> bytes:
    small = chunk(b"abCd", b"")
    return png(RGB, *[small] * 400_000)


def deep_floats() -> bytes:
    buffer = io.BytesIO()
    zeros = np.zeros((3000, 3000), np.float64)
    tifffile.imwrite(buffer, zeros, compression="deflate", rowsperstrip=500, metadata=None)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (avif_lie, "its stream is 1500 x 1500, not 64 x 64"),
        (avif_sequence_lie, "its stream is 1500 x 1500, not 64 x 64"),
        (giant_tile, "MB of memory to decode"),
        (picture_in_a_tile, "a strip or tile in it is 9000 x 9000"),
        (exif_png, "EXIF that would take far more memory"),
        (exif_webp, "EXIF that would take far more memory"),
        (exif_jpeg, "EXIF that would take far more memory"),
        (lambda: exif_jpeg(bytes(10_000_000), 1000), "more than 100 segments of EXIF"),
        (exif_psd, "EXIF that would take far more memory"),
        (exif_as_text, "EXIF that would take far more memory"),
        (lambda: heif_with_exif("HEIF"), "EXIF that would take far more memory"),
        (lambda: heif_with_exif("AVIF"), "EXIF that would take far more memory"),
        (exif_of_many_large_values, "EXIF that would take far more memory"),
        (icons_in_icons, "damaged"),
        (lists_of_chunks, "its list of chunks is damaged"),
        (fake_codestream, "30000 x 30000"),
        (many_scans, "would take as long to decode as"),
        (gif_comment, "too long a comment"),
        (many_chunks, "more than .* chunks"),
        (deep_floats, "MB of memory to decode"),
    ],
)
def test_structure_that_takes_too_much_is_refused_in_words(make, words):
    content = make()
    decode_image(encode(RGB))
    with measured() as taken, pytest.raises(ImageError, match=words):
        decode_with_metadata(content, max_memory=100_000_000 if make is deep_floats else 500_000_000)
    assert taken["bytes"] < 20e6 + 3 * len(content)
    assert taken["seconds"] < 3


def tiff_of_many_large_tags() -> bytes:
    """Unneeded tags: appending their values one by one would take a minute."""
    options = {f"t{50_000 + i}": (0,) * 1000 for i in range(2000) if i != 706}
    return tiff(RGB[..., 0], **options)


def tiff_of_long_numbers() -> bytes:
    """Directories whose first tag has a million shared numbers instead of one."""
    content, count, directories = bytearray(tiff(RGB[..., 0])), 1_000_000, 300
    link = 10 + 12 * struct.unpack_from("<H", content, 8)[0]
    shared, first = len(content), len(content) + 4 * count
    content[link : link + 4] = struct.pack("<I", first)
    content += struct.pack("<I", 1) * count
    for i in range(directories):
        following = first + 18 * (i + 1) if i < directories - 1 else 0
        content += struct.pack("<HHHIII", 1, 254, 4, count, shared, following)
    return bytes(content)


@pytest.mark.parametrize("make", [tiff_of_many_large_tags, tiff_of_long_numbers])
def test_tags_that_are_not_needed_take_no_time(make):
    content = make()
    with measured() as taken:
        assert np.array_equal(decode_image(content), np.repeat(RGB[..., :1], 3, axis=2))
    assert taken["bytes"] < 20e6 + 3 * len(content)
    assert taken["seconds"] < 2


def test_filling_up_a_png_of_many_chunks_takes_no_time():
    content = png(random_images(1, 99)[0], *[chunk(b"abCd", bytes(50))] * 50_000)
    with measured() as taken:
        decode_with_metadata(content[:-2000], accept_truncated=True)
    assert taken["seconds"] < 3


@pytest.mark.parametrize("prefix", [b"xmp", b"xap"])
def test_xmp_with_many_openings_and_no_end_takes_no_time(prefix):
    xmp = b"<x:xmpmeta>" + b"<%b:Thumbnails" % prefix * 200_000
    picture = Image.fromarray(RGB)
    picture.info["xmp"] = xmp
    with measured() as taken:
        decode_with_metadata(picture)
    assert taken["seconds"] < 2


def test_sizes_of_the_streams_of_an_avif():
    still = Image.fromarray(RGB)
    assert list_stream_sizes(pillow(still, "AVIF")) == [RGB.shape[:2]]
    assert list_stream_sizes(pillow(Image.fromarray(np.dstack([RGB, RGB[..., 0]])), "AVIF")) == [RGB.shape[:2]] * 2
    frames = pillow(still, "AVIF", save_all=True, append_images=[still.rotate(90)])
    assert set(list_stream_sizes(frames)) == {RGB.shape[:2]}


def test_a_sparse_file_and_a_pipe_are_not_read(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(encode(RGB))
        file.truncate(4_000_000_000)
    with measured() as taken, pytest.raises(ImageError, match=r"huge\.png is 4000 MB; the limit"):
        decode_image(tmp_path / "huge.png")
    assert taken["bytes"] < 20e6
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png is not a regular file"):
        decode_image(tmp_path / "pipe.png")


def test_qoi_is_decoded_in_no_time():
    content = imagecodecs.qoi_encode(np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8))
    with measured() as taken:
        decode_image(content)
    assert taken["seconds"] < 2


def test_limit_can_be_raised_beyond_that_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert decode_image(encode(RGB), max_pixels=RGB.size).shape == RGB.shape
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(encode(RGB), max_pixels=100)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
def test_a_long_text_in_a_png_is_no_damage(name, place):
    """Photoshop's history in XMP takes megabytes."""
    content = encode(RGB)

    def make(size: int) -> bytes:
        text = b"Comment\0" + (b"\1\0\0\0" if name == b"iTXt" else b"\0") + zlib.compress(bytes([97]) * size)
        at = 33 if place == "before" else len(content) - 12  # After the header, or before the end.
        return content[:at] + chunk(name, text) + content[at:]

    np.testing.assert_array_equal(decode_image(make(5_000_000)), RGB)
    longer = make(100_000_000)
    with measured() as taken, pytest.raises(ImageError, match="more than 16 MB of text or color profile in it"):
        decode_image(longer)
    assert taken["bytes"] < 60e6
