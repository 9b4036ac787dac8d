"""Shared by the tabs: limits, options of events, and the settings of a model."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import gradio as gr

from colorizer.batch.options import digest_settings, mark_result
from colorizer.demo.errors import VisitorError, pick
from colorizer.demo.tables import title
from colorizer.imaging.metadata import Metadata
from colorizer.inference.checkpoint import DEFAULT_MODEL, Checkpoint
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.inference.reach import DEFAULT_REACH

MAX_PIXELS = 50_000_000
"""Maximum pixels of a picture: enough for phone photos, but not too many for a small server."""
DETAIL_RANGE = (32, 256)
"""Minimum and maximum of detail; the network's time grows with its square."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
NETWORK: dict[str, Any] = {"concurrency_id": "network", "api_visibility": "private"}


def default_model(colorizers: Mapping[str, Colorizer]) -> str:
    """Return the name of the model that is selected by default."""
    return DEFAULT_MODEL if DEFAULT_MODEL in colorizers else next(iter(colorizers))


def default_detail(colorizer: Colorizer) -> int:
    """Return the best detail for a model; a model with a fixed size accepts any."""
    return colorizer.working_size or DETAIL_RANGE[0]


def mark(metadata: Metadata, model: str, options: Mapping[str, Any]) -> Metadata:
    """Mark a result as `mark_result` does, with the settings that a visitor chose."""
    return mark_result(metadata, digest_settings(options, _digest_weights(model)))


@cache
def _digest_weights(model: str) -> str:
    """Read and hash a model's files once, not for each result."""
    return Checkpoint.find(model).weights_sha256


def read_settings(colorizers: Mapping[str, Colorizer], given: Mapping[str, Any]) -> tuple[Colorizer, dict[str, Any]]:
    """Validate untrusted settings, and fill in defaults.

    Parameters
    ----------
    colorizers : mapping of str to Colorizer
        The models to choose from.
    given : mapping
        ``model``, ``vividness``, ``detail``, ``reach`` and ``prepare``; what is missing or None gets its default.

    Returns
    -------
    Colorizer and dict
        The model, and the keywords of its `colorize`.

    Raises
    ------
    gradio.Error
        If there is no such model, or a value has the wrong type or is out of range.
    """
    model = given.get("model")
    if not isinstance(model, str) or model not in colorizers:
        raise VisitorError(f"There is no model {model!r}; available: {', '.join(colorizers)}")
    options: dict[str, Any] = {}
    ranges = {
        "vividness": (DEFAULT_VIVIDNESS, 0, 1),
        "detail": (default_detail(colorizers[model]), *DETAIL_RANGE),
        "reach": (DEFAULT_REACH, 0, 1),
    }
    for name, (default, low, high) in ranges.items():
        value = given.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise VisitorError(f"{name} must be from {low} to {high}, got {value!r}")
        options[name] = type(default)(value)
    prepare = given.get("prepare")
    if not isinstance(prepare, bool | None):
        raise VisitorError(f"prepare must be true or false, got {prepare!r}")
    options["prepare"] = prepare is not False
    return colorizers[model], options


def build_settings(colorizers: Mapping[str, Colorizer]) -> list[Any]:
    """Build a row of widgets for the settings of a model; return the inputs for model, color strength and detail."""
    first = default_model(colorizers)
    options: dict[str, Any] = {"buttons": [], "visible": "hints" in colorizers[first].abilities}
    with gr.Row():
        model = gr.Radio(
            [(title(name), name) for name in colorizers],
            value=first,
            label="Model",
            visible=len(colorizers) > 1,
            elem_id="batch-model",
        )
        vividness = gr.Slider(
            *(0, 1, DEFAULT_VIVIDNESS),
            step=0.05,
            label="Color strength, 0 to 1",
            elem_id="batch-vividness",
            **options,
        )
        detail = gr.Slider(
            *(*DETAIL_RANGE, default_detail(colorizers[first])),
            step=16,
            label="Detail (model's input size, px)",
            elem_id="batch-detail",
            **options,
        )

    def show(model: str) -> list[Any]:
        return [gr.update(visible="hints" in pick(colorizers, model).abilities)] * 2

    model.change(show, model, [vividness, detail], queue=False, **QUIET)
    return [model, vividness, detail]
