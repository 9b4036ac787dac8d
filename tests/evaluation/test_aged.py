"""Metrics of aged copies: only the colors count, on the clean luma."""

import numpy as np
import pytest
from conftest import random_images

from colorizer.evaluation.aged import AgedMetrics, cut_chroma
from colorizer.evaluation.metrics import compare
from colorizer.imaging.aging import VERSIONS
from colorizer.imaging.color import gray_copy, to_chroma


class Knowing:
    """A stand-in for a model that predicts the true chroma, or none."""

    def __init__(self, chroma: list[np.ndarray]) -> None:
        self.chroma = chroma
        self.seen: list[np.ndarray] = []

    def predict_chroma(self, lumas, *, vividness, detail):
        self.seen += lumas
        for luma, chroma in zip(lumas, self.chroma, strict=True):
            rows, columns = ((a - b) // 2 for a, b in zip(luma.shape, chroma.shape, strict=False))
            yield np.pad(chroma, ((rows, rows), (columns, columns), (0, 0)))


def measure(model: Knowing, truths: list[np.ndarray]) -> dict:
    figures = AgedMetrics(model, 0, 128)
    figures.add(truths, [compare(truth, gray_copy(truth)) for truth in truths])
    return figures.summary()


def test_true_chroma_leaves_no_error_whatever_the_damage():
    truths = list(random_images(2, 64) // 2 + 60)
    model = Knowing([to_chroma(truth) for truth in truths])
    figures = measure(model, truths)
    assert figures.keys() == VERSIONS.keys()
    for version, row in figures.items():
        assert row["relative_mse"] < 0.01, version
        assert row["auc"] > 99
    # It saw the aged copies.
    assert np.array_equal(model.seen[0], truths[0][..., 2])
    assert model.seen[-1].shape == (64 + 2 * 5,) * 2


def test_no_chroma_is_the_gray_baseline():
    truths = list(random_images(2, 32))
    for row in measure(Knowing([0 * to_chroma(truth) for truth in truths]), truths).values():
        assert row["relative_mse"] == pytest.approx(1, abs=1e-3)
        assert row["psnr_gain"] == pytest.approx(0, abs=1e-3)


def test_chroma_is_cut_at_its_own_scale():
    rows, columns = np.mgrid[:40, :40].astype(np.float32)
    small = np.stack([rows, -columns], axis=2)
    cut = cut_chroma(small, (80, 80), (slice(16, 64), slice(8, 72)))
    np.testing.assert_allclose(cut, small[8:32, 4:36], atol=1e-4)
    assert cut_chroma(small, (80, 80), (slice(0, 80), slice(0, 80))) is small
