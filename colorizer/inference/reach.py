"""Limit the reach of hints to the objects that they are on, rather than the whole picture.

The distance from a hint is geodesic: it grows along a path with each step and, far more, with each change of luma, so
it is short within an object and long across its edges. It is independent of the network; within reach of a hint, the
hint's own change is applied where the network didn't follow it.

References
----------
L. Yatziv and G. Sapiro, "Fast Image and Video Colorization Using Chrominance Blending", IEEE Transactions on Image
Processing 15(5), 2006.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize
from colorizer.imaging.upsampling import upsample
from colorizer.inference.hints import Hint, find_cell

DEFAULT_REACH = 0.5

_SIDE = 128  # Long side at which distances are computed.
# One unit of distance at the default reach: this fraction of the long side, this many levels of luma in one step, or
# this many levels between the hint and the place.
_FAR, _EDGE, _OTHER = 1.0, 13.5, 70.0
_STEEPNESS = 10  # Of the falloff, which is 1 near the hint and 1/2 at one unit.
_MIN_FOLLOWED = 0.75  # Minimum fraction of the hint's own change within its reach.
_BLEND = 3.0  # Pixels over which the changes of two hints blend into each other.
_STEPS = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 2**0.5), (1, -1, 2**0.5))  # To half of a pixel's neighbors, with lengths.


def limit_reach(
    luma: NDArray[np.uint8],
    plain: NDArray[np.float32],
    hinted: NDArray[np.float32],
    hints: Sequence[Hint],
    reach: float,
) -> NDArray[np.float32]:
    """Limit the effect of hints to the objects that they are on.

    Parameters
    ----------
    luma : (H, W) uint8
        The picture.
    plain, hinted : (h, w, 2) float32
        Its chroma without and with the hints.
    hints : sequence of Hint
        At least one.
    reach : float
        From 0, only the spot, to 1, twice as far as `DEFAULT_REACH`.

    Returns
    -------
    (h', w', 2) float32
        Chroma, at most `_SIDE` long: `hinted` near the hints, by geodesic distance, and `plain` elsewhere.
    """
    scale = min(1.0, _SIDE / max(luma.shape))
    height, width = (max(1, round(side * scale)) for side in luma.shape)
    small = resize(luma, height, width, cv2.INTER_AREA)
    plain, hinted = upsample(small, plain), upsample(small, hinted)
    # Smooth away the grain and folds of objects, which aren't edges.
    smooth = np.asarray(cv2.bilateralFilter(cv2.medianBlur(small, 5), 9, 40, 4), np.float32)
    cells = [find_cell(hint, height, width) for hint in hints]
    distance, nearest = measure_distance(smooth, cells)
    rows, columns = np.transpose(cells)
    distance += np.abs(smooth - smooth[rows, columns][nearest]) / _OTHER
    with np.errstate(over="ignore"):
        falloff = np.exp2(-((distance / max(2 * reach, 1e-6)) ** _STEEPNESS))

    change = hinted - plain
    own = np.array([hint.chroma for hint in hints], np.float32) - plain[rows, columns]
    own = np.asarray(cv2.GaussianBlur(own[nearest], (0, 0), _BLEND), np.float32)
    followed = (change * own).sum(axis=-1) / np.maximum((own * own).sum(axis=-1), 1e-6)
    change += np.maximum(_MIN_FOLLOWED - followed, 0)[..., None] * own
    return np.asarray(plain + falloff[..., None] * change, np.float32)


def measure_distance(
    luma: NDArray[np.float32], seeds: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Compute the geodesic distance of each pixel to its nearest seed.

    Parameters
    ----------
    luma : (H, W) float32
        In levels from 0 to 255.
    seeds : sequence of (row, column)
        At least one.

    Returns
    -------
    (H, W) float32 and (H, W) int
        Distances in the units of this module, and the index of the nearest seed.
    """
    distance = np.full(luma.shape, np.inf, np.float32)
    nearest = np.zeros(luma.shape, np.intp)
    for index, seed in enumerate(seeds):
        distance[seed], nearest[seed] = 0, index
    ways = []
    for down, right, length in _STEPS:
        one, other = _shift(luma, down, right)
        cost = length / (_FAR * max(luma.shape)) + ((one - other) / _EDGE) ** 2
        (near, far), (number, own) = (_shift(plane, down, right) for plane in (distance, nearest))
        ways += [(near, far, number, own, cost), (far, near, own, number, cost)]
    # Bellman-Ford on all pixels at once: each round advances by at least a pixel.
    while True:
        before = distance.copy()
        for source, target, number, own, cost in ways:
            new = source + cost
            shorter = new < target
            np.copyto(target, new, where=shorter)
            np.copyto(own, number, where=shorter)
        if np.array_equal(before, distance):
            return distance, nearest


def _shift(plane: NDArray[Any], down: int, right: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two views of a plane: of each pixel, and of its neighbor at a step."""
    height, width = plane.shape
    if right >= 0:
        return plane[: height - down, : width - right], plane[down:, right:]
    return plane[: height - down, -right:], plane[down:, : width + right]
