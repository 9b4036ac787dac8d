"""What differs between the trainings of the models."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from colorizer.data.dataset import ImageDataset
from colorizer.training.config import TrainConfig

if TYPE_CHECKING:
    import tensorflow as tf


class Recipe(ABC):
    """How one model is built, fed and judged.

    Parameters
    ----------
    config : TrainConfig
        The options.
    sets : list of (ImageDataset, ImageDataset)
        Training and validation images of each data set, not decoded yet.

    Attributes
    ----------
    monitor : str
        The figure of validation by which the best weights are told; lower is better.
    steps_per_epoch : int
        Steps of an epoch; known after `load_images`.
    """

    monitor = "val_loss"
    steps_per_epoch: int

    def __init__(self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]]) -> None:
        self.config = config
        self.sets = sets

    @abstractmethod
    def build(self) -> keras.Model:
        """Build the network that is trained."""

    def publish(self, model: keras.Model) -> keras.Model:
        """Give the part of a trained network that is used afterwards; it shares the layers."""
        return model

    @abstractmethod
    def load_images(self) -> None:
        """Decode the images; `TrainingError` if the options don't fit them."""

    @abstractmethod
    def compile(self, model: keras.Model) -> None:
        """Give the network its loss and optimizer."""

    @abstractmethod
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Make the callbacks that come before the one that keeps the best weights."""

    @abstractmethod
    def training_data(self, first_epoch: int) -> "tf.data.Dataset":
        """Build the pipeline of training from an epoch on."""

    @abstractmethod
    def validation_data(self) -> "tf.data.Dataset":
        """Build the pipeline of validation."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Describe input and output of the network: all that is needed to use it."""

    @abstractmethod
    def finish(self, folder: Path) -> None:
        """Draw a few validation images, colorized by the best weights, and measure what is left to measure."""
