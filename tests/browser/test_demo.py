"""The demo in a real browser, as a person uses it."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import ROOT, encode, random_images
from PIL import Image
from playwright.sync_api import Browser, Download, JSHandle, Page, Request, Response, expect
from video_files import moving, plane, read_frames, write_video

from colorizer import Colorizer, decode_image
from colorizer.demo.drawings import group_layers
from colorizer.demo.gallery import Gallery
from colorizer.imaging.aging import age_as
from colorizer.imaging.color import fit_within, gray_copy, to_chroma
from colorizer.inference.autoencoder import LatentSpace, draw_strip
from colorizer.inference.checkpoint import Checkpoint

pytestmark = pytest.mark.slow  # Minutes, all together.

SIZES = {"desktop": (1280, 800), "large": (1920, 1080), "phone": (390, 844)}
AFTER = ".stage .after"  # The colorized picture.
AXE = "axe-core@4.10.3"


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
    page.wait_for_selector(".stage .download")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    assert not page.locator("img:visible:not([alt]), img:visible[alt='']").count()
    page.close()
    assert not errors


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch axe-core, which finds faults of accessibility."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    done = npm and subprocess.run([npm, "install", "--no-save", "--prefix", folder, AXE], capture_output=True)
    if not done or done.returncode:
        missing = f"{AXE} can't be installed by npm"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return folder / "node_modules/axe-core/axe.min.js"


desktop = pytest.mark.parametrize("page", ["desktop"], indirect=True)


def _pixels(page: Page, panel: str) -> np.ndarray:
    """Fetch the picture that a panel shows, as the browser got it."""
    source = page.locator(f"{panel} img").get_attribute("src")
    return decode_image(page.request.get(source).body())


def _shown(page: Page, picture: str) -> np.ndarray:
    """Fetch a picture of the stage, as the browser got it."""
    return decode_image(page.request.get(page.locator(picture).evaluate("image => image.src")).body())


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


def _download(page: Page, button: str) -> Download:
    with page.expect_download() as download:
        page.locator(button).click()
    return download.value


def _count_events(page: Page) -> list[str]:
    """Note each event that someone causes from now on; those of the opening page, which may come late, don't count."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("queue/join?") and request.post_data_json["trigger_id"]:
            sent.append(request.url)

    page.on("request", note)
    return sent


def _open_test_set(page: Page) -> None:
    page.get_by_role("tab", name="CIFAR-10").click()
    expect(page.locator(".test-autoencoder")).to_be_visible(timeout=180_000)


def _test_pixels(page: Page, name: str) -> np.ndarray:
    source = page.locator(f".test-{name}").get_attribute("src")
    return decode_image(base64.b64decode(source.partition(",")[2]))


def _wait_for(page: Page, name: str) -> None:
    """Wait until the stage shows a photo's result."""
    expect(page.locator(AFTER)).to_have_attribute("src", re.compile(f"{name}-color"), timeout=180_000)
    expect(page.locator(".busy")).to_be_hidden(timeout=180_000)


def _bring(page: Page, path: Path) -> None:
    page.set_input_files("#photo-file", path)
    _wait_for(page, path.stem)


def _exact(page: Page) -> np.ndarray:
    """Download the pixel-exact result."""
    if not page.locator(".download-png").is_visible():
        page.locator(".advanced summary").click()
    return decode_image(_download(page, ".download-png").path())


def _is_on_screen(page: Page, selector: str) -> bool:
    box, size = page.locator(selector).bounding_box(), page.viewport_size
    assert box, selector
    return (
        box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size["width"]
        and (box["y"] + box["height"] <= size["height"])
    )


