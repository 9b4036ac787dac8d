"""The command ``colorizer``: ``colorizer COMMAND --help`` is its documentation."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from colorizer import __version__
from colorizer.batch.plan import UsageError
from colorizer.cli import colorize, evaluate, publish
from colorizer.data.dataset import DatasetError
from colorizer.inference.checkpoint import ModelError


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
        print(
            "\ncolorizer: stopped; the results so far are complete, and the same command finishes the rest",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="colorizer", description="Give color to grayscale images.")
    parser.add_argument("--version", action="version", version=f"colorizer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (colorize, evaluate, publish):
        module.add_parser(commands)
    return parser
