"""TIFF whose directory lacks what most have, the colors of Lab, and damaged faxes."""

import struct

import numpy as np
import pytest
from image_files import RGB, pillow, tiff
from PIL import Image, ImageCms

from colorizer.imaging.decode import ImageError, decode_image, decode_with_metadata


@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize("rows", [7, 21])
def test_sizes_of_strips_are_missing(compression: int, rows: int):
    """Some writers leave them out; what is cut off is told all the same."""
    content = tiff(RGB, t259=compression, t278=rows).replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 280, 4))
    assert np.array_equal(decode_image(content), RGB)
    with pytest.raises(ImageError, match=r"damaged|ends before"):
        decode_image(content[:-300])


@pytest.mark.parametrize("kind", [8, 9], ids=["CIELab", "ICCLab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab(kind: int, bits: int):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(RGB), *profiles, outputMode="LAB")
    array = np.asarray(lab).copy()  # With signed a and b, as in a TIFF.
    array[..., 1:] ^= 128 if kind == 9 else 0
    samples = array if bits == 8 else array.astype(np.uint16) << 8
    decoded = decode_image(tiff(samples, t262=kind))
    assert np.abs(decoded.astype(int) - RGB).mean() <= 4


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
