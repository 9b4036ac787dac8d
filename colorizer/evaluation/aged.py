"""Evaluation on old photographs: synthetically aged copies of color photographs, whose true colors are known."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.evaluation.metrics import compare, psnr_gain, ratio
from colorizer.imaging.aging import VERSIONS, Window, age_as
from colorizer.imaging.color import resize, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.inference.colorizer import Colorizer

_KEPT = ("mse", "psnr", "delta_e", "auc", "colorfulness")


class AgedMetrics:
    """Accumulates metrics of aged copies, chunk by chunk.

    Chroma is predicted from the aged copy and joined with the clean luma, so only the colors are measured.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    vividness, detail : float, int, optional
        As in `Colorizer.colorize`.
    """

    def __init__(self, colorizer: Colorizer, vividness: float, detail: int | None) -> None:
        self._colorizer = colorizer
        self._vividness = vividness
        self._detail = detail
        self._rows: dict[str, list[dict[str, float]]] = {version: [] for version in VERSIONS}
        self._gray: list[dict[str, float]] = []

    def add(self, truths: Sequence[NDArray[np.uint8]], gray: Sequence[dict[str, float]]) -> None:
        """Add images: (H, W, 3) uint8 RGB, and what `compare` gives for the gray baseline of each."""
        self._gray += gray
        for version, rows in self._rows.items():
            copies, windows = zip(*(age_as(truth, version) for truth in truths), strict=True)
            chromas = self._colorizer.predict_chroma(copies, vividness=self._vividness, detail=self._detail)
            for truth, copy, window, chroma in zip(truths, copies, windows, chromas, strict=True):
                cut = cut_chroma(chroma, copy.shape, window)
                rows.append(compare(truth, join_upsampled(to_luma(truth), cut)))

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return the metrics of all images so far by version, named as in `colorizer.evaluation.evaluate.evaluate`."""
        baseline = float(np.mean([row["mse"] for row in self._gray]))
        metrics: dict[str, dict[str, float | None]] = {}
        for version, rows in self._rows.items():
            means = {key: float(np.mean([row[key] for row in rows])) for key in _KEPT}
            metrics[version] = {
                "relative_mse": ratio(means["mse"], baseline),
                "psnr_gain": psnr_gain(rows, self._gray)[0],
                **means,
            }
        return metrics


def cut_chroma(chroma: NDArray[np.float32], shape: tuple[int, ...], window: Window) -> NDArray[np.float32]:
    """Crop low-resolution chroma to a window of its image.

    Parameters
    ----------
    chroma : (h, w, 2) float32
        Cb and Cr of the whole image, at low resolution.
    shape : (int, int)
        Height and width of the image.
    window : tuple of two slices
        Rows and columns of the image to keep.

    Returns
    -------
    (h', w', 2) float32
        Chroma of the window, at the scale of `chroma`.
    """
    height, width = shape
    rows, columns = window
    inside = rows.stop - rows.start, columns.stop - columns.start
    if inside == (height, width):
        return chroma
    full = resize(chroma, height, width, cv2.INTER_LINEAR)[window]
    small = (max(1, round(len(chroma) * inside[0] / height)), max(1, round(chroma.shape[1] * inside[1] / width)))
    return resize(np.ascontiguousarray(full), *small, cv2.INTER_AREA)
