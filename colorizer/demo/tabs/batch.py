"""The tab *Batch*: several files or a ZIP archive in, a ZIP archive with the results and a report out."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from colorizer.batch.archive import Limits, colorize_archive
from colorizer.demo.decoding import decode
from colorizer.demo.errors import MAX_BYTES, as_gradio_errors, check_size
from colorizer.demo.workbench import QUIET, Settings, mark, read_settings
from colorizer.inference.colorizer import Colorizer

_LIMITS = Limits()
_WORDS = (
    f"Bring several images, or a ZIP archive of them: at most {_LIMITS.images} images, {MAX_BYTES / 1e6:.0f} MB per "
    f"file, {_LIMITS.total_bytes / 1e6:.0f} MB unpacked, {_LIMITS.pixels / 1e6:.0f} megapixels per image. You get a "
    "ZIP archive with the results and a report. If an image can't be read, the report says why."
)


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown(_WORDS, elem_classes=["hint"])
    files = gr.File(
        label="Images, or a ZIP archive", file_count="multiple", height=220, type="filepath", elem_id="many"
    )
    settings = Settings(colorizers)
    start = gr.Button("Colorize all", variant="primary", size="md", elem_id="start-many")
    # Plain text: names of files may look like Markdown, and programs read it, too.
    report = gr.Textbox(label="Report", lines=3, max_lines=20, interactive=False, visible=False, elem_id="report")
    result = gr.DownloadButton("Download the ZIP archive", visible=False, size="md", elem_id="download-many")

    # The names of its parameters are those of the API.
    def colorize_batch(
        files: list[str] | None,
        model: str,
        vividness: float,
        detail: float,
        progress: Any = gr.Progress(),  # noqa: B008  So Gradio recognizes it.
    ) -> tuple[str, str]:
        """Colorize several image files or ZIP archives of them: a ZIP archive comes back, with a report in it."""
        given = {"model": model, "vividness": vividness, "detail": detail}
        colorizer, options = read_settings(colorizers, given)
        for file in files or []:
            check_size(Path(file))
        output = Path(get_upload_folder(), secrets.token_hex(16), "colorized.zip")
        with as_gradio_errors():
            output.parent.mkdir(parents=True)
            lines = colorize_archive(
                [Path(file) for file in files or []],
                output,
                lambda image: colorizer.colorize(image, **options),
                _LIMITS,
                lambda done, total: progress((done, total), unit="images"),
                decode,
                lambda metadata: mark(metadata, model, options),
            )
        failed = [f"{line.name}: {line.error}" for line in lines if line.error]
        return str(output), "\n".join([f"{len(lines) - len(failed)} of {len(lines)} colorized", *failed])

    def show() -> tuple[Any, Any]:
        return gr.DownloadButton(visible=True), gr.Textbox(visible=True)

    # An older batch's result would be taken for the new one's, most of all where that fails.
    gr.on(
        [start.click, files.change],
        lambda: (gr.DownloadButton(visible=False), gr.Textbox(visible=False)),
        None,
        [result, report],
        queue=False,
        **QUIET,
    )
    done = start.click(
        colorize_batch,
        [files, *settings.widgets],
        [result, report],
        concurrency_limit=1,
        concurrency_id="many",  # Of its own, so that those who bring one image don't wait for it.
        show_progress_on=[files],
        api_name="colorize_batch",
    )
    done.success(show, None, [result, report], queue=False, **QUIET)
