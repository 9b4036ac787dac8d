"""The tab *Your photo*: a photo in, its color version out, with corrections by hand.

The browser keeps the visitor's choices (``stage.js``) and sends all of them with each request; the server keeps only
the file and, for speed, previews. So each function here turns one request into one response, both JSON.
"""

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gradio as gr

from colorizer.demo import errors
from colorizer.demo.photo import MAX_DABS, Dab, Photo, draw_doubt, to_gray
from colorizer.demo.style import read_asset
from colorizer.demo.tables import title
from colorizer.demo.widgets import address, encode_preview, is_pixelated, save_picture, save_preview
from colorizer.demo.workbench import (
    DETAIL_RANGE,
    MAX_PIXELS,
    NETWORK,
    QUIET,
    default_detail,
    default_model,
    mark,
    read_settings,
)
from colorizer.files import resource_folder
from colorizer.imaging.color import fit_within, resize
from colorizer.imaging.decode import decode_image
from colorizer.imaging.encode import EXTENSIONS
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Alternative, Colorizer
from colorizer.inference.hints import Hint
from colorizer.inference.reach import DEFAULT_REACH

_VERSIONS = 4  # Drawn per request.
_MAX_VERSIONS = 400
_VERSION_SIDE = 320  # Long side, in pixels, of the versions to choose from.
_DOUBT_SIDE = 640
_THUMBNAIL_SIDE = 112  # Twice the size shown, for high-density screens.
_MAX_DRAWN = 16  # Drawn colors of a version.


@dataclass(frozen=True)
class Example:
    """A photo included in the project."""

    folder: str
    title: str
    credit: str

    def path(self, name: str) -> Path:
        """Path of its file."""
        return resource_folder("samples") / self.folder / f"{name}.jpg"


_LIBRARY = "Sergei Prokudin-Gorskii, Library of Congress"
EXAMPLES = {
    "lady": Example("historic", "Portrait of a woman, about 1910", _LIBRARY),
    "three_generations": Example("historic", "Three generations of a family, 1910", _LIBRARY),
    "harvesters": Example("historic", "Tea harvest, about 1910", _LIBRARY),
    "onion_church": Example("historic", "A church with onion domes, about 1910", _LIBRARY),
    "melons": Example("historic", "A melon vendor, about 1910", _LIBRARY),
    "photographer": Example("photos", "A photographer, black and white", "Lav Varshney, CC0"),
    "astronaut": Example("photos", "Eileen Collins, astronaut", "NASA, public domain"),
    "cat": Example("photos", "Chelsea the cat", "Stéfan van der Walt, CC0"),
}
OPENING = next(iter(EXAMPLES))

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request of the browser: a photo with the visitor's choices, and how to colorize it."""

    photo: Photo
    colorizer: Colorizer
    options: dict[str, Any]
    title: str
    caption: str
    stem: str

    @property
    def view(self) -> dict[str, Any]:
        """The options for everything but colorizing: how the network sees the photo."""
        return {name: self.options[name] for name in ("detail", "prepare")}

    @classmethod
    def read(cls, data: Any, colorizers: Mapping[str, Colorizer]) -> "Request":
        """Parse an untrusted request; raise `gradio.Error` if it is invalid."""
        if not isinstance(data, Mapping) or not isinstance(data.get("photo"), Mapping):
            raise errors.VisitorError("This request has no photo; reload the page.")
        colorizer, options = read_settings(colorizers, data)
        given = data["photo"]
        if "example" in given:
            example = errors.pick(EXAMPLES, given["example"])
            path, words, credit = example.path(str(given["example"])), example.title, example.credit
        else:
            path = errors.find_upload(given)
            words, credit = f"Your photo {path.name}", path.name
        with errors.as_gradio_errors(advice="Try another file, such as a JPEG or PNG."):
            photo = Photo.open(path, MAX_PIXELS)
        with errors.as_gradio_errors():
            photo = photo.change(_read_dabs(data.get("dabs")), _read_version(data.get("version")))
        caption = f"{credit} · {photo.size[1]:,} × {photo.size[0]:,}"
        return cls(photo, colorizer, options, words, caption, path.stem)


def _read_dabs(given: Any) -> list[Dab]:
    if not isinstance(given, list) or len(given) > MAX_DABS:
        raise ValueError(f"dabs must be a list of at most {MAX_DABS}")
    try:
        return [Dab(float(each["x"]), float(each["y"]), str(each["color"])) for each in given]
    except (TypeError, KeyError) as error:
        raise ValueError("each dab must have x, y and color") from error


