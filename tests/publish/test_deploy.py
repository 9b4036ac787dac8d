"""Spaces uploaded to a stand-in for the Hub: files, requirements, and refusals."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from hub_server import Hub
from huggingface_hub import SpaceCard

from colorizer.cli import main
from colorizer.hub import send
from colorizer.publish.model_card import plan_model
from colorizer.publish.space import pin_requirements, plan_space

# huggingface_hub 2.4 warns on every upload of a large file; this project can't change that.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_deploy_uploads_what_the_demo_needs(hub: Hub, capsys: pytest.CaptureFixture[str]):
    assert main(["deploy", "ada/demo", "--models", "ada/unet"]) == 0
    printed = capsys.readouterr().out
    assert "402" in printed
    assert printed.endswith(f"uploaded: {hub.url}/spaces/ada/demo\n")
    repo = hub.repos["space", "ada/demo"]
    assert repo.sdk == "gradio"
    assert {name for name in repo.files if name.startswith("checkpoints/unet/")} == {
        f"checkpoints/unet/{name}"
        for name in (
            *("model.tflite", "config.json", "metrics.json", "metrics-images.csv"),
            *("metrics-samples.json", "metrics-samples-images.csv"),
            "history.csv",
        )
    }
    allowed = {"app.py", "LICENSE", "README.md", "requirements.txt", ".gitattributes"}
    assert {name.partition("/")[0] for name in repo.files} == allowed | {"colorizer", "checkpoints", "samples"}
    for name in ("app.py", "colorizer/demo/page.py", "checkpoints/unet/config.json", "samples/photos/cat.jpg"):
        assert repo.files[name] == (ROOT / name).read_bytes()

    pins = dict(line.split("==") for line in repo.files["requirements.txt"].decode().splitlines())
    locked = (ROOT / "requirements-lock.txt").read_text()
    assert all(f"{name}=={version}" in locked for name, version in pins.items())
    assert {"gradio", "numpy", "opencv-python-headless", "huggingface-hub"} <= pins.keys()
    assert {"pytest", "ruff", "mypy", "tensorflow", "scikit-image"}.isdisjoint(pins)
    card = SpaceCard(repo.files["README.md"].decode()).data
    assert (card.sdk, card.sdk_version, card.python_version) == ("gradio", pins["gradio"], "3.11")
    assert (card.app_file, card.license) == ("app.py", "mit")
    assert (card.models, card.datasets) == (["ada/unet"], ["uoft-cs/cifar10"])
    assert "preload_from_hub" not in card.to_dict()  # It doesn't support datasets, as the page says.
    assert "downloaded from the Hub when the Space starts" in repo.files["README.md"].decode()

    # An update deletes files that are no longer part of the demo; files added elsewhere are kept.
    repo.commit(repo.files | {"colorizer/old.py": b"", "notes.txt": b""})
    assert main(["deploy", "ada/demo"]) == 0
    assert "colorizer/old.py" not in repo.files
    assert "notes.txt" in repo.files
    assert SpaceCard(repo.files["README.md"].decode()).data.models is None


def test_dry_run_needs_neither_token_nor_network(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("HF_TOKEN")
    assert main(["deploy", "ada/demo", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "402" in printed
    assert "sdk_version: 6." in printed
    assert f"{(ROOT / 'app.py').stat().st_size:,}  app.py\n" in printed
    assert printed.endswith("nothing was uploaded\n")
    assert main(["push", "ada/net", "--model", "autoencoder", "--dry-run"]) == 0
    assert "model-index:" in capsys.readouterr().out
    assert hub.requests == []


def test_static_space(hub: Hub, tmp_path: Path):
    for name in ("pyproject.toml", "app.py"):
        shutil.copy(ROOT / name, tmp_path)
    with pytest.raises(ValueError, match="not built"):
        plan_space("ada/page", static=True, root=tmp_path)
    (tmp_path / "web/dist/assets").mkdir(parents=True)
    (tmp_path / "web/dist/index.html").write_text("<!doctype html>")
    (tmp_path / "web/dist/assets/app-1.js").write_text("1")
    hub.paid = False
    send(plan_space("ada/page", static=True, root=tmp_path))
    repo = hub.repos["space", "ada/page"]
    assert repo.sdk == "static"
    card = SpaceCard(repo.files["README.md"].decode()).data
    assert (card.sdk, card.sdk_version, card.app_file) == ("static", None, "index.html")
    assert {"index.html", "assets/app-1.js"} <= repo.files.keys()
    (tmp_path / "web/dist/assets/app-1.js").rename(tmp_path / "web/dist/assets/app-2.js")
    send(plan_space("ada/page", static=True, root=tmp_path))
    assert repo.files.keys() == {".gitattributes", "README.md", "index.html", "assets/app-2.js"}


def test_requirements_follow_extras_and_markers(tmp_path: Path):
    locked = (
        "Core==1.0\nother==2.0 ; sys_platform == 'win32'\nother==3.0 ; sys_platform != 'win32'\ntest==4.0\nui==5.0\n"
    )
    (tmp_path / "requirements-lock.txt").write_text(locked)
    extras = {"app": ["ui>=5", "me[light]"], "light": ["other"], "test": ["test"]}
    project = {"name": "me", "dependencies": ["core>=1"], "optional-dependencies": extras}
    assert pin_requirements(tmp_path, project) == {"core": "1.0", "other": "3.0", "ui": "5.0"}
    with pytest.raises(ValueError, match="no version of more"):
        pin_requirements(tmp_path, {**project, "dependencies": ["more"]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deploy", "demo"], "must be USER/NAME, got 'demo'"),
        (["deploy", "ada/de mo"], "ada/de mo"),
        (["push", "ada/net", "--model", "gan"], "no model 'gan'"),
    ],
)
def test_invalid_publish_arguments_are_refused_with_one_line(
    hub: Hub, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert hub.requests == []


def test_space_of_the_current_folder_and_model_without_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("colorizer.publish.space.__file__", str(tmp_path / "site-packages/colorizer/publish/space.py"))
    monkeypatch.chdir(ROOT)
    assert "app.py" in plan_space("ada/demo").files
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="run this in a clone"):
        plan_space("ada/demo")
    for name in ("model.tflite", "config.json"):
        shutil.copy(ROOT / "checkpoints/unet" / name, tmp_path)
    with pytest.raises(ValueError, match=r"model\.keras of .* is missing"):
        plan_model("ada/net", str(tmp_path))


def test_deploy_requires_a_clone(tmp_path: Path):
    with pytest.raises(ValueError, match="installed package"):
        plan_space("ada/demo", root=tmp_path)
