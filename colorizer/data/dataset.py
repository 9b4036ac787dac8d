"""A data set: images that are decoded when they are asked for, and a validation part split off."""

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
"""The split of data that have no splits: whatever split is asked for, it is these images."""


class DatasetError(Exception):
    """Data can't be found or read; the message says what was tried and what to do."""


class NoSplitError(DatasetError):
    """Data have splits, but not the one that is asked for."""


@dataclass(frozen=True)
class ImageDataset:
    """Images of one split, decoded one by one when asked for.

    Attributes
    ----------
    name : str
        What the data are called in records; never a path.
    split : str
        ``train``, ``test``, ``validation`` or `ALL`.
    sources : sequence of bytes, pathlib.Path or (H, W, 3) uint8 arrays
        What `decode_image` reads, one entry per image.
    ids : sequence of str
        What an image is called in messages: file and row, and its own path where the data keep it.
    sha256 : str
        SHA-256 of the bytes of the files that the images came from, in order of name.
    groups : sequence of str, or None
        What kind of image each is: the first folder of its path, or the name of its class. None where unknown.
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
        """Decode one image to (H, W, 3) uint8 RGB; `DatasetError` names it if it is corrupt."""
        try:
            return decode_image(self.sources[index])[:, :, :3]
        except (ImageError, OSError) as error:
            raise DatasetError(f"{self.ids[index]}: {error}") from error

    def take(self, indices: NDArray[np.int64]) -> "ImageDataset":
        """Keep the images with the given indices, in that order."""
        return replace(
            self,
            sources=[self.sources[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            groups=None if self.groups is None else [self.groups[i] for i in indices],
        )

    def drop_groups(self, names: Collection[str]) -> "ImageDataset":
        """Leave out the images of some groups."""
        if self.groups is None:
            return self
        return self.take(np.array([i for i, group in enumerate(self.groups) if group not in names], np.int64))

    def decode(self, *, skip_corrupt: bool = False) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode all images in turn, with their indices.

        Parameters
        ----------
        skip_corrupt : bool
            Leave corrupt images out, each named in a warning and all counted at the end, instead of failing.

        Yields
        ------
        int and (H, W, 3) or (H, W, 4) uint8
            The index of an image, and its RGB or RGBA pixels.

        Raises
        ------
        DatasetError
            At the end, with names and count of the corrupt images, unless they are to be skipped.
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
                "Repair or remove them, or ask to skip corrupt images."
            )
        logger.warning("skipped %d corrupt images of %d in %s (%s)", len(corrupt), len(self), self.name, self.split)

    def record(self) -> dict[str, Any]:
        """Describe the data for the record of a training or an evaluation.

        The encoding of the first image stands for all: figures on JPEG copies are not those on the originals.
        """
        return {
            "name": self.name,
            "split": self.split,
            "rows": len(self),
            "encoding": image_format(self.sources[0]) if len(self) else None,
            "sha256": self.sha256,
        }


def split_validation(dataset: ImageDataset, fraction: float, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Carve validation images out of a training split, the same ones for the same seed.

    Returns
    -------
    tuple of ImageDataset
        What is left for training, and the validation images; both keep the order of the data.

    Raises
    ------
    DatasetError
        If one of the two parts would be empty.
    """
    count = round(len(dataset) * fraction)
    if not 0 < count < len(dataset):
        raise DatasetError(
            f"validation takes {fraction:g} of {len(dataset)} images, which leaves {len(dataset) - count} for training "
            f"and {count} for validation; both need at least one"
        )
    order = np.random.default_rng(seed).permutation(len(dataset))
    return dataset.take(np.sort(order[count:])), dataset.take(np.sort(order[:count]))


def hold_out(
    sets: Sequence[tuple[ImageDataset, ImageDataset]], names: Collection[str]
) -> list[tuple[ImageDataset, ImageDataset]]:
    """Leave whole groups out of training, to see what is learned of kinds of images that were never shown.

    Parameters
    ----------
    sets : sequence of pairs of ImageDataset
        Training and validation images of each data set. Validation keeps all groups.
    names : collection of str
        Groups, see `ImageDataset`.

    Raises
    ------
    DatasetError
        If no training images are of a group, or none are left of a data set.
    """
    groups = sorted({group for train, _ in sets for group in train.groups or ()})
    if unknown := sorted(set(names) - set(groups)):
        raise DatasetError(f"no group {', '.join(unknown)} to hold out; there are: {', '.join(groups) or 'none'}")
    kept = [(train.drop_groups(names), validation) for train, validation in sets]
    for train, _ in kept:
        if not len(train):
            raise DatasetError(f"with all its groups held out, no image of {train.name} is left for training")
    return kept
