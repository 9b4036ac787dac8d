import csv
import hashlib
import inspect
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, encode, random_images, write_parquet

from colorizer.data.dataset import DatasetError
from colorizer.data.sources import load_parts
from colorizer.models.autoencoder import build_autoencoder
from colorizer.models.unet import build_unet
from colorizer.training.config import TrainConfig, TrainingError
from colorizer.training.fit import fit
from colorizer.training.resume import save_model


@pytest.fixture
def config(cifar_folder: Path, tmp_path: Path) -> TrainConfig:
    """Make options of a training run with two steps per epoch."""
    return TrainConfig(
        data=(str(cifar_folder),),
        output=str(tmp_path / "out"),
        epochs=2,
        batch_size=16,
        latent_dim=8,
        filters=(4, 8),
        validation=0.2,
        precision="float32",
    )


def weights(folder: Path) -> list[np.ndarray]:
    return keras.models.load_model(folder / "model.keras", compile=False).get_weights()


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("build", [build_autoencoder, build_unet])
def test_networks_and_options_have_the_same_defaults(build: Callable[..., keras.Model]):
    defaults = {name: parameter.default for name, parameter in inspect.signature(build).parameters.items()}
    named = {name: value for name, value in defaults.items() if value is not inspect.Parameter.empty}
    assert named == {name: getattr(TrainConfig(), name) for name in named} != {}


def test_training_leaves_model_record_history_and_figures(config):
    folder = fit(replace(config, epochs=6, learning_rate=0.01))
    model = keras.models.load_model(folder / "model.keras")
    assert model.dtype == "float32"
    assert not model.compiled  # Saved without loss and optimizer.

    rows = history(folder)
    assert [row["epoch"] for row in rows] == list("012345")
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])

    record = json.loads((folder / "config.json").read_text())
    assert sum(row["parameters"] for row in record["layers"]) == record["parameters"]
    assert record["training"]["epochs"] == 6
    assert record["best"]["val_loss"] == min(float(row["val_loss"]) for row in rows)
    assert record["model_sha256"] == hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    assert record["data"][0]["name"] == "cifar10"
    assert (record["data"][0]["rows"], record["data"][0]["validation_rows"]) == (32, 8)
    assert len(record["data"][0]["sha256"]) == 64
    assert str(folder.parent) not in (folder / "config.json").read_text()
    for figure in ("curves.png", "samples.png"):
        assert (folder / figure).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_training_reads_the_training_split_only(config, cifar_folder):
    (cifar_folder / "plain_text/test-00000-of-00001.parquet").write_bytes(b"not to be opened")
    fit(replace(config, epochs=1))


