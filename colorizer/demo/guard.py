"""What the server refuses before Gradio sees it, and what browsers are told to refuse."""

import ipaddress
import json
import os
import re
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colorizer.machine import describe_shortage

RATE_VARIABLE = "COLORIZER_RATE"
"""Environment variable: how many requests a visitor may send a minute; 0 for any number."""

_SPACE_RATE = 240  # Where nothing is set. Elsewhere than on a Space one's own machine serves oneself.
_MOST_VISITORS = 10_000
_MINUTE = 60.0
_MAX_UPLOAD = 110_000_000  # Bytes of a request that brings files; each of them has a limit of its own.
_MAX_QUESTION = 1_000_000  # Bytes of any other: names of files and numbers.

# Gradio's page needs inline scripts and styles, and compiles the few lines of JavaScript that events have.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
)
_FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"  # A file is no page, whatever is in it.


_FILE = re.compile(r"/file[=/](.*)", re.DOTALL)  # Gradio gives files under both.
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # A single letter is a disk of Windows.


class _Refused(Exception):  # noqa: N818  It is an answer, not a fault.
    """A request that is not let through."""

    def __init__(self, status: int, words: str) -> None:
        self.status, self.words = status, words

    def answer(self, path: str) -> Response:
        """Say it in the form that Gradio's page shows: of uploads it shows the text, of all else a JSON's detail."""
        if path.rstrip("/").endswith("/upload"):
            return PlainTextResponse(self.words, self.status)
        return JSONResponse({"detail": self.words}, self.status)


class Guard:
    """Stand before Gradio.

    - Addresses of other servers, and ``data:`` addresses, which pass by the limit on files, are refused: in paths,
      where Gradio would hand on what they have to anyone, and in questions, where it would fetch them.
    - Bodies have limits, counted as they arrive.
    - A visitor may send so much a minute.
    - Browsers get a content security policy; uploaded files are shown as in a sandbox.

    Parameters
    ----------
    app : ASGI application
        What it stands before.
    rate : int
        Requests a minute and visitor that bring something; 0 for any number.
    forwarded : bool
        Whether a proxy stands before the server, so that visitors are told apart by what it forwards.
    """

    def __init__(self, app: ASGIApp, rate: int = 0, forwarded: bool = False) -> None:
        self._app = app
        self._rate = rate
        self._forwarded = forwarded
        self._sent: dict[str, tuple[float, int]] = {}  # By visitor: when the minute began, and how much since.

    @classmethod
    def as_middleware(cls) -> Middleware:
        """Wrap for the ``middleware`` argument of a Starlette application, as the environment asks for."""
        space = bool(os.environ.get("SPACE_ID"))
        rate = os.environ.get(RATE_VARIABLE) or str(_SPACE_RATE if space else 0)
        if not rate.isdecimal():
            raise ValueError(f"{RATE_VARIABLE} must be a number of requests a minute, 0 for no limit, got {rate!r}")
        return Middleware(cls, rate=int(rate), forwarded=space)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: list[_Refused] = []
        try:
            _check_path(scope["path"])
            if scope["method"] == "POST":
                self._count(scope)
                receive = await _limit(scope, receive, refused)
            await self._app(scope, receive, _with_policy(scope["path"], send, refused))
        except _Refused as refusal:
            refused.append(refusal)
        except ClientDisconnect:
            return  # An upload that was cut off: there is nobody to answer.
        except Exception as error:
            if not refused:
                if (lack := describe_shortage(error)) is None:
                    raise
                refused.append(_Refused(507, f"The server has {lack} left; try again later"))
        if refused:
            await refused[0].answer(scope["path"])(scope, receive, send)

    def _count(self, scope: Scope) -> None:
        if not self._rate:
            return
        now, visitor = time.monotonic(), self._visitor(scope)
        if len(self._sent) > _MOST_VISITORS:
            self._sent = {name: entry for name, entry in self._sent.items() if now - entry[0] < _MINUTE}
        since, count = self._sent.get(visitor, (now, 0))
        since, count = (now, 0) if now - since >= _MINUTE else (since, count)
        self._sent[visitor] = (since, count + 1)
        if count >= self._rate:
            raise _Refused(429, f"more than {self._rate} requests in a minute; wait a little")

    def _visitor(self, scope: Scope) -> str:
        """Tell visitors apart. Of the forwarded addresses the last public one is that which no visitor can invent."""
        forwarded = Headers(scope=scope).get("x-forwarded-for", "") if self._forwarded else ""
        for address in reversed(forwarded.split(",")):
            if _is_public(address.strip()):
                return address.strip()
        return scope["client"][0] if scope.get("client") else ""


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _check_path(path: str) -> None:
    """Refuse Gradio's routes that fetch from elsewhere or take what the page never sends."""
    lowered = path.lower()
    file = _FILE.search(lowered)
    elsewhere = file is not None and ("://" in file[1] or ":/" in file[1][:8])
    if "/proxy=" in lowered or "/process_recording" in lowered or elsewhere:
        raise _Refused(403, "only files of this server")


async def _limit(scope: Scope, receive: Receive, refused: list[_Refused]) -> Receive:
    """Limit a request's body; a question is read and looked at before it is handed on.

    A refusal while the application reads is noted in `refused`, since the application may answer it itself.
    """
    upload = scope["path"].rstrip("/").endswith("/upload")
    limited = _counted(Headers(scope=scope), receive, _MAX_UPLOAD if upload else _MAX_QUESTION, refused)
    if upload:
        return limited
    body, more = b"", True
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            return limited
        body, more = body + message.get("body", b""), message.get("more_body", False)
    try:
        _check_addresses(json.loads(body))
    except RecursionError as error:
        raise _Refused(400, "nested too deep") from error
    except ValueError:
        pass  # Gradio says itself that this is no JSON.
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _counted(headers: Mapping[str, str], receive: Receive, limit: int, refused: list[_Refused]) -> Receive:
    refusal = _Refused(413, f"more than {limit / 1e6:.0f} megabytes in a request")
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise refusal
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            refused.append(refusal)
            raise refusal
        return message

    return counted


def _check_addresses(value: Any) -> None:
    """Refuse files that are given as addresses, wherever in a question they are."""
    if isinstance(value, list):
        for item in value:
            _check_addresses(item)
    elif isinstance(value, dict):
        path, url = value.get("path"), value.get("url")
        if isinstance(path, str) and _ADDRESS.match(path):
            raise _Refused(403, "send a file, not an address")
        if isinstance(url, str) and url.strip().lower().startswith("data:"):
            is_drawing = url.strip().lower().startswith("data:image/svg")  # What Gradio's page makes of its file.
            drawing = "SVG drawings can't be colorized: send a photo, as JPEG or PNG for one"
            raise _Refused(403, drawing if is_drawing else "send a file, not a data: address")
        for item in value.values():
            _check_addresses(item)


def _with_policy(path: str, send: Send, refused: list[_Refused]) -> Send:
    """Add the headers that bind browsers to each response; drop what is said to a request that is refused."""
    policy = _FILE_POLICY if _FILE.search(path) else _PAGE_POLICY

    async def guarded(message: MutableMapping[str, Any]) -> None:
        if refused:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)

    return guarded