def _read_version(given: Any) -> Alternative:
    """Parse the colors of one of the model's versions, as `_write_version` wrote them."""
    if given is None:
        return ()
    try:
        hints = [[float(number) for number in each] for each in given]
        if len(hints) > _MAX_DRAWN or not all(map(_is_hint, hints)):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise ValueError("this is not one of the model's versions; draw them again") from error
    return tuple(Hint(x, y, (cb, cr)) for x, y, cb, cr in hints)


def _is_hint(numbers: list[float]) -> bool:
    return (
        len(numbers) == 4
        and all(map(math.isfinite, numbers))
        and all(0 <= position < 1 for position in numbers[:2])
        and all(abs(chroma) <= 1 for chroma in numbers[2:])
    )


def _write_version(alternative: Alternative) -> list[list[float]]:
    return [[hint.x, hint.y, *hint.chroma] for hint in alternative]


def build(colorizers: Mapping[str, Colorizer]) -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    handlers = _Handlers(colorizers)
    stage = _build_stage(colorizers, handlers)
    credits = "".join(f"<li>{example.title}: {example.credit}</li>" for example in EXAMPLES.values())
    gr.HTML(f"<details id='credits'><summary>About the examples</summary><ul>{credits}</ul></details>")
    # Each event by Gradio's name, the function that handles it, and the kind of request, which the page knows.
    for event, function, kind in (
        (stage.input, handlers.paint, "paint"),
        (stage.select, handlers.suggest, "suggest"),
        (stage.expand, handlers.draw, "versions"),
        (stage.download, handlers.save, "download"),
        (stage.copy, handlers.save_png, "download"),
    ):
        channel = gr.JSON(visible="hidden")
        done = event(
            _with_errors(function),
            channel,
            channel,
            js=f"() => [window.stage.request('{kind}')]",
            show_progress="hidden",
            # Of several changes in quick succession, only the last request counts: it has all choices.
            trigger_mode="always_last",
            **NETWORK,
        )
        done.success(None, channel, None, js=f"(response) => window.stage.handlers.{kind}(response)", **QUIET)
        done.failure(None, None, None, js=f"() => window.stage.failed('{kind}')", **QUIET)


def _build_stage(colorizers: Mapping[str, Colorizer], handlers: "_Handlers") -> gr.HTML:
    """Build the widget that the browser's code fills, with the picture of the opening page already in it."""
    first = default_model(colorizers)
    opening = handlers.read({"photo": {"example": OPENING}, "dabs": [], "model": first})
    pictures = _paint(opening)  # Made once, here, and shared by all visitors.
    stage = gr.HTML(
        html_template=read_asset("stage.html"),
        js_on_load="startStage(element, props, trigger)",
        apply_default_css=False,
        elem_id="stage",
        options={
            "models": [
                {"name": name, "title": title(name), "takesHints": "hints" in colorizer.abilities}
                for name, colorizer in colorizers.items()
            ],
            "model": first,
            "vividness": DEFAULT_VIVIDNESS,
            "detail": default_detail(colorizers[first]),
            "reach": DEFAULT_REACH,
            "detailRange": DETAIL_RANGE,
            "maxDabs": MAX_DABS,
            "maxBytes": errors.MAX_BYTES,
            "examples": [
                {"name": name, "title": example.title, "thumbnail": _thumbnail(example.path(name))}
                for name, example in EXAMPLES.items()
            ],
            "opening": _describe(opening, pictures, {"example": OPENING}),
        },
    )
    stage.keep_in_cache.update(path for path in pictures.values() if path)  # They are never deleted.
    return stage


