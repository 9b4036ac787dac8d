"""The images of the tab *CIFAR-10*: classes, pages and orders."""

import base64
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import ROOT

from colorizer import Colorizer, decode_image
from colorizer.demo.gallery import ALL_CLASSES, PAGE, Gallery, load_samples, take_page
from colorizer.evaluation.image_errors import ImageErrors


def test_samples_where_there_is_no_data_set():
    gallery = Gallery.load(["unet", "autoencoder"])
    assert len(gallery.dataset) == 20
    assert "20 sample images" in gallery.origin
    assert gallery.list_rows() == list(range(20))
    cats = gallery.list_rows("cat")
    assert [gallery.caption(row) for row in cats] == [f"cat, image {row + 1}" for row in cats]
    with pytest.raises(ValueError, match="there is no class 'tiger'; available: all classes, airplane"):
        gallery.list_rows("tiger")


def test_the_data_set_where_there_is_one(cifar_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLORIZER_DATA", str(cifar_folder))
    gallery = Gallery.load(["unet"])
    assert gallery.origin.startswith("10 images: the test split")
    assert gallery.orders == []  # There are no measurements of these.
    with pytest.raises(ValueError, match="no errors to sort by"):
        gallery.list_rows(ALL_CLASSES, ("unet", "best"))


def test_sorted_within_a_class():
    samples = load_samples()
    cats = [row for row in range(20) if samples.groups[row] == "cat"]
    errors = np.linspace(1, 0.1, 20)
    gallery = Gallery(samples, "", {"unet": ImageErrors(np.arange(20), errors, np.ones(20))})
    assert gallery.orders == [("unet", "best"), ("unet", "typical"), ("unet", "worst")]
    assert gallery.list_rows(ALL_CLASSES, ("unet", "best")) == list(range(20))[::-1]
    assert gallery.list_rows("cat", ("unet", "best")) == cats[::-1]
    assert gallery.list_rows("cat", ("unet", "worst")) == cats


@pytest.mark.parametrize(
    ("number", "expected"), [(1, 1), (3, 3), (4, 3), (0, 1), (-5, 1), (None, 1), (2.0, 2), (1e12, 3)]
)
def test_take_page_clamps_the_number(number: float | None, expected: int):
    rows = list(range(2 * PAGE + 1))
    page, shown, pages = take_page(rows, number)
    assert (shown, pages) == (expected, 3)
    assert page == rows[(expected - 1) * PAGE : expected * PAGE]
    assert take_page([], number) == ([], 1, 1)


def test_the_tab_shows_the_vividness_that_its_figures_are_of(demo_url: str):
    config = httpx.get(f"{demo_url}/config", timeout=400).json()
    [result] = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "test-result"]
    choosing = [each for each in config["dependencies"] if each["collects_event_data"]]
    [event] = [each["id"] for each in choosing if each["outputs"] == [result]]
    choice = {"index": 8, "value": {"caption": "cat, image 9"}}
    body = {"session_hash": "tab", "fn_index": event, "data": [], "event_data": choice}
    httpx.post(f"{demo_url}/gradio_api/queue/join", json=body, timeout=400).raise_for_status()
    response = httpx.get(f"{demo_url}/gradio_api/queue/data", params={"session_hash": "tab"}, timeout=400).text
    [shown] = re.findall("class='test-unet' src='data:image/png;base64,([^']+)'", response)
    expected = Colorizer.load().colorize(ROOT / "samples/cifar10/08_cat.png", vividness=0)
    np.testing.assert_array_equal(decode_image(base64.b64decode(shown)), expected)
