r"""The chroma U-Net: predicts a distribution over chroma from luma and hints, at any height and width.

    luma (H, W, 1) --EfficientNet-Lite0--> 1/4 --(+)--> 1/8 ----> 1/16 ----> 1/32
                                            |    ^       |          |          | + mean over the image
    hints (H/4, W/4, 3) --3x3, from zero----|----'       |          |          |
                         \--3x3, from zero-(+) <------- (+) <----- (+) <-------+
                         |                  \--1x1--> logits      |           |
                         \--maxima of 2x2, 4x4, 8x8, 3x3, from zero-'----------'

The encoder is pretrained to classify ImageNet, since colors depend on what things are. The decoder upsamples its
features to a quarter of the input's size, with residual blocks of two 3x3 convolutions. Nothing runs at full size:
predicting chroma at a quarter of the size adds almost no error, since the picture keeps its own luma. The output is a
distribution over chroma rather than one color, so that one network gives the mean, which minimizes squared error, more
vivid colors, several alternatives, and a measure of uncertainty. Hints also enter the decoder at its coarser scales,
where a cell covers about the area that a hint is meant for; at a quarter of the size alone, they hardly spread.

References
----------
O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
R. Zhang, P. Isola and A. A. Efros, "Colorful Image Colorization", ECCV 2016: chroma as classification.
R. Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017: hints as input.
S. Iizuka, E. Simo-Serra and H. Ishikawa, "Let there be Color!", SIGGRAPH 2016: features of the whole image.
"""

import keras
from keras import layers

from colorizer.models.efficientnet_lite import apply_stages, apply_stem

STRIDE = 4
"""Pixels of luma along each side of a cell of the chroma grid."""
MULTIPLE = 32
"""Height and width of luma must be multiples of this."""


def build_unet(
    bins: int, widths: tuple[int, ...] = (48, 64, 128, 256), dropout: float = 0.1, drop_path: float = 0.0
) -> keras.Model:
    """Build the U-Net with random weights.

    Parameters
    ----------
    bins : int
        Number of chroma bins.
    widths : tuple of int
        Channels of the decoder at 1/4, 1/8, 1/16 and 1/32.
    dropout : float
        Dropout rate of the encoder's last features, in [0, 1).
    drop_path : float
        Rate of stochastic depth in the encoder, see `colorizer.models.efficientnet_lite.apply_stages`.

    Returns
    -------
    keras.Model
        {``luma``: (N, H, W, 1) in [0, 1], ``hints``: (N, H/4, W/4, 3) Cb and Cr in [-0.5, 0.5] and a mask, all 0 where
        there is no hint} -> {``chroma``: (N, H/4, W/4, bins) logits}, float32. H and W are multiples of 32.

    Raises
    ------
    ValueError
        If `widths` is not four positive numbers.
    """
    if len(widths) != 4 or min(widths) < 1:
        raise ValueError(f"widths must be 4 positive numbers, got {widths}")
    luma = keras.Input((None, None, 1), name="luma")
    hints = keras.Input((None, None, 3), name="hints")
    fixed = layers.Rescaling([10.0, 10.0, 1.0], name="hints_scaling")(hints)
    # With positive and negative parts apart, max pooling keeps the hinted colors, however few cells they fill.
    above = layers.ReLU(name="hints_above")(fixed)
    below = layers.ReLU(name="hints_below")(layers.Rescaling(-1.0, name="hints_negative")(fixed))
    signs = layers.Concatenate(name="hints_signs")([above, below])

    # === Encoder ===
    quarter = apply_stages(apply_stem(luma), 1, 2)
    quarter = layers.Add(name="encoder_hinted")([quarter, _project_hints(fixed, quarter.shape[-1], "encoder_hints")])
    eighth = apply_stages(quarter, 3, 3, drop_path=drop_path)
    sixteenth = apply_stages(eighth, 4, 5, drop_path=drop_path)
    x = _normalize(apply_stages(sixteenth, 6, 7, drop_path=drop_path), 2.6, "encoder32")

    # === The whole image ===
    x = layers.Dropout(dropout, name="dropout")(x)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    whole = layers.Dense(widths[3], activation="relu", name="whole")(whole)
    x = layers.Conv2D(widths[3], 1, name="bottom")(x)
    whole = layers.Dense(widths[3], name="whole_projection")(whole)
    x = layers.Add(name="whole_added")([x, whole, _project_coarse(signs, 32, widths[3])])
    x = _residual_block(x, "decoder32")

    # === Decoder ===
    skips = ((16, sixteenth, 5.6, widths[2]), (8, eighth, 6.7, widths[1]), (4, quarter, 7.8, widths[0]))
    for scale, skip, deviation, width in skips:
        x = layers.Conv2D(width, 1, name=f"up{scale}")(x)
        x = layers.UpSampling2D(name=f"up{scale}_nearest")(x)
        skip = _normalize(skip, deviation, f"encoder{scale}")
        joined = [x, layers.Conv2D(width, 1, name=f"skip{scale}")(skip)]
        if scale == STRIDE:
            joined.append(_project_hints(fixed, width, "decoder_hints"))
        else:
            joined.append(_project_coarse(signs, scale, width))
        x = layers.Add(name=f"up{scale}_joined")(joined)
        x = _residual_block(x, f"decoder{scale}")

    # float32 even under mixed precision: bfloat16 has too few digits for logits.
    x = layers.ReLU(name="chroma_relu")(x)
    chroma = layers.Conv2D(bins, 1, dtype="float32", name="chroma")(x)
    return keras.Model({"luma": luma, "hints": hints}, {"chroma": chroma}, name="unet")


def _normalize(features: keras.KerasTensor, deviation: float, name: str) -> keras.KerasTensor:
    """Scale features to unit variance, by their standard deviation on photographs with the ImageNet weights."""
    return layers.Rescaling(1 / deviation, name=f"{name}_scaling")(features)


def _project_hints(hints: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    # Initialized to zero, so that the pretrained encoder starts undisturbed. Without bias, no hints mean no change.
    convolution = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer="zeros", name=name)
    return convolution(hints)


def _project_coarse(signs: keras.KerasTensor, scale: int, width: int) -> keras.KerasTensor:
    coarse = layers.MaxPooling2D(scale // STRIDE, name=f"hints{scale}_maxima")(signs)
    return _project_hints(coarse, width, f"decoder_hints{scale}")


def _residual_block(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = x.shape[-1]
    y = layers.ReLU(name=f"{name}_a_relu")(x)
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_a")(y)
    y = layers.ReLU(name=f"{name}_b_relu")(y)
    # Each block starts as the identity, so that gradients reach all scales from the first step without normalization.
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros", name=f"{name}_b")(y)
    return layers.Add(name=f"{name}_add")([x, y])
