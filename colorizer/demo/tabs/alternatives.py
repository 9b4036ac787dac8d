"""The view *Alternatives*: several plausible colorizations to choose from, and where the model had to guess."""

from typing import Any

import gradio as gr

from colorizer.demo.errors import as_gradio_errors, pick, require
from colorizer.demo.photo import Photo, draw_doubt
from colorizer.demo.widgets import build_panel, save_picture
from colorizer.demo.workbench import KEEP, NETWORK, Updates, Workbench
from colorizer.imaging.color import fit_within
from colorizer.inference.colorizer import Alternative

_COUNT = 4
_SIDE = 640  # Pixels of an answer in the row.


def build(bench: Workbench) -> None:
    """Build the view inside the current tab."""
    drawn = gr.State({}, time_to_live=KEEP)  # All answers to this photo so far, by their captions.
    seed = gr.State(0)
    bench.add_gate(
        gr.Markdown("The autoencoder has only one answer. Choose the U-Net to see others.", visible=False), False
    )
    with gr.Column() as tools:
        gr.Markdown(
            "Many colors are right for one gray. Here are others that the model finds plausible; the one that you "
            "choose becomes the result, and keeps your dabs of color.",
            elem_classes=["hint"],
        )
        with gr.Row(elem_id="asking"):
            ask = gr.Button("Show four other answers", size="md", scale=0, min_width=240, elem_id="ask")
            first = gr.Button(
                "Back to the first answer", visible=False, size="md", scale=0, min_width=240, elem_id="first"
            )
        answers = gr.Gallery(
            label="Other answers: choose one",
            columns=_COUNT,
            height="auto",
            allow_preview=False,
            interactive=False,
            buttons=[],
            visible=False,
            elem_id="answers",
            elem_classes=["thumbnails"],
        )
        doubt = build_panel(
            "Where the model is unsure: dark is sure, yellow a guess",
            "A map of the image, dark where the model is sure of the color, yellow where it had to guess",
            visible=False,
            elem_id="doubt",
        )
    bench.add_gate(tools)

    def reset(_: Photo) -> Updates:
        hidden = gr.update(visible=False)
        return {drawn: {}, answers: hidden, first: hidden, doubt: hidden, ask: "Show four other answers"}

    bench.add_reset([drawn, answers, first, doubt, ask], reset)

    def show(photo: Photo | None, drawn_: dict[str, Alternative], seed_: int, *settings: Any) -> Updates:
        photo = require(photo)
        colorizer, vividness, detail = bench.read(*settings)
        stem = photo.path.stem
        with as_gradio_errors():
            found = photo.draw_alternatives(colorizer, _COUNT, detail, seed_)
            results = [photo.choose(each).colorize(colorizer, vividness, detail) for each in found]
            unsure = draw_doubt(photo.preview, photo.uncertainty(colorizer, detail))
        named = {f"Answer {number}": each for number, each in enumerate(found, len(drawn_) + 1)}
        pictures = [
            (save_picture(fit_within(result, _SIDE), f"{stem}-answer-{i}.png"), caption)
            for i, (result, caption) in enumerate(zip(results, named, strict=True), 1)
        ]
        return {
            drawn: {**drawn_, **named},
            seed: seed_ + 1,
            answers: gr.Gallery(pictures, visible=True, selected_index=None),
            doubt: gr.Image(save_picture(unsure, f"{stem}-doubt.png"), visible=True),
            ask: "Show four more",
        }

    def choose(event: gr.SelectData, photo: Photo | None, drawn: dict[str, Alternative], *settings: Any) -> Updates:
        # By its caption: others may stand at its place since.
        chosen = pick(drawn, event.value["caption"])
        return {first: gr.Button(visible=True), **bench.paint(require(photo).choose(chosen), *settings)}

    def go_back(photo: Photo | None, *settings: Any) -> Updates:
        hidden, unselected = gr.Button(visible=False), gr.Gallery(selected_index=None)
        return {first: hidden, answers: unselected, **bench.paint(require(photo).choose(()), *settings)}

    shown = [bench.photo, *bench.views]
    ask.click(
        show,
        [bench.photo, drawn, seed, *bench.settings],
        [drawn, seed, answers, doubt, ask],
        show_progress_on=[ask],
        **NETWORK,
    )
    # Of clicks, one right after the other, each counts.
    chosen: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "multiple", **NETWORK}
    answers.select(choose, [bench.photo, drawn, *bench.settings], [first, *shown], **chosen)
    first.click(go_back, [bench.photo, *bench.settings], [first, answers, *shown], **chosen)
