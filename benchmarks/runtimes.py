"""Compare LiteRT with Keras: ``python benchmarks/runtimes.py [--quick]``.

Startup time and memory are those of fresh processes; ratios are of rounds that measure both in turn. Speed is the best
of the rounds, for the network alone. The installed size is that of the packages that each extra of ``pyproject.toml``
includes, as installed here. Accuracy is measured on the first images of the CIFAR-10 test split. The record goes to
``benchmarks/results/runtimes.json``, and as a table into docs/speed.md, except with ``--quick``, which only checks that
everything works. ``--sizes`` measures only the installed sizes again.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.requirements import Requirement

from colorizer.data.dataset import ImageDataset
from colorizer.data.sources import load_dataset
from colorizer.inference.checkpoint import EXPORTED, Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.preprocessing import Preprocessing
from colorizer.inference.runtime import KerasRuntime, LiteRTRuntime, Runtime
from colorizer.machine import describe_machine, describe_versions

ROOT = Path(__file__).parent.parent
QUICK = "--quick" in sys.argv
RECORD = ROOT / "benchmarks/results/runtimes.json"
MARK = "<!-- runtimes -->"
DOCUMENT = ROOT / "docs/speed.md"
ROUNDS, IMAGES = (1, 20) if QUICK else (7, 2000)

COLORIZE = "from colorizer.cli import main; main(['colorize', 'samples/photos/cat.jpg', '--output', '{}'])"
COLORIZE_KERAS = (
    "from colorizer import Colorizer, save_image; from colorizer.inference.checkpoint import Checkpoint; "
    "from colorizer.inference.runtime import KerasRuntime; model = Checkpoint.find('unet'); "
    "save_image(Colorizer.from_runtime(KerasRuntime(model.path), model).colorize('samples/photos/cat.jpg'), '{}')"
)
PROGRAMS = {
    "LiteRT: first color": COLORIZE,
    "Keras: first color": COLORIZE_KERAS,
    "import tensorflow": "import tensorflow",
}


def start(code: str, folder: Path) -> tuple[float, float]:
    """Run Python code in a fresh process: seconds, and peak megabytes."""
    target = folder / "color.png"
    target.unlink(missing_ok=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code.format(target)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status or ("{}" in code and not target.exists()):
        raise RuntimeError(f"this failed: {code}")
    return seconds, usage.ru_maxrss / 1000


def measure_starts(folder: Path) -> dict[str, Any]:
    """Measure time and memory up to the first color, and against the import of TensorFlow alone."""
    if not QUICK:
        for code in PROGRAMS.values():  # Once for the disk's cache.
            start(code, folder)
    rounds = [{name: start(code, folder) for name, code in PROGRAMS.items()} for _ in range(ROUNDS)]
    figures: dict[str, Any] = {
        name: {
            "seconds, median": round(statistics.median(row[name][0] for row in rounds), 3),
            "peak MB": round(max(row[name][1] for row in rounds)),
        }
        for name in PROGRAMS
    }
    ratios = [row["LiteRT: first color"][0] / row["import tensorflow"][0] for row in rounds]
    figures["LiteRT: first color / import tensorflow"] = round(statistics.median(ratios), 3)
    return figures


def measure_speed(runtimes: dict[str, Runtime]) -> dict[str, dict[str, float]]:
    """Measure milliseconds an image, at several sizes and batches."""
    takes_hints = next(iter(runtimes.values())).network == "unet"
    if takes_hints:
        feed = Preprocessing.from_config(Checkpoint.find("unet").read_config())
        # An image of CIFAR-10 and a photo, as the U-Net sees them.
        small, large = (feed.thumbnail_size(*size, feed.working_size) for size in ((32, 32), (3000, 4000)))
        shapes = [(1, *small), (64, *small), (1, *large), (16, *large)]
    else:
        shapes = [(1, 32, 32), (256, 32, 32)]
    best: dict[str, dict[str, float]] = {}
    for count, height, width in shapes:
        luma = np.random.default_rng(0).random((count, height, width, 1), np.float32)
        inputs: tuple[NDArray[np.float32], ...] = (luma,)
        if takes_hints:
            inputs += (np.zeros((count, height // feed.stride, width // feed.stride, 3), np.float32),)
        for runtime in runtimes.values():
            runtime(*inputs)
        times: dict[str, list[float]] = {name: [] for name in runtimes}
        for _ in range(3 * ROUNDS):
            for name, runtime in runtimes.items():
                started = time.perf_counter()
                runtime(*inputs)
                times[name].append((time.perf_counter() - started) * 1000 / count)
        best[f"{count} x {height} x {width}"] = {name: round(min(row), 3) for name, row in times.items()}
    return best


def measure_accuracy(colorizers: dict[str, Colorizer], dataset: ImageDataset) -> dict[str, Any]:
    """Measure the mean squared error of RGB at vividness 0, and how far the results lie apart, in levels of 255."""
    truth = [dataset[i] for i in range(min(IMAGES, len(dataset)))]
    results = {name: np.stack(one.colorize_batch(truth, vividness=0)) for name, one in colorizers.items()}
    litert, keras = results.values()
    apart = np.abs(litert.astype(int) - keras)
    return {
        "images": len(truth),
        "mse": {n: round(float(np.mean((r / 255 - np.stack(truth) / 255) ** 2)), 7) for n, r in results.items()},
        "levels apart": {"largest": int(apart.max()), "mean": round(float(apart.mean()), 5)},
    }


def measure_sizes() -> dict[str, Any]:
    """Sum up the installed packages, in megabytes: for the command line, with the demo, and with training too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    sets = {"core": [], "app": extras["app"], "all": extras["app"] + extras["train"]}
    figures: dict[str, Any] = {
        name: round(sum(map(size_of, needed(project["dependencies"] + more))) / 1e6) for name, more in sets.items()
    }
    figures |= {f"{name} / all": round(figures[name] / figures["all"], 3) for name in ("core", "app")}
    return figures


