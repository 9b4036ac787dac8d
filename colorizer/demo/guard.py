"""Refuse invalid or excessive requests before Gradio sees them, and add security headers to all responses."""

import os
import shutil
import time
from collections import Counter, OrderedDict
from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gradio.route_utils import FnIndexInferError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colorizer.demo.checks import (
    FILE,
    MAX_REQUEST,
    MAX_UPLOAD,
    RequestRefused,
    check_path,
    check_ranges,
    check_upload,
    limit_body,
    read_request,
)
from colorizer.demo.connections import is_public, name_visitor
from colorizer.demo.server import MIN_SPACE
from colorizer.machine import describe_shortage

RATE_VARIABLE = "COLORIZER_RATE"
"""Environment variable: requests that a visitor may send per minute; 0 for no limit."""
HOSTS_VARIABLE = "COLORIZER_HOSTS"
"""Environment variable: further host names, separated by commas, that a server on the loopback address answers to."""

_SPACE_RATE = 240  # The default on a Space. Elsewhere people run the demo for themselves, and there is no limit.
_MAX_OPEN = 128  # Simultaneous requests of a visitor: a page has two, and a whole school may share an address.
_QUOTA = 1_000_000_000  # Bytes that a visitor may upload in an hour, which is how long files are kept.
_MINUTE, _HOUR = 60.0, 3600.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What Gradio raises while it reads a request without a function, values or a file. Errors of the functions themselves
# don't arrive here: functions run outside of the requests that call them.
_INVALID = (FnIndexInferError, KeyError, TypeError)

# Gradio's page needs inline scripts and styles, and compiles the few lines of JavaScript that events have.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
)
_FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"  # A file must not act as a page.


