"""Options shared by several commands."""

import argparse
from typing import TYPE_CHECKING, Any

from colorizer.inference.checkpoint import DEFAULT_MODEL

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Options = argparse._ActionsContainer
else:
    Commands = Options = Any


def add_model(command: Options) -> None:
    """Add ``--model``."""
    command.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|PATH|hf://USER/MODEL@REVISION",
        help="included model, folder of a model, or model on the Hugging Face Hub (default: %(default)s); load only "
        "models from people you trust: a malicious file can crash the program",
    )


def add_vividness(command: Options, default: float) -> None:
    """Add ``--vividness``."""
    command.add_argument(
        "--vividness",
        type=float,
        default=default,
        metavar="0..1",
        help="U-Net only: 0 minimizes the error, 1 is as colorful as real images (default: %(default)s)",
    )


def add_detail(command: Options) -> None:
    """Add ``--detail``."""
    command.add_argument(
        "--detail",
        type=int,
        metavar="PIXELS",
        help="long side of the thumbnail that the U-Net sees (default: the size at which the model works best)",
    )
