"""The tab *About*: how it works, how well, and what happens to pictures."""

import json
from collections.abc import Sequence

import gradio as gr

from colorizer.resources import resource_folder
from colorizer.ui import api
from colorizer.ui.figures import MEANING, build_table, title

_HOW = """
### How it works

The brightness and the color of an image are separate planes (Y′CbCr, as in JPEG). A network sees the brightness as a
small thumbnail and guesses its colors: the *autoencoder* squeezes the thumbnail through 256 numbers and paints it anew,
the *U-Net* tells for each place how likely each color is. The colors are enlarged and joined with the brightness of the
full image, so that no detail is lost, whatever the size.
"""

_LIMITS = """
### Limits

- The colors are plausible guesses, not a record of what was there.
- Many colors are right for one gray. The network answers with something like their mean, which is muted.
- Color comes at the resolution of a thumbnail: it is soft, and small things take the color of what surrounds them.
- The models learned from thumbnails: animals and vehicles (CIFAR-10), and the U-Net also 200 kinds of things (Tiny
  ImageNet). The further a picture is from those, the less they know.

### Privacy

The files that you bring, and the results, are on the server that runs this demo. They are deleted after at most an
hour, and when the server starts. So that clicks are answered at once, the server's memory holds a reduced copy of your
image, for at most an hour after the last change. Nothing is sent elsewhere, by the server or by this page.
"""


def build(models: Sequence[str]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    figures = [_figures(model) for model in models]
    gr.Markdown("\n\n".join([_HOW, *figures, MEANING, _LIMITS, api.TEXT]), elem_id="about-text")


def _figures(model: str) -> str:
    """Tell what the record beside the weights says of a model; nothing where there is none."""
    path = resource_folder("checkpoints") / model / "metrics.json"
    if not path.is_file():
        return ""
    record = json.loads(path.read_text("utf-8"))
    gray, data = record["gray_copy"], record["data"]
    copies = ", as copies saved in JPEG" if data["name"] == "cifar10" and data.get("encoding") == "JPEG" else ""
    if "raw" in record:
        results = {"Colorized": record, "Its own picture": record["raw"]}
    else:  # Vividness costs error; the figures are those of the least.
        results = {f"Colorized, vividness {record['vividness']:g}": record}
    return f"""
### How well: {title(model)}

Means over {record["n"]:,} test images of {data["name"]}{copies}:

{build_table(gray, results)}

The mean color difference (CIEDE2000) is {record["delta_e"]:.1f}, in gray {gray["delta_e"]:.1f}; the colorfulness is
{record["colorfulness"]:.1f}, that of the true images {record["colorfulness_truth"]:.1f}.
"""
