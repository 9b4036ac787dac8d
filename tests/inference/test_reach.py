"""A hint colors the object that it is on, and not the room."""

import json

import cv2
import numpy as np
import pytest
from conftest import ROOT

from colorizer import Colorizer, decode_image
from colorizer.inference.hints import Hint
from colorizer.inference.reach import DEFAULT_REACH, limit_reach, measure_distance

OBJECTS = json.loads((ROOT / "tests/masks/objects.json").read_text())
"""By photo of `samples/`: an object, drawn by hand in percent of width and height, and a dab of color on it."""


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


def draw_mask(drawn: dict, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    for polygon, value in ((drawn["outline"], 1), *((hole, 0) for hole in drawn["holes"])):
        cv2.fillPoly(mask, [np.rint(np.array(polygon) * [width / 100, height / 100]).astype(np.int32)], value)
    return mask.astype(bool)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_dab_colors_its_object(colorizer: Colorizer, name: str):
    photo = decode_image(ROOT / f"samples/{name}.jpg")
    height, width = photo.shape[:2]
    x, y = (int(part * side / 100) for part, side in zip(OBJECTS[name]["dab"], (width, height), strict=True))
    plain = colorizer.colorize(photo).astype(int)
    hints = [(x, y, OBJECTS[name]["color"])]
    change = np.abs(colorizer.colorize(photo, hints=hints) - plain).mean(axis=-1)
    mask = draw_mask(OBJECTS[name], height, width)
    near = max(height, width) // 100
    own = change[y - near : y + near + 1, x - near : x + near + 1].mean()  # Without the grain.
    assert (change[mask] >= own / 2).mean() >= 0.8
    assert change[~mask].mean() < 2
    further = np.abs(colorizer.colorize(photo, hints=hints, reach=0.9) - plain).mean(axis=-1)
    nearer = np.abs(colorizer.colorize(photo, hints=hints, reach=0.1) - plain).mean(axis=-1)
    assert nearer.mean() < change.mean() / 2 < change.mean() < further.mean()


def halves() -> np.ndarray:
    """A dark half and a light one."""
    return np.repeat(np.repeat(np.uint8([[60, 180]]), 64, axis=1), 96, axis=0)


def test_reach_ends_at_an_edge_whatever_the_network_does():
    luma = halves()
    plain = np.zeros((12, 16, 2), np.float32)
    everywhere = plain + np.float32([0.2, -0.1])
    hint = Hint(0.25, 0.5, (0.2, -0.1))
    for hinted in (plain, everywhere):  # A network that does nothing, and one that ignores edges.
        chroma = limit_reach(luma, plain, hinted, [hint], DEFAULT_REACH)
        assert chroma.shape == (96, 128, 2)
        assert (chroma[:, :60, 0] > 0.1).mean() > 0.95
        assert np.abs(chroma[:, 68:]).max() < 0.01
    spot = limit_reach(luma, plain, everywhere, [hint], 0.0)
    assert np.count_nonzero(np.abs(spot[..., 0]) > 0.01) <= 4


def test_each_hint_colors_its_own_object():
    plain = np.zeros((12, 16, 2), np.float32)
    hints = [Hint(0.25, 0.5, (0.2, 0)), Hint(0.75, 0.5, (0, 0.2))]
    chroma = limit_reach(halves(), plain, plain, hints, DEFAULT_REACH)
    np.testing.assert_allclose(chroma[48, 32], (0.15, 0), atol=0.01)
    np.testing.assert_allclose(chroma[48, 96], (0, 0.15), atol=0.01)


def test_distance_goes_around_what_lies_between():
    luma = np.full((40, 60), 100, np.float32)
    luma[:30, 30] = 255  # A wall with a way around it.
    distance, nearest = measure_distance(luma, [(5, 25)])
    assert distance[5, 25] == 0
    assert np.isfinite(distance).all()
    assert distance[5, 35] > distance[35, 30] > distance[20, 25]
    assert not nearest.any()
    luma[:, 30] = 255
    assert measure_distance(luma, [(5, 25)])[0][5, 35] > 50


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 300)])
def test_pictures_of_any_size(colorizer: Colorizer, size: tuple[int, int]):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert colorizer.colorize(image, hints=[(size[1] - 1, size[0] - 1, "#ff0000")]).shape == image.shape


def test_images_with_and_without_hints_go_together(colorizer: Colorizer):
    photo = decode_image(ROOT / "samples/photos/coffee.jpg")[:, :300]
    hints = [[], [(10, 20, "#3060a0")], []]
    results = colorizer.colorize_batch([photo] * 3, hints=hints)
    for result, fixed in zip(results, hints, strict=True):
        np.testing.assert_array_equal(result, colorizer.colorize(photo, hints=fixed))


@pytest.mark.parametrize("reach", [-0.1, 1.1, float("nan")])
def test_reach_out_of_range(colorizer: Colorizer, reach: float):
    with pytest.raises(ValueError, match="reach must lie in"):
        colorizer.colorize(np.zeros((9, 9, 3), np.uint8), reach=reach)
