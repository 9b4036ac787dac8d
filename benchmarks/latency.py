"""Overhead of `Colorizer` over the bare autoencoder on one 32x32 image: ``python benchmarks/latency.py``.

Each round times every variant in turn, so that changes of the machine's speed affect all of them equally; the results
are the ratios within rounds. The record goes to ``benchmarks/results/latency.json``.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from record import save_record

from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.runtime import load_runtime

MODEL = "autoencoder"
ROUNDS, CALLS, BATCH = 30, 20, 256
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure, print and record."""
    checkpoint = Checkpoint.find(MODEL)
    image = decode_image(ROOT / "samples/cifar10/00_cat.png")
    runtime, colorizer = load_runtime(checkpoint), Colorizer.load(checkpoint.path)
    one = np.random.default_rng(0).random((1, *runtime.size, 1), np.float32)
    many = np.repeat(one, BATCH, axis=0)

    variants: dict[str, Callable[[], Any]] = {
        "bare network, compiled": lambda: runtime(one),
        "Colorizer.colorize": lambda: colorizer.colorize(image),
        f"bare network, compiled, batch of {BATCH}": lambda: runtime(many),
        f"Colorizer.colorize_batch, {BATCH} images": lambda: colorizer.colorize_batch([image] * BATCH),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for call in variants.values():
        call()
    for _ in range(ROUNDS):
        for name, call in variants.items():
            calls = 1 if "batch" in name else CALLS
            started = time.perf_counter()
            for _ in range(calls):
                call()
            times[name].append((time.perf_counter() - started) / calls)

    names = list(variants)
    ratios = {
        f"{other} / {base}": statistics.median(a / b for a, b in zip(times[other], times[base], strict=True))
        for other, base in [(names[1], names[0]), (names[3], names[2])]
    }
    record = {
        "model": MODEL,
        "image": "32x32 uint8 RGB array",
        "rounds": ROUNDS,
        "milliseconds, median": {name: round(1000 * statistics.median(t), 3) for name, t in times.items()},
        "ratio, median of the rounds": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }
    path = ROOT / "benchmarks/results/latency.json"
    save_record(path, record, "ai-edge-litert", "numpy", "opencv-python-headless")


if __name__ == "__main__":
    main()
