"""The way to the Hugging Face Hub and back, through a stand-in on loopback that speaks its protocol."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, save_evil
from hub_server import TOKEN, Fault, Hub, run_hub
from huggingface_hub import ModelCard, SpaceCard, close_session, constants

from colorizer import Colorizer, ModelError, decode_image
from colorizer.cli import main
from colorizer.hub import HubError, Upload, send
from colorizer.inference.checkpoint import Checkpoint
from colorizer.publish.model_card import plan_model
from colorizer.publish.space import pin_requirements, plan_space

# huggingface_hub 2.4 on every upload of a large file; nothing that this project can mend.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CAT = ROOT / "samples/cifar10/00_cat.png"
WEIGHTS = b"PK\3\4" + bytes(300_000)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note how long is waited, instead of waiting."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]) -> Iterator[Hub]:
    """Take a stand-in for the Hub, as HF_ENDPOINT, HF_HOME and HF_TOKEN would at the start of a process."""
    with run_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
        close_session()


def model_files(weights: bytes = WEIGHTS, **changes: object) -> dict[str, bytes]:
    """Make what a model's repository holds at least, beside something that nobody must load."""
    config = {"model": "unet", "model_sha256": hashlib.sha256(weights).hexdigest(), **changes}
    return {"config.json": json.dumps(config).encode(), "model.keras": weights, "model.pkl": b"cos\nsystem\n."}


def cached(tmp_path: Path) -> set[str]:
    """Name the files of models in the cache, whole or begun."""
    snapshots = {path.name for path in (tmp_path / "cache").glob("models--*/snapshots/*/*")}
    return snapshots | {path.name for path in (tmp_path / "cache").rglob("*.incomplete")}


# === push ===


def test_push_shares_a_model_that_loads_from_the_hub(hub: Hub, capsys: pytest.CaptureFixture[str]):
    assert main(["push", "ada/unet", "--model", "unet"]) == 0
    assert capsys.readouterr().out == f"uploaded: {hub.url}/ada/unet\n"
    repo = hub.repos["model", "ada/unet"]
    assert len(repo.commits) == 2  # One commit after the empty repository: never seen half uploaded.
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
    vivid = json.loads((folder / "metrics-vivid.json").read_text())
    assert figures["uoft-cs/cifar10", "relative_mse", "1"] == vivid["relative_mse"]
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
    own, others = ("Brown where it doesn't know" in card for card in cards)
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
        ("metrics.json", "model_sha256", "metrics.json was measured on other weights"),
        ("config.json", "model_sha256", "its model.keras is not the one that config.json records"),
    ):
        (folder / name).write_text(json.dumps({**config, key: "0" * 64}))
        assert main(["push", "ada/mine", "--model", str(folder)]) == 2
        assert words in capsys.readouterr().err
    (folder / "config.json").unlink()
    assert main(["push", "ada/mine", "--model", str(folder)]) == 2
    assert "no config.json" in capsys.readouterr().err
    assert hub.requests == []


# === deploy ===


def test_deploy_uploads_what_the_demo_needs_and_nothing_else(hub: Hub, capsys: pytest.CaptureFixture[str]):
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
            *("history-1.csv", "history-2.csv", "history.csv"),
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
    assert "preload_from_hub" not in card.to_dict()  # It takes no data sets, as the page says.
    assert "fetched from the Hub as the Space starts" in repo.files["README.md"].decode()

    # What is no longer part of the demo goes with the next update; what somebody added elsewhere stays.
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
def test_nonsense_is_refused(hub: Hub, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str):
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
    with pytest.raises(ValueError, match="run it in a clone"):
        plan_space("ada/demo")
    for name in ("model.tflite", "config.json"):
        shutil.copy(ROOT / "checkpoints/unet" / name, tmp_path)
    with pytest.raises(ValueError, match=r"model\.keras of .* is not there"):
        plan_model("ada/net", str(tmp_path))


