"""Directories of tags, as in TIFF and EXIF, measured before anything that they point to is parsed or decoded."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8"}
_NUMBERS |= {18: "u8", 5: "u4", 10: "i4"}  # Fractions are pairs.
_FRACTIONS = (5, 10)
_MAX_TAGS = 4096
_MAX_NUMBERS = 200_000  # Values per tag; a palette has 196,608.
_MAX_IN_CHAIN = 300_000
_SPARE = 65_536  # Bytes by which the values of a directory may exceed the size of the file.
_MAX_COPIED = 2_000_000_000  # Bytes that writing an EXIF directory may copy; Pillow appends the values one by one.
_EXIF, _GPS, _INTEROPERABILITY = 34665, 34853, 40965
_PREFIXES = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}


class DirectoryError(ValueError):
    """A directory is damaged, or its values would take far more memory than the file; the message says why."""


class OversizeError(DirectoryError):
    """The values of a directory would take far more memory than the file."""


@dataclass(frozen=True)
class Tag:
    """A tag of a directory: its type, the number of its values, and their bytes in the file's byte order."""

    kind: int
    count: int
    data: memoryview


@dataclass
class Directory:
    """A directory: its tags by number, and the next directory's offset (or 0).

    `repeated` has the numbers of tags that occur more than once, `lost` of those with values beyond its end.
    """

    layout: "Layout"
    tags: dict[int, Tag] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    following: int = 0

    def numbers(self, tag: int, most: int = _MAX_NUMBERS) -> list[float]:
        """Return the values of a tag, `most` at the most; empty if it is missing or not numeric."""
        found = self.tags.get(tag)
        if found is None or found.kind not in _NUMBERS:
            return []
        values = np.frombuffer(found.data[: _SIZES[found.kind] * most], self.layout.order + _NUMBERS[found.kind])
        if found.kind in _FRACTIONS:
            above, below = values[::2], values[1::2]
            return [float(a) / float(b) if b else 0.0 for a, b in zip(above, below, strict=True)]
        return list(values.tolist())

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first value of a tag as an integer, or the default."""
        values = self.numbers(tag, 1)
        return int(values[0]) if values and np.isfinite(values[0]) else default


@dataclass(frozen=True)
class Layout:
    """Layout of a file: byte order, whether offsets have 64 bits (BigTIFF), and the first directory's offset."""

    order: str
    big: bool
    first: int

    @classmethod
    def read(cls, content: bytes) -> "Layout":
        """Read the header of a TIFF or of EXIF; `DirectoryError` if it isn't one."""
        if bytes(content[:4]) not in _PREFIXES:
            raise DirectoryError("its header is not that of a TIFF")
        order, big = _PREFIXES[bytes(content[:4])]
        try:
            (first,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)
        except struct.error as error:
            raise DirectoryError("its header is cut off") from error
        return cls(order, big, first)

    def directory(self, content: bytes, at: int) -> Directory:
        """Read the directory at an offset.

        If a tag occurs twice, the first one counts. Values of unknown types or beyond the end of the file are left
        out. No value is copied.

        Raises
        ------
        DirectoryError
            If the directory is cut off, or its values together are larger than the file.
        """
        count_format, entry_format = ("Q", "HHQ8s") if self.big else ("H", "HHI4s")
        entry = struct.Struct(self.order + entry_format)
        try:
            (count,) = struct.unpack_from(self.order + count_format, content, at)
            start = at + struct.calcsize(count_format)
            if count > _MAX_TAGS:
                raise DirectoryError(f"one of its directories has {count} tags")
            entries = [entry.unpack_from(content, start + i * entry.size) for i in range(count)]
        except struct.error as error:
            raise DirectoryError("one of its directories is cut off") from error
        found, total, view = Directory(self), 0, memoryview(content)
        for tag, kind, number, inline in entries:
            size = _SIZES.get(kind, 0) * number
            offset = struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", inline)[0] if size > len(inline) else None
            if not size:
                continue
            if offset is not None and offset + size > len(content):
                found.lost.add(tag)
                continue
            total += size
            if total > len(content) + _SPARE:
                raise OversizeError("the values of its tags are larger than the file")
            if tag in found.tags:
                found.repeated.add(tag)
                continue
            data = memoryview(inline)[:size] if offset is None else view[offset : offset + size]
            found.tags[tag] = Tag(kind, number, data)
        try:
            link = struct.unpack_from(f"{self.order}{'Q' if self.big else 'I'}", content, start + count * entry.size)
            found.following = link[0]
        except struct.error:
            pass  # Some writers omit the link after the last directory.
        return found

    def chain(self, content: bytes) -> Iterator[Directory]:
        """Read the directories one after the other, stopping if the chain comes back to one of them.

        Damage after the first directory ends the chain without an error, since the first is the one that matters.
        """
        at, seen, tags = self.first, set[int](), 0
        while at and at not in seen and tags < _MAX_IN_CHAIN:
            try:
                directory = self.directory(content, at)
            except DirectoryError:
                if not seen:
                    raise
                return
            seen.add(at)
            tags += 1 + len(directory.tags)
            yield directory
            at = directory.following

    def rebuild(self, content: bytes, tags: dict[int, Tag]) -> bytes:
        """Make a file whose only directory has these tags; everything else keeps its offset."""
        pointer, width = ("Q", 8) if self.big else ("I", 4)
        at = len(content) + len(content) % 2
        offset = at + (8 if self.big else 2) + len(tags) * (20 if self.big else 12) + width
        entries, values = b"", list[bytes | memoryview]()
        for number, tag in sorted(tags.items()):
            if len(tag.data) > width:
                inline, padding = struct.pack(self.order + pointer, offset), bytes(len(tag.data) % 2)
                values += [tag.data, padding]
                offset += len(tag.data) + len(padding)
            else:
                inline = bytes(tag.data).ljust(width, b"\0")
            entries += struct.pack(self.order + ("HHQ" if self.big else "HHI"), number, tag.kind, tag.count) + inline
        directory = struct.pack(self.order + ("Q" if self.big else "H"), len(tags)) + entries + bytes(width)
        prefix = next(prefix for prefix, (order, big) in _PREFIXES.items() if (order, big) == (self.order, self.big))
        sizes = struct.pack(self.order + "HH", 8, 0) if self.big else b""
        header = prefix + sizes + struct.pack(self.order + pointer, at)
        rest = memoryview(content)[len(header) :]
        return b"".join([header, rest, bytes(at - len(content)), directory, *values])


def check_exif(exif: bytes) -> None:
    """Raise `DirectoryError` if parsing or writing EXIF would take far more memory than its size, or too long.

    Parsers copy the values of each tag, and tags may share bytes, so a few kilobytes can expand to gigabytes. Writers
    append the values one by one, which takes quadratic time if there are many large ones.
    """
    content = exif.removeprefix(b"Exif\0\0")
    layout = Layout.read(content)
    for directory in _at_most(layout.chain(content), 2):  # The second belongs to the thumbnail.
        _check_below(layout, content, directory, depth=2)


def _check_below(layout: Layout, content: bytes, directory: Directory, depth: int) -> None:
    if sum(len(tag.data) for tag in directory.tags.values()) * len(directory.tags) > _MAX_COPIED:
        raise OversizeError("the values of its tags together are larger than those of any EXIF")
    for pointer in (_EXIF, _GPS, _INTEROPERABILITY) if depth else ():
        if at := directory.number(pointer):
            _check_below(layout, content, layout.directory(content, at), depth - 1)


def _at_most(directories: Iterable[Directory], count: int) -> Iterator[Directory]:
    for _, directory in zip(range(count), directories, strict=False):
        yield directory
