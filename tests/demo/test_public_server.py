"""The real server under what a public one has to expect: nonsense requests, and many idle connections."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from conftest import ROOT, encode, random_images

_ENDPOINTS = ("colorize", "versions", "colorize_batch")
_JSON = {"content-type": "application/json"}
_FORM = {"content-type": "multipart/form-data; boundary=x"}
_MALFORMED: list[tuple[str, dict]] = [
    *(("queue/join", {"json": body}) for body in ({}, {"data": 5}, {"data": [], "fn_index": -1})),
    *(("queue/join", {"content": body, "headers": _JSON}) for body in (b"{", b"[]", b"\xff", b"", b"[" * 50_000)),
    ("queue/join", {"json": {"data": [], "fn_index": 10**6, "session_hash": "a"}}),
    ("queue/join", {"content": b'{"data": [], "fn_index": 1e400}', "headers": _JSON}),
    *(("call/colorize", {"json": body}) for body in ({}, {"data": "x"}, {"data": {"image": 5}})),
    *((f"call/{name}", {"json": {"data": data}}) for name in _ENDPOINTS for data in ([], [None])),
    *(("call/v2/colorize", {"json": body}) for body in ({}, {"none": 1}, {"image": None, "none": 2})),
    *((f"{route}/none", {"json": {"data": []}}) for route in ("call", "call/v2", "run", "api")),
    *(("upload", {"content": body, "headers": _FORM}) for body in (b"x", b"--x\r\n\r\n--x--")),
    ("upload", {"content": b"x"}),
    ("upload", {"files": {"files": ("", b"x")}}),
    ("upload", {"files": {"files": ("a" * 5000, b"x")}}),
    ("cancel", {"json": {"session_hash": "a", "fn_index": "x", "event_id": "b"}}),
    ("reset", {"json": {"event_id": 5}}),
    ("component_server", {"json": {"session_hash": "a", "component_id": 10**6, "fn_name": "x", "data": 1}}),
]


@pytest.mark.parametrize(("path", "given"), _MALFORMED)
def test_malformed_questions_are_refused(demo_url: str, path: str, given: dict):
    """The fixture also checks that the log has no traceback."""
    _check(httpx.post(f"{demo_url}/gradio_api/{path}", **given))


def test_what_waits_can_be_canceled(demo_url: str):
    config = httpx.get(f"{demo_url}/config").json()["dependencies"]
    event = next(event["id"] for event in config if event["inputs"])
    body = {"session_hash": "a", "fn_index": event, "event_id": "b"}  # As the page asks: without values.
    assert httpx.post(f"{demo_url}/gradio_api/cancel", json=body).status_code == 200


def test_too_few_values_are_counted(demo_url: str):
    response = httpx.post(f"{demo_url}/gradio_api/call/colorize", json={"data": [None, "unet"]})
    assert response.json() == {"detail": "colorize takes 7 values, and data has 2"}


@pytest.mark.parametrize("value", [None, {"a": 1}])
def test_senseless_values_are_answered_in_words(demo_url: str, value: object):
    """For each function of the page and the API; the fixture checks that the log has no traceback."""
    for event in httpx.get(f"{demo_url}/config").json()["dependencies"]:
        if event["backend_fn"] and event["inputs"]:
            body = {"session_hash": "senseless", "fn_index": event["id"], "data": [value] * len(event["inputs"])}
            joined = httpx.post(f"{demo_url}/gradio_api/queue/join", json=body)
            assert joined.status_code == 200, (event["api_name"], joined.text)
            response = httpx.get(f"{demo_url}/gradio_api/queue/data", params={"session_hash": "senseless"}, timeout=400)
            assert "process_completed" in response.text
            assert '"error":null' not in response.text, (event["api_name"], response.text)
            assert str(ROOT) not in response.text


@pytest.mark.parametrize("choice", [None, 5, {}, {"index": 0, "value": 5}, {"index": 0, "value": {"caption": "x"}}])
def test_senseless_choices_are_refused(demo_url: str, choice: object):
    config = httpx.get(f"{demo_url}/config").json()["dependencies"]
    choosing = [event["id"] for event in config if event["collects_event_data"]]
    assert len(choosing) == 2
    for event in choosing:
        body = {"session_hash": "choice", "fn_index": event, "data": [], "event_data": choice}
        joined = httpx.post(f"{demo_url}/gradio_api/queue/join", json=body)
        if joined.status_code == 200:
            response = httpx.get(f"{demo_url}/gradio_api/queue/data", params={"session_hash": "choice"}, timeout=400)
            assert "There is no" in response.text
        else:
            _check(joined)


@pytest.mark.parametrize("path", ["file=", "file=%00", "queue/data", "upload_progress", "stream/a/b/0/x", "call/x"])
def test_malformed_addresses_are_refused(demo_url: str, path: str):
    _check(httpx.get(f"{demo_url}/gradio_api/{path}"))


@pytest.mark.parametrize("ranges", ["bytes=x", "bytes=-", "bytes=9-1", "bytes=99999999-", "bytes=0-1,2-3", "x=0-1"])
def test_malformed_ranges_are_refused(demo_url: str, ranges: str):
    sent = {"files": ("a.png", encode(random_images(1)[0]))}
    (path,) = httpx.post(f"{demo_url}/gradio_api/upload", files=sent).json()
    _check(httpx.get(f"{demo_url}/gradio_api/file={path}", headers={"range": ranges}))


def test_an_unknown_event_gets_status_404(demo_url: str):
    assert "404" in httpx.get(f"{demo_url}/gradio_api/call/colorize/none").text


def _check(response: httpx.Response) -> None:
    assert 400 <= response.status_code < 500
    assert "Traceback" not in response.text
    assert str(ROOT) not in response.text


@pytest.fixture
def few_descriptors(demo_url: str) -> Iterator[None]:
    """Give the server 1,024 descriptors, as on most machines, and these tests more."""
    import resource  # Windows has none.

    port = urlsplit(demo_url).port
    listening = [each for each in psutil.net_connections("tcp4") if each.status == "LISTEN"]
    [server] = {each.pid for each in listening if each.laddr.port == port}
    process, own = psutil.Process(server), resource.getrlimit(resource.RLIMIT_NOFILE)
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (1024, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, own[1]), own[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, own)
    process.rlimit(psutil.RLIMIT_NOFILE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a machine has no second address of its own")
@pytest.mark.slow
@pytest.mark.usefixtures("few_descriptors")
def test_a_thousand_idle_connections_leave_room_for_the_next_visitor(demo_url: str):
    address = urlsplit(demo_url)
    head = f"HTTP/1.1\r\nHost: {address.netloc}\r\n"
    kinds = (
        f"GET / {head}",  # Its head never ends.
        f"POST /gradio_api/upload {head}Content-Type: {_FORM['content-type']}\r\nContent-Length: 9999\r\n\r\n--x",
        f"GET /gradio_api/heartbeat/%d {head}\r\n",
    )
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with ExitStack() as stack, httpx.Client(transport=transport, timeout=60, base_url=demo_url) as visitor:
        for i in range(1101):
            connection = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=60))
            kind = kinds[i % len(kinds)]
            connection.sendall((kind % i if "%d" in kind else kind).encode())
            if i % 50 == 0:
                assert visitor.get("/gradio_api/app_id", headers={"connection": "close"}).status_code == 200
        assert visitor.get("/").status_code == 200
