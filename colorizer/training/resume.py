"""What a training keeps: the state that it goes on from after a kill, and the best weights, ready for use."""

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
from colorizer.training.config import TrainingError

logger = logging.getLogger(__name__)

RESUME = "resume"
"""Folder of the state, within the output folder."""
SAMPLES = "samples.png"
"""File in the output folder that is drawn when all else is done."""
STATE, WEIGHTS = "state.json", "state.weights.h5"
"""Files of a saved epoch."""
BEST = "best.weights.h5"
"""File in it: the best weights of which ``model.keras`` is not made yet."""
_SAVING = ".save-"  # Folders in which a model is written before it takes its place.


class Resume(keras.callbacks.Callback):
    """Keeps all that the next epoch starts from, and publishes the best weights.

    It must come after all callbacks that change anything: it saves the state after these.
    """

    # What callbacks remember from epoch to epoch. Keras resets them when `fit` starts and saves none of them.
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
        self.stopped = False  # Whether the training ended early, since it did not improve any more.

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: the picture of samples is drawn last."""
        return (self.output / SAMPLES).exists()

    def find(self, *, overwrite: bool) -> int:
        """Find the epoch to go on from, 0 in a fresh folder; refuse a folder that holds something else.

        With `overwrite` that is replaced instead, and so is a finished training; one that was killed goes on.
        """
        # What a kill left half written; the epoch that wrote it is trained again.
        (self.folder / BEST).unlink(missing_ok=True)
        for unfinished in self.output.glob(f"{_SAVING}*"):
            shutil.rmtree(unfinished)
        self.saved, state = self._find_state()
        asked = {**json.loads(json.dumps(self.record)), "init": self.init}  # As JSON has it: lists for tuples.
        begun = {**state["record"], "init": state.get("init", "")} if state else asked
        changed = [key for key in ("training", "data", "init") if _compared(begun[key]) != _compared(asked[key])]
        if overwrite and (changed or self.finished):
            if self.folder.exists():
                discarded = self.folder.rename(self.output / f"{_SAVING}{RESUME}")  # At once: a half is no state.
                shutil.rmtree(discarded)
            self.saved = state = None
        if state is None:
            weights = self.output / "model.keras"
            if weights.exists() and not overwrite and not self.folder.exists():
                raise TrainingError(
                    f"{self.output} holds a trained model: give another output, go on from it with init={weights}, "
                    "or ask to overwrite it"
                )
            (self.output / "history.csv").unlink(missing_ok=True)  # Of a run killed within its first epoch.
            return 0
        if changed:
            before, now = begun[changed[0]], asked[changed[0]]
            raise TrainingError(
                f"{self.output} holds a training with other options: its {changed[0]} was {before!r}, this command's "
                f"is {now!r}; give the same options or another output, or ask to overwrite it"
            )
        if "init_sha256" in begun:  # The file may have changed since: it may lie in this very folder.
            self.record["init_sha256"] = begun["init_sha256"]
        self._trim_history(state["epoch"])
        self.stopped = any(remembered.get("stopped_epoch") for remembered in state["callbacks"])
        return int(state["epoch"])

    def _find_state(self) -> tuple[Path | None, dict[str, Any] | None]:
        """Find the last state that is whole: its folder and its ``state.json``; (None, None) if nothing was saved.

        Raises
        ------
        TrainingError
            If states were saved and none is whole.
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
                logger.warning("%s: going on after epoch %d instead", "; ".join(faults), epoch)
            return folder, state
        if faults:
            raise TrainingError(
                f"{'; '.join(faults)}: remove {self.folder} to train anew, or go on from the best weights with init"
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
        logger.info("going on after epoch %d", state["epoch"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        best = self.folder / BEST
        if best.exists():
            self._publish(best, {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}})
        self._save_state(epoch + 1)

    def _save_state(self, epochs: int) -> None:
        """Save under a temporary name, then rename: a state is there whole or not at all. The one before is kept."""
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
        shutil.rmtree(saved, ignore_errors=True)  # A damaged one that was passed by.
        temporary.rename(saved)
        sync(self.folder)
        for old in earlier[:-1]:
            shutil.rmtree(old, ignore_errors=True)

    def _publish(self, best: Path, figures_of_epoch: dict[str, float]) -> None:
        """Turn the best weights into ``model.keras`` and write what they are into ``config.json``."""
        self.best.load_weights(best)
        save_model(self.best, self.output / "model.keras")
        best.unlink()
        digest = sha256((self.output / "model.keras").read_bytes())
        config = {**self.record, "best": figures_of_epoch, "model_sha256": digest}
        write_whole(self.output / "config.json", (json.dumps(config, indent=2) + "\n").encode())

    def _trim_history(self, epochs: int) -> None:
        """Drop the rows of epochs that were logged but not saved before the run was killed."""
        path = self.output / "history.csv"
        with path.open(newline="") as file:
            header, *rows = list(csv.reader(file))
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < epochs]
        write_whole(path, "".join(",".join(row) + "\n" for row in [header, *kept]).encode())


def _compared(part: Any) -> Any:
    """Leave out of a part of the record what may differ when a training goes on: it may be made longer."""
    return {key: value for key, value in part.items() if key != "epochs"} if isinstance(part, dict) else part


def _random_states(model: keras.Model) -> list[keras.Variable]:
    """Find where dropout layers keep the state of their chance, which `keras.Model.save_weights` leaves out."""
    return [variable for variable in model.variables if "seed_generator" in variable.path]


def save_model(model: keras.Model, path: Path) -> None:
    """Write a model for inference: float32, without the optimizer, whole or not at all.

    Weights are stored in half precision, which halves the file and changes outputs by less than a tenth of a level in
    255. ``keras.models.load_model(path, compile=False)`` reads them into float32 variables.
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
