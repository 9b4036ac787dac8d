"""A trained model on disk and on the Hub: its files, records and hashes."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorizer.files import resource_folder, sha256, write_whole

DEFAULT_MODEL = "unet"
KERAS = "model.keras"
"""File name of a network saved by Keras."""
EXPORTED = "model.tflite"
"""File name of an exported network, which needs only the ``config.json`` beside it."""
PARTS = ("encoder.tflite", "decoder.tflite")
"""File names of the autoencoder's two parts, which are also exported."""
CONFIG = "config.json"
"""File name of the record: training, data, preprocessing, and the SHA-256 of the other files."""
_NETWORKS = (KERAS, EXPORTED)  # A folder may have one or both.
_MAX_NAME_LENGTH = 200  # Characters of a model's name in a message.
_REFERENCE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@(\S+))?")


class ModelError(Exception):
    """A model can't be found or loaded; the message says which and why."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk.

    Attributes
    ----------
    path : pathlib.Path
        The network: ``model.keras``, ``model.tflite``, or another file that Keras can load.
    """

    path: Path

    @classmethod
    def find(cls, model: str | Path) -> "Checkpoint":
        """Find a model.

        Parameters
        ----------
        model : str or pathlib.Path
            Name of an included model, path of a folder or file, or ``hf://USER/MODEL`` or
            ``hf://USER/MODEL@REVISION`` on the Hugging Face Hub. Load only models from people you trust: a
            malicious file can crash the process.

        Raises
        ------
        ModelError
            If there is no such model, the Hub can't be reached, or files don't match the record.
        """
        if str(model).startswith("hf://"):
            return cls._download(str(model))
        with suppress(OSError, ValueError):  # The name is too long for a path, or has invalid characters.
            for path in (resource_folder("checkpoints") / model, Path(model)):
                for file in (path, *(path / name for name in _NETWORKS)):
                    if file.is_file():
                        return cls(file)
        model = str(model)
        shown = model if len(model) <= _MAX_NAME_LENGTH else f"{model[:_MAX_NAME_LENGTH]}..."
        raise ModelError(
            f"no model {shown!r}; available: {', '.join(list_models()) or 'none'}; or give the path of a folder "
            f"that holds {' or '.join(_NETWORKS)}, or hf://USER/MODEL"
        )

    @property
    def folder(self) -> Path:
        """The folder of the network and its records."""
        return self.path.parent

    @property
    def name(self) -> str:
        """Name of network and folder in messages."""
        return str(Path(self.folder.name, self.path.name))

    @property
    def is_included(self) -> bool:
        """Whether the model is included in the project."""
        return self.path.resolve().is_relative_to(resource_folder("checkpoints").resolve())

    @property
    def export(self) -> Path | None:
        """The exported network, if there is one; it is preferred."""
        path = self.path.with_name(EXPORTED)
        return path if self.path.name in _NETWORKS and path.exists() else None

    @property
    def files(self) -> list[Path]:
        """The files needed to run the model that exist: network, export and record."""
        names = dict.fromkeys((self.path.name, EXPORTED, CONFIG))
        return [path for path in map(self.path.with_name, names) if path.exists()]

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights in records: that of ``model.keras``, also for an export made from it."""
        if self.path.name == EXPORTED:
            return str(self.read_config()["export"]["model_sha256"])
        return sha256(self.path.read_bytes())

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``; raise `OSError` or `ValueError` if it is missing or invalid."""
        return dict(json.loads((self.folder / CONFIG).read_text("utf-8")))

    def read_record(self, name: str) -> dict[str, Any]:
        """Read a JSON file beside the network; return an empty dict if it doesn't exist."""
        path = self.folder / name
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def read_hashes(self) -> dict[str, str]:
        """Read the SHA-256 of each weights file from ``config.json``; raise `ValueError` if it has none."""
        try:
            hashes = _list_hashes(self.read_config())
        except (AttributeError, TypeError, ValueError):
            hashes = {}
        if not hashes or not all(isinstance(sha, str) for sha in hashes.values()):
            raise ValueError(f"its {CONFIG} has no SHA-256 of weights: it is not a model of this project")
        return hashes

    def read_weights(self, name: str) -> bytes:
        """Read a weights file by name; raise `ValueError` unless it has the SHA-256 in ``config.json``.

        If ``model.keras`` exists, an exported file must also have been made from it.
        """
        content = (self.folder / name).read_bytes()
        try:
            record, original = self.read_config(), self.folder / KERAS
            fits = _list_hashes(record)[name] == sha256(content)
            if fits and name != KERAS and original.exists():
                fits = record["export"]["model_sha256"] == sha256(original.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            fits = False
        if not fits:
            again = f"; export {KERAS} again: colorizer export --model {self.folder}" * (name != KERAS)
            raise ValueError(f"its {name} doesn't match {CONFIG}: it is damaged or from other weights{again}")
        return content

    def write_export(self, contents: dict[str, bytes], measured: dict[str, Any], **details: Any) -> dict[str, Any]:
        """Write exported files beside the ``model.keras`` and record them.

        Parameters
        ----------
        contents : dict of str to bytes
            The files, by name.
        measured : dict
            What to record under ``export`` besides the hashes.
        **details
            Additional keys of ``config.json``.

        Returns
        -------
        dict
            What ``config.json`` now has under ``export``.
        """
        files = {name: sha256(content) for name, content in contents.items()}
        record = {"model_sha256": sha256(self.path.read_bytes()), "files": files, **measured}
        for name, content in contents.items():
            write_whole(self.path.with_name(name), content)
        # Last: if the process is killed before this, the files don't match the record and are refused.
        config = {**self.read_record(CONFIG), **details, "export": record}
        write_whole(self.folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
        return record

    @classmethod
    def _download(cls, reference: str) -> "Checkpoint":
        """Download ``config.json`` and the network, nothing else, into the Hub's cache.

        Cached files are not downloaded again: a full commit hash needs no request at all, and a branch none while
        offline. Files that don't match their record are removed from the cache.
        """
        from colorizer.hub import HubError, explain_errors, fetch_file

        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise ModelError(f"{reference!r} is neither hf://USER/MODEL nor hf://USER/MODEL@REVISION")
        try:
            with explain_errors(reference):
                config = fetch_file(match[1], CONFIG, match[2])
                try:
                    hashes = cls(config).read_hashes()
                except ValueError:
                    _forget(config)
                    raise
                name = EXPORTED if EXPORTED in hashes else KERAS
                # From the same commit, even if the branch moves in the meantime.
                path = fetch_file(match[1], name, config.parent.name)
                found = sha256(path.read_bytes())
        except HubError as error:
            raise ModelError(str(error)) from error
        if found != hashes[name]:
            _forget(config, path)
            raise ModelError(
                f"{reference}: {name} has the SHA-256 {found[:12]}…, but its {CONFIG} says {hashes[name][:12]}…: "
                "it was damaged or replaced, and is not used; try again"
            )
        return cls(path)


def list_models() -> list[str]:
    """List the names of the included models, the default first."""
    names = {path.parent.name for path in resource_folder("checkpoints").glob("*/model.*") if path.name in _NETWORKS}
    return sorted(names, key=lambda name: (name != DEFAULT_MODEL, name))


def _forget(*paths: Path) -> None:
    """Remove files and the blobs they link to from the cache, so that the next attempt downloads them again."""
    for path in paths:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _list_hashes(record: dict[str, Any]) -> dict[str, Any]:
    """List the SHA-256 of ``model.keras`` and of the exported files in a record."""
    return {KERAS: record.get("model_sha256"), **record.get("export", {}).get("files", {})}
