"""The command ``colorizer``: ``colorizer COMMAND --help`` is its documentation."""

import argparse
import logging
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from colorizer import __version__
from colorizer.datasets import DatasetError
from colorizer.folder_plan import FORMATS, Job, UsageError, plan_jobs
from colorizer.folder_run import Outcome, run_jobs
from colorizer.images import MAX_PIXELS
from colorizer.inference import DEFAULT_DETAIL, DEFAULT_MODEL, DEFAULT_VIVIDNESS, Colorizer, ModelError, find_model
from colorizer.painting import PaintOptions, check_model, paint
from colorizer.storage import Place, lies_within, parse_place, real_path

if TYPE_CHECKING:
    from colorizer.hub import Upload


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 if all was done, 1 if some failed, 2 if what was asked makes no sense."""
    if sys.stderr is None:  # Closed; those who write to it, of whom there are many, don't ask.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # It notes each request.
    logging.getLogger("huggingface_hub").propagate = False  # It prints its warnings itself.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Not every terminal, or file, takes every letter.
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (UsageError, ModelError) as error:
        print(f"colorizer: {error}", file=sys.stderr)
        return 2
    except (DatasetError, OSError) as error:
        print(f"colorizer: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"colorizer: this needs {error.name}, which is not installed: pip install .[train]", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncolorizer: stopped; what was written is whole, and the same command does the rest", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="colorizer", description="Give color to grayscale images.")
    parser.add_argument("--version", action="version", version=f"colorizer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    colorize = commands.add_parser(
        "colorize",
        help="colorize image files and folders",
        description="Colorize image files and folders. A color image is treated as if it were gray.",
        epilog="Examples: colorizer colorize grandma.jpg --output grandma-color.png; "
        "colorizer colorize scans --recursive --output colored",
    )
    colorize.add_argument("inputs", nargs="+", type=_place, metavar="INPUT", help="image file, or folder of images")
    colorize.add_argument(
        "--output",
        required=True,
        type=_place,
        metavar="PATH",
        help="file, if there is one input file and PATH ends in an image extension; else folder, in which the results "
        "lie as the images lay in the input folders",
    )
    colorize.add_argument(
        "--raw", action="store_true", help="the network's own low-resolution picture, not its color on the image's luma"
    )
    _add_vividness(colorize, DEFAULT_VIVIDNESS)
    _add_detail(colorize)
    colorize.add_argument(
        "--hint",
        action="extend",
        nargs="+",
        type=_hint,
        default=[],
        metavar="X,Y,#RRGGBB",
        help="color of a pixel, which the U-Net spreads over its object",
    )
    colorize.add_argument(
        "--alternatives",
        type=int,
        metavar="K",
        help="several plausible results of the U-Net, named NAME-1 to NAME-K, instead of one",
    )
    colorize.add_argument(
        "--uncertainty", action="store_true", help="also a map NAME-uncertainty, white where the U-Net had to guess"
    )
    colorize.add_argument("--seed", type=int, default=0, help="of the alternatives (default: %(default)s)")
    colorize.add_argument(
        "--format", choices=[*FORMATS, "same"], help="format of the results (default: png; same: as the input has it)"
    )
    colorize.add_argument("--recursive", action="store_true", help="take folders within folders too")
    colorize.add_argument("--overwrite", action="store_true", help="redo results that exist instead of skipping them")
    colorize.add_argument(
        "--max-pixels",
        type=_count,
        default=MAX_PIXELS,
        metavar="N",
        help="largest image that is read, width x height (default: %(default)s)",
    )
    colorize.add_argument(
        "--report",
        type=Path,
        metavar="FILE.jsonl",
        help="tell there what became of each file, in a line of JSON as soon as it is done; a further run begins anew "
        "and lists what it skips",
    )
    colorize.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="ray: share a folder out among the machines of a Ray cluster; INPUT and --output are then folders that "
        "all of them see, or s3://BUCKET/... or gs://BUCKET/... (default: %(default)s)",
    )
    colorize.add_argument(
        "--address", metavar="HOST:PORT", help="of the Ray cluster (default: one of this machine's cores alone)"
    )
    colorize.add_argument(
        "--workers", type=_count, metavar="N", help="of the Ray engine, a core each (default: all cores of the cluster)"
    )
    colorize.set_defaults(run=_colorize)

    evaluate = commands.add_parser(
        "evaluate",
        help="measure a model on a data set",
        description="Measure how well the colors of a data set come back, beside the gray copy as baseline.",
    )
    evaluate.add_argument(
        "--data",
        default="cifar10",
        metavar="D",
        help="cifar10, or a folder: Parquet files, cifar-10-batches-py, class folders or images (default: %(default)s)",
    )
    evaluate.add_argument("--split", default="test", help="part of the data (default: %(default)s)")
    _add_vividness(evaluate, 0.0)
    _add_detail(evaluate)
    evaluate.add_argument("--size", type=int, metavar="PIXELS", help="shrink images to this long side before all else")
    evaluate.add_argument(
        "--abilities", action="store_true", help="measure the U-Net's vividness, hints, doubt and alternatives too"
    )
    evaluate.add_argument(
        "--per-image",
        action="store_true",
        help="write each image's error beside FILE.json, to FILE-images.csv; the demo sorts its gallery by it",
    )
    evaluate.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="file for a picture of the best, typical and worst results"
    )
    evaluate.add_argument("--output", required=True, type=Path, metavar="FILE.json", help="file for the figures")
    evaluate.add_argument("--skip-corrupt", action="store_true", help="leave corrupt images out instead of stopping")
    evaluate.set_defaults(run=_evaluate)

    export = commands.add_parser(
        "export",
        help="make the file that runs without TensorFlow",
        description="Make model.tflite beside a model.keras: what the command line and the demo run, without "
        "TensorFlow. It is checked against the model on the project's samples. TensorFlow is needed to make it.",
    )
    export.set_defaults(run=_export)

    push = commands.add_parser(
        "push",
        help="share a model on the Hugging Face Hub",
        description="Upload a model's weights, its record and a card made from it to the Hugging Face Hub.",
    )
    push.add_argument("repo", metavar="USER/MODEL", help="where to; created if there is none")
    push.set_defaults(run=_push)

    deploy = commands.add_parser(
        "deploy",
        help="run the demo as a Hugging Face Space",
        description="Create or update a Hugging Face Space of the demo: it then holds what the demo needs.",
    )
    deploy.add_argument("repo", metavar="USER/NAME", help="the Space; created if there is none")
    deploy.add_argument(
        "--static", action="store_true", help="the page that colorizes in the browser (web/dist), without a server"
    )
    deploy.add_argument(
        "--models", nargs="+", default=[], metavar="USER/MODEL", help="models on the Hub that the Space's page names"
    )
    deploy.set_defaults(run=_deploy)
    for command in (push, deploy):
        command.add_argument(
            "--dry-run", action="store_true", help="list files, sizes and front matter; needs neither token nor network"
        )

    for command in (colorize, evaluate, export, push):
        command.add_argument(
            "--model",
            default=DEFAULT_MODEL,
            metavar="NAME|PATH|hf://USER/MODEL@REVISION",
            help="name of a model that comes with the project, the folder of one, or a model on the Hugging Face Hub "
            "(default: %(default)s)",
        )
    return parser


def _add_vividness(command: argparse.ArgumentParser, default: float) -> None:
    command.add_argument(
        "--vividness",
        type=float,
        default=default,
        metavar="0..1",
        help="of the U-Net's colors: 0 for the least error, 1 for as colorful as real images (default: %(default)s)",
    )


def _add_detail(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detail",
        type=int,
        default=DEFAULT_DETAIL,
        metavar="PIXELS",
        help="long side of what the U-Net sees (default: %(default)s)",
    )


def _count(text: str) -> int:
    """Read a whole number, also one like 2e8."""
    try:
        return int(float(text))
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _place(text: str) -> Place:
    """Read a path, or an address in an object store."""
    if not text:  # As from a variable that is not set; it would be the current folder.
        raise argparse.ArgumentTypeError("a path is needed, got an empty one")
    try:
        return parse_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _hint(text: str) -> tuple[int, int, str]:
    """Read X,Y,#RRGGBB."""
    match = re.fullmatch(r"(\d+),(\d+),(#[0-9a-fA-F]{6})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,#RRGGBB, a pixel's column and row and its color")
    return int(match[1]), int(match[2]), match[3]


