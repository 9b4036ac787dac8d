"""Training of the autoencoder."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from colorizer.data.arrays import load_array
from colorizer.evaluation import plots
from colorizer.imaging.color import to_luma
from colorizer.models.autoencoder import build_autoencoder
from colorizer.training.config import TrainingError
from colorizer.training.recipe import EpochBatches, Recipe
from colorizer.training.resume import SAMPLES


class AutoencoderRecipe(Recipe):
    """The autoencoder as specified: Adam, mean squared error in RGB, horizontal flips."""

    def build(self) -> keras.Model:
        return build_autoencoder(self.config.size, self.config.latent_dim, self.config.filters)

    def load_images(self) -> None:
        config = self.config
        self._training = self._load(0)
        if config.batch_size > len(self._training):
            raise TrainingError(
                f"batch_size {config.batch_size} is larger than the {len(self._training)} training images"
            )
        self._validation = self._load(1)

    def compile(self, model: keras.Model) -> None:
        model.compile(keras.optimizers.Adam(self.config.learning_rate), "mse")

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5, verbose=1),
            keras.callbacks.EarlyStopping(patience=self.config.patience, verbose=1),
        ]

    def training_data(self, first_epoch: int) -> "ArrayBatches":
        return ArrayBatches(self._training, self.config.batch_size, seed=self.config.seed, first_epoch=first_epoch)

    def validation_data(self) -> "ArrayBatches":
        return ArrayBatches(self._validation, self.config.batch_size)

    def record(self) -> dict[str, Any]:
        return {
            "input": {"plane": "luma, full-range Rec. 601", "range": [0, 1], "size": self.config.size},
            "output": {"planes": "RGB", "range": [0, 1]},
        }

    def finish(self, folder: Path) -> None:
        model = keras.models.load_model(folder / "model.keras", compile=False)
        truth = self._validation[:8]
        luma = to_luma(truth)
        painted = model.predict_on_batch(luma[..., None].astype(np.float32) / 255)
        plots.plot_grid({"grayscale": luma, "colorized": painted, "ground truth": truth}, folder / SAMPLES)

    def _load(self, part: int) -> NDArray[np.uint8]:
        """Decode the images for training (part 0) or validation (part 1) into one array (N, size, size, 3)."""
        config = self.config
        return np.concatenate(
            [load_array(parts[part], config.size, skip_corrupt=config.skip_corrupt) for parts in self.sets]
        )


class ArrayBatches(EpochBatches):
    """Pairs of luma (B, S, S, 1) and RGB (B, S, S, 3), float32 in [0, 1], from an array of images.

    Parameters
    ----------
    images : (N, S, S, 3) uint8
        RGB images.
    batch_size : int
        Images in a batch; the last of an epoch may be smaller.
    seed : int, optional
        With a seed, for training: each epoch shuffles the images and flips half of them horizontally. Both depend only
        on the seed and the epoch, so a resumed run sees the same batches as one that was never interrupted. Without a
        seed, for validation: the images in order.
    first_epoch : int
        Epoch to start from, counted from 0.
    """

    def __init__(
        self, images: NDArray[np.uint8], batch_size: int, *, seed: int | None = None, first_epoch: int = 0
    ) -> None:
        super().__init__(workers=2, max_queue_size=4)
        self._images = images
        self._lumas = to_luma(images)[..., None]  # Converted once, by OpenCV.
        self._batch_size = batch_size
        self._seed = seed
        self.epoch = first_epoch
        self._draw = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make a batch of the current epoch."""
        part = slice(index * self._batch_size, (index + 1) * self._batch_size)
        order, flips = self._draw(self.epoch)
        rows, flipped = order[part], flips[part, None, None, None]
        luma, rgb = (
            np.where(flipped, planes[rows][:, :, ::-1], planes[rows]).astype(np.float32) / np.float32(255)
            for planes in (self._lumas, self._images)
        )
        return luma, rgb

    def _shuffle(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Draw the order of an epoch's images, and which of them are flipped."""
        count = len(self._images)
        if self._seed is None:
            return np.arange(count), np.zeros(count, bool)
        rng = np.random.default_rng((self._seed, epoch))
        return rng.permutation(count), rng.random(count) < 0.5
