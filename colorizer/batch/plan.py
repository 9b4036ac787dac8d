"""Plan which files ``colorizer colorize`` reads and writes."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path, PurePath

from colorizer.batch.storage import (
    Entry,
    Place,
    join_place,
    lies_within,
    list_folder,
    modified,
    read_ends,
    real_path,
)
from colorizer.imaging.decode import has_frames, readable_extensions
from colorizer.imaging.encode import EXTENSIONS, FORMATS, choose_extension
from colorizer.imaging.metadata import read_settings
from colorizer.video import CONTAINERS
from colorizer.video import EXTENSIONS as VIDEO_EXTENSIONS

_HERE = PurePath()
_ANIMATED = (".gif", ".png", ".apng", ".webp")  # Formats that may hold an animation.
_METADATA_REACH = 1 << 18  # Bytes at both ends of a file that are searched for metadata.
DEEPER = " (subfolders are only searched with recursive)"


class UsageError(Exception):
    """A request is invalid; nothing was done."""


@dataclass(frozen=True)
class Job:
    """A file to read and the files to write from it."""

    source: Place
    targets: tuple[Place, ...]

    @property
    def is_done(self) -> bool:
        """Whether all results exist on disk. Results get their names once they are complete.

        Empty files don't count: a power failure can leave a name without content.
        """
        return all(_has_content(Path(target)) for target in self.targets)

    def is_outdated(self, digest: str) -> bool:
        """Whether results are older than the source, or have another digest of settings and weights.

        Videos, and results without a digest, such as edited ones, count as up to date. If `digest` is empty, only times
        are compared.
        """
        if self.is_video:
            return False
        source, current = modified(self.source), ("", digest)
        return any(
            modified(target) < source or (digest and _read_digest(target) not in current) for target in self.targets
        )

    @property
    def is_video(self) -> bool:
        """Whether the source is a video, by its extension."""
        return is_video(PurePath(self.source))


def _read_digest(result: Place) -> str:
    """Read the digest in a result's metadata, which is near the beginning or the end of the file."""
    begin, end = read_ends(result, _METADATA_REACH)
    return read_settings(begin) or read_settings(end)


def is_image(path: PurePath) -> bool:
    """Whether a file is an image that can be read, by its extension."""
    return path.suffix.lower() in _list_extensions()


_list_extensions = cache(readable_extensions)


def is_video(path: PurePath) -> bool:
    """Whether a file is a video, by its extension."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def plan_jobs(
    inputs: Sequence[Path],
    output: Path,
    format: str | None,
    recursive: bool,
    name_suffixes: Sequence[str],
    video_extension: str = ".mp4",
) -> tuple[list[Job], list[Path]]:
    """List the files to read, each with those to write, and the files to ignore.

    Parameters
    ----------
    inputs : sequence of pathlib.Path
        Files and folders; ``*`` in a name is expanded.
    output : pathlib.Path
        File or folder of the results.
    format : str, optional
        Image format of the results in a folder, as on the command line.
    recursive : bool
        Whether to read subfolders, too.
    name_suffixes : sequence of str
        Suffixes of the names of a file's results, before their extensions; one result for each.
    video_extension : str
        Extension of the results of videos in a folder.

    Returns
    -------
    tuple of list of Job, list of pathlib.Path
        The images and videos to read, and files in folders with other extensions, which are ignored.

    Raises
    ------
    UsageError
        If an input doesn't exist or can't be read, there are no images or videos, or the output doesn't fit the inputs.
    """
    inputs = [found for path in inputs for found in _expand(path)]
    if str(output) == "-":
        raise UsageError("results can't be written to standard output: give a file or a folder")
    for path in inputs:
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}")
        if not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is neither a file nor a folder")
        if path.is_dir():
            check_apart(path, output)
    is_file = output.suffix.lower() in {*EXTENSIONS, *readable_extensions(), *VIDEO_EXTENSIONS}
    if len(inputs) == 1 and inputs[0].is_file() and is_file and not output.is_dir():
        written = CONTAINERS if is_video(inputs[0]) and video_extension in CONTAINERS else EXTENSIONS
        if output.suffix.lower() not in written:
            raise UsageError(f"can't write {output.name}: a result's extension is one of {', '.join(written)}")
        if format is not None:
            raise UsageError(f"format {format} applies only to folders; the extension of {output.name} sets the format")
        jobs = [Job(inputs[0], tuple(output.with_stem(output.stem + suffix) for suffix in name_suffixes))]
        others: list[Path] = []
    else:
        if output.is_file() or is_file:
            raise UsageError(f"the output {output} must be a folder, unless there is one input file")
        sources, others = _find_sources(inputs, output, recursive)
        if not sources:
            raise UsageError(f"no images or videos in {', '.join(map(str, inputs))}" + ("" if recursive else DEEPER))
        jobs = name_results(sources, output, format, name_suffixes, video_extension)
    taken = {real_path(job.source) for job in jobs}
    for job in jobs:
        for target in job.targets:
            path = real_path(target)
            if path in taken:
                raise UsageError(f"the result of {job.source} would overwrite {target}: choose another output")
            taken.add(path)
    return jobs, others


def _expand(path: Path) -> list[Path]:
    """Expand ``*`` in a name, which shells on Windows don't do; a name that matches nothing stays as it is."""
    if path.exists() or not any(mark in str(path) for mark in "*?["):
        return [path]
    return sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))) or [path]