@pytest.mark.parametrize("shape", [(400, 600), (500, 500), (600, 400), (200, 600)])
def test_the_result_is_on_the_screen(page: Page, tmp_path: Path, shape: tuple[int, int]):
    photo = tmp_path / "wide.jpg"
    photo.write_bytes(encode(random_images(1, max(shape))[0, : shape[0], : shape[1]], "JPEG"))
    _bring(page, photo)
    page.evaluate("scrollTo(0, 0)")
    assert _is_on_screen(page, ".frame")
    if page.viewport_size["width"] > 1000:
        assert _is_on_screen(page, ".download")
    if page.viewport_size["width"] > 1500:
        assert _is_on_screen(page, ".panels")
    box = page.locator(".frame").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_it_opens_finished(page: Page):
    assert _is_on_screen(page, ".frame")
    after = page.locator(AFTER)
    assert after.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert "colorized" in after.get_attribute("alt")
    clip = page.locator(".before").evaluate("image => getComputedStyle(image).clipPath")
    assert clip == "inset(0px 50% 0px 0px)"
    buttons = page.locator(".examples button")
    tops = {round(buttons.nth(i).bounding_box()["y"]) for i in range(buttons.count())}
    assert len(tops) == 1, "the examples stand in one row"
    expect(page.locator("#credits li").first).to_be_hidden()


def test_choose_a_file_and_download(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/coffee.jpg"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a photo").click()
    chooser.value.set_files(photo)
    _wait_for(page, "coffee")
    for panel in ("gray", "colorized", "truth"):
        expect(page.locator(f".panels .{panel}")).to_be_visible()
    expect(page.locator(".gray-note")).to_be_hidden()
    expected = colorizer.colorize(photo)
    same = _download(page, ".download")
    assert same.suggested_filename == "coffee-color.jpg"
    assert Image.open(same.path()).format == "JPEG"
    assert np.abs(decode_image(same.path()).astype(int) - expected).mean() < 2
    np.testing.assert_array_equal(_exact(page), expected)
    shown = _shown(page, AFTER)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 3
    assert np.ptp(_shown(page, ".before").astype(int), axis=-1).max() == 0
    shared = _download(page, ".share")
    assert shared.suggested_filename == "coffee-before-after.jpg"
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
    _wait_for(page, "gray")
    expect(page.locator(".gray-note")).to_be_visible()
    expect(page.locator(".panels")).to_be_hidden()
    np.testing.assert_array_equal(_shown(page, AFTER), colorizer.colorize(path))
    assert page.locator(AFTER).evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


@desktop
def test_paste(page: Page, colorizer: Colorizer):
    for name in ("00_cat", "01_ship"):
        path = ROOT / f"samples/cifar10/{name}.png"
        page.evaluate(
            "clipboardData => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true}))",
            _transfer(page, path),
        )
        _wait_for(page, name)
        np.testing.assert_array_equal(_shown(page, AFTER), colorizer.colorize(path))


@desktop
def test_example(page: Page, colorizer: Colorizer):
    page.locator(".examples button:has(img[alt^=Chelsea])").click()
    _wait_for(page, "cat")
    np.testing.assert_array_equal(_exact(page), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


def test_the_slider_by_keys_and_by_touch(page: Page):
    position = page.get_by_role("slider", name="Before and after")
    position.focus()
    position.press("ArrowRight")
    position.press("ArrowRight")
    assert position.input_value() == "52"
    frame = page.locator(".frame")
    box = frame.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=4)
    page.mouse.up()
    assert position.input_value() == "80"
    assert frame.evaluate("frame => frame.style.getPropertyValue('--position')") == "80%"
    assert "pan-y" in frame.evaluate("frame => getComputedStyle(frame).touchAction")  # It doesn't trap scrolling.


