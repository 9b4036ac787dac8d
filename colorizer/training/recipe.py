"""What differs between the trainings of the models."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import keras

from colorizer.data.dataset import ImageDataset
from colorizer.training.config import TrainConfig


class EpochBatches(keras.utils.PyDataset):
    """Batches of training that are a function of the epoch.

    Keras's own `on_epoch_end` can't count epochs: on some backends it is also called before the first one.

    Attributes
    ----------
    epoch : int
        The epoch whose batches are given; `AdvanceEpoch` sets it.
    """

    epoch: int


class AdvanceEpoch(keras.callbacks.Callback):
    """Has batches go on to the next epoch, before the workers of Keras ask for its batches."""

    def __init__(self, batches: EpochBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the epoch that has ended."""
        self.batches.epoch = epoch + 1


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
        The validation metric by which the best weights are chosen; lower is better.
    """

    monitor = "val_loss"

    def __init__(self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]]) -> None:
        self.config = config
        self.sets = sets

    @abstractmethod
    def build(self) -> keras.Model:
        """Build the network that is trained."""

    def prepare(self, model: keras.Model) -> None:
        """Give a new network the weights that it starts from, if not random ones.

        Raises
        ------
        TrainingError
            If they can't be had.
        """
        return

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
    def training_data(self, first_epoch: int) -> EpochBatches:
        """Build the batches of training from an epoch on."""

    @abstractmethod
    def validation_data(self) -> keras.utils.PyDataset:
        """Build the batches of validation."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Describe input and output of the network: all that is needed to use it."""

    @abstractmethod
    def finish(self, folder: Path) -> None:
        """Draw a few validation images, colorized by the best weights, and measure what is left to measure."""
