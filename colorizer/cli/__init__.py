"""The command line, ``colorizer``; see ``colorizer COMMAND --help``."""

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
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; by default, those of the process.

    Returns
    -------
    int
        The exit code: 0 for success, 1 if something failed, 2 for an invalid command line, 130 if interrupted.
    """
    if sys.stderr is None:  # Closed; most code that writes to it doesn't check.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # It logs every request at INFO.
    logging.getLogger("huggingface_hub").propagate = False  # It prints its warnings itself.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Not every terminal or file can encode every character.
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
            "\ncolorizer: interrupted. The results so far are complete; run the same command again to resume",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="colorizer", description="Colorize grayscale images and videos.")
    parser.add_argument("--version", action="version", version=f"colorizer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (colorize, evaluate, publish):
        module.add_parser(commands)
    return parser
