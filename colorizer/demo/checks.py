"""Checks of single requests: where they lead, how large they are, and whether they make sense."""

import asyncio
import json
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive

MAX_UPLOAD = 110_000_000
"""Bytes of a request that brings files; each of them has a limit of its own."""
MAX_QUESTION = 1_000_000
"""Bytes of any other: names of files and numbers."""
FILE = re.compile(r"/file[=/](.*)", re.DOTALL)
"""What leads to a file: Gradio gives files under both."""

_CALL = re.compile(r"/call/([^/]+)/?$")  # Its second version, /call/v2/, fills in what is missing.
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # A single letter is a disk of Windows.
_PAUSE = 15.0  # Seconds that a body may keep the server waiting.
_SLOWEST = 5_000  # Bytes a second, on average, after the first pause.
_RANGES = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-\d{1,15})")  # Players ask for one at a time.
_TEXTS = ("session_hash", "event_id")
_LONGEST_TEXT = 100
_NUMBERS = ("fn_index", "trigger_id")


class Refused(Exception):  # noqa: N818  It is an answer, not a fault.
    """A request that is not let through; with ``closes``, its connection ends with the answer."""

    def __init__(self, status: int, words: str, closes: bool = False) -> None:
        self.status, self.words = status, words
        self._headers = {"connection": "close"} if closes else None

    def answer(self, path: str) -> Response:
        """Say it in the form that Gradio's page shows: of uploads it shows the text, of all else a JSON's detail."""
        if path.rstrip("/").endswith("/upload"):
            return PlainTextResponse(self.words, self.status, self._headers)
        return JSONResponse({"detail": self.words}, self.status, self._headers)


def check_path(path: str) -> None:
    """Refuse Gradio's routes that fetch from elsewhere or take what the page never sends."""
    lowered = path.lower()
    file = FILE.search(lowered)
    elsewhere = file is not None and ("://" in file[1] or ":/" in file[1][:8])
    if "/proxy=" in lowered or "/process_recording" in lowered or elsewhere:
        raise Refused(403, "only files of this server")
    if "\0" in path:
        raise Refused(400, "no such path")


def check_ranges(headers: Mapping[str, str]) -> None:
    """Refuse a ``Range`` that is none, or is many."""
    ranges = headers.get("range")
    if ranges is None:
        return
    found = _RANGES.fullmatch(ranges.strip())
    if not found or (found[2] and int(found[1]) > int(found[2])):
        raise Refused(416, "ask for one range of bytes at a time")


def check_upload(headers: Mapping[str, str]) -> None:
    """Refuse what brings no files."""
    kind = headers.get("content-type", "")
    if not kind.startswith("multipart/form-data") or "boundary=" not in kind:
        raise Refused(400, "send files as multipart/form-data")


async def read_question(limited: Receive, receive: Receive, path: str, functions: Collection[Any] = ()) -> Receive:
    """Read a question and look at it before it is handed on.

    Parameters
    ----------
    limited, receive : callables
        Give the parts of the body: within limits, and without, for what comes after it.
    path : str
        Where it was sent.
    functions : collection of gradio.block_function.BlockFunction
        What can be asked.
    """
    body, more = b"", True
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            return limited
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        question = json.loads(body) if body else {}
    except RecursionError as error:
        raise Refused(400, "nested too deep") from error
    except ValueError:
        question = {}  # Gradio says itself that this is no JSON.
    _check_fields(question)
    _check_addresses(question)
    _check_values(question, path, functions)
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _check_fields(question: Any) -> None:
    """Refuse fields of another kind than Gradio's page sends: some would be errors of the server's."""
    if not isinstance(question, dict):
        raise Refused(400, "a question is a JSON object")
    for name in _TEXTS:
        value = question.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= _LONGEST_TEXT):
            raise Refused(400, f"{name} makes no sense")
    for name in _NUMBERS:
        value = question.get(name)
        if value is not None and not (type(value) is int and 0 <= value < 2**31):
            raise Refused(400, f"{name} makes no sense")
    if not isinstance(question.get("data", []), list | dict):
        raise Refused(400, "data is a list")


def _check_values(question: Mapping[str, Any], path: str, functions: Collection[Any]) -> None:
    """Refuse too few values, and choices of nothing: Gradio would only notice once it runs the function."""
    named = _CALL.search(path)
    for function in functions:
        if function.api_name != named[1] if named else function._id != question.get("fn_index"):
            continue
        # Programs, which call functions by name, don't send what stays on the server.
        needed = sum(not (named and block.skip_api) for block in function.inputs)
        values = question.get("data", [])
        if isinstance(values, list) and len(values) < needed:
            raise Refused(400, f"{function.api_name} takes {needed} values, and data has {len(values)}")
        chosen = question.get("event_data")
        is_choice = isinstance(chosen, dict) and {"index", "value"} <= chosen.keys()
        if function.collects_event_data and not is_choice:
            raise Refused(400, "event_data says what was chosen: its index and value")


def counted(headers: Mapping[str, str], receive: Receive, limit: int, refused: list[Refused]) -> Receive:
    """Bound the size of a body, and the time that it takes.

    A refusal while the application reads is noted in `refused`, since the application may answer it itself.
    """
    refusal = Refused(413, f"more than {limit / 1e6:.0f} megabytes in a request")
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise refusal
    began, received, is_whole = time.monotonic(), 0, False

    async def receive_soon() -> Message:
        nonlocal received, is_whole
        if is_whole:  # What is waited for now is the end of the connection.
            return await receive()
        slow = Refused(408, "too slow; try again over a better connection")
        try:
            async with asyncio.timeout(_PAUSE):
                message = await receive()
        except TimeoutError:
            refused.append(slow)
            raise slow from None
        if time.monotonic() - began > _PAUSE + received / _SLOWEST:
            refused.append(slow)
            raise slow
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > limit:
            refused.append(refusal)
            raise refusal
        return message

    return receive_soon


def _check_addresses(value: Any) -> None:
    """Refuse files that are given as addresses, wherever in a question they are."""
    if isinstance(value, list):
        for item in value:
            _check_addresses(item)
    elif isinstance(value, dict):
        path, url = value.get("path"), value.get("url")
        if isinstance(path, str) and _ADDRESS.match(path):
            raise Refused(403, "send a file, not an address")
        if isinstance(url, str) and url.strip().lower().startswith("data:"):
            is_drawing = url.strip().lower().startswith("data:image/svg")  # What Gradio's page makes of its file.
            drawing = "SVG drawings can't be colorized: send a photo, as JPEG or PNG for one"
            raise Refused(403, drawing if is_drawing else "send a file, not a data: address")
        for item in value.values():
            _check_addresses(item)
