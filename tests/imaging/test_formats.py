"""One test for each kind of file that users have, made here."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from conftest import encode, random_images
from image_files import (
    LEVELS,
    RGB,
    SWAPPED,
    WIDE,
    bmp,
    camera_exif,
    chunk,
    gray,
    gray_profile,
    opencv,
    pillow,
    png,
    tiff,
    with_thumbnail,
)
from PIL import ExifTags, Image

from benchmarks.fuzz import photoshop
from colorizer.imaging.decode import ImageError, decode_image, read_size

# === Bit depths and sample formats ===


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(opencv(WIDE[..., :3], ".png"), LEVELS[..., :3], id="PNG RGB 16"),
        pytest.param(opencv(WIDE, ".png"), LEVELS, id="PNG RGBA 16"),
        pytest.param(opencv(WIDE[..., 0], ".png"), gray(LEVELS[..., 0]), id="PNG gray 16"),
        pytest.param(opencv(WIDE[..., :3], ".tif"), LEVELS[..., :3], id="TIFF RGB 16, LZW"),
        pytest.param(opencv(WIDE, ".tif"), LEVELS, id="TIFF RGBA 16"),
        pytest.param(tiff(WIDE, t338=0), LEVELS[..., :3], id="TIFF RGB 16 and what is no alpha"),
        pytest.param(opencv(WIDE[..., 0], ".tif"), gray(LEVELS[..., 0]), id="TIFF gray 16"),
        pytest.param(tiff(WIDE[..., 0], t262=0), gray(255 - LEVELS[..., 0]), id="TIFF gray 16, 0 is white"),
        pytest.param(tiff(WIDE[..., :3].astype(np.uint32) * 65537), LEVELS[..., :3], id="TIFF RGB 32"),
        pytest.param(tiff(WIDE[..., 0].astype(np.uint32) * 65537), gray(LEVELS[..., 0]), id="TIFF gray 32"),
        pytest.param(tiff((WIDE[..., 0] // 2).astype(np.int16)), gray(LEVELS[..., 0]), id="TIFF gray, signed 16"),
        pytest.param(opencv(np.float32(WIDE[..., :3] / 65535), ".tif"), LEVELS[..., :3], id="TIFF RGB float"),
        pytest.param(opencv(np.float32(WIDE[..., 0] / 65535), ".tif"), gray(LEVELS[..., 0]), id="TIFF gray float"),
        pytest.param(tiff(WIDE[..., 0] / 65535), gray(LEVELS[..., 0]), id="TIFF gray double"),
        pytest.param(opencv(WIDE[..., :3], ".ppm"), LEVELS[..., :3], id="PPM 16"),
        pytest.param(opencv(WIDE[..., 0], ".pgm"), gray(LEVELS[..., 0]), id="PGM 16"),
    ],
)
def test_deep_samples_are_scaled_not_clipped(content, expected):
    decoded = decode_image(content)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).max() <= 1


def test_floats_are_clipped_and_what_is_no_number_is_black():
    values = np.array([[-1.0, 0.0], [np.nan, np.inf], [0.5, 1.0]], np.float32)
    assert decode_image(tiff(values))[..., 0].tolist() == [[0, 0], [0, 255], [128, 255]]


def differences(array: np.ndarray) -> np.ndarray:
    """Store samples as a predictor does: as differences from their left neighbors."""
    return np.diff(array, axis=1, prepend=np.zeros_like(array[:, :1]))


PAIRS = np.ascontiguousarray(WIDE[..., :2])
GRAY_ALPHA = np.dstack([gray(LEVELS[..., 0]), LEVELS[..., 1]])
FLOATS = np.float32(WIDE / 65535)
PREMULTIPLIED = np.dstack([np.rint(WIDE[..., :3] * FLOATS[..., 3:]).astype(np.uint16), WIDE[..., 3]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(tiff(PAIRS, t338=2), GRAY_ALPHA, id="gray and alpha"),
        pytest.param(tiff(PAIRS, t338=2, t262=0), GRAY_ALPHA ^ np.uint8([255] * 3 + [0]), id="the same, 0 is white"),
        pytest.param(tiff(PAIRS, t338=0), gray(LEVELS[..., 0]), id="gray and what is no alpha"),
        pytest.param(tiff(differences(PAIRS), t338=2, t259=8, t317=2), GRAY_ALPHA, id="gray and alpha in differences"),
        pytest.param(tiff(np.ascontiguousarray(FLOATS[..., :2]), t338=2), GRAY_ALPHA, id="gray and alpha in floats"),
        pytest.param(tiff(PAIRS, t338=2, t284=2), GRAY_ALPHA, id="gray and alpha in planes"),
        pytest.param(tiff(GRAY_ALPHA[..., 2:], t338=2, t284=2), GRAY_ALPHA, id="gray and alpha in planes of 8 bits"),
        pytest.param(tiff(WIDE[..., :3], t284=2), LEVELS[..., :3], id="RGB in planes"),
        pytest.param(tiff(PAIRS, t338=2, t317=2), GRAY_ALPHA, id="the same, a predictor without a compression"),
        pytest.param(tiff(differences(WIDE), t259=8, t284=2, t317=2), LEVELS, id="RGBA in planes of differences"),
        pytest.param(tiff(WIDE, t338=2, t284=2), LEVELS, id="RGBA in planes"),
        pytest.param(tiff(WIDE, t338=2, t284=2, t259=8, t278=8), LEVELS, id="RGBA in planes of three strips"),
        pytest.param(tiff(PAIRS, t338=2, t259=8, t278=8), GRAY_ALPHA, id="gray and alpha in three strips"),
        pytest.param(tiff(FLOATS[..., :3], t284=2), LEVELS[..., :3], id="RGB in planes of floats"),
        pytest.param(tiff(PREMULTIPLIED, t338=1), LEVELS, id="premultiplied RGBA"),
        pytest.param(tiff(np.float32(PREMULTIPLIED / 65535), t338=1), LEVELS, id="premultiplied RGBA in floats"),
        pytest.param(tiff(PREMULTIPLIED, t338=1, t284=2), LEVELS, id="premultiplied RGBA in planes"),
        pytest.param(tiff(PREMULTIPLIED / 257, t338=1), LEVELS, id="premultiplied RGBA in doubles to 255"),
        pytest.param(tiff(PREMULTIPLIED * np.uint64(2**48), t338=1), LEVELS, id="premultiplied RGBA of 64 bits"),
    ],
)
def test_deep_tiff_with_alpha_or_planes(content, expected):
    decoded = decode_image(content)
    assert decoded.shape == expected.shape
    seen = expected[..., -1:] > 0  # Transparent pixels have no color to recover.
    assert (np.abs(decoded.astype(int) - expected) * seen).max() <= 1


def test_size_of_a_tiff_that_pillow_does_not_read(tmp_path):
    """Batch runs limit their memory by it."""
    for content in (tiff(FLOATS[..., :3]), tiff(WIDE[..., :3], t284=2), tiff(PAIRS, t338=2)):
        assert read_size(content) == WIDE.shape[:2]
        (tmp_path / "a.tif").write_bytes(content)
        assert read_size(tmp_path / "a.tif") == WIDE.shape[:2]


def test_tiff_without_a_directory_is_damaged():
    with pytest.raises(ImageError, match="damaged and can't be decoded: it has no directory"):
        decode_image(b"MM\0+\0\x08\0\0" + bytes(40))


def test_deep_tiff_in_planes_is_turned_and_truncated_as_others():
    assert decode_image(tiff(WIDE[..., :3], t284=2, t274=6)).shape == (33, 21, 3)
    upright = decode_image(tiff(PAIRS, t338=2, t274=6))
    assert np.abs(upright.astype(int) - np.rot90(GRAY_ALPHA, -1)).max() <= 1
    for content in (tiff(WIDE[..., :3], t284=2), tiff(PAIRS, t338=2)):
        with pytest.raises(ImageError, match="damaged"):
            decode_image(content[: int(len(content) * 0.8)])


def test_deep_tiff_that_would_come_out_wrong_is_refused():
    with pytest.raises(ImageError, match="17 samples per pixel"):
        decode_image(tiff(np.dstack([WIDE[..., 0]] * 17)))
    with pytest.raises(ImageError, match="samples of different sizes"):
        decode_image(tiff(WIDE[..., :3], t258=(16, 16, 8)))
    with pytest.raises(ImageError, match="complex numbers"):
        decode_image(tiff(WIDE[..., 0], t339=5))
    with pytest.raises(ImageError, match="inks other than cyan"):
        decode_image(tiff(WIDE, t262=5, t332=2))


@pytest.mark.parametrize("rows", [8, 31], ids=["last strip", "only strip"])
@pytest.mark.parametrize("compression", [5, 8, 50000])
def test_tiff_whose_last_strip_is_padded(compression: int, rows: int):
    """Many writers give it as many rows as the others have, some of them beyond the picture."""
    padded = np.pad(RGB, ((0, -len(RGB) % rows), (0, 0), (0, 0)))
    assert np.array_equal(decode_image(tiff(padded, t259=compression, t278=rows, t257=len(RGB))), RGB)


def test_tiff_of_a_volume_is_refused():
    with pytest.raises(ImageError, match="is a TIFF with volumetric data, which can't be read here"):
        decode_image(tiff(RGB, t32997=5))
    assert np.array_equal(decode_image(tiff(RGB, t32997=1)), RGB)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_tiff_palette_with_alpha(bits: int):
    pixels = np.uint8([[[0, 1], [1, 0]], [[1, 1], [1, 0]]])
    rows = np.packbits(pixels.reshape(2, 4), axis=1) if bits == 1 else pixels * (2**bits - 1)
    rows = rows[..., 0] << 4 | rows[..., 1] if bits == 4 else rows
    entries = 1 << bits
    table = tuple(65535 * (i == entries - 1) for i in range(entries)) + (0,) * entries + (65535,) * entries
    content = tiff(rows.reshape(2, -1), t256=2, t258=(bits, bits), t262=3, t277=2, t320=table, t338=2, t339=(1, 1))
    colors = np.uint8([[0, 0, 255], [255, 0, 255]])[pixels[..., 0]]
    assert np.array_equal(decode_image(content), np.dstack([colors, pixels[..., 1] * 255]))


def test_tiff_that_names_a_size_twice_is_refused():
    """Some readers use the first, others the last."""
    content = tiff(WIDE[..., 0], t255=4)
    at = content.index(struct.pack("<HHI", 255, 4, 1))
    with pytest.raises(ImageError, match="tag 256 twice"):
        decode_image(content[:at] + struct.pack("<HHII", 256, 4, 1, 9000) + content[at + 12 :])


@pytest.mark.parametrize(
    "mode", ["I;16", "I;16B", "I", "1", "L", "LA", "La", "P", "PA", "RGBa", "RGBX", "YCbCr", "HSV"]
)
def test_every_mode_of_a_picture(mode):
    picture = Image.new(mode, (3, 2))
    decoded = decode_image(picture)
    assert decoded.shape == (2, 3, 4 if "a" in mode.replace("Cb", "").lower() else 3)
    assert decoded.dtype == np.uint8


def test_premultiplied_alpha_is_divided_out():
    rgba = Image.fromarray(np.array([[[100, 50, 20, 128]]], np.uint8))
    assert np.abs(decode_image(rgba.convert("RGBa")).astype(int) - np.asarray(rgba)).max() <= 1
    gray_alpha = rgba.convert("LA")
    assert (
        np.abs(decode_image(gray_alpha.convert("La")).astype(int) - np.asarray(gray_alpha.convert("RGBA"))).max() <= 1
    )


def test_one_bit_and_sixteen_gray_levels():
    bits = RGB[..., 0] > 128
    for format in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(decode_image(pillow(Image.fromarray(bits), format)), gray(bits * np.uint8(255)))
    assert np.array_equal(decode_image(pillow(Image.fromarray(bits), "TIFF", compression="group4")), gray(bits * 255))


def test_palette_with_transparency():
    picture = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    expected = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 0, 0]]], np.uint8)
    for format in ("PNG", "GIF", "TIFF", "BMP"):
        assert np.array_equal(decode_image(pillow(picture, format)), expected)
    for format in ("PNG", "GIF"):
        alpha = decode_image(pillow(picture, format, transparency=1))
        assert alpha[..., 3].tolist() == [[255, 0], [255, 255]]
    partly = decode_image(pillow(picture, "PNG", transparency=bytes([10, 128, 255])))
    assert np.array_equal(partly[..., :3], expected)
    assert partly[..., 3].tolist() == [[10, 128], [255, 10]]


def test_transparent_color():
    """A PNG without alpha that names one color as transparent."""
    array = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert decode_image(encode(array, transparency=(1, 2, 3)))[..., 3].tolist() == [[0, 255]]
    assert decode_image(encode(array[..., 0], transparency=4))[..., 3].tolist() == [[255, 0]]


def test_cmyk_decodes_to_rgb():
    inks = Image.fromarray(RGB).convert("CMYK")
    expected = np.asarray(inks.convert("RGB")).astype(int)
    for format in ("TIFF", "JPEG"):  # Pillow writes CMYK in JPEG as Adobe does: inverted.
        content = pillow(inks, format, **({"quality": 95, "subsampling": 0} if format == "JPEG" else {}))
        assert np.abs(decode_image(content) - expected).mean() < 3
    assert b"Adobe" in pillow(inks, "JPEG")
    for planes in (1, 2):
        deep = tiff(np.asarray(inks).astype(np.uint16) * 257, t262=5, t284=planes)
        assert np.abs(decode_image(deep) - expected).max() <= 1


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF", "GIF"])
def test_alpha_is_kept(format):
    rgba = np.dstack([RGB, np.where(RGB[..., 0] > 128, 255, 0).astype(np.uint8)])
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95}, "HEIF": {"quality": -1}}.get(format, {})
    decoded = decode_image(encode(rgba, format, **options))
    assert np.abs(decoded[..., 3].astype(int) - rgba[..., 3]).mean() < 1
    assert decode_image(encode(RGB, format, **options)).shape == RGB.shape


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "HEIF"])
def test_first_of_several_frames_or_pages(format):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "lime")]
    decoded = decode_image(pillow(frames[0], format, save_all=True, append_images=frames[1:]))
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() < 8


# === Orientation ===

TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, -1)[::-1],
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation(format, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(format, {})
    decoded = decode_image(encode(RGB, format, exif=exif, **options))
    expected = TURNS[orientation](RGB)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).max() <= (6 if format == "JPEG" else 0)
    if format == "TIFF":
        deep = tiff(RGB.astype(np.uint16) * 257, t274=orientation)
        assert np.array_equal(decode_image(deep), expected)


@pytest.mark.parametrize("orientation", TURNS)
def test_orientation_of_avif_is_applied_once(orientation):
    """Pillow writes it twice: as irot and imir, and in EXIF."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    corners = np.kron(np.uint8([[0, 80], [160, 240]]), np.ones((32, 64), np.uint8))
    content = pillow(Image.fromarray(gray(corners)), "AVIF", exif=exif, quality=95)
    expected = TURNS[orientation](gray(corners))
    decoded = decode_image(content)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("orientation", [1, 6])