class Guard:
    """Protect the server: ASGI middleware in front of Gradio.

    - URLs of other servers are refused, in paths, where Gradio would act as a proxy, and in requests, where it would
      fetch them. So are ``data:`` URLs, which bypass the limits on files.
    - Bodies have size limits, counted as they arrive, and must keep arriving.
    - Requests per minute, uploads per hour, and open requests are limited for each visitor.
    - Uploads stop before the disk is full.
    - A server on the loopback address answers to no other name, and accepts nothing from pages of other sites.
    - Malformed requests get a 4xx response with an explanation.
    - Responses have a content security policy; uploaded files are sandboxed.

    Parameters
    ----------
    app : ASGI application
        The application to protect.
    rate : int
        POST requests per minute and visitor; 0 for no limit.
    forwarded : bool
        Whether the server is behind a proxy, so that the header ``X-Forwarded-For`` identifies visitors.
    hosts : sequence of str, optional
        The host names that the server answers to; by default any.
    folder : str, optional
        Folder of the uploads, whose disk must not become full.
    """

    def __init__(
        self,
        app: ASGIApp,
        rate: int = 0,
        forwarded: bool = False,
        hosts: Sequence[str] | None = None,
        folder: str | None = None,
    ) -> None:
        self._app = app
        self._forwarded = forwarded
        self._hosts = hosts
        self._folder = folder
        self._requests = Allowance(rate, _MINUTE)
        self._bytes = Allowance(_QUOTA, _HOUR)
        self._open: Counter[str] = Counter()

    @classmethod
    def as_middleware(cls, host: str = "127.0.0.1", folder: str | None = None) -> Middleware:
        """Create the entry for the ``middleware`` of a Starlette application, with settings from the environment.

        Parameters
        ----------
        host : str
            The address that the server is bound to.
        folder : str, optional
            Folder of the uploads.
        """
        space = bool(os.environ.get("SPACE_ID"))
        rate = os.environ.get(RATE_VARIABLE) or str(_SPACE_RATE if space else 0)
        if not rate.isdecimal():
            raise ValueError(f"{RATE_VARIABLE} must be a number of requests per minute, 0 for no limit, got {rate!r}")
        hosts = None
        if host in _LOOPBACK:
            added = [name.strip().lower() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
            hosts = (*_LOOPBACK, *added)
        return Middleware(cls, rate=int(rate), forwarded=space, hosts=hosts, folder=folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: list[RequestRefused] = []
        visitor = self._visitor(scope)
        self._open[visitor] += 1
        try:
            self._check_origin(scope)
            check_path(scope["path"])
            check_ranges(Headers(scope=scope))
            if self._open[visitor] > _MAX_OPEN:
                raise RequestRefused(429, f"more than {_MAX_OPEN} requests are open; close some tabs", closes=True)
            if scope["method"] == "POST":
                self._requests.take(visitor, 1, "more than {limit} requests in a minute; wait a moment")
                receive = await self._limit(scope, receive, refused, visitor)
            await self._app(scope, receive, _with_policy(scope["path"], send, refused))
        except RequestRefused as refusal:
            refused.append(refusal)
        except ClientDisconnect:
            return  # The upload was interrupted: there is nobody to answer.
        except Exception as error:
            if isinstance(error.__cause__, HTTPException):
                # Gradio has reported the error in the response that it had started, but doesn't end it.
                await send({"type": "http.response.body"})
                return
            if not refused:
                if lack := describe_shortage(error):
                    refused.append(RequestRefused(507, f"The server has {lack} left; try again later"))
                elif scope["method"] == "POST" and isinstance(error, _INVALID):
                    refused.append(RequestRefused(400, "this request is invalid"))
                else:
                    raise
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]
        if refused:
            await refused[0].response(scope["path"])(scope, receive, send)

    def _visitor(self, scope: Scope) -> str:
        """Identify the visitor. Of the forwarded addresses, only the last public one can't be forged."""
        forwarded = Headers(scope=scope).get("x-forwarded-for", "") if self._forwarded else ""
        for address in reversed(forwarded.split(",")):
            if is_public(address.strip()):
                return name_visitor(address.strip())
        return name_visitor(scope["client"][0]) if scope.get("client") else ""

    def _check_origin(self, scope: Scope) -> None:
        """Refuse foreign host names, which may point here, and requests from other sites' pages."""
        if self._hosts is None:
            return
        headers = Headers(scope=scope)
        name = _host_of(f"//{headers.get('host', '')}")
        if name not in self._hosts:
            raise RequestRefused(403, f"this server doesn't accept that host name; add it to {HOSTS_VARIABLE}")
        if scope["method"] in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise RequestRefused(403, "only this server's own page may send requests here")

    async def _limit(self, scope: Scope, receive: Receive, refused: list[RequestRefused], visitor: str) -> Receive:
        """Limit what is received; JSON requests are read and checked here, before Gradio sees them."""
        upload = scope["path"].rstrip("/").endswith("/upload")
        limited = limit_body(Headers(scope=scope), receive, MAX_UPLOAD if upload else MAX_REQUEST)
        if not upload:
            blocks = getattr(scope.get("app"), "blocks", None)
            return await read_request(limited, receive, scope["path"], blocks.fns.values() if blocks else ())
        check_upload(Headers(scope=scope))

        async def metered() -> Message:
            try:
                message = await limited()
                count = len(message.get("body", b""))
                self._bytes.take(visitor, count, "more than {limit:,} bytes in an hour; try again later")
                if self._folder and shutil.disk_usage(self._folder).free < MIN_SPACE:
                    raise RequestRefused(507, "The server has no disk space left; try again later")
            except RequestRefused as refusal:
                refused.append(refusal)  # The application may swallow the error.
                raise
            return message

        return metered


class Allowance:
    """A rate limit per visitor, over a period that starts with their first request; old entries are dropped.

    Parameters
    ----------
    limit : int
        The most that a visitor may take in a period; 0 for no limit.
    seconds : float
        Length of the period.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit, self._seconds = limit, seconds
        # Start of the period, and how much was taken; the oldest first.
        self._taken: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, visitor: str, amount: int, words: str) -> None:
        """Use up part of a visitor's allowance; `RequestRefused` with these words if that is too much."""
        if not self._limit:
            return
        now = time.monotonic()
        while self._taken and now - next(iter(self._taken.values()))[0] >= self._seconds:
            self._taken.popitem(last=False)
        since, taken = self._taken.get(visitor, (now, 0))
        self._taken[visitor] = (since, taken + amount)
        if taken + amount > self._limit:
            raise RequestRefused(429, words.format(limit=self._limit))


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _with_policy(path: str, send: Send, refused: list[RequestRefused]) -> Send:
    """Add security headers to each response; drop the response to a request that is refused."""
    policy = _FILE_POLICY if FILE.search(path) else _PAGE_POLICY

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
