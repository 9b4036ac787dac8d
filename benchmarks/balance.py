"""Two copies of the demo behind nginx: ``python benchmarks/balance.py``; needs nginx.

Visitors with addresses of their own upload a photo, ask for its colors and fetch the picture, once as
``benchmarks/nginx.conf`` has it, a visitor always with the same copy, and once with each request to the next copy. The
record goes to ``benchmarks/results/balance.json``; the process ends with 1 unless all visitors of the first got a color
picture.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from demo_server import ROOT, DemoServer, Page, free_port, serve

from colorizer.images import decode_image, has_color
from colorizer.records import describe_machine, describe_versions

CONFIGURATION = ROOT / "benchmarks/nginx.conf"
STICKY = "hash $remote_addr consistent;"
PHOTO = ROOT / "samples/photos/cat.jpg"


@contextmanager
def balance(place: Path, nginx: str, copies: list[DemoServer], sticky: bool) -> Iterator[str]:
    """Run nginx before copies of the demo, with the configuration's ports changed; give its address."""
    port, text = free_port(), CONFIGURATION.read_text()
    ports = {"7860": str(port)} | {f"786{i}": server.url.rpartition(":")[2] for i, server in enumerate(copies, 1)}
    text = re.sub(r"\b786\d\b", lambda match: ports[match[0]], text)
    text = text if sticky else text.replace(STICKY, "")
    configuration = place / "nginx.conf"
    configuration.write_text(f"pid {place}/nginx.pid;\n" + text)
    command = [nginx, "-c", str(configuration), "-e", str(place / "nginx.log"), "-g", "daemon off;"]
    process = subprocess.Popen(command)
    try:
        time.sleep(2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def visit(url: str, page: Page, visitor: int) -> str:
    """Do what the page does when a photo is dropped; tell what came of it."""
    session = uuid4().hex
    transport = httpx.HTTPTransport(local_address=f"127.0.1.{visitor + 1}")
    with httpx.Client(base_url=f"{url}/gradio_api", transport=transport, timeout=120) as client:
        path = client.post("/upload", files={"files": (PHOTO.name, PHOTO.read_bytes())}).json()[0]
        asked = client.post("/queue/join", json=page.ask(path, session))
        if asked.status_code != 200:
            return "question refused"
        with client.stream("GET", "/queue/data", params={"session_hash": session}) as events:
            event: dict[str, Any] = {}
            with suppress(httpx.RemoteProtocolError):  # A copy that was asked nothing ends the stream in the middle.
                for line in events.iter_lines():
                    event = json.loads(line[6:]) if line.startswith("data: ") else {}
                    if event.get("msg") == "process_completed":
                        break
            if event.get("msg") != "process_completed":
                return "no answer"
        if not event["success"]:
            return "answer is an error"
        fetched = client.get(f"/file={page.result(event['output'])}")
        if fetched.status_code != 200:
            return "picture not found"
        return "color picture" if has_color(decode_image(fetched.content)) else "picture without color"


def main() -> int:
    """Try both, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/balance.json")
    options = parser.parse_args()
    outcomes: dict[str, Counter[str]] = {}
    tracebacks: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place, name) for name in ("first", "second", "nginx")]
        for folder in folders:
            folder.mkdir()
        with serve(folders[0]) as first, serve(folders[1]) as second:
            page = Page.of(first)
            for name, sticky in (("a visitor stays with a copy", True), ("each request to the next copy", False)):
                with balance(folders[2], options.nginx, [first, second], sticky) as url:
                    outcomes[name] = Counter(visit(url, page, i) for i in range(options.visitors))
                logged = sum(server.log.read_text().count("Traceback") for server in (first, second))
                tracebacks[name] = logged - sum(tracebacks.values())
    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True, check=True).stderr
    record = {
        "visitors": options.visitors,
        "outcomes": outcomes,
        "tracebacks in the copies' logs": tracebacks,
        "machine": describe_machine(),
        "versions": {**describe_versions("gradio"), "nginx": version.strip().rpartition("/")[2]},
    }
    text = json.dumps(record, indent=2)
    print(text)
    options.output.write_text(text + "\n")
    kept = "a visitor stays with a copy"
    return 0 if outcomes[kept] == {"color picture": options.visitors} and not tracebacks[kept] else 1


if __name__ == "__main__":
    sys.exit(main())
