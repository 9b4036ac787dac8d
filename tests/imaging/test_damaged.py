"""Damaged files: truncated, or with colors missing from their palettes."""

import io
import re
import struct
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import encode, random_images
from image_files import bmp, chunk, opencv, pillow, tiff
from PIL import Image

from benchmarks.fuzz import make_files
from colorizer.imaging.decode import ImageError, decode_image, decode_with_metadata


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


@pytest.mark.parametrize("compression", [None, "packbits", "deflate", "zstd", "jpeg"])
@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 16}, {"tile": (16, 16)}], ids=["strip", "strips", "tiles"])
def test_truncated_tiff_never_shows_what_is_behind_it(compression, options):
    content = io.BytesIO()
    tifffile.imwrite(content, random_images(1, 64)[0], photometric="rgb", compression=compression, **options)
    for cut in (3, 20, 100):
        with pytest.raises(ImageError, match="damaged"):
            decode_image(content.getvalue()[:-cut])


def test_a_truncated_file_never_gives_other_pixels():
    """The decoders of some formats fill up whatever is missing."""
    files = make_files() | {
        "JPEG coarse": pillow(Image.fromarray(random_images(1, 24)[0]), "JPEG", quality=30),
        "JPEG restarts": pillow(Image.fromarray(random_images(1, 48)[0]), "JPEG", restart_marker_blocks=2),
        "PCX palette": pillow(Image.fromarray(random_images(1, 24)[0]).quantize(64), "PCX"),
    }
    for name, content in files.items():
        whole = decode_image(content)
        for length in {*range(len(content) - 40, len(content)), *range(20, len(content), len(content) // 20)}:
            with suppress(ImageError):
                assert np.array_equal(decode_image(content[:length]), whole), (name, length)


def test_a_progressive_jpeg_that_ends_between_two_scans():
    content = pillow(Image.fromarray(random_images(1, 24)[0]), "JPEG", progressive=True)
    for scan in re.finditer(b"\xff\xda", content[content.index(b"\xff\xda") + 2 :]):
        cut = content[: content.index(b"\xff\xda") + 2 + scan.start()]
        with pytest.raises(ImageError, match="it ends before its picture does"):
            decode_image(cut)
        assert decode_with_metadata(cut, accept_truncated=True)[1]["notes"]
    assert np.array_equal(decode_image(content[:-2]), decode_image(content))


def indexed(colors: int) -> Image.Image:
    """A picture with eight indices, and a palette of the given number of colors."""
    picture = Image.fromarray(np.arange(8, dtype=np.uint8).reshape(2, 4), "P")
    picture.putpalette(bytes(range(10, 10 + 3 * colors)))
    return picture


def png_with_palette(colors: int) -> bytes:
    palettes = [chunk(b"PLTE", bytes(indexed(count).getpalette())) for count in (8, colors)]
    return pillow(indexed(8), "PNG").replace(*palettes)


def gif_with_palette(bits: int, picture: Image.Image | None = None, **options) -> bytes:
    content = pillow(picture or indexed(8), "GIF", optimize=False, **options)
    at = content.index(bytes(indexed(8).getpalette()))
    return content[:10] + bytes([0x80 + bits - 1]) + content[11 : at + (3 << bits)] + content[at + 24 :]


def sun_with_palette(colors: int) -> bytes:
    palette = bytes(3 * colors)
    return struct.pack(">8I", 0x59A66A95, 4, 2, 8, 8, 1, 1, len(palette)) + palette + bytes(range(8))


def icon(colors: int, pixels: bytes = b"\x01\x23\0\0\x30\0\0\0") -> bytes:
    """An icon of black, white and other grays, whose lower left corner is masked."""
    bitmap = bmp(4, 0, pixels, b"".join(bytes([shade] * 3 + [0]) for shade in (0, 255, 70, 140)[:colors]))[14:]
    bitmap = bitmap[:8] + struct.pack("<i", 4) + bitmap[12:] + b"\x80\0\0\0\0\0\0\0"
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 4, 2, colors, 0, 1, 4, len(bitmap), 22) + bitmap


def test_icon_with_a_palette_of_black_and_white():
    image = decode_image(icon(2, b"\x01\x01\0\0\x10\x10\0\0"))
    assert image[..., 1].tolist() == [[255, 0, 255, 0], [0, 255, 0, 255]]
    assert image[..., 3].tolist() == [[255] * 4, [0, 255, 255, 255]]


@pytest.mark.parametrize(
    ("make", "enough", "short"),
    [
        (icon, 4, 3),
        (png_with_palette, 8, 7),
        (gif_with_palette, 3, 2),
        (lambda colors: pillow(indexed(colors), "TGA"), 8, 7),
        (sun_with_palette, 8, 7),
        (lambda colors: tiff(np.arange(8, dtype=np.uint8)[None], t262=3, t320=(9,) * 3 * colors), 8, 7),
        (lambda colors: bmp(8, 0, bytes(range(8)), bytes(4 * colors)), 8, 7),
        (lambda colors: bmp(4, 0, b"\x01\x23\0\0\x45\x67\0\0", bytes(4 * colors)), 8, 7),
        (lambda colors: bmp(1, 0, b"\x10\0\0\0\x20\0\0\0", bytes(4 * colors)), 2, 1),
        (lambda colors: bmp(8, 1, b"\0\4\0\1\2\3\0\0\0\4\4\5\6\7\0\1", bytes(4 * colors)), 8, 7),
        (lambda colors: bmp(4, 2, b"\0\4\x01\x23\0\0\0\4\x45\x67\0\1", bytes(4 * colors)), 8, 7),
    ],
    ids=["ICO", "PNG", "GIF", "TGA", "Sun", "TIFF", "BMP of 8 bits", "of 4", "of 1", "in runs of 8", "of 4"],
)
def test_colors_missing_from_a_palette_are_damage(make, enough, short):
    """They would be black or some other color."""
    decode_image(make(enough))
    with pytest.raises(ImageError, match=r"damaged .*: it has pixels whose colors are missing from its palette"):
        decode_image(make(short))


def test_a_transparent_color_need_not_be_in_a_palette():
    """It shows no color; some GIF writers use the last index for it, whatever the palette's size."""
    holes = indexed(8).point([0, 1, 2, 3, 7, 7, 7, 7] * 32)
    assert decode_image(gif_with_palette(2, holes, transparency=7))[..., 3].tolist() == [[255] * 4, [0] * 4]


# === Fax, which has no checksums ===

INK = np.asarray(Image.fromarray(np.uint8(random_images(1, 96)[0][..., 0])).resize((384, 384))) < 128


def fax(compression: str, **tags) -> bytes:
    options = {"strip_size": 48 * 64, "tiffinfo": {int(name[1:]): value for name, value in tags.items()}}
    return pillow(Image.fromarray(INK), "TIFF", compression=compression, **options)


WHOLE_FAXES = {
    "RLE": fax("tiff_ccitt"),
    "group 3": fax("group3"),
    "group 3 in two dimensions": fax("group3", t292=5),
    "group 4": fax("group4"),
    "group 4, bits reversed": fax("group4", t266=2),
    "tiles": bytes(imagecodecs.tiff_encode(INK, tile=(192, 192), compression="ccittfax4")),
}


@pytest.mark.parametrize("content", WHOLE_FAXES.values(), ids=WHOLE_FAXES)
def test_a_fax_that_is_whole_is_not_called_damaged(content):
    image, metadata = decode_with_metadata(content)
    assert np.array_equal(image[..., 0], INK * np.uint8(255))
    assert "notes" not in metadata


def damaged_fax(content: bytes, size: int = 20) -> bytes:
    damaged = np.frombuffer(content, np.uint8).copy()
    damaged[len(content) // 2 :][:size] ^= 0x55
    return damaged.tobytes()


@pytest.mark.parametrize("name", ["RLE", "group 4", "group 4, bits reversed", "tiles", "group 3 in two dimensions"])
def test_a_damaged_fax_is_refused_and_nothing_is_printed(tmp_path, capfd, name):
    path = tmp_path / "fax.tif"
    path.write_bytes(damaged_fax(WHOLE_FAXES[name]))
    with pytest.raises(ImageError, match=r"^fax\.tif is damaged and can't be decoded: its fax code is damaged$"):
        decode_image(path)
    if "two dimensions" not in name:
        image, metadata = decode_with_metadata(path, accept_truncated=True)
        assert "cut off or damaged" in metadata["notes"][0]
        assert np.array_equal(image[:96, :96, 0], INK[:96, :96] * np.uint8(255))
    assert capfd.readouterr().err == ""


def test_damaged_rows_of_a_fax_are_told_and_nothing_is_printed(capfd):
    """In group 3, the rows below are intact."""
    image, metadata = decode_with_metadata(damaged_fax(WHOLE_FAXES["group 3"], 1))
    assert metadata["notes"] == ["its fax code is damaged or unusual: look at the result"]
    assert (image[..., 0] == INK * np.uint8(255)).mean() > 0.95
    assert capfd.readouterr().err == ""