def test_an_installed_package_is_no_space(tmp_path: Path):
    with pytest.raises(ValueError, match="installed package"):
        plan_space("ada/demo", root=tmp_path)


# === Uploads that fail ===


def upload(**files: bytes) -> Upload:
    content = {"README.md": b"---\ntags:\n- colorizer\n---\n", "large.bin": bytes(200_000), **files}
    return Upload("ada/net", "model", content, owned=("*.bin",))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("GET /api/models/ada/net", 401), "doesn't accept the token"),
        (Fault("POST /api/repos/create", 402), "needs a paid account"),
        (Fault("POST /api/repos/create", 403), "no right to it"),
        (Fault("preupload", 403), "no right to it"),
        (Fault("preupload", 404), "no such repository"),
        (Fault("preupload", 429), "too many requests"),
        (Fault("preupload", 500), r"trouble of its own \(500\)"),
        (Fault("PUT /store/", 500), r"trouble of its own \(500\)"),
        (Fault("PUT /store/", "cut"), "no connection to http://127.0.0.1"),
        (Fault("/commit/", 401), "doesn't accept the token"),
        (Fault("/commit/", 409), "somebody else is changing it"),
        (Fault("/commit/", 418), "the Hub answers 418: the stand-in was asked to fail"),
        (Fault("/commit/", 503), r"trouble of its own \(503\)"),
        (Fault("/commit/", "cut"), "no connection to http://127.0.0.1"),
    ],
)
def test_a_failed_upload_is_a_sentence_and_a_second_one_finishes(
    hub: Hub, waits: list[float], fault: Fault, words: str
):
    hub.faults.append(fault)
    with pytest.raises(HubError, match=words) as caught:
        send(upload())
    assert str(caught.value).startswith("ada/net: ")
    assert "\n" not in str(caught.value)
    present = hub.repos.get(("model", "ada/net"))
    assert present is None or len(present.commits) == 1  # As it was created: nothing half uploaded.
    assert sum(waits) <= 30

    hub.faults.clear()
    for _ in range(2):  # The second has nothing to change, and makes no commit.
        send(upload())
    assert {"README.md", "large.bin"} <= hub.repos["model", "ada/net"].files.keys()
    assert len(hub.repos["model", "ada/net"].commits) == 2


def test_an_upload_survives_a_short_failure(hub: Hub):
    hub.faults += [Fault("preupload", 500, times=2), Fault("PUT /store/", "cut", times=2)]
    send(upload())
    assert hub.repos["model", "ada/net"].files["large.bin"] == bytes(200_000)


def test_a_gradio_space_without_a_paid_account(hub: Hub, capsys: pytest.CaptureFixture[str]):
    hub.paid = False
    assert main(["deploy", "ada/demo"]) == 1
    assert capsys.readouterr().err.startswith("colorizer: ada/demo: the Hub asks for payment (402)")
    assert hub.repos == {}


def test_other_people_s_names(hub: Hub, capsys: pytest.CaptureFixture[str]):
    assert main(["deploy", "eve/demo"]) == 1
    assert "no right to it (403)" in capsys.readouterr().err
    theirs = hub.add("space", "ada/else", {"README.md": b"---\nsdk: gradio\n---\n", "app.py": b"print()"})
    assert main(["deploy", "ada/else"]) == 1
    assert "ada/else is taken" in capsys.readouterr().err
    assert len(theirs.commits) == 1


def test_no_token_and_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert main(["deploy", "ada/demo"]) == 1
    assert "ada/demo: no connection to http://127.0.0.1:9" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert main(["deploy", "ada/demo"]) == 1
    assert "needs a token" in capsys.readouterr().err
    assert hub.requests == []


@pytest.mark.parametrize("pattern", ["GET /api/models", "PUT /store/"])
def test_a_hub_that_does_not_answer_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch, pattern: str):
    monkeypatch.setattr("colorizer.hub._PATIENCE", 0.1)
    hub.faults.append(Fault(pattern, "stall"))
    with pytest.raises(HubError, match=r"no connection to .* \(timed out\)"):
        send(upload())


