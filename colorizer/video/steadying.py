"""Temporally stable color: predictions are warped along the motion and averaged.

An image colorizer that sees each frame alone makes different guesses for each, and the film flickers. Here, colors move
with the picture: optical flow between downscaled luma planes estimates where each point was in the frame before, and
earlier predictions for it are averaged with the current one. Where the flow leads to a different brightness, something
has come into view, and the average starts over; at a cut it starts over everywhere.

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
"""Predicts low-resolution chroma (h, w, 2) float32 of each of several luma planes (H, W) uint8."""

EVERY = 3
"""The network sees every n-th frame; the others take their colors from those before."""
_MAX_PREDICTIONS = 24  # In the running mean.
_TOLERANCE = 8.0  # Levels by which the luma of a point may roughly change along the flow; grain adds to it.
_SMOOTH = (5, 5)  # Box filter for luma differences, which removes most of the grain.
_CUT = 0.2  # At a cut, the mean luma difference along the flow exceeds this fraction of the contrast.
_CUT_LEVELS = 0.1  # At a cut, the distance between the luma histograms also exceeds this.
_NEW = 0.15  # Fraction of untrusted points above which the network sees a frame even if it isn't the n-th.
_MIN_SIDE = 32  # Optical flow needs room: smaller pictures are assumed to be still.


@dataclass(frozen=True)
class State:
    """State after a frame, from which the next one continues.

    Attributes
    ----------
    luma : (h, w) uint8
        The frame's luma, downscaled.
    chroma : (h, w, 2) float32
        Its stabilized Cb and Cr.
    count : (h, w) float32
        Number of predictions that the chroma is the mean of.
    index : int
        Number of frames so far.
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.float32]
    count: NDArray[np.float32]
    index: int


class Steadier:
    """Colorizes the frames of a film in order, with stable colors.

    Parameters
    ----------
    predict : callable
        Predicts low-resolution chroma of several luma planes of the same size.
    every : int
        The network sees every n-th frame.
    """

    def __init__(self, predict: Predict, every: int = EVERY) -> None:
        self._predict = predict
        self._every = every
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.state: State | None = None

    def steady(self, lumas: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Colorize the next frames.

        Parameters
        ----------
        lumas : sequence of (H, W) uint8
            Full-range luma of the frames, all of the same size.

        Returns
        -------
        list of tuple
            For each frame its downscaled luma, (h, w) uint8 with a long side of at most `GUIDED_SIDE`, and its chroma,
            (h, w, 2) float32.
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
        """Estimate where the points of a frame were in the one before; None at a cut."""
        height, width = new.shape
        positions = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        if min(height, width) >= _MIN_SIDE:
            positions += self._flow.calc(new, old, np.zeros_like(positions))
        warped = _warp(old, positions, cv2.INTER_LINEAR)
        difference = np.abs(cv2.blur(new.astype(np.float32) - warped, _SMOOTH))
        if _is_cut(new, old, difference):
            return None
        trust = np.exp(-((difference / (_TOLERANCE + 2 * np.median(difference))) ** 2))
        inside = (positions >= -1).all(axis=-1) & (positions[..., 0] <= width) & (positions[..., 1] <= height)
        return _Move(positions, np.where(inside, trust, 0).astype(np.float32))


@dataclass(frozen=True)
class _Move:
    """Position (x, y) of each point in the frame before, (h, w, 2), and the trust in it, (h, w) in [0, 1]."""

    positions: NDArray[np.float32]
    trust: NDArray[np.float32]


def _is_cut(new: NDArray[np.uint8], old: NDArray[np.uint8], difference: NDArray[np.float32]) -> bool:
    """Whether a frame starts a new scene, judged by the luma difference along the flow and by histograms."""
    contrast = np.abs(new.astype(np.float32) - new.mean()).mean()
    if difference.mean() <= _CUT * contrast:
        return False
    levels = [np.histogram(luma, 32, (0, 256))[0] / luma.size for luma in (new, old)]
    return bool(np.abs(levels[0] - levels[1]).sum() / 2 > _CUT_LEVELS)


def shrink(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Downscale luma (H, W) to the size at which colors are stabilized."""
    scale = min(1.0, GUIDED_SIDE / max(luma.shape))
    height, width = (max(1, round(side * scale)) for side in luma.shape)
    return resize(luma, height, width, cv2.INTER_AREA)


def _warp(plane: NDArray[Any], positions: NDArray[np.float32], interpolation: int) -> NDArray[Any]:
    """Sample a plane of the frame before at the given positions."""
    x, y = cv2.split(positions)
    return np.asarray(cv2.remap(plane, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))


def _mix(
    before: State | None, move: _Move | None, small: NDArray[np.uint8], chroma: NDArray[np.float32] | None
) -> State:
    """Average the earlier chroma, weighted by trust, with the current prediction, if there is one."""
    if before is None or move is None:
        assert chroma is not None
        return State(small, chroma, np.ones(small.shape, np.float32), 1 if before is None else before.index + 1)
    mean = _warp(before.chroma, move.positions, cv2.INTER_CUBIC)
    count = _warp(before.count, move.positions, cv2.INTER_LINEAR) * move.trust
    if chroma is not None:
        mean = (mean * count[..., None] + chroma) / (count[..., None] + 1)
        count = np.minimum(count + 1, _MAX_PREDICTIONS)
    return State(small, mean, count, before.index + 1)
