"""What the chroma U-Net learns from: batches at several working sizes, with augmentation and hints.

An image of a batch is a function of seed, step and its place alone, so that a training that was stopped goes on with
exactly the batches that it would have seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from statistics import median_low
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.data.arrays import cut_square, fill_square
from colorizer.data.dataset import ImageDataset
from colorizer.imaging.color import KB, KG, KR, to_chroma

if TYPE_CHECKING:
    import tensorflow as tf

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]
"""Luma (B, S, S, 1), hints (B, S/2, S/2, 3), chroma (B, S/2, S/2, 2), labels (B,)."""

_PROBED = 100  # Images of a data set whose size stands for all.
_SMALLEST_CROP = 0.6  # Of the side of an image.
_LARGEST_SQUEEZE = 0.8  # Of height or width of a cut.
_LARGEST_SHIFT = 0.125  # Of the side of an image that is not cut.
_SOFT = 0.2  # Of the images, with at least half of the resolution left: enlarged and unsharp ones teach to color such.
_GRAINY = 0.2  # Of the images.
_GRAIN = 0.05  # Largest standard deviation of luma.
_HINTED = 0.3  # Of the images.
_MEAN_HINTS = 6


@dataclass(frozen=True)
class ImageArray:
    """Decoded images of one data set.

    Attributes
    ----------
    pixels : (N, S, S, 3) uint8
        RGB images that have color.
    labels : (N,) int32
        Class of each, -1 where unknown.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """Height and width of the images."""
        return self.pixels.shape[1]


def choose_side(dataset: ImageDataset, sizes: tuple[int, ...], *, skip_corrupt: bool = False) -> int:
    """Choose the side to keep images at: the largest working size that half of the first ones have, or the smallest."""
    first = islice(dataset.decode(skip_corrupt=skip_corrupt), _PROBED)
    sides = [min(image.shape[:2]) for _, image in first]
    return max((size for size in sizes if sides and size <= median_low(sides)), default=min(sizes))


def load_colored(dataset: ImageDataset, side: int, *, skip_corrupt: bool = False) -> ImageArray:
    """Decode a data set, leaving out the images that are gray and so teach nothing.

    Parameters
    ----------
    dataset : ImageDataset
        The images.
    side : int
        Height and width that the central squares of the images are brought to.
    skip_corrupt : bool
        As in `ImageDataset.decode`.
    """
    pixels = np.empty((len(dataset), side, side, 3), np.uint8)
    labels = np.full(len(dataset), -1, np.int32)
    count = 0
    description = f"reading {dataset.name} ({dataset.split})"
    for index, image in tqdm(
        dataset.decode(skip_corrupt=skip_corrupt), description, len(dataset), unit="image", disable=None
    ):
        if not np.ptp(image, axis=-1).any():
            continue
        pixels[count] = cut_square(image, side)
        if dataset.labels is not None:
            labels[count] = dataset.labels[index]
        count += 1
    return ImageArray(pixels[:count], labels[:count])


