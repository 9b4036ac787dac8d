"""Training on each Keras backend, without TensorFlow, LiteRT and the HEIC library."""

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from conftest import ROOT, encode, random_images

from colorizer.inference.chroma_bins import build_bins
from colorizer.models.unet import build_unet

ABSENT = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {absent!r} else find(name, path, target)
PathFinder.find_spec = find_spec
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Make images, initial weights, and the command of a two-step training run."""
    folder = tmp_path_factory.mktemp("backends")
    for i, image in enumerate(random_images(8, 22)):  # All at size 64, so that little is compiled.
        (folder / "images").mkdir(exist_ok=True)
        (folder / "images" / f"{i}.png").write_bytes(encode(image))
    keras.utils.set_random_seed(0)
    build_unet(len(build_bins()), dropout=0).save(folder / "start.keras")
    options = "--epochs 1 --steps-per-epoch 2 --batch-size 2 --working-size 64 --dropout 0 --validation 0.25"
    options += " --learning-rate 1e-4"  # At higher rates, Adam would amplify rounding differences.
    start = ["--init", str(folder / "start.keras"), "--from-scratch", "--precision", "float32"]
    data = ["--model", "unet", "--data", str(folder / "images")]
    return [sys.executable, "train.py", *data, *start, *options.split()]


def train(command: list[str], output: Path, backend: str) -> dict[str, float]:
    """Train in a separate process; return the metrics of the epoch."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    others = {"tensorflow", "jax", "torch"} - {backend}
    hook = output / "hook"
    hook.mkdir(parents=True)
    (hook / "sitecustomize.py").write_text(ABSENT.format(absent={*others, "ai_edge_litert", "pillow_heif"}))
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(hook)}
    run = subprocess.run(
        [*command, "--output", str(output / "out")], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert (output / "out/samples.png").exists()  # It is made last.
    with (output / "out/history.csv").open() as file:
        (row,) = csv.DictReader(file)
    return {name: float(value) for name, value in row.items()}


@pytest.fixture(scope="module")
def expected(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return train(command, tmp_path_factory.mktemp("tensorflow"), "tensorflow")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_two_steps_have_the_same_losses(backend, command, expected, tmp_path):
    actual = train(command, tmp_path, backend)
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name] == pytest.approx(value, rel=1e-3), name
