"""The result as a file: in the format and by the name of the upload, or as PNG."""

from typing import Any

import gradio as gr

from colorizer.editing import Photo
from colorizer.images import EXTENSIONS
from colorizer.ui import errors
from colorizer.ui.pictures import save_picture
from colorizer.ui.workbench import MAX_PIXELS, NETWORK, QUIET, Updates, Workbench

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


def build(bench: Workbench) -> None:
    """Build the buttons."""
    with gr.Row(elem_id="downloads"):
        same = gr.Button("Download", variant="primary", size="md", scale=0, min_width=300, elem_id="download")
        exact = gr.Button("Pixel-exact PNG", size="md", scale=0, min_width=180, elem_id="download-png")
        # Hidden by its style: Gradio shows a hidden widget again with the column that it lies in.
        file = gr.DownloadButton(elem_id="fetched")

    def save(photo: Photo | None, *settings: Any) -> str:
        return save_result(bench, photo, *settings)

    def save_png(photo: Photo | None, *settings: Any) -> str:
        return save_result(bench, photo, *settings, ending=".png")

    for button, action in ((same, save), (exact, save_png)):
        done = button.click(action, [bench.photo, *bench.settings], file, show_progress_on=[button], **NETWORK)
        done.success(None, file, None, js=_FETCH, **QUIET)

    def name(photo: Photo) -> Updates:
        return {same: f"Download {_format(photo)} ({photo.size[0]} × {photo.size[1]})"}

    bench.add_reset([same], name)


def save_result(bench: Workbench, photo: Photo | None, *settings: Any, ending: str | None = None) -> str:
    """Colorize a photo in full resolution and write it; give the file's path."""
    photo = errors.require(photo)
    with errors.told():
        result, metadata = photo.colorize_full(*bench.read(*settings), MAX_PIXELS)
    return save_picture(result, f"{photo.path.stem}-color{ending or photo.ending}", metadata)


def _format(photo: Photo) -> str:
    return EXTENSIONS[photo.ending.lower()].replace("WEBP", "WebP")
