"""The committed weights match their records, and give the same colors as when they were committed."""

import csv
import hashlib
import json
import os

import numpy as np
import pytest
from conftest import ROOT

from colorizer import Colorizer, decode_image, save_image
from colorizer.evaluation.image_errors import find_errors
from colorizer.inference.checkpoint import Checkpoint, list_models

SAMPLES = sorted((ROOT / "samples/cifar10").glob("*.png"))


def read(model: str, name: str) -> dict:
    return json.loads((Checkpoint.find(model).folder / name).read_text())


def test_samples_and_models_are_there():
    assert len(SAMPLES) == 20
    assert "autoencoder" in list_models()


@pytest.mark.parametrize("model", list_models())
def test_record_fits_the_weights(model):
    folder = Checkpoint.find(model).folder
    config, metrics = read(model, "config.json"), read(model, "metrics.json")
    assert config["model_sha256"] == hashlib.sha256(Checkpoint.find(model).path.read_bytes()).hexdigest()
    assert metrics["model_sha256"] == config["model_sha256"]
    assert metrics["data"] | {"name": "cifar10", "split": "test"} == metrics["data"]
    assert metrics["n"] == metrics["data"]["rows"] == 10_000
    assert Checkpoint.find(model).path.stat().st_size < 10e6
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("val_relative_mse", "val_chroma_relative_mse", "val_loss")  # The second is that of older weights.
    monitored = next(name for name in names if name in rows[0])
    figures = [float(row[monitored]) for row in rows]
    assert config["best"][monitored] == pytest.approx(min(figures), rel=1e-6)
    assert config["best"]["epoch"] == 1 + np.argmin(figures)


def test_errors_of_images_fit_the_weights():
    """They are ignored if they don't: `colorizer evaluate --per-image` makes new ones."""
    records = list(ROOT.glob("checkpoints/*/metrics*-images.csv"))
    assert records
    for path in records:
        record = json.loads(path.with_name(path.name.replace("-images.csv", ".json")).read_text())
        found = find_errors(path.parent, record["data"]["sha256"])
        assert found is not None, path
        assert len(found.rows) == record["n"]


@pytest.mark.parametrize("model", list_models())
def test_golden_output(model):
    """Compare with golden outputs; ``UPDATE_GOLDEN=1 pytest tests/test_checkpoints.py`` updates them."""
    golden = Checkpoint.find(model).folder / "golden.png"
    painted = np.concatenate(Colorizer.load(model).colorize_batch(SAMPLES), axis=1)
    if os.environ.get("UPDATE_GOLDEN"):
        save_image(painted, golden)
    difference = np.abs(painted.astype(int) - decode_image(golden))
    assert difference.max() <= 2  # Processors differ in the last digits.
    assert difference.mean() < 0.05
