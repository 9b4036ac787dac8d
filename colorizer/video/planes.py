"""The planes of a film's frames: luma as the network sees it, and chroma as the film's own color space has it.

A gray film in limited range and Rec. 709 stays that, level by level. Of the chroma that is predicted, Rec. 601 in full
range, B' - Y' and R' - Y' are what counts; another matrix divides them by other numbers.

References
----------
ITU-R BT.601-7, BT.709-6, BT.2020-2; ITU-T H.273, table 4.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from colorizer.imaging.color import resize, to_luma
from colorizer.imaging.upsampling import fit_chroma
from colorizer.video import VideoError
from colorizer.video.steadying import shrink

_KR, _KB = 0.299, 0.114  # Of predicted chroma.
# FFmpeg's numbers of matrices, those of H.273, and their weights of R' and B' in luma.
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (_KR, _KB), 6: (_KR, _KB), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_UNKNOWN, _OF_RGB = 2, 0
_HIGH_DEFINITION = 720  # Rows from which players take a film that tells no matrix for Rec. 709.
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_PLANAR = re.compile(r"(?:yuvj?4\d\dp|gray)(\d*)(le|be)?|nv(?:12|21|16|24)")


@dataclass(frozen=True)
class Look:
    """How a film stores its pictures, and how they are stored again.

    Attributes
    ----------
    height, width : int
        Of the stored picture, before it is turned.
    bits : int
        Of a sample.
    full_range : bool
        Whether luma fills all levels, instead of 16 to 235 of 255.
    matrix : int
        Color matrix, one of H.273's numbers.
    scale : (float, float)
        What the predicted Cb and Cr are multiplied by for this matrix.
    rotation : int
        Degrees counterclockwise by which players turn the picture.
    aspect : Fraction
        Width of a pixel over its height.
    interlaced : bool
        Whether a frame holds two fields.
    target : str
        FFmpeg's name of the pixel format of the result.
    """

    height: int
    width: int
    bits: int
    full_range: bool
    matrix: int
    scale: tuple[float, float]
    rotation: int
    aspect: Fraction
    interlaced: bool
    target: str


def describe(frame: VideoFrame, aspect: Fraction | None, interlaced: bool, name: str) -> Look:
    """Find out how a film stores its pictures from its first one.

    Raises
    ------
    VideoError
        If it is stored in a way that can't be colorized: with transparency, in floats, or as deep RGB.
    """
    kind = frame.format
    if any(component.is_alpha for component in kind.components) and not kind.has_palette:
        raise VideoError(f"{name} has transparency ({kind.name}), which is not supported: lay it on a background first")
    bits = max(component.bits for component in kind.components)
    is_rgb = kind.is_rgb or kind.has_palette or kind.is_bayer
    if bits > 16 or "f" in kind.name.removeprefix("gray")[:3] or (is_rgb and bits > 8):
        raise VideoError(f"{name} stores its pictures as {kind.name}, which is not supported")
    height, width = frame.height, frame.width
    matrix = int(frame.colorspace)
    if is_rgb:
        full, matrix, scale = True, 6, (1.0, 1.0)
    else:
        full = frame.color_range == _FULL_RANGE or kind.name.startswith(
            ("yuvj", "gray") if frame.color_range == 0 else "yuvj"
        )
        if matrix not in (*_WEIGHTS, _UNKNOWN, _OF_RGB):
            raise VideoError(f"{name} has colors of a kind that is not supported (matrix {matrix} of ITU-T H.273)")
        matrix = _UNKNOWN if matrix == _OF_RGB else matrix  # Of a gray film that says it is RGB, as some do.
        weight_r, weight_b = _WEIGHTS[matrix if matrix != _UNKNOWN else 1 if height >= _HIGH_DEFINITION else 6]
        scale = ((1 - _KB) / (1 - weight_b), (1 - _KR) / (1 - weight_r))
    layout = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    depth = "" if bits <= 8 else f"{bits}le"
    rotation = int(frame.rotation) % 360
    aspect = aspect if aspect and aspect > 0 else Fraction(1)
    return Look(height, width, max(bits, 8), full, matrix, scale, rotation, aspect, interlaced, layout + depth)


def read_luma(frame: VideoFrame, look: Look) -> NDArray[Any]:
    """Read the luma of a frame as it is stored: (H, W) uint8, or uint16 where it has more than 8 bits."""
    match = _PLANAR.fullmatch(frame.format.name)
    if match:
        return view(frame, 0, big_endian=match[2] == "be")
    if frame.format.is_rgb or frame.format.has_palette or frame.format.is_bayer:
        return to_luma(frame.to_ndarray(format="rgb24"))
    return view(frame.reformat(format=look.target), 0)


def view(frame: VideoFrame, index: int, big_endian: bool = False) -> NDArray[Any]:
    """Give a plane of a frame as an (H, W) array, uint8 or uint16, over the frame's own memory."""
    plane = frame.planes[index]
    deep = max(component.bits for component in frame.format.components) > 8
    kind = np.dtype(np.uint8 if not deep else ">u2" if big_endian else "<u2")
    rows = np.frombuffer(plane, kind)[: plane.height * plane.line_size // kind.itemsize]
    return rows.reshape(plane.height, -1)[:, : plane.width]


def to_full(luma: NDArray[Any], look: Look) -> NDArray[np.uint8]:
    """Bring stored luma (H, W) to 8 bits in full range."""
    if look.bits > 8:
        luma = (luma >> (look.bits - 8)).astype(np.uint8)
    if look.full_range:
        return np.ascontiguousarray(luma)
    return np.asarray(cv2.LUT(np.ascontiguousarray(luma), _STRETCH), np.uint8)


_STRETCH = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def turn(picture: NDArray[Any], degrees: int) -> NDArray[Any]:
    """Turn a picture (H, W, ...) counterclockwise, by the nearest quarter of a circle."""
    return np.ascontiguousarray(np.rot90(picture, round(degrees / 90)))


def to_square(picture: NDArray[Any], aspect: Fraction | None) -> NDArray[Any]:
    """Stretch a picture (H, W, ...) whose pixels are not square, along its width."""
    if not aspect or aspect == 1:
        return picture
    width = max(1, min(round(picture.shape[1] * aspect), 8 * picture.shape[1]))
    return resize(picture, picture.shape[0], width, cv2.INTER_AREA if aspect < 1 else cv2.INTER_LINEAR)


def add_color(
    frame: VideoFrame, stored: NDArray[Any], luma: NDArray[np.uint8], chroma: NDArray[np.float32], look: Look
) -> VideoFrame:
    """Make a frame of the result: the film's own luma, and chroma that is led by its edges.

    Parameters
    ----------
    frame : av.video.frame.VideoFrame
        The film's frame; its time and flags go along.
    stored : (H, W) uint8 or uint16
        Its luma as it is stored, see `read_luma`.
    luma : (H, W) uint8
        The same in 8 bits and full range.
    chroma : (h, w, 2) float32
        Steady Cb and Cr of the upright picture, in [-0.5, 0.5].
    look : Look
        How the film stores its pictures.
    """
    result = frame.reformat(format=look.target) if frame.format.name != look.target else frame
    result.make_writable()
    if result is not frame:
        view(result, 0)[:] = stored
    chroma = turn(chroma, -look.rotation)
    planes = view(result, 1), view(result, 2)
    # The two fields of an interlaced frame are pictures of their own, a line each in turn.
    for rows in (slice(0, None, 2), slice(1, None, 2)) if look.interlaced and luma.shape[0] >= 4 else (slice(None),):
        codes = _encode(luma[rows], chroma, planes[0][rows].shape, look)
        for plane, code in zip(planes, codes, strict=True):
            plane[rows] = code
    result.color_range = _FULL_RANGE if look.full_range else 1
    result.colorspace = look.matrix
    return result


def _encode(
    luma: NDArray[np.uint8], chroma: NDArray[np.float32], size: tuple[int, ...], look: Look
) -> list[NDArray[Any]]:
    """Bring chroma to the size of the chroma planes and to the levels of their samples."""
    height, width = size
    guide = shrink(luma)
    chroma = resize(chroma, guide.shape[0], guide.shape[1], cv2.INTER_LINEAR)
    slope, offset = fit_chroma(guide, chroma)
    luma = resize(luma, height, width, cv2.INTER_AREA)
    unit = 2 ** (look.bits - 8)
    span, most = (255, 255) if look.full_range else (224, 240)
    codes = []
    for i, scale in enumerate(look.scale):
        factor = np.float32(scale * span * unit)
        plane = resize(slope[..., i] * factor / 255, height, width, cv2.INTER_LINEAR) * luma
        plane += resize(offset[..., i] * factor + 128 * unit, height, width, cv2.INTER_LINEAR)
        least = (0 if look.full_range else 16) * unit
        top = most * unit if not look.full_range else 256 * unit - 1
        codes.append(np.rint(np.clip(plane, least, top)).astype(np.uint8 if look.bits == 8 else np.uint16))
    return codes
