"""The view *Compare*: before and after, and the panels that tell the same without a slider."""

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.photo import Photo, to_gray
from colorizer.demo.widgets import build_panel, save_preview, style_classes
from colorizer.demo.workbench import Updates, Workbench

_GRAY_NOTE = "This picture is gray already: there is no original color to compare with."


def build(bench: Workbench) -> None:
    """Build the view inside the current tab."""
    slider = gr.ImageSlider(
        label="Before and after: drag the line",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=600,
        elem_id="slider",
    )
    with gr.Row(equal_height=False, elem_id="panels"):
        gray = build_panel("Grayscale", "The image in grayscale", min_width=200, elem_id="gray")
        colorized = build_panel(
            "Colorized", "The image with the colors that the model gave it", min_width=200, elem_id="colorized"
        )
        truth = build_panel("Original", "The image in its original colors", min_width=200, elem_id="truth")
    note = gr.Markdown(_GRAY_NOTE, visible=False, elem_id="gray-note", elem_classes=["hint"])

    def fill(photo: Photo, result: NDArray[np.uint8]) -> Updates:
        stem, classes = photo.path.stem, style_classes(result)
        before = save_preview(to_gray(photo.preview), f"{stem}-gray")
        after = save_preview(result, f"{stem}-color")
        original = save_preview(photo.preview, stem) if photo.has_color else None
        return {
            slider: gr.ImageSlider((before, after), elem_classes=classes),
            gray: gr.Image(before, elem_classes=["picture", *classes]),
            colorized: gr.Image(after, elem_classes=["picture", *classes]),
            truth: gr.Image(original, visible=photo.has_color, elem_classes=["picture", *classes]),
            note: gr.Markdown(visible=not photo.has_color),
        }

    bench.add_view([slider, gray, colorized, truth, note], fill)
