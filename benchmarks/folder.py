"""Colorize a folder of thousands of images on the command line: ``python benchmarks/folder.py --images 10000``.

Crops of the samples, small and medium-sized, are written to a folder with subfolders and colorized with the command
that a user would run. It is killed halfway (``kill -9``) and run again. Speed and memory over time are measured from
outside. At the end, each image must have a complete result, and results from before the kill must not have been
redone. The record goes to ``benchmarks/results/folder.json``.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from record import save_record

from colorizer.imaging.decode import decode_image, read_size
from colorizer.imaging.encode import save_image
from colorizer.inference.checkpoint import DEFAULT_MODEL

ROOT = Path(__file__).parent.parent
SIDES = (32, 64, 200, 320, 500)  # Of the images, in equal shares.
COMMAND = "import sys; from colorizer.cli import main; sys.exit(main())"


def make_images(folder: Path, count: int) -> None:
    """Write JPEG and PNG files, a hundred in a subfolder."""
    rng = np.random.default_rng(0)
    photos = [decode_image(path) for path in sorted((ROOT / "samples/photos").glob("*.jpg"))]
    for i in range(count):
        photo, side = photos[rng.integers(len(photos))], SIDES[i % len(SIDES)]
        part = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (int(rng.integers(length - part + 1)) for length in photo.shape[:2])
        picture = Image.fromarray(photo[top : top + part, left : left + part]).resize((side, side))
        path = folder / f"{i // 100:03}" / f"{i:05}{'.png' if i % 4 == 0 else '.jpg'}"
        path.parent.mkdir(exist_ok=True)
        save_image(np.array(picture), path)


def run(command: list[str], report: Path, kill_at: int | None) -> tuple[int, float, list[dict[str, float]]]:
    """Run the command, and kill it after so many images if asked to; give its exit code, its seconds and its course."""
    report.unlink(missing_ok=True)
    started, done, read = time.monotonic(), 0, 0
    course: list[dict[str, float]] = []
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(0.2)
        if report.exists():
            with report.open("rb") as file:
                file.seek(read)
                new = file.read()
            read += len(new)
            done += new.count(b'"status": "done"')
        second = time.monotonic() - started
        if not course or second - course[-1]["second"] >= 5:
            with suppress(psutil.NoSuchProcess):
                memory = psutil.Process(process.pid).memory_info().rss / 1e6
                course.append({"second": round(second, 1), "images": done, "resident MB": round(memory)})
        if kill_at is not None and done >= kill_at:
            process.send_signal(signal.SIGKILL)
            break
    return process.wait(), time.monotonic() - started, course


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/folder.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        scans, results, report = Path(place, "scans"), Path(place, "results"), Path(place, "run.jsonl")
        scans.mkdir()
        make_images(scans, options.images)
        command = [sys.executable, "-c", COMMAND, "colorize", str(scans), "--recursive", "--output", str(results)]
        command += ["--model", options.model, "--report", str(report)]
        code, seconds, first = run(command, report, options.images // 2)
        left = {path: path.stat().st_mtime_ns for path in results.rglob("*.png") if not path.name.startswith(".")}
        code_again, seconds_again, second = run(command, report, None)
        states = [json.loads(line)["status"] for line in report.read_text().splitlines()]
        wrong = 0
        for path in scans.rglob("*.*"):
            result = (results / path.relative_to(scans)).with_suffix(".png")
            wrong += not result.exists() or decode_image(result).shape[:2] != read_size(path)
        record: dict[str, Any] = {
            "images": options.images,
            "sides": SIDES,
            "model": options.model,
            "killed after": {"images": len(left), "seconds": round(seconds, 1), "exit": code},
            "second run": {
                "seconds": round(seconds_again, 1),
                "exit": code_again,
                "done": states.count("done"),
                "skipped": states.count("skipped"),
            },
            "results absent or broken": wrong,
            "results done twice": sum(path.stat().st_mtime_ns != time for path, time in left.items()),
            "temporary files left": len(list(results.rglob(".*"))),
            "images per second": [rate(course) for course in (first, second)],
            "first run over time": thin(first),
            "second run over time": thin(second),
        }
    save_record(options.output, record, "ai-edge-litert", "numpy", "opencv-python-headless", "pillow")


def rate(course: list[dict[str, float]]) -> list[float]:
    """Give the images per second of each quarter of a run, from its first result on."""
    course = [row for row in course if row["images"]]
    parts = [part for part in np.array_split(np.arange(len(course)), 4) if len(part) > 1]
    ends = [(course[part[0]], course[part[-1]]) for part in parts]
    return [round((b["images"] - a["images"]) / (b["second"] - a["second"]), 2) for a, b in ends]


def thin(course: list[dict[str, float]]) -> list[dict[str, float]]:
    """Keep some forty rows of a run's course."""
    return course[:: max(1, len(course) // 40)]


if __name__ == "__main__":
    main()
