"""Decode the flattened picture in a Photoshop document."""

import struct
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorizer.imaging.facts import Cost, Facts, UnreadableError
from colorizer.imaging.srgb import apply_palette, from_lab, to_bytes

_BITMAP, _GRAY, _INDEXED, _RGB, _CMYK, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 8, 9
_CHANNELS = {_BITMAP: 1, _GRAY: 1, _INDEXED: 1, _RGB: 3, _CMYK: 4, _DUOTONE: 1, _LAB: 3}
_PLAIN, _PACKED = 0, 1
_RESOLUTION, _IPTC, _PROFILE, _EXIF, _XMP = 1005, 1028, 1039, 1058, 1060
_SAVE_ANEW = "save it as TIFF or PNG first"


class Psd:
    """A Photoshop document whose structure has been read.

    Attributes
    ----------
    facts : Facts
        The size and the decoding cost.

    Raises
    ------
    UnreadableError
        If the way its picture is stored is not supported.
    struct.error, ValueError
        If it is damaged.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        channels, height, width, self._bits, self._mode = struct.unpack_from(">HIIHH", content, 12)
        if self._mode not in _CHANNELS:
            words = f"color mode {self._mode}"
            raise UnreadableError(f"is a Photoshop document in {words}, which can't be read", _SAVE_ANEW)
        if self._bits not in (1, 8, 16) or (self._bits == 1) != (self._mode == _BITMAP):
            raise UnreadableError(
                f"is a Photoshop document with {self._bits} bits per channel, which can't be read", _SAVE_ANEW
            )
        if not height or not width or channels < _CHANNELS[self._mode]:
            raise ValueError(f"it has no picture: {width} x {height} in {channels} channels")
        at, sections = 26, []
        for _ in range(3):  # Palette, resources, layers.
            (length,) = struct.unpack_from(">I", content, at)
            sections.append(content[at + 4 : at + 4 + length])
            at += 4 + length
        self._palette, self._resources, layers = sections
        (self._compression,) = struct.unpack_from(">H", content, at)
        if self._compression not in (_PLAIN, _PACKED):
            raise UnreadableError("is a Photoshop document compressed in an unusual way", _SAVE_ANEW)
        self._start = at + 2
        # The first extra channel is the alpha only if the layer count is negative; the others are selections.
        count = _count_layers(layers)
        self._alpha = count < 0 and channels > _CHANNELS[self._mode] and self._mode not in (_BITMAP, _INDEXED)
        self._channels, self._shape = channels, (height, width)
        used = _CHANNELS[self._mode] + self._alpha
        pixels, item = height * width, max(self._bits // 8, 1)
        if self._compression == _PACKED and self._start + 2 * channels * height > len(content):
            raise ValueError("its table of rows is cut off")
        memory = pixels * (2 * used * item + 8) + 2 * len(content)
        self.facts = Facts("PSD", height, width, Cost(pixels, memory, pixels), bits=self._bits)

    def decode(self) -> Image.Image:
        """Decode to an 8-bit picture with its profile and metadata; raises whatever decoders raise on damaged files."""
        height, width = self._shape
        used = _CHANNELS[self._mode] + self._alpha
        row = -(-width * self._bits // 8)
        if self._compression == _PACKED:
            lengths = np.frombuffer(self._content, ">u2", self._channels * height, self._start)
            start = self._start + 2 * len(lengths)
            packed = self._content[start : start + int(lengths[: used * height].sum())]
            data = imagecodecs.packbits_decode(packed, out=used * height * row)
        else:
            data = self._content[self._start : self._start + used * height * row]
        if len(data) < used * height * row:
            raise ValueError("its picture is cut off")
        if self._mode == _BITMAP:  # 1 is black.
            bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(height, row), axis=1)[:, :width]
            picture = Image.fromarray((1 - bits) * np.uint8(255))
        else:
            planes = np.frombuffer(data, f">u{self._bits // 8}").reshape(used, height, width)
            picture = self._to_picture(np.moveaxis(planes, 0, 2))
        picture.info |= dict(self._read_resources())
        return picture

    def _to_picture(self, array: NDArray[Any]) -> Image.Image:
        levels, _ = to_bytes(array)
        if self._mode == _INDEXED:
            table = np.frombuffer(self._palette, np.uint8, 768).reshape(3, 256).T
            return Image.fromarray(apply_palette(levels[..., 0], table))
        info: dict[Any, Any] = {}
        if self._mode in (_CMYK, _LAB) and self._alpha:  # Pillow has no such modes with alpha.
            info["alpha"] = Image.fromarray(levels[..., -1])
            levels = levels[..., :-1]
        if self._mode == _LAB:
            picture = from_lab(levels, shifted=True)
        else:
            if self._mode == _CMYK:
                levels = 255 - levels  # 255 is no ink.
            mode = "CMYK" if self._mode == _CMYK else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[levels.shape[2]]
            picture = Image.frombytes(mode, levels.shape[1::-1], np.ascontiguousarray(levels).tobytes())
        picture.info |= info
        return picture

    def _read_resources(self) -> Iterator[tuple[str, Any]]:
        """Yield the metadata that the result should keep, up to the first damaged resource."""
        content, at = self._resources, 0
        while at + 12 <= len(content) and content[at : at + 4] == b"8BIM":
            number, name = struct.unpack_from(">HB", content, at + 4)
            at += 6 + (name + 2) // 2 * 2
            if at + 4 > len(content):
                return
            (length,) = struct.unpack_from(">I", content, at)
            data = content[at + 4 : at + 4 + length]
            at += 4 + length + length % 2
            if number == _RESOLUTION and length >= 16:
                across, down = struct.unpack_from(">I4xI", data)
                yield "dpi", (across / 65536, down / 65536)
            elif number in (_IPTC, _PROFILE, _XMP):
                yield {_IPTC: "iptc", _PROFILE: "icc_profile", _XMP: "xmp"}[number], data
            elif number == _EXIF:
                yield "exif", b"Exif\0\0" + data


def _count_layers(section: bytes) -> int:
    """Read the number of layers, which may be negative; with 16 bits per channel it is in a separate block."""
    if section[:4] == bytes(4) and (at := section.find(b"8BIMLr16")) >= 0:
        section = section[at + 8 :]
    if len(section) < 6 or section[:4] == bytes(4):
        return 0
    return int(struct.unpack_from(">h", section, 4)[0])
