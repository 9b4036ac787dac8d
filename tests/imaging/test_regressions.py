"""Files of other programs that once came out wrong, or were refused for the wrong reason."""

import io
import struct
import zlib
from unittest import mock

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import tifffile
from image_files import chunk, gray, pillow, png, tiff
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from colorizer.imaging.decode import (
    ImageError,
    decode_image,
    decode_pages,
    decode_with_metadata,
    has_frames,
    inspect_image,
)

PLANE = np.tile(np.arange(40, 200, dtype=np.uint8), (100, 1))
TRUTH = gray(PLANE)
FLOATS = np.float32(PLANE / 255)
MASK = np.zeros_like(PLANE)
MASK[:10] = 255


def write_tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **({"photometric": "minisblack"} | options))
    return buffer.getvalue()


def write_pages(*pages: tuple[np.ndarray, dict]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for array, options in pages:
            file.write(array, photometric="minisblack", metadata=None, **options)
    return buffer.getvalue()


def write_psd(channels: list[np.ndarray], mode: int, depth: int = 8, width: int = 0, layers: bytes = b"") -> bytes:
    """Write a Photoshop document with PackBits rows."""

    def pack(row: bytes) -> bytes:
        return b"".join(bytes([len(row[i : i + 128]) - 1]) + row[i : i + 128] for i in range(0, len(row), 128))

    height, width = len(channels[0]), width or channels[0].shape[1]
    rows = [pack(row.tobytes()) for channel in channels for row in channel]
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, len(channels), height, width, depth, mode)
    sizes = b"".join(struct.pack(">H", len(row)) for row in rows)
    return header + bytes(8) + struct.pack(">I", len(layers)) + layers + b"\0\1" + sizes + b"".join(rows)


def with_gamma(gamma: float) -> bytes:
    stored = np.rint(255 * linear(PLANE / 255) ** gamma).astype(np.uint8)
    return png(stored, chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000))))


def linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def hot_pixel() -> np.ndarray:
    array = FLOATS.copy()
    array[50, 80] = 5
    return array


