"""A visitor opens a photo, changes settings, and downloads the result."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from playwright.sync_api import JSHandle, Page, Request, Route, expect

from browser.conftest import AFTER, bring, desktop, download, download_exact, fetch_picture, is_on_screen, wait_for
from colorizer import Colorizer, decode_image
from colorizer.imaging.aging import age_as
from colorizer.imaging.color import fit_within

pytestmark = pytest.mark.slow  # Minutes, all together.


def _transfer(page: Page, path: Path) -> JSHandle:
    """Make the `DataTransfer` of a dropped or pasted file."""
    return page.evaluate_handle(
        """([content, name]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, {type: "image/png"}));
            return transfer;
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name],
    )


def _count_events(page: Page) -> list[str]:
    """Record each event from now on, except late ones of the opening page."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("queue/join?") and request.post_data_json["trigger_id"]:
            sent.append(request.url)

    page.on("request", note)
    return sent


def test_choose_a_file_and_download(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/coffee.jpg"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a photo").click()
    chooser.value.set_files(photo)
    wait_for(page, "coffee")
    for panel in ("gray", "colorized", "truth"):
        expect(page.locator(f".panels .{panel}")).to_be_visible()
    expect(page.locator(".gray-note")).to_be_hidden()
    expected = colorizer.colorize(photo)
    same = download(page, ".download")
    assert same.suggested_filename == "coffee-color.jpg"
    assert Image.open(same.path()).format == "JPEG"
    assert np.abs(decode_image(same.path()).astype(int) - expected).mean() < 2
    np.testing.assert_array_equal(download_exact(page), expected)
    shown = fetch_picture(page, AFTER)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 3
    assert np.ptp(fetch_picture(page, ".before").astype(int), axis=-1).max() == 0
    shared = download(page, ".share")
    assert shared.suggested_filename == "coffee-before-after.jpg"
    assert b"compositeWithTrainedAlgorithmicMedia" in Image.open(shared.path()).info["xmp"]
    both = decode_image(shared.path())
    assert both.shape[0] * both.shape[1] == 2 * expected.shape[0] * expected.shape[1]


@desktop
def test_a_shared_picture_is_a_file_at_hand(page: Page):
    page.evaluate(
        """() => {
            navigator.canShare = () => true;
            navigator.share = async ({files}) => { window.shared = [files[0].name, files[0].type, files[0].size]; };
        }"""
    )
    page.locator(".share").click()
    page.wait_for_function("window.shared")
    name, kind, size = page.evaluate("window.shared")
    assert (name.endswith("-before-after.jpg"), kind) == (True, "image/jpeg")
    assert size > 10_000


@desktop
def test_drop_a_gray_file_anywhere(page: Page, colorizer: Colorizer, tmp_path: Path):
    path = tmp_path / "gray.png"
    Image.open(ROOT / "samples/cifar10/00_cat.png").convert("L").save(path)
    page.dispatch_event("#header", "drop", {"dataTransfer": _transfer(page, path)})
    wait_for(page, "gray")
    expect(page.locator(".gray-note")).to_be_visible()
    expect(page.locator(".panels")).to_be_hidden()
    np.testing.assert_array_equal(fetch_picture(page, AFTER), colorizer.colorize(path))
    assert page.locator(AFTER).evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


@desktop
def test_a_pasted_photo_is_colorized(page: Page, colorizer: Colorizer):
    for name in ("00_cat", "01_ship"):
        path = ROOT / f"samples/cifar10/{name}.png"
        page.evaluate(
            "clipboardData => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true}))",
            _transfer(page, path),
        )
        wait_for(page, name)
        np.testing.assert_array_equal(fetch_picture(page, AFTER), colorizer.colorize(path))


@desktop
def test_an_example_is_colorized(page: Page, colorizer: Colorizer):
    page.locator(".examples button:has(img[alt^=Chelsea])").click()
    wait_for(page, "cat")
    np.testing.assert_array_equal(download_exact(page), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


@desktop
def test_the_last_of_several_photos_is_shown(page: Page, colorizer: Colorizer):
    for name in ("coffee.jpg", "cat.jpg"):
        page.set_input_files("#photo-file", ROOT / "samples/photos" / name)
    wait_for(page, "cat")
    page.wait_for_timeout(1500)
    wait_for(page, "cat")
    np.testing.assert_array_equal(download_exact(page), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


def _hold(page: Page, what: str) -> list[Route]:
    """Hold the next request for something in the browser.

    Without ``times=1``: when the last such handler is done, Playwright releases all held requests.
    """
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.fallback()
        else:
            held.append(route)

    page.route(re.compile(what), hold)
    return held


def _wait_until_held(page: Page, held: list[Route]) -> Route:
    for _ in range(1200):
        if held:
            return held[0]
        page.wait_for_timeout(100)
    raise AssertionError("nothing was requested")


@desktop
def test_a_photo_is_not_blamed_for_the_one_before(page: Page, tmp_path: Path):
    (tmp_path / "holiday.png").write_bytes(b"words, not pixels")
    page.evaluate(
        """() => {
            const {paint} = window.stage.handlers;
            window.stage.handlers.paint = (response) => { paint(response); window.told = response.error; };
        }"""
    )
    request = _hold(page, "queue/join")
    page.set_input_files("#photo-file", tmp_path / "holiday.png")
    _wait_until_held(page, request)
    upload = _hold(page, "upload")
    page.set_input_files("#photo-file", ROOT / "samples/photos/cat.jpg")
    _wait_until_held(page, upload)
    request[0].continue_()
    page.wait_for_function("window.told?.startsWith('holiday.png')", timeout=180_000)
    expect(page.locator(".problem")).to_be_hidden()
    upload[0].continue_()
    wait_for(page, "cat")
    expect(page.locator(".problem")).to_be_hidden()


@desktop
def test_what_is_on_the_screen_is_downloaded(page: Page):
    bring(page, ROOT / "samples/photos/cat.jpg")
    request = _hold(page, "queue/join")
    page.set_input_files("#photo-file", ROOT / "samples/photos/coffee.jpg")
    _wait_until_held(page, request)
    assert download(page, ".download").suggested_filename == "cat-color.jpg"
    request[0].continue_()
    wait_for(page, "coffee")


@desktop
@pytest.mark.parametrize("name", ["scan.tiff", "phone.heic"])
def test_file_that_browsers_can_not_show(page: Page, tmp_path: Path, name: str):
    path = tmp_path / name
    with Image.open(ROOT / "samples/photos/cat.jpg") as picture:
        picture.save(path, "TIFF" if name.endswith("tiff") else "HEIF")
    sent = _count_events(page)
    bring(page, path)
    expect(page.locator(".before")).to_have_js_property("naturalWidth", 451)
    page.wait_for_timeout(500)
    assert len(sent) == 1, "colorized more than once"
    extension = "tiff" if name.endswith("tiff") else "jpg"
    assert download(page, ".download").suggested_filename == f"{path.stem}-color.{extension}"


def test_refusals_stand_in_the_drop_zone(page: Page, tmp_path: Path):
    problem = page.get_by_role("alert")
    opened = page.locator(AFTER).get_attribute("src")
    page.locator(".advanced summary").click()
    for name, content, message in (
        ("holiday.png", b"words, not pixels", "is not an image"),
        ("beach.png", b"", "is empty"),
        ("large.png", bytes(20_000_001), "the limit is 20 MB"),
    ):
        (tmp_path / name).write_bytes(content)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")  # A photo can be dropped anywhere.
        page.set_input_files("#photo-file", tmp_path / name)
        expect(problem).to_contain_text(name, timeout=180_000)
        expect(problem).to_contain_text(message)
        expect(problem).to_contain_text(re.compile("[Tt]ry a"))  # What to do: try another file, or try again.
        assert "/" not in problem.inner_text()
        assert is_on_screen(page, ".problem")
        expect(page.locator(".busy")).to_be_hidden(timeout=180_000)
        expect(page.locator(AFTER)).to_have_attribute("src", opened)
    expect(page.locator(".toast-body:visible")).to_have_count(0)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    bring(page, ROOT / "samples/cifar10/00_cat.png")
    assert is_on_screen(page, ".frame")
    expect(page.locator(".problem")).to_be_hidden()
    page.locator(".paste").click()  # Without the permission.
    expect(problem).to_contain_text("The browser doesn't let this page read the clipboard")
    page.locator(".examples button").first.click()
    expect(page.locator(".problem")).to_be_hidden()
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.setData("text/uri-list", "https://example.org/a.jpg");
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
        }"""
    )
    expect(problem).to_contain_text("That is a link, not a file")


