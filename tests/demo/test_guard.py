"""Requests that the server refuses."""

import asyncio
import errno
import json
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import httpx
import pytest
from conftest import free_port
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from colorizer.demo.checks import RequestRefused
from colorizer.demo.guard import HOSTS_VARIABLE, RATE_VARIABLE, Allowance, Guard
from colorizer.demo.page import launch_options

PUBLIC = "93.184.216.34"
_MULTIPART = {"content-type": "multipart/form-data; boundary=x"}


async def _respond(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def _client(**options) -> TestClient:
    app = Starlette(routes=[Route("/{path:path}", _respond, methods=["GET", "POST"])])
    return TestClient(Guard(app, **options), headers=_MULTIPART)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.org/",
        "/gradio_api/file=HTTP://127.0.0.1:22/",
        "/gradio_api/file=http%3A%2F%2F169.254.169.254/latest",
        "/gradio_api/file=https:/example.org",
        "/gradio_api/file=data:text/html,x://",
        "/gradio_api/file/https://example.org/x.png",
        "/gradio_api/FILE/http:/127.0.0.1/x.png",
        "/gradio_api/proxy=https://x.hf.space/",
        "/gradio_api//proxy=http://localhost/",
        "/gradio_api/process_recording",
    ],
)
def test_proxy_routes_get_403(path: str):
    assert _client().get(path).status_code == 403


def test_local_files_are_served():
    assert _client().get("/gradio_api/file=/somewhere/gradio/0a/image.png").status_code == 200


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://127.0.0.1:22/"},
        {"path": "HTTPS://example.org/x.png"},
        {"path": "file:///etc/passwd"},
        {"path": "data:image/png;base64,AAAA"},
        {"path": None, "url": "data:image/png;base64,AAAA"},
        {"path": "", "url": " DATA:image/png;base64,AAAA"},
    ],
)
@pytest.mark.parametrize("wrap", [lambda file: [file], lambda file: [{"image": file}], lambda file: [[[file, "x"]]]])
def test_urls_as_files_are_refused(file: dict, wrap):
    body = json.dumps({"data": wrap(file), "fn_index": 0})
    assert _client().post("/gradio_api/queue/join", content=body).status_code == 403


def test_files_by_their_path_pass():
    file = {"path": "/somewhere/gradio/0a/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/somewhere/a.png"}
    body = json.dumps({"data": [file, "C:\\x", 0.3]})
    response = _client().post("/gradio_api/queue/join", content=body)
    assert (response.status_code, response.text) == (200, str(len(body)))


def test_deep_nesting_is_refused():
    assert _client().post("/gradio_api/queue/join", content="[" * 400_000).status_code == 400


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 100_000 + 1):
        yield bytes(100_000)


@pytest.mark.parametrize(
    ("path", "limit"), [("/gradio_api/upload", 110_000_000), ("/gradio_api/run/colorize", 1_000_000)]
)
def test_bodies_have_limits(path: str, limit: int):
    client = _client()
    declared = client.post(path, content=b"x", headers={"content-length": str(limit + 1)})
    undeclared = client.post(path, content=_chunks(limit))
    assert (declared.status_code, undeclared.status_code) == (413, 413)
    assert client.post(path, content=bytes(limit - 1)).status_code == 200
    assert client.post(path, content=b"x", headers={"content-length": "-1"}).status_code == 413


def test_rate_is_limited_for_each_visitor():
    client = _client(rate=3, forwarded=True)

    def post(forwarded: str) -> int:
        return client.post("/gradio_api/upload", headers={"x-forwarded-for": forwarded}).status_code

    # Everything before the address that the proxy saw can be forged.
    assert [post(f"1.1.1.{i}, {PUBLIC}, 10.0.0.{i}") for i in range(4)] == [200, 200, 200, 429]
    assert post("8.8.8.8") == 200
    assert client.get("/").status_code == 200
    # Gradio's page shows the detail of a JSON response, but the plain text for uploads.
    joined, upload = (client.post(path, headers={"x-forwarded-for": PUBLIC}) for path in ("/q/join", "/x/upload"))
    assert joined.json() == {"detail": "more than 3 requests in a minute; wait a moment"}
    assert upload.text == "more than 3 requests in a minute; wait a moment"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a machine has no second address of its own")
