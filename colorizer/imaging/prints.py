"""Old prints: find the paper border around a scan, and restore faded contrast."""

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.aging import Window
from colorizer.imaging.color import resize

_SIDE = 256  # Long side at which pictures are analyzed: grain and JPEG blocks are averaged out.
_MIN_SIDE = 64  # Smaller pictures aren't scans.
_LIGHT = 150.0  # Paper is at least this light.
_MAX_BORDER = 0.2  # As a fraction of the side.
_EVEN, _PART = 7.0, 0.9  # The border is within 7 levels of its tone on 90% of each of its lines.
_EDGE = 12.0  # The photograph's edge differs from the border by more than 12 levels, see `_ALONG`.
_ALONG, _MIN_ALONG = 0.6, 0.2  # It does so on 60% of all four sides, and 20% of each: a sky may be pale, too.
_PALE = 132  # A print is pale if its darkest and lightest places are fewer levels apart than this.
_BLACK = 25  # A pale print has no place that is darker than this.
_CLIP = 0.005  # Fraction of the pixels that is darker, or lighter, than these places.
_DARKEST, _LIGHTEST = 20, 235  # Levels of these places in a print that has not faded.
_STRETCH = 2 / 3  # Part of the way there: beyond it, stronger grain costs what contrast gains.


def find_border(luma: NDArray[np.uint8]) -> Window:
    """Find the photograph on a scan that includes a paper border.

    Parameters
    ----------
    luma : (H, W) uint8
        The scan.

    Returns
    -------
    tuple of two slices
        Rows and columns of the photograph: all of them, unless a border of one light, even tone with straight edges
        surrounds it on all four sides.
    """
    whole = (slice(0, luma.shape[0]), slice(0, luma.shape[1]))
    small = _shrink(luma)
    if small is None:
        return whole
    paper = float(np.median(np.concatenate([*small[[0, -1]], *small[:, [0, -1]].T])))
    off = np.abs(small.astype(np.float32) - paper)
    # Turned so that each border in turn comes first.
    depths = [_measure_depth(lines) for lines in (off, off[::-1], off.T, off.T[::-1])]
    if paper < _LIGHT or not all(depths):
        return whole
    top, bottom, left, right = depths
    inside = off[top : len(off) - bottom, left : off.shape[1] - right]
    along = [(edge > _EDGE).mean() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1])]
    if np.mean(along) < _ALONG or min(along) < _MIN_ALONG:
        return whole
    scale = max(luma.shape) / max(small.shape)
    return (
        slice(round(top * scale), luma.shape[0] - round(bottom * scale)),
        slice(round(left * scale), luma.shape[1] - round(right * scale)),
    )


def stretch_pale(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Restore two thirds of the contrast that a faded print has lost; return any other picture unchanged.

    Parameters
    ----------
    luma : (H, W) uint8
        The photograph, without a border.
    """
    small = _shrink(luma)
    if small is None:
        return luma
    below = np.cumsum(np.bincount(small.ravel(), minlength=256)) / small.size
    dark, light = np.searchsorted(below, (_CLIP, 1 - _CLIP))
    if dark < _BLACK or not 0 < light - dark < _PALE:
        return luma
    levels = np.arange(256)
    full = _DARKEST + (levels - dark) * ((_LIGHTEST - _DARKEST) / (light - dark))
    levels = levels + _STRETCH * (full - levels)
    return np.asarray(cv2.LUT(luma, np.rint(np.clip(levels, 0, 255)).astype(np.uint8)), np.uint8)


def _shrink(luma: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Shrink a picture to the size for analysis; None if it is too small to be a scan."""
    scale = min(1.0, _SIDE / max(luma.shape))
    height, width = (round(side * scale) for side in luma.shape)
    if max(height, width) < _MIN_SIDE or min(height, width) < _MIN_SIDE // 4:
        return None
    return resize(luma, height, width, cv2.INTER_AREA)


def _measure_depth(off: NDArray[np.float32]) -> int:
    """Count the lines of a border from each pixel's distance to its tone; 0 if there is none or it is too large."""
    even = (off <= _EVEN).mean(axis=1) >= _PART
    depth = int(np.argmin(even))
    # The line where paper and photograph meet belongs to the border.
    return depth + 1 if 0 < depth <= _MAX_BORDER * len(off) else 0
