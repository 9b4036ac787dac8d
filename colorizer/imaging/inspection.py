"""Examine a file before decoding it: its format, and the memory and time that decoding will take.

Formats, including unsupported ones, are identified by their signatures. Every size that a decoder will rely on is read
from the file's structure: the sizes of the picture, of embedded files and of whatever metadata point to, and the number
of scans, frames and pages. Each walk over a structure takes linear, bounded time.
"""

import importlib.util
import io
import re
import struct
from contextlib import suppress
from dataclasses import replace

from PIL import Image, UnidentifiedImageError

from colorizer.imaging.animation import GIF_IMAGE, walk_gif
from colorizer.imaging.avif import find_box, list_exif, list_stream_sizes
from colorizer.imaging.bmp import has_masks, hide_masks, is_icon, keep_best_icon, list_icons
from colorizer.imaging.facts import Cost, Facts, UnreadableError, check_metadata

_MAX_SEGMENTS = 20_000
_MAX_EXIF_SEGMENTS = 100  # Pillow joins them in quadratic time; a photo has one.
_MAX_ICONS = 256
_SLOW = 50  # Decoders written in Python take at least this many times as long per pixel.
_SLOW_KINDS = {"XPM", "XBM", "BLP", "FTEX", "MSP", "DDS", "FITS"}
_AT_LEAST_HALF_A_BYTE = {"BLP", "DDS", "FTEX"}  # Per pixel.
_CARDS = re.compile(rb"(NAXIS3|BITPIX)  = {1,30}(-?\d{1,9})")
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG2000, _CODESTREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"

# Kinds of unsupported formats: the reason why they are refused, and what to do.
_RAW = "is a camera's raw file ({})", "develop it to JPEG or TIFF first"
_EXPORT = "is {}, not an image", "export its pictures as JPEG or PNG first"
_OTHER = "is {}, which can't be read here", "save it as PNG, JPEG or TIFF first"
# Signatures of unsupported formats: offset, bytes, kind and name.
_UNREADABLE: list[tuple[int, bytes, tuple[str, str], str]] = [
    (0, b"8BPS\0\2", _OTHER, "a large Photoshop document (PSB)"),
    (0, b"%PDF", _EXPORT, "a PDF document"),
    (0, b"%!PS", _EXPORT, "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", _EXPORT, "a PostScript document"),
    (8, b"CR\2\0", _RAW, "CR2"),
    *((0, signature, _RAW, "ORF") for signature in (b"IIRO", b"IIRS", b"MMOR")),
    (0, b"IIU\0", _RAW, "RW2"),
    (0, b"FUJIFILMCCD-RAW", _RAW, "RAF"),
    (0, b"FOVb", _RAW, "X3F"),
    (0, b"\0MRM", _RAW, "MRW"),
    (0, b"II\xbc\1", _OTHER, "a JPEG XR image"),
    (0, b"FLIF", _OTHER, "a FLIF image"),
    (0, b"BPG\xfb", _OTHER, "a BPG image"),
    (0, b"gimp xcf", _OTHER, "a GIMP document (XCF)"),
    (0, b"v/1\1", _OTHER, "an OpenEXR image"),
    (0, b"P7\n", _OTHER, "a PAM image"),
    (0, b"PF\n", _OTHER, "a color PFM image"),
    (0, b"\x8aMNG", _OTHER, "an MNG animation"),
    (0, b"\x8bJNG", _OTHER, "a JNG image"),
    (8, b"ACON", _OTHER, "an animated cursor (ANI)"),
    *((0, signature, _OTHER, "a Radiance HDR image") for signature in (b"#?RADIANCE", b"#?RGBE")),
    (0, b"AT&TFORM", _EXPORT, "a DjVu document"),
    (128, b"DICM", _OTHER, "a DICOM image"),
    (0, b"\x1aE\xdf\xa3", _EXPORT, "a video (Matroska or WebM)"),
    *((0, signature, _EXPORT, "a video (MPEG)") for signature in (b"\0\0\1\xba", b"\0\0\1\xb3")),
    (0, b"OggS", _EXPORT, "a video or audio file (Ogg)"),
    (0, b"ID3", _EXPORT, "an audio file (MP3)"),
    (8, b"AVI ", _EXPORT, "a video (AVI)"),
    (8, b"WAVE", _EXPORT, "an audio file (WAV)"),
    (0, b"PK\3\4", _EXPORT, "a ZIP archive"),
    (0, b"Rar!", _EXPORT, "a RAR archive"),
    (0, b"7z\xbc\xaf", _EXPORT, "a 7-Zip archive"),
    (0, b"\x1f\x8b", _EXPORT, "a gzip archive"),
    (0, b"\xd0\xcf\x11\xe0", _EXPORT, "an Office document"),
    (0, b"\x89HDF", _EXPORT, "an HDF5 file"),
    (0, b"\xd7\xcd\xc6\x9a", _OTHER, "a Windows metafile (WMF)"),
    (40, b" EMF", _OTHER, "a Windows metafile (EMF)"),
]
_BRANDS = {"avif": "AVIF", "avis": "AVIF", "heic": "HEIF", "heix": "HEIF", "hevc": "HEIF", "hevx": "HEIF"}
_BRANDS |= {"heim": "HEIF", "heis": "HEIF", "hevm": "HEIF", "hevs": "HEIF", "mif1": "HEIF", "msf1": "HEIF"}
HEIF_EXTENSIONS = {".heic", ".heics", ".heif", ".heifs", ".hif"}
_TEXT = re.compile(rb"\s*(?:<\?xml[^>]{0,300}>\s*|<!--.{0,1000}?-->\s*|<!DOCTYPE[^>]{0,300}>\s*){0,3}<(svg|html)", re.I)


