"""Datasets whose images are decoded on access, and splitting off validation images."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.decode import ImageError, decode_image, image_format

logger = logging.getLogger(__name__)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ALL = "all"
"""The split of a dataset without splits: all of its images, whichever split is requested."""


class DatasetError(Exception):
    """A dataset can't be found or read; the message says what was tried and what to do."""


class NoSplitError(DatasetError):
    """A dataset has splits, but not the requested one."""


@dataclass(frozen=True)
class ImageDataset:
    """Images of one split, each decoded on access.

    Attributes
    ----------
    name : str
        Name of the dataset in records; never a path.
    split : str
        ``train``, ``test``, ``validation`` or `ALL`.
    sources : sequence of bytes, pathlib.Path or (H, W, 3) uint8 arrays
        What `decode_image` reads, one entry per image.
    ids : sequence of str
        Name of each image in messages: file and row, and its own path if the dataset stores it.
    sha256 : str
        SHA-256 of the source files' bytes, in order of name.
    groups : sequence of str, or None
        Group of each image: the first folder of its path, or the name of its class. None if unknown.
    """

    name: str
    split: str
    sources: Sequence[Any] | NDArray[np.uint8]
    ids: Sequence[str]
    sha256: str
    groups: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Decode an image to (H, W, 3) uint8 RGB; raise `DatasetError` with its name if it is corrupt."""
        try:
            return decode_image(self.sources[index])[:, :, :3]
        except (ImageError, OSError) as error:
            raise DatasetError(f"{self.ids[index]}: {error}") from error

    def take(self, indices: NDArray[np.int64]) -> "ImageDataset":
        """Select the images with the given indices, (M,) int64, in that order."""
        return replace(
            self,
            sources=[self.sources[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            groups=None if self.groups is None else [self.groups[i] for i in indices],
        )

    def drop_groups(self, names: Collection[str]) -> "ImageDataset":
        """Drop the images of the named groups."""
        if self.groups is None:
            return self
        return self.take(np.array([i for i, group in enumerate(self.groups) if group not in names], np.int64))

    def decode(self, *, skip_corrupt: bool = False) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode all images in order.

        Parameters
        ----------
        skip_corrupt : bool
            Skip corrupt images, with a warning for each and a count at the end, instead of failing.

        Yields
        ------
        int and (H, W, 3) uint8
            The index of an image, and its RGB pixels.

        Raises
        ------
        DatasetError
            After the last image, if any was corrupt and `skip_corrupt` is false; the message counts and names them.
        """
        corrupt = []
        for index in range(len(self)):
            try:
                yield index, self[index]
            except DatasetError as error:
                corrupt.append(str(error))
                if skip_corrupt:
                    logger.warning("skipped: %s", error)
        if not corrupt:
            return
        if not skip_corrupt:
            names = "\n  ".join(corrupt[:10]) + (f"\n  ... and {len(corrupt) - 10} more" if len(corrupt) > 10 else "")
            raise DatasetError(
                f"{len(corrupt)} of the {len(self)} images of {self.name} ({self.split}) are corrupt:\n  {names}\n"
                "Repair or remove them, or choose to skip corrupt images."
            )
        logger.warning("skipped %d corrupt images of %d in %s (%s)", len(corrupt), len(self), self.name, self.split)

    def record(self) -> dict[str, Any]:
        """Describe the dataset for the record of a training run or an evaluation.

        The encoding is recorded since results on JPEG copies differ from those on the originals; it is that of the
        first image, taken to hold for all.
        """
        return {
            "name": self.name,
            "split": self.split,
            "rows": len(self),
            "encoding": image_format(self.sources[0]) if len(self) else None,
            "sha256": self.sha256,
        }


def split_validation(dataset: ImageDataset, fraction: float) -> tuple[ImageDataset, ImageDataset]:
    """Split validation images off a training split, always the same ones.

    They don't depend on the seed of a training run: a run that starts from the weights of another one, with another
    seed, has the same validation images, which those weights were not trained on.

    Parameters
    ----------
    dataset : ImageDataset
        The training split.
    fraction : float
        Fraction of the images to use for validation, in (0, 1).

    Returns
    -------
    tuple of ImageDataset
        The remaining training images and the validation images, both in their original order.

    Raises
    ------
    DatasetError
        If either part would be empty.
    """
    count = round(len(dataset) * fraction)
    if not 0 < count < len(dataset):
        raise DatasetError(
            f"validation takes {fraction:g} of {len(dataset)} images, which leaves {len(dataset) - count} for training "
            f"and {count} for validation; both need at least one"
        )
    order = np.random.default_rng(0).permutation(len(dataset))
    return dataset.take(np.sort(order[count:])), dataset.take(np.sort(order[:count]))


def hold_out(
    sets: Sequence[tuple[ImageDataset, ImageDataset]], names: Collection[str]
) -> list[tuple[ImageDataset, ImageDataset]]:
    """Exclude whole groups from training, to measure generalization to kinds of images that were never seen.

    Parameters
    ----------
    sets : sequence of pairs of ImageDataset
        Training and validation images of each dataset.
    names : collection of str
        Groups to exclude, see `ImageDataset`.

    Returns
    -------
    list of pairs of ImageDataset
        The same datasets without these groups in training; validation keeps all groups.

    Raises
    ------
    DatasetError
        If a group has no training images, or a dataset has none left.
    """
    groups = sorted({group for train, _ in sets for group in train.groups or ()})
    if unknown := sorted(set(names) - set(groups)):
        raise DatasetError(f"no group {', '.join(unknown)} to hold out; available: {', '.join(groups) or 'none'}")
    kept = [(train.drop_groups(names), validation) for train, validation in sets]
    for train, _ in kept:
        if not len(train):
            raise DatasetError(f"with all its groups held out, no image of {train.name} is left for training")
    return kept
