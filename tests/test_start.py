"""How the demo starts, or says in one line why it doesn't."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from conftest import ROOT, demo_environment, free_port

import app
from colorizer.demo import widgets


def _start(folder: Path, port: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**demo_environment(0), "GRADIO_SERVER_PORT": port, **variables}
    return subprocess.run(
        [sys.executable, "app.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=400
    )


@pytest.mark.parametrize("argument", ["--help", "--port=1"])
def test_arguments_start_no_server(argument: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["app.py", argument])
    monkeypatch.setattr(app, "list_models", list)  # It would start no server either, but say so.
    with pytest.raises(SystemExit):
        app.main()
    assert "usage: app.py" in "".join(capsys.readouterr())


def test_taken_port_is_one_line(demo_url: str, tmp_path: Path):
    (tmp_path / "gradio.py").write_text("raise SystemExit('Gradio takes seconds to import')")
    port = demo_url.rpartition(":")[2]
    done = _start(ROOT, port, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    words = f"port {port} is in use by another program; set GRADIO_SERVER_PORT to choose another one"
    assert done.stderr == f"app.py: {words}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has one address of its own")
@pytest.mark.slow
def test_a_second_server_keeps_the_files_of_the_first(tmp_path: Path):
    with socket.create_server(("127.0.0.2", 0)) as listening:
        port = str(listening.getsockname()[1])
        left = tmp_path / f"colorizer-{os.getuid()}-127.0.0.2-{port}" / "photo.png"
        left.parent.mkdir()
        left.write_bytes(b"of a visitor")
        done = _start(ROOT, port, GRADIO_SERVER_NAME="127.0.0.2", GRADIO_TEMP_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "is in use by another program" in done.stderr
    assert left.exists()


@pytest.mark.slow
def test_missing_weights_are_one_line(tmp_path: Path):
    shutil.copytree(ROOT / "colorizer", tmp_path / "colorizer", ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copy(ROOT / "app.py", tmp_path)
    done = _start(tmp_path, str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no trained weights" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 80 megabytes; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted here: root is needed")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))


@pytest.mark.slow
def test_full_disk_is_one_line(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(small_disk))
    _fill(small_disk)
    done = _start(ROOT, str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the disk that holds {small_disk} is full: 0 MB are free, 60 are needed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_disk_that_fills_up_is_told(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(widgets, "get_upload_folder", lambda: str(small_disk))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert Path(widgets.save_picture(noise, "a.png")).is_file()
    _fill(small_disk)
    with pytest.raises(gr.Error, match="no disk space left"):
        widgets.save_picture(noise[::-1], "b.png")
    assert not list(small_disk.rglob("b.png"))