def _check_format(content: bytes) -> None:
    """Raise `UnreadableError` for a file whose format is known but can't be read here."""
    for at, signature, kind, name in _UNREADABLE:
        if content[at : at + len(signature)] == signature:
            raise _refusal(kind, name)
    if content[4:8] == b"ftyp":
        brands = _list_brands(content)
        if brands[0] == "crx ":
            raise _refusal(_RAW, "CR3")
        if not any(brand in _BRANDS for brand in brands):
            raise _refusal(_EXPORT, "a video or audio file (MP4)")
    if text := _TEXT.match(content[:4096]):
        svg = text[1].lower() == b"svg"
        raise _refusal(_OTHER, "an SVG drawing") if svg else _refusal(_EXPORT, "a web page")


def _refusal(kind: tuple[str, str], name: str) -> UnreadableError:
    reason, advice = kind
    return UnreadableError(reason.format(name), advice)


def _list_brands(content: bytes) -> list[str]:
    """List the brands (formats) in the first box of a file, the main one first."""
    size = int.from_bytes(content[:4])
    return [content[i : i + 4].decode("latin-1") for i in (8, *range(16, min(size, 96), 4))]


def can_read_heif() -> bool:
    """Whether HEIC can be read; its library may not be installed where models are only trained."""
    return importlib.util.find_spec("pillow_heif") is not None


def open_picture(content: bytes, formats: list[str]) -> Image.Image:
    """Open a file with Pillow, or a HEIC file, which Pillow can't read, with `pillow_heif`; nothing is decoded.

    `pillow_heif` is called directly, since registering it with Pillow would affect the whole process.
    """
    brands = _list_brands(content) if content[4:8] == b"ftyp" else []
    if any(_BRANDS.get(brand) == "HEIF" for brand in brands) and not {"avif", "avis"} & set(brands):
        if not can_read_heif():
            raise UnreadableError("is a HEIC image, which needs the package pillow-heif")
        from pillow_heif import HeifImageFile

        picture: Image.Image = HeifImageFile(io.BytesIO(content))
        return picture
    if is_icon(content):
        content = keep_best_icon(content)
    elif has_masks(content):
        content = hide_masks(content)
    return Image.open(io.BytesIO(content), formats=formats)


