"""The perceptual loss: a classifier should see the same in the colorized picture as in the original.

Squared error alone favors dull colors, which are more misleading than no color at all. The classifier is
EfficientNet-Lite0 with frozen ImageNet weights. It sees the predicted and the true chroma, each joined with the clean
luma.

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

MIN_SIZE = 160
"""Height and width of the smallest crops that the loss applies to: the classifier recognizes little in smaller ones."""

# Layers whose features are compared. Dividing by the mean squared difference between gray and color photographs in
# each layer puts them on the same scale.
_FEATURES = {"block4_add": 11.8, "block10_add": 8.3, "block15_project": 2.5}
_LOGITS = 1.0  # Weight of the KL divergence between class probabilities, relative to the mean of the features' errors.


class PerceptualLoss:
    """Difference between predicted and true colors in a classifier's features and class probabilities."""

    def __init__(self) -> None:
        classifier = build_classifier("lite0", channels=3)
        load_imagenet_weights(classifier)
        outputs = [classifier.get_layer(name).output for name in _FEATURES]
        self.network = keras.Model(classifier.input, [*outputs, classifier.output])
        self.network.trainable = False
        # Nearest-neighbor upsampling, then average pooling: Keras's bilinear upsampling needs static shapes.
        self.enlarge = keras.Sequential(
            [layers.UpSampling2D(STRIDE), layers.AveragePooling2D(STRIDE + 1, strides=1, padding="same")]
        )
        self._to_rgb = FROM_CHROMA.T / np.float32(255)

    def __call__(self, luma: Any, truth: Any, predicted: Any) -> Any:
        """Compute the loss (N,) from luma (N, h, w, 16), by `split_cells`, and two chroma grids (N, h, w, 2)."""
        luma = ops.depth_to_space(luma, STRIDE)

        def classify(chroma: Any) -> list[Any]:
            rgb = luma + ops.matmul(self.enlarge(chroma), self._to_rgb)
            return self.network(ops.clip(rgb, 0.0, 1.0), training=False)

        *true_features, true_logits = (ops.stop_gradient(x) for x in classify(truth))
        *features, logits = classify(predicted)
        errors = [
            ops.mean(ops.square(a - b), axis=(1, 2, 3)) / scale
            for a, b, scale in zip(features, true_features, _FEATURES.values(), strict=True)
        ]
        difference = ops.log_softmax(true_logits) - ops.log_softmax(logits)
        divergence = ops.sum(ops.softmax(true_logits) * difference, axis=-1)
        return sum(errors) / len(errors) + _LOGITS * divergence


def split_cells(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rearrange luma (S, S) by the cells of the chroma grid (space to depth): (S/4, S/4, 16) in [0, 1]."""
    side = len(luma) // STRIDE
    cells = luma.reshape(side, STRIDE, side, STRIDE).swapaxes(1, 2).reshape(side, side, STRIDE * STRIDE)
    return cells.astype(np.float32) / np.float32(255)
