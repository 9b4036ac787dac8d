"""The tab *Your image*: a file in, its colorized picture out."""

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from colorizer.demo import errors
from colorizer.demo.photo import Photo
from colorizer.demo.tabs import alternatives, compare, guide
from colorizer.demo.widgets import save_picture, save_preview
from colorizer.demo.workbench import MAX_FILE, MAX_PIXELS, NETWORK, QUIET, Updates, Workbench
from colorizer.files import resource_folder
from colorizer.imaging.decode import image_format
from colorizer.imaging.encode import EXTENSIONS
from colorizer.inference.colorizer import Colorizer

_SHOWN_BY_BROWSERS = {"PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "AVIF"}
_EXAMPLES = {
    "photographer": "A photographer (gray) · Lav Varshney · CC0",
    "officer": "Grace Hopper, 1984 · U.S. Navy · public domain",
    "astronaut": "Eileen Collins · NASA · public domain",
    "cat": "Chelsea the cat · Stéfan van der Walt · CC0",
    "coffee": "Coffee · Rachel Michetti · CC0",
    "rocket": "Launch of DSCOVR · SpaceX · public domain",
}
# The click asks for the file; this fetches it once it is ready.
_FETCH = """
(file) => {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    document.body.append(link);
    link.click();
    link.remove();
}
"""


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    bench = Workbench(colorizers)
    with gr.Row(elem_id="start"):
        source = gr.Image(
            label="Your image",
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            buttons=[],
            height=280,
            placeholder="Drop an image here, click to choose one, or paste it",
            alt_text="The image that you chose",
            elem_id="source",
        )
        with gr.Column():
            examples = gr.Gallery(
                [(_example(name), caption) for name, caption in _EXAMPLES.items()],
                label="Or try one of these",
                columns=len(_EXAMPLES),
                height="auto",
                allow_preview=False,
                interactive=False,
                buttons=[],
                elem_id="examples",
                elem_classes=["thumbnails"],
            )
            gr.Markdown(
                "A color photograph works too: the model sees only its gray copy, and the original is shown beside it. "
                f"At most {MAX_PIXELS / 1e6:.0f} megapixels and {MAX_FILE}."
                f"\n\nThe examples: {'; '.join(_EXAMPLES.values())}.",
                elem_classes=["hint"],
            )
    problem = gr.HTML(visible=False, padding=False, elem_id="problem")
    with gr.Column(visible=False, elem_id="results") as results:
        bench.build_settings()
        with gr.Tabs(elem_id="views"):
            for name, view in (("Compare", compare), ("Guide", guide), ("Alternatives", alternatives)):
                with gr.Tab(name):
                    view.build(bench)
        _build_downloads(bench)

    def show(upload: dict[str, Any] | None, *settings: Any) -> Updates:
        try:
            with errors.as_gradio_errors():
                photo = Photo.open(errors.find_upload(upload), MAX_PIXELS)
            opened = bench.open(photo, *settings)
        except gr.Error as error:
            # The place is free for the next try, no older result stays, and the words stay until there is one.
            message = f"<p role='alert'>{html.escape(error.message)}</p>"
            hidden = {bench.photo: None, results: gr.Column(visible=False)}
            return {source: None, **hidden, problem: gr.HTML(message, visible=True)}
        updates = {
            **opened,
            problem: gr.HTML(visible=False),
            results: gr.Column(visible=True),
        }
        if image_format(photo.path) not in _SHOWN_BY_BROWSERS:
            updates[source] = save_preview(photo.preview, photo.path.stem)
        return updates

    def forget(upload: dict[str, Any] | None) -> Updates:
        """Leave no older result beside an empty place, also where Gradio itself refused a file."""
        return {results: gr.skip()} if upload else {bench.photo: None, results: gr.Column(visible=False)}

    def change(photo: Photo | None, *settings: Any) -> Updates:
        return bench.repaint(errors.require(photo), *settings)

    # The names of its parameters are those of the API.
    def colorize(image: dict[str, Any], model: str, vividness: float, detail: float) -> str:
        """Colorize an image file: any usual format in, a PNG of the same size out."""
        colorizer, vividness, detail = bench.read(model, vividness, detail)
        path = errors.find_upload(image)
        with errors.as_gradio_errors():
            result = colorizer.colorize(path, vividness=vividness, detail=int(detail), max_pixels=MAX_PIXELS)
        return save_picture(result, f"{path.stem}-color.png")

    # The file is taken as it came. Gradio would open it first, and say no more than "Error" of a broken one.
    opening: dict[str, Any] = {
        "fn": show,
        "inputs": [source, *bench.settings],
        "outputs": [bench.photo, source, problem, results, *bench.views, *bench.reset],
        "preprocess": False,
        "show_progress_on": [source],
        # Of several photos, one right after the other, the last one is shown.
        "trigger_mode": "always_last",
        **NETWORK,
    }
    # Not `change`: the picture that stands for a file which browsers can't show would be colorized once more.
    source.upload(**opening)
    source.change(forget, source, [bench.photo, results], preprocess=False, queue=False, **QUIET)
    examples.select(_choose_example, None, source, queue=False, trigger_mode="multiple", **QUIET).then(**opening)
    # A widget that is moved on while the network works counts once more, at its last value.
    gr.on(
        [widget.change for widget in bench.settings],
        change,
        [bench.photo, *bench.settings],
        [bench.photo, *bench.gates, *bench.views],
        js=bench.within_range,
        trigger_mode="always_last",
        show_progress="hidden",
        **NETWORK,
    )
    result = gr.File(visible=False)
    gr.on(
        [],
        colorize,
        [source, *bench.settings],
        result,
        preprocess=False,
        concurrency_id="network",
        api_name="colorize",
    )


def _example(name: str) -> str:
    return str(resource_folder("samples") / "photos" / f"{name}.jpg")


def _choose_example(event: gr.SelectData) -> str:
    return _example(list(_EXAMPLES)[event.index])


def _build_downloads(bench: Workbench) -> None:
    """Build the buttons."""
    with gr.Row(elem_id="downloads"):
        same = gr.Button("Download", variant="primary", size="md", scale=0, min_width=300, elem_id="download")
        exact = gr.Button("Pixel-exact PNG", size="md", scale=0, min_width=180, elem_id="download-png")
        # Hidden by its style: Gradio shows a hidden widget again with the column that it lies in.
        file = gr.DownloadButton(elem_id="fetched")

    def save(photo: Photo | None, *settings: Any) -> str:
        return _save_result(bench, photo, *settings)

    def save_png(photo: Photo | None, *settings: Any) -> str:
        return _save_result(bench, photo, *settings, ending=".png")

    for button, action in ((same, save), (exact, save_png)):
        done = button.click(action, [bench.photo, *bench.settings], file, show_progress_on=[button], **NETWORK)
        done.success(None, file, None, js=_FETCH, **QUIET)

    def name(photo: Photo) -> Updates:
        return {same: f"Download {_format(photo)} ({photo.size[0]} × {photo.size[1]})"}

    bench.add_reset([same], name)


def _save_result(bench: Workbench, photo: Photo | None, *settings: Any, ending: str | None = None) -> str:
    """Colorize a photo in full resolution and write it; give the file's path."""
    photo = errors.require(photo)
    with errors.as_gradio_errors():
        result, metadata = photo.colorize_full(*bench.read(*settings), MAX_PIXELS)
    return save_picture(result, f"{photo.path.stem}-color{ending or photo.ending}", metadata)


def _format(photo: Photo) -> str:
    return EXTENSIONS[photo.ending.lower()].replace("WEBP", "WebP")
