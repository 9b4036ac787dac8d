"""Decode with Pillow, and correct what it misreads or leaves out, format by format."""

import math
from contextlib import suppress
from typing import Any, cast

import imagecodecs
import numpy as np
from PIL import Image, ImageChops
from PIL.GifImagePlugin import GifImageFile
from PIL.PpmImagePlugin import PpmImageFile

from colorizer.imaging.bmp import as_bmp, decode_masked_bmp, decode_palette_bmp, has_masks, has_palette, list_icons
from colorizer.imaging.facts import Facts
from colorizer.imaging.inspection import open_picture
from colorizer.imaging.srgb import check_palette, scale, to_bytes
from colorizer.imaging.truncated import complete


def decode_by_pillow(content: bytes, facts: Facts, formats: list[str]) -> Image.Image:
    """Decode the first frame of a file.

    Parameters
    ----------
    content : bytes
        The file.
    facts : Facts
        What is known from its structure.
    formats : list of str
        Pillow's names of the formats that may be read.
    """
    if facts.kind == "JPEG":
        content = complete(content, facts, lambda jpeg: open_picture(jpeg, ["JPEG"]).tobytes())
    picture = open_picture(content, formats)
    return _DECODERS.get(picture.format or "", _decode)(picture, content, facts)


def _decode(picture: Image.Image, _content: bytes = b"", _facts: Facts | None = None) -> Image.Image:
    picture.load()
    check_palette(picture)
    return picture


def _replace(picture: Image.Image, pixels: Any) -> Image.Image:
    """Make a picture from pixels decoded some other way, or from another picture, and keep the original's info."""
    made = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    made.info = picture.info
    return made


def _decode_bmp(picture: Image.Image, content: bytes, _facts: Facts) -> Image.Image:
    bitmap = content if picture.format == "BMP" else as_bmp(content)
    if has_palette(bitmap):
        return _replace(picture, decode_palette_bmp(bitmap, picture.height, picture.width))
    if has_masks(bitmap):
        return _replace(picture, decode_masked_bmp(bitmap, picture.height, picture.width))
    return _decode(picture)


def _decode_ico(picture: Image.Image, content: bytes, _facts: Facts) -> Image.Image:
    bitmap = as_bmp(content[list_icons(content)[0].start :])
    if has_palette(bitmap):
        colors = Image.fromarray(decode_palette_bmp(bitmap, picture.height, picture.width))
        colors.putalpha(picture.getchannel("A"))
        return _replace(picture, colors)
    return _decode(picture)


def _decode_gif(picture: Image.Image, _content: bytes, _facts: Facts) -> Image.Image:
    """Decode the first frame; whatever it doesn't cover is transparent."""
    extents = cast(GifImageFile, picture).tile[0].extents  # Gone once the frame is decoded.
    _decode(picture)
    if extents not in (None, (0, 0, *picture.size)) and "transparency" not in picture.info:
        alpha = Image.new("L", picture.size)
        alpha.paste(255, extents)
        picture.putalpha(alpha)
    return picture


def _decode_jpeg2000(picture: Image.Image, content: bytes, facts: Facts) -> Image.Image:
    if facts.bits <= 8 or picture.mode == "I;16":
        with suppress(OSError):  # Pillow calls some of them broken that are not.
            return _decode(picture)
    # Pillow rounds the greatest color values to 256, which is 0 in 8 bits.
    array = np.asarray(imagecodecs.jpeg2k_decode(content))
    if array.dtype.kind == "i":
        unsigned = np.dtype(f"u{array.itemsize}").type
        array = array.view(unsigned) + unsigned(1 << facts.bits - 1)  # Wraps around.
    levels, _ = to_bytes(array, facts.bits)
    return _replace(picture, Image.frombytes(picture.mode, picture.size, levels.tobytes()))


def _decode_pcx(picture: Image.Image, content: bytes, _facts: Facts) -> Image.Image:
    """Invert a 1-bit picture if the two colors in its header are those of a negative."""
    if content[3] == 8 and content[65] == 1 and content[-769:-768] != b"\x0c":  # Pillow would show the indices as gray.
        raise ValueError("its palette is missing")
    _decode(picture)
    negative = picture.mode == "1" and sum(content[16:19]) > sum(content[19:22])
    return _replace(picture, ImageChops.invert(picture.convert("L"))) if negative else picture


def _decode_ppm(picture: Image.Image, content: bytes, _facts: Facts) -> Image.Image:
    """Decode samples of an odd range or of 16 bits here: Pillow would take a minute for a photo."""
    tile = cast(PpmImageFile, picture).tile[0]
    if tile.codec_name != "ppm":
        return _decode(picture)
    greatest = int(cast(tuple[Any, ...], tile.args)[-1])
    shape = (picture.height, picture.width, len(picture.getbands()))
    samples = np.frombuffer(content, ">u2" if greatest > 255 else np.uint8, math.prod(shape), tile.offset)
    levels = scale(samples.reshape(shape), 255 / greatest)
    return _replace(picture, levels[..., 0] if shape[2] == 1 else levels)


def _decode_xbm(picture: Image.Image, _content: bytes, _facts: Facts) -> Image.Image:
    """Invert: in an XBM, 1 is ink, so black."""
    return _replace(picture, ImageChops.invert(_decode(picture).convert("L")))


def _decode_png(picture: Image.Image, content: bytes, facts: Facts) -> Image.Image:
    _decode(picture)
    transparent = picture.info.get("transparency")
    if picture.mode == "L" and transparent is not None:  # Pillow scaled the samples but not this.
        picture.info["transparency"] = transparent * (255 // (2**facts.bits - 1))
    elif picture.mode == "RGB" and facts.bits == 16 and transparent is not None:
        # Pillow would compare it with 8-bit samples.
        levels, _ = to_bytes(np.asarray(imagecodecs.png_decode(content)))
        del picture.info["transparency"]
        return _replace(picture, levels)
    return picture


_DECODERS = {
    "BMP": _decode_bmp,
    "DIB": _decode_bmp,
    "GIF": _decode_gif,
    "ICO": _decode_ico,
    "JPEG2000": _decode_jpeg2000,
    "PCX": _decode_pcx,
    "PNG": _decode_png,
    "PPM": _decode_ppm,
    "XBM": _decode_xbm,
}
