import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import encode, random_images
from PIL import Image, ImageCms

from colorizer.imaging.decode import ImageError, decode_image, has_color, readable_extensions
from colorizer.imaging.encode import encode_image, save_image

RGB = random_images(1, 33)[0]


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF"])
def test_lossless_formats_come_back_exactly(format):
    image = np.repeat(RGB[..., :1] // 16 * 16, 3, axis=2) if format == "GIF" else RGB  # GIF: a palette of 256
    assert np.array_equal(decode_image(encode(image, format)), image)


def test_png_that_opencv_gives_up_is_written_whole(monkeypatch):
    """Without memory, OpenCV returns part of the file; it doesn't accept a side of a million pixels."""
    image = np.zeros((1, 1_000_001, 3), np.uint8)
    assert np.array_equal(decode_image(encode_image(image)), image)
    half = np.frombuffer(encode_image(RGB)[:500], np.uint8)
    monkeypatch.setattr("cv2.imencode", lambda *_: (False, half))
    assert np.array_equal(decode_image(encode_image(RGB)), RGB)

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("PIL.Image.Image.save", fail)
    with pytest.raises(MemoryError):
        encode_image(RGB, metadata={"dpi": (300, 300)})


def test_pngs_of_arrays_that_lie_otherwise_in_memory():
    array = np.dstack([random_images(1, 33)[0], random_images(1, 33)[0][..., :1]])
    for view in (array[:, ::-1], array[::2, ::-3, :3], array.transpose(1, 0, 2), array[::-1, :, 1]):
        wanted = view if view.ndim == 3 else np.repeat(view[..., None], 3, axis=2)
        np.testing.assert_array_equal(decode_image(encode_image(view)), wanted)


@pytest.mark.parametrize(("format", "options"), [("JPEG", {}), ("WEBP", {}), ("AVIF", {}), ("HEIF", {})])
def test_lossy_formats_come_back_nearly(format, options):
    assert np.abs(decode_image(encode(RGB, format, quality=95, **options)).astype(int) - RGB).mean() < 8


def test_heic_is_read_without_a_change_to_pillow(tmp_path):
    """Programs that use this library would have to live with such a side effect of importing it."""
    (tmp_path / "a.heic").write_bytes(encode(RGB, "HEIF"))
    code = (
        "import sys; from PIL import Image; from colorizer.imaging.decode import decode_image, readable_extensions; "
        "assert decode_image(sys.argv[1]).shape == (33, 33, 3); assert '.heic' in readable_extensions(); "
        "assert 'HEIF' not in {*Image.OPEN, *Image.SAVE}; assert '.heic' not in Image.registered_extensions()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.heic")], check=True)


def test_all_kinds_of_sources_give_the_same(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(RGB))
    for source in (path, str(path), path.read_bytes(), Image.fromarray(RGB), RGB):
        assert np.array_equal(decode_image(source), RGB)


def test_array_is_copied():
    source = RGB.copy()
    decode_image(source)[:] = 0
    assert np.array_equal(source, RGB)


def test_gray_arrays_become_three_equal_channels():
    for gray in (RGB[..., 0], RGB[..., :1]):
        assert np.array_equal(decode_image(gray), np.repeat(RGB[..., :1], 3, axis=2))


def test_16_bits_and_floats_are_scaled_not_clipped():
    wide = RGB.astype(np.uint16) * 257
    assert np.array_equal(decode_image(wide), RGB)
    assert np.array_equal(decode_image(RGB / 255), RGB)
    gray = encode(wide[..., 0])
    assert np.array_equal(decode_image(gray)[..., 0], RGB[..., 0])
    assert np.array_equal(decode_image(encode((RGB[..., 0] / 255).astype(np.float32), "TIFF"))[..., 0], RGB[..., 0])


