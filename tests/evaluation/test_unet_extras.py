import numpy as np
import pytest

from colorizer.evaluation.unet_extras import calibration_error, count_hits
from colorizer.inference.chroma_bins import build_bins


def test_calibration_error_of_known_confidence():
    """A predictor with a confidence of 0.8 everywhere that is right in 6 of 8 cells is off by 0.05."""
    bins = build_bins()
    gray = int(np.argmin(np.abs(bins).sum(axis=1)))
    other = (gray + 5) % len(bins)
    probabilities = np.full((2, 4, len(bins)), 0.2 / (len(bins) - 1), np.float32)
    probabilities[..., gray] = 0.8
    probabilities[1, 2:, [gray, other]] = [[0.2 / (len(bins) - 1)], [0.8]]
    truth = np.full((20, 40, 3), 77, np.uint8)
    counts = count_hits(bins, probabilities, truth)
    assert counts.sum(axis=0) == pytest.approx([8, 6.4, 6])
    assert calibration_error(counts) == pytest.approx(0.05, abs=1e-6)


def test_over_and_under_confidence_add_up():
    counts = np.zeros((15, 3))
    counts[3], counts[12] = (10, 2.2, 5.2), (10, 8.2, 5.2)
    assert calibration_error(counts) == pytest.approx(0.3)


def test_the_true_bin_is_the_nearest_to_the_mean_of_a_cell():
    bins = np.array([[0, 0], [0.25, 0], [0.5, 0]], np.float32)
    truth = np.zeros((2, 4, 3), np.uint8)
    truth[:, 2] = (0, 0, 255)  # Cb 0.5, of a half of the right cell.
    probabilities = np.zeros((1, 2, 3), np.float32)
    probabilities[0, 0, 0] = probabilities[0, 1, 1] = 1
    assert count_hits(bins, probabilities, truth)[-1].tolist() == [2, 2, 2]
