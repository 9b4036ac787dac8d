"""The tab *How it works*: an autoencoder, step by step, and the networks' layers and training."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.drawings import draw_contents, draw_curves, draw_heading, draw_layers, draw_vector
from colorizer.demo.errors import VisitorError, as_gradio_errors, find_upload, pick
from colorizer.demo.gallery import Gallery
from colorizer.demo.photo import Photo
from colorizer.demo.tables import title
from colorizer.demo.widgets import build_panel, build_thumbnails, read_caption, show_picture
from colorizer.demo.workbench import MAX_PIXELS, NETWORK, QUIET
from colorizer.files import resource_folder
from colorizer.imaging.color import fit_within
from colorizer.inference.autoencoder import LatentSpace, draw_strip
from colorizer.inference.checkpoint import CONFIG, Checkpoint
from colorizer.inference.colorizer import Colorizer

_IDEA = """
An image can be split into brightness and color (Y′CbCr, as in JPEG). The network sees a small thumbnail of the
brightness and predicts its colors. The *autoencoder* compresses the thumbnail into a short list of numbers and
reconstructs it from them, in color. The *U-Net* estimates how likely each color is at each position. The colors are
then enlarged and combined with the brightness of the full image, so no detail is lost at any size.
"""
_FOLLOW = (
    "Choose a test image, or upload your own. It is shrunk to {width} × {height} pixels, encoded as a vector, and "
    "decoded again."
)
_ABOUT = {
    "autoencoder": "The encoder halves the resolution step by step and ends in the *latent vector*, which is all that "
    "the decoder sees. The taller a box, the higher the resolution; the wider, the more channels.",
    "unet": "The first half is an encoder, too. In the decoder, each scale also receives the encoder's features of "
    "that scale through *skip connections*, so detail doesn't have to pass through a bottleneck. Each box stands for "
    "all layers of a scale. The shapes are those for a 64 × 64 thumbnail; any size works.",
}
_DIRECTIONS = 4  # Number of principal components with a slider.
_MAX_DEVIATIONS = 3.0  # Standard deviations; most test images are within two.
_MOVE = """
Each slider changes all numbers at once, along a *principal component*: one of the directions in which the test images
differ most. The first ones control what is light, what is dark, and the overall color. The last slider changes a single
number, the one that varies most. By itself it does little, since what the network has learned is spread over all of
them.
"""
_STEPS = 9
_SIDE = 640  # Long side, in pixels, at which the results for a visitor's image are shown.
_FIRST, _LAST = 0, 1  # The samples of the first walk.
_WALK = """
Each test image is a point in the space of latent vectors. Below, points on the straight line between two of them are
decoded. Where the network has learned what the two have in common, one picture morphs into the other instead of fading;
where it hasn't, the middle is murky.
"""


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``."""
    with gr.Column(elem_id="lesson"):
        contents = gr.HTML(padding=False)
        sections = _Sections()
        sections.begin("The idea", _IDEA)
        autoencoders = [name for name, colorizer in colorizers.items() if "raw output" in colorizer.abilities]
        for model in autoencoders:
            _build_play(demo, sections, model, colorizers[model])
        for model in (*autoencoders, *(name for name in colorizers if name not in autoencoders)):
            _build_record(sections, model)
        contents.value = draw_contents(sections.titles)


class _Sections:
    """The sections of the page, with their titles for the table of contents."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def begin(self, title: str, words: str) -> None:
        """Build the heading of a section and its first paragraph."""
        gr.HTML(draw_heading(len(self.titles), title), padding=False)
        self.titles.append(title)
        gr.Markdown(words, elem_classes=["words"])


def _build_record(sections: _Sections, model: str) -> None:
    """Draw a model's layers and loss curves from its training record."""
    config = Checkpoint.find(model).read_record(CONFIG)
    layers, folder = config.get("layers"), resource_folder("checkpoints") / model
    if layers:
        words = f"{config['parameters']:,} parameters. {_ABOUT.get(config['model'], '')}"
        sections.begin(f"The layers: {title(model)}", words)
        gr.HTML(draw_layers(layers), padding=False, elem_id=f"layers-{model}")
    # The last run and the earlier ones that it continued, oldest first.
    histories = [_read_rows(path) for path in (*sorted(folder.glob("history-*.csv")), *folder.glob("history.csv"))]
    if histories:
        images = sum({data["sha256"]: data["rows"] for data in config["data"]}.values())  # A dataset may occur twice.
        epochs = " + ".join(str(len(rows)) for rows in histories)
        words = f"{images:,} images, {epochs} epochs; {config['machine']}."
        if "init_sha256" in config:
            words += " This run continued from the weights of earlier runs; the model card lists them."
        sections.begin(f"The training: {title(model)}", words)
    for number, rows in enumerate(histories, 1):
        if len(rows) > 1:
            best = config["best"]["epoch"] if number == len(histories) else None
            gr.HTML(draw_curves(rows, best), padding=False, elem_id=f"curves-{model}-{number}")


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _build_play(demo: gr.Blocks, sections: _Sections, model: str, colorizer: Colorizer) -> None:
    """Build these sections inside ``demo`` if the encoder and the decoder are available separately."""
    try:
        space = LatentSpace(Checkpoint.find(model))
    except (OSError, ValueError):
        return  # There is no export, or it was made from other weights.
    samples = Gallery.of_samples()
    rows = {samples.caption(row): row for row in range(len(samples.dataset))}
    sections.begin("Follow an image", _FOLLOW.format(height=space.size[0], width=space.size[1]))
    passage = _Passage(model, colorizer, space, samples, rows)
    passage.lay_out()
    chosen = passage.connect(demo)
    sections.begin("Move the numbers", _MOVE)
    _build_move(space, samples, passage.latent, chosen)
    sections.begin("A walk through latent space", _WALK)
    _build_walk(demo, space, samples, rows)


