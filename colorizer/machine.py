"""Information on the machine: cores, package versions, and shortages of disk or memory."""

import errno
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2

_log_level = 0  # OpenCV's log level outside of `quiet_opencv`.
_quiet_calls = 0
_lock = threading.Lock()
_redirecting = threading.RLock()  # Two threads that redirect standard error at the same time could not restore it.
_FULL = {errno.ENOSPC, errno.EDQUOT}


def describe_machine() -> str:
    """Describe the processor for a record of measurements."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def describe_versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of those of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        names = ("tensorflow-cpu", "tensorflow") if package == "tensorflow" else (package,)
        for name in names:
            try:
                versions[package] = version(name)
                break
            except PackageNotFoundError:
                continue
    return versions


def count_cores() -> int:
    """Return the number of cores that this process should use: ``OMP_NUM_THREADS`` if it is set, else all.

    Engines that run several workers on a machine, such as Ray, set that variable for each.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() and int(threads) > 0 else os.cpu_count() or 1


def describe_shortage(error: BaseException) -> str | None:
    """Return what has run out, "no memory" or "no disk space"; None if the error has another cause."""
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return "no memory"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "no disk space"
    return None


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log in a block, since its codecs print what errors already say.

    Thread-safe: the log level is restored when the last thread leaves.
    """
    global _log_level, _quiet_calls
    log = cv2.utils.logging
    with _lock:
        if not _quiet_calls:
            _log_level = log.setLogLevel(log.LOG_LEVEL_SILENT)
        _quiet_calls += 1
    try:
        yield
    finally:
        with _lock:
            _quiet_calls -= 1
            if not _quiet_calls:
                log.setLogLevel(_log_level)


@contextmanager
def quiet_stderr(*, even_on_error: bool = False) -> Iterator[None]:
    """Suppress output of native code on standard error, unless an error is raised or even then."""
    if sys.stderr is None:  # It is closed, and another file may have its descriptor by now.
        yield
        return
    sys.stderr.flush()
    with _redirecting, tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            if not even_on_error:
                held.seek(0)
                os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
