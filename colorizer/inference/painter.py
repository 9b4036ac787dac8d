"""The interface that the autoencoder and the U-Net share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from colorizer.inference.hints import Hint

Alternative = tuple[Hint, ...]
"""One of several colorizations of an image: the colors drawn for it, see `Painter.draw_alternatives`."""

ABILITIES = ("raw output", "vividness", "hints", "alternatives", "uncertainty")
"""Abilities that not all models have."""


class Painter(ABC):
    """A trained network that predicts the chroma of luma planes.

    Methods that need an ability the model lacks raise `ValueError`.

    Attributes
    ----------
    title, other : str
        Its name in messages, and that of the model with the other abilities.
    abilities : frozenset of str
        Which of `ABILITIES` it has.
    working_size : int or None
        Long side in pixels of the thumbnail at which the network works best; None if its size is fixed.
    """

    title: str
    other: str
    abilities: frozenset[str]

    @property
    def working_size(self) -> int | None:
        """Long side of the thumbnail at which the network works best."""
        return None

    @abstractmethod
    def predict_chroma(
        self,
        lumas: Sequence[NDArray[np.uint8]],
        *,
        vividness: float,
        detail: int | None,
        hints: Sequence[Sequence[Hint]] | None = None,
        alternatives: Sequence[Alternative] | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Predict the chroma of luma planes of any sizes; yield each as soon as it is ready.

        Parameters
        ----------
        lumas : sequence of (H, W) uint8
            Full-range Rec. 601 luma.
        vividness : float
            From 0, the color with the smallest expected error, to 1, as colorful as real images.
        detail : int, optional
            Long side, in pixels, of the thumbnail that the network sees; by default `working_size`.
        hints : sequence of sequences of Hint, optional
            Colors that a user sets, one entry per plane.
        alternatives : sequence of Alternative, optional
            The alternative for each plane.

        Yields
        ------
        (h, w, 2) float32
            Cb and Cr in [-0.5, 0.5], smaller than the plane.
        """

    def paint_raw(self, lumas: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Predict RGB at the network's size: (h, w, 3) float32 in [0, 1] for each (H, W) uint8 luma plane."""
        self.refuse("raw output")

    def draw_alternatives(
        self, luma: NDArray[np.uint8], count: int, *, detail: int | None, hints: Sequence[Hint], seed: int
    ) -> list[Alternative]:
        """Draw several alternatives for a (H, W) uint8 luma plane, the most probable first."""
        self.refuse("alternatives")

    def suggest_colors(
        self, luma: NDArray[np.uint8], place: Hint, count: int, *, detail: int | None, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """List at most `count` likely chroma values at a place, (n, 2) float32, the most probable first."""
        self.refuse("hints")

    def predict_distribution(
        self, luma: NDArray[np.uint8], *, detail: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict the distribution over chroma: bins (K, 2) float32 and their probabilities (h, w, K) float32."""
        self.refuse("uncertainty")

    def predict_uncertainty(
        self, luma: NDArray[np.uint8], *, detail: int | None, hints: Sequence[Hint]
    ) -> NDArray[np.float32]:
        """Estimate how uncertain the colors of a (H, W) uint8 luma plane are: (h, w) float32 in [0, 1]."""
        self.refuse("uncertainty")

    def refuse(self, ability: str) -> NoReturn:
        """Raise `ValueError` for an ability that this model lacks."""
        raise ValueError(f"the {self.title} doesn't support {ability}; use the {self.other}")