class _Passage:
    """The section that follows an image through the autoencoder: its widgets, and what answers their events."""

    def __init__(
        self, model: str, colorizer: Colorizer, space: LatentSpace, samples: Gallery, rows: Mapping[str, int]
    ) -> None:
        self.model, self.colorizer, self.space, self.samples, self.rows = model, colorizer, space, samples, rows

    def lay_out(self) -> None:
        self.latent = gr.State()  # The latent vector of the chosen image.
        with gr.Row(elem_id="follow-choice"):
            self.chooser = build_thumbnails(
                [(str(path), name) for path, name in zip(self.samples.dataset.sources, self.rows, strict=True)],
                columns=10,
                elem_id="follow",
            )
            self.own = gr.UploadButton(
                "Your own image", file_types=["image"], size="md", scale=0, min_width=180, elem_id="follow-own"
            )
        with gr.Row(equal_height=False, elem_id="way"):
            self.seen = _build_small("seen", "What the encoder sees", "The image in grayscale, small")
            self.vector = gr.HTML(min_height=120, elem_id="vector")
            self.painted = _build_small(
                "painted", "What the decoder makes of it", "The picture decoded from the vector"
            )
        self.words = gr.Markdown(elem_id="blur", elem_classes=["words"])
        with gr.Row(equal_height=False, elem_id="parts"):
            self.luma = _build_small("luma", "Its brightness", "The brightness of the decoder's picture")
            self.chroma = _build_small("chroma", "Its color", "The color of the decoder's picture, on gray")
            self.joined = _build_small(
                "joined", "That color on the true brightness", "The decoder's color on the image's own brightness"
            )
        gr.Markdown(_explain_join(self.model), elem_classes=["words"])
        with gr.Row(equal_height=False, elem_id="large"):
            self.raw = _build_small("raw", "The decoder's picture", "The decoder's picture, enlarged")
            self.full = _build_small(
                "full", "Its color on the full brightness", "The decoder's color on the image's full brightness"
            )

    def connect(self, demo: gr.Blocks) -> list[Any]:
        """Connect the events, and return them: each sets the latent vector."""
        pictures = [self.seen, self.painted, self.luma, self.chroma, self.joined, self.raw, self.full]
        shown: Any = [self.vector, self.latent, self.words, *pictures]
        options: dict[str, Any] = {"show_progress": "hidden", **NETWORK}
        own: dict[str, Any] = {"preprocess": False, "trigger_mode": "always_last", **options}
        # A thumbnail takes milliseconds, so a page that opens shouldn't wait for other visitors' photos.
        return [
            demo.load(self.show_first, None, shown, queue=False, **QUIET),
            self.chooser.select(self.show_sample, None, shown, trigger_mode="multiple", **options),
            self.own.upload(self.show_own, self.own, [*shown, self.chooser], **own),
        ]

    def show_first(self) -> dict[Any, Any]:
        """Show the first of the samples."""
        return self._show(self.samples.dataset[_FIRST])

    def show_sample(self, choice: gr.SelectData) -> dict[Any, Any]:
        """Show the sample that was chosen."""
        return self._show(self.samples.dataset[pick(self.rows, read_caption(choice))])

    def show_own(self, upload: dict[str, Any] | None) -> dict[Any, Any]:
        """Show the visitor's own image."""
        with as_gradio_errors():
            image = Photo.open(find_upload(upload), MAX_PIXELS).preview
        return {**self._show(fit_within(image[:, :, :3], _SIDE)), self.chooser: gr.Gallery(selected_index=None)}

    def _show(self, image: NDArray[np.uint8]) -> dict[Any, Any]:
        passage = self.space.pass_through(image)
        height, width = passage.gray.shape[:2]
        return {
            self.seen: show_picture(passage.gray),
            self.vector: draw_vector(passage.latent),
            self.latent: passage.latent,
            self.painted: show_picture(passage.painted),
            self.words: _explain_blur(height * width, len(passage.latent), passage.luma_error),
            self.luma: show_picture(passage.painted_luma),
            self.chroma: show_picture(passage.painted_chroma),
            self.joined: show_picture(passage.joined),
            self.raw: show_picture(self.colorizer.colorize(image, raw=True)),
            self.full: show_picture(self.colorizer.colorize(image)),
        }