# === colorizer colorize ===


def _colorize(options: argparse.Namespace) -> int:
    asked = PaintOptions(
        vividness=options.vividness,
        detail=options.detail,
        hints=tuple(options.hint),
        alternatives=options.alternatives,
        uncertainty=options.uncertainty,
        raw=options.raw,
        seed=options.seed,
        max_pixels=options.max_pixels,
    )
    warnings.filterwarnings("ignore", module="PIL")  # Of odd tags in files that are read all the same.
    outcomes, total = (_run_on_cluster if options.engine == "ray" else _run_here)(options, asked)
    counts: Counter[str] = Counter()
    failed: list[str] = []
    with ExitStack() as stack:
        report = stack.enter_context(_open_report(options.report)) if options.report else None
        for outcome in tqdm(outcomes, total=total, unit="image", disable=None):
            counts[outcome.status] += 1
            if report:
                report.write(outcome.to_json())
            if outcome.status == "failed":
                failed.append(f"{outcome.job.source}: {outcome.reason}")
    print(
        f"{counts['done']} colorized"
        + (
            f", {counts['skipped']} skipped since their results exist (--overwrite to redo them)"
            * bool(counts["skipped"])
        )
        + (f", {len(failed)} failed:" if failed else "")
    )
    for line in failed:
        print(f"  {line}", file=sys.stderr)
    return 1 if failed else 0


