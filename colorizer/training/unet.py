"""Training of the chroma U-Net: cross-entropy over chroma bins and squared error, AdamW, EMA of the weights."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from colorizer.data.arrays import cut_square
from colorizer.data.dataset import ImageDataset
from colorizer.evaluation import plots
from colorizer.evaluation.metrics import colorfulness
from colorizer.files import write_whole
from colorizer.imaging.color import FROM_CHROMA, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.inference.chroma_bins import build_bins, encoding_weights, measure_prior
from colorizer.inference.runtime import KerasRuntime
from colorizer.inference.unet import UNetPainter
from colorizer.models.efficientnet_lite import load_imagenet_weights, name_stages
from colorizer.models.unet import MULTIPLE, STRIDE, build_unet
from colorizer.training.config import TrainConfig, TrainingError
from colorizer.training.optimizer import ScaledAdamW
from colorizer.training.perceptual import MIN_SIZE, PerceptualLoss
from colorizer.training.recipe import Recipe
from colorizer.training.resume import SAMPLES, publish_model
from colorizer.training.unet_batches import (
    ENLARGEMENT,
    ImageSet,
    TrainingBatches,
    ValidationBatches,
    load_colored,
    shrink_chroma,
)

WORKING_SIZE = 256
"""Long side at which photographs are colorized; the best is somewhat larger than the training crops."""
MIRRORED_SIZE = 192
"""Long side at which their mirror images are: errors at two sizes are less correlated, and the smaller is faster."""

_SQUARED_ERROR = 120.0  # Weight of the squared error in RGB, relative to the cross-entropy.
_ENCODER_RATE = 0.3  # Learning rate of the pretrained encoder, relative to that of the rest.
_EMA_MOMENTUM = 0.999
_CLIP_NORM = 2.0
_WARM_UP_STEPS = 200
_PRIOR_IMAGES = 2000  # Per dataset.
_CALIBRATION_IMAGES = 60  # Per dataset.
_VIVID = 0.9  # Colorfulness at vividness 1, relative to the ground truth: more would add error that isn't worth it.
_ROUNDED_FROM = 1024  # Size of the smallest kernels that the converter for the export quantizes.
_VIVID_EXPONENT = 1.0  # Until it is calibrated after training.
_VIVID_NOISE = 0.05  # Chroma to suppress at vividness 1, see `suppress_noise`.
_VIVID_GAIN = 1.25  # Factor of the chroma at vividness 1.


class ChromaLoss(keras.losses.Loss):
    """Cross-entropy over the chroma bins, with soft-encoded true chroma, plus squared error and a perceptual loss.

    The squared error, in RGB, and the perceptual loss, if its weight is not 0, are computed from the mean of the
    predicted distribution. The gradient of all but the perceptual loss with respect to the logits is given in closed
    form: automatic differentiation would make three more passes over these large arrays.
    """

    def __init__(self, bins: NDArray[np.float32], perceptual: float = 0.0) -> None:
        super().__init__(name="chroma_loss")
        self._perceptual_weight = perceptual
        self._perceptual_loss = PerceptualLoss() if perceptual else None
        self._bins = bins
        self._matrix, self._bias = encoding_weights(bins)
        self._to_rgb = FROM_CHROMA.T / np.float32(255)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the loss (N, h, w) of logits (N, h, w, K) for true chroma (N, h, w, 2).

        For the perceptual loss, the chroma is followed by the luma of `split_cells`: (N, h, w, 2 + 16).
        """
        y_true, luma = y_true[..., :2], y_true[..., 2:]
        logits = ops.stop_gradient(y_pred)
        encoded = ops.softmax(ops.matmul(y_true, self._matrix) + self._bias)
        largest = ops.max(logits, axis=-1, keepdims=True)
        weights = ops.exp(logits - largest)
        total = ops.sum(weights, axis=-1, keepdims=True)
        probabilities = weights / total
        entropy = ops.squeeze(largest + ops.log(total), -1) - ops.sum(encoded * logits, axis=-1)

        mean = ops.matmul(probabilities, self._bins)
        difference = ops.matmul(mean - y_true, self._to_rgb)
        loss = entropy + _SQUARED_ERROR * ops.mean(ops.square(difference), axis=-1)
        by_mean = ops.matmul(difference, self._to_rgb.T) * (_SQUARED_ERROR * 2 / 3)
        pull = ops.matmul(by_mean, self._bins.T) - ops.sum(by_mean * mean, axis=-1, keepdims=True)
        gradient = probabilities * (1 + pull) - encoded

        # The value is that of the loss; the gradient with respect to the logits is the one above.
        linear = ops.sum(ops.stop_gradient(gradient) * y_pred, axis=-1)
        loss = ops.stop_gradient(loss - linear) + linear
        if self._perceptual_loss is None or not luma.shape[-1]:
            return loss
        perceptual_loss = self._perceptual_loss
        perceptual = ops.cond(
            ops.shape(luma)[1] * STRIDE >= MIN_SIZE,
            # On half of the batch, where it takes half as long as the rest of the step.
            lambda: perceptual_loss(luma[::2], y_true[::2], ops.matmul(ops.softmax(y_pred[::2]), self._bins)),
            lambda: ops.zeros_like(y_true[::2, 0, 0, 0]),
        )
        return loss + self._perceptual_weight * ops.mean(perceptual)


