"""Many images at once: files and ZIP archives in, one ZIP archive with the results and a report out."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.decode import ImageError, decode_with_metadata, readable_extensions
from colorizer.imaging.encode import EXTENSIONS, choose_ending, encode_image
from colorizer.machine import name_lack

REPORT = "report.csv"


class ArchiveError(ValueError):
    """What was brought is too much, or an archive that can't be read; the message says what the limit is."""


@dataclass(frozen=True)
class Limits:
    """What is taken at once: so many images, with so many bytes together once they are unpacked."""

    images: int = 50
    total_bytes: int = 100_000_000
    pixels: int = 50_000_000


@dataclass(frozen=True)
class Line:
    """What became of an image: the name of its result, or what was wrong with it."""

    name: str
    result: str = ""
    error: str = ""


def colorize_archive(
    paths: Sequence[Path],
    output: Path,
    colorize: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    limits: Limits = Limits(),
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Line]:
    """Colorize images and write the results and a report, ``report.csv``, into a ZIP archive.

    A broken image doesn't stop the others. Results have the names, folders and formats of their images, where these
    formats can be written.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Images and ZIP archives of images.
    output : pathlib.Path
        The ZIP archive to write.
    colorize : callable
        Makes a result of an RGB or RGBA image.
    limits : Limits
        Checked before anything is decoded; sizes in archives are as these declare them, and no more is read.
    tell : callable
        Is told how many images of how many are done.

    Returns
    -------
    list of Line
        What became of each image, in order.

    Raises
    ------
    ArchiveError
        If there is no image, if there is too much, or if an archive can't be read.
    """
    entries = list(_list_entries(paths))
    if not entries:
        raise ArchiveError(f"there are no images in {', '.join(path.name for path in paths) or 'what was sent'}")
    if len(entries) > limits.images:
        raise ArchiveError(f"{len(entries)} images are too many at once; the limit is {limits.images}")
    size = sum(entry.size for entry in entries)
    if size > limits.total_bytes:
        raise ArchiveError(
            f"{size / 1e6:.0f} MB, unpacked, are too much at once; the limit is {limits.total_bytes / 1e6:.0f} MB"
        )
    lines: list[Line] = []
    # Under its own name once it is whole; stored, since images are compressed already.
    unfinished = output.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            tell(len(lines), len(entries))
            try:
                content = entry.read()
                image, metadata = decode_with_metadata(content, max_pixels=limits.pixels)
                result = colorize(image)
                suffix = choose_ending(entry.name, content)
                encoded = encode_image(result, EXTENSIONS[suffix.lower()], metadata)
            except (ImageError, OSError, RuntimeError, MemoryError, cv2.error) as error:
                lack, words = name_lack(error), str(error).replace("the image", "it")
                reason = f"there is {lack} left" if lack else words or type(error).__name__
                lines.append(Line(entry.name, error=reason))
                continue
            name = _free_name(entry.name, suffix, {line.result.casefold() for line in lines})
            archive.writestr(name, encoded)
            lines.append(Line(entry.name, result=name))
        archive.writestr(REPORT, _report(lines))
    unfinished.replace(output)
    return lines


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    read: Callable[[], bytes]


def _list_entries(paths: Sequence[Path]) -> Iterator[_Entry]:
    for path in paths:
        if not zipfile.is_zipfile(path):
            yield _Entry(path.name, path.stat().st_size, path.read_bytes)
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise ArchiveError(f"{path.name} is a damaged archive: {error}") from error
        for member in members:
            # Parts that lead upward or to a root are dropped: whoever unpacks the results is safe.
            parts = [part for part in PurePosixPath(member.filename).parts if part not in ("/", "..")]
            hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
            if parts and not member.is_dir() and not hidden and Path(parts[-1]).suffix.lower() in readable_extensions():
                yield _Entry("/".join(parts), member.file_size, _reader(path, member))


def _reader(path: Path, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as file:
                # An entry that lies about its size gives no more than it declared.
                return file.read(member.file_size)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # Each way to compress has errors of its own for what is damaged.
            raise ImageError(f"it can't be unpacked: {error}") from error

    return read


def _free_name(name: str, suffix: str, taken: set[str]) -> str:
    """Name a result as its image, and by a number where another has that name."""
    place = PurePosixPath(name)
    wanted, number = str(place.with_name(f"{place.stem}-color{suffix}")), 2
    while wanted.casefold() in taken:  # Many disks that it is unpacked on don't tell A from a.
        wanted, number = str(place.with_name(f"{place.stem}-color-{number}{suffix}")), number + 1
    return wanted


def _report(lines: Sequence[Line]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "result", "error"])
    writer.writerows((line.name, line.result, line.error) for line in lines)
    return text.getvalue()
