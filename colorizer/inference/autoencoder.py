"""Inference with the autoencoder, and with its encoder and decoder separately, for teaching."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import resize, to_chroma, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.inference.checkpoint import PARTS, Checkpoint
from colorizer.inference.hints import Hint
from colorizer.inference.painter import Alternative, Painter
from colorizer.inference.runtime import LiteRTNetwork, Runtime, expect_memory, map_parallel

_PART = 16  # Images per call of the network: more don't fit into a core's cache.
_PLAIN = 140  # Luma on which chroma alone is shown: bright enough for colors, dark enough not to clip them.


class AutoencoderPainter(Painter):
    """Predicts chroma with the autoencoder: the chroma of the small RGB pictures that it reconstructs.

    Parameters
    ----------
    runtime : Runtime
        The network.
    """

    title = "autoencoder"
    other = "U-Net"
    abilities = frozenset({"raw output"})

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def predict_chroma(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        *,
        vividness: float,
        detail: int | None,
        hints: Sequence[Sequence[Hint]] | None = None,
        alternatives: Sequence[Alternative] | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Predict the chroma of luma planes, see `Painter.predict_chroma`; vividness and detail have no effect."""
        for ability, given in (("hints", hints), ("alternatives", alternatives)):
            if any(given or ()):
                self.refuse(ability)
        return map(to_chroma, self.paint_raw(lumas))

    def paint_raw(self, lumas: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Predict RGB pictures at the network's size: (h, w, 3) float32 in [0, 1] for each (H, W) uint8 luma plane."""

        @expect_memory()
        def work(part: Sequence[NDArray[np.uint8]], one_core: bool) -> NDArray[np.float32]:
            thumbnails = np.stack([_shrink(luma, *self._runtime.size) for luma in part])
            return self._runtime(thumbnails[..., None].astype(np.float32) / np.float32(255), one_core=one_core)

        parts = [lumas[i : i + _PART] for i in range(0, len(lumas), _PART)]
        return chain.from_iterable(map_parallel(work, parts))


@dataclass(frozen=True, eq=False)
class Passage:
    """The stages of a picture in the autoencoder; all pictures are (h, w, 3) uint8 at the network's size.

    Attributes
    ----------
    gray : array
        What the encoder sees.
    latent : (D,) float32
        The latent vector.
    painted : array
        The decoder's raw output.
    painted_luma : array
        The luma of that picture, as gray.
    painted_chroma : array
        The color of that picture, on uniform gray.
    joined : array
        The color of that picture, on the luma that the encoder saw.
    """

    gray: NDArray[np.uint8]
    latent: NDArray[np.float32]
    painted: NDArray[np.uint8]
    painted_luma: NDArray[np.uint8]
    painted_chroma: NDArray[np.uint8]
    joined: NDArray[np.uint8]

    @property
    def luma_error(self) -> float:
        """Root mean squared error of the decoder's luma against the encoder's, in levels of 255."""
        difference = self.painted_luma.astype(np.float64) - self.gray
        return float(np.sqrt((difference**2).mean()))


class LatentSpace:
    """The encoder and the decoder of an autoencoder, under LiteRT.

    Parameters
    ----------
    checkpoint : Checkpoint
        The autoencoder, with ``encoder.tflite`` and ``decoder.tflite``.

    Raises
    ------
    OSError
        If a file is missing.
    ValueError
        If a file doesn't match its record.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._encoder, self._decoder = (LiteRTNetwork(checkpoint.read_weights(name)) for name in PARTS)
        ((_, height, width, _),) = self._encoder.shapes.values()
        self.size = (height, width)

    @expect_memory()
    def pass_through(self, image: NDArray[np.uint8]) -> Passage:
        """Pass an RGB image (H, W, 3) uint8 of any size through the network; return all stages."""
        luma = self._see(image)
        latent = self._encode([luma])
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

    @expect_memory()
    def walk(self, first: NDArray[np.uint8], last: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
        """Interpolate between the latent vectors of two RGB images: (steps, h, w, 3) uint8 pictures.

        The first and the last are the reconstructions of the images. Raises `ValueError` for fewer than 2 steps.
        """
        if steps < 2:
            raise ValueError(f"steps must be at least 2, got {steps}")
        start, end = self._encode([self._see(image) for image in (first, last)])
        parts = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return self.paint(start + parts * (end - start))

    @expect_memory()
    def find_directions(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Find the principal components of the latent vectors of RGB images (H, W, 3) uint8.

        Returns
        -------
        (K, D) float32
            Orthogonal directions in order of decreasing variance, each with the standard deviation along it as its
            length. K is the number of images, or D if that is smaller.
        """
        latents = self._encode([self._see(image) for image in images])
        _, lengths, directions = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
        return np.asarray(directions * (lengths / np.sqrt(len(latents)))[:, None], np.float32)

    @expect_memory()
    def paint(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Decode latent vectors: (N, D) -> (N, h, w, 3) uint8 RGB."""
        return _to_levels(self._decode(latents))

    def _see(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return _shrink(to_luma(image), *self.size)

    def _encode(self, lumas: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self._encoder(np.stack(lumas)[..., None].astype(np.float32) / np.float32(255))

    def _decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._decoder(latents.astype(np.float32))


def draw_strip(pictures: NDArray[np.uint8], factor: int = 4, gap: int = 2) -> NDArray[np.uint8]:
    """Place pictures (N, h, w, 3) side by side, enlarged by an integer factor, with white gaps: (h', w', 3)."""
    count, height, width, _ = pictures.shape
    strip = np.full((count, height, width + gap, 3), 255, np.uint8)
    strip[:, :, :width] = pictures
    row = strip.transpose(1, 0, 2, 3).reshape(height, count * (width + gap), 3)[:, :-gap]
    return row.repeat(factor, axis=0).repeat(factor, axis=1)


def _shrink(luma: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize luma (H, W) to the network's size, with area averaging for downscaling, to avoid aliasing."""
    larger = luma.shape[0] > height or luma.shape[1] > width
    return resize(luma, height, width, cv2.INTER_AREA if larger else cv2.INTER_LINEAR)


def _to_levels(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _to_gray(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(luma[..., None], 3, axis=-1)
