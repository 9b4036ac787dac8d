"""Recognize toned monochrome prints: sepia, cyanotypes, yellowed paper. Their tone isn't the color of the scene."""

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize, to_chroma, to_luma

_SIDE = 96  # Long side at which pictures are analyzed: grain and JPEG blocks are averaged out.
_BINS = 16  # Bins of luma, each with its own tone, since shadows and highlights are toned differently.
# Fraction of the picture, and how much its chroma (of 255) may differ from the tone of its luma. Stains and uneven
# yellowing stay within these limits; real colors exceed them.
_LIMITS = ((0.95, 6.0), (0.997, 9.0))


def is_monochrome(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture is monochrome, toned or not, that is, whether each pixel's color follows from its luma.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The picture.

    Returns
    -------
    bool
        True for gray pictures, even if a few pixels are off by a few levels, and for sepia, cyanotypes and yellowed
        paper. A color photograph with hardly any color may count as monochrome.
    """
    scale = min(1.0, _SIDE / max(rgb.shape[:2]))
    height, width = (max(1, round(length * scale)) for length in rgb.shape[:2])
    small = resize(rgb, height, width, cv2.INTER_AREA)
    luma, chroma = to_luma(small).ravel(), to_chroma(small).reshape(-1, 2)
    edges = np.quantile(luma, np.linspace(0, 1, _BINS + 1))[1:-1]
    bins = np.searchsorted(edges, luma, side="right")
    tones = np.zeros((_BINS, 2), np.float32)
    for i in np.unique(bins):
        tones[i] = np.median(chroma[bins == i], axis=0)
    distances = 255 * np.linalg.norm(chroma - tones[bins], axis=1)
    return all(np.quantile(distances, part) <= limit for part, limit in _LIMITS)
