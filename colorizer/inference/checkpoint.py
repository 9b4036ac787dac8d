"""What a model is on disk and on the Hub: its files, their records and their hashes."""

import json
import re
from pathlib import Path
from typing import Any

from colorizer.files import resource_folder, sha256

EXPORTED = "model.tflite"
"""Name of the exported network, which needs no more than its ``config.json`` beside it."""
MODEL_FILES = ("model.keras", EXPORTED)
"""Names of the files that hold a network: as Keras saves it, and exported from that. A folder may have one or both."""
DEFAULT_MODEL = "unet"
_REFERENCE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@(\S+))?")


def name_weights(path: Path) -> str:
    """Name the weights of one of `MODEL_FILES`: by the SHA-256 of the ``model.keras`` that an export was made from."""
    if path.name == EXPORTED:
        return str(json.loads(path.with_name("config.json").read_text())["export"]["model_sha256"])
    return sha256(path.read_bytes())


def check_origin(content: bytes, folder: Path) -> None:
    """Raise `ValueError` unless an export is the recorded one, and made from the ``model.keras``, if that is there."""
    original = folder / "model.keras"
    try:
        record = json.loads((folder / "config.json").read_text())["export"]
        fits = record["files"][EXPORTED] == sha256(content)
        if original.exists():
            fits = fits and record["model_sha256"] == sha256(original.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise ValueError(
            f"its {EXPORTED} is not the one that config.json records, broken or made from other weights; beside a "
            f"model.keras it can be made anew: colorizer export --model {folder}"
        )


class ModelError(Exception):
    """A model can't be found or loaded; the message says which and why."""


def list_models() -> list[str]:
    """List the names of the models that come with the project, the default first."""
    names = {path.parent.name for path in resource_folder("checkpoints").glob("*/model.*") if path.name in MODEL_FILES}
    return sorted(names, key=lambda name: (name != DEFAULT_MODEL, name))


def find_model(model: str | Path) -> Path:
    """Find a model by its name, path or place on the Hub: one of `MODEL_FILES`; `ModelError` if there is none."""
    if str(model).startswith("hf://"):
        return download_model(str(model))
    for path in (resource_folder("checkpoints") / model, Path(model)):
        for file in (path, *(path / name for name in MODEL_FILES)):
            if file.is_file():
                return file
    raise ModelError(
        f"no model {str(model)!r}; there are: {', '.join(list_models()) or 'none'}; or give the path of a folder "
        f"that holds {' or '.join(MODEL_FILES)}, or hf://USER/MODEL"
    )


def download_model(reference: str) -> Path:
    """Download ``config.json`` and the exported network, nothing else, into the Hub's cache.

    Parameters
    ----------
    reference : str
        ``hf://USER/MODEL`` or ``hf://USER/MODEL@REVISION``; the revision is a branch, a tag or a commit.

    Returns
    -------
    pathlib.Path
        The ``model.tflite``, or the ``model.keras`` of a model that has no export, beside ``config.json``; neither can
        run code. What is in the cache is not downloaded again: a full commit hash needs no request at all, a branch
        needs none without network.

    Raises
    ------
    colorizer.inference.checkpoint.ModelError
        If there is no such model, the Hub can't be reached, or the SHA-256 of weights is not the one that the
        ``config.json`` has; nothing of that model is kept then.
    """
    from colorizer.hub import HubError, explain_errors, fetch_file

    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ModelError(f"{reference!r} is neither hf://USER/MODEL nor hf://USER/MODEL@REVISION")
    try:
        with explain_errors(reference):
            config = fetch_file(match[1], "config.json", match[2])
            try:
                hashes = read_hashes(config)
            except ValueError:
                _forget(config)
                raise
            name = EXPORTED if EXPORTED in hashes else "model.keras"
            # Of the same commit, even if the branch moves meanwhile.
            weights = fetch_file(match[1], name, config.parent.name)
            found = sha256(weights.read_bytes())
    except HubError as error:
        raise ModelError(str(error)) from error
    if found != hashes[name]:
        _forget(config, weights)
        raise ModelError(
            f"{reference}: {name} has the SHA-256 {found[:12]}…, but its config.json says {hashes[name][:12]}…: "
            "it was damaged or replaced, and is not used; try again"
        )
    return weights


def read_hashes(config: Path) -> dict[str, str]:
    """Read the SHA-256 of each file of weights from a model's ``config.json``; `ValueError` if it has none."""
    try:
        record = json.loads(config.read_text("utf-8"))
        hashes = {"model.keras": record["model_sha256"], **record.get("export", {}).get("files", {})}
    except (AttributeError, KeyError, TypeError, ValueError):
        hashes = {}
    if not hashes or not all(isinstance(sha, str) for sha in hashes.values()):
        raise ValueError("its config.json names no SHA-256 of weights: it is not a model of this project")
    return hashes


def _forget(*paths: Path) -> None:
    """Remove files from the cache, where the next attempt would find them, with the blobs that they link to."""
    for path in paths:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def read_record(model: str, name: str = "metrics.json") -> dict[str, Any]:
    """Read a record beside a model's weights; empty where there is none."""
    path = resource_folder("checkpoints") / model / name
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