@pytest.mark.slow
def test_resumed_training_equals_one_that_ran_through(config, tmp_path):
    through = fit(replace(config, epochs=5, output=str(tmp_path / "through")))
    fit(config)
    resumed = fit(replace(config, epochs=5))
    assert [row["val_loss"] for row in history(resumed)] == [row["val_loss"] for row in history(through)]
    for a, b in zip(weights(through), weights(resumed), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.slow
def test_finished_training_is_not_repeated_and_other_options_are_refused(config):
    folder = fit(config)
    before = (folder / "model.keras").read_bytes()
    fit(config)
    assert (folder / "model.keras").read_bytes() == before
    with pytest.raises(TrainingError, match="other options"):
        fit(replace(config, learning_rate=0.1))
    fit(replace(config, learning_rate=0.1, overwrite=True))
    assert len(history(folder)) == 2
    assert (folder / "model.keras").read_bytes() != before


@pytest.mark.slow
def test_training_killed_while_it_finished_is_finished(config):
    folder = fit(config)
    model = (folder / "model.keras").read_bytes()
    (folder / "samples.png").unlink()  # It is drawn last.
    (folder / "curves.png").unlink()
    fit(config)
    assert (folder / "samples.png").is_file()
    assert (folder / "curves.png").is_file()
    assert (folder / "model.keras").read_bytes() == model


@pytest.mark.slow
def test_overwriting_training_goes_on_after_a_kill(config):
    folder = fit(replace(config, epochs=1))
    first = history(folder)
    (folder / "samples.png").unlink()
    fit(replace(config, overwrite=True))
    assert history(folder)[:1] == first
    fit(replace(config, overwrite=True, seed=1))
    assert history(folder)[:1] != first


@pytest.mark.slow
def test_early_stopped_training_is_not_resumed(config):
    config = replace(config, epochs=9, patience=1, learning_rate=1e-12)
    folder = fit(config)
    assert len(history(folder)) == 2
    fit(config)
    assert len(history(folder)) == 2


@pytest.mark.slow
def test_half_written_files_of_a_kill_are_cleared(config):
    folder = fit(replace(config, epochs=1))
    (folder / "resume/best.weights.h5").write_bytes(b"half of it")
    (folder / ".save-killed").mkdir()
    fit(config)
    assert len(history(folder)) == 2
    assert {path.name for path in folder.iterdir()} == {
        *("model.keras", "config.json", "history.csv", "curves.png", "samples.png", "resume")
    }


@pytest.mark.slow
def test_weights_of_unknown_training_are_not_replaced(config):
    folder = config.folder
    folder.mkdir()
    save_model(build_autoencoder(latent_dim=8, filters=(4, 8)), folder / "model.keras")
    with pytest.raises(TrainingError, match="holds a trained model"):
        fit(config)
    (folder / "samples.png").write_bytes(b"")  # Finished, but without the files to resume from, as in a repository.
    fit(replace(config, overwrite=True, epochs=1))
    assert len(history(folder)) == 1


@pytest.mark.slow
def test_training_starts_from_given_weights(config, tmp_path):
    start = tmp_path / "start.keras"
    save_model(build_autoencoder(latent_dim=8, filters=(4, 8)), start)
    folder = fit(replace(config, init=str(start), learning_rate=1e-12, epochs=1))
    for a, b in zip(keras.models.load_model(start).get_weights(), weights(folder), strict=True):
        assert np.allclose(a, b, atol=1e-6)
    record = json.loads((folder / "config.json").read_text())
    assert record["init_sha256"] == hashlib.sha256(start.read_bytes()).hexdigest()
    with pytest.raises(TrainingError, match="doesn't fit"):
        fit(replace(config, init=str(start), latent_dim=9, output=str(tmp_path / "other")))
    save_model(build_unet(7, (4, 4, 4, 4)), start)
    with pytest.raises(TrainingError, match="doesn't fit this model: only one of them has a layer"):
        fit(replace(config, init=str(start), output=str(tmp_path / "unet")))


@pytest.mark.slow
def test_resuming_requires_the_same_initial_weights(config, tmp_path):
    start, other = tmp_path / "start.keras", tmp_path / "other.keras"
    for path in (start, other):
        save_model(build_autoencoder(latent_dim=8, filters=(4, 8)), path)
    config = replace(config, init=str(start))
    folder = fit(replace(config, epochs=1))
    with pytest.raises(TrainingError, match="its init was"):
        fit(replace(config, init=str(other)))
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    shutil.copy(other, start)  # As if it were in the run's own folder.
    fit(config)
    assert len(history(folder)) == 2
    assert json.loads((folder / "config.json").read_text())["init_sha256"] == digest


@pytest.mark.slow
def test_bfloat16_is_published_as_float32(config):
    model = keras.models.load_model(fit(replace(config, precision="bfloat16")) / "model.keras", compile=False)
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}


def test_half_precision_on_disk_changes_outputs_by_less_than_a_tenth_of_a_level(tmp_path):
    model = build_autoencoder()
    save_model(model, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 10e6
    luma = np.random.default_rng(0).random((4, 32, 32, 1), np.float32)
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert np.abs(np.asarray(model(luma)) - np.asarray(loaded(luma))).max() < 0.1 / 255


def test_a_dataset_that_is_named_twice_is_read_once(config, monkeypatch):
    read = []
    monkeypatch.setattr("colorizer.training.fit.load_parts", lambda *given: read.append(given) or load_parts(*given))
    with pytest.raises(TrainingError, match="batch_size 65 is larger than the 64 training images"):
        fit(replace(config, data=config.data * 2, batch_size=65))
    assert len(read) == 1


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 33}, "batch_size 33 is larger than the 32 training images"),
        ({"model": "gan"}, "unknown model 'gan'.*autoencoder"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"learning_rate": -1.0}, "learning_rate must be positive, got -1"),
        ({"validation": 1.0}, "validation must lie between 0 and 1"),
        ({"perceptual": -1.0}, "perceptual must not be negative, got -1.0"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, got -1"),
        ({"size": 30}, "multiple of 4"),
        ({"init": "none.keras"}, "no file none.keras"),
        ({"output": "/proc/none"}, "output /proc/none can't be written"),
    ],
)
def test_invalid_options_are_one_line_before_the_first_epoch(config, option, words):
    with pytest.raises(TrainingError, match=words) as error:
        fit(replace(config, **option))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_held_out_groups_are_not_trained_on(config):
    """The groups of CIFAR-10 are its classes."""
    folder = fit(replace(config, epochs=1, hold_out=("cat", "dog")))
    record = json.loads((folder / "config.json").read_text())
    assert record["data"][0]["rows"] < 32
    assert record["training"]["hold_out"] == ["cat", "dog"]
    with pytest.raises(DatasetError, match="no group tiger"):
        fit(replace(config, hold_out=("tiger",), overwrite=True))


