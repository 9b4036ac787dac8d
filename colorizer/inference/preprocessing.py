"""Preprocessing for the U-Net: size and sharpness of the thumbnail that it sees, as recorded in ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing that a U-Net was trained with; it is stored with the weights.

    The defaults are those of the first published weights, whose record lacks these keys.

    Attributes
    ----------
    multiple : int
        Height and width of the network's input must be multiples of this.
    stride : int
        Pixels of the thumbnail along each side of a cell of the chroma grid.
    working_size : int
        Default long side of the thumbnail, in pixels.
    enlargement : float
        Small images are enlarged to the working size, but by no more than this factor.
    sharpening : float
        Strength of the unsharp masking, with a 3 x 3 box filter, of downscaled thumbnails.
    mirrored_size : int
        Long side at which the network also sees the mirror image, to average the two predictions; 0 turns that off.
    """

    multiple: int
    stride: int = 2
    working_size: int = 128
    enlargement: float = 1.0
    sharpening: float = 0.4
    mirrored_size: int = 64

    def __post_init__(self) -> None:
        """Check the values: they come from a file.

        Raises
        ------
        ValueError
            If a value is out of range or not a number, or `multiple` is not a multiple of `stride`.
        """
        ranges = {
            "multiple": (1, 256),
            "stride": (1, 64),
            "working_size": (1, 1024),
            "enlargement": (1, 64),
            "sharpening": (0, 10),
            "mirrored_size": (0, 1024),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most}, got {value!r}")
            if name not in ("enlargement", "sharpening") and not isinstance(value, int):
                raise ValueError(f"{name} must be a whole number, got {value!r}")
        if self.multiple % self.stride:
            raise ValueError(f"multiple must be a multiple of the stride {self.stride}, got {self.multiple}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Preprocessing":
        """Make it from the content of a ``config.json``.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a key is missing or its value makes no sense.
        """
        given = config["input"]
        names = ("multiple", "stride", "working_size", "enlargement", "sharpening", "mirrored_size")
        values = {name: given[name] for name in names if name in given}
        if "mirrored_size" not in values and "sizes" in given:
            values["mirrored_size"] = max(given["sizes"])  # The first weights record the sizes they were trained at.
        return cls(**values)

    def thumbnail_size(self, height: int, width: int, detail: int) -> tuple[int, int]:
        """Compute height and width of an image's thumbnail: multiples of the stride, at most about `detail`."""
        scale = min(self.enlargement, detail / max(height, width))
        rows, columns = (self.stride * max(1, round(side * scale / self.stride)) for side in (height, width))
        return rows, columns

    def shrink(self, luma: NDArray[np.uint8], detail: int) -> NDArray[np.uint8]:
        """Resize luma (H, W) to the thumbnail that the network sees: (h, w) uint8, see `thumbnail_size`.

        Downscaling averages areas, which removes a scan's grain. With sharpening, that is done only down to twice the
        size; from there, luma is interpolated and sharpened.
        """
        height, width = self.thumbnail_size(luma.shape[0], luma.shape[1], detail)
        longest = max(luma.shape)
        if longest <= detail:
            return resize(luma, height, width, cv2.INTER_CUBIC if self.enlargement > 1 else cv2.INTER_LINEAR)
        if not self.sharpening:
            return resize(luma, height, width, cv2.INTER_AREA)
        twice = resize(luma, min(2 * height, luma.shape[0]), min(2 * width, luma.shape[1]), cv2.INTER_AREA)
        small = resize(twice, height, width, cv2.INTER_CUBIC)
        blurred = cv2.blur(small, (3, 3), borderType=cv2.BORDER_REFLECT)
        return np.asarray(cv2.addWeighted(small, 1 + self.sharpening, blurred, -self.sharpening, 0), np.uint8)

    def chroma_grid(self, thumbnail: NDArray[np.uint8]) -> tuple[int, int]:
        """Return height and width of the chroma grid of a thumbnail (h, w)."""
        return thumbnail.shape[0] // self.stride, thumbnail.shape[1] // self.stride
