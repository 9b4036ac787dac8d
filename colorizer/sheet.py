"""A picture of the best, the typical and the worst results of a model on a data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorizer.figures import plot_grid
from colorizer.inference import Colorizer
from colorizer.metrics import gray_copy
from colorizer.per_image import rank

_ROWS = 20


def draw_sheet(
    colorizer: Colorizer,
    load: Callable[[int], NDArray[np.uint8]],
    errors: NDArray[np.float64],
    baselines: NDArray[np.float64],
    path: Path,
    detail: int,
) -> None:
    """Draw three blocks of 20 images: least, median and most error left, of the more colorful half of the images.

    Parameters
    ----------
    colorizer : Colorizer
        The model that made the errors; the autoencoder that comes with the project is drawn beside it.
    load : callable
        Gives the RGB image of a row.
    errors, baselines : (N,) float64
        Mean squared errors of the model's results and of the gray copies.
    path : pathlib.Path
        The PNG file to write.
    detail : int
        Long side of what the network sees of a larger image.
    """
    order = rank(errors, baselines)
    rows = min(_ROWS, len(order))
    middle = (len(order) - rows) // 2
    columns: dict[str, list[NDArray[np.uint8]]] = {}
    for name, chosen in (("best", order[:rows]), ("typical", order[middle:][:rows]), ("worst", order[::-1][:rows])):
        truths = [load(int(row)) for row in chosen]
        results = {"gray": [gray_copy(truth) for truth in truths]}
        if colorizer.paints_rgb:
            results |= {"color": colorizer.colorize_batch(truths), "raw": colorizer.colorize_batch(truths, raw=True)}
        else:
            results["autoencoder"] = Colorizer.load("autoencoder").colorize_batch(truths)
            results["U-Net"] = colorizer.colorize_batch(truths, vividness=0, detail=detail)
            results["vivid"] = colorizer.colorize_batch(truths, vividness=1, detail=detail)
        columns |= {f"{name}: {title}": images for title, images in {**results, "truth": truths}.items()}
    plot_grid(columns, path)
