"""The model's other versions of a photo, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import AFTER, is_on_screen

pytestmark = pytest.mark.slow


def test_the_chosen_version_is_large_and_doubt_has_a_legend(page: Page):
    page.get_by_role("tab", name="Other versions").click()
    expect(page.locator("#panel-versions")).to_contain_text(re.compile(r"the\s+most likely first"))
    page.locator(".ask").click()
    versions = page.locator(".versions button:has(img)")
    expect(versions).to_have_count(4, timeout=180_000)
    first = page.locator(AFTER).get_attribute("src")
    versions.last.click()
    expect(versions.last).to_have_attribute("aria-pressed", "true")
    expect(page.locator(AFTER)).not_to_have_attribute("src", first, timeout=180_000)
    assert is_on_screen(page, ".frame")
    page.get_by_text("Where the model is unsure").click()
    for words in ("sure", "a guess"):
        expect(page.locator(".doubt .ends").get_by_text(words, exact=True)).to_be_visible()
