"""``colorizer colorize``: colorize images, videos, and folders of them."""

import argparse
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path, PurePath
from typing import TextIO

from tqdm import tqdm

from colorizer.batch.options import PaintOptions, check_model
from colorizer.batch.plan import Job, UsageError, check_writable, plan_jobs
from colorizer.batch.report import Outcome, pass_over
from colorizer.batch.run import JobsByStatus, run_images, skip
from colorizer.batch.storage import Place, lies_within, parse_place, real_path
from colorizer.batch.videos import MISSING, can_read_videos, check_videos, run_frame, run_videos
from colorizer.cli.options import Commands, Options, add_detail, add_model, add_vividness
from colorizer.imaging.decode import MAX_PIXELS
from colorizer.imaging.encode import FORMATS
from colorizer.inference.checkpoint import ModelError
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.inference.reach import DEFAULT_REACH

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # Terminal control characters.
_NUMBERS = re.compile(r"-?\d\S*")


def add_parser(commands: Commands) -> None:
    """Add the command ``colorize``."""
    colorize = commands.add_parser(
        "colorize",
        help="colorize images, videos, and folders of them",
        description="Colorize images, videos, and folders of them. Color files are treated as grayscale.",
        epilog="Examples: colorizer colorize grandma.jpg --output grandma-color.png; "
        "colorizer colorize film.mp4 --output film-color.mp4; colorizer colorize scans --recursive --output colored",
    )
    colorize.add_argument("inputs", nargs="+", type=_place, metavar="INPUT", help="image, video, or folder of them")
    add_model(colorize)
    _add_results(colorize.add_argument_group("results"))
    _add_colors(colorize.add_argument_group("colors"))
    _add_files(colorize.add_argument_group("files"))
    _add_engine(colorize.add_argument_group("Ray cluster"))
    colorize.set_defaults(run=_colorize)


def _add_results(group: Options) -> None:
    group.add_argument(
        "--output",
        required=True,
        type=_place,
        metavar="PATH",
        help="output file, if there is a single input file and PATH ends in an image extension (a video: .mp4, .mov "
        "or .mkv); otherwise the output folder, which mirrors the input folders",
    )
    group.add_argument(
        "--format",
        choices=[*FORMATS, "same"],
        help="format of the results (default: png). tiff keeps all pages and frames; same keeps the format of the "
        "input file, and writes animations (GIF, WebP, APNG) as TIFF with all frames; in other formats, only the "
        "first page or frame is colorized",
    )
    group.add_argument(
        "--frame",
        type=float,
        metavar="SECONDS",
        help="colorize only the frame of a video at SECONDS and save it as an image",
    )
    group.add_argument(
        "--lossless", action="store_true", help="write videos losslessly, as FFV1 in .mkv, instead of H.264"
    )
    group.add_argument("--overwrite", action="store_true", help="overwrite existing results instead of skipping them")
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.jsonl",
        help="write a line of JSON about each file once it is finished; the next run overwrites the report",
    )


def _add_colors(group: Options) -> None:
    add_vividness(group, DEFAULT_VIVIDNESS)
    add_detail(group)
    group.add_argument(
        "--hint",
        action="extend",
        nargs="+",
        type=_hint,
        default=[],
        metavar="X,Y,#RRGGBB",
        help="set the color of a pixel; the U-Net spreads it over the object (repeatable)",
    )
    group.add_argument(
        "--reach",
        type=float,
        default=DEFAULT_REACH,
        metavar="0..1",
        help="how far a hint spreads before edges stop it: 0 affects only the spot, 1 most of the image "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--no-prepare",
        dest="prepare",
        action="store_false",
        help="show the model the image as is, without cropping the paper border or restoring the faded contrast of "
        "old prints",
    )
    group.add_argument(
        "--raw", action="store_true", help="output the decoder's raw low-resolution picture (autoencoder only)"
    )
    group.add_argument(
        "--alternatives",
        type=int,
        metavar="K",
        help="write K plausible results instead of one, NAME-1 to NAME-K, the most probable first (U-Net only)",
    )
    group.add_argument(
        "--uncertainty",
        action="store_true",
        help="also write NAME-uncertainty, a map that is white where the colors are guesses (U-Net only)",
    )
    group.add_argument("--seed", type=int, default=0, help="random seed for --alternatives (default: %(default)s)")