PALETTE = np.tile(np.arange(256, dtype=np.uint16), (3, 1))
PAIR = np.dstack([PLANE, np.full_like(PLANE, 255)])
THUMBNAIL = (PLANE[::8, ::8].copy(), {"subfiletype": 1})
PACKED = np.packbits(PLANE <= 128, axis=1)
BITS = gray(np.where(PLANE > 128, 255, 0).astype(np.uint8))
DEEP = PLANE.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(write_tiff(PLANE, photometric="palette", colormap=PALETTE), TRUTH, id="TIFF, palette of 8 bits"),
        pytest.param(write_tiff(PLANE, photometric="palette", colormap=PALETTE * 256), TRUTH, id="TIFF, palette"),
        pytest.param(write_psd([PLANE, MASK], 1), TRUTH, id="PSD, gray and a selection"),
        pytest.param(write_psd([PLANE] * 3 + [MASK], 3), TRUTH, id="PSD, RGB and a selection"),
        pytest.param(write_psd([PLANE] * 3 + [MASK] * 2, 3), TRUTH, id="PSD, RGB and two selections"),
        pytest.param(
            write_psd([np.full_like(PLANE, 255)] * 3 + [PLANE, MASK], 4), TRUTH, id="PSD, CMYK and a selection"
        ),
        pytest.param(write_psd([DEEP.astype(">u2")], 1, 16), TRUTH, id="PSD, 16 bits"),
        pytest.param(write_psd([PACKED], 0, 1, PLANE.shape[1]), BITS, id="PSD, 1 bit"),
        pytest.param(pillow(Image.fromarray(PLANE <= 128), "XBM"), BITS, id="XBM"),
        pytest.param(write_pages(THUMBNAIL, (PLANE, {})), TRUTH, id="TIFF, thumbnail first"),
        pytest.param(write_pages((*THUMBNAIL[:1], {"subfiletype": 1, "subifds": 1}), (PLANE, {})), TRUTH, id="SubIFD"),
        pytest.param(write_tiff(PLANE.astype(np.int16) * 128), TRUTH, id="TIFF, signed 16 bits"),
        pytest.param(write_tiff(PLANE.astype(np.int8) // 2), gray(PLANE.astype(np.int8).clip(0) // 2 * 2), id="int8"),
        pytest.param(write_tiff(PLANE.astype(np.uint64) << 56), TRUTH, id="TIFF, 64 bits"),
        pytest.param(write_tiff(PLANE.astype(np.float32)), TRUTH, id="TIFF, floats to 255"),
        pytest.param(write_tiff(PLANE.astype(np.float32) * 257), TRUTH, id="TIFF, floats to 65,535"),
        pytest.param(write_tiff(FLOATS.astype(np.float16)), TRUTH, id="TIFF, floats of 16 bits"),
        pytest.param(with_gamma(1.0), TRUTH, id="PNG, gamma 1"),
        pytest.param(with_gamma(0.5556), TRUTH, id="PNG, gamma 1/1.8"),
        pytest.param(write_tiff(PAIR, extrasamples=["unspecified"]), TRUTH, id="TIFF, gray and what is no alpha"),
        pytest.param(
            write_tiff(PAIR, extrasamples=["assocalpha"]), np.dstack([TRUTH, PAIR[..., 1]]), id="premultiplied"
        ),
        pytest.param(write_tiff(PLANE, bigtiff=True, byteorder=">"), TRUTH, id="BigTIFF, big-endian"),
        pytest.param(
            write_tiff(np.stack([DEEP] * 3), photometric="rgb", planarconfig="separate", tile=(64, 64)),
            TRUTH,
            id="TIFF, tiles in planes",
        ),
        pytest.param(write_tiff(DEEP, compression="zstd"), TRUTH, id="TIFF, 16 bits, Zstandard"),
        pytest.param(write_tiff(DEEP, compression="lzma", predictor=True), TRUTH, id="TIFF, 16 bits, LZMA"),
        pytest.param(imagecodecs.jpegxl_encode(PLANE, lossless=True), TRUTH, id="JPEG XL"),
        pytest.param(imagecodecs.qoi_encode(TRUTH), TRUTH, id="QOI"),
    ],
)
def test_pixels_are_those_of_other_readers(content, expected):
    decoded = decode_image(content)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).max() <= (6 if b"gAMA" in content else 1)
    assert np.abs(decoded.astype(int) - expected).mean() <= 0.5


def test_one_hot_pixel_does_not_darken_a_picture_of_floats():
    decoded = decode_image(write_tiff(hot_pixel()))
    assert np.count_nonzero(np.abs(decoded.astype(int) - TRUTH).max(axis=2) > 1) == 1


def test_floats_out_of_range_are_stretched_with_a_note():
    array = PLANE.astype(np.float32) * 1000
    array[0, 0], array[0, 1] = 3e38, -3e38
    image, metadata = decode_with_metadata(write_tiff(array))
    assert image[50, 0, 0] <= 3
    assert image[50, -1, 0] >= 252
    assert any("stretched" in note for note in metadata["notes"])


@pytest.mark.parametrize("mode", [4, 9], ids=["CMYK", "Lab"])
def test_transparency_of_a_document_in_inks_or_lab(mode: int):
    layers = struct.pack(">IhH", 4, -1, 0)
    colors = [PLANE] * {4: 4, 9: 3}[mode]
    opaque, decoded = (decode_image(write_psd(planes, mode, layers=layers)) for planes in (colors, [*colors, MASK]))
    assert np.array_equal(decoded, np.dstack([opaque, MASK]))


