"""Decode visitors' files in separate processes, and let one visitor at a time use the network.

A malicious file affects only its sender, who gets an error message: a process that crashes, or takes too much memory or
time, is replaced. Each visitor's files are decoded one at a time, and one more may wait.
"""

import atexit
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from colorizer.demo.connections import is_public, name_visitor
from colorizer.demo.processes import Watch, explain_end, spawn
from colorizer.imaging.child import MEMORY, SECONDS, unpack
from colorizer.imaging.decode import ImageError
from colorizer.imaging.metadata import Metadata

_PROCESSES = 2
_WALL_SECONDS = 60.0  # Seconds of wall-clock time for one file: a busy machine is slow.
_SPARE = 30_000_000  # Bytes beyond its limit at which a process is ended; normally the limit itself stops it first.


class _Child:
    """A process that decodes; started when first needed, and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._start = 0  # Resident memory in bytes.

    def decode(self, path: Path, max_pixels: int, seconds: int) -> tuple[NDArray[np.uint8], Metadata]:
        """Decode a file; raise `ImageError` also if the process crashed or had to be ended."""
        with tempfile.TemporaryDirectory(prefix="colorizer-") as folder:
            output = Path(folder) / "pixels.npy"
            request = {"path": str(path), "output": str(output), "max_pixels": max_pixels, "seconds": seconds}
            response = self._ask(request, path.name)
            if "error" in response:
                raise ImageError(*response["error"])
            if "missing" in response:
                raise FileNotFoundError(2, os.strerror(2), str(path))
            return np.load(output, allow_pickle=False), unpack(response["metadata"])

    def _ask(self, request: dict[str, Any], name: str) -> dict[str, Any]:
        process = self.start()
        if process.stdin is None or process.stdout is None:  # For the type checker; both are pipes.
            raise OSError("the decoding process has no pipes")
        line, ended = "", None
        try:
            if not self._start:
                process.stdout.readline()  # It is ready.
                self._start = psutil.Process(process.pid).memory_info().rss
            memory, seconds = self._start + MEMORY + _SPARE, request["seconds"] + 1
            with Watch(process.pid, memory, seconds, _WALL_SECONDS) as watch:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            ended = watch.ended
        except (BrokenPipeError, psutil.Error):  # It died while it was idle.
            pass
        if line:
            response: dict[str, Any] = json.loads(line)
            return response
        self.close()
        reason, advice = ended or explain_end(process.wait())
        raise ImageError(f"{name} {reason}", advice)

    def start(self) -> "subprocess.Popen[str]":
        """Start the process unless it is running."""
        if self._process is None or self._process.poll() is not None:
            self._process = spawn("colorizer.imaging.child", text=True)
            self._start = 0
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class DecoderPool:
    """A fixed number of processes, at most one per visitor; one more file of each visitor may wait."""

    def __init__(self, count: int) -> None:
        self._free: queue.LifoQueue[_Child] = queue.LifoQueue()  # Last used first: it is warmed up.
        self.children = [_Child() for _ in range(count)]
        for child in self.children:
            self._free.put(child)
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def take(self, visitor: str) -> Iterator[_Child]:
        """Wait for a process; raise `ImageError` if the visitor is using one and has another file waiting."""
        with self._lock:
            turn, waiting = self._turns.get(visitor, (threading.Lock(), 0))
            if waiting >= 2:
                raise ImageError("two of your files are still being read", "wait for them to finish first")
            self._turns[visitor] = turn, waiting + 1
        try:
            with turn:
                child = self._free.get()
                try:
                    yield child
                finally:
                    self._free.put(child)
        finally:
            with self._lock:
                turn, waiting = self._turns[visitor]
                self._turns[visitor] = turn, waiting - 1
                if waiting == 1:
                    del self._turns[visitor]

    def close(self) -> None:
        """End all processes."""
        for child in self.children:
            child.close()


_POOL = DecoderPool(_PROCESSES)
atexit.register(_POOL.close)


def start() -> None:
    """Start the processes, so that the first visitor doesn't wait for them."""
    for child in _POOL.children:
        child.start()


def decode(source: Path | bytes, max_pixels: int, *, seconds: int = SECONDS) -> tuple[NDArray[np.uint8], Metadata]:
    """Decode a visitor's file in a separate process, as `colorizer.imaging.decode.decode_with_metadata` does.

    Raises
    ------
    ImageError
        If the file can't be decoded, or would take too much memory or time.
    FileNotFoundError
        If the file has been deleted.
    """
    with _POOL.take(_visitor()) as child:
        if not isinstance(source, bytes):
            return child.decode(source, max_pixels, seconds)
        with tempfile.TemporaryDirectory(prefix="colorizer-") as folder:
            path = Path(folder) / "the image"  # Error messages use this name.
            path.write_bytes(source)
            return child.decode(path, max_pixels, seconds)


def _visitor() -> str:
    """Identify the visitor by address, or by session behind a proxy; empty outside of a request."""
    # Imported here, since the processes start while Gradio is still being imported.
    from gradio.context import LocalContext

    request = LocalContext.request.get(None)
    if request is None:
        return ""
    host = str(getattr(getattr(request, "client", None), "host", "") or "")
    if is_public(host):
        return name_visitor(host)
    return f"{host} {getattr(request, 'session_hash', '') or ''}"


class LockedModel:
    """A model that only one thread uses at a time; everything else about a visitor's photo runs in parallel."""

    _lock = threading.Lock()  # Shared by all models: a network uses all cores.

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        return self._locked(value) if callable(value) else value

    def _locked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            with self._lock:
                return method(*args, **options)

        return call
