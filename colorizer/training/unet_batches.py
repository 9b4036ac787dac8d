"""Training data of the chroma U-Net: batches of luma, hints and true chroma, with augmentation.

Each example depends only on the seed, the step and its position in the batch, so a resumed run sees the same batches as
one that was never interrupted, whatever the number of workers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from statistics import median_low

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.data.arrays import cut_square, fill_square
from colorizer.data.dataset import ImageDataset
from colorizer.imaging.aging import age
from colorizer.imaging.color import to_chroma, to_luma
from colorizer.models.unet import MULTIPLE, STRIDE
from colorizer.training.perceptual import split_cells
from colorizer.training.recipe import EpochBatches

Batch = tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]
"""{``luma``: (B, S, S, 1) in [0, 1], ``hints``: (B, S/4, S/4, 3)} and the true chroma (B, S/4, S/4, 2)."""

ENLARGEMENT = 3
"""Small images are enlarged, by at most this factor: the pretrained encoder recognizes little in thumbnails."""

_PROBED = 100  # Images of a dataset whose sizes are taken as typical.
_MIN_AREA = 0.45  # Of a crop, as a fraction of the image.
_MAX_ASPECT = 1.25  # Aspect ratio of a crop.
_AGED = 0.35  # Fraction of the images whose input is an aged copy.
_HINTED = 0.5  # Fraction of the images that have hints.
_MEAN_HINTS = 6


@dataclass(frozen=True, eq=False)  # Comparing two would read all of their images.
class ImageSet:
    """The color images of a dataset, decoded on demand.

    Attributes
    ----------
    dataset : ImageDataset
        The images.
    size : int
        Height and width of the square crops that the network sees.
    side : int
        Median of the images' short sides.
    """

    dataset: ImageDataset
    size: int
    side: int

    def __len__(self) -> int:
        return len(self.dataset)


def load_colored(dataset: ImageDataset, largest: int, *, skip_corrupt: bool = False) -> ImageSet:
    """Read a dataset once, and drop the gray images, which have no color to learn from.

    Parameters
    ----------
    dataset : ImageDataset
        The images, of any size.
    largest : int
        Working size: height and width of the crops in pixels. Small images are enlarged by at most `ENLARGEMENT`, so a
        dataset of thumbnails gets smaller crops.
    skip_corrupt : bool
        As in `ImageDataset.decode`.
    """
    description = f"reading {dataset.name} ({dataset.split})"
    images = tqdm(dataset.decode(skip_corrupt=skip_corrupt), description, len(dataset), unit="image", disable=None)
    kept, sides = [], []
    for index, image in images:
        if np.ptp(image, axis=-1).any():
            kept.append(index)
            sides.append(min(image.shape[:2]))
    side = median_low(list(islice(sides, _PROBED)) or [largest])
    size = min(largest, math.ceil(ENLARGEMENT * side / MULTIPLE) * MULTIPLE)
    return ImageSet(dataset.take(np.array(kept, np.int64)), size, side)


class TrainingBatches(EpochBatches):
    """Training batches, epoch by epoch.

    Parameters
    ----------
    sets : sequence of ImageSet
        Training images. All images of a batch have the same size; datasets of that size share the batch in proportion
        to their numbers of images.
    batch_size : int
        Images in a batch at the largest size; at smaller sizes, a batch has as many pixels.
    steps_per_epoch : int
        Batches per epoch; 0 for as many as it takes to see each image once.
    seed : int
        Seed of order, augmentation and hints.
    first_epoch : int
        Epoch to start from.
    workers : int
        Threads that make batches.
    clean_luma : bool
        Whether the targets also have the luma before aging, by `split_cells`: (B, S/4, S/4, 2 + 16).
    """

    def __init__(
        self,
        sets: Sequence[ImageSet],
        batch_size: int,
        steps_per_epoch: int,
        seed: int,
        first_epoch: int = 0,
        workers: int = 2,
        clean_luma: bool = False,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers)
        self._clean_luma = clean_luma
        self._sets = sets
        self._seed = seed
        self.epoch = first_epoch
        sizes = sorted({images.size for images in sets}, reverse=True)
        self._groups = [[images for images in sets if images.size == size] for size in sizes]
        self._counts = []
        for size, group in zip(sizes, self._groups, strict=True):
            count = max(1, round(batch_size * (sizes[0] / size) ** 2))
            shares = np.array([len(images) for images in group]) / sum(map(len, group))
            # Largest-remainder method: the parts add up to the whole.
            parts = np.floor(count * shares).astype(int)
            parts[np.argsort(parts - count * shares)[: count - parts.sum()]] += 1
            self._counts.append(parts)
        # How many steps each group needs to show all of its images.
        needed = [sum(map(len, group)) / parts.sum() for group, parts in zip(self._groups, self._counts, strict=True)]
        self._steps = steps_per_epoch or math.ceil(sum(needed))
        self._schedule = _interleave(np.array(needed) / sum(needed), self._steps)
        self._order = lru_cache(maxsize=4 * len(sets))(self._shuffle)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        """Make a batch of the current epoch."""
        step = self.epoch * self._steps + index
        number = self._schedule[index]
        group, parts = self._groups[number], self._counts[number]
        per_epoch = self._schedule.count(number)
        turn = self.epoch * per_epoch + self._schedule[:index].count(number)
        planes: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]] = []
        for images, count in zip(group, parts, strict=True):
            for position in range(turn * count, (turn + 1) * count):
                rng = np.random.default_rng((self._seed, 1, step, len(planes)))
                passed, place = divmod(position, len(images))
                row = int(self._order(self._sets.index(images), passed)[place])
                planes.append(make_example(images.dataset[row], images.size, rng, clean_luma=self._clean_luma))
        return _stack(planes)

    def _shuffle(self, number: int, passed: int) -> NDArray[np.int64]:
        return np.random.default_rng((self._seed, 2, number, passed)).permutation(len(self._sets[number]))


class ValidationBatches(keras.utils.PyDataset):
    """Center crops of the validation images, each dataset at its own size, without augmentation or hints."""

    def __init__(self, sets: Sequence[ImageSet], batch_size: int) -> None:
        super().__init__(workers=2, max_queue_size=4)
        largest = max(images.size for images in sets)
        parts = []
        for images in sets:
            count = max(1, round(batch_size * (largest / images.size) ** 2))
            parts.append([(images, range(i, min(i + count, len(images)))) for i in range(0, len(images), count)])
        batches = [batch for part in parts for batch in part]
        # Keras infers from the first two batches which axes vary, so these differ in size wherever possible.
        other = next((i for i, (images, _) in enumerate(batches) if images.size != batches[0][0].size), 0)
        batches.insert(1, batches.pop(other))
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        """Make a batch."""
        images, rows = self._batches[index]
        planes = []
        for row in rows:
            rgb = cut_square(images.dataset[row], images.size)
            chroma = shrink_chroma(rgb)
            planes.append((to_luma(rgb), np.zeros((*chroma.shape[:2], 3), np.float32), chroma))
        return _stack(planes)


def _interleave(shares: NDArray[np.float64], steps: int) -> list[int]:
    """Choose a group for each step of an epoch, so that each has its share, spread evenly.

    Keras infers from batches 0 and 1 which axes vary, so these are from different groups wherever possible.
    """
    done = np.zeros(len(shares))
    schedule = []
    for step in range(steps):
        group = int(np.argmax(shares * (step + 1) - done))
        done[group] += 1
        schedule.append(group)
    other = next((i for i in range(1, steps) if schedule[i] != schedule[0]), 0)
    if other > 1:
        schedule[1], schedule[other] = schedule[other], schedule[1]
    return schedule


# === Parts of a batch ===


def make_example(
    rgb: NDArray[np.uint8], size: int, rng: np.random.Generator, *, clean_luma: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Make a training example from an image (H, W, 3): luma (S, S), hints (S/4, S/4, 3) and chroma (S/4, S/4, 2).

    With `clean_luma`, the chroma is followed by the luma of each cell's pixels: (S/4, S/4, 2 + 16).
    """
    square = augment(rgb, size, rng)
    chroma = shrink_chroma(square)
    luma = age(square, rng) if rng.random() < _AGED else to_luma(square)
    hints = draw_hints(chroma, rng)
    if clean_luma:
        chroma = np.concatenate([chroma, split_cells(to_luma(square))], axis=-1)
    return luma, hints, chroma


