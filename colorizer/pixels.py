"""Pillow pictures of every mode, and what Pillow can't read, to 8-bit sRGB arrays."""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

TiffTags = Mapping[int, Any]
"""Values by tag, as Pillow reads them."""

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
        profile = picture.info.get("icc_profile")
        picture = Image.fromarray(to_bytes(np.asarray(picture)))
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


def is_tiff(content: bytes) -> bool:
    """Tell a TIFF by its beginning."""
    return content[:4] in TiffImagePlugin.PREFIXES


def read_tiff_tags(content: bytes) -> TiffTags:
    """Read the tags of the first page of a TIFF."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if content[2] == 43 else 8])  # BigTIFF is 43.
    file = io.BytesIO(content)
    file.seek(tags.next)
    tags.load(file)
    return tags


def has_deep_color(tags: TiffTags) -> bool:
    """Tell whether a TIFF holds gray or RGB of more than 8 bits, of which Pillow reads some kinds, and some wrongly."""
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    premultiplied = 1 in tags.get(TiffImagePlugin.EXTRASAMPLES, ())
    return max(bits) > 8 and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in (0, 1, 2) and not premultiplied


def decode_deep_tiff(content: bytes, tags: TiffTags) -> Image.Image:
    """Decode the first page of a TIFF with `has_deep_color` to an upright picture of 8 bits, with its profile."""
    samples = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    if samples > 1 and (samples not in (3, 4) or tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) != 1):
        raise ValueError("of more than 8 bits, only gray, RGB and RGBA in one plane can be read; save it as RGB")
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise ValueError("its samples can't be read, or the file is truncated")
    array = to_bytes(array)
    if array.ndim == 3:
        alpha = samples == 4 and tags.get(TiffImagePlugin.EXTRASAMPLES, (2,))[0] == 2
        array = array[..., [2, 1, 0, 3] if alpha else [2, 1, 0]]
    elif tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # 0 is white.
        array = 255 - array
    picture = Image.fromarray(array)
    picture.info["icc_profile"] = tags.get(TiffImagePlugin.ICCPROFILE)
    with suppress(Exception):  # EXIF is damaged in more ways than Pillow names errors for.
        exif = Image.Exif()
        exif.load(content)
        exif.pop(ExifTags.Base.Orientation, None)  # OpenCV has applied it.
        picture.info["exif"] = exif.tobytes()
    unit = {2: 1.0, 3: 2.54}.get(tags.get(TiffImagePlugin.RESOLUTION_UNIT, 2))
    if unit and TiffImagePlugin.X_RESOLUTION in tags and TiffImagePlugin.Y_RESOLUTION in tags:
        picture.info["dpi"] = tags[TiffImagePlugin.X_RESOLUTION] * unit, tags[TiffImagePlugin.Y_RESOLUTION] * unit
    return picture


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
