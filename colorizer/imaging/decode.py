"""Decode files and bytes to RGB arrays: examine the file, choose a decoder, convert to 8-bit sRGB."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from colorizer.imaging.animation import compose
from colorizer.imaging.facts import AdvisedError, Facts, UnreadableError, check_metadata
from colorizer.imaging.inspection import HEIF_EXTENSIONS, can_read_heif, inspect, open_picture
from colorizer.imaging.metadata import Metadata, read_metadata
from colorizer.imaging.pillow import decode_by_pillow
from colorizer.imaging.psd import Psd
from colorizer.imaging.srgb import check_palette, scale, to_bytes, to_srgb
from colorizer.imaging.tiff import Tiff, is_tiff
from colorizer.imaging.truncated import complete, fill_up
from colorizer.machine import describe_shortage

MAX_PIXELS = 120_000_000
"""Largest image decoded by default; an 11 KB file can claim gigabytes."""

_MEMORY_OF_A_PIXEL = 24  # Bytes of memory that decoding may take per allowed pixel.
_WORK_OF_A_PIXEL = 40  # Times that each pixel may be decoded, for example by the scans of a progressive JPEG.
_MIN_ALLOWED_PIXELS = 16_000_000  # Memory and work are always allowed for at least this many pixels.

# Pillow runs Ghostscript for EPS, and decodes any file inside an IPTC record, even EPS. The others it only recognizes,
# for programs that register a decoder.
_NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_OWN = {"TIFF", "PSD", "QOI"}  # Formats that Pillow knows but something else decodes.
_ANIMATED = {"GIF", "WEBP", "PNG"}
_COMPOSED = {"GIF", "PNG"}  # Their frames are decoded one by one and composited here.
_OF_COLORS = {"icc_profile", "gamma", "transparency"}
_BEGINNING = 1 << 16  # Bytes within which a PNG or WebP says that it is animated.
_MAX_TEXT_BYTES = (
    16_000_000  # Bytes of a text or color profile in a PNG; Pillow's limit of 1 MB is less than some need.
)


class ImageError(AdvisedError):
    """An image can't be read; the message tells the user which one, why, and, if possible, what to do."""


def readable_extensions() -> set[str]:
    """List the file extensions, in lower case and with the dot, of the formats that can be read."""
    formats = set(_formats()) | _OWN
    extensions = {extension for extension, name in Image.EXTENSION.items() if name in formats}
    return extensions | {".jxl"} | (HEIF_EXTENSIONS if can_read_heif() else set())


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.ID if name not in _NOT_READ | _OWN]


def decode_image(source: Any, *, max_pixels: int = MAX_PIXELS, copy: bool = True) -> NDArray[np.uint8]:
    """Decode an image in any common format to 8-bit sRGB, right side up.

    The EXIF orientation is applied (XMP's if EXIF has none). ICC profiles, a PNG's gamma and CMYK are converted to
    sRGB. 16-bit and float samples are scaled (see `colorizer.imaging.srgb.to_bytes`). Only the first frame of an
    animation or page of a document is decoded.

    Parameters
    ----------
    source : str, pathlib.Path, bytes, PIL.Image.Image or numpy.ndarray
        The path of a file, the bytes of an encoded file, a picture, or an array: (H, W), (H, W, 1), (H, W, 3) RGB or
        (H, W, 4) RGBA; uint8, uint16 or float in [0, 1].
    max_pixels : int
        Largest H x W to decode. It also limits, in proportion, the memory and the work that decoding may take. All
        three are checked from the file's structure before anything is decoded. A limit above Pillow's own,
        ``PIL.Image.MAX_IMAGE_PIXELS``, raises that for the whole process.
    copy : bool
        Whether to copy an array that is already 8-bit RGB instead of returning it as is.

    Returns
    -------
    (H, W, 3) or (H, W, 4) uint8
        RGB, or RGBA where the source has transparency.

    Raises
    ------
    ImageError
        If the source is empty, damaged, too large, not an image, or in an unsupported format.
    FileNotFoundError
        If the file does not exist.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels, copy)
    return decode_with_metadata(source, max_pixels=max_pixels)[0]


def decode_with_metadata(
    source: Any,
    *,
    max_pixels: int = MAX_PIXELS,
    max_memory: int | None = None,
    accept_truncated: bool = False,
    name: str = "the image",
) -> tuple[NDArray[np.uint8], Metadata]:
    """Decode a file, bytes or a picture as `decode_image` does; also return the metadata to save with the result.

    Parameters
    ----------
    source, max_pixels
        As in `decode_image`.
    max_memory : int, optional
        Bytes of memory that decoding may take; by default proportional to `max_pixels`.
    accept_truncated : bool
        Whether to decode what is left of a truncated JPEG, PNG, TIFF, BMP, PPM, TGA, PCX, SGI or QOI file; the rest
        becomes gray or black, and a note says so.
    name : str
        What error messages call the image if it is given as bytes; files go by their own names.

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
    limits = _Limits.of(max_pixels, max_memory)
    if isinstance(source, Image.Image):
        with _named("the picture", max_pixels):
            limits.check_size(source.height, source.width)
            return _convert(source, limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name, limits, accept_truncated)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _from_bytes(_read_file(path, limits), path.name, limits, accept_truncated)
    raise ImageError(f"expected a path, bytes, a PIL image or a NumPy array, got {type(source).__name__}")


