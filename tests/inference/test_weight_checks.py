"""Untrusted models: invalid ones are refused on loading, with the reason and without harm."""

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from colorizer import Colorizer, ModelError
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.runtime import import_keras
from colorizer.inference.weight_checks import check_exported_weights, check_keras_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the exported U-Net, whose record can be changed."""
    for name in ("model.tflite", "config.json"):
        shutil.copy(Checkpoint.find("unet").path.with_name(name), tmp_path)
    return tmp_path


def change(folder: Path, part: str, **values: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config[part] |= values
    path.write_text(json.dumps(config))


BINS = np.array(Checkpoint.find("unet").read_config()["output"]["bins"]).tolist()
PRIOR = [1 / len(BINS)] * len(BINS)


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("output", {"bins": [[float("nan"), 0], *BINS[1:]]}, r"bins must lie in \[-1, 1\]"),
        ("output", {"bins": [[1e6, 0], *BINS[1:]]}, r"bins must lie in \[-1, 1\]"),
        ("output", {"bins": BINS[1:], "prior": PRIOR[1:]}, "the network's output is"),
        ("output", {"bins": BINS, "prior": PRIOR[1:]}, r"the prior \(K,\), got"),
        ("output", {"bins": []}, "bins must be"),
        ("output", {"prior": [float("inf"), *PRIOR[1:]]}, "the prior in"),
        ("output", {"prior": [-1, *PRIOR[1:]]}, "the prior in"),
        ("output", {"vivid_exponent": float("nan")}, "vivid_exponent must lie"),
        ("output", {"vivid_exponent": 1e9}, "vivid_exponent must lie"),
        ("output", {"vivid_exponent": "much"}, "ValueError"),
        ("output", {"vivid_noise": float("nan")}, "vivid_noise must lie"),
        ("output", {"vivid_noise": [0.01, 0.02]}, "TypeError"),
        ("output", {"vivid_gain": float("inf")}, "vivid_gain must lie"),
        ("output", {"vivid_gain": -1}, "vivid_gain must lie"),
        ("input", {"multiple": 0}, "multiple must be from"),
        ("input", {"multiple": 4096}, "multiple must be from"),
        ("input", {"multiple": 4}, "the network can't take an image of 4 x 4|the network's output is"),
        ("input", {"stride": 8}, "the network can't take an image|the network's output is"),
        ("input", {"working_size": 4096}, "working_size must be from"),
        ("input", {"sharpening": float("nan")}, "sharpening must be from"),
    ],
)
def test_a_record_that_makes_no_sense_or_does_not_fit_is_refused(folder, part, values, words):
    Colorizer.load(folder)
    change(folder, part, **values)
    with pytest.raises(ModelError, match=rf"config\.json.*{words}"):
        Colorizer.load(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_exported_weights_that_are_not_finite_are_refused(folder, value):
    content = bytearray((folder / "model.tflite").read_bytes())
    check_exported_weights(bytes(content))
    at = find_floats(bytes(content))
    content[at : at + 4] = np.float32(value).tobytes()
    (folder / "model.tflite").write_bytes(content)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["export"]["files"]["model.tflite"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="its weights are not finite"):
        Colorizer.load(folder)


def find_floats(content: bytes) -> int:
    """Find the offset of the longest float constant: biases."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    rows = []
    for tensor in map(graph.Tensors, range(graph.TensorsLength())):
        if tensor.Type() == schema.TensorType.FLOAT32 and model.Buffers(tensor.Buffer()).DataLength() > 64:
            rows.append(model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes())
    return content.index(max(rows, key=len))


def save_small(path: Path, change: object = None) -> Path:
    """Save a network like the autoencoder."""
    keras = import_keras()
    inputs = keras.Input((32, 32, 1), name="luma")
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, name="conv")(inputs))
    if change:
        change(model)
    model.save(path)
    return path


def repack(path: Path, **changed: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, **{name.replace("__", "."): value for name, value in changed.items()}}.items():
            archive.writestr(name, content)


def test_weights_of_keras_that_are_not_finite_are_refused(tmp_path):
    path = save_small(tmp_path / "small.keras")
    assert Colorizer.load(path).colorize(np.zeros((8, 8, 3), np.uint8)).shape == (8, 8, 3)
    save_small(path, lambda model: model.layers[1].bias.assign([0, np.nan, 0]))
    with pytest.raises(ModelError, match="its weights are not finite"):
        Colorizer.load(path)


def test_a_file_that_declares_more_weights_than_it_holds_is_refused_before_they_take_memory(tmp_path):
    keras = import_keras()
    path = save_small(tmp_path / "small.keras")
    check_keras_file(path, keras)
    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
        config = archive.read("config.json")
    with h5py.File(weights, "r+") as file:  # Chunks that were never written take no space.
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars"].create_dataset("0", (900_000_000,), "f4", chunks=(1_000_000,))
    repack(path, model__weights__h5=weights.getvalue())
    with pytest.raises(ModelError, match=r"declares 3,600 MB of weights"):
        Colorizer.load(path)
    save_small(path)
    repack(path, config__json=config.replace(b'"filters": 3,', b'"filters": 900000000,'))
    with pytest.raises(ModelError, match=r"declares 7,200 MB of weights"):
        Colorizer.load(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more", bytes(200_000_000))
    with pytest.raises(ModelError, match=r"declares 200 MB of weights"):
        Colorizer.load(path)


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000, "\0", "a\nb", "../" * 2000, "x" * 300 + "/model.keras"])
def test_names_that_no_file_can_have_are_no_models(name):
    with pytest.raises(ModelError, match="no model") as told:
        Colorizer.load(name)
    assert len(str(told.value)) < 600


def test_a_file_in_the_folder_itself_is_called_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.h5").write_bytes(b"words")
    with pytest.raises(ModelError, match=r"^model\.h5 can't be used"):
        Colorizer.load("model.h5")
