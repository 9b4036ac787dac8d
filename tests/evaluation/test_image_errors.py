"""`evaluate --per-image` writes what the demo sorts by, and the demo takes it only for the same data and weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from colorizer import Colorizer
from colorizer.cli import main
from colorizer.data.sources import load_dataset
from colorizer.evaluation.image_errors import ImageErrors, find_errors, rank
from colorizer.evaluation.metrics import compare

MODEL = ROOT / "checkpoints/autoencoder"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.keras", "model.tflite", "config.json"):
        shutil.copy(MODEL / name, folder)
    return folder


def test_evaluate_records_each_image(model: Path, cifar_folder: Path):
    output = model / "metrics-own.json"
    assert main(["evaluate", "--model", str(model), "--data", str(cifar_folder), "--output", str(output)]) == 0
    dataset = load_dataset(str(cifar_folder), "test")
    assert find_errors(model, dataset.sha256) is None, "nobody asked for it"

    arguments = ["evaluate", "--model", str(model), "--data", str(cifar_folder), "--output", str(output)]
    assert main([*arguments, "--per-image"]) == 0
    record, found = json.loads(output.read_text()), find_errors(model, dataset.sha256)
    assert record["per_image"]["file"] == "metrics-own-images.csv"
    assert found is not None
    assert found.rows.tolist() == list(range(10))
    assert found.errors.mean() == pytest.approx(record["mse"], rel=1e-3)
    assert found.baselines.mean() == pytest.approx(record["mse_gray_baseline"], rel=1e-3)
    truth = dataset[3]
    assert found.errors[3] == pytest.approx(compare(truth, Colorizer.load(model).colorize(truth))["mse"], rel=1e-3)

    # Other data, another file of errors, other weights.
    assert find_errors(model, "0" * 64) is None
    errors = model / "metrics-own-images.csv"
    content = errors.read_bytes()
    errors.write_bytes(content.replace(b"\n3,", b"\n4,"))
    assert find_errors(model, dataset.sha256) is None
    errors.write_bytes(content)
    assert find_errors(model, dataset.sha256) is not None
    (model / "model.keras").rename(model / "kept.keras")
    assert find_errors(model, dataset.sha256) is not None, "an export is those weights too, as on a Space"
    (model / "model.keras").write_bytes(b"other weights")
    assert find_errors(model, dataset.sha256) is None


def test_find_errors_ignores_records_at_nonzero_vividness(model: Path, cifar_folder: Path):
    arguments = ["evaluate", "--model", str(model), "--data", str(cifar_folder), "--per-image", "--vividness", "0.5"]
    assert main([*arguments, "--output", str(model / "metrics.json")]) == 0
    assert find_errors(model, load_dataset(str(cifar_folder), "test").sha256) is None


def test_best_typical_and_worst():
    baselines = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.01, 0.02, 0.03, 0.04])
    errors = np.array([0.5, 0.1, 0.9, 0.3, 0.7, 0.001, 0.0, 0.03, 0.04])
    assert rank(errors, baselines).tolist() == [1, 3, 0, 4, 2]  # Not those that have hardly any color.
    measured = ImageErrors(np.arange(9) * 10, errors, baselines)
    assert measured.sort("best") == [10, 30, 0, 40, 20]
    assert measured.sort("worst") == [20, 40, 0, 30, 10]
    assert measured.sort("typical")[0] == 0
    assert set(measured.sort("typical")[1:3]) == {30, 40}


def test_gray_images_are_ranked_too():
    assert rank(np.zeros(2), np.zeros(2)).tolist() == [0, 1]
