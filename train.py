"""Train a colorizer: ``python train.py --help``."""

import argparse
import logging
import sys
from dataclasses import fields
from typing import Any

from colorizer.data.dataset import DatasetError
from colorizer.inference.runtime import import_keras
from colorizer.machine import describe_shortage
from colorizer.training.config import DivergedError, TrainConfig, TrainingError

_RESUME = "run the same command again to resume after the last finished epoch"


def parse_arguments(arguments: list[str] | None = None) -> TrainConfig:
    """Parse command-line options, one for each field of `TrainConfig`."""
    parser = argparse.ArgumentParser(
        description="Train a colorizer. To resume an interrupted run, run the same command again."
    )
    groups: dict[str, Any] = {
        "": parser,
        "autoencoder": parser.add_argument_group("options of the autoencoder"),
        "unet": parser.add_argument_group("options of the U-Net"),
    }
    for option in fields(TrainConfig):
        add, flag = groups[option.metadata["model"]].add_argument, "--" + option.name.replace("_", "-")
        default, text = option.default, option.metadata["help"]
        if isinstance(default, bool):
            add(flag, action="store_true", help=text)
        elif isinstance(default, tuple):
            text = f"{text} (default: {' '.join(map(str, default))})" if default else text
            kind = type(default[0]) if default else str
            add(flag, nargs="+", type=kind, default=default, help=text)
        else:
            text = f"{text} (default: {default})" if default != "" else text
            add(flag, type=type(default), default=default, help=text)
    values: dict[str, Any] = vars(parser.parse_args(arguments))
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return TrainConfig(**values)


def main() -> int:
    """Train a model; return 0 for success, 1 for a failure, 2 for invalid options, and 130 if interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = parse_arguments()
        import_keras()  # Without its startup messages, which would bury the progress bar.
        from colorizer.training.fit import fit

        fit(config)
    except TrainingError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1 if isinstance(error, DivergedError) else 2
    except ModuleNotFoundError as error:
        print(f"train.py: this needs {error.name}, which is not installed: pip install .[train]", file=sys.stderr)
        return 2
    except DatasetError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if (lack := describe_shortage(error)) is None:
            raise
        print(f"train.py: there is {lack} left; {_RESUME}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ntrain.py: stopped; {_RESUME}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
