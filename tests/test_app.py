"""The demo's server, through Gradio's client."""

import io
import json
import os
import re
import subprocess
import threading
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr
import httpx
import numpy as np
import pytest
from conftest import ROOT, encode, random_images
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from benchmarks.demo_server import Page
from colorizer import Colorizer, decode_image
from colorizer.demo.errors import find_upload
from colorizer.imaging.decode import decode_with_metadata
from colorizer.imaging.metadata import read_settings


@pytest.fixture(scope="module")
def client(demo_url: str) -> Client:
    return Client(demo_url, verbose=False)


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


def _colorize(client: Client, path: Path) -> Path:
    return Path(client.predict(handle_file(str(path)), api_name="/colorize"))


def _huge_png(side: int) -> bytes:
    """Write a few kilobytes that claim side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = side.to_bytes(4) + side.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["samples/cifar10/00_cat.png", "samples/photos/cat.jpg"])
def test_colorize_is_the_colorizer(client: Client, colorizer: Colorizer, name: str):
    result = _colorize(client, ROOT / name)
    assert result.name == f"{Path(name).stem}-color.png"
    np.testing.assert_array_equal(decode_image(result), colorizer.colorize(ROOT / name))


def test_settings_by_name(client: Client):
    photo = ROOT / "samples/photos/cat.jpg"
    settings = {"model": "autoencoder", "vividness": 0.5, "detail": 64}
    result = client.predict(handle_file(str(photo)), **settings, api_name="/colorize")
    np.testing.assert_array_equal(decode_image(result), Colorizer.load("autoencoder").colorize(photo))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "gan"}, "available: unet, autoencoder"),
        ({"vividness": 1.5}, "vividness must be from 0 to 1, got 1.5"),
        ({"detail": 100_000}, "detail must be from 32 to 256, got 100000"),
        ({"detail": "many"}, "detail must be from 32 to 256, got 'many'"),
        ({"vividness": True}, "vividness must be from 0 to 1, got True"),
        ({"reach": 2}, "reach must be from 0 to 1, got 2"),
        ({"hints": [[1, 2]]}, "each hint must be"),
        ({"hints": [[1, 2, "red"]]}, "a hint's color must be #RRGGBB"),
        ({"hints": [[9999, 2, "#ff0000"]]}, "lies outside the image"),
        ({"hints": 5}, "hints must be a list"),
    ],
)
def test_bad_settings_get_a_sentence(client: Client, settings: dict, message: str):
    with pytest.raises(AppError, match=message):
        client.predict(handle_file(str(ROOT / "samples/photos/cat.jpg")), **settings, api_name="/colorize")


def _unusual() -> dict[str, bytes]:
    rgb = random_images(1, 41)[0, :29]
    rotated = Image.Exif()
    rotated[274] = 6
    deep = np.random.default_rng(0).integers(0, 65536, (17, 23), dtype=np.uint16)
    cmyk = np.concatenate([rgb, rgb[..., :1]], axis=2)
    return {
        "transparent.png": encode(np.dstack([rgb, rgb[..., 0]])),
        "animated.gif": encode(rgb, "GIF", save_all=True, append_images=[Image.fromarray(rgb[::-1])]),
        "deep.png": encode(deep),
        "rotated.jpg": encode(rgb, "JPEG", exif=rotated),
        "cmyk.jpg": _encode_cmyk(cmyk),
        "scan.tiff": encode(rgb, "TIFF"),
        "phone.heic": encode(rgb, "HEIF", quality=90),
        "one.png": encode(rgb[:1, :1]),
        "straße (1).png": encode(rgb),
    }


def _encode_cmyk(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array, "CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", _unusual())
def test_unusual_images(client: Client, colorizer: Colorizer, tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(_unusual()[name])
    np.testing.assert_array_equal(decode_image(_colorize(client, path)), colorizer.colorize(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", "empty"),
        ("notes.png", b"these are words, not pixels", "not an image"),
        ("cut.png", encode(random_images(1)[0])[:500], "damaged"),
        ("huge.png", _huge_png(9_500), "limit is 50"),
        ("bomb.png", _huge_png(20_000), "limit is 50"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    ],
)
def test_bad_images_get_a_sentence(client: Client, tmp_path: Path, name: str, content: bytes, message: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        _colorize(client, path)
    assert str(caught.value).startswith(name)
    assert message in str(caught.value)
    assert "/" not in str(caught.value)


@pytest.mark.parametrize("models", [["autoencoder"], ["autoencoder", "unet"]])
def test_models_are_a_choice_only_if_several(
    models: list[str], colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    from colorizer.demo.page import build_demo

    components = build_demo(dict.fromkeys(models, colorizer)).get_config_file()["components"]
    [stage] = [component["props"] for component in components if component["props"].get("elem_id") == "stage"]
    assert [each["name"] for each in stage["props"]["options"]["models"]] == models
    [choice] = [component["props"] for component in components if component["props"].get("elem_id") == "batch-model"]
    assert [value for _, value in choice["choices"]] == models
    assert choice["visible"] is (len(models) > 1)


def test_opening_the_page_does_not_use_the_queue(demo_url: str):
    events = httpx.get(f"{demo_url}/config").json()["dependencies"]
    opening = [event for event in events if any(name == "load" for _, name in event["targets"])]
    assert opening
    assert not any(event["queue"] for event in opening)


def test_public_endpoints(client: Client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(named) == ["/colorize", "/versions", "/colorize_batch"]


def test_emptied_numbers_have_their_defaults(client: Client, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    result = client.predict(handle_file(str(photo)), vividness=None, detail=None, api_name="/colorize")
    np.testing.assert_array_equal(decode_image(result), colorizer.colorize(photo))


def test_hints_and_versions(client: Client, colorizer: Colorizer):
    photo = ROOT / "samples/photos/cat.jpg"
    hinted = client.predict(handle_file(str(photo)), hints=[[225, 60, "#3a6b35"]], reach=0.8, api_name="/colorize")
    expected = colorizer.colorize(photo, hints=[(225, 60, "#3a6b35")], reach=0.8)
    np.testing.assert_array_equal(decode_image(hinted), expected)
    found = client.predict(handle_file(str(photo)), count=2, seed=1, api_name="/versions")
    expected = colorizer.colorize_alternatives(photo, 2, seed=1)
    for path, version in zip(found, expected, strict=True):
        np.testing.assert_array_equal(decode_image(path), version)
    with pytest.raises(AppError, match="count must be a whole number from 1 to 4, got 5"):
        client.predict(handle_file(str(photo)), count=5, api_name="/versions")


_BODIES: list = [
    None,
    [],
    {},
    {"photo": "cat.jpg"},
    {"photo": {"example": "../cat"}},
    {"photo": {"example": ["lady"]}},
    {"photo": {"path": "/etc/passwd"}},
    {"photo": {"path": "a\0b"}},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": "none"},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [{"x": "left", "y": 0, "color": "#000000"}]},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [{"x": 0.5, "y": 0.5}]},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [], "version": [[0, 0, "x", 0]]},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [], "version": [[0, 0, 1e300, 0]]},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [], "drawn": "many"},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [], "drawn": -(10**30)},
    {"photo": {"example": "cat"}, "model": "unet", "dabs": [], "current": 10**30, "vividness": "x"},
]


@pytest.mark.parametrize("body", _BODIES)
def test_invalid_requests_of_the_page_are_refused(demo_url: str, body: object):
    """No traceback in the log, which the fixture checks, and no path in the response."""
    config = httpx.get(f"{demo_url}/config").json()
    [stage] = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "stage"]
    for event in config["dependencies"]:
        if event["targets"] and event["targets"][0][0] == stage and event["backend_fn"]:
            session = {"session_hash": "nonsense", "fn_index": event["id"], "data": [body]}
            httpx.post(f"{demo_url}/gradio_api/queue/join", json=session, timeout=400).raise_for_status()
            response = httpx.get(f"{demo_url}/gradio_api/queue/data", params={"session_hash": "nonsense"}, timeout=400)
            assert '"success":true' in response.text
            assert '"error":' in response.text or '"colors":[]' in response.text or "drawn" in str(body)
            assert str(ROOT) not in response.text


def test_colorize_batch(client: Client, colorizer: Colorizer, tmp_path: Path):
    broken = tmp_path / "broken_*a*.png"
    broken.write_bytes(b"words")
    samples = [ROOT / "samples/cifar10/00_cat.png", broken, ROOT / "samples/cifar10/01_ship.png"]
    files = [handle_file(str(path)) for path in samples]
    archive, report = client.predict(files, vividness=0.5, api_name="/colorize_batch")
    # Plain text, with names as they are.
    assert re.fullmatch(r"2 of 3 colorized\nbroken_.*\.png: \S.* is not an image.*", report)
    assert "\\" not in report
    with zipfile.ZipFile(archive) as results:
        assert results.namelist() == ["00_cat-color.png", "01_ship-color.png", "report.csv"]
        result, metadata = decode_with_metadata(results.read("00_cat-color.png"))
    assert len(read_settings(metadata["xmp"])) == 64
    np.testing.assert_array_equal(result, colorizer.colorize(samples[0], vividness=0.5))


def test_batch_of_too_many_gets_a_sentence(client: Client, tmp_path: Path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(51):
            archive.writestr(f"{i}.png", b"")
    with pytest.raises(AppError, match="51 images are too many at once; the limit is 50"):
        client.predict([handle_file(str(bomb))], api_name="/colorize_batch")


def _examples(kind: str, demo_url: str) -> list[str]:
    from colorizer.demo.tabs.about import API

    texts = (API, (ROOT / "docs/usage.md").read_text())
    found = [example for text in texts for example in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)]
    found = [example for example in found if "http://127.0.0.1:7860" in example]
    assert found
    return [example.replace("http://127.0.0.1:7860", demo_url) for example in found]


def test_python_examples_of_the_api(demo_url: str, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    for example in _examples("py", demo_url):
        names: dict = {}
        exec(example, names)
        expected = colorizer.colorize("samples/photos/cat.jpg", vividness=0.5)
        np.testing.assert_array_equal(decode_image(names["png"]), expected)
        if "archive" in names:
            with zipfile.ZipFile(names["archive"]) as archive:
                assert archive.namelist() == ["cat-color.jpg", "rocket-color.jpg", "report.csv"]


def test_shell_example_of_the_api(demo_url: str, colorizer: Colorizer, tmp_path: Path):
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    for example in _examples("sh", demo_url):
        subprocess.run(["bash", "-euc", example], cwd=tmp_path, check=True, timeout=400)
        expected = colorizer.colorize(ROOT / "samples/photos/cat.jpg", vividness=0.5)
        np.testing.assert_array_equal(decode_image(tmp_path / "cat-color.png"), expected)


def test_proxy_routes_get_403(demo_url: str):
    assert httpx.get(f"{demo_url}/gradio_api/file=https://example.org/").status_code == 403
    assert httpx.get(f"{demo_url}/gradio_api/file/https://example.org/x.png").status_code == 403
    assert httpx.get(f"{demo_url}/gradio_api/proxy=https://x.hf.space/").status_code == 403


_META = {"meta": {"_type": "gradio.FileData"}}  # Gradio recognizes files only with this.


def _ask_each(demo_url: str, file: dict[str, Any]) -> list[str]:
    """Request a file from each endpoint that takes images; ``refused`` if there is no result."""
    responses = []
    endpoints = httpx.get(f"{demo_url}/gradio_api/info").json()["named_endpoints"]
    for name in ("/colorize", "/versions", "/colorize_batch"):
        data = [parameter["parameter_default"] for parameter in endpoints[name]["parameters"]]
        data[0] = [file] if name == "/colorize_batch" else file
        joined = httpx.post(f"{demo_url}/gradio_api/call{name}", json={"data": data})
        if joined.status_code == 200:
            event = joined.json()["event_id"]
            responses.append(httpx.get(f"{demo_url}/gradio_api/call{name}/{event}", timeout=400).text)
        else:
            assert joined.status_code == 403
            responses.append("refused")
    return [*responses, _ask_as_page(demo_url, file)]


def _ask_as_page(demo_url: str, file: dict[str, Any]) -> str:
    """Ask as the page itself does: Gradio takes its request for JSON, in which it looks for no files."""
    body = Page(httpx.get(f"{demo_url}/config").json()).ask("", uuid4().hex)
    body["data"][0]["photo"] = file
    joined = httpx.post(f"{demo_url}/gradio_api/queue/join", json=body)
    if joined.status_code == 403:
        return "refused"
    address = f"{demo_url}/gradio_api/queue/data?session_hash={body['session_hash']}"
    with httpx.stream("GET", address, timeout=400) as events:
        messages = (json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: "))
        done = next(message for message in messages if message["msg"] == "process_completed")
    colored = done["success"] and "after" in done["output"]["data"][0]
    return "event: complete" if colored else "event: error"


def test_each_endpoint_shows_what_was_uploaded(demo_url: str):
    """The same requests work for a file of the demo, so the next tests can't pass for another reason."""
    photo = encode(random_images(1)[0])
    (path,) = httpx.post(f"{demo_url}/gradio_api/upload", files={"files": ("a.png", photo)}).json()
    for response in _ask_each(demo_url, {"path": path, **_META}):
        assert "event: complete" in response


