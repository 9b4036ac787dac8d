"""Upsampling of chroma to the size of its luma, guided by the luma's edges, and joining the two."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import FROM_CHROMA, join, resize
from colorizer.machine import count_cores

GUIDED_SIDE = 256
"""Long side at which the guided filter works; a larger one takes more time without better results."""
_CORRECTIONS = 3
_BATCH_SIZE = 16  # Number of small pictures joined at once, as channels of one picture.
_BLOCK_PIXELS = 1 << 18  # Pixels joined at a time: float planes of a whole 100-megapixel scan would take gigabytes.


def join_upsampled(luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Upsample chroma to the size of a luma plane, guided by its edges, and join the two.

    Eyes are sensitive to detail in luma, not in chroma, so a picture looks sharp even though its chroma was predicted
    for a thumbnail. But colors should end where objects end. First, a guided filter upsamples chroma to a medium size
    and corrects it so that its local means match the input. From there to full size, chroma is a linear function of
    luma around each pixel (the fast guided filter), evaluated block by block, so that only a few rows of full-size
    chroma are in memory at a time.

    Parameters
    ----------
    luma : (H, W) uint8
        Full-range Rec. 601 Y'.
    chroma : (h, w, 2) float32
        Cb and Cr in [-0.5, 0.5] of the same picture at another size.

    Returns
    -------
    (H, W, 3) uint8
        RGB, as `join` gives it.

    References
    ----------
    K. He and J. Sun, "Fast Guided Filter", arXiv:1505.00996, 2015.
    """
    return next(join_each([(luma, chroma)]))


