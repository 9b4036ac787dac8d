"""Run the demo in a separate process, for benchmarks that simulate visitors."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

import psutil

from colorizer.inference.checkpoint import DEFAULT_MODEL
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class DemoServer:
    """A running demo.

    Attributes
    ----------
    url : str
        Its address.
    process : psutil.Process
        The process that serves it.
    files : pathlib.Path
        The folder that visitors' files go to.
    log : pathlib.Path
        What it prints.
    """

    url: str
    process: psutil.Process
    files: Path
    log: Path


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(folder: Path, **environment: str) -> Iterator[DemoServer]:
    """Start the demo on loopback as a user does, with its files in a folder; stop it at the end."""
    port, log = free_port(), folder / "server.log"
    private = ("COLORIZER_DATA", "COLORIZER_RATE", "SPACE_ID")
    kept = {name: value for name, value in os.environ.items() if name not in private}
    own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": str(folder / "files")}
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env={**kept, **own, **environment}, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}"
        while f"The demo is at {url}" not in log.read_text():
            if server.poll() is not None:
                raise RuntimeError(f"the demo does not start: {log.read_text()}")
            time.sleep(0.05)
        yield DemoServer(url, psutil.Process(server.pid), folder / "files", log)
    finally:
        server.terminate()
        server.wait(timeout=60)


class Page:
    """The page's request for a dropped photo, and the response."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Find the numbers of the event and its widgets in the page's configuration."""
        widgets = {widget["props"].get("elem_id"): widget["id"] for widget in config["components"]}
        self._stage = widgets["stage"]
        [event] = [event for event in config["dependencies"] if [self._stage, "input"] in event["targets"]]
        self._event = event["id"]

    @classmethod
    def of(cls, server: DemoServer) -> "Page":
        """Ask a server for its page."""
        with urlopen(f"{server.url}/config") as response:
            return cls(json.load(response))

    def ask(self, path: str, session: str) -> dict[str, Any]:
        """Ask for the colors of an uploaded file: the body of ``queue/join``."""
        settings = {"model": DEFAULT_MODEL, "vividness": DEFAULT_VIVIDNESS}
        return {
            "data": [{"id": 1, "photo": {"path": path, "name": "photo.jpg"}, "dabs": [], **settings}],
            "event_data": None,
            "fn_index": self._event,
            "trigger_id": self._stage,
            "session_hash": session,
        }

    def result(self, response: dict[str, Any]) -> str:
        """Find the path of the colorized picture in a response."""
        return unquote(str(response["data"][0]["after"]).partition("file=")[2])