def _add_files(group: Options) -> None:
    group.add_argument("--recursive", action="store_true", help="also process subfolders")
    group.add_argument(
        "--max-pixels",
        type=_count,
        default=MAX_PIXELS,
        metavar="N",
        help="largest image or video frame to accept: width x height (default: %(default)s)",
    )
    group.add_argument(
        "--accept-truncated",
        action="store_true",
        help="colorize what is left of truncated files (JPEG, PNG, TIFF, BMP, PPM, TGA, PCX, SGI, QOI) instead of "
        "refusing them; the report says which",
    )


def _add_engine(group: Options) -> None:
    group.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="ray distributes a folder over a Ray cluster; INPUT and --output must then be folders that all machines "
        "can access, or s3://BUCKET/... or gs://BUCKET/... (default: %(default)s)",
    )
    group.add_argument(
        "--address", metavar="HOST:PORT", help="address of the Ray cluster (default: start one on this machine)"
    )
    group.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="number of Ray workers, one core each (default: all cores of the cluster)",
    )


def _count(text: str) -> int:
    """Parse a whole number, also in a form like 2e8."""
    try:
        return int(float(text))
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _place(text: str) -> Place:
    """Parse a path, or an address in an object store."""
    if not text:  # Such as from an unset variable; it would mean the current folder.
        raise argparse.ArgumentTypeError("the path is empty")
    try:
        return parse_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _hint(text: str) -> tuple[int, int, str]:
    """Parse X,Y,#RRGGBB."""
    match = re.fullmatch(r"(\d+),(\d+),(#[0-9a-fA-F]{6})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,#RRGGBB: column, row and color of a pixel")
    return int(match[1]), int(match[2]), match[3]


def _colorize(options: argparse.Namespace) -> int:
    paint = PaintOptions(
        vividness=options.vividness,
        detail=options.detail,
        hints=tuple(options.hint),
        reach=options.reach,
        prepare=options.prepare,
        alternatives=options.alternatives,
        uncertainty=options.uncertainty,
        raw=options.raw,
        seed=options.seed,
        max_pixels=options.max_pixels,
        accept_truncated=options.accept_truncated,
    )
    warnings.filterwarnings("ignore", module="PIL")  # About odd tags in files that can be read anyway.
    outcomes, total = (_run_on_cluster if options.engine == "ray" else _run_here)(options, paint)
    counts: Counter[str] = Counter()
    failed: list[str] = []
    notes: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    video_notes: list[str] = []
    with ExitStack() as stack:
        report = stack.enter_context(_open_report(options.report)) if options.report else None
        for outcome in tqdm(outcomes, total=total, unit="file", disable=True if total == 1 else None):
            counts[outcome.status] += 1
            if outcome.status == "passed over":
                ignored[PurePath(outcome.job.source).suffix.lower() or "without extension"] += 1
            if report:
                report.write(outcome.to_json())
            if outcome.status == "failed":
                failed.append(f"{outcome.job.source}: {outcome.reason}")
            if outcome.frames is None:
                notes.update(_summarize(note) for note in outcome.notes)
            else:
                video_notes += [f"{outcome.job.source}: {note}" for note in outcome.notes]
    print(
        f"{counts['done']} colorized"
        + (
            f", {counts['skipped']} skipped because their results exist (use --overwrite to redo them)"
            * bool(counts["skipped"])
        )
        + (f", {len(failed)} failed:" if failed else "")
    )
    if ignored:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common())
        print(f"{ignored.total()} passed over: {kinds}")
    for line in failed + video_notes + [f"{count}: {note}" for note, count in notes.most_common()]:
        print(f"  {_UNPRINTABLE.sub('?', line)}", file=sys.stderr)
    return 1 if failed else 0


def _summarize(note: str) -> str:
    """Reword a note so that it can be counted over many files."""
    if "the first of" in note:
        return "only the first of several pages or frames was colorized; --format tiff keeps all"
    return _NUMBERS.sub("...", note) if "stretched" in note else note


