"""One test for each kind of file that people have, made here."""

import io
import struct
import zlib

import cv2
import numpy as np
import psutil
import pytest
from conftest import encode, random_images
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin

from colorizer.images import ImageError, decode_image, decode_with_metadata, encode_image, save_image

RGB = random_images(1, 33)[0][:21]
WIDE = np.random.default_rng(0).integers(0, 65536, (21, 33, 4), dtype=np.uint16)
LEVELS = ((WIDE.astype(np.uint32) + 128) // 257).astype(np.uint8)


def pillow(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def opencv(array: np.ndarray, extension: str, *options: int) -> bytes:
    if array.ndim == 3:
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    return cv2.imencode(extension, np.ascontiguousarray(array), options)[1].tobytes()


def tiff(array: np.ndarray, **tags: int | tuple[int, ...]) -> bytes:
    """Write a TIFF of one strip a plane, tag by tag, for the kinds that no library here writes."""
    samples = array.shape[2] if array.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    given = {
        256: array.shape[1],
        257: array.shape[0],
        258: (array.itemsize * 8,) * samples,
        259: 1,
        262: 2 if samples > 2 else 1,
        273: 0,
        277: samples,
        278: array.shape[0],
        279: array.nbytes,
        284: 1,
        339: (kind,) * samples,
    } | {int(tag[1:]): value for tag, value in tags.items()}
    planes = [array[..., i] for i in range(samples)] if given[284] == 2 else [array]
    strips = [zlib.compress(plane.tobytes()) if given[259] == 8 else plane.tobytes() for plane in planes]
    sizes = [len(strip) for strip in strips]
    given |= {273: tuple(sizes), 279: tuple(sizes)}
    entries, extra = b"", b""
    start = 8 + 2 + 12 * len(given) + 4
    pixels = start + 4 * sum(len(v) for v in given.values() if isinstance(v, tuple) and len(v) > 1)
    given[273] = tuple(pixels + sum(sizes[:i]) for i in range(len(sizes)))
    for tag, value in sorted(given.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            packed, extra = struct.pack("<I", start + len(extra)), extra + packed
        entries += struct.pack("<HHI", tag, 4, len(values)) + packed
    directory = struct.pack("<H", len(given)) + entries + bytes(4)
    return b"II*\x00\x08\x00\x00\x00" + directory + extra + b"".join(strips)


def gray(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[..., None], 3, axis=2)


# === Bits and kinds of samples ===


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
        pytest.param(tiff((WIDE[..., 0] // 2).astype(np.int16)), gray(LEVELS[..., 0] // 2), id="TIFF gray, signed 16"),
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


def test_floats_beyond_one_are_stretched():
    values = np.array([[-1.0, 0.0], [1.0, 3.0]], np.float32)
    assert decode_image(tiff(values))[..., 0].tolist() == [[0, 64], [128, 255]]
    values[0, 0] = np.nan
    assert decode_image(tiff(values))[..., 0].tolist() == [[0, 0], [85, 255]]


def differences(array: np.ndarray) -> np.ndarray:
    """Store samples as a predictor does: each as what it adds to its left neighbor."""
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
        pytest.param(tiff(FLOATS[..., :3], t284=2), LEVELS[..., :3], id="RGB in planes of floats"),
        pytest.param(tiff(PREMULTIPLIED, t338=1), LEVELS, id="premultiplied RGBA"),
        pytest.param(tiff(np.float32(PREMULTIPLIED / 65535), t338=1), LEVELS, id="premultiplied RGBA in floats"),
        pytest.param(tiff(PREMULTIPLIED, t338=1, t284=2), LEVELS, id="premultiplied RGBA in planes"),
    ],
)
def test_deep_tiff_with_alpha_or_planes(content, expected):
    decoded = decode_image(content)
    assert decoded.shape == expected.shape
    seen = expected[..., -1:] > 60  # What is nearly transparent has hardly a color to divide out.
    assert (np.abs(decoded.astype(int) - expected) * seen).max() <= 3


def test_deep_tiff_in_planes_is_turned_and_truncated_as_others():
    assert decode_image(tiff(WIDE[..., :3], t284=2, t274=6)).shape == (33, 21, 3)
    upright = decode_image(tiff(PAIRS, t338=2, t274=6))
    assert np.abs(upright.astype(int) - np.rot90(GRAY_ALPHA, -1)).max() <= 1
    for content in (tiff(WIDE[..., :3], t284=2), tiff(PAIRS, t338=2)):
        with pytest.raises(ImageError, match="damaged"):
            decode_image(content[: int(len(content) * 0.8)])


def test_deep_tiff_that_would_come_out_wrong_is_refused():
    with pytest.raises(ImageError, match="only gray and RGB with or without alpha"):
        decode_image(tiff(np.dstack([WIDE, WIDE[..., 0]])))
    with pytest.raises(ImageError, match="floats under a predictor"):
        decode_image(tiff(np.ascontiguousarray(FLOATS[..., :2]), t259=8, t317=3))
    with pytest.raises(ImageError, match="save it in strips"):
        decode_image(tiff(PAIRS).replace(struct.pack("<H", 273), struct.pack("<H", 324)))


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


def test_cmyk():
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
    """As phones write it: irot and EXIF tell the same. Here irot takes the place of the box of bits a channel."""
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


def bmp(bits: int, compression: int, data: bytes, palette: bytes = b"", width: int = 4, height: int = 2) -> bytes:
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


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
def test_bmp(content):
    expected = gray(np.uint8([[0, 17, 34, 51], [68, 85, 102, 119]]))
    assert np.abs(decode_image(content)[..., :3].astype(int) - expected).max() <= 4


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_STARTS_AND_STEPS = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
ADAM7 = [(slice(top, None, down), slice(left, None, right)) for top, down, left, right in _STARTS_AND_STEPS]


def png(array: np.ndarray, *extra: bytes, interlaced: bool = False) -> bytes:
    """Write a PNG of gray or RGB with chunks of any kind, in seven passes if it is interlaced."""
    parts = [array[rows, columns] for rows, columns in ADAM7] if interlaced else [array]
    rows = b"".join(b"\0" + row.astype(f">u{array.itemsize}").tobytes() for part in parts if part.size for row in part)
    kind = 2 if array.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], array.itemsize * 8, kind, 0, 0, interlaced)
    chunks = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


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


def test_deep_png_with_a_transparent_color():
    array = np.uint16([[[257, 514, 771], [1028, 1285, 1542]]])
    decoded = decode_image(png(array, chunk(b"tRNS", struct.pack(">3H", 257, 514, 771))))
    assert decoded.tolist() == [[[1, 2, 3, 0], [4, 5, 6, 255]]]
    decoded = decode_image(png(array[..., 0], chunk(b"tRNS", struct.pack(">H", 1028))))
    assert decoded.tolist() == [[[1, 1, 1, 255], [4, 4, 4, 0]]]


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_jpeg_stored_otherwise_gives_the_same(options):
    picture = Image.fromarray(RGB)
    assert np.array_equal(decode_image(pillow(picture, "JPEG", **options)), decode_image(pillow(picture, "JPEG")))


def psd(array: np.ndarray, mode: int) -> bytes:
    """Write a picture of Photoshop without layers: RGB is mode 3, CMYK 4, in which 255 is no ink."""
    height, width, channels = array.shape
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, mode)
    return header + bytes(4 * 3) + struct.pack(">H", 0) + np.moveaxis(array, 2, 0).tobytes()


def test_psd():
    assert np.array_equal(decode_image(psd(RGB, 3)), RGB)
    inks = Image.fromarray(RGB).convert("CMYK")
    assert np.array_equal(decode_image(psd(255 - np.asarray(inks), 4)), np.asarray(inks.convert("RGB")))


# === Profiles ===


def profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float], gamma: float) -> bytes:
    """Make an ICC profile of an RGB space (v2, matrix and gamma) from its primaries' chromaticities, D50 white."""

    def s15(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    white = np.array([0.9642, 1.0, 0.8249])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    columns = columns * np.linalg.solve(columns, white)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    xyz = [b"XYZ " + bytes(4) + b"".join(map(s15, column)) for column in (*columns.T, white)]
    data = {b"rXYZ": xyz[0], b"gXYZ": xyz[1], b"bXYZ": xyz[2], b"wtpt": xyz[3]}
    data |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"RGB ", data)


