"""A visitor corrects colors with dabs, and chooses another version."""

import numpy as np
import pytest
from conftest import ROOT
from playwright.sync_api import Page, expect

from browser.conftest import AFTER, bring, desktop, download_exact, is_on_screen
from colorizer import Colorizer, decode_image
from colorizer.imaging.color import to_chroma

pytestmark = pytest.mark.slow  # Minutes, all together.


def test_colorize_correct_choose_version_download(page: Page, colorizer: Colorizer):
    """Colorize a photo, correct a color, choose another version, download."""
    photo = ROOT / "samples/photos/cat.jpg"
    bring(page, photo)
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
    dabbed = download_exact(page)
    wanted = to_chroma(np.array(list(bytes.fromhex(color[1:])), np.uint8))
    assert np.abs(to_chroma(dabbed[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06

    # Dabs survive a model that takes none.
    page.get_by_role("radio", name="Autoencoder").check()
    expect(page.get_by_text("The autoencoder can't be corrected by hand")).to_be_visible()
    np.testing.assert_array_equal(download_exact(page), Colorizer.load("autoencoder").colorize(photo))
    page.get_by_role("radio", name="U-Net").check()
    np.testing.assert_array_equal(download_exact(page), dabbed)

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
    other = download_exact(page)
    assert np.abs(to_chroma(other) - to_chroma(dabbed)).mean() > 0.002
    assert np.abs(to_chroma(other[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06
    page.locator(".ask").click()
    expect(versions).to_have_count(8, timeout=180_000)
    page.get_by_role("button", name="Default").click()
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".clear").click()
    np.testing.assert_array_equal(download_exact(page), colorizer.colorize(photo))


def test_six_clicks_in_a_second_are_six_dabs(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    bring(page, photo)
    first = page.locator(AFTER).get_attribute("src")
    page.get_by_role("tab", name="Fix colors").click()
    for button in (".undo", ".redo", ".delete", ".clear"):
        expect(page.locator(button)).to_be_disabled()
    # Even if the server responds slowly, the ring appears at once.
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
    # Responses to the first dabs may be shown before the one to all six.
    hints = [(int(x * 451), int(y * 300), "#3060a0") for x, y in places]
    expected = colorizer.colorize(photo, hints=hints)
    for _ in range(120):
        result = download_exact(page)
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


@desktop
def test_reach_of_a_dab(page: Page, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    bring(page, photo)
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".dabs").press("Enter")
    hints = [(225, 150, "#3060a0")]
    np.testing.assert_array_equal(download_exact(page), colorizer.colorize(photo, hints=hints))
    page.get_by_role("slider", name="Reach").fill("0.2")
    np.testing.assert_array_equal(download_exact(page), colorizer.colorize(photo, hints=hints, reach=0.2))


@desktop
def test_pick_a_color_from_the_original(page: Page):
    photo = ROOT / "samples/photos/cat.jpg"
    bring(page, photo)
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".pipette").click()
    box = page.locator(".dabs").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".pipette")).to_have_attribute("aria-pressed", "false")
    picked = list(bytes.fromhex(page.locator("input[type=color]").input_value()[1:]))
    assert np.abs(decode_image(photo)[150, 225].astype(int) - picked).max() < 24  # It is shown as JPEG.
    expect(page.locator(".ring")).to_have_count(0)


@desktop
def test_suggestions_are_those_of_the_dab_in_hand(page: Page):
    page.get_by_role("tab", name="Fix colors").click()
    for key in ("Enter", "Shift+ArrowDown", "Enter"):
        page.locator(".dabs").press(key)
    # Checked right after the click, before any response.
    for button in (".undo", ".redo", ".delete"):
        expect(page.locator(".swatches button").first).to_be_visible(timeout=180_000)
        hidden = page.evaluate(
            "button => (document.querySelector(button).click(), document.querySelector('.suggestions').hidden)", button
        )
        assert hidden, f"after {button}, the colors are suggested for another spot"


@desktop
def test_choosing_a_color_is_one_undo_step(page: Page):
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".dabs").press("Enter")
    ring, field = page.locator(".ring"), page.locator("input[type=color]")
    for colors in (["#ff0000", "#ff8000", "#ffff00"], ["#00ff00", "#00ffff"]):
        ring.click()
        for color in colors:
            field.evaluate("(e, color) => { e.value = color; e.dispatchEvent(new Event('input')); }", color)
        field.dispatch_event("change")
    for expected in ("#ffff00", "#3060a0"):
        page.locator(".undo").click()
        expect(ring).to_have_accessible_name(f"Dab 1, {expected}")
    page.locator(".undo").click()
    expect(ring).to_have_count(0)


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_on_a_phone_the_photo_stays_in_view_of_its_colors(page: Page):
    page.get_by_role("tab", name="Fix colors").click()
    page.locator(".frame").evaluate("frame => frame.style.setProperty('--ratio', 2 / 3)")  # As for an upright photo.
    page.locator(".edits").evaluate("element => element.scrollIntoView({block: 'end'})")
    for place in (".frame", ".color", ".edits"):
        assert is_on_screen(page, place)
