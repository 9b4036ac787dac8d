"""The tab *About*: how it works, how well, and what happens to pictures."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from colorizer.resources import resource_folder

_HOW = """
### How it works

The brightness and the color of an image are separate planes (Y′CbCr, as in JPEG). The network sees the brightness as a
small thumbnail and paints a color picture of it. The color of that picture is enlarged and joined with the brightness
of the full image, so that no detail is lost, whatever the size.

### Limits

- The colors are plausible guesses, not a record of what was there.
- Many colors are right for one gray. The network answers with something like their mean, which is muted.
- Color comes at the resolution of a thumbnail: it is soft, and small things take the color of what surrounds them.
- It learned from small images of animals and vehicles (CIFAR-10). The further a picture is from those, the less it
  knows.

### Privacy

Files are processed on the server that runs this demo and are deleted after at most an hour. Nothing is sent elsewhere,
by the server or by this page.
"""


def build(models: Sequence[str]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown("\n\n".join([_HOW, *filter(None, (_figures(model) for model in models))]), elem_id="about-text")


def _figures(model: str) -> str:
    """Tell what the record beside the weights says of a model; nothing where there is none."""
    path = resource_folder("checkpoints") / model / "metrics.json"
    if not path.is_file():
        return ""
    record = json.loads(path.read_text("utf-8"))
    rows = {"Gray copy": record["gray_copy"], "Colorized": record, "Decoder's own": record["raw"]}
    lines = [
        f"### How good: {model}",
        f"Measured on {record['n']:,} images of {record['data']['name']} (test split):",
        "| | Error left | PSNR | SSIM | Color difference (CIEDE2000) | Colorfulness |\n|:--|--:|--:|--:|--:|--:|\n"
        + "\n".join(_line(name, values) for name, values in rows.items()),
        f"The true images have a colorfulness of {record['colorfulness_truth']:.1f}.",
    ]
    return "\n\n".join(lines)


def _line(name: str, values: dict[str, Any]) -> str:
    return (
        f"| {name} | {values['error_left']:.1%} | {values['psnr']:.1f} dB | {values['ssim']:.3f} "
        f"| {values['delta_e']:.1f} | {values['colorfulness']:.1f} |"
    )
