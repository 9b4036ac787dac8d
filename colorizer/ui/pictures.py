"""Picture widgets that both tabs use."""

import hashlib
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from PIL import Image

from colorizer.images import encode_image, write_whole

_PREVIEW_SIDE = 1600  # Pixels; larger pictures are shown reduced, or a phone would load 60 MB for one photo.
_PIXELATED_SIDE = 96


def build_panel(label: str, alt_text: str, **options: Any) -> gr.Image:
    """Build a panel that shows a picture, whole and labeled."""
    return gr.Image(
        label=label,
        alt_text=alt_text,
        format="png",
        interactive=False,
        buttons=["fullscreen"],
        elem_classes=["picture"],
        **options,
    )


def show_picture(image: NDArray[np.uint8], name: str = "image.png", **options: Any) -> Any:
    """Fill a panel: exact up to 1600 pixels, small pictures enlarged without smoothing."""
    side = max(image.shape[:2])
    if side > _PREVIEW_SIDE:
        preview = Image.fromarray(image)
        preview.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE), reducing_gap=2)
        image = np.asarray(preview)
    classes = ["picture", "pixelated"] if side <= _PIXELATED_SIDE else ["picture"]
    return gr.Image(value=save_png(image, name), elem_classes=classes, **options)


def save_png(image: NDArray[np.uint8], name: str) -> str:
    """Write a PNG where Gradio serves files from and deletes them in time; give its path."""
    content = encode_image(image, "PNG")
    folder = Path(get_upload_folder(), hashlib.sha256(content).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, content)
    return str(folder / name)