@pytest.mark.parametrize("place", ["/etc/passwd", "../../../etc/passwd", "app.py", "image", "of the project"])
def test_server_gives_no_foreign_file(demo_url: str, tmp_path: Path, place: str):
    outside = tmp_path / "outside.png"
    outside.write_bytes(encode(random_images(1)[0]))
    path = {"image": str(outside), "of the project": str(ROOT / "docs/photo.jpg")}.get(place, place)
    assert httpx.get(f"{demo_url}/gradio_api/file={path}").status_code in (403, 404)
    for meta in (_META, {}):
        for response in _ask_each(demo_url, {"path": path, **meta}):
            assert "event: error" in response
            assert "event: complete" not in response


@pytest.mark.parametrize("name", ["nowhere.jpg", "private.jpg", "private", "pipe"])
def test_uploads_are_files_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """Responses reveal nothing about other files, not even whether they exist."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "demo"))
    (tmp_path / "demo").mkdir()
    (tmp_path / "private.jpg").write_bytes(encode(random_images(1)[0], "JPEG"))
    (tmp_path / "private").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "demo/link.jpg").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "demo/.." / name, tmp_path / "demo/link.jpg"):
        for upload in ({"path": str(path)}, {"path": [str(path)]}, str(path)):
            with pytest.raises(gr.Error, match="Upload an image file"):
                find_upload(upload)
    (tmp_path / "demo/photo.jpg").write_bytes(b"")
    assert find_upload({"path": str(tmp_path / "demo/photo.jpg")}) == (tmp_path / "demo/photo.jpg").resolve()


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """Serve an image on this machine: its address, and the list of requests."""
    requested: list[str] = []
    image = encode(random_images(1)[0])

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.send_header("content-length", str(len(image)))
            self.end_headers()
            self.wfile.write(image)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requested
        server.shutdown()


def test_server_fetches_no_address(demo_url: str, listener: tuple[str, list[str]]):
    address, requested = listener
    assert httpx.get(f"{address}/x.png").status_code == 200
    assert requested.pop() == "/x.png"
    for given in (f"{address}/x.png", f" {address}/x.png".upper(), "data:image/png;base64,AA"):
        for file in ({"path": given}, {"path": None, "url": given}, {"path": "", "url": given}):
            for response in _ask_each(demo_url, {**file, **_META}):
                # Gradio would fetch a path that is a URL, but not a `url` without a path.
                assert response == "refused" or ("event: error" in response and not file["path"])
                assert "event: complete" not in response
    httpx.get(f"{demo_url}/gradio_api/file={address}/x.png")
    httpx.get(f"{demo_url}/gradio_api/file/{address}/x.png")
    httpx.get(f"{demo_url}/gradio_api/proxy={address}/x.png")
    assert requested == []


def test_no_request_bypasses_the_queue(demo_url: str):
    """Otherwise, all would be processed at once, with all images in memory."""
    for name in ("colorize", "predict"):
        response = httpx.post(
            f"{demo_url}/gradio_api/run/{name}", json={"data": [None, "unet", 0.3, 96, []], "fn_index": 0}
        )
        assert response.status_code in (403, 404)


def test_html_as_upload_is_no_page(demo_url: str):
    sent = httpx.post(f"{demo_url}/gradio_api/upload", files={"files": ("page.html", b"<script>alert(1)</script>")})
    got = httpx.get(f"{demo_url}/gradio_api/file={sent.json()[0]}")
    assert got.headers["content-security-policy"].startswith("sandbox")
    assert "attachment" in got.headers["content-disposition"]


def test_large_upload_is_refused(demo_url: str):
    sent = httpx.post(f"{demo_url}/gradio_api/upload", files={"files": ("a.png", bytes(51_000_000))}, timeout=400)
    assert sent.status_code == 413


def test_photos_and_archives_as_large_as_films_are_refused(client: Client, tmp_path: Path):
    path = tmp_path / "large.png"
    path.write_bytes(bytes(20_000_001))
    for image, name in ((handle_file(path), "/colorize"), ([handle_file(path)], "/colorize_batch")):
        with pytest.raises(AppError, match=r"large\.png is 21 MB; the limit is 20 MB"):
            client.predict(image, api_name=name)
