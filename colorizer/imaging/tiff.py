"""Decode TIFF: check and measure a page's tags first, then decode only what was checked.

For each page, a small file with a single directory is rebuilt from the checked tags, so that no decoder can interpret
other tags or follow an unchecked offset. `tifffile` decodes that file; Pillow does so for old-style JPEG.
"""

import io
import itertools
import logging
import math
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.facts import Cost, Facts, UnreadableError
from colorizer.imaging.fax import FAX, decode_fax
from colorizer.imaging.inspection import measure_part
from colorizer.imaging.metadata import preserve_text_bytes
from colorizer.imaging.srgb import apply_palette, from_lab, to_bytes
from colorizer.imaging.tags import Directory, DirectoryError, Layout, Tag, check_exif
from colorizer.imaging.ycbcr import LIMITS, WEIGHTS, Units, from_ycbcr
from colorizer.machine import quiet_stderr

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # Errors already report what is wrong with a file.

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_SAMPLES, _ROWS, _PLANES, _PREDICTOR, _COLORS, _SUBIFDS = 277, 278, 284, 317, 320, 330
_STRIPS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 273, 279, 322, 323, 324, 325
_INKS, _EXTRA, _FORMAT, _YCBCR_WEIGHTS, _SUBSAMPLING, _YCBCR_RANGE, _DEPTH = 332, 338, 339, 529, 530, 532, 32997
_X_RESOLUTION, _Y_RESOLUTION, _UNIT, _XMP, _IPTC, _PROFILE = 282, 283, 296, 700, 33723, 34675
_POINTERS = {34665, 34853, 40965}  # Offsets of EXIF's own directories.
_DNG, _OLD_JPEG_TAGS = 50706, {512, 513, 514, 515, 517, 518, 519, 520, 521}
# Every tag that describes how pixels are stored. 266: bit order; 292, 293: fax; 347: JPEG tables.
_DECODED = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, 266, _PHOTOMETRIC, _STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES, _PLANES}
_DECODED |= {292, 293, _PREDICTOR, _COLORS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _EXTRA, _FORMAT, 347}
_DECODED |= {_YCBCR_WEIGHTS, _SUBSAMPLING, _YCBCR_RANGE} | _OLD_JPEG_TAGS
_NOT_INTEGERS = {347, _YCBCR_WEIGHTS, _YCBCR_RANGE} | _OLD_JPEG_TAGS

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
_NAMES = {32803: "camera raw", 34892: "camera raw", 32844: "LogL", 32845: "LogLuv", 10: "ITU Lab"}
_PLAIN = {1: "no", 2: "CCITT", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 8: "deflate", 32946: "deflate"}
_PLAIN |= {32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
_WITH_PREDICTOR = {5, 8, 32946, 34925, 50000}
_JPEG, _OLD_JPEG = 7, 6
_PICTURES = {_JPEG, 34712, 50001}  # JPEG, JPEG 2000, WebP: files within the file.
_OTHERS = {34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34887: "LERC", 34892: "lossy JPEG of a DNG"}
_OTHERS |= {
    33003: "JPEG 2000 (YCbCr)",
    33004: "JPEG 2000",
    33005: "JPEG 2000 (RGB)",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_OTHERS |= {32766: "NeXT", 32809: "ThunderScan", 22610: "JPEG XR", 34933: "PNG", 34934: "JPEG XR"}
_PREMULTIPLIED, _ALPHA = 1, 2
_UNSIGNED, _SIGNED, _FLOAT, _UNKNOWN = 1, 2, 3, 4
_HEADER = bytes(16)  # Room for the header of a file that is nothing but a directory.
_MAX_PARTS = 100_000
_MAX_SAMPLES = 16
_BLOCK = 512  # Rows and columns that are divided by their alpha at a time.
_SAVE_ANEW = "save it as 8- or 16-bit RGB first, with LZW, deflate or no compression"


def is_tiff(content: bytes) -> bool:
    """Whether a file begins like a TIFF or BigTIFF and isn't a CR2, a raw format that begins the same way."""
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and content[8:12] != b"CR\2\0"


@dataclass(frozen=True)
class Tiff:
    """A TIFF whose structure has been read; no pixel has been decoded.

    Attributes
    ----------
    content : bytes
        The file.
    first : Directory
        The file's first directory, which may belong to a thumbnail.
    pages : tuple of Directory
        The full-size pictures, in order.
    """

    content: bytes
    first: Directory
    pages: tuple[Directory, ...]

    @classmethod
    def read(cls, content: bytes) -> "Tiff":
        """Read the directories.

        Reduced-size images are skipped: the full-size one is in a later directory or in a subdirectory.

        Raises
        ------
        UnreadableError
            If the file is a camera's raw file.
        DirectoryError
            If the directories are damaged.
        """
        layout = Layout.read(content)
        directories = list(layout.chain(content))
        if not directories:
            raise DirectoryError("it has no directory")
        if _DNG in directories[0].tags:
            raise UnreadableError("is a camera's raw file (DNG)", "develop it to JPEG or TIFF first")
        shown = [directory for directory in directories if not directory.number(_SUBFILE) & 4]  # 4 means a mask.
        pages = []
        for directory in shown:
            if not _is_reduced(directory):
                pages.append(directory)
            elif not pages:
                below = _read_below(layout, content, directory)
                pages += [found for found in below if not _is_reduced(found)][:1]
        if not pages:
            pages = [max(shown or directories, key=lambda found: found.number(_WIDTH) * found.number(_HEIGHT))]
        return cls(content, directories[0], tuple(pages))

    def open(self, page: int = 0) -> "TiffPage":
        """Check how a page is stored; raises the errors of `TiffPage`."""
        return TiffPage(self, self.pages[page])


def _is_reduced(directory: Directory) -> bool:
    return bool(directory.number(_SUBFILE) & 1) or directory.number(_OLD_SUBFILE) == 2


def _read_below(layout: Layout, content: bytes, directory: Directory) -> Iterator[Directory]:
    for offset in directory.numbers(_SUBIFDS)[:16]:
        with suppress(DirectoryError):
            yield layout.directory(content, int(offset))


class TiffPage:
    """A page of a TIFF, checked and measured.

    Attributes
    ----------
    facts : Facts
        The stored size and the decoding cost.

    Raises
    ------
    UnreadableError
        If the way it is stored is not supported; the message names the reason.
    DirectoryError
        If its tags contradict each other or the file.
    """

    def __init__(self, file: Tiff, directory: Directory) -> None:
        self._file, self._directory = file, directory
        if twice := sorted(directory.repeated & _DECODED):
            raise DirectoryError(f"one of its directories has tag {twice[0]} twice")
        if lost := sorted(directory.lost & _DECODED):
            raise DirectoryError(f"it ends before the values of tag {lost[0]}")
        self._height, self._width = self._number(_HEIGHT), self._number(_WIDTH)
        self._compression = self._number(_COMPRESSION, 1)
        self._photometric = self._read_photometric()
        self._samples = self._number(_SAMPLES, 3 if self._compression == _OLD_JPEG else 1)
        self._bits = self._one_of(_BITS, 8 if self._compression == _OLD_JPEG else 1)
        self._format = self._one_of(_FORMAT, _UNSIGNED)
        self._units = self._find_units()
        self._check_kind()
        self._offsets_tag = _TILES if _TILES in directory.tags else _STRIPS
        self._sizes_tag = _TILE_SIZES if _TILE_SIZES in directory.tags else _STRIP_SIZES
        self._offsets, self._sizes = directory.numbers(self._offsets_tag), directory.numbers(self._sizes_tag)
        if not len(self._sizes):  # Some writers leave them out.
            ends = dict(itertools.pairwise(sorted({*map(int, self._offsets), len(file.content)})))
            self._sizes = [ends.get(int(offset), int(offset)) - int(offset) for offset in self._offsets]
        pages = len(file.pages)
        self.facts = Facts("TIFF", self._height, self._width, self._measure(), pages=pages, bits=self._bits)

    def _number(self, tag: int, default: int = 0) -> int:
        return self._directory.number(tag, default)

    def _one_of(self, tag: int, default: int) -> int:
        values = set(self._directory.numbers(tag)[: max(self._number(_SAMPLES, 1), 1)]) or {default}
        if len(values) > 1:
            words = "samples of different sizes" if tag == _BITS else "samples of different kinds"
            raise UnreadableError(f"is a TIFF with {words}, which can't be read here", _SAVE_ANEW)
        return int(values.pop())

    def _read_photometric(self) -> int:
        if _PHOTOMETRIC in self._directory.tags:
            return self._number(_PHOTOMETRIC)
        return _YCBCR if self._compression == _OLD_JPEG else _BLACK_IS_ZERO if self._number(_SAMPLES, 1) < 3 else _RGB

    def _check_kind(self) -> None:
        """Refuse whatever is not supported, and name it."""

        def refuse(what: str) -> None:
            raise UnreadableError(f"is a TIFF with {what}, which can't be read here", _SAVE_ANEW)

        compression, samples = self._compression, self._samples
        if self._photometric in (32803, 34892):
            raise UnreadableError("is a camera's raw file", "develop it to JPEG or TIFF first")
        if compression not in _PLAIN and compression not in _PICTURES and compression != _OLD_JPEG:
            refuse(_OTHERS.get(compression, f"type {compression}") + " compression")
        if self._photometric not in (0, 1, 2, 3, 4, 5, 6, 8, 9):
            refuse(_NAMES.get(self._photometric, f"type {self._photometric}") + " colors")
        if self._format not in (_UNSIGNED, _SIGNED, _FLOAT, _UNKNOWN):
            refuse("complex numbers")
        if self._format == _FLOAT and self._bits not in (16, 24, 32, 64):
            refuse(f"{self._bits}-bit floats")
        if self._format == _SIGNED and self._bits not in (8, 16, 32, 64):
            refuse(f"signed {self._bits}-bit numbers")
        if not (1 <= self._bits <= 32 or self._bits == 64):
            refuse(f"{self._bits}-bit samples")
        if self._number(_DEPTH, 1) != 1:
            refuse("volumetric data")
        if self._photometric == _CMYK and self._number(_INKS, 1) != 1:
            refuse("inks other than cyan, magenta, yellow and black")
        if not self._colors <= samples <= _MAX_SAMPLES:
            refuse(f"{samples} samples per pixel")
        if self._photometric == _YCBCR and (self._bits != 8 or samples != 3):
            refuse(f"YCbCr with {samples} {self._bits}-bit samples")
        if units := self._units:
            if {units.across, units.down} - {1, 2, 4}:
                refuse(f"chroma subsampled by {units.across} and {units.down}")
            if self._number(_PLANES, 1) == 2 or self._number(_PREDICTOR, 1) != 1:
                refuse("subsampled chroma in planes or with a predictor")
        lab = self._photometric in (_LAB, _ICC_LAB)
        if lab and (self._bits not in (8, 16) or self._format == _FLOAT or samples != 3):
            refuse(f"Lab with {samples} {self._bits}-bit samples")
        if self._photometric == _PALETTE and (self._bits > 16 or self._format not in (_UNSIGNED, _UNKNOWN)):
            refuse(f"a {self._bits}-bit palette")

    @property
    def _colors(self) -> int:
        return {_RGB: 3, _CMYK: 4, _YCBCR: 3, _LAB: 3, _ICC_LAB: 3}.get(self._photometric, 1)

    @property
    def _is_ycbcr(self) -> bool:
        """Whether the samples are YCbCr that no decoder converts."""
        return self._photometric == _YCBCR and self._compression not in _PICTURES and self._compression != _OLD_JPEG

    def _find_units(self) -> Units | None:
        if not self._is_ycbcr:
            return None
        across, down, *_ = (*map(int, self._directory.numbers(_SUBSAMPLING)), 2, 2)
        rows = 0 if _TILE_WIDTH in self._directory.tags else self._number(_ROWS)
        return Units(across, down, rows * (rows < self._height)) if (across, down) != (1, 1) else None

    def _measure(self) -> Cost:
        """Measure the cost of decoding, both of the picture and of its strips or tiles."""
        if self._height < 1 or self._width < 1 or self._height > 2**31 or self._width > 2**31:
            raise DirectoryError(f"it has no pixels: {self._width} x {self._height}")
        separate = self._number(_PLANES, 1) == 2 and self._samples > 1
        item = 1 if self._bits <= 8 else 2 if self._bits <= 16 else 4 if self._bits <= 32 else 8
        if _TILE_WIDTH in self._directory.tags:
            tall, wide = self._number(_TILE_HEIGHT), self._number(_TILE_WIDTH)
        else:
            tall, wide = self._number(_ROWS, self._height), self._width
            tall = self._height if not 0 < tall < self._height else tall
        if not (0 < tall < 2**31 and 0 < wide < 2**31):
            raise DirectoryError("its tiles have no size")
        parts = math.ceil(self._height / tall) * math.ceil(self._width / wide) * (self._samples if separate else 1)
        part = tall * wide * item * (1 if separate else self._samples)
        if parts > _MAX_PARTS:
            raise UnreadableError(f"is a TIFF with too many strips or tiles ({parts})", _SAVE_ANEW)
        if self._compression != _OLD_JPEG and (len(self._offsets) < parts or len(self._sizes) < parts):
            raise DirectoryError(f"its directory lists {len(self._offsets)} of {parts} strips or tiles")
        stored = sum(self._sizes[:parts])
        if stored > 4 * len(self._file.content) + 1_000_000:
            raise DirectoryError("its strips or tiles together are larger than the file")
        self._whole = whole = self._height * self._width * item * self._samples
        work = parts * part // (item * self._samples) * (self._samples if separate else 1)
        cost = Cost(self._height * self._width, whole + 3 * part + 2 * len(self._file.content), work)
        if self._compression in _PICTURES:
            cost = self._add_pictures(cost, parts, tall, wide)
        # The 8-bit picture and Pillow's copy of it.
        return cost.plus(memory=self._height * self._width * (4 + 4))

    def _add_pictures(self, cost: Cost, parts: int, tall: int, wide: int) -> Cost:
        """Measure strips and tiles that are files themselves by their own headers, which decoders go by."""
        content = self._file.content
        for offset, size in zip(self._offsets[:parts], self._sizes[:parts], strict=True):
            if not size:
                continue
            inner = measure_part(content[int(offset) : int(offset + size)])
            if inner.kind == "JPEG" and inner.bits > 16:  # tifffile's decoder of these crashes on damaged files.
                what = "lossless JPEG compression"
                raise UnreadableError(f"is a TIFF with {what}, which can't be read here", _SAVE_ANEW)
            if inner.height > tall or inner.width > wide:
                raise DirectoryError(f"a strip or tile in it is {inner.width} x {inner.height}, not {wide} x {tall}")
            cost = cost.plus(work=max(inner.cost.work - inner.height * inner.width, 0))
        return cost

    def _rebuild(self, height: int) -> bytes:
        """Make a file with only this page: a directory of the checked tags, followed by the bytes that hold its pixels.

        Copying the whole file for each page would take quadratic time. If the directory came after the pixels, it
        would be read as the missing pixels of a truncated file.
        """
        layout, content = self._directory.layout, memoryview(self._file.content)
        tags = {number: tag for number, tag in self._directory.tags.items() if number in _DECODED & _NOT_INTEGERS}
        for number in self._directory.tags.keys() & _DECODED - _NOT_INTEGERS:  # As read here, whatever their types.
            if values := self._directory.numbers(number):
                tags[number] = self._to_tag([int(value) for value in values])
        tags[_HEIGHT] = self._to_tag([height])
        if self._compression not in _WITH_PREDICTOR:
            tags.pop(_PREDICTOR, None)
        if self._compression == _OLD_JPEG:  # Its tags may point to tables anywhere in the file.
            return layout.rebuild(self._file.content, tags)
        offsets, sizes = [int(offset) for offset in self._offsets], [int(size) for size in self._sizes]
        if self._is_ycbcr:
            tags |= self._describe_ycbcr(height)
        start = min(offsets, default=0)
        end = max((at + size for at, size in zip(offsets, sizes, strict=False)), default=0)
        if self._compression == 1:  # The recorded sizes may be wrong.
            end = max(end, max(offsets, default=0) + self._whole)
        if self._compression in _PICTURES and end > len(content) + 2:  # A JPEG's end marker may be missing.
            raise ValueError("it ends before its picture does")
        tags[self._sizes_tag] = self._to_tag(sizes)
        tags[self._offsets_tag] = self._to_tag(offsets)  # A placeholder of the same size as the shifted offsets.
        shift = len(layout.rebuild(_HEADER, tags)) - start
        tags[self._offsets_tag] = self._to_tag([at + shift for at in offsets])
        return b"".join([layout.rebuild(_HEADER, tags), content[start:end]])

    def _describe_ycbcr(self, height: int) -> dict[int, Tag]:
        """Describe YCbCr as samples that need no conversion: as RGB, or, if chroma is subsampled, as bytes of gray."""
        numbers = {_PHOTOMETRIC: [_RGB], _SUBSAMPLING: [1, 1]}
        if units := self._units:
            rows, columns = units.stored_size(height, self._width)
            numbers |= {_SAMPLES: [1], _BITS: [8], _PHOTOMETRIC: [_BLACK_IS_ZERO], _HEIGHT: [rows], _WIDTH: [columns]}
            numbers[_ROWS] = [math.ceil(units.rows / units.down) or rows]
            if _TILE_WIDTH in self._directory.tags:
                tall, wide = units.stored_size(self._number(_TILE_HEIGHT), self._number(_TILE_WIDTH))
                numbers |= {_TILE_HEIGHT: [tall], _TILE_WIDTH: [wide]}
        return {tag: self._to_tag(values) for tag, values in numbers.items()}

    def _to_tag(self, numbers: list[int]) -> Tag:
        packed = struct.pack(f"{self._directory.layout.order}{len(numbers)}I", *numbers)
        return Tag(4, len(numbers), memoryview(packed))

    def decode(self, accept_damaged: bool = False) -> tuple[Image.Image, list[str]]:
        """Decode to an 8-bit picture with its profile and metadata; also return notes on how its samples were changed.

        Parameters
        ----------
        accept_damaged : bool
            Whether to decode what is left of a damaged fax, which can't be told from its structure.

        Raises
        ------
        Exception
            Whatever decoders raise on damaged files.
        """
        if self._compression == _OLD_JPEG:
            rebuilt = io.BytesIO(self._rebuild(self._height))
            # libtiff prints what is wrong with a file, without its name.
            with quiet_stderr(even_on_error=True), Image.open(rebuilt, formats=["TIFF"]) as decoded:
                decoded.load()
            # Only the pixels: Pillow adds a resolution that isn't in the file.
            picture, notes = Image.frombytes(decoded.mode, decoded.size, decoded.tobytes()), list[str]()
        elif self._compression in FAX and self._samples == self._bits == 1:
            bits, notes = decode_fax(self._rebuild(self._height), accept_damaged)
            picture = self._to_picture(bits[..., None])[0]
        elif self._is_ycbcr:
            picture, notes = Image.fromarray(self._convert_ycbcr(self._read_samples())), []
        else:
            picture, notes = self._to_picture(self._read_samples())
        self._add_metadata(picture)
        return picture, notes

    def fill_up(self) -> bytes:
        """Return the file with zeros in place of its missing end, and without strips or tiles that are cut off."""
        content = self._file.content
        ends = [int(offset + size) for offset, size in zip(self._offsets, self._sizes, strict=False)]
        if self._compression == 1:
            return content.ljust(min(max(ends, default=0), 2 * len(content) + self._whole), b"\0")
        sizes = [int(size) * (end <= len(content)) for size, end in zip(self._sizes, ends, strict=False)]
        tags = self._directory.tags | {self._sizes_tag: self._to_tag(sizes)}
        return self._directory.layout.rebuild(content, tags)

    def _read_samples(self) -> NDArray[Any]:
        """Read the samples: (H, W, C) of any numeric type."""
        try:
            return self._unpack(self._height)
        except Exception:
            # Some writers pad the last strip, or the only one, to as many rows as the others have.
            rows = 0 if _TILE_WIDTH in self._directory.tags else self._number(_ROWS)
            padded = math.ceil(self._height / rows) * rows if rows else 0
            if not self._height < padded <= 2 * self._height:
                raise
            return self._unpack(padded)[: self._stored_size(self._height)[0]]

    def _unpack(self, height: int) -> NDArray[Any]:
        import tifffile  # Slow to import: it takes as long as everything else here together.

        # Closed explicitly: reference cycles in tifffile would keep it in memory until garbage collection.
        with io.BytesIO(self._rebuild(height)) as content, tifffile.TiffFile(content, _multifile=False) as file:
            page = file.pages.first
            if self._is_ycbcr:
                page.nodata = 128  # In place of strips that are missing: gray.
            array = page.asarray(maxworkers=1, buffersize=1 << 20)
            if page.axes == "SYX":
                array = np.moveaxis(array, 0, 2)
        array = array.reshape(*self._stored_size(height), -1)
        if array.shape[2] < (1 if self._units else self._colors):
            raise ValueError(f"it has {array.shape[2]} samples per pixel, not {self._samples}")
        return array

    def _stored_size(self, height: int) -> tuple[int, int]:
        return self._units.stored_size(height, self._width) if self._units else (height, self._width)

    def _to_picture(self, array: NDArray[Any]) -> tuple[Image.Image, list[str]]:
        extra = [int(value) for value in self._directory.numbers(_EXTRA)]
        if self._photometric in (_LAB, _ICC_LAB):
            levels = (array >> (self._bits - 8)).astype(np.uint8)
            return from_lab(levels, shifted=self._photometric == _ICC_LAB), []
        count = min(self._samples, array.shape[2])
        # If the kind isn't stated, a fourth sample of RGB is alpha, as in most programs.
        cmyk = self._photometric == _CMYK
        kind = (extra[0] if extra else _ALPHA * (not cmyk)) if count > self._colors else 0
        alpha = kind in (_PREMULTIPLIED, _ALPHA)
        array = array[..., : self._colors + alpha]
        if self._photometric == _PALETTE:
            picture = Image.fromarray(self._apply_palette(array[..., 0]))
            if alpha:
                picture.putalpha(Image.fromarray(to_bytes(array[..., 1], self._bits)[0]))
            return picture, []
        premultiplied = alpha and kind == _PREMULTIPLIED
        if premultiplied and (cmyk or self._bits > 8) and self._photometric != _WHITE_IS_ZERO:
            array, premultiplied = self._divide_by_alpha(array), False
        levels, note = to_bytes(array, bits=self._bits if self._format in (_UNSIGNED, _UNKNOWN) else None)
        if self._photometric == _WHITE_IS_ZERO:
            levels[..., 0] = 255 - levels[..., 0]
        if cmyk:
            picture = Image.frombytes("CMYK", levels.shape[1::-1], levels[..., :4].tobytes())
            picture.info |= {"alpha": Image.fromarray(levels[..., 4])} if alpha else {}
            return picture, [note] * bool(note)
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[levels.shape[2]]
        if premultiplied:
            mode = mode.replace("A", "a")
        return Image.frombytes(mode, levels.shape[1::-1], levels.tobytes()), [note] * bool(note)

    def _convert_ycbcr(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        levels = self._units.unpack(stored, self._height, self._width) if self._units else stored
        weights, limits = (self._directory.numbers(tag) for tag in (_YCBCR_WEIGHTS, _YCBCR_RANGE))
        return from_ycbcr(levels, weights or WEIGHTS, limits or LIMITS)

    def _divide_by_alpha(self, array: NDArray[Any]) -> NDArray[Any]:
        """Divide colors by their alpha, in place if possible; in 8 bits this would multiply rounding errors."""
        array = np.require(array, requirements="W")
        alphas = array[..., -1]
        if self._format == _FLOAT:
            greatest = float(np.max(alphas, initial=1, where=np.isfinite(alphas)))
        else:
            greatest = float(2 ** (self._bits - (self._format == _SIGNED)) - 1)
        for top, left in itertools.product(range(0, self._height, _BLOCK), range(0, self._width, _BLOCK)):
            block = array[top : top + _BLOCK, left : left + _BLOCK]  # The whole as floats would be four times as large.
            alpha = block[..., -1:].astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):  # Float samples can have any value.
                factor = np.divide(greatest, alpha, out=np.zeros_like(alpha), where=alpha > 0)
                colors = block[..., :-1] * factor
                if self._format != _FLOAT:  # As a float, the greatest 64-bit number is rounded up by one.
                    colors = np.rint(np.clip(colors, 0, np.nextafter(greatest, 0)))
                block[..., :-1] = colors
        return array

    def _apply_palette(self, indices: NDArray[Any]) -> NDArray[np.uint8]:
        colors: NDArray[Any] = np.array(self._directory.numbers(_COLORS), np.uint32)
        if len(colors) < 3 or len(colors) % 3:
            raise ValueError("it has no palette")
        # Some writers use 0..255 instead of the standard 0..65,535.
        colors = colors if colors.max() < 256 else colors >> 8
        table = colors.reshape(3, -1).T.astype(np.uint8)
        return apply_palette(indices.astype(np.uint16, copy=False), table)  # One-bit indices are booleans.

    def _add_metadata(self, picture: Image.Image) -> None:
        """Add the metadata that Pillow's own TIFF pictures have."""
        tags = self._file.first.tags | self._directory.tags
        merged = Directory(self._directory.layout, tags)
        for name, tag in (("icc_profile", _PROFILE), ("xmp", _XMP), ("iptc", _IPTC)):
            if tag in tags:
                picture.info[name] = bytes(tags[tag].data)
        unit = {2: 1.0, 3: 2.54}.get(merged.number(_UNIT, 2))
        across, down = merged.numbers(_X_RESOLUTION), merged.numbers(_Y_RESOLUTION)
        if unit and across and down:
            picture.info["dpi"] = across[0] * unit, down[0] * unit
        known = {number: tag for number, tag in tags.items() if number not in _DECODED | {_XMP, _IPTC, _PROFILE}}
        known.pop(_SUBIFDS, None)
        layout = self._directory.layout
        if layout.big:  # EXIF has no 64-bit offsets, and Pillow doesn't read them there.
            layout = replace(layout, big=False)
            known = {number: tag for number, tag in known.items() if tag.kind <= 12 and number not in _POINTERS}
        with suppress(Exception):  # Pillow raises all kinds of errors on damaged EXIF.
            rebuilt = layout.rebuild(self._file.content if known.keys() & _POINTERS else _HEADER, known)
            check_exif(rebuilt)
            exif = Image.Exif()
            exif.load(rebuilt)
            preserve_text_bytes(exif)
            if exif:
                picture.info["exif"] = exif.tobytes()
