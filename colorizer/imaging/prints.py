"""Old prints: find the paper border around a scan, and restore faded contrast."""

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.aging import Window
from colorizer.imaging.color import resize

_SIDE = 256  # Long side at which pictures are analyzed: grain and JPEG blocks are averaged out.
_LEAST_SIDE = 64  # Smaller pictures aren't scans.
_LIGHT = 150.0  # Least level of paper.
_MOST = 0.2  # Largest border, as a fraction of the side.
_EVEN, _PART = 7.0, 0.9  # Levels by which a border may differ from its tone, on so much of each of its lines.
_EDGE = 12.0  # Levels by which the photograph differs from it
_ALONG, _LEAST_ALONG = 0.6, 0.2  # on so much of its edges together, and of each: a sky may be as light as paper.
_PALE = 132  # Levels between the darkest and the lightest places of a print that has become pale,
_BLACK = 25  # the darkest of which, at least, are no longer black;
_CLIP = 0.005  # so many pixels are darker, or lighter, than these places.
_DARKEST, _LIGHTEST = 20, 235  # What these places become.


def find_border(luma: NDArray[np.uint8]) -> Window:
    """Find the photograph on a scan that shows a border of paper around it.

    Parameters
    ----------
    luma : (H, W) uint8
        The scan.

    Returns
    -------
    tuple of two slices
        Rows and columns of the photograph: all of them, unless there is a border of one light and even tone on all four
        sides that ends at straight edges.
    """
    whole = (slice(0, luma.shape[0]), slice(0, luma.shape[1]))
    small = _shrink(luma)
    if small is None:
        return whole
    paper = float(np.median(np.concatenate([*small[[0, -1]], *small[:, [0, -1]].T])))
    off = np.abs(small.astype(np.float32) - paper)
    # Seen from each side, the border is the first lines.
    depths = [_measure_depth(lines) for lines in (off, off[::-1], off.T, off.T[::-1])]
    if paper < _LIGHT or not all(depths):
        return whole
    top, bottom, left, right = depths
    inside = off[top : len(off) - bottom, left : off.shape[1] - right]
    along = [(edge > _EDGE).mean() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1])]
    if np.mean(along) < _ALONG or min(along) < _LEAST_ALONG:
        return whole
    scale = max(luma.shape) / max(small.shape)
    return (
        slice(round(top * scale), luma.shape[0] - round(bottom * scale)),
        slice(round(left * scale), luma.shape[1] - round(right * scale)),
    )


def stretch_pale(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Restore the contrast of a faded print; anything else stays as it is.

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
    levels = _DARKEST + (np.arange(256) - dark) * ((_LIGHTEST - _DARKEST) / (light - dark))
    return np.asarray(cv2.LUT(luma, np.rint(np.clip(levels, 0, 255)).astype(np.uint8)), np.uint8)


def _shrink(luma: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Shrink a picture to the size at which it is analyzed; None if it is too small to be a scan."""
    scale = min(1.0, _SIDE / max(luma.shape))
    height, width = (round(side * scale) for side in luma.shape)
    if max(height, width) < _LEAST_SIDE or min(height, width) < _LEAST_SIDE // 4:
        return None
    return resize(luma, height, width, cv2.INTER_AREA)


def _measure_depth(off: NDArray[np.float32]) -> int:
    """Count the lines of a border by how far each pixel is off its tone; 0 if there is none, or it is too large."""
    even = (off <= _EVEN).mean(axis=1) >= _PART
    depth = int(np.argmin(even))
    # The line in which paper and photograph meet is of the border, too.
    return depth + 1 if 0 < depth <= _MOST * len(off) else 0
