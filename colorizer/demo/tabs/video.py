"""The tab *Video*: colorizes one frame of a short video, to choose the color strength, and then all of it."""

import html
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from colorizer.batch.videos import MISSING, can_read_videos
from colorizer.demo import films
from colorizer.demo.errors import as_gradio_errors, check_size
from colorizer.demo.widgets import address, build_panel, save_preview
from colorizer.demo.workbench import NETWORK, QUIET, default_model
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer

_PAUSE = 0.5  # Seconds between two progress updates.
_ADVICE = "Try another one, such as an MP4."


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``."""
    if not can_read_videos():
        gr.Markdown(f"This server can't colorize videos: {MISSING}")
        return
    limits, most_bytes = films.read_limits()
    colorizer = colorizers[default_model(colorizers)]
    hint = gr.Markdown(
        f"Choose a short video (MP4, MOV, MKV, WebM, AVI or MPEG): at most {limits.seconds:g} seconds, "
        f"{16 * limits.lines // 9:,} × {limits.lines} pixels and {most_bytes // 1_000_000} MB. Its sound is kept. For "
        "longer videos, use the command line: `colorizer colorize film.mp4 --output film-color.mp4`",
        elem_classes=["hint"],
    )
    upload = gr.File(label="Video", height=140, elem_id="film")
    with gr.Row(visible=False, equal_height=False, elem_id="film-work") as work:
        with gr.Column(scale=3, min_width=300):
            still = build_panel("One frame in color", "A frame of the video, colorized", elem_id="film-still")
            result = gr.HTML(visible=False, padding=False, elem_id="film-result")
        with gr.Column(scale=1, min_width=260):
            state = gr.HTML(visible=False, padding=False, elem_id="film-state")
            stop = gr.Button("Cancel", visible=False, size="md", elem_id="film-stop")
            download = gr.DownloadButton("Download MP4", visible=False, size="md", elem_id="film-download")
            vividness = gr.Slider(
                *(0, 1, DEFAULT_VIVIDNESS),
                step=0.05,
                label="Color strength, from subtle (0) to vivid (1)",
                buttons=[],
                visible="vividness" in colorizer.abilities,
                elem_id="film-vividness",
            )
            turn = gr.Textbox(visible=False)
            start = gr.Button("Colorize the video", variant="primary", size="md", elem_id="film-start")

    turns: dict[str, str] = {}  # The job that each visitor wants, running or waiting, by session.

    def find(given: Any) -> Path:
        if not given:
            raise gr.Error("Choose a video first.", print_exception=False)
        check_size(Path(given), most_bytes)
        return Path(given)

    def show(given: Any, vividness: float) -> dict[Any, Any]:
        if not given:  # The video was removed.
            return {work: gr.Row(visible=False), hint: gr.Markdown(visible=True)}
        path = find(given)
        with as_gradio_errors(advice=_ADVICE):
            frame = films.read_still(path, limits)
        picture = save_preview(colorizer.colorize(frame, vividness=vividness), f"{path.stem}-frame")
        return {
            work: gr.Row(visible=True),
            hint: gr.Markdown(visible=False),  # The picture takes its place.
            still: gr.Image(picture, visible=True),
            result: gr.HTML(visible=False),
            state: gr.HTML(visible=False),
            download: gr.DownloadButton(visible=False),
        }

    def wait(request: gr.Request) -> dict[Any, Any]:
        turns[str(request.session_hash)] = token = secrets.token_hex(8)
        return {
            turn: token,
            start: gr.Button(visible=False),
            stop: gr.Button(visible=True),
            state: gr.HTML(_say("Waiting in line: the server colorizes one video at a time."), visible=True),
            result: gr.HTML(visible=False),
            still: gr.Image(visible=True),
            download: gr.DownloadButton(visible=False),
        }

    def colorize(given: Any, vividness: float, token: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        path, visitor = find(given), str(request.session_hash)
        if not token or turns.get(visitor) != token:  # Canceled while it waited.
            yield {state: gr.skip()}  # If nothing were yielded, Gradio would empty all outputs, even the buttons.
            return
        target = Path(get_upload_folder(), secrets.token_hex(16), f"{path.stem}-color.mp4")
        target.parent.mkdir(parents=True)
        began, told, done = time.monotonic(), 0.0, None
        yield {state: gr.HTML(_draw_progress(0, None, 0))}
        try:
            with as_gradio_errors(advice=_ADVICE), suppress(films.Canceled):
                for message in films.colorize_film(path, target, colorizer, vividness, limits, visitor):
                    if turns.get(visitor) != token:
                        break
                    done = message.get("done")
                    if done is None and time.monotonic() - told >= _PAUSE:
                        told = time.monotonic()
                        words = _draw_progress(message.get("frames"), message.get("total"), told - began)
                        yield {state: gr.HTML(words)}
        finally:
            if done is None:
                rmtree(target.parent, ignore_errors=True)
        if done is not None:
            yield {
                **settle(),
                still: gr.Image(visible=False),
                result: gr.HTML(_draw_player(target), visible=True),
                state: gr.HTML(_describe(done, time.monotonic() - began)),
                download: gr.DownloadButton(value=str(target), visible=True),
            }
        elif visitor not in turns:
            yield {state: gr.HTML(_say("Canceled."))}  # Instead of the progress, which may arrive late.

    def settle() -> dict[Any, Any]:
        return {start: gr.Button(visible=True), stop: gr.Button(visible=False)}

    def fail() -> dict[Any, Any]:
        return {**settle(), state: gr.HTML(visible=False)}

    def end(request: gr.Request) -> None:
        turns.pop(str(request.session_hash), None)
        films.cancel(str(request.session_hash))

    def cancel(request: gr.Request) -> dict[Any, Any]:
        end(request)
        return {**settle(), state: gr.HTML(_say("Canceled."))}

    def begin_anew(request: gr.Request) -> dict[Any, Any]:
        end(request)
        return fail()

    def refuse() -> dict[Any, Any]:
        return {work: gr.Row(visible=False), hint: gr.Markdown(visible=True), upload: None}  # Ready for another one.

    shown: Any = [work, hint, still, result, state, download]
    changing = [start, stop, *shown]
    # One video at a time: it keeps a processor busy. Photos have a separate queue.
    film = start.click(wait, None, [turn, *changing], queue=False, **QUIET).success(
        colorize,
        [upload, vividness, turn],
        changing,
        concurrency_id="film",
        concurrency_limit=1,
        trigger_mode="multiple",  # One that was canceled while it waited may still be in line.
        show_progress="hidden",
        api_visibility="private",
    )
    film.failure(fail, None, [start, stop, state], queue=False, **QUIET)
    stop.click(cancel, None, [start, stop, state], queue=False, **QUIET)
    # Another video, or another strength, cancels a job.
    gr.on([upload.change, vividness.input], begin_anew, None, [start, stop, state], queue=False, **QUIET)
    demo.unload(end)
    options: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": still, **NETWORK}
    opened = upload.change(show, [upload, vividness], shown, trigger_mode="always_last", **options)
    opened.failure(refuse, None, [work, hint, upload], queue=False, **QUIET)
    vividness.input(show, [upload, vividness], shown, trigger_mode="always_last", **options)


def _say(words: str) -> str:
    return f"<p role='status'>{html.escape(words)}</p>"


def _draw_progress(done: Any, total: Any, seconds: float) -> str:
    """Draw the progress of a video: frames, frames per second, and the time left."""
    if not isinstance(done, int) or not isinstance(total, int) or not 0 < done <= total:
        return _say("Reading the video…")
    rate = done / max(seconds, 1e-3)
    left = round((total - done) / rate)
    return (
        f"<p role='status'><progress max='{total}' value='{done}' aria-label='Frames done'></progress><br>"
        f"{done:,} of {total:,} frames, {rate:.1f} per second, {left // 60}:{left % 60:02} left</p>"
    )


def _draw_player(path: Path) -> str:
    return f"<video src='{address(str(path))}' controls loop playsinline preload='auto'></video>"


def _describe(summary: Mapping[str, Any], seconds: float) -> str:
    words = [f"{int(summary['frames']):,} frames in {seconds:.0f} seconds."]
    if summary["damaged"]:
        words.append(f"{len(summary['damaged'])} damaged frames were left out or repaired.")
    words += [f"{str(note)[:1].upper()}{str(note)[1:]}." for note in summary["notes"]]
    return _say(" ".join(words))