def test_settings_settle_at_once(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    bring(page, photo)
    strength = page.get_by_role("slider", name="Color strength")
    for value in (0.5, 0.6, 0.8, 1):
        strength.fill(str(value))
    expect(page.locator(".busy")).to_be_hidden(timeout=180_000)
    np.testing.assert_array_equal(download_exact(page), Colorizer.load().colorize(photo, vividness=1))
    detail = page.locator("input.detail")
    detail.select_text()
    detail.press_sequentially("200")
    detail.press("Tab")
    np.testing.assert_array_equal(download_exact(page), Colorizer.load().colorize(photo, vividness=1, detail=200))
    # An emptied number field gets its default again.
    for field in (detail, page.locator(".vividness-number")):
        field.fill("")
        field.press("Tab")
        expect(field).not_to_have_value("")
    np.testing.assert_array_equal(download_exact(page), Colorizer.load().colorize(photo))
    expect(page.locator(".toast-body")).to_have_count(0)
    page.get_by_role("radio", name="Autoencoder").check()
    expect(strength).to_be_hidden()
    np.testing.assert_array_equal(download_exact(page), Colorizer.load("autoencoder").colorize(photo))


@desktop
def test_old_prints_are_prepared_unless_that_is_switched_off(page: Page, colorizer: Colorizer, tmp_path: Path):
    scan, _ = age_as(fit_within(decode_image(ROOT / "samples/photos/cat.jpg"), 256), "jpeg-border")
    Image.fromarray(scan).save(tmp_path / "scan.png")
    bring(page, tmp_path / "scan.png")
    prepared = download_exact(page)
    np.testing.assert_array_equal(prepared, colorizer.colorize(tmp_path / "scan.png"))
    page.get_by_label("Prepare old prints").uncheck()
    expected = colorizer.colorize(tmp_path / "scan.png", prepare=False)
    np.testing.assert_array_equal(download_exact(page), expected)
    assert not np.array_equal(expected, prepared)
