"""Convert the YCbCr samples of a TIFF, as they are stored without JPEG, to RGB."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R', G' and B' in Y', unless a file has others."""
LIMITS = (0, 255, 128, 255, 128, 255)
"""Levels of black and white in Y', and of no chroma and the most in Cb and Cr, unless a file has others."""

_STRIP_ROWS = 256  # Rows converted at a time: all of them as floats would be many times as large.


@dataclass(frozen=True)
class Units:
    """Subsampled chroma is stored in units: the luma of a few pixels, and the one Cb and the one Cr that they share.

    Attributes
    ----------
    across, down : int
        Pixels of a unit in each direction.
    rows : int
        Rows of pixels in each strip, which begins a new row of units; 0 if there is only one strip, or tiles.
    """

    across: int
    down: int
    rows: int = 0

    def stored_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows of units of a picture or tile, and the bytes in each."""
        whole, rest = divmod(height, self.rows) if self.rows else (0, height)
        rows = whole * math.ceil(self.rows / self.down) + math.ceil(rest / self.down)
        return rows, math.ceil(width / self.across) * (self.across * self.down + 2)

    def unpack(self, stored: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """Return the samples of each pixel, (H, W, 3), from rows of units."""
        units = stored.reshape(len(stored), -1, self.across * self.down + 2)
        luma = units[..., :-2].reshape(*units.shape[:2], self.down, self.across).swapaxes(1, 2)
        chroma = units[..., -2:].repeat(self.down, axis=0).repeat(self.across, axis=1)
        samples = np.dstack([luma.reshape(chroma.shape[:2]), chroma])
        if self.rows % self.down:
            lines = np.arange(height)
            samples = samples[lines // self.rows * (-(-self.rows // self.down) * self.down) + lines % self.rows]
        return samples[:height, :width]


def from_ycbcr(
    levels: NDArray[np.uint8], weights: Sequence[float] = WEIGHTS, limits: Sequence[float] = LIMITS
) -> NDArray[np.uint8]:
    """Convert Y', Cb and Cr, (H, W, 3), to R', G' and B'; `ValueError` if weights or limits make no sense."""
    red, green, blue = weights
    starts, ends = np.array(limits[::2], np.float32), np.array(limits[1::2], np.float32)
    if not (np.isfinite([*weights, *limits]).all() and green > 0 and (ends != starts).all()):
        raise ValueError("its YCbCr coefficients are damaged")
    # Truncated to whole numbers, as in libtiff, which other programs decode TIFF with.
    steps = np.trunc((np.arange(256)[:, None] - starts) * np.array([255, 127, 127], np.float32) / (ends - starts))
    tables: NDArray[np.float32] = (steps * [1, 2 - 2 * blue, 2 - 2 * red]).astype(np.float32)
    result = np.empty(levels.shape, np.uint8)
    for top in range(0, len(levels), _STRIP_ROWS):
        strip = levels[top : top + _STRIP_ROWS]
        y, b, r = (tables[strip[..., i], i] for i in range(3))
        rgb = np.stack([y + r, y - (b * blue + r * red) / green, y + b], axis=-1)
        result[top : top + _STRIP_ROWS] = np.clip(np.rint(rgb), 0, 255)
    return result
