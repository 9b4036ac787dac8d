"""Checkpoints of a training run: the state to resume from, and the best weights, ready for use."""

import csv
import io
import json
import logging
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from colorizer.files import sha256, sync, write_whole
from colorizer.inference.checkpoint import CONFIG, KERAS
from colorizer.training.config import TrainingError

logger = logging.getLogger(__name__)

RESUME = "resume"
"""Folder of the training state, in the output folder."""
SAMPLES = "samples.png"
"""Picture in the output folder, drawn last: once it exists, the run is finished."""
STATE, WEIGHTS = "state.json", "state.weights.h5"
"""Files of a saved epoch."""
BEST = "best.weights.h5"
"""File in the folder `RESUME`: best weights that aren't in ``model.keras`` yet."""
_SAVING = ".save-"  # Prefix of the temporary folders that a model is written in before it is renamed.


class Resume(keras.callbacks.Callback):
    """Keras callback that saves the training state after each epoch, and publishes the best weights.

    It must come last among the callbacks, so that it saves the state after the others have changed it.

    Parameters
    ----------
    output : pathlib.Path
        Output folder; the state is in its subfolder ``resume``.
    record : dict
        Record of the run, as written to ``config.json``. A run with a different record is not resumed.
    init : str
        Initial weights; empty for none. Compared in the same way.
    best : keras.Model
        Model of the same architecture, which gets the best weights and is saved for use.
    others : list of keras.callbacks.Callback
        Callbacks whose state is saved, too.

    Attributes
    ----------
    saved : pathlib.Path, optional
        Folder of the state to resume from, once `find` has found one.
    stopped : bool
        Whether the training ended early because it no longer improved.
    """

    # State that callbacks keep across epochs. Keras doesn't save it, and resets it when `fit` starts.
    _remembered = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter", "_ema_weights_in_model")

    def __init__(
        self,
        output: Path,
        record: dict[str, Any],
        init: str,
        best: keras.Model,
        others: list[keras.callbacks.Callback],
    ) -> None:
        super().__init__()
        self.output = output
        self.record = record
        self.init = init
        self.best = best
        self.others = others
        self.folder = output / RESUME
        self.saved: Path | None = None
        self.stopped = False

    @property
    def finished(self) -> bool:
        """Whether the run is finished: the picture of samples, which is drawn last, exists."""
        return (self.output / SAMPLES).exists()

    def find(self, *, overwrite: bool) -> int:
        """Find the epoch to resume from.

        Parameters
        ----------
        overwrite : bool
            Replace a finished run, or one with other options; an interrupted one with the same options is resumed.

        Returns
        -------
        int
            Number of finished epochs, 0 in a fresh folder.

        Raises
        ------
        TrainingError
            If the folder holds something else: a run with other options, weights of unknown origin, or only damaged
            states.
        """
        # Files that an interrupted run left half-written; that epoch is trained again.
        (self.folder / BEST).unlink(missing_ok=True)
        for unfinished in self.output.glob(f"{_SAVING}*"):
            shutil.rmtree(unfinished)
        self.saved, state = self._find_state()
        asked = {**json.loads(json.dumps(self.record)), "init": self.init}  # As in JSON: lists for tuples.
        begun = {**state["record"], "init": state.get("init", "")} if state else asked
        changed = [key for key in ("training", "data", "init") if _compared(begun[key]) != _compared(asked[key])]
        if overwrite and (changed or self.finished):
            if self.folder.exists():
                # Renamed first, so that a kill leaves no incomplete state.
                discarded = self.folder.rename(self.output / f"{_SAVING}{RESUME}")
                shutil.rmtree(discarded)
            self.saved = state = None
        if state is None:
            weights = self.output / "model.keras"
            if weights.exists() and not overwrite and not self.folder.exists():
                raise TrainingError(
                    f"{self.output} holds a trained model: choose another output, start from it with "
                    f"init={weights}, or use overwrite"
                )
            (self.output / "history.csv").unlink(missing_ok=True)  # Of a run killed within its first epoch.
            return 0
        if changed:
            before, now = begun[changed[0]], asked[changed[0]]
            raise TrainingError(
                f"{self.output} holds a run with other options: its {changed[0]} was {before!r}, and now is {now!r}; "
                "use the same options, choose another output, or use overwrite"
            )
        if "init_sha256" in begun:  # The file may have changed since: it may be in this very folder.
            self.record["init_sha256"] = begun["init_sha256"]
        self._trim_history(state["epoch"])
        self.stopped = any(remembered.get("stopped_epoch") for remembered in state["callbacks"])
        return int(state["epoch"])

    def _find_state(self) -> tuple[Path | None, dict[str, Any] | None]:
        """Find the last intact state: its folder and its ``state.json``; (None, None) if nothing was saved.

        Raises
        ------
        TrainingError
            If states were saved, but none is intact.
        """
        faults = []
        for folder in sorted(self.folder.glob("epoch-*"), reverse=True):
            try:
                state = json.loads((folder / STATE).read_text())
                if sha256((folder / WEIGHTS).read_bytes()) != state["sha256"]:
                    raise ValueError(f"{WEIGHTS} is not the file that was saved")
                epoch, _ = int(state["epoch"]), state["record"]["training"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                faults.append(f"{RESUME}/{folder.name} is damaged ({error})")
                continue
            if faults:
                logger.warning("%s: resuming after epoch %d instead", "; ".join(faults), epoch)
            return folder, state
        if faults:
            raise TrainingError(
                f"{'; '.join(faults)}: remove {self.folder} to start over, or start from the best weights with init"
            )
        return None, None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.saved is None:
            return
        state = json.loads((self.saved / STATE).read_text())
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(self.saved / WEIGHTS)
        for callback, remembered in zip(self.others, state["callbacks"], strict=True):
            vars(callback).update(remembered)
        for variable, value in zip(_random_states(self.model), state.get("random", []), strict=True):
            variable.assign(np.array(value, variable.dtype))
        logger.info("resuming after epoch %d", state["epoch"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        best = self.folder / BEST
        if best.exists():
            figures = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
            self.best.load_weights(best)
            publish_model(self.best, self.output, {**self.record, "best": figures})
            best.unlink()
        self._save_state(epoch + 1)

    def _save_state(self, epochs: int) -> None:
        """Save the state under a temporary name, then rename it, so that none is half-written; keep the one before."""
        temporary = self.folder / "saving"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        self.model.save_weights(temporary / WEIGHTS)
        remembered = [{name: vars(c)[name] for name in self._remembered if name in vars(c)} for c in self.others]
        state = {
            "epoch": epochs,
            "callbacks": remembered,
            "random": [np.asarray(variable).tolist() for variable in _random_states(self.model)],
            "init": self.init,
            "record": self.record,
            "sha256": sha256((temporary / WEIGHTS).read_bytes()),
        }
        (temporary / STATE).write_text(json.dumps(state, default=float))
        for path in (temporary / WEIGHTS, temporary / STATE, temporary):
            sync(path)
        earlier = sorted(self.folder.glob("epoch-*"))
        saved = self.folder / f"epoch-{epochs:05d}"
        shutil.rmtree(saved, ignore_errors=True)  # Damaged, if it exists: the run was resumed from an earlier state.
        temporary.rename(saved)
        sync(self.folder)
        for old in earlier[:-1]:
            shutil.rmtree(old, ignore_errors=True)

    def _trim_history(self, epochs: int) -> None:
        """Drop the rows of epochs that were logged but not saved before the run was killed."""
        path = self.output / "history.csv"
        with path.open(newline="") as file:
            header, *rows = list(csv.reader(file))
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < epochs]
        write_whole(path, "".join(",".join(row) + "\n" for row in [header, *kept]).encode())


def _compared(part: Any) -> Any:
    """Drop what may differ when a run is resumed: it may be extended."""
    return {key: value for key, value in part.items() if key != "epochs"} if isinstance(part, dict) else part


def _random_states(model: keras.Model) -> list[keras.Variable]:
    """Find the seed states of dropout layers, which `keras.Model.save_weights` doesn't save."""
    return [variable for variable in model.variables if "seed_generator" in variable.path]


def publish_model(model: keras.Model, folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Save a model as ``model.keras``, see `save_model`, and its record as ``config.json``.

    Returns
    -------
    dict
        The record with the SHA-256 of the file.
    """
    save_model(model, folder / KERAS)
    record = {**record, "model_sha256": sha256((folder / KERAS).read_bytes())}
    write_whole(folder / CONFIG, (json.dumps(record, indent=2) + "\n").encode())
    return record


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model for inference: float32, without optimizer state, atomically.

    Weights are stored in half precision, which halves the file and changes outputs by less than a tenth of one of
    255 levels. ``keras.models.load_model(path, compile=False)`` reads them into float32 variables.
    """
    with tempfile.TemporaryDirectory(prefix=_SAVING, dir=path.parent) as temporary:
        full, half = Path(temporary, "full.keras"), Path(temporary, "half.keras")
        model.save(full)
        _halve(full, half)
        sync(half)
        half.replace(path)


def _halve(source: Path, target: Path) -> None:
    """Copy a ``.keras`` file with its weights in half precision."""
    with zipfile.ZipFile(source) as full, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as half:
        for name in full.namelist():
            content = full.read(name)
            half.writestr(name, _halve_weights(content) if name.endswith(".weights.h5") else content)


def _halve_weights(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as full, h5py.File(buffer, "w") as half:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                half.create_dataset(name, data=values.astype(np.float16) if values.dtype == np.float32 else values)
            else:
                half.require_group(name)
            half[name].attrs.update(item.attrs)

        full.visititems(copy)
    return buffer.getvalue()
