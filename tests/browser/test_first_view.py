"""The page as it opens: the result first, on any screen, accessible to everyone."""

from pathlib import Path

import pytest
from conftest import ROOT, encode, install_package, random_images
from playwright.sync_api import Browser, Page, Response, expect
from video_files import moving, write_video

from browser.conftest import AFTER, bring, desktop, is_on_screen

pytestmark = pytest.mark.slow  # Minutes, all together.

AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch axe-core, which finds accessibility problems."""
    folder = install_package(AXE, tmp_path_factory.mktemp("axe"))
    return folder / "node_modules/axe-core/axe.min.js"


@pytest.mark.parametrize("shape", [(400, 600), (500, 500), (600, 400), (200, 600)])
def test_the_result_is_on_the_screen(page: Page, tmp_path: Path, shape: tuple[int, int]):
    photo = tmp_path / "wide.jpg"
    photo.write_bytes(encode(random_images(1, max(shape))[0, : shape[0], : shape[1]], "JPEG"))
    bring(page, photo)
    page.evaluate("scrollTo(0, 0)")
    assert is_on_screen(page, ".frame")
    if page.viewport_size["width"] > 1000:
        assert is_on_screen(page, ".download")
    if page.viewport_size["width"] > 1500:
        assert is_on_screen(page, ".panels")
    box = page.locator(".frame").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(shape[1] / shape[0], rel=0.02)


def test_page_opens_with_a_colorized_example(page: Page):
    assert is_on_screen(page, ".frame")
    after = page.locator(AFTER)
    assert after.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert "colorized" in after.get_attribute("alt")
    clip = page.locator(".before").evaluate("image => getComputedStyle(image).clipPath")
    assert clip == "inset(0px 50% 0px 0px)"
    buttons = page.locator(".examples button")
    tops = {round(buttons.nth(i).bounding_box()["y"]) for i in range(buttons.count())}
    assert len(tops) == 1, "the examples stand in one row"
    expect(page.locator("#credits li").first).to_be_hidden()


@desktop
def test_checked_boxes_can_be_seen(page: Page):
    """Gradio's style draws a white mark on the page's own white."""
    for name in ("U-Net", "Prepare old prints: ignore a paper border, restore faded contrast"):
        box = page.locator(".stage").get_by_label(name)
        expect(box).to_be_checked()
        expect(box).to_have_css("appearance", "auto")


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
    # It doesn't trap scrolling, and a finger that scrolls the page leaves the line where it was.
    assert "pan-y" in frame.evaluate("frame => getComputedStyle(frame).touchAction")
    touch = {"pointerType": "touch", "clientX": box["x"] + 9, "clientY": middle}
    frame.dispatch_event("pointerdown", touch)
    assert position.input_value() != "80"
    frame.dispatch_event("pointercancel", touch)
    assert position.input_value() == "80"


def test_the_first_view_is_light(browser: Browser, demo_url: str):
    """The size of the project's own pictures, scripts and styles that the opening page fetches."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    own: list[Response] = []
    page.on("response", lambda response: own.append(response) if "file=" in response.url else None)
    page.goto(demo_url)
    page.wait_for_selector(".stage .download", timeout=240_000)
    page.wait_for_function("[...document.images].every(image => image.complete)")  # The server's heartbeat never ends.
    sizes = {response.url: len(response.body()) for response in own}
    assert 0 < sum(sizes.values()) < 400_000, sizes
    page.close()


def test_no_accessibility_violations(page: Page, axe: Path, tmp_path: Path):
    page.add_script_tag(path=axe)
    # On a busy machine, the previous theme's colors would still be fading out when axe runs.
    page.add_style_tag(content="*, *::before, *::after { transition: none !important }")
    found = []

    def look(place: str) -> None:
        for theme in ("light", "dark"):
            # As Gradio does it; reloading would abort its requests.
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
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
        if tab == "Batch":
            page.set_input_files("#many input[type=file]", ROOT / "samples/cifar10/00_cat.png")
            expect(page.locator("#many .file-preview")).to_be_visible()
            look("Batch with a file")
        if tab == "Video":
            page.set_input_files("#film input[type=file]", write_video(tmp_path / "film.mp4", moving(9)))
            expect(page.locator("#film-still img")).to_be_visible(timeout=240_000)
            look("Video with a film")
    assert not found, "\n".join(found)
