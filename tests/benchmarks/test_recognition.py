"""The class of a photograph is part of its name."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from benchmarks.recognition import cut_center, find_photos


def test_class_indices_are_places_in_the_sorted_list(tmp_path: Path):
    for name in ("n02_cat.jpg", "n01_tench.jpg"):
        (tmp_path / name).touch()
    found = find_photos(tmp_path, ["n03", "n01", "n02"])
    assert {path.name: number for path, number in found.items()} == {"n01_tench.jpg": 0, "n02_cat.jpg": 1}
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(SystemExit, match=r"holiday\.jpg does not begin"):
        find_photos(tmp_path, ["n01", "n02"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="no photograph"):
        find_photos(tmp_path / "empty", ["n01"])


@pytest.mark.parametrize("shape", [(100, 40), (40, 100), (300, 500), (1, 7)])
def test_the_central_square(shape: tuple[int, int]):
    image = np.zeros((*shape, 3), np.uint8)
    height, width = shape
    image[height // 2, width // 2] = 255
    square = cut_center(image, 60)
    assert square.shape == (60, 60, 3)
    rows, columns = np.nonzero(square[..., 0] > square.max() // 2)
    assert abs(rows.mean() - 29.5) < 1.5
    assert abs(columns.mean() - 29.5) < 1.5
