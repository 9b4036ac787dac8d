"""Figures of one image: how far a colorized image is from the truth, and how colorful it is.

Error figures come from scikit-image; RGB is scaled to [0, 1] in them.
"""

import numpy as np
from numpy.typing import NDArray

from colorizer.color import to_luma

PSNR_CAP = 50.0
"""PSNR in dB that counts at most: two equal images would have infinity, and spoil every mean."""


def gray_copy(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma of (H, W, 3) RGB to all three channels: the trivial answer that every model is measured against."""
    return np.repeat(to_luma(rgb)[..., None], 3, axis=-1)


def compare(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> dict[str, float]:
    """Measure a result against the true image.

    Parameters
    ----------
    truth, result : (H, W, 3) uint8
        RGB images of one size.

    Returns
    -------
    dict
        ``mse``: mean squared error of RGB in [0, 1]. ``psnr``: in dB, at most 50. ``ssim``: structural similarity over
        the three channels, 1 for equal images. ``delta_e``: mean CIEDE2000 color difference, about 1 where a person
        just sees it. ``colorfulness`` and ``colorfulness_truth``: of the two images, see `colorfulness`.

    Raises
    ------
    ValueError
        If the two differ in shape.
    """
    if truth.shape != result.shape:
        raise ValueError(f"the images differ in shape: {truth.shape} and {result.shape}")
    # Here, since it takes a second: the demo opens without.
    from skimage.color import deltaE_ciede2000, rgb2lab
    from skimage.metrics import mean_squared_error, structural_similarity

    mse = float(mean_squared_error(truth / 255, result / 255))
    side = min(truth.shape[:2])
    # The usual window of 7 x 7; the largest odd one that fits where the image is smaller.
    window = min(7, side - (side + 1) % 2)
    ssim = structural_similarity(truth, result, channel_axis=-1, win_size=window) if window >= 3 else float(mse == 0)
    return {
        "mse": mse,
        "psnr": psnr(mse),
        "ssim": float(ssim),
        "delta_e": float(deltaE_ciede2000(rgb2lab(truth), rgb2lab(result)).mean()),
        "colorfulness": colorfulness(result),
        "colorfulness_truth": colorfulness(truth),
    }


def psnr(mse: float) -> float:
    """Turn a mean squared error of values in [0, 1] into the peak signal-to-noise ratio in dB, at most `PSNR_CAP`."""
    return min(PSNR_CAP, -10 * float(np.log10(max(mse, 1e-12))))


def colorfulness(rgb: NDArray[np.uint8]) -> float:
    """Measure how colorful (H, W, 3) RGB uint8 is: 0 for gray, 30 to 60 for most photographs.

    Opponent colors are signed, as in the paper; taking their magnitudes, as some programs do, gives other numbers.

    References
    ----------
    D. Hasler and S. Suesstrunk, "Measuring colourfulness in natural images", Human Vision and Electronic Imaging VIII,
    2003.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))
