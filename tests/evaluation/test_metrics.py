import numpy as np
import pytest
from conftest import random_images
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer.evaluation import metrics
from colorizer.imaging.color import gray_copy

TRUTH, OTHER = random_images(2)


def test_equal_images():
    figures = metrics.compare(TRUTH, TRUTH)
    assert figures["mse"] == figures["delta_e"] == 0
    assert figures["ssim"] == pytest.approx(1)
    assert figures["psnr"] == metrics.PSNR_CAP


def test_known_error():
    gray = np.full((16, 16, 3), 100, np.uint8)
    figures = metrics.compare(gray, gray + 51)
    assert figures["mse"] == pytest.approx(0.04)
    assert figures["psnr"] == pytest.approx(13.979, abs=1e-3)
    assert metrics.compare(TRUTH, OTHER)["psnr"] == pytest.approx(peak_signal_noise_ratio(TRUTH, OTHER))


@pytest.mark.parametrize(("size", "window"), [((32, 32), 7), ((7, 50), 7), ((6, 6), 5), ((3, 9), 3), ((240, 161), 7)])
def test_ssim_is_that_of_scikit_image(size, window):
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    for spread in (0, 5, 80):
        noise = generator.normal(0, spread, truth.shape)
        result = np.clip(truth // 2 + 60 + noise, 0, 255).astype(np.uint8)
        expected = structural_similarity(truth, result, channel_axis=-1, win_size=window)
        assert metrics.ssim(truth, result) == pytest.approx(expected, abs=1e-9)


def test_colorfulness_is_signed():
    assert metrics.colorfulness(gray_copy(TRUTH)) == 0
    half = np.zeros((2, 2, 3), np.uint8)
    half[0], half[1] = (255, 0, 0), (0, 255, 0)  # Red - green is +255 and -255: no mean, all spread.
    yellow_blue = 127.5
    assert metrics.colorfulness(half) == pytest.approx(255 + 0.3 * yellow_blue)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (3, 3, 3), (5, 40, 3), (6, 6, 3)])
def test_small_images_have_figures_too(shape):
    generator = np.random.default_rng(0)
    a, b = (generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))
    assert all(np.isfinite(value) for value in metrics.compare(a, b).values())


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.compare(TRUTH, TRUTH[:5])
