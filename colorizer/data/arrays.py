"""Data sets as arrays of one size, and the `tf.data` pipeline of the autoencoder."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.data.dataset import ImageDataset
from colorizer.imaging.color import resize

if TYPE_CHECKING:
    pass


def load_array(dataset: ImageDataset, size: int, *, skip_corrupt: bool = False) -> NDArray[np.uint8]:
    """Decode a data set into one array, each image cut to its central square and resized.

    Parameters
    ----------
    dataset : ImageDataset
        The images, of any size.
    size : int
        Height and width of the result in pixels.
    skip_corrupt : bool
        As in `ImageDataset.decode`.

    Returns
    -------
    (N, size, size, 3) uint8
        RGB images.
    """
    images = np.empty((len(dataset), size, size, 3), np.uint8)
    count = 0
    progress = tqdm(
        dataset.decode(skip_corrupt=skip_corrupt),
        desc=f"reading {dataset.name} ({dataset.split})",
        total=len(dataset),
        unit="image",
        disable=None,
    )
    for _, image in progress:
        images[count] = cut_square(image, size)
        count += 1
    return images[:count]


def cut_square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut an RGB image to its central square and bring that to (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return fill_square(image[top : top + side, left : left + side], size)


def fill_square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring an RGB image to (size, size, 3), stretched where it is no square."""
    return resize(image, size, size, cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_CUBIC)
