"""Visitors' files are decoded in separate processes, within limits."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import imagecodecs
import numpy as np
import psutil
import pytest
from conftest import encode, random_images
from gradio.context import LocalContext
from image_files import bmp, camera_exif, pillow
from PIL import Image

from colorizer.demo import decoding
from colorizer.imaging.child import MEMORY
from colorizer.imaging.decode import ImageError, decode_with_metadata

MAX_PIXELS = 50_000_000
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is known on Linux alone")


@pytest.fixture(scope="module", autouse=True)
def ended():
    yield
    decoding._POOL.close()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def many_scans(side: int, count: int) -> bytes:
    """A progressive JPEG with scans that add nothing."""
    content = pillow(Image.new("L", (side, side)), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * count + content[-2:]


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # One that has just been killed.
            if "colorizer.imaging.child" in child.cmdline():
                found.append(child)
    return found


def test_a_file_comes_out_as_without_the_process(tmp_path):
    image = random_images(1, 99)[0]
    path = write(tmp_path / "a.jpg", encode(image, "JPEG", exif=camera_exif().tobytes(), dpi=(300, 300), comment=b"x"))
    pixels, metadata = decoding.decode(path, MAX_PIXELS)
    expected, kept = decode_with_metadata(path)
    assert np.array_equal(pixels, expected)
    assert metadata == kept


def test_the_process_imports_neither_gradio_nor_the_network():
    code = "import sys, colorizer.imaging.child; print([m for m in sys.modules if m.startswith(('gradio', 'ai_edge'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"


def test_errors_come_back_in_words(tmp_path):
    with pytest.raises(ImageError, match=r"a\.jpg is not an image"):
        decoding.decode(write(tmp_path / "a.jpg", b"words"), MAX_PIXELS)
    with pytest.raises(FileNotFoundError):
        decoding.decode(tmp_path / "gone.jpg", MAX_PIXELS)
    with pytest.raises(ImageError, match=r"megapixels.*: make it smaller first") as refused:
        decoding.decode(write(tmp_path / "b.png", encode(random_images(1, 99)[0])), 100)
    assert refused.value.advice == "make it smaller first"


def test_a_file_that_takes_too_long_costs_its_process(tmp_path):
    path = write(tmp_path / "slow.jpg", many_scans(6000, 45))
    with pytest.raises(ImageError, match=r"slow\.jpg takes too long to decode"):
        decoding.decode(path, MAX_PIXELS, seconds=1)
    assert decoding.decode(write(tmp_path / "a.png", encode(random_images(1)[0])), MAX_PIXELS)[0].shape == (32, 32, 3)


def test_a_crash_costs_its_process(tmp_path):
    path = write(tmp_path / "slow.jpg", many_scans(6000, 45))

    decoded = threading.Event()

    def crash() -> None:
        while not decoded.wait(0.3):  # On a busy machine, the first may come before the child has the file.
            for child in children():
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGSEGV)

    decoding.start()
    thread = threading.Thread(target=crash)
    thread.start()
    try:
        with pytest.raises(ImageError, match=r"slow\.jpg can't be decoded"):
            decoding.decode(path, MAX_PIXELS)
    finally:
        decoded.set()
        thread.join()
    assert decoding.decode(write(tmp_path / "a.png", encode(random_images(1)[0])), MAX_PIXELS)[0].shape == (32, 32, 3)


def lying_avif() -> bytes:
    """The header says 64 x 64, but 9,000 x 9,000 are decoded."""
    content = pillow(Image.new("L", (9000, 9000)), "AVIF", speed=10)
    return content.replace(struct.pack(">II", 9000, 9000), struct.pack(">II", 64, 64))


def largest_photo(format: str, **options) -> bytes:
    """Fifty megapixels, the most that are accepted."""
    ramp = np.add.outer(np.arange(6000) // 32, np.arange(8300) // 32).astype(np.uint8)
    return pillow(Image.fromarray(np.dstack([ramp, ramp.T.reshape(ramp.shape), ramp])), format, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lying_avif,
        lambda: largest_photo("JPEG", progressive=True),
        lambda: largest_photo("PNG", compress_level=1),
        lambda: imagecodecs.jpegxl_encode(np.zeros((6000, 8300, 3), np.uint8), effort=1),
        lambda: imagecodecs.jpeg2k_encode(np.zeros((3000, 4000, 3), np.uint8)),
    ],
)
def test_no_file_takes_more_memory_than_the_limit(tmp_path, make):
    decoding.start()
    decoding.decode(write(tmp_path / "a.png", encode(random_images(1)[0])), MAX_PIXELS)
    start = {child.pid: child.memory_info().rss for child in children()}
    path = write(tmp_path / "large", make())
    with suppress(ImageError):  # Refused or not, it doesn't take more.
        decoding.decode(path, MAX_PIXELS)
    for child in children():
        peak = 1024 * int(Path(f"/proc/{child.pid}/status").read_text().split("VmHWM:")[1].split()[0])
        assert peak - start.get(child.pid, peak) < MEMORY


def test_a_visitor_has_one_file_read_and_one_waiting(tmp_path, monkeypatch):
    pool = decoding.DecoderPool(2)
    held = threading.Event()

    def hold() -> None:
        with pool.take("a"):
            held.wait(20)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    while pool._turns.get("a", (None, 0))[1] < 2:
        time.sleep(0.01)
    with pytest.raises(ImageError, match="two of your files"), pool.take("a"):
        pass
    with pool.take("b"):  # Another visitor doesn't wait.
        pass
    held.set()
    for thread in threads:
        thread.join()
    assert not pool._turns


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("172.200.3.4", "172.200.3.4"),  # Not all of 172.* is private.
        ("2a00:1450:4001:800::200e", "2a00:1450:4001:800::/64"),
        *((host, f"{host} tab") for host in ("127.0.0.1", "172.17.0.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1")),
    ],
)
def test_visitors_behind_a_private_address_are_told_apart_by_session(monkeypatch, host: str, visitor: str):
    request = SimpleNamespace(client=SimpleNamespace(host=host), session_hash="tab")
    monkeypatch.setattr(LocalContext, "request", SimpleNamespace(get=lambda default: request))
    assert decoding._visitor() == visitor


def test_another_visitor_does_not_wait_for_a_slow_file(tmp_path, monkeypatch):
    slow = write(tmp_path / "slow.jpg", many_scans(4000, 30))
    quick = write(tmp_path / "quick.png", encode(random_images(1)[0]))
    visitors = threading.local()
    monkeypatch.setattr(decoding, "_visitor", lambda: visitors.name)
    ended: list[str] = []

    def bring(name: str, path: Path) -> None:
        visitors.name = name
        with suppress(ImageError):
            decoding.decode(path, MAX_PIXELS)
        ended.append(name)

    for child in decoding._POOL.children:  # As in the demo, both processes have started.
        child.decode(quick, MAX_PIXELS, 60)
    threads = [threading.Thread(target=bring, args=("a", slow)), threading.Thread(target=bring, args=("b", quick))]
    threads[0].start()
    while not decoding._POOL._turns:
        time.sleep(0.01)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert ended == ["b", "a"]


@pytest.mark.slow
def test_the_worst_file_costs_another_visitor_less_than_a_second(tmp_path, monkeypatch):
    """Twenty megabytes of runs of a single pixel take longer than the limit of ten seconds."""
    runs = (b"\1\5" * 3000 + b"\0\0") * 3300 + b"\0\1"
    worst = write(tmp_path / "worst.bmp", bmp(8, 1, runs, bytes(1024), 3300, 3000))
    photo = write(tmp_path / "photo.jpg", encode(random_images(1, 1000)[0], "JPEG"))
    visitors = threading.local()
    monkeypatch.setattr(decoding, "_visitor", lambda: visitors.name)

    def bring(name: str, path: Path) -> float:
        visitors.name, started = name, time.monotonic()
        with suppress(ImageError):
            decoding.decode(path, MAX_PIXELS)
        return time.monotonic() - started

    for child in decoding._POOL.children:  # As in the demo, both processes have started.
        child.decode(photo, MAX_PIXELS, 60)
    alone = bring("b", photo)
    thread = threading.Thread(target=bring, args=("a", worst))
    thread.start()
    while not decoding._POOL._turns:
        time.sleep(0.01)
    beside = bring("b", photo)
    print(f"{alone:.3f} s alone, {beside:.3f} s beside the worst file")
    assert thread.is_alive()
    assert beside < alone + 3  # It is less than one second where nothing else runs.
    thread.join()


def test_the_network_is_used_by_one_at_a_time():
    inside, most = 0, 0

    class Model:
        name = "unet"

        def colorize(self) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    model = decoding.LockedModel(Model())
    threads = [threading.Thread(target=model.colorize) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert model.name == "unet"
