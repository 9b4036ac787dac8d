"""The demo: what ``make app`` starts and what a Hugging Face Space runs."""

import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from colorizer.inference import Colorizer, ModelError, list_models
from colorizer.metrics import measure_error
from colorizer.ui import build_demo, launch_options

_LEAST_SPACE = 60_000_000  # Bytes: an upload and its results.


def main() -> int:
    """Load the models, serve the page until interrupted, and give the exit code."""
    # A Space is reached from outside its machine; anywhere else only this machine is served, unless asked otherwise.
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return _fail(f"GRADIO_SERVER_PORT must be a number from 1 to 65535, got {port!r}")
    if _is_taken(host, int(port)):
        return _fail(f"port {port} is taken by another program; choose one by GRADIO_SERVER_PORT")
    models = list_models()
    if not models:
        return _fail("there are no trained weights in checkpoints/; make them by: python train.py --model autoencoder")
    try:
        folder = _prepare_folder(f"{host}-{port}")
        colorizers = {model: Colorizer.load(model) for model in models}
        demo = build_demo(colorizers)
        demo.launch(server_name=host, server_port=int(port), quiet=True, prevent_thread_lock=True, **launch_options())
    except (ModelError, OSError, ValueError) as error:
        return _fail(str(error))
    threading.Thread(target=_warm_up, args=[colorizers.values()], daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"The demo is at http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port} (Ctrl+C stops it)", flush=True)
    try:
        demo.block_thread()
    finally:
        # However it is stopped, it deletes the files that it was given: Gradio itself leaves uploads that were cut off.
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _prepare_folder(address: str) -> Path:
    """Give Gradio an empty folder of this server's own: what a killed one left there is deleted."""
    user = os.getuid() if hasattr(os, "getuid") else "demo"
    name = re.sub(r"[^\w.-]", "_", f"colorizer-{user}-{address}")
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()) / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    free = shutil.disk_usage(folder).free
    if free < _LEAST_SPACE:
        folder.rmdir()
        raise OSError(
            f"the disk of {folder.parent} is full: {free / 1e6:.0f} MB are free, {_LEAST_SPACE / 1e6:.0f} are needed; "
            "make room, or name another folder by GRADIO_TEMP_DIR"
        )
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def _warm_up(colorizers: Iterable[Colorizer]) -> None:
    """Do what takes longer the first time, while the first visitor still looks at the page."""
    image = np.zeros((64, 96, 3), np.uint8)
    for colorizer in colorizers:
        measure_error(image, colorizer.colorize(image))


def _is_taken(host: str, port: int) -> bool:
    """Tell before the models are loaded, which takes seconds, and before another server's folder is emptied."""
    try:
        with socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port), timeout=1):
            return True
    except OSError:
        return False


def _fail(message: str) -> int:
    print(f"app.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
