"""The convolutional autoencoder of the project's specification: grayscale in, RGB out, through a dense latent vector.

    (32, 32, 1) --3x3 convolutions, stride 2, 64-128-256, ReLU--> (4, 4, 256) --dense--> (256,)
    (256,) --dense--> (4, 4, 256) --3x3 transposed convolutions, stride 2, 256-128-64, ReLU--> (32, 32, 64)
           --3x3 transposed convolution, sigmoid--> (32, 32, 3)

The decoder sees only the latent vector, so its output is blurry.

References
----------
G. E. Hinton and R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006.
"""

import keras
from keras import layers


def build_encoder(size: int = 32, latent_dim: int = 256, filters: tuple[int, ...] = (64, 128, 256)) -> keras.Model:
    """Build the encoder: (N, size, size, 1) luma in [0, 1] -> (N, latent_dim) latent vectors."""
    inputs = keras.Input((size, size, 1), name="luma")
    x = inputs
    for i, count in enumerate(filters, start=1):
        x = layers.Conv2D(count, 3, strides=2, padding="same", activation="relu", name=f"conv{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    outputs = layers.Dense(latent_dim, name="latent")(x)
    return keras.Model(inputs, outputs, name="encoder")


def build_decoder(size: int = 32, latent_dim: int = 256, filters: tuple[int, ...] = (64, 128, 256)) -> keras.Model:
    """Build the decoder: (N, latent_dim) latent vectors -> (N, size, size, 3) RGB in [0, 1]."""
    side = size // 2 ** len(filters)
    inputs = keras.Input((latent_dim,), name="latent")
    x = layers.Dense(side * side * filters[-1], name="dense")(inputs)
    x = layers.Reshape((side, side, filters[-1]), name="reshape")(x)
    for i, count in enumerate(reversed(filters), start=1):
        x = layers.Conv2DTranspose(count, 3, strides=2, padding="same", activation="relu", name=f"deconv{i}")(x)
    # float32 even under mixed precision: bfloat16 has too few digits for 256 levels.
    outputs = layers.Conv2DTranspose(3, 3, padding="same", activation="sigmoid", dtype="float32", name="rgb")(x)
    return keras.Model(inputs, outputs, name="decoder")


def build_autoencoder(size: int = 32, latent_dim: int = 256, filters: tuple[int, ...] = (64, 128, 256)) -> keras.Model:
    """Build the autoencoder.

    Parameters
    ----------
    size : int
        Height and width of input and output in pixels, a multiple of ``2 ** len(filters)``.
    latent_dim : int
        Length of the latent vector.
    filters : tuple of int
        Number of filters of each of the encoder's convolutions; the decoder uses them in reverse order.

    Returns
    -------
    keras.Model
        (N, size, size, 1) float32 luma in [0, 1] -> (N, size, size, 3) float32 RGB in [0, 1]. Its layers ``encoder``
        and ``decoder`` are models themselves. It has 3.43 million parameters by default.

    Raises
    ------
    ValueError
        If an argument is not positive, or `size` is not a multiple of ``2 ** len(filters)``.
    """
    if latent_dim < 1 or not filters or min(filters) < 1:
        raise ValueError(f"latent_dim and filters must be positive, got latent_dim={latent_dim}, filters={filters}")
    if size < 1 or size % 2 ** len(filters):
        raise ValueError(
            f"size must be a multiple of {2 ** len(filters)}, since each of the {len(filters)} convolutions halves it; "
            f"got {size}"
        )
    inputs = keras.Input((size, size, 1), name="luma")
    encoder = build_encoder(size, latent_dim, filters)
    decoder = build_decoder(size, latent_dim, filters)
    return keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder")
