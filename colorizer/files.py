"""Atomic file writes, SHA-256 digests, and the project's resource folders."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MAX_NAME_BYTES = 200  # Bytes, out of the 255 that most file systems allow.


def resource_folder(name: str) -> Path:
    """Return the folder ``checkpoints`` or ``samples``, in the installed package or at the root of the repository."""
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically, by renaming a temporary file beside it. Raises `OSError` if it can't be written."""
    temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # The name that the caller passed.
        raise


def sync(path: Path) -> None:
    """Flush a file or folder to disk, to survive a power failure, as far as the system supports it."""
    if os.name == "nt" and path.is_dir():
        return  # Windows can't open folders.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files that `write_whole` leaves beside its targets if its process is killed."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(_short(path.name))
    for folder, wanted in names.items():
        for leftover in folder.glob(".*.part"):
            if leftover.name[1:].rsplit(".", 2)[0] in wanted:
                leftover.unlink(missing_ok=True)


def _short(name: str) -> str:
    """Return a name, or its hash if it is too long to be extended."""
    return name if len(os.fsencode(name)) <= _MAX_NAME_BYTES else hashlib.sha256(os.fsencode(name)).hexdigest()


def sha256(content: bytes) -> str:
    """Compute the SHA-256 of some bytes, in hexadecimal, as recorded for files."""
    return hashlib.sha256(content).hexdigest()
