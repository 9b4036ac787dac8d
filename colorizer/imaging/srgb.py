"""Samples of every kind, and Pillow pictures of every mode, to 8-bit sRGB arrays."""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB_PROFILE = SRGB_PROFILE[:24] + bytes(12) + SRGB_PROFILE[36:]  # Without the date of its making: files repeat.
"""The ICC profile of sRGB, which results are marked with."""

_STRIP_ROWS = 256  # Rows converted at a time: Pillow takes four bytes a pixel, and a copy of all for each step.
_SAMPLED = 4_000_000  # Floats that a percentile is estimated from.
_SRGB_GAMMA = 1 / 2.2
_NO_COLOR = "it has pixels whose colors are missing from its palette"


def to_srgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded picture of any of Pillow's modes to an array, upright, by its ICC profile if it has one.

    A PNG that tells a gamma, and no color space, is converted from that. What happened to its samples is added to
    ``picture.info["notes"]``.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the picture has transparency.
    """
    orientation = _read_orientation(picture)
    table = _gamma_table(picture.info, 256)
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits: Pillow's own conversion would clip them to 8.
        info, samples = picture.info, np.asarray(picture)
        if samples.dtype == np.int32:  # Pillow's pictures of 32 bits hold 16.
            samples = np.clip(samples, 0, 65535).astype(np.uint16)
        if table is not None and samples.dtype == np.uint16:
            levels, note, table = _gamma_table(info, 65536)[samples], "", None  # type: ignore[index]
        else:
            levels, note = to_bytes(samples)
        picture = Image.fromarray(levels)
        if isinstance(transparent := info.get("transparency"), int):  # Of a picture that Pillow read from PNG.
            picture.putalpha(Image.fromarray((samples != transparent) * np.uint8(255)))
        picture.info["icc_profile"] = info.get("icc_profile")
        info["notes"] = [*info.get("notes", ()), *[note] * bool(note)]
    alpha = picture.has_transparency_data
    convert = _conversion(picture)
    width, height = picture.size
    result = np.empty((height, width, 4 if alpha else 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        strip = picture.crop((0, top, width, min(top + _STRIP_ROWS, height)))
        if strip.mode == "La":  # Pillow converts it to nothing else.
            strip = strip.convert("LA")
        part = result[top : top + _STRIP_ROWS]
        colors = np.asarray(convert(strip))
        part[..., :3] = colors if table is None else table[colors]
        if alpha:
            part[..., 3] = np.asarray(strip.convert("RGBA").getchannel("A"))
    return turn_upright(result, orientation)


def _read_orientation(picture: Image.Image) -> int:
    """Read the orientation that a picture's EXIF tells, or its XMP where EXIF tells none; 1 is upright."""
    with suppress(Exception):  # EXIF is damaged in more ways than Pillow names errors for; the pixels are what counts.
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn an image (H, W, C) as an orientation of EXIF tells; an unknown one leaves it as it is."""
    turned = {
        2: lambda: image[:, ::-1],
        3: lambda: image[::-1, ::-1],
        4: lambda: image[::-1],
        5: lambda: image.swapaxes(0, 1),
        6: lambda: np.rot90(image, -1),
        7: lambda: np.rot90(image, -1)[::-1],
        8: lambda: np.rot90(image),
    }.get(orientation)
    return np.ascontiguousarray(turned()) if turned else image


def _gamma_table(info: dict[Any, Any], levels: int) -> NDArray[np.uint8] | None:
    """Make the table from stored levels to sRGB's, for a PNG that tells a gamma; None for all others."""
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or info.get("icc_profile") or "srgb" in info or not 0.05 <= gamma <= 5:
        return None
    if abs(gamma - _SRGB_GAMMA) < 0.002:  # What programs write that mean sRGB.
        return None
    linear = np.linspace(0, 1, levels) ** (1 / gamma)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def to_bytes(array: NDArray[Any], bits: int | None = None) -> tuple[NDArray[np.uint8], str]:
    """Scale samples of any number type to 8 bits. This is the one place where the rule stands.

    - Whole numbers are scaled from the range of their type, 0 to its greatest; negative ones become 0.
    - Floats, by their 99.9th percentile, which a few hot pixels don't move: up to 1 they are clipped to [0, 1]; up to
      255 divided by that; up to 65,535 by that; beyond, the range from the 0.1st to the 99.9th percentile is stretched.
      What is no number becomes 0.

    Parameters
    ----------
    array : (H, W) or (H, W, C) of any type of numbers
        The samples.
    bits : int, optional
        Bits of whole numbers without a sign, where they are fewer than those of their type.

    Returns
    -------
    levels : uint8, of the same shape
        The samples in 8 bits.
    note : str
        What a person should know of it; mostly empty.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ""
    if np.issubdtype(array.dtype, np.integer):
        greatest = np.iinfo(array.dtype).max if bits is None else 2**bits - 1
        if array.dtype == np.uint8 and greatest == 255:
            return np.ascontiguousarray(array), ""
        if array.dtype == np.uint16 and greatest == 65535:
            return scale(array, 1 / 257), ""
        return _scale_range(array, 0, float(greatest)), ""
    step = max(array.size // _SAMPLED, 1)
    sampled = array.reshape(-1)[::step].astype(np.float64)
    sampled = sampled[np.isfinite(sampled)]
    high = float(np.quantile(sampled, 0.999, method="lower")) if sampled.size else 1.0
    for greatest in (1, 255, 65535):
        if high <= greatest:
            return _scale_range(array, 0, greatest), ""
    low = float(np.quantile(sampled, 0.001, method="higher"))
    return _scale_range(array, low, high), f"its samples from {low:g} to {high:g} were stretched to black and white"


def _scale_range(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Bring samples from [low, high] to 8 bits, by strips of rows: in floats the whole would be many times as large."""
    result = np.empty(array.shape, np.uint8)
    exact = np.float64 if array.dtype.itemsize > 4 or high > 1e30 or low < -1e30 else np.float32
    for top in range(0, len(array), _STRIP_ROWS):
        strip = array[top : top + _STRIP_ROWS].astype(exact)
        strip = np.nan_to_num(strip, nan=low, posinf=high, neginf=low)
        strip = (np.clip(strip, low, high) - exact(low)) * exact(255 / max(high - low, 1e-300))
        result[top : top + _STRIP_ROWS] = np.rint(strip)
    return result


