"""Plots of a training run, drawn with Matplotlib."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from colorizer.files import write_whole


def plot_history(history: Path, path: Path) -> None:
    """Plot training and validation loss from a ``history.csv`` to a PNG file."""
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(epochs, [float(row["loss"]) for row in rows], label="training")
    axes.plot(epochs, [float(row["val_loss"]) for row in rows], label="validation")
    axes.set(xlabel="epoch", ylabel="loss", title="Loss by epoch")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def plot_grid(columns: Mapping[str, Sequence[NDArray[Any]] | NDArray[Any]], path: Path) -> None:
    """Plot a grid of images to a PNG file.

    Parameters
    ----------
    columns : mapping of str to N images (H, W) or (H, W, 3), uint8 or float in [0, 1]
        Title of each column, and its images from top to bottom.
    path : pathlib.Path
        The file to write.
    """
    count = len(next(iter(columns.values())))
    figure = Figure(figsize=(1.6 * len(columns), 1.6 * count), layout="constrained")
    grid = figure.subplots(count, len(columns), squeeze=False)
    for column, (title, images) in enumerate(columns.items()):
        grid[0, column].set_title(title, fontsize=9)
        for row, image in enumerate(images):
            brightest = 255 if image.dtype.kind == "u" else 1
            grid[row, column].imshow(image, cmap="gray", vmin=0, vmax=brightest, interpolation="nearest")
            grid[row, column].set_axis_off()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    # Matplotlib would record its version: without it, the same data gives the same file.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_whole(path, buffer.getvalue())
