"""The training of the chroma U-Net: soft-encoded cross-entropy over chroma bins, Muon, averaged weights."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from colorizer.data.dataset import ImageDataset
from colorizer.evaluation import plots
from colorizer.evaluation.metrics import colorfulness
from colorizer.files import write_whole
from colorizer.imaging.color import FROM_CHROMA, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.inference.chroma_bins import build_bins, encoding_weights, measure_prior
from colorizer.inference.runtime import KerasRuntime
from colorizer.inference.unet import UNetPainter
from colorizer.models.unet import build_unet
from colorizer.training.config import TrainConfig, TrainingError
from colorizer.training.muon import ConvolutionMuon
from colorizer.training.recipe import Recipe
from colorizer.training.resume import SAMPLES
from colorizer.training.unet_batches import (
    ImageArray,
    TrainingBatches,
    ValidationBatches,
    build_dataset,
    choose_side,
    load_colored,
    split_planes,
)

if TYPE_CHECKING:
    import tensorflow as tf

_LABEL_WEIGHT = 0.1  # Of the class in the loss.
_EMA_MOMENTUM = 0.998
_WARM_UP = 0.04  # Part of the training.
_PRIOR_IMAGES = 2000  # Of each data set.
_CALIBRATION_IMAGES = 200  # Of each data set.
_VIVID = 0.95  # Colorfulness over the truth's at vividness 1: the rest costs more error than it shows.
_VIVID_EXPONENT = 1.0  # Until it is calibrated at the end.


class ChromaLoss(keras.losses.Loss):
    """Cross-entropy between the predicted distribution over bins and true chroma, softly encoded."""

    def __init__(self, bins: NDArray[np.float32]) -> None:
        super().__init__(name="chroma_loss")
        self._matrix, self._bias = encoding_weights(bins)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(N, h, w, 2) chroma, (N, h, w, K) logits -> (N, h, w)."""
        encoded = ops.softmax(ops.matmul(y_true, self._matrix) + self._bias)
        return ops.categorical_crossentropy(encoded, y_pred, from_logits=True)


