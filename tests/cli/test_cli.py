import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, encode, random_images

from colorizer import Colorizer, decode_image, save_image
from colorizer.cli import main
from colorizer.data.dataset import CIFAR10_CLASSES
from colorizer.data.sources import load_dataset
from colorizer.imaging.aging import VERSIONS, age_as
from colorizer.imaging.color import fit_within

IMAGES = random_images(4, 40)


@pytest.fixture
def scans(tmp_path):
    """Make a folder with images in two levels, a broken one, and a file that isn't an image."""
    folder = tmp_path / "scans"
    (folder / "x").mkdir(parents=True)
    (folder / "a.png").write_bytes(encode(IMAGES[0]))
    (folder / "b.jpg").write_bytes(b"broken")
    (folder / "notes.txt").write_text("not an image")
    (folder / "x/c.bmp").write_bytes(encode(IMAGES[1], "BMP"))
    (folder / "x/d.jpg").write_bytes(encode(IMAGES[2], "JPEG"))
    (folder / "x/d.png").write_bytes(encode(IMAGES[3]))
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_file(tmp_path, capsys):
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(encode(IMAGES[0]))
    assert main(["colorize", str(source), "--output", str(target)]) == 0
    assert np.array_equal(decode_image(target), Colorizer.load().colorize(IMAGES[0]))
    assert "1 colorized" in capsys.readouterr().out


def test_a_broken_file_is_listed_and_does_not_stop_the_others(scans, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["colorize", str(scans), "--output", str(out), "--recursive"]) == 1
    assert files(out) == ["a.png", "x/c.png", "x/d.jpg.png", "x/d.png.png"]
    printed = capsys.readouterr()
    assert "4 colorized, 1 failed" in printed.out
    assert "b.jpg" in printed.err
    assert "not an image" in printed.err


def test_folder_without_recursive_and_second_run(scans, tmp_path, capsys):
    out = tmp_path / "out"
    (scans / "b.jpg").unlink()
    assert main(["colorize", str(scans), "--output", str(out)]) == 0
    assert files(out) == ["a.png"]
    (out / "a.png").write_bytes(b"kept")
    assert main(["colorize", str(scans), "--output", str(out)]) == 0
    assert (out / "a.png").read_bytes() == b"kept"
    assert "1 skipped" in capsys.readouterr().out
    assert main(["colorize", str(scans), "--output", str(out), "--overwrite"]) == 0
    assert decode_image(out / "a.png").shape == (40, 40, 3)


def test_formats(scans, tmp_path):
    for name, expected in (("jpeg", "c.jpg"), ("webp", "c.webp"), ("tiff", "c.tif"), ("same", "c.png")):
        out = tmp_path / name
        assert main(["colorize", str(scans / "x/c.bmp"), "--output", str(out), "--format", name]) == 0
        assert files(out) == [expected]
    assert main(["colorize", str(scans / "x/d.jpg"), "--output", str(tmp_path / "same"), "--format", "same"]) == 0
    assert "d.jpg" in files(tmp_path / "same")


def test_output_folder_within_the_input_is_no_input(scans):
    out = scans / "out"
    (scans / "b.jpg").unlink()
    for _ in range(2):
        assert main(["colorize", str(scans), "--output", str(out), "--recursive"]) == 0
    assert files(out) == ["a.png", "x/c.png", "x/d.jpg.png", "x/d.png.png"]


def test_output_that_ends_in_no_image_extension_is_a_folder(scans, tmp_path):
    assert main(["colorize", str(scans / "a.png"), "--output", str(tmp_path / "results.2024")]) == 0
    assert files(tmp_path / "results.2024") == ["a.png"]


