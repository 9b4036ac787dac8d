"""The demo's API: the endpoints that "Use via API" lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from colorizer.demo import errors
from colorizer.demo.decoding import decode
from colorizer.demo.photo import MAX_DABS
from colorizer.demo.widgets import save_picture
from colorizer.demo.workbench import DETAIL_RANGE, MAX_PIXELS, default_detail, default_model, mark, read_settings
from colorizer.imaging.color import fit_within
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.inference.reach import DEFAULT_REACH

_MAX_VERSIONS = 4
_VERSION_SIDE = 1280


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Add the endpoints ``/colorize`` and ``/versions`` to the current `gradio.Blocks`."""
    photo = gr.File(label="Photo", visible=False)
    first = default_model(colorizers)
    model = gr.Radio(list(colorizers), value=first, label="Model", visible=False)
    vividness = gr.Number(DEFAULT_VIVIDNESS, label="Color strength, 0 to 1", visible=False)
    words = "Detail, in pixels, {} to {}".format(*DETAIL_RANGE)
    detail = gr.Number(default_detail(colorizers[first]), label=words, visible=False)
    hints = gr.JSON([], label='Hints: [[column, row, "#RRGGBB"], ...]', visible=False)
    reach = gr.Number(DEFAULT_REACH, label="Reach of the hints, 0 to 1", visible=False)
    prepare = gr.Checkbox(True, label="Prepare old prints", visible=False)
    count = gr.Number(_MAX_VERSIONS, label=f"How many versions, 1 to {_MAX_VERSIONS}", visible=False)
    seed = gr.Number(0, label="Seed of the versions", visible=False)

    def read(
        upload: Any, model: Any, vividness: Any, detail: Any, hints: Any, reach: Any, prepare: Any
    ) -> tuple[Path, Colorizer, dict[str, Any]]:
        given = {"model": model, "vividness": vividness, "detail": detail, "reach": reach, "prepare": prepare}
        colorizer, options = read_settings(colorizers, given)
        if hints:
            options["hints"] = _read_hints(hints)
        return errors.find_upload(upload), colorizer, options

    # The parameter names are part of the API.
    def colorize(image: Any, model: Any, vividness: Any, detail: Any, hints: Any, reach: Any, prepare: Any) -> str:
        """Colorize an image file: any common format in, a PNG of the same size out."""
        path, colorizer, options = read(image, model, vividness, detail, hints, reach, prepare)
        with errors.as_gradio_errors():
            image, metadata = decode(path, MAX_PIXELS)
            result = colorizer.colorize(image, **options)
        return save_picture(result, f"{path.stem}-color.png", mark(metadata, model, options))

    def versions(
        image: Any, model: Any, vividness: Any, detail: Any, hints: Any, count: Any, seed: Any, reach: Any, prepare: Any
    ) -> list[str]:
        """Colorize an image file in several ways, the most probable first; PNGs of at most 1,280 pixels out."""
        path, colorizer, options = read(image, model, vividness, detail, hints, reach, prepare)
        numbers = {"count": (count, 1, _MAX_VERSIONS), "seed": (seed, 0, 2**31 - 1)}
        for name, (value, low, high) in numbers.items():
            if not isinstance(value, int) or not low <= value <= high:
                raise errors.VisitorError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
        with errors.as_gradio_errors():
            small = fit_within(decode(path, MAX_PIXELS)[0], _VERSION_SIDE)
            results = colorizer.colorize_alternatives(small, count, seed=seed, **options)
        return [save_picture(result, f"{path.stem}-version-{i}.png") for i, result in enumerate(results, 1)]

    options: dict[str, Any] = {"preprocess": False, "concurrency_id": "network"}
    given = [photo, model, vividness, detail, hints]
    gr.on(
        [],
        colorize,
        [*given, reach, prepare],
        gr.File(label="Result", visible=False),
        api_name="colorize",
        **options,
    )
    gr.on(
        [],
        versions,
        [*given, count, seed, reach, prepare],
        gr.File(label="Results", file_count="multiple", visible=False),
        api_name="versions",
        **options,
    )


def _read_hints(given: Any) -> list[tuple[float, float, str]]:
    if not isinstance(given, list) or len(given) > MAX_DABS:
        raise errors.VisitorError(f"hints must be a list of at most {MAX_DABS} hints")
    if not all(isinstance(each, list) and len(each) == 3 for each in given):
        raise errors.VisitorError('each hint must be [column, row, "#RRGGBB"]')
    return [tuple(each) for each in given]
