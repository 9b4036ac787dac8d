"""Speed of the demo as users see it: ``python benchmarks/demo.py``; needs Chromium.

Measured in a real browser, with a new server each round: the time from the start of the program until the page can be
used, compared with ``import gradio`` alone just before; from dropping a 12-megapixel photo until its color appears;
from a dab of color on that photo until its effect appears; and the server's own time for an image of 32 x 32 pixels.
The exit code is 1 if a median is above its limit. The record goes to ``benchmarks/results/demo.json``.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
from demo_server import ROOT, DemoServer, Page, serve
from photos import make_photo
from playwright.sync_api import Browser, sync_playwright
from record import save_record

MEGAPIXELS = 12.0
AFTER = ".stage .after"  # The colorized picture.
SMALL = ROOT / "samples/cifar10/00_cat.png"
# Bounds of the medians, in seconds.
BOUNDS = {
    "usable after import gradio": 2.0,
    "first color, 12 megapixels": 2.0,
    "effect of a dab": 0.5,
    "server, 32 x 32": 0.1,
}
# In the page: record when a file is chosen or a mouse button is pressed, and measure the time from then until a new
# image is decoded and drawn.
_WATCH = """
for (const kind of ["change", "pointerdown"])
    document.addEventListener(kind, () => { window.asked = performance.now(); }, true);
window.seen = (selector, before) => new Promise((resolve) => {
    const look = async () => {
        const image = document.querySelector(selector);
        const isNew = image?.src && image.getAttribute("src") !== before && image.complete && image.naturalWidth;
        if (!isNew || !(await image.decode().then(() => true, () => false))) return requestAnimationFrame(look);
        requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - window.asked) / 1000)));
    };
    look();
});
null;  // Else Playwright calls the function.
"""


def time_import() -> float:
    """Measure the seconds of a process that only imports Gradio."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True)
    return time.perf_counter() - started


def time_page(browser: Browser, place: Path, photo: Path, dabs: int) -> dict[str, Any]:
    """Start a server, open its page, drop a photo, and add dabs of color; return the seconds of each step."""
    importing, started = time_import(), time.perf_counter()
    with serve(place) as server:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(server.url)
        page.wait_for_selector(".stage .download")
        usable = time.perf_counter() - started
        page.evaluate(_WATCH)
        before = page.locator(AFTER).get_attribute("src")
        page.set_input_files("#photo-file", photo)
        first_color = page.evaluate(f"before => seen('{AFTER}', before)", before)
        page.get_by_role("tab", name="Fix colors").click()
        canvas = page.locator(".stage .dabs")
        effects = []
        for i in range(dabs):
            before, box = page.locator(AFTER).get_attribute("src"), canvas.bounding_box()
            assert box
            canvas.click(position={"x": box["width"] * (0.2 + 0.6 * i / dabs), "y": box["height"] * 0.3})
            effects.append(page.evaluate(f"before => seen('{AFTER}', before)", before))
            page.wait_for_selector(".swatches button")
            page.wait_for_timeout(1000)  # The palette comes after; a person looks before the next dab.
        page.close()
        small = [time_small(server) for _ in range(20)]
    return {
        "import gradio": importing,
        "usable after import gradio": usable - importing,
        "first color, 12 megapixels": first_color,
        "effect of a dab": statistics.median(effects),
        "server, 32 x 32": statistics.median(small),
    }


def time_small(server: DemoServer) -> float:
    """Ask for the colors of a small image as the page does; give the seconds that the server worked on the answer."""
    with httpx.Client(base_url=f"{server.url}/gradio_api", timeout=120) as client:
        path = client.post("/upload", files={"files": (SMALL.name, SMALL.read_bytes())}).json()[0]
        session = uuid4().hex
        client.post("/queue/join", json=Page.of(server).ask(path, session)).raise_for_status()
        with client.stream("GET", "/queue/data", params={"session_hash": session}) as events:
            for line in events.iter_lines():
                event = json.loads(line[6:]) if line.startswith("data: ") else {}
                if event.get("msg") == "process_completed":
                    assert event["success"], event
                    return float(event["output"]["duration"])
    raise RuntimeError("the server gave no answer")


def main() -> int:
    """Measure, print and record; return an exit code that says whether the limits are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dabs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/demo.json")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        photo = Path(place, "photo.jpg")
        photo.write_bytes(np.asarray(cv2.imencode(".jpg", make_photo(MEGAPIXELS)[:, :, ::-1])[1]).tobytes())
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(options.rounds):
            rounds.append(time_page(browser, Path(place), photo, options.dabs))
            print(rounds[-1], flush=True)
        version = browser.version
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    checks = {name: medians[name] <= bound for name, bound in BOUNDS.items()}
    record = {
        "rounds": options.rounds,
        "seconds, median of the rounds": {name: round(seconds, 3) for name, seconds in medians.items()},
        "seconds, greatest": {name: round(max(row[name] for row in rounds), 3) for name in rounds[0]},
        "bounds, seconds": BOUNDS,
        "checks": checks,
    }
    save_record(options.output, record, "ai-edge-litert", "gradio", "numpy", "playwright", chromium=version)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
