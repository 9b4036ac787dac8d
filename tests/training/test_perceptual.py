"""The perceptual loss, on a photograph."""

import keras
import numpy as np
import pytest
from conftest import ROOT
from keras import ops

from colorizer.data.arrays import fill_square
from colorizer.imaging.color import join, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.inference.chroma_bins import build_bins
from colorizer.training.perceptual import MIN_SIZE, PerceptualLoss, split_cells
from colorizer.training.unet import ChromaLoss
from colorizer.training.unet_batches import shrink_chroma


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    """Crop a square of the smallest size that the loss is computed for."""
    path = sorted((ROOT / "samples/photos").glob("*.jpg"))[0]
    return fill_square(decode_image(path)[:, :, :3], MIN_SIZE)


@pytest.mark.slow
def test_the_loss_is_zero_for_true_colors_and_grows_with_the_error(square, monkeypatch):
    perceptual = PerceptualLoss()
    seen = []
    network = perceptual.network
    monkeypatch.setattr(perceptual, "network", lambda rgb, training: seen.append(rgb) or network(rgb))
    luma, truth = split_cells(to_luma(square))[None], shrink_chroma(square)[None]
    assert float(perceptual(luma, truth, truth)[0]) == pytest.approx(0, abs=1e-5)
    picture = ops.convert_to_numpy(seen[0][0]) * 255
    smooth = join(to_luma(square), ops.convert_to_numpy(perceptual.enlarge(truth))[0])
    assert np.abs(picture - smooth).max() < 1.01  # The picture is the one that the colorizer would return.

    gray = float(perceptual(luma, truth, 0 * truth)[0])
    half, false = (float(perceptual(luma, truth, factor * truth)[0]) for factor in (0.5, -1))
    assert 0 < half < gray < false


@pytest.mark.slow
def test_perceptual_loss_applies_only_to_crops_of_min_size(square):
    bins = build_bins()
    rng = np.random.default_rng(0)
    for size in (MIN_SIZE, MIN_SIZE - 32):
        part = square[:size, :size]
        targets = np.concatenate([shrink_chroma(part), split_cells(to_luma(part))], axis=-1)[None]
        logits = keras.ops.convert_to_tensor(rng.normal(size=(1, size // 4, size // 4, len(bins))).astype(np.float32))
        plain, both = (float(ChromaLoss(bins, weight)(targets, logits)) for weight in (0.0, 0.5))
        assert (both > plain + 0.01) == (size == MIN_SIZE)
