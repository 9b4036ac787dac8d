"""Paper borders and faded contrast are detected on old prints, and on nothing else."""

import numpy as np
import pytest
from conftest import ROOT

from colorizer.imaging.aging import age_as
from colorizer.imaging.color import fit_within, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.imaging.prints import find_border, stretch_pale

PHOTOS = sorted((ROOT / "samples").glob("*/*.jpg"))


def read(path) -> np.ndarray:
    return fit_within(decode_image(path)[:, :, :3], 256)


def is_whole(luma: np.ndarray) -> bool:
    return luma[find_border(luma)].shape == luma.shape


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_prints_are_recognized_and_photographs_unchanged(photo):
    luma = to_luma(read(photo))
    assert is_whole(luma)
    assert stretch_pale(luma) is luma
    bordered, window = age_as(read(photo), "jpeg-border")
    for found, true in zip(find_border(bordered), window, strict=True):
        assert abs(found.start - true.start) <= 2
        assert abs(found.stop - true.stop) <= 2
    faded, _ = age_as(read(photo), "faded")
    before, after = (np.ptp(np.quantile(plane, (0.005, 0.995))) for plane in (faded, stretch_pale(faded)))
    assert after == pytest.approx(before / 3 + 215 * 2 / 3, abs=4)
    # The order of the levels is kept, and with it all detail.
    assert (np.diff(stretch_pale(np.sort(faded, axis=None).reshape(faded.shape)).ravel().astype(int)) >= 0).all()


def picture(border: int, tone: int, size: int = 200) -> np.ndarray:
    luma = np.full((size, size), tone, np.uint8)
    inside = luma[border : size - border, border : size - border]
    inside[:] = np.random.default_rng(0).integers(0, 120, inside.shape)
    return luma


@pytest.mark.parametrize(
    "luma",
    [
        picture(12, 60),  # A dark frame isn't paper,
        picture(70, 230),  # nor is the background of a small object.
        np.full((200, 200), 230, np.uint8),
        picture(6, 230, 50),  # And this isn't a scan.
        np.zeros((1, 900), np.uint8),
        np.zeros((0, 0), np.uint8),
    ],
)
def test_what_is_no_border(luma: np.ndarray):
    assert luma.size == 0 or is_whole(luma)


def test_three_sides_are_no_border():
    luma = picture(12, 230)
    assert not is_whole(luma)
    assert is_whole(luma[20:])
    oval = picture(12, 230)
    rows, columns = np.mgrid[-1:1:200j, -1:1:200j]
    oval[rows**2 + columns**2 > 0.7] = 230
    assert is_whole(oval)  # Its edges are not straight.
