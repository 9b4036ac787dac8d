"""The tab *Your image*: a file in, its colorized picture out."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.images import ImageError, decode_image, has_color
from colorizer.inference import DEFAULT_MODEL, Colorizer
from colorizer.metrics import gray_copy
from colorizer.resources import resource_folder
from colorizer.ui.figures import title
from colorizer.ui.pictures import build_panel, save_png, show_picture

MAX_PIXELS = 50_000_000
"""Largest picture that the demo takes: a phone's largest, and what fits into a small server's memory."""

_SHOWN_BY_BROWSERS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif"}
_EXAMPLES = sorted((resource_folder("samples") / "photos").glob("*.jpg"))
_GRAY_NOTE = "This picture is gray already: there is no original color to compare with."


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    with gr.Row(elem_id="start"):
        source = gr.Image(
            label="Your image",
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            buttons=[],
            height=280,
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
            model = gr.Radio(
                [(title(name), name) for name in colorizers],
                value=DEFAULT_MODEL if DEFAULT_MODEL in colorizers else next(iter(colorizers)),
                label="Model",
                visible=len(colorizers) > 1,
                elem_id="model",
            )
            gr.Markdown(
                "A color photograph works too: the model sees only its gray copy, and the original is shown beside it.",
                elem_classes=["hint"],
            )
    problem = gr.HTML(visible=False, padding=False, elem_id="problem")
    with gr.Column(visible=False, elem_id="results") as results:
        with gr.Row(equal_height=False):
            gray = build_panel("Grayscale", "The image in grayscale", elem_id="gray")
            colorized = build_panel(
                "Colorized", "The image with the colors that the model gave it", elem_id="colorized"
            )
            truth = build_panel("Original", "The image in its original colors", elem_id="truth")
        note = gr.Markdown(_GRAY_NOTE, visible=False, elem_id="gray-note", elem_classes=["hint"])
        download = gr.DownloadButton("Download PNG", variant="primary", size="md", elem_id="download")

    def show(upload: dict[str, Any] | None, model: str) -> dict[Any, Any]:
        if upload is None:
            return {results: gr.Column(visible=False)}
        try:
            path, image, result = _colorize(upload, colorizers, model)
        except gr.Error as error:
            # The place is free for the next try, no older result stays, and the words stay until there is one.
            message = f"<p role='alert'>{html.escape(error.message)}</p>"
            return {source: None, results: gr.Column(visible=False), problem: gr.HTML(message, visible=True)}
        name = path.stem
        height, width = image.shape[:2]
        color = has_color(image)
        updates = {
            problem: gr.HTML(visible=False),
            results: gr.Column(visible=True),
            gray: show_picture(_to_gray(image), f"{name}-gray.png"),
            colorized: show_picture(result, f"{name}-color.png"),
            truth: show_picture(image, f"{name}.png", visible=True) if color else gr.Image(None, visible=False),
            note: gr.Markdown(visible=not color),
            download: gr.DownloadButton(
                f"Download PNG ({width} × {height})", value=save_png(result, f"{name}-color.png")
            ),
        }
        if path.suffix.lower() not in _SHOWN_BY_BROWSERS:
            updates[source] = save_png(image, f"{name}.png")
        return updates

    def choose_example(event: gr.SelectData) -> str:
        return str(_EXAMPLES[event.index])

    def colorize(image: dict[str, Any], model: str) -> str:
        """Colorize an image file: any usual format in, a PNG of the same size out."""
        path, _, result = _colorize(image, colorizers, model)
        return save_png(result, f"{path.stem}-color.png")

    examples.select(choose_example, None, source, queue=False, show_progress="hidden", api_visibility="private")
    # The file is taken as it came. Gradio would open it first, and say no more than "Error" of a broken one.
    network: dict[str, Any] = {"preprocess": False, "concurrency_id": "network"}
    gr.on(
        [source.change, model.change],
        show,
        [source, model],
        [source, problem, results, gray, colorized, truth, note, download],
        api_visibility="private",
        show_progress_on=[source],
        **network,
    )
    gr.on([], colorize, [source, model], download, api_name="colorize", **network)


def _colorize(
    upload: Mapping[str, Any] | None, colorizers: Mapping[str, Colorizer], model: str
) -> tuple[Path, NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode an uploaded file and colorize it; gives its path, its picture and the result.

    What is wrong with it is told as `gradio.Error`, the only error whose words reach the callers of the API.
    """
    if not upload or not upload["path"]:  # A "data:" address has no path; it would pass by the limit on uploads.
        raise gr.Error("Send an image file.", print_exception=False)
    if model not in colorizers:
        raise gr.Error(f"There is no model of that name; there are: {', '.join(colorizers)}", print_exception=False)
    path = Path(upload["path"])
    try:
        image = decode_image(path, max_pixels=MAX_PIXELS)
    except ImageError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except FileNotFoundError as error:  # The page was left open for longer than files are kept.
        raise gr.Error(
            f"{path.name} is deleted by now, as all files are; bring it again", print_exception=False
        ) from error
    return path, image, colorizers[model].colorize(image)


def _to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy the luma to all colors and keep the alpha, if there is one."""
    return np.dstack([gray_copy(image[:, :, :3]), image[:, :, 3:]])
