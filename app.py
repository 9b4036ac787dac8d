"""The demo: what ``make app`` starts and what a Hugging Face Space runs."""

import os
import sys

from colorizer.inference import Colorizer, ModelError, list_models
from colorizer.ui import build_demo, launch_options


def main() -> int:
    """Load the models, serve the page until interrupted, and give the exit code."""
    # A Space is reached from outside its machine; anywhere else only this machine is served, unless asked otherwise.
    default_name = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"
    name = os.environ.get("GRADIO_SERVER_NAME") or default_name
    port = os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return _fail(f"GRADIO_SERVER_PORT must be a number from 1 to 65535, got {port!r}")
    try:
        colorizers = {model: Colorizer.load(model) for model in list_models()}
        if not colorizers:
            raise ModelError("there are no trained weights in checkpoints/; train them with: python train.py")
        demo = build_demo(colorizers)
        demo.launch(server_name=name, server_port=int(port), quiet=True, prevent_thread_lock=True, **launch_options())
    except (ModelError, OSError) as error:
        return _fail(str(error))
    print(f"The demo is at http://{'127.0.0.1' if name == '0.0.0.0' else name}:{port} (Ctrl+C stops it)", flush=True)
    demo.block_thread()
    return 0


def _fail(message: str) -> int:
    print(f"app.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
