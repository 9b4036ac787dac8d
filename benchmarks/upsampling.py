"""How well chroma comes back from a thumbnail: ``python benchmarks/upsampling.py FOLDER_OF_PHOTOS``.

The true chroma of each photo is shrunk to a grid and brought back by bilinear and bicubic interpolation and by
`colorizer.color.join_upsampled`. The error is the squared error of the chroma over that of no chroma at all; "near
edges" counts the pixels around the strongest tenth of the luma's gradients, where color bleeds. The record goes to
``benchmarks/results/upsampling.json``.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.color import join, join_upsampled, to_chroma, to_luma
from colorizer.datasets import load_dataset
from colorizer.records import describe_machine, describe_versions

GRIDS = (16, 32, 64)  # Long side of the small chroma.
METHODS = ("bilinear", "bicubic", "guided")


def bring_back(luma: NDArray[np.uint8], small: NDArray[np.float32], method: str) -> NDArray[np.uint8]:
    """Join luma (H, W) with small chroma (h, w, 2), brought to its size by the given method."""
    if method == "guided":
        return join_upsampled(luma, small)
    interpolation = cv2.INTER_LINEAR if method == "bilinear" else cv2.INTER_CUBIC
    return join(luma, np.asarray(cv2.resize(small, luma.shape[::-1], interpolation=interpolation), np.float32))


def find_edges(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the pixels within two of the strongest tenth of the gradients."""
    smooth = cv2.GaussianBlur(luma, (0, 0), 1).astype(np.float32)
    strength = np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1))
    strongest = (strength > np.quantile(strength, 0.9)).astype(np.uint8)
    return cv2.dilate(strongest, np.ones((5, 5), np.uint8)) > 0


def main(folder: str) -> None:
    """Measure, print and record."""
    photos = load_dataset(folder, "test")
    rows: dict[tuple[int, str], list[tuple[float, float]]] = {(g, m): [] for g in GRIDS for m in METHODS}
    for _, image in tqdm(photos.decode(), total=len(photos), unit="image", disable=None):
        luma, chroma = to_luma(image), to_chroma(image)
        edges, energy = find_edges(luma), (chroma**2).sum(axis=-1)
        if energy.mean() < 1e-4:
            continue  # A gray photo has no chroma to bring back.
        for grid in GRIDS:
            scale = grid / max(luma.shape)
            size = (max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale)))
            small = np.asarray(cv2.resize(chroma, size, interpolation=cv2.INTER_AREA), np.float32)
            for method in METHODS:
                error = ((to_chroma(bring_back(luma, small, method)) - chroma) ** 2).sum(axis=-1)
                rows[grid, method].append((error.mean() / energy.mean(), error[edges].mean() / energy[edges].mean()))
    figures = [
        {
            "grid": grid,
            "method": method,
            "error": round(float(np.mean(row, axis=0)[0]), 4),
            "error near edges": round(float(np.mean(row, axis=0)[1]), 4),
        }
        for (grid, method), row in rows.items()
    ]
    record = {
        "data": photos.record(),
        "photos with color": len(next(iter(rows.values()))),
        "figures": figures,
        "machine": describe_machine(),
        "versions": describe_versions("numpy", "opencv-python-headless"),
    }
    text = json.dumps(record, indent=2)
    print(text)
    (Path(__file__).parent / "results/upsampling.json").write_text(text + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="folder of photos, as `colorizer evaluate --data` takes it")
    main(parser.parse_args().photos)
