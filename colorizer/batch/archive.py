"""Several images at once: files and ZIP archives in, one ZIP archive with the results and a report out."""

import io
import re
import struct
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from colorizer.batch.names import fit_name, read_name
from colorizer.batch.plan import Job, name_results
from colorizer.batch.report import ERRORS, Outcome, explain, pass_over, write_csv
from colorizer.imaging.decode import ImageError, decode_with_metadata, readable_extensions
from colorizer.imaging.encode import EXTENSIONS, encode_image
from colorizer.imaging.metadata import Metadata

REPORT = "report.csv"
_MAX_MEMBERS = 10_000
_MAX_DIRECTORY_BYTES = 4_000_000  # Bytes of an archive's directory, which is parsed as a whole.
_ARCHIVES = (b"PK\3\4", b"PK\5\6")  # First bytes of an archive.
_ENCRYPTED = 1  # Flag of an encrypted member.

Decode = Callable[..., tuple[NDArray[np.uint8], Metadata]]
"""Decodes a file's path or bytes within ``max_pixels``, as `colorizer.imaging.decode.decode_with_metadata` does."""


Colorize = Callable[[NDArray[np.uint8], Job], NDArray[np.uint8]]
"""Colorizes an image of a job."""


class ArchiveError(ValueError):
    """There are too many files, they are too large, or an archive can't be read; the message says which."""


@dataclass(frozen=True)
class Limits:
    """Limits of a batch: number of images, their total size unpacked, and pixels per image."""

    images: int = 50
    total_bytes: int = 100_000_000
    pixels: int = 50_000_000


def colorize_archive(
    paths: Sequence[Path],
    output: Path,
    colorize: Colorize,
    limits: Limits = Limits(),
    progress: Callable[[int, int], None] = lambda done, total: None,
    decode: Decode = decode_with_metadata,
    mark: Callable[[Metadata], Metadata] = dict,
) -> list[Outcome]:
    """Colorize images and write the results and a report, ``report.csv``, into a ZIP archive.

    A broken image or archive doesn't stop the others. Results are named as for a folder in the format ``same``, with
    ``-color`` appended; if two files have the same name, the second gets a number.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Images and ZIP archives of images.
    output : pathlib.Path
        The ZIP archive to write.
    colorize : callable
        Colorizes an image, (H, W, 3) or (H, W, 4) uint8, RGB or RGBA; called with the image and its job.
    limits : Limits
        Checked before anything is decoded. Archives declare the sizes of their files; no more than that is read.
    progress : callable
        Called with the number of finished images and the total.
    decode : callable
        Decodes an image.
    mark : callable
        Marks an image's metadata as those of a colorized result.

    Returns
    -------
    list of Outcome
        The outcomes of the images, in order, followed by those of ignored files.

    Raises
    ------
    ArchiveError
        If there are no images, they exceed the limits, or there is nothing but damaged archives.
    """
    with ExitStack() as archives:
        found = [entry for path in paths for entry in _list_entries(path, archives)]
        entries = [entry for entry in found if entry.is_image]
        if not entries:
            raise ArchiveError(f"there are no images in {', '.join(path.name for path in paths) or 'the upload'}")
        damaged = [entry.damage for entry in entries if entry.damage]
        if len(damaged) == len(entries):
            raise ArchiveError("; ".join(damaged))
        if len(entries) > limits.images:
            raise ArchiveError(f"{len(entries)} images are too many at once; the limit is {limits.images}")
        size = sum(entry.size for entry in entries)
        if size > limits.total_bytes:
            raise ArchiveError(
                f"the images take {size / 1e6:.0f} MB unpacked; the limit is {limits.total_bytes / 1e6:.0f} MB at once"
            )
        sources = [(entry.name, PurePosixPath(entry.name)) for entry in entries]
        jobs = name_results(sources, Path(), "same", ["-color"], video_extension=".png", numbered=True)
        outcomes: list[Outcome] = []
        # Renamed once it is complete. Stored, since images are already compressed.
        unfinished = output.with_suffix(".part")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for job, entry in zip(jobs, entries, strict=True):
                progress(len(outcomes), len(entries))
                outcome, content = _colorize_entry(job, entry, colorize, limits, decode, mark)
                if content:
                    archive.writestr(Path(job.targets[0]).as_posix(), content)
                outcomes.append(outcome)
            outcomes += [pass_over(entry.name) for entry in found if not entry.is_image]
            archive.writestr(REPORT, write_csv(outcomes))
    unfinished.replace(output)
    return outcomes


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    source: Callable[[], Path | bytes]
    is_image: bool = True
    damage: str = ""  # Of an archive that can't be read.


