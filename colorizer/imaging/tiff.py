"""TIFF of more than 8 bits a sample, of which Pillow reads some kinds, and some wrongly: OpenCV reads them here."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, TiffTags

from colorizer.imaging.metadata import keep_letters
from colorizer.imaging.srgb import to_bytes

Tags = TiffImagePlugin.ImageFileDirectory_v2
"""Values by tag."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS = 0, 1, 2, 5  # Photometric interpretations.
_PREMULTIPLIED, _ALPHA = 1, 2  # Kinds of extra samples.
_SEPARATE_PLANES = 2
_DIFFERENCES = 2  # The predictor under which each sample is stored as what it adds to its left neighbor.
_WITH_PREDICTOR = {5, 8, 32946, 34925, 50000}  # Compressions: LZW, deflate and its older number, LZMA, Zstandard.
_ORDER = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # OpenCV's colors are BGR.


def is_tiff(content: bytes) -> bool:
    """Tell a TIFF by its beginning."""
    return content[:4] in TiffImagePlugin.PREFIXES


def read_tiff_tags(file: IO[bytes]) -> Tags:
    """Read the tags of the first page of a TIFF; of another file Pillow says that it is none."""
    header = file.read(16)
    tags = TiffImagePlugin.ImageFileDirectory_v2(header[: 16 if header[2] == 43 else 8])  # BigTIFF is 43.
    file.seek(tags.next)
    tags.load(file)
    return tags


def read_iptc(tags: Tags) -> bytes:
    """Read a TIFF's IPTC records; empty if it has none."""
    # Photoshop declares them as numbers of 32 bits, so that Pillow, too, reads them from what isn't parsed yet.
    return tags._tagdata.get(TiffImagePlugin.IPTC_NAA_CHUNK, b"")


def has_deep_color(tags: Tags) -> bool:
    """Tell whether a TIFF holds gray or RGB of more than 8 bits, or planes that Pillow doesn't read either."""
    deep = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8
    if _has_planes(tags):
        samples, photometric = tags[TiffImagePlugin.SAMPLESPERPIXEL], _photometric(tags)
        if (deep and samples == 4 and photometric == _INKS) or (
            samples == 2 and photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
        ):
            return True
    return deep and _photometric(tags) in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)


def decode_deep_tiff(content: bytes, tags: Tags) -> Image.Image:
    """Decode the first page of a TIFF with `has_deep_color` to a picture of 8 bits, with its profile and EXIF.

    The picture is upright, or its EXIF tells how to turn it.

    Raises
    ------
    ValueError
        If its samples are of a kind, or stored in a way, that can't be read, or the file is truncated.
    """
    samples = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    if samples not in _ORDER:
        raise ValueError(
            f"of more than 8 bits, only gray and RGB with or without alpha can be read, not {samples} samples"
        )
    upright = False
    if _has_planes(tags):
        array = to_bytes(_read_planes(content, tags, samples))
    elif samples == 2:
        array = to_bytes(_read_pairs(content, tags))
    else:
        array = to_bytes(_read(content))
        array = array.reshape(*array.shape[:2], -1)[..., _ORDER[samples]]
        upright = True  # OpenCV has applied the orientation.
    if _photometric(tags) == _WHITE_IS_ZERO:
        array[..., 0] = 255 - array[..., 0]
    if _photometric(tags) == _INKS:
        picture = Image.frombytes("CMYK", array.shape[1::-1], array.tobytes())
    else:
        picture = _to_picture(array, tags.get(TiffImagePlugin.EXTRASAMPLES, (_ALPHA,))[0])
    picture.info["icc_profile"] = tags.get(TiffImagePlugin.ICCPROFILE)
    xmp = tags.get(TiffImagePlugin.XMP)
    picture.info["xmp"] = xmp[0] if isinstance(xmp, tuple) and len(xmp) == 1 else xmp
    with suppress(Exception):  # EXIF is damaged in more ways than Pillow names errors for.
        exif = Image.Exif()
        exif.load(content)
        if upright:
            exif.pop(ExifTags.Base.Orientation, None)
        keep_letters(exif)
        picture.info["exif"] = exif.tobytes()
    unit = {2: 1.0, 3: 2.54}.get(tags.get(TiffImagePlugin.RESOLUTION_UNIT, 2))
    if unit and TiffImagePlugin.X_RESOLUTION in tags and TiffImagePlugin.Y_RESOLUTION in tags:
        picture.info["dpi"] = tags[TiffImagePlugin.X_RESOLUTION] * unit, tags[TiffImagePlugin.Y_RESOLUTION] * unit
    return picture


