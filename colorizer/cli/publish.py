"""``colorizer export``, ``push`` and ``deploy``."""

import argparse
from typing import TYPE_CHECKING

from colorizer.batch.plan import UsageError
from colorizer.cli.options import Commands, add_model
from colorizer.inference.checkpoint import Checkpoint

if TYPE_CHECKING:
    from colorizer.hub import Upload


def add_parser(commands: Commands) -> None:
    """Add the commands ``export``, ``push`` and ``deploy``."""
    export = commands.add_parser(
        "export",
        help="convert a model to run without TensorFlow",
        description="Convert model.keras to model.tflite in the same folder, which the command line and the demo run "
        "without TensorFlow. The conversion itself needs TensorFlow, and compares the results of the two models.",
    )
    export.set_defaults(run=_export)

    push = commands.add_parser(
        "push",
        help="share a model on the Hugging Face Hub",
        description="Upload a model's weights, config.json, metrics and a model card to the Hugging Face Hub.",
    )
    push.add_argument("repo", metavar="USER/MODEL", help="repository on the Hub; created if it does not exist")
    push.set_defaults(run=_push)

    deploy = commands.add_parser(
        "deploy",
        help="run the demo as a Hugging Face Space",
        description="Create a Hugging Face Space that runs the demo, or update it.",
    )
    deploy.add_argument("repo", metavar="USER/NAME", help="the Space; created if it does not exist")
    deploy.add_argument(
        "--static", action="store_true", help="deploy the static page that colorizes in the browser (web/dist)"
    )
    deploy.add_argument(
        "--models", nargs="+", default=[], metavar="USER/MODEL", help="models on the Hub to link from the Space's page"
    )
    deploy.set_defaults(run=_deploy)
    for command in (push, deploy):
        command.add_argument(
            "--dry-run", action="store_true", help="only list what would be uploaded; needs no token and no network"
        )
    for command in (export, push):
        add_model(command)


def _export(options: argparse.Namespace) -> int:
    from colorizer.publish.export import export

    record = export(options.model)
    print(f"{', '.join(record['files'])} written to {Checkpoint.find(options.model).folder}")
    print(
        f"difference over {record['results']} results: at most {record['largest_difference']} of 255 levels, on "
        f"average {record['mean_difference']:.5f}; change of the error: {record['error_change']:+.3%}"
    )
    return 0


def _push(options: argparse.Namespace) -> int:
    from colorizer.publish.model_card import plan_model

    try:
        upload = plan_model(options.repo, options.model)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return _upload(upload, options.dry_run)


def _deploy(options: argparse.Namespace) -> int:
    from colorizer.publish.space import PAYMENT, plan_space

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