@pytest.mark.slow
def test_corrupt_images_stop_training_unless_skipped(config, tmp_path):
    cells = [encode(image) for image in random_images(40)]
    cells[7] = cells[7][:40]
    write_parquet(tmp_path / "bad" / "train.parquet", cells)
    bad = replace(config, data=(str(tmp_path / "bad"),), epochs=1)
    with pytest.raises(DatasetError, match=r"train\.parquet row 7"):
        fit(bad)
    fit(replace(bad, skip_corrupt=True))


def command(config: TrainConfig, **options) -> list[str]:
    config = replace(config, **options)
    return [
        *(sys.executable, str(ROOT / "train.py"), "--data", *config.data, "--output", config.output),
        *("--epochs", str(config.epochs), "--batch-size", "16", "--latent-dim", "8", "--filters", "4", "8"),
        *("--validation", "0.2", "--precision", "float32", "--patience", "50"),
    ]


@pytest.mark.slow
def test_options_of_the_command_line_and_their_exit_codes(config):
    run = subprocess.run(command(config, epochs=0), capture_output=True, text=True, timeout=400)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == "train.py: epochs must be at least 1, got 0"
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_killed_training_is_resumed_and_keeps_the_best(config, tmp_path):
    """``kill -9`` in the middle of an epoch, then the same command again."""
    cells = [encode(image) for image in random_images(2000)]
    config = replace(config, data=(str(tmp_path / "more"),), epochs=12)
    write_parquet(tmp_path / "more" / "train.parquet", cells)
    process = subprocess.Popen(command(config))
    deadline = time.monotonic() + 400
    while not (config.folder / "resume/epoch-00003").exists():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = max(int(state.name[-5:]) for state in (config.folder / "resume").glob("epoch-*"))
    assert 3 <= done < 12
    best = json.loads((config.folder / "config.json").read_text())["best"]["val_loss"]
    keras.models.load_model(config.folder / "model.keras", compile=False)

    run = subprocess.run(command(config), capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr
    assert f"resuming after epoch {done}" in run.stderr
    assert [int(row["epoch"]) for row in history(config.folder)] == list(range(12))
    assert json.loads((config.folder / "config.json").read_text())["best"]["val_loss"] <= best

    through = replace(config, output=str(tmp_path / "through"))
    assert subprocess.run(command(through), capture_output=True, timeout=400).returncode == 0
    for a, b in zip(weights(config.folder), weights(through.folder), strict=True):
        assert np.array_equal(a, b)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "absent":
        path.unlink()
    else:
        flipped = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        path.write_bytes({"empty": b"", "cut": content[:-10], "flipped": flipped}[how])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [("state.weights.h5", "cut"), ("state.weights.h5", "flipped"), ("state.json", "empty"), ("state.json", "absent")],
)
def test_resuming_skips_a_damaged_state(config, caplog, name, how):
    config = replace(config, epochs=2)
    folder = fit(config)
    caplog.set_level("WARNING")
    damage(folder / "resume/epoch-00002" / name, how)
    fit(replace(config, epochs=3))
    assert "resume/epoch-00002 is damaged" in caplog.text
    assert "resuming after epoch 1" in caplog.text
    assert [row["epoch"] for row in history(folder)] == ["0", "1", "2"]
    assert len(list((folder / "resume").glob("epoch-*"))) == 2


@pytest.mark.slow
def test_damaged_states_are_reported(config):
    folder = fit(replace(config, epochs=1))
    (folder / "resume/epoch-00001/state.weights.h5").write_bytes(b"")
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(TrainingError, match=r"resume/epoch-00001 is damaged .*with init"):
        fit(config)
    assert (folder / "model.keras").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("model", ["autoencoder"])
def test_a_learning_rate_beyond_reason_ends_in_one_sentence(cifar_folder, tmp_path, model):
    command = [sys.executable, "train.py", "--model", model, "--data", str(cifar_folder), "--learning-rate", "1e30"]
    command += ["--output", str(tmp_path / "out"), "--epochs", "20", "--batch-size", "16"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("train.py: the loss is ")
    assert "Traceback" not in run.stderr
