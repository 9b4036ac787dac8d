"""What differs between the training of one model and another."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import keras

from colorizer.data.dataset import ImageDataset
from colorizer.training.config import TrainConfig


class EpochBatches(keras.utils.PyDataset):
    """Training batches that depend on the epoch.

    Keras's own `on_epoch_end` can't count epochs: on some backends it is also called before the first one.

    Attributes
    ----------
    epoch : int
        The current epoch.
    """

    epoch: int

    def advance(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on to the epoch after this one, before Keras's workers request its batches."""
        self.epoch = epoch + 1


class Recipe(ABC):
    """How one model is built, trained and evaluated.

    Parameters
    ----------
    config : TrainConfig
        The options.
    sets : list of (ImageDataset, ImageDataset)
        Training and validation images of each dataset, not decoded yet.

    Attributes
    ----------
    monitor : str
        Validation metric that selects the best weights; lower is better.
    """

    monitor = "val_loss"

    def __init__(self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]]) -> None:
        self.config = config
        self.sets = sets

    @abstractmethod
    def build(self) -> keras.Model:
        """Build the network to train."""

    def prepare(self, model: keras.Model) -> None:
        """Load pretrained weights into a new network, if it starts from any.

        Raises
        ------
        TrainingError
            If they are not installed.
        """
        return

    @abstractmethod
    def load_images(self) -> None:
        """Load the images; raise `TrainingError` if the options don't fit them."""

    @abstractmethod
    def compile(self, model: keras.Model) -> None:
        """Compile the network with its loss, metrics and optimizer."""

    @abstractmethod
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Create the callbacks that must run before the best weights are saved."""

    @abstractmethod
    def training_data(self, first_epoch: int) -> EpochBatches:
        """Build the training batches, starting from an epoch."""

    @abstractmethod
    def validation_data(self) -> keras.utils.PyDataset:
        """Build the validation batches."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Describe the network's input and output: everything that inference needs to know."""

    @abstractmethod
    def finish(self, folder: Path) -> None:
        """Calibrate the model with the best weights, if it needs that, and draw a few colorized validation images."""
