"""Picture widgets that both tabs use."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from PIL import Image

from colorizer.images import encode_image

_PREVIEW_SIDE = 1600  # Pixels; larger pictures are shown reduced, or a phone would load 60 MB for one photo.
_PIXELATED_SIDE = 96


def build_file_input(**options: Any) -> gr.Image:
    """Build an image input that hands over the path of the file as it came, whatever the file is.

    `gradio.Image` opens the file first, so that for a broken one a person would read "Error" and no more. Only the
    one method is replaced: a subclass would make Gradio write a stub file beside this module.
    """
    component = gr.Image(type="filepath", image_mode=None, **options)
    component.preprocess = _take_path
    return component


def _take_path(payload: Any) -> str | None:
    if payload is None:
        return None
    if not payload.path:  # A "data:" address, which would pass by the limit on the size of uploads.
        raise gr.Error("Send the image as a file.", print_exception=False)
    return str(payload.path)


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
    return save_bytes_to_cache(encode_image(image, "PNG"), Path(name).name, cache_dir=get_upload_folder())
