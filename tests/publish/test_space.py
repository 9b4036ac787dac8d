"""The Space and a model as uploaded to a stand-in Hub, in a clean environment."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import ROOT, encode, free_port, random_images, write_parquet
from gradio_client import Client, handle_file
from hub_server import TOKEN, Hub, run_hub

from colorizer import Colorizer, decode_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # It installs the Space's requirements.

CAT = ROOT / "samples/photos/cat.jpg"
_COMMAND = "import sys; from colorizer.cli import main; sys.exit(main(sys.argv[1:]))"
_PULL = (
    "import sys; from huggingface_hub import snapshot_download as s; s('ada/demo', repo_type='space', local_dir='.')"
)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with run_hub() as server:
        yield server


def environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    """Return an environment with the stand-in for the Hub and without paths into the repository."""
    hidden = ("COLORIZER_DATA", "HF_HUB_OFFLINE", "PYTHONPATH", "SPACE_ID", "HF_TOKEN")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **more}


@pytest.fixture(scope="module")
def space(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deploy the Space, pull it into an empty folder, and install its requirements in a new environment."""
    folder = tmp_path_factory.mktemp("space")
    given = environment(hub, folder.parent / "maker", HF_TOKEN=TOKEN, PYTHONPATH=str(ROOT))
    for arguments in (["deploy", "ada/demo", "--models", "ada/unet"], ["push", "ada/unet", "--model", "unet"]):
        subprocess.run([sys.executable, "-c", _COMMAND, *arguments], env=given, check=True, timeout=600)
    clean = environment(hub, folder.parent / "home")
    subprocess.run([sys.executable, "-c", _PULL], cwd=folder, env=clean, check=True, timeout=300)
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=folder, check=True, timeout=300)
    install = [".venv/bin/python", "-m", "pip", "install", "--quiet", "--no-compile", "-r", "requirements.txt"]
    subprocess.run(install, cwd=folder, env=clean, check=True, timeout=1500)
    return folder


def test_the_space_runs_from_its_own_files(hub: Hub, space: Path, tmp_path: Path):
    parquet = write_parquet(tmp_path / "test.parquet", [encode(image) for image in random_images(12)], [0] * 12)
    hub.add("dataset", "uoft-cs/cifar10", {"plain_text/test-00000-of-00001.parquet": parquet.read_bytes()})
    port, output = free_port(), tmp_path / "output.log"
    url = f"http://127.0.0.1:{port}"
    named = {"SPACE_ID": "ada/demo", "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    given = environment(hub, tmp_path / "home", GRADIO_ANALYTICS_ENABLED="False", **named)
    with output.open("w") as log:
        server = subprocess.Popen([".venv/bin/python", "app.py"], cwd=space, env=given, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 600
        while url not in output.read_text():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the Space does not start:\n{output.read_text()}")
            time.sleep(0.2)
        painted = Client(url, verbose=False).predict(handle_file(str(CAT)), api_name="/colorize")
        page = httpx.get(f"{url}/config").text
    finally:
        server.terminate()
        server.wait(timeout=30)
    difference = np.abs(decode_image(Path(painted)).astype(int) - Colorizer.load().colorize(CAT))
    assert difference.max() <= 2
    assert "12 images: the test split of cifar10" in page  # Fetched from the Hub as the Space started.
    assert "Traceback" not in output.read_text(), output.read_text()


def test_a_model_pulled_from_the_hub_gives_the_same_bytes(hub: Hub, space: Path, tmp_path: Path):
    code = (
        "import sys; from colorizer import Colorizer; "
        "sys.stdout.buffer.write(Colorizer.load('hf://ada/unet').colorize(sys.argv[1], vividness=0.7).tobytes())"
    )
    command = [".venv/bin/python", "-c", code, str(CAT)]
    given = environment(hub, tmp_path / "home")
    run = subprocess.run(command, cwd=space, env=given, check=True, stdout=subprocess.PIPE, timeout=600)
    assert run.stdout == Colorizer.load("unet").colorize(CAT, vividness=0.7).tobytes()
