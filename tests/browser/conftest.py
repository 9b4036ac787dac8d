"""Fixtures and steps shared by the browser tests of the demo."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Download, Page, expect

from colorizer import Colorizer, decode_image

SIZES = {"desktop": (1280, 800), "large": (1920, 1080), "phone": (390, 844)}
AFTER = ".stage .after"  # The colorized picture.


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, demo_url: str) -> Iterator[Page]:
    """Open the demo; at the end, check that no other host was contacted and the console has no error."""
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
    page.wait_for_selector(".stage .download")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    assert not page.locator("img:visible:not([alt]), img:visible[alt='']").count()
    page.close()
    assert not errors


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


desktop = pytest.mark.parametrize("page", ["desktop"], indirect=True)


def fetch_picture(page: Page, selector: str) -> np.ndarray:
    """Fetch a picture of the stage, as the browser received it."""
    return decode_image(page.request.get(page.locator(selector).evaluate("image => image.src")).body())


def download(page: Page, button: str) -> Download:
    """Press a button that saves a file, and wait for the file."""
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value


def wait_for(page: Page, name: str) -> None:
    """Wait until the stage shows a photo's result."""
    expect(page.locator(AFTER)).to_have_attribute("src", re.compile(f"{name}-color"), timeout=180_000)
    expect(page.locator(".busy")).to_be_hidden(timeout=180_000)


def bring(page: Page, path: Path) -> None:
    """Open a photo, and wait for its result."""
    page.set_input_files("#photo-file", path)
    wait_for(page, path.stem)


def download_exact(page: Page) -> np.ndarray:
    """Download the pixel-exact result."""
    if not page.locator(".download-png").is_visible():
        page.locator(".advanced summary").click()
    return decode_image(download(page, ".download-png").path())


def is_on_screen(page: Page, selector: str) -> bool:
    """Whether all of an element, to half a pixel, is visible without scrolling."""
    box, size = page.locator(selector).bounding_box(), page.viewport_size
    assert box, selector
    return (
        box["x"] >= -0.5
        and box["y"] >= -0.5
        and box["x"] + box["width"] <= size["width"] + 0.5
        and box["y"] + box["height"] <= size["height"] + 0.5
    )