class RelativeMSE(keras.metrics.Metric):
    """MSE in RGB of the predicted distribution's mean, divided by the MSE of the gray baseline.

    All images have the same weight, whatever their size.
    """

    def __init__(self, bins: NDArray[np.float32]) -> None:
        super().__init__(name="relative_mse")
        self._bins = bins
        self._error = self.add_weight(name="error", initializer="zeros")
        self._gray = self.add_weight(name="gray", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Accumulate the errors of a batch, given true chroma (N, h, w, 2) and logits (N, h, w, K)."""
        y_true = y_true[..., :2]
        mean = ops.matmul(ops.softmax(y_pred), self._bins)
        self._error.assign_add(_rgb_error(y_true - mean))
        self._gray.assign_add(_rgb_error(y_true))

    def result(self) -> Any:
        """Return the ratio: 1 for the gray baseline, 0 for the ground truth."""
        return self._error / ops.maximum(self._gray, 1e-12)


class ConstantWithCooldown(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate with linear warm-up, a constant phase, and linear decay to 0 over the last steps.

    A run can be extended at any time, since only the cooldown depends on its length.
    """

    def __init__(self, rate: float, steps: int, cooldown: int) -> None:
        self.rate, self.steps, self.cooldown = rate, steps, cooldown

    def __call__(self, step: Any) -> Any:
        """Compute the learning rate at a step."""
        step = ops.cast(step, "float32")
        rising = (step + 1) / min(_WARM_UP_STEPS, max(1, self.steps // 10))
        falling = (self.steps - step) / max(1, self.cooldown)
        return self.rate * ops.clip(ops.minimum(rising, falling), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "steps": self.steps, "cooldown": self.cooldown}


class UNetRecipe(Recipe):
    """The chroma U-Net with its pretrained encoder; some of the training images have hints."""

    monitor = "val_relative_mse"

    def __init__(self, config: TrainConfig, sets: list[tuple[ImageDataset, ImageDataset]]) -> None:
        super().__init__(config, sets)
        self._bins = build_bins()
        self._ratios: dict[str, float] = {}

    def build(self) -> keras.Model:
        return build_unet(len(self._bins), self.config.widths, self.config.dropout, self.config.drop_path)

    def prepare(self, model: keras.Model) -> None:
        config = self.config
        try:
            self._loss = ChromaLoss(self._bins, config.perceptual)
            self._ratios = {} if config.from_scratch else load_imagenet_weights(model)
        except FileNotFoundError as error:
            raise TrainingError(f"{error}; or train from scratch, without the perceptual loss") from error
        for name in name_stages(config.frozen_stages) if self._ratios else ():
            model.get_layer(name).trainable = False

    def load_images(self) -> None:
        config = self.config
        self._training, self._validation = (
            [load_colored(parts[i], config.working_size, skip_corrupt=config.skip_corrupt) for parts in self.sets]
            for i in range(2)
        )
        if not all(map(len, self._training)) or not any(map(len, self._validation)):
            raise TrainingError("no color images are left for training or validation")
        self.steps_per_epoch = len(self.training_data(0))
        chroma = [
            np.concatenate([shrink_chroma(square).reshape(-1, 2) for square in _take_some(images, _PRIOR_IMAGES)])
            for images in self._training
        ]
        # All datasets have the same weight, however large their images.
        self._prior = np.mean([measure_prior(part, self._bins) for part in chroma], axis=0)

    def compile(self, model: keras.Model) -> None:
        config = self.config
        steps = config.epochs * self.steps_per_epoch
        schedule = ConstantWithCooldown(config.learning_rate, steps, round(config.cooldown * steps))
        factors, pretrained = [], []
        for layer in model.layers:
            for variable in layer.trainable_variables:
                factor = 1.0
                if layer.name in self._ratios:
                    # Folding batch norms rescaled the kernels, but Adam's step size doesn't depend on their scale.
                    factor = _ENCODER_RATE * (self._ratios[layer.name] if variable.name == "kernel" else 1)
                    pretrained.append(variable)
                factors.append(factor)
        optimizer = ScaledAdamW(
            factors,
            schedule,
            weight_decay=config.weight_decay,
            beta_2=0.99,
            global_clipnorm=_CLIP_NORM,
            use_ema=True,
            ema_momentum=_EMA_MOMENTUM,
        )
        # Weight decay would pull the encoder away from its ImageNet weights.
        optimizer.exclude_from_weight_decay(var_list=pretrained, var_names=["bias"])
        losses, metrics = {"chroma": self._loss}, {"chroma": [RelativeMSE(self._bins)]}
        model.compile(optimizer, losses, metrics=metrics, jit_compile=keras.backend.backend() == "jax")

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]

    def training_data(self, first_epoch: int) -> TrainingBatches:
        config = self.config
        return TrainingBatches(
            self._training,
            config.batch_size,
            config.steps_per_epoch,
            config.seed,
            first_epoch,
            clean_luma=config.perceptual > 0,
        )

    def validation_data(self) -> ValidationBatches:
        return ValidationBatches([images for images in self._validation if len(images)], self.config.batch_size)

    def record(self) -> dict[str, Any]:
        return {
            "input": {
                "luma": {"plane": "luma, full-range Rec. 601", "range": [0, 1]},
                "hints": {"planes": "Cb, Cr, mask, on the chroma grid", "range": [-0.5, 0.5]},
                "multiple": MULTIPLE,
                "stride": STRIDE,
                "working_size": WORKING_SIZE,
                "enlargement": ENLARGEMENT,
                "sharpening": 0.0,
                "mirrored_size": MIRRORED_SIZE,
            },
            "output": {
                "chroma": "logits of the bins, on the chroma grid",
                "bins": [[round(float(value), 4) for value in center] for center in self._bins],
                "prior": [float(f"{value:.4g}") for value in self._prior],
                "vivid_exponent": _VIVID_EXPONENT,
                "vivid_noise": _VIVID_NOISE,
                "vivid_gain": _VIVID_GAIN,
            },
        }

    def finish(self, folder: Path) -> None:
        model = keras.models.load_model(folder / "model.keras", compile=False)
        round_kernels(model)
        config = publish_model(model, folder, json.loads((folder / "config.json").read_text()))
        runtime = KerasRuntime(folder / "model.keras")
        truth = [
            cut_square(square, min(len(square), images.side))
            for images in self._validation
            for square in _take_some(images, _CALIBRATION_IMAGES)
        ]
        lumas = [to_luma(image) for image in truth]

        def paint(vividness: float, lumas: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
            chroma = UNetPainter(runtime, config).predict_chroma(lumas, vividness=vividness, detail=None)
            return [join_upsampled(*planes) for planes in zip(lumas, chroma, strict=True)]

        wanted = _VIVID * np.mean([colorfulness(image) for image in truth])
        low, high = 0.0, 2.0
        for _ in range(7):  # Bisection, to about 0.02, which is finer than anyone can see.
            middle = round((low + high) / 2, 3)
            config["output"]["vivid_exponent"] = middle
            vivid = np.mean([colorfulness(image) for image in paint(1, lumas)])
            low, high = (middle, high) if vivid < wanted else (low, middle)
        write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())

        shown = lumas[:8]
        columns = {
            "grayscale": shown,
            "vividness 0": paint(0, shown),
            "vividness 1": paint(1, shown),
            "ground truth": truth[:8],
        }
        plots.plot_grid(columns, folder / SAMPLES)


def round_kernels(model: keras.Model) -> None:
    """Round the kernels of a network to the int8 values, with a scale per channel, that they get in its export.

    The two then differ only by LiteRT's rounding at run time. The converter doesn't quantize small kernels.
    """
    for layer in model.layers:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for variable in layer.weights:
            kernel = ops.convert_to_numpy(variable)
            if variable.name == "kernel" and kernel.size >= _ROUNDED_FROM:
                axes = (0, 1) if depthwise else tuple(range(kernel.ndim - 1))
                step = np.abs(kernel).max(axis=axes, keepdims=True) / 127
                variable.assign(np.round(kernel / np.maximum(step, 1e-12)) * step)


def _take_some(images: ImageSet, count: int) -> list[NDArray[np.uint8]]:
    """Take center crops of images spread over a dataset, since class folders hold one class after the other."""
    rows = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
    return [cut_square(images.dataset[int(row)], images.size) for row in rows]


def _rgb_error(chroma: Any) -> Any:
    """Compute the MSE in RGB of errors (N, h, w, 2) in Cb and Cr, summed over the images."""
    return ops.sum(ops.mean(ops.square(ops.matmul(chroma, FROM_CHROMA.T / 255)), axis=(1, 2, 3)))
