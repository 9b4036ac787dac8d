"""What went wrong, in words for the person who caused it."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from colorizer.editing import Photo

EXPIRED = "is deleted by now, as all files are; bring it again"
FULL = "The disk of this server is full: nothing can be stored. Try again later."


@contextmanager
def told() -> Iterator[None]:
    """Tell what is wrong with a file or a number as `gradio.Error`, the only error whose words reach the visitor."""
    try:
        yield
    except FileNotFoundError as error:  # The page was left open for longer than files are kept.
        name = Path(error.filename).name if error.filename else "The photo"
        raise gr.Error(f"{name} {EXPIRED}", print_exception=False) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise gr.Error(FULL, print_exception=False) from error
    except ValueError as error:  # `ImageError` is one.
        raise gr.Error(str(error), print_exception=False) from error


def require(photo: Photo | None) -> Photo:
    """Give the photo of a session; it is forgotten after an hour."""
    if photo is None:
        raise gr.Error(f"The photo {EXPIRED}", print_exception=False)
    return photo


def find_upload(upload: Mapping[str, Any] | None) -> Path:
    """Find the file of an upload."""
    if not upload or not upload["path"]:  # A "data:" address has no path; it would pass by the limit on uploads.
        raise gr.Error("Send an image file.", print_exception=False)
    return Path(upload["path"])
