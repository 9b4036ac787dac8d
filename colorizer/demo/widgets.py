"""Picture widgets that the tabs use, and the files behind them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from colorizer.demo.errors import as_gradio_errors
from colorizer.files import write_whole
from colorizer.imaging.encode import EXTENSIONS, encode_image
from colorizer.imaging.metadata import Metadata

_PIXELATED_SIDE = 96
_PREVIEW_QUALITY = 88
_JPEG_MARK = b"\xff\xd8"


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


def build_thumbnails(pictures: Sequence[tuple[str, str]] | None = None, **options: Any) -> gr.Gallery:
    """Build a gallery of thumbnails of small images to choose from; `pictures` are paths with captions."""
    return gr.Gallery(
        pictures,
        label="Choose an image",
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_classes=["thumbnails", "pixelated"],
        **options,
    )


def show_picture(image: NDArray[np.uint8], name: str = "image.png", **options: Any) -> Any:
    """Fill a panel: small pictures are enlarged without smoothing."""
    classes = ["picture", *(["pixelated"] if is_pixelated(image) else [])]
    return gr.Image(value=save_picture(image, name), elem_classes=classes, **options)


def is_pixelated(image: NDArray[np.uint8]) -> bool:
    """Whether an image is so small that it is enlarged without smoothing."""
    return max(image.shape[:2]) <= _PIXELATED_SIDE


def read_caption(choice: gr.SelectData) -> Any:
    """Return the caption of the picture that was chosen in a gallery; None if the choice is invalid."""
    return choice.value.get("caption") if isinstance(choice.value, dict) else None


def address(path: str) -> str:
    """URL of a file of the demo, relative to the page."""
    return f"gradio_api/file={quote(Path(path).as_posix())}"


def encode_preview(image: NDArray[np.uint8]) -> bytes:
    """Encode a preview: as PNG if it is small or transparent, otherwise as JPEG, which is smaller."""
    if image.shape[2] == 4 or is_pixelated(image):
        return encode_image(image, "PNG")
    _, content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _PREVIEW_QUALITY])
    return content.tobytes()


def save_preview(image: NDArray[np.uint8], stem: str) -> str:
    """Write a preview, see `encode_preview`; return its path."""
    content = encode_preview(image)
    return _save(content, f"{stem}.{'jpg' if content.startswith(_JPEG_MARK) else 'png'}")


def save_picture(image: NDArray[np.uint8], name: str, metadata: Metadata | None = None) -> str:
    """Write a picture into the folder that Gradio serves and the demo cleans up; return its path.

    The name's extension is one of `colorizer.imaging.encode.EXTENSIONS`.
    """
    with as_gradio_errors():
        content = encode_image(image, EXTENSIONS[Path(name).suffix.lower()], metadata)
    return _save(content, name)


def _save(content: bytes, name: str) -> str:
    with as_gradio_errors():
        folder = Path(get_upload_folder(), hashlib.sha256(content).hexdigest())
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)
    return str(folder / name)