@pytest.mark.parametrize("space", [False, True])
def test_without_a_proxy_forwarded_addresses_count_nothing(monkeypatch: pytest.MonkeyPatch, space: bool):
    """Tests the launched server, which may read forwarded addresses before the guard does."""
    monkeypatch.setenv(RATE_VARIABLE, "2")
    monkeypatch.setenv("SPACE_ID", "me/demo" if space else "")
    with gr.Blocks() as demo:
        gr.Markdown("nothing")
    port = free_port()
    demo.launch(
        server_name="0.0.0.0", server_port=port, quiet=True, prevent_thread_lock=True, **launch_options("0.0.0.0")
    )
    try:
        # Not from 127.0.0.1, which could be a proxy.
        with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as visitor:
            codes = [
                visitor.post(
                    f"http://127.0.0.1:{port}/gradio_api/queue/join", json={}, headers={"x-forwarded-for": f"8.8.8.{i}"}
                ).status_code
                for i in range(4)
            ]
    finally:
        demo.close()
    assert [code == 429 for code in codes] == [False, False, not space, not space]


@pytest.mark.parametrize(
    ("error", "words"), [(OSError(errno.ENOSPC, "x"), "no disk space"), (MemoryError(), "no memory")]
)
def test_out_of_memory_or_disk_gets_507(error: Exception, words: str):
    async def fail(request: Request) -> PlainTextResponse:
        raise error

    routes = [Route("/gradio_api/upload", fail, methods=["POST"])]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]), headers=_MULTIPART)
    response = client.post("/gradio_api/upload")
    assert (response.status_code, response.text) == (507, f"The server has {words} left; try again later")


def test_responses_have_security_headers():
    client = _client()
    page, file, other = (client.get(path) for path in ("/", "/gradio_api/file=/x/evil.html", "/gradio_api/file/x.html"))
    assert other.headers["content-security-policy"] == file.headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co" in page.headers["content-security-policy"]
    assert file.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert file.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("space", "rate", "expected"), [("", "", 0), ("me/demo", "", 240), ("", "7", 7), ("me/demo", "0", 0)]
)
def test_rate_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch, space: str, rate: str, expected: int):
    monkeypatch.setenv("SPACE_ID", space)
    monkeypatch.setenv(RATE_VARIABLE, rate)
    options = Guard.as_middleware("0.0.0.0", "/somewhere").kwargs
    assert options == {"rate": expected, "forwarded": bool(space), "hosts": None, "folder": "/somewhere"}


def test_nonsense_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(RATE_VARIABLE, "many")
    with pytest.raises(ValueError, match=r"COLORIZER_RATE must be a number of requests per minute.*got 'many'"):
        Guard.as_middleware()


def test_a_full_disk_is_told():
    async def store(request: Request) -> PlainTextResponse:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/secret")

    app = Starlette(routes=[Route("/{path:path}", store, methods=["POST"])], middleware=[Middleware(Guard)])
    response = TestClient(app, headers=_MULTIPART).post("/gradio_api/upload", content=b"image")
    assert response.status_code == 507
    assert "no disk space left" in response.text
    assert "secret" not in response.text


def test_a_household_of_ipv6_is_one_visitor():
    client = _client(rate=2, forwarded=True)

    def post(forwarded: str) -> int:
        return client.post("/", headers={"x-forwarded-for": forwarded}).status_code

    assert [post(f"2a00:1450:4001:800::{i}") for i in range(3)] == [200, 200, 429]
    assert post("2a00:1450:4001:801::1") == 200


def test_an_allowance_forgets_visitors_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr("colorizer.demo.guard.time.monotonic", lambda: now)
    allowance = Allowance(1, 60)
    steps = 0

    class Counting(OrderedDict):
        def popitem(self, last: bool = True):
            nonlocal steps
            steps += 1
            return super().popitem(last)

    allowance._taken = Counting()
    for i in range(20_000):
        now = i / 100
        allowance.take(str(i), 1, "")
    assert len(allowance) <= 6_001  # Those of the last minute.
    assert steps < 20_000  # Each entry is dropped once, without a scan of all the others.
    with pytest.raises(RequestRefused):
        allowance.take("19999", 1, "too much")


