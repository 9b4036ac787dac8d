r"""The chroma U-Net: luma and hints in, a distribution over chroma out, at any height and width.

    luma (H, W, 1) --5x5, stride 2--\
                                    (+) --> (H/2, W/2, 48) --> (H/4, W/4, 96) --> (H/8, W/8, 192) --> (H/16, W/16, 256)
    hints (H/2, W/2, 3) --3x3-------/              |                  |                   |              | + mean over
                                                  (+) <------------- (+) <-------------- (+) <----------/    the image
                                                   \--1x1--> logits (H/2, W/2, bins)

Residual blocks of two 3x3 convolutions at every scale; each scale halves height and width and, as channels double,
costs about the same. Nothing works at full size: chroma predicted at half the size costs next to no error, since the
picture keeps its own luma. Logits are those of a distribution over chroma rather than one color, so that one network
gives the likeliest color, a vivid one, several, and a measure of doubt.

References
----------
O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
R. Zhang, P. Isola and A. A. Efros, "Colorful Image Colorization", ECCV 2016: chroma as classification.
R. Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017: hints as input.
S. Iizuka, E. Simo-Serra and H. Ishikawa, "Let there be Color!", SIGGRAPH 2016: features of the whole image, learned
from its class as well.
"""

import keras
from keras import layers

BLOCKS = (1, 2, 2, 1)
"""Residual blocks of the encoder by scale; the decoder has one at each."""


def build_unet(
    bins: int, widths: tuple[int, ...] = (48, 96, 192, 256), dropout: float = 0.2, classes: int = 0
) -> keras.Model:
    """Build the U-Net.

    Parameters
    ----------
    bins : int
        Number of chroma bins.
    widths : tuple of int
        Channels at each scale, at most four scales.
    dropout : float
        Part of the features at the smallest scale that is dropped in training.
    classes : int
        With more than 0, a second output tells the class of the image; it serves training only.

    Returns
    -------
    keras.Model
        {``luma``: (N, H, W, 1) in [0, 1], ``hints``: (N, H/2, W/2, 3) Cb and Cr in [-0.5, 0.5] and a mask, all 0 where
        there is no hint} -> {``chroma``: (N, H/2, W/2, bins) logits[, ``label``: (N, classes) logits]}, float32.
        H and W are multiples of ``2 ** len(widths)``. 4.6 million parameters at the default widths.

    Raises
    ------
    ValueError
        If there are no widths, more of them than scales, or one is not positive.
    """
    if not 0 < len(widths) <= len(BLOCKS) or min(widths) < 1:
        raise ValueError(f"widths must be 1 to {len(BLOCKS)} positive numbers, got {widths}")
    # === Inputs, at half size from here on ===
    luma = keras.Input((None, None, 1), name="luma")
    hints = keras.Input((None, None, 3), name="hints")
    gray = layers.Rescaling(4.0, offset=-2.0, name="luma_scaling")(luma)
    fixed = layers.Rescaling([10.0, 10.0, 1.0], name="hints_scaling")(hints)
    x = layers.Add(name="stem")(
        [
            layers.Conv2D(widths[0], 5, strides=2, padding="same", name="luma_stem")(gray),
            layers.Conv2D(widths[0], 3, padding="same", name="hints_stem")(fixed),
        ]
    )
    x = layers.ReLU(name="stem_relu")(x)

    # === Encoder ===
    skips = []
    for scale, width in enumerate(widths):
        if scale > 0:
            x = _convolve(x, width, f"down{scale}", strides=2)
        for i in range(BLOCKS[scale]):
            x = _residual_block(x, width, f"encoder{scale}_{i}")
        skips.append(x)

    # === The whole image ===
    x = layers.Dropout(dropout, name="dropout")(x)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    whole = layers.Dense(widths[-1], activation="relu", name="whole")(whole)
    x = layers.Add(name="whole_added")([x, layers.Dense(widths[-1], name="whole_projection")(whole)])

    # === Decoder ===
    for scale in reversed(range(len(widths) - 1)):
        x = layers.Conv2D(widths[scale], 1, name=f"up{scale}")(x)
        x = layers.UpSampling2D(name=f"up{scale}_nearest")(x)
        x = layers.Add(name=f"up{scale}_skip")([x, skips[scale]])
        x = _residual_block(x, widths[scale], f"decoder{scale}")

    # === Functional Model ===
    # float32 whatever the precision of training: bfloat16 has too few digits for logits.
    outputs = {"chroma": layers.Conv2D(bins, 1, dtype="float32", name="chroma")(x)}
    if classes:
        outputs["label"] = layers.Dense(classes, dtype="float32", name="label")(layers.Flatten(name="flat")(whole))
    return keras.Model({"luma": luma, "hints": hints}, outputs, name="unet")


def _convolve(x: keras.KerasTensor, width: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _residual_block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    y = _convolve(x, width, f"{name}_a")
    y = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_b_conv")(y)
    # A block starts as the identity, which lets gradients reach all scales from the first step (Goyal et al. 2017).
    y = layers.BatchNormalization(gamma_initializer="zeros", name=f"{name}_b_norm")(y)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
