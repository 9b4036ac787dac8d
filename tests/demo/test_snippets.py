"""The code under *Use via API* runs as it is."""

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import ROOT, install_package

from colorizer import Colorizer, decode_image

ENDPOINTS = ("/colorize", "/versions", "/colorize_batch")
PHOTO = ROOT / "samples/photos/cat.jpg"
CLIENT = "@gradio/client@2.7.0"

each_endpoint = pytest.mark.parametrize("name", ENDPOINTS)


def _snippet(demo_url: str, name: str, language: str) -> str:
    endpoints = httpx.get(f"{demo_url}/gradio_api/info").json()["named_endpoints"]
    assert tuple(endpoints) == ENDPOINTS
    return endpoints[name]["code_snippets"][language]


@each_endpoint
def test_python_runs(demo_url: str, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    exec(_snippet(demo_url, name, "python"), names)
    result, colorizer = names["result"], Colorizer.load()
    if name == "/colorize":
        np.testing.assert_array_equal(decode_image(result), colorizer.colorize(PHOTO))
    elif name == "/versions":
        np.testing.assert_array_equal(
            [decode_image(path) for path in result], colorizer.colorize_alternatives(PHOTO, len(result))
        )
    else:
        archive, report = result
        assert report == "1 of 1 colorized"
        assert zipfile.ZipFile(archive).namelist() == ["cat-color.jpg", "report.csv"]


@each_endpoint
def test_shell_runs(demo_url: str, name: str):
    code = _snippet(demo_url, name, "bash")
    done = subprocess.run(["bash", "-euc", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=400)
    assert "event: complete" in done.stdout


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Gradio's JavaScript client beside the samples."""
    folder = install_package(CLIENT, tmp_path_factory.mktemp("node"))
    (folder / "samples").symlink_to(ROOT / "samples")
    return folder


@pytest.mark.slow
@each_endpoint
def test_javascript_runs(demo_url: str, name: str, node_folder: Path):
    (node_folder / "ask.mjs").write_text(_snippet(demo_url, name, "javascript"))
    command = ["node", "ask.mjs"]
    done = subprocess.run(command, cwd=node_folder, check=True, capture_output=True, text=True, timeout=400)
    assert "gradio.FileData" in done.stdout or "meta: [Object]" in done.stdout


@pytest.mark.slow
@each_endpoint
def test_command_line_runs(demo_url: str, name: str):
    program = Path(sys.executable).with_name("gradio")
    code = _snippet(demo_url, name, "cli").replace("{command}", str(program))
    done = subprocess.run(["bash", "-euc", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=400)
    assert ".zip" in done.stdout if name == "/colorize_batch" else ".png" in done.stdout


def test_the_address_is_the_one_that_was_asked(demo_url: str):
    """And not the address that the first visitor used."""
    for address in (demo_url, demo_url.replace("127.0.0.1", "localhost")):
        for language in ("python", "javascript", "bash", "cli"):
            code = _snippet(address, "/colorize", language)
            assert address in code
            assert code.count("http://") == code.count(address)
