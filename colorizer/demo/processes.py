"""Separate processes for untrusted files, and limits on their resources."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import psutil

_POLL_SECONDS = 0.05  # Seconds between two checks of a process.
# Why a process was ended, and what to do.
_LARGE = "takes too much memory to decode", "make it smaller first"
_SLOW = "takes too long to decode", "save it again with standard settings, or make it smaller first"


def spawn(module: str, **options: Any) -> "subprocess.Popen[Any]":
    """Start a module of this project in a process with pipes for input and output; options are those of `Popen`."""
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Few arenas: each reserves address space, which is limited.
        env={**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"},
        **options,
    )


@dataclass
class Watch:
    """Ends a process that uses too much: the system's own limits don't exist everywhere, or for everything.

    Attributes
    ----------
    number : int
        ID of the process.
    memory : int
        Limit of its resident memory, in bytes.
    seconds : float
        Limit of its processor time, from now on.
    wall_seconds : float
        Limit of wall-clock time, in seconds.
    ended : (str, str), optional
        Why it was ended, and what to do about that; None if it wasn't.
    """

    number: int
    memory: int
    seconds: float
    wall_seconds: float
    ended: tuple[str, str] | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        waited = 0.0
        try:
            process = psutil.Process(self.number)
            worked = sum(process.cpu_times()[:2])
            while not self._done.wait(_POLL_SECONDS):
                waited += _POLL_SECONDS
                if process.memory_info().rss > self.memory:
                    self.ended = _LARGE
                elif sum(process.cpu_times()[:2]) - worked > self.seconds or waited > self.wall_seconds:
                    self.ended = _SLOW
                if self.ended:
                    process.kill()
                    return
        except psutil.Error:
            return  # It has ended by itself.


def explain_end(code: int) -> tuple[str, str]:
    """Explain the end of a process that wasn't ended by `Watch`: why, and what to do about that."""
    if sys.platform != "win32":
        import signal

        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return _SLOW
    return "can't be decoded; it may be damaged, or need too much memory", ""
