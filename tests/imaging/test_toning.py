"""Toned prints count as grayscale; pictures with real colors don't."""

import numpy as np
import pytest
from conftest import ROOT, encode

from colorizer.imaging.decode import decode_image
from colorizer.imaging.toning import is_monochrome

PHOTOS = sorted((ROOT / "samples").glob("*/*.jpg"))
GRAY = "photographer"
TONES = {
    "sepia": ((40, 25, 10), (255, 235, 190)),
    "cyanotype": ((15, 35, 90), (225, 235, 240)),
    "yellowed": ((30, 28, 20), (245, 238, 205)),
    "gray": ((0, 0, 0), (255, 255, 255)),
}


def _tone(luma: np.ndarray, dark: tuple, light: tuple) -> np.ndarray:
    part = (luma / 255)[..., None]
    return np.array(dark) + (np.array(light) - dark) * part


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("photo", PHOTOS[::3], ids=lambda path: path.stem)
def test_toned_prints(photo, tone: str):
    rng = np.random.default_rng(0)
    luma = decode_image(photo)[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    toned = _tone(luma, *TONES[tone])
    # Paper that yellowed unevenly, grain, and JPEG.
    toned[..., 2] -= np.linspace(0, 6, toned.shape[1])
    toned += rng.normal(0, 3, (*luma.shape, 1))
    scan = decode_image(encode(np.clip(toned, 0, 255).astype(np.uint8), "JPEG", quality=75))
    assert is_monochrome(scan)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_only_the_gray_photograph_is_monochrome(photo):
    assert is_monochrome(decode_image(photo)) == (photo.stem == GRAY)


def test_a_few_pixels_off_are_no_color():
    image = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 200, 3))
    image[5, 5, 0] += 1
    assert is_monochrome(image)
    image[50:80, 50:80] = (200, 40, 40)  # A red object is color, however small it is.
    assert not is_monochrome(image)


def test_is_monochrome_takes_any_size():
    for shape in ((1, 1), (1, 500), (3, 2)):
        assert is_monochrome(np.full((*shape, 3), 90, np.uint8))