class _Handlers:
    """The functions that handle the browser's requests."""

    def __init__(self, colorizers: Mapping[str, Colorizer]) -> None:
        self.colorizers = colorizers

    def read(self, data: Any) -> Request:
        """Parse a request."""
        return Request.read(data, self.colorizers)

    def paint(self, data: Any) -> Json:
        """Colorize a preview of the photo."""
        request = self.read(data)
        return _describe(request, _paint(request), data["photo"])

    def suggest(self, data: Any) -> Json:
        """Suggest colors for the place of a dab."""
        request = self.read(data)
        dabs, current = request.photo.dabs, data.get("current")
        if not isinstance(current, int) or not 0 <= current < len(dabs) or "hints" not in request.colorizer.abilities:
            return {"colors": []}
        dab = dabs[current]
        with errors.as_gradio_errors():
            colors = request.photo.suggest_colors(request.colorizer, dab.x, dab.y, **request.view)
        return {"x": dab.x, "y": dab.y, "colors": colors}

    def draw(self, data: Any) -> Json:
        """Draw more versions to choose from, and a map of the uncertainty."""
        request = self.read(data)
        drawn = data.get("drawn") or 0
        if not isinstance(drawn, int) or not 0 <= drawn < _MAX_VERSIONS:
            raise errors.VisitorError(f"There are at most {_MAX_VERSIONS} versions of a photo.")
        seed = drawn // _VERSIONS
        photo, colorizer, versions = request.photo, request.colorizer, []
        with errors.as_gradio_errors():
            drawn_now = photo.draw_alternatives(colorizer, _VERSIONS, seed=seed, **request.view)
            for i, each in enumerate(drawn_now, seed * _VERSIONS + 1):
                result = photo.change(photo.dabs, each).colorize(colorizer, **request.options)
                picture = save_preview(fit_within(result, _VERSION_SIDE), f"{request.stem}-version-{i}")
                versions.append({"url": address(picture), "colors": _write_version(each), "words": f"Version {i}"})
            doubt = draw_doubt(photo.preview, photo.uncertainty(colorizer, **request.view))
        picture = save_preview(fit_within(doubt, _DOUBT_SIDE), f"{request.stem}-doubt")
        return {"photo": data["photo"], "versions": versions, "doubt": address(picture)}

    def save(self, data: Any, extension: str | None = None) -> Json:
        """Colorize the whole photo into a file to download."""
        request = self.read(data)
        with errors.as_gradio_errors():
            result, metadata = request.photo.colorize_full(request.colorizer, MAX_PIXELS, **request.options)
        name = f"{request.stem}-color{extension or request.photo.extension}"
        metadata = mark(metadata, str(data.get("model")), request.options)
        return {"url": address(save_picture(result, name, metadata)), "name": name}

    def save_png(self, data: Any) -> Json:
        """Colorize the whole photo into a PNG, to copy."""
        return self.save(data, ".png")


def _with_errors(function: Callable[[Any], Json]) -> Callable[[Any], Json]:
    """Return an error as a response, which the page shows in the drop zone."""

    def handle(data: Any) -> Json:
        echo = {"id": data.get("id"), "photo": data.get("photo")} if isinstance(data, Mapping) else {}
        try:
            return {**function(data), **echo}
        except gr.Error as error:
            return {**echo, "error": error.message}

    return handle


def _paint(request: Request) -> dict[str, str | None]:
    """Colorize a preview; return the files of the pictures that the page shows."""
    with errors.as_gradio_errors():
        result = request.photo.colorize(request.colorizer, **request.options)
    preview, stem = request.photo.preview, request.stem
    return {
        "before": save_preview(to_gray(preview), f"{stem}-gray"),
        "after": save_preview(result, f"{stem}-color"),
        "truth": save_preview(preview, stem) if request.photo.has_color else None,
    }


def _describe(request: Request, pictures: Mapping[str, str | None], photo: Json) -> Json:
    """Collect what the page shows of a photo."""
    preview, (height, width) = request.photo.preview, request.photo.size
    return {
        "photo": photo,
        **{name: path and address(path) for name, path in pictures.items()},
        "width": preview.shape[1],
        "height": preview.shape[0],
        "small": is_pixelated(preview),
        "fullWidth": width,
        "fullHeight": height,
        "format": EXTENSIONS[request.photo.extension.lower()].replace("WEBP", "WebP"),
        "title": request.title,
        "caption": request.caption,
        "stem": request.stem,
    }


def _thumbnail(path: Path) -> str:
    """Crop a small square from a photo's middle, as a data: URL, which needs no request."""
    image = decode_image(path)
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 3, (width - side) // 2  # Of upright photos, faces are above the middle.
    square = resize(image[top : top + side, left : left + side], _THUMBNAIL_SIDE, _THUMBNAIL_SIDE, cv2.INTER_AREA)
    return f"data:image/jpeg;base64,{base64.b64encode(encode_preview(square)).decode()}"