def gray_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return _profile(b"GRAY", {b"kTRC": curve, b"wtpt": white})


def ink_profile() -> bytes:
    """Make a profile of a press whose four inks are all gray, and take a quarter of the lightness each."""
    inks = np.indices((2, 2, 2, 2)).sum(axis=0).ravel()
    lab = np.stack([np.rint(255 * (1 - inks / 4)), np.full(16, 128), np.full(16, 128)], axis=1).astype(np.uint8)
    identity = struct.pack(">9i", *(65536 * (i in (0, 4, 8)) for i in range(9)))
    line = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + line * 4 + lab.tobytes() + line * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return _profile(b"CMYK", {b"A2B0": table, b"wtpt": white}, b"prtr", b"Lab ")


def _profile(space: bytes, data: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    offset = 128 + 4 + 12 * len(data)
    table, body = struct.pack(">I", len(data)), b""
    for name, content in data.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, kind, space, connection) + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


SWAPPED = profile((0.1559, 0.0660), (0.3209, 0.5978), (0.6484, 0.3309), 2.2)  # sRGB's, red and blue exchanged.


def test_profile_is_converted_to_srgb():
    """A profile whose red is sRGB's blue: the two come out exchanged."""
    for mode, format in (("RGB", "PNG"), ("RGB", "TIFF"), ("RGB", "WEBP"), ("P", "PNG"), ("RGBA", "PNG")):
        picture = Image.new("RGB", (4, 4), (255, 0, 0)).convert(mode)
        decoded = decode_image(pillow(picture, format, icc_profile=SWAPPED, lossless=True))
        assert np.abs(decoded[0, 0, :3].astype(int) - (0, 0, 255)).max() <= 6, (mode, format, decoded[0, 0])
    array = np.full((4, 4, 3), (65535, 0, 0), np.uint16)
    content = tiff(array)
    assert np.abs(decode_image(content)[0, 0].astype(int) - (255, 0, 0)).max() == 0