def test_six_clicks_in_a_second_are_six_dabs(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    _bring(page, photo)
    first = page.locator(AFTER).get_attribute("src")
    page.get_by_role("tab", name="Fix colors").click()
    for button in (".undo", ".redo", ".delete", ".clear"):
        expect(page.locator(button)).to_be_disabled()
    # The server is slow to answer: a ring is there all the same, before any answer.
    page.locator(".dabs").scroll_into_view_if_needed()
    places = page.evaluate(
        """places => {
            const overlay = document.querySelector(".dabs"), box = overlay.getBoundingClientRect();
            window.rings = [];
            return places.map(([x, y]) => {
                // Clicks are at whole pixels of the screen.
                const left = Math.round(box.left + x * box.width), top = Math.round(box.top + y * box.height);
                overlay.dispatchEvent(new MouseEvent("click", {clientX: left, clientY: top, bubbles: true}));
                window.rings.push(document.querySelectorAll(".ring").length);
                return [(left - box.left) / box.width, (top - box.top) / box.height];
            });
        }""",
        [(0.15 * i, 0.3) for i in range(1, 7)],
    )
    assert page.evaluate("window.rings") == [1, 2, 3, 4, 5, 6]
    expect(page.locator(AFTER)).not_to_have_attribute("src", first, timeout=180_000)
    # Answers to the first dabs may be shown before that to all six.
    hints = [(int(x * 451), int(y * 300), "#3060a0") for x, y in places]
    expected = colorizer.colorize(photo, hints=hints)
    for _ in range(120):
        result = _exact(page)
        if np.array_equal(result, expected):
            break
        page.wait_for_timeout(500)
    np.testing.assert_array_equal(result, expected)

    page.locator(".ring").nth(2).click()
    page.locator(".delete").click()
    expect(page.locator(".ring")).to_have_count(5)
    page.locator(".undo").click()
    expect(page.locator(".ring")).to_have_count(6)
    page.locator(".undo").click()
    expect(page.locator(".ring")).to_have_count(5)
    page.locator(".redo").click()
    expect(page.locator(".ring")).to_have_count(6)
    page.locator(".clear").click()
    expect(page.locator(".ring")).to_have_count(0)
    expect(page.locator(AFTER)).to_have_attribute("src", first, timeout=180_000)
    expect(page.locator(".clear")).to_be_disabled()


@desktop
def test_each_quick_click_of_a_mouse_is_a_dab(page: Page):
    page.get_by_role("tab", name="Fix colors").click()
    box = page.locator(".dabs").bounding_box()
    for i in range(1, 7):
        page.mouse.click(box["x"] + box["width"] * i / 7, box["y"] + box["height"] * 0.4)
    expect(page.locator(".ring")).to_have_count(6)


@desktop
def test_reach_of_a_dab(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    _bring(page, photo)
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".dabs").press("Enter")
    hints = [(225, 150, "#3060a0")]
    np.testing.assert_array_equal(_exact(page), colorizer.colorize(photo, hints=hints))
    page.get_by_role("slider", name="Reach").fill("0.2")
    np.testing.assert_array_equal(_exact(page), colorizer.colorize(photo, hints=hints, reach=0.2))


@desktop
def test_old_prints_are_prepared_unless_that_is_switched_off(page: Page, colorizer: Colorizer, tmp_path: Path):
    scan, _ = age_as(fit_within(decode_image(ROOT / "samples/photos/cat.jpg"), 256), "jpeg-border")
    Image.fromarray(scan).save(tmp_path / "scan.png")
    _bring(page, tmp_path / "scan.png")
    prepared = _exact(page)
    np.testing.assert_array_equal(prepared, colorizer.colorize(tmp_path / "scan.png"))
    page.get_by_label("Prepare old prints").uncheck()
    expected = colorizer.colorize(tmp_path / "scan.png", prepare=False)
    np.testing.assert_array_equal(_exact(page), expected)
    assert not np.array_equal(expected, prepared)


def test_dabs_by_keys(page: Page):
    page.get_by_role("tab", name="Fix colors").click()
    overlay = page.locator(".dabs")
    overlay.focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "Enter"):
        overlay.press(key)
    ring = page.locator(".ring")
    expect(ring).to_have_count(1)
    style = ring.get_attribute("style")
    assert "left: 51%" in style
    assert "top: 55%" in style
    ring.focus()
    ring.press("Delete")
    expect(ring).to_have_count(0)


