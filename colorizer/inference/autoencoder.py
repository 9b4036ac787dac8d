"""The autoencoder taken apart: what its encoder keeps of a picture, and what its decoder makes of that.

It serves to learn from; pictures are colorized by `colorizer.inference.colorizer.Colorizer`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.files import sha256
from colorizer.imaging.color import resize, to_chroma, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.inference.runtime import LiteRTNetwork

_PARTS = ("encoder.tflite", "decoder.tflite")
_PLAIN = 140  # Luma on which chroma is shown by itself: bright enough for colors, dark enough not to clip them.


@dataclass(frozen=True, eq=False)
class Passage:
    """A picture's way through the autoencoder; all pictures are (h, w, 3) uint8 at the size of the network.

    Attributes
    ----------
    gray : array
        What the encoder sees.
    latent : (D,) float32
        What is left of it: the latent vector.
    painted : array
        The decoder's own picture.
    painted_luma : array
        The luma of that, in gray: what became of what the encoder saw.
    painted_chroma : array
        The color of that, on an even gray.
    joined : array
        That color on the luma that the encoder saw.
    """

    gray: NDArray[np.uint8]
    latent: NDArray[np.float32]
    painted: NDArray[np.uint8]
    painted_luma: NDArray[np.uint8]
    painted_chroma: NDArray[np.uint8]
    joined: NDArray[np.uint8]

    @property
    def luma_error(self) -> float:
        """Root mean squared difference of the luma that came out from that which went in, in levels of 255."""
        difference = self.painted_luma.astype(np.float64) - self.gray
        return float(np.sqrt((difference**2).mean()))


class LatentSpace:
    """The encoder and the decoder of an autoencoder, under LiteRT.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``encoder.tflite``, ``decoder.tflite`` and their record ``config.json`` lie.

    Raises
    ------
    OSError
        If a file is missing.
    ValueError
        If a file is not the one of the record.
    """

    def __init__(self, folder: Path) -> None:
        contents = [(folder / name).read_bytes() for name in _PARTS]
        recorded = json.loads((folder / "config.json").read_text("utf-8")).get("export", {}).get("files", {})
        for name, content in zip(_PARTS, contents, strict=True):
            if recorded.get(name) != sha256(content):
                raise ValueError(f"{name} is not the one of the record; make it anew by `colorizer export`")
        self._encoder, self._decoder = (LiteRTNetwork(content) for content in contents)
        ((_, height, width, _),) = self._encoder.shapes.values()
        self.size = (height, width)

    def pass_through(self, image: NDArray[np.uint8]) -> Passage:
        """Follow an RGB image (H, W, 3) uint8 of any size, reduced to the network's."""
        luma = self._see(image)
        latent = self._encode(luma)
        picture = self._decode(latent)[0]
        painted = _to_levels(picture)
        plain = np.full(luma.shape, _PLAIN, np.uint8)
        return Passage(
            gray=_to_gray(luma),
            latent=latent[0],
            painted=painted,
            painted_luma=_to_gray(to_luma(painted)),
            painted_chroma=join_upsampled(plain, to_chroma(picture)),
            joined=join_upsampled(luma, to_chroma(picture)),
        )

    def walk(self, first: NDArray[np.uint8], last: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
        """Paint what lies between two RGB images: (steps, h, w, 3) uint8, from equal steps between their vectors.

        The ends are the decoder's pictures of the images themselves.
        """
        if steps < 2:
            raise ValueError(f"a walk has at least 2 steps, got {steps}")
        start, end = (self._encode(self._see(image)) for image in (first, last))
        parts = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return _to_levels(self._decode(start + parts * (end - start)))

    def _see(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        larger = image.shape[0] > self.size[0] or image.shape[1] > self.size[1]
        return resize(to_luma(image), *self.size, cv2.INTER_AREA if larger else cv2.INTER_LINEAR)

    def _encode(self, luma: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._encoder(luma[None, ..., None].astype(np.float32) / np.float32(255))

    def _decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._decoder(latents.astype(np.float32))


def draw_strip(pictures: NDArray[np.uint8], factor: int = 4, gap: int = 2) -> NDArray[np.uint8]:
    """Lay pictures (N, h, w, 3) side by side, enlarged by a whole number, with white between: (h', w', 3)."""
    count, height, width, _ = pictures.shape
    strip = np.full((count, height, width + gap, 3), 255, np.uint8)
    strip[:, :, :width] = pictures
    row = strip.transpose(1, 0, 2, 3).reshape(height, count * (width + gap), 3)[:, :-gap]
    return row.repeat(factor, axis=0).repeat(factor, axis=1)


def _to_levels(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _to_gray(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(luma[..., None], 3, axis=-1)
