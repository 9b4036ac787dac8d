"""A model on a data set -> figures in a JSON file, beside those of the trivial baseline."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.datasets import ImageDataset, load_dataset
from colorizer.images import write_whole
from colorizer.inference import Colorizer, find_model
from colorizer.metrics import compare, gray_copy, psnr
from colorizer.records import describe_machine, describe_versions

_CHUNK_IMAGES = 256
_CHUNK_PIXELS = 16_000_000  # Of all images together: a folder of large photos must not fill the memory.


def evaluate(
    model: str,
    data: str,
    output: str | Path,
    *,
    split: str = "test",
    vividness: float = 0.0,
    skip_corrupt: bool = False,
) -> dict[str, Any]:
    """Measure how well the colors of a data set come back, and write the figures down.

    Parameters
    ----------
    model, data, split
        As in `Colorizer.load` and `colorizer.datasets.load_dataset`.
    output : str or pathlib.Path
        The JSON file to write.
    vividness : float
        As in `Colorizer.colorize`.
    skip_corrupt : bool
        Leave corrupt images out instead of failing.

    Returns
    -------
    dict
        What was written. At the top the figures of the model's color on the images' own luma: means over the images of
        what `colorizer.metrics.compare` gives, ``psnr_of_mean_mse``, and ``error_left``: the mean squared error over
        that of the gray copy. Under ``raw`` and ``gray_copy`` the same figures of the network's own picture (the
        autoencoder's only) and of the luma copied to three channels. No path stands in it.

    Raises
    ------
    colorizer.inference.ModelError, colorizer.datasets.DatasetError
        If the model or the data can't be loaded, or images are corrupt.
    OSError
        If the output can't be written; before anything is measured.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):  # What can't be written is seen before minutes of work, not after.
        pass
    path = find_model(model)
    colorizer = Colorizer.load(path)
    dataset = load_dataset(data, split)

    rows: dict[str, list[dict[str, float]]] = {"joined": [], "gray_copy": []}
    if colorizer.paints_rgb:
        rows["raw"] = []
    with tqdm(total=len(dataset), desc="evaluating", unit="image", disable=None) as progress:
        for images in _chunks(dataset, skip_corrupt):
            results = {
                "joined": colorizer.colorize_batch(images, vividness=vividness),
                "gray_copy": [gray_copy(truth) for truth in images],
            }
            if colorizer.paints_rgb:
                results["raw"] = colorizer.colorize_batch(images, raw=True)
            for i, truth in enumerate(images):
                for kind, pictures in results.items():
                    rows[kind].append(compare(truth, pictures[i]))
                progress.update()

    baseline = _mean(rows["gray_copy"], "mse")
    figures = {
        "model": model if model.startswith("hf://") else path.parent.name,
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data": dataset.record(),
        "vividness": vividness,
        **_summary(rows.pop("joined"), baseline),
        "mse_gray_copy": baseline,
        **{kind: _summary(measured, baseline) for kind, measured in rows.items()},
        "machine": describe_machine(),
        "versions": describe_versions("keras", "numpy", "opencv-python-headless", "scikit-image", "tensorflow"),
    }
    write_whole(output, (json.dumps(figures, indent=2) + "\n").encode())
    return figures


def _chunks(dataset: ImageDataset, skip_corrupt: bool) -> Iterator[list[NDArray[np.uint8]]]:
    chunk: list[NDArray[np.uint8]] = []
    pixels = 0
    for _, image in dataset.decode(skip_corrupt=skip_corrupt):
        chunk.append(image)
        pixels += image.shape[0] * image.shape[1]
        if len(chunk) == _CHUNK_IMAGES or pixels >= _CHUNK_PIXELS:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk


def _mean(rows: list[dict[str, float]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _summary(rows: list[dict[str, float]], baseline: float) -> dict[str, float]:
    means = {key: _mean(rows, key) for key in rows[0]}
    return {
        "n": len(rows),
        **means,
        "psnr_of_mean_mse": psnr(means["mse"]),
        "error_left": means["mse"] / baseline if baseline else float("nan"),
    }
