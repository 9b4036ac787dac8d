"""Start the demo: used by ``make app`` and by the Hugging Face Space."""

import argparse
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from colorizer.demo import decoding, server
from colorizer.demo.connections import limit_connections
from colorizer.inference.checkpoint import ModelError, list_models


def main() -> int:
    """Load the models, serve the page until interrupted, and return the exit code."""
    argparse.ArgumentParser(
        description="Start the demo. Environment variables set its address and its limits: see docs/usage.md."
    ).parse_args()
    # A Space must be reachable from outside; anywhere else, listen only on this machine by default.
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return _fail(f"GRADIO_SERVER_PORT must be a number from 1 to 65535, got {port!r}")
    if server.is_taken(host, int(port)):
        return _fail(f"port {port} is in use by another program; set GRADIO_SERVER_PORT to choose another one")
    models = list_models()
    if not models:
        return _fail(
            "there are no trained weights in checkpoints/; train them with: python train.py --model autoencoder"
        )
    try:
        folder = server.prepare_folder(f"{host}-{port}")
        decoding.start()
        with ThreadPoolExecutor(1) as helper:
            loading = helper.submit(server.load, models)
            from colorizer.demo.page import build_demo, launch_options  # Gradio: takes seconds.
        demo = build_demo(loading.result())
        options = launch_options(host)
        # With _frontend=False, Gradio doesn't fetch the page first, which fails if that takes over three seconds.
        demo.launch(
            server_name=host, server_port=int(port), quiet=True, prevent_thread_lock=True, _frontend=False, **options
        )
        limit_connections(demo.server.config)
    except (ModelError, OSError, ValueError) as error:
        return _fail(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"The demo is at http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port} (Ctrl+C stops it)", flush=True)
    try:
        demo.block_thread()
    finally:
        # However the server is stopped, visitors' files are deleted: Gradio itself leaves interrupted uploads behind.
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _fail(message: str) -> int:
    print(f"app.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
