"""Cost of colorizing a photo, relative to reading and writing it as JPEG: ``python benchmarks/photos.py``.

The photo is a sample enlarged to each size, with as much grain as from a camera, so that JPEG takes as long as for a
real one. Each round times both in turn, so that changes of the machine's speed affect both equally; the results are the
ratios within rounds. Memory is the peak resident size of a separate process, minus its size after a first small image,
the input and the output. The record goes to ``benchmarks/results/photos.json``.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray
from record import save_record

from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import DEFAULT_MODEL
from colorizer.inference.colorizer import Colorizer

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "samples/photos/coffee.jpg"
MEGAPIXELS = (0.1, 1.0, 4.0, 12.0, 48.0, 100.0)
GRAIN = 3  # Standard deviation in levels of 255.
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def make_photo(megapixels: float) -> NDArray[np.uint8]:
    """Make an (H, W, 3) uint8 photo of 3:2."""
    height, width = round((megapixels * 1e6 / 1.5) ** 0.5), round((megapixels * 1e6 * 1.5) ** 0.5)
    image = np.asarray(cv2.resize(decode_image(PHOTO), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    grain = np.random.default_rng(0).normal(0, GRAIN, (512, width, 1)).astype(np.float32)
    for top in range(0, height, 512):
        part = image[top : top + 512]
        part[:] = np.clip(np.rint(part + grain[: len(part)]), 0, 255)
    return image


def time_ratio(colorizer: Colorizer, megapixels: float, rounds: int) -> dict[str, float]:
    """Time both ways on a photo of a size."""
    photo = make_photo(megapixels)
    jpeg = np.asarray(cv2.imencode(".jpg", photo, JPEG)[1])
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        colorizer.colorize(photo)
        middle = time.perf_counter()
        cv2.imencode(".jpg", np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)), JPEG)
        times.append((middle - start, time.perf_counter() - middle))
    times = times[1:]  # The first finds caches cold.
    return {
        "megapixels": round(photo.shape[0] * photo.shape[1] / 1e6, 2),
        "colorize, ms": round(1000 * statistics.median(t for t, _ in times), 2),
        "JPEG decode and encode, ms": round(1000 * statistics.median(t for _, t in times), 2),
        "ratio": round(statistics.median(a / b for a, b in times), 3),
        "JPEG, bits a pixel": round(8 * jpeg.size / (photo.shape[0] * photo.shape[1]), 2),
    }


def measure_memory(model: str, megapixels: float) -> float:
    """Measure the peak resident size beyond input and output, in MB, of this process, which should be new."""
    colorizer, photo = Colorizer.load(model), make_photo(megapixels)
    colorizer.colorize(photo[:256, :256])
    process, peak, done = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = colorizer.colorize(photo)
    done.set()
    watcher.join()
    return (peak - before - result.nbytes) / 1e6


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--megapixels", nargs="+", type=float, default=MEGAPIXELS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/photos.json")
    parser.add_argument("--memory", type=float, help="measure the memory of one size only, and print it")
    options = parser.parse_args()
    if options.memory:
        print(measure_memory(options.model, options.memory))
        return
    colorizer = Colorizer.load(options.model)
    rows = []
    for megapixels in options.megapixels:
        row = time_ratio(colorizer, megapixels, options.rounds)
        command = [sys.executable, __file__, "--model", options.model, "--memory", str(megapixels)]
        memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        rows.append(row | {"memory above input and output, MB": round(float(memory))})
        print(rows[-1], flush=True)
    record = {
        "model": options.model,
        "photo": f"{PHOTO.name}, enlarged, with grain of {GRAIN} levels; RGB uint8 array in and out",
        "JPEG": "OpenCV, quality 95, 4:4:4",
        "rounds": options.rounds,
        "figures": rows,
    }
    save_record(options.output, record, "ai-edge-litert", "numpy", "opencv-python-headless")


if __name__ == "__main__":
    main()
