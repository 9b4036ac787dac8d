"""Color arithmetic: RGB to Y'CbCr and back, full-range Rec. 601 as JPEG files have it.

Arrays are RGB with the last axes (H, W) or (H, W, C); most functions also take stacks of images.

References
----------
ITU-T T.871 (JFIF), section 7, takes its luma weights from ITU-R BT.601.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

KR, KG, KB = 0.299, 0.587, 0.114
"""Rec. 601 weights of R', G' and B' in luma, as in ``cv2.COLOR_RGB2GRAY``."""

# Rows give Cb and Cr from RGB, columns are R, G, B.
_TO_CHROMA = np.array(
    [
        [-0.5 * KR / (1 - KB), -0.5 * KG / (1 - KB), 0.5],
        [0.5, -0.5 * KG / (1 - KR), -0.5 * KB / (1 - KR)],
    ],
    np.float32,
)
FROM_CHROMA = 255 * np.array(
    [
        [0.0, 2 * (1 - KR)],
        [-2 * KB * (1 - KB) / KG, -2 * KR * (1 - KR) / KG],
        [2 * (1 - KB), 0.0],
    ],
    np.float32,
)
"""Rows give R, G and B minus luma, in levels of 255, from Cb and Cr."""


def to_luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute luma, the gray image that a model gets as input.

    Parameters
    ----------
    rgb : (..., H, W, 3) uint8
        RGB images.

    Returns
    -------
    (..., H, W) uint8
        Full-range Rec. 601 luma, exactly what ``cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)`` gives.

    Raises
    ------
    ValueError
        If the array is not RGB uint8.
    """
    if rgb.dtype != np.uint8 or rgb.ndim < 3 or rgb.shape[-1] != 3:
        raise ValueError(f"expected RGB uint8 of shape (..., H, W, 3), got {rgb.dtype} of shape {rgb.shape}")
    if rgb.size == 0:
        return np.zeros(rgb.shape[:-1], np.uint8)
    # OpenCV takes only single images, so a stack is passed as one tall image.
    tall = np.ascontiguousarray(rgb).reshape(-1, rgb.shape[-2], 3)
    return cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY).reshape(rgb.shape[:-1]).astype(np.uint8, copy=False)


def to_chroma(rgb: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the two color-difference planes of RGB images.

    Parameters
    ----------
    rgb : (..., H, W, 3) uint8, or float32 in [0, 1]
        RGB images.

    Returns
    -------
    (..., H, W, 2) float32
        Cb and Cr in [-0.5, 0.5]; both 0 where the pixel is gray.
    """
    scale = np.float32(1 / 255) if rgb.dtype == np.uint8 else np.float32(1)
    return np.asarray(rgb, np.float32) @ (_TO_CHROMA.T * scale)


def join(luma: NDArray[np.uint8], chroma: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Combine a luma plane with chroma into an RGB image.

    Parameters
    ----------
    luma : (H, W) uint8
        Full-range Rec. 601 Y'.
    chroma : (H, W, 2) float32
        Cb and Cr in [-0.5, 0.5]; values that leave the RGB cube are clipped.

    Returns
    -------
    (H, W, 3) uint8
        RGB whose luma is the input's, to rounding, wherever nothing was clipped.

    Raises
    ------
    ValueError
        If the two planes differ in height or width.
    """
    if luma.shape != chroma.shape[:2]:
        raise ValueError(f"luma of shape {luma.shape} and chroma of shape {chroma.shape} differ in height or width")
    difference = cv2.transform(np.asarray(chroma, np.float32), FROM_CHROMA)
    return cv2.add(cv2.merge([luma] * 3), difference, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def resize(plane: NDArray[Any], height: int, width: int, interpolation: int) -> NDArray[Any]:
    """Resize (H, W) or (H, W, C) to height and width by one of OpenCV's interpolations, keeping the dtype."""
    if interpolation == cv2.INTER_AREA and plane.dtype == np.uint8:
        # Halving is ten times as fast as other factors. It drops odd last rows: at most 3 of 3000.
        while plane.shape[0] >= 8 * height and plane.shape[1] >= 8 * width:
            rows, columns = plane.shape[0] // 2, plane.shape[1] // 2
            plane = cv2.resize(plane[: 2 * rows, : 2 * columns], (columns, rows), interpolation=interpolation)
    if plane.shape[:2] == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=interpolation), plane.dtype)


def fit_within(image: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Shrink an image (H, W, C) so that its long side is at most `size` pixels; None means no limit."""
    height, width = image.shape[:2]
    if size is None or max(height, width) <= size:
        return image
    scale = size / max(height, width)
    return resize(image, max(1, round(height * scale)), max(1, round(width * scale)), cv2.INTER_AREA)


def gray_copy(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma of (H, W, 3) RGB to all three channels: the gray baseline that models are compared with."""
    return np.repeat(to_luma(rgb)[..., None], 3, axis=-1)
