"""The tab *How it works*: for those who want to learn what an autoencoder is and does."""

import csv
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from colorizer.inference import Colorizer
from colorizer.resources import resource_folder
from colorizer.ui import follow
from colorizer.ui.drawings import draw_curves, draw_layers
from colorizer.ui.figures import read_record, title

_IDEA = """
### The idea

The brightness and the color of an image are separate planes (Y′CbCr, as in JPEG). A network sees the brightness as a
small thumbnail and guesses its colors: the *autoencoder* squeezes the thumbnail through a short list of numbers and
paints it anew, the *U-Net* tells for each place how likely each color is. The colors are enlarged and joined with the
brightness of the full image, so that no detail is lost, whatever the size.
"""
_ABOUT = {
    "autoencoder": "The encoder halves the picture again and again, and ends in the *latent vector*. The decoder "
    "starts from that vector alone. Boxes are as high as the pictures inside the network and wider the more channels "
    "they have.",
    "unet": "The way down is like the encoder's, but on the way up each scale is added to what came by on the way "
    "down (the *skips*), so that nothing has to pass through a bottleneck. Shapes are those for a thumbnail of "
    "64 × 64; it takes any.",
}


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``."""
    gr.Markdown(_IDEA, elem_classes=["words"])
    autoencoders = [name for name, colorizer in colorizers.items() if colorizer.paints_rgb]
    for model in autoencoders:
        follow.build(demo, model, colorizers[model])
    for model in (*autoencoders, *(name for name in colorizers if name not in autoencoders)):
        _build_record(model)


def _build_record(model: str) -> None:
    """Draw what the record of a model's training tells: its layers and its curves."""
    config = read_record(model, "config.json")
    layers, folder = config.get("layers"), resource_folder("checkpoints") / model
    if layers:
        words = f"{config['parameters']:,} parameters. {_ABOUT.get(config['model'], '')}"
        gr.Markdown(f"### The layers: {title(model)}\n\n{words}", elem_classes=["words"])
        gr.HTML(draw_layers(layers), padding=False, elem_id=f"layers-{model}")
    # Runs that the last one began from, oldest first, and that one.
    histories = [_read_rows(path) for path in (*sorted(folder.glob("history-*.csv")), *folder.glob("history.csv"))]
    if histories:
        images = sum(data["rows"] for data in config["data"])
        epochs = " + ".join(str(len(rows)) for rows in histories)
        words = f"{images:,} images, {epochs} epochs; {config['machine']}."
        gr.Markdown(f"### The training: {title(model)}\n\n{words}", elem_classes=["words"])
    for number, rows in enumerate(histories, 1):
        if len(rows) > 1:
            best = config["best"]["epoch"] if number == len(histories) else None
            gr.HTML(draw_curves(rows, best), padding=False, elem_id=f"curves-{model}-{number}")


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