def apply_palette(indices: NDArray[Any], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give indices (H, W) the colors of a table (N, 3) of uint8; `ValueError` if the table lacks one of them."""
    if indices.size and indices.max() >= len(table):
        raise ValueError(_NO_COLOR)
    result = np.empty((*indices.shape, 3), np.uint8)
    for top in range(0, len(indices), _STRIP_ROWS):  # NumPy makes eight bytes of each index.
        result[top : top + _STRIP_ROWS] = table[indices[top : top + _STRIP_ROWS]]
    return result


def check_palette(picture: Image.Image) -> None:
    """Raise `ValueError` if the palette of a loaded picture lacks one of its colors, which Pillow makes black."""
    if picture.mode == "P":
        counts = picture.histogram()
        if isinstance(transparent := picture.info.get("transparency"), int):
            counts[transparent] = 0
        if any(counts[len(picture.getpalette() or ()) // 3 :]):
            raise ValueError(_NO_COLOR)


def scale(array: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """Multiply an array of any shape, round, and clip to uint8, without a copy in floats."""
    kind = array.dtype.name if array.dtype.name in ("uint16", "float64") else "float32"
    flat: NDArray[Any] = np.ascontiguousarray(array, kind).reshape(
        array.shape[0], -1
    )  # More than four channels are none to OpenCV.
    return np.asarray(cv2.convertScaleAbs(flat, alpha=factor), np.uint8).reshape(array.shape)


def _conversion(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Find how strips of a picture become RGB: by its ICC profile, if it has one that can be used."""

    def plain(strip: Image.Image) -> Image.Image:
        return strip.convert("RGBA" if strip.mode in ("P", "PA", "LA", "RGBa") else "RGB").convert("RGB")

    profile = picture.info.get("icc_profile")
    if not profile or profile == SRGB_PROFILE:
        return plain
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        gray, cmyk = picture.mode in ("1", "L", "LA", "La"), picture.mode == "CMYK"
        mode = {"GRAY": "L" if gray else None, "RGB": None if cmyk else "RGB", "CMYK": "CMYK" if cmyk else None}[space]
        if mode is None:
            return plain
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, KeyError):
        return plain  # A broken profile, or one of another kind of picture: the pixels are read as sRGB.

    def by_profile(strip: Image.Image) -> Image.Image:
        strip = strip.convert("L") if mode == "L" else strip if mode == "CMYK" else plain(strip)
        converted = ImageCms.applyTransform(strip, transform)
        return plain(strip) if converted is None else converted

    return by_profile
