"""Shared fixtures, and data made for the tests."""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import TOKEN, Hub, run_hub
from PIL import Image
from pillow_heif import register_heif_opener
from playwright.sync_api import Browser, sync_playwright

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Read on import; Ray then stays on the loopback interface.
os.environ["HF_HUB_DISABLE_XET"] = "1"  # Read on import; the stand-in for the Hub speaks the older protocol.

register_heif_opener()  # Tests write HEIC by Pillow.

ROOT = Path(__file__).parent.parent
CHROMIUM = "/usr/bin/chromium"
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's own data and the real Hub out of the tests."""
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def random_images(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    """Make (count, size, size, 3) uint8 images of smooth random colors."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((size, size), Image.Resampling.BICUBIC)) for c in coarse])


def encode(image: np.ndarray, format: str = "PNG", **options) -> bytes:
    """Encode an array as Pillow does."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


def write_parquet(path: Path, cells: list[bytes], labels: list[int] | None = None, column: str = "img") -> Path:
    """Write images in the layout of the Hugging Face Hub."""
    columns = {column: [{"bytes": cell, "path": None} for cell in cells]}
    if labels is not None:
        columns["label"] = labels
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    """Make a folder that looks like the Hub's CIFAR-10, with 40 images to train on and 10 to test."""
    folder = tmp_path / "cifar10"
    for split, count, seed in (("train", 40, 1), ("test", 10, 2)):
        cells = [encode(image) for image in random_images(count, seed=seed)]
        name = f"plain_text/{split}-00000-of-00001.parquet"
        write_parquet(folder / name, cells, [i % 10 for i in range(count)])
    return folder


# Logs each address outside the machine that a Python process looks up or connects to.
WATCH_NETWORK = """
import os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        host = address[0] if isinstance(address, tuple) else address
        if str(host) not in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None"):
            with open(os.environ["NETWORK_LOG"], "a") as log:
                print(event, address, file=log)
sys.addaudithook(note)
"""


def save_evil(path: Path, marker: Path) -> None:
    """Save a model with the autoencoder's inputs and outputs that creates a file when loaded unsafely."""
    import keras

    # The file's name is part of the code itself, since a layer's function is stored without its closure.
    touch = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    harm = eval(f"lambda x: {touch} or __import__('keras').ops.repeat(x, 3, axis=-1)")
    keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Lambda(harm)]).save(path)
    marker.unlink()


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def demo_environment(port: int) -> dict[str, str]:
    """Return the environment for the demo: no dataset, only the samples."""
    private = ("COLORIZER_DATA", "SPACE_ID", "HF_HUB_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in private}
    return {**kept, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the demo as a user does, once for all tests; at the end, check that nothing was sent or is left."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    (folder / "sitecustomize.py").write_text(WATCH_NETWORK)
    network, output = folder / "network.log", folder / "output.log"
    # A leftover of a killed server, which must be deleted as well.
    left = folder / "gradio" / f"colorizer-{os.getuid()}-127.0.0.1-{port}" / "0a" / "left.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    environment = {
        **demo_environment(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HOME": str(folder / "hub"),
        "NETWORK_LOG": str(network),
        "PYTHONPATH": str(folder),
    }
    with output.open("w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 400
        while f"http://127.0.0.1:{port}" not in output.read_text():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the demo does not start:\n{output.read_text()}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=300)
    logged = output.read_text()
    assert "Traceback" not in logged, logged
    assert not network.exists(), network.read_text()
    assert [path for path in (folder / "gradio").rglob("*") if path.is_file()] == []


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record waiting times instead of waiting."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]) -> Iterator[Hub]:
    """Use a stand-in for the Hub, as if HF_ENDPOINT, HF_HOME and HF_TOKEN had been set at the start."""
    from huggingface_hub import close_session, constants

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


def require(program: str, path: str | None, package: str) -> str:
    """Skip a test whose program is missing; in continuous integration, fail."""
    if path is None:
        missing = f"no {program} (Debian: apt-get install {package})"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return path


def install_package(name: str, folder: Path) -> Path:
    """Install a package of npm into a folder, or skip as `require` does."""
    npm = shutil.which("npm")
    done = npm and subprocess.run([npm, "install", "--no-save", "--prefix", folder, name], capture_output=True)
    if not done or done.returncode:
        missing = f"{name} can't be installed by npm"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = require("Chromium", CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium"), "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield browser
        browser.close()
