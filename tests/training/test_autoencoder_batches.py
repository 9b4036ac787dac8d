"""Training batches of the autoencoder."""

import numpy as np
from conftest import random_images

from colorizer.imaging.color import to_luma
from colorizer.training.autoencoder import ArrayBatches


def read(batches: ArrayBatches) -> np.ndarray:
    """Read the RGB images of an epoch."""
    return np.concatenate([batches[i][1] for i in range(len(batches))])


def test_validation_is_gray_and_color_in_unit_range():
    images = random_images(10)
    batches = ArrayBatches(images, 4)
    assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4, 2]
    luma = np.concatenate([batches[i][0] for i in range(3)])
    assert luma.dtype == read(batches).dtype == np.float32
    assert np.allclose(luma[..., 0] * 255, to_luma(images))
    assert np.allclose(read(batches) * 255, images)


def test_an_epoch_shows_each_image_once_and_mirrors_some():
    images = random_images(32)
    batches = ArrayBatches(images, 8, seed=1)
    first = np.rint(read(batches) * 255).astype(np.uint8)
    whole = {image.tobytes(): False for image in images} | {image[:, ::-1].tobytes(): True for image in images}
    mirrored = [whole[image.tobytes()] for image in first]
    assert 0 < sum(mirrored) < 32
    assert len({min(image.tobytes(), image[:, ::-1].tobytes()) for image in first}) == 32
    luma = batches[1][0][..., 0] * 255
    assert np.abs(luma - to_luma(first[8:16])).max() < 1.01  # Mirrored with its image.
    batches.epoch += 1
    assert not np.array_equal(first, np.rint(read(batches) * 255))


def test_resumed_training_sees_the_same_batches():
    images = random_images(10)
    through = ArrayBatches(images, 4, seed=5)
    through.epoch = 2
    assert np.array_equal(read(through), read(ArrayBatches(images, 4, seed=5, first_epoch=2)))
