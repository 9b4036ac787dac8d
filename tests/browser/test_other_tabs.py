"""A visitor colorizes a video, browses the test images, and reads how it works."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from playwright.sync_api import Browser, Page, expect
from video_files import moving, plane, read_frames, write_video

from browser.conftest import desktop, download, is_on_screen
from colorizer import Colorizer, decode_image
from colorizer.demo.drawings import group_layers
from colorizer.demo.gallery import Gallery
from colorizer.imaging.color import gray_copy
from colorizer.inference.autoencoder import LatentSpace, draw_strip
from colorizer.inference.checkpoint import Checkpoint

pytestmark = pytest.mark.slow  # Minutes, all together.


def _pixels(page: Page, panel: str) -> np.ndarray:
    """Fetch the picture in a panel, as the browser received it."""
    source = page.locator(f"{panel} img").get_attribute("src")
    return decode_image(page.request.get(source).body())


def _open_test_set(page: Page) -> None:
    page.get_by_role("tab", name="CIFAR-10").click()
    expect(page.locator(".test-autoencoder")).to_be_visible(timeout=180_000)


def _test_pixels(page: Page, name: str) -> np.ndarray:
    source = page.locator(f".test-{name}").get_attribute("src")
    return decode_image(base64.b64decode(source.partition(",")[2]))


@desktop
def test_video_tab_preview_cancel_and_colorize(page: Page, tmp_path: Path):
    """A frame first, then the video; canceled once; other files are refused in place."""
    film = write_video(tmp_path / "garden.mp4", moving(75, 96, 128), sound="aac")
    page.get_by_role("tab", name="Video").click()
    expect(page.get_by_text("at most 30 seconds, 1,280 × 720 pixels and 50 MB")).to_be_visible()
    (tmp_path / "clip.mp4").write_text(f"#EXTM3U\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n")
    page.set_input_files("#film input[type=file]", tmp_path / "clip.mp4")
    expect(page.get_by_role("alert")).to_contain_text("clip.mp4 is not a video that can be read", timeout=240_000)
    expect(page.locator("#film-work")).to_be_hidden()

    page.set_input_files("#film input[type=file]", film)  # What was refused isn't in the way.
    still = page.locator("#film-still img")
    expect(still).to_be_visible(timeout=240_000)
    first = still.get_attribute("src")
    strength = page.locator("#film-vividness input[type=range]")
    strength.press("End")
    expect(still).not_to_have_attribute("src", first, timeout=240_000)

    # In the page, since on a busy machine the video would be done before a click from outside arrives.
    page.evaluate(
        """() => new MutationObserver((_, observer) => {
            const cancel = document.querySelector("#film-stop");
            if (!cancel?.offsetParent) return;
            observer.disconnect();
            cancel.click();
        }).observe(document.body, {attributes: true, childList: true, subtree: true})"""
    )
    page.get_by_role("button", name="Colorize the video").click()
    expect(page.locator("#film-state")).to_contain_text("Canceled", timeout=240_000)
    page.get_by_role("button", name="Colorize the video").click()
    expect(page.locator("#film-state")).to_contain_text("75 frames in", timeout=240_000)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    # Debian's build of Chromium plays H.264.
    player = page.locator("#film-result video")
    page.wait_for_function("document.querySelector('#film-result video').readyState >= 2", timeout=180_000)
    assert player.evaluate("video => [video.videoWidth, video.videoHeight]") == [128, 96]
    saved = download(page, "#film-download")
    assert saved.suggested_filename == "garden-color.mp4"
    frames = read_frames(Path(saved.path()))
    assert len(frames) == 75
    assert plane(frames[40], 1).std() + abs(float(plane(frames[40], 1).mean()) - 128) > 1  # It has color.


@desktop
def test_a_film_that_waits_in_line_can_be_canceled(page: Page, browser: Browser, demo_url: str, tmp_path: Path):
    others = browser.new_page()
    others.goto(demo_url)
    others.wait_for_selector(".stage .download")
    long = write_video(tmp_path / "long.mp4", moving(700, 96, 128))
    short = write_video(tmp_path / "short.mp4", moving(25, 96, 128))
    for each, film in ((others, long), (page, short)):
        each.get_by_role("tab", name="Video").click()
        each.set_input_files("#film input[type=file]", film)
        expect(each.locator("#film-still img")).to_be_visible(timeout=240_000)
        each.get_by_role("button", name="Colorize the video").click()
        expect(each.get_by_role("button", name="Cancel")).to_be_visible(timeout=60_000)
    state = page.locator("#film-state")
    expect(state).to_contain_text("Waiting in line")
    page.get_by_role("button", name="Cancel").click()
    expect(state).to_contain_text("Canceled")
    page.get_by_role("button", name="Colorize the video").click()
    expect(state).to_contain_text("Waiting in line")
    others.get_by_role("button", name="Cancel").click()
    expect(others.locator("#film-state")).to_contain_text("Canceled")
    expect(state).to_contain_text("25 frames in", timeout=240_000)
    assert is_on_screen(page, "#film-result video")
    assert is_on_screen(page, "#film-download")
    others.close()


def test_random_test_image(page: Page):
    _open_test_set(page)
    caption = page.locator(".test-caption")
    before = caption.inner_text()

    def draw() -> bool:
        page.get_by_role("button", name="Random image").click()
        page.wait_for_timeout(300)
        return caption.inner_text() != before

    assert any(draw() for _ in range(40))  # The same image may come up again.
    assert is_on_screen(page, ".test-panels")
    tops = [page.locator(f".test-{name}").bounding_box()["y"] for name in ("gray", "unet", "autoencoder-raw", "truth")]
    assert len(set(tops)) == 1, "the panels stand in one row"
    figures = page.locator(".wide:has(table.figures)").first
    assert figures.evaluate("element => element.scrollWidth <= element.clientWidth"), "figures are cut off"


def test_choose_a_test_image(page: Page, colorizer: Colorizer):
    _open_test_set(page)
    expect(page.locator("#origin")).to_contain_text("20 sample images")
    page.get_by_label("Class").click()
    page.get_by_role("option", name="cat").click()
    caption = page.locator(".test-caption")
    expect(caption).to_have_text("cat, image 1 of 20", timeout=180_000)  # The choice is shown at once.
    thumbnails = page.locator("#gallery button.thumbnail-item")
    expect(thumbnails).to_have_count(2, timeout=180_000)
    thumbnails.nth(1).click()
    expect(caption).to_have_text("cat, image 9 of 20", timeout=180_000)
    figures = page.locator("#test-result table")
    expect(figures).to_contain_text(re.compile(r"U-Net\s*\d+%\D*\d+\.\d dB\s*0\.\d{3}"))
    truth = decode_image(ROOT / "samples/cifar10/08_cat.png")
    np.testing.assert_array_equal(_test_pixels(page, "truth"), truth)
    np.testing.assert_array_equal(_test_pixels(page, "gray"), gray_copy(truth))
    np.testing.assert_array_equal(_test_pixels(page, "unet"), colorizer.colorize(truth, vividness=0))
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
    assert page.locator("#follow").bounding_box()["height"] < 330  # It takes the whole width.
    np.testing.assert_array_equal(_pixels(page, "#seen"), gray_copy(samples[0]))
    np.testing.assert_array_equal(_pixels(page, "#walk"), draw_strip(space.walk(samples[0], samples[1], 9)))
    expect(page.locator("#vector svg rect")).to_have_count(256)
    record = json.loads((ROOT / "checkpoints/autoencoder/metrics.json").read_text())
    expect(page.get_by_text(f"{record['raw']['relative_mse']:.0%} of the gray baseline's")).to_be_visible()

    # Another test image, and an upload.
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

    # Change the photo's vector along a direction, and reset it; the table of contents links there.
    page.get_by_role("link", name="Move the numbers").click()
    expect(page.locator("#moved")).to_be_in_viewport()
    expect(page.locator("#moved img")).to_be_visible(timeout=180_000)
    latent = space.pass_through(decode_image(photo)).latent
    before = page.locator("#moved img").get_attribute("src")
    np.testing.assert_array_equal(_pixels(page, "#moved"), _pixels(page, "#painted"))
    page.get_by_label("number input for Direction 2").fill("-2")
    expect(page.locator("#moved img")).not_to_have_attribute("src", before, timeout=180_000)
    direction = space.find_directions([samples[row] for row in range(len(samples))])[1]
    np.testing.assert_array_equal(_pixels(page, "#moved"), space.paint((latent - 2 * direction)[None])[0])
    page.locator("#move-reset").click()
    expect(page.locator("#moved img")).to_have_attribute("src", before, timeout=180_000)

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
