"""Data that the tests make for themselves."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep data that the user's machine has, and the Hub, out of the tests."""
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def random_images(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    """Make (count, size, size, 3) uint8 images of smooth random colors."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((size, size), Image.Resampling.BICUBIC)) for c in coarse])


def encode(image: np.ndarray, format: str = "PNG", **options) -> bytes:
    """Encode an array as Pillow does."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format, **options)
    return buffer.getvalue()


def write_parquet(path: Path, cells: list[bytes], labels: list[int] | None = None, column: str = "img") -> Path:
    """Write images in the layout of the Hugging Face Hub."""
    columns = {column: [{"bytes": cell, "path": None} for cell in cells]}
    if labels is not None:
        columns["label"] = labels
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    """Make a folder that looks like the Hub's CIFAR-10, with 40 images to train on and 10 to test."""
    folder = tmp_path / "cifar10"
    for split, count, seed in (("train", 40, 1), ("test", 10, 2)):
        cells = [encode(image) for image in random_images(count, seed=seed)]
        name = f"plain_text/{split}-00000-of-00001.parquet"
        write_parquet(folder / name, cells, [i % 10 for i in range(count)])
    return folder
