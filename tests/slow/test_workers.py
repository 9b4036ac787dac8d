"""Training on several workers, started as people start it."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from conftest import ROOT, free_port, random_images
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMMON = ("--precision", "float32", "--validation", "0.2", "--epochs")
MODELS = {
    # 40 images in batches of 7: shares of unequal size, 6 steps an epoch.
    "autoencoder": (
        *("10", "--batch-size", "7", "--latent-dim", "8", "--filters", "4", "8"),
        *("--patience", "9999"),
    ),
    "unet": (
        *("5", "--batch-size", "7", "--steps-per-epoch", "10"),
        *("--widths", "8", "16", "--sizes", "32", "48", "--dropout", "0"),
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty images of two classes."""
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(random_images(50, 48)):
        path = folder / ("cat", "ship")[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def command(images: Path, output: Path, model: str, workers: int, *more: str) -> list[str]:
    data = ("--data", str(images), "--output", str(output), "--workers", str(workers))
    return [sys.executable, str(ROOT / "train.py"), "--model", model, *data, *COMMON, *MODELS[model], *more]


def history(folder: Path) -> dict[str, list[float]]:
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]}


@pytest.mark.parametrize("model", MODELS)
def test_two_workers_learn_as_one_does(images, tmp_path, model):
    for count in (1, 2):
        done = subprocess.run(command(images, tmp_path / str(count), model, count), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, two = (history(tmp_path / count) for count in "12")
    assert one["loss"][-1] < one["loss"][0]
    for key in ("loss", "val_loss"):  # Of 50 steps and more.
        assert np.allclose(one[key], two[key], rtol=1e-4, atol=0), key
    weights = [keras.models.load_model(tmp_path / c / "model.keras", compile=False).get_weights() for c in "12"]
    assert all(np.allclose(a, b, atol=2e-3) for a, b in zip(*weights, strict=True))


def test_chief_and_worker_of_tf_config(images, tmp_path):
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    arguments = command(images, tmp_path / "out", "autoencoder", 1, "--epochs", "1")
    processes = [
        subprocess.Popen(
            arguments,
            env={**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}})},
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in cluster
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    done = subprocess.run(command(images, tmp_path / "two", "autoencoder", 2, "--epochs", "1"), capture_output=True)
    assert done.returncode == 0
    assert np.allclose(history(tmp_path / "out")["loss"], history(tmp_path / "two")["loss"], rtol=1e-4, atol=0)


def start(arguments: list[str], folder: Path, epochs: int) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start a training, wait for some epochs, and give its workers."""
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not list(folder.glob(f"resume/epoch-*{epochs:02d}")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = [child for child in psutil.Process(process.pid).children() if "train.py" in " ".join(child.cmdline())]
    assert len(workers) == 2
    return process, workers


def test_a_killed_worker_ends_the_others_and_training_goes_on(images, tmp_path):
    arguments = command(images, tmp_path / "out", "autoencoder", 2, "--epochs", "60")
    process, workers = start(arguments, tmp_path / "out", 3)
    workers[1].kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "worker 1 of 2 was killed (signal 9); the same command goes on" in errors
    assert not any(worker.is_running() for worker in workers)
    done = len(history(tmp_path / "out")["loss"])
    assert 3 <= done < 60

    again = subprocess.run(arguments, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "going on after epoch" in again.stderr
    assert history(tmp_path / "out")["epoch"] == list(range(60))


def test_workers_end_with_the_process_that_started_them(images, tmp_path):
    arguments = command(images, tmp_path / "out", "autoencoder", 2, "--epochs", "5000")
    process, workers = start(arguments, tmp_path / "out", 1)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_batches_too_small_to_share_are_refused(images, tmp_path):
    done = subprocess.run(
        command(images, tmp_path / "out", "autoencoder", 2, "--batch-size", "39"), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "a batch of 1 images can't be shared by 2 workers" in done.stderr
    assert not (tmp_path / "out/model.keras").exists()
