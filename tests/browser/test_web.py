"""The static page in a real browser: it gives the same colors as Python, locally and offline."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import ROOT, encode, random_images, require
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from colorizer import Colorizer, decode_image
from colorizer.imaging.color import gray_copy
from colorizer.inference.options import DEFAULT_VIVIDNESS

pytestmark = pytest.mark.slow

WEB = ROOT / "web"
SAMPLES = sorted([*(ROOT / "samples/cifar10").glob("*.png"), *(ROOT / "samples/photos").glob("*.jpg")])


class Handler(SimpleHTTPRequestHandler):
    """Serves files without logging each request."""

    def log_message(self, *arguments) -> None: ...


@pytest.fixture(scope="module")
def site() -> Path:
    """Build the page from its sources, as for hosting it."""
    npm = require("npm", shutil.which("npm"), "npm")
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        if command[0] != "ci" or not (WEB / "node_modules").exists() or os.environ.get("CI"):
            subprocess.run([npm, *command], cwd=WEB, check=True, timeout=250, capture_output=True)
    return WEB / "dist"


@pytest.fixture
def server(site: Path) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: ThreadingHTTPServer) -> Iterator[Page]:
    """Open the page; at the end, check that no other host was contacted and there were no errors."""
    page = context.new_page()
    page.set_default_timeout(120_000)
    wrong: list[str] = []

    def check_host(url: str) -> None:
        if urlsplit(url).scheme not in ("blob", "data") and urlsplit(url).hostname != "127.0.0.1":
            wrong.append(f"foreign request: {url}")

    context.on("request", lambda request: check_host(request.url))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    # LiteRT logs all kinds of notes to the error console; only policy violations matter here.
    page.on("console", lambda message: wrong.append(message.text) if "Security Policy" in message.text else None)
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than the screen"
    assert not wrong


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


def colorize(page: Page, path: Path) -> np.ndarray:
    """Open a file on the page, and download the result."""
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_have_text("Done", timeout=240_000)
    return download(page)


def download(page: Page) -> np.ndarray:
    with page.expect_download() as event:
        page.get_by_role("button", name="Download PNG").click()
    return opaque(event.value.path())


def opaque(path: Path) -> np.ndarray:
    """Read a PNG from the page, which always has alpha."""
    rgba = decode_image(path)
    assert (rgba[..., 3] == 255).all()
    return rgba[..., :3]


def assert_equal(result: np.ndarray, expected: np.ndarray) -> None:
    """Assert that no sample of any pixel differs by more than 2 of 255 levels."""
    assert result.shape == expected.shape
    difference = np.abs(result.astype(int) - expected)
    assert difference.max() <= 2, (
        f"{(difference > 2).mean():.2%} of the samples differ by more, {difference.max()} at most"
    )
    assert difference.mean() < 0.3


def test_it_paints_what_python_paints(page: Page, colorizer: Colorizer, tmp_path: Path):
    for sample in SAMPLES:
        path = tmp_path / f"{sample.stem}.png"  # Browsers' JPEG decoders differ.
        path.write_bytes(encode(decode_image(sample)))
        assert_equal(colorize(page, path), colorizer.colorize(path))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (33, 47), (95, 97), (300, 20), (257, 600), (801, 1003)])
def test_web_matches_python_at_any_size(page: Page, colorizer: Colorizer, tmp_path: Path, size: tuple[int, int]):
    path = tmp_path / "image.png"
    path.write_bytes(encode(np.asarray(Image.fromarray(random_images(1, 64)[0]).resize(size[::-1]))))
    assert_equal(colorize(page, path), colorizer.colorize(path))


def test_vividness_and_comparison(page: Page, colorizer: Colorizer):
    cat = ROOT / "samples/cifar10/00_cat.png"
    colorize(page, cat)
    slider = page.get_by_label("Vividness")
    expect(slider).to_have_value(str(DEFAULT_VIVIDNESS))
    for key, vividness in (("End", 1.0), ("Home", 0.0)):
        slider.press(key)
        assert_equal(download(page), colorizer.colorize(cat, vividness=vividness))

    before = page.get_by_role("img", name="Grayscale photo")
    pixels = before.evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    gray = np.array(pixels, np.uint8).reshape(32, 32, 4)[..., :3]
    np.testing.assert_array_equal(gray, gray_copy(decode_image(cat)))
    page.get_by_label("Grayscale on the left").press("Home")
    assert before.evaluate("c => getComputedStyle(c).clipPath") == "inset(0px 100% 0px 0px)"


def test_drop_and_name_of_the_download(page: Page, colorizer: Colorizer):
    path = ROOT / "samples/cifar10/01_ship.png"
    page.evaluate(
        """([bytes, name]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'}));
            document.querySelector('#source').dispatchEvent(new DragEvent('drop', {dataTransfer, bubbles: true}));
        }""",
        [list(path.read_bytes()), path.name],
    )
    expect(page.locator("#status")).to_have_text("Done", timeout=240_000)
    with page.expect_download() as event:
        page.get_by_role("button", name="Download PNG").click()
    assert event.value.suggested_filename == "01_ship-color.png"
    assert_equal(opaque(event.value.path()), colorizer.colorize(path))


def test_what_is_no_image_is_refused_and_the_next_is_colored(page: Page, tmp_path: Path):
    path = tmp_path / "holiday.png"
    path.write_text("words, not pixels")
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("holiday.png is not an image")
    colorize(page, ROOT / "samples/cifar10/00_cat.png")
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.slow
def test_of_two_photos_at_once_the_last_one_stays(page: Page):
    colorize(page, ROOT / "samples/cifar10/00_cat.png")
    page.evaluate(
        """async () => {
            const [status, photo] = ['#status', '#before'].map((id) => document.querySelector(id));
            document.body.dataset.widths = '';
            new MutationObserver(() => {
                if (status.textContent === 'Done') document.body.dataset.widths += ` ${photo.width}`;
            }).observe(status, {childList: true});
            const draw = async (side) => {
                const canvas = new OffscreenCanvas(side, side);
                canvas.getContext('2d').fillRect(0, 0, side, side);
                return new File([await canvas.convertToBlob()], `${side}.png`);
            };
            for (const file of [await draw(3000), await draw(40)]) {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(file);
                document.dispatchEvent(new DragEvent('drop', {dataTransfer}));
            }
        }"""
    )
    expect(page.locator("body")).to_have_attribute("data-widths", " 3000 40", timeout=240_000)


def test_offline_once_used(page: Page, server: ThreadingHTTPServer, colorizer: Colorizer):
    cat, ship = (ROOT / f"samples/cifar10/{name}.png" for name in ("00_cat", "01_ship"))
    colorize(page, cat)
    server.shutdown()
    server.server_close()
    page.reload()
    assert_equal(colorize(page, ship), colorizer.colorize(ship))