def _open_report(path: Path) -> TextIO:
    # What is no UTF-8 in a file's name becomes an escape that JSON has, too, and that leads back to the file.
    return path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _run_here(options: argparse.Namespace, asked: PaintOptions) -> tuple[Iterator[Outcome], int]:
    """Colorize files on this machine; give what becomes of them, and how many they are."""
    if options.address or options.workers:
        raise UsageError("--address and --workers are for --engine ray")
    for place in (*options.inputs, options.output):
        if isinstance(place, str):
            raise UsageError(f"{place} is in an object store, which only --engine ray reads and writes")
    jobs = plan_jobs(options.inputs, options.output, options.format, options.recursive, asked.endings)
    if options.report and real_path(options.report) in {
        real_path(place) for job in jobs for place in (job.source, *job.targets)
    }:
        raise UsageError(f"--report {options.report} is an image of this run: give another name")
    todo: list[Job] = []
    done: list[Job] = []
    for job in jobs:
        (todo if options.overwrite or not job.is_done else done).append(job)
    outcomes: Iterator[Outcome] = (Outcome(job, "skipped") for job in done)
    if todo:
        model = Colorizer.load(options.model)
        check_model(model, asked)
        outcomes = chain(outcomes, run_jobs(todo, partial(paint, model, options=asked), max_pixels=asked.max_pixels))
    return outcomes, len(jobs)


def _run_on_cluster(options: argparse.Namespace, asked: PaintOptions) -> tuple[Iterator[Outcome], None]:
    """Colorize a folder on a Ray cluster; give what becomes of its files, which are counted only as they come."""
    from colorizer.cluster import FolderPlan, import_ray, run_on_cluster

    import_ray()
    if len(options.inputs) > 1:
        raise UsageError(f"--engine ray takes one folder, got {len(options.inputs)} inputs")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers must be at least 1, got {options.workers}")
    plan = FolderPlan(options.inputs[0], options.output, asked, options.format, options.recursive, options.overwrite)
    plan.check()
    if options.report and any(lies_within(options.report, place) for place in (plan.source, plan.output)):
        raise UsageError(f"--report {options.report} lies in a folder of images: give it another place")
    check_model(Colorizer.load(options.model), asked)
    return run_on_cluster(plan, options.model, address=options.address, workers=options.workers), None


# === colorizer evaluate ===


def _evaluate(options: argparse.Namespace) -> int:
    from colorizer.evaluation import evaluate

    try:
        figures = evaluate(
            options.model,
            options.data,
            options.output,
            split=options.split,
            vividness=options.vividness,
            detail=options.detail,
            size=options.size,
            abilities=options.abilities,
            per_image=options.per_image,
            sheet=options.sheet,
            skip_corrupt=options.skip_corrupt,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(f"{figures['model']} on {figures['data']['name']} ({figures['data']['split']}), {figures['n']} images")
    print(f"{'':22}{'MSE':>9}{'error left':>12}{'PSNR':>8}{'SSIM':>8}{'CIEDE2000':>11}{'colorfulness':>14}")
    rows = {"color on own luma": figures, "network's picture": figures.get("raw"), "gray copy": figures["gray_copy"]}
    for name, row in rows.items():
        if row is None:
            continue
        left = "-" if row["error_left"] is None else f"{row['error_left']:.3f}"
        print(
            f"{name:22}{row['mse']:9.5f}{left:>12}{row['psnr']:8.2f}{row['ssim']:8.3f}"
            f"{row['delta_e']:11.2f}{row['colorfulness']:14.1f}"
        )
    return 0


# === colorizer export ===


def _export(options: argparse.Namespace) -> int:
    from colorizer.export import export

    record = export(options.model)
    print(f"{', '.join(record['files'])} written beside {find_model(options.model)}")
    print(
        f"largest difference from it in {record['results']} results: {record['largest_difference']} of 255 levels; "
        f"mean: {record['mean_difference']:.5f}; error: {record['error_change']:+.3%}"
    )
    return 0


# === colorizer push, colorizer deploy ===


def _push(options: argparse.Namespace) -> int:
    from colorizer.model_card import plan_model

    try:
        upload = plan_model(options.repo, options.model)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return _upload(upload, options.dry_run)


def _deploy(options: argparse.Namespace) -> int:
    from colorizer.space import PAYMENT, plan_space

    try:
        upload = plan_space(options.repo, static=options.static, models=options.models)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not options.static:
        print(PAYMENT, flush=True)
    return _upload(upload, options.dry_run)


def _upload(upload: "Upload", dry_run: bool) -> int:
    from colorizer.hub import send

    if dry_run:
        print(f"{upload.describe()}; nothing was uploaded")
    else:
        print(f"uploaded: {send(upload)}")
    return 0