@pytest.mark.parametrize("kind", [1, 2])
def test_transparency_of_a_tiff_in_inks(kind: int):
    inks = np.dstack([PLANE] * 4)
    stored = inks if kind == 2 else inks * (MASK[..., None] > 0)
    decoded = decode_image(tiff(np.dstack([stored, MASK]), t262=5, t338=kind))
    assert np.array_equal(decoded[..., 3], MASK)
    assert np.array_equal(decoded[MASK > 0, :3], decode_image(tiff(inks, t262=5))[MASK > 0])
    assert decode_image(tiff(np.dstack([inks, MASK]), t262=5)).shape[2] == 3


def test_only_a_negative_layer_count_marks_a_channel_as_alpha():
    layers = struct.pack(">Ih", 2, -1) + bytes(4)
    decoded = decode_image(write_psd([PLANE] * 3 + [MASK], 3, layers=layers))
    assert np.array_equal(decoded, np.dstack([TRUTH, MASK]))
    layers = struct.pack(">Ih", 2, 1) + bytes(4)
    assert decode_image(write_psd([PLANE] * 3 + [MASK], 3, layers=layers)).shape[2] == 3


@pytest.mark.parametrize(
    ("palette", "expected"), [(b"\xff" * 3 + bytes(3), BITS), (bytes(3) + b"\xff" * 3, 255 - BITS)]
)
def test_pcx_of_one_bit_goes_by_its_palette(palette, expected):
    content = pillow(Image.fromarray(PLANE <= 128), "PCX")
    assert np.array_equal(decode_image(content[:16] + palette + content[22:]), expected)


def test_runs_of_an_odd_number_of_pixels_in_a_bmp():
    header = struct.pack("<IiiHHIIiiII", 40, 5, 2, 1, 4, 2, 12, 0, 0, 16, 0)
    ladder = bytes(value for i in range(16) for value in (i * 17, i * 17, i * 17, 0))
    runs = b"\0\5\x12\x34\x50\0\0\0\5\x67\0\1"
    content = b"BM" + struct.pack("<IHHI", 54 + 64 + len(runs), 0, 0, 54 + 64) + header + ladder + runs
    assert decode_image(content)[..., 0].tolist() == [[102, 119, 102, 119, 102], [17, 34, 51, 68, 85]]


@pytest.mark.parametrize(
    ("content", "pages"),
    [
        (write_pages((PLANE, {}), (255 - PLANE, {}), (PLANE, {})), 3),
        (write_pages((PLANE, {}), THUMBNAIL), 1),
        (pillow(Image.fromarray(PLANE), "GIF", save_all=True, append_images=[Image.fromarray(MASK)]), 2),
        (pillow(Image.fromarray(PLANE), "PNG", save_all=True, append_images=[Image.fromarray(MASK)]), 2),
        (pillow(Image.fromarray(PLANE), "WEBP", save_all=True, append_images=[Image.fromarray(MASK)]), 2),
        (pillow(Image.fromarray(PLANE), "AVIF", save_all=True, append_images=[Image.fromarray(MASK)]), 2),
        (
            pillow(
                Image.fromarray(PLANE),
                "PNG",
                save_all=True,
                append_images=[Image.fromarray(MASK)] * 2,
                default_image=True,
            ),
            3,
        ),
    ],
    ids=["TIFF", "TIFF with a thumbnail", "GIF", "APNG", "WebP", "AVIF", "APNG with a picture beside its frames"],
)
def test_pages_and_frames_are_counted_and_told(content, pages):
    assert inspect_image(content).pages == pages
    _, metadata = decode_with_metadata(content)
    assert any(f"the first of {pages}" in note for note in metadata.get("notes", [])) == (pages > 1)
    decoded = [image for image, _ in decode_pages(content)]
    assert len(decoded) == pages
    assert np.array_equal(decoded[0], decode_image(content))
    if pages == 2:
        assert np.abs(decoded[1][..., 0].astype(int) - MASK).mean() < 8


def dcx(*planes: np.ndarray) -> bytes:
    """Write a file with several PCX pages, as fax programs did."""
    pages = [pillow(Image.fromarray(plane), "PCX") for plane in planes]
    starts = [4 + 4 * (len(pages) + 1) + sum(map(len, pages[:i])) for i in range(len(pages))]
    return struct.pack(f"<{len(pages) + 2}I", 0x3ADE68B1, *starts, 0) + b"".join(pages)


