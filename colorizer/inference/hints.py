"""Hints: colors that a user sets at pixels, as input of the network and in the result."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize, to_chroma

_RANGE = 0.4  # Distance at which a correction has decayed to 1/e, as a fraction of the picture's long side.


@dataclass(frozen=True)
class Hint:
    """A color that a user sets at a point: x and y as fractions of width and height, chroma in [-0.5, 0.5]."""

    x: float
    y: float
    chroma: tuple[float, float]


def parse_hint(x: float, y: float, color: str | Sequence[int], height: int, width: int) -> Hint:
    """Parse a hint at a pixel of an image of the given size; raise `ValueError` if it is invalid.

    Fractional coordinates are rounded down to a pixel.
    """
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"the hint at ({x}, {y}) lies outside the image, which is {width} wide and {height} high")
    try:
        rgb = list(bytes.fromhex(color.removeprefix("#"))) if isinstance(color, str) else [int(c) for c in color]
        if len(rgb) != 3 or not all(0 <= c <= 255 for c in rgb):
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"a hint's color must be #RRGGBB or three numbers from 0 to 255, got {color!r}") from None
    cb, cr = to_chroma(np.array(rgb, np.uint8)).tolist()
    return Hint((int(x) + 0.5) / width, (int(y) + 0.5) / height, (cb, cr))


def rasterize_hints(
    grid: tuple[int, int], hints: Sequence[Hint] = (), drawn: Sequence[Hint] = ()
) -> NDArray[np.float32]:
    """Place hints on a chroma grid: (h, w, 3) float32 Cb, Cr and mask.

    Hints in the same cell are averaged; drawn colors only fill cells without hints.
    """
    height, width = grid
    plane = np.zeros((height, width, 3), np.float32)
    for hint in hints:
        plane[find_cell(hint, height, width)] += (*hint.chroma, 1)
    if hints:
        plane /= np.maximum(plane[..., 2:], 1)
    for hint in drawn:
        cell = find_cell(hint, height, width)
        if plane[cell][2] == 0:
            plane[cell] = (*hint.chroma, 1)
    return plane


def shrink_hints(plane: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a plane of hints (h, w, 3) to another grid (height, width), averaging hints that share a cell."""
    if plane.shape[:2] == grid:
        return plane
    small = resize(plane, *grid, cv2.INTER_AREA)
    return np.asarray(small / np.where(small[..., 2:] > 0, small[..., 2:], 1), np.float32)


def find_cell(hint: Hint, height: int, width: int) -> tuple[int, int]:
    """Find a hint's row and column on a chroma grid."""
    return int(hint.y * height), int(hint.x * width)


def enforce_hints(chroma: NDArray[np.float32], plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correct chroma (h, w, 2) to match hints (h, w, 3) exactly, since the network only comes close.

    What it misses at the hints is interpolated over the picture by simple kriging with an exponential covariance: where
    the network errs at a hint, it errs alike nearby.
    """
    height, width = chroma.shape[:2]
    cells = np.nonzero(plane[..., 2])
    points = np.stack(cells, axis=-1).astype(np.float32)

    def covariance(differences: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.exp(-np.linalg.norm(differences, axis=-1) / (_RANGE * max(height, width)))

    missing = plane[cells][:, :2] - chroma[cells]
    weights = np.linalg.solve(covariance(points[:, None] - points), missing)
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1).astype(np.float32)
    return np.asarray(chroma + covariance(grid[:, :, None] - points) @ weights, np.float32)