class ErrorLeft(keras.metrics.Metric):
    """Squared error in RGB of the mean of the predicted distribution, over that of the gray baseline.

    Every image counts the same, whatever its size.
    """

    def __init__(self, bins: NDArray[np.float32]) -> None:
        super().__init__(name="relative_mse")
        self._bins = bins
        self._error = self.add_weight(name="error", initializer="zeros")
        self._gray = self.add_weight(name="gray", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count (N, h, w, 2) chroma and (N, h, w, K) logits."""
        mean = ops.matmul(ops.softmax(y_pred), self._bins)
        self._error.assign_add(_rgb_error(y_true - mean))
        self._gray.assign_add(_rgb_error(y_true))

    def result(self) -> Any:
        """Give the ratio: 1 for the gray baseline, 0 for the truth."""
        return self._error / ops.maximum(self._gray, 1e-12)


class UNetRecipe(Recipe):
    """The chroma U-Net at several working sizes, with hints in some of the images."""

    def __init__(self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]]) -> None:
        super().__init__(config, sets)
        self._bins = build_bins()
        # The classes of all sets, one set's after the other's.
        counts = [
            max(0 if part.labels is None else int(part.labels.max(initial=-1)) + 1 for part in parts) for parts in sets
        ]
        self._classes = sum(counts)
        self._offsets = np.cumsum([0, *counts])[:-1]
        # Keras names figures by their output where there are several.
        self.monitor = "val_chroma_relative_mse" if self._classes else "val_relative_mse"

    def build(self) -> keras.Model:
        return build_unet(len(self._bins), self.config.widths, self.config.dropout, self._classes)

    def publish(self, model: keras.Model) -> keras.Model:
        return keras.Model(model.input, {"chroma": model.output["chroma"]}, name="unet")

    def load_images(self) -> None:
        config = self.config
        sides = [choose_side(part, config.sizes, skip_corrupt=config.skip_corrupt) for part, _ in self.sets]
        self._training = self._load(0, sides)
        self._validation = self._load(1, sides)
        if not all(map(len, self._training)) or not any(map(len, self._validation)):
            raise TrainingError("no image that has color is left for training or validation")
        count = sum(map(len, self._training))
        self.steps_per_epoch = config.steps_per_epoch or math.ceil(count / config.batch_size)
        self._steps = config.epochs * self.steps_per_epoch
        self._batches = TrainingBatches(self._training, config.sizes, config.batch_size, self._steps, config.seed)
        chroma = [split_planes(_some(images, _PRIOR_IMAGES))[1].reshape(-1, 2) for images in self._training]
        # Each set counts the same, however large its images.
        self._prior = np.mean([measure_prior(part, self._bins) for part in chroma], axis=0)

    def compile(self, model: keras.Model) -> None:
        config = self.config
        warm_up = max(1, round(_WARM_UP * self._steps))
        schedule = keras.optimizers.schedules.CosineDecay(
            config.learning_rate / 100,
            max(1, self._steps - warm_up),
            warmup_target=config.learning_rate,
            warmup_steps=warm_up,
        )
        optimizer = ConvolutionMuon(
            schedule,
            weight_decay=config.weight_decay,
            adam_weight_decay=config.weight_decay,
            use_ema=True,
            ema_momentum=_EMA_MOMENTUM,
            exclude_layers=["^chroma/", "^label/"],  # The last ones, as its authors advise.
            precision=model.get_layer("stem_relu").compute_dtype,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        losses = {"chroma": ChromaLoss(self._bins)}
        weights = {"chroma": 1.0}
        if self._classes:
            losses["label"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
            weights["label"] = _LABEL_WEIGHT
        model.compile(optimizer, losses, loss_weights=weights, metrics={"chroma": [ErrorLeft(self._bins)]})

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]

    def training_data(self, first_epoch: int) -> "tf.data.Dataset":
        first = first_epoch * self.steps_per_epoch
        return build_dataset(self._batches, first, self._steps, labeled=bool(self._classes))

    def validation_data(self) -> "tf.data.Dataset":
        batches = ValidationBatches([images for images in self._validation if len(images)], self.config.batch_size)
        return build_dataset(batches, 0, len(batches), labeled=bool(self._classes))

    def record(self) -> dict[str, Any]:
        return {
            "input": {
                "luma": {"plane": "luma, full-range Rec. 601", "range": [0, 1]},
                "hints": {"planes": "Cb, Cr, mask, at half the size of luma", "range": [-0.5, 0.5]},
                "multiple": 2 ** len(self.config.widths),
                "sizes": sorted(set(self.config.sizes)),
            },
            "output": {
                "chroma": "logits of the bins, at half the size of luma",
                "bins": [[round(float(value), 4) for value in center] for center in self._bins],
                "prior": [float(f"{value:.4g}") for value in self._prior],
                "vivid_exponent": _VIVID_EXPONENT,
            },
        }

    def finish(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        # With an exponent of 1, vividness is the exponent.
        config["output"]["vivid_exponent"] = 1.0
        painter = UNetPainter(KerasRuntime(folder / "model.keras"), config)
        truth = [image for images in self._validation for image in _some(images, _CALIBRATION_IMAGES)]
        lumas = [to_luma(image) for image in truth]

        def paint(exponent: float, lumas: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
            chroma = painter.predict_chroma(lumas, vividness=exponent, detail=max(self.config.sizes))
            return [join_upsampled(*planes) for planes in zip(lumas, chroma, strict=True)]

        wanted = _VIVID * np.mean([colorfulness(image) for image in truth])
        low, high = 0.0, 2.0
        for _ in range(7):  # To a hundredth or so, which is finer than anyone sees.
            middle = (low + high) / 2
            vivid = np.mean([colorfulness(image) for image in paint(middle, lumas)])
            low, high = (middle, high) if vivid < wanted else (low, middle)
        config["output"]["vivid_exponent"] = round((low + high) / 2, 3)
        write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())

        shown = lumas[:8]
        columns = {
            "grayscale": shown,
            "least error": paint(0, shown),
            "vivid": paint(config["output"]["vivid_exponent"], shown),
            "ground truth": truth[:8],
        }
        plots.plot_grid(columns, folder / SAMPLES)

    def _load(self, part: int, sides: list[int]) -> list[ImageArray]:
        """Decode the training images (0) or those of validation (1) of each set, and tell the classes of sets apart."""
        arrays = [
            load_colored(parts[part], side, skip_corrupt=self.config.skip_corrupt)
            for parts, side in zip(self.sets, sides, strict=True)
        ]
        return [
            ImageArray(images.pixels, np.where(images.labels < 0, -1, images.labels + offset).astype(np.int32))
            for images, offset in zip(arrays, self._offsets, strict=True)
        ]


def _some(images: ImageArray, count: int) -> NDArray[np.uint8]:
    """Take images from all over a set: folders of classes hold one class after the other."""
    return images.pixels[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def _rgb_error(chroma: Any) -> Any:
    """Sum the mean squared differences of R, G and B that differences (N, h, w, 2) of Cb and Cr make in each image."""
    return ops.sum(ops.mean(ops.square(ops.matmul(chroma, FROM_CHROMA.T / 255)), axis=(1, 2, 3)))