def join_each(planes: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> Iterator[NDArray[np.uint8]]:
    """Yield `join_upsampled` of each pair of luma (H, W) and chroma (h, w, 2): (H, W, 3) uint8.

    Consecutive small pictures of the same size are joined together, which is faster.
    """
    for (size, low), group in groupby(planes, lambda pair: (pair[0].shape, pair[1].shape[:2])):
        # OpenCV can shrink more than four channels only by integer factors.
        if max(size) > GUIDED_SIDE or size[0] % low[0] or size[1] % low[1]:
            for luma, chroma in group:
                yield from _join_stack(luma[..., None], chroma[:, :, None])
        while part := list(islice(group, _BATCH_SIZE)):
            yield from _join_stack(*(np.stack(stack, axis=2) for stack in zip(*part, strict=True)))


def _join_stack(luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
    """Join luma (H, W, N) with chroma (h, w, N, 2): pictures of one size are channels of one picture."""
    (height, width, count), low = luma.shape, chroma.shape[:2]
    chroma = chroma.reshape(*low, 2 * count)
    # If chroma is larger than the picture, average it.
    chroma = resize(chroma, min(low[0], height), min(low[1], width), cv2.INTER_AREA)
    low, guided = chroma.shape[:2], (height, width)
    if low != guided:
        scale = min(1.0, GUIDED_SIDE / max(height, width))
        guided = (max(round(height * scale), low[0]), max(round(width * scale), low[1]))
        guide = resize(luma, *guided, cv2.INTER_AREA).reshape(*guided, count).astype(np.float32) / np.float32(255)
        guide = np.repeat(guide, 2, axis=2)
        chroma = _upsample_guided(chroma, guide)
    if guided != (height, width):
        yield _join_linear(luma[..., 0], *_fit(chroma, guide, (1, 1), 1e-4))
        return
    wide = join(luma.reshape(height, -1), chroma.reshape(height, -1, 2)).reshape(height, width, count, 3)
    yield from wide.transpose(2, 0, 1, 3).copy()


def upsample(luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upsample chroma (h, w, 2) to the size of luma (H, W), at most `GUIDED_SIDE` long, guided by its edges."""
    height, width = luma.shape
    chroma = resize(chroma, min(chroma.shape[0], height), min(chroma.shape[1], width), cv2.INTER_AREA)
    return chroma if chroma.shape[:2] == luma.shape else _upsample_guided(chroma, _guide(luma))


def fit_chroma(luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find slope and offset, (H, W, 2) each, of chroma (H, W, 2) as a linear function of luma (H, W) in [0, 1].

    They vary slowly, so that they can be enlarged and applied to a larger luma plane.
    """
    return _fit(chroma, _guide(luma), (1, 1), 1e-4)


def _guide(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.repeat(luma[..., None].astype(np.float32) / np.float32(255), 2, axis=2)


def _upsample_guided(chroma: NDArray[np.float32], guide: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upsample planes of chroma (h, w, C) to the size of their guides (H, W, C) in [0, 1], keeping their means."""
    low, high = chroma.shape[:2], guide.shape[:2]
    radius = (round(high[0] / low[0]), round(high[1] / low[1]))
    slope, offset = _fit(resize(chroma, high[0], high[1], cv2.INTER_LINEAR), guide, radius, 1e-3)
    result = _mean(slope, radius) * guide + _mean(offset, radius)
    for _ in range(_CORRECTIONS):  # The filter smooths; add back what each pixel of the input lost.
        lost = chroma - resize(result, low[0], low[1], cv2.INTER_AREA)
        result += resize(lost, high[0], high[1], cv2.INTER_CUBIC)
    return result


def _fit(
    chroma: NDArray[np.float32], guide: NDArray[np.float32], radius: tuple[int, int], regularization: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit chroma = slope * guide + offset in the window around each pixel: all (H, W, C)."""
    mean, mean_chroma = _mean(guide, radius), _mean(chroma, radius)
    variance = _mean(guide * guide, radius) - mean * mean
    covariance = _mean(guide * chroma, radius) - mean * mean_chroma
    slope = np.asarray(covariance / (variance + np.float32(regularization)), np.float32)
    return slope, mean_chroma - slope * mean


def _mean(plane: NDArray[np.float32], radius: tuple[int, int]) -> NDArray[np.float32]:
    size = (2 * radius[1] + 1, 2 * radius[0] + 1)
    return np.asarray(cv2.boxFilter(plane, -1, size, borderType=cv2.BORDER_REFLECT), np.float32)


def _join_linear(luma: NDArray[np.uint8], slope: NDArray[np.float32], offset: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Join luma (H, W) with chroma computed from it with small slopes and offsets, (h, w, 2) each."""
    height, width = luma.shape
    # Chroma to RGB and enlarging are both linear, so convert first, while the planes are small.
    small = cv2.transform(np.stack([slope / 255, offset], axis=2).reshape(len(slope), -1, 2), FROM_CHROMA)
    small = small.reshape(*slope.shape[:2], 6) + np.array([1, 1, 1, 0, 0, 0], np.float32)
    # Enlarge columns first: the planes are still small, and each block then has only its rows to interpolate.
    planes = [resize(plane, len(small), width, cv2.INTER_LINEAR) for plane in cv2.split(small)]
    wide = np.stack(planes, axis=1).reshape(len(small), -1)
    # Centers of pixels align: source row = (row + 1/2) h / H - 1/2.
    rows = (np.arange(height, dtype=np.float32) + 0.5) * (len(small) / height) - 0.5
    rows = np.clip(rows, 0, len(small) - 1)
    above = rows.astype(int)
    weight = (rows - above)[:, None].astype(np.float32)
    starts = [*np.flatnonzero(np.diff(above, prepend=-1)), height]  # All rows of a block lie between the same two.
    most = max(1, _BLOCK_PIXELS // width)
    blocks = [slice(i, min(i + most, b)) for a, b in pairwise(starts) for i in range(a, b, most)]
    rgb = np.empty((height, width, 3), np.uint8)

    def fill(blocks: list[slice]) -> None:
        space = np.empty((most, 6 * width), np.float32)
        for block in blocks:
            first = wide[above[block.start]]
            last = wide[min(above[block.start] + 1, len(wide) - 1)]
            both = np.multiply(weight[block], last - first, out=space[: block.stop - block.start])
            both += first
            both.reshape(-1, 6, width)[:, :3] *= luma[block, None].astype(np.float32)
            joined = cv2.add(both[:, : 3 * width], both[:, 3 * width :], dtype=cv2.CV_8U)
            cv2.merge(np.split(joined, 3, axis=1), dst=rgb[block])

    workers = min(len(blocks), count_cores())
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, [blocks[i::workers] for i in range(workers)]))
    return rgb
