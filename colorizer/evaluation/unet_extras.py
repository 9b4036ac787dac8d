"""Evaluation of what the U-Net offers beyond a single result: vividness, hints, uncertainty, alternatives."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.segmentation import felzenszwalb

from colorizer.evaluation.metrics import ChromaByLuma, colorfulness, ratio
from colorizer.imaging.color import gray_copy, resize, to_chroma, to_luma
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer

VIVIDNESS = (0.0, DEFAULT_VIVIDNESS, 1.0)
HINTS = (1, 4, 16)
ALTERNATIVES = 4
ALTERNATIVES_OF = 1000  # Only the first images: each takes as long as forty without alternatives.
_SEED = 0  # Of the positions of hints and of the alternatives.
_PATCH = 2  # Side of the block of pixels whose mean color is a hint.
_UNCERTAINTY_BINS = 10
_CONFIDENCE_BINS = 15


class AbilityFigures:
    """Accumulates metrics of the U-Net's abilities, chunk by chunk.

    Parameters
    ----------
    colorizer : Colorizer
        A U-Net.
    detail : int, optional
        As in `Colorizer.colorize`.
    """

    def __init__(self, colorizer: Colorizer, detail: int | None) -> None:
        self._colorizer = colorizer
        self._detail = detail
        self._count = 0
        self._gray = 0.0
        self._errors = dict.fromkeys(VIVIDNESS, 0.0)
        self._hinted = dict.fromkeys(HINTS, 0.0)
        self._colorful = dict.fromkeys(VIVIDNESS, 0.0)
        self._colorful_truth = 0.0
        self._by_luma = {vividness: ChromaByLuma() for vividness in VIVIDNESS}
        self._confidence = np.zeros((_CONFIDENCE_BINS, 3))  # Cells, sum of confidence, hits.
        self._by_uncertainty = np.zeros((_UNCERTAINTY_BINS, 4))  # Pixels, sums of uncertainty and of both errors.
        self._differences: list[float] = []
        self._variances = np.zeros(2)  # Of chroma within segments: alternatives, truth.

    def add(self, truths: Sequence[NDArray[np.uint8]]) -> None:
        """Add (H, W, 3) uint8 RGB images."""
        self._gray += sum(_mse(truth, gray_copy(truth)) for truth in truths)
        self._colorful_truth += sum(colorfulness(truth) for truth in truths)
        for vividness in VIVIDNESS:
            results = self._colorizer.colorize_batch(truths, vividness=vividness, detail=self._detail, prepare=False)
            self._errors[vividness] += sum(map(_mse, truths, results))
            self._colorful[vividness] += sum(map(colorfulness, results))
            self._by_luma[vividness].add(truths, results)
            if vividness == 0:
                self._add_uncertainty(truths, results)
        for count in HINTS:
            rngs = [np.random.default_rng((_SEED, count, self._count + i)) for i in range(len(truths))]
            hints = [true_hints(*pair, count) for pair in zip(truths, rngs, strict=True)]
            # Without a reach, only the network spreads the hints.
            results = self._colorizer.colorize_batch(
                truths, vividness=0, detail=self._detail, hints=hints, reach=None, prepare=False
            )
            self._hinted[count] += sum(map(_mse, truths, results))
        for truth in truths[: max(0, ALTERNATIVES_OF - self._count)]:
            self._add_alternatives(truth)
        self._count += len(truths)

    def summary(self) -> dict[str, Any]:
        """Return the metrics of all images so far.

        Returns
        -------
        dict
            ``vividness``: by value, ``relative_mse``, ``colorfulness_ratio`` (to the truth's) and ``chroma_by_luma``.
            ``hints``: by the number of true hints at random positions, relative MSE at vividness 0. ``uncertainty``:
            for each tenth of its range, its mean, the fraction of the pixels in it, and their squared error beside the
            gray baseline's. ``calibration_error``: see `calibration_error`. ``alternatives``: the number of images and
            of results for each, the median CIEDE2000 between two results for an image, and the variance of their chroma
            within segments of even luma over the truth's.
        """
        pixels = self._by_uncertainty[:, 0].sum()
        return {
            "vividness": {
                str(vividness): {
                    "relative_mse": ratio(self._errors[vividness], self._gray),
                    "colorfulness_ratio": ratio(self._colorful[vividness], self._colorful_truth),
                    "chroma_by_luma": self._by_luma[vividness].summary(),
                }
                for vividness in VIVIDNESS
            },
            "hints": {str(count): ratio(self._hinted[count], self._gray) for count in HINTS},
            "uncertainty": [
                {
                    "mean": total / count,
                    "pixels": count / pixels,
                    "mse": error / count,
                    "mse_gray_baseline": gray / count,
                }
                for count, total, error, gray in self._by_uncertainty.tolist()
                if count
            ],
            "calibration_error": calibration_error(self._confidence),
            "alternatives": {
                "images": min(self._count, ALTERNATIVES_OF),
                "each": ALTERNATIVES,
                "delta_e_median": float(np.median(self._differences)),
                "chroma_variance_ratio": ratio(*self._variances.tolist()),
            },
        }

    def _add_uncertainty(self, truths: Sequence[NDArray[np.uint8]], results: Sequence[NDArray[np.uint8]]) -> None:
        for truth, result in zip(truths, results, strict=True):
            self._confidence += count_hits(*self._colorizer.predict_distribution(truth, detail=self._detail), truth)
            uncertainty = self._colorizer.uncertainty(truth, detail=self._detail, prepare=False).ravel()
            errors = [_squared_error(truth, image).ravel() for image in (result, gray_copy(truth))]
            bins = np.minimum((uncertainty * _UNCERTAINTY_BINS).astype(int), _UNCERTAINTY_BINS - 1)
            for column, values in enumerate((None, uncertainty, *errors)):
                self._by_uncertainty[:, column] += np.bincount(bins, values, _UNCERTAINTY_BINS)

    def _add_alternatives(self, truth: NDArray[np.uint8]) -> None:
        results = self._colorizer.colorize_alternatives(
            truth, ALTERNATIVES, vividness=DEFAULT_VIVIDNESS, detail=self._detail, seed=_SEED
        )
        labs = [rgb2lab(result) for result in results]
        self._differences += [float(deltaE_ciede2000(*pair).mean()) for pair in combinations(labs, 2)]
        segments = felzenszwalb(to_luma(truth), scale=50, sigma=0.5, min_size=20)
        variances = [variance_within(to_chroma(image), segments) for image in (*results, truth)]
        self._variances += np.array([np.mean(variances[:-1]), variances[-1]])


def count_hits(
    bins: NDArray[np.float32], probabilities: NDArray[np.float32], truth: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Count how often the most probable bin is the true one, by its probability.

    Parameters
    ----------
    bins : (K, 2) float32
        Cb and Cr of the bins.
    probabilities : (h, w, K) float32
        The predicted distribution in each cell of a grid.
    truth : (H, W, 3) uint8
        The true RGB image. The true bin of a cell is the nearest to its mean chroma.

    Returns
    -------
    (15, 3) float64
        For equal ranges of the most probable bin's probability: number of cells, sum of that probability, and number of
        cells where that bin is the true one.
    """
    height, width = probabilities.shape[:2]
    chroma = resize(to_chroma(truth), height, width, cv2.INTER_AREA)
    nearest = np.argmin(np.sum((chroma[:, :, None] - bins) ** 2, axis=-1), axis=-1)
    most_probable, confidence = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
    ranges = np.minimum((confidence * _CONFIDENCE_BINS).astype(int), _CONFIDENCE_BINS - 1).ravel()
    counted = (None, confidence.ravel(), (most_probable == nearest).ravel())
    return np.stack([np.bincount(ranges, values, _CONFIDENCE_BINS) for values in counted], axis=1)


def calibration_error(counts: NDArray[np.float64]) -> float:
    """Compute the expected calibration error from the sums of `count_hits`: 0 if confidence equals accuracy.

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    cells, confidence, hits = counts.T
    return float(np.abs(confidence - hits).sum() / cells.sum())


def true_hints(truth: NDArray[np.uint8], rng: np.random.Generator, count: int) -> list[tuple[int, int, list[int]]]:
    """Sample hints at random positions of an image (H, W, 3): x, y, and the mean RGB color of a 2 x 2 block."""
    rows, columns = (rng.integers(max(1, side - 1), size=count) for side in truth.shape[:2])
    hints = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        block = truth[row : row + _PATCH, column : column + _PATCH]
        hints.append((column, row, np.rint(block.mean(axis=(0, 1))).astype(int).tolist()))
    return hints


def variance_within(chroma: NDArray[np.float32], segments: NDArray[np.int64]) -> float:
    """Compute the mean variance of chroma (H, W, 2), Cb and Cr together, within the segments (H, W) of an image."""
    labels, planes = segments.ravel(), chroma.reshape(-1, 2).T
    sizes = np.bincount(labels)
    means = [np.bincount(labels, plane) / np.maximum(sizes, 1) for plane in planes]
    return float(sum(np.mean((plane - mean[labels]) ** 2) for plane, mean in zip(planes, means, strict=True)))


def _mse(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> float:
    return float(_squared_error(truth, result).mean())


def _squared_error(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the squared error of each pixel (H, W), averaged over the three channels in [0, 1]."""
    return np.asarray(np.mean((truth / 255 - result / 255) ** 2, axis=-1))
