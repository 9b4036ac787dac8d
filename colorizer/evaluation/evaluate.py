"""Evaluate a model on a dataset, and write its metrics and those of the gray baseline to a JSON file."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.data.dataset import ALL, DatasetError, ImageDataset
from colorizer.data.sources import load_dataset
from colorizer.evaluation.aged import AgedMetrics
from colorizer.evaluation.image_errors import ImageErrors, save_errors
from colorizer.evaluation.metrics import ChromaByLuma, compare, psnr, psnr_gain, ratio
from colorizer.evaluation.unet_extras import AbilityFigures
from colorizer.files import write_whole
from colorizer.imaging.color import fit_within, gray_copy
from colorizer.inference.checkpoint import CONFIG, Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.machine import describe_machine, describe_versions

_CHUNK_IMAGES = 256
_CHUNK_PIXELS = 16_000_000  # Total of a chunk: a folder of large photos must not fill the memory.


def evaluate(
    model: str,
    data: str,
    output: str | Path,
    *,
    split: str = "test",
    vividness: float = 0.0,
    detail: int | None = None,
    size: int | None = None,
    abilities: bool = False,
    aged: bool = False,
    per_image: bool = False,
    skip_corrupt: bool = False,
) -> dict[str, Any]:
    """Measure how well a model restores the colors of a dataset, and write the metrics to a JSON file.

    Parameters
    ----------
    model, data, split : str
        As in `Colorizer.load` and `colorizer.data.sources.load_dataset`.
    output : str or pathlib.Path
        The JSON file to write.
    vividness, detail : float, int
        As in `Colorizer.colorize`.
    size : int, optional
        Long side in pixels; larger images are first downscaled to it.
    abilities : bool
        Also measure the U-Net's other abilities, see `colorizer.evaluation.unet_extras`; takes about ten times as long.
    aged : bool
        Also measure aged copies of the images, see `colorizer.evaluation.aged`.
    per_image : bool
        Also write the error of each image to a CSV file beside `output` (``metrics-images.csv`` for ``metrics.json``),
        whose name and SHA-256 are recorded under ``per_image``.
    skip_corrupt : bool
        Skip corrupt images instead of failing.

    Returns
    -------
    dict
        What was written. At the top level, metrics of the predicted color joined with each image's own luma: means over
        the images of what `colorizer.evaluation.metrics.compare` gives; ``psnr_of_mean_mse``; ``relative_mse``, the
        mean squared error over that of the gray baseline (the luma in all three channels), None if all images are gray;
        ``psnr_gain`` and ``n_color``, see `colorizer.evaluation.metrics.psnr_gain`; and ``chroma_by_luma``, see
        `colorizer.evaluation.metrics.ChromaByLuma`. ``raw`` and ``gray_baseline`` have the same metrics for the
        network's own RGB output (autoencoder only) and for the baseline; ``by_group`` has the relative MSE of each
        group of images, if the dataset has groups; ``abilities`` and ``aged`` have the results of these options. No
        paths are recorded.

    Raises
    ------
    colorizer.inference.checkpoint.ModelError
        If the model can't be loaded.
    colorizer.data.dataset.DatasetError
        If the dataset can't be loaded, is empty, has corrupt images, or is a folder without splits that the model was
        trained on.
    ValueError
        If a number is out of range, the output is a folder, or the abilities of an autoencoder are requested.
    OSError
        If the output can't be written; raised before anything is measured.
    """
    output = _prepare_output(output)
    if size is not None and size < 1:
        raise ValueError(f"the size must be at least 1 pixel, got {size}")
    checkpoint = Checkpoint.find(model)
    colorizer = Colorizer.load(checkpoint.path)
    if abilities:
        colorizer.require("vividness", "hints", "alternatives", "uncertainty")
    dataset = load_dataset(data, split)
    _refuse_training_data(dataset, checkpoint.read_record(CONFIG))

    results = _Results(colorizer, vividness, detail, abilities=abilities, aged=aged)
    indices: list[int] = []
    with tqdm(total=len(dataset), desc="evaluating", unit="image", disable=None) as progress:
        for chunk in _chunks(dataset, size, skip_corrupt):
            results.add(list(chunk.values()))
            indices += chunk
            progress.update(len(chunk))
    if not indices:
        raise DatasetError(f"{dataset.name} ({dataset.split}) has no images that can be measured")

    errors, baselines = results.errors("joined"), results.errors("gray_baseline")
    extra: dict[str, Any] = {}
    if per_image:
        measured = ImageErrors(np.array(indices), errors, baselines)
        extra["per_image"] = save_errors(measured, output.with_name(f"{output.stem}-images.csv"))
    figures = {
        "model": model if model.startswith("hf://") else checkpoint.path.resolve().parent.name,
        "model_sha256": checkpoint.weights_sha256,
        "data": {**dataset.record(), **({"size": size} if size else {})},
        "vividness": vividness,
        "detail": colorizer.working_size if detail is None else detail,
        **results.summary(),
        "by_group": _by_group(dataset, indices, errors, baselines),
        **results.extras(),
        **extra,
        "machine": describe_machine(),
        "versions": describe_versions("ai-edge-litert", "numpy", "opencv-python-headless", "scikit-image"),
    }
    write_whole(output, (json.dumps(figures, indent=2) + "\n").encode())
    return figures


class _Results:
    """Colorizes images and accumulates their metrics, chunk by chunk."""

    def __init__(
        self, colorizer: Colorizer, vividness: float, detail: int | None, *, abilities: bool, aged: bool
    ) -> None:
        self._colorizer, self._vividness, self._detail = colorizer, vividness, detail
        kinds = ["joined", "gray_baseline"] + ["raw"] * ("raw output" in colorizer.abilities)
        self._rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        self._by_luma = ChromaByLuma()
        self._abilities = AbilityFigures(colorizer, detail) if abilities else None
        self._aged = AgedMetrics(colorizer, vividness, detail) if aged else None

    def add(self, images: list[NDArray[np.uint8]]) -> None:
        colorize = self._colorizer.colorize_batch
        results = {
            "joined": colorize(images, vividness=self._vividness, detail=self._detail, prepare=False),
            "gray_baseline": [gray_copy(truth) for truth in images],
        }
        if "raw" in self._rows:
            results["raw"] = colorize(images, raw=True)
        for kind, pictures in results.items():
            self._rows[kind] += map(compare, images, pictures)
        self._by_luma.add(images, results["joined"])
        if self._abilities:
            self._abilities.add(images)
        if self._aged:
            self._aged.add(images, self._rows["gray_baseline"][-len(images) :])

    def errors(self, kind: str) -> NDArray[np.float64]:
        return np.array([row["mse"] for row in self._rows[kind]])

    def summary(self) -> dict[str, Any]:
        gray = self._rows["gray_baseline"]
        summaries = {kind: _summary(rows, gray) for kind, rows in self._rows.items()}
        return {
            **summaries.pop("joined"),
            "mse_gray_baseline": float(self.errors("gray_baseline").mean()),
            "chroma_by_luma": self._by_luma.summary(),
            **summaries,
        }

    def extras(self) -> dict[str, Any]:
        measured = {"abilities": self._abilities, "aged": self._aged}
        return {name: figures.summary() for name, figures in measured.items() if figures}


def _prepare_output(output: str | Path) -> Path:
    """Make the folder of the output, and check that it can be written: before minutes of work, not after."""
    output = Path(output)
    if output.is_dir():
        raise ValueError(f"expected the name of a file, got the folder {output}")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):
        pass
    return output


def _chunks(dataset: ImageDataset, size: int | None, skip_corrupt: bool) -> Iterator[dict[int, NDArray[np.uint8]]]:
    """Decode images in chunks of limited total size, by index."""
    chunk: dict[int, NDArray[np.uint8]] = {}
    pixels = 0
    for index, full in dataset.decode(skip_corrupt=skip_corrupt):
        image = chunk[index] = fit_within(full, size)
        pixels += image.shape[0] * image.shape[1]
        if len(chunk) == _CHUNK_IMAGES or pixels >= _CHUNK_PIXELS:
            yield chunk
            chunk, pixels = {}, 0
    if chunk:
        yield chunk


def _refuse_training_data(dataset: ImageDataset, config: dict[str, Any]) -> None:
    """Raise `DatasetError` if a folder without splits is in the model's training record."""
    known = config.get("data", []) if dataset.split == ALL else []
    if any(data.get("sha256") == dataset.sha256 for data in known):
        raise DatasetError(f"the model was trained on {dataset.name}: evaluate it on other images")


def _by_group(
    dataset: ImageDataset, indices: list[int], errors: NDArray[np.float64], baselines: NDArray[np.float64]
) -> dict[str, float]:
    """Compute the relative MSE by group; empty if the dataset has no groups."""
    if dataset.groups is None:
        return {}
    names, groups = np.unique([dataset.groups[index] for index in indices], return_inverse=True)
    totals, gray = (np.bincount(groups, values) for values in (errors, baselines))
    return {str(names[group]): float(totals[group] / gray[group]) for group in np.flatnonzero(gray)}


def _summary(rows: list[dict[str, float]], gray: list[dict[str, float]]) -> dict[str, float | None]:
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    gain, colored = psnr_gain(rows, gray)
    return {
        "n": len(rows),
        **means,
        "psnr_of_mean_mse": psnr(means["mse"]),
        "relative_mse": ratio(means["mse"], float(np.mean([row["mse"] for row in gray]))),
        "psnr_gain": gain,
        "n_color": colored,
    }
