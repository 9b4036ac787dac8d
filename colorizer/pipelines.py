"""Data sets as arrays of one size, and the `tf.data` pipeline of the autoencoder."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.color import resize, to_luma
from colorizer.datasets import ImageDataset

if TYPE_CHECKING:
    import tensorflow as tf


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


def build_pipeline(
    images: NDArray[np.uint8],
    batch_size: int,
    *,
    seed: int | None = None,
    first_epoch: int = 0,
    share: slice = slice(None),
) -> "tf.data.Dataset":
    """Build the `tf.data` pipeline that a grayscale-to-color model learns from.

    Parameters
    ----------
    images : (N, S, S, 3) uint8
        RGB images.
    batch_size : int
        Images in a batch; the last of an epoch may be smaller.
    seed : int, optional
        With a seed the pipeline is that of training: it never ends, every epoch has an order of its own and half of
        its images mirrored. Order and mirroring are functions of seed and epoch alone, so that a training that was
        stopped goes on with exactly the batches that it would have seen. Without: one pass in order, for validation.
    first_epoch : int
        Epoch to start from.
    share : slice
        Part of each batch that is wanted, where several workers train together.

    Returns
    -------
    tf.data.Dataset
        Pairs of luma (B, S, S, 1) and RGB (B, S, S, 3), float32 in [0, 1].
    """
    import tensorflow as tf

    # Grayscale once, by OpenCV: the pipeline then only picks, mirrors and scales. Kept as bytes on the host.
    quads = tf.constant(np.concatenate([to_luma(images)[..., None], images], axis=-1))

    def scale(quad: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        quad = tf.cast(quad, tf.float32) / 255
        return quad[..., :1], quad[..., 1:]

    if seed is None:
        batches = tf.data.Dataset.range(len(images)).batch(batch_size)
        return batches.map(lambda rows: scale(tf.gather(quads, rows))).prefetch(2)

    def epoch_batches(epoch: "tf.Tensor") -> "tf.data.Dataset":
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=key)
        mirrored = tf.random.stateless_uniform([len(images)], seed=key) < 0.5
        return tf.data.Dataset.from_tensor_slices((order, mirrored)).batch(batch_size)

    def pick(rows: "tf.Tensor", mirrored: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        quad = tf.gather(quads, rows[share])
        return scale(tf.where(mirrored[share][:, None, None, None], quad[:, :, ::-1], quad))

    epochs = tf.data.Dataset.counter(start=first_epoch)
    return epochs.flat_map(epoch_batches).map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)


def cut_square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut an RGB image to its central square and bring that to (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return fill_square(image[top : top + side, left : left + side], size)


def fill_square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring an RGB image to (size, size, 3), stretched where it is no square."""
    return resize(image, size, size, cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_CUBIC)
