"""Train a colorizer: ``python train.py --help``."""

import argparse
import logging
import os
import sys
from dataclasses import fields
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes would bury the progress bar.

from colorizer.datasets import DatasetError
from colorizer.training import TrainConfig, TrainingError, fit


def parse_arguments(arguments: list[str] | None = None) -> TrainConfig:
    """Make the options of the command line from the fields of `TrainConfig`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for option in fields(TrainConfig):
        flag = "--" + option.name.replace("_", "-")
        help_text = option.metadata["help"]
        if isinstance(option.default, bool):
            parser.add_argument(flag, action="store_true", help=help_text)
        elif isinstance(option.default, tuple):
            kind = type(option.default[0])
            parser.add_argument(flag, nargs="+", type=kind, default=option.default, help=help_text)
        else:
            parser.add_argument(flag, type=type(option.default), default=option.default, help=help_text)
    values: dict[str, Any] = vars(parser.parse_args(arguments))
    return TrainConfig(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def main() -> int:
    """Run a training; 0 when it is done, 2 for options that make no sense, 1 for data that can't be read."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        fit(parse_arguments())
    except TrainingError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except DatasetError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