def inspect(content: bytes, formats: list[str]) -> Facts:
    """Examine a file in any format except TIFF, which `colorizer.imaging.tiff` handles.

    Parameters
    ----------
    content : bytes
        The file.
    formats : list of str
        Pillow's names of the other formats that may be read.

    Raises
    ------
    UnreadableError
        If the format is not supported, or the structure is far larger than that of any real picture.
    ValueError, struct.error, OSError and others
        If the file is damaged; `PIL.UnidentifiedImageError` if it isn't an image at all.
    """
    _check_format(content)
    if content[:2] == b"\xff\xd8":
        facts = _inspect_jpeg(content)
    elif content[:8] == _PNG:
        facts = _inspect_png(content)
    elif content[:4] == b"GIF8":
        facts = _inspect_gif(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        facts = _inspect_webp(content)
    elif content[:4] == b"qoif":
        width, height = struct.unpack_from(">II", content, 4)
        facts = Facts("QOI", height, width, Cost(height * width, height * width * 8, height * width))
    elif content[:2] == b"\xff\x0a" or content[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        facts = _inspect_jpegxl(content)
    elif content[:12] == _JPEG2000 or content[:4] == _CODESTREAM:
        facts = _inspect_jpeg2000(content)
    elif is_icon(content):
        facts = _inspect_ico(content)
    elif content[:4] == b"icns":
        facts = _inspect_icns(content, formats)
    else:
        facts = _inspect_by_pillow(content, formats)
    return replace(facts, cost=facts.cost.plus(memory=2 * len(content)))


def measure_part(content: bytes) -> Facts:
    """Examine a strip or tile of a TIFF that is a file itself: JPEG, WebP or JPEG 2000."""
    if content[:2] == b"\xff\xd8":
        return _inspect_jpeg(content)
    if content[:4] == b"RIFF":
        return _inspect_webp(content)
    return _inspect_jpeg2000(content)


def _inspect_jpeg(content: bytes) -> Facts:
    at, scans, segments, exif = 2, 0, 0, list[bytes]()
    kind, bits, height, width, sampling = 0, 8, 0, 0, list[int]()
    whole, exact = False, 0  # The latter counts coefficients that have all their bits.
    while at + 4 <= len(content) or content[at : at + 2] == b"\xff\xd9":
        if content[at] != 0xFF:  # Padding between segments, or a scan.
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                break
            at = found.start()
        marker = content[at + 1]
        if marker == 0xD9:
            whole = True
            break
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if (segments := segments + 1) > _MAX_SEGMENTS:
            raise UnreadableError(f"is a JPEG with more than {_MAX_SEGMENTS} segments; no photo has that many")
        (length,) = struct.unpack_from(">H", content, at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if not height:
                kind = marker
                bits, height, width, components = struct.unpack_from(">BHHB", content, at + 4)
                sampling = [content[at + 11 + 3 * i] for i in range(components)]
            elif 0xC3 in (kind, marker):  # Decoders disagree on which of the headers counts.
                raise _refusal(_OTHER, "a hierarchical JPEG")
        elif marker == 0xF7:
            raise _refusal(_OTHER, "a JPEG-LS image")
        elif marker == 0xE1 and content[at + 4 : at + 10] == b"Exif\0\0":
            exif.append(content[at + 10 : at + 2 + length])
            if len(exif) > _MAX_EXIF_SEGMENTS:
                raise UnreadableError(f"is a JPEG with more than {_MAX_EXIF_SEGMENTS} segments of EXIF")
        elif marker == 0xDA:
            scans += 1
            header = content[at + 4 : at + 2 + length]
            if len(header) > 3 and not header[-1] & 15:
                exact += header[0] * (header[-2] - header[-3] + 1)
        at += 2 + length
        if marker == 0xDA:
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                break
            at = found.start()
    if not height or not width or not scans:
        raise ValueError("it has no picture" if not scans else "its height or width is 0")
    if kind in (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF):
        raise _refusal(_OTHER, "a hierarchical JPEG")
    check_metadata(b"".join(exif))  # Pillow parses it on opening the file.
    pixels = height * width
    areas = [(value >> 4) * (value & 15) for value in sampling] or [1]
    # If there are several scans, decoders keep the coefficients, two bytes each.
    coefficients = 2 * pixels * sum(areas) // max(areas) if kind in (0xC2, 0xCA) or scans > 1 else 0
    # Pillow's picture takes four bytes per pixel. By the time the result is made, the coefficients have been freed.
    memory = max(pixels * 8, pixels * 4 + coefficients) if bits == 8 else pixels * 12 + coefficients
    cost = Cost(pixels, memory, pixels * scans * (1 if whole else 5))  # Decoded again to see what is missing.
    missing = not whole and kind in (0xC2, 0xCA) and exact < 64 * len(sampling)
    bits += 16 * (kind == 0xC3)
    return Facts("JPEG", height, width, cost, bits=bits, whole=whole, scans_missing=missing)


def _inspect_png(content: bytes) -> Facts:
    at, chunks, frames, height, width, bits, kind = 8, 0, 1, 0, 0, 8, 0
    keyed = controlled = False  # Whether a color is transparent; whether the main picture is one of the frames.
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if (chunks := chunks + 1) > _MAX_SEGMENTS * 5:
            raise UnreadableError(f"is a PNG with more than {_MAX_SEGMENTS * 5} chunks; no picture has that many")
        if name == b"IHDR" and not height:
            width, height, bits, kind = struct.unpack_from(">IIBB", content, at + 8)
        elif name == b"acTL" and length >= 4:
            frames = max(struct.unpack_from(">I", content, at + 8)[0], 1)
        elif name == b"fcTL":
            controlled = True
        elif name == b"tRNS":
            keyed = bits == 16
        elif name == b"IDAT" and frames > 1 and not controlled:
            frames, controlled = frames + 1, True  # The frames come after a still picture for other programs.
        at += 12 + length
    pixels = height * width
    deep = 2 * pixels if bits == 16 else 0
    memory = pixels * (8 if kind in (2, 4, 6) else 5) + deep + 6 * pixels * keyed
    return Facts("PNG", height, width, Cost(pixels, memory, pixels), pages=min(frames, chunks), bits=bits)


def _inspect_gif(content: bytes) -> Facts:
    width, height = struct.unpack_from("<HH", content, 6)
    frames, largest = 0, 0
    for kind, start, _ in walk_gif(content):
        if kind == GIF_IMAGE:
            left, top, across, down = struct.unpack_from("<HHHH", content, start + 1)
            if not frames:
                width, height = max(width, left + across), max(height, top + down)
            frames, largest = frames + 1, max(largest, across * down)
    pixels = height * width
    return Facts("GIF", height, width, Cost(pixels, pixels * 14, max(pixels, largest)), pages=max(frames, 1))


def _inspect_webp(content: bytes) -> Facts:
    at, frames, height, width, chunks = 12, 0, 0, 0, 0
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        if (chunks := chunks + 1) > _MAX_SEGMENTS:
            raise UnreadableError(f"is a WebP with more than {_MAX_SEGMENTS} chunks; no picture has that many")
        size = (0, 0)
        if name == b"VP8X":
            size = (
                int.from_bytes(content[at + 12 : at + 15], "little"),
                int.from_bytes(content[at + 15 : at + 18], "little"),
            )
            size = size[0] + 1, size[1] + 1
        elif name == b"VP8 ":
            size = struct.unpack_from("<HH", content, at + 14)
            size = size[0] & 0x3FFF, size[1] & 0x3FFF
        elif name == b"VP8L":
            packed = int.from_bytes(content[at + 9 : at + 13], "little")
            size = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        elif name == b"ANMF":
            frames += 1
        width, height = max(width, size[0]), max(height, size[1])
        at += 8 + length + length % 2
    pixels = height * width
    return Facts("WEBP", height, width, Cost(pixels, pixels * 16, pixels), pages=max(frames, 1))


def _inspect_jpeg2000(content: bytes) -> Facts:
    box = (0, 0) if content[:4] == _CODESTREAM else find_box(content, b"jp2c", 0, len(content))
    if box is None or content[box[0] : box[0] + 4] != _CODESTREAM:
        raise ValueError("it has no codestream")
    start = box[0]
    across, down, left, top = struct.unpack_from(">IIII", content, start + 8)
    tile_across, tile_down = struct.unpack_from(">II", content, start + 24)
    (components,) = struct.unpack_from(">H", content, start + 40)
    width, height = across - left, down - top
    if width < 1 or height < 1 or not tile_across or not tile_down:
        raise ValueError("it has no pixels")
    tiles = -(-across // tile_across) * -(-down // tile_down)
    if tiles > _MAX_SEGMENTS:
        raise UnreadableError(f"is a JPEG 2000 with too many tiles ({tiles})")
    pixels = height * width
    bits = (content[start + 42] & 127) + 1
    return Facts("JPEG2000", height, width, Cost(pixels, pixels * (4 * components + 8), pixels * 4), bits=bits)


def _inspect_jpegxl(content: bytes) -> Facts:
    """Read the size and the bits per sample at the beginning of a JPEG XL; ISO/IEC 18181-1, section D."""
    at, boxes = 0, 0
    while content[at : at + 2] != b"\xff\x0a":  # The boxes before the codestream.
        size, name = struct.unpack_from(">I4s", content, at)
        long = size == 1  # A size of 64 bits follows the name.
        if long:
            (size,) = struct.unpack_from(">Q", content, at + 8)
        if name in (b"jxlc", b"jxlp"):
            at += (16 if long else 8) + (4 if name == b"jxlp" else 0)
            break
        if size < 8 or (boxes := boxes + 1) > _MAX_SEGMENTS:
            raise ValueError("its boxes are damaged")
        at += size
    bits, position = int.from_bytes(content[at + 2 : at + 48], "little"), 0

    def read(count: int) -> int:
        nonlocal position
        position += count
        return bits >> (position - count) & ((1 << count) - 1)

    def read_one_of(*choices: tuple[int, int]) -> int:
        """Read a number: two bits select an offset and the number of bits that follow, which are added to it."""
        least, count = choices[read(2)]
        return least + read(count)

    def read_size() -> tuple[int, int]:
        small = read(1)

        def read_length() -> int:
            return (read(5) + 1) * 8 if small else read_one_of((1, 9), (1, 13), (1, 18), (1, 30))

        height = read_length()
        ratio = read(3)
        across, down = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
        return height, height * across // down if ratio else read_length()

    height, width = read_size()
    animated, depth = False, 8
    if not read(1):  # Not all metadata have their default values.
        if read(1):  # Orientation, intrinsic size, preview, animation.
            read(3)
            if read(1):
                read_size()
            if read(1):  # No encoder writes previews.
                raise _refusal(_OTHER, "a JPEG XL image with a preview")
            if animated := bool(read(1)):
                read_one_of((100, 0), (1000, 0), (1, 10), (1, 30))
                read_one_of((1, 0), (1001, 0), (1, 8), (1, 10))
                read_one_of((0, 0), (0, 3), (0, 16), (0, 32))
                read(1)
        floats = read(1)
        depth = (
            read_one_of((32, 0), (16, 0), (24, 0), (1, 6)) if floats else read_one_of((8, 0), (10, 0), (12, 0), (1, 6))
        )
    pixels = height * width
    # An animation's frames can't be counted without decoding all of them.
    return Facts("JXL", height, width, Cost(pixels, pixels * 40, pixels * 2), pages=0 if animated else 1, bits=depth)


def _inspect_ico(content: bytes) -> Facts:
    """Measure the best picture of an icon or cursor by its own header, since Pillow decodes it on opening the file."""
    if not (icons := list_icons(content)):
        raise ValueError("its list of icons is damaged")
    pixels = icons[0].height * icons[0].width
    return Facts("ICO", icons[0].height, icons[0].width, Cost(pixels, pixels * 10, pixels))


def _inspect_icns(content: bytes, formats: list[str]) -> Facts:
    """Measure the largest icon of an ICNS; icons that are files themselves are measured by their own headers."""
    facts, at, count = _inspect_by_pillow(content, formats), 8, 0
    while at + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, at + 4)
        if size < 8 or (count := count + 1) > _MAX_ICONS:
            raise ValueError("its list of icons is damaged")
        icon = content[at + 8 : at + size]
        with suppress(ValueError, struct.error):
            part = _inspect_png(icon) if icon[:8] == _PNG else _inspect_jpeg2000(icon)
            if part.cost.pixels > facts.cost.pixels:
                facts = replace(facts, height=part.height, width=part.width, cost=part.cost)
        at += size
    return facts


def _inspect_by_pillow(content: bytes, formats: list[str]) -> Facts:
    if content[4:8] == b"ftyp" and {"avif", "avis"} & set(_list_brands(content)):
        for exif in list_exif(content):  # Pillow parses it on opening the file.
            check_metadata(exif)
    with _open_known(content, formats) as picture:
        kind, height, width = picture.format or "", picture.height, picture.width
        pages = max(int(getattr(picture, "n_frames", 1)), 1)
        bits = _count_bits(picture, content)
    pixels = height * width
    if kind == "BLP" and content[:8] == b"BLP1\0\0\0\0":
        _check_jpeg_in_blp(content, height, width)
    elif kind in _AT_LEAST_HALF_A_BYTE and pixels > 2 * len(content):  # Pillow would make room for it first.
        raise ValueError("it ends before its picture does")
    slow = kind in _SLOW_KINDS or (kind == "PPM" and content[1:2] in b"123")
    cost = Cost(pixels, pixels * 10, pixels * (_SLOW if slow else 1))
    if kind == "BMP" and content[30:31] in (b"\1", b"\2"):  # Runs, which may leave pixels out.
        cost = cost.plus(work=_SLOW * len(content))
    if kind == "AVIF":
        cost = _add_streams(cost, content, height, width)
    return Facts(kind, height, width, cost, pages=pages, bits=bits)


def _check_jpeg_in_blp(content: bytes, height: int, width: int) -> None:
    """Raise `ValueError` if the JPEG in a BLP is not as large as the BLP, by which Pillow lays out its pixels."""
    (start,), (size,), (head,) = (struct.unpack_from("<I", content, at) for at in (28, 92, 156))
    jpeg = _inspect_jpeg(content[160 : 160 + head] + content[start : start + size])
    if (jpeg.height, jpeg.width) != (height, width):
        raise ValueError(f"the picture in it is {jpeg.width} x {jpeg.height}, not {width} x {height}")


def _open_known(content: bytes, formats: list[str]) -> Image.Image:
    """Open a file with Pillow; `UnreadableError` for layouts that Pillow doesn't support or misreads.

    Opening reads only the header: if all of it is there and Pillow still refuses it, the file isn't damaged.
    """
    try:
        picture = open_picture(content, formats)
    except UnidentifiedImageError:
        raise
    except (OSError, ValueError) as error:
        if content[:2] == b"BM" and len(content) >= 14 + int.from_bytes(content[14:18], "little"):
            raise _refusal(_OTHER, "a BMP with an unusual layout") from error
        if content[:9] == b"/* XPM */" and b"};" in content:
            raise _refusal(_OTHER, "an XPM with an unusual layout") from error
        raise
    if picture.format == "XPM" and "transparency" in picture.info:  # Pillow mistakes the color's name for alpha.
        raise _refusal(_OTHER, "an XPM with transparency")
    if picture.format == "SUN" and content[15] == 32:  # Pillow mistakes the unused first byte for a color.
        raise _refusal(_OTHER, "a 32-bit Sun raster")
    if picture.format == "FITS":
        cards = dict(_CARDS.findall(content[:5760]))
        if int(cards.get(b"NAXIS3", 1)) > 1:
            raise _refusal(_OTHER, "a FITS image of several planes")
        if int(cards.get(b"BITPIX", 8)) != 8:  # Pillow reads these in the wrong byte order.
            raise _refusal(_OTHER, "a FITS image with more than 8 bits")
    return picture


def _add_streams(cost: Cost, content: bytes, height: int, width: int) -> Cost:
    """Measure the streams of an AVIF: many, or larger than the picture; `ValueError` if they don't match it."""
    sizes = list_stream_sizes(content)
    rows, columns = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if rows * columns > 2 * cost.pixels:
        raise ValueError(f"its stream is {columns} x {rows}, not {width} x {height}")
    more = max(sum(rows * columns for rows, columns in sizes) - 2 * cost.pixels, 0)
    return cost.plus(memory=4 * more, work=more)


def _count_bits(picture: Image.Image, content: bytes) -> int:
    """Find the bits per sample in formats that allow more than 8; Pillow's mode doesn't always show them."""
    if picture.mode.startswith(("I", "F")):
        return 16
    if picture.format == "HEIF":
        return int(picture.info.get("bit_depth", 8))
    if picture.format == "AVIF":
        at = content.find(b"av1C")
        return 10 if at >= 0 and int.from_bytes(content[at + 6 : at + 7]) & 0x40 else 8
    if picture.format == "SGI":
        return 8 * content[3]
    if picture.format == "PPM":  # The third number in its header is the greatest value.
        numbers = re.sub(rb"#[^\n]*", b"", content[:65536]).split(None, 4)
        return int(numbers[3]).bit_length() if content[1:2] in b"2356" else 1
    return 8
