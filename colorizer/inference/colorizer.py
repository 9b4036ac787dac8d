"""`Colorizer`: load a model once, colorize many images."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import join, resize, to_chroma, to_luma
from colorizer.imaging.decode import MAX_PIXELS, decode_image
from colorizer.imaging.upsampling import join_each, join_upsampled
from colorizer.inference.checkpoint import DEFAULT_MODEL, ModelError, find_model
from colorizer.inference.hints import Hint, parse_hint
from colorizer.inference.runtime import Runtime, load_runtime, share_out
from colorizer.inference.unet import ChromaPainter

DEFAULT_VIVIDNESS = 0.3
DEFAULT_DETAIL = 128
_BATCH = 256  # Images worked on at once: as fast as more, and the memory stays small.
_PART = 16  # Of them, those given to the autoencoder at once: more don't fit into a core's cache.


HintLike = tuple[float, float, str | Sequence[int]]
"""Column and row of a pixel, and the color that it has."""
Alternative = tuple[Hint, ...]
"""What makes one of several colorizations of an image: the colors drawn for it, see `Colorizer.draw_alternatives`."""


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

    def __init__(self, runtime: Runtime, unet: ChromaPainter | None = None) -> None:
        self._runtime = runtime
        self._unet = unet

    @classmethod
    def load(cls, model: str | Path = DEFAULT_MODEL) -> "Colorizer":
        """Load a model.

        Parameters
        ----------
        model : str or pathlib.Path
            Name of a model that comes with the project (`list_models`), or the path of a folder that holds
            ``config.json`` and ``model.tflite`` or ``model.keras``, or of one of these two files, or
            ``hf://USER/MODEL@REVISION``: a model on the Hugging Face Hub, downloaded once; the revision (a commit, tag
            or branch) may be left out. The ``model.tflite`` is what runs, if there is one; a ``model.keras`` alone
            needs TensorFlow.

        Raises
        ------
        ModelError
            If there is no such model; if its file, the export or the U-Net's ``config.json`` beside it, can't be used;
            or if the Hub can't be reached or gives other weights than their ``config.json`` says.
        """
        path = find_model(model)
        try:
            runtime = load_runtime(path)
        except Exception as error:  # Keras raises anything from OSError to TypeError on files it can't use.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{path.parent.name}/{path.name} can't be used as a model: {reason}") from error
        return cls.of(runtime, path)

    @classmethod
    def of(cls, runtime: Runtime, path: Path) -> "Colorizer":
        """Make one of a network that is loaded, and of what stands beside its file; `ModelError` as for `load`."""
        if not runtime.takes_hints:
            return cls(runtime)
        try:
            return cls(runtime, ChromaPainter(runtime, json.loads(path.with_name("config.json").read_text())))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path.parent.name}/config.json, which holds the colors that {path.name} tells apart, can't be used: "
                f"{type(error).__name__}: {error}"
            ) from error

    @property
    def paints_rgb(self) -> bool:
        """Whether the network paints a picture of its own (`raw`), as the autoencoder does."""
        return self._unet is None

    @overload
    def colorize(
        self,
        image: Any,
        *,
        vividness: float = ...,
        detail: int = ...,
        hints: Sequence[HintLike] = ...,
        alternatives: None = None,
        alternative: Alternative = ...,
        raw: bool = ...,
        seed: int = ...,
        max_pixels: int = ...,
    ) -> NDArray[np.uint8]: ...

    @overload
    def colorize(
        self,
        image: Any,
        *,
        vividness: float = ...,
        detail: int = ...,
        hints: Sequence[HintLike] = ...,
        alternatives: int,
        alternative: Alternative = ...,
        raw: bool = ...,
        seed: int = ...,
        max_pixels: int = ...,
    ) -> list[NDArray[np.uint8]]: ...

    def colorize(
        self,
        image: Any,
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int = DEFAULT_DETAIL,
        hints: Sequence[HintLike] = (),
        alternatives: int | None = None,
        alternative: Alternative = (),
        raw: bool = False,
        seed: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """Colorize an image.

        Parameters
        ----------
        image : str, pathlib.Path, bytes, PIL.Image.Image or numpy.ndarray
            What `colorizer.imaging.decode.decode_image` takes, of any size.
        vividness : float
            From 0, the color of least error, to 1, as colorful as real images. The autoencoder has only one.
        detail : int
            Long side of the thumbnail that the U-Net sees, in pixels; small images are not enlarged.
        hints : sequence of (x, y, color)
            Colors that the result has at pixels of the image, ``#RRGGBB`` or three numbers from 0 to 255. Their chroma
            counts; luma stays the image's. U-Net only.
        alternatives : int, optional
            Give so many plausible colorizations instead of one. U-Net only.
        alternative : Alternative
            Give this one of those that `draw_alternatives` drew, with any hints, vividness and size. U-Net only.
        raw : bool
            Give the network's own picture, at its own resolution and enlarged to the image's size, instead of its color
            on the image's luma. Autoencoder only.
        seed : int
            Of the alternatives.
        max_pixels : int
            Largest H x W that is accepted.

        Returns
        -------
        (H, W, 3) or (H, W, 4) uint8, or a list of them
            RGB of the image's size, with its alpha if it has transparency.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the model can't do what is asked, or a number is out of its range.
        """
        _check(vividness, detail, alternatives)
        pixels = decode_image(image, max_pixels=max_pixels, copy=False)
        if alternatives is None and not alternative:
            return self._colorize([pixels], raw, vividness, detail, [hints] if hints else None)[0]
        if raw:
            raise ValueError("raw doesn't go with alternatives")
        unet = self._require_unet("alternatives")
        luma = to_luma(pixels[:, :, :3])
        fixed = _parse_hints(hints, luma)
        drawn = [alternative] if alternatives is None else unet.draw(luma, alternatives, detail, fixed, seed)
        chromas = unet.paint([luma] * len(drawn), vividness, detail, [fixed] * len(drawn), drawn)
        results = [_join(pixels, luma, chroma) for chroma in chromas]
        return results[0] if alternatives is None else results

    def draw_alternatives(
        self,
        image: Any,
        count: int,
        *,
        detail: int = DEFAULT_DETAIL,
        hints: Sequence[HintLike] = (),
        seed: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Alternative]:
        """Draw what makes several colorizations of an image, without colorizing it: each is for `colorize`.

        Parameters and errors are those of `colorize`, whose ``alternatives=count`` gives the same ones.
        """
        _check(0, detail, count)
        unet = self._require_unet("alternatives")
        luma = to_luma(decode_image(image, max_pixels=max_pixels, copy=False)[:, :, :3])
        return unet.draw(luma, count, detail, _parse_hints(hints, luma), seed)

    def palette(
        self,
        image: Any,
        x: float,
        y: float,
        *,
        detail: int = DEFAULT_DETAIL,
        hints: Sequence[HintLike] = (),
        count: int = 6,
        max_pixels: int = MAX_PIXELS,
    ) -> list[str]:
        """List the colors that are likely at a pixel of an image.

        Parameters
        ----------
        image, detail, hints, max_pixels
            As in `colorize`.
        x, y : float
            Column and row of the pixel.
        count : int
            How many colors are wanted; there are fewer where the pixel is nearly black or white.

        Returns
        -------
        list of str
            Different colors ``#RRGGBB`` that have the pixel's luma, the likeliest first.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the pixel lies outside the image, or the model predicts no distribution: only the U-Net does.
        """
        _check(0, detail)
        unet = self._require_unet("palette")
        luma = to_luma(decode_image(image, max_pixels=max_pixels, copy=False)[:, :, :3])
        place = parse_hint(x, y, "#000000", *luma.shape)
        chromas = unet.likely(luma, place, count, detail, _parse_hints(hints, luma))
        colors = join(np.full((len(chromas), 1), luma[int(y), int(x)]), chromas[:, None])
        return list(dict.fromkeys(f"#{bytes(color).hex()}" for color in colors[:, 0]))

    def colorize_batch(
        self,
        images: Sequence[Any],
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int = DEFAULT_DETAIL,
        hints: Sequence[Sequence[HintLike]] | None = None,
        raw: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> list[NDArray[np.uint8]]:
        """Colorize several images in one go, which is faster for small ones; otherwise as `colorize`.

        `hints` has an entry an image.
        """
        _check(vividness, detail)
        if hints is not None and len(hints) != len(images):
            raise ValueError(f"hints must have an entry an image: {len(images)} images, {len(hints)} entries")
        pixels = [decode_image(image, max_pixels=max_pixels, copy=False) for image in images]
        return self._colorize(pixels, raw, vividness, detail, hints)

    def uncertainty(
        self, image: Any, *, detail: int = DEFAULT_DETAIL, max_pixels: int = MAX_PIXELS
    ) -> NDArray[np.float32]:
        """Tell where the colors of an image are a guess.

        Parameters
        ----------
        image, detail, max_pixels
            As in `colorize`.

        Returns
        -------
        (H, W) float32
            Normalized entropy of the predicted distribution: 0 where the network is sure, 1 where it knows nothing.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the model predicts no distribution: only the U-Net does.
        """
        _check(0, detail)
        unet = self._require_unet("uncertainty")
        luma = to_luma(decode_image(image, max_pixels=max_pixels, copy=False)[:, :, :3])
        return resize(unet.doubt(luma, detail), luma.shape[0], luma.shape[1], cv2.INTER_LINEAR)

    def _require_unet(self, ability: str) -> ChromaPainter:
        if self._unet is None:
            raise ValueError(f"the autoencoder has no {ability}: take the U-Net")
        return self._unet

    def _colorize(
        self,
        images: list[NDArray[np.uint8]],
        raw: bool,
        vividness: float,
        detail: int,
        hints: Sequence[Sequence[HintLike]] | None,
    ) -> list[NDArray[np.uint8]]:
        if raw and hints:
            raise ValueError("raw doesn't go with hints")
        if hints:
            self._require_unet("hints")
        if raw and not self.paints_rgb:
            raise ValueError("the U-Net predicts chroma only: the autoencoder alone has a raw picture of its own")
        results = []
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            lumas = [to_luma(image[:, :, :3]) for image in part]
            if self._unet is not None:
                given = [()] * len(part) if hints is None else hints[start : start + _BATCH]
                fixed = [_parse_hints(*pair) for pair in zip(given, lumas, strict=True)]
                chromas = self._unet.paint(lumas, vividness, detail, fixed)
                joined = join_each(zip(lumas, chromas, strict=True))
            elif raw:
                painted = zip(lumas, self._paint(lumas), strict=True)
                joined = (_enlarge(picture, *luma.shape) for luma, picture in painted)
            else:
                joined = join_each(zip(lumas, map(to_chroma, self._paint(lumas)), strict=True))
            results += [_with_alpha(rgb, image) for rgb, image in zip(joined, part, strict=True)]
        return results

    def _paint(self, lumas: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Run the autoencoder on thumbnails: (h, w, 3) float32 RGB in [0, 1] each."""

        def work(part: list[NDArray[np.uint8]], one_core: bool) -> NDArray[np.float32]:
            thumbnails = np.stack([_shrink(luma, *self._runtime.size) for luma in part])
            return self._runtime(thumbnails[..., None].astype(np.float32) / np.float32(255), one_core=one_core)

        parts = [lumas[i : i + _PART] for i in range(0, len(lumas), _PART)]
        return chain.from_iterable(share_out(work, parts))


