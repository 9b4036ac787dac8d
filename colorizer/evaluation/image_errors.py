"""Errors of single images: written by `evaluate`, and used to sort the demo's gallery."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colorizer.files import sha256, write_whole
from colorizer.inference.checkpoint import Checkpoint, ModelError

Order = Literal["best", "typical", "worst"]
_COLUMNS = ("row", "mse", "mse_gray_baseline")


@dataclass(frozen=True, eq=False)
class ImageErrors:
    """Error of each image of a dataset.

    Attributes
    ----------
    rows : (N,) int64
        Indices of the images in the dataset; corrupt ones may be missing.
    errors, baselines : (N,) float64
        Mean squared error, of RGB in [0, 1], of the model's color joined with the image's luma, and of the gray
        baseline.
    """

    rows: NDArray[np.int64]
    errors: NDArray[np.float64]
    baselines: NDArray[np.float64]

    def sort(self, order: Order) -> list[int]:
        """List rows of the more colorful half, see `rank`, with the best, most typical or worst first."""
        ranked = self.rows[rank(self.errors, self.baselines)]
        if order == "worst":
            ranked = ranked[::-1]
        elif order == "typical":
            ranked = ranked[np.argsort(np.abs(np.arange(len(ranked)) - len(ranked) // 2), kind="stable")]
        return [int(row) for row in ranked]


def rank(errors: NDArray[np.float64], baselines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order images by relative MSE, lowest first.

    Only the more colorful half, by the gray baseline's error, is ranked: where there is hardly any color, the ratio is
    meaningless.

    Parameters
    ----------
    errors, baselines : (N,) float64
        As in `ImageErrors`.

    Returns
    -------
    (M,) int64
        Indices of the images.
    """
    colored = np.flatnonzero(baselines >= np.median(baselines))
    return colored[np.argsort(errors[colored] / np.maximum(baselines[colored], 1e-12), kind="stable")]


def save_errors(measured: ImageErrors, path: Path) -> dict[str, str]:
    """Write errors as CSV, one line per image; return the file's name and SHA-256 for the record."""
    lines = [",".join(_COLUMNS)]
    for row, error, baseline in zip(measured.rows, measured.errors, measured.baselines, strict=True):
        lines.append(f"{row},{error:.4g},{baseline:.4g}")
    content = ("\n".join(lines) + "\n").encode()
    write_whole(path, content)
    return {"file": path.name, "sha256": sha256(content)}


def find_errors(folder: Path, data_sha256: str) -> ImageErrors | None:
    """Find the errors of a model on a dataset among the records beside its weights.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the weights and any ``metrics*.json`` that `colorizer.evaluation.evaluate.evaluate` wrote.
    data_sha256 : str
        SHA-256 of the dataset, see `colorizer.data.dataset.ImageDataset`.

    Returns
    -------
    ImageErrors or None
        None if there is no record of these weights on this dataset at vividness 0, or its CSV file has changed since.
    """
    try:
        digest = Checkpoint.find(folder).weights_sha256
    except ModelError:
        return None
    for path in sorted(folder.glob("metrics*.json")):
        try:
            record = json.loads(path.read_text("utf-8"))
            data, kept = record["data"], record["per_image"]
            fits = data["sha256"] == data_sha256 and "size" not in data and record["vividness"] == 0
            content = path.with_name(kept["file"]).read_bytes() if fits and record["model_sha256"] == digest else b""
            if content and sha256(content) == kept["sha256"]:
                return _read(content)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # No record, or one without per-image errors.
    return None


def _read(content: bytes) -> ImageErrors:
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode())))
    row, mse, baseline = ([float(each[column]) for each in rows] for column in _COLUMNS)
    return ImageErrors(np.array(row, np.int64), np.array(mse), np.array(baseline))
