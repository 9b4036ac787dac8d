"""Preprocessing of the U-Net, including that of its first weights."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT, random_images

from colorizer import Colorizer
from colorizer.imaging.color import to_luma
from colorizer.inference.preprocessing import Preprocessing

FIRST_RECORD = Path(__file__).parent / "first_record"
FEED = Preprocessing(multiple=32, stride=4, working_size=256, enlargement=3, sharpening=0, mirrored_size=0)


def test_missing_record_keys_default_to_the_preprocessing_of_the_first_weights():
    """With a small random network, whose golden output was made before these keys existed."""
    result = Colorizer.load(FIRST_RECORD).colorize(
        ROOT / "samples/photos/cat.jpg", vividness=0.7, hints=[(100, 100, "#c06060")], reach=None
    )
    small = cv2.resize(result, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    golden = cv2.cvtColor(cv2.imread(str(FIRST_RECORD / "golden.png")), cv2.COLOR_BGR2RGB)
    assert np.abs(small.astype(int) - golden).max() <= 1
    assert golden.std(axis=-1).mean() > 3


@pytest.mark.parametrize(
    ("size", "expected"),
    [((32, 32), (96, 96)), ((60, 20), (180, 60)), ((100, 50), (256, 128)), ((3000, 2001), (256, 172))],
)
def test_photographs_are_shrunk_and_small_images_enlarged(size, expected):
    luma = np.zeros(size, np.uint8)
    assert FEED.shrink(luma, FEED.working_size).shape == FEED.thumbnail_size(*size, FEED.working_size) == expected
    assert FEED.chroma_grid(np.zeros(expected, np.uint8)) == (expected[0] // 4, expected[1] // 4)


def test_without_sharpening_a_thumbnail_is_means_of_areas():
    luma = to_luma(random_images(1, 512)[0])
    assert np.array_equal(FEED.shrink(luma, 256), cv2.resize(luma, (256, 256), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("key", "value"),
    [("stride", 0), ("multiple", 3), ("working_size", float("nan")), ("enlargement", "3"), ("mirrored_size", 1.5)],
)
def test_nonsense_in_a_record_is_named(key, value):
    config = {"input": {"multiple": 32, "stride": 4, key: value}}
    with pytest.raises(ValueError, match=key):
        Preprocessing.from_config(config)


def test_preprocessing_is_read_from_the_record():
    assert Preprocessing.from_config({"input": {"multiple": 16, "sizes": [32, 48, 64]}}) == Preprocessing(16)
    record = json.loads((FIRST_RECORD / "config.json").read_text())
    assert Preprocessing.from_config(record).mirrored_size == 48
