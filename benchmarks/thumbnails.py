"""What thumbnail of a photo the U-Net should see: ``python benchmarks/thumbnails.py FOLDER_OF_PHOTOS``.

Error left (the squared error over the gray copy's) at vividness 0 by the way of shrinking and by the long side of the
thumbnail: of photos of 256 pixels, and of whole ones to which grain was added. The record goes to
``benchmarks/results/thumbnails.json``.
"""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.chroma_painter import ChromaPainter, thumbnail_size
from colorizer.color import fit_within, join_each, resize, to_luma
from colorizer.datasets import load_dataset
from colorizer.inference import DEFAULT_DETAIL, find_model
from colorizer.metrics import gray_copy
from colorizer.records import describe_machine, describe_versions
from colorizer.runtime import load_runtime

DETAILS = (64, 96, 128, 160)
SIDE = 256
GRAIN = 30  # Standard deviation in levels, at each pixel.


def by_area(luma: NDArray[np.uint8], detail: int) -> NDArray[np.uint8]:
    """Shrink luma by means of areas."""
    return resize(luma, *thumbnail_size(luma, detail), cv2.INTER_AREA)


def at_once(luma: NDArray[np.uint8], detail: int) -> NDArray[np.uint8]:
    """Shrink luma by cubic interpolation between pixels of the photo."""
    return resize(luma, *thumbnail_size(luma, detail), cv2.INTER_CUBIC)


VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "without sharpening": {"_SHARPENING": 0.0},
    "means of areas": {"shrink": by_area},
    "interpolated at once": {"shrink": at_once},
}
"""What a variant changes in `colorizer.chroma_painter`."""
LARGE_MIRROR = "the mirror image as large as the other"


def measure(painter: ChromaPainter, photos: list[NDArray[np.uint8]], detail: int, grain: int = 0) -> float:
    """Measure the error left of photos on their own luma, of which the network sees a grainy copy."""
    rng = np.random.default_rng(0)
    lumas = [to_luma(photo) for photo in photos]
    seen = [np.clip(np.rint(luma + rng.normal(0, grain, luma.shape)), 0, 255).astype(np.uint8) for luma in lumas]
    results = join_each(zip(lumas, painter.paint(seen, 0, detail), strict=True))
    error = sum(np.mean((result / 255 - photo / 255) ** 2) for result, photo in zip(results, photos, strict=True))
    return round(float(error / sum(np.mean((gray_copy(photo) / 255 - photo / 255) ** 2) for photo in photos)), 4)


def main(folder: str) -> None:
    """Measure, print and record."""
    photos = load_dataset(folder, "test")
    whole = [photos[i] for i in range(len(photos))]
    small = [fit_within(photo, SIDE) for photo in whole]
    path = find_model("unet")
    runtime, config = load_runtime(path), json.loads(path.with_name("config.json").read_text())
    large = {**config, "input": {**config["input"], "sizes": DETAILS}}
    rows: dict[str, dict[str, float]] = {}
    for title, changes, settings in (
        *((title, changes, config) for title, changes in VARIANTS.items()),
        (LARGE_MIRROR, {}, large),
    ):
        with ExitStack() as stack:
            for name, value in changes.items():
                stack.enter_context(patch(f"colorizer.chroma_painter.{name}", value))
            painter = ChromaPainter(runtime, settings)
            rows[title] = {str(detail): measure(painter, small, detail) for detail in DETAILS}
            rows[title]["grain"] = measure(painter, whole, DEFAULT_DETAIL, GRAIN)
        print(f"{title}: {rows[title]}", flush=True)
    record = {
        "data": photos.record(),
        "size": SIDE,
        "grain": GRAIN,
        "error left": rows,
        "model_sha256": config["model_sha256"],
        "machine": describe_machine(),
        "versions": describe_versions("ai-edge-litert", "numpy", "opencv-python-headless"),
    }
    path = Path(__file__).parent / "results/thumbnails.json"
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="folder of photos, as `colorizer evaluate --data` takes it")
    main(parser.parse_args().photos)