class TrainingBatches:
    """The batches of a training, by step.

    Parameters
    ----------
    sets : list of ImageArray
        Training images; a batch takes them from the sets that are at least as large as its working size, fewer from one
        whose images are larger: shrunk to that size, they teach less of it. Where all are smaller, the largest ones are
        enlarged.
    sizes : tuple of int
        Working sizes, drawn with equal chance.
    batch_size : int
        Images in a batch at the smallest size; larger sizes have as many pixels in a batch.
    steps : int
        Steps of the training.
    seed : int
        Of order, augmentation and hints.
    """

    def __init__(
        self,
        sets: list[ImageArray],
        sizes: tuple[int, ...],
        batch_size: int,
        steps: int,
        seed: int,
    ) -> None:
        self._sets = sets
        self._seed = seed
        self._sizes = np.random.default_rng(seed).choice(sizes, steps)
        quotas = {size: self._divide(round(batch_size * (min(sizes) / size) ** 2), size) for size in set(sizes)}
        self._counts = np.array([quotas[size] for size in self._sizes])
        self._starts = np.cumsum(self._counts, axis=0) - self._counts
        self._order = lru_cache(maxsize=4 * len(sets))(self._shuffle)

    def __call__(self, step: int) -> Batch:
        """Make the batch of a step."""
        size = int(self._sizes[step])
        places = [
            (images, row)
            for number, images in enumerate(self._sets)
            for row in self._rows(number, self._starts[step, number], self._counts[step, number])
        ]
        rngs = [np.random.default_rng((self._seed, 1, step, place)) for place in range(len(places))]
        pixels = [augment(images.pixels[row], size, rng) for (images, row), rng in zip(places, rngs, strict=True)]
        luma, chroma = split_planes(np.stack(pixels))
        labels = np.array([images.labels[row] for images, row in places], np.int32)
        for plane, rng in zip(luma, rngs, strict=True):
            change_tones(plane, rng)
        hints = np.stack([draw_hints(plane, rng) for plane, rng in zip(chroma, rngs, strict=True)])
        return luma, hints, chroma, labels

    def _divide(self, count: int, size: int) -> list[int]:
        """Divide the images of a batch among the sets that are large enough, or the largest where none is."""
        least = min(size, max(images.side for images in self._sets))
        weights = np.array([(size / images.side) ** 2 if images.side >= least else 0 for images in self._sets])
        return [max(1, round(count * weight / weights.sum())) if weight else 0 for weight in weights]

    def _rows(self, number: int, start: int, count: int) -> list[int]:
        """Take the next rows of a set, of which every pass has an order of its own."""
        length = len(self._sets[number])
        positions = range(start, start + count)
        return [self._order(number, position // length)[position % length] for position in positions]

    def _shuffle(self, number: int, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((self._seed, 2, number, epoch)).permutation(len(self._sets[number]))


class ValidationBatches:
    """The images of validation as they are, each set at its own size, without hints."""

    def __init__(self, sets: list[ImageArray], batch_size: int) -> None:
        self._parts = []
        smallest = min(images.side for images in sets)
        for images in sets:
            count = max(1, round(batch_size * (smallest / images.side) ** 2))
            starts = range(0, len(images), count)
            self._parts += [ImageArray(images.pixels[i : i + count], images.labels[i : i + count]) for i in starts]

    def __len__(self) -> int:
        return len(self._parts)

    def __call__(self, step: int) -> Batch:
        """Make one batch."""
        part = self._parts[step]
        luma, chroma = split_planes(part.pixels)
        return luma, np.zeros((*chroma.shape[:3], 3), np.float32), chroma, part.labels


def build_dataset(batches: Callable[[int], Batch], first: int, last: int, *, labeled: bool) -> "tf.data.Dataset":
    """Turn batches into the `tf.data` pipeline of inputs and targets that the U-Net trains on, made ahead of need."""
    import tensorflow as tf

    def name(luma: "tf.Tensor", hints: "tf.Tensor", chroma: "tf.Tensor", labels: "tf.Tensor") -> tuple[dict, dict]:
        for tensor, channels in ((luma, 1), (hints, 3), (chroma, 2)):
            tensor.set_shape((None, None, None, channels))
        labels.set_shape((None,))
        targets = {"chroma": chroma, "label": labels} if labeled else {"chroma": chroma}
        return {"luma": luma, "hints": hints}, targets

    def make(step: "tf.Tensor") -> list["tf.Tensor"]:
        return tf.numpy_function(batches, [step], [tf.float32, tf.float32, tf.float32, tf.int32])

    steps = tf.data.Dataset.range(first, last)
    return steps.map(make, num_parallel_calls=2, deterministic=True).map(name).prefetch(4)


# === Parts of a batch ===


def augment(image: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bring an image (S, S, 3) to (size, size, 3): cut and squeezed or shifted, softened and mirrored by chance."""
    height = width = len(image)
    if rng.random() < 0.5:
        side = height * rng.uniform(_SMALLEST_CROP, 1)
        height, width = (round(side * rng.uniform(_LARGEST_SQUEEZE, 1)) for _ in range(2))
    else:
        margin = round(height * _LARGEST_SHIFT)
        framed = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        image = np.asarray(framed, np.uint8)
    top, left = rng.integers(len(image) - height + 1), rng.integers(len(image) - width + 1)
    image = fill_square(image[top : top + height, left : left + width], size)
    if rng.random() < _SOFT:
        image = cut_square(cut_square(image, round(size * rng.uniform(0.5, 1))), size)
    return image[:, ::-1] if rng.random() < 0.5 else image


def split_planes(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split RGB (N, S, S, 3) into luma (N, S, S, 1) in [0, 1] and chroma (N, S/2, S/2, 2) in [-0.5, 0.5]."""
    n, side = rgb.shape[:2]
    luma = rgb.astype(np.float32) @ (np.array([KR, KG, KB], np.float32) / np.float32(255))
    chroma = to_chroma(rgb).reshape(n, side // 2, 2, side // 2, 2, 2).mean(axis=(2, 4))
    return luma[..., None], chroma


def draw_hints(chroma: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Reveal the chroma of a few small patches of an image, in some of the images.

    Parameters
    ----------
    chroma : (h, w, 2) float32
        True chroma.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    (h, w, 3) float32
        Mean chroma of each patch and 1 within it; 0 elsewhere.

    References
    ----------
    R. Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017, section 3.2.
    """
    height, width = chroma.shape[:2]
    hints = np.zeros((height, width, 3), np.float32)
    if rng.random() >= _HINTED:
        return hints
    for _ in range(rng.geometric(1 / _MEAN_HINTS)):
        row, column, side = rng.integers(height), rng.integers(width), rng.choice((1, 1, 1, 2, 3))
        patch = (slice(row, row + side), slice(column, column + side))
        hints[patch] = (*chroma[patch].mean(axis=(0, 1)), 1)
    return hints


def change_tones(luma: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Change gamma and contrast of half of the images, (S, S, 1) in [0, 1], and add grain to some, in place.

    Old photographs have such tones.
    """
    if rng.random() < 0.5:
        luma **= np.exp(rng.uniform(-0.4, 0.4))
        luma -= 0.5
        luma *= rng.uniform(0.7, 1.1)
        luma += 0.5 + rng.uniform(-0.1, 0.1)
    if rng.random() < _GRAINY:
        luma += rng.uniform(0, _GRAIN) * rng.standard_normal(luma.shape, np.float32)
    np.clip(luma, 0, 1, out=luma)
