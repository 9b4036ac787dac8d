"""Pillow pictures of every mode to 8-bit sRGB arrays."""

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
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_srgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded picture of any of Pillow's modes to an array, by its ICC profile if it has one.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the picture has transparency.
    """
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits: Pillow's own conversion would clip them to 8.
        profile, transparent = picture.info.get("icc_profile"), picture.info.get("transparency")
        samples = np.asarray(picture)
        picture = Image.fromarray(to_bytes(samples))
        if isinstance(transparent, int):  # One level of gray, in PNG.
            picture.putalpha(Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
        picture.info["icc_profile"] = profile
    alpha = picture.has_transparency_data
    convert = _conversion(picture)
    width, height = picture.size
    result = np.empty((height, width, 4 if alpha else 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        strip = picture.crop((0, top, width, min(top + _STRIP_ROWS, height)))
        if strip.mode == "La":  # Pillow converts it to nothing else.
            strip = strip.convert("LA")
        part = result[top : top + _STRIP_ROWS]
        part[..., :3] = np.asarray(convert(strip))
        if alpha:
            part[..., 3] = np.asarray(strip.convert("RGBA").getchannel("A"))
    return result


def turn_upright(picture: Image.Image) -> Image.Image:
    """Apply the orientation that a picture's EXIF tells."""
    orientation = None
    with suppress(Exception):  # EXIF is damaged in more ways than Pillow names errors for; the pixels are what counts.
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    return picture.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else picture


def to_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale samples of any number type to 8 bits: whole numbers from their type's range, floats from [0, 1].

    Floats beyond [0, 1] are stretched from the least to the greatest. Signed numbers count from 0; those of 32 bits
    hold 16, as in Pillow's pictures and what writes such files.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint32:
        return (array >> 24).astype(np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        return scale(np.clip(array, 0, 65535).astype(np.uint16), 1 / 257)
    array = np.nan_to_num(array.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        array = (array - np.float32(low)) / np.float32(max(high - low, 1e-12))
    return scale(array, 255)


def scale(array: NDArray[Any], factor: float) -> NDArray[np.uint8]:
    """Multiply, round and bring to 8 bits, without a copy in floats."""
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
