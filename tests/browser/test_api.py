"""*Use via API* in a real browser."""

import subprocess
import sys

import pytest
from conftest import ROOT
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow


def test_the_copied_code_runs(browser: Browser, demo_url: str):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(demo_url)
    page.get_by_role("button", name="Use via API").click()
    languages = page.locator(".snippets li:visible")
    # No MCP, which isn't there.
    expect(languages).to_have_text(["Python", "JavaScript", "CLI", "cURL"], timeout=180_000)
    expect(page.get_by_text("API Recorder").locator("visible=true")).to_have_count(0)
    page.locator(".endpoint-container").first.locator(".copy-button:visible").click()
    code = page.evaluate("navigator.clipboard.readText()")
    assert f'Client("{demo_url}")' in code
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=400
    )
    assert done.stdout.strip().endswith("cat-color.png")
    context.close()
