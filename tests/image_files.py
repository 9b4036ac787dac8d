"""Write test files: byte by byte if no library here writes them, and shortcuts for the others."""

import io
import struct
import zlib

import cv2
import imagecodecs
import numpy as np
from conftest import encode, random_images
from PIL import ExifTags, Image

RGB = random_images(1, 33)[0][:21]
WIDE = np.random.default_rng(0).integers(0, 65536, (21, 33, 4), dtype=np.uint16)
LEVELS = ((WIDE.astype(np.uint32) + 128) // 257).astype(np.uint8)


def pillow(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def opencv(array: np.ndarray, extension: str, *options: int) -> bytes:
    if array.ndim == 3:
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    return cv2.imencode(extension, np.ascontiguousarray(array), options)[1].tobytes()


def tiff(array: np.ndarray, **tags: int | tuple[int, ...]) -> bytes:
    """Write a TIFF tag by tag, for kinds that no library here writes; tag 278 is the rows per strip."""
    samples = array.shape[2] if array.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    given = {
        256: array.shape[1],
        257: array.shape[0],
        258: (array.itemsize * 8,) * samples,
        259: 1,
        262: 2 if samples > 2 else 1,
        273: 0,
        277: samples,
        278: array.shape[0],
        279: array.nbytes,
        284: 1,
        339: (kind,) * samples,
    } | {int(tag[1:]): value for tag, value in tags.items()}
    planes = [array[..., i] for i in range(samples)] if given[284] == 2 else [array]
    parts = [plane[top : top + given[278]].tobytes() for plane in planes for top in range(0, len(plane), given[278])]
    pack = {5: imagecodecs.lzw_encode, 8: zlib.compress, 50000: imagecodecs.zstd_encode}.get(given[259], bytes)
    strips = [bytes(pack(part)) for part in parts]
    sizes = [len(strip) for strip in strips]
    given |= {273: tuple(sizes), 279: tuple(sizes)}
    entries, extra = b"", b""
    start = 8 + 2 + 12 * len(given) + 4
    pixels = start + 4 * sum(len(v) for v in given.values() if isinstance(v, tuple) and len(v) > 1)
    given[273] = tuple(pixels + sum(sizes[:i]) for i in range(len(sizes)))
    for tag, value in sorted(given.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            packed, extra = struct.pack("<I", start + len(extra)), extra + packed
        entries += struct.pack("<HHI", tag, 4, len(values)) + packed
    directory = struct.pack("<H", len(given)) + entries + bytes(4)
    return b"II*\x00\x08\x00\x00\x00" + directory + extra + b"".join(strips)


def gray(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[..., None], 3, axis=2)


def bmp(bits: int, compression: int, data: bytes, palette: bytes = b"", width: int = 4, height: int = 2) -> bytes:
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_STARTS_AND_STEPS = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
ADAM7 = [(slice(top, None, down), slice(left, None, right)) for top, down, left, right in _STARTS_AND_STEPS]


def png(array: np.ndarray, *extra: bytes, bits: int | None = None, interlaced: bool = False) -> bytes:
    """Write a gray or RGB PNG with any additional chunks, in seven passes if interlaced.

    Gray samples may have fewer bits than the array's type.
    """
    bits = bits or array.itemsize * 8

    def pack(row: np.ndarray) -> bytes:
        if bits >= 8:
            return row.astype(f">u{bits // 8}").tobytes()
        return np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:]).tobytes()

    parts = [array[rows, columns] for rows, columns in ADAM7] if interlaced else [array]
    rows = b"".join(b"\0" + pack(row) for part in parts if part.size for row in part)
    kind = 2 if array.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, kind, 0, 0, interlaced)
    chunks = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float], gamma: float) -> bytes:
    """Make an ICC profile of an RGB space (v2, matrix and gamma) from its primaries' chromaticities, D50 white."""

    def s15(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    white = np.array([0.9642, 1.0, 0.8249])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    columns = columns * np.linalg.solve(columns, white)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    xyz = [b"XYZ " + bytes(4) + b"".join(map(s15, column)) for column in (*columns.T, white)]
    data = {b"rXYZ": xyz[0], b"gXYZ": xyz[1], b"bXYZ": xyz[2], b"wtpt": xyz[3]}
    data |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"RGB ", data)


def gray_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return _profile(b"GRAY", {b"kTRC": curve, b"wtpt": white})


def ink_profile() -> bytes:
    """Make a CMYK profile whose four inks are all gray and each remove a quarter of the lightness."""
    inks = np.indices((2, 2, 2, 2)).sum(axis=0).ravel()
    lab = np.stack([np.rint(255 * (1 - inks / 4)), np.full(16, 128), np.full(16, 128)], axis=1).astype(np.uint8)
    identity = struct.pack(">9i", *(65536 * (i in (0, 4, 8)) for i in range(9)))
    line = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + line * 4 + lab.tobytes() + line * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return _profile(b"CMYK", {b"A2B0": table, b"wtpt": white}, b"prtr", b"Lab ")


def _profile(space: bytes, data: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    offset = 128 + 4 + 12 * len(data)
    table, body = struct.pack(">I", len(data)), b""
    for name, content in data.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, kind, space, connection) + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


SWAPPED = profile((0.1559, 0.0660), (0.3209, 0.5978), (0.6484, 0.3309), 2.2)  # sRGB with red and blue swapped.


def camera_exif() -> Image.Exif:
    """EXIF of a camera held upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.DateTime] = "2001:02:03 04:05:06"
    exif[ExifTags.Base.ImageDescription] = "Grandma"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "1954:06:07 08:09:10"
    details[ExifTags.Base.ExifImageWidth] = RGB.shape[1]
    details[ExifTags.Base.ExifImageHeight] = RGB.shape[0]
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


def with_thumbnail(exif: bytes) -> bytes:
    """Append a second directory, the thumbnail's, to big-endian EXIF."""
    body = exif.removeprefix(b"Exif\0\0")
    count = struct.unpack(">H", body[8:10])[0]
    link = 10 + 12 * count
    thumbnail = encode(RGB, "JPEG")
    second = struct.pack(">HHHIIHHIII", 2, 513, 4, 1, len(body) + 30, 514, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0" + body[:link] + struct.pack(">I", len(body)) + body[link + 4 :] + second + thumbnail
