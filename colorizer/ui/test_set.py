"""The tab *CIFAR-10*: what the models make of images whose true colors are known."""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from colorizer.datasets import CIFAR10_CLASSES, DatasetError, ImageDataset, load_dataset
from colorizer.inference import Colorizer
from colorizer.metrics import gray_copy, measure_error
from colorizer.resources import resource_folder
from colorizer.ui.figures import MEANING, build_table, title
from colorizer.ui.pictures import build_panel, show_picture

_ALL = "all classes"
_GALLERY = 30
_WAYS = """
*U-Net*, *Autoencoder*: the colors of that model on the image's own brightness. *Decoder's own*: the picture that the
autoencoder paints by itself, from the 256 numbers that it keeps of an image.
"""


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``: all models beside each other."""
    ways = _list_ways(colorizers)
    dataset, origin = _load_test_set()
    gr.Markdown(origin, elem_id="origin", elem_classes=["hint"])
    with gr.Row(elem_id="choice"):
        wanted = gr.Dropdown(_class_names(dataset), value=_ALL, label="Class", filterable=False, elem_id="class")
        another = gr.Button("Random image", variant="primary", size="md", scale=0, min_width=160, elem_id="random")
        more = gr.Button(
            "Other samples", visible=len(dataset) > _GALLERY, size="md", scale=0, min_width=160, elem_id="more"
        )
    gallery = gr.Gallery(
        label="Samples to choose from",
        format="png",
        columns=12,
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id="gallery",
        elem_classes=["thumbnails", "pixelated"],
    )
    with gr.Row(elem_id="test-panels"):
        gray = build_panel("Grayscale", "The test image in grayscale", min_width=140, elem_id="test-gray")
        painted = [
            build_panel(way.title, f"The test image, colorized: {way.title}", min_width=140, elem_id=f"test-{way.name}")
            for way in ways
        ]
        truth = build_panel("Ground truth", "The test image in its true colors", min_width=140, elem_id="test-truth")
    figures = gr.Markdown(elem_id="figures")
    gr.Markdown(_WAYS + MEANING, elem_classes=["hint"])
    samples = gr.State([])  # Rows of the data set that the gallery shows.

    def fill(name: str) -> tuple[Any, list[int]]:
        rows = _rows(dataset, name)
        rows = sorted(random.sample(rows, min(_GALLERY, len(rows))))
        return gr.Gallery([(dataset[i], _label(dataset, i)) for i in rows], selected_index=None), rows

    def show(row: int) -> dict[Any, Any]:
        image = dataset[row]
        plain = gray_copy(image)
        results = [way.paint(image) for way in ways]
        measured = {way.title: measure_error(image, result) for way, result in zip(ways, results, strict=True)}
        table = build_table(measure_error(image, plain), measured)
        return {
            gray: show_picture(plain),
            **{panel: show_picture(result) for panel, result in zip(painted, results, strict=True)},
            truth: show_picture(image),
            figures: f"**{_label(dataset, row)}**, image {row + 1:,} of {len(dataset):,}\n\n{table}",
        }

    def show_random(name: str) -> dict[Any, Any]:
        return {**show(random.choice(_rows(dataset, name))), gallery: gr.Gallery(selected_index=None)}

    def show_sample(rows: list[int], event: gr.SelectData) -> dict[Any, Any]:
        return show(rows[event.index])

    gr.on(
        [demo.load, wanted.change, more.click],
        fill,
        wanted,
        [gallery, samples],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    shown = [gray, *painted, truth, figures]
    network: dict[str, Any] = {"concurrency_id": "network", "show_progress": "hidden", "api_visibility": "private"}
    gr.on([demo.load, another.click], show_random, wanted, [*shown, gallery], **network)
    gallery.select(show_sample, samples, shown, **network)


class _Way(NamedTuple):
    """A way in which a test image is colorized."""

    name: str
    title: str
    paint: Callable[[Any], Any]


def _list_ways(colorizers: Mapping[str, Colorizer]) -> list[_Way]:
    ways = []
    for model, colorizer in colorizers.items():
        ways.append(_Way(model, title(model), colorizer.colorize))
        if colorizer.paints_rgb:
            ways.append(_Way(f"{model}-raw", "Decoder's own", partial(colorizer.colorize, raw=True)))
    return ways


def _load_test_set() -> tuple[ImageDataset, str]:
    """Load the test set if it is on this machine, else the samples; and a sentence that says which.

    A Space fetches it: a data set can't be preloaded by a Space's front matter (huggingface/hub-docs, issue 1536).
    """
    try:
        dataset = load_dataset("cifar10", "test", download="SPACE_ID" in os.environ)
        return dataset, f"{len(dataset):,} images: the test split of {dataset.name}, as found on this machine."
    except DatasetError:
        dataset = load_dataset(str(resource_folder("samples") / "cifar10"), "test")
    labels = [CIFAR10_CLASSES.index(name.split("_")[1].split(".")[0]) for name in dataset.ids]
    dataset = replace(dataset, labels=np.array(labels), class_names=CIFAR10_CLASSES)
    return dataset, (
        f"The {len(dataset)} sample images that come with the project, the first of the test set. "
        "To see all 10,000, name a folder that holds CIFAR-10 in `COLORIZER_DATA` and start the demo again."
    )


def _class_names(dataset: ImageDataset) -> list[str]:
    present = [] if dataset.labels is None else sorted(set(dataset.labels.tolist()))
    return [_ALL, *(dataset.class_names[label] for label in present)]


def _rows(dataset: ImageDataset, name: str) -> list[int]:
    if name == _ALL or dataset.labels is None:
        return list(range(len(dataset)))
    return np.flatnonzero(dataset.labels == dataset.class_names.index(name)).tolist()


def _label(dataset: ImageDataset, row: int) -> str:
    return "image" if dataset.labels is None else dataset.class_names[dataset.labels[row]]
