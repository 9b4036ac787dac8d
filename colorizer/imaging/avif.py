"""Sizes in the AV1 streams of an AVIF, which decoders go by; the container may state others.

References
----------
ISO/IEC 14496-12, item location and chunk offset boxes; AV1 Bitstream and Decoding Process, sections 5.3 and 5.5.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

_MAX_ITEMS = 4096
_MAX_UNITS = 200_000
_MAX_EXIF = 16
_SEQUENCE_HEADER = 1


def list_stream_sizes(content: bytes) -> list[tuple[int, int]]:
    """List height and width of each AV1 stream in a file: pictures, grid cells, alpha, thumbnails and frames.

    Raises
    ------
    ValueError, struct.error
        If the structure is damaged.
    """
    sizes, units = [], 0
    for start, end in (*chain.from_iterable(_list_items(content)), *_list_chunks(content)):
        for kind, data in _walk(content, start, min(end, len(content))):
            if (units := units + 1) > _MAX_UNITS:  # Parts of items may share their bytes.
                raise ValueError("its streams are in too many pieces")
            if kind == _SEQUENCE_HEADER:
                sizes.append(_read_sequence_header(data))
    return sizes


def list_exif(content: bytes) -> Iterator[bytes]:
    """Yield the EXIF items of a file, each from its TIFF header on.

    Raises
    ------
    ValueError
        If the structure is damaged.
    """
    room, found = 4 * len(content), 0
    for parts in _list_items(content):
        item = b"".join(content[start:end] for start, end in parts)
        if (room := room - len(item)) < 0:
            raise ValueError("its items overlap")
        at = 4 + int.from_bytes(item[:4])
        if item[at : at + 4] in (b"II*\0", b"MM\0*"):
            if (found := found + 1) > _MAX_EXIF:
                raise ValueError("it has EXIF too many times")
            yield item[at:]


def find_box(content: bytes, name: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Find the first box of a given name; return where its content begins and ends."""
    while start + 8 <= end:
        size, found = struct.unpack_from(">I4s", content, start)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", content, start + 8), 16
        size = size or end - start
        if size < header:
            raise ValueError("its boxes are damaged")
        if found == name:
            return start + header, min(start + size, end)
        start += size
    return None


def _list_items(content: bytes) -> Iterator[list[tuple[int, int]]]:
    """Yield, for each item, where its parts begin and end."""
    meta = find_box(content, b"meta", 0, len(content))
    located = meta and find_box(content, b"iloc", meta[0] + 4, meta[1])
    if not meta or not located:
        return
    at, data = located[0], find_box(content, b"idat", meta[0] + 4, meta[1])
    version = content[at]
    widths = [content[at + 4] >> 4, content[at + 4] & 15, content[at + 5] >> 4, content[at + 5] & 15]
    offset_width, length_width, base_width, index_width = widths if version else [*widths[:3], 0]
    at += 6

    def read(width: int) -> int:
        nonlocal at
        at += width
        return int.from_bytes(content[at - width : at])

    items = parts = 0
    for _ in range(read(4 if version == 2 else 2)):
        if at > located[1] or (items := items + 1) > _MAX_ITEMS:
            raise ValueError("its list of items is damaged")
        read(4 if version == 2 else 2)
        method = read(2) & 15 if version else 0
        read(2)
        base = read(base_width) + (data[0] if method == 1 and data else 0)
        item = []
        for _ in range(read(2)):
            if at > located[1] or (parts := parts + 1) > _MAX_ITEMS:
                raise ValueError("its list of items is damaged")
            read(index_width)
            start = base + read(offset_width)
            item.append((start, start + (read(length_width) or len(content))))
        yield item


def _list_chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of an image sequence begin, and where they end at the latest: at the next chunk."""
    starts, at, chunks = set[int](), 0, 0
    movie = find_box(content, b"moov", 0, len(content))
    for name, width in ((b"stco", 4), (b"co64", 8)) if movie else ():
        at, end = movie or (0, 0)
        while (at := content.find(name, at, end) + 4) >= 4:
            (count,) = struct.unpack_from(">I", content, at + 4)
            count = max(min(count, (end - at - 8) // width), 0)
            if (chunks := chunks + count) > _MAX_UNITS:  # Lists may share their bytes.
                raise ValueError("its list of chunks is damaged")
            for i in range(count):
                starts.add(int.from_bytes(content[at + 8 + i * width : at + 8 + (i + 1) * width]))
    yield from pairwise([*sorted(starts), len(content)])


def _walk(content: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the units (OBUs) of a stream: kind, and as many bytes as a header may take."""
    while at < end:
        header = content[at]
        at += 2 if header & 4 else 1
        size, shift = end - at, 0
        if header & 2:
            size = 0
            while at < end:
                byte = content[at]
                size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
                if byte < 128 or shift > 56:
                    break
        yield header >> 3 & 15, content[at : at + min(size, 1024)]
        at += size


def _read_sequence_header(data: bytes) -> tuple[int, int]:
    bits, position = int.from_bytes(data), 8 * len(data)

    def read(count: int) -> int:
        nonlocal position
        position -= count
        if position < 0:
            raise ValueError("the header of its stream is cut off")
        return bits >> position & ((1 << count) - 1)

    read(4)  # Profile, still picture.
    if read(1):  # Reduced header of a still picture.
        read(5)
    else:
        _skip_operating_points(read)
    across, down = read(4) + 1, read(4) + 1
    width = read(across) + 1
    return read(down) + 1, width


def _skip_operating_points(read: Callable[[int], int]) -> None:
    delay = 0
    if read(1):  # Timing.
        read(64)
        if read(1):
            zeros = 0
            while zeros < 32 and not read(1):
                zeros += 1
            read(zeros)
        if read(1):  # Decoder model.
            delay = read(5) + 1
            read(32 + 5 + 5)
    displayed = read(1)
    for _ in range(read(5) + 1):
        read(12)
        if read(5) > 7:
            read(1)
        if delay and read(1):
            read(2 * delay + 1)
        if displayed and read(1):
            read(4)
