"""What differs between the trainings of the models, and the autoencoder's part of it."""

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from colorizer import figures
from colorizer.color import to_luma
from colorizer.datasets import ImageDataset
from colorizer.models.autoencoder import build_autoencoder
from colorizer.pipelines import build_pipeline, load_array
from colorizer.resume import SAMPLES
from colorizer.train_config import TrainConfig, TrainingError

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
    share : slice
        Part of each batch of training that this worker learns from.

    Attributes
    ----------
    monitor : str
        The figure of validation by which the best weights are told; lower is better.
    steps_per_epoch, smallest_batch : int
        Steps of an epoch, and images of the smallest batch of training; known after `load_images`.
    """

    monitor = "val_loss"
    steps_per_epoch: int
    smallest_batch: int

    def __init__(
        self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]], share: slice = slice(None)
    ) -> None:
        self.config = config
        self.sets = sets
        self.share = share

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


class AutoencoderRecipe(Recipe):
    """The autoencoder as its specification has it: Adam, mean squared error of RGB, mirrored images."""

    def build(self) -> keras.Model:
        return build_autoencoder(self.config.size, self.config.latent_dim, self.config.filters)

    def load_images(self) -> None:
        config = self.config
        self._training = self._load(0)
        if config.batch_size > len(self._training):
            raise TrainingError(
                f"--batch-size {config.batch_size} is larger than the {len(self._training)} training images"
            )
        self._validation = self._load(1)
        self.steps_per_epoch = math.ceil(len(self._training) / config.batch_size)
        self.smallest_batch = len(self._training) % config.batch_size or config.batch_size

    def compile(self, model: keras.Model) -> None:
        model.compile(keras.optimizers.Adam(self.config.learning_rate), "mse")

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5, verbose=1),
            keras.callbacks.EarlyStopping(patience=self.config.patience, verbose=1),
        ]

    def training_data(self, first_epoch: int) -> "tf.data.Dataset":
        return build_pipeline(
            self._training, self.config.batch_size, seed=self.config.seed, first_epoch=first_epoch, share=self.share
        )

    def validation_data(self) -> "tf.data.Dataset":
        return build_pipeline(self._validation, self.config.batch_size)

    def record(self) -> dict[str, Any]:
        return {
            "input": {"plane": "luma, full-range Rec. 601", "range": [0, 1], "size": self.config.size},
            "output": {"planes": "RGB", "range": [0, 1]},
        }

    def finish(self, folder: Path) -> None:
        model = keras.models.load_model(folder / "model.keras", compile=False)
        truth = self._validation[:8]
        luma = to_luma(truth)
        painted = np.asarray(model(luma[..., None].astype(np.float32) / 255))
        figures.plot_grid({"grayscale": luma, "colorized": painted, "ground truth": truth}, folder / SAMPLES)

    def _load(self, part: int) -> NDArray[np.uint8]:
        """Decode the training images (0) or those of validation (1) into one array (N, size, size, 3)."""
        config = self.config
        return np.concatenate(
            [load_array(parts[part], config.size, skip_corrupt=config.skip_corrupt) for parts in self.sets]
        )
