"""The command ``colorizer``: ``colorizer COMMAND --help`` is its documentation."""

import argparse
import logging
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer import __version__
from colorizer.datasets import DatasetError
from colorizer.folder_plan import FORMATS, Job, UsageError, plan_jobs
from colorizer.folder_run import Outcome, run_jobs
from colorizer.images import MAX_PIXELS
from colorizer.inference import DEFAULT_DETAIL, DEFAULT_MODEL, DEFAULT_VIVIDNESS, Colorizer, ModelError, find_model

if TYPE_CHECKING:
    from colorizer.hub import Upload


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 if all was done, 1 if some failed, 2 if what was asked makes no sense."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # It notes each request.
    logging.getLogger("huggingface_hub").propagate = False  # It prints its warnings itself.
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
    colorize.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="image file, or folder of images")
    colorize.add_argument(
        "--output",
        required=True,
        type=Path,
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


def _hint(text: str) -> tuple[int, int, str]:
    """Read X,Y,#RRGGBB."""
    match = re.fullmatch(r"(\d+),(\d+),(#[0-9a-fA-F]{6})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,#RRGGBB, a pixel's column and row and its color")
    return int(match[1]), int(match[2]), match[3]


# === colorizer colorize ===


def _colorize(options: argparse.Namespace) -> int:
    if options.alternatives is not None and options.alternatives < 1:
        raise UsageError(f"--alternatives must be at least 1, got {options.alternatives}")
    if not 0 <= options.vividness <= 1:
        raise UsageError(f"--vividness must lie in [0, 1], got {options.vividness}")
    if options.max_pixels < 1:
        raise UsageError(f"--max-pixels must be at least 1, got {options.max_pixels}")
    endings = [f"-{i + 1}" for i in range(options.alternatives)] if options.alternatives else [""]
    endings += ["-uncertainty"] if options.uncertainty else []
    jobs = plan_jobs(options.inputs, options.output, options.format, options.recursive, endings)
    if options.report and options.report.resolve() in {p.resolve() for job in jobs for p in (job.source, *job.targets)}:
        raise UsageError(f"--report {options.report} is an image of this run: give another name")
    warnings.filterwarnings("ignore", module="PIL")  # Of odd tags in files that are read all the same.
    todo: list[Job] = []
    done: list[Job] = []
    for job in jobs:
        (todo if options.overwrite or not job.is_done else done).append(job)
    outcomes: Iterator[Outcome] = (Outcome(job, "skipped") for job in done)
    if todo:
        model = _load(options)
        running = run_jobs(todo, lambda images: _paint(model, images, options), max_pixels=options.max_pixels)
        outcomes = chain(outcomes, running)
    counts: Counter[str] = Counter()
    failed: list[str] = []
    with ExitStack() as stack:
        report = stack.enter_context(options.report.open("w", buffering=1)) if options.report else None
        for outcome in tqdm(outcomes, total=len(jobs), unit="image", disable=None):
            counts[outcome.status] += 1
            if report:
                report.write(outcome.to_json())
            if outcome.status == "failed":
                failed.append(f"{outcome.job.source}: {outcome.reason}")
    print(
        f"{counts['done']} colorized"
        + (f", {len(done)} skipped since their results exist (--overwrite to redo them)" if done else "")
        + (f", {len(failed)} failed:" if failed else "")
    )
    for line in failed:
        print(f"  {line}", file=sys.stderr)
    return 1 if failed else 0


def _load(options: argparse.Namespace) -> Colorizer:
    """Load the model, if it can do what was asked."""
    model = Colorizer.load(options.model)
    if model.paints_rgb and (options.hint or options.alternatives or options.uncertainty):
        raise UsageError("hints, alternatives and uncertainty are the U-Net's: give --model unet")
    if options.raw and not model.paints_rgb:
        raise UsageError("the U-Net paints no picture of its own; for --raw give --model autoencoder")
    return model


def _paint(
    model: Colorizer, images: list[NDArray[np.uint8]], options: argparse.Namespace
) -> list[list[NDArray[np.uint8]]]:
    """Colorize images in the ways that were asked for."""
    asked = {"vividness": options.vividness, "detail": options.detail, "max_pixels": options.max_pixels}
    if not (options.hint or options.alternatives or options.uncertainty):
        return [[result] for result in model.colorize_batch(images, raw=options.raw, **asked)]
    single = {"hints": options.hint, "alternatives": options.alternatives, "seed": options.seed}
    painted = []
    for image in images:
        results = model.colorize(image, **single, **asked)
        results = results if isinstance(results, list) else [results]
        if options.uncertainty:
            doubt = model.uncertainty(image, detail=options.detail, max_pixels=options.max_pixels)
            results.append(np.repeat(np.rint(doubt * 255).astype(np.uint8)[..., None], 3, axis=-1))
        painted.append(results)
    return painted


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
        print(
            f"{name:22}{row['mse']:9.5f}{row['error_left']:12.3f}{row['psnr']:8.2f}{row['ssim']:8.3f}"
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
