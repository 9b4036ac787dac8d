"""What the parts of the tab *Your image* share: the photo, the settings, and the views of the result."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from colorizer.demo.errors import as_gradio_errors
from colorizer.demo.photo import Photo
from colorizer.demo.tables import title
from colorizer.inference.checkpoint import DEFAULT_MODEL
from colorizer.inference.colorizer import DEFAULT_DETAIL, DEFAULT_VIVIDNESS, Colorizer

MAX_PIXELS = 50_000_000
"""Largest picture that the demo takes: a phone's largest, and what fits into a small server's memory."""
MAX_FILE = "20 MB"
"""Largest file that the demo takes, as Gradio reads it."""
KEEP = 3600
"""Seconds after which what a visitor brought is forgotten."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
NETWORK: dict[str, Any] = {"concurrency_id": "network", "api_visibility": "private"}
_DETAIL = (32, 256)  # Least and greatest; the network's time grows with the square.

Updates = dict[Any, Any]
Fill = Callable[[Photo, NDArray[np.uint8]], Updates]


class Workbench:
    """A visitor's photo and how it is to be colorized.

    Attributes
    ----------
    photo : gradio.State
        The `Photo`, or None.
    settings : list
        The widgets of model, vividness and detail: what `colorize` takes after the photo.
    views : list
        All widgets that `paint` fills.
    reset : list
        All widgets that `open` sets for a new photo.
    """

    def __init__(self, colorizers: Mapping[str, Colorizer]) -> None:
        self.colorizers = colorizers
        self.photo = gr.State(None, time_to_live=KEEP)
        self.settings: list[Any] = []
        self.views: list[Any] = []
        self.reset: list[Any] = []
        self._fills: list[Fill] = []
        self._resets: list[Callable[[Photo], Updates]] = []
        self._gates: list[tuple[Any, bool]] = []

    def build_settings(self, prefix: str = "") -> None:
        """Build the row of settings; `prefix` makes the names of its widgets different from another row's."""
        first = DEFAULT_MODEL if DEFAULT_MODEL in self.colorizers else next(iter(self.colorizers))
        options: dict[str, Any] = {"buttons": [], "visible": "hints" in self.colorizers[first].abilities}
        with gr.Row(elem_classes=["settings"]):
            model = gr.Radio(
                [(title(name), name) for name in self.colorizers],
                value=first,
                label="Model",
                visible=len(self.colorizers) > 1,
                elem_id=f"{prefix}model",
            )
            vividness = gr.Slider(
                *(0, 1, DEFAULT_VIVIDNESS), step=0.05, label="Vividness", elem_id=f"{prefix}vividness", **options
            )
            detail = gr.Slider(
                *(*_DETAIL, DEFAULT_DETAIL), step=16, label="Detail", elem_id=f"{prefix}detail", **options
            )
        self.settings = [model, vividness, detail]
        self.add_gate(vividness)
        self.add_gate(detail)

    @property
    def within_range(self) -> str:
        """Give the script that keeps settings within range while someone still types a number."""
        low, high = _DETAIL
        return (
            "(photo, model, vividness, detail) => "
            f"[photo, model, Math.min(Math.max(vividness, 0), 1), Math.min(Math.max(detail, {low}), {high})]"
        )

    @property
    def gates(self) -> list[Any]:
        """List the widgets that the choice of the model shows or hides."""
        return [widget for widget, _ in self._gates]

    def add_gate(self, widget: Any, tunable: bool = True) -> None:
        """Show a widget only for models that take hints and vividness, or only for those that don't."""
        self._gates.append((widget, tunable))

    def wire_gates(self) -> None:
        """Have the model show and hide what belongs to it, where there is no photo to repaint."""

        def show(model: str) -> Updates:
            return self.repaint(None, model, DEFAULT_VIVIDNESS, DEFAULT_DETAIL)

        self.settings[0].change(show, self.settings[0], self.gates, queue=False, **QUIET)

    def add_reset(self, widgets: list[Any], fill: Callable[[Photo], Updates]) -> None:
        """Have `open` set some widgets for a new photo."""
        self.reset += widgets
        self._resets.append(fill)

    def add_view(self, widgets: list[Any], fill: Fill) -> None:
        """Have `paint` fill some widgets with each new result."""
        self.views += widgets
        self._fills.append(fill)

    def open(self, photo: Photo, *settings: Any) -> Updates:
        """Show a new photo."""
        fresh = {widget: update for fill in self._resets for widget, update in fill(photo).items()}
        return {**fresh, **self.paint(photo, *settings)}

    def paint(self, photo: Photo, *settings: Any) -> Updates:
        """Remember a photo as it is now, colorize its preview and fill all views."""
        with as_gradio_errors():
            result = photo.colorize(*self.read(*settings))
        filled = {widget: update for fill in self._fills for widget, update in fill(photo, result).items()}
        return {self.photo: photo, **filled}

    def repaint(self, photo: Photo | None, *settings: Any) -> Updates:
        """Do what changed settings ask for; what a model doesn't heed is hidden."""
        colorizer, _, _ = self.read(*settings)
        takes_hints = "hints" in colorizer.abilities
        updates = {widget: gr.update(visible=tunable == takes_hints) for widget, tunable in self._gates}
        return updates if photo is None else {**updates, **self.paint(photo, *settings)}

    def read(self, model: str, vividness: float, detail: float) -> tuple[Colorizer, float, int]:
        """Check settings, which may come from anyone; a wrong one is told as `gradio.Error`."""
        if model not in self.colorizers:
            raise gr.Error(
                f"There is no model {model!r}; there are: {', '.join(self.colorizers)}", print_exception=False
            )
        for name, value, (low, high) in (("vividness", vividness, (0, 1)), ("detail", detail, _DETAIL)):
            if not isinstance(value, int | float) or not low <= value <= high:
                raise gr.Error(f"{name} must lie from {low} to {high}, got {value!r}", print_exception=False)
        return self.colorizers[model], float(vividness), int(detail)
