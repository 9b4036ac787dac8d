"""Metadata that a result keeps from its source: date, camera, author, caption, location, resolution."""

import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from colorizer.imaging.srgb import SRGB_PROFILE

Metadata = dict[str, Any]
"""``icc_profile`` and, if present, ``exif``, ``xmp``, ``dpi`` (as Pillow's ``save`` takes them), ``iptc``, ``comment``
(of JPEG and GIF) and ``texts`` (of PNG). These are not written: ``kind`` and ``pages`` of the source, and ``notes``,
what the user should know about how it was decoded."""

_Tag = ExifTags.Base
# The main directory of a TIFF also describes how its pixels are stored, which is different in the result.
_KEPT = {
    _Tag.DocumentName,
    _Tag.ImageDescription,
    _Tag.Make,
    _Tag.Model,
    _Tag.DateTime,
    _Tag.Artist,
    _Tag.HostComputer,
    _Tag.PageName,
    _Tag.Software,
    _Tag.Copyright,
    _Tag.Rating,
    _Tag.XPTitle,
    _Tag.XPComment,
    _Tag.XPAuthor,
    _Tag.XPKeywords,
    _Tag.XPSubject,
}
_MAX_SEGMENT_BYTES = 65_000  # Bytes; a JPEG segment holds no more.
_IPTC_RESOURCE = 0x0404
_SRGB = 1  # In the EXIF tag ColorSpace.
_NOT_WRITTEN = ("notes", "kind", "pages")  # For the user, not for the file.
_MAX_TEXT_LENGTH = 1_000_000  # Characters of all texts of a PNG together.
_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:>|=["']))[0-9]""")
_NAMESPACE = "https://example.org/colorizer/1.0/"
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_EMPTY_PACKET = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%b</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
# Properties that an XMP packet may contain only once. Each pattern takes linear time.
_EARLIER_TOOL = re.compile(rb"""\sxmp:CreatorTool="[^"<>]{0,999}"|<xmp:CreatorTool>[^<>]{0,999}</xmp:CreatorTool>""")
_EARLIER_TYPE = re.compile(
    rb"""\sIptc4xmpExt:DigitalSourceType="[^"<>]{0,999}"|"""
    rb"""<Iptc4xmpExt:DigitalSourceType>[^<>]{0,999}</Iptc4xmpExt:DigitalSourceType>"""
)
_EARLIER_SETTINGS = re.compile(rb'''\scolorizer:Settings="[^"<>]{0,999}"''')
_SETTINGS = re.compile(rb'''colorizer:Settings="([^"<>]{1,200})"''')
_TEXT_TAGS = {"Description": _Tag.ImageDescription, "Comment": _Tag.ImageDescription, "Author": _Tag.Artist}
_TEXT_TAGS |= {"Copyright": _Tag.Copyright, "Software": _Tag.Software}


def read_metadata(picture: Image.Image, width: int, height: int) -> Metadata:
    """Collect the metadata of a loaded picture that its result should keep.

    The result is upright and sRGB, so the orientation is left out and the profile is that of sRGB. The thumbnail is
    left out too: it shows the picture without colors, and programs would keep showing it.

    Parameters
    ----------
    picture : PIL.Image.Image
        The loaded picture.
    width, height : int
        Size of the result in pixels.

    Returns
    -------
    dict
        See `Metadata`. Damaged parts are left out.
    """
    metadata: Metadata = {"icc_profile": SRGB_PROFILE}
    dpi = None
    with suppress(Exception):
        x, y = (float(value) for value in _read_resolution(picture) or ())
        dpi = (x, y) if 0 < x < 65_535 and 0 < y < 65_535 else None  # JPEG has 16 bits for it. Also excludes NaN.
    if dpi:
        metadata["dpi"] = dpi
    with suppress(Exception):  # Pillow raises all kinds of errors on damaged EXIF.
        if exif := _read_exif(picture, width, height, dpi):
            metadata["exif"] = exif
    xmp = picture.info.get("xmp")
    if isinstance(xmp, bytes):
        for prefix in (b"xmp", b"xap"):
            xmp = _cut_out(xmp, b"<%b:Thumbnails" % prefix, b"</%b:Thumbnails>" % prefix)
        if b"GImg:image" not in xmp:  # Otherwise a thumbnail is left.
            metadata["xmp"] = _ORIENTATION.sub(rb"\g<1>1", xmp)
    with suppress(Exception):  # The same goes for IPTC.
        if iptc := _read_iptc(picture):
            metadata["iptc"] = iptc
    comment = picture.info.get("comment")
    if isinstance(comment, bytes | str) and 0 < len(comment) <= _MAX_SEGMENT_BYTES:
        metadata["comment"] = comment if isinstance(comment, bytes) else comment.encode("utf-8", "replace")
    if texts := _read_texts(picture):
        metadata["texts"] = texts
    if notes := picture.info.get("notes"):
        metadata["notes"] = list(notes)
    return metadata


