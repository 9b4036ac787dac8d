"""Distributions over chroma: the bins, encoding chroma as a distribution over them, and decoding that to a color.

References
----------
R. Zhang, P. Isola and A. A. Efros, "Colorful Image Colorization", ECCV 2016: bins, soft encoding, prior.
A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021: dividing a prediction by a power of the prior.
N. Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", 1949: the gain against noise.
"""

import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import FROM_CHROMA

STEP = 0.05
"""Distance of neighboring bins along Cb and Cr."""
# Maximum range of R, G and B of a bin's color: 99.5% of the pixels of photographs are within it.
_MAX_RANGE = 0.85
_SMOOTHING = 0.5  # Weight of the uniform distribution in the prior, as in Zhang et al. 2016.


def build_bins() -> NDArray[np.float32]:
    """Make a square grid of bins over the colors of photographs.

    Returns
    -------
    (K, 2) float32
        Cb and Cr of the bins, in [-0.5, 0.5]; gray is one of them.
    """
    steps = np.arange(-10, 11, dtype=np.float32) * np.float32(STEP)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid[np.ptp(grid @ FROM_CHROMA.T / 255, axis=1) <= _MAX_RANGE]


def encoding_weights(bins: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrix and the bias that map chroma to the logits of a Gaussian around it.

    With half a step as the standard deviation, the mean of the distribution is the chroma itself, to a hundredth of a
    step. ``softmax(chroma @ matrix + bias)`` is the Gaussian, since ``-|c - b|^2 = 2 c b - |b|^2 - |c|^2``, whose last
    term is the same for all bins.

    Returns
    -------
    tuple of (2, K) and (K,) float32
        Matrix and bias.
    """
    precision = 1 / (STEP / 2) ** 2
    return bins.T * precision, -0.5 * precision * np.sum(bins**2, axis=1)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert logits (..., K) to probabilities."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def measure_prior(chroma: NDArray[np.float32], bins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure how often each bin occurs: chroma (N, 2) -> (K,) probabilities."""
    matrix, bias = encoding_weights(bins)
    parts = np.array_split(chroma, max(1, len(chroma) // 65536))  # A million pixels at once would take a gigabyte.
    return np.sum([softmax(part @ matrix + bias).sum(axis=0) for part in parts], axis=0) / np.float32(len(chroma))


def rebalance(probabilities: NDArray[np.float32], prior: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """Increase the weight of rare colors: (..., K) / prior ** exponent, normalized.

    The mean of a distribution is the color with the smallest expected error, but grayer than any likely color. The
    prior is smoothed, so that colors that hardly ever occur don't dominate.
    """
    weights = probabilities * _rarity(prior, exponent)
    return weights / weights.sum(axis=-1, keepdims=True)


def moment_weights(bins: NDArray[np.float32], prior: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """Return the (3, K) weights of a distribution's unnormalized means of Cb and Cr, and of their normalization.

    With ``m = probabilities @ weights.T``, ``m[..., :2] / m[..., 2:]`` is the mean after `rebalance`. Since ``m`` is
    linear in the probabilities, distributions can be averaged by averaging their ``m``.
    """
    rarity = _rarity(prior, exponent)
    return np.stack([*(rarity * bins.T), rarity])


def suppress_noise(chroma: NDArray[np.float32], noise: float, gain: float) -> NDArray[np.float32]:
    """Suppress faint colors and amplify the others: (..., 2) Cb and Cr.

    Rebalancing tints gray areas, most of all dark and light ones: maroon shadows and yellow whites. Chroma of
    length m is multiplied by ``gain * m^2 / (m^2 + noise^2)``, the gain of a Wiener filter times a constant.
    """
    power = np.sum(chroma**2, axis=-1, keepdims=True)
    return chroma * (np.float32(gain) * power / np.maximum(power + np.float32(noise) ** 2, np.float32(1e-12)))


def chroma_variance(probabilities: NDArray[np.float32], bins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the variance of chroma, Cb and Cr together: (..., K) -> (...)."""
    return probabilities @ np.sum(bins**2, axis=1) - np.sum((probabilities @ bins) ** 2, axis=-1)


def uncertainty(probabilities: NDArray[np.float32], bins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the normalized entropy: (..., K) -> (...) in [0, 1].

    0 is the entropy of the soft encoding of a single color, the most certain prediction possible; 1 is that of the
    uniform distribution.
    """
    matrix, bias = encoding_weights(bins)
    gray = bins[np.argmin(np.sum(bins**2, axis=1))]
    surest = _entropy(softmax(gray @ matrix + bias))
    return np.clip((_entropy(probabilities) - surest) / (np.log(np.float32(len(bins))) - surest), 0, 1)


def _rarity(prior: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    return np.asarray(((1 - _SMOOTHING) * prior + _SMOOTHING / len(prior)) ** -exponent, np.float32)


def _entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    return -np.sum(probabilities * np.log(probabilities + np.float32(1e-12)), axis=-1)
