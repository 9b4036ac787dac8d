"""Faults caused on purpose; ``docs/reliability.md`` lists these tests and similar ones elsewhere."""

import json
import os
import pickle
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from conftest import ROOT, demo_environment, encode, free_port, random_images, write_parquet
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from benchmarks.demo_server import DemoServer, serve
from colorizer import Colorizer, decode_image
from colorizer.cli import main
from colorizer.files import sha256
from colorizer.imaging.decode import has_color
from colorizer.inference.checkpoint import Checkpoint, ModelError

TABLE = (ROOT / "docs/reliability.md").read_text()
COMMAND = "import sys; from colorizer.cli import main; sys.exit(main())"
NOISE = np.random.default_rng(0)


class Disk:
    """A small disk in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, leave: int = 0) -> None:
        """Fill the disk, except for this many bytes."""
        with self._filler.open("wb", buffering=0) as file:
            while (free := shutil.disk_usage(self.folder).free - leave) > 0 and file.write(bytes(min(free, 1 << 20))):
                pass

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DemoServer]:
    """Start a demo for faults; at the end, check that it logged no unexpected error."""
    with serve(tmp_path) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def colorize(scans: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, "colorize", str(scans), "--output", str(output), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)


def write_noise(path: Path, height: int, width: int) -> Path:
    """Write an image that doesn't compress."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode(NOISE.integers(0, 256, (height, width, 3), dtype=np.uint8)))
    return path


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def ask(server: DemoServer, path: Path) -> Path:
    client = Client(server.url, verbose=False, download_files=str(path.parent / "answers"))
    return Path(client.predict(handle_file(str(path)), api_name="/colorize"))


def test_the_table_names_tests_that_exist():
    name = ""
    for file, test in re.findall(r"`([\w/]*\.py)?::(\w+)`", TABLE):
        name = file or name  # A name without a file belongs to the file named before.
        assert f"def {test}(" in (ROOT / "tests" / name).read_text(), f"{name}::{test}"


# === The disk is full ===


@pytest.mark.slow
def test_folder_run_on_a_full_disk(tmp_path: Path, disk: Disk):
    scans, out = tmp_path / "scans", disk.folder / "out"
    for i in range(12):
        write_noise(scans / f"{i:02}.png", 200, 300)
    disk.fill(leave=600_000)
    first = colorize(scans, out)
    done = [out / name for name in listing(out)]
    assert first.returncode == 1
    assert first.stderr.count("there is no disk space left") == 12 - len(done)
    assert "Traceback" not in first.stderr
    assert 0 < len(done) < 12
    times = {path: path.stat().st_mtime_ns for path in done}
    disk.free()
    second = colorize(scans, out)
    assert second.returncode == 0, second.stderr
    assert f"{12 - len(done)} colorized, {len(done)} skipped" in second.stdout
    assert listing(out) == listing(scans)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    for path in scans.iterdir():
        np.testing.assert_array_equal(decode_image(out / path.name), Colorizer.load().colorize(path))