def test_profile_of_a_deep_picture():
    picture = Image.fromarray(np.full((4, 4), 0.25, np.float32))
    content = pillow(picture, "TIFF", icc_profile=gray_profile(1.0))
    assert abs(int(decode_image(content)[0, 0, 0]) - 137) <= 2  # Linear 0.25 is sRGB's level 137.


def test_gray_profile():
    for mode in ("L", "LA"):
        picture = Image.new("L", (4, 4), 64).convert(mode)
        decoded = decode_image(pillow(picture, "PNG", icc_profile=gray_profile(1.0)))
        assert np.abs(decoded[0, 0, :3].astype(int) - 137).max() <= 2
        assert decoded.shape[2] == (4 if mode == "LA" else 3)


@pytest.mark.parametrize("format", ["TIFF", "JPEG", "16 bits in planes"])
def test_profile_of_inks(format):
    """Inks that are all gray: cyan is blue without the profile, and a light gray by it."""
    for inks, expected in (((255, 0, 0, 0), 185), ((0, 255, 255, 0), 119), ((0, 0, 0, 0), 255)):
        picture = Image.new("CMYK", (16, 16), inks)
        if format == "16 bits in planes":
            deep = np.asarray(picture).astype(np.uint16) * 257
            content = tiff(deep, t262=5, t284=2, t34675=struct.unpack(f"<{len(INKS) // 4}I", INKS))
            content = content.replace(
                struct.pack("<HHI", 34675, 4, len(INKS) // 4), struct.pack("<HHI", 34675, 7, len(INKS))
            )
            plain = tiff(deep, t262=5, t284=2)
        else:
            content, plain = (pillow(picture, format, icc_profile=profile) for profile in (INKS, b""))
        assert np.abs(decode_image(content).astype(int) - expected).max() <= 3
        assert np.abs(decode_image(plain).astype(int) - np.asarray(picture.convert("RGB"))).max() <= 3


INKS = ink_profile()


def test_profile_of_another_kind_or_none_is_passed_over():
    inks = Image.fromarray(RGB).convert("CMYK")
    for picture, other in ((Image.fromarray(RGB), gray_profile(1.0)), (Image.fromarray(RGB), b"no"), (inks, SWAPPED)):
        content = pillow(picture, "TIFF", icc_profile=other)
        assert np.array_equal(decode_image(content), np.asarray(picture.convert("RGB")))


def test_srgb_profile_changes_nothing():
    content = encode_image(RGB, "PNG", decode_with_metadata(encode(RGB))[1])
    assert Image.open(io.BytesIO(content)).info["icc_profile"]
    assert np.array_equal(decode_image(content), RGB)
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode_image(encode(RGB, icc_profile=other)).astype(int) - RGB).max() <= 1