def test_pages_of_kinds_that_pillow_alone_knows_are_told():
    content = dcx(PLANE, 255 - PLANE)
    image, metadata = decode_with_metadata(content)
    assert np.array_equal(image, TRUTH)
    assert metadata["notes"] == ["the first of 2 pictures"]
    assert np.array_equal([image for image, _ in decode_pages(content)], [TRUTH, 255 - TRUTH])


def test_the_primary_picture_of_a_heic_is_decoded_wherever_it_is():
    file, buffer = pillow_heif.HeifFile(), io.BytesIO()
    for shade in (40, 120, 200):
        file.add_from_pillow(Image.new("RGB", (64, 64), (shade,) * 3))
    file.save(buffer, primary_index=1, quality=90)
    image, metadata = decode_with_metadata(buffer.getvalue())
    assert abs(image.mean() - 120) < 3
    assert metadata["notes"] == ["the first of 3 pictures"]
    decoded = [image.mean() for image, _ in decode_pages(buffer.getvalue())]
    assert np.abs(np.subtract(decoded, (120, 40, 200))).max() < 3


def test_what_lies_in_a_record_of_iptc_is_not_decoded():
    """It may have any format and size, even PostScript, for which Pillow would start another program."""

    def field(number: int, data: bytes) -> bytes:
        return b"\x1c" + bytes([8 if number == 10 else 3, number]) + struct.pack(">H", len(data)) + data

    head = field(60, b"\1\0") + field(20, b"\0\x10") + field(30, b"\0\x10") + field(120, b"\0\5")
    with pytest.raises(ImageError, match="not an image that can be read"):
        decode_image(head + field(10, pillow(Image.fromarray(TRUTH), "PNG")))


def test_frames_are_decoded_one_after_the_other_and_within_the_limit_of_work():
    """Each from the one before, since starting over for each would take quadratic time."""
    frames = [Image.fromarray(np.roll(PLANE, i, axis=1)) for i in range(40)]
    content = pillow(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with mock.patch("PIL.GifImagePlugin.GifImageFile._seek", autospec=True, side_effect=GifImageFile._seek) as seek:
        assert len(list(decode_pages(content))) == 40
    assert seek.call_count < 200
    with (
        mock.patch("colorizer.imaging.decode._WORK_OF_A_PIXEL", 0.03),
        pytest.raises(ImageError, match="40 pages or frames"),
    ):
        next(decode_pages(content, max_pixels=PLANE.size))


def test_an_animation_is_told_by_its_beginning(tmp_path):
    still = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8))
    for name, format in (("a.png", "PNG"), ("a.webp", "WEBP"), ("a.gif", "GIF")):
        content = pillow(still, format, save_all=True, append_images=[Image.fromarray(255 - np.asarray(still))])
        (tmp_path / name).write_bytes(content)
        assert has_frames(tmp_path / name)
        (tmp_path / name).write_bytes(pillow(still, format))
        assert not has_frames(tmp_path / name)
    (tmp_path / "a.gif").write_bytes(b"words")
    assert not has_frames(tmp_path / "a.gif")


NOISE = np.repeat(np.random.default_rng(0).integers(90, 160, (100, 160, 1), np.uint8), 3, axis=2)


