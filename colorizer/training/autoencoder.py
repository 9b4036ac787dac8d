"""How the autoencoder is trained."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from colorizer.data.arrays import load_array
from colorizer.evaluation import plots
from colorizer.imaging.color import to_luma
from colorizer.models.autoencoder import build_autoencoder
from colorizer.training.config import TrainingError
from colorizer.training.resume import SAMPLES

if TYPE_CHECKING:
    import tensorflow as tf
from typing import TYPE_CHECKING

from colorizer.training.recipe import Recipe

if TYPE_CHECKING:
    import tensorflow as tf


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

    def compile(self, model: keras.Model) -> None:
        model.compile(keras.optimizers.Adam(self.config.learning_rate), "mse")

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5, verbose=1),
            keras.callbacks.EarlyStopping(patience=self.config.patience, verbose=1),
        ]

    def training_data(self, first_epoch: int) -> "tf.data.Dataset":
        return build_pipeline(self._training, self.config.batch_size, seed=self.config.seed, first_epoch=first_epoch)

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
        plots.plot_grid({"grayscale": luma, "colorized": painted, "ground truth": truth}, folder / SAMPLES)

    def _load(self, part: int) -> NDArray[np.uint8]:
        """Decode the training images (0) or those of validation (1) into one array (N, size, size, 3)."""
        config = self.config
        return np.concatenate(
            [load_array(parts[part], config.size, skip_corrupt=config.skip_corrupt) for parts in self.sets]
        )


def build_pipeline(
    images: NDArray[np.uint8],
    batch_size: int,
    *,
    seed: int | None = None,
    first_epoch: int = 0,
) -> "tf.data.Dataset":
    """Build the `tf.data` pipeline that a grayscale-to-color model learns from.

    Parameters
    ----------
    images : (N, S, S, 3) uint8
        RGB images.
    batch_size : int
        Images in a batch; the last of an epoch may be smaller.
    seed : int, optional
        With a seed the pipeline is that of training: it never ends, every epoch has an order of its own and half of
        its images mirrored. Order and mirroring are functions of seed and epoch alone, so that a training that was
        stopped goes on with exactly the batches that it would have seen. Without: one pass in order, for validation.
    first_epoch : int
        Epoch to start from.

    Returns
    -------
    tf.data.Dataset
        Pairs of luma (B, S, S, 1) and RGB (B, S, S, 3), float32 in [0, 1].
    """
    import tensorflow as tf

    # Grayscale once, by OpenCV: the pipeline then only picks, mirrors and scales. Kept as bytes on the host.
    quads = tf.constant(np.concatenate([to_luma(images)[..., None], images], axis=-1))

    def scale(quad: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        quad = tf.cast(quad, tf.float32) / 255
        return quad[..., :1], quad[..., 1:]

    if seed is None:
        batches = tf.data.Dataset.range(len(images)).batch(batch_size)
        return batches.map(lambda rows: scale(tf.gather(quads, rows))).prefetch(2)

    def epoch_batches(epoch: "tf.Tensor") -> "tf.data.Dataset":
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=key)
        mirrored = tf.random.stateless_uniform([len(images)], seed=key) < 0.5
        return tf.data.Dataset.from_tensor_slices((order, mirrored)).batch(batch_size)

    def pick(rows: "tf.Tensor", mirrored: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        quad = tf.gather(quads, rows)
        return scale(tf.where(mirrored[:, None, None, None], quad[:, :, ::-1], quad))

    epochs = tf.data.Dataset.counter(start=first_epoch)
    return epochs.flat_map(epoch_batches).map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)
