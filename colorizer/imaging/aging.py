"""Aged copies: turn a color photograph into a gray scan of what might be an old print of it.

`age` draws random defects, for training. `age_as` makes the same copy every time, for evaluation.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Window = tuple[slice, slice]

_PANCHROMATIC = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601 luma.
_MIXED, _FADED, _BLURRED, _GRAINY, _DAMAGED, _FRAMED, _COMPRESSED = 0.6, 0.5, 0.2, 0.35, 0.15, 0.1, 0.25  # Chances.


def age(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    """Make an aged copy of a photograph, with kinds and strengths of defects drawn at random.

    About one copy in ten is the plain luma.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The photograph in color.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    (H, W) uint8
        The scan of the aged print. A paper border covers the edge of the photograph, so nothing shifts.

    Raises
    ------
    ValueError
        If the array is not RGB uint8.
    """
    mixed, faded, blurred, grainy, damaged, framed, compressed = rng.random(7) < (
        _MIXED, _FADED, _BLURRED, _GRAINY, _DAMAGED, _FRAMED, _COMPRESSED
    )  # fmt: skip
    gray = mix_gray(rgb, _draw_sensitivity(rng) if mixed else None)
    if faded:
        contrast = rng.uniform(0.4, 1.15)
        # Blacks get lighter and paper darker: the range that is lost is split at random between both ends.
        offset = rng.uniform(-0.5, 0.5) * abs(1 - contrast)
        gray = _change_tones(gray, gamma=np.exp(rng.uniform(-0.5, 0.5)), contrast=contrast, offset=offset)
    if blurred:
        gray = _blur(gray, rng.uniform(0.4, 2.0))
    if grainy:
        gray = _add_grain(gray, rng.uniform(2, 20), rng, coarse=rng.random() < 0.3)
    if damaged:
        gray = _scratch(gray, int(rng.integers(1, 16)), rng)
        gray = _add_dust(gray, rng.uniform(0, 0.01), rng)
    if framed:
        gray = _cover_edge(gray, rng.uniform(0.02, 0.08), rng)
    if compressed:
        gray = _compress(gray, int(rng.integers(20, 80)))
    return gray


def age_as(rgb: NDArray[np.uint8], version: str) -> tuple[Gray, Window]:
    """Make one of the fixed aged copies that are used for evaluation.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The photograph in color. The strengths are meant for a long side of about 256 pixels.
    version : str
        One of `VERSIONS`. ``blue``: the blue plane alone, as on film from before 1930. ``faded``: gamma 1.4, then half
        the contrast. ``grain``: a blur of 1.5 pixels, then grain of 20 levels. ``scratches``: 30 scratches and 1%
        dust. ``jpeg-border``: JPEG of quality 30, then a paper border of 8% of each side around it.

    Returns
    -------
    (h, w) uint8
        The aged copy, always the same for the same photograph. It is larger than the photograph if it has a border.
    tuple of two slices
        Rows and columns of the copy that the photograph fills.

    Raises
    ------
    ValueError
        If the array is not RGB uint8, or the version is unknown.
    """
    if version not in VERSIONS:
        raise ValueError(f"unknown aged version {version!r}: it is one of {', '.join(VERSIONS)}")
    height, width = rgb.shape[:2]
    gray = VERSIONS[version](rgb, np.random.default_rng(0))
    top, left = (gray.shape[0] - height) // 2, (gray.shape[1] - width) // 2
    return gray, (slice(top, top + height), slice(left, left + width))


def mix_gray(rgb: NDArray[np.uint8], weights: NDArray[np.float32] | None = None) -> Gray:
    """Turn RGB (H, W, 3) uint8 into gray by weights of R, G and B that add up to 1; by default those of Rec. 601 luma.

    Raises
    ------
    ValueError
        If the array is not RGB uint8.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected RGB uint8 of shape (H, W, 3), got {rgb.dtype} of shape {rgb.shape}")
    if weights is None:
        return _gray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    return _gray(cv2.transform(rgb, np.asarray(weights, np.float32)[None]))


# === Fixed versions ===


