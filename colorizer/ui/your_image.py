"""The tab *Your image*: a file in, its colorized picture out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.images import ImageError, decode_image, has_color
from colorizer.inference import Colorizer
from colorizer.metrics import gray_copy
from colorizer.resources import resource_folder
from colorizer.ui.pictures import build_file_input, build_panel, save_png, show_picture

MAX_PIXELS = 50_000_000
"""Largest picture that the demo takes: a phone's largest, and what fits into a small server's memory."""

_SHOWN_BY_BROWSERS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif"}
_EXAMPLES = sorted((resource_folder("samples") / "photos").glob("*.jpg"))
_GRAY_NOTE = "This picture is gray already: there is no original color to compare with."


def build(colorizers: Mapping[str, Colorizer], model: gr.Radio) -> None:
    """Build the tab inside the current `gradio.Blocks`; ``model`` holds the name of the model to use."""
    with gr.Row(elem_id="start"):
        source = build_file_input(
            label="Your image",
            sources=["upload", "clipboard"],
            buttons=[],
            height=260,
            placeholder="Drop an image here, click to choose one, or paste it",
            alt_text="The image that you chose",
            elem_id="source",
        )
        with gr.Column():
            examples = gr.Gallery(
                [(path, path.stem) for path in _EXAMPLES],
                label="Or try one of these",
                columns=len(_EXAMPLES),
                height="auto",
                allow_preview=False,
                interactive=False,
                buttons=[],
                elem_id="examples",
                elem_classes=["thumbnails"],
            )
            gr.Markdown(
                "A color photograph works too: the model sees only its gray copy, and the original is shown beside it.",
                elem_classes=["hint"],
            )
    with gr.Column(visible=False, elem_id="results") as results:
        with gr.Row(equal_height=False):
            gray = build_panel("Grayscale", "The image in grayscale", elem_id="gray")
            colorized = build_panel(
                "Colorized", "The image with the colors that the model gave it", elem_id="colorized"
            )
            truth = build_panel("Original", "The image in its original colors", elem_id="truth")
        note = gr.Markdown(_GRAY_NOTE, visible=False, elem_id="gray-note", elem_classes=["hint"])
        download = gr.DownloadButton("Download PNG", variant="primary", size="md", elem_id="download")

    def show(path: str | None, model: str) -> dict[Any, Any]:
        if path is None:
            return {results: gr.Column(visible=False)}
        image, result = _colorize(path, colorizers[model])
        name = Path(path).stem
        height, width = image.shape[:2]
        color = has_color(image)
        updates = {
            results: gr.Column(visible=True),
            gray: show_picture(_to_gray(image), f"{name}-gray.png"),
            colorized: show_picture(result, f"{name}-color.png"),
            truth: show_picture(image, f"{name}.png", visible=True) if color else gr.Image(None, visible=False),
            note: gr.Markdown(visible=not color),
            download: gr.DownloadButton(
                f"Download PNG ({width} × {height})", value=save_png(result, f"{name}-color.png")
            ),
        }
        if Path(path).suffix.lower() not in _SHOWN_BY_BROWSERS:
            updates[source] = save_png(image, f"{name}.png")
        return updates

    def choose_example(event: gr.SelectData) -> str:
        return str(_EXAMPLES[event.index])

    def colorize(path: str, model: str) -> str:
        """Colorize an image file: any usual format in, a PNG of the same size out."""
        return save_png(_colorize(path, colorizers[model])[1], f"{Path(path).stem}-color.png")

    examples.select(choose_example, None, source, queue=False, show_progress="hidden", api_visibility="private")
    shown = gr.on(
        [source.change, model.change],
        show,
        [source, model],
        [source, results, gray, colorized, truth, note, download],
        api_visibility="private",
        concurrency_id="network",
        show_progress_on=[source],
    )
    # After an error the place is free for the next try, and no older result stays beside it.
    shown.failure(lambda: None, None, source, queue=False, api_visibility="private")
    gr.on([], colorize, [source, model], download, api_name="colorize", concurrency_id="network")


def _colorize(path: str, colorizer: Colorizer) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode a file and colorize it; what is wrong with it is told as `gradio.Error`."""
    try:
        image = decode_image(path, max_pixels=MAX_PIXELS)
    except ImageError as error:
        raise gr.Error(str(error), title="This image can't be used", duration=30, print_exception=False) from error
    return image, colorizer.colorize(image)


def _to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma to all colors and keep the alpha, if there is one."""
    return np.dstack([gray_copy(image[:, :, :3]), image[:, :, 3:]])
