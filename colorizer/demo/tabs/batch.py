"""The tab *Batch*: several files or a ZIP archive in, a ZIP archive with the results and a report out."""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from colorizer.batch.archive import Limits, colorize_archive
from colorizer.batch.plan import Job
from colorizer.batch.storage import Place
from colorizer.demo.decoding import decode
from colorizer.demo.errors import MAX_BYTES, as_gradio_errors, check_size
from colorizer.demo.widgets import save_preview
from colorizer.demo.workbench import QUIET, build_settings, mark, read_settings
from colorizer.imaging.color import fit_within
from colorizer.imaging.metadata import Metadata
from colorizer.inference.colorizer import Colorizer

_LIMITS = Limits()
_THUMBNAIL_SIDE = 240  # Pixels: twice the size shown, for high-density screens.
_WORDS = (
    f"Choose several images, or a ZIP archive of them: up to {_LIMITS.images} images, {MAX_BYTES / 1e6:.0f} MB per "
    f"file, {_LIMITS.total_bytes / 1e6:.0f} MB unpacked, and {_LIMITS.pixels / 1e6:.0f} megapixels per image. You get "
    "a ZIP archive of the results, with a report that says which files couldn't be read, and why."
)


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown(_WORDS, elem_classes=["hint"])
    files = gr.File(label="Images or a ZIP archive", file_count="multiple", height=220, type="filepath", elem_id="many")
    settings = build_settings(colorizers)
    start = gr.Button("Colorize all", variant="primary", size="md", elem_id="start-many")
    # Plain text: file names may look like Markdown, and programs read it, too.
    report = gr.Textbox(label="Report", lines=3, max_lines=20, interactive=False, visible=False, elem_id="report")
    result = gr.DownloadButton("Download the ZIP archive", visible=False, size="md", elem_id="download-many")
    pictures = gr.Gallery(
        label="Results",
        columns=8,
        height="auto",
        allow_preview=False,
        interactive=False,
        visible=False,
        buttons=[],
        elem_id="batch-results",
        elem_classes=["thumbnails"],
    )

    def colorize_all(
        files: list[str] | None,
        model: str,
        vividness: float,
        detail: float,
        progress: Any = gr.Progress(),  # noqa: B008  So Gradio recognizes it.
    ) -> tuple[str, str, list[tuple[str, str]]]:
        given = {"model": model, "vividness": vividness, "detail": detail}

        def tell(done: int, total: int) -> None:
            progress((done, total), unit="images")

        return _colorize(files or [], colorizers, given, tell)

    # The parameter names are part of the API.
    def colorize_batch(
        files: list[str] | None,
        model: str,
        vividness: float,
        detail: float,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str]:
        """Colorize several image files or ZIP archives of them; returns a ZIP archive with the results and a report."""
        archive, words, _ = colorize_all(files, model, vividness, detail, progress)
        return archive, words

    def show(visible: bool) -> tuple[Any, Any, Any]:
        return gr.DownloadButton(visible=visible), gr.Textbox(visible=visible), gr.Gallery(visible=visible)

    shown = [result, report, pictures]
    # Otherwise the results of an earlier batch could be mistaken for the new ones, especially if the new batch fails.
    gr.on([start.click, files.change], partial(show, False), None, shown, queue=False, **QUIET)
    given = [files, *settings]
    # A separate queue, so that visitors with a single image don't wait for it.
    line: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "many"}
    done = start.click(colorize_all, given, shown, show_progress_on=[files], api_visibility="private", **line)
    done.success(partial(show, True), None, shown, queue=False, **QUIET)
    gr.on([], colorize_batch, given, [result, report], api_name="colorize_batch", **line)


def _colorize(
    files: list[str],
    colorizers: Mapping[str, Colorizer],
    given: Mapping[str, Any],
    tell: Callable[[int, int], None],
) -> tuple[str, str, list[tuple[str, str]]]:
    """Colorize files as `colorize_archive` does; return the archive, a report, and thumbnails of the results."""
    colorizer, options = read_settings(colorizers, given)
    for file in files:
        check_size(Path(file))
    output = Path(get_upload_folder(), secrets.token_hex(16), "colorized.zip")
    thumbnails: dict[Place, NDArray[np.uint8]] = {}  # By the name of the result.

    def paint(image: NDArray[np.uint8], job: Job) -> NDArray[np.uint8]:
        result = colorizer.colorize(image, **options)
        thumbnails[job.targets[0]] = fit_within(result, _THUMBNAIL_SIDE)
        return result

    def mark_as_colorized(metadata: Metadata) -> Metadata:
        return mark(metadata, given["model"], options)

    with as_gradio_errors():
        output.parent.mkdir(parents=True)
        paths = [Path(file) for file in files]
        outcomes = colorize_archive(paths, output, paint, _LIMITS, tell, decode, mark_as_colorized)
    failed = [f"{outcome.job.source}: {outcome.reason}" for outcome in outcomes if outcome.status != "done"]
    words = "\n".join([f"{len(outcomes) - len(failed)} of {len(outcomes)} colorized", *failed])
    results = [outcome.job.targets[0] for outcome in outcomes if outcome.status == "done"]
    pictures = [(save_preview(thumbnails[result], "thumbnail"), Path(result).as_posix()) for result in results]
    return str(output), words, pictures
