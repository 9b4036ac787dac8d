"""What went wrong, in words for the person who caused it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cv2
import gradio as gr
from gradio.utils import get_upload_folder

from colorizer.files import resource_folder
from colorizer.machine import describe_shortage

T = TypeVar("T")
MAX_BYTES = 20_000_000
"""Largest image file, or archive of them, that the demo takes."""
_MOST_LISTED = 30  # Names in a message.
EXPIRED = "has been deleted, as all files are after an hour at most; choose it again"


@contextmanager
def as_gradio_errors(advice: str = "") -> Iterator[None]:
    """Tell what is wrong, or lacking, as `gradio.Error`, the only error whose words reach the visitor.

    Parameters
    ----------
    advice : str
        What to do where the visitor's own file or choice is wrong.
    """
    try:
        yield
    except FileNotFoundError as error:  # The page was left open for longer than files are kept.
        name = Path(error.filename).name if error.filename else "The photo"
        raise gr.Error(f"{name} {EXPIRED}", print_exception=False) from error
    except ValueError as error:  # `ImageError` is one.
        raise gr.Error(f"{error}. {advice}" if advice else str(error), print_exception=False) from error
    except (OSError, MemoryError, cv2.error) as error:
        if (lacking := describe_shortage(error)) is None:
            raise
        raise gr.Error(f"The server has {lacking} left; try again later", print_exception=False) from error


def pick(items: Mapping[str, T], name: Any) -> T:
    """Give the item of that name; `gradio.Error` if there is none."""
    if not isinstance(name, str) or name not in items:
        choices = f"; there are: {', '.join(items)}" if len(items) <= _MOST_LISTED else ""
        raise gr.Error(f"There is no {name!r}{choices}", print_exception=False)
    return items[name]


def find_upload(upload: Any) -> Path:
    """Find the image file of an upload, or of an example; `gradio.Error` if there is none, or it is too large.

    Anyone may send any path, and where Gradio doesn't open the file itself it doesn't check either.
    """
    given = upload.get("path") if isinstance(upload, Mapping) else None
    if isinstance(given, str) and given:  # A "data:" address has no path; it would pass by the limit on uploads.
        path = Path(given).resolve()
        if any(
            path.is_relative_to(folder.resolve()) for folder in (Path(get_upload_folder()), resource_folder("samples"))
        ):
            check_size(path)
            return path
    raise gr.Error("Send an image file.", print_exception=False)


def check_size(path: Path, most: int = MAX_BYTES) -> None:
    """Raise `gradio.Error` for a file that is too large; the server takes larger ones, for films."""
    if path.exists() and path.stat().st_size > most:
        size, limit = math.ceil(path.stat().st_size / 1e6), most // 1_000_000
        raise gr.Error(
            f"{path.name} has {size} MB, and {limit} MB is the limit. Save it smaller, and try again.",
            print_exception=False,
        )
