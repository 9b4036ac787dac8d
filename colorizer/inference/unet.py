"""The chroma U-Net at work: thumbnails and hints in, chroma out; several colorizations, and uncertainty."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize
from colorizer.inference.chroma_bins import doubt, moment_weights, rebalance, softmax, spread
from colorizer.inference.hints import Hint, chroma_grid, enforce_hints, find_cell, lay_hints, shrink_hints
from colorizer.inference.painter import Alternative, Painter
from colorizer.inference.runtime import Runtime, expect_memory, map_parallel

_PART = 16 * 32 * 32  # Pixels of the thumbnails given to the network at once: more don't fit into a core's cache.
_MOST_CHANNELS = 128  # Of a picture in OpenCV.
_SHARPENING = 0.4  # Of thumbnails: of what differs from the mean of the pixels around.
_ROUNDS = 3  # Colors drawn, one after the other, for each of several colorizations.
_APART = 0.1  # Least distance of two colors of a palette, in chroma: two bins.


class UNetPainter(Painter):
    """Predicts chroma on the thumbnails of luma planes.

    Parameters
    ----------
    runtime : Runtime
        The network.
    config : dict
        The ``config.json`` that training left beside it: bins, prior and sizes.
    """

    title = "U-Net"
    other = "autoencoder"
    abilities = frozenset({"vividness", "hints", "alternatives", "uncertainty"})

    def __init__(self, runtime: Runtime, config: dict[str, Any]) -> None:
        self._runtime = runtime
        self._multiple = int(config["input"]["multiple"])
        self._familiar = max(config["input"]["sizes"])
        self._bins = np.array(config["output"]["bins"], np.float32)
        self._prior = np.array(config["output"]["prior"], np.float32)
        self._exponent = float(config["output"]["vivid_exponent"])

    def predict_chroma(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        *,
        vividness: float,
        detail: int,
        hints: Sequence[Sequence[Hint]] | None = None,
        alternatives: Sequence[Alternative] | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Predict the chroma of luma planes at half of the working size, see `Painter.predict_chroma`."""
        hints = [()] * len(lumas) if hints is None else hints
        drawn = [()] * len(lumas) if alternatives is None else alternatives
        thumbnails = [shrink(luma, detail) for luma in lumas]
        planes = [lay_hints(chroma_grid(seen), *given) for seen, *given in zip(thumbnails, hints, drawn, strict=True)]
        weights = moment_weights(self._bins, self._prior, vividness * self._exponent)
        moments = self._predict(thumbnails, planes, lambda *given, **cores: self._runtime(*given, weights, **cores))
        for moment, fixed in zip(moments, hints, strict=True):
            chroma = moment[..., :2] / moment[..., 2:]
            yield enforce_hints(chroma, lay_hints(chroma.shape[:2], fixed)) if fixed else chroma

    def draw_alternatives(
        self, luma: NDArray[np.uint8], count: int, *, detail: int, hints: Sequence[Hint], seed: int
    ) -> list[Alternative]:
        """Draw the colors that make several plausible chromas of one luma plane, for `predict_chroma`.

        They are drawn from the distribution at the most doubtful place, one after the other; each is then a hint to
        the network, which paints the rest so that it goes with it. So each result is of one piece.
        """
        rng = np.random.default_rng(seed)
        thumbnail = shrink(luma, detail)
        drawn: list[Alternative] = [()] * count
        for turn in range(_ROUNDS):
            # The first colors lie evenly in the order of hues, so that no two results start alike.
            chances = (rng.permutation(count) + rng.random(count)) / count if turn == 0 else rng.random(count)
            planes = [lay_hints(chroma_grid(thumbnail), hints, colors) for colors in drawn]
            given = zip(drawn, planes, self._distributions([thumbnail] * count, planes), chances, strict=True)
            drawn = [(*colors, self._draw(*rest)) for colors, *rest in given]
        return drawn

    def suggest_colors(
        self, luma: NDArray[np.uint8], place: Hint, count: int, *, detail: int, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """List the chromas (n, 2), n at most `count`, that are likeliest at a place, none too close to another."""
        thumbnail = shrink(luma, detail)
        distribution = next(self._distributions([thumbnail], [lay_hints(chroma_grid(thumbnail), hints)]))
        # Rare colors have their weight back, or each palette would be shades of gray.
        weights = rebalance(distribution[find_cell(place, *distribution.shape[:2])], self._prior, self._exponent)
        chosen: list[NDArray[np.float32]] = []
        for chroma in self._bins[np.argsort(-weights)]:
            if len(chosen) < count and all(np.hypot(*(chroma - other)) > _APART - 1e-6 for other in chosen):
                chosen.append(chroma)
        return np.array(chosen, np.float32)

    def predict_uncertainty(
        self, luma: NDArray[np.uint8], *, detail: int, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """Tell how uncertain the colors of a luma plane are: (h, w) in [0, 1] at half of the working size."""
        thumbnail = shrink(luma, detail)
        return doubt(next(self._distributions([thumbnail], [lay_hints(chroma_grid(thumbnail), hints)])), self._bins)

    def predict_distribution(
        self, luma: NDArray[np.uint8], *, detail: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict how likely each color is: bins (K, 2) and, at half of the working size, probabilities (h, w, K)."""
        thumbnail = shrink(luma, detail)
        return self._bins, next(self._distributions([thumbnail], [lay_hints(chroma_grid(thumbnail))]))

    def _distributions(
        self, thumbnails: Sequence[NDArray[np.uint8]], hints: Sequence[NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        """Give (h, w, K) probabilities for each thumbnail, large arrays, one after the other."""
        return self._predict(thumbnails, hints, lambda *given, **cores: softmax(self._runtime(*given, **cores)))

    def _predict(
        self,
        thumbnails: Sequence[NDArray[np.uint8]],
        hints: Sequence[NDArray[np.float32]],
        run: Callable[..., NDArray[np.float32]],
    ) -> Iterator[NDArray[np.float32]]:
        """Run the network on luma and hints of each thumbnail and its mirror image, and average what comes out.

        The mirror image is no larger than what the network learned from: there it knows best what things are, and on
        the thumbnail itself where they end.
        """
        small = [shrink(thumbnail, self._familiar) for thumbnail in thumbnails]
        small_hints = [shrink_hints(*planes) for planes in zip(hints, small, strict=True)]
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
        """Run the network on planes of any even size: edges are mirrored up to the multiple that it takes."""
        height, width = hints.shape[1:3]
        bottom, right = -luma.shape[1] % self._multiple, -luma.shape[2] % self._multiple
        if not bottom and not right:
            return run(luma, hints)
        luma = np.pad(luma, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="symmetric")
        hints = np.pad(hints, ((0, 0), (0, bottom // 2), (0, right // 2), (0, 0)))
        return run(luma, hints)[:, :height, :width]

    def _draw(self, plane: NDArray[np.float32], distribution: NDArray[np.float32], chance: float) -> Hint:
        """Choose a color for the most doubtful place without a hint: the one at `chance` in the order of hues."""
        doubtful = cv2.blur(spread(distribution, self._bins), (3, 3)) * (plane[..., 2] == 0)
        row, column = np.unravel_index(int(np.argmax(doubtful)), doubtful.shape)
        order = np.argsort(np.arctan2(self._bins[:, 1], self._bins[:, 0]))
        cumulated = np.cumsum(distribution[row, column][order])
        drawn = min(int(np.searchsorted(cumulated, chance * cumulated[-1])), len(order) - 1)
        cb, cr = self._bins[order[drawn]].tolist()
        height, width = doubtful.shape
        return Hint((float(column) + 0.5) / width, (float(row) + 0.5) / height, (cb, cr))


def thumbnail_size(luma: NDArray[np.uint8], detail: int) -> tuple[int, int]:
    """Compute height and width of the thumbnail of luma (H, W), long side `detail` or its own: the next even ones."""
    scale = min(1.0, detail / max(luma.shape))
    height, width = (2 * max(1, round(side * scale / 2)) for side in luma.shape)
    return height, width


def shrink(luma: NDArray[np.uint8], detail: int) -> NDArray[np.uint8]:
    """Bring luma (H, W) to the thumbnail that the network sees, of even sides: `detail` long, or not shrunk if smaller.

    It paints thumbnails best that are as sharp as those it learned from, and means of areas are not. So means, which
    rid a scan of its grain, are taken down to twice the size; from there luma is interpolated and sharpened.
    """
    height, width = thumbnail_size(luma, detail)
    if max(luma.shape) <= detail:
        return resize(luma, height, width, cv2.INTER_LINEAR)
    twice = resize(luma, min(2 * height, luma.shape[0]), min(2 * width, luma.shape[1]), cv2.INTER_AREA)
    small = resize(twice, height, width, cv2.INTER_CUBIC)
    blurred = cv2.blur(small, (3, 3), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.addWeighted(small, 1 + _SHARPENING, blurred, -_SHARPENING, 0), np.uint8)


def _stack(
    rows: Sequence[int], thumbnails: Sequence[NDArray[np.uint8]], hints: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make a batch of some thumbnails, of one size, and their hints."""
    luma = np.stack([thumbnails[i] for i in rows])[..., None].astype(np.float32) / np.float32(255)
    return luma, np.stack([hints[i] for i in rows])


def _enlarge(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Bring planes (N, h, w, C) to (N, height, width, C)."""
    if planes.shape[1:3] == (height, width):
        return planes
    parts = np.array_split(planes, -(-planes.shape[-1] // _MOST_CHANNELS), axis=-1)
    linear = cv2.INTER_LINEAR
    enlarged = [[resize(np.ascontiguousarray(plane), height, width, linear) for plane in part] for part in parts]
    return np.concatenate(enlarged, axis=-1)