# === Metadata ===


def camera_exif() -> Image.Exif:
    """EXIF as a camera held upright writes it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.DateTime] = "2001:02:03 04:05:06"
    exif[ExifTags.Base.ImageDescription] = "Grandma"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "1954:06:07 08:09:10"
    details[ExifTags.Base.ExifImageWidth] = RGB.shape[1]
    details[ExifTags.Base.ExifImageHeight] = RGB.shape[0]
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


def with_thumbnail(exif: bytes) -> bytes:
    """Put a second directory, that of the thumbnail, behind the first of big-endian EXIF."""
    body = exif.removeprefix(b"Exif\0\0")
    count = struct.unpack(">H", body[8:10])[0]
    link = 10 + 12 * count
    thumbnail = encode(RGB, "JPEG")
    second = struct.pack(">HHHIIHHIII", 2, 513, 4, 1, len(body) + 30, 514, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0" + body[:link] + struct.pack(">I", len(body)) + body[link + 4 :] + second + thumbnail


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
def test_metadata_is_kept(tmp_path, source, target):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6">Grandma</x:xmpmeta>'
    exif = camera_exif().tobytes()
    exif = with_thumbnail(exif) if source == "JPEG" else exif
    content = encode(RGB, source, exif=exif, dpi=(300, 200), icc_profile=SWAPPED)
    if source == "JPEG":
        content = encode(RGB, source, exif=exif, dpi=(300, 200), icc_profile=SWAPPED, xmp=xmp)
        assert Image.open(io.BytesIO(content)).getexif().get_ifd(ExifTags.IFD.IFD1)
    image, metadata = decode_with_metadata(content)
    save_image(image, tmp_path / f"a{target}", metadata)
    with Image.open(tmp_path / f"a{target}") as kept:
        kept.load()
        exif = kept.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert exif[ExifTags.Base.DateTime] == "2001:02:03 04:05:06"
        assert exif[ExifTags.Base.ImageDescription] == "Grandma"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert details[ExifTags.Base.DateTimeOriginal] == "1954:06:07 08:09:10"
        assert details[ExifTags.Base.ExifImageWidth] == kept.width == RGB.shape[0]
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert not exif.get_ifd(ExifTags.IFD.IFD1)
        if source != "WEBP":
            assert exif[ExifTags.Base.XResolution] == pytest.approx(300, abs=0.01)
            if target != ".webp":
                assert kept.info["dpi"] == pytest.approx((300, 200), abs=0.01)
        if source == "JPEG":
            assert kept.info["xmp"] == xmp.replace(b'"6"', b'"1"')
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(kept.info["icc_profile"])))
    assert np.abs(decode_image(tmp_path / f"a{target}").astype(int) - image).max() <= (12 if target == ".jpg" else 0)


IPTC = b"\x1c\x02\x78\0\x0fThe caption, so"  # Record 2:120.


def iptc_jpeg() -> bytes:
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    segment = b"Photoshop 3.0\0" + resource
    return encode(RGB, "JPEG", extra=b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment)


def iptc_tiff(array: np.ndarray) -> bytes:
    """As Photoshop writes it, declared as whole numbers of 32 bits."""
    return tiff(array, t33723=struct.unpack("<5I", IPTC))


@pytest.mark.parametrize(
    "source", [iptc_jpeg(), iptc_tiff(RGB), iptc_tiff(WIDE[..., :3])], ids=["JPEG", "TIFF", "deep TIFF"]
)
@pytest.mark.parametrize("target", ["JPEG", "TIFF"])
@pytest.mark.parametrize("exif", [True, False])
def test_iptc_is_kept(source, target, exif):
    image, metadata = decode_with_metadata(source)
    if exif:
        kept_exif = camera_exif()
        del kept_exif[ExifTags.Base.Orientation]
        metadata["exif"] = kept_exif.tobytes()
    with Image.open(io.BytesIO(encode_image(image, target, metadata))) as kept:
        assert IptcImagePlugin.getiptcinfo(kept)[2, 120] == b"The caption, so"
        assert (ExifTags.Base.DateTime in kept.getexif()) == exif
    assert np.abs(decode_image(encode_image(image, target, metadata)).astype(int) - image).mean() < 20


def test_iptc_that_is_damaged_or_has_no_place_is_left_out():
    assert "iptc" not in decode_with_metadata(iptc_jpeg().replace(IPTC, b"no".ljust(len(IPTC))))[1]
    assert "iptc" not in decode_with_metadata(tiff(RGB, t33723=(1, 2, 3)))[1]
    image, metadata = decode_with_metadata(iptc_jpeg())
    for format in ("PNG", "WEBP"):
        assert decode_image(encode_image(image, format, metadata)).shape == image.shape
    assert encode_image(image, "JPEG", metadata | {"iptc": IPTC * 5000}) == encode_image(
        image, "JPEG", {name: value for name, value in metadata.items() if name != "iptc"}
    )


def test_metadata_of_a_deep_tiff():
    content = pillow(Image.fromarray(WIDE[..., 0]), "TIFF", exif=camera_exif().tobytes(), dpi=(600, 600))
    image, metadata = decode_with_metadata(content)
    assert image.shape[:2] == RGB.shape[1::-1]
    with Image.open(io.BytesIO(encode_image(image, "JPEG", metadata))) as kept:
        assert kept.info["dpi"] == pytest.approx((600, 600))
        assert kept.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1954:06:07 08:09:10"


def test_damaged_and_oversized_metadata_do_not_harm(tmp_path):
    broken = encode(RGB, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(40))
    image, metadata = decode_with_metadata(broken)
    assert image.shape == RGB.shape
    save_image(image, tmp_path / "a.jpg", metadata)
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "long" * 30_000
    image, metadata = decode_with_metadata(encode(RGB, "PNG", exif=exif))
    for name in ("b.jpg", "b.png", "b.webp", "b.tif"):
        save_image(image, tmp_path / name, metadata)
        assert decode_image(tmp_path / name).shape == RGB.shape


@pytest.mark.parametrize("dpi", [(float("nan"), 300.0), (1e9, 1e9), (0, 0), (-1, 5), ("a", "b"), 300])
def test_resolution_that_is_none_is_left_out(dpi):
    picture = Image.fromarray(RGB)
    picture.info["dpi"] = dpi
    image, metadata = decode_with_metadata(picture)
    assert "dpi" not in metadata
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert encode_image(image, format, metadata)


def test_metadata_that_can_not_be_written_are_left_out():
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        content = encode_image(
            RGB, format, {"exif": b"Exif\0\0" + bytes(40), "dpi": (float("nan"), 1e12), "xmp": b"\xff"}
        )
        assert decode_image(content).shape == RGB.shape


def test_arrays_without_metadata_get_none():
    with Image.open(io.BytesIO(encode_image(RGB))) as picture:
        assert not picture.info


# === Broken files and bombs ===


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
