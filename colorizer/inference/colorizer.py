"""`Colorizer`: load a model once, colorize many images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import FROM_CHROMA, join, resize, to_luma
from colorizer.imaging.decode import MAX_PIXELS, decode_image
from colorizer.imaging.upsampling import join_each
from colorizer.inference.autoencoder import AutoencoderPainter
from colorizer.inference.checkpoint import CONFIG, DEFAULT_MODEL, Checkpoint, ModelError
from colorizer.inference.hints import Hint, parse_hint
from colorizer.inference.options import DEFAULT_VIVIDNESS, ColorOptions
from colorizer.inference.painter import Alternative, Painter
from colorizer.inference.reach import DEFAULT_REACH, limit_reach
from colorizer.inference.runtime import Runtime, load_runtime
from colorizer.inference.unet import UNetPainter
from colorizer.inference.view import View

_BATCH = 256  # Images processed at once: larger batches aren't faster, and take more memory.


HintLike = tuple[float, float, str | Sequence[int]]
"""Column and row of a pixel, and its color."""


class Colorizer:
    """Colorizes images of any size.

    The network sees a thumbnail of the luma and predicts color; the result joins it with the image's own luma at
    full resolution. An image that has color already is treated as if it were gray.

    Examples
    --------
    >>> from colorizer import Colorizer
    >>> colorizer = Colorizer.load()
    >>> colorizer.colorize("samples/cifar10/00_cat.png").shape
    (32, 32, 3)
    """

    def __init__(self, painter: Painter) -> None:
        self._painter = painter

    @classmethod
    def load(cls, model: str | Path = DEFAULT_MODEL) -> "Colorizer":
        """Load a model.

        Parameters
        ----------
        model : str or pathlib.Path
            Name of an included model (`list_models`); path of a folder with ``config.json`` and ``model.tflite`` or
            ``model.keras``, or of one of these two files; or ``hf://USER/MODEL@REVISION`` for a model on the Hugging
            Face Hub, which is cached, where the revision (commit, tag or branch) is optional. Load only models from
            people you trust: a malicious file can crash the process. ``model.tflite`` is used if it exists; a
            ``model.keras`` alone needs Keras and one of its backends.

        Raises
        ------
        ModelError
            If there is no such model; if its file, its export or its ``config.json`` can't be used; if the Hub can't be
            reached; or if weights don't match their ``config.json``.
        """
        checkpoint = Checkpoint.find(model)
        try:
            runtime = load_runtime(checkpoint)
        except Exception as error:  # Keras raises anything from OSError to TypeError on files it can't use.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{checkpoint.name} can't be used as a model: {reason}") from error
        return cls.from_runtime(runtime, checkpoint)

    @classmethod
    def from_runtime(cls, runtime: Runtime, checkpoint: Checkpoint) -> "Colorizer":
        """Make a colorizer from a loaded network and the record beside its file; `ModelError` as in `load`."""
        if runtime.network == "autoencoder":
            return cls(AutoencoderPainter(runtime))
        try:
            return cls(UNetPainter(runtime, checkpoint.read_config()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            record = Path(checkpoint.folder.name, CONFIG)
            raise ModelError(
                f"{record}, which has the chroma bins of {checkpoint.path.name}, can't be used: "
                f"{type(error).__name__}: {error}"
            ) from error

    @property
    def abilities(self) -> frozenset[str]:
        """Which of `colorizer.inference.painter.ABILITIES` this model has."""
        return self._painter.abilities

    @property
    def working_size(self) -> int | None:
        """Long side of the thumbnail that the U-Net sees by default; None if the model has a fixed size."""
        return self._painter.working_size

    def require(self, *abilities: str) -> None:
        """Raise `ValueError` unless the model has these abilities."""
        for ability in abilities:
            if ability not in self.abilities:
                self._painter.refuse(ability)

    def colorize(
        self,
        image: Any,
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int | None = None,
        hints: Sequence[HintLike] = (),
        reach: float | None = DEFAULT_REACH,
        prepare: bool = True,
        alternative: Alternative = (),
        raw: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> NDArray[np.uint8]:
        """Colorize an image.

        Parameters
        ----------
        image : str, pathlib.Path, bytes, PIL.Image.Image or numpy.ndarray
            What `colorizer.imaging.decode.decode_image` takes, of any size.
        vividness : float
            From 0, the color with the smallest expected error, to 1, as colorful as real images. No effect with the
            autoencoder.
        detail : int, optional
            Long side of the thumbnail that the U-Net sees, in pixels; by default, `working_size`.
        hints : sequence of (x, y, color)
            Colors that pixels should get: column and row of the pixel, and ``#RRGGBB`` or three numbers from 0 to 255.
            Only their chroma is used; luma stays the image's. U-Net only.
        reach : float, optional
            How far a hint reaches, from 0 (only the spot) to 1; it ends at edges. With None, it reaches as far as the
            network spreads it, which may be everywhere.
        prepare : bool
            If the image is an old print, crop its paper border and restore its faded contrast before the network sees
            it. The result still has the image's own luma.
        alternative : Alternative
            A result of `draw_alternatives`; hints, vividness and size may differ from those there. U-Net only.
        raw : bool
            Return the network's own low-resolution picture, enlarged to the image's size, instead of its color on the
            image's luma. Autoencoder only.
        max_pixels : int
            Maximum H x W, at least 1.

        Returns
        -------
        (H, W, 3) or (H, W, 4) uint8
            RGB of the image's size, with alpha if the image has transparency.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the model lacks a requested ability, or a number is out of range.
        """
        options = ColorOptions(vividness, detail, reach, prepare)
        pixels = decode_image(image, max_pixels=max_pixels, copy=False)
        return self._colorize([pixels], options, [hints], [alternative], raw)[0]

    def colorize_alternatives(
        self,
        image: Any,
        count: int,
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int | None = None,
        hints: Sequence[HintLike] = (),
        reach: float | None = DEFAULT_REACH,
        prepare: bool = True,
        seed: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> list[NDArray[np.uint8]]:
        """Return several plausible colorizations of an image; U-Net only.

        Parameters
        ----------
        image, vividness, detail, hints, reach, prepare, max_pixels
            As in `colorize`.
        count : int
            Number of results, at least 1.
        seed : int
            Random seed; the same seed gives the same colors.

        Returns
        -------
        list of (H, W, 3) or (H, W, 4) uint8
            As from `colorize`; the most probable comes first.

        Raises
        ------
        colorizer.imaging.decode.ImageError, ValueError
            As `colorize`; `ValueError` also if `count` is less than 1.
        """
        options = ColorOptions(vividness, detail, reach, prepare)
        pixels = decode_image(image, max_pixels=max_pixels, copy=False)
        drawn = self.draw_alternatives(
            pixels, count, detail=detail, hints=hints, prepare=prepare, seed=seed, max_pixels=max_pixels
        )
        return self._colorize([pixels] * count, options, [hints] * count, drawn)

    def draw_alternatives(
        self,
        image: Any,
        count: int,
        *,
        detail: int | None = None,
        hints: Sequence[HintLike] = (),
        prepare: bool = True,
        seed: int = 0,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Alternative]:
        """Draw alternatives as in `colorize_alternatives`, but return each as an `alternative` for `colorize`."""
        options = ColorOptions(detail=detail, prepare=prepare)
        _check_count(count)
        luma = _read_luma(image, max_pixels)
        view = View.of(luma, options.prepare)
        view_hints = view.to_view(_parse(hints, luma))
        return [
            view.from_view(drawn)
            for drawn in self._painter.draw_alternatives(
                view.luma, count, detail=options.detail, hints=view_hints, seed=seed
            )
        ]

    def suggest_colors(
        self,
        image: Any,
        x: float,
        y: float,
        *,
        detail: int | None = None,
        hints: Sequence[HintLike] = (),
        prepare: bool = True,
        count: int = 6,
        max_pixels: int = MAX_PIXELS,
    ) -> list[str]:
        """List likely colors for a pixel of an image; U-Net only.

        Parameters
        ----------
        image, detail, hints, prepare, max_pixels
            As in `colorize`.
        x, y : float
            Column and row of the pixel.
        count : int
            Maximum number of colors, at least 1; there are fewer if the pixel is nearly black or white.

        Returns
        -------
        list of str
            Different colors ``#RRGGBB`` with the pixel's luma, the most probable first.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the pixel is outside the image, a number is out of range, or the model takes no hints.
        """
        options = ColorOptions(detail=detail, prepare=prepare)
        _check_count(count)
        luma = _read_luma(image, max_pixels)
        point = parse_hint(x, y, "#000000", *luma.shape)
        view = View.of(luma, options.prepare)
        if not view.to_view([point]):  # It is on the paper border.
            view = View.of(luma, prepare=False)
        [placed] = view.to_view([point])
        chromas = self._painter.suggest_colors(
            view.luma, placed, count, detail=options.detail, hints=view.to_view(_parse(hints, luma))
        )
        level = luma[int(y), int(x)]
        # Reduce the saturation of colors outside the RGB cube: clipping would change their luma.
        differences = chromas @ FROM_CHROMA.T
        room = np.where(differences > 0, 255.0 - level, level)
        chromas = chromas * np.minimum(room / np.maximum(np.abs(differences), 1e-6), 1).min(axis=1, keepdims=True)
        colors = join(np.full((len(chromas), 1), level), chromas[:, None].astype(np.float32))
        return list(dict.fromkeys(f"#{bytes(color).hex()}" for color in colors[:, 0]))

    def colorize_batch(
        self,
        images: Sequence[Any],
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int | None = None,
        hints: Sequence[Sequence[HintLike]] | None = None,
        reach: float | None = DEFAULT_REACH,
        prepare: bool = True,
        raw: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> list[NDArray[np.uint8]]:
        """Colorize several images at once, which is faster for small ones.

        Parameters
        ----------
        images : sequence
            As `image` in `colorize`, of any sizes.
        vividness, detail, reach, prepare, raw, max_pixels
            As in `colorize`.
        hints : sequence of sequences of (x, y, color), optional
            One entry per image, as in `colorize`.

        Returns
        -------
        list of (H, W, 3) or (H, W, 4) uint8
            As from `colorize`, in the order of the images.

        Raises
        ------
        colorizer.imaging.decode.ImageError, ValueError
            As `colorize`; `ValueError` also if `hints` doesn't have one entry per image.
        """
        options = ColorOptions(vividness, detail, reach, prepare)
        if hints is not None and len(hints) != len(images):
            raise ValueError(f"hints must have one entry per image: {len(images)} images, {len(hints)} entries")
        pixels = [decode_image(image, max_pixels=max_pixels, copy=False) for image in images]
        return self._colorize(pixels, options, hints or [()] * len(images), raw=raw)

    def predict_chroma(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        *,
        vividness: float = DEFAULT_VIVIDNESS,
        detail: int | None = None,
    ) -> list[NDArray[np.float32]]:
        """Predict only the chroma of luma planes, for callers that join the two themselves, such as for videos.

        Parameters
        ----------
        lumas : sequence of (H, W) uint8
            Full-range Rec. 601 luma.
        vividness, detail
            As in `colorize`.

        Returns
        -------
        list of (h, w, 2) float32
            Cb and Cr in [-0.5, 0.5], at the network's output size.

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        options = ColorOptions(vividness, detail)
        return list(self._painter.predict_chroma(lumas, vividness=options.vividness, detail=options.detail))

    def predict_distribution(
        self, image: Any, *, detail: int | None = None, max_pixels: int = MAX_PIXELS
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict the distribution over chroma in each cell of a thumbnail; U-Net only.

        Parameters
        ----------
        image, detail, max_pixels
            As in `colorize`.

        Returns
        -------
        tuple of (K, 2) and (h, w, K) float32
            Cb and Cr of the bins, in [-0.5, 0.5], and their probabilities.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the model predicts no distribution, or a number is out of range.
        """
        options = ColorOptions(detail=detail)
        return self._painter.predict_distribution(_read_luma(image, max_pixels), detail=options.detail)

    def uncertainty(
        self,
        image: Any,
        *,
        detail: int | None = None,
        hints: Sequence[HintLike] = (),
        prepare: bool = True,
        max_pixels: int = MAX_PIXELS,
    ) -> NDArray[np.float32]:
        """Estimate how uncertain the colors of an image are, at each pixel; U-Net only.

        Parameters
        ----------
        image, detail, hints, prepare, max_pixels
            As in `colorize`.

        Returns
        -------
        (H, W) float32
            Normalized entropy of the predicted distribution: 0 where the network is certain, 1 where it is guessing. A
            paper border that is cropped is 0.

        Raises
        ------
        colorizer.imaging.decode.ImageError
            If the image can't be decoded.
        ValueError
            If the model predicts no distribution, or a number is out of range.
        """
        options = ColorOptions(detail=detail, prepare=prepare)
        luma = _read_luma(image, max_pixels)
        view = View.of(luma, options.prepare)
        seen = self._painter.predict_uncertainty(
            view.luma, detail=options.detail, hints=view.to_view(_parse(hints, luma))
        )
        return resize(view.pad_to_image(seen), luma.shape[0], luma.shape[1], cv2.INTER_LINEAR)

    def _colorize(
        self,
        images: Sequence[NDArray[np.uint8]],
        options: ColorOptions,
        hints: Sequence[Sequence[HintLike]],
        alternatives: Sequence[Alternative] = (),
        raw: bool = False,
    ) -> list[NDArray[np.uint8]]:
        if raw and (any(hints) or any(alternatives)):
            raise ValueError("raw can't be combined with hints or alternatives")
        results = []
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            lumas = [to_luma(image[:, :, :3]) for image in part]
            if raw:
                pictures = self._painter.paint_raw(lumas)
                painted: Iterator[NDArray[np.uint8]] = (
                    _enlarge(picture, *luma.shape) for luma, picture in zip(lumas, pictures, strict=True)
                )
            else:
                parsed = [_parse(*pair) for pair in zip(hints[start : start + _BATCH], lumas, strict=True)]
                chosen = alternatives[start : start + _BATCH] or [()] * len(lumas)
                chromas = self._predict(lumas, options, parsed, chosen)
                painted = join_each(zip(lumas, chromas, strict=True))
            results += [_with_alpha(rgb, image) for rgb, image in zip(painted, part, strict=True)]
        return results

    def _predict(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        options: ColorOptions,
        hints: Sequence[Sequence[Hint]],
        alternatives: Sequence[Alternative],
    ) -> Iterator[NDArray[np.float32]]:
        """Predict chroma, with hints within their reach and without them elsewhere."""
        given: dict[str, Any] = {"vividness": options.vividness, "detail": options.detail}
        views = [View.of(luma, options.prepare) for luma in lumas]
        seen = [view.luma for view in views]
        view_hints, chosen = (
            [view.to_view(each) for view, each in zip(views, points, strict=True)] for points in (hints, alternatives)
        )
        chromas = self._painter.predict_chroma(seen, hints=view_hints, alternatives=chosen, **given)
        limited = [i for i, points in enumerate(view_hints) if points and options.reach is not None]
        plain: dict[int, NDArray[np.float32]] = {}
        if limited:
            alone = self._painter.predict_chroma(
                [seen[i] for i in limited], alternatives=[chosen[i] for i in limited], **given
            )
            plain = dict(zip(limited, alone, strict=True))
        for i, (view, chroma) in enumerate(zip(views, chromas, strict=True)):
            if i in plain and options.reach is not None:
                chroma = limit_reach(view.luma, plain.pop(i), chroma, view_hints[i], options.reach)
            yield view.pad_to_image(chroma)


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"the count must be at least 1, got {count}")


def _read_luma(image: Any, max_pixels: int) -> NDArray[np.uint8]:
    return to_luma(decode_image(image, max_pixels=max_pixels, copy=False)[:, :, :3])


def _parse(hints: Sequence[HintLike], luma: NDArray[np.uint8]) -> list[Hint]:
    return [parse_hint(x, y, color, *luma.shape) for x, y, color in hints]


def _with_alpha(rgb: NDArray[np.uint8], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add the alpha channel of an image to its result, if it has one."""
    return np.dstack([rgb, image[:, :, 3]]) if image.shape[2] == 4 else rgb


def _enlarge(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8]:
    """Enlarge the network's RGB in [0, 1] to (H, W, 3) uint8."""
    picture = resize(picture, height, width, cv2.INTER_LINEAR)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
