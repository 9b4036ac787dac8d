"""Encode RGB arrays as image files, and choose the formats of results."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from colorizer.files import write_whole
from colorizer.imaging.metadata import Metadata, save_options
from colorizer.machine import describe_shortage, quiet_opencv

EXTENSIONS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""Extensions of the files that `save_image` writes, and Pillow's names of their formats."""
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
# Other strategies, or a filter chosen for each row, take much longer and save few bytes.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
_PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
_PNG_HEADER = 33  # Bytes of a PNG file up to the end of its first chunk.
# Photo formats that can't be written: their results are JPEG; those of all others are PNG.
_PHOTOGRAPHS = {".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs", ".mpo", ".jfif", ".jpe", ".jp2"}
FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
"""Names of the formats of results, and their extensions."""


def encode_image(image: NDArray[np.uint8], format: str = "PNG", metadata: Metadata | None = None) -> bytes:
    """Encode an image: PNG, TIFF and WebP losslessly, JPEG at quality 95 without chroma subsampling.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) uint8
        Gray, RGB or RGBA. For JPEG, which has no transparency, an image with alpha gets a white background.
    format : str
        Pillow's name of the format: ``PNG``, ``JPEG``, ``WEBP`` or ``TIFF``.
    metadata : dict, optional
        What `decode_with_metadata` returned for the source of the image; left out if it can't be written.

    Returns
    -------
    bytes
        The encoded file.

    Raises
    ------
    ValueError
        If the format is none of these.
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
        if not metadata or describe_shortage(error):
            raise
        return encode_image(image, format)  # Metadata that could be read may still be damaged; the picture matters.
    return buffer.getvalue()


class PageWriter:
    """A TIFF to which pages are added one by one; only their encoded bytes are kept in memory."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._writer = TiffImagePlugin.AppendingTiffWriter(self._buffer)
        self._is_first = True

    def add(self, image: NDArray[np.uint8], metadata: Metadata) -> None:
        """Add a page, an array as for `encode_image`, with its metadata."""
        if not self._is_first:
            self._writer.newFrame()
        self._is_first = False
        options = save_options(metadata, "TIFF")
        try:
            Image.new("RGB", (1, 1)).save(io.BytesIO(), "TIFF", **options)
        except Exception:  # Metadata that could be read may still be damaged; the picture matters.
            options = {}
        Image.fromarray(image).save(self._writer, "TIFF", **_SAVE_OPTIONS["TIFF"] | options)

    def finish(self) -> bytes:
        """Return the bytes of the file."""
        self._writer.newFrame()
        return self._buffer.getvalue()


def _encode_png(image: NDArray[np.uint8], options: dict[str, Any]) -> bytes:
    """Encode with OpenCV in half of Pillow's time, and insert the metadata chunks of a tiny file that Pillow writes.

    Returns nothing if OpenCV can't encode the image because of its size or a lack of memory.
    """
    kinds = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = cv2.cvtColor(image, kinds[image.shape[2]]) if image.ndim == 3 else image
    with quiet_opencv():
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
    """Write an image, whole or not at all, in the format of the path's extension (see `EXTENSIONS`).

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


def choose_extension(name: str) -> str:
    """Choose the extension of a result that should have the same format as its source, from the source's name alone.

    Parameters
    ----------
    name : str
        The file's name. Its content doesn't matter, so that a whole folder can be planned before any file is read.

    Returns
    -------
    str
        The name's own extension if that format can be written, else ``.jpg`` for other photo formats and ``.png`` for
        everything else.
    """
    own = Path(name).suffix
    if own.lower() in EXTENSIONS:
        return own
    return ".jpg" if own.lower() in _PHOTOGRAPHS else ".png"
