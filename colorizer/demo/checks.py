"""Validate single requests: their paths, their sizes, and their content."""

import asyncio
import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive

MAX_UPLOAD = 110_000_000
"""Limit of an upload request, in bytes; there is another limit for each file."""
MAX_REQUEST = 1_000_000
"""Limit of any other request, in bytes: it contains only file names and numbers."""
FILE = re.compile(r"/file[=/](.*)", re.DOTALL)
"""Paths of files; Gradio serves them under both."""

# Routes that call a function: by its name, or by the fn_index in the request. /call/v2/ fills in what is missing.
_BY_NAME = re.compile(r"/call/([^/]+)/?$")
_BY_NUMBER = re.compile(r"/(queue/join|(run|api)/[^/]+)/?$")
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # A single letter is a Windows drive.
_PAUSE = 15.0  # Seconds without any data before a request is refused.
_MIN_SPEED = 5_000  # Bytes per second, on average, after the first pause.
_RANGES = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-\d{1,15})")  # Video players ask for one range at a time.
_TEXTS = ("session_hash", "event_id")
_MAX_TEXT_LENGTH = 100
_NUMBERS = ("fn_index", "trigger_id")


class RequestRefused(Exception):  # noqa: N818  It is a response, not an error.
    """A request that is refused; with ``closes``, its connection is closed after the response."""

    def __init__(self, status: int, words: str, closes: bool = False) -> None:
        self.status, self.words = status, words
        self._headers = {"connection": "close"} if closes else None

    def response(self, path: str) -> Response:
        """Build the response that Gradio's page shows: plain text for uploads, JSON with a ``detail`` for all else."""
        if path.rstrip("/").endswith("/upload"):
            return PlainTextResponse(self.words, self.status, self._headers)
        return JSONResponse({"detail": self.words}, self.status, self._headers)


def check_path(path: str) -> None:
    """Refuse those of Gradio's routes that fetch from other servers or that the page never uses."""
    lowered = path.lower()
    file = FILE.search(lowered)
    elsewhere = file is not None and ("://" in file[1] or ":/" in file[1][:8])
    if "/proxy=" in lowered or "/process_recording" in lowered or elsewhere:
        raise RequestRefused(403, "only files on this server can be read")
    if "\0" in path:
        raise RequestRefused(400, "no such path")


def check_ranges(headers: Mapping[str, str]) -> None:
    """Refuse a ``Range`` header that is malformed or asks for several ranges."""
    ranges = headers.get("range")
    if ranges is None:
        return
    found = _RANGES.fullmatch(ranges.strip())
    if not found or (found[2] and int(found[1]) > int(found[2])):
        raise RequestRefused(416, "ask for one range of bytes at a time")


def check_upload(headers: Mapping[str, str]) -> None:
    """Refuse an upload that isn't a multipart form."""
    kind = headers.get("content-type", "")
    if not kind.startswith("multipart/form-data") or "boundary=" not in kind:
        raise RequestRefused(400, "send files as multipart/form-data")


async def read_request(limited: Receive, receive: Receive, path: str, functions: Collection[Any] = ()) -> Receive:
    """Read and check a JSON request before Gradio sees it.

    Parameters
    ----------
    limited, receive : callables
        ASGI's ``receive`` with limits, for the body, and without, for what comes after.
    path : str
        Path of the request.
    functions : collection of gradio.block_function.BlockFunction
        The functions that can be called.

    Returns
    -------
    callable
        A ``receive`` that gives the body again.

    Raises
    ------
    RequestRefused
        If the request is invalid.
    """
    body, more = b"", True
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            return limited
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        request = json.loads(body) if body else {}
    except RecursionError as error:
        raise RequestRefused(400, "nested too deeply") from error
    except ValueError:
        request = {}  # Gradio itself refuses what isn't JSON.
    _check_fields(request)
    _check_addresses(request)
    _check_values(request, path, functions)
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _check_fields(request: Any) -> None:
    """Refuse fields of types that Gradio's page never sends: some would raise errors in the server."""
    if not isinstance(request, dict):
        raise RequestRefused(400, "the request must be a JSON object")
    for name in _TEXTS:
        value = request.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= _MAX_TEXT_LENGTH):
            raise RequestRefused(400, f"{name} is invalid")
    for name in _NUMBERS:
        value = request.get(name)
        if value is not None and not (type(value) is int and 0 <= value < 2**31):
            raise RequestRefused(400, f"{name} is invalid")
    if not isinstance(request.get("data", []), list | dict):
        raise RequestRefused(400, "data must be a list")


def _check_values(request: Mapping[str, Any], path: str, functions: Collection[Any]) -> None:
    """Refuse too few values, and selections without a choice: Gradio would notice only when it runs the function."""
    named = _BY_NAME.search(path)
    if not named and not _BY_NUMBER.search(path):
        return
    for function in functions:
        if function.api_name != named[1] if named else function._id != request.get("fn_index"):
            continue
        # Programs, which call functions by name, don't send session state.
        needed = sum(not (named and block.skip_api) for block in function.inputs)
        values = request.get("data", [])
        if isinstance(values, list) and len(values) < needed:
            raise RequestRefused(400, f"{function.api_name} takes {needed} values, and data has {len(values)}")
        chosen = request.get("event_data")
        is_choice = isinstance(chosen, dict) and {"index", "value"} <= chosen.keys()
        if function.collects_event_data and not is_choice:
            raise RequestRefused(400, "event_data must have the index and value of what was chosen")


def limit_body(headers: Mapping[str, str], receive: Receive, limit: int) -> Receive:
    """Limit the size of a request's body and the time it takes; reading beyond that raises `RequestRefused`."""
    large = RequestRefused(413, f"the request is larger than {limit / 1e6:.0f} MB")
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise large
    began, received, is_whole = time.monotonic(), 0, False

    async def receive_soon() -> Message:
        nonlocal received, is_whole
        if is_whole:  # The application now waits for the connection to close.
            return await receive()
        slow = RequestRefused(408, "too slow; try again over a better connection")
        try:
            async with asyncio.timeout(_PAUSE):
                message = await receive()
        except TimeoutError:
            raise slow from None
        if time.monotonic() - began > _PAUSE + received / _MIN_SPEED:
            raise slow
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > limit:
            raise large
        return message

    return receive_soon


def _check_addresses(value: Any) -> None:
    """Refuse files that are given as URLs, anywhere in a request."""
    if isinstance(value, list):
        for item in value:
            _check_addresses(item)
    elif isinstance(value, dict):
        path, url = value.get("path"), value.get("url")
        if isinstance(path, str) and _ADDRESS.match(path):
            raise RequestRefused(403, "upload a file, not a URL")
        if isinstance(url, str) and url.strip().lower().startswith("data:"):
            is_drawing = url.strip().lower().startswith("data:image/svg")  # Gradio's page sends an SVG file like this.
            drawing = "SVG drawings can't be colorized: upload a photo, for example as JPEG or PNG"
            raise RequestRefused(403, drawing if is_drawing else "upload a file, not a data: URL")
        for item in value.values():
            _check_addresses(item)