def _photometric(tags: Tags) -> Any:
    return tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)


def _has_planes(tags: Tags) -> bool:
    planes = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == _SEPARATE_PLANES
    return planes and bool(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) > 1)


def _predictor(tags: Tags) -> int:
    known = tags.get(TiffImagePlugin.COMPRESSION) in _WITH_PREDICTOR
    return tags.get(TiffImagePlugin.PREDICTOR, 1) if known else 1


def _to_picture(array: NDArray[np.uint8], extra: int) -> Image.Image:
    """Make a picture of (H, W, C) samples, the last of which is ``extra`` where C is even."""
    colors = array.shape[2] - 1 + array.shape[2] % 2
    if colors < array.shape[2] and extra not in (_PREMULTIPLIED, _ALPHA):
        array = array[..., :colors]
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2]]
    if extra == _PREMULTIPLIED:
        mode = mode.replace("A", "a")
    return Image.frombytes(mode, array.shape[1::-1], array.tobytes())


def _read(content: bytes) -> NDArray[Any]:
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise ValueError("its samples can't be read, or the file is truncated")
    return np.asarray(array)


def _read_planes(content: bytes, tags: Tags, samples: int) -> NDArray[Any]:
    """Read planes one after the other, each as a gray picture of a part of the strips."""
    strips = len(tags.get(TiffImagePlugin.STRIPOFFSETS, ())) // samples
    width = tags[TiffImagePlugin.IMAGEWIDTH]
    parts = [slice(i * strips, (i + 1) * strips) for i in range(samples)]
    return np.dstack([_read_as_gray(content, tags, width, part, _predictor(tags)) for part in parts])


def _read_pairs(content: bytes, tags: Tags) -> NDArray[Any]:
    """Read gray with alpha as gray of twice the width."""
    predictor = _predictor(tags)
    if predictor not in (1, _DIFFERENCES):
        raise ValueError("gray with alpha in floats under a predictor can't be read; save it without compression")
    width, height = tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH]
    array = _read_as_gray(content, tags, width * 2, slice(None), predictor=1).reshape(height, width, 2)
    if predictor == _DIFFERENCES:
        array = np.cumsum(array, axis=1, dtype=array.dtype)  # Sums wrap around, as differences did.
    return array


def _read_as_gray(content: bytes, tags: Tags, width: int, strips: slice, predictor: int) -> NDArray[Any]:
    """Read strips of a TIFF as a gray picture, by a directory of their own put before the file."""
    if TiffImagePlugin.STRIPOFFSETS not in tags or TiffImagePlugin.STRIPBYTECOUNTS not in tags:
        raise ValueError("of more than 8 bits, tiles are read only of gray and RGB in one plane; save it in strips")
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=content[:2])

    def put(tag: int, values: int | Sequence[int]) -> None:
        directory.tagtype[tag] = TiffTags.LONG
        directory[tag] = values

    put(TiffImagePlugin.IMAGEWIDTH, width)
    put(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, _BLACK_IS_ZERO)
    put(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    put(TiffImagePlugin.PREDICTOR, predictor)
    for tag in (TiffImagePlugin.BITSPERSAMPLE, TiffImagePlugin.SAMPLEFORMAT):
        if tag in tags:
            put(tag, tags[tag][:1])
    for tag in (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS):
        put(tag, tags[tag][strips])
    for tag in (
        TiffImagePlugin.IMAGELENGTH,
        TiffImagePlugin.COMPRESSION,
        TiffImagePlugin.ROWSPERSTRIP,
        TiffImagePlugin.FILLORDER,
    ):
        if tag in tags:
            put(tag, tags[tag])
    # Pillow counts the offsets of strips from the end of the directory.
    header = content[:2] + struct.pack("<HL" if content[:2] == b"II" else ">HL", 42, 8)
    return _read(header + directory.tobytes(offset=len(header)) + content)
