"""Files and bytes to RGB arrays and back: the only module that knows image formats."""

import hashlib
import io
import math
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from colorizer.deep_tiff import decode_deep_tiff, has_deep_color, is_tiff, read_iptc, read_tiff_tags
from colorizer.metadata import Metadata, read_metadata, save_options
from colorizer.pixels import scale, to_srgb, turn_upright
from colorizer.shortage import name_lack

MAX_PIXELS = 120_000_000
"""Largest image decoded by default; an 11 KB file can claim gigabytes."""

EXTENSIONS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""Extensions of the files that `save_image` writes, and Pillow's names of their formats."""

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}

# Other strategies, and a filter chosen for each row, take longer than they save bytes.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
_PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
_LONGEST_NAME = 200  # Bytes, of the 255 that most file systems allow.
_PNG_HEADER = 33  # Bytes of a PNG file up to the end of its first chunk.

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
        For `save_image`; see `colorizer.metadata.read_metadata`.

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


def encode_image(image: NDArray[np.uint8], format: str = "PNG", metadata: Metadata | None = None) -> bytes:
    """Encode an image: PNG, TIFF and WebP without loss, JPEG at quality 95 without chroma subsampling.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) uint8
        Gray, RGB or RGBA. JPEG has no transparency: there an image with alpha is laid on white.
    format : str
        Pillow's name of the format: ``PNG``, ``JPEG``, ``WEBP`` or ``TIFF``.
    metadata : dict, optional
        What `decode_with_metadata` gave for the picture that the image was made from; left out if it can't be written.

    Returns
    -------
    bytes
        The encoded file.

    Raises
    ------
    ValueError
        If the format is another.
    """
    if format not in _SAVE_OPTIONS:
        raise ValueError(f"format must be one of {', '.join(_SAVE_OPTIONS)}, got {format!r}")
    picture = Image.fromarray(image)
    if format == "JPEG" and picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    buffer = io.BytesIO()
    try:
        options = save_options(metadata or {}, format)
        if format == "PNG" and (content := _encode_png(image, options)):
            return content
        picture.save(buffer, format, **_SAVE_OPTIONS[format] | options)
    except Exception as error:
        if not metadata or name_lack(error):
            raise
        return encode_image(image, format)  # Damaged metadata can pass reading; the picture is what counts.
    return buffer.getvalue()


def _encode_png(image: NDArray[np.uint8], options: dict[str, Any]) -> bytes:
    """Encode by OpenCV, in half of Pillow's time; Pillow, which knows metadata, writes their chunks for another.

    What OpenCV can't encode, for its size or for lack of memory, is empty.
    """
    kinds = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = cv2.cvtColor(image, kinds[image.shape[2]]) if image.ndim == 3 else image
    is_whole, buffer = cv2.imencode(".png", pixels, _PNG)
    if not is_whole:
        return b""
    content = buffer.tobytes()
    if not options:
        return content
    other = io.BytesIO()
    Image.new("RGB", (1, 1)).save(other, "PNG", **options)
    chunks = other.getvalue()
    chunks = chunks[_PNG_HEADER : chunks.rindex(b"IDAT") - 4]
    return content[:_PNG_HEADER] + chunks + content[_PNG_HEADER:]


def save_image(image: NDArray[np.uint8], path: str | Path, metadata: Metadata | None = None) -> None:
    """Write an image in the format that the path's extension names (`EXTENSIONS`), whole or not at all.

    Parameters
    ----------
    image, metadata
        As in `encode_image`.
    path : str or pathlib.Path
        The file to write.

    Raises
    ------
    ValueError
        If the extension is none of `EXTENSIONS`.
    OSError
        If the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in EXTENSIONS:
        raise ValueError(f"can't write {path.name}: the extension must be one of {', '.join(EXTENSIONS)}")
    write_whole(path, encode_image(image, EXTENSIONS[path.suffix.lower()], metadata))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside its place and rename it, so that it is never seen half written."""
    temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # What is asked for, and known.
        raise


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files that `write_whole` left beside the files to write, when its process was killed."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(_short(path.name))
    for folder, wanted in names.items():
        for leftover in folder.glob(".*.part"):
            if leftover.name[1:].rsplit(".", 2)[0] in wanted:
                leftover.unlink(missing_ok=True)


def _short(name: str) -> str:
    """Give what stands for a file's name in that of its temporary file, which must not be too long."""
    return name if len(os.fsencode(name)) <= _LONGEST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()


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
