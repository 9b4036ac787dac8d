"""Prepare the demo's server while Gradio is imported: check its port, empty its folder, load the models."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from colorizer.evaluation.metrics import measure_error
from colorizer.inference.colorizer import Colorizer

MIN_SPACE = 60_000_000
"""Bytes of disk space that stay free: room for an upload and its results."""


def prepare_folder(address: str) -> Path:
    """Give Gradio an empty folder for this server; raise `OSError` if its disk is full.

    Files that a killed server left there are deleted.
    """
    user = os.getuid() if hasattr(os, "getuid") else "demo"
    name = re.sub(r"[^\w.-]", "_", f"colorizer-{user}-{address}")
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()) / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    free = shutil.disk_usage(folder).free
    if free < MIN_SPACE:
        folder.rmdir()
        raise OSError(
            f"the disk that holds {folder.parent} is full: {free / 1e6:.0f} MB are free, "
            f"{MIN_SPACE / 1e6:.0f} are needed; free some space, or choose another folder with GRADIO_TEMP_DIR"
        )
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def load(models: Iterable[str]) -> dict[str, Colorizer]:
    """Load models, and run each once, since the first run takes longer; raise `ModelError` as `Colorizer.load` does."""
    colorizers = {model: Colorizer.load(model) for model in models}
    image = np.zeros((64, 96, 3), np.uint8)
    for colorizer in colorizers.values():
        measure_error(image, colorizer.colorize(image))
    return colorizers


def is_taken(host: str, port: int) -> bool:
    """Check whether a port is in use, before models are loaded and before another server's folder is emptied."""
    try:
        with socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port), timeout=1):
            return True
    except OSError:
        return False
