import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT, encode, random_images, save_evil
from PIL import Image

from colorizer import Colorizer, ImageError, ModelError
from colorizer.imaging.color import to_luma
from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import Checkpoint, list_models
from colorizer.inference.runtime import load_runtime

CAT = ROOT / "samples/cifar10/00_cat.png"


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load("autoencoder")


def test_importing_the_package_does_not_import_tensorflow():
    code = "import sys, colorizer, colorizer.cli; colorizer.Colorizer; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=400).returncode == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (31, 33), (32, 32), (97, 64), (301, 257)])
def test_any_size_keeps_size_and_luma(colorizer, size):
    image = cv2.resize(random_images(1, 64)[0], size[::-1])
    result = colorizer.colorize(image)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    difference = np.abs(to_luma(result).astype(int) - to_luma(image))
    assert (difference <= 2).mean() >= 0.98


def test_result_has_color_and_does_not_depend_on_the_inputs(colorizer):
    image = decode_image(CAT)
    gray = np.repeat(to_luma(image)[..., None], 3, axis=2)
    result = colorizer.colorize(image)
    assert (result != gray).any()
    for same in (gray, gray[..., 0], gray[..., :1], Image.fromarray(gray[..., 0]), encode(gray)):
        assert np.array_equal(colorizer.colorize(same), result)
    for path in (CAT, str(CAT), CAT.read_bytes()):
        assert np.array_equal(colorizer.colorize(path), result)


def test_input_stays_as_it_is(colorizer):
    image = random_images(1, 500)[0]
    before = image.copy()
    for result in (colorizer.colorize(image), colorizer.colorize(image, raw=True), *colorizer.colorize_batch([image])):
        result[:] = 0
    assert np.array_equal(image, before)


def test_raw_is_the_network_s_own_picture(colorizer):
    luma = to_luma(decode_image(CAT))
    runtime = load_runtime(Checkpoint.find("autoencoder"))
    expected = runtime(luma[None, ..., None].astype(np.float32) / 255)[0]
    assert np.array_equal(colorizer.colorize(CAT, raw=True), np.rint(expected * 255))
    assert colorizer.colorize(np.repeat(luma, 3, axis=0), raw=True).shape == (96, 32, 3)


def test_alpha_is_kept(colorizer):
    rgba = np.dstack([random_images(1)[0], random_images(1)[0][..., 0]])
    result = colorizer.colorize(rgba)
    assert np.array_equal(result[..., 3], rgba[..., 3])
    assert np.array_equal(result[..., :3], colorizer.colorize(rgba[..., :3]))


def test_batch_of_many_sizes_equals_one_by_one(colorizer):
    images = [*random_images(300, 32), *random_images(2, 50)]
    batch = colorizer.colorize_batch(images)
    for i in (0, 255, 256, 299, 300, 301):
        assert np.abs(batch[i].astype(int) - colorizer.colorize(images[i])).max() <= 1
    assert colorizer.colorize_batch([]) == []


def test_bad_images_are_refused(colorizer):
    with pytest.raises(ImageError, match="empty"):
        colorizer.colorize(b"")
    with pytest.raises(ImageError, match="megapixels"):
        colorizer.colorize(CAT, max_pixels=1000)


def test_models_are_found_by_name_and_path(colorizer):
    assert "autoencoder" in list_models()
    path = ROOT / "checkpoints/autoencoder"
    assert Checkpoint.find("autoencoder") == Checkpoint.find(path) == Checkpoint.find(path / "model.keras")


def test_unknown_broken_and_foreign_models_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no model 'gan'; available: .*autoencoder"):
        Colorizer.load("gan")
    broken = tmp_path / "model.keras"
    broken.write_bytes(Checkpoint.find("autoencoder").path.read_bytes()[:10_000])
    with pytest.raises(ModelError, match=r"model\.keras can't be used"):
        Colorizer.load(broken)

    import keras

    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="maps"):
        Colorizer.load(tmp_path / "other.keras")


def test_a_model_file_that_would_run_code_is_refused(tmp_path):
    import keras

    path, marker = tmp_path / "evil.keras", tmp_path / "run"
    save_evil(path, marker)
    with pytest.raises(ModelError, match="can't be used"):
        Colorizer.load(path)
    assert not marker.exists()
    keras.models.load_model(path, safe_mode=False)
    assert marker.exists()  # It could have done harm.
