"""The tab *CIFAR-10*: results of the models on images whose true colors are known."""

import base64
import html
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.errors import as_gradio_errors, pick
from colorizer.demo.gallery import ALL_CLASSES, PAGE, Gallery, take_page
from colorizer.demo.tables import GRAY, MEANING, build_table, raw_title, read_records, title
from colorizer.demo.widgets import read_caption
from colorizer.demo.workbench import NETWORK, QUIET
from colorizer.evaluation.metrics import measure_error
from colorizer.imaging.color import gray_copy
from colorizer.imaging.encode import encode_image
from colorizer.inference.colorizer import Colorizer

_OWN_ORDER = "unsorted"
_VIVIDNESS = 0.0  # As in the records, so that pictures, figures and order match.
_WORDS = """
*Autoencoder* and *U-Net* show the predicted color combined with the image's own brightness. The U-Net's color strength
is 0 here, which gives the smallest error. *Autoencoder (raw output)* is the decoder's own picture, reconstructed from a
latent vector of 256 numbers.
"""
_SORTED = """
Sorted by each image's error, as recorded by `colorizer evaluate`. Only the more colorful half of the images is listed,
since the error says little where there is hardly any color. *Typical* starts with the median.
"""


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``: all models side by side."""
    ways = _list_ways(colorizers)
    images = Gallery.load(colorizers)
    orders = {_OWN_ORDER: None, **{f"{title(model)}: {order} first": (model, order) for model, order in images.orders}}
    test_set, records = read_records(colorizers)
    result = gr.HTML(min_height=220, apply_default_css=False, elem_id="test-result")
    with gr.Row(elem_id="choice"):
        another = gr.Button("Random image", variant="primary", size="md", scale=0, min_width=150, elem_id="random")
        wanted = gr.Dropdown(
            images.class_names, value=ALL_CLASSES, label="Class", filterable=False, min_width=130, elem_id="class"
        )
        order = gr.Dropdown(
            list(orders), label="Order", filterable=False, visible=len(orders) > 1, min_width=130, elem_id="order"
        )
        with gr.Row(visible=len(images.dataset) > PAGE, elem_id="pages"):
            back = gr.Button("Previous", size="md", scale=0, min_width=90, elem_id="back")
            page = gr.Number(1, label="Page", precision=0, scale=0, min_width=150, elem_id="page")
            forth = gr.Button("Next", size="md", scale=0, min_width=70, elem_id="forth")
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
    sorted_note = gr.Markdown(_SORTED, visible=False, elem_classes=["hint"])
    gr.Markdown(f"{images.origin}\n\n{_WORDS}\n{MEANING}", elem_id="origin", elem_classes=["hint"])
    captions = {images.caption(row): row for row in range(len(images.dataset))}

    def show(row: int) -> str:
        image = images.dataset[row]
        plain = gray_copy(image)
        painted = {way.title: way.paint(image) for way in ways}
        measured = {name: measure_error(image, picture) for name, picture in {GRAY: plain, **painted}.items()}
        table = build_table({"This image": measured, test_set: records})
        pictures = {"gray": ("Grayscale", plain)}
        pictures |= {way.name: (way.title, painted[way.title]) for way in ways}
        pictures["truth"] = ("Ground truth", image)
        figures = "".join(_figure(name, *labeled) for name, labeled in pictures.items())
        caption = f"<p class='test-caption'>{html.escape(images.caption(row))} of {len(images.dataset):,}</p>"
        return f"<div class='test-panels'>{figures}</div>{caption}{table}"

    def fill(class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        with as_gradio_errors():
            rows = images.list_rows(class_name, orders.get(order_name))
        rows, number, pages = take_page(rows, number)
        thumbnails = [(images.dataset[row], images.caption(row)) for row in rows]
        return {
            gallery: gr.Gallery(thumbnails, selected_index=None),
            page: gr.Number(number, label=f"Page (of {pages})"),
            sorted_note: gr.Markdown(visible=orders.get(order_name) is not None),
            result: show(rows[0]),
        }

    def fill_first(class_name: str, order_name: str) -> dict[Any, Any]:
        return fill(class_name, order_name, 1)

    def fill_next(step: int, class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        return fill(class_name, order_name, (number or 1) + step)

    def show_random(class_name: str) -> dict[Any, Any]:
        with as_gradio_errors():
            rows = images.list_rows(class_name)
        return {result: show(random.choice(rows)), gallery: gr.Gallery(selected_index=None)}

    def show_sample(choice: gr.SelectData) -> str:
        # By its caption, since the gallery may show another page by now.
        return show(pick(captions, read_caption(choice)))

    # A thumbnail takes milliseconds, so a page that opens shouldn't wait for other visitors' photos.
    light: dict[str, Any] = {"outputs": [gallery, page, sorted_note, result], "queue": False, **QUIET}
    gr.on([demo.load, wanted.change, order.change], fill_first, [wanted, order], trigger_mode="always_last", **light)
    # Not `change`, which the response itself would trigger.
    gr.on([page.submit, page.blur], fill, [wanted, order, page], trigger_mode="always_last", **light)
    back.click(partial(fill_next, -1), [wanted, order, page], **light)
    forth.click(partial(fill_next, 1), [wanted, order, page], **light)
    network: dict[str, Any] = {"show_progress": "hidden", **NETWORK}
    another.click(show_random, wanted, [result, gallery], **network)
    gallery.select(show_sample, None, result, trigger_mode="multiple", **network)


class _Way(NamedTuple):
    """A way in which a test image is colorized."""

    name: str
    title: str
    paint: Callable[[Any], Any]


def _list_ways(colorizers: Mapping[str, Colorizer]) -> list[_Way]:
    """List the ways, closest to gray first: the raw output, then its colors, then the other models'."""
    ways = []
    for model, colorizer in sorted(colorizers.items(), key=lambda item: "raw picture" not in item[1].abilities):
        if "raw picture" in colorizer.abilities:
            ways.append(_Way(f"{model}-raw", raw_title(model), partial(colorizer.colorize, raw=True)))
        ways.append(_Way(model, title(model), partial(colorizer.colorize, vividness=_VIVIDNESS)))
    return ways


def _figure(name: str, label: str, image: NDArray[np.uint8]) -> str:
    content = base64.b64encode(encode_image(image, "PNG")).decode()
    return (
        f"<figure><img class='test-{name}' src='data:image/png;base64,{content}' alt='The test image: {label}'>"
        f"<figcaption>{label}</figcaption></figure>"
    )
