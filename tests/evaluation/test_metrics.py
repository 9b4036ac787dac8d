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
    half[0], half[1] = (255, 0, 0), (0, 255, 0)  # Red minus green is +255 and -255: the mean is 0, the spread large.
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


def test_auc_is_the_area_under_the_share_of_close_pixels():
    """As in section 3.1 of Zhang et al. 2016: the mean of the fractions for thresholds from 0 to 150."""
    truth = np.random.default_rng(0).uniform(-60, 60, (9, 9, 3))
    result = truth + np.random.default_rng(1).normal(0, 40, truth.shape)
    distances = np.sqrt(((truth - result)[..., 1:] ** 2).sum(axis=-1))
    shares = [np.mean(distances <= threshold) for threshold in range(151)]
    assert metrics.auc(truth, result) == pytest.approx(100 * np.mean(shares))
    assert metrics.auc(truth, truth + np.array([30, 0, 0])) == 100  # Lightness doesn't count.
    assert metrics.auc(truth, truth + np.array([0, 151, 0])) == 0


def test_psnr_gain_leaves_nearly_gray_images_out():
    rows = [{"psnr": 30.0}, {"psnr": 20.0}, {"psnr": 10.0}]
    gray = [{"psnr": 28.0, "colorfulness_truth": 5.0}, {"psnr": 21.0, "colorfulness_truth": 50.0}]
    gray.append({"psnr": 40.0, "colorfulness_truth": 4.9})
    assert metrics.psnr_gain(rows, gray) == (0.5, 2)
    assert metrics.psnr_gain(rows[2:], gray[2:]) == (None, 0)


def test_chroma_by_luma():
    dark, light = np.full((10, 10, 3), (60, 0, 0), np.uint8), np.full((10, 10, 3), (255, 200, 200), np.uint8)
    figures = metrics.ChromaByLuma()
    figures.add([dark, light], [dark // 2, gray_copy(light)])
    figures.add([np.full((1, 1, 3), (0, 255, 0), np.uint8)], [np.zeros((1, 1, 3), np.uint8)])
    # 18 and 216 of 256; a single pixel of 201 is less than 1%.
    assert figures.summary() == [pytest.approx(0.5)] + 5 * [None] + [pytest.approx(0, abs=1e-5), None]


def test_chroma_by_luma_of_gray_images_has_no_figure():
    figures = metrics.ChromaByLuma()
    gray = np.full((4, 4, 3), 100, np.uint8)
    figures.add([gray], [gray])
    assert figures.summary() == 8 * [None]