def _open_report(path: Path) -> TextIO:
    # Bytes of a file name that aren't UTF-8 become escapes, which are valid JSON and identify the file.
    return path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _run_here(options: argparse.Namespace, paint: PaintOptions) -> tuple[Iterator[Outcome], int]:
    """Colorize files on this machine; return their outcomes and their number."""
    if options.address or options.workers:
        raise UsageError("--address and --workers require --engine ray")
    for place in (*options.inputs, options.output):
        if isinstance(place, str):
            raise UsageError(f"{place} is in an object store, which only --engine ray reads and writes")
    video_extension = ".png" if options.frame is not None else ".mkv" if options.lossless else ".mp4"
    jobs, others = plan_jobs(
        options.inputs, options.output, options.format, options.recursive, paint.name_suffixes, video_extension
    )
    jobs = _check_videos(jobs, options, paint)
    if options.report and real_path(options.report) in {
        real_path(place) for job in jobs for place in (job.source, *job.targets)
    }:
        raise UsageError(f"--report {options.report} is an input or a result of this run: choose another name")
    check_writable(options.output)
    digest = ""
    with suppress(ModelError):  # Without a model, existing results count as up to date.
        digest = paint.digest(options.model)
    grouped = JobsByStatus.of(((job, job.is_done and not options.overwrite) for job in jobs), digest)
    outcomes = skip(grouped.finished)
    if grouped.new or grouped.outdated:
        model = Colorizer.load(options.model)
        check_model(model, paint)
        videos = [job for job in grouped.new if job.is_video]
        if options.frame is not None:
            return chain(outcomes, run_frame(videos[0], model, paint, options.frame)), len(jobs)
        images = [job for job in grouped.new if not job.is_video]
        outcomes = chain(outcomes, run_images(images, grouped.outdated, model, paint, digest))
        if videos:
            outcomes = chain(outcomes, run_videos(videos, model, paint, lossless=options.lossless, follow=_follow))
    return chain(outcomes, map(pass_over, others)), len(jobs) + len(others)


def _check_videos(jobs: list[Job], options: argparse.Namespace, paint: PaintOptions) -> list[Job]:
    """Raise `UsageError` if an option doesn't fit the inputs; return the jobs, without videos if PyAV is missing."""
    videos = [job for job in jobs if job.is_video]
    if options.frame is not None:
        if len(jobs) != 1 or not videos:
            raise UsageError("--frame needs exactly one video")
        if options.lossless:
            raise UsageError("--lossless applies only to whole videos, not to --frame")
    if videos:
        check_videos(paint, options.format)
    elif options.lossless:
        raise UsageError("--lossless applies only to videos")
    if not videos or can_read_videos():
        return jobs
    if len(videos) == len(jobs):
        raise UsageError(MISSING)
    print(f"{len(videos)} {'video' if len(videos) == 1 else 'videos'} passed over: {MISSING}", file=sys.stderr)
    return [job for job in jobs if not job.is_video]


@contextmanager
def _follow(job: Job) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar for a video, in frames."""
    bar: tqdm | None = None

    def show(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:  # Created here, since frames done by an earlier run must not count toward the speed.
            name = Path(job.source).name
            bar = tqdm(desc=name, initial=done, total=total, unit="frame", disable=None, leave=False)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _run_on_cluster(options: argparse.Namespace, paint: PaintOptions) -> tuple[Iterator[Outcome], None]:
    """Colorize a folder on a Ray cluster; return the outcomes of its files, whose number is not known in advance."""
    from colorizer.batch.ray_engine import FolderPlan, import_ray, run_on_cluster

    import_ray()
    if options.frame is not None or options.lossless:
        raise UsageError("--frame and --lossless apply only to videos, which --engine ray doesn't colorize")
    if len(options.inputs) > 1:
        raise UsageError(f"--engine ray takes one folder, got {len(options.inputs)} inputs")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers must be at least 1, got {options.workers}")
    plan = FolderPlan(options.inputs[0], options.output, paint, options.format, options.recursive, options.overwrite)
    others = plan.check()
    if options.report and any(lies_within(options.report, place) for place in (plan.source, plan.output)):
        raise UsageError(f"--report {options.report} is in the input or output folder: choose another folder")
    check_model(Colorizer.load(options.model), paint)
    outcomes = run_on_cluster(plan, options.model, address=options.address, workers=options.workers)
    return chain(outcomes, map(pass_over, others)), None
