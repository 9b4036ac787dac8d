"""Convert between a film's stored planes, and the luma and chroma of the network.

The film's luma is kept level by level, whatever its range and color matrix. Predicted chroma is full-range Rec. 601;
another matrix scales the same differences B' - Y' and R' - Y' by other factors.

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

_KR, _KB = 0.299, 0.114  # Luma weights of predicted chroma.
# Luma weights of R' and B', by the number of the matrix in H.273, which FFmpeg uses as well.
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (_KR, _KB), 6: (_KR, _KB), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_UNKNOWN, _OF_RGB = 2, 0
_HIGH_DEFINITION = 720  # Height from which players assume Rec. 709 if the matrix is unspecified.
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_PLANAR = re.compile(r"(?:yuvj?4\d\dp|gray)(\d*)(le|be)?|nv(?:12|21|16|24)")


@dataclass(frozen=True)
class Look:
    """How a film and its result store their frames.

    Attributes
    ----------
    height, width : int
        Size of a stored frame, before rotation.
    bits : int
        Bits per sample, at least 8.
    full_range : bool
        Whether luma uses all levels, instead of 16 to 235 of 255.
    matrix : int
        Number of the color matrix in H.273.
    scale : (float, float)
        Factors from predicted Cb and Cr to those of this matrix.
    rotation : int
        Degrees counterclockwise by which players rotate the picture.
    aspect : Fraction
        Sample aspect ratio: width of a pixel over its height.
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
    """Determine how a film stores its frames.

    Parameters
    ----------
    frame : av.video.frame.VideoFrame
        The first frame.
    aspect : Fraction, optional
        Sample aspect ratio of the stream.
    interlaced : bool
        Whether frames are interlaced.
    name : str
        Name of the file, for messages.

    Raises
    ------
    VideoError
        If the pixel format can't be colorized: with transparency, in floats, or RGB with more than 8 bits.
    """
    kind = frame.format
    if any(component.is_alpha for component in kind.components) and not kind.has_palette:
        raise VideoError(f"{name} has transparency ({kind.name}), which is not supported", "flatten it first")
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
            raise VideoError(f"{name} has a color matrix that is not supported ({matrix} in ITU-T H.273)")
        matrix = _UNKNOWN if matrix == _OF_RGB else matrix  # Some gray films claim to be RGB.
        weight_r, weight_b = _WEIGHTS[matrix if matrix != _UNKNOWN else 1 if height >= _HIGH_DEFINITION else 6]
        scale = ((1 - _KB) / (1 - weight_b), (1 - _KR) / (1 - weight_r))
    layout = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    depth = "" if bits <= 8 else f"{bits}le"
    rotation = int(frame.rotation) % 360
    aspect = aspect if aspect and aspect > 0 else Fraction(1)
    return Look(height, width, max(bits, 8), full, matrix, scale, rotation, aspect, interlaced, layout + depth)


def read_luma(frame: VideoFrame, look: Look) -> NDArray[Any]:
    """Read the stored luma of a frame: (H, W) uint8, or uint16 if it has more than 8 bits."""
    match = _PLANAR.fullmatch(frame.format.name)
    if match:
        return view(frame, 0, big_endian=match[2] == "be")
    if frame.format.is_rgb or frame.format.has_palette or frame.format.is_bayer:
        return to_luma(frame.to_ndarray(format="rgb24"))
    return view(frame.reformat(format=look.target), 0)


def view(frame: VideoFrame, index: int, big_endian: bool = False) -> NDArray[Any]:
    """Return a plane of a frame as an (H, W) uint8 or uint16 array that shares its memory."""
    plane = frame.planes[index]
    deep = max(component.bits for component in frame.format.components) > 8
    kind = np.dtype(np.uint8 if not deep else ">u2" if big_endian else "<u2")
    rows = np.frombuffer(plane, kind)[: plane.height * plane.line_size // kind.itemsize]
    return rows.reshape(plane.height, -1)[:, : plane.width]


def to_full(luma: NDArray[Any], look: Look) -> NDArray[np.uint8]:
    """Convert stored luma (H, W) to 8 bits and full range."""
    if look.bits > 8:
        luma = (luma >> (look.bits - 8)).astype(np.uint8)
    if look.full_range:
        return np.ascontiguousarray(luma)
    return np.asarray(cv2.LUT(np.ascontiguousarray(luma), _STRETCH), np.uint8)


_STRETCH = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def turn(picture: NDArray[Any], degrees: int) -> NDArray[Any]:
    """Rotate a picture (H, W, ...) counterclockwise, to the nearest multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(picture, round(degrees / 90)))


def to_square(picture: NDArray[Any], aspect: Fraction | None) -> NDArray[Any]:
    """Resize a picture (H, W, ...) along its width so that its pixels become square."""
    if not aspect or aspect == 1:
        return picture
    width = max(1, min(round(picture.shape[1] * aspect), 8 * picture.shape[1]))
    return resize(picture, picture.shape[0], width, cv2.INTER_AREA if aspect < 1 else cv2.INTER_LINEAR)


def add_color(
    frame: VideoFrame, stored: NDArray[Any], luma: NDArray[np.uint8], chroma: NDArray[np.float32], look: Look
) -> VideoFrame:
    """Make a frame of the result from the film's own luma and predicted chroma, upsampled guided by the luma.

    Parameters
    ----------
    frame : av.video.frame.VideoFrame
        The film's frame, whose time and flags are kept.
    stored : (H, W) uint8 or uint16
        Its stored luma, see `read_luma`.
    luma : (H, W) uint8
        Its luma in 8 bits and full range.
    chroma : (h, w, 2) float32
        Steadied Cb and Cr of the upright picture, in [-0.5, 0.5].
    look : Look
        How the film stores its frames.

    Returns
    -------
    av.video.frame.VideoFrame
        A frame in the pixel format `Look.target`; may be the given one.
    """
    result = frame.reformat(format=look.target) if frame.format.name != look.target else frame
    result.make_writable()
    if result is not frame:
        view(result, 0)[:] = stored
    chroma = turn(chroma, -look.rotation)
    planes = view(result, 1), view(result, 2)
    # The two fields of an interlaced frame are separate pictures, in alternating lines.
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
    """Upsample chroma to the size of the chroma planes, and convert it to sample levels."""
    height, width = size
    guide = shrink(luma)
    chroma = resize(chroma, guide.shape[0], guide.shape[1], cv2.INTER_LINEAR)
    slope, offset = fit_chroma(guide, chroma)
    luma = resize(luma, height, width, cv2.INTER_AREA)
    unit = 2 ** (look.bits - 8)
    span = 255 if look.full_range else 224
    lowest, highest = (0, 256 * unit - 1) if look.full_range else (16 * unit, 240 * unit)
    codes = []
    for i, scale in enumerate(look.scale):
        factor = np.float32(scale * span * unit)
        plane = resize(slope[..., i] * factor / 255, height, width, cv2.INTER_LINEAR) * luma
        plane += resize(offset[..., i] * factor + 128 * unit, height, width, cv2.INTER_LINEAR)
        codes.append(np.rint(np.clip(plane, lowest, highest)).astype(np.uint8 if look.bits == 8 else np.uint16))
    return codes
