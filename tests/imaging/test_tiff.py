"""TIFF whose directory lacks what most have, the colors of Lab and YCbCr, and damaged strips."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from image_files import RGB, pillow, tiff
from PIL import Image, ImageCms

from colorizer.imaging.decode import ImageError, decode_image, decode_with_metadata


@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize("rows", [7, 21])
def test_missing_strip_byte_counts_are_inferred(compression: int, rows: int):
    """Some writers leave them out; what is cut off is told all the same."""
    content = tiff(RGB, t259=compression, t278=rows).replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 280, 4))
    assert np.array_equal(decode_image(content), RGB)
    with pytest.raises(ImageError, match=r"damaged|ends before"):
        decode_image(content[:-300])


@pytest.mark.parametrize("kind", [8, 9], ids=["CIELab", "ICCLab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_tiff_decodes_to_srgb(kind: int, bits: int):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(RGB), *profiles, outputMode="LAB")
    array = np.asarray(lab).copy()  # With signed a and b, as in a TIFF.
    array[..., 1:] ^= 128 if kind == 9 else 0
    samples = array if bits == 8 else array.astype(np.uint16) << 8
    decoded = decode_image(tiff(samples, t262=kind))
    assert np.abs(decoded.astype(int) - RGB).mean() <= 4


YCBCR = np.asarray(Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 160, 3), np.uint8), "YCbCr")).copy()
YCBCR[..., 1:] = 90, 170


def subsampled_tiff(across: int, down: int, rows: int, **tags: int | tuple[int, ...]) -> bytes:
    """Write `YCBCR` in strips of some rows; its chroma is the same everywhere."""
    strips = []
    for top in range(0, 100, rows):
        luma = np.pad(YCBCR[top : top + rows, :, 0], ((0, -rows % down), (0, 0)), mode="edge")
        units = luma.reshape(-1, down, 160 // across, across).swapaxes(1, 2).reshape(-1, across * down)
        strips.append(b"".join(bytes(unit) + b"\x5a\xaa" for unit in units))
    array = np.frombuffer(b"".join(strips), np.uint8).reshape(100, -1)
    fixed = {"t256": 160, "t258": (8, 8, 8), "t262": 6, "t277": 3, "t339": (1, 1, 1), "t530": (across, down)}
    return tiff(array, **fixed, t278=rows, **tags)


@pytest.mark.parametrize("compression", [1, 5, 8, 50000])
@pytest.mark.parametrize(
    ("across", "down", "rows"), [(1, 1, 100), (2, 1, 20), (2, 2, 100), (2, 2, 20), (4, 2, 5), (4, 4, 20), (1, 2, 4)]
)
def test_ycbcr_tiff_decodes_to_rgb(across: int, down: int, rows: int, compression: int):
    """Each strip begins a new row of units, even if the last one has rows to spare."""
    truth = np.asarray(Image.fromarray(YCBCR, "YCbCr").convert("RGB")).astype(int)
    decoded = decode_image(subsampled_tiff(across, down, rows, t259=compression))
    assert np.abs(decoded - truth).max() <= 1


def test_damaged_ycbcr_is_refused():
    """Pillow decodes it to wrong pixels, and libtiff prints a line without the file's name."""
    content = bytearray(subsampled_tiff(2, 2, 100, t259=5))
    content[-2000:-1960] = b"\xff" * 40
    with pytest.raises(ImageError, match="damaged"):
        decode_image(bytes(content))


def test_kinds_of_ycbcr_that_no_writer_makes_are_refused():
    for tags, words in (({"t530": (3, 2)}, "chroma subsampled by 3 and 2"), ({"t284": 2}, "in planes")):
        fixed = {"t256": 160, "t258": (8, 8, 8), "t262": 6, "t277": 3, "t339": (1, 1, 1)}
        with pytest.raises(ImageError, match=words):
            decode_image(tiff(np.zeros((50, 480), np.uint8), **fixed | tags))


def test_nothing_is_printed_for_old_style_jpeg(capfd):
    jpeg = pillow(Image.fromarray(RGB), "JPEG")
    strip = np.frombuffer(jpeg, np.uint8)[None]
    size = {"t256": RGB.shape[1], "t257": RGB.shape[0], "t278": RGB.shape[0]}
    content = tiff(strip, **size, t258=(8, 8, 8), t259=6, t262=6, t277=3, t513=0, t514=len(jpeg))
    entry = struct.pack("<HHI", 513, 4, 1)
    content = content.replace(entry + bytes(4), entry + struct.pack("<I", content.index(jpeg)))
    assert np.abs(decode_image(content).astype(int) - decode_image(jpeg)).mean() < 8
    with suppress(ImageError):
        decode_image(content.replace(b"\xff\xda", b"\xff\xd5"))
    assert capfd.readouterr().err == ""


def test_a_fax_with_a_damaged_row():
    """It is refused, or the other rows are decoded, as by other readers."""
    array = np.random.default_rng(0).random((64, 96)) > 0.5
    content = bytearray(pillow(Image.fromarray(array), "TIFF", compression="group3"))
    content[200:210] = b"\xff" * 10
    with pytest.raises(ImageError, match="its fax code is damaged"):
        decode_image(bytes(content))
    image, _ = decode_with_metadata(bytes(content), accept_truncated=True)
    same = (image[..., 0] > 0) == array
    assert same[-40:].all()
    assert not same.all()


def test_lab_in_floats_is_refused():
    with pytest.raises(ImageError, match="is a TIFF with Lab with 3 32-bit samples, which can't be read here"):
        decode_image(tiff(np.float32(RGB), t262=8))


@pytest.mark.parametrize("tag", [256, 257, 259, 262, 277, 278, 284])
@pytest.mark.parametrize("kind", [1, 6, 8])
def test_tags_of_unusual_types(tag, kind):
    """Decoders understand them differently; one of them left the pixels as they were in memory."""
    content = tiff(RGB)
    changed = content.replace(struct.pack("<HHI", tag, 4, 1), struct.pack("<HHI", tag, kind, 1))
    assert changed != content
    assert np.array_equal(decode_image(changed), RGB)
