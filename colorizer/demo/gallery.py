"""The available images of CIFAR-10's test split: by class, in pages, sorted by a model's error."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import get_args

from colorizer.data.dataset import DatasetError, ImageDataset
from colorizer.data.sources import load_dataset
from colorizer.evaluation.image_errors import ImageErrors, Order, find_errors
from colorizer.files import resource_folder

PAGE = 45
"""Images per page."""
ALL_CLASSES = "all classes"


@dataclass(frozen=True, eq=False)
class Gallery:
    """The test split, or the part of it that is available.

    Attributes
    ----------
    dataset : ImageDataset
        The images.
    origin : str
        A sentence that says which images these are.
    errors : dict of str to ImageErrors
        The errors that `evaluate` recorded, by model; empty if they are of other data or other weights.
    """

    dataset: ImageDataset
    origin: str
    errors: dict[str, ImageErrors]

    @classmethod
    def load(cls, models: Iterable[str]) -> "Gallery":
        """Load the test split if it is on this machine, otherwise the samples.

        A Space downloads it, since its front matter can't preload a dataset (huggingface/hub-docs, issue 1536).
        """
        try:
            dataset = load_dataset("cifar10", "test", download="SPACE_ID" in os.environ)
            origin = f"{len(dataset):,} images: the test split of {dataset.name}, loaded from the server."
        except DatasetError:
            dataset = load_samples()
            origin = (
                f"These {len(dataset)} sample images come with the project. They are the first ones of the test set; "
                "none shows a bird or a deer. To see all 10,000, set `COLORIZER_DATA` to a folder that contains "
                "CIFAR-10, and restart the demo."
            )
        folder = resource_folder("checkpoints")
        errors = {model: find_errors(folder / model, dataset.sha256) for model in models}
        return cls(dataset, origin, {model: found for model, found in errors.items() if found is not None})

    @classmethod
    def of_samples(cls) -> "Gallery":
        """Load the images of the test split that come with the project."""
        return cls(load_samples(), "", {})

    @property
    def class_names(self) -> list[str]:
        """List the classes that have images; first comes the name for all classes together."""
        return [ALL_CLASSES, *sorted(set(self.dataset.groups or ()))]

    @property
    def orders(self) -> list[tuple[str, Order]]:
        """List the sort orders besides the dataset's own: a model, and which of its results come first."""
        return [(model, order) for model in self.errors for order in get_args(Order)]

    def list_rows(self, class_name: str = ALL_CLASSES, order: tuple[str, Order] | None = None) -> list[int]:
        """List the rows of a class, in the dataset's order or sorted; sorted lists have only the more colorful half.

        Raises
        ------
        ValueError
            If there is no such class, or there are no errors to sort by.
        """
        if class_name not in self.class_names:
            raise ValueError(f"there is no class {class_name!r}; available: {', '.join(self.class_names)}")
        if order is not None and order not in self.orders:
            raise ValueError(f"there are no errors to sort by for {order!r}")
        rows = range(len(self.dataset)) if order is None else self.errors[order[0]].sort(order[1])
        groups = self.dataset.groups
        if class_name == ALL_CLASSES or groups is None:
            return list(rows)
        return [row for row in rows if groups[row] == class_name]

    def caption(self, row: int) -> str:
        """Name an image by its class and its number, counted from 1."""
        name = "" if self.dataset.groups is None else f"{self.dataset.groups[row]}, "
        return f"{name}image {row + 1:,}"


@cache
def load_samples() -> ImageDataset:
    """Load the images of the test split that come with the project."""
    dataset = load_dataset(str(resource_folder("samples") / "cifar10"), "test")
    return replace(dataset, groups=[name.split("_")[1].split(".")[0] for name in dataset.ids])


def take_page(rows: Sequence[int], number: float | None) -> tuple[list[int], int, int]:
    """Select a page: return its rows, its number (from 1, clipped to the valid range) and the number of pages."""
    pages = max(1, -(-len(rows) // PAGE))
    number = min(max(int(number or 1), 1), pages)
    return list(rows[(number - 1) * PAGE : number * PAGE]), number, pages
