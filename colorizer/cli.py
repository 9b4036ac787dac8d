"""The command ``colorizer``: ``colorizer COMMAND --help`` is its documentation."""

import argparse
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer import __version__
from colorizer.datasets import DatasetError
from colorizer.images import EXTENSIONS, ImageError, readable_extensions, save_image
from colorizer.inference import DEFAULT_DETAIL, DEFAULT_MODEL, DEFAULT_VIVIDNESS, Colorizer, ModelError

if TYPE_CHECKING:
    from colorizer.hub import Upload

_FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}


class UsageError(Exception):
    """What was asked makes no sense; nothing was done."""


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
    colorize.add_argument(
        "--detail",
        type=int,
        default=DEFAULT_DETAIL,
        metavar="PIXELS",
        help="long side of what the U-Net sees (default: %(default)s)",
    )
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
        "--format", choices=[*_FORMATS, "same"], help="format of the results (default: png; same: as the input has it)"
    )
    colorize.add_argument("--recursive", action="store_true", help="take folders within folders too")
    colorize.add_argument("--overwrite", action="store_true", help="redo results that exist instead of skipping them")
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
    evaluate.add_argument("--output", required=True, type=Path, metavar="FILE.json", help="file for the figures")
    evaluate.add_argument("--skip-corrupt", action="store_true", help="leave corrupt images out instead of stopping")
    evaluate.set_defaults(run=_evaluate)

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

    for command in (colorize, evaluate, push):
        command.add_argument(
            "--model",
            default=DEFAULT_MODEL,
            metavar="NAME|PATH|hf://USER/MODEL@REVISION",
            help="name of a model that comes with the project, a model.keras, or a model on the Hugging Face Hub "
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
    jobs = _plan(options)
    todo = [job for job in jobs if options.overwrite or not all(target.exists() for target in job[1])]
    failed: list[str] = []
    if todo:
        model = Colorizer.load(options.model)
        if model.paints_rgb and (options.hint or options.alternatives or options.uncertainty):
            raise UsageError("hints, alternatives and uncertainty are the U-Net's: give --model unet")
        if options.raw and not model.paints_rgb:
            raise UsageError("the U-Net paints no picture of its own; for --raw give --model autoencoder")
        for source, targets in tqdm(todo, unit="image", disable=None):
            try:
                results = _results(model, source, options)
                targets[0].parent.mkdir(parents=True, exist_ok=True)
                for target, image in zip(targets, results, strict=True):
                    save_image(image, target)
            except (ImageError, OSError, MemoryError, ValueError) as error:  # A broken file doesn't stop the others.
                failed.append(f"{source}: {error or type(error).__name__}")
    skipped = len(jobs) - len(todo)
    print(
        f"{len(todo) - len(failed)} colorized"
        + (f", {skipped} skipped since their results exist (--overwrite to redo them)" if skipped else "")
        + (f", {len(failed)} failed:" if failed else "")
    )
    for line in failed:
        print(f"  {line}", file=sys.stderr)
    return 1 if failed else 0


def _results(model: Colorizer, source: Path, options: argparse.Namespace) -> list[NDArray[np.uint8]]:
    """Colorize one file in the ways that were asked for."""
    asked = {"vividness": options.vividness, "detail": options.detail, "hints": options.hint, "seed": options.seed}
    if options.alternatives:
        results = model.colorize(source, alternatives=options.alternatives, **asked)
    else:
        results = [model.colorize(source, raw=options.raw, **asked)]
    if options.uncertainty:
        doubt = np.rint(model.uncertainty(source, detail=options.detail) * 255).astype(np.uint8)
        results.append(np.repeat(doubt[..., None], 3, axis=-1))
    return results


def _plan(options: argparse.Namespace) -> list[tuple[Path, list[Path]]]:
    """List the files to read, each with those to write."""
    output: Path = options.output
    for path in options.inputs:
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}")
        if path.is_dir() and path.resolve() == output.resolve():
            raise UsageError(f"--output {output} is the input folder: results go into a folder of their own")
    if len(options.inputs) == 1 and options.inputs[0].is_file() and output.suffix and not output.is_dir():
        if output.suffix.lower() not in EXTENSIONS:
            raise UsageError(f"can't write {output.name}: a result's extension is one of {', '.join(EXTENSIONS)}")
        if options.format is not None:
            raise UsageError(f"--format {options.format} is for folders; {output.name} names its format itself")
        jobs = [(options.inputs[0], output)]
    else:
        if output.is_file() or output.suffix.lower() in readable_extensions():
            raise UsageError(f"--output {output} must be a folder, unless there is one input file")
        sources = list(_sources(options.inputs, output, options.recursive))
        if not sources:
            deeper = "" if options.recursive else " (folders within folders are taken with --recursive)"
            raise UsageError(f"no images in {', '.join(map(str, options.inputs))}{deeper}")
        jobs = _name_results(sources, output, options.format or "png")
    endings = [f"-{i + 1}" for i in range(options.alternatives)] if options.alternatives else [""]
    endings += ["-uncertainty"] if options.uncertainty else []
    plan = [(source, [target.with_stem(target.stem + ending) for ending in endings]) for source, target in jobs]
    taken = {source.resolve() for source, _ in jobs}
    for source, targets in plan:
        for target in targets:
            if target.resolve() in taken:
                raise UsageError(f"{source} would be colorized over another file, {target}: give another --output")
            taken.add(target.resolve())
    return plan


def _sources(inputs: Sequence[Path], output: Path, recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Find the images of the inputs, each with its place in the tree of results."""
    extensions = readable_extensions()
    for given in inputs:
        if given.is_file():
            yield given, Path(given.name)
            continue
        for path in sorted(given.rglob("*") if recursive else given.iterdir()):
            place = path.relative_to(given)
            hidden = any(part.startswith(".") for part in place.parts)
            result = path.resolve().is_relative_to(output.resolve())  # Of an earlier run, where OUT lies within INPUT.
            if path.suffix.lower() in extensions and path.is_file() and not hidden and not result:
                yield path, place


def _name_results(sources: Sequence[tuple[Path, Path]], output: Path, format: str) -> list[tuple[Path, Path]]:
    """Name the results: ``x/a.jpg`` becomes ``x/a.png``, and ``x/a.jpg.png`` where ``x/a.tif`` would be that too."""

    def extension(place: Path) -> str:
        return _FORMATS.get(format) or (place.suffix if place.suffix.lower() in EXTENSIONS else ".png")

    short = Counter(place.with_suffix(extension(place)) for _, place in sources)
    jobs: dict[Path, Path] = {}
    for source, place in sources:
        target = place.with_suffix(extension(place))
        if short[target] > 1:
            target = place.with_name(place.name + extension(place))
        if target in jobs:
            raise UsageError(f"{jobs[target]} and {source} would both become {output / target}: colorize them apart")
        jobs[target] = source
    return [(source, output / target) for target, source in jobs.items()]


# === colorizer evaluate ===


def _evaluate(options: argparse.Namespace) -> int:
    from colorizer.evaluation import evaluate

    figures = evaluate(
        options.model,
        options.data,
        options.output,
        split=options.split,
        vividness=options.vividness,
        skip_corrupt=options.skip_corrupt,
    )
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
