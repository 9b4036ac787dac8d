"""The tab *About*: limits, what happens to pictures, and the API."""

import gradio as gr

from colorizer.ui import api

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


def build() -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown(_LIMITS + api.TEXT, elem_id="about-text")
