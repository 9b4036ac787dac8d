"""Generated videos with ground truth: a camera pans over photographs, with a moving foreground and known motion.

`make_films` makes the twelve videos that ``benchmarks/video.py`` uses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import fit_within
from colorizer.imaging.decode import decode_image

PHOTO_SIDE = 560  # Long side of the photographs, so that a frame shows much of one.
GRAINS = (0, 4, 8)


@dataclass
class Film:
    """A film and its truth.

    Attributes
    ----------
    frames : list of (H, W, 3) uint8
        RGB.
    ways : list of (H, W, 2) float32, or None
        For each point of a frame, its column and row in the frame before; None where a scene begins.
    valid : list of (H, W) bool, or None
        Which points were visible in the frame before.
    """

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    ways: list[NDArray[np.float32] | None] = field(default_factory=list)
    valid: list[NDArray[np.bool_] | None] = field(default_factory=list)


def make_film(
    photos: Sequence[NDArray[np.uint8]],
    seed: int,
    *,
    count: int = 30,
    size: tuple[int, int] = (216, 384),
    grain: float = 0,
    cuts: int = 2,
) -> Film:
    """Make a video: each scene pans and zooms over a photograph, while an ellipse of another one moves by itself.

    Parameters
    ----------
    photos : sequence of (H, W, 3) uint8
        Photographs, more than there are cuts.
    seed : int
        Random seed for scenes, speeds (0.5 to 8 pixels per frame) and grain.
    count : int
        Number of frames.
    size : tuple of int
        Height and width of a frame.
    grain : float
        Standard deviation of the grain, in levels.
    cuts : int
        Number of cuts: one less than scenes.
    """
    rng = np.random.default_rng(seed)
    bounds = [0, *np.sort(rng.choice(np.arange(1, count // 5), cuts, replace=False)) * 5, count]
    film = Film()
    order = rng.permutation(len(photos))
    for number, (start, end) in enumerate(pairwise(bounds)):
        background, foreground = (photos[order[(number + i) % len(photos)]] for i in (0, 1))
        _add_scene(film, background, foreground, end - start, size, grain, rng)
    return film


def _add_scene(
    film: Film,
    background: NDArray[np.uint8],
    foreground: NDArray[np.uint8],
    count: int,
    size: tuple[int, int],
    grain: float,
    rng: np.random.Generator,
) -> None:
    height, width = size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    pan = rng.uniform(0.5, 8) * _direction(rng) * (1, 0.4)
    drift = rng.uniform(0.5, 5) * _direction(rng) * (1, 0.5)
    zoom = rng.uniform(-0.01, 0.01)
    fitting = min(1.0, 0.75 * background.shape[1] / width, 0.75 * background.shape[0] / height)
    center = np.array([width * rng.uniform(0.35, 0.65), height * rng.uniform(0.4, 0.6)])
    radius, stretch = height * rng.uniform(0.15, 0.28), rng.uniform(0.8, 1.6)
    before: tuple[NDArray[np.float64], NDArray[np.float32]] | None = None
    for i in np.arange(count) - count / 2:
        scale = fitting * np.exp(zoom * i)
        camera = _look(background, size, scale, pan * i * scale)
        picture = _warp(background, camera, size).astype(np.float32)
        place = center + drift * i
        closer = max(0.3, min(foreground.shape[:2]) / (3.2 * radius))
        middle = np.array(foreground.shape[1::-1]) / 2
        own = np.array([[closer, 0, middle[0] - closer * place[0]], [0, closer, middle[1] - closer * place[1]]])
        distance = np.hypot((columns - place[0]) / stretch, rows - place[1])
        share = np.clip(radius - distance + 0.5, 0, 1)[..., None]
        picture += share * (_warp(foreground, own, size) - picture)
        picture += rng.normal(0, grain, (*size, 1)) if grain else 0
        film.frames.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
        film.ways.append(None)
        film.valid.append(None)
        if before is not None:
            inside = distance < radius
            x = (camera[0, 0] * columns + camera[0, 2] - before[0][0, 2]) / before[0][0, 0]
            y = (camera[1, 1] * rows + camera[1, 2] - before[0][1, 2]) / before[0][1, 1]
            way = np.stack([np.where(inside, columns - drift[0], x), np.where(inside, rows - drift[1], y)], axis=-1)
            x, y = cv2.split(way.astype(np.float32))
            was = cv2.remap(before[1], x, y, cv2.INTER_LINEAR, borderValue=float(radius))
            # The edge between the two belongs to both, and a point must have been on the same side of it.
            same = ((distance < radius - 1.5) & (was < radius - 1.5)) | (
                (distance > radius + 1.5) & (was > radius + 1.5)
            )
            film.ways[-1], film.valid[-1] = way.astype(np.float32), same
        before = camera, distance.astype(np.float32)


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _look(
    photo: NDArray[np.uint8], size: tuple[int, int], scale: float, shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the matrix (2, 3) that leads from a frame's columns and rows to those of a photograph."""
    x, y = np.array(photo.shape[1::-1]) / 2 - scale * np.array(size[::-1]) / 2 + shift
    return np.array([[scale, 0, x], [0, scale, y]])


def _warp(photo: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(photo, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(warped, np.uint8)


def make_films(folders: Sequence[Path], count: int = 12) -> Iterator[tuple[str, Film]]:
    """Make films of the photographs of some folders, in turn, and of all grains; each with its name."""
    photos = [
        [fit_within(decode_image(path)[..., :3], PHOTO_SIDE) for path in sorted(folder.glob("*.jpg"))]
        for folder in folders
    ]
    for seed in range(count):
        grain = GRAINS[seed % len(GRAINS)]
        folder = seed // len(GRAINS) % len(folders)
        yield f"{folders[folder].name}-{seed}, grain {grain}", make_film(photos[folder], seed, grain=grain)


def measure_flicker(film: Film, chromas: Sequence[NDArray[np.float32]]) -> float:
    """Give the mean absolute difference of chroma (H, W, 2) along the true motion between neighboring frames."""
    differences = []
    for chroma, before, way, valid in zip(chromas[1:], chromas, film.ways[1:], film.valid[1:], strict=False):
        if way is not None and valid is not None:
            x, y = cv2.split(way)
            was = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            differences.append(np.abs(chroma - was)[valid].mean())
    return float(np.mean(differences))