@pytest.mark.parametrize(
    "content",
    [
        pillow(Image.fromarray(NOISE), "JPEG", quality=95),
        pillow(Image.fromarray(NOISE), "JPEG", quality=95, progressive=True),
        pillow(Image.fromarray(NOISE), "PNG"),
        png(NOISE, interlaced=True),
        pillow(Image.fromarray(NOISE), "BMP"),
        pillow(Image.fromarray(NOISE), "PPM"),
        pillow(Image.fromarray(NOISE), "TGA"),
        pillow(Image.fromarray(NOISE), "QOI"),
        tiff(NOISE),
        tiff(NOISE, t259=8, t278=10),
    ],
    ids=["JPEG", "progressive JPEG", "PNG", "interlaced PNG", "BMP", "PPM", "TGA", "QOI", "TIFF", "TIFF in strips"],
)
def test_truncated_files_are_decoded_on_request(content):
    whole = decode_image(content)
    assert "notes" not in decode_with_metadata(content, accept_truncated=True)[1]
    cut = content[: len(content) * 2 // 3]
    with pytest.raises(ImageError, match="damaged"):
        decode_with_metadata(cut)
    image, metadata = decode_with_metadata(cut, accept_truncated=True)
    assert any("cut off" in note for note in metadata["notes"])
    assert image.shape == whole.shape
    same = np.abs(image.astype(int) - whole).max(axis=(1, 2)) <= 1  # Rows.
    if b"\xff\xc2" not in content[:700] and content[28] != 1:
        assert 0.55 <= same.mean() < 0.7
    else:
        assert np.abs(image.astype(int) - whole).mean() < 50


def test_truncated_files_that_can_not_be_completed_are_refused_all_the_same():
    for format in ("GIF", "WEBP", "AVIF"):
        content = pillow(Image.fromarray(NOISE), format)
        with pytest.raises(ImageError, match="damaged"):
            decode_with_metadata(content[: len(content) // 2], accept_truncated=True)


def test_a_jpeg_without_its_end_marker_is_read():
    content = pillow(Image.fromarray(PLANE), "JPEG")
    assert np.array_equal(decode_image(content[:-2]), decode_image(content))
    assert np.array_equal(decode_image(content[:-1]), decode_image(content))
    with pytest.raises(ImageError, match="damaged and can't be decoded: it ends before its picture does"):
        decode_image(content[: len(content) * 3 // 4])


def test_of_an_animated_jpeg_xl_only_the_first_frame_is_decoded():
    frames = np.stack([TRUTH, 255 - TRUTH, 255 - TRUTH])
    content = imagecodecs.jpegxl_encode(frames, lossless=True)
    with mock.patch("imagecodecs.jpegxl_decode", side_effect=imagecodecs.jpegxl_decode) as decode:
        image, metadata = decode_with_metadata(content)
    assert decode.call_args.kwargs == {"index": 0}
    assert np.array_equal(image, TRUTH)
    assert any("an animation" in note for note in metadata["notes"])
    assert "notes" not in decode_with_metadata(imagecodecs.jpegxl_encode(TRUTH, lossless=True))[1]


def heif_of_ten_bits() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (64, 64), np.repeat(DEEP[:64, :64, None], 3, axis=2).tobytes()).save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        png(DEEP),
        write_tiff(DEEP),
        write_psd([DEEP.astype(">u2")], 1, 16),
        heif_of_ten_bits(),
        imagecodecs.avif_encode(np.repeat(DEEP[..., None] >> 6, 3, axis=2), bitspersample=10),
        imagecodecs.jpegxl_encode(DEEP, lossless=True),
        imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="jp2"),
        imagecodecs.jpeg8_encode(DEEP, lossless=True),
        b"P5\n160 100\n65535\n" + DEEP.astype(">u2").tobytes(),
        b"P6\n80 100\n65535\n" + np.repeat(DEEP[:, :80, None], 3, axis=2).astype(">u2").tobytes(),
        b"Pf\n160 100\n-1.0\n" + FLOATS[::-1].tobytes(),
        pillow(Image.fromarray(PLANE), "SGI", bpc=2),
    ],
    ids=["PNG", "TIFF", "PSD", "HEIC", "AVIF", "JXL", "JP2", "JPEG without loss", "PGM", "PPM", "PFM", "SGI"],
)
def test_reduction_to_eight_bits_is_noted(content):
    assert decode_with_metadata(content)[1]["notes"] == ["its samples were reduced to 8 bits"]


def test_eight_bits_without_loss_are_not_called_more():
    assert "notes" not in decode_with_metadata(imagecodecs.jpeg8_encode(PLANE, lossless=True))[1]


def test_jpeg_of_twelve_bits_and_without_loss():
    levels = np.rint(np.float64(PLANE) / 255 * 4095).astype(np.uint16)
    decoded = decode_image(imagecodecs.jpeg8_encode(levels, level=100, bitspersample=12))
    assert np.abs(decoded.astype(int) - TRUTH).max() <= 2
    decoded = decode_image(imagecodecs.jpeg8_encode(PLANE, lossless=True))
    assert np.array_equal(decoded, TRUTH)


def test_lossless_jpeg_never_reaches_a_decoder_that_crashes():
    """The decoder that imagecodecs falls back to, for files and inside TIFF, crashes on damaged files."""
    whole = imagecodecs.jpeg8_encode(PLANE, lossless=True)
    frame = whole.index(b"\xff\xc3")
    twice = whole.replace(b"\xff\xc4", b"\xff\xc6", 1)
    for content in (twice, whole[: frame + 4] + b"\x13" + whole[frame + 5 :]):
        with pytest.raises(ImageError):
            decode_image(content)
    strip = tiff(np.frombuffer(whole, np.uint8)[None], t256=160, t257=100, t278=100, t259=7, t262=1)
    with pytest.raises(ImageError, match="a TIFF with lossless JPEG compression"):
        decode_image(strip)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"8BPS\0\2" + bytes(40), "Photoshop document .PSB."),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "MP4"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx isom", "raw file .CR3."),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "raw file .CR2."),
        (b"v/1\1" + bytes(40), "OpenEXR"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\0", "PAM"),
        (b"PF\n1 1\n-1.0\n" + bytes(12), "color PFM"),
        (b"\x8aMNG\r\n\x1a\n" + bytes(40), "MNG"),
        (b"\x8bJNG\r\n\x1a\n" + bytes(40), "JNG"),
        (b"RIFF" + bytes(4) + b"ACON" + bytes(40), "animated cursor"),
        (b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a m none",\n"a"};\n', "XPM with an unusual layout.*save it"),
        (b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a c gray50",\n"a"};\n', "XPM with an unusual layout"),
        (b'/* XPM */\nstatic char *x[] = {\n"1 1 2 1",\n"a c None",\n"b c #f00000",\n"b"};\n', "XPM with transparency"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PK\3\4" + bytes(40), "ZIP"),
        (write_tiff(PLANE, photometric="cfa"), "raw file"),
        (write_tiff(PLANE, extratags=[(50706, 1, 4, b"\1\4\0\0", True)]), "DNG"),
        (write_tiff(PLANE, compression="lerc"), "TIFF with LERC compression.*can't be read here: save it"),
        (write_tiff(FLOATS.astype(np.complex64)), "TIFF with complex numbers.*save it"),
        (imagecodecs.jpegls_encode(PLANE), "JPEG-LS"),
    ],
)
def test_kinds_that_can_not_be_read_are_called_by_their_names(tmp_path, content, words):
    (tmp_path / "scan.xyz").write_bytes(content)
    with pytest.raises(ImageError, match=rf"scan\.xyz is .*{words}") as told:
        decode_image(tmp_path / "scan.xyz")
    assert "damaged" not in str(told.value)


def test_deep_png_with_a_gamma():
    stored = np.rint(linear(PLANE / 255) * 65535).astype(np.uint16)
    content = png(stored, chunk(b"gAMA", struct.pack(">I", 100_000)))
    assert np.abs(decode_image(content).astype(int) - TRUTH).max() <= 1
    srgb = chunk(b"sRGB", b"\0")
    assert np.array_equal(decode_image(png(PLANE, chunk(b"gAMA", struct.pack(">I", 100_000)), srgb)), TRUTH)


def test_a_text_chunk_can_not_fill_the_memory():
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000)))
    with pytest.raises(ImageError):
        decode_image(png(PLANE, bomb))