def test_front_matter_that_the_hub_refuses(hub: Hub):
    with pytest.raises(HubError, match="ada/net: the Hub answers 400: "):
        send(upload(**{"README.md": b"---\ntags: [\n---\n"}))
    assert len(hub.repos["model", "ada/net"].commits) == 1


# === hf://USER/MODEL@REVISION ===


def test_only_weights_and_config_are_downloaded_and_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    repo = hub.add("model", "ada/net", model_files())
    first = repo.head
    path = Checkpoint.find("hf://ada/net").path
    assert path.read_bytes() == WEIGHTS
    assert cached(tmp_path) == {"config.json", "model.keras"}

    hub.requests.clear()
    assert Checkpoint.find(f"hf://ada/net@{first}").path == path
    assert hub.requests == []  # A commit never changes.
    assert Checkpoint.find("hf://ada/net@main").path == path
    assert hub.requests == ["HEAD /ada/net/resolve/main/config.json"]

    repo.commit(model_files(b"PK\3\4newer"))
    assert Checkpoint.find("hf://ada/net").path.read_bytes() == b"PK\3\4newer"
    assert Checkpoint.find(f"hf://ada/net@{first}").path == path
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Checkpoint.find("hf://ada/net").path.read_bytes() == b"PK\3\4newer"
    assert hub.requests == []
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE forbids"):
        Checkpoint.find("hf://ada/other")


@pytest.mark.parametrize("fault", [Fault("resolve", "cut"), Fault("resolve", 500), Fault("resolve", 429)])
def test_what_is_cached_needs_no_hub(hub: Hub, fault: Fault):
    hub.add("model", "ada/net", model_files())
    path = Checkpoint.find("hf://ada/net").path
    hub.faults.append(fault)
    assert Checkpoint.find("hf://ada/net").path == path


@pytest.mark.parametrize("name", ["config.json", "model.keras"])
@pytest.mark.parametrize(
    ("action", "words"),
    [
        (401, "doesn't accept the token"),
        (402, "402"),
        (403, "no right to it"),
        (404, "no such repository"),
        (429, "too many requests"),
        (500, r"trouble of its own \(500\)"),
        ("cut", "no connection to http://127.0.0.1"),
    ],
)
def test_a_failed_download_is_a_sentence_and_a_second_one_finishes(
    hub: Hub, tmp_path: Path, waits: list[float], name: str, action: int | str, words: str
):
    hub.add("model", "ada/net", model_files())
    hub.faults.append(Fault(f"GET .*{name}" if action == "cut" else name, action))
    with pytest.raises(ModelError, match=words) as caught:
        Checkpoint.find("hf://ada/net")
    assert str(caught.value).startswith("hf://ada/net: ")
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) <= {"config.json"}
    assert sum(waits) <= 60

    hub.faults.clear()
    assert Checkpoint.find("hf://ada/net").path.read_bytes() == WEIGHTS


def test_a_download_goes_on_where_it_was_cut(hub: Hub):
    hub.add("model", "ada/net", model_files())
    hub.faults.append(Fault(r"GET .*model\.keras", "cut", times=2))
    assert Checkpoint.find("hf://ada/net").path.read_bytes() == WEIGHTS
    assert hub.requests.count("GET /ada/net/resolve/" + hub.repos["model", "ada/net"].head + "/model.keras") == 3


def test_of_a_model_with_an_export_that_alone_is_downloaded(hub: Hub, tmp_path: Path):
    sha = hashlib.sha256(b"export").hexdigest()
    known = {"files": {"model.tflite": sha, "decoder.tflite": sha, "../evil": sha}}
    files = {**model_files(export=known), "model.tflite": b"export", "decoder.tflite": b"export", "../evil": b"export"}
    repo = hub.add("model", "ada/net", files)
    path = Checkpoint.find("hf://ada/net").path
    assert (path.name, path.read_bytes()) == ("model.tflite", b"export")
    assert cached(tmp_path) == {"config.json", "model.tflite"}
    repo.commit({**files, "model.tflite": b"other"})
    with pytest.raises(ModelError, match=r"model\.tflite has the SHA-256"):
        Checkpoint.find("hf://ada/net")


