"""The view *Guide*: a person gives places their colors, the model spreads them."""

from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.errors import as_gradio_errors, require
from colorizer.demo.photo import Photo, color_at, draw_dabs, to_hex
from colorizer.demo.widgets import build_panel, build_swatches, save_preview, show_swatches
from colorizer.demo.workbench import KEEP, NETWORK, Updates, Workbench

_MODES = [("Dab the color", "dab"), ("Pick a color from the result", "result")]
_FROM_ORIGINAL = ("Pick a color from the original", "original")


def build(bench: Workbench) -> None:
    """Build the view inside the current tab."""
    place = gr.State(None, time_to_live=KEEP)  # Clicked last, in parts of width and height.
    bench.add_gate(
        gr.Markdown("The autoencoder takes no hints. Choose the U-Net to guide its colors.", visible=False), False
    )
    with gr.Row(equal_height=False, elem_id="guide") as tools:
        canvas = build_panel(
            "Click where the color should go",
            "The colorized image, with a ring at each place that was given a color",
            scale=3,
            min_width=280,
            elem_id="canvas",
        )
        with gr.Column(scale=1, min_width=260):
            color = gr.ColorPicker("#3060a0", label="Color", elem_id="color")
            mode = gr.Radio(_MODES, value="dab", label="A click", elem_id="mode")
            palette = build_swatches("Likely at the last place, by the model: choose one", "palette")
            with gr.Row():
                undo = gr.Button("Undo", size="md", min_width=90, elem_id="undo")
                clear = gr.Button("Clear", size="md", min_width=90, elem_id="clear")
            with gr.Accordion("Without a mouse", open=False):
                across = gr.Slider(0, 100, 50, step=1, label="Across, %", buttons=[], elem_id="across")
                down = gr.Slider(0, 100, 50, step=1, label="Down, %", buttons=[], elem_id="down")
                put = gr.Button("Click there", size="md", elem_id="put")
    bench.add_gate(tools)

    def fill(photo: Photo, result: NDArray[np.uint8]) -> Updates:
        return {canvas: save_preview(draw_dabs(result, photo.dabs), f"{photo.path.stem}-guide")}

    def reset(photo: Photo) -> Updates:
        modes = [*_MODES, _FROM_ORIGINAL] if photo.has_color else _MODES
        return {place: None, mode: gr.Radio(modes, value="dab"), palette: gr.Gallery(visible=False)}

    bench.add_view([canvas], fill)
    bench.add_reset([place, mode, palette], reset)

    def use(photo: Photo, x: float, y: float, mode: str, color: str, *settings: Any) -> Updates:
        """Do what a click at a place asks for."""
        if mode == "dab":
            with as_gradio_errors():
                dabbed = photo.dab(x, y, to_hex(color))
            return {place: (x, y), **bench.paint(dabbed, *settings)}
        image = photo.preview if mode == "original" else photo.colorize(*bench.read(*settings))
        return {place: (x, y), **take(color_at(image, x, y))}

    def take(value: str) -> Updates:
        return {color: value, mode: "dab"}

    def click(event: gr.SelectData, photo: Photo | None, *choices: Any) -> Updates:
        photo = require(photo)
        return use(photo, *photo.place(*event.index), *choices)

    def click_by_numbers(photo: Photo | None, across: float, down: float, *choices: Any) -> Updates:
        photo = require(photo)
        return use(photo, *photo.place_of_percent(across, down), *choices)

    def suggest(photo: Photo | None, place: tuple[float, float] | None, *settings: Any) -> Updates:
        if photo is None or place is None:
            return {palette: gr.Gallery(visible=False)}
        colorizer, _, detail = bench.read(*settings)
        return {palette: show_swatches(photo.suggest_colors(colorizer, *place, detail))}

    def choose(event: gr.SelectData, photo: Photo | None, place: tuple[float, float], *settings: Any) -> Updates:
        """Take a color of the palette; the dab that was set at its place has it from now on."""
        photo = require(photo)
        with as_gradio_errors():
            chosen = to_hex(event.value["caption"])
        if not photo.has_latest_dab_at(place):
            return take(chosen)
        return {**take(chosen), **bench.paint(photo.redo(chosen), *settings)}

    def undo_last(photo: Photo | None, *settings: Any) -> Updates:
        return bench.paint(require(photo).undo(), *settings)

    def clear_all(photo: Photo | None, *settings: Any) -> Updates:
        return bench.paint(require(photo).clear(), *settings)

    # Of clicks, one right after the other, each counts.
    asked: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "multiple", **NETWORK}
    shown = [bench.photo, *bench.views]
    choices = [mode, color, *bench.settings]
    for event, action, inputs in (
        (canvas.select, click, [bench.photo, *choices]),
        (put.click, click_by_numbers, [bench.photo, across, down, *choices]),
    ):
        done = event(action, inputs, [*shown, place, color, mode], **asked)
        # Apart, so that the effect of a dab doesn't wait for it.
        done.success(
            suggest,
            [bench.photo, place, *bench.settings],
            palette,
            **(asked | {"trigger_mode": "always_last"}),
        )
    palette.select(choose, [bench.photo, place, *bench.settings], [*shown, color, mode], **asked)
    undo.click(undo_last, [bench.photo, *bench.settings], shown, **asked)
    clear.click(clear_all, [bench.photo, *bench.settings], shown, **asked)
