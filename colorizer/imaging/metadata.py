"""What a result keeps of its source beside the pixels: date, camera, author, caption, place, resolution."""

import re
import struct
from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from colorizer.imaging.srgb import SRGB_PROFILE

Metadata = dict[str, Any]
"""``icc_profile`` and, if there are any, ``exif``, ``xmp``, ``dpi`` (as Pillow's ``save`` takes them) and ``iptc``."""

_Tag = ExifTags.Base
# The main directory of a TIFF also tells how its pixels are stored, which is another thing in the result.
_KEPT = {
    _Tag.ImageDescription,
    _Tag.Make,
    _Tag.Model,
    _Tag.DateTime,
    _Tag.Artist,
    _Tag.HostComputer,
    _Tag.Copyright,
    _Tag.Rating,
    _Tag.XPTitle,
    _Tag.XPComment,
    _Tag.XPAuthor,
    _Tag.XPKeywords,
    _Tag.XPSubject,
}
_LONGEST_IN_JPEG = 65_000  # Bytes; a segment of a JPEG file holds no more.
_IPTC_RESOURCE = 0x0404
_SRGB = 1  # In the EXIF tag ColorSpace.


def read_metadata(picture: Image.Image, width: int, height: int) -> Metadata:
    """Collect what the result of a loaded picture should keep.

    The pixels of the result are upright and sRGB: the orientation is left out, and the profile is that of sRGB. The
    thumbnail is left out too: it shows the picture without its colors, and programs would go on showing it.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture as it was read.
    width, height : int
        Size of the result in pixels.

    Returns
    -------
    dict
        See `Metadata`. What is damaged is left out.
    """
    metadata: Metadata = {"icc_profile": SRGB_PROFILE}
    dpi = None
    with suppress(TypeError, ValueError, ZeroDivisionError):
        x, y = (float(value) for value in picture.info.get("dpi", ()))
        # Pillow gives a TIFF that tells none a resolution of 1.
        told = TiffImagePlugin.X_RESOLUTION in getattr(picture, "tag_v2", {TiffImagePlugin.X_RESOLUTION})
        dpi = (
            (x, y) if told and 0 < x < 65_535 and 0 < y < 65_535 else None
        )  # JPEG has 16 bits for it; NaN is out, too.
    if dpi:
        metadata["dpi"] = dpi
    with suppress(Exception):  # EXIF is damaged in more ways than Pillow names errors for.
        if exif := _read_exif(picture, width, height, dpi):
            metadata["exif"] = exif
    xmp = picture.info.get("xmp")
    if isinstance(xmp, bytes):
        xmp = re.sub(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails>", b"", xmp, flags=re.DOTALL)
        if b"GImg:image" not in xmp:  # That would be a thumbnail still.
            metadata["xmp"] = re.sub(rb"""(tiff:Orientation(?:>|=["']))[0-9]""", rb"\g<1>1", xmp)
    with suppress(Exception):  # Damaged, as EXIF.
        if iptc := _read_iptc(picture):
            metadata["iptc"] = iptc
    return metadata


def save_options(metadata: Metadata, format: str) -> dict[str, Any]:
    """Turn metadata into the options that Pillow's ``save`` takes for a format."""
    options = dict(metadata)
    iptc = options.pop("iptc", b"")
    if format == "JPEG":
        options = {name: value for name, value in options.items() if name == "dpi" or len(value) <= _LONGEST_IN_JPEG}
        if iptc and len(iptc) <= _LONGEST_IN_JPEG:
            options["extra"] = _photoshop_segment(iptc)
    elif format == "PNG" and "xmp" in options:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace"))
    elif format == "TIFF" and (iptc or "exif" in options or "xmp" in options):
        exif = Image.Exif()
        if "exif" in options:
            exif.load(options["exif"])
            keep_letters(exif)
            if ExifTags.IFD.Exif in exif or ExifTags.IFD.GPSInfo in exif:
                options["compression"] = "raw"  # Pillow can write the directories of EXIF only so.
        if "xmp" in options:
            exif[TiffImagePlugin.XMP] = options.pop("xmp")
        if iptc:
            exif[TiffImagePlugin.IPTC_NAA_CHUNK] = iptc
        options["exif"] = exif
    return options


class _Letters(str):
    """Text of EXIF. Pillow reads its bytes as Latin-1, but would write a "?" for each that is no ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return super().encode("latin-1", errors)


def keep_letters(exif: Image.Exif) -> None:
    """Have Pillow write the text of EXIF in the bytes that it was read from, whatever letters these stand for."""
    directories = [exif.get_ifd(tag) for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if tag in exif]
    for directory in (exif, *directories):
        for tag, value in list(directory.items()):
            if isinstance(value, str):
                directory[tag] = _Letters(value)


def _read_exif(picture: Image.Image, width: int, height: int, dpi: tuple[float, float] | None) -> bytes:
    found, kept = picture.getexif(), Image.Exif()
    kept.endian = found.endian  # Of comments in UTF-16, whose bytes stay as they are.
    for tag in _KEPT & found.keys():
        kept[tag] = found[tag]
    details = dict(found.get_ifd(ExifTags.IFD.Exif))
    details.pop(ExifTags.IFD.Interop, None)
    for tag, size in ((_Tag.ExifImageWidth, width), (_Tag.ExifImageHeight, height)):
        if tag in details:
            details[tag] = size
    if _Tag.ColorSpace in details:
        details[_Tag.ColorSpace] = _SRGB
    for directory, tags in (
        (ExifTags.IFD.Exif, details),
        (ExifTags.IFD.GPSInfo, found.get_ifd(ExifTags.IFD.GPSInfo)),
    ):
        if tags:
            kept.get_ifd(directory).update(tags)
            kept[directory] = 0  # Its place, which Pillow fills in when it writes.
    if dpi:  # WebP has no other place for it.
        kept[_Tag.XResolution], kept[_Tag.YResolution], kept[_Tag.ResolutionUnit] = *dpi, 2
    keep_letters(kept)
    return kept.tobytes() if kept else b""


def _read_iptc(picture: Image.Image) -> bytes:
    """Read IPTC records, the captions and credits of archives and agencies; empty if there are none."""
    iptc = picture.info.get("iptc") or picture.info.get("photoshop", {}).get(_IPTC_RESOURCE)
    return iptc if isinstance(iptc, bytes) and iptc.startswith(b"\x1c") else b""


def _photoshop_segment(iptc: bytes) -> bytes:
    """Wrap IPTC records in the segment in which a JPEG file holds them."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    content = b"Photoshop 3.0\0" + resource
    return struct.pack(">HH", 0xFFED, len(content) + 2) + content
