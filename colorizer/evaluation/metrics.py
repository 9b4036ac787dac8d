"""Metrics of one image: its error against the true image, and its colorfulness.

Errors are of RGB scaled to [0, 1]. Only `compare` needs scikit-image, which the demo doesn't install.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import to_chroma, to_luma

PSNR_CAP = 50.0
"""Upper limit of PSNR in dB: that of two equal images is infinite, and would dominate every mean."""
MIN_COLORFULNESS = 5.0
"""Minimum colorfulness of the images that ``psnr_gain`` averages over: nearly gray ones would dominate it."""
_AUC_THRESHOLDS = 151  # 0 to 150.
_LUMA_RANGES = 8
_MIN_SHARE = 0.01  # Of all pixels: a range of luma with fewer is left out.


def compare(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> dict[str, float]:
    """Compute all metrics of a result against the true image.

    Parameters
    ----------
    truth, result : (H, W, 3) uint8
        RGB images of the same size.

    Returns
    -------
    dict
        What `measure_error` gives; ``delta_e``, the mean CIEDE2000 color difference, where about 1 is just noticeable;
        ``auc``, see `auc`; ``colorfulness`` and ``colorfulness_truth`` of the two images, see `colorfulness`.

    Raises
    ------
    ValueError
        If the images differ in shape.
    """
    # Imported here since it takes a second, and the demo runs without it.
    from skimage.color import deltaE_ciede2000, rgb2lab

    figures = measure_error(truth, result)
    lab, lab_truth = rgb2lab(result), rgb2lab(truth)
    return {
        **figures,
        "delta_e": float(deltaE_ciede2000(lab_truth, lab).mean()),
        "auc": auc(lab_truth, lab),
        "colorfulness": colorfulness(result),
        "colorfulness_truth": colorfulness(truth),
    }


def measure_error(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> dict[str, float]:
    """Compute the error metrics of a result against the true image.

    Parameters
    ----------
    truth, result : (H, W, 3) uint8
        RGB images of the same size.

    Returns
    -------
    dict
        ``mse``: mean squared error of RGB in [0, 1]. ``psnr``: in dB, at most `PSNR_CAP`. ``ssim``: see `ssim`.

    Raises
    ------
    ValueError
        If the images differ in shape.
    """
    if truth.shape != result.shape:
        raise ValueError(f"the images differ in shape: {truth.shape} and {result.shape}")
    mse = float(np.mean((truth / 255 - result / 255) ** 2))
    return {"mse": mse, "psnr": psnr(mse), "ssim": ssim(truth, result)}


def auc(truth: NDArray[np.float64], result: NDArray[np.float64]) -> float:
    """Compute the area under the curve of accurate pixels over an error threshold, regardless of lightness.

    Parameters
    ----------
    truth, result : (H, W, 3) float
        Images in CIE Lab.

    Returns
    -------
    float
        Percentage of pixels whose distance in (a*, b*) is at most a threshold, averaged over the thresholds
        0, 1, ..., 150.

    References
    ----------
    R. Zhang, P. Isola and A. A. Efros, "Colorful Image Colorization", ECCV 2016, section 3.1.
    """
    distances = np.hypot(*np.moveaxis(truth[..., 1:] - result[..., 1:], -1, 0))
    # A pixel counts for all thresholds that are not less than its distance.
    counted = np.maximum(_AUC_THRESHOLDS - np.ceil(distances), 0)
    return float(100 * counted.mean() / _AUC_THRESHOLDS)


def ratio(value: float, whole: float) -> float | None:
    """Divide; None if the denominator is 0, as is the gray baseline's error on gray images."""
    return value / whole if whole else None


def psnr(mse: float) -> float:
    """Convert a mean squared error of values in [0, 1] to a peak signal-to-noise ratio in dB, at most `PSNR_CAP`."""
    return min(PSNR_CAP, -10 * float(np.log10(max(mse, 1e-12))))


def psnr_gain(rows: Sequence[dict[str, float]], gray: Sequence[dict[str, float]]) -> tuple[float | None, int]:
    """Compute the mean PSNR gain of results over their gray baselines.

    Parameters
    ----------
    rows, gray : sequence of dict
        What `compare` gives for the results and for the gray baselines of the same images.

    Returns
    -------
    tuple of float or None, and int
        The mean in dB over the images whose own colorfulness is at least `MIN_COLORFULNESS`, None if there are none;
        and the number of these images.
    """
    pairs = zip(rows, gray, strict=True)
    gains = [row["psnr"] - plain["psnr"] for row, plain in pairs if plain["colorfulness_truth"] >= MIN_COLORFULNESS]
    return float(np.mean(gains)) if gains else None, len(gains)


def ssim(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> float:
    """Compute the structural similarity of two (H, W, 3) uint8 RGB images of the same size: 1 for equal ones.

    The mean over channels and over windows of 7 x 7, or the largest odd size that fits a smaller image, the same as
    scikit-image's ``structural_similarity``. Images smaller than 3 x 3 give 1 if they are equal, else 0.

    References
    ----------
    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE Transactions on
    Image Processing 13(4), 2004.
    """
    height, width = truth.shape[:2]
    side = min(height, width)
    window = min(7, side - (side + 1) % 2)
    if window < 3:
        return float(np.array_equal(truth, result))
    x, y = truth.astype(np.float64), result.astype(np.float64)
    count, edge = window**2, window // 2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average over the windows that lie fully within the image."""
        averages = np.asarray(cv2.blur(values, (window, window)), np.float64)
        return averages[edge : height - edge, edge : width - edge]

    mean_x, mean_y = mean(x), mean(y)
    unbiased = count / (count - 1)
    variances = unbiased * (mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return float(likeness.mean())


def colorfulness(rgb: NDArray[np.uint8]) -> float:
    """Compute the colorfulness of an (H, W, 3) uint8 RGB image: 0 for gray, 30 to 60 for most photographs.

    Opponent colors are signed, as in the paper; some implementations take absolute values, and give other results.

    References
    ----------
    D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", Human Vision and Electronic Imaging VIII,
    2003.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


class ChromaByLuma:
    """Mean chroma of results relative to the truth's, in eight equal ranges of luma from black to white."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, _LUMA_RANGES))  # Pixels, chroma of the truth, chroma of the result.

    def add(self, truths: Iterable[NDArray[np.uint8]], results: Iterable[NDArray[np.uint8]]) -> None:
        """Add pairs of (H, W, 3) uint8 RGB images; pixels are grouped by the true image's luma."""
        for truth, result in zip(truths, results, strict=True):
            ranges = (to_luma(truth).astype(np.int64) * _LUMA_RANGES // 256).ravel()
            for sums, image in zip(self._sums, (None, truth, result), strict=True):
                weights = None if image is None else np.linalg.norm(to_chroma(image), axis=-1).ravel()
                sums += np.bincount(ranges, weights, _LUMA_RANGES)

    def summary(self) -> list[float | None]:
        """Return the ratio for each range, dark to light; None for those with no color or under 1% of the pixels."""
        pixels, truth, result = self._sums
        enough = (pixels >= _MIN_SHARE * pixels.sum()) & (truth > 1e-6 * pixels)  # Gray is 0 up to rounding.
        return [float(r / t) if e else None for r, t, e in zip(result, truth, enough, strict=True)]
