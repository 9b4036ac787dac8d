"""Cost of the engine ``ray``: ``python benchmarks/cluster.py``; with ``--small``, it takes a few minutes.

Measured on a Ray cluster with one node on this machine, in images per second from the first result to the last:

- scans of 12 megapixels and small images, with one and with two workers of one core, and without Ray;
- the processor time of workers and of the engine's own processes, and the parts of the work on one scan;
- a run whose results all exist, which shows how fast the engine itself is.

The record goes to ``benchmarks/results/cluster.json``, from which `docs/make_scaling.py` makes the tables of
``docs/scaling.md``. ``--many 100000`` instead measures the memory of all processes over this many small images, and
adds that to the record.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from record import save_record

from colorizer.batch.options import PaintOptions, paint
from colorizer.batch.plan import Job
from colorizer.batch.ray_engine import FolderPlan, import_ray, run_on_cluster
from colorizer.batch.report import Outcome
from colorizer.batch.run import run_jobs
from colorizer.imaging.decode import decode_image, decode_with_metadata
from colorizer.imaging.encode import encode_image
from colorizer.inference.checkpoint import DEFAULT_MODEL
from colorizer.inference.colorizer import Colorizer

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "benchmarks/results/cluster.json"
SCAN = (3000, 4000)  # Height and width: 12 megapixels.
SMALL = 64
GRAIN = 4.0  # Standard deviation in levels, as in scans of film; it is what makes files large.
OPTIONS = PaintOptions()
ALONE = {  # Else Ray asks the addresses of clouds whether it is in one, and tells its makers that it tells nothing.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1,localhost",
}


def make_images(folder: Path, count: int, height: int, width: int) -> None:
    """Write JPEG files of samples with grain, a thousand in a subfolder; of a dozen different contents."""
    rng = np.random.default_rng(0)
    photos = [decode_image(path) for path in sorted((ROOT / "samples/photos").glob("*.jpg"))]
    contents = []
    for i in range(min(count, 12)):
        enlarged = Image.fromarray(photos[i % len(photos)][..., :3]).resize((width, height), Image.Resampling.BICUBIC)
        gray = np.asarray(enlarged.convert("L"), np.float32) + rng.normal(0, GRAIN, (height, width))
        buffer = io.BytesIO()
        Image.fromarray(np.clip(gray, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
        contents.append(buffer.getvalue())
    for i in range(count):
        path = folder / f"{i // 1000:03}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[i % len(contents)])


def rate(outcomes: Iterator[Outcome], expected: str = "done") -> dict[str, float]:
    """Complete a run; return its images per second after the first result, and the time before that."""
    started = time.perf_counter()
    times: list[float] = []
    for outcome in outcomes:
        if outcome.status != expected:
            raise SystemExit(f"{outcome.job.source}: {outcome.status} {outcome.reason}")
        times.append(time.perf_counter())
    first = sum(moment - times[0] < 0.001 for moment in times)  # The results of the first chunk come at once.
    return {
        "images": len(times),
        "seconds to the first result": round(times[0] - started, 2),
        "images per second": round((len(times) - first) / (times[-1] - times[0]), 3),
    }


def run_here(source: Path, output: Path) -> dict[str, float]:
    """Colorize a folder as the single machine does."""
    jobs = [Job(path, (output / f"{path.stem}.png",)) for path in sorted(source.rglob("*.jpg"))]
    model = Colorizer.load(DEFAULT_MODEL)
    return rate(run_jobs(jobs, partial(paint, model, options=OPTIONS), max_pixels=OPTIONS.max_pixels))


def run_there(plan: FolderPlan, address: str, workers: int, expected: str = "done") -> dict[str, float]:
    """Colorize a folder on the cluster; add the processor time per image of the workers and of all else of Ray."""
    course = Course()
    figures = rate(course.watch(run_on_cluster(plan, DEFAULT_MODEL, address=address, workers=workers), 0.5), expected)
    first, last = course.spent[0], course.spent[-1]  # Without the start of the workers.
    end: dict[int, tuple[str, float]] = {}
    for _, spent in course.spent:
        end |= spent  # Of a process that has ended, its latest.
    totals = dict.fromkeys(("command", "workers", "Ray's processes"), 0.0)
    for pid, (kind, seconds) in end.items():
        totals[kind] += seconds - first[1].get(pid, ("", 0.0))[1]
    images = max(last[0] - first[0], 1)
    return figures | {f"{kind}, core-milliseconds an image": round(1000 * s / images, 2) for kind, s in totals.items()}


def ray_processes() -> Iterator[tuple[str, psutil.Process]]:
    """List the processes that take part: this one, the workers, and the others of Ray."""
    own = psutil.Process()
    yield "command", own
    for process in own.children(recursive=True):
        try:
            yield ("workers" if "MapWorker" in " ".join(process.cmdline()) else "Ray's processes"), process
        except psutil.Error:
            continue


def processor_times() -> dict[int, tuple[str, float]]:
    """Give the processor time of each process so far, in seconds, with its kind."""
    spent = {}
    for kind, process in ray_processes():
        try:
            spent[process.pid] = (kind, sum(process.cpu_times()[:2]))
        except psutil.Error:
            continue
    return spent


class Course:
    """Processor time and memory of a run over time."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.spent: list[tuple[int, dict[int, tuple[str, float]]]] = []

    def watch(self, outcomes: Iterator[Outcome], every: float = 1.0) -> Iterator[Outcome]:
        """Pass outcomes on, and measure the processes now and then, since the workers are gone after the last one."""
        started = latest = time.monotonic()
        for count, outcome in enumerate(outcomes, 1):
            if time.monotonic() - latest >= every or count == 1:
                latest = time.monotonic()
                self.spent.append((count, processor_times()))
                self.rows.append({"second": round(latest - started, 1), "images": count, **memory()})
            yield outcome


