"""Storage of images and results: folders on this machine, and buckets of object stores.

A place on disk is a `pathlib.Path`; one in a bucket is a URL, ``s3://BUCKET/...`` or ``gs://BUCKET/...``, as `str`.
Buckets are accessed through `pyarrow.fs`, with the same credentials, region and address as the providers' own tools
(``AWS_ENDPOINT_URL``; ``STORAGE_EMULATOR_HOST`` for a server without credentials). pyarrow is imported on first use.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from colorizer.files import write_whole

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Place = Path | str
"""A file or folder: a path, or the address of an object."""

SCHEMES = ("s3", "gs")
"""Object stores that can be read and written."""


class Entry(NamedTuple):
    """A file in a folder: its name, and its size in bytes."""

    name: str
    size: int


def parse_place(text: str) -> Place:
    """Parse a path or a URL; raise `ValueError` for a URL of another scheme."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Path(text)
    if scheme not in SCHEMES or not rest.strip("/"):
        known = ", ".join(f"{name}://BUCKET/..." for name in SCHEMES)
        raise ValueError(f"can't use {text}: give a path, or one of {known}")
    return f"{scheme}://{rest.strip('/')}"


def join_place(folder: Place, relative: PurePath) -> Place:
    """Join a folder and the relative path of a file or folder in it."""
    return folder / relative if isinstance(folder, Path) else "/".join([folder, *relative.parts])


def real_path(path: Place) -> Path:
    """Resolve the links of a path; unlike `pathlib.Path.resolve`, don't raise if they form a loop."""
    return Path(os.path.realpath(path))


def lies_within(place: Place, folder: Place) -> bool:
    """Whether a place is the given folder or lies in it."""
    if isinstance(place, Path) and isinstance(folder, Path):
        return real_path(place).is_relative_to(real_path(folder))
    return isinstance(place, str) and isinstance(folder, str) and f"{place}/".startswith(f"{folder}/")


def is_folder(place: Place) -> bool:
    """Whether a folder exists; in a bucket, whether there is anything in it."""
    if isinstance(place, Path):
        return place.is_dir()
    from pyarrow.fs import FileType

    filesystem, path = _open(place)
    return bool(filesystem.get_file_info(path).type == FileType.Directory)


def list_folder(folder: Place) -> tuple[list[Entry], list[str]]:
    """List the files of a folder and the names of its subfolders, sorted; both are empty if it doesn't exist.

    Symbolic links to folders are left out, since they may form a loop.
    """
    files: list[Entry] = []
    folders: set[str] = set()
    if isinstance(folder, Path):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir():
                folders.update(() if path.is_symlink() else (path.name,))
            elif path.is_file():
                files.append(Entry(path.name, path.stat().st_size))
        return sorted(files), sorted(folders)
    from pyarrow.fs import FileSelector, FileType

    filesystem, base = _open(folder)
    # On gs://, pyarrow lists a subfolder only if it was created as an object; most are only prefixes of names.
    selector = FileSelector(base, allow_not_found=True, recursive=folder.startswith("gs://"))
    for info in filesystem.get_file_info(selector):
        name, _, rest = info.path.removeprefix(base).strip("/").partition("/")
        if rest or (name and info.type == FileType.Directory):
            folders.add(name)
        elif info.type == FileType.File:
            files.append(Entry(name, info.size))
    return sorted(files), sorted(folders)


def modified(place: Place) -> int:
    """Return when a file was last modified, in nanoseconds since the epoch; raise `OSError` if it doesn't exist."""
    if isinstance(place, Path):
        return place.stat().st_mtime_ns
    filesystem, path = _open(place)
    return int(filesystem.get_file_info(path).mtime_ns or 0)


def read_ends(place: Place, reach: int) -> tuple[bytes, bytes]:
    """Read up to `reach` bytes at the beginning and at the end of a file; raise `OSError` if it can't be read."""
    if isinstance(place, Path):
        with place.open("rb") as file:
            begin = file.read(reach)
            file.seek(max(file.seek(0, os.SEEK_END) - reach, 0))
            return begin, file.read()
    filesystem, path = _open(place)
    with _named(place), filesystem.open_input_file(path) as file:
        size = file.size()
        return bytes(file.read_at(min(reach, size), 0)), bytes(file.read_at(min(reach, size), max(size - reach, 0)))


def fetch(source: Place) -> Path | bytes:
    """Return a path unchanged, or read an object; raise `OSError` if it can't be read."""
    if isinstance(source, Path):
        return source
    filesystem, path = _open(source)
    with _named(source), filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def put(target: Place, content: bytes) -> None:
    """Write a result atomically, and create its folder if needed; raise `OSError` if that fails."""
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
        return
    filesystem, path = _open(target)
    # An object becomes visible only once it is complete.
    with _named(target), filesystem.open_output_stream(path) as stream:
        stream.write(content)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Add the name of a missing object to errors: those of ``gs://`` lack it."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "there is no such bucket or object", place) from error


def _open(address: str) -> tuple["FileSystem", str]:
    scheme, _, path = address.partition("://")
    return _filesystem(scheme, path.split("/")[0]), path


def _filesystem(scheme: str, bucket: str) -> "FileSystem":
    return _connect(scheme, bucket, os.environ.get({"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST"}[scheme]))


@lru_cache
def _connect(scheme: str, bucket: str, endpoint: str | None) -> "FileSystem":
    """Connect to a bucket; pyarrow reads only the endpoint of S3 from the environment."""
    from pyarrow.fs import FileSystem

    if scheme == "gs" and endpoint:
        host = quote(endpoint.removeprefix("http://"), safe="")
        return FileSystem.from_uri(f"gs://anonymous@{bucket}?scheme=http&endpoint_override={host}")[0]
    return FileSystem.from_uri(f"{scheme}://{bucket}")[0]
