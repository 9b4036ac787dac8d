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
from colorizer.demo.errors import VisitorError, as_gradio_errors, check_size
from colorizer.demo.widgets import address, build_panel, save_preview
from colorizer.demo.workbench import NETWORK, QUIET, default_model
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer

_PAUSE = 0.5  # Seconds between two progress updates.
_ADVICE = "Try another one, such as an MP4."


def build(demo: gr.Blocks, colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside ``demo``."""
    if can_read_videos():
        tab = _Tab(colorizers[default_model(colorizers)])
        tab.lay_out()
        tab.connect(demo)
    else:
        gr.Markdown(f"This server can't colorize videos: {MISSING}")


class _Tab:
    """The widgets, and the functions that answer their events."""

    def __init__(self, colorizer: Colorizer) -> None:
        self.colorizer = colorizer
        self.limits, self.max_bytes = films.read_limits()
        self.jobs: dict[str, str] = {}  # The job of each visitor, running or waiting, by session.

    def lay_out(self) -> None:
        limits = self.limits
        self.hint = gr.Markdown(
            f"Choose a short video (MP4, MOV, MKV, WebM, AVI or MPEG): at most {limits.seconds:g} seconds, "
            f"{16 * limits.lines // 9:,} × {limits.lines} pixels and {self.max_bytes // 1_000_000} MB. Its sound is "
            "kept. For longer videos, use the command line: "
            "`colorizer colorize film.mp4 --output film-color.mp4`",
            elem_classes=["hint"],
        )
        self.upload = gr.File(label="Video", height=140, elem_id="film")
        with gr.Row(visible=False, equal_height=False, elem_id="film-work") as self.work:
            with gr.Column(scale=3, min_width=300):
                self.still = build_panel("One frame in color", "A frame of the video, colorized", elem_id="film-still")
                self.result = gr.HTML(visible=False, padding=False, elem_id="film-result")
            with gr.Column(scale=1, min_width=260):
                self.state = gr.HTML(visible=False, padding=False, elem_id="film-state")
                self.stop = gr.Button("Cancel", visible=False, size="md", elem_id="film-stop")
                self.download = gr.DownloadButton("Download MP4", visible=False, size="md", elem_id="film-download")
                self.vividness = gr.Slider(
                    *(0, 1, DEFAULT_VIVIDNESS),
                    step=0.05,
                    label="Color strength, 0 to 1",
                    buttons=[],
                    visible="vividness" in self.colorizer.abilities,
                    elem_id="film-vividness",
                )
                self.job = gr.Textbox(visible=False)
                self.start = gr.Button("Colorize the video", variant="primary", size="md", elem_id="film-start")

    def connect(self, demo: gr.Blocks) -> None:
        buttons: Any = [self.start, self.stop, self.state]
        shown: Any = [self.work, self.hint, self.still, self.result, self.state, self.download]
        changing: Any = [self.start, self.stop, *shown]
        # One video at a time: it keeps a processor busy. Photos have a separate queue.
        film = self.start.click(self.wait, None, [self.job, *changing], queue=False, **QUIET).success(
            self.colorize,
            [self.upload, self.vividness, self.job],
            changing,
            concurrency_id="film",
            concurrency_limit=1,
            trigger_mode="multiple",  # One that was canceled while it waited may still be in line.
            show_progress="hidden",
            api_visibility="private",
        )
        film.failure(self.fail, None, buttons, queue=False, **QUIET)
        self.stop.click(self.cancel, None, buttons, queue=False, **QUIET)
        # Another video, or another strength, cancels a job.
        changes = [self.upload.change, self.vividness.input]
        gr.on(changes, self.begin_anew, None, buttons, queue=False, **QUIET)
        demo.unload(self.end)
        options: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": self.still, **NETWORK}
        options["trigger_mode"] = "always_last"
        opened = self.upload.change(self.show, [self.upload, self.vividness], shown, **options)
        opened.failure(self.refuse, None, [self.work, self.hint, self.upload], queue=False, **QUIET)
        self.vividness.input(self.show, [self.upload, self.vividness], shown, **options)

    def show(self, given: Any, vividness: float) -> dict[Any, Any]:
        """Show a frame of the video that was chosen."""
        if not given:  # The video was removed.
            return {self.work: gr.Row(visible=False), self.hint: gr.Markdown(visible=True)}
        path = self._find(given)
        with as_gradio_errors(advice=_ADVICE):
            frame = films.read_still(path, self.limits)
        picture = save_preview(self.colorizer.colorize(frame, vividness=vividness), f"{path.stem}-frame")
        return {
            self.work: gr.Row(visible=True),
            self.hint: gr.Markdown(visible=False),  # The picture takes its place.
            self.still: gr.Image(picture, visible=True),
            self.result: gr.HTML(visible=False),
            self.state: gr.HTML(visible=False),
            self.download: gr.DownloadButton(visible=False),
        }

    def refuse(self) -> dict[Any, Any]:
        """Ask for another video."""
        return {self.work: gr.Row(visible=False), self.hint: gr.Markdown(visible=True), self.upload: None}

    def wait(self, request: gr.Request) -> dict[Any, Any]:
        """Note that the visitor wants a job, before it waits in line."""
        self.jobs[str(request.session_hash)] = token = secrets.token_hex(8)
        return {
            self.job: token,
            self.start: gr.Button(visible=False),
            self.stop: gr.Button(visible=True),
            self.state: gr.HTML(_say("Waiting in line: the server colorizes one video at a time."), visible=True),
            self.result: gr.HTML(visible=False),
            self.still: gr.Image(visible=True),
            self.download: gr.DownloadButton(visible=False),
        }

    def colorize(self, given: Any, vividness: float, token: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Colorize the video, showing the progress, unless another job or nothing is wanted by now."""
        path, visitor = self._find(given), str(request.session_hash)
        if not token or self.jobs.get(visitor) != token:  # Canceled while it waited.
            yield {self.state: gr.skip()}  # If nothing were yielded, Gradio would empty all outputs, even the buttons.
            return
        target = Path(get_upload_folder(), secrets.token_hex(16), f"{path.stem}-color.mp4")
        target.parent.mkdir(parents=True)
        began, told, done = time.monotonic(), 0.0, None
        yield {self.state: gr.HTML(_draw_progress(0, None, 0))}
        try:
            with as_gradio_errors(advice=_ADVICE), suppress(films.Canceled):
                for message in films.colorize_film(path, target, self.colorizer, vividness, self.limits, visitor):
                    if self.jobs.get(visitor) != token:
                        break
                    done = message.get("done")
                    if done is None and time.monotonic() - told >= _PAUSE:
                        told = time.monotonic()
                        words = _draw_progress(message.get("frames"), message.get("total"), told - began)
                        yield {self.state: gr.HTML(words)}
        finally:
            if done is None:
                rmtree(target.parent, ignore_errors=True)
        if done is not None:
            yield {
                **self._settle(),
                self.still: gr.Image(visible=False),
                self.result: gr.HTML(_draw_player(target), visible=True),
                self.state: gr.HTML(_describe(done, time.monotonic() - began)),
                self.download: gr.DownloadButton(value=str(target), visible=True),
            }
        elif visitor not in self.jobs:
            yield {self.state: gr.HTML(_say("Canceled."))}  # Instead of the progress, which may arrive late.

    def fail(self) -> dict[Any, Any]:
        """Show the buttons as before a job."""
        return {**self._settle(), self.state: gr.HTML(visible=False)}

    def cancel(self, request: gr.Request) -> dict[Any, Any]:
        """End the job because the visitor says so."""
        self.end(request)
        return {**self._settle(), self.state: gr.HTML(_say("Canceled."))}

    def begin_anew(self, request: gr.Request) -> dict[Any, Any]:
        """End the job because something else was chosen."""
        self.end(request)
        return self.fail()

    def end(self, request: gr.Request) -> None:
        """End the visitor's job, if there is one."""
        self.jobs.pop(str(request.session_hash), None)
        films.cancel(str(request.session_hash))

    def _find(self, given: Any) -> Path:
        if not given:
            raise VisitorError("Choose a video first.")
        check_size(Path(given), self.max_bytes)
        return Path(given)

    def _settle(self) -> dict[Any, Any]:
        return {self.start: gr.Button(visible=True), self.stop: gr.Button(visible=False)}


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