def _read_resolution(picture: Image.Image) -> tuple[float, float] | None:
    """Find the resolution in pixels per inch, horizontal and vertical; Pillow's own default of 72 doesn't count.

    EXIF takes precedence over JFIF, which many programs set to 72, unless EXIF says 72 and JFIF something else.
    """
    own = picture.info.get("dpi")
    if picture.format in ("JPEG", "MPO"):
        density = picture.info.get("jfif_density")
        factor = {1: 1.0, 2: 2.54}.get(picture.info.get("jfif_unit", 0))
        own = (density[0] * factor, density[1] * factor) if factor and density else None
    exif = _read_exif_resolution(picture)
    if own and exif and exif[0] == exif[1] == 72:
        return own
    return exif or own


def _read_exif_resolution(picture: Image.Image) -> tuple[float, float] | None:
    exif: Mapping[Any, Any] = picture.getexif() if picture.format != "TIFF" else {}
    unit = {2: 1.0, 3: 2.54}.get(exif.get(_Tag.ResolutionUnit, 2))
    if not unit or _Tag.XResolution not in exif:
        return None
    x = float(exif[_Tag.XResolution]) * unit
    y = float(exif.get(_Tag.YResolution, exif[_Tag.XResolution])) * unit
    return (x, y) if 0 < x < 65_535 and 0 < y < 65_535 else None


def _read_texts(picture: Image.Image) -> dict[str, str]:
    """Read the texts of a PNG, except those that hold other metadata."""
    texts, room = {}, _MAX_TEXT_LENGTH
    for name, text in getattr(picture, "text", {}).items():
        room -= len(text)
        if room > 0 and not name.startswith(("XML:", "Raw profile type")):
            texts[name] = str(text)
    return texts


def _cut_out(content: bytes, start: bytes, end: bytes) -> bytes:
    """Remove everything from each start mark to the next end mark, in linear time for any content."""
    kept, at = [], 0
    while (first := content.find(start, at)) >= 0 and (last := content.find(end, first)) >= 0:
        kept.append(content[at:first])
        at = last + len(end)
    return b"".join([*kept, content[at:]])


def mark_colorized(metadata: Metadata, tool: str, settings: str) -> Metadata:
    """Mark metadata, in XMP, as belonging to an image whose colors come from a model.

    Parameters
    ----------
    metadata : dict
        The metadata that the result keeps from its source.
    tool : str
        Name and version of the program.
    settings : str
        Identifies the settings and weights, such as a digest of both.

    Returns
    -------
    dict
        The metadata with an XMP packet: the source's own with the mark added, if possible, or else a new one.

    References
    ----------
    IPTC Photo Metadata Standard, Digital Source Type.
    """
    mark = (
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:colorizer="{_NAMESPACE}" '
        f'Iptc4xmpExt:DigitalSourceType="{_SOURCE_TYPE}" xmp:CreatorTool={quoteattr(tool)} '
        f"colorizer:Settings={quoteattr(settings)}/>"
    ).encode()
    own = metadata.get("xmp", b"")
    for pattern in (_EARLIER_TOOL, _EARLIER_TYPE, _EARLIER_SETTINGS):
        own = pattern.sub(b"", own)
    head, end, rest = own.rpartition(b"</rdf:RDF>")
    packet = head + mark + end + rest if end else _EMPTY_PACKET % mark
    return {**metadata, "xmp": packet}


def read_settings(xmp: bytes) -> str:
    """Read the settings that `mark_colorized` wrote; empty if the packet has none."""
    found = _SETTINGS.search(xmp)
    return found[1].decode("utf-8", "replace") if found else ""


