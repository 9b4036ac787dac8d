"""Models uploaded to a stand-in for the Hub: files, card, and refusals."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from hub_server import Hub
from huggingface_hub import ModelCard

from colorizer import Colorizer, decode_image
from colorizer.cli import main
from colorizer.inference.checkpoint import Checkpoint

# huggingface_hub 2.4 warns on every upload of a large file; this project can't change that.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CAT = ROOT / "samples/cifar10/00_cat.png"


def test_push_shares_a_model_that_loads_from_the_hub(hub: Hub, capsys: pytest.CaptureFixture[str]):
    assert main(["push", "ada/unet", "--model", "unet"]) == 0
    assert capsys.readouterr().out == f"uploaded: {hub.url}/ada/unet\n"
    repo = hub.repos["model", "ada/unet"]
    assert len(repo.commits) == 2  # One commit after the empty repository, so that it is never seen half uploaded.
    folder = Checkpoint.find("unet").folder
    for path in folder.iterdir():
        if path.name != "README.md" and not path.name.startswith("metrics-samples"):
            assert repo.files[path.name] == path.read_bytes(), path.name

    card = ModelCard(repo.files["README.md"].decode())
    figures = {
        (result.dataset_type, result.metric_type, result.metric_name.rpartition(" ")[2]): result.metric_value
        for result in card.data.eval_results
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert figures["uoft-cs/cifar10", "mse", "0"] == metrics["mse"]
    assert figures["uoft-cs/cifar10", "ssim", "0"] == metrics["ssim"]
    vivid = json.loads((folder / "metrics-photos-vivid.json").read_text())
    assert figures["photos", "relative_mse", "1"] == vivid["relative_mse"], figures
    assert (card.data.license, card.data.datasets) == ("mit", ["uoft-cs/cifar10"])
    for section in ("Use", "Intended use", "Limits", "Training data", "Results", "Good and bad results", "Cite"):
        assert f"\n## {section}\n" in card.text
    assert "saved as JPEG" in card.text
    assert f"{metrics['gray_baseline']['psnr']:.3f}" in card.text
    assert 'load("hf://ada/unet")' in card.text
    pictures = [line.partition("](")[2].rstrip(")") for line in card.text.splitlines() if line.startswith("![")]
    assert "good-and-bad.png" in pictures
    for name in pictures:
        assert decode_image(repo.files[name]).size

    hub.requests.clear()
    loaded = Colorizer.load(f"hf://ada/unet@{repo.head}").colorize(CAT)
    assert (loaded == Colorizer.load("unet").colorize(CAT)).all()
    assert {request.rpartition("/")[2] for request in hub.requests} == {"config.json", "model.tflite"}


@pytest.mark.slow
def test_limits_of_the_projects_weights_are_not_those_of_others(hub: Hub, tmp_path: Path):
    shutil.copytree(Checkpoint.find("unet").folder, tmp_path / "unet")
    cards = []
    for model in ("unet", str(tmp_path / "unet")):
        assert main(["push", "ada/unet", "--model", model]) == 0
        cards.append(hub.repos["model", "ada/unet"].files["README.md"].decode())
    own, others = ("It falls back to brown" in card for card in cards)
    assert own
    assert not others


def test_push_shows_limits_that_are_written_down_and_removes_what_is_gone(hub: Hub, tmp_path: Path):
    folder = tmp_path / "mine"
    shutil.copytree(Checkpoint.find("autoencoder").folder, folder)
    (folder / "README.md").write_text("# Mine\n\n## Limits\n\nKnows [only cats](cats.md).\n\n## More\n\nElse.\n")
    assert main(["push", "ada/mine", "--model", str(folder)]) == 0
    repo = hub.repos["model", "ada/mine"]
    text = repo.files["README.md"].decode()
    assert "## Limits\n\nKnows only cats.\n\n## Training data" in text
    assert "Else." not in text

    repo.commit(repo.files | {"notes.txt": b"theirs"})
    for name in ("metrics.json", "history.csv"):
        (folder / name).unlink()
    assert main(["push", "ada/mine", "--model", str(folder)]) == 0
    assert {"metrics.json", "history.csv"}.isdisjoint(repo.files)
    assert {"notes.txt", "model.keras", "curves.png"} <= repo.files.keys()
    assert "Not measured yet" in repo.files["README.md"].decode()


def test_push_refuses_a_record_of_other_weights(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "mine"
    shutil.copytree(Checkpoint.find("autoencoder").folder, folder)
    config = json.loads((folder / "config.json").read_text())
    for name, key, words in (
        ("metrics.json", "model_sha256", "metrics.json was measured with weights other than"),
        ("config.json", "model_sha256", "its model.keras doesn't match config.json"),
    ):
        (folder / name).write_text(json.dumps({**config, key: "0" * 64}))
        assert main(["push", "ada/mine", "--model", str(folder)]) == 2
        assert words in capsys.readouterr().err
    (folder / "config.json").unlink()
    assert main(["push", "ada/mine", "--model", str(folder)]) == 2
    assert "no config.json, the training record" in capsys.readouterr().err
    assert hub.requests == []
