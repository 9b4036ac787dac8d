"""Files and bytes to RGB arrays and back: the only module that knows image formats."""

import io
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from colorizer.imaging.metadata import Metadata, read_metadata
from colorizer.imaging.srgb import scale, to_srgb, turn_upright
from colorizer.imaging.tiff import decode_deep_tiff, has_deep_color, is_tiff, read_iptc, read_tiff_tags
from colorizer.machine import name_lack

MAX_PIXELS = 120_000_000
"""Largest image decoded by default; an 11 KB file can claim gigabytes."""


# Pillow runs Ghostscript for EPS; the others it only recognizes, for programs that bring a decoder.
_NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}

pillow_heif.register_heif_opener()
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # What it prints of broken files, errors tell.


class ImageError(ValueError):
    """An image can't be read; the message says which and why, in words for the person who brought it."""


def readable_extensions() -> set[str]:
    """List the file extensions, in lower case and with the dot, of the formats that can be read."""
    formats = set(_formats())
    return {extension for extension, name in Image.EXTENSION.items() if name in formats}


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.ID if name not in _NOT_READ]


def decode_image(source: Any, *, max_pixels: int = MAX_PIXELS, copy: bool = True) -> NDArray[np.uint8]:
    """Decode an image of any usual kind to 8-bit sRGB, the right way up.

    EXIF orientation is applied, ICC profiles and CMYK are converted to sRGB, 16-bit and float samples are scaled. Of
    an animation comes the first frame, of a document of several pages the first.

    Parameters
    ----------
    source : str, pathlib.Path, bytes, PIL.Image.Image or numpy.ndarray
        A file's path, an encoded file's bytes, a picture or an array: (H, W), (H, W, 1), (H, W, 3) RGB or
        (H, W, 4) RGBA; uint8, uint16 or float in [0, 1].
    max_pixels : int
        Largest H x W to decode; checked from the file's header, before anything is decoded. More than Pillow's own
        limit raises that, ``PIL.Image.MAX_IMAGE_PIXELS``, for the whole process.
    copy : bool
        Whether an array that is 8-bit RGB already is copied; without, it comes back itself.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the source has transparency.

    Raises
    ------
    ImageError
        If the source is empty, broken, too large or no image.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels, copy)
    return decode_with_metadata(source, max_pixels=max_pixels)[0]


def decode_with_metadata(
    source: Any, *, max_pixels: int = MAX_PIXELS, name: str = "the image"
) -> tuple[NDArray[np.uint8], Metadata]:
    """Decode a file, bytes or picture as `decode_image` does, together with what its result should keep.

    Parameters
    ----------
    source, max_pixels
        As in `decode_image`.
    name : str
        What errors call it, if it comes as bytes; a file is called by its own name.

    Returns
    -------
    image : (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the source has transparency.
    metadata : dict
        For `save_image`; see `colorizer.imaging.metadata.read_metadata`.

    Raises
    ------
    ImageError, FileNotFoundError
        As `decode_image`.
    """
    if isinstance(source, Image.Image):
        return _from_picture(source, "the picture", max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name, max_pixels)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise ImageError(f"{path.name} is a folder; give an image file")
        return _from_bytes(path.read_bytes(), path.name, max_pixels)
    raise ImageError(f"expected a path, bytes, a PIL image or a NumPy array, got {type(source).__name__}")


def read_size(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Read an image's height and width, as they are stored, from its file's header; None if that can't be read."""
    _allow(max_pixels)
    # Whatever is wrong with a file, its decoding will tell.
    with suppress(Exception), io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        with suppress(Exception), Image.open(file, formats=_formats()) as picture:
            return picture.height, picture.width
        file.seek(0)
        tags = read_tiff_tags(file)  # Of a kind that Pillow doesn't read.
        return int(tags[ExifTags.Base.ImageLength]), int(tags[ExifTags.Base.ImageWidth])
    return None


def image_format(source: str | Path | bytes | NDArray[np.uint8]) -> str | None:
    """Name the format of a file or of a file's bytes as Pillow does, ``JPEG`` for one; None for pixels and others."""
    if isinstance(source, np.ndarray):
        return None
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            return picture.format
    except (OSError, Image.DecompressionBombError):
        return None


def has_color(image: NDArray[np.uint8]) -> bool:
    """Tell whether any pixel of an (H, W, 3 or 4) uint8 image differs from gray."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return bool((red != green).any() or (green != blue).any())


def _from_bytes(content: bytes, name: str, max_pixels: int) -> tuple[NDArray[np.uint8], Metadata]:
    if not content:
        raise ImageError(f"{name} is empty (0 bytes)")
    _allow(max_pixels)
    try:
        tags = read_tiff_tags(io.BytesIO(content)) if is_tiff(content) else None
        if tags and has_deep_color(tags):
            _check_size(tags[ExifTags.Base.ImageLength], tags[ExifTags.Base.ImageWidth], name, max_pixels)
            picture = decode_deep_tiff(content, tags)
        else:
            picture = Image.open(io.BytesIO(content), formats=_formats())
        if tags:
            picture.info["iptc"] = read_iptc(tags)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} is too large; the limit is {max_pixels / 1e6:.0f} megapixels: make it smaller first"
        ) from error
    except UnidentifiedImageError as error:
        if is_tiff(content):
            raise ImageError(
                f"{name} is a TIFF of a kind that can't be read, or damaged: save it anew, as RGB of 8 or 16 bits"
            ) from error
        raise ImageError(f"{name} is no image that can be read, or its beginning is damaged") from error
    except Exception as error:  # Decoders raise anything from OSError to struct.error on damaged files.
        raise _not_decoded(name, error) from error
    with picture:
        return _from_picture(picture, name, max_pixels)


def _from_picture(picture: Image.Image, name: str, max_pixels: int) -> tuple[NDArray[np.uint8], Metadata]:
    _check_size(picture.height, picture.width, name, max_pixels)
    try:
        picture.load()
        _check_size(picture.height, picture.width, name, max_pixels)  # Frames can be larger than the header tells.
        upright = turn_upright(picture)
        return to_srgb(upright), read_metadata(picture, *upright.size)
    except ImageError:
        raise
    except Exception as error:
        raise _not_decoded(name, error) from error


def _not_decoded(name: str, error: Exception) -> ImageError:
    if name_lack(error):
        return ImageError(f"there is not enough memory for {name}: make it smaller first")
    return ImageError(f"{name} is damaged and can't be decoded: {error}")


def _allow(max_pixels: int) -> None:
    """Keep Pillow from refusing, or warning of, what a limit allows."""
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)


def _check_size(height: int, width: int, name: str, max_pixels: int) -> None:
    if height < 1 or width < 1:
        raise ImageError(f"{name} has no pixels: {width} x {height}")
    if height * width > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} = {math.ceil(height * width / 1e6)} megapixels; "
            f"the limit is {max_pixels / 1e6:.0f}: make it smaller first"
        )


def _from_array(array: NDArray[Any], max_pixels: int, copy: bool) -> NDArray[np.uint8]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"expected an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got shape {array.shape}"
        )
    _check_size(array.shape[0], array.shape[1], "the array", max_pixels)
    if array.dtype == np.uint16:
        array = scale(array, 1 / 257)
    elif np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise ImageError(f"a float image must lie in [0, 1], got values from {low:g} to {high:g}")
        array = scale(array, 255)
    elif array.dtype != np.uint8:
        raise ImageError(f"expected an array of uint8, uint16 or float in [0, 1], got {array.dtype}")
    elif copy:
        array = array.copy()  # Or who changes the result would change what came in.
    if array.ndim == 2:
        array = array[:, :, None]
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array
