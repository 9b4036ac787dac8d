"""A visitor's photo: the choices made so far, and previews."""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.decoding import decode
from colorizer.imaging.color import fit_within, gray_copy
from colorizer.imaging.decode import has_color
from colorizer.imaging.encode import choose_extension
from colorizer.imaging.metadata import Metadata
from colorizer.imaging.toning import is_monochrome
from colorizer.inference.colorizer import Alternative, Colorizer, HintLike

PREVIEW_SIDE = 1280
"""Long side of the preview that is shown and kept in memory, so that it is quick to colorize and to send."""


MAX_DABS = 200
"""Maximum number of dabs on a photo."""
_MAX_PREVIEWS = 48  # A few megabytes each; photos of visitors who come back later are read again.


@dataclass(frozen=True)
class Dab:
    """A color ``#RRGGBB`` at a place, whose x and y are fractions of width and height, in [0, 1).

    Raises
    ------
    ValueError
        If the place is outside the photo, or the color is invalid.
    """

    x: float
    y: float
    color: str

    def __post_init__(self) -> None:
        if not (0 <= self.x < 1 and 0 <= self.y < 1):
            raise ValueError(f"a dab's x and y must be at least 0 and less than 1, got {self.x!r}, {self.y!r}")
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.color):
            raise ValueError(f"a dab's color must be #RRGGBB, got {self.color!r}")


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and the visitor's choices, immutable.

    Attributes
    ----------
    path : pathlib.Path
        The file, read again for the full resolution.
    size : tuple of int
        Height and width in full resolution.
    preview : (h, w, 3) or (h, w, 4) uint8
        The picture, reduced so that its sides are at most `PREVIEW_SIDE`.
    has_color : bool
        Whether it has original colors to compare with.
    dabs : tuple of Dab
        Colors that the visitor set, the latest last.
    alternative : Alternative
        The version that was chosen; empty for the default result.
    """

    path: Path
    size: tuple[int, int]
    preview: NDArray[np.uint8]
    has_color: bool
    dabs: tuple[Dab, ...] = ()
    alternative: Alternative = ()

    @classmethod
    def open(cls, path: Path, max_pixels: int) -> "Photo":
        """Decode a file, or find it in the cache; raises what `colorizer.demo.decoding.decode` does."""
        with _lock:
            known = _previews.pop(path, None)
            if known is not None and path.exists():
                _previews[path] = known
                return known
        image, _ = decode(path, max_pixels)
        preview = fit_within(image, PREVIEW_SIDE)
        # The tone of an old print doesn't count as color.
        colored = has_color(image) and not is_monochrome(preview[:, :, :3])
        photo = cls(path, (image.shape[0], image.shape[1]), preview, colored)
        with _lock:
            _previews[path] = photo
            while len(_previews) > _MAX_PREVIEWS:
                _previews.popitem(last=False)
        return photo

    @property
    def extension(self) -> str:
        """Extension of a result in the photo's own format."""
        return choose_extension(self.path.name)

    def colorize(self, colorizer: Colorizer, **options: Any) -> NDArray[np.uint8]:
        """Colorize the preview, with keywords of `Colorizer.colorize`: (H, W, 3) or (H, W, 4) uint8.

        A model that takes no hints ignores the dabs, the version and the keywords.
        """
        return self._colorize(self.preview, colorizer, options)

    def colorize_full(
        self, colorizer: Colorizer, max_pixels: int, **options: Any
    ) -> tuple[NDArray[np.uint8], Metadata]:
        """Colorize in full resolution, as `colorize` does; also return the file's metadata, for the result."""
        image, metadata = decode(self.path, max_pixels)
        return self._colorize(image, colorizer, options), metadata

    def change(self, dabs: Sequence[Dab], alternative: Alternative = ()) -> "Photo":
        """Replace the dabs of color and the choice among the model's versions.

        Raises
        ------
        ValueError
            If there are more than `MAX_DABS` dabs.
        """
        if len(dabs) > MAX_DABS:
            raise ValueError(f"a photo can have {MAX_DABS} dabs of color, got {len(dabs)}")
        return replace(self, dabs=tuple(dabs), alternative=alternative)

    def suggest_colors(self, colorizer: Colorizer, x: float, y: float, **options: Any) -> list[str]:
        """List the colors that the model finds likely at a place, with keywords of `Colorizer.suggest_colors`.

        A dab at that place doesn't count.
        """
        height, width = self.preview.shape[:2]
        others = tuple(dab for dab in self.dabs if (dab.x, dab.y) != (x, y))
        hints = _to_hints(others, height, width)
        return colorizer.suggest_colors(self.preview, int(x * width), int(y * height), hints=hints, **options)

    def draw_alternatives(self, colorizer: Colorizer, count: int, **options: Any) -> list[Alternative]:
        """Draw other versions, for `change`, with keywords of `Colorizer.draw_alternatives`."""
        hints = _to_hints(self.dabs, *self.preview.shape[:2])
        return colorizer.draw_alternatives(self.preview, count, hints=hints, **options)

    def uncertainty(self, colorizer: Colorizer, **options: Any) -> NDArray[np.float32]:
        """Estimate the uncertainty of the preview's colors, as `Colorizer.uncertainty` does with these keywords."""
        hints = _to_hints(self.dabs, *self.preview.shape[:2])
        return colorizer.uncertainty(self.preview, hints=hints, **options)

    def _colorize(
        self, image: NDArray[np.uint8], colorizer: Colorizer, options: Mapping[str, Any]
    ) -> NDArray[np.uint8]:
        if "hints" not in colorizer.abilities:
            return colorizer.colorize(image, prepare=options.get("prepare", True))
        hints = _to_hints(self.dabs, *image.shape[:2])
        return colorizer.colorize(image, hints=hints, alternative=self.alternative, **options)


_previews: OrderedDict[Path, Photo] = OrderedDict()  # By file, without choices; the most recently used is last.
_lock = threading.Lock()


def forget_deleted() -> None:
    """Drop the previews of files that have been deleted."""
    with _lock:
        for path in [path for path in _previews if not path.exists()]:
            del _previews[path]


def draw_doubt(image: NDArray[np.uint8], doubt: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Overlay a gray copy of an image (h, w, C) with its uncertainty (h, w) in [0, 1], shown as yellow."""
    heat = cv2.applyColorMap(np.rint(doubt * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    return cv2.addWeighted(gray_copy(image[:, :, :3]), 0.4, np.ascontiguousarray(heat), 0.6, 0).astype(np.uint8)


def to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma of (H, W, 3) or (H, W, 4) uint8 to R, G and B; alpha, if there is any, is kept."""
    return np.dstack([gray_copy(image[:, :, :3]), image[:, :, 3:]])


def _to_hints(dabs: tuple[Dab, ...], height: int, width: int) -> list[HintLike]:
    # The pixel that a place lies in; rounding could lead beyond the image.
    return [(int(dab.x * width), int(dab.y * height), dab.color) for dab in dabs]
