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
from colorizer.demo.widgets import build_thumbnails, read_caption
from colorizer.demo.workbench import NETWORK, QUIET
from colorizer.evaluation.metrics import measure_error
from colorizer.imaging.color import gray_copy
from colorizer.imaging.encode import encode_image
from colorizer.inference.colorizer import Colorizer

_OWN_ORDER = "unsorted"
_VIVIDNESS = 0.0  # As in the records, so that pictures, figures and order match.
_WORDS = """
*Autoencoder* and *U-Net* show the predicted color combined with the image's own brightness. The U-Net's color strength
is 0 here, which gives the smallest error. *Autoencoder (raw output)* is what the decoder itself reconstructs from a
latent vector of 256 numbers.
"""
_SORTED = """
Sorted by each image's error, as recorded by `colorizer evaluate`. Only the more colorful half of the images is listed,
since the error says little where there is hardly any color. *Typical* starts with the median.
"""


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``: all models side by side."""
    tab = _Tab(colorizers)
    tab.lay_out()
    tab.connect(demo)


class _Tab:
    """The widgets, and the functions that answer their events."""

    def __init__(self, colorizers: Mapping[str, Colorizer]) -> None:
        self.ways = _list_ways(colorizers)
        self.images = Gallery.load(colorizers)
        self.captions = {self.images.caption(row): row for row in range(len(self.images.dataset))}
        orders = {f"{title(model)}: {order} first": (model, order) for model, order in self.images.orders}
        self.orders = {_OWN_ORDER: None, **orders}
        self.test_set, self.records = read_records(colorizers)

    def lay_out(self) -> None:
        images = self.images
        self.result = gr.HTML(min_height=220, apply_default_css=False, elem_id="test-result")
        with gr.Row(elem_id="choice"):
            self.another = gr.Button(
                "Random image", variant="primary", size="md", scale=0, min_width=150, elem_id="random"
            )
            dropdown: dict[str, Any] = {"filterable": False, "min_width": 130}
            self.wanted = gr.Dropdown(images.class_names, value=ALL_CLASSES, label="Class", elem_id="class", **dropdown)
            self.order = gr.Dropdown(
                list(self.orders), label="Order", visible=len(self.orders) > 1, elem_id="order", **dropdown
            )
            with gr.Row(visible=len(images.dataset) > PAGE, elem_id="pages"):
                self.back = gr.Button("Previous", size="md", scale=0, min_width=90, elem_id="back")
                self.page = gr.Number(1, label="Page", precision=0, scale=0, min_width=150, elem_id="page")
                self.forth = gr.Button("Next", size="md", scale=0, min_width=70, elem_id="forth")
        self.gallery = build_thumbnails(format="png", columns=12, elem_id="gallery")
        self.sorted_note = gr.Markdown(_SORTED, visible=False, elem_classes=["hint"])
        gr.Markdown(f"{images.origin}\n\n{_WORDS}\n{MEANING}", elem_id="origin", elem_classes=["hint"])

    def connect(self, demo: gr.Blocks) -> None:
        choice: Any = [self.wanted, self.order]
        page: Any = [*choice, self.page]
        # A thumbnail takes milliseconds, so a page that opens shouldn't wait for other visitors' photos.
        light: dict[str, Any] = {"queue": False, **QUIET}
        light["outputs"] = [self.gallery, self.page, self.sorted_note, self.result]
        changes = [demo.load, self.wanted.change, self.order.change]
        gr.on(changes, self.fill_first, choice, trigger_mode="always_last", **light)
        # Not `change`, which the response itself would trigger.
        gr.on([self.page.submit, self.page.blur], self.fill, page, trigger_mode="always_last", **light)
        self.back.click(partial(self.fill_next, -1), page, **light)
        self.forth.click(partial(self.fill_next, 1), page, **light)
        network: dict[str, Any] = {"show_progress": "hidden", **NETWORK}
        self.another.click(self.show_random, self.wanted, [self.result, self.gallery], **network)
        self.gallery.select(self.show_sample, None, self.result, trigger_mode="multiple", **network)

    def fill(self, class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        """Show a page of thumbnails, and the results of its first image."""
        with as_gradio_errors():
            rows = self.images.list_rows(class_name, self.orders.get(order_name))
        rows, number, pages = take_page(rows, number)
        thumbnails = [(self.images.dataset[row], self.images.caption(row)) for row in rows]
        return {
            self.gallery: gr.Gallery(thumbnails, selected_index=None),
            self.page: gr.Number(number, label=f"Page (of {pages})"),
            self.sorted_note: gr.Markdown(visible=self.orders.get(order_name) is not None),
            self.result: self._compare(rows[0]),
        }

    def fill_first(self, class_name: str, order_name: str) -> dict[Any, Any]:
        """Show the first page of thumbnails."""
        return self.fill(class_name, order_name, 1)

    def fill_next(self, step: int, class_name: str, order_name: str, number: float | None) -> dict[Any, Any]:
        """Show the next page of thumbnails, or the one before."""
        return self.fill(class_name, order_name, (number or 1) + step)

    def show_random(self, class_name: str) -> dict[Any, Any]:
        """Show the results of a random image."""
        with as_gradio_errors():
            rows = self.images.list_rows(class_name)
        return {self.result: self._compare(random.choice(rows)), self.gallery: gr.Gallery(selected_index=None)}

    def show_sample(self, choice: gr.SelectData) -> str:
        """Show the results of the image that was chosen."""
        # By its caption, since the gallery may show another page by now.
        return self._compare(pick(self.captions, read_caption(choice)))

    def _compare(self, row: int) -> str:
        """Draw an image's results beside each other, above a table of their errors."""
        image = self.images.dataset[row]
        plain = gray_copy(image)
        painted = {way.title: way.paint(image) for way in self.ways}
        measured = {name: measure_error(image, picture) for name, picture in {GRAY: plain, **painted}.items()}
        table = build_table({"This image": measured, self.test_set: self.records})
        pictures = {"gray": ("Grayscale", plain)}
        pictures |= {way.name: (way.title, painted[way.title]) for way in self.ways}
        pictures["truth"] = ("Ground truth", image)
        figures = "".join(_figure(name, *labeled) for name, labeled in pictures.items())
        caption = f"{html.escape(self.images.caption(row))} of {len(self.images.dataset):,}"
        return f"<div class='test-panels'>{figures}</div><p class='test-caption'>{caption}</p>{table}"


class _Way(NamedTuple):
    """A way in which a test image is colorized."""

    name: str
    title: str
    paint: Callable[[Any], Any]


def _list_ways(colorizers: Mapping[str, Colorizer]) -> list[_Way]:
    """List the ways, closest to gray first: the raw output, then its colors, then the other models'."""
    ways = []
    for model, colorizer in sorted(colorizers.items(), key=lambda item: "raw output" not in item[1].abilities):
        if "raw output" in colorizer.abilities:
            ways.append(_Way(f"{model}-raw", raw_title(model), partial(colorizer.colorize, raw=True)))
        ways.append(_Way(model, title(model), partial(colorizer.colorize, vividness=_VIVIDNESS)))
    return ways


def _figure(name: str, label: str, image: NDArray[np.uint8]) -> str:
    content = base64.b64encode(encode_image(image, "PNG")).decode()
    return (
        f"<figure><img class='test-{name}' src='data:image/png;base64,{content}' alt='The test image: {label}'>"
        f"<figcaption>{label}</figcaption></figure>"
    )
