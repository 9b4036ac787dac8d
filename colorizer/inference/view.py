"""The part of a picture that the network sees: for an old print, without its paper border and at full contrast."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.aging import Window
from colorizer.imaging.prints import find_border, stretch_pale
from colorizer.inference.hints import Hint


@dataclass(frozen=True)
class View:
    """A part of a picture, prepared for the network.

    Attributes
    ----------
    luma : (h, w) uint8
        Luma that the network sees.
    window : tuple of two slices
        Rows and columns of the picture that it covers.
    shape : tuple of int
        Height and width of the picture.
    """

    luma: NDArray[np.uint8]
    window: Window
    shape: tuple[int, int]

    @classmethod
    def of(cls, luma: NDArray[np.uint8], prepare: bool) -> "View":
        """Make a view of luma (H, W) uint8, unchanged or prepared, see `colorizer.imaging.prints`."""
        height, width = luma.shape
        if not prepare:
            return cls(luma, (slice(0, height), slice(0, width)), (height, width))
        window = find_border(luma)
        return cls(stretch_pale(luma[window]), window, (height, width))

    def to_view(self, hints: Sequence[Hint]) -> tuple[Hint, ...]:
        """Map hints from the picture to the view; those on the border are dropped."""
        (top, left), (height, width) = self._corner, self.luma.shape
        placed = ((hint.x * self.shape[1] - left, hint.y * self.shape[0] - top, hint.chroma) for hint in hints)
        return tuple(
            Hint(x / width, y / height, chroma) for x, y, chroma in placed if 0 <= x < width and 0 <= y < height
        )

    def from_view(self, hints: Sequence[Hint]) -> tuple[Hint, ...]:
        """Map hints from the view to the picture."""
        (top, left), (height, width) = self._corner, self.luma.shape
        return tuple(
            Hint((left + hint.x * width) / self.shape[1], (top + hint.y * height) / self.shape[0], hint.chroma)
            for hint in hints
        )

    def pad_to_image(self, chroma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Extend chroma (h, w, 2) or another plane (h, w) of the view to the picture; the paper border is 0."""
        if self.luma.shape == self.shape:
            return chroma
        sides = [
            max(1, round(cells * whole / part))
            for cells, whole, part in zip(chroma.shape[:2], self.shape, self.luma.shape, strict=True)
        ]
        # Map pixel centers of the result to those of the view: along each axis, a factor and an offset.
        factors = [
            side / whole * part / cells
            for side, whole, part, cells in zip(sides, self.shape, self.luma.shape, chroma.shape[:2], strict=True)
        ]
        starts = [corner * side / whole for corner, side, whole in zip(self._corner, sides, self.shape, strict=True)]
        offsets = [start + 0.5 * factor - 0.5 for start, factor in zip(starts, factors, strict=True)]
        matrix = np.array([[factors[1], 0, offsets[1]], [0, factors[0], offsets[0]]])
        wide = cv2.warpAffine(chroma, matrix, sides[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        centers = [(np.arange(side) + 0.5) * whole / side for side, whole in zip(sides, self.shape, strict=True)]
        inside = [
            (part.start <= center) & (center < part.stop) for part, center in zip(self.window, centers, strict=True)
        ]
        mask = np.outer(*inside)
        return np.asarray(wide * (mask if chroma.ndim == 2 else mask[..., None]), np.float32)

    @property
    def _corner(self) -> tuple[int, int]:
        return self.window[0].start, self.window[1].start
