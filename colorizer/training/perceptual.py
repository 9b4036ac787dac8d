"""The perceptual loss: what a classifier sees in the colorized picture should be what it sees in the true one.

Squared error alone prefers dull colors that mislead more than no color does. The classifier is EfficientNet-Lite0 with
its ImageNet weights, which it keeps; it sees the predicted and the true chroma, each joined with the clean luma.

References
----------
J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from colorizer.imaging.color import FROM_CHROMA
from colorizer.models.efficientnet_lite import build_classifier, load_imagenet_weights
from colorizer.models.unet import STRIDE

LEAST_SIZE = 160
"""Height and width of the smallest squares that are judged: in smaller ones the classifier recognizes little."""

# Layers of the classifier, and the mean squared difference there between gray and true photographs.
_FEATURES = {"block4_add": 11.8, "block10_add": 8.3, "block15_project": 2.5}
_LOGITS = 1.0  # Weight of the divergence of the answers, beside the mean of the features' relative errors.


class PerceptualLoss:
    """Difference of a classifier's features and answers between the predicted and the true colors."""

    def __init__(self) -> None:
        classifier = build_classifier("lite0", channels=3)
        load_imagenet_weights(classifier)
        outputs = [classifier.get_layer(name).output for name in _FEATURES]
        self.network = keras.Model(classifier.input, [*outputs, classifier.output])
        self.network.trainable = False
        # Nearest neighbors, then a mean: the bilinear layer needs sizes that are known beforehand.
        self.enlarge = keras.Sequential(
            [layers.UpSampling2D(STRIDE), layers.AveragePooling2D(STRIDE + 1, strides=1, padding="same")]
        )
        self._to_rgb = FROM_CHROMA.T / np.float32(255)

    def __call__(self, luma: Any, truth: Any, mean: Any) -> Any:
        """(N, h, w, 16) luma by `split_cells`, (N, h, w, 2) true and predicted chroma -> (N,)."""
        luma = _join_cells(luma)

        def look(chroma: Any) -> list[Any]:
            rgb = luma + ops.matmul(self.enlarge(chroma), self._to_rgb)
            return self.network(ops.clip(rgb, 0.0, 1.0), training=False)

        *wanted, answer = (ops.stop_gradient(x) for x in look(truth))
        *given, logits = look(mean)
        errors = [
            ops.mean(ops.square(a - b), axis=(1, 2, 3)) / scale
            for a, b, scale in zip(given, wanted, _FEATURES.values(), strict=True)
        ]
        expected = ops.softmax(answer)
        divergence = ops.sum(expected * (ops.log_softmax(answer) - ops.log_softmax(logits)), axis=-1)
        return sum(errors) / len(errors) + _LOGITS * divergence


def split_cells(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Group the pixels of luma (S, S) by the cells of the chroma grid: (S/4, S/4, 16) in [0, 1]."""
    side = len(luma) // STRIDE
    cells = luma.reshape(side, STRIDE, side, STRIDE).swapaxes(1, 2).reshape(side, side, STRIDE * STRIDE)
    return cells.astype(np.float32) / np.float32(255)


def _join_cells(cells: Any) -> Any:
    """Undo `split_cells`, for a batch: (N, h, w, 16) -> (N, 4h, 4w, 1)."""
    batch, height, width = ops.shape(cells)[:3]
    cells = ops.reshape(cells, (batch, height, width, STRIDE, STRIDE))
    return ops.reshape(ops.transpose(cells, (0, 1, 3, 2, 4)), (batch, height * STRIDE, width * STRIDE, 1))