def save_options(metadata: Metadata, format: str) -> dict[str, Any]:
    """Turn metadata into the options of Pillow's ``save`` for a format.

    A JPEG's comment becomes a text of a PNG and vice versa; for WebP and TIFF, both become EXIF tags unless these are
    already set.
    """
    options = {name: value for name, value in metadata.items() if name not in _NOT_WRITTEN}
    iptc = options.pop("iptc", b"")
    comment, texts = options.pop("comment", b""), options.pop("texts", {})
    if format == "JPEG":
        options = {name: value for name, value in options.items() if name == "dpi" or len(value) <= _MAX_SEGMENT_BYTES}
        if comment := comment or texts.get("Comment", "").encode()[:_MAX_SEGMENT_BYTES]:
            options["comment"] = comment
        texts = {name: text for name, text in texts.items() if name != "Comment"}
        if iptc and len(iptc) <= _MAX_SEGMENT_BYTES:
            options["extra"] = _photoshop_segment(iptc)
    elif comment:
        texts = {"Comment": comment.decode("utf-8", "replace"), **texts}
    if texts and format != "PNG":
        content = _add_texts(options.get("exif", b""), texts)
        if content and (format != "JPEG" or len(content) <= _MAX_SEGMENT_BYTES):
            options["exif"] = content
    if format == "PNG" and ("xmp" in options or texts):
        options["pnginfo"] = PngImagePlugin.PngInfo()
        for name, text in texts.items():
            options["pnginfo"].add_itxt(name, text)
        if "xmp" in options:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace"))
    elif format == "TIFF" and (iptc or "exif" in options or "xmp" in options):
        exif = Image.Exif()
        if "exif" in options:
            exif.load(options["exif"])
            preserve_text_bytes(exif)
            if ExifTags.IFD.Exif in exif or ExifTags.IFD.GPSInfo in exif:
                options["compression"] = "raw"  # The only way in which Pillow can write EXIF directories.
        if "xmp" in options:
            exif[TiffImagePlugin.XMP] = options.pop("xmp")
        if iptc:
            exif[TiffImagePlugin.IPTC_NAA_CHUNK] = iptc
        options["exif"] = exif
    return options


def _add_texts(content: bytes, texts: dict[str, str]) -> bytes:
    """Add a PNG's texts to EXIF, unless their tags are already set."""
    exif = Image.Exif()
    exif.load(content)
    preserve_text_bytes(exif)
    for name, text in texts.items():
        tag = _TEXT_TAGS.get(name)
        if tag is not None and tag not in exif:
            exif[tag] = _Latin1Text(text.encode("utf-8", "replace").decode("latin-1"))
    return exif.tobytes() if exif else b""


class _Latin1Text(str):
    """Text in EXIF. Pillow reads its bytes as Latin-1, but would write a "?" for each non-ASCII one."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return super().encode("latin-1", errors)


def preserve_text_bytes(exif: Image.Exif) -> None:
    """Make Pillow write the text in EXIF with the same bytes that it was read from, whatever their encoding."""
    directories = [exif.get_ifd(tag) for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if tag in exif]
    for directory in (exif, *directories):
        for tag, value in list(directory.items()):
            if isinstance(value, str):
                directory[tag] = _Latin1Text(value)


def _read_exif(picture: Image.Image, width: int, height: int, dpi: tuple[float, float] | None) -> bytes:
    found, kept = picture.getexif(), Image.Exif()
    kept.endian = found.endian  # For UTF-16 comments, whose bytes are kept as they are.
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
            kept[directory] = 0  # A placeholder for the offset, which Pillow fills in.
    if dpi:  # WebP can't store it anywhere else.
        kept[_Tag.XResolution], kept[_Tag.YResolution], kept[_Tag.ResolutionUnit] = *dpi, 2
    preserve_text_bytes(kept)
    return kept.tobytes() if kept else b""


def _read_iptc(picture: Image.Image) -> bytes:
    """Read the IPTC records, in which archives and agencies keep captions and credits; empty if there are none."""
    iptc = picture.info.get("iptc") or picture.info.get("photoshop", {}).get(_IPTC_RESOURCE)
    return iptc if isinstance(iptc, bytes) and iptc.startswith(b"\x1c") else b""


def _photoshop_segment(iptc: bytes) -> bytes:
    """Wrap IPTC records in the JPEG segment that holds them."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    content = b"Photoshop 3.0\0" + resource
    return struct.pack(">HH", 0xFFED, len(content) + 2) + content
