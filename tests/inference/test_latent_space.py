"""The separate encoder and decoder together are the autoencoder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, random_images

from colorizer import Colorizer, decode_image
from colorizer.imaging.color import gray_copy
from colorizer.inference.autoencoder import LatentSpace, draw_strip
from colorizer.inference.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace(Checkpoint.find("autoencoder"))


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return decode_image(ROOT / "samples/cifar10/00_cat.png")


def test_a_passage_is_what_the_autoencoder_does(space: LatentSpace, cat: np.ndarray):
    passage, colorizer = space.pass_through(cat), Colorizer.load("autoencoder")
    np.testing.assert_array_equal(passage.gray, gray_copy(cat))
    assert passage.latent.shape == (256,)
    # The whole and the parts are rounded to int8 separately.
    for ours, whole in (
        (passage.painted, colorizer.colorize(cat, raw=True)),
        (passage.joined, colorizer.colorize(cat)),
    ):
        assert np.abs(ours.astype(int) - whole).max() <= 3
    np.testing.assert_array_equal(passage.painted_luma, gray_copy(passage.painted))
    assert 3 < passage.luma_error < 60
    # Its color alone: even brightness, and not gray.
    assert np.ptp(gray_copy(passage.painted_chroma)) <= 2
    assert np.ptp(passage.painted_chroma.astype(int), axis=2).max() > 10


def test_directions_are_those_in_which_images_differ(space: LatentSpace):
    images = random_images(5, 32)
    directions = space.find_directions(images)
    latents = np.stack([space.pass_through(image).latent for image in images])
    assert directions.shape == (5, 256)
    # Together they span all differences: orthogonal, the strongest first.
    np.testing.assert_allclose(np.sum(directions**2, axis=0), latents.var(axis=0), atol=1e-4)
    lengths = np.linalg.norm(directions, axis=1)
    assert (np.diff(lengths) <= 1e-5).all()
    assert abs(directions[0] @ directions[1]) < 1e-3 * lengths[0] * lengths[1]
    np.testing.assert_array_equal(space.paint(latents[:1])[0], space.pass_through(images[0]).painted)


def test_any_size_is_reduced(space: LatentSpace):
    passage = space.pass_through(decode_image(ROOT / "samples/photos/cat.jpg"))
    assert passage.painted.shape == passage.joined.shape == (32, 32, 3)


def test_a_walk_begins_and_ends_at_the_images(space: LatentSpace, cat: np.ndarray):
    ship = decode_image(ROOT / "samples/cifar10/01_ship.png")
    walk = space.walk(cat, ship, 5)
    assert walk.shape == (5, 32, 32, 3)
    for step, image in ((0, cat), (-1, ship)):
        assert np.abs(walk[step].astype(int) - space.pass_through(image).painted).max() <= 1
    # Each step leads further from the start.
    distances = [np.abs(picture.astype(int) - walk[0]).mean() for picture in walk]
    assert distances == sorted(distances)
    with pytest.raises(ValueError, match="steps must be at least 2, got 1"):
        space.walk(cat, ship, 1)


def test_parts_of_other_weights_are_refused(tmp_path: Path):
    original, copy = Checkpoint.find("autoencoder"), Checkpoint(tmp_path / "model.tflite")
    for name in ("encoder.tflite", "decoder.tflite", "config.json"):
        shutil.copy(original.folder / name, tmp_path)
    LatentSpace(copy)
    (tmp_path / "decoder.tflite").write_bytes(original.read_weights("encoder.tflite"))
    with pytest.raises(ValueError, match=r"decoder\.tflite doesn't match config\.json"):
        LatentSpace(copy)
    (tmp_path / "encoder.tflite").unlink()
    with pytest.raises(FileNotFoundError):
        LatentSpace(copy)


def test_draw_strip_layout():
    pictures = random_images(3, 8)
    strip = draw_strip(pictures, factor=2, gap=1)
    assert strip.shape == (16, 2 * (3 * 9 - 1), 3)
    np.testing.assert_array_equal(strip[::2, 18:34:2], pictures[1])