@pytest.mark.slow
def test_training_on_a_full_disk(tmp_path: Path, disk: Disk):
    cells = [encode(image) for image in random_images(400)]
    write_parquet(tmp_path / "data/train.parquet", cells)
    folder = disk.folder / "run"
    command = [sys.executable, "train.py", "--data", str(tmp_path / "data"), "--output", str(folder), "--epochs", "8"]
    command += ["--batch-size", "16", "--latent-dim", "8", "--filters", "4", "8", "--validation", "0.2"]
    command += ["--precision", "float32", "--patience", "50"]
    training = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 400
    while not list((folder / "resume").glob("epoch-0000[1-9]")):
        assert training.poll() is None, training.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    disk.fill()
    stderr = training.communicate(timeout=300)[1]
    assert training.returncode == 1
    assert "Traceback" not in stderr
    assert "train.py: there is no disk space left" in stderr.splitlines()[-1]
    # Finished results are complete.
    record = json.loads((folder / "config.json").read_text())
    assert record["model_sha256"] == sha256((folder / "model.keras").read_bytes())
    assert Colorizer.load(folder).colorize(random_images(1)[0]).shape == (32, 32, 3)
    disk.free()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert second.returncode == 0, second.stderr
    assert "resuming after epoch" in second.stderr
    rows = (folder / "history.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(8))


@pytest.mark.slow
def test_demo_on_a_full_disk(tmp_path: Path, disk: Disk):
    photo = write_noise(tmp_path / "photo.png", 300, 300)
    with serve(tmp_path, GRADIO_TEMP_DIR=str(disk.folder)) as server:
        disk.fill(leave=photo.stat().st_size + 20_000)  # The photo has room, but a reserve is kept for results.
        with photo.open("rb") as file:
            refused = httpx.post(f"{server.url}/gradio_api/upload", files={"files": file}, timeout=400)
        assert refused.status_code == 507
        assert refused.text == "The server has no disk space left; try again later"
        disk.free()
        np.testing.assert_array_equal(decode_image(ask(server, photo)), Colorizer.load().colorize(photo))
        assert "Traceback" not in server.log.read_text()


# === Weights that are damaged, foreign or malicious ===


@pytest.mark.slow
def test_damaged_weights_are_one_line_of_the_demo(tmp_path: Path):
    for name in ("colorizer", "checkpoints"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "app.py", tmp_path)
    path = tmp_path / "checkpoints/unet/model.tflite"
    path.write_bytes(path.read_bytes()[:-1000])
    environment = demo_environment(free_port())
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "unet/model.keras can't be used as a model: its model.tflite doesn't match config.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_weights_of_a_newer_keras_are_refused(tmp_path: Path):
    newer = tmp_path / "model.keras"
    with zipfile.ZipFile(Checkpoint.find("autoencoder").path) as own, zipfile.ZipFile(newer, "w") as other:
        for name in own.namelist():
            content = own.read(name)
            if name == "config.json":
                content = content.replace(b'"Conv2D"', b'"Conv2DOfTheFuture"')
            other.writestr(name, content)
    with pytest.raises(ModelError, match=r"model\.keras can't be used as a model: .*Conv2DOfTheFuture") as error:
        Colorizer.load(newer)
    assert "\n" not in str(error.value)


def test_an_export_for_another_runtime_is_refused(tmp_path: Path):
    """The record matches, but this LiteRT doesn't know the schema of the file."""
    shutil.copytree(Checkpoint.find("unet").folder, tmp_path / "unet")
    exported, config = tmp_path / "unet/model.tflite", tmp_path / "unet/config.json"
    content = exported.read_bytes().replace(b"TFL3", b"TFL9", 1)
    exported.write_bytes(content)
    record = json.loads(config.read_text())
    record["export"]["files"]["model.tflite"] = sha256(content)
    config.write_text(json.dumps(record))
    with pytest.raises(ModelError, match="can't be used as a model"):
        Colorizer.load(tmp_path / "unet")


class Evil:
    """Makes ``pickle`` run a command."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self._mark),)


@pytest.mark.parametrize("where", ["file", "weights", "export"])
def test_pickled_objects_are_not_unpickled(tmp_path: Path, where: str):
    mark, path = tmp_path / "mark", tmp_path / "model.keras"
    evil = pickle.dumps(Evil(mark))
    if where == "weights":
        with zipfile.ZipFile(Checkpoint.find("autoencoder").path) as own, zipfile.ZipFile(path, "w") as other:
            for name in own.namelist():
                other.writestr(name, evil if name == "model.weights.h5" else own.read(name))
    else:
        path.write_bytes(evil)
    if where == "export":
        path.with_name("model.tflite").write_bytes(evil)
    with pytest.raises(ModelError, match="can't be used as a model"):
        Colorizer.load(path)
    assert not mark.exists()
    pickle.loads(evil)
    assert mark.exists(), "the file would not have done any harm"


# === Files that are broken or cut off ===


@pytest.mark.slow
def test_an_upload_that_is_cut_off(tmp_path: Path):
    with serve(tmp_path, COLORIZER_KEEP="12") as server:
        before = set(listing(server.files))  # Files that the page shows to everyone.
        address = urlsplit(server.url)
        head = (
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 900000\r\n"
            "Content-Type: multipart/form-data; boundary=cut\r\n\r\n"
            '--cut\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        )
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(head.encode() + bytes(300_000))
            deadline = time.monotonic() + 400
            while set(listing(server.files)) == before:
                assert time.monotonic() < deadline, "nothing of the upload has arrived"
                time.sleep(0.05)
        photo = write_noise(tmp_path / "photo.png", 40, 40)
        np.testing.assert_array_equal(decode_image(ask(server, photo)), Colorizer.load().colorize(photo))
        deadline = time.monotonic() + 400
        while left := set(listing(server.files)) - before:
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.5)
        assert "Traceback" not in server.log.read_text()


@pytest.mark.slow
def test_ten_thousand_broken_images_and_ten_whole_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scans, out, report = tmp_path / "scans", tmp_path / "out", tmp_path / "run.jsonl"
    scans.mkdir()
    whole = [encode(image) for image in random_images(10)]
    for i in range(10_000):
        content = bytearray(whole[i % 10])
        content[int(NOISE.integers(16, 24))] ^= 0xFF  # Its width or height: the check sum is wrong.
        (scans / f"broken-{i:05}.png").write_bytes(content)
    for i, content in enumerate(whole):
        (scans / f"{i * 1000:05}.png").write_bytes(content)
    assert main(["colorize", str(scans), "--output", str(out), "--report", str(report)]) == 1
    printed = capsys.readouterr()
    assert "10 colorized, 10000 failed" in printed.out
    assert "Traceback" not in printed.err
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(line["status"] for line in lines) == ["done"] * 10 + ["failed"] * 10_000
    # An impossible size in the first bytes is refused before the checksum is checked.
    reasons = [line["reason"] for line in lines if line["status"] == "failed"]
    assert all("damaged" in reason or "megapixels" in reason for reason in reasons)
    assert listing(out) == sorted(f"{i * 1000:05}.png" for i in range(10))


# === Out of memory ===


@pytest.mark.slow
def test_folder_run_within_a_limit_of_memory(tmp_path: Path):
    """Images that don't fit are named; the others are colorized."""
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "large.png").write_bytes(encode(np.zeros((9000, 12000, 3), np.uint8)))
    for name in ("a.png", "z.png"):
        (scans / name).write_bytes(encode(random_images(1, 300)[0]))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1300 << 20, 1300 << 20)); "
    command = [sys.executable, "-c", limit + COMMAND, "colorize", str(scans), "--output", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert run.returncode == 1, run.stderr
    assert "2 colorized, 1 failed" in run.stdout
    assert "large.png: there is not enough memory for large.png" in run.stderr
    assert listing(out) == ["a.png", "z.png"]
    assert all(has_color(decode_image(path)) for path in out.iterdir())


@pytest.mark.slow
def test_demo_within_a_limit_of_memory(tmp_path: Path, server: DemoServer):
    small = write_noise(tmp_path / "small.png", 40, 40)
    large = tmp_path / "large.png"
    large.write_bytes(encode(np.zeros((6000, 8000, 3), np.uint8)))
    ask(server, small)
    bound = server.process.memory_info().vms + (200 << 20)
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (bound, bound))
    with pytest.raises(AppError, match=r"not enough memory for large\.png|The server has no memory left"):
        ask(server, large)
    np.testing.assert_array_equal(decode_image(ask(server, small)), Colorizer.load().colorize(small))
