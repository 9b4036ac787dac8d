"""What the server refuses, by requests that try to get past it."""

import errno
import json
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from colorizer.demo.guard import RATE_VARIABLE, Guard

PUBLIC = "93.184.216.34"


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def _client(**options) -> TestClient:
    app = Starlette(routes=[Route("/{path:path}", _answer, methods=["GET", "POST"])])
    return TestClient(Guard(app, **options))


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
def test_no_proxy(path: str):
    assert _client().get(path).status_code == 403


def test_own_files_pass():
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
def test_addresses_are_no_files(file: dict, wrap):
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

    # What stands before the address that the proxy saw is of the visitor's own making.
    assert [post(f"1.1.1.{i}, {PUBLIC}, 10.0.0.{i}") for i in range(4)] == [200, 200, 200, 429]
    assert post("8.8.8.8") == 200
    assert client.get("/").status_code == 200
    # Gradio's page shows the detail of a JSON, and the text where it is about uploads.
    question, upload = (client.post(path, headers={"x-forwarded-for": PUBLIC}) for path in ("/q/join", "/x/upload"))
    assert question.json() == {"detail": "more than 3 requests in a minute; wait a little"}
    assert upload.text == "more than 3 requests in a minute; wait a little"


def test_without_a_proxy_forwarded_addresses_count_nothing():
    client = _client(rate=1)
    codes = [client.post("/", headers={"x-forwarded-for": f"8.8.8.{i}"}).status_code for i in range(2)]
    assert codes == [200, 429]


@pytest.mark.parametrize(
    ("error", "words"), [(OSError(errno.ENOSPC, "x"), "no space on the disk"), (MemoryError(), "no memory")]
)
def test_what_the_server_lacks_is_told(error: Exception, words: str):
    async def fail(request: Request) -> PlainTextResponse:
        raise error

    routes = [Route("/gradio_api/upload", fail, methods=["POST"])]
    response = TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)])).post("/gradio_api/upload")
    assert (response.status_code, response.text) == (507, f"The server has {words} left; try again later")


def test_browsers_are_bound():
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
    assert Guard.as_middleware().kwargs == {"rate": expected, "forwarded": bool(space)}


def test_nonsense_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(RATE_VARIABLE, "many")
    with pytest.raises(ValueError, match=r"COLORIZER_RATE must be a number of requests a minute.*got 'many'"):
        Guard.as_middleware()


def test_a_full_disk_is_told():
    async def store(request: Request) -> PlainTextResponse:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/secret")

    app = Starlette(routes=[Route("/{path:path}", store, methods=["POST"])], middleware=[Middleware(Guard)])
    response = TestClient(app).post("/gradio_api/upload", content=b"image")
    assert response.status_code == 507
    assert "no space on the disk left" in response.text
    assert "secret" not in response.text
