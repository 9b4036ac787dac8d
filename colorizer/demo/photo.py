"""A photo that a person colorizes: what was chosen so far, and pictures of it to look at."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import fit_within, gray_copy
from colorizer.imaging.decode import decode_image, decode_with_metadata, has_color
from colorizer.imaging.encode import choose_extension
from colorizer.imaging.metadata import Metadata
from colorizer.inference.colorizer import Alternative, Colorizer, HintLike

PREVIEW_SIDE = 1280
"""Long side of what is shown and kept in memory: quick to colorize and to send, whatever the photo."""


_MOST_DABS = 200
# Long side that smaller pictures are enlarged to at least: a finger can point at a pixel.
_CANVAS_SIDE = 960


@dataclass(frozen=True)
class Dab:
    """A color that a person gave a place, which is told in parts of width and height."""

    x: float
    y: float
    color: str


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and the choices made on it; each change gives a new one.

    Attributes
    ----------
    path : pathlib.Path
        The file, read again when the full resolution is wanted.
    size : tuple of int
        Width and height in full resolution.
    preview : (h, w, 3) or (h, w, 4) uint8
        The picture itself if its sides are at most `PREVIEW_SIDE`, else reduced to that.
    has_color : bool
        Whether there is an original color to compare with.
    dabs : tuple of Dab
        Colors given to places, the latest last.
    alternative : Alternative
        The one that was chosen; empty for the model's first answer.
    """

    path: Path
    size: tuple[int, int]
    preview: NDArray[np.uint8]
    has_color: bool
    dabs: tuple[Dab, ...] = ()
    alternative: Alternative = ()

    @classmethod
    def open(cls, path: Path, max_pixels: int) -> "Photo":
        """Decode a file; raises what `colorizer.imaging.decode.decode_image` does."""
        image = decode_image(path, max_pixels=max_pixels)
        return cls(path, (image.shape[1], image.shape[0]), fit_within(image, PREVIEW_SIDE), has_color(image))

    @property
    def ending(self) -> str:
        """Name the extension of a result in the photo's own format."""
        return choose_extension(self.path.name)

    def colorize(self, colorizer: Colorizer, vividness: float, detail: int) -> NDArray[np.uint8]:
        """Colorize the preview. A model that takes no hints leaves the dabs and the alternative for another."""
        return self._colorize(self.preview, colorizer, vividness, detail)

    def colorize_full(
        self, colorizer: Colorizer, vividness: float, detail: int, max_pixels: int
    ) -> tuple[NDArray[np.uint8], Metadata]:
        """Colorize in full resolution; the metadata of the file comes with it, for the result."""
        image, metadata = decode_with_metadata(self.path, max_pixels=max_pixels)
        return self._colorize(image, colorizer, vividness, detail), metadata

    def dab(self, x: float, y: float, color: str) -> "Photo":
        """Give a place a color."""
        if len(self.dabs) >= _MOST_DABS:
            raise ValueError(f"a photo takes {_MOST_DABS} dabs of color; undo some first")
        return replace(self, dabs=(*self.dabs, Dab(x, y, color)))

    def redo(self, color: str) -> "Photo":
        """Change the color of the latest dab."""
        return replace(self, dabs=(*self.dabs[:-1], replace(self.dabs[-1], color=color))) if self.dabs else self

    def undo(self) -> "Photo":
        """Take the latest dab away."""
        return replace(self, dabs=self.dabs[:-1])

    def clear(self) -> "Photo":
        """Take all dabs away."""
        return replace(self, dabs=())

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Tell the place of a pixel of what `draw_dabs` gives, in parts of width and height."""
        height, width = (length * _canvas_factor(self.preview) for length in self.preview.shape[:2])
        return _part(column, width), _part(row, height)

    def suggest_colors(self, colorizer: Colorizer, x: float, y: float, detail: int) -> list[str]:
        """List the colors that the model finds likely at a place, whatever color a dab gave it."""
        height, width = self.preview.shape[:2]
        others = tuple(dab for dab in self.dabs if (dab.x, dab.y) != (x, y))
        hints = _to_hints(others, height, width)
        return colorizer.suggest_colors(self.preview, x * width, y * height, detail=detail, hints=hints)

    def place_of_percent(self, across: float, down: float) -> tuple[float, float]:
        """Tell the place at so many percent of the width and height, the middle of a pixel."""
        height, width = self.preview.shape[:2]
        return _part(across / 100 * width, width), _part(down / 100 * height, height)

    def has_latest_dab_at(self, place: tuple[float, float] | None) -> bool:
        """Tell whether the latest dab is at a place."""
        return bool(self.dabs) and (self.dabs[-1].x, self.dabs[-1].y) == place

    def draw_alternatives(self, colorizer: Colorizer, count: int, detail: int, seed: int) -> list[Alternative]:
        """Draw other answers of the model, for `choose`."""
        hints = _to_hints(self.dabs, *self.preview.shape[:2])
        return colorizer.draw_alternatives(self.preview, count, detail=detail, hints=hints, seed=seed)

    def uncertainty(self, colorizer: Colorizer, detail: int) -> NDArray[np.float32]:
        """Tell where the colors of the preview are a guess, see `Colorizer.uncertainty`; dabs make it smaller."""
        hints = _to_hints(self.dabs, *self.preview.shape[:2])
        return colorizer.uncertainty(self.preview, detail=detail, hints=hints)

    def choose(self, alternative: Alternative) -> "Photo":
        """Take another answer of the model; the dabs stay."""
        return replace(self, alternative=alternative)

    def _colorize(
        self, image: NDArray[np.uint8], colorizer: Colorizer, vividness: float, detail: int
    ) -> NDArray[np.uint8]:
        if "hints" not in colorizer.abilities:
            return colorizer.colorize(image)
        hints = _to_hints(self.dabs, *image.shape[:2])
        return colorizer.colorize(image, vividness=vividness, detail=detail, hints=hints, alternative=self.alternative)


def draw_dabs(image: NDArray[np.uint8], dabs: tuple[Dab, ...]) -> NDArray[np.uint8]:
    """Draw dabs as small rings on an image (h, w, C), which is enlarged by a whole number if it is small."""
    factor = _canvas_factor(image)
    canvas = image.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = canvas.shape[:2]
    radius = max(4, round(max(height, width) / 90))
    for dab in dabs:
        center = (int(dab.x * width), int(dab.y * height))
        # Black, white, color: seen on any ground.
        for extra, color in ((4, (0, 0, 0)), (2, (255, 255, 255)), (0, tuple(bytes.fromhex(dab.color[1:])))):
            cv2.circle(canvas, center, radius + extra, (*color, 255)[: canvas.shape[2]], cv2.FILLED, cv2.LINE_AA)
    return canvas


def draw_doubt(image: NDArray[np.uint8], doubt: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay a map of doubt (h, w) in [0, 1] over the gray copy of an image (h, w, C): dark is sure, yellow is not."""
    heat = cv2.applyColorMap(np.rint(doubt * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    return cv2.addWeighted(gray_copy(image[:, :, :3]), 0.4, np.ascontiguousarray(heat), 0.6, 0).astype(np.uint8)


def color_at(image: NDArray[np.uint8], x: float, y: float) -> str:
    """Read the color ``#RRGGBB`` of the pixel at a place told in parts of width and height."""
    return f"#{bytes(image[int(y * image.shape[0]), int(x * image.shape[1]), :3]).hex()}"


def to_hex(color: str) -> str:
    """Write a color as ``#rrggbb``: that itself, or ``rgb(...)`` or ``rgba(...)`` with numbers from 0 to 255."""
    if re.fullmatch("#[0-9a-fA-F]{6}", color):
        return color.lower()
    match = re.fullmatch(r"rgba?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)(?:,\s*[\d.]+)?\)", color)
    if match is None:
        raise ValueError(f"a color is #RRGGBB or rgb(R, G, B), got {color!r}")
    return f"#{bytes(min(255, round(float(part))) for part in match.groups()).hex()}"


def to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma to all colors and keep the alpha, if there is one."""
    return np.dstack([gray_copy(image[:, :, :3]), image[:, :, 3:]])


def _canvas_factor(image: NDArray[np.uint8]) -> int:
    return math.ceil(_CANVAS_SIDE / max(image.shape[:2]))


def _part(pixel: float, length: int) -> float:
    return (min(max(int(pixel), 0), length - 1) + 0.5) / length


def _to_hints(dabs: tuple[Dab, ...], height: int, width: int) -> list[HintLike]:
    # The middle of the pixel that a place lies in, so that rounding never leads beyond the image.
    return [(int(dab.x * width), int(dab.y * height), dab.color) for dab in dabs]