def memory() -> dict[str, float]:
    """Sum up the memory of each kind of process that is not shared with others, in megabytes."""
    sums: Counter[str] = Counter()
    for kind, process in ray_processes():
        try:
            info = process.memory_info()
        except psutil.Error:
            continue
        sums[f"{kind}, MB"] += info.rss - info.shared
    return {name: round(size / 1e6) for name, size in sums.items()}


def parts_of_a_scan(path: Path, rounds: int) -> dict[str, float]:
    """Measure what one core does for one scan: milliseconds of each part, and bytes."""
    model = Colorizer.load(DEFAULT_MODEL)
    times: dict[str, list[float]] = {"decode": [], "colorize": [], "encode": []}
    result = b""
    for _ in range(rounds):
        marks = [time.process_time()]
        pixels, metadata = decode_with_metadata(path)
        marks.append(time.process_time())
        ((painted,),) = paint(model, [pixels], OPTIONS)
        marks.append(time.process_time())
        result = encode_image(painted, "PNG", metadata)
        marks.append(time.process_time())
        for name, start, end in zip(times, marks, marks[1:], strict=False):
            times[name].append((end - start) * 1000)
    figures: dict[str, float] = {f"{name}, core-milliseconds": round(statistics.median(t)) for name, t in times.items()}
    return figures | {"megabytes in": round(path.stat().st_size / 1e6, 2), "megabytes out": round(len(result) / 1e6, 2)}


def measure(folder: Path, address: str, scans: int, small: int) -> dict[str, Any]:
    """Measure both kinds of images, with one worker and with two, and on the single machine."""
    record: dict[str, Any] = {}
    for name, count, (height, width), chunk in (("scans", scans, SCAN, 1), ("small", small, (SMALL, SMALL), 32)):
        source = folder / name
        make_images(source, count, height, width)
        results = {"single machine, 2 cores": run_here(source, folder / f"{name}-here")}
        for workers in (1, 2):
            plan = FolderPlan(source, folder / f"{name}-{workers}", OPTIONS, recursive=True, chunk_files=chunk)
            results[f"ray, {workers} workers"] = run_there(plan, address, workers)
        one, two = (results[f"ray, {n} workers"]["images per second"] for n in (1, 2))
        here = results["single machine, 2 cores"]["images per second"]
        record[name] = {
            "height": height,
            "width": width,
            **results,
            "2 workers / 2 x 1 worker": round(two / (2 * one), 3),
            "overhead of the engine, core-milliseconds an image": round(2000 / two - 2000 / here, 2),
        }
        if name == "small":
            again = FolderPlan(source, folder / "small-2", OPTIONS, recursive=True)
            record["all results there already"] = run_there(again, address, 2, "skipped")
    record["one scan"] = parts_of_a_scan(next((folder / "scans").rglob("*.jpg")), 5)
    return record


def watch_memory(folder: Path, address: str, count: int) -> dict[str, Any]:
    """Colorize very many small images, and give the memory of all processes over time."""
    make_images(folder / "many", count, SMALL, SMALL)
    course = Course()
    plan = FolderPlan(folder / "many", folder / "results", OPTIONS, recursive=True)
    outcomes = run_on_cluster(plan, DEFAULT_MODEL, address=address, workers=2)
    figures = rate(course.watch(outcomes, 5.0))
    written = sum(1 for _ in (folder / "results").rglob("*.png"))
    rows = course.rows
    quarter = max(1, len(rows) // 4)
    kinds = [name for name in rows[-1] if name.endswith("MB")]
    means = {
        name: [
            round(statistics.mean(row[name] for row in part)) for part in (rows[quarter : 2 * quarter], rows[-quarter:])
        ]
        for name in kinds
        if all(name in row for row in rows[quarter:])
    }
    thinned = rows[:: max(1, len(rows) // 40)]
    return {**figures, "results written": written, "second and last quarter": means, "over time": thinned}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="fewer images: some minutes")
    parser.add_argument("--scans", type=int, help="scans of 12 megapixels (default: 48; with --small 12)")
    parser.add_argument("--images", type=int, help="small images (default: 10000; with --small 2000)")
    parser.add_argument("--many", type=int, metavar="N", help="watch the memory over N small images instead")
    parser.add_argument("--output", type=Path, default=RECORD)
    options = parser.parse_args()
    os.environ.update(ALONE)
    ray = import_ray()
    from ray.cluster_utils import Cluster

    ray.data.DataContext.get_current().wait_for_min_actors_s = 300  # Both workers begin at the same time.
    size = {"object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **size})
    record = json.loads(options.output.read_text()) if options.output.exists() else {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            if options.many:
                record["memory"] = watch_memory(Path(folder), cluster.address, options.many)
            else:
                scans = options.scans or (12 if options.small else 48)
                small = options.images or (2000 if options.small else 10_000)
                record |= measure(Path(folder), cluster.address, scans, small)
    finally:
        cluster.shutdown()
    save_record(options.output, record, "ai-edge-litert", "numpy", "opencv-python-headless", "pillow", "ray")


if __name__ == "__main__":
    main()