def decode_pages(
    source: Path | bytes, *, max_pixels: int = MAX_PIXELS, name: str = "the image"
) -> Iterator[tuple[NDArray[np.uint8], Metadata]]:
    """Decode the pages or frames of a file one by one, each as `decode_with_metadata` does.

    The limits apply to all of them together and are checked before the first one is decoded.

    Raises
    ------
    ImageError
        As `decode_with_metadata`; also if the pages together exceed the limits, or one of them can't be decoded.
    """
    limits = _Limits.of(max_pixels)
    content = source if isinstance(source, bytes) else _read_file(source, limits)
    name = name if isinstance(source, bytes) else source.name
    _allow(max_pixels)
    with _named(name, max_pixels):
        decoder = _Decoder(content)
        limits.check_pages(decoder.facts)
    pages, first = decoder.load_pages(limits), None
    for page in range(max(decoder.facts.pages, 1)):
        with _named(f"page {page + 1} of {name}", max_pixels):
            image, metadata = _convert(next(pages), limits)
        first = first or metadata
        yield image, first if decoder.facts.kind in _COMPOSED else metadata


def has_frames(path: Path) -> bool:
    """Whether a GIF, PNG or WebP is an animation; for PNG and WebP, only the beginning is read."""
    with suppress(Exception):  # If anything is wrong with the file, decoding it will report the error.
        content = _read_file(path, _Limits.of(MAX_PIXELS), None if path.suffix.lower() == ".gif" else _BEGINNING)
        return inspect(content, []).pages > 1 or (content[8:16] == b"WEBPVP8X" and bool(content[20] & 2))
    return False


def inspect_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Facts | None:
    """Find a file's format, size, pages and decoding cost, without decoding it; None if it can't be read."""
    limits = _Limits.of(max_pixels)
    _allow(max_pixels)
    with suppress(Exception):  # If anything is wrong with the file, decoding it will report the error.
        return _Decoder(source if isinstance(source, bytes) else _read_file(source, limits)).facts
    return None