def augment(image: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crop an image (H, W, 3) at random, stretch the crop to (size, size, 3), and flip half of the images."""
    height, width = image.shape[:2]
    side = min(height, width, math.sqrt(height * width * rng.uniform(_MIN_AREA, 1)))
    longer = min(max(height, width), side * rng.uniform(1, _MAX_ASPECT))
    rows, columns = max(1, round(side)), max(1, round(longer))
    if height > width or (height == width and rng.random() < 0.5):
        rows, columns = columns, rows
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    square = fill_square(image[top : top + rows, left : left + columns], size)
    return np.ascontiguousarray(square[:, ::-1]) if rng.random() < 0.5 else square


def shrink_chroma(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the mean chroma of each cell of an image (S, S, 3): (S/4, S/4, 2) in [-0.5, 0.5]."""
    side = len(rgb) // STRIDE
    return to_chroma(np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.uint8))


def draw_hints(chroma: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Simulate hints: reveal the true chroma of a few small patches, in some of the images.

    Parameters
    ----------
    chroma : (h, w, 2) float32
        True chroma.
    rng : numpy.random.Generator
        Random number generator.

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


def _stack(planes: Sequence[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]) -> Batch:
    luma, hints, chroma = (np.stack(parts) for parts in zip(*planes, strict=True))
    return {"luma": luma[..., None].astype(np.float32) / np.float32(255), "hints": hints}, chroma