def test_palette_one_bit_cmyk_and_gray_with_alpha():
    picture = Image.fromarray(RGB)
    for mode, format in (("P", "PNG"), ("1", "PNG"), ("CMYK", "TIFF"), ("CMYK", "JPEG"), ("L", "JPEG")):
        buffer = io.BytesIO()
        converted = picture.convert(mode)
        converted.save(buffer, format)
        decoded = decode_image(buffer.getvalue())
        assert decoded.shape == RGB.shape
        assert np.abs(decoded.astype(int) - np.asarray(converted.convert("RGB"))).mean() < 8
    buffer = io.BytesIO()
    picture.convert("LA").save(buffer, "PNG")
    assert decode_image(buffer.getvalue()).shape == (33, 33, 4)


def test_alpha_is_kept():
    rgba = np.dstack([RGB, RGB[..., 0]])
    assert np.array_equal(decode_image(encode(rgba)), rgba)
    assert np.array_equal(decode_image(rgba), rgba)


def test_orientation_of_exif_is_applied():
    wide = RGB[:10]
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held upright: rotate by 90 degrees clockwise.
    assert np.array_equal(decode_image(encode(wide, exif=exif)), np.rot90(wide, -1))


def test_icc_profile_is_converted_to_srgb():
    # A profile of its own making whose red and blue are swapped would be best; Pillow can make only standard ones.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode_image(encode(RGB, icc_profile=srgb)).astype(int) - RGB).max() <= 1
    assert np.array_equal(decode_image(encode(RGB, icc_profile=b"no profile")), RGB)


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert tuple(decode_image(buffer.getvalue())[0, 0]) == (255, 0, 0)


def test_empty_broken_and_truncated_files_are_named(tmp_path):
    for name, content, reason in (
        ("empty.png", b"", "empty"),
        ("text.jpg", b"Dear diary,", "not an image"),
        ("half.png", encode(RGB)[:-300], "damaged"),
        ("half.jpg", encode(random_images(1, 256)[0], "JPEG")[:2000], "damaged"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImageError, match=f"{name}.*{reason}"):
            decode_image(path)


@pytest.mark.filterwarnings("error")
def test_bomb_is_refused_before_it_is_decoded():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (11_000, 60_000):  # Below and above the size that Pillow itself refuses.
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(ImageError, match=r"too large|megapixels"):
            decode_image(bomb)


def test_limit_of_pixels_can_be_set():
    with pytest.raises(ImageError, match="33 x 33"):
        decode_image(RGB, max_pixels=1000)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((2, 3, 2), np.uint8), r"\(2, 3, 2\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), 2.0), "0, 1"),
        (np.full((4, 4), np.nan), "nan"),
        (42, "int"),
    ],
)
def test_other_sources_are_refused_by_name(source, words):
    with pytest.raises(ImageError, match=words):
        decode_image(source)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        decode_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="folder"):
        decode_image(tmp_path)


def test_saved_files_come_back(tmp_path):
    rgba = np.dstack([RGB, RGB[..., 0]])
    for extension in (".png", ".webp", ".tif", ".TIFF"):
        save_image(rgba, tmp_path / f"a{extension}")
        back = decode_image(tmp_path / f"a{extension}")
        seen = rgba[..., 3] > 0  # WebP drops the color of fully transparent pixels.
        assert np.array_equal(back[seen], rgba[seen])
    save_image(rgba, tmp_path / "a.jpg")
    assert decode_image(tmp_path / "a.jpg").shape == RGB.shape
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.webp", "a.tif", "a.TIFF", "a.jpg"}


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_image(RGB, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [f"{'猫' * 80}.png", "c.png"])
def test_names_may_be_long_and_results_are_files_like_others(tmp_path, name):
    path = tmp_path / name
    save_image(RGB, path)
    assert np.array_equal(decode_image(path), RGB)
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    with pytest.raises(FileNotFoundError, match=r"none/c\.png"):
        save_image(RGB, tmp_path / "none/c.png")


def test_unknown_extension_and_format():
    with pytest.raises(ValueError, match=r"a\.bmp.*\.png"):
        save_image(RGB, "a.bmp")
    with pytest.raises(ValueError, match="GIF"):
        encode_image(RGB, "GIF")


def test_has_color():
    assert has_color(RGB)
    assert not has_color(np.repeat(RGB[..., :1], 3, axis=2))


def test_readable_extensions():
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp", ".gif", ".avif", ".heic"} <= readable_extensions()