def read_size(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Read an image's stored height and width from its structure; None if it can't be read."""
    facts = inspect_image(source, max_pixels=max_pixels)
    return (facts.height, facts.width) if facts else None


def image_format(source: str | Path | bytes | NDArray[np.uint8]) -> str | None:
    """Pillow's name for the format of a file or its bytes, such as ``JPEG``; None for an array or an unknown format."""
    if isinstance(source, np.ndarray):
        return None
    facts = inspect_image(source if isinstance(source, bytes) else Path(source))
    return facts.kind if facts else None


def has_color(image: NDArray[np.uint8]) -> bool:
    """Whether any pixel of an (H, W, 3 or 4) uint8 image differs from gray."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return bool((red != green).any() or (green != blue).any())


@dataclass(frozen=True)
class _Limits:
    """Limits of decoding: pixels of the picture, bytes of memory, and pixels decoded in total."""

    pixels: int
    memory: int
    work: int

    @classmethod
    def of(cls, max_pixels: int, max_memory: int | None = None) -> "_Limits":
        allowed = max(max_pixels, _MIN_ALLOWED_PIXELS)
        return cls(max_pixels, max_memory or allowed * _MEMORY_OF_A_PIXEL, allowed * _WORK_OF_A_PIXEL)

    def check_size(self, height: int, width: int) -> None:
        if height < 1 or width < 1:
            raise UnreadableError(f"has no pixels: {width} x {height}")
        if height * width > self.pixels:
            raise UnreadableError(
                f"has {width} x {height} = {math.ceil(height * width / 1e6)} megapixels; "
                f"the limit is {self.pixels / 1e6:.0f}",
                "make it smaller first",
            )

    def check(self, facts: Facts) -> None:
        self.check_size(facts.height, facts.width)
        if facts.cost.memory > self.memory:
            raise UnreadableError(
                f"would take {facts.cost.memory / 1e6:.0f} MB of memory to decode; the limit is "
                f"{self.memory / 1e6:.0f}",
                "make it smaller or save it with fewer bits first",
            )
        if facts.cost.work > self.work:
            raise UnreadableError(
                f"would take as long to decode as {facts.cost.work / 1e6:.0f} megapixels; the limit is "
                f"{self.work / 1e6:.0f}",
                "save it again with standard settings, or make it smaller first",
            )

    def check_pages(self, facts: Facts) -> None:
        self.check(facts)
        if facts.pages * facts.cost.work > self.work:
            raise UnreadableError(
                f"has {facts.pages} pages or frames of {facts.cost.pixels / 1e6:.1f} megapixels, too many at once",
                "split the file, choose a format that keeps only the first, or allow more pixels",
            )


def _read_file(path: Path, limits: _Limits, most: int | None = None) -> bytes:
    """Read a regular file, up to the memory limit, or only its first bytes; other kinds of files might never end."""
    if path.is_dir():
        raise ImageError(f"{path.name} is a folder; give an image file")
    # Don't wait for a writer if the path is a pipe.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(number, "rb") as file:  # noqa: PTH123  By its number.
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path.name} is not a regular file")
        if status.st_size * 2 > limits.memory:
            raise ImageError(f"{path.name} is {status.st_size / 1e6:.0f} MB; the limit is {limits.memory / 2e6:.0f}")
        return file.read(status.st_size if most is None else most)


def _from_bytes(
    content: bytes, name: str, limits: _Limits, accept_truncated: bool
) -> tuple[NDArray[np.uint8], Metadata]:
    if not content:
        raise ImageError(f"{name} is empty (0 bytes)")
    _allow(limits.pixels)
    with _named(name, limits.pixels):
        decoder = _Decoder(content)
        limits.check(decoder.facts)
        picture = decoder.load(accept_truncated)
        facts = decoder.facts
        del decoder  # It holds the file's structure.
        with picture:
            image, metadata = _convert(picture, limits)
        return image, metadata | {"kind": facts.kind} | ({"pages": facts.pages} if facts.pages > 1 else {})


def _convert(picture: Image.Image, limits: _Limits) -> tuple[NDArray[np.uint8], Metadata]:
    picture.load()
    limits.check_size(picture.height, picture.width)  # Frames can be larger than the header says.
    check_metadata(_find_exif(picture))
    image = to_srgb(picture)
    return image, read_metadata(picture, image.shape[1], image.shape[0])


def _find_exif(picture: Image.Image) -> bytes:
    """Find what Pillow will parse as EXIF, which may be text in a PNG."""
    exif, text = picture.info.get("exif"), picture.info.get("Raw profile type exif")
    if exif is None and isinstance(text, str):
        with suppress(ValueError):  # Damaged; Pillow ignores it, too.
            return bytes.fromhex("".join(text.split("\n")[3:]))
    return exif if isinstance(exif, bytes) else b""


class _Decoder:
    """The right decoder for a file. The constructor chooses it and measures its cost; `load` runs it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._tiff = self._page = self._psd = None
        if is_tiff(content):
            self._tiff = Tiff.read(content)
            self._page = self._tiff.open()
            self.facts = self._page.facts
        elif content[:6] == b"8BPS\0\1":
            self._psd = Psd(content)
            self.facts = self._psd.facts
        else:
            self.facts = inspect(content, _formats())

    def load(self, accept_truncated: bool = False) -> Image.Image:
        """Decode the first page to a picture; ``info["notes"]`` says how its samples were changed."""
        try:
            picture, notes = self._load()
        except Exception:
            filled = self._fill_up() if accept_truncated else None
            if filled is None:
                raise
            picture, notes = filled._load(accept_truncated)
            notes.append("it is cut off or damaged: the missing part became gray or black")
        if self.facts.pages > 1:
            what = "pages" if self.facts.kind == "TIFF" else "frames" if self.facts.kind in _ANIMATED else "pictures"
            notes.append(f"the first of {self.facts.pages} {what}")
        elif not self.facts.pages:
            notes.append("an animation: only its first frame can be read")
        picture.info["notes"] = notes
        return picture

    def load_pages(self, limits: _Limits) -> Iterator[Image.Image]:
        """Decode the pages or frames, one after the other."""
        picture, notes = self._load()
        info = picture.info = picture.info | {"notes": notes}
        yield picture
        if self._tiff:
            for page in range(1, self.facts.pages):
                self._page = self._tiff.open(page)
                limits.check(self._page.facts)
                picture, notes = self._load()
                picture.info["notes"] = notes
                yield picture
        elif self.facts.kind in _COMPOSED:

            def decode(content: bytes) -> NDArray[np.uint8]:
                decoder = _Decoder(content)
                limits.check(decoder.facts)
                return to_srgb(decoder._load()[0])

            for frame in islice(compose(self._content, self.facts.height, self.facts.width, decode), 1, None):
                opaque = frame[..., 3].min() == 255
                picture = Image.fromarray(frame[..., :3] if opaque else frame)
                picture.info = {name: value for name, value in info.items() if name not in _OF_COLORS}
                yield picture
        else:
            animation = open_picture(self._content, _formats())
            first = animation.tell()  # The frame that is open; in HEIC the primary image, which can be any of them.
            for page in range(self.facts.pages):
                if page != first:
                    animation.seek(page)
                    animation.load()
                    check_palette(animation)
                    yield animation

    def _load(self, accept_damaged: bool = False) -> tuple[Image.Image, list[str]]:
        notes: list[str] = []
        deep = self.facts.bits > 8
        if self._page:
            picture, notes = self._page.decode(accept_damaged)
        elif self._psd:
            picture = self._psd.decode()
        elif self.facts.kind in ("QOI", "JXL") or (self.facts.kind == "JPEG" and self.facts.bits != 8):
            picture, deep = self._load_by_imagecodecs()
        else:
            picture = decode_by_pillow(self._content, self.facts, _formats())
        return picture, notes + ["its samples were reduced to 8 bits"] * deep

    def _fill_up(self) -> "_Decoder | None":
        """Return a decoder for what is left of a truncated file; None if that isn't possible."""
        if self._tiff and self._page:
            return _Decoder(self._page.fill_up())
        filled = fill_up(self._content, self.facts.kind, self.facts.cost.pixels)
        return _Decoder(filled) if filled else None

    def _load_by_imagecodecs(self) -> tuple[Image.Image, bool]:
        """Decode, and also return whether the samples have more than 8 bits."""
        if self.facts.kind == "JXL":  # Without an index, all frames of an animation would be decoded.
            array = np.asarray(imagecodecs.jpegxl_decode(self._content, index=0))
        else:
            # jpeg_decode would pass whatever this refuses to a decoder that crashes on damaged files.
            decode = {"QOI": imagecodecs.qoi_decode, "JPEG": imagecodecs.jpeg8_decode}[self.facts.kind]
            array = np.asarray(decode(complete(self._content, self.facts, decode)))
        bits: int | None = self.facts.bits
        if self.facts.kind == "JPEG":  # 12 bits, or any number if it is lossless, in which case 16 was added to it.
            bits = self.facts.bits % 16 or 16 if array.dtype == np.uint16 else None
        levels, _ = to_bytes(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array, bits)
        return Image.fromarray(levels), array.dtype.itemsize > 1


@contextmanager
def _named(name: str, max_pixels: int) -> Iterator[None]:
    """Turn whatever decoders raise into an `ImageError` that names the file and the reason."""
    try:
        yield
    except UnreadableError as error:
        raise ImageError(f"{name} {error.reason}", error.advice) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image that can be read, or its beginning is damaged") from error
    except NotImplementedError as error:
        raise ImageError(f"{name} is stored in a way that can't be read here: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"the limit is {max_pixels / 1e6:.0f} megapixels"
        raise ImageError(f"{name} is too large; {limit}", "make it smaller first") from error
    except Exception as error:  # Decoders raise anything from OSError to struct.error on damaged files.
        if describe_shortage(error):
            raise ImageError(f"there is not enough memory for {name}", "make it smaller first") from error
        if "MAX_TEXT" in str(error):
            limit = f"more than {_MAX_TEXT_BYTES // 1_000_000} MB of text or color profile"
            raise ImageError(f"{name} has {limit} in it", "save it again without it") from error
        raise ImageError(f"{name} is damaged and can't be decoded: {error}") from error


def _allow(max_pixels: int) -> None:
    """Keep Pillow from refusing images within the limits, or warning about them."""
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _MAX_TEXT_BYTES)


def _from_array(array: NDArray[Any], max_pixels: int, copy: bool) -> NDArray[np.uint8]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"expected an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got shape {array.shape}"
        )
    with _named("the array", max_pixels):
        _Limits.of(max_pixels).check_size(array.shape[0], array.shape[1])
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
        array = array.copy()  # Otherwise, changing the result would change the input.
    if array.ndim == 2:
        array = array[:, :, None]
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array
