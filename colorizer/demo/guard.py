"""What the server refuses before Gradio sees it, and what browsers are told to refuse."""

import ipaddress
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
    MAX_QUESTION,
    MAX_UPLOAD,
    Refused,
    check_path,
    check_ranges,
    check_upload,
    counted,
    read_question,
)
from colorizer.demo.connections import name_visitor
from colorizer.machine import describe_shortage

RATE_VARIABLE = "COLORIZER_RATE"
"""Environment variable: how many requests a visitor may send a minute; 0 for any number."""
HOSTS_VARIABLE = "COLORIZER_HOSTS"
"""Environment variable: names, with commas between, that a server for this machine alone answers to as well."""
LEAST_SPACE = 60_000_000
"""Bytes that stay free on the disk: an upload and its results."""

_SPACE_RATE = 240  # Where nothing is set. Elsewhere than on a Space one's own machine serves oneself.
_MOST_OPEN = 128  # Requests of a visitor at once: a page has two, and a school may have one address.
_QUOTA = 1_000_000_000  # Bytes that a visitor may bring in an hour, which is how long files are kept.
_MINUTE, _HOUR = 60.0, 3600.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What Gradio raises while it reads a request that names no function, none of its values, or no file. What goes wrong in
# a function itself doesn't come here: functions run apart from the requests that ask for them.
_SENSELESS = (FnIndexInferError, KeyError, TypeError)

# Gradio's page needs inline scripts and styles, and compiles the few lines of JavaScript that events have.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
)
_FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"  # A file is no page, whatever is in it.


class Guard:
    """Stand before Gradio.

    - Addresses of other servers, and ``data:`` addresses, which pass by the limit on files, are refused: in paths,
      where Gradio would hand on what they have to anyone, and in questions, where it would fetch them.
    - Bodies have limits, counted as they arrive, and must keep arriving.
    - A visitor may send so much a minute, bring so much an hour, and have so many requests open.
    - Uploads end before the disk does.
    - A server for this machine alone answers to no other name, and takes nothing from the pages of other sites.
    - Requests that make no sense are answered as such.
    - Browsers get a content security policy; uploaded files are shown as in a sandbox.

    Parameters
    ----------
    app : ASGI application
        What it stands before.
    rate : int
        Requests a minute and visitor that bring something; 0 for any number.
    forwarded : bool
        Whether a proxy stands before the server, so that visitors are told apart by what it forwards.
    hosts : sequence of str, optional
        The only names that the server answers to; any if it isn't given.
    folder : str, optional
        Where uploads go, whose disk is watched.
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
        """Wrap for the ``middleware`` argument of a Starlette application, as the environment asks for.

        Parameters
        ----------
        host : str
            The address that the server is bound to.
        folder : str, optional
            Where uploads go.
        """
        space = bool(os.environ.get("SPACE_ID"))
        rate = os.environ.get(RATE_VARIABLE) or str(_SPACE_RATE if space else 0)
        if not rate.isdecimal():
            raise ValueError(f"{RATE_VARIABLE} must be a number of requests a minute, 0 for no limit, got {rate!r}")
        hosts = None
        if host in _LOOPBACK:
            added = [name.strip().lower() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
            hosts = (*_LOOPBACK, *added)
        return Middleware(cls, rate=int(rate), forwarded=space, hosts=hosts, folder=folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: list[Refused] = []
        visitor = self._visitor(scope)
        self._open[visitor] += 1
        try:
            self._check_origin(scope)
            check_path(scope["path"])
            check_ranges(Headers(scope=scope))
            if self._open[visitor] > _MOST_OPEN:
                raise Refused(429, f"more than {_MOST_OPEN} requests are open; close some pages", closes=True)
            if scope["method"] == "POST":
                self._requests.take(visitor, 1, "more than {limit} requests in a minute; wait a little")
                receive = await self._limit(scope, receive, refused, visitor)
            await self._app(scope, receive, _with_policy(scope["path"], send, refused))
        except Refused as refusal:
            refused.append(refusal)
        except ClientDisconnect:
            return  # An upload that was cut off: there is nobody to answer.
        except Exception as error:
            if isinstance(error.__cause__, HTTPException):
                # Gradio has said so in the stream that it had begun, and leaves that without an end.
                await send({"type": "http.response.body"})
                return
            if not refused:
                if lack := describe_shortage(error):
                    refused.append(Refused(507, f"The server has {lack} left; try again later"))
                elif scope["method"] == "POST" and isinstance(error, _SENSELESS):
                    refused.append(Refused(400, "this request makes no sense"))
                else:
                    raise
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]
        if refused:
            await refused[0].answer(scope["path"])(scope, receive, send)

    def _visitor(self, scope: Scope) -> str:
        """Tell visitors apart. Of the forwarded addresses the last public one is that which no visitor can invent."""
        forwarded = Headers(scope=scope).get("x-forwarded-for", "") if self._forwarded else ""
        for address in reversed(forwarded.split(",")):
            if _is_public(address.strip()):
                return name_visitor(address.strip())
        return name_visitor(scope["client"][0]) if scope.get("client") else ""

    def _check_origin(self, scope: Scope) -> None:
        """Refuse other names, which a page of another site may point here, and what such a page sends."""
        if self._hosts is None:
            return
        headers = Headers(scope=scope)
        name = _host_of(f"//{headers.get('host', '')}")
        if name not in self._hosts:
            raise Refused(403, f"this server doesn't answer to that name; {HOSTS_VARIABLE} adds names")
        if scope["method"] in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "only this server's own page may send something here")

    async def _limit(self, scope: Scope, receive: Receive, refused: list[Refused], visitor: str) -> Receive:
        """Bound what is received; a question is read here, before Gradio sees it."""
        upload = scope["path"].rstrip("/").endswith("/upload")
        limited = counted(Headers(scope=scope), receive, MAX_UPLOAD if upload else MAX_QUESTION, refused)
        if not upload:
            blocks = getattr(scope.get("app"), "blocks", None)
            return await read_question(limited, receive, scope["path"], blocks.fns.values() if blocks else ())
        check_upload(Headers(scope=scope))

        async def metered() -> Message:
            message = await limited()
            try:
                count = len(message.get("body", b""))
                self._bytes.take(visitor, count, "more than {limit:,} bytes in an hour; try again later")
                if self._folder and shutil.disk_usage(self._folder).free < LEAST_SPACE:
                    raise Refused(507, "The server has no space on the disk left; try again later")
            except Refused as refusal:
                refused.append(refusal)
                raise
            return message

        return metered


class Allowance:
    """So much for each visitor in so many seconds from their first; what is over is forgotten as the next ones come.

    Parameters
    ----------
    limit : int
        How much; 0 for any amount.
    seconds : float
        In which time.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit, self._seconds = limit, seconds
        self._taken: OrderedDict[str, tuple[float, int]] = OrderedDict()  # Since when, and how much; the oldest first.

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, visitor: str, amount: int, words: str) -> None:
        """Take some of a visitor's; `Refused` with these words if there is no more."""
        if not self._limit:
            return
        now = time.monotonic()
        while self._taken and now - next(iter(self._taken.values()))[0] >= self._seconds:
            self._taken.popitem(last=False)
        since, taken = self._taken.get(visitor, (now, 0))
        self._taken[visitor] = (since, taken + amount)
        if taken + amount > self._limit:
            raise Refused(429, words.format(limit=self._limit))


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _with_policy(path: str, send: Send, refused: list[Refused]) -> Send:
    """Add the headers that bind browsers to each response; drop what is said to a request that is refused."""
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