def test_names_that_differ_in_case_alone_get_results_apart(tmp_path):
    """On many disks IMG.png and img.png are one file."""
    for name in ("IMG.jpg", "img.tif", "x.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(encode(IMAGES[0]))
    assert main(["colorize", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    assert files(tmp_path / "out") == ["IMG.jpg.png", "img.tif.png", "x.png"]


def test_folder_that_can_not_be_read_is_named(scans, tmp_path, monkeypatch, capsys):
    listed = Path.iterdir

    def list_some(path):
        if path.name == "x":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", list_some)  # Simulated, since root may read everything.
    assert main(["colorize", str(scans), "--output", str(tmp_path / "out"), "--recursive"]) == 2
    assert f"{scans / 'x'} can't be read: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.png", "--output", "o.png"], "no such file or folder: none.png"),
        (["scans", "--output", "scans"], "is the input folder"),
        (["scans", "--output", "."], "contains the input folder"),
        (["scans", "--output", "o.png"], "must be a folder"),
        (["twins", "--output", "o", "--uncertainty"], "would both become"),
        (["scans/a.png", "--output", "o.bmp"], r"can't write o.bmp"),
        (["scans/a.png", "--output", "o.png", "--format", "jpeg"], "format jpeg applies only to folders"),
        (["scans/a.png", "--output", "scans/a.png", "--overwrite"], "would overwrite"),
        (["scans/a.png", "scans/x/d.png", "scans", "--output", "o"], "would both become"),
        (["empty", "--output", "o"], "no images or videos in empty"),
        (["scans/a.png", "--output", "o.png", "--model", "gan"], "no model 'gan'"),
        (["/dev/null", "--output", "o"], "/dev/null is neither a file nor a folder"),
        (["scans/a.png", "--output", "o.png", "--detail", "0"], "detail must be at least 2 pixels, got 0"),
        (["scans/a.png", "--output", "o.png", "--seed", "-1"], "seed must be at least 0, got -1"),
    ],
)
def test_invalid_arguments_are_refused_with_one_line(scans, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "twins").mkdir()
    for name in ("a.png", "a-uncertainty.png"):
        (tmp_path / "twins" / name).write_bytes(b"")
    before = files(tmp_path)
    assert main(["colorize", *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize("arguments", [["", "--output", "o"], ["scans/a.png", "--output", ""]])
def test_an_empty_path_is_not_the_current_folder(scans, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["colorize", *arguments])
    assert "the path is empty" in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names, or no such links")
def test_odd_names_and_links_that_lead_in_a_circle(tmp_path, capsys):
    image = encode(random_images(1, 40)[0])
    scans, out, report = tmp_path / "scans", tmp_path / "out", tmp_path / "run.jsonl"
    (scans / "with space").mkdir(parents=True)
    names = ["with space/\u00e9 \u4f60.PNG", "line\nbreak.png", os.fsdecode(b"no utf-8 \xff.png"), "wrong.jpg"]
    for name in names:
        (scans / name).write_bytes(image)
    for name in (".hidden.png", "notes.txt"):
        (scans / name).write_bytes(image)
    (scans / "circle.png").symlink_to("circle.png")
    (scans / "dead.png").symlink_to("nowhere.png")
    (scans / "with space/up").symlink_to("..")
    (scans / "folder.png").mkdir()
    os.mkfifo(scans / "pipe.png")
    (tmp_path / "loop").symlink_to("loop")
    assert main(["colorize", str(scans), "--recursive", "--report", str(report), "--output", str(out)]) == 0
    assert files(out) == sorted(str(Path(name).with_suffix(".png")) for name in names)
    assert sorted(json.loads(line)["source"] for line in report.read_text(encoding="utf-8").splitlines()) == sorted(
        str(scans / name) for name in [*names, "notes.txt"]
    )
    assert main(["colorize", str(scans / "with space"), "--output", str(tmp_path / "loop/out")]) == 1
    assert "1 failed" in capsys.readouterr().out


def test_evaluate(cifar_folder, tmp_path, capsys):
    output = tmp_path / "figures" / "metrics.json"
    arguments = ["evaluate", "--model", "autoencoder", "--data", str(cifar_folder), "--output", str(output)]
    assert main(arguments) == 0
    figures = json.loads(output.read_text())
    keys = {"n", "mse", "psnr", "psnr_of_mean_mse", "ssim", "delta_e", "colorfulness", "relative_mse", "auc"}
    keys |= {"psnr_gain", "n_color", "colorfulness_truth"}
    assert keys | {"chroma_by_luma", "mse_gray_baseline", "model", "data", "versions"} <= figures.keys()
    assert keys <= figures["raw"].keys()
    assert keys <= figures["gray_baseline"].keys()
    assert figures["n"] == 10
    assert figures["model"] == "autoencoder"
    assert figures["data"]["name"] == "cifar10"
    assert figures["gray_baseline"]["relative_mse"] == 1
    assert figures["relative_mse"] == pytest.approx(figures["mse"] / figures["mse_gray_baseline"])
    assert figures["gray_baseline"]["colorfulness"] == figures["gray_baseline"]["psnr_gain"] == 0
    assert figures["n_color"] == 10
    assert figures["psnr_gain"] == pytest.approx(figures["psnr"] - figures["gray_baseline"]["psnr"])
    assert str(tmp_path) not in output.read_text()
    assert "relative MSE" in capsys.readouterr().out


def test_evaluate_without_data_tells_what_to_do(tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path / "none"), "--output", str(tmp_path / "m.json")]) == 1
    assert "existing folder" in capsys.readouterr().err
    assert not (tmp_path / "m.json").exists()
    assert main(["evaluate", "--data", str(tmp_path), "--split", "dev", "--output", str(tmp_path / "m.json")]) == 1
    capsys.readouterr()
    assert main(["evaluate", "--data", str(tmp_path), "--size", "0", "--output", str(tmp_path / "m.json")]) == 2
    assert "at least 1 pixel, got 0" in capsys.readouterr().err