def _build_small(elem_id: str, label: str, alt_text: str) -> gr.Image:
    return build_panel(label, alt_text, min_width=140, elem_id=elem_id)


def _build_move(space: LatentSpace, samples: Gallery, latent: gr.State, chosen: Sequence[Any]) -> None:
    """Build the section; the events ``chosen`` set the vector."""
    images = samples.dataset
    every = space.find_directions([images[row] for row in range(len(images))])
    deviations = np.sqrt(np.sum(every**2, axis=0))  # Of each number by itself.
    number = int(np.argmax(deviations))
    alone = np.where(np.arange(len(deviations)) == number, deviations, np.float32(0))
    directions = np.stack([*every[:_DIRECTIONS], alone])
    labels = [f"Direction {i}" for i in range(1, len(directions))] + [f"Number {number + 1} alone"]
    with gr.Row(equal_height=False, elem_id="move"):
        moved = build_panel("The decoded picture", "The picture decoded from the changed vector", elem_id="moved")
        with gr.Column():
            sliders = [
                gr.Slider(-_MAX_DEVIATIONS, _MAX_DEVIATIONS, 0, step=0.1, label=label, buttons=[]) for label in labels
            ]
            reset = gr.Button("Reset to the image's own numbers", size="md", elem_id="move-reset")

    def paint(latent: NDArray[np.float32] | None, *steps: float) -> Any:
        if latent is None:  # Set when the page opens, but lost if the server has been restarted since.
            raise VisitorError("Choose an image first.")
        vector = latent + np.array(steps, np.float32) @ directions
        return show_picture(space.paint(vector[None])[0])

    def start(latent: NDArray[np.float32] | None) -> dict[Any, Any]:
        return {**dict.fromkeys(sliders, 0), moved: paint(latent, *[0] * len(sliders))}

    options: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", **NETWORK}
    gr.on([slider.input for slider in sliders], paint, [latent, *sliders], moved, **options)
    reset.click(start, latent, [*sliders, moved], **options)
    for event in chosen:  # Gradio's page sometimes misses that a `gradio.State` has changed.
        event.success(start, latent, [*sliders, moved], queue=False, **QUIET)


def _build_walk(demo: gr.Blocks, space: LatentSpace, samples: Gallery, rows: Mapping[str, int]) -> None:
    names = list(rows)
    with gr.Row(elem_id="walk-choice"):
        first = gr.Dropdown(names, value=names[_FIRST], label="From", filterable=False, elem_id="walk-from")
        last = gr.Dropdown(names, value=names[_LAST], label="To", filterable=False, elem_id="walk-to")
    strip = build_panel(f"{_STEPS} steps from one to the other", "The pictures decoded along the way", elem_id="walk")

    def walk(first: str, last: str) -> Any:
        start, end = (samples.dataset[pick(rows, name)] for name in (first, last))
        return show_picture(draw_strip(space.walk(start, end, _STEPS)), "walk.png")

    demo.load(walk, [first, last], strip, queue=False, **QUIET)
    options: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", **NETWORK}
    gr.on([first.change, last.change], walk, [first, last], strip, **options)


def _explain_blur(pixels: int, length: int, error: float) -> str:
    return (
        f"**Why it is blurry.** {pixels:,} pixels go in, but only {length} numbers get through the *bottleneck*. They "
        "can't hold every detail, so the result is an average of all pictures with similar numbers. Here its "
        f"brightness is off by {error:.0f} of 255 levels. Training on squared error also favors blur: a sharp edge in "
        "the wrong place costs more than a soft one."
    )


def _explain_join(model: str) -> str:
    """Explain what joining gains, with the recorded figures of the whole test set."""
    words = (
        "**Why the result is sharp.** Only the color of the decoder's picture is used; the brightness is the image's "
        "own. Our eyes resolve brightness much better than color, so soft color on a sharp picture looks right at any "
        "size."
    )
    record = Checkpoint.find(model).read_record("metrics.json")
    if "raw" not in record:
        return words
    return (
        f"{words}\n\nOn {record['n']:,} test images, the squared error of the decoder's raw output is "
        f"{record['raw']['relative_mse']:.0%} of the gray baseline's (the image without color). With its color on the "
        f"image's own brightness, it is {record['relative_mse']:.0%}."
    )