def _blue(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    return mix_gray(rgb, np.array([0, 0, 1], np.float32))


def _faded(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    return _change_tones(mix_gray(rgb), gamma=1.4, contrast=0.5, offset=0)


def _grainy(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    return _add_grain(_blur(mix_gray(rgb), 1.5), 20, rng)


def _damaged(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    return _add_dust(_scratch(mix_gray(rgb), 30, rng), 0.01, rng)


def _framed(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    gray = _compress(mix_gray(rgb), 30)
    rows, columns = (max(1, round(0.08 * side)) for side in gray.shape)
    border = cv2.copyMakeBorder(gray, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=(225,))
    paper = np.ones(border.shape, bool)
    paper[rows:-rows, columns:-columns] = False
    return np.where(paper, _add_grain(_gray(border), 3, rng), border)


VERSIONS: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], Gray]] = {
    "blue": _blue,
    "faded": _faded,
    "grain": _grainy,
    "scratches": _damaged,
    "jpeg-border": _framed,
}
"""The fixed aged copies by name, see `age_as`."""


# === Defects, each on gray (H, W) ===


def _draw_sensitivity(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a film's sensitivity to R, G and B: between blind to red (at the extreme, to green too) and panchromatic."""
    green = rng.uniform(0, 0.5)
    blind_to_red = np.array([0, green, 1 - green], np.float32)
    panchromatic = np.float32(rng.random())
    return panchromatic * _PANCHROMATIC + (1 - panchromatic) * blind_to_red


def _change_tones(gray: Gray, *, gamma: float, contrast: float, offset: float) -> Gray:
    levels = np.linspace(0, 1, 256) ** gamma
    levels = 0.5 + offset + contrast * (levels - 0.5)
    return _gray(cv2.LUT(gray, np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)))


def _blur(gray: Gray, sigma: float) -> Gray:
    return _gray(cv2.GaussianBlur(gray, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _add_grain(gray: Gray, deviation: float, rng: np.random.Generator, *, coarse: bool = False) -> Gray:
    """Add normal noise of a standard deviation in levels; coarse grain is about two pixels wide."""
    noise = rng.standard_normal(gray.shape, np.float32)
    if coarse:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.float32)
        noise /= max(float(noise.std()), 1e-6)
    noise *= np.float32(deviation)
    return _gray(cv2.add(gray, noise, dtype=cv2.CV_8U))


def _scratch(gray: Gray, count: int, rng: np.random.Generator) -> Gray:
    """Draw thin lines, most of them steep and light, like scratches on film."""
    gray = gray.copy()
    height, width = gray.shape
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        length = rng.uniform(0.1, 0.8) * height
        angle = rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
        end = round(x + length * np.sin(angle)), round(y + length * np.cos(angle))
        level = rng.integers(180, 256) if rng.random() < 0.7 else rng.integers(0, 60)
        cv2.line(gray, (round(x), round(y)), end, (float(level),), 1, cv2.LINE_AA)
    return gray


def _add_dust(gray: Gray, part: float, rng: np.random.Generator) -> Gray:
    """Put light and dark specks on a fraction of the pixels, half of that area as blocks of 2x2."""
    gray = gray.copy()
    height, width = gray.shape
    for side in (1, 2):
        count = round(part / 2 * gray.size / side**2)
        rows, columns = rng.integers(height, size=count), rng.integers(width, size=count)
        levels = np.where(rng.random(count) < 0.7, rng.integers(200, 256, count), rng.integers(0, 50, count))
        for down in range(side):
            for right in range(side):
                gray[np.minimum(rows + down, height - 1), np.minimum(columns + right, width - 1)] = levels
    return gray


def _cover_edge(gray: Gray, part: float, rng: np.random.Generator) -> Gray:
    """Cover the edge of a picture with light, slightly uneven paper; its width is a fraction of each side."""
    height, width = gray.shape
    rows, columns = max(1, round(part * height)), max(1, round(part * width))
    framed = np.full(gray.shape, rng.integers(190, 251), np.uint8)
    framed = _add_grain(framed, rng.uniform(0, 4), rng)
    inside = (slice(rows, height - rows), slice(columns, width - columns))
    framed[inside] = gray[inside]
    return framed


def _compress(gray: Gray, quality: int) -> Gray:
    """Save as JPEG and read back."""
    _, content = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _gray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def _gray(plane: object) -> Gray:
    return np.asarray(plane, np.uint8)
