"""Benefit of preparing old prints (``prepare=True``): ``python benchmarks/prints.py FOLDER``.

Photographs are shrunk to a long side of 256 pixels, as for the other metrics, and aged: the fixed versions, and two
random copies each as in training. The same copies are colorized with and without preparing. Their chroma is joined with
the clean luma, so only the colors are measured. Relative MSE is given for all copies of a kind, and for those that
preparing changes. Photographs that are not old prints should not be changed, so those that are get counted, too. The
record goes to ``benchmarks/results/prints.json``.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from record import save_record

from colorizer.imaging.aging import VERSIONS, Window, age, age_as
from colorizer.imaging.color import fit_within, gray_copy, join, to_chroma, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import DEFAULT_MODEL, Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.view import View

RESULTS = Path(__file__).parent / "results"
SIDE = 256
DRAWN = 2  # Copies by the generator of each photograph.
COVERED = 0.08  # Of each side: a paper border may cover it in these, and what is under it can't be known.


def is_changed(luma: NDArray[np.uint8]) -> bool:
    """Check whether preparing changes what the network sees."""
    return not np.array_equal(View.of(luma, prepare=True).luma, luma)


def make_copies(
    truth: NDArray[np.uint8], number: int
) -> Iterator[tuple[str, NDArray[np.uint8], Window, NDArray[np.uint8]]]:
    """Yield kind, aged copy (h, w) uint8, the part of it that is compared, and the truth there."""
    for version in VERSIONS:
        yield version, *age_as(truth, version), truth
    rng = np.random.default_rng(number)
    rows, columns = (slice(round(COVERED * side), side - round(COVERED * side)) for side in truth.shape[:2])
    for _ in range(DRAWN):
        yield "generator", age(truth, rng), (rows, columns), np.ascontiguousarray(truth[rows, columns])


def measure_mse(colorizer: Colorizer, truth: NDArray[np.uint8], copy: NDArray[np.uint8], window: Window) -> list[float]:
    """Return the MSE of the gray baseline, of the colors without preparing, and with it."""
    luma = to_luma(truth)
    results = [gray_copy(truth)]
    for prepare in (False, True):
        chroma = to_chroma(colorizer.colorize(copy, prepare=prepare))[window]
        results.append(join(luma, np.ascontiguousarray(chroma)))
    return [float(np.square((result.astype(np.float64) - truth) / 255).mean()) for result in results]


def summarize(rows: list[tuple[bool, list[float]]]) -> dict[str, float | int | None]:
    """Compute relative MSE without and with preparing, for all copies and for those that it changes."""
    record: dict[str, float | int | None] = {"copies": len(rows), "changed": sum(changed for changed, _ in rows)}
    for name, kept in (("all", [row for _, row in rows]), ("changed", [row for changed, row in rows if changed])):
        gray, without, with_ = np.mean(kept, axis=0) if kept else (1, np.nan, np.nan)
        for way, value in (("without", without), ("with", with_)):
            record[f"relative MSE {way}, {name}"] = round(float(value / gray), 4) if kept else None
    return record


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="color photographs")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--limit", type=int, help="only so many photographs, evenly spread")
    parser.add_argument("--output", type=Path, default=RESULTS / "prints.json")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.is_file())
    if options.limit and options.limit < len(paths):
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, options.limit).astype(int)]
    colorizer = Colorizer.load(options.model)
    rows: dict[str, list[tuple[bool, list[float]]]] = {}
    touched = 0
    for number, path in enumerate(paths):
        photo = decode_image(path)
        touched += is_changed(to_luma(photo))
        truth = fit_within(photo, SIDE)
        for kind, copy, window, part in make_copies(truth, number):
            rows.setdefault(kind, []).append((is_changed(copy), measure_mse(colorizer, part, copy, window)))
    record = {
        "model": options.model,
        "model_sha256": Checkpoint.find(options.model).weights_sha256,
        "photographs": len(paths),
        "photographs changed": touched,
        "aged copies": {kind: summarize(each) for kind, each in rows.items()},
    }
    save_record(options.output, record, "ai-edge-litert", "numpy", "opencv-python-headless")


if __name__ == "__main__":
    main()
