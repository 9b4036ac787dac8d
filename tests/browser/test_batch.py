"""The tab *Batch* in a real browser."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from playwright.sync_api import Page, expect

from browser.conftest import desktop, download
from colorizer import Colorizer, decode_image

pytestmark = pytest.mark.slow


def test_a_batch_shows_its_results_and_names_what_is_no_image(page: Page, colorizer: Colorizer, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("words")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(ROOT / "samples/cifar10/01_ship.png", "sea/ship.png")
        archive.writestr("sea/list.txt", "words")
    photo = ROOT / "samples/cifar10/00_cat.png"
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("#many input[type=file]", [photo, tmp_path / "notes.txt", tmp_path / "more.zip"])
    page.get_by_role("button", name="Colorize all").click()
    report = page.get_by_label("Report")
    expect(report).to_be_visible(timeout=180_000)
    lines = report.input_value().splitlines()
    assert lines[0] == "2 of 4 colorized"
    assert [line.partition(":")[0] for line in lines[1:]] == ["notes.txt", "sea/list.txt"]
    thumbnails = page.locator("#batch-results .thumbnail-item img")
    expect(thumbnails).to_have_count(2)
    assert [each.get_attribute("alt") for each in thumbnails.all()] == ["00_cat-color.png", "sea/ship-color.png"]
    shown = decode_image(page.request.get(thumbnails.first.get_attribute("src")).body())
    np.testing.assert_array_equal(shown, colorizer.colorize(photo))
    archive = download(page, "#download-many").path()
    assert zipfile.ZipFile(archive).namelist() == ["00_cat-color.png", "sea/ship-color.png", "report.csv"]


@desktop
def test_refused_files_can_be_taken_out(page: Page, tmp_path: Path):
    files = [tmp_path / "cut.zip", tmp_path / "torn.zip"]
    for file in files:
        file.write_bytes(b"PK\3\4 and no more")
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("#many input[type=file]", files)
    page.get_by_role("button", name="Colorize all").click()
    expect(page.get_by_role("alert")).to_contain_text("cut.zip is a damaged archive", timeout=180_000)
    page.get_by_role("button", name="Remove this file").nth(1).click()
    expect(page.locator("#many .file-preview tr")).to_have_count(1)


@desktop
def test_an_emptied_number_goes_back_to_its_default(page: Page):
    page.get_by_role("tab", name="Batch").click()
    for name, other in (("vividness", "0.7"), ("detail", "64")):
        number, slider = (page.locator(f"#batch-{name} input[type={kind}]") for kind in ("number", "range"))
        default = number.input_value()
        for value in (other, ""):
            number.fill(value)
            number.press("Tab")
            expect(number).to_have_value(value or default)
            expect(slider).to_have_value(value or default)
