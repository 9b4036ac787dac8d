"""`colorizer export` writes files that run without TensorFlow, and records their source."""

import json

import keras
import numpy as np
import pytest
from conftest import random_images

from colorizer import Colorizer, ModelError
from colorizer.cli import main
from colorizer.imaging.color import to_luma
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.chroma_bins import softmax
from colorizer.inference.runtime import KerasRuntime, LiteRTRuntime, load_runtime
from colorizer.models.autoencoder import build_autoencoder
from colorizer.models.unet import MULTIPLE, STRIDE, build_unet
from colorizer.publish.export import MAX_ERROR, MAX_LEVELS

pytestmark = pytest.mark.slow


def test_an_autoencoder_with_its_parts(tmp_path, capsys):
    keras.utils.set_random_seed(0)
    model = build_autoencoder(16, 8, (4, 8))
    model.save(tmp_path / "model.keras")
    (tmp_path / "config.json").write_text('{"model": "autoencoder"}')
    assert main(["export", "--model", str(tmp_path)]) == 0
    assert "encoder.tflite" in capsys.readouterr().out
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model"] == "autoencoder"
    assert config["export"]["largest_difference"] <= MAX_LEVELS
    assert config["export"]["error_change"] <= MAX_ERROR
    assert {path.name for path in tmp_path.glob("*.tflite")} == config["export"]["files"].keys()
    assert len(config["export"]["files"]) == 3
    assert sum(row["parameters"] for row in config["layers"]) == model.count_params()

    runtime = load_runtime(Checkpoint.find(tmp_path))
    assert isinstance(runtime, LiteRTRuntime)
    luma = (to_luma(random_images(3, 16))[..., None] / 255).astype(np.float32)
    assert np.abs(runtime(luma) - model(luma).numpy()).max() < 0.02
    assert Colorizer.load(tmp_path).colorize(random_images(1)[0]).shape == (32, 32, 3)

    # Other weights need another export, which the same command makes.
    build_autoencoder(16, 8, (4, 8)).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="colorizer export"):
        Colorizer.load(tmp_path)
    assert main(["export", "--model", str(tmp_path)]) == 0
    Colorizer.load(tmp_path)


def test_a_unet_of_any_size(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_unet(5, (8, 8, 8, 8))
    model.save(tmp_path / "model.keras")
    bins = [[0, 0], [0.2, 0], [0, 0.2], [-0.2, 0], [0, -0.2]]
    feed = {"multiple": MULTIPLE, "stride": STRIDE, "working_size": 96, "enlargement": 3, "mirrored_size": 0}
    output = {"bins": bins, "prior": [0.2] * 5, "vivid_exponent": 1.0}
    (tmp_path / "config.json").write_text(json.dumps({"input": feed, "output": output}))
    assert main(["export", "--model", str(tmp_path / "model.keras")]) == 0
    runtime = load_runtime(Checkpoint.find(tmp_path))
    assert isinstance(runtime, LiteRTRuntime)
    for shape in [(2, 32, 64), (1, 96, 32)]:
        luma = np.random.default_rng(0).random((*shape, 1), np.float32)
        hints = np.zeros((shape[0], shape[1] // STRIDE, shape[2] // STRIDE, 3), np.float32)
        expected = model({"luma": luma, "hints": hints})["chroma"].numpy()
        logits = runtime(luma, hints)
        assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()
        weights = np.random.default_rng(1).random((3, 5), np.float32)
        for either in (runtime, KerasRuntime(tmp_path / "model.keras")):
            summed = softmax(either(luma, hints)) @ weights.T
            np.testing.assert_allclose(either(luma, hints, weights), summed, atol=1e-5)


def test_what_can_not_be_exported_is_left_alone(tmp_path, capsys):
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    assert main(["export", "--model", str(tmp_path)]) == 2
    assert "neither the autoencoder nor the U-Net" in capsys.readouterr().err
    (tmp_path / "model.keras").rename(tmp_path / "best.keras")
    assert main(["export", "--model", str(tmp_path / "best.keras")]) == 2
    assert "must be called model.keras" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


def test_an_export_that_paints_other_colors_is_refused(tmp_path, monkeypatch, capsys):
    build_autoencoder(16, 8, (4, 8)).save(tmp_path / "model.keras")
    monkeypatch.setattr("colorizer.publish.export.MAX_LEVELS", -1)
    assert main(["export", "--model", str(tmp_path)]) == 2
    assert "differs from the model by" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
