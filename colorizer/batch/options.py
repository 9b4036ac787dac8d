"""Options of ``colorizer colorize``, which can be pickled for other processes and machines."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorizer import __version__
from colorizer.batch.plan import UsageError
from colorizer.files import sha256
from colorizer.imaging.decode import MAX_PIXELS
from colorizer.imaging.metadata import Metadata, mark_colorized
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.colorizer import Colorizer, HintLike
from colorizer.inference.options import ColorOptions


@dataclass(frozen=True)
class PaintOptions(ColorOptions):
    """How images are colorized; see `Colorizer.colorize` for each option.

    Raises
    ------
    UsageError
        If a number is out of its range.
    """

    hints: tuple[HintLike, ...] = ()
    alternatives: int | None = None
    uncertainty: bool = False
    raw: bool = False
    seed: int = 0
    max_pixels: int = MAX_PIXELS
    accept_truncated: bool = False

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except ValueError as error:
            raise UsageError(str(error)) from None
        for option, value, least in (
            ("alternatives", self.alternatives, 1),
            ("seed", self.seed, 0),
            ("max_pixels", self.max_pixels, 1),
        ):
            if value is not None and value < least:
                raise UsageError(f"{option} must be at least {least}, got {value}")

    def digest(self, model: str | Path) -> str:
        """Compute a digest of these settings and of a model's weights; raise `ModelError` if there is no such model."""
        settings = asdict(self)
        for option in ("max_pixels", "accept_truncated"):  # They don't change results.
            del settings[option]
        return digest_settings(settings, Checkpoint.find(model).weights_sha256)

    @property
    def name_suffixes(self) -> list[str]:
        """Suffixes of the names of an image's results, in the order in which `paint` returns them."""
        name_suffixes = [f"-{i + 1}" for i in range(self.alternatives)] if self.alternatives else [""]
        return name_suffixes + (["-uncertainty"] if self.uncertainty else [])


def check_model(model: Colorizer, options: PaintOptions) -> None:
    """Raise `UsageError` if the model doesn't support the options."""
    wanted = {
        "hints": options.hints,
        "alternatives": options.alternatives,
        "uncertainty": options.uncertainty,
        "raw output": options.raw,
    }
    try:
        model.require(*(ability for ability, value in wanted.items() if value))
    except ValueError as error:
        raise UsageError(str(error)) from None


def paint(model: Colorizer, images: list[NDArray[np.uint8]], options: PaintOptions) -> list[list[NDArray[np.uint8]]]:
    """Colorize images.

    Parameters
    ----------
    model : Colorizer
        The model.
    images : list of (H, W, 3) or (H, W, 4) uint8
        RGB or RGBA images of any size.
    options : PaintOptions
        How to colorize them.

    Returns
    -------
    list of lists of (H, W, 3) or (H, W, 4) uint8
        For each image, one result for each of ``options.name_suffixes``; they don't depend on the other images.
    """
    keywords: dict[str, Any] = {field.name: getattr(options, field.name) for field in fields(ColorOptions)}
    keywords["max_pixels"] = options.max_pixels
    if not (options.hints or options.alternatives or options.uncertainty):
        return [[result] for result in model.colorize_batch(images, raw=options.raw, **keywords)]
    painted = []
    for image in images:
        if options.alternatives:
            results = model.colorize_alternatives(
                image, options.alternatives, hints=options.hints, seed=options.seed, **keywords
            )
        else:
            results = [model.colorize(image, hints=options.hints, raw=options.raw, **keywords)]
        if options.uncertainty:
            plane = model.uncertainty(
                image,
                detail=options.detail,
                hints=options.hints,
                prepare=options.prepare,
                max_pixels=options.max_pixels,
            )
            results.append(np.repeat(np.rint(plane * 255).astype(np.uint8)[..., None], 3, axis=-1))
        painted.append(results)
    return painted


def digest_settings(settings: Mapping[str, Any], weights: str) -> str:
    """Compute a digest of settings and the SHA-256 of weights: results with another digest are outdated."""
    return sha256(json.dumps({**settings, "weights": weights}, sort_keys=True, default=str).encode())


def mark_result(metadata: Metadata, digest: str) -> Metadata:
    """Add to a result's metadata that a model made its colors, which program did, and the digest of the settings."""
    return mark_colorized(metadata, f"Colorizer {__version__}", digest)
