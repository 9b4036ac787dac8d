"""Models from the Hub, ``hf://USER/MODEL@REVISION``, through a stand-in on loopback."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, save_evil
from hub_server import Fault, Hub
from huggingface_hub import constants

from colorizer import Colorizer, ModelError, decode_image
from colorizer.cli import main
from colorizer.inference.checkpoint import Checkpoint

# huggingface_hub 2.4 warns on every upload of a large file; this project can't change that.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CAT = ROOT / "samples/cifar10/00_cat.png"
WEIGHTS = b"PK\3\4" + bytes(300_000)


def model_files(weights: bytes = WEIGHTS, **changes: object) -> dict[str, bytes]:
    """Make the minimum of a model's repository, plus a file that must not be loaded."""
    config = {"model": "unet", "model_sha256": hashlib.sha256(weights).hexdigest(), **changes}
    return {"config.json": json.dumps(config).encode(), "model.keras": weights, "model.pkl": b"cos\nsystem\n."}


def cached(tmp_path: Path) -> set[str]:
    """List the files of models in the cache, complete or partial."""
    snapshots = {path.name for path in (tmp_path / "cache").glob("models--*/snapshots/*/*")}
    return snapshots | {path.name for path in (tmp_path / "cache").rglob("*.incomplete")}


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
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
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
        (401, "the token is missing or invalid"),
        (402, "402"),
        (403, "access denied"),
        (404, "no such repository"),
        (429, "too many requests"),
        (500, r"an internal problem \(500\)"),
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


def test_only_the_export_is_downloaded_if_a_model_has_one(hub: Hub, tmp_path: Path):
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
        ("hf://ada/net", {"config.json": b"{}", "model.keras": WEIGHTS}, "has no SHA-256"),
        ("hf://ada/net", {"config.json": b'{"model_sha256": 1}', "model.keras": WEIGHTS}, "has no SHA-256"),
        ("hf://ada/net", {"config.json": b"[]", "model.keras": WEIGHTS}, "has no SHA-256"),
        ("hf://ada/net", {"config.json": b"{", "model.keras": WEIGHTS}, "has no SHA-256"),
        ("hf://ada/net", {"config.json": model_files()["config.json"]}, "no such repository, file or revision"),
    ],
)
def test_what_is_no_model_is_refused(hub: Hub, tmp_path: Path, reference: str, files: dict[str, bytes], words: str):
    hub.add("model", "ada/net", files)
    with pytest.raises(ModelError, match=words) as caught:
        Colorizer.load(reference)
    assert "\n" not in str(caught.value)
    if "SHA" in words:  # It may have been damaged in transit: the next attempt downloads it again.
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