def _check(vividness: float, detail: int, alternatives: int | None = None) -> None:
    """Raise `ValueError` for numbers out of their range."""
    if not 0 <= vividness <= 1:
        raise ValueError(f"vividness must lie in [0, 1], got {vividness}")
    if detail < 2:
        raise ValueError(f"detail must be at least 2 pixels, got {detail}")
    if alternatives is not None and alternatives < 1:
        raise ValueError(f"alternatives must be at least 1, got {alternatives}")


def _parse_hints(hints: Sequence[HintLike], luma: NDArray[np.uint8]) -> list[Hint]:
    return [parse_hint(x, y, color, *luma.shape) for x, y, color in hints]


def _join(image: NDArray[np.uint8], luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> NDArray[np.uint8]:
    return _with_alpha(join_upsampled(luma, chroma), image)


def _with_alpha(rgb: NDArray[np.uint8], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a result the alpha of its image, where that has one."""
    return np.dstack([rgb, image[:, :, 3]]) if image.shape[2] == 4 else rgb


def _shrink(luma: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring luma (H, W) to the size that the network sees; averaging, since anything else lets fine detail alias."""
    larger = luma.shape[0] > height or luma.shape[1] > width
    return resize(luma, height, width, cv2.INTER_AREA if larger else cv2.INTER_LINEAR)


def _enlarge(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8]:
    """Bring the network's RGB in [0, 1] to (H, W, 3) uint8."""
    picture = resize(picture, height, width, cv2.INTER_LINEAR)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
