"""Convert samples of any type, and Pillow pictures of any mode, to 8-bit sRGB arrays."""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SRGB_PROFILE = SRGB_PROFILE[:24] + bytes(12) + SRGB_PROFILE[36:]  # Without its creation date: results are reproducible.
"""The ICC profile of sRGB, embedded in results."""

_STRIP_ROWS = 256  # Rows converted at a time, since each step of Pillow's makes a copy with four bytes per pixel.
_SAMPLED = 4_000_000  # Samples that a percentile is estimated from.
_SRGB_GAMMA = 1 / 2.2
_NO_COLOR = "it has pixels whose colors are missing from its palette"


def to_srgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded Pillow picture of any mode to an upright sRGB array, using its ICC profile if it has one.

    A PNG with a gamma but no color space is converted from that gamma. If samples were rescaled in a way that the user
    should know about, ``picture.info["notes"]`` says so.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the picture has transparency.
    """
    orientation = _read_orientation(picture)
    table = _gamma_table(picture.info, 256)
    if picture.mode.startswith(("I", "F")):  # 16 or 32 bits, which Pillow's own conversion would clip to 8.
        info, samples = picture.info, np.asarray(picture)
        if samples.dtype == np.int32:  # Pillow's 32-bit pictures hold 16-bit samples.
            samples = np.clip(samples, 0, 65535).astype(np.uint16)
        if table is not None and samples.dtype == np.uint16:
            levels, note, table = _gamma_table(info, 65536)[samples], "", None  # type: ignore[index]
        else:
            levels, note = to_bytes(samples)
        picture = Image.fromarray(levels)
        if isinstance(transparent := info.get("transparency"), int):  # As Pillow reads it from a PNG.
            picture.putalpha(Image.fromarray((samples != transparent) * np.uint8(255)))
        picture.info["icc_profile"] = info.get("icc_profile")
        info["notes"] = [*info.get("notes", ()), *[note] * bool(note)]
    separate = picture.info.pop("alpha", None)  # Of modes that have none, such as CMYK.
    alpha = separate is not None or picture.has_transparency_data
    convert = _conversion(picture)
    width, height = picture.size
    result = np.empty((height, width, 4 if alpha else 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        box = 0, top, width, min(top + _STRIP_ROWS, height)
        strip = picture.crop(box)
        if strip.mode == "La":  # Pillow can't convert it to anything else.
            strip = strip.convert("LA")
        part = result[top : top + _STRIP_ROWS]
        colors = np.asarray(convert(strip))
        part[..., :3] = colors if table is None else table[colors]
        if alpha:
            part[..., 3] = np.asarray(separate.crop(box) if separate else strip.convert("RGBA").getchannel("A"))
    return turn_upright(result, orientation)


def _read_orientation(picture: Image.Image) -> int:
    """Read the orientation from a picture's EXIF, or from XMP if EXIF has none; 1 is upright."""
    with suppress(Exception):  # Pillow raises all kinds of errors on damaged EXIF; the pixels matter more.
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn an image (H, W, C) upright according to its EXIF orientation; an unknown one changes nothing."""
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
    """Make a table from stored levels to sRGB for a PNG with a gamma but no color space; None for all others."""
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or info.get("icc_profile") or "srgb" in info or not 0.05 <= gamma <= 5:
        return None
    if abs(gamma - _SRGB_GAMMA) < 0.002:  # Programs that mean sRGB write this value.
        return None
    linear = np.linspace(0, 1, levels) ** (1 / gamma)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def to_bytes(array: NDArray[Any], bits: int | None = None) -> tuple[NDArray[np.uint8], str]:
    """Scale samples of any numeric type to 8 bits. The rule is defined only here.

    - Integers are scaled from the range of their type, starting at 0; negative ones become 0.
    - The range of floats depends on their 99.9th percentile, which a few hot pixels don't change. If it is at most 1,
      255 or 65,535, they are scaled from 0 to that number and clipped; otherwise, the range from the 0.1st to the
      99.9th percentile is stretched. NaN becomes black.

    Parameters
    ----------
    array : (H, W) or (H, W, C) of any numeric type
        The samples.
    bits : int, optional
        Bits of unsigned integers, if they use fewer than their type has.

    Returns
    -------
    levels : uint8, of the same shape
        The samples in 8 bits.
    note : str
        What the user should know about the conversion; usually empty.
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
    """Scale samples from [low, high] to 8 bits, in strips, since all of it as floats would be many times as large."""
    result = np.empty(array.shape, np.uint8)
    exact = np.float64 if array.dtype.itemsize > 4 or high > 1e30 or low < -1e30 else np.float32
    for top in range(0, len(array), _STRIP_ROWS):
        strip = array[top : top + _STRIP_ROWS].astype(exact)
        strip = np.nan_to_num(strip, nan=low, posinf=high, neginf=low)
        strip = (np.clip(strip, low, high) - exact(low)) * exact(255 / max(high - low, 1e-300))
        result[top : top + _STRIP_ROWS] = np.rint(strip)
    return result


def apply_palette(indices: NDArray[Any], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look up indices (H, W) in a table (N, 3) of uint8 colors; `ValueError` if one of them is not in the table."""
    if indices.size and indices.max() >= len(table):
        raise ValueError(_NO_COLOR)
    result = np.empty((*indices.shape, 3), np.uint8)
    for top in range(0, len(indices), _STRIP_ROWS):  # NumPy converts each index to eight bytes.
        result[top : top + _STRIP_ROWS] = table[indices[top : top + _STRIP_ROWS]]
    return result


def check_palette(picture: Image.Image) -> None:
    """Raise `ValueError` if a loaded picture uses colors missing from its palette, which Pillow shows as black."""
    if picture.mode == "P":
        counts = picture.histogram()
        if isinstance(transparent := picture.info.get("transparency"), int):
            counts[transparent] = 0
        if any(counts[len(picture.getpalette() or ()) // 3 :]):
            raise ValueError(_NO_COLOR)


def scale(array: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """Multiply an array of any shape, round, and clip to uint8, without a float copy."""
    kind = array.dtype.name if array.dtype.name in ("uint16", "float64") else "float32"
    # In two dimensions, since OpenCV supports no more than four channels.
    flat: NDArray[Any] = np.ascontiguousarray(array, kind).reshape(array.shape[0], -1)
    return np.asarray(cv2.convertScaleAbs(flat, alpha=factor), np.uint8).reshape(array.shape)


def from_lab(levels: NDArray[np.uint8], *, shifted: bool) -> Image.Image:
    """Make a picture of Lab levels (H, W, 3), whose a and b are signed or, if `shifted`, have 128 added."""
    if shifted:
        levels = levels ^ np.array([0, 128, 128], np.uint8)
    return Image.frombytes("LAB", levels.shape[1::-1], np.ascontiguousarray(levels).tobytes())


def _conversion(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Choose how strips of a picture are converted to RGB: with its ICC profile, if that is usable."""

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
        return plain  # The profile is broken or for another kind of picture: assume sRGB.

    def by_profile(strip: Image.Image) -> Image.Image:
        strip = strip.convert("L") if mode == "L" else strip if mode == "CMYK" else plain(strip)
        converted = ImageCms.applyTransform(strip, transform)
        return plain(strip) if converted is None else converted

    return by_profile
