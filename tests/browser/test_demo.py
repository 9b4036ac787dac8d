"""The demo in a real browser, as a person uses it."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from playwright.sync_api import Browser, JSHandle, Page, expect

from colorizer import Colorizer, decode_image
from colorizer.metrics import gray_copy

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, demo_url: str) -> Iterator[Page]:
    """Open the demo; at the end nothing was asked of another host and the console has no error."""
    width, height = SIZES[request.param]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(60_000)
    errors: list[str] = []

    def check_host(url: str) -> None:
        if urlsplit(url).hostname not in (None, "127.0.0.1", "localhost"):
            errors.append(f"foreign request: {url}")

    page.on("request", lambda request: check_host(request.url))
    page.on("websocket", lambda socket: check_host(socket.url))
    page.on("pageerror", lambda error: errors.append(f"error: {error}"))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(demo_url)
    page.wait_for_selector("#source input[type=file]", state="attached")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    assert not page.locator("img:visible:not([alt]), img:visible[alt='']").and_(page.locator(".block img")).count()
    page.close()
    assert not errors


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


desktop = pytest.mark.parametrize("page", ["desktop"], indirect=True)


def _pixels(page: Page, panel: str) -> np.ndarray:
    """Fetch the picture that a panel shows, as the browser got it."""
    source = page.locator(f"{panel} img").get_attribute("src")
    return decode_image(page.request.get(source).body())


def _transfer(page: Page, path: Path) -> JSHandle:
    """Make what a browser hands over when a file is dropped or pasted."""
    return page.evaluate_handle(
        """([content, name]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, {type: "image/png"}));
            return transfer;
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name],
    )


def _open_test_set(page: Page) -> None:
    page.get_by_role("tab", name="CIFAR-10 test set").click()
    expect(page.locator("#test-autoencoder img")).to_be_visible(timeout=60_000)


def test_choose_a_file_and_download(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/coffee.jpg"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Drop an image here").click()
    chooser.value.set_files(photo)
    for panel in ("#gray", "#colorized", "#truth"):
        expect(page.locator(f"{panel} img")).to_be_visible(timeout=60_000)
    expect(page.locator("#gray-note")).to_be_hidden()
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "coffee-color.png"
    expected = colorizer.colorize(photo)
    np.testing.assert_array_equal(decode_image(download.value.path()), expected)
    np.testing.assert_array_equal(_pixels(page, "#colorized"), expected)
    np.testing.assert_array_equal(_pixels(page, "#gray"), gray_copy(decode_image(photo)))
    np.testing.assert_array_equal(_pixels(page, "#truth"), decode_image(photo))


@desktop
def test_drop_a_gray_file(page: Page, colorizer: Colorizer, tmp_path: Path):
    path = tmp_path / "gray.png"
    Image.open(ROOT / "samples/cifar10/00_cat.png").convert("L").save(path)
    page.dispatch_event("#source input[type=file]", "drop", {"dataTransfer": _transfer(page, path)})
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    expect(page.locator("#gray-note")).to_be_visible()
    expect(page.locator("#truth")).to_be_hidden()
    np.testing.assert_array_equal(_pixels(page, "#colorized"), colorizer.colorize(path))
    assert page.locator("#colorized img").evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


@desktop
def test_paste(page: Page, colorizer: Colorizer):
    for name in ("00_cat", "01_ship"):  # Into the empty place, then over the image that is there.
        path = ROOT / f"samples/cifar10/{name}.png"
        page.evaluate(
            "clipboardData => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true}))",
            _transfer(page, path),
        )
        colorized = page.locator("#colorized img")
        expect(colorized).to_have_attribute("src", re.compile(f"{name}-color.png"), timeout=60_000)
        np.testing.assert_array_equal(_pixels(page, "#colorized"), colorizer.colorize(path))


@desktop
def test_example(page: Page, colorizer: Colorizer):
    page.locator("#examples button:has(img[alt=cat])").click()
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    np.testing.assert_array_equal(_pixels(page, "#colorized"), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


def test_broken_files(page: Page, tmp_path: Path):
    for name, content, message in (("holiday.png", "words, not pixels", "is no image"), ("beach.png", "", "is empty")):
        path = tmp_path / name
        path.write_text(content)
        page.set_input_files("#source input[type=file]", path)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(f"{name} {message}", timeout=60_000)
        assert "/" not in alert.inner_text()
        # The place is free for the next try.
        expect(page.get_by_text("Drop an image here")).to_be_visible(timeout=60_000)
        expect(page.locator("#results")).to_be_hidden()
    page.set_input_files("#source input[type=file]", ROOT / "samples/cifar10/00_cat.png")
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    expect(alert).to_be_hidden()


@desktop
def test_file_that_browsers_can_not_show(page: Page, tmp_path: Path):
    path = tmp_path / "scan.tiff"
    Image.open(ROOT / "samples/photos/cat.jpg").save(path)
    page.set_input_files("#source input[type=file]", path)
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    expect(page.locator("#source img")).to_have_js_property("naturalWidth", 451, timeout=60_000)


def test_random_test_image(page: Page):
    _open_test_set(page)
    figures = page.locator("#figures")
    before = figures.inner_text()

    def draw() -> bool:
        page.get_by_role("button", name="Random image").click()
        page.wait_for_timeout(300)
        return figures.inner_text() != before

    assert any(draw() for _ in range(40))  # The same image may be drawn again.
    expect(page.locator("#test-autoencoder img")).to_be_visible()


def test_choose_a_test_image(page: Page, colorizer: Colorizer):
    _open_test_set(page)
    expect(page.locator("#origin")).to_contain_text("20 sample images")
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cat").click()
    thumbnails = page.locator("#gallery button.thumbnail-item")
    expect(thumbnails).to_have_count(2, timeout=60_000)
    thumbnails.nth(1).click()
    expect(page.locator("#figures")).to_contain_text("cat, image 9 of 20", timeout=60_000)
    expect(page.locator("#figures")).to_contain_text(re.compile(r"Autoencoder\s+\d+%\s+\d+\.\d dB\s+0\.\d{3}"))
    truth = decode_image(ROOT / "samples/cifar10/08_cat.png")
    np.testing.assert_array_equal(_pixels(page, "#test-truth"), truth)
    np.testing.assert_array_equal(_pixels(page, "#test-gray"), gray_copy(truth))
    np.testing.assert_array_equal(_pixels(page, "#test-unet"), colorizer.colorize(truth))
    autoencoder = Colorizer.load("autoencoder")
    np.testing.assert_array_equal(_pixels(page, "#test-autoencoder"), autoencoder.colorize(truth))
    np.testing.assert_array_equal(_pixels(page, "#test-autoencoder-raw"), autoencoder.colorize(truth, raw=True))
    assert page.locator("#test-truth img").bounding_box()["width"] > 120
    assert page.locator("#test-truth img").evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


@desktop
def test_about(page: Page):
    page.get_by_role("tab", name="About").click()
    about = page.locator("#about-text")
    expect(about).to_contain_text("deleted after at most an hour")
    record = ROOT / "checkpoints/autoencoder/metrics.json"
    if record.exists():
        expect(about).to_contain_text(f"{json.loads(record.read_text())['psnr']:.1f} dB")
