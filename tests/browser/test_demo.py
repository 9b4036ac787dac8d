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
from conftest import ROOT, encode
from PIL import Image
from playwright.sync_api import Browser, Download, JSHandle, Page, Request, expect

from colorizer import Colorizer, decode_image
from colorizer.demo.drawings import group_layers
from colorizer.demo.gallery import Gallery
from colorizer.imaging.color import gray_copy, to_chroma
from colorizer.inference.autoencoder import LatentSpace, draw_strip
from colorizer.inference.checkpoint import Checkpoint

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
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
    page.wait_for_selector("#source input[type=file]", state="attached")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    # The slider shows again what the labeled panels show; Gradio gives its pictures no words.
    nameless = page.locator("img:visible:not([alt]), img:visible[alt='']")
    assert not nameless.and_(page.locator(".block:not(#slider) img")).count()
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
    expect(page.locator("#test-autoencoder img")).to_be_visible(timeout=60_000)


def test_choose_a_file_and_download(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/coffee.jpg"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Drop an image here").click()
    chooser.value.set_files(photo)
    for panel in ("#gray", "#colorized", "#truth"):
        expect(page.locator(f"{panel} img")).to_be_visible(timeout=60_000)
    expect(page.locator("#gray-note")).to_be_hidden()
    expected = colorizer.colorize(photo)
    same, exact = _download(page, "#download"), _download(page, "#download-png")
    assert (same.suggested_filename, exact.suggested_filename) == ("coffee-color.jpg", "coffee-color.png")
    assert Image.open(same.path()).format == "JPEG"
    assert np.abs(decode_image(same.path()).astype(int) - expected).mean() < 2
    np.testing.assert_array_equal(decode_image(exact.path()), expected)
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
    page.locator("#examples button:has(img[alt^=Chelsea])").click()
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    np.testing.assert_array_equal(_pixels(page, "#colorized"), colorizer.colorize(ROOT / "samples/photos/cat.jpg"))


