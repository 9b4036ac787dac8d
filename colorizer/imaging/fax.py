"""Decode CCITT fax inside TIFF, and tell whether it is damaged.

Fax has no checksums, and its decoders carry on after an error: libtiff only prints it, without the file's name. But
its standards (ITU-T T.4 and T.6) leave encoders hardly any choice, so intact pixels encoded anew give the same bytes.
"""

import io
import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

FAX = {2: "tiff_ccitt", 3: "group3", 4: "group4"}
"""Pillow's names of the compressions, by their number in TIFF."""

_OPTIONS, _STRIPS, _STRIP_SIZES = 292, 273, 279  # Tags.
_END = 4  # Bytes at the end of a strip that may differ: an end marker, which is optional, and padding.
_ODD = 0.01  # Some programs encode in odd ways, which are valid and change the length by less than this.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decode_fax(content: bytes, accept_damaged: bool = False) -> tuple[NDArray[Any], list[str]]:
    """Decode the only page of a TIFF, one bit per pixel.

    Parameters
    ----------
    content : bytes
        The file.
    accept_damaged : bool
        Whether to decode what is left of a damaged page.

    Returns
    -------
    bits : (H, W) bool
        The bits as they are stored.
    notes : list of str
        A warning if the page may be damaged.

    Raises
    ------
    ValueError
        If the page is damaged.
    """
    import tifffile  # Slow to import: it takes as long as everything else here together.

    with io.BytesIO(content) as stream, tifffile.TiffFile(stream, _multifile=False) as file:
        page = file.pages.first
        bits = _attempt(lambda: np.asarray(imagecodecs.tiff_decode(content)).reshape(page.shape))  # By libtiff.
        odd = [] if bits is None or accept_damaged else _find_odd(bits, page, content)
        if bits is not None and not odd:
            return bits, []
        other = _attempt(lambda: page.asarray(maxworkers=1))  # This decoder leaves out everything below an error.
    if accept_damaged and other is not None:
        return other, []
    shifted = any(abs(new - old) > _ODD * old for old, new in odd)
    if bits is None or (shifted and (other is None or not np.array_equal(bits, other))):
        raise ValueError("its fax code is damaged")
    return bits, ["its fax code is damaged or unusual: look at the result"]


def _attempt(decode: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
    with suppress(RuntimeError):
        return decode()
    return None


def _find_odd(bits: NDArray[Any], page: Any, content: bytes) -> list[tuple[int, int]]:
    """Encode each strip or tile anew; return the old and new numbers of bytes of those that come out differently."""
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, bits.shape[1])
    blocks = itertools.product(range(0, bits.shape[0], rows), range(0, bits.shape[1], columns))
    odd = []
    for (top, left), at, size in zip(blocks, page.dataoffsets, page.databytecounts, strict=False):
        block = bits[top : top + rows, left : left + columns]
        if page.is_tiled and block.shape != (rows, columns):
            continue  # What lies beyond the picture isn't known.
        old = content[at : at + size]
        old = old.translate(_REVERSED) if page.fillorder == 2 else old
        new = _encode(block, page.compression, page.tags.valueof(_OPTIONS, 0))
        if old[: len(new) - _END] != new[:-_END]:
            odd.append((len(old), len(new)))
    return odd


def _encode(bits: NDArray[Any], compression: int, options: int) -> bytes:
    with io.BytesIO() as file:
        picture = Image.fromarray(bits)
        picture.save(file, "TIFF", compression=FAX[compression], strip_size=bits.size, tiffinfo={_OPTIONS: options})
        file.seek(0)
        tags = TiffImageFile(file).tag_v2
        at, size = tags[_STRIPS][0], tags[_STRIP_SIZES][0]
        return file.getvalue()[at : at + size]
