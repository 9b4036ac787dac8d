"""Uploads to a stand-in for the Hub on loopback, and how they fail."""

import pytest
from hub_server import Fault, Hub
from huggingface_hub import constants

from colorizer.cli import main
from colorizer.hub import HubError, Upload, send

# huggingface_hub 2.4 warns on every upload of a large file; this project can't change that.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def upload(**files: bytes) -> Upload:
    content = {"README.md": b"---\ntags:\n- colorizer\n---\n", "large.bin": bytes(200_000), **files}
    return Upload("ada/net", "model", content, owned=("*.bin",))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("GET /api/models/ada/net", 401), "the token is missing or invalid"),
        (Fault("POST /api/repos/create", 402), "needs a paid account"),
        (Fault("POST /api/repos/create", 403), "access denied"),
        (Fault("preupload", 403), "access denied"),
        (Fault("preupload", 404), "no such repository"),
        (Fault("preupload", 429), "too many requests"),
        (Fault("preupload", 500), r"an internal problem \(500\)"),
        (Fault("PUT /store/", 500), r"an internal problem \(500\)"),
        (Fault("PUT /store/", "cut"), "no connection to http://127.0.0.1"),
        (Fault("/commit/", 401), "the token is missing or invalid"),
        (Fault("/commit/", 409), "someone else is changing it"),
        (Fault("/commit/", 418), "the Hub answered 418: the stand-in was asked to fail"),
        (Fault("/commit/", 503), r"an internal problem \(503\)"),
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
    assert present is None or len(present.commits) == 1  # As created: nothing is half uploaded.
    assert sum(waits) <= 30

    hub.faults.clear()
    for _ in range(2):  # The second one changes nothing, so it makes no commit.
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
    assert capsys.readouterr().err.startswith("colorizer: ada/demo: payment required (402)")
    assert hub.repos == {}


def test_push_to_foreign_or_taken_repo_is_refused(hub: Hub, capsys: pytest.CaptureFixture[str]):
    assert main(["deploy", "eve/demo"]) == 1
    assert "access denied (403)" in capsys.readouterr().err
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
    monkeypatch.setattr("colorizer.hub._TIMEOUT", 0.1)
    hub.faults.append(Fault(pattern, "stall"))
    with pytest.raises(HubError, match=r"no connection to .* \(timed out\)"):
        send(upload())


def test_hub_400_becomes_hub_error(hub: Hub):
    with pytest.raises(HubError, match="ada/net: the Hub answered 400: "):
        send(upload(**{"README.md": b"---\ntags: [\n---\n"}))
    assert len(hub.repos["model", "ada/net"].commits) == 1
