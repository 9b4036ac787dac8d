"""Picture widgets that the tabs use, and the files behind them."""

import hashlib
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from colorizer.demo.errors import as_gradio_errors
from colorizer.demo.photo import PREVIEW_SIDE
from colorizer.files import write_whole
from colorizer.imaging.encode import EXTENSIONS, encode_image
from colorizer.imaging.metadata import Metadata

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
    """Fill a panel: small pictures are enlarged without smoothing."""
    return gr.Image(value=save_picture(image, name), elem_classes=["picture", *style_classes(image)], **options)


def style_classes(image: NDArray[np.uint8]) -> list[str]:
    """List the CSS classes that an image's panel needs."""
    return ["pixelated"] if max(image.shape[:2]) <= _PIXELATED_SIDE else []


def save_preview(image: NDArray[np.uint8], stem: str) -> str:
    """Write a picture to look at: exact up to the size of previews, and as JPEG where a phone would wait for it."""
    opaque = image.shape[2] == 3
    return save_picture(image, f"{stem}.jpg" if opaque and max(image.shape[:2]) >= PREVIEW_SIDE else f"{stem}.png")


def save_picture(image: NDArray[np.uint8], name: str, metadata: Metadata | None = None) -> str:
    """Write a picture where Gradio serves files from and deletes them in time; give its path.

    The name's extension is one of `colorizer.imaging.encode.EXTENSIONS`.
    """
    with as_gradio_errors():
        content = encode_image(image, EXTENSIONS[Path(name).suffix.lower()], metadata)
        folder = Path(get_upload_folder(), hashlib.sha256(content).hexdigest())
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)
    return str(folder / name)


def build_swatches(label: str, elem_id: str) -> gr.Gallery:
    """Build a row of colors to choose from."""
    return gr.Gallery(
        label=label,
        columns=6,
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=False,
        elem_id=elem_id,
        elem_classes=["thumbnails", "swatches"],
    )


def show_swatches(colors: list[str]) -> Any:
    """Fill a row of colors, ``#RRGGBB`` each."""
    pictures = [
        (save_picture(np.full((8, 8, 3), list(bytes.fromhex(color[1:])), np.uint8), f"{color[1:]}.png"), color)
        for color in colors
    ]
    return gr.Gallery(pictures, visible=True, selected_index=None)
