"""The page as a whole, and how it is served."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from colorizer.demo import endpoints, errors, snippets
from colorizer.demo.cleanup import sweeper
from colorizer.demo.decoding import LockedModel
from colorizer.demo.films import read_limits
from colorizer.demo.guard import Guard
from colorizer.demo.style import CSS, HEAD, build_theme
from colorizer.demo.tabs import about, batch, cifar10, how_it_works, video, your_photo
from colorizer.files import resource_folder
from colorizer.inference.colorizer import Colorizer

_CONCURRENCY = 4  # Requests answered at once; each may hold a photo of hundreds of megabytes.
_SESSIONS = 256  # Sessions that Gradio remembers; they hold no visitor's data.


class _Page(gr.Blocks):
    """Blocks with a short queue, which refuse values of the wrong type; Gradio would log a traceback for each."""

    def queue(self, **_: Any) -> gr.Blocks:
        """Set up the queue, for Gradio's constructor: a second call, later, would build the application once more."""
        # Files are read and written in parallel, one per visitor; only the network takes one picture at a time, since
        # it uses all cores. The queue is short, so that nobody waits long.
        return super().queue(max_size=16, default_concurrency_limit=_CONCURRENCY, api_open=False)

    async def preprocess_data(self, *args: Any, **options: Any) -> list[Any]:
        """Convert values from a request for the functions, as Gradio does; raise `gradio.Error` for invalid ones."""
        try:
            values: list[Any] = await super().preprocess_data(*args, **options)
            return values
        except gr.Error as error:
            error.print_exception = False
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.VisitorError("Invalid arguments for this endpoint; see *Use via API*") from error


def build_demo(colorizers: Mapping[str, Colorizer]) -> gr.Blocks:
    """Build the page.

    Parameters
    ----------
    colorizers : mapping of str to Colorizer
        The models to choose from, by name; the choice is hidden if there is only one.

    Returns
    -------
    gradio.Blocks
        The demo, ready to be launched with `launch_options`.
    """
    locked: Any = {name: LockedModel(colorizer) for name, colorizer in colorizers.items()}
    colorizers = locked
    with _Page(title="Colorizer", analytics_enabled=False) as demo:
        gr.Markdown(
            "# Colorizer\n\nAdd color to a black-and-white photo. A small neural network suggests the colors; every "
            "detail of the photo is kept.",
            elem_id="header",
        )
        with gr.Tab("Your photo", id="your-photo"):
            your_photo.build(colorizers)
            endpoints.build(colorizers)
        with gr.Tab("Batch", id="many-images"):
            batch.build(colorizers)
        with gr.Tab("Video", id="video"):
            video.build(demo, colorizers)
        with gr.Tab("CIFAR-10", id="test-set"):
            cifar10.build(demo, colorizers)
        with gr.Tab("How it works", id="how-it-works"):
            how_it_works.build(demo, colorizers)
        with gr.Tab("About", id="about"):
            about.build()
    return demo


def launch_options(host: str = "127.0.0.1") -> dict[str, Any]:
    """Return the keywords of `gradio.Blocks.launch` for a server at an address."""
    guard = Guard.as_middleware(host, get_upload_folder())
    return {
        "theme": build_theme(),
        "css": CSS,
        "head": HEAD,
        "allowed_paths": [str(resource_folder("samples"))],
        "max_file_size": max(errors.MAX_BYTES, read_limits()[1]),
        "share": False,
        "show_error": False,
        "enable_monitoring": False,
        "run_history": False,
        "footer_links": ["api"],
        "state_session_capacity": _SESSIONS,
        "app_kwargs": {"middleware": [guard], "lifespan": sweeper(), "routes": [snippets.ROUTE]},
    }
