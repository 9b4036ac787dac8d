"""The tab *CIFAR-10*: what the models make of images whose true colors are known."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import gradio as gr

from colorizer.demo.errors import as_gradio_errors
from colorizer.demo.gallery import ALL_CLASSES, PAGE, Gallery, take_page
from colorizer.demo.tables import MEANING, build_table, describe_records, title
from colorizer.demo.widgets import build_panel, show_picture
from colorizer.demo.workbench import NETWORK, QUIET
from colorizer.evaluation.metrics import measure_error
from colorizer.imaging.color import gray_copy
from colorizer.inference.colorizer import Colorizer

_OWN_ORDER = "unsorted"
_WAYS = """
*U-Net*, *Autoencoder*: the colors of that model on the image's own brightness. *Decoder's own*: the picture that the
autoencoder paints by itself, from the few numbers that it keeps of an image.
"""
_SORTED = """
Sorted by the relative MSE that `colorizer evaluate` recorded of each image (the U-Net's at vividness 0), of the more
colorful half of the images: where there is hardly any color, it says nothing. *Typical* begins with the middle one.
"""


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``: all models beside each other."""
    ways = _list_ways(colorizers)
    images = Gallery.load(colorizers)
    orders = {_OWN_ORDER: None, **{f"{title(model)}: {order} first": (model, order) for model, order in images.orders}}
    gr.Markdown(images.origin, elem_id="origin", elem_classes=["hint"])
    with gr.Row(elem_id="choice"):
        wanted = gr.Dropdown(images.class_names, value=ALL_CLASSES, label="Class", filterable=False, elem_id="class")
        order = gr.Dropdown(list(orders), label="Order", filterable=False, visible=len(orders) > 1, elem_id="order")
        another = gr.Button("Random image", variant="primary", size="md", scale=0, min_width=160, elem_id="random")
    gallery = gr.Gallery(
        label="Choose an image",
        format="png",
        columns=12,
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id="gallery",
        elem_classes=["thumbnails", "pixelated"],
    )
    with gr.Row(visible=len(images.dataset) > PAGE, elem_id="pages"):
        back = gr.Button("Previous", size="md", scale=0, min_width=100, elem_id="back")
        page = gr.Number(1, label="Page", precision=0, scale=0, min_width=160, elem_id="page")
        forth = gr.Button("Next", size="md", scale=0, min_width=100, elem_id="forth")
    sorted_note = gr.Markdown(_SORTED, visible=False, elem_classes=["hint"])
    with gr.Row(elem_id="test-panels"):
        gray = build_panel("Grayscale", "The test image in grayscale", min_width=140, elem_id="test-gray")
        painted = [
            build_panel(way.title, f"The test image, colorized: {way.title}", min_width=140, elem_id=f"test-{way.name}")
            for way in ways
        ]
        truth = build_panel("Ground truth", "The test image in its true colors", min_width=140, elem_id="test-truth")
    figures = gr.Markdown(elem_id="figures")
    gr.Markdown(_WAYS + MEANING, elem_classes=["hint"])
    gr.Markdown(describe_records(colorizers), elem_id="whole-set")
    captions = {images.caption(row): row for row in range(len(images.dataset))}

    def fill(class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        with as_gradio_errors():
            rows = images.list_rows(class_name, orders.get(order_name))
        rows, number, pages = take_page(rows, number)
        thumbnails = [(images.dataset[row], images.caption(row)) for row in rows]
        return {
            gallery: gr.Gallery(thumbnails, selected_index=None),
            page: gr.Number(number, label=f"Page (of {pages})"),
            sorted_note: gr.Markdown(visible=orders.get(order_name) is not None),
        }

    def fill_first(class_name: str, order_name: str) -> dict[Any, Any]:
        return fill(class_name, order_name, 1)

    def fill_next(step: int, class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        return fill(class_name, order_name, (number or 1) + step)

    def show(row: int) -> dict[Any, Any]:
        image = images.dataset[row]
        plain = gray_copy(image)
        results = [way.paint(image) for way in ways]
        measured = {way.title: measure_error(image, result) for way, result in zip(ways, results, strict=True)}
        table = build_table(measure_error(image, plain), measured)
        return {
            gray: show_picture(plain),
            **{panel: show_picture(result) for panel, result in zip(painted, results, strict=True)},
            truth: show_picture(image),
            figures: f"**{images.caption(row)}** of {len(images.dataset):,}\n\n{table}",
        }

    def show_random(class_name: str) -> dict[Any, Any]:
        with as_gradio_errors():
            rows = images.list_rows(class_name)
        return {**show(random.choice(rows)), gallery: gr.Gallery(selected_index=None)}

    def show_sample(event: gr.SelectData) -> dict[Any, Any]:
        # By its caption: the page of the gallery may have been turned since.
        return show(captions[event.value["caption"]])

    light: dict[str, Any] = {"outputs": [gallery, page, sorted_note], "queue": False, **QUIET}
    gr.on([demo.load, wanted.change, order.change], fill_first, [wanted, order], trigger_mode="always_last", **light)
    # Not `change`, which the answer itself would set off.
    page.submit(fill, [wanted, order, page], **light)
    back.click(partial(fill_next, -1), [wanted, order, page], **light)
    forth.click(partial(fill_next, 1), [wanted, order, page], **light)
    shown = [gray, *painted, truth, figures]
    network: dict[str, Any] = {"show_progress": "hidden", **NETWORK}
    another.click(show_random, wanted, [*shown, gallery], **network)
    gallery.select(show_sample, None, shown, trigger_mode="multiple", **network)
    # A thumbnail takes milliseconds; a page that opens is not to wait for others' photos, nor they for it.
    demo.load(show_random, wanted, [*shown, gallery], queue=False, **QUIET)


class _Way(NamedTuple):
    """A way in which a test image is colorized."""

    name: str
    title: str
    paint: Callable[[Any], Any]


def _list_ways(colorizers: Mapping[str, Colorizer]) -> list[_Way]:
    ways = []
    for model, colorizer in colorizers.items():
        ways.append(_Way(model, title(model), colorizer.colorize))
        if "raw picture" in colorizer.abilities:
            ways.append(_Way(f"{model}-raw", "Decoder's own", partial(colorizer.colorize, raw=True)))
    return ways
