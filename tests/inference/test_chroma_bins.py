import numpy as np

from colorizer.imaging.color import FROM_CHROMA
from colorizer.inference.chroma_bins import (
    STEP,
    build_bins,
    chroma_variance,
    encoding_weights,
    measure_prior,
    moment_weights,
    rebalance,
    softmax,
    suppress_noise,
    uncertainty,
)


def test_bins_are_distinct_colors_and_gray_is_one():
    bins = build_bins()
    assert len(np.unique(bins, axis=0)) == len(bins)
    assert (bins == 0).all(axis=1).any()
    assert np.ptp(bins @ FROM_CHROMA.T / 255, axis=1).max() <= 1


def test_mean_of_soft_encoding_is_the_chroma():
    bins = build_bins()
    matrix, bias = encoding_weights(bins)
    chroma = np.random.default_rng(0).uniform(-0.2, 0.2, (1000, 2)).astype(np.float32)
    encoded = softmax(chroma @ matrix + bias)
    assert np.abs(encoded @ bins - chroma).max() < 0.05 * STEP
    assert np.allclose(chroma_variance(encoded, bins), 2 * (STEP / 2) ** 2, rtol=0.2)


def test_prior_counts_colors():
    bins = build_bins()
    chroma = np.repeat(bins[[3, 100]], [30, 10], axis=0)
    prior = measure_prior(chroma, bins)
    assert np.isclose(prior.sum(), 1, atol=1e-5)
    assert np.isclose(prior[3] / prior[100], 3, rtol=0.3)


def test_rebalancing_favors_the_rare():
    probabilities = np.array([0.8, 0.2], np.float32)
    prior = np.array([0.9, 0.1], np.float32)
    shares = [rebalance(probabilities, prior, exponent)[1] for exponent in (0, 0.5, 1)]
    assert shares[0] == np.float32(0.2)
    assert shares[0] < shares[1] < shares[2]


def test_uncertainty_is_0_for_a_sure_color_and_1_for_none():
    bins = build_bins()
    matrix, bias = encoding_weights(bins)
    sure = softmax(np.zeros(2, np.float32) @ matrix + bias)
    even = np.full(len(bins), 1 / len(bins), np.float32)
    half = (sure + even) / 2
    assert np.isclose(uncertainty(sure, bins), 0, atol=1e-5)
    assert np.isclose(uncertainty(even, bins), 1, atol=1e-5)
    assert 0.2 < uncertainty(half, bins) < 0.9


def test_moments_are_the_mean_of_the_rebalanced_distribution():
    bins = build_bins()
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 30, (5, 4, len(bins))).astype(np.float32)
    prior = softmax(rng.normal(0, 2, len(bins)).astype(np.float32))
    for exponent in (0, 1.2):
        wanted = rebalance(softmax(logits), prior, exponent) @ bins
        moments = softmax(logits) @ moment_weights(bins, prior, exponent).T
        assert np.allclose(moments[..., :2] / moments[..., 2:], wanted, atol=1e-5)


def test_faint_colors_are_suppressed_and_strong_ones_amplified():
    chroma = np.array([[0, 0], [0.003, 0.004], [0.01, 0], [-0.3, 0.4]], np.float32)
    expected = np.array([[0, 0], [0.0006, 0.0008], [0.005, 0], [-0.29988, 0.39984]]) * 1.2
    assert np.allclose(suppress_noise(chroma, noise=0.01, gain=1.2), expected, atol=1e-6)
    assert np.array_equal(suppress_noise(chroma, noise=0, gain=1), chroma)
    assert not suppress_noise(np.zeros((2, 2), np.float32), noise=0, gain=1).any()