def test_weights_of_another_hash_are_refused_and_not_kept(hub: Hub, tmp_path: Path):
    repo = hub.add("model", "ada/net", {**model_files(), "model.keras": b"PK\3\4evil"})
    with pytest.raises(ModelError, match=r"model\.keras has the SHA-256 .* it was damaged or replaced"):
        Checkpoint.find("hf://ada/net")
    assert cached(tmp_path) == set()
    repo.commits[-1] = (repo.head, model_files())
    assert Checkpoint.find("hf://ada/net").path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("reference", "files", "words"),
    [
        ("hf://ada", {}, "neither hf://USER/MODEL nor"),
        ("hf://ada/net/model.keras", {}, "neither hf://USER/MODEL nor"),
        ("hf://ada/none", {}, "no such repository"),
        ("hf://ada/net@v9", model_files(), "no such repository, file or revision"),
        ("hf://ada/net", {"model.keras": WEIGHTS}, "no such repository, file or revision"),
        ("hf://ada/net", {"config.json": b"{}", "model.keras": WEIGHTS}, "names no SHA-256"),
        ("hf://ada/net", {"config.json": b'{"model_sha256": 1}', "model.keras": WEIGHTS}, "names no SHA-256"),
        ("hf://ada/net", {"config.json": b"[]", "model.keras": WEIGHTS}, "names no SHA-256"),
        ("hf://ada/net", {"config.json": b"{", "model.keras": WEIGHTS}, "names no SHA-256"),
        ("hf://ada/net", {"config.json": model_files()["config.json"]}, "no such repository, file or revision"),
    ],
)
def test_what_is_no_model_is_refused(hub: Hub, tmp_path: Path, reference: str, files: dict[str, bytes], words: str):
    hub.add("model", "ada/net", files)
    with pytest.raises(ModelError, match=words) as caught:
        Colorizer.load(reference)
    assert "\n" not in str(caught.value)
    if "SHA" in words:  # It may have been damaged on the way: the next attempt asks again.
        assert cached(tmp_path) == set()


def test_weights_that_would_run_code_are_refused(hub: Hub, tmp_path: Path):
    path, marker = tmp_path / "evil.keras", tmp_path / "run"
    save_evil(path, marker)
    hub.add("model", "ada/evil", model_files(path.read_bytes()))
    with pytest.raises(ModelError, match="can't be used"):
        Colorizer.load("hf://ada/evil")
    assert not marker.exists()


def test_the_command_line_takes_models_of_the_hub(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = {path.name: path.read_bytes() for path in Checkpoint.find("autoencoder").folder.iterdir() if path.is_file()}
    hub.add("model", "ada/net", files)
    out = tmp_path / "cat.png"
    assert main(["colorize", str(CAT), "--output", str(out), "--model", "hf://ada/net"]) == 0
    assert (decode_image(out) == Colorizer.load("autoencoder").colorize(CAT)).all()
    data, record = tmp_path / "data", tmp_path / "metrics.json"
    data.mkdir()
    shutil.copy(CAT, data)
    assert main(["evaluate", "--data", str(data), "--output", str(record), "--model", "hf://ada/net"]) == 0
    measured, config = json.loads(record.read_text()), json.loads(files["config.json"])
    assert (measured["model"], measured["model_sha256"]) == ("hf://ada/net", config["model_sha256"])
    assert main(["colorize", str(CAT), "--output", str(tmp_path / "x.png"), "--model", "hf://ada/none"]) == 2
    assert "hf://ada/none: the Hub has no such repository" in capsys.readouterr().err