def test_orientation_of_heif_is_applied_once(orientation):
    """As phones write it: irot and EXIF agree. Here, irot replaces the box of bits per channel."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    corners = np.kron(np.uint8([[0, 80], [160, 240]]), np.ones((32, 64), np.uint8))
    content = pillow(Image.fromarray(gray(corners)), "HEIF", exif=exif, quality=95)
    assert content.count(b"\0\0\0\x10pixi") == 1
    turned = content.replace(b"\0\0\0\x10pixi\0\0\0\0", b"\0\0\0\x10irot\x03\0\0\0")
    expected = TURNS[6](gray(corners))
    decoded = decode_image(turned)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 4


def test_thumbnail_and_second_picture_of_a_camera_are_passed_over():
    exif = with_thumbnail(camera_exif().tobytes())
    assert decode_image(encode(random_images(1, 99)[0], "JPEG", exif=exif)).shape == (99, 99, 3)
    frames = [Image.new("RGB", (size, 16), color) for size, color in ((32, "red"), (16, "blue"))]
    content = pillow(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert np.abs(decode_image(content)[:, :].astype(int) - (255, 0, 0)).max() < 8
    assert decode_image(content).shape == (16, 32, 3)


# === Variants of a format ===


LADDER = bytes(value for i in range(16) for value in (i * 17, i * 17, i * 17, 0))
FULL = LADDER + bytes(1024 - len(LADDER))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bmp(4, 0, b"\x45\x67\0\0\x01\x23\0\0", LADDER), id="4 bits"),
        pytest.param(bmp(8, 0, b"\4\5\6\7\0\1\2\3", FULL), id="8 bits"),
        pytest.param(bmp(8, 1, b"\0\4\4\5\6\7\0\0\1\0\1\1\1\2\1\3\0\1", FULL), id="runs of 8 bits"),
        pytest.param(bmp(4, 2, b"\0\4\x45\x67\0\0\2\x01\2\x23\0\1", LADDER), id="runs of 4 bits"),
        pytest.param(
            bmp(
                16, 0, struct.pack("<8H", *(round(i * 17 * 31 / 255) * 0b10000100001 for i in (4, 5, 6, 7, 0, 1, 2, 3)))
            ),
            id="16 bits",
        ),
        pytest.param(bmp(24, 0, bytes(np.repeat(np.uint8([4, 5, 6, 7, 0, 1, 2, 3]) * 17, 3))), id="24 bits"),
        pytest.param(bmp(32, 0, bytes(np.repeat(np.uint8([4, 5, 6, 7, 0, 1, 2, 3]) * 17, 4))), id="32 bits"),
    ],
)
def test_bmp_variants_are_decoded(content):
    expected = gray(np.uint8([[0, 17, 34, 51], [68, 85, 102, 119]]))
    assert np.abs(decode_image(content)[..., :3].astype(int) - expected).max() <= 4


BLACK_AND_WHITE = bytes(4) + b"\xff\xff\xff\0"
DARK = bytes(value for i in range(16) for value in (i, i, i, 0))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bmp(8, 0, b"\1\0\0\1\0\0\1\1", BLACK_AND_WHITE), [[0, 0, 255, 255], [255, 0, 0, 255]]),
        (bmp(4, 0, b"\x10\x01\0\0\x00\x11\0\0", BLACK_AND_WHITE), [[0, 0, 255, 255], [255, 0, 0, 255]]),
        (bmp(4, 0, b"\x45\x67\0\0\x01\x23\0\0", DARK), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (bmp(8, 1, b"\4\5\0\0\4\6\0\1", FULL, width=3), [[102] * 3, [85] * 3]),
        (bmp(8, 1, b"\3\5\1\0\0\0\3\6\1\0\0\1", FULL, width=3), [[102] * 3, [85] * 3]),
    ],
    ids=[
        "8 bits, black and white",
        "4 bits, black and white",
        "4 bits, dark grays",
        "runs fill rows up to four bytes",
        "runs of their own fill them",
    ],
)
def test_bmp_that_other_readers_take_otherwise(content, expected):
    """Pillow ignores some gray palettes at any bit depth; OpenCV reads no runs beyond the width."""
    assert np.array_equal(decode_image(content), gray(np.uint8(expected)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg2000_of_more_than_8_bits(channels: int, bits: int):
    """Pillow turns the brightest levels of a color black."""
    array = WIDE[..., :channels] >> (16 - bits)
    array[0] = 2**bits - 1
    plain = array[..., 0] if channels == 1 else array
    content = imagecodecs.jpeg2k_encode(plain, level=0, reversible=True, codecformat="jp2", bitspersample=bits)
    decoded = decode_image(content)
    expected = np.rint(array * (255 / (2**bits - 1)))
    seen = expected if channels > 2 else expected[..., [0, 0, 0, 1][: 3 + (channels == 2)]]
    assert np.abs(decoded - seen).max() <= 1


def test_layouts_that_pillow_takes_otherwise_are_refused():
    sun = struct.pack(">8I", 0x59A66A95, 3, 1, 32, 12, 1, 0, 0) + bytes(12)
    cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 3", "NAXIS1  = 4", "NAXIS2  = 4", "NAXIS3  = 3", "END"]
    fits = "".join(card.ljust(80) for card in cards).encode().ljust(2880) + bytes(2880)
    deep = fits.replace(b"NAXIS3  = 3", b"NAXIS3  = 1").replace(b"BITPIX  = 8 ", b"BITPIX  = 16")
    floats = deep.replace(b"BITPIX  = 16 ", b"BITPIX  = -32") + bytes(2880)
    refused = [(sun, "a 32-bit Sun raster"), (fits, "a FITS image of several planes")]
    for content, words in [*refused, *((wide, "a FITS image with more than 8 bits") for wide in (deep, floats))]:
        with pytest.raises(ImageError, match=f"is {words}.*, which can't be read here"):
            decode_image(content)
    assert decode_image(fits.replace(b"NAXIS3  = 3", b"NAXIS3  = 1")).shape == (4, 4, 3)


def test_interlaced_png_and_gif():
    for array in (RGB, WIDE[..., :3], RGB[..., 0], WIDE[..., 0]):
        assert np.array_equal(decode_image(png(array, interlaced=True)), decode_image(png(array)))
    assert np.array_equal(decode_image(png(RGB, interlaced=True)), RGB)
    few = Image.fromarray(RGB).quantize(16)
    for interlace in (0, 1):
        assert np.array_equal(decode_image(pillow(few, "GIF", interlace=interlace)), np.asarray(few.convert("RGB")))


def test_deep_png_with_profile():
    swapped = chunk(b"iCCP", b"p\0\0" + zlib.compress(SWAPPED))
    red = np.full((4, 4, 3), (65535, 0, 0), np.uint16)
    assert np.abs(decode_image(png(red, swapped))[0, 0].astype(int) - (0, 0, 255)).max() <= 6
    linear = chunk(b"iCCP", b"p\0\0" + zlib.compress(gray_profile(1.0)))
    assert np.abs(decode_image(png(np.full((4, 4), 16384, np.uint16), linear)).astype(int) - 137).max() <= 2


@pytest.mark.parametrize("bits", [1, 5, 8, 9, 10, 12, 16])
def test_jpegxl_of_any_bits(bits: int):
    array = np.linspace(0, 2**bits - 1, 33).round().astype(np.uint8 if bits <= 8 else np.uint16)[None]
    decoded = decode_image(imagecodecs.jpegxl_encode(array, lossless=True, bitspersample=bits))
    assert np.abs(decoded[..., 0] - array * (255 / (2**bits - 1))).max() <= 1


def test_jpegxl_in_a_box_with_a_long_size():
    stream = imagecodecs.jpegxl_encode(RGB, lossless=True)
    before = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
    content = before + struct.pack(">I4sQ", 1, b"jxlc", 16 + len(stream)) + stream
    assert np.array_equal(decode_image(content), RGB)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_signed_jpeg2000(channels: int, bits: int):
    half = 2 ** (bits - 1)
    array = np.linspace(-half, half - 1, 33 * 64).round().astype(np.int8 if bits == 8 else np.int16).reshape(33, 64)
    stacked = np.dstack([array] * channels)
    content = imagecodecs.jpeg2k_encode(
        array if channels == 1 else stacked, level=0, reversible=True, codecformat="jp2", bitspersample=bits
    )
    assert np.abs(decode_image(content) - (stacked + float(half)) * (255 / (2 * half - 1))).max() <= 1


def test_subsampled_jpeg2000_is_not_called_damaged():
    content = bytearray(imagecodecs.jpeg2k_encode(RGB[..., 0], level=0, reversible=True, codecformat="j2k"))
    at = content.index(b"\xff\x51")
    content[at + 4 + 36 + 1 : at + 4 + 36 + 3] = b"\2\2"  # Columns and rows of the first component.
    with pytest.raises(ImageError, match="is stored in a way that can't be read here: subsampling not supported"):
        decode_image(bytes(content))


def test_bmp_of_an_odd_layout_is_not_called_damaged():
    """The header decides, whatever Pillow says."""
    content = bmp(2, 0, bytes(8), bytes(16))
    with pytest.raises(ImageError, match="is a BMP with an unusual layout, which can't be read here: save it"):
        decode_image(content)
    with pytest.raises(ImageError, match=r"damaged"):
        decode_image(content[:50])


def test_deep_png_with_a_transparent_color():
    array = np.uint16([[[257, 514, 771], [1028, 1285, 1542]]])
    decoded = decode_image(png(array, chunk(b"tRNS", struct.pack(">3H", 257, 514, 771))))
    assert decoded.tolist() == [[[1, 2, 3, 0], [4, 5, 6, 255]]]
    decoded = decode_image(png(array[..., 0], chunk(b"tRNS", struct.pack(">H", 1028))))
    assert decoded.tolist() == [[[1, 1, 1, 255], [4, 4, 4, 0]]]
    with Image.open(io.BytesIO(png(array[..., 0], chunk(b"tRNS", struct.pack(">H", 1028))))) as picture:
        assert decode_image(picture).tolist() == decoded.tolist()
    array = np.uint16([[[0x1234, 0x5678, 0x9ABC], [0x1256, 0x5678, 0x9ABC]]])  # Equal except for the lower bytes.
    decoded = decode_image(png(array, chunk(b"tRNS", struct.pack(">3H", *array[0, 0]))))
    assert decoded[..., 3].tolist() == [[0, 255]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_grays_with_a_transparent_one(bits: int):
    levels = np.arange(1 << bits, dtype=np.uint8)
    decoded = decode_image(png(levels[None], chunk(b"tRNS", b"\0\1"), bits=bits))
    assert decoded[0, :, 3].tolist() == np.where(levels == 1, 0, 255).tolist()
    assert decoded[0, :, 0].tolist() == (levels * (255 // levels[-1])).tolist()


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_jpeg_stored_otherwise_gives_the_same(options):
    picture = Image.fromarray(RGB)
    assert np.array_equal(decode_image(pillow(picture, "JPEG", **options)), decode_image(pillow(picture, "JPEG")))


def test_psd_is_decoded():
    assert np.array_equal(decode_image(photoshop(RGB)), RGB)
    inks = Image.fromarray(RGB).convert("CMYK")
    assert np.array_equal(decode_image(photoshop(255 - np.asarray(inks), 4)), np.asarray(inks.convert("RGB")))
