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
"""Name of the file in which Keras saves a network."""
EXPORTED = "model.tflite"
"""Name of the exported network, which needs only the ``config.json`` beside it."""
PARTS = ("encoder.tflite", "decoder.tflite")
"""Names of the autoencoder's two halves, which are exported, too."""
CONFIG = "config.json"
"""Name of the record: training, data, preprocessing, and the SHA-256 of the other files."""
_NETWORKS = (KERAS, EXPORTED)  # A folder may have one or both.
_LONGEST_NAME = 200  # Characters of a name that a message repeats.
_REFERENCE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@(\S+))?")


class ModelError(Exception):
    """A model can't be found or loaded; the message says which and why."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk.

    Attributes
    ----------
    path : pathlib.Path
        The network: ``model.keras``, ``model.tflite``, or a file of another name that Keras reads.
    """

    path: Path

    @classmethod
    def find(cls, model: str | Path) -> "Checkpoint":
        """Find a model.

        Parameters
        ----------
        model : str or pathlib.Path
            The name of a model that comes with the project, the path of a folder or file, or ``hf://USER/MODEL`` or
            ``hf://USER/MODEL@REVISION`` on the Hugging Face Hub. Load only models of people you trust: a malicious
            file can crash the process.

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
        shown = model if len(model) <= _LONGEST_NAME else f"{model[:_LONGEST_NAME]}..."
        raise ModelError(
            f"no model {shown!r}; there are: {', '.join(list_models()) or 'none'}; or give the path of a folder "
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
        """Whether it comes with the project."""
        return self.path.resolve().is_relative_to(resource_folder("checkpoints").resolve())

    @property
    def export(self) -> Path | None:
        """The exported network, if there is one; it is preferred."""
        path = self.path.with_name(EXPORTED)
        return path if self.path.name in _NETWORKS and path.exists() else None

    @property
    def files(self) -> list[Path]:
        """The existing files among those that running the model needs: network, export and record."""
        names = dict.fromkeys((self.path.name, EXPORTED, CONFIG))
        return [path for path in map(self.path.with_name, names) if path.exists()]

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 by which records name weights: that of ``model.keras``, also for an export made from it."""
        if self.path.name == EXPORTED:
            return str(self.read_config()["export"]["model_sha256"])
        return sha256(self.path.read_bytes())

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``; `OSError` or `ValueError` if it is missing or broken."""
        return dict(json.loads((self.folder / CONFIG).read_text("utf-8")))

    def read_record(self, name: str) -> dict[str, Any]:
        """Read any JSON file beside the network; empty if there is none."""
        path = self.folder / name
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def read_hashes(self) -> dict[str, str]:
        """Read the SHA-256 of each file of weights from ``config.json``; `ValueError` if it has none."""
        try:
            hashes = _list_hashes(self.read_config())
        except (AttributeError, TypeError, ValueError):
            hashes = {}
        if not hashes or not all(isinstance(sha, str) for sha in hashes.values()):
            raise ValueError(f"its {CONFIG} has no SHA-256 of weights: it is not a model of this project")
        return hashes

    def read_weights(self, name: str) -> bytes:
        """Read a file of weights by name; `ValueError` unless it has the SHA-256 in ``config.json``.

        An exported file must also have been made from the ``model.keras``, if that exists.
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
            again = f"; from a {KERAS} it is made by: colorizer export --model {self.folder}" * (name != KERAS)
            raise ValueError(f"its {name} is not the one that {CONFIG} records, broken or of other weights{again}")
        return content

    def write_export(self, contents: dict[str, bytes], measured: dict[str, Any], **details: Any) -> dict[str, Any]:
        """Write exported files beside the ``model.keras`` and record them.

        Parameters
        ----------
        contents : dict of str to bytes
            The files, by name.
        measured : dict
            What to record about them besides their hashes.
        **details
            Further keys for ``config.json``.

        Returns
        -------
        dict
            What ``config.json`` now has under ``export``.
        """
        files = {name: sha256(content) for name, content in contents.items()}
        record = {"model_sha256": sha256(self.path.read_bytes()), "files": files, **measured}
        for name, content in contents.items():
            write_whole(self.path.with_name(name), content)
        # Last: files of a run that is killed before this are refused, rather than mistaken for others.
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
                # Of the same commit, even if the branch moves meanwhile.
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
    """List the names of the models that come with the project, the default first."""
    names = {path.parent.name for path in resource_folder("checkpoints").glob("*/model.*") if path.name in _NETWORKS}
    return sorted(names, key=lambda name: (name != DEFAULT_MODEL, name))


def _forget(*paths: Path) -> None:
    """Remove files from the cache, with the blobs that they link to, so that the next attempt downloads them again."""
    for path in paths:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _list_hashes(record: dict[str, Any]) -> dict[str, Any]:
    """List the hashes of weight files in a record; exports have hashes of their own."""
    return {KERAS: record.get("model_sha256"), **record.get("export", {}).get("files", {})}
