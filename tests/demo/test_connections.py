"""A server with many idle connections has room for the next visitor."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from threading import Thread

import httpx
import pytest
import uvicorn
from conftest import free_port
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from colorizer.demo.connections import limit_connections, name_visitor


@contextlib.contextmanager
def _serve(**bounds) -> Iterator[int]:
    port = free_port()
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"))])
    config = uvicorn.Config(app, port=port, log_level="critical")
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    limit_connections(config, **bounds)
    yield port
    server.should_exit = True
    thread.join()


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(30)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_silent_connections_are_few_and_end():
    with _serve(max_pending=3, timeout=1) as port, contextlib.ExitStack() as stack:
        pending = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(4)]
        pending[0].sendall(b"GET / HTTP/1.1\r\nHost: ")  # The head never ends.
        assert _is_closed(pending[0])  # At once; the others after the timeout.
        assert httpx.get(f"http://127.0.0.1:{port}").text == "here"
        assert all(map(_is_closed, pending[1:]))
        # Connections that sent a request no longer count, and are not closed.
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(5):
                assert client.get("/").text == "here"


def test_connection_with_headers_is_not_dropped():
    with _serve(max_pending=3, timeout=0.2) as port, socket.create_connection(("127.0.0.1", port)) as spoken:
        spoken.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        time.sleep(0.6)
        spoken.sendall(b"12345")
        assert spoken.recv(8).startswith(b"HTTP/1.1")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("2a00:1450:4001:800::200e", "2a00:1450:4001:800::/64"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("testclient", "testclient"),
    ],
)
def test_ipv6_addresses_are_grouped_by_64_prefix(address: str, name: str):
    assert name_visitor(address) == name
