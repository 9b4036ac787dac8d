"""Which files `colorizer colorize` reads and writes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from colorizer.images import EXTENSIONS, readable_extensions
from colorizer.storage import Place, join_place, real_path

FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
"""Names of the formats of results, and their extensions."""

DEEPER = " (folders within folders are taken with --recursive)"


class UsageError(Exception):
    """What was asked makes no sense; nothing was done."""


@dataclass(frozen=True)
class Job:
    """A file to read and the files to write from it."""

    source: Place
    targets: tuple[Place, ...]

    @property
    def is_done(self) -> bool:
        """Whether all results exist on disk; they are whole then, since they get their names when they are."""
        return all(Path(target).exists() for target in self.targets)


def plan_jobs(
    inputs: Sequence[Path], output: Path, format: str | None, recursive: bool, endings: Sequence[str]
) -> list[Job]:
    """List the files to read, each with those to write: one for each of the endings of its name.

    Raises
    ------
    UsageError
        If inputs and output don't fit together.
    """
    for path in inputs:
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}")
        if not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path} is neither a file nor a folder")
        if path.is_dir() and real_path(path) == real_path(output):
            raise UsageError(f"--output {output} is the input folder: results go into a folder of their own")
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix and not output.is_dir():
        if output.suffix.lower() not in EXTENSIONS:
            raise UsageError(f"can't write {output.name}: a result's extension is one of {', '.join(EXTENSIONS)}")
        if format is not None:
            raise UsageError(f"--format {format} is for folders; {output.name} names its format itself")
        jobs = [Job(inputs[0], tuple(output.with_stem(output.stem + ending) for ending in endings))]
    else:
        if output.is_file() or output.suffix.lower() in readable_extensions():
            raise UsageError(f"--output {output} must be a folder, unless there is one input file")
        sources = list(_find_sources(inputs, output, recursive))
        if not sources:
            raise UsageError(f"no images in {', '.join(map(str, inputs))}" + ("" if recursive else DEEPER))
        jobs = name_results(sources, output, format, endings)
    taken = {real_path(job.source) for job in jobs}
    for job in jobs:
        for target in job.targets:
            place = real_path(target)
            if place in taken:
                raise UsageError(f"{job.source} would be colorized over another file, {target}: give another --output")
            taken.add(place)
    return jobs


def _find_sources(inputs: Sequence[Path], output: Path, recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Find the images of the inputs, each with its place in the tree of results."""
    extensions = readable_extensions()
    for given in inputs:
        if given.is_file():
            yield given, Path(given.name)
            continue
        for path in sorted(given.rglob("*") if recursive else given.iterdir()):
            place = path.relative_to(given)
            hidden = any(part.startswith(".") for part in place.parts)
            if hidden or path.suffix.lower() not in extensions or not path.is_file():  # Links in a circle are none.
                continue
            if not real_path(path).is_relative_to(real_path(output)):  # Or of an earlier run: OUT lies within INPUT.
                yield path, place


def name_results(
    sources: Sequence[tuple[Place, PurePath]], output: Place, format: str | None, endings: Sequence[str]
) -> list[Job]:
    """Name the results of files, each of which comes with its place in the tree of results.

    ``x/a.jpg`` becomes ``x/a.png``, and ``x/a.jpg.png`` where ``x/a.tif`` would be that too.

    Raises
    ------
    UsageError
        If two files would still have the same result.
    """

    def extension(place: PurePath) -> str:
        return FORMATS.get(format or "png") or (place.suffix if place.suffix.lower() in EXTENSIONS else ".png")

    short = Counter(place.with_suffix(extension(place)) for _, place in sources)
    named: dict[PurePath, Place] = {}
    for source, place in sources:
        target = place.with_suffix(extension(place))
        if short[target] > 1:
            target = place.with_name(place.name + extension(place))
        if target in named:
            result = join_place(output, target)
            raise UsageError(f"{named[target]} and {source} would both become {result}: colorize them apart")
        named[target] = source
    return [
        Job(source, tuple(join_place(output, target.with_stem(target.stem + ending)) for ending in endings))
        for target, source in named.items()
    ]
