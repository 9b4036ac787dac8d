"""Datasets as arrays of square images of one size."""

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.data.dataset import ImageDataset
from colorizer.imaging.color import resize


def load_array(dataset: ImageDataset, size: int, *, skip_corrupt: bool = False) -> NDArray[np.uint8]:
    """Decode a dataset into one array; each image is center-cropped to a square and resized.

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

    Raises
    ------
    DatasetError
        As in `ImageDataset.decode`.
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
    """Crop the central square of an RGB image (H, W, 3) and resize it to (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return fill_square(image[top : top + side, left : left + side], size)


def fill_square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an RGB image (H, W, 3) to (size, size, 3), whatever its aspect ratio."""
    return resize(image, size, size, cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_CUBIC)
