"""Error messages for visitors."""

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
"""Largest image file, or archive of them, that the demo accepts, in bytes."""
_MAX_LISTED = 30  # Maximum number of names that a message lists.
EXPIRED = "has been deleted, since files are kept for an hour at most; choose it again"


class VisitorError(gr.Error):
    """An error that the page shows; the log gets no traceback, since the server works as intended."""

    def __init__(self, words: str) -> None:
        super().__init__(words, print_exception=False)


@contextmanager
def as_gradio_errors(advice: str = "") -> Iterator[None]:
    """Convert errors to `gradio.Error`, the only one whose message reaches the visitor.

    Parameters
    ----------
    advice : str
        What to do if the visitor's file or input is wrong; omitted if the error itself says what to do.
    """
    try:
        yield
    except FileNotFoundError as error:  # The page was open for longer than files are kept.
        name = Path(error.filename).name if error.filename else "The photo"
        raise VisitorError(f"{name} {EXPIRED}") from error
    except ValueError as error:
        # `ImageError` and `VideoError` may have advice of their own.
        words = f"{error}. {advice}" if advice and not getattr(error, "advice", "") else str(error)
        raise VisitorError(words) from error
    except (OSError, MemoryError, cv2.error) as error:
        if (lacking := describe_shortage(error)) is None:
            raise
        raise VisitorError(f"The server has {lacking} left; try again later") from error


def pick(items: Mapping[str, T], name: Any) -> T:
    """Return the item of that name; raise `gradio.Error` if there is none."""
    if not isinstance(name, str) or name not in items:
        choices = f"; available: {', '.join(items)}" if len(items) <= _MAX_LISTED else ""
        raise VisitorError(f"There is no {name!r}{choices}")
    return items[name]


def find_upload(upload: Any) -> Path:
    """Return the path of an upload or example; raise `gradio.Error` if there is none, or it is too large.

    Anyone may send any path, and Gradio checks only paths of files that it opens itself.
    """
    given = upload.get("path") if isinstance(upload, Mapping) else None
    if isinstance(given, str) and given:  # A data: URL has no path; it would bypass the limit on uploads.
        path = Path(given).resolve()
        if any(
            path.is_relative_to(folder.resolve()) for folder in (Path(get_upload_folder()), resource_folder("samples"))
        ):
            check_size(path)
            return path
    raise VisitorError("Upload an image file.")


def check_size(path: Path, most: int = MAX_BYTES) -> None:
    """Raise `gradio.Error` if a file is too large; the server itself accepts larger ones, for videos."""
    if path.exists() and path.stat().st_size > most:
        size, limit = math.ceil(path.stat().st_size / 1e6), most // 1_000_000
        raise VisitorError(f"{path.name} is {size} MB; the limit is {limit} MB. Make it smaller and try again.")