def check_writable(output: Path) -> None:
    """Raise `UsageError` if the output folder isn't writable, before hours of work."""
    folder = output if output.is_dir() else next(parent for parent in output.absolute().parents if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"can't write into {folder}: {error.strerror}") from error


def check_apart(source: Place, output: Place) -> None:
    """Raise `UsageError` if the output folder is the input folder, or contains it."""
    if lies_within(source, output):
        relation = "is the input folder" if lies_within(output, source) else "contains the input folder"
        raise UsageError(f"the output {output} {relation}: choose a separate folder for results")


def _find_sources(
    inputs: Sequence[Path], output: Path, recursive: bool
) -> tuple[list[tuple[Path, PurePath]], list[Path]]:
    """Find the images and videos of the inputs, each with its relative path in the output, and the other files."""
    sources: list[tuple[Path, PurePath]] = []
    others: list[Path] = []
    for given in inputs:
        if given.is_file():
            sources.append((given, Path(given.name)))
            continue
        try:
            for folder, files in find_files(given, output, recursive):
                for file in files:
                    relative = folder / file.name
                    if is_image(relative) or is_video(relative):
                        sources.append((given / relative, relative))
                    else:
                        others.append(given / relative)
        except OSError as error:
            raise UsageError(f"{error.filename or given} can't be read: {error.strerror}") from error
    return sources, others


def find_files(
    source: Place, output: Place, recursive: bool, relative: PurePath = _HERE
) -> Iterator[tuple[PurePath, list[Entry]]]:
    """Walk the folders to read, and yield the relative path and the files of each, except hidden ones.

    Raises
    ------
    OSError
        If a folder can't be listed.
    """
    folder = join_place(source, relative)
    if lies_within(folder, output):
        return  # The output is inside the input: these are results of an earlier run.
    files, folders = list_folder(folder)
    yield relative, [file for file in files if not file.name.startswith(".")]
    for name in folders if recursive else ():
        if not name.startswith("."):
            yield from find_files(source, output, recursive, relative / name)


def name_results(
    sources: Sequence[tuple[Place, PurePath]],
    output: Place,
    format: str | None,
    name_suffixes: Sequence[str],
    video_extension: str = ".mp4",
    numbered: bool = False,
) -> list[Job]:
    """Name the results of files.

    ``x/a.jpg`` becomes ``x/a.png``, or ``x/a.jpg.png`` if ``x/a.tif`` would also become ``x/a.png``, or ``x/A.png``,
    which is the same file on many disks; if there is ``x/A.JPG`` as well, one of them gets a number. With the format
    ``same``, animations on disk become ``.tif``; apart from that, no file is opened.

    Parameters
    ----------
    sources : sequence of (Place, pathlib.PurePath)
        The files, each with its relative path in the output.
    output : Place
        The folder of results.
    format : str, optional
        Image format of the results, as on the command line.
    name_suffixes : sequence of str
        Suffixes of the names of a file's results, before their extensions.
    video_extension : str
        Extension of the results of videos.
    numbered : bool
        Number results that would still have the same name, instead of raising. A later run with more files may number
        them differently, so this is only for runs that are never resumed.

    Raises
    ------
    UsageError
        If two files would still have the same result.
    """

    def extension(source: Place, relative: PurePath) -> str:
        if is_video(relative):
            return video_extension
        if (
            format == "same"
            and relative.suffix.lower() in _ANIMATED
            and isinstance(source, Path)
            and has_frames(source)
        ):
            return FORMATS["tiff"]  # It holds all frames.
        return FORMATS.get(format or "png") or choose_extension(relative.name)

    files = [(source, relative, relative.with_suffix(extension(source, relative))) for source, relative in sources]
    short = Counter(str(target).casefold() for _, target in {(relative, target) for _, relative, target in files})
    taken: dict[str, PurePath] = {}
    named: dict[Place, Place] = {}
    jobs = []
    for source, relative, target in files:
        if short[str(target).casefold()] > 1:
            target = relative.with_name(relative.name + target.suffix)
        wanted = target
        for number in count(2):
            earlier = taken.get(str(target).casefold())
            if earlier is None or (earlier == wanted and not numbered):
                break
            target = wanted.with_stem(f"{wanted.stem}-{number}")
        taken[str(target).casefold()] = target
        job = Job(source, tuple(join_place(output, target.with_stem(target.stem + suffix)) for suffix in name_suffixes))
        for result in job.targets:
            if result in named:
                raise UsageError(f"{named[result]} and {source} would both become {result}: colorize them separately")
            named[result] = source
        jobs.append(job)
    return jobs


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
