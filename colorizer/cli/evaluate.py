"""``colorizer evaluate``: measure a model on a dataset."""

import argparse
from pathlib import Path

from colorizer.batch.plan import UsageError
from colorizer.cli.options import Commands, add_detail, add_model, add_vividness


def add_parser(commands: Commands) -> None:
    """Add the command ``evaluate``."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure a model on a dataset",
        description="Measure how well a model restores the colors of a dataset, compared with the gray baseline.",
    )
    evaluate.add_argument(
        "--data",
        default="cifar10",
        metavar="DATA",
        help="cifar10, or a folder with Parquet files, cifar-10-batches-py, one folder per class, or images "
        "(default: %(default)s)",
    )
    evaluate.add_argument("--split", default="test", help="split of the dataset (default: %(default)s)")
    add_vividness(evaluate, 0.0)
    add_detail(evaluate)
    evaluate.add_argument(
        "--size", type=int, metavar="PIXELS", help="downscale images so the long side is at most PIXELS"
    )
    evaluate.add_argument(
        "--abilities",
        action="store_true",
        help="also measure the U-Net's vividness, hints, uncertainty and alternatives",
    )
    evaluate.add_argument(
        "--aged",
        action="store_true",
        help="also measure artificially aged copies: taken on film insensitive to red, faded, damaged",
    )
    evaluate.add_argument(
        "--per-image",
        action="store_true",
        help="also write the error of each image to FILE-images.csv; the demo sorts its gallery by it",
    )
    evaluate.add_argument("--output", required=True, type=Path, metavar="FILE.json", help="where to write the results")
    evaluate.add_argument("--skip-corrupt", action="store_true", help="skip corrupt images instead of stopping")
    evaluate.set_defaults(run=_evaluate)
    add_model(evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from colorizer.evaluation.evaluate import evaluate

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
            aged=options.aged,
            per_image=options.per_image,
            skip_corrupt=options.skip_corrupt,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(f"{figures['model']} on {figures['data']['name']} ({figures['data']['split']}), {figures['n']} images")
    print(f"{'':22}{'MSE':>9}{'relative MSE':>14}{'PSNR':>8}{'SSIM':>8}{'CIEDE2000':>11}{'colorfulness':>14}")
    rows = {
        "color + original luma": figures,
        "raw output": figures.get("raw"),
        "gray baseline": figures["gray_baseline"],
    }
    for name, row in rows.items():
        if row is None:
            continue
        relative = "-" if row["relative_mse"] is None else f"{row['relative_mse']:.3f}"
        print(
            f"{name:22}{row['mse']:9.5f}{relative:>14}{row['psnr']:8.2f}{row['ssim']:8.3f}"
            f"{row['delta_e']:11.2f}{row['colorfulness']:14.1f}"
        )
    return 0