def test_abilities_of_the_unet(tmp_path):
    source, out = tmp_path / "a.png", tmp_path / "out"
    source.write_bytes(encode(IMAGES[0]))
    command = ["colorize", str(source), "--output", str(out), "--model", "unet", "--vividness", "0.8", "--detail", "40"]
    abilities = ["--hint", "5,6,#c06060", "--hint", "30,30,#4060a0", "--alternatives", "2", "--seed", "7"]
    assert main([*command, *abilities, "--uncertainty"]) == 0
    assert files(out) == ["a-1.png", "a-2.png", "a-uncertainty.png"]
    expected = Colorizer.load("unet").colorize_alternatives(
        IMAGES[0], 2, vividness=0.8, detail=40, hints=[(5, 6, "#c06060"), (30, 30, "#4060a0")], seed=7
    )
    assert np.array_equal(decode_image(out / "a-1.png"), expected[0])
    assert np.array_equal(decode_image(out / "a-2.png"), expected[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--model", "autoencoder", "--alternatives", "2"],
            "the autoencoder doesn't support alternatives; use the U-Net",
        ),
        (["--model", "unet", "--raw"], "the U-Net doesn't support raw output; use the autoencoder"),
        (["--vividness", "2"], "colorizer: vividness must lie in [0, 1], got 2.0"),
        (["--reach", "2"], "colorizer: reach must lie in [0, 1], got 2.0"),
        (["--alternatives", "0"], "colorizer: alternatives must be at least 1, got 0"),
    ],
)
def test_abilities_that_a_model_lacks_are_refused(tmp_path, capsys, arguments, words):
    source = tmp_path / "a.png"
    source.write_bytes(encode(IMAGES[0]))
    assert main(["colorize", str(source), "--output", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_old_prints_are_prepared_unless_that_is_switched_off(tmp_path):
    truth = fit_within(decode_image(ROOT / "samples/photos/cat.jpg"), 256)
    scan, _ = age_as(truth, "jpeg-border")
    save_image(np.repeat(scan[..., None], 3, axis=-1), tmp_path / "scan.png")
    results = []
    for options in ([], ["--no-prepare"]):
        assert (
            main(
                ["colorize", str(tmp_path / "scan.png"), "--output", str(tmp_path / "out.png"), *options, "--overwrite"]
            )
            == 0
        )
        results.append(decode_image(tmp_path / "out.png"))
    expected = [Colorizer.load().colorize(tmp_path / "scan.png", prepare=prepare) for prepare in (True, False)]
    np.testing.assert_array_equal(results, expected)
    assert not np.array_equal(*results)


def test_an_invalid_hint_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["colorize", "a.png", "--output", str(tmp_path), "--hint", "red"])
    assert "--hint" in capsys.readouterr().err


def test_evaluate_the_unet(cifar_folder, tmp_path, capsys):
    output = tmp_path / "m.json"
    command = ["evaluate", "--model", "unet", "--data", str(cifar_folder), "--output", str(output)]
    assert main([*command, "--vividness", "0.5"]) == 0
    figures = json.loads(output.read_text())
    assert (figures["model"], figures["n"], figures["vividness"]) == ("unet", 10, 0.5)
    assert figures["gray_baseline"]["relative_mse"] == 1
    assert "raw" not in figures
    assert "raw output" not in capsys.readouterr().out


def test_evaluate_abilities(cifar_folder, tmp_path):
    output = tmp_path / "m.json"
    command = ["evaluate", "--data", str(cifar_folder), "--output", str(output), "--size", "24"]
    assert main([*command, "--abilities", "--aged"]) == 0
    figures = json.loads(output.read_text())
    assert figures["data"]["size"] == 24
    assert figures["aged"].keys() == VERSIONS.keys()
    assert all(row["mse"] > 0 for row in figures["aged"].values())
    abilities = figures["abilities"]
    assert abilities["vividness"]["0.0"]["relative_mse"] == pytest.approx(figures["relative_mse"])
    ratios = [entry["colorfulness_ratio"] for entry in abilities["vividness"].values()]
    assert ratios == sorted(ratios)
    assert abilities["vividness"]["0.0"]["chroma_by_luma"] == figures["chroma_by_luma"]
    assert 0 < abilities["calibration_error"] < 1
    # Sixteen true hints leave a smaller error than one.
    assert abilities["hints"]["16"] < abilities["hints"]["1"]
    assert sum(entry["pixels"] for entry in abilities["uncertainty"]) == pytest.approx(1)
    assert all(0 <= entry["mean"] <= 1 for entry in abilities["uncertainty"])
    assert abilities["alternatives"]["delta_e_median"] > 0
    assert figures["by_group"].keys() == set(CIFAR10_CLASSES)


def test_evaluate_odd_images(tmp_path, capsys):
    output = tmp_path / "m.json"
    (tmp_path / "gray").mkdir()
    for name, shape in (("plain", (9, 9)), ("line", (1, 40))):
        (tmp_path / f"gray/{name}.png").write_bytes(encode(np.full((*shape, 3), 90, np.uint8)))
    command = ["evaluate", "--output", str(output), "--data"]
    assert main([*command, str(tmp_path / "gray"), "--abilities"]) == 0
    figures = json.loads(output.read_text(), parse_constant=pytest.fail)  # NaN isn't JSON.
    assert figures["relative_mse"] is None
    assert figures["abilities"]["hints"]["4"] is None
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"broken")
    assert main([*command, str(tmp_path / "broken"), "--skip-corrupt"]) == 1
    assert "no images that can be measured" in capsys.readouterr().err
    assert figures["psnr_gain"] is None
    assert figures["n_color"] == 0
    for place in (tmp_path, ""):
        assert main(["evaluate", "--data", str(tmp_path / "gray"), "--output", str(place)]) == 2
        assert "expected the name of a file" in capsys.readouterr().err