def needed(requirements: list[str]) -> set[str]:
    """List the packages that requirements bring with them."""
    todo, found = [(Requirement(text), "") for text in requirements], set()
    seen = set()
    while todo:
        requirement, extra = todo.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        found.add(name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                todo += [(Requirement(text), wanted) for text in distribution(name).requires or []]
    return found


def size_of(name: str) -> int:
    """Sum up the files of an installed package, in bytes."""
    try:
        files = [Path(str(file.locate())) for file in distribution(name).files or []]
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed: run this in the environment that `make test` makes") from None
    return sum(file.stat().st_size for file in files if file.is_file())


def table(record: dict[str, Any]) -> str:
    """Lay out a record in Markdown, as docs/speed.md has it."""
    start, sizes = record["start"], record["installed, MB"]
    first = [start[f"{name}: first color"] for name in ("LiteRT", "Keras")]
    rows = [
        (
            "command line: time from process start to first result",
            [f"{r['seconds, median']:.2f} s" for r in first],
        ),
        ("peak memory of that run", [f"{r['peak MB']} MB" for r in first]),
        ("`import tensorflow` alone", ["", f"{start['import tensorflow']['seconds, median']:.2f} s"]),
        ("installed size: command line", [f"{sizes['core']} MB", ""]),
        ("installed size: with the demo", [f"{sizes['app']} MB", ""]),
        ("installed size: with the demo and training", ["", f"{sizes['all']} MB"]),
    ]
    for model, title in (("unet", "U-Net"), ("autoencoder", "autoencoder")):
        figures = record[model]
        rows.append((f"{title}: file", [f"{size} MB" for size in figures["file, MB"].values()]))
        rows.append((f"{title}: mean squared error", [f"{mse:.5f}" for mse in figures["accuracy"]["mse"].values()]))
        for shape, times in figures["milliseconds an image"].items():
            count, size = shape.split(" x ", 1)
            at_once = f"{count} at once, per image" if count != "1" else "one"
            rows.append((f"{title}: {size}, {at_once}", [f"{ms:.1f} ms" for ms in times.values()]))
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    return "\n".join(["| | LiteRT | Keras and TensorFlow |", "|---|---|---|", *lines])


def save(record: dict[str, Any]) -> None:
    """Write a record, and the table that docs/speed.md shows of it."""
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    before, _, after = DOCUMENT.read_text().split(MARK)
    DOCUMENT.write_text(f"{before}{MARK}\n{table(record)}\n{MARK}{after}")


def main() -> None:
    """Measure, print and record."""
    if "--sizes" in sys.argv:
        save({**json.loads(RECORD.read_text()), "installed, MB": measure_sizes()})
        return
    with TemporaryDirectory() as folder:
        record: dict[str, Any] = {"start": measure_starts(Path(folder)), "installed, MB": measure_sizes()}
    dataset = load_dataset("cifar10", "test")  # Not before: the memory of a process counts in its children's peak.
    for model in ("unet", "autoencoder"):
        checkpoint = Checkpoint.find(model)
        path = checkpoint.path
        runtimes: dict[str, Runtime] = {
            "LiteRT": LiteRTRuntime(path.with_name(EXPORTED).read_bytes()),
            "Keras": KerasRuntime(path),
        }
        record[model] = {
            "file, MB": {
                "LiteRT": round(path.with_name(EXPORTED).stat().st_size / 1e6, 1),
                "Keras": round(path.stat().st_size / 1e6, 1),
            },
            "milliseconds an image": measure_speed(runtimes),
            "accuracy": measure_accuracy(
                {n: Colorizer.from_runtime(runtime, checkpoint) for n, runtime in runtimes.items()}, dataset
            ),
        }
    record["rounds"] = ROUNDS
    record["machine"] = describe_machine()
    record["versions"] = describe_versions(
        "ai-edge-litert", "keras", "numpy", "opencv-python-headless", "tensorflow", "gradio"
    )
    print(json.dumps(record, indent=2))
    print(table(record))
    if not QUICK:
        save(record)


if __name__ == "__main__":
    main()