def test_the_walk_of_a_visitor(page: Page, colorizer: Colorizer):
    """Colorize a photo, correct a color, take another version, download."""
    photo = ROOT / "samples/photos/cat.jpg"
    _bring(page, photo)
    page.get_by_role("tab", name="Fix colors").click()
    overlay = page.locator(".dabs")
    box = overlay.bounding_box()
    overlay.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.2})
    swatches = page.locator(".swatches button")
    expect(swatches.first).to_be_visible(timeout=180_000)
    shown = page.locator(AFTER).get_attribute("src")
    color = swatches.nth(1).get_attribute("aria-label")
    swatches.nth(1).click()
    expect(page.locator("input[type=color]")).to_have_value(color)  # It opens at the color that it shows.
    expect(page.locator(AFTER)).not_to_have_attribute("src", shown, timeout=180_000)
    expect(page.locator(".busy")).to_be_hidden(timeout=180_000)
    x, y = int(0.75 * 451), int(0.2 * 300)
    dabbed = _exact(page)
    wanted = to_chroma(np.array(list(bytes.fromhex(color[1:])), np.uint8))
    assert np.abs(to_chroma(dabbed[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06

    # Dabs survive a model that takes none.
    page.get_by_role("radio", name="Autoencoder").check()
    expect(page.get_by_text("The autoencoder can't be corrected by hand")).to_be_visible()
    np.testing.assert_array_equal(_exact(page), Colorizer.load("autoencoder").colorize(photo))
    page.get_by_role("radio", name="U-Net").check()
    np.testing.assert_array_equal(_exact(page), dabbed)

    # Another version, which keeps the dab, shown large.
    page.get_by_role("tab", name="Other versions").click()
    page.locator(".ask").click()
    versions = page.locator(".versions button:has(img)")
    expect(versions).to_have_count(4, timeout=180_000)
    page.get_by_text("Where the model is unsure").click()
    expect(page.locator(".doubt img")).to_be_visible()
    expect(page.locator(".legend")).to_be_visible()
    before = page.locator(AFTER).get_attribute("src")
    versions.nth(2).click()
    expect(page.locator(AFTER)).not_to_have_attribute("src", before, timeout=180_000)
    other = _exact(page)
    assert np.abs(to_chroma(other) - to_chroma(dabbed)).mean() > 0.002
    assert np.abs(to_chroma(other[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06
    page.locator(".ask").click()
    expect(versions).to_have_count(8, timeout=180_000)
    page.get_by_role("button", name="First version").click()
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".clear").click()
    np.testing.assert_array_equal(_exact(page), colorizer.colorize(photo))


@desktop
def test_pick_a_color_from_the_original(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    _bring(page, photo)
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".pipette").click()
    box = page.locator(".dabs").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".pipette")).to_have_attribute("aria-pressed", "false")
    picked = list(bytes.fromhex(page.locator("input[type=color]").input_value()[1:]))
    assert np.abs(decode_image(photo)[150, 225].astype(int) - picked).max() < 24  # It is shown as JPEG.
    expect(page.locator(".ring")).to_have_count(0)


@desktop
def test_the_last_of_several_photos_is_shown(page: Page, colorizer: Colorizer):
    for name in ("coffee.jpg", "cat.jpg"):
        page.set_input_files("#photo-file", ROOT / "samples/photos" / name)
    _wait_for(page, "cat")
    page.wait_for_timeout(1500)
    _wait_for(page, "cat")
    np.testing.assert_array_equal(_exact(page), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


def test_no_barriers(page: Page, axe: Path):
    page.add_script_tag(path=axe)
    found = []

    def look(place: str) -> None:
        for theme in ("light", "dark"):
            # As Gradio does; loading anew would abort its requests.
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
            page.wait_for_timeout(500)
            result = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
            found.extend(
                f"{place}, {theme}: {fault['id']} at {node['target']}: {node['failureSummary']}"
                for fault in result["violations"]
                if fault["impact"] in ("serious", "critical")
                for node in fault["nodes"]
            )

    page.locator(".advanced summary").click()
    for mode in ("Compare", "Fix colors", "Other versions"):
        page.get_by_role("tab", name=mode).click()
        if mode == "Fix colors":
            page.locator(".dabs").press("Enter")
            expect(page.locator(".swatches button").first).to_be_visible(timeout=180_000)
        look(mode)
    for tab in ("Batch", "Video", "CIFAR-10", "How it works", "About"):
        page.get_by_role("tab", name=tab).click()
        look(tab)
    assert not found, "\n".join(found)


def test_refusals_stand_in_the_drop_zone(page: Page, tmp_path: Path):
    problem = page.get_by_role("alert")
    opened = page.locator(AFTER).get_attribute("src")
    for name, content, message in (
        ("holiday.png", b"words, not pixels", "is no image"),
        ("beach.png", b"", "is empty"),
        ("large.png", bytes(20_000_001), "20 MB is the limit"),
    ):
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#photo-file", tmp_path / name)
        expect(problem).to_contain_text(name, timeout=180_000)
        expect(problem).to_contain_text(message)
        expect(problem).to_contain_text("ring")  # What to do: bring another file, or bring it again.
        assert "/" not in problem.inner_text()
        assert _is_on_screen(page, ".problem")
        expect(page.locator(".busy")).to_be_hidden(timeout=180_000)
        expect(page.locator(AFTER)).to_have_attribute("src", opened)
    expect(page.locator(".toast-body:visible")).to_have_count(0)
    _bring(page, ROOT / "samples/cifar10/00_cat.png")
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


@desktop
@pytest.mark.parametrize("name", ["scan.tiff", "phone.heic"])
def test_file_that_browsers_can_not_show(page: Page, tmp_path: Path, name: str):
    path = tmp_path / name
    with Image.open(ROOT / "samples/photos/cat.jpg") as picture:
        picture.save(path, "TIFF" if name.endswith("tiff") else "HEIF")
    sent = _count_events(page)
    _bring(page, path)
    expect(page.locator(".before")).to_have_js_property("naturalWidth", 451)
    page.wait_for_timeout(500)
    assert len(sent) == 1, "colorized more than once"
    ending = "tiff" if name.endswith("tiff") else "jpg"
    assert _download(page, ".download").suggested_filename == f"{path.stem}-color.{ending}"


def test_settings_settle_at_once(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    _bring(page, photo)
    strength = page.get_by_role("slider", name="Color strength")
    for value in (0.5, 0.6, 0.8, 1):
        strength.fill(str(value))
    expect(page.locator(".busy")).to_be_hidden(timeout=180_000)
    np.testing.assert_array_equal(_exact(page), Colorizer.load().colorize(photo, vividness=1))
    detail = page.locator("input.detail")
    detail.select_text()
    detail.press_sequentially("200")
    detail.press("Tab")
    np.testing.assert_array_equal(_exact(page), Colorizer.load().colorize(photo, vividness=1, detail=200))
    # An emptied number goes back to its default.
    for field in (detail, page.locator(".vividness-number")):
        field.fill("")
        field.press("Tab")
        expect(field).not_to_have_value("")
    np.testing.assert_array_equal(_exact(page), Colorizer.load().colorize(photo))
    expect(page.locator(".toast-body")).to_have_count(0)
    page.get_by_role("radio", name="Autoencoder").check()
    expect(strength).to_be_hidden()
    np.testing.assert_array_equal(_exact(page), Colorizer.load("autoencoder").colorize(photo))


def test_the_first_view_is_light(browser: Browser, demo_url: str):
    """What the opening page fetches of this project's own: its pictures, scripts and styles."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    own: list[Response] = []
    page.on("response", lambda response: own.append(response) if "file=" in response.url else None)
    page.goto(demo_url)
    page.wait_for_selector(".stage .download")
    page.wait_for_function("[...document.images].every(image => image.complete)")  # The server's heartbeat never ends.
    sizes = {response.url: len(response.body()) for response in own}
    assert 0 < sum(sizes.values()) < 400_000, sizes
    page.close()


@desktop
def test_a_film(page: Page, tmp_path: Path):
    """A frame first, then the film; canceled once; what is no film is refused in place."""
    film = write_video(tmp_path / "garden.mp4", moving(75, 96, 128), sound="aac")
    page.get_by_role("tab", name="Video").click()
    expect(page.get_by_text("at most 30 seconds, 1,280 × 720 pixels and 50 MB")).to_be_visible()
    (tmp_path / "clip.mp4").write_text(f"#EXTM3U\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n")
    page.set_input_files("#film input[type=file]", tmp_path / "clip.mp4")
    expect(page.get_by_role("alert")).to_contain_text("clip.mp4 is no video that can be read", timeout=240_000)
    expect(page.locator("#film-work")).to_be_hidden()

    page.locator("#film").get_by_label("Clear").click()
    page.set_input_files("#film input[type=file]", film)
    still = page.locator("#film-still img")
    expect(still).to_be_visible(timeout=240_000)
    first = still.get_attribute("src")
    strength = page.locator("#film-vividness input[type=range]")
    strength.fill("1")
    strength.dispatch_event("pointerup")
    expect(still).not_to_have_attribute("src", first, timeout=240_000)

    page.get_by_role("button", name="Colorize the film").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#film-state")).to_contain_text("Canceled", timeout=240_000)
    page.get_by_role("button", name="Colorize the film").click()
    expect(page.locator("#film-state")).to_contain_text("75 frames in", timeout=240_000)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    # Chromium as Debian builds it plays H.264.
    player = page.locator("#film-result video")
    page.wait_for_function("document.querySelector('#film-result video').readyState >= 2", timeout=180_000)
    assert player.evaluate("video => [video.videoWidth, video.videoHeight]") == [128, 96]
    download = _download(page, "#film-download")
    assert download.suggested_filename == "garden-color.mp4"
    frames = read_frames(Path(download.path()))
    assert len(frames) == 75
    assert plane(frames[40], 1).std() + abs(float(plane(frames[40], 1).mean()) - 128) > 1  # It has color.


def test_random_test_image(page: Page):
    _open_test_set(page)
    caption = page.locator(".test-caption")
    before = caption.inner_text()

    def draw() -> bool:
        page.get_by_role("button", name="Random image").click()
        page.wait_for_timeout(300)
        return caption.inner_text() != before

    assert any(draw() for _ in range(40))  # The same image may be drawn again.
    assert _is_on_screen(page, ".test-panels")
    tops = [page.locator(f".test-{name}").bounding_box()["y"] for name in ("gray", "unet", "autoencoder-raw", "truth")]
    assert len(set(tops)) == 1, "the panels stand in one row"


def test_choose_a_test_image(page: Page, colorizer: Colorizer):
    _open_test_set(page)
    expect(page.locator("#origin")).to_contain_text("20 sample images")
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cat").click()
    caption = page.locator(".test-caption")
    expect(caption).to_have_text("cat, image 1 of 20", timeout=180_000)  # What was chosen is shown at once.
    thumbnails = page.locator("#gallery button.thumbnail-item")
    expect(thumbnails).to_have_count(2, timeout=180_000)
    thumbnails.nth(1).click()
    expect(caption).to_have_text("cat, image 9 of 20", timeout=180_000)
    figures = page.locator("#test-result table")
    expect(figures).to_contain_text(re.compile(r"U-Net\s*\d+%\D*\d+\.\d dB\s*0\.\d{3}"))
    truth = decode_image(ROOT / "samples/cifar10/08_cat.png")
    np.testing.assert_array_equal(_test_pixels(page, "truth"), truth)
    np.testing.assert_array_equal(_test_pixels(page, "gray"), gray_copy(truth))
    np.testing.assert_array_equal(_test_pixels(page, "unet"), colorizer.colorize(truth))
    autoencoder = Colorizer.load("autoencoder")
    np.testing.assert_array_equal(_test_pixels(page, "autoencoder"), autoencoder.colorize(truth))
    np.testing.assert_array_equal(_test_pixels(page, "autoencoder-raw"), autoencoder.colorize(truth, raw=True))
    assert page.locator(".test-truth").evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_gallery_by_error(page: Page):
    _open_test_set(page)
    thumbnails = page.locator("#gallery button.thumbnail-item")
    expect(thumbnails).to_have_count(20, timeout=180_000)
    gallery = Gallery.load(["unet", "autoencoder"])
    assert ("autoencoder", "worst") in gallery.orders
    for order in ("best", "worst"):
        page.get_by_label("Order", exact=True).click()
        page.get_by_role("option", name=f"Autoencoder: {order} first").click()
        expect(thumbnails).to_have_count(10, timeout=180_000)  # The more colorful half.
        row = gallery.list_rows(order=("autoencoder", order))[0]
        expect(page.locator(".test-caption")).to_have_text(f"{gallery.caption(row)} of 20", timeout=180_000)
        first = thumbnails.first.locator("img")
        expect(first).to_have_attribute("alt", gallery.caption(row), timeout=180_000)
    expect(page.get_by_text("colorful half of the images")).to_be_visible()
    record = json.loads((ROOT / "checkpoints/autoencoder/metrics.json").read_text())
    expect(page.locator("#test-result")).to_contain_text(f"{record['psnr']:.1f} dB")
    expect(page.locator("#test-result")).to_contain_text(f"{record['n']:,} test images")


def test_how_it_works(page: Page):
    tab = page.get_by_role("tab", name="How it works")
    tab.click()
    space = LatentSpace(Checkpoint.find("autoencoder"))
    samples = Gallery.of_samples().dataset
    panels = ("seen", "painted", "luma", "chroma", "joined", "raw", "full")
    for panel in (*panels, "walk"):
        page.locator(f"#{panel}").scroll_into_view_if_needed()  # Pictures are loaded when they come into view.
        expect(page.locator(f"#{panel} img")).to_be_visible(timeout=180_000)
    np.testing.assert_array_equal(_pixels(page, "#seen"), gray_copy(samples[0]))
    np.testing.assert_array_equal(_pixels(page, "#walk"), draw_strip(space.walk(samples[0], samples[1], 9)))
    expect(page.locator("#vector svg rect")).to_have_count(256)
    record = json.loads((ROOT / "checkpoints/autoencoder/metrics.json").read_text())
    expect(
        page.get_by_text(f"{record['raw']['relative_mse']:.0%} of the squared error of the gray baseline")
    ).to_be_visible()

    # Another test image, and one of the visitor's own.
    before = page.locator("#seen img").get_attribute("src")
    page.locator("#follow button.thumbnail-item").nth(4).click()
    expect(page.locator("#seen img")).not_to_have_attribute("src", before, timeout=180_000)
    np.testing.assert_array_equal(_pixels(page, "#joined"), space.pass_through(samples[4]).joined)
    photo = ROOT / "samples/photos/cat.jpg"
    before = page.locator("#full img").get_attribute("src")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Your own image").click()
    chooser.value.set_files(photo)
    expect(page.locator("#full img")).not_to_have_attribute("src", before, timeout=180_000)
    np.testing.assert_array_equal(_pixels(page, "#full"), Colorizer.load("autoencoder").colorize(photo))

    before = page.locator("#walk img").get_attribute("src")
    page.get_by_label("To", exact=True).click()
    page.get_by_role("option", name="frog, image 5").click()
    expect(page.locator("#walk img")).not_to_have_attribute("src", before, timeout=180_000)
    np.testing.assert_array_equal(_pixels(page, "#walk"), draw_strip(space.walk(samples[0], samples[4], 9)))

    config = json.loads((ROOT / "checkpoints/autoencoder/config.json").read_text())
    expect(page.locator("#layers-autoencoder .layers li")).to_have_count(len(group_layers(config["layers"])))
    page.get_by_text(f"All {len(config['layers'])} layers").click()
    expect(page.locator("#layers-autoencoder tbody tr")).to_have_count(len(config["layers"]))
    assert page.locator("#curves-autoencoder-1 polyline").count() == 2


@desktop
def test_about(page: Page):
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#about-text")).to_contain_text("deleted after at most an hour")