def test_evaluate_refuses_the_folder_that_was_trained_on(tmp_path, capsys):
    """A folder without splits is the same for training and evaluation."""
    model, images = tmp_path / "model", tmp_path / "pictures"
    shutil.copytree(ROOT / "checkpoints/autoencoder", model)
    images.mkdir()
    (images / "a.png").write_bytes(encode(IMAGES[0]))
    record = json.loads((model / "config.json").read_text())
    record["data"].append(load_dataset(str(images), "train").record())
    (model / "config.json").write_text(json.dumps(record))
    command = ["evaluate", "--model", str(model), "--data", str(images), "--output", str(tmp_path / "m.json")]
    assert main(command) == 1
    assert "the model was trained on pictures" in capsys.readouterr().err
    (images / "b.png").write_bytes(encode(IMAGES[1]))
    assert main(command) == 0


def test_evaluate_abilities_rejects_autoencoder(cifar_folder, tmp_path, capsys):
    command = ["evaluate", "--model", "autoencoder", "--data", str(cifar_folder), "--output", str(tmp_path / "m.json")]
    assert main([*command, "--abilities"]) == 2
    assert "the U-Net" in capsys.readouterr().err


def test_help_is_quick_and_free_of_tensorflow():
    code = "import sys; from colorizer.cli import main\ntry: main(['colorize', '--help'])\nexcept SystemExit: pass\n"
    run = subprocess.run(
        [sys.executable, "-c", code + "sys.exit('tensorflow' in sys.modules)"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        timeout=400,
    )
    assert run.returncode == 0
    assert "--output PATH" in run.stdout


def test_options_are_called_by_their_flags_in_the_command_line_alone():
    """Below the command line, errors are also for Python users; whole commands may be named anywhere."""
    found = []
    for path in (ROOT / "colorizer").rglob("*.py"):
        if path.is_relative_to(ROOT / "colorizer/cli"):
            continue
        tree = ast.parse(path.read_text())
        raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
        texts = [part.value for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant)]
        found += [text for text in map(str, texts) if re.search(r"(^|\s)--[a-z]", text) and "colorizer " not in text]
    assert found == []