def _colorize_entry(
    job: Job,
    entry: _Entry,
    colorize: Colorize,
    limits: Limits,
    decode: Decode,
    mark: Callable[[Metadata], Metadata],
) -> tuple[Outcome, bytes]:
    """Colorize an image; return the outcome and the encoded result, which is empty if it failed."""
    started = time.perf_counter()
    try:
        if entry.damage:
            raise ImageError(entry.damage)
        image, metadata = decode(entry.source(), max_pixels=limits.pixels)
        format = EXTENSIONS[Path(job.targets[0]).suffix.lower()]
        content = encode_image(colorize(image, job), format, mark(metadata))
    except ERRORS as error:
        # The report shows the name before the reason.
        words = re.sub(rf"^{re.escape(PurePosixPath(entry.name).name)}(?= )|\bthe image\b", "it", explain(error))
        return Outcome(job, "failed", words, seconds=time.perf_counter() - started), b""
    notes, seconds = tuple(metadata.get("notes", ())), time.perf_counter() - started
    return Outcome(job, "done", size=image.shape[:2], seconds=seconds, notes=notes), content


def _list_entries(path: Path, archives: ExitStack) -> Iterator[_Entry]:
    """List the files in an archive, which stays open; for any other file or a damaged archive, list the file itself."""
    with path.open("rb") as file:
        begin = file.read(4)
    own_name = fit_name(path.name) or "image"
    if begin not in _ARCHIVES:
        yield _Entry(own_name, path.stat().st_size, lambda: path)
        return
    try:
        _check_directory(path)
        archive = archives.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        damage = f"{path.name} is a damaged archive: {error}; pack it again"
        yield _Entry(own_name, 0, lambda: path, damage=damage)
        return
    extensions = readable_extensions()
    for member in archive.infolist():
        name = fit_name(read_name(member))
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
        if name and not member.is_dir() and not hidden:
            is_image = Path(name).suffix.lower() in extensions
            yield _Entry(name, member.file_size, _reader(archive, member), is_image)


def _check_directory(path: Path) -> None:
    """Raise `ArchiveError` if an archive's directory is larger than a batch could need."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - 65_557, 0))
        end = file.read()
    at = end.rfind(b"PK\5\6")
    if at < 0:
        raise ValueError("its end is missing")
    members, length = struct.unpack_from("<HI", end, at + 10)
    if members == 0xFFFF or length == 0xFFFFFFFF:  # The numbers are in a ZIP64 record before it.
        wide = end.rfind(b"PK\6\6", 0, at)
        if wide < 0:
            raise ValueError("its end is damaged")
        members, length = struct.unpack_from("<QQ", end, wide + 32)
    if members > _MAX_MEMBERS or length > _MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"{path.name} has {members} files; the limit is {_MAX_MEMBERS}")


def _reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        if member.flag_bits & _ENCRYPTED:
            raise ImageError("it is encrypted", "unpack the archive with its password and send the images")
        try:
            with archive.open(member) as file:
                # No more than the declared size, even if the entry lies about it.
                return file.read(member.file_size)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # Each compression method raises its own errors on damaged data.
            raise ImageError(f"it can't be unpacked: {error}") from error

    return read
