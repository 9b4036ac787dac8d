"""`Colorizer`: load a model once, colorize many images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.color import join_upsampled, to_chroma, to_luma
from colorizer.images import MAX_PIXELS, decode_image
from colorizer.resources import resource_folder
from colorizer.runtime import KerasRuntime

DEFAULT_MODEL = "autoencoder"
_BATCH = 256  # Images given to the network at once: as fast as more, and the memory stays small.


class ModelError(Exception):
    """A model can't be found or loaded; the message says which and why."""


class Colorizer:
    """Gives color to images of any size.

    The network sees a thumbnail of the luma and predicts color; the result joins it with the image's own luma at
    full resolution. An image that has color already is treated as if it were gray.

    Examples
    --------
    >>> from colorizer import Colorizer
    >>> colorizer = Colorizer.load()
    >>> colorizer.colorize("samples/cifar10/00_cat.png").shape
    (32, 32, 3)
    """

    def __init__(self, runtime: KerasRuntime) -> None:
        self._runtime = runtime

    @classmethod
    def load(cls, model: str | Path = DEFAULT_MODEL) -> "Colorizer":
        """Load a model.

        Parameters
        ----------
        model : str or pathlib.Path
            Name of a model that comes with the project (`list_models`), or the path of a ``model.keras`` file or of the
            folder that holds it.

        Raises
        ------
        ModelError
            If there is no such model or its file can't be used.
        """
        path = find_model(model)
        try:
            return cls(KerasRuntime(path))
        except Exception as error:  # Keras raises anything from OSError to TypeError on files it can't use.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{path.parent.name}/{path.name} can't be used as a model: {reason}") from error

    def colorize(self, image: Any, *, raw: bool = False, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """Colorize an image.

        Parameters
        ----------
        image : str, pathlib.Path, bytes, PIL.Image.Image or numpy.ndarray
            What `colorizer.images.decode_image` takes, of any size.
        raw : bool
            Give the network's own picture, at its own resolution and enlarged to the image's size, instead of its color
            on the image's luma.
        max_pixels : int
            Largest H x W that is accepted.

        Returns
        -------
        (H, W, 3) or (H, W, 4) uint8
            RGB of the image's size, with its alpha if it has transparency.

        Raises
        ------
        colorizer.images.ImageError
            If the image can't be decoded.
        """
        return self._colorize([decode_image(image, max_pixels=max_pixels)], raw)[0]

    def colorize_batch(self, images: Sequence[Any], *, raw: bool = False) -> list[NDArray[np.uint8]]:
        """Colorize several images in one go, which is faster for small ones; otherwise as `colorize`."""
        return self._colorize([decode_image(image) for image in images], raw)

    def _colorize(self, images: list[NDArray[np.uint8]], raw: bool) -> list[NDArray[np.uint8]]:
        results = []
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            lumas = [to_luma(image[:, :, :3]) for image in part]
            painted = self._paint(lumas)
            for image, luma, picture in zip(part, lumas, painted, strict=True):
                rgb = _enlarge(picture, *luma.shape) if raw else join_upsampled(luma, to_chroma(picture))
                results.append(np.dstack([rgb, image[:, :, 3]]) if image.shape[2] == 4 else rgb)
        return results

    def _paint(self, lumas: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Run the network on thumbnails: the one place that calls it. Gives (N, h, w, 3) float32 RGB in [0, 1]."""
        thumbnails = np.stack([_shrink(luma, *self._runtime.size) for luma in lumas])
        return self._runtime(thumbnails[..., None].astype(np.float32) / np.float32(255))


def list_models() -> list[str]:
    """List the names of the models that come with the project."""
    return sorted(path.parent.name for path in resource_folder("checkpoints").glob("*/model.keras"))


def find_model(model: str | Path) -> Path:
    """Find the file of a model by its name or path; `ModelError` if there is none."""
    for path in (resource_folder("checkpoints") / model / "model.keras", Path(model), Path(model) / "model.keras"):
        if path.is_file():
            return path
    raise ModelError(
        f"no model {str(model)!r}; there are: {', '.join(list_models()) or 'none'}; or give the path of a model.keras"
    )


def _shrink(luma: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring luma (H, W) to the size that the network sees; averaging, since anything else lets fine detail alias."""
    if luma.shape == (height, width):
        return luma
    larger = luma.shape[0] > height or luma.shape[1] > width
    interpolation = cv2.INTER_AREA if larger else cv2.INTER_LINEAR
    return cv2.resize(luma, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)


def _enlarge(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8]:
    """Bring the network's RGB in [0, 1] to (H, W, 3) uint8."""
    if picture.shape[:2] != (height, width):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