def test_hourly_upload_quota(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("colorizer.demo.guard._QUOTA", 1_500)
    client = _client()
    upload = {"content": bytes(1_000), "headers": _MULTIPART}
    assert client.post("/gradio_api/upload", **upload).status_code == 200
    refused = client.post("/gradio_api/upload", **upload)
    assert refused.status_code == 429
    assert "more than 1,500 bytes in an hour" in refused.text


def test_uploads_leave_the_disk_a_reserve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    client = _client(folder=str(tmp_path))
    assert client.post("/gradio_api/upload", content=b"x", headers=_MULTIPART).status_code == 200
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr("colorizer.demo.guard.shutil.disk_usage", lambda _: usage)
    refused = client.post("/gradio_api/upload", content=b"x", headers=_MULTIPART)
    assert (refused.status_code, refused.text) == (507, "The server has no disk space left; try again later")
    assert client.post("/gradio_api/queue/join", json={}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:7860"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:7860"}, 200),
        ({"host": "demo.example.org"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"}, 200),
        ({"host": "demo.example.org", "origin": "https://demo.example.org"}, 200),
        ({"host": "127.0.0.1:7860", "origin": "http://evil.example"}, 403),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:3000"}, 403),
        ({"host": "127.0.0.1:7860", "origin": "null"}, 403),
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_a_local_server_refuses_requests_from_other_sites(monkeypatch: pytest.MonkeyPatch, headers: dict, status: int):
    monkeypatch.setenv(HOSTS_VARIABLE, "demo.example.org, other.example.org")
    options = Guard.as_middleware("127.0.0.1").kwargs
    client = _client(**options)
    assert client.post("/gradio_api/upload", content=b"x", headers=_MULTIPART | headers).status_code == status


def test_open_requests_are_counted_by_visitor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("colorizer.demo.guard._MAX_OPEN", 2)
    entered = threading.Semaphore(0)
    leave = threading.Event()

    async def wait(request: Request) -> PlainTextResponse:
        entered.release()
        await asyncio.to_thread(leave.wait)
        return PlainTextResponse("")

    routes = [Route("/wait", wait), Route("/", _respond)]
    guard = Guard(Starlette(routes=routes), forwarded=True)
    with TestClient(guard) as client, ThreadPoolExecutor() as pool:
        headers = {"x-forwarded-for": PUBLIC}
        waiting = [pool.submit(client.get, "/wait", headers=headers) for _ in range(2)]
        for _ in waiting:
            assert entered.acquire(timeout=30)
        assert client.get("/", headers=headers).status_code == 429
        assert client.get("/", headers={"x-forwarded-for": "8.8.8.8"}).status_code == 200
        leave.set()
        assert [each.result().status_code for each in waiting] == [200, 200]
        assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        5,
        {"fn_index": -1},
        {"fn_index": "x"},
        {"fn_index": 1e99},
        {"session_hash": 5},
        {"session_hash": "x" * 101},
        {"event_id": []},
        {"trigger_id": True},
        {"data": 5},
    ],
)
def test_invalid_requests_get_status_400(body: object):
    assert _client().post("/gradio_api/queue/join", json=body).status_code == 400


@pytest.mark.parametrize(
    "ranges", ["bytes=5", "bytes=a-b", "lines=1-2", "bytes=-", "bytes=0-1,2-3", "bytes=5-1", f"bytes={10**99}-"]
)
def test_invalid_ranges_get_status_416(ranges: str):
    assert _client().get("/gradio_api/file=/x/a.png", headers={"range": ranges}).status_code == 416
    assert _client().get("/gradio_api/file=/x/a.png", headers={"range": "bytes=0-99"}).status_code == 200


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data"])
def test_non_multipart_uploads_get_400(kind: str):
    assert _client().post("/gradio_api/upload", content=b"x", headers={"content-type": kind}).status_code == 400


def test_unreadable_requests_get_status_400():
    async def stumble(request: Request) -> PlainTextResponse:
        raise KeyError("/somewhere/secret")

    routes = [Route("/", stumble, methods=["GET", "POST"])]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]))
    response = client.post("/", json={})
    assert (response.status_code, response.json()) == (400, {"detail": "this request is invalid"})
    with pytest.raises(KeyError):
        client.get("/")


def test_a_body_must_keep_arriving(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("colorizer.demo.checks._PAUSE", 0.05)

    async def never() -> dict:
        await asyncio.sleep(60)
        return {}

    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        app = Starlette(routes=[Route("/{path:path}", _respond, methods=["POST"])])
        said = []

        async def send(message: dict, said: list = said) -> None:
            said.append(message)

        headers = [(name.encode(), value.encode()) for name, value in _MULTIPART.items()]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": ("8.8.8.8", 1)}
        scope |= {"query_string": b"", "raw_path": path.encode(), "scheme": "http", "http_version": "1.1"}
        asyncio.run(Guard(app)(scope, never, send))
        assert said[0]["status"] == 408
