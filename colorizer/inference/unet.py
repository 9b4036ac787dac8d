"""Inference with the U-Net: chroma from thumbnails and hints, alternatives, suggested colors, and uncertainty."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize
from colorizer.inference.chroma_bins import (
    chroma_variance,
    moment_weights,
    rebalance,
    softmax,
    suppress_noise,
    uncertainty,
)
from colorizer.inference.hints import Hint, enforce_hints, find_cell, rasterize_hints, shrink_hints
from colorizer.inference.painter import Alternative, Painter
from colorizer.inference.preprocessing import Preprocessing
from colorizer.inference.runtime import Runtime, expect_memory, map_parallel

_PART = 16 * 32 * 32  # Pixels of thumbnails per call of the network: more don't fit into a core's cache.
_MAX_CHANNELS = 128  # OpenCV's limit.
_ROUNDS = 3  # Colors drawn for each alternative, one after another.
_MAX_EXPONENT = 10
_MAX_GAIN = 10
_APART = 0.1  # Minimum distance in chroma between two suggested colors: two bins.


class UNetPainter(Painter):
    """Predicts chroma for thumbnails of luma planes with the U-Net.

    Parameters
    ----------
    runtime : Runtime
        The network.
    config : dict
        Content of the ``config.json`` beside it: bins, prior and preprocessing.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a value is missing, invalid or doesn't fit the network.
    """

    title = "U-Net"
    other = "autoencoder"
    abilities = frozenset({"vividness", "hints", "alternatives", "uncertainty"})

    def __init__(self, runtime: Runtime, config: dict[str, Any]) -> None:
        self._runtime = runtime
        self._preprocessing = Preprocessing.from_config(config)
        self._bins = np.array(config["output"]["bins"], np.float32)
        self._prior = np.array(config["output"]["prior"], np.float32)
        self._exponent = float(config["output"]["vivid_exponent"])
        # The first published weights have a record without these two.
        self._noise = float(config["output"].get("vivid_noise", 0))
        self._gain = float(config["output"].get("vivid_gain", 1))
        self._check()

    def _check(self) -> None:
        """Raise `ValueError` unless the record's values are valid and fit the network."""
        bins, prior = self._bins, self._prior
        if bins.ndim != 2 or bins.shape[1] != 2 or prior.shape != bins.shape[:1]:
            raise ValueError(f"bins must be (K, 2) and the prior (K,), got {bins.shape} and {prior.shape}")
        if not (np.abs(bins) <= 1).all() or not ((prior >= 0) & (prior <= 1)).all():
            raise ValueError("bins must lie in [-1, 1], and the prior in [0, 1]")
        if not 0 <= self._exponent <= _MAX_EXPONENT:
            raise ValueError(f"vivid_exponent must lie in [0, {_MAX_EXPONENT}], got {self._exponent}")
        if not 0 <= self._noise <= 1:
            raise ValueError(f"vivid_noise must lie in [0, 1], got {self._noise}")
        if not 0 <= self._gain <= _MAX_GAIN:
            raise ValueError(f"vivid_gain must lie in [0, {_MAX_GAIN}], got {self._gain}")
        side = self._preprocessing.multiple
        grid = side // self._preprocessing.stride
        try:
            logits = self._runtime(
                np.full((1, side, side, 1), 0.5, np.float32), np.zeros((1, grid, grid, 3), np.float32)
            )
        except Exception as error:  # Each runtime raises its own errors for shapes that don't fit.
            raise ValueError(
                f"the network can't take an image of {side} x {side} with hints of {grid} x {grid}"
            ) from error
        if logits.shape != (1, grid, grid, len(bins)) or not np.isfinite(logits).all():
            raise ValueError(
                f"the network's output is {logits.shape[1:]}, but config.json says {(grid, grid, len(bins))}"
            )

    def predict_chroma(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        *,
        vividness: float,
        detail: int | None,
        hints: Sequence[Sequence[Hint]] | None = None,
        alternatives: Sequence[Alternative] | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Predict the chroma of luma planes on the chroma grid, see `Painter.predict_chroma`."""
        hints = [()] * len(lumas) if hints is None else hints
        drawn = [()] * len(lumas) if alternatives is None else alternatives
        thumbnails = [self._shrink(luma, detail) for luma in lumas]
        grids = map(self._preprocessing.chroma_grid, thumbnails)
        planes = [rasterize_hints(grid, *given) for grid, *given in zip(grids, hints, drawn, strict=True)]
        weights = moment_weights(self._bins, self._prior, vividness * self._exponent)
        moments = self._predict(thumbnails, planes, lambda *given, **cores: self._runtime(*given, weights, **cores))
        noise, gain = vividness * self._noise, 1 + vividness * (self._gain - 1)
        for moment, image_hints in zip(moments, hints, strict=True):
            chroma = suppress_noise(moment[..., :2] / moment[..., 2:], noise, gain)
            yield enforce_hints(chroma, rasterize_hints(chroma.shape[:2], image_hints)) if image_hints else chroma

    def draw_alternatives(
        self, luma: NDArray[np.uint8], count: int, *, detail: int | None, hints: Sequence[Hint], seed: int
    ) -> list[Alternative]:
        """Draw the colors of several plausible results for a luma plane, for `predict_chroma`.

        Each color is sampled from the distribution at the most uncertain place and then given to the network as a hint,
        so that the rest of the picture is consistent with it.

        The most probable comes first: the probability of an alternative is that of its first color, given the hints,
        times that of each later color, given those before it.
        """
        rng = np.random.default_rng(seed)
        thumbnail = self._shrink(luma, detail)
        drawn: list[Alternative] = [()] * count
        likelihoods = np.zeros(count)
        for turn in range(_ROUNDS):
            planes = [rasterize_hints(self._preprocessing.chroma_grid(thumbnail), hints, colors) for colors in drawn]
            distributions: Iterator[NDArray[np.float32]]
            if turn == 0:
                # Stratified over the order of hues, so that no two results start with the same color.
                chances = (rng.permutation(count) + rng.random(count)) / count
                distributions = repeat(next(self._distributions([thumbnail], planes[:1])), count)
            else:
                chances = rng.random(count)
                distributions = self._distributions([thumbnail] * count, planes)
            for i, given in enumerate(zip(planes, distributions, chances, strict=True)):
                color, probability = self._draw(*given)
                drawn[i] = (*drawn[i], color)
                likelihoods[i] += np.log(probability)
        return [drawn[i] for i in np.argsort(-likelihoods, kind="stable")]

    def suggest_colors(
        self, luma: NDArray[np.uint8], place: Hint, count: int, *, detail: int | None, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """List the most probable chroma values at a place: (n, 2) float32, at most `count`, none close to another."""
        thumbnail = self._shrink(luma, detail)
        distribution = next(
            self._distributions([thumbnail], [rasterize_hints(self._preprocessing.chroma_grid(thumbnail), hints)])
        )
        # Without rebalancing, all suggestions would be shades of gray.
        weights = rebalance(distribution[find_cell(place, *distribution.shape[:2])], self._prior, self._exponent)
        chosen: list[NDArray[np.float32]] = []
        for chroma in self._bins[np.argsort(-weights)]:
            if len(chosen) < count and all(np.hypot(*(chroma - other)) > _APART - 1e-6 for other in chosen):
                chosen.append(chroma)
        return np.array(chosen, np.float32)

    def predict_uncertainty(
        self, luma: NDArray[np.uint8], *, detail: int | None, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """Estimate how uncertain the colors of a luma plane are: (h, w) in [0, 1] on the chroma grid."""
        thumbnail = self._shrink(luma, detail)
        return uncertainty(
            next(
                self._distributions([thumbnail], [rasterize_hints(self._preprocessing.chroma_grid(thumbnail), hints)])
            ),
            self._bins,
        )

    @property
    def working_size(self) -> int:
        """Default long side of the thumbnail, in pixels."""
        return self._preprocessing.working_size

    def _shrink(self, luma: NDArray[np.uint8], detail: int | None) -> NDArray[np.uint8]:
        return self._preprocessing.shrink(luma, self._preprocessing.working_size if detail is None else detail)

    def predict_distribution(
        self, luma: NDArray[np.uint8], *, detail: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict the distribution over chroma: bins (K, 2) and, on the chroma grid, probabilities (h, w, K)."""
        thumbnail = self._shrink(luma, detail)
        plane = rasterize_hints(self._preprocessing.chroma_grid(thumbnail))
        return self._bins, next(self._distributions([thumbnail], [plane]))

    def _distributions(
        self, thumbnails: Sequence[NDArray[np.uint8]], hints: Sequence[NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield probabilities (h, w, K) for each thumbnail, one at a time, since they are large."""
        return self._predict(thumbnails, hints, lambda *given, **cores: softmax(self._runtime(*given, **cores)))

    def _predict(
        self,
        thumbnails: Sequence[NDArray[np.uint8]],
        hints: Sequence[NDArray[np.float32]],
        run: Callable[..., NDArray[np.float32]],
    ) -> Iterator[NDArray[np.float32]]:
        """Run the network on each thumbnail and its hints, and on their mirror images, and average the outputs.

        The mirror images may be smaller, which is faster.
        """
        mirrored_size, grid = self._preprocessing.mirrored_size, self._preprocessing.chroma_grid
        small = [
            self._preprocessing.shrink(seen, mirrored_size) if max(seen.shape) > mirrored_size > 0 else seen
            for seen in thumbnails
        ]
        small_hints = [shrink_hints(plane, grid(seen)) for plane, seen in zip(hints, small, strict=True)]
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, thumbnail in enumerate(thumbnails):
            groups.setdefault(thumbnail.shape, []).append(i)
        parts = []
        for (height, width), members in groups.items():
            count = max(1, _PART // (height * width))
            parts += [members[i : i + count] for i in range(0, len(members), count)]

        @expect_memory()
        def work(part: list[int], one_core: bool) -> NDArray[np.float32]:
            here = partial(run, one_core=one_core)
            plain = self._run_padded(here, *_stack(part, thumbnails, hints))
            if not mirrored_size:
                return plain
            mirrored = self._run_padded(here, *(planes[:, :, ::-1] for planes in _stack(part, small, small_hints)))
            return np.asarray((plain + _enlarge(mirrored[:, :, ::-1], *plain.shape[1:3])) / 2, np.float32)

        ready: dict[int, NDArray[np.float32]] = {}
        following = 0
        for part, results in zip(parts, map_parallel(work, parts), strict=True):
            ready |= zip(part, results, strict=True)
            while following in ready:
                yield ready.pop(following)
                following += 1

    def _run_padded(
        self, run: Callable[..., NDArray[np.float32]], luma: NDArray[np.float32], hints: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Run the network on planes of any size on the grid, padded by mirroring to a multiple that it accepts."""
        height, width = hints.shape[1:3]
        bottom, right = (-side % self._preprocessing.multiple for side in luma.shape[1:3])
        if not bottom and not right:
            return run(luma, hints)
        luma = np.pad(luma, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="symmetric")
        stride = self._preprocessing.stride
        hints = np.pad(hints, ((0, 0), (0, bottom // stride), (0, right // stride), (0, 0)))
        return run(luma, hints)[:, :height, :width]

    def _draw(self, plane: NDArray[np.float32], distribution: NDArray[np.float32], chance: float) -> tuple[Hint, float]:
        """Sample a color for the most uncertain place without a hint, and return it with its probability.

        `chance`, in [0, 1), is a quantile of the distribution in the order of hues.
        """
        uncertain = cv2.blur(chroma_variance(distribution, self._bins), (3, 3)) * (plane[..., 2] == 0)
        row, column = np.unravel_index(int(np.argmax(uncertain)), uncertain.shape)
        order = np.argsort(np.arctan2(self._bins[:, 1], self._bins[:, 0]))
        order = order[distribution[row, column][order] > 0]
        cumulated = np.cumsum(distribution[row, column][order])
        drawn = order[min(int(np.searchsorted(cumulated, chance * cumulated[-1])), len(order) - 1)]
        cb, cr = self._bins[drawn].tolist()
        height, width = uncertain.shape
        place = (float(column) + 0.5) / width, (float(row) + 0.5) / height
        return Hint(*place, (cb, cr)), float(distribution[row, column, drawn])


def _stack(
    rows: Sequence[int], thumbnails: Sequence[NDArray[np.uint8]], hints: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make a batch of some thumbnails of the same size, and of their hints."""
    luma = np.stack([thumbnails[i] for i in rows])[..., None].astype(np.float32) / np.float32(255)
    return luma, np.stack([hints[i] for i in rows])


def _enlarge(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize planes (N, h, w, C) to (N, height, width, C)."""
    if planes.shape[1:3] == (height, width):
        return planes
    parts = np.array_split(planes, -(-planes.shape[-1] // _MAX_CHANNELS), axis=-1)
    linear = cv2.INTER_LINEAR
    enlarged = [[resize(np.ascontiguousarray(plane), height, width, linear) for plane in part] for part in parts]
    return np.concatenate(enlarged, axis=-1)
