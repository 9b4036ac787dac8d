"""Load test of the demo: ``python benchmarks/load.py``; ``--small`` for a quick try.

1, 8, 32 and 128 simulated visitors repeat, without a pause, what the page does when a photo is dropped: upload it,
request its colors, wait for the response and fetch the picture. When the queue is full, requests are refused; this is
counted separately, and the visitor tries again after a second. Then, visitors upload ten thousand different photos to
a server that keeps files for about a minute: neither its memory nor its folder may grow, and at the end no file may be
left. Each photo is sent as if from a newly opened page, the worst case for memory.

The exit code is 1 if any of this fails. The record goes to ``benchmarks/results/load.json``.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

# It makes sockets and sleeping cooperative, for all modules: before the others.
import gevent
from locust import HttpUser, task
from locust.env import Environment

# isort: split
import cv2
import numpy as np
from demo_server import ROOT, DemoServer, Page, serve
from record import save_record

from colorizer.imaging.decode import decode_image, has_color
from colorizer.imaging.encode import encode_image

LEVELS = (1, 8, 32, 128)
LIMIT = 16  # Of the waiting line, as `colorizer.demo.page` sets it.
VISITORS_OF_MANY = 8  # Who bring the ten thousand.
SIDE, SIDE_OF_MANY = 512, 96  # Pixels of the photos.
KEEP = 60  # Seconds that the server keeps files in that part; one that keeps them for an hour would need hours.
GROWTH = 3.0  # Megabytes in a thousand visits, in the second half, that count as none.
GREW = "memory's growth in the second half, MB in 1,000 visits"
LEFT = "left when their time was over"
DOCUMENT = ROOT / "docs/scaling.md"  # Between its two markers stand the figures.
MARKER = "<!-- load -->"
VISIT = "from the question to the answer"


class Visitor(HttpUser):
    """The requests of a visitor's browser."""

    page: Page
    outcomes: Counter[str]
    photos: Iterator[bytes]

    @task
    def bring_a_photo(self) -> None:
        """Upload, ask, wait, fetch."""
        files = {"files": ("photo.jpg", next(self.photos))}
        with self.client.post("/gradio_api/upload", files=files, name="upload", catch_response=True) as sent:
            if sent.status_code != 200:
                self._fail(sent, f"upload: {sent.status_code}")
                return
            path = sent.json()[0]
        session, started = uuid4().hex, time.perf_counter()
        body = self.page.ask(path, session)
        with self.client.post("/gradio_api/queue/join", json=body, name="ask", catch_response=True) as joined:
            if joined.status_code == 503 and f"Queue is full. Max size is {LIMIT}" in joined.text:
                joined.success()  # The page says: "This application is currently busy. Please try again."
                self.outcomes["refused"] += 1
                gevent.sleep(1)
                return
            if joined.status_code != 200:
                self._fail(joined, f"ask: {joined.status_code} {joined.text[:200]}")
                return
        response = self._wait(session)
        if not response.get("success"):
            self._fail(None, f"answer: {response}"[:300])
            return
        elapsed = 1000 * (time.perf_counter() - started)
        self.environment.events.request.fire(
            request_type="VISIT", name=VISIT, response_time=elapsed, response_length=0, exception=None, context={}
        )
        with self.client.get(
            f"/gradio_api/file={self.page.result(response)}", name="fetch", catch_response=True
        ) as fetched:
            if fetched.status_code != 200:
                self._fail(fetched, f"fetch: {fetched.status_code}")
            elif not has_color(decode_image(fetched.content)):
                self._fail(fetched, "the picture has no color")
            else:
                self.outcomes["colorized"] += 1

    def _wait(self, session: str) -> dict[str, Any]:
        """Read the server's events until the answer."""
        options = {"params": {"session_hash": session}, "stream": True, "name": "wait", "timeout": 600}
        with closing(self.client.get("/gradio_api/queue/data", **options)) as events:
            for line in events.iter_lines():
                event = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if event.get("msg") == "process_completed":
                    return {"success": event["success"], **event["output"]}
        return {}

    def _fail(self, response: Any, words: str) -> None:
        self.outcomes["failed"] += 1
        self.outcomes[f"failed: {words}"] += 1
        if response is not None:
            response.failure(words)


def make_photos(side: int, seed: int) -> Iterator[bytes]:
    """Yield different JPEG photos endlessly: crops of the samples, with grain."""
    rng = np.random.default_rng(seed)
    samples = [decode_image(path) for path in sorted((ROOT / "samples/photos").glob("*.jpg"))]
    samples = [sample for sample in samples if has_color(sample)]
    while True:
        photo = samples[rng.integers(len(samples))]
        part = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (int(rng.integers(length - part + 1)) for length in photo.shape[:2])
        picture = cv2.resize(photo[top : top + part, left : left + part], (side, side), interpolation=cv2.INTER_AREA)
        grainy = np.clip(np.rint(picture + rng.normal(0, 3, (side, side, 1))), 0, 255)
        yield encode_image(grainy.astype(np.uint8), "JPEG")


