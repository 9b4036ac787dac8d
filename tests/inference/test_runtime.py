"""Runtimes: LiteRT starts fast and agrees with Keras; files that don't belong together are refused."""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, random_images

from colorizer import Colorizer, ModelError
from colorizer.inference.checkpoint import Checkpoint, list_models
from colorizer.inference.preprocessing import Preprocessing
from colorizer.inference.runtime import KerasRuntime, LiteRTRuntime, Runtime, load_runtime, map_parallel, quiet_stderr
from colorizer.models.unet import build_unet
from colorizer.publish.export import MAX_ERROR, MAX_LEVELS

CAT = ROOT / "samples/cifar10/00_cat.png"
FEED = Preprocessing.from_config(Checkpoint.find("unet").read_config())
HEAVY = ("tensorflow", "keras", "matplotlib", "gradio", "skimage", "pyarrow", "h5py")


@pytest.fixture(scope="module")
def unet() -> Runtime:
    return load_runtime(Checkpoint.find("unet"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy a model with its export."""
    for name in ("model.keras", "model.tflite", "config.json"):
        shutil.copy(Checkpoint.find("autoencoder").path.with_name(name), tmp_path)
    return tmp_path


def planes(count: int, rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make inputs for the U-Net, including a hint, with height and width in its multiples."""
    height, width = rows * FEED.multiple, columns * FEED.multiple
    hints = np.zeros((count, height // FEED.stride, width // FEED.stride, 3), np.float32)
    hints[:, 1, 2] = (0.2, -0.1, 1)
    return np.random.default_rng(seed).random((count, height, width, 1), np.float32), hints


def test_the_command_line_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from colorizer.cli import main; "
        f"assert main(['colorize', {str(CAT)!r}, '--output', {str(tmp_path / 'cat.png')!r}]) == 0; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=400, capture_output=True, text=True)
    assert run.stdout.splitlines() == ["1 colorized", "[]"], run.stderr
    assert "INFO" not in run.stderr


def test_the_demo_needs_neither_tensorflow_nor_scikit_image():
    code = (
        "import sys; from colorizer import Colorizer; from colorizer.inference.checkpoint import list_models; "
        "from colorizer.demo.page import build_demo; "
        "build_demo({model: Colorizer.load(model) for model in list_models()}); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'skimage')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=400).returncode == 0


@pytest.mark.parametrize("model", list_models())
def test_the_committed_models_run_exported(model):
    assert isinstance(load_runtime(Checkpoint.find(model)), LiteRTRuntime)
    record = json.loads(Checkpoint.find(model).path.with_name("config.json").read_text())["export"]
    assert record["largest_difference"] <= MAX_LEVELS
    assert record.get("error_change", 0) <= MAX_ERROR
    for name in record["files"]:
        assert Checkpoint.find(model).path.with_name(name).stat().st_size < 10e6


def test_any_size_and_batch_in_any_order(unet):
    assert unet.network == "unet"
    alone = unet(*planes(1, 2, 3))
    for shape in [(1, 1, 1), (3, 6, 4), (1, 1, 20), (70, 1, 1), (1, 2, 3)]:
        logits = unet(*planes(*shape))
        count, rows, columns = shape
        grid = FEED.multiple // FEED.stride
        assert logits.shape[:3] == (count, rows * grid, columns * grid)
        assert np.isfinite(logits).all()
    assert np.array_equal(logits, alone)


def test_batch_matches_single_images(unet):
    luma, hints = planes(5, 3, 2)
    one_by_one = np.concatenate([unet(luma[i : i + 1], hints[i : i + 1]) for i in range(5)])
    assert np.abs(unet(luma, hints) - one_by_one).max() < 1e-3


def test_threads_do_not_disturb_each_other(unet):
    inputs = [planes(1, 2, 1 + i % 4, seed=i) for i in range(16)]
    expected = [unet(*pair) for pair in inputs]
    with ThreadPoolExecutor(8) as pool:
        for logits, alone in zip(pool.map(lambda pair: unet(*pair), inputs), expected, strict=True):
            assert np.array_equal(logits, alone)


def test_one_core_or_all_of_them_give_the_same(unet):
    inputs = [planes(1 + i % 3, 2, 1 + i % 4, seed=i) for i in range(12)]
    weights = np.random.default_rng(0).random((3, 211), np.float32)
    for call in (unet, lambda *given, **cores: unet(*given, weights, **cores)):
        expected = [call(*pair) for pair in inputs]
        apart = list(map_parallel(lambda pair, one_core, call=call: call(*pair, one_core=one_core), inputs))
        for one, other in zip(apart, expected, strict=True):
            assert np.array_equal(one, other)


def test_threads_restore_standard_error(capfd):
    def hold(seconds: float) -> None:
        with quiet_stderr():
            time.sleep(seconds)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, [0.02, 0.001] * 8))
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


@pytest.mark.parametrize("model", ["unet", "autoencoder"])
def test_lack_of_memory_in_the_network_is_told_as_such(model, monkeypatch):
    colorizer, image = Colorizer.load(model), random_images(1)[0]
    expected = colorizer.colorize(image)

    def fail(**_):
        raise RuntimeError("failed to reshape")  # LiteRT's words, as for a wrong size.

    with monkeypatch.context() as patched:
        patched.setattr(colorizer._painter._runtime._network, "_all_cores", fail)
        with pytest.raises(MemoryError):
            colorizer.colorize(image)
    assert np.array_equal(colorizer.colorize(image), expected)


@pytest.mark.skipif(os.name == "nt", reason="no shell that closes files")
def test_without_standard_error(tmp_path):
    arguments = ["colorize", str(CAT), "--output", str(tmp_path / "a.png")]
    code = f"import sys; from colorizer.cli import main; sys.exit(main({arguments}))"
    command = f'"{sys.executable}" -c "{code}" 2>&-'
    assert subprocess.run(command, shell=True, cwd=ROOT, capture_output=True).returncode == 0
    assert (tmp_path / "a.png").exists()


def test_parts_come_in_order_and_errors_come_through(monkeypatch):
    def work(part: int, one_core: bool) -> tuple[int, bool]:
        if part == 5:
            raise RuntimeError("five")
        return part, one_core

    for cores, parts, apart in [(4, 3, False), (4, 4, True), (1, 4, False)]:
        monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
        assert list(map_parallel(work, range(parts))) == [(part, apart) for part in range(parts)]
        with pytest.raises(RuntimeError, match="five"):
            list(map_parallel(work, range(7)))


def test_invalid_input_size_raises_and_runtime_stays_usable(unet):
    luma, hints = planes(1, 2, 2)
    expected = unet(luma, hints)
    with pytest.raises(RuntimeError) as caught:
        unet(luma[:, : -FEED.stride], hints[:, :-1])
    assert not isinstance(caught.value, MemoryError)
    for wrong in ((luma[0], hints), (luma, hints[..., :2])):
        with pytest.raises(ValueError, match="must have the shape"):
            unet(*wrong)
    assert np.array_equal(unet(luma, hints), expected)


def test_it_equals_keras_on_hints_and_batches(unet):
    keras = KerasRuntime(Checkpoint.find("unet").path)
    luma, hints = planes(2, 4, 3)
    exported, original = unet(luma, hints), keras(luma, hints)
    assert np.abs(exported - original).max() < 0.1 * np.abs(original).max()  # Logits on noise, from weights in int8.
    luma = np.random.default_rng(0).random((4, 32, 32, 1), np.float32)
    autoencoder = Checkpoint.find("autoencoder")
    assert np.abs(load_runtime(autoencoder)(luma) - KerasRuntime(autoencoder.path)(luma)).max() < 0.05


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "unrecorded", "other weights"])
def test_an_export_that_does_not_belong_is_refused(folder, damage):
    exported, config = folder / "model.tflite", folder / "config.json"
    if damage == "unrecorded":
        config.unlink()
    elif damage == "other weights":
        (folder / "model.keras").write_bytes((folder / "model.keras").read_bytes() + b" ")
    else:
        content = exported.read_bytes()
        exported.write_bytes({"cut": content[:-1], "changed": content[:-1] + b"\1", "empty": b""}[damage])
    with pytest.raises(ModelError, match=r"its model\.tflite doesn.t match config\.json.*colorizer export --model"):
        Colorizer.load(folder)


def test_an_export_is_a_model_by_itself(folder):
    image = random_images(1)[0]
    expected = Colorizer.load(folder).colorize(image)
    (folder / "model.keras").unlink()
    for place in (folder, folder / "model.tflite"):
        assert np.array_equal(Colorizer.load(place).colorize(image), expected)
    (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes() + b" ")
    with pytest.raises(ModelError, match=r"its model\.tflite doesn.t match config\.json"):
        Colorizer.load(folder)


@pytest.mark.parametrize("content", [b"", b"no flatbuffer", b"\x1c\0\0\0TFL3" + bytes(100)])
def test_what_is_no_network_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        LiteRTRuntime(content)


@pytest.mark.slow
def test_an_export_by_an_older_version_is_refused_with_what_to_do(tmp_path):
    build_unet(5, (4, 4, 4, 4)).export(tmp_path / "model.tflite", format="litert", verbose=False)
    with pytest.raises(ValueError, match="older version of the project: run `colorizer export`"):
        LiteRTRuntime((tmp_path / "model.tflite").read_bytes())


def test_a_model_without_export_runs_under_keras(folder):
    image = random_images(1)[0]
    exported = Colorizer.load(folder).colorize(image)
    (folder / "model.tflite").unlink()
    assert isinstance(load_runtime(Checkpoint.find(folder)), KerasRuntime)
    assert np.abs(Colorizer.load(folder).colorize(image).astype(int) - exported).max() <= MAX_LEVELS


def test_without_keras_a_model_without_export_says_what_to_do(folder):
    (folder / "model.tflite").unlink()
    code = (
        "import sys, importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'keras' else find(name, *rest); "
        f"from colorizer.cli import main; sys.exit(main(['colorize', {str(CAT)!r}, '--model', {str(folder)!r}, "
        f"'--output', {str(folder / 'cat.png')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=400, capture_output=True, text=True)
    assert run.returncode == 2
    assert "no model.tflite beside it" in run.stderr
    assert "pip install .[train]" in run.stderr
    assert "Traceback" not in run.stderr