def test_the_walk_of_a_visitor(page: Page, colorizer: Colorizer):
    """Colorize a photo, correct a color, take another answer, download."""
    photo = ROOT / "samples/photos/cat.jpg"
    page.set_input_files("#source input[type=file]", photo)
    expect(page.locator("#slider img").first).to_be_visible(timeout=60_000)

    # A dab of color, and its undoing.
    page.get_by_role("tab", name="Guide").click()
    canvas = page.locator("#canvas img")
    expect(canvas).to_be_visible(timeout=60_000)
    expect(canvas).to_have_js_property("naturalWidth", 3 * 451, timeout=60_000)
    before = canvas.get_attribute("src")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.2})
    expect(canvas).not_to_have_attribute("src", before, timeout=60_000)
    swatches = page.locator("#palette button:has(img)")
    expect(swatches.first).to_be_visible(timeout=60_000)
    blue = canvas.get_attribute("src")
    color = swatches.nth(1).locator("img").get_attribute("alt")
    swatches.nth(1).click()
    expect(canvas).not_to_have_attribute("src", blue, timeout=60_000)
    x, y = int(0.75 * 451), int(0.2 * 300)

    def download() -> np.ndarray:
        return decode_image(_download(page, "#download-png").path())

    dabbed = download()
    wanted = to_chroma(np.array(list(bytes.fromhex(color[1:])), np.uint8))
    assert np.abs(to_chroma(dabbed[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06

    # Dabs survive a model that takes none.
    page.get_by_role("radio", name="Autoencoder").check()
    expect(page.get_by_text("The autoencoder takes no hints")).to_be_visible(timeout=60_000)
    page.get_by_role("radio", name="U-Net").check()
    expect(canvas).to_be_visible(timeout=60_000)
    np.testing.assert_array_equal(download(), dabbed)

    # Another answer, which keeps the dab.
    page.get_by_role("tab", name="Alternatives").click()
    page.locator("#ask").click()
    answers = page.locator("#answers button:has(img)")
    expect(answers).to_have_count(4, timeout=60_000)
    expect(page.locator("#doubt img")).to_be_visible()
    answers.nth(2).click()
    expect(page.locator("#first")).to_be_visible(timeout=60_000)
    other = download()
    assert np.abs(to_chroma(other) - to_chroma(dabbed)).mean() > 0.002
    assert np.abs(to_chroma(other[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06
    page.locator("#first").click()
    expect(page.locator("#first")).to_be_hidden(timeout=60_000)

    page.get_by_role("tab", name="Guide").click()
    page.locator("#undo").click()
    expect(canvas).to_have_attribute("src", before, timeout=60_000)
    np.testing.assert_array_equal(download(), colorizer.colorize(photo))


@desktop
@pytest.mark.slow
def test_dab_on_a_screen_larger_than_the_canvas(page: Page, tmp_path: Path):
    page.set_viewport_size({"width": 1440, "height": 2600})
    photo = tmp_path / "tall.png"
    photo.write_bytes(encode(np.full((1000, 750, 3), 128, np.uint8)))
    page.set_input_files("#source input[type=file]", photo)
    page.get_by_role("tab", name="Guide").click(timeout=60_000)
    canvas = page.locator("#canvas img")
    expect(canvas).to_have_js_property("naturalWidth", 750, timeout=60_000)
    before, shown = _pixels(page, "#canvas"), canvas.get_attribute("src")
    box = canvas.bounding_box()
    scale = min(box["width"] / 750, box["height"] / 1000)
    assert scale > 1.1
    if canvas.evaluate("image => getComputedStyle(image).objectFit") == "scale-down":
        scale = min(scale, 1)
    canvas.click(position={"x": box["width"] / 2 + 0.3 * 750 * scale, "y": box["height"] / 2 - 0.2 * 1000 * scale})
    expect(canvas).not_to_have_attribute("src", shown, timeout=60_000)
    ring = np.argwhere((np.abs(_pixels(page, "#canvas").astype(int) - before) > 100).any(axis=-1))
    np.testing.assert_allclose(ring.mean(axis=0), (0.3 * 1000, 0.8 * 750), atol=3)


@desktop
def test_pick_a_color_and_dab_without_a_mouse(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    page.set_input_files("#source input[type=file]", photo)
    page.get_by_role("tab", name="Guide").click(timeout=60_000)
    canvas = page.locator("#canvas img")
    expect(canvas).to_be_visible(timeout=60_000)
    page.get_by_role("radio", name="Pick a color from the original").check()
    page.get_by_role("button", name="Without a mouse").click()
    page.locator("#put").click()
    red, green, blue = decode_image(photo)[150, 225]
    swatch = page.locator("#color .dialog-button")
    expect(swatch).to_have_css("background-color", f"rgb({red}, {green}, {blue})", timeout=60_000)
    expect(page.get_by_role("radio", name="Dab the color")).to_be_checked()
    before = canvas.get_attribute("src")
    page.locator("#put").click()
    expect(canvas).not_to_have_attribute("src", before, timeout=60_000)
    page.locator("#clear").click()
    expect(canvas).to_have_attribute("src", before, timeout=60_000)


@desktop
@pytest.mark.slow
def test_each_click_counts(page: Page, colorizer: Colorizer):
    # Of two photos, one right after the other, the last one is shown.
    for name in ("coffee.jpg", "cat.jpg"):
        page.set_input_files("#source input[type=file]", ROOT / "samples/photos" / name)
    examples = page.locator("#examples button:has(img)")
    for i in (0, 3):
        examples.nth(i).click()
    cat = colorizer.colorize(ROOT / "samples/photos/cat.jpg")
    colorized = page.locator("#colorized img")
    expect(colorized).to_have_js_property("naturalWidth", cat.shape[1], timeout=60_000)
    page.wait_for_timeout(1500)
    np.testing.assert_array_equal(_pixels(page, "#colorized"), cat)
    expect(page.locator("#downloads button:visible")).to_have_count(2)

    # An answer that is chosen while others are made is the one that was seen.
    page.get_by_role("tab", name="Alternatives").click()
    page.locator("#ask").click()
    answers = page.locator("#answers button:has(img)")
    expect(answers).to_have_count(4, timeout=60_000)
    answers.nth(1).click()
    expect(page.locator("#first")).to_be_visible(timeout=60_000)
    second = decode_image(_download(page, "#download-png").path())
    page.locator("#first").click()
    expect(page.locator("#first")).to_be_hidden(timeout=60_000)
    page.locator("#ask").click()
    answers.nth(1).click()
    expect(answers.nth(1)).to_have_accessible_name("Answer 6", timeout=60_000)
    expect(page.locator("#first")).to_be_visible(timeout=60_000)
    np.testing.assert_array_equal(decode_image(_download(page, "#download-png").path()), second)
    page.locator("#first").click()
    expect(page.locator("#first")).to_be_hidden(timeout=60_000)

    # Of two dabs each is set, and of two steps back each is made.
    page.get_by_role("tab", name="Guide").click()
    canvas = page.locator("#canvas img")
    expect(canvas).to_be_visible(timeout=60_000)
    first, before = canvas.get_attribute("src"), _pixels(page, "#canvas")
    box = canvas.bounding_box()
    for x in (0.25, 0.75):
        canvas.click(position={"x": x * box["width"], "y": 0.5 * box["height"]})

    def has_rings() -> bool:
        page.wait_for_timeout(200)
        changed = (np.abs(_pixels(page, "#canvas").astype(int) - before) > 100).any(axis=(0, 2))
        return all(
            changed[round((x - 0.05) * len(changed)) : round((x + 0.05) * len(changed))].any() for x in (0.25, 0.75)
        )

    assert any(has_rings() for _ in range(50))
    page.locator("#undo").dblclick()
    expect(canvas).to_have_attribute("src", first, timeout=60_000)

    # Of two thumbnails the last one is shown.
    _open_test_set(page)
    thumbnails = page.locator("#gallery button.thumbnail-item")
    for i in (0, 5):
        thumbnails.nth(i).click()
    expect(page.locator("#figures")).to_contain_text("image 6 of 20", timeout=60_000)
    expect(thumbnails.nth(5)).to_have_accessible_name(re.compile(", image 6$"))


@pytest.mark.slow
def test_no_barriers(page: Page, axe: Path):
    page.locator("#examples button:has(img)").first.click()
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    page.add_script_tag(path=axe)
    found = []
    for tab in ("Compare", "Guide", "Alternatives", "Batch", "CIFAR-10", "How it works", "About"):
        page.get_by_role("tab", name=tab).click()
        for theme in ("light", "dark"):
            # As Gradio does; loading anew would abort its requests.
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
            page.wait_for_timeout(500)
            result = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
            found += [
                f"{tab}, {theme}: {fault['id']} at {node['target']}: {node['failureSummary']}"
                for fault in result["violations"]
                if fault["impact"] in ("serious", "critical")
                for node in fault["nodes"]
            ]
    assert not found, "\n".join(found)


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
    (tmp_path / "large.png").write_bytes(bytes(21_000_000))  # Gradio itself refuses it.
    page.set_input_files("#source input[type=file]", tmp_path / "large.png")
    expect(page.locator("#results")).to_be_hidden(timeout=60_000)


@desktop
@pytest.mark.parametrize("name", ["scan.tiff", "phone.heic"])
def test_file_that_browsers_can_not_show(page: Page, tmp_path: Path, name: str):
    path = tmp_path / name
    with Image.open(ROOT / "samples/photos/cat.jpg") as picture:
        picture.save(path, "TIFF" if name.endswith("tiff") else "HEIF")
    sent = _count_events(page)
    page.set_input_files("#source input[type=file]", path)
    expect(page.locator("#colorized img")).to_be_visible(timeout=60_000)
    expect(page.locator("#source img")).to_have_js_property("naturalWidth", 451, timeout=60_000)
    page.wait_for_timeout(500)
    assert len(sent) == 1, "colorized more than once"
    ending = "tiff" if name.endswith("tiff") else "jpg"
    assert _download(page, "#download").suggested_filename == f"{path.stem}-color.{ending}"


def test_settings_settle_at_once(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    page.set_input_files("#source input[type=file]", photo)
    colorized = page.locator("#colorized img")
    expect(colorized).to_be_visible(timeout=60_000)
    before = colorized.get_attribute("src")
    vividness = page.get_by_role("slider", name="Vividness")
    for value in (0.5, 0.6, 0.8, 1):
        vividness.fill(str(value))
    expect(colorized).not_to_have_attribute("src", before, timeout=60_000)
    vivid = Colorizer.load().colorize(photo, vividness=1)

    def settled(expected: np.ndarray) -> bool:
        page.wait_for_timeout(200)
        return np.array_equal(_pixels(page, "#colorized"), expected)

    assert any(settled(vivid) for _ in range(100))
    detail = page.locator("#detail input[type=number]")
    detail.select_text()
    detail.press_sequentially("200", delay=100)  # On the way it is 2, and 20.
    fine = Colorizer.load().colorize(photo, vividness=1, detail=200)
    assert any(settled(fine) for _ in range(100))
    expect(page.locator(".toast-body")).to_have_count(0)
    page.get_by_role("radio", name="Autoencoder").check()
    expect(vividness).to_be_hidden(timeout=60_000)
    expected = Colorizer.load("autoencoder").colorize(photo)
    np.testing.assert_array_equal(decode_image(_download(page, "#download-png").path()), expected)


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


def test_gallery_by_error(page: Page):
    _open_test_set(page)
    thumbnails = page.locator("#gallery button.thumbnail-item")
    expect(thumbnails).to_have_count(20, timeout=60_000)
    gallery = Gallery.load(["unet", "autoencoder"])
    assert ("autoencoder", "worst") in gallery.orders
    for order in ("best", "worst"):
        page.get_by_label("Order").click()
        page.get_by_role("option", name=f"Autoencoder: {order} first").click()
        expect(thumbnails).to_have_count(10, timeout=60_000)  # The more colorful half.
        row = gallery.list_rows(order=("autoencoder", order))[0]
        first = thumbnails.first.locator("img")
        expect(first).to_have_attribute("alt", gallery.caption(row), timeout=60_000)
        thumbnails.first.click()
        expect(page.locator("#figures")).to_contain_text(f"{gallery.caption(row)} of 20", timeout=60_000)
    expect(page.get_by_text("of the more colorful half")).to_be_visible()
    record = json.loads((ROOT / "checkpoints/autoencoder/metrics.json").read_text())
    expect(page.locator("#whole-set")).to_contain_text(f"{record['psnr']:.1f} dB")
    expect(page.locator("#whole-set")).to_contain_text(f"{record['n']:,} test images")


def test_how_it_works(page: Page):
    tab = page.get_by_role("tab", name="How it works")
    tab.click()
    space = LatentSpace(Checkpoint.find("autoencoder"))
    samples = Gallery.of_samples().dataset
    panels = ("seen", "painted", "luma", "chroma", "joined", "raw", "full")
    for panel in (*panels, "walk"):
        page.locator(f"#{panel}").scroll_into_view_if_needed()  # Pictures are loaded when they come into view.
        expect(page.locator(f"#{panel} img")).to_be_visible(timeout=60_000)
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
    expect(page.locator("#seen img")).not_to_have_attribute("src", before, timeout=60_000)
    np.testing.assert_array_equal(_pixels(page, "#joined"), space.pass_through(samples[4]).joined)
    photo = ROOT / "samples/photos/cat.jpg"
    before = page.locator("#full img").get_attribute("src")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Your own image").click()
    chooser.value.set_files(photo)
    expect(page.locator("#full img")).not_to_have_attribute("src", before, timeout=60_000)
    np.testing.assert_array_equal(_pixels(page, "#full"), Colorizer.load("autoencoder").colorize(photo))

    before = page.locator("#walk img").get_attribute("src")
    page.get_by_label("To", exact=True).click()
    page.get_by_role("option", name="frog, image 5").click()
    expect(page.locator("#walk img")).not_to_have_attribute("src", before, timeout=60_000)
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
