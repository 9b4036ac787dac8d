"""Color that stays the same from frame to frame: predictions, carried along the motion and averaged.

An image colorizer that sees each frame alone decides again in each, and a film flickers. Here, what is known of the
color moves with the picture: optical flow between small copies of the luma tells where each point was, and what was
predicted there before is averaged with what is predicted now. Where the flow leads to another brightness, an object
has come out from behind another, and color starts over; at a cut it starts over everywhere.

References
----------
T. Kroeger, R. Timofte, D. Dai and L. Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize
from colorizer.imaging.upsampling import GUIDED_SIDE, upsample

Predict = Callable[[list[NDArray[np.uint8]]], Sequence[NDArray[np.float32]]]
"""Predicts the small chroma (h, w, 2) of each of several luma planes (H, W)."""

EVERY = 3
"""Of so many frames the network sees one; the others take their color from those before."""
_MEMORY = 24  # Predictions that color is the mean of, at most.
_DOUBT = 8.0  # Levels of luma by which a point and where it came from may differ, roughly; grain adds to it.
_SMOOTH = (5, 5)  # Differences of luma are averaged over so many points, which takes most of the grain off.
_CUT = 0.2  # What is left of the picture's contrast as difference when the flow has led to another scene.
_CUT_LEVELS = 0.1  # And the part of the points that then have other levels.
_NEW = 0.15  # Part of the picture with nothing to come from that the network looks at, though it isn't its turn.
_LEAST_SIDE = 32  # Smaller pictures are taken for still: the flow needs room.


@dataclass(frozen=True)
class State:
    """What is known after a frame; the next one goes on from it.

    Attributes
    ----------
    luma : (h, w) uint8
        The frame's luma, small.
    chroma : (h, w, 2) float32
        Its steady chroma.
    count : (h, w) float32
        Of how many predictions the chroma is the mean.
    index : int
        How many frames there have been.
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.float32]
    count: NDArray[np.float32]
    index: int


class Steadier:
    """Gives frames, in order, a color that stays with what it is on.

    Parameters
    ----------
    predict : callable
        Predicts small chroma of several luma planes of one size.
    every : int
        Of so many frames the network sees one.
    """

    def __init__(self, predict: Predict, every: int = EVERY) -> None:
        self._predict = predict
        self._every = every
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.state: State | None = None

    def steady(self, lumas: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Color the frames that follow.

        Parameters
        ----------
        lumas : sequence of (H, W) uint8
            Full-range luma of some frames, all of one size.

        Returns
        -------
        list of tuple
            For each frame its luma (h, w) uint8, at most `GUIDED_SIDE` long, and its chroma (h, w, 2) float32.
        """
        if not lumas:
            return []
        smalls = [shrink(luma) for luma in lumas]
        first = 0 if self.state is None else self.state.index
        before = [None if self.state is None else self.state.luma, *smalls[:-1]]
        moves = [None if old is None else self._follow(new, old) for new, old in zip(smalls, before, strict=True)]
        seen = [
            i
            for i, move in enumerate(moves)
            if move is None or (first + i) % self._every == 0 or move.trust.mean() < 1 - _NEW
        ]
        predicted = dict(zip(seen, self._predict([lumas[i] for i in seen]), strict=True))
        results = []
        for i, (small, move) in enumerate(zip(smalls, moves, strict=True)):
            chroma = None if i not in predicted else upsample(small, predicted[i])
            self.state = _mix(self.state, move, small, chroma)
            results.append((small, self.state.chroma))
        return results

    def _follow(self, new: NDArray[np.uint8], old: NDArray[np.uint8]) -> "_Move | None":
        """Find where the points of a frame were in the one before; None at a cut."""
        height, width = new.shape
        places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        if min(height, width) >= _LEAST_SIDE:
            places += self._flow.calc(new, old, np.zeros_like(places))
        was = _carry(old, places, cv2.INTER_LINEAR)
        off = np.abs(cv2.blur(new.astype(np.float32) - was, _SMOOTH))
        if _is_cut(new, old, off):
            return None
        trust = np.exp(-((off / (_DOUBT + 2 * np.median(off))) ** 2))
        inside = (places >= -1).all(axis=-1) & (places[..., 0] <= width) & (places[..., 1] <= height)
        return _Move(places, np.where(inside, trust, 0).astype(np.float32))


@dataclass(frozen=True)
class _Move:
    """Where each point (h, w, 2) of a frame was before, as x and y, and how far that is to be trusted (h, w)."""

    places: NDArray[np.float32]
    trust: NDArray[np.float32]


def _is_cut(new: NDArray[np.uint8], old: NDArray[np.uint8], off: NDArray[np.float32]) -> bool:
    """Tell whether a frame shows another scene than the one before, by what the flow left of their difference."""
    contrast = np.abs(new.astype(np.float32) - new.mean()).mean()
    if off.mean() <= _CUT * contrast:
        return False
    levels = [np.histogram(luma, 32, (0, 256))[0] / luma.size for luma in (new, old)]
    return bool(np.abs(levels[0] - levels[1]).sum() / 2 > _CUT_LEVELS)


def shrink(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring luma (H, W) to the size at which color is steadied."""
    scale = min(1.0, GUIDED_SIDE / max(luma.shape))
    height, width = (max(1, round(side * scale)) for side in luma.shape)
    return resize(luma, height, width, cv2.INTER_AREA)


def _carry(plane: NDArray[Any], places: NDArray[np.float32], interpolation: int) -> NDArray[Any]:
    """Take each point of a plane from where it was before."""
    x, y = cv2.split(places)
    return np.asarray(cv2.remap(plane, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))


def _mix(
    before: State | None, move: _Move | None, small: NDArray[np.uint8], chroma: NDArray[np.float32] | None
) -> State:
    """Average what was known with what was predicted now: the first in the measure in which it is trusted."""
    if before is None or move is None:
        assert chroma is not None
        return State(small, chroma, np.ones(small.shape, np.float32), 1 if before is None else before.index + 1)
    carried = _carry(before.chroma, move.places, cv2.INTER_CUBIC)
    count = _carry(before.count, move.places, cv2.INTER_LINEAR) * move.trust
    if chroma is not None:
        carried = (carried * count[..., None] + chroma) / (count[..., None] + 1)
        count = np.minimum(count + 1, _MEMORY)
    return State(small, carried, count, before.index + 1)
