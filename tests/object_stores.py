"""Local servers with the protocols of object stores."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from conftest import free_port


@contextmanager
def serve_s3(bucket: str, log: Path) -> Iterator[dict[str, str]]:
    """Start an S3 server with an empty bucket; return the environment variables to reach it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    make_bucket = Request(f"{address}/{bucket}", method="PUT")
    with _serve(["moto.server", "-H", "127.0.0.1", "-p", str(port)], make_bucket, log):
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def serve_gs(bucket: str, log: Path) -> Iterator[dict[str, str]]:
    """Start a Google Cloud Storage server, otherwise as `serve_s3`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = ["gcp_storage_emulator", "start", "--in-memory", "--host", "127.0.0.1", "--port", str(port)]
    with _serve([*command, "--default-bucket", bucket], Request(f"{address}/storage/v1/b/{bucket}"), log):
        yield {"STORAGE_EMULATOR_HOST": address}


@contextmanager
def _serve(command: list[str], first: Request, log: Path) -> Iterator[None]:
    """Run a module as a server, and wait until it has answered a request."""
    with log.open("w") as output:
        server = subprocess.Popen([sys.executable, "-m", *command], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 400
        while True:
            try:
                urlopen(first, timeout=10).close()
                break
            except URLError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server does not start:\n{log.read_text()}") from None
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)
