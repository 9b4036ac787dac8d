"""The machine: cores, package versions, and shortages of disk or memory in words."""

import errno
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2

_loud = 0  # OpenCV's log level before the first of the calls that silence it.
_quiet_calls = 0
_lock = threading.Lock()
_FULL = {errno.ENOSPC, errno.EDQUOT}


def describe_machine() -> str:
    """Describe the processor for a record of measurements."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def describe_versions(*packages: str) -> dict[str, str]:
    """List the versions of Python and of the packages that are installed."""
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
    """Count the cores that this process should use: those that ``OMP_NUM_THREADS`` grants, else all.

    Engines that run several workers on a machine, as Ray does, set that variable for each.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdecimal() and int(granted) > 0 else os.cpu_count() or 1


def describe_shortage(error: BaseException) -> str | None:
    """Name what has run out, "no memory" or "no space on the disk"; None if the error has another cause."""
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return "no memory"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "no space on the disk"
    return None


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's codecs from printing what errors say anyway; outside of this, the log level stays as it was.

    Any number of threads may be inside; the level is restored when the last one leaves.
    """
    global _loud, _quiet_calls
    log = cv2.utils.logging
    with _lock:
        if not _quiet_calls:
            _loud = log.setLogLevel(log.LOG_LEVEL_SILENT)
        _quiet_calls += 1
    try:
        yield
    finally:
        with _lock:
            _quiet_calls -= 1
            if not _quiet_calls:
                log.setLogLevel(_loud)