def visit(
    server: DemoServer, visitors: int, side: int, seconds: float, most: float = float("inf")
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Simulate visitors for some seconds, or until a number of photos is colorized.

    Returns
    -------
    figures : dict
        Outcomes, throughput and latency.
    course : list of dict
        Memory and files of the server over time.
    """
    outcomes: Counter[str] = Counter()
    page = Page.of(server)
    settings = {"host": server.url, "page": page, "photos": make_photos(side, visitors), "outcomes": outcomes}
    # No visit is aborted halfway.
    environment = Environment(user_classes=[type("Visitor", (Visitor,), settings)], stop_timeout=120)
    environment.events.user_error.add_listener(
        lambda exception, **_: outcomes.update(["failed", f"failed: {type(exception).__name__}: {exception}"[:300]])
    )
    runner = environment.create_local_runner()
    started, course = time.monotonic(), [look(server, 0, 0)]
    runner.start(visitors, spawn_rate=visitors)
    while (second := time.monotonic() - started) < seconds and outcomes["colorized"] + outcomes["failed"] < most:
        gevent.sleep(0.2)
        if second - course[-1]["second"] >= 2:
            course.append(look(server, second, outcomes["colorized"]))
    colorized = outcomes["colorized"]
    runner.quit()
    waited = environment.stats.get(VISIT, "VISIT")
    figures = {
        "visitors": visitors,
        "seconds": round(second, 1),
        **{name: outcomes[name] for name in ("colorized", "refused", "failed")},
        "failures": {words: count for words, count in outcomes.items() if ":" in words},
        "colorized a second": round(colorized / second, 2),
        "latency, ms": {f"{part:.0%}": round(waited.get_response_time_percentile(part)) for part in (0.5, 0.99)},
    }
    return figures, course


def look(server: DemoServer, second: float, visits: int) -> dict[str, float]:
    """Measure the server's memory and the files in its folder."""
    files = [len(names) for _, _, names in os.walk(server.files)]
    folders = sum(len(names) for _, names, _ in os.walk(server.files))
    memory = server.process.memory_info().rss / 1e6
    return {
        "second": round(second, 1),
        "visits": visits,
        "resident MB": round(memory, 1),
        "files": sum(files),
        "folders": folders,
    }


def growth(course: list[dict[str, float]]) -> float:
    """Fit the megabytes that memory grows by in a thousand visits, in the second half of a course."""
    half = [row for row in course if row["visits"] >= course[-1]["visits"] / 2]
    return float(np.polyfit([row["visits"] for row in half], [row["resident MB"] for row in half], 1)[0] * 1000)


def measure_levels(seconds: float, side: int) -> list[dict[str, Any]]:
    """Measure throughput and latency for each number of visitors, on one server."""
    rows = []
    with tempfile.TemporaryDirectory() as place, serve(Path(place)) as server:
        visit(server, 1, side, 5)  # The first visits find everything cold.
        for visitors in LEVELS:
            figures, course = visit(server, visitors, side, seconds)
            memory = [row["resident MB"] for row in course]
            rows.append(figures | {"resident MB, first to last": [memory[0], memory[-1]], "most": max(memory)})
            print(rows[-1], flush=True)
        rows[-1]["tracebacks in the log"] = server.log.read_text().count("Traceback")
    return rows


def measure_many(photos: int, side: int, keep: int) -> dict[str, Any]:
    """Upload many photos, and watch memory and files until everything is deleted again."""
    with tempfile.TemporaryDirectory() as place, serve(Path(place), COLORIZER_KEEP=str(keep)) as server:
        figures, course = visit(server, VISITORS_OF_MANY, side, float("inf"), photos)
        last = course[-1]
        deadline = time.monotonic() + 3 * keep
        left = last
        while any(left[name] > course[0][name] for name in ("files", "folders")) and time.monotonic() < deadline:
            time.sleep(1)
            left = look(server, 0, 0)
    return figures | {
        "photo": f"{side} x {side}, no two the same",
        "files kept for, seconds": keep,
        GREW: round(growth(course), 2),
        "files, most": max(row["files"] for row in course),
        "files, last": last["files"],
        LEFT: {name: left[name] - course[0][name] for name in ("files", "folders")},
        "over time": course[:: max(1, len(course) // 40)],
    }


def render(record: dict[str, Any]) -> str:
    """Render the figures as the table and the paragraph of ``docs/scaling.md``."""
    many = record["many"]
    lines = [
        "",
        "| visitors | colorized per second | latency, 50% | 99% | refused | failed |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["levels"]:
        half, most = row["latency, ms"].values()
        rate, refused, failed = (row[name] for name in ("colorized a second", "refused", "failed"))
        lines.append(f"| {row['visitors']} | {rate} | {half} ms | {most} ms | {refused} | {failed} |")
    lines += [
        "",
        f"Of {many['colorized']:,} different photos, {many['failed']} failed. In the second half, the server's memory "
        f"grew by {many[GREW]} MB per 1,000 photos. At the end, {many[LEFT]['files']} files were left.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print and record; return an exit code that says whether all checks passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for each number of visitors")
    parser.add_argument("--photos", type=int, default=10_000, help="brought to the server that forgets soon")
    parser.add_argument("--small", action="store_true", help="a try of two minutes, whose figures mean little")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/load.json")
    options = parser.parse_args()
    seconds, photos, keep = (5, 200, 12) if options.small else (options.seconds, options.photos, KEEP)
    levels = measure_levels(seconds, SIDE)
    many = measure_many(photos, SIDE_OF_MANY, keep)
    checks = {
        "nothing failed": not any(row["failed"] for row in [*levels, many]),
        "nothing refused while the waiting line has room": not any(
            row["refused"] for row in [*levels, many] if row["visitors"] <= LIMIT
        ),
        "no traceback": not levels[-1]["tracebacks in the log"],
        "memory does not grow": options.small or many[GREW] < GROWTH,
        "nothing is left": max(many[LEFT].values()) <= 0,
    }
    record = {
        "photo": f"JPEG of {SIDE} x {SIDE}, no two the same; server and visitors on the same machine",
        "waiting line": LIMIT,
        "levels": levels,
        "many": many,
        "checks": checks,
    }
    save_record(options.output, record, "ai-edge-litert", "gradio", "locust", "numpy", "opencv-python-headless")
    if not options.small:
        before, _, after = DOCUMENT.read_text().split(MARKER)
        DOCUMENT.write_text(MARKER.join([before, render(record), after]))
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
