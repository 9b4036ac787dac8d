"""Training: options, callbacks, resume, and the record beside the weights.

An output folder holds ``model.keras`` (the best weights by validation loss), ``config.json`` (what was trained, on
what), ``history.csv`` (an epoch a row) and two figures. ``resume/`` holds all that the next epoch starts from:
the same command after a crash goes on from there.
"""

import csv
import hashlib
import io
import json
import logging
import math
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from colorizer import figures
from colorizer.color import to_luma
from colorizer.datasets import ImageDataset, build_pipeline, load_array, load_dataset, split_validation
from colorizer.images import write_whole
from colorizer.models.autoencoder import build_autoencoder
from colorizer.records import describe_machine, describe_versions

logger = logging.getLogger(__name__)

MODELS = ("autoencoder",)
PRECISIONS = ("auto", "float32", "bfloat16")
_RESUME = "resume"  # Folder within the output folder.
_BEST = "best.weights.h5"  # File in it: best weights of which model.keras is not made yet.


class TrainingError(Exception):
    """A training can't start or go on as asked; the message is one line for the person who asked."""


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class TrainConfig:
    """What to train and how; each field is an option of ``train.py``."""

    model: str = _option("autoencoder", f"network to train: {', '.join(MODELS)}")
    data: tuple[str, ...] = _option(("cifar10",), "data sets: cifar10 or folders, joined")
    output: str = _option("", "folder of the results (default: runs/MODEL)")
    epochs: int = _option(30, "passes over the training images")
    batch_size: int = _option(256, "images in a step")
    learning_rate: float = _option(1e-3, "Adam's step size at the start")
    latent_dim: int = _option(256, "length of the latent vector")
    filters: tuple[int, ...] = _option((64, 128, 256), "filters of the encoder's convolutions")
    size: int = _option(32, "height and width of the images in pixels")
    validation: float = _option(0.05, "part of the training split that is kept for validation")
    patience: int = _option(8, "epochs without a better validation loss before training stops")
    seed: int = _option(0, "of weights, order and mirroring")
    precision: str = _option("auto", "of the arithmetic: float32, bfloat16, or auto: bfloat16 where the CPU has it")
    init: str = _option("", "weights to start from: a model.keras")
    skip_corrupt: bool = _option(False, "leave corrupt images out instead of stopping")
    overwrite: bool = _option(False, "replace what a finished training left in the output folder")

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output or f"runs/{self.model}").expanduser()

    def check(self) -> None:
        """Raise `TrainingError` for options that no training can have."""
        if self.model not in MODELS:
            raise TrainingError(f"unknown model {self.model!r}; there are: {', '.join(MODELS)}")
        if self.precision not in PRECISIONS:
            raise TrainingError(f"unknown precision {self.precision!r}; there are: {', '.join(PRECISIONS)}")
        for name in ("epochs", "batch_size", "latent_dim", "size", "patience"):
            if getattr(self, name) < 1:
                raise TrainingError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise TrainingError(f"--learning-rate must be positive, got {self.learning_rate}")
        if not 0 < self.validation < 1:
            raise TrainingError(f"--validation must lie between 0 and 1, got {self.validation}")
        if not self.data:
            raise TrainingError("--data names no data set")
        if self.init and not Path(self.init).is_file():
            raise TrainingError(f"--init: no file {self.init}")


def fit(config: TrainConfig) -> Path:
    """Train a model, going on where an earlier run with the same options was stopped.

    Parameters
    ----------
    config : TrainConfig
        What to train and how.

    Returns
    -------
    pathlib.Path
        The output folder.

    Raises
    ------
    TrainingError
        Before the first epoch, if the options make no sense, don't fit the data or what is in the output folder.
    colorizer.datasets.DatasetError
        If data can't be found or are corrupt.
    """
    config.check()
    folder = config.folder
    _check_folder(folder)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    precision = resolve_precision(config.precision)
    model = _build(config, precision)
    model.compile(keras.optimizers.Adam(config.learning_rate), "mse")

    sets = [split_validation(load_dataset(d, "train"), config.validation, config.seed) for d in config.data]
    train_images = _load_all([train for train, _ in sets], config)
    if config.batch_size > len(train_images):
        raise TrainingError(f"--batch-size {config.batch_size} is larger than the {len(train_images)} training images")
    validation_images = _load_all([validation for _, validation in sets], config)

    record = {
        "model": config.model,
        "parameters": model.count_params(),
        "input": {"plane": "luma, full-range Rec. 601", "range": [0, 1], "size": config.size},
        "output": {"planes": "RGB", "range": [0, 1]},
        "training": _options(config, precision),
        "data": [{**train.record(), "validation_rows": len(validation)} for train, validation in sets],
        "machine": describe_machine(),
        "versions": describe_versions("keras", "numpy", "opencv-python-headless", "tensorflow"),
    }
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5, verbose=1),
        keras.callbacks.EarlyStopping(patience=config.patience, verbose=1),
        # Not straight to model.keras: a kill while that is written would destroy the best weights so far.
        keras.callbacks.ModelCheckpoint(folder / _RESUME / _BEST, save_best_only=True, save_weights_only=True),
    ]
    resume = _Resume(folder, record, _build(config, "float32"), callbacks)
    first_epoch = resume.find(overwrite=config.overwrite)
    if first_epoch >= config.epochs:
        logger.info("%s: trained already, %d epochs", folder, first_epoch)
        return folder

    resume.folder.mkdir(exist_ok=True)
    model.fit(
        build_pipeline(train_images, config.batch_size, seed=config.seed, first_epoch=first_epoch),
        validation_data=build_pipeline(validation_images, config.batch_size),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        shuffle=False,  # The pipeline does.
        steps_per_epoch=math.ceil(len(train_images) / config.batch_size),
        verbose=1 if sys.stdout.isatty() else 2,  # A progress bar for a person, a line an epoch for a log.
        callbacks=[*callbacks, keras.callbacks.CSVLogger(folder / "history.csv", append=True), resume],
    )
    figures.plot_history(folder / "history.csv", folder / "curves.png")
    _plot_samples(folder / "model.keras", validation_images[:8], folder / "samples.png")
    logger.info("trained in %.0f minutes: %s", (time.perf_counter() - started) / 60, folder)
    return folder


def resolve_precision(precision: str) -> str:
    """Choose the arithmetic: bfloat16 pays where the processor has instructions for it and costs elsewhere."""
    if precision != "auto":
        return precision
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def save_model(model: keras.Model, path: Path) -> None:
    """Write a model for inference: float32, without the optimizer, whole or not at all.

    Weights are stored in half precision, which halves the file and changes outputs by less than a tenth of a level in
    255. ``keras.models.load_model(path, compile=False)`` reads them into float32 variables.
    """
    with tempfile.TemporaryDirectory(prefix=".save-", dir=path.parent) as temporary:
        full, half = Path(temporary, "full.keras"), Path(temporary, "half.keras")
        model.save(full)
        _halve(full, half)
        half.replace(path)


class _Resume(keras.callbacks.Callback):
    """Keeps all that the next epoch starts from, and publishes the best weights.

    It must be the last callback: what it saves is the state after all others have seen the epoch.
    """

    # What callbacks remember from epoch to epoch. Keras resets them when `fit` starts and saves none of them.
    _remembered = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter", "_ema_weights_in_model")

    def __init__(
        self, output: Path, record: dict[str, Any], published: keras.Model, others: list[keras.callbacks.Callback]
    ) -> None:
        super().__init__()
        self.output = output
        self.record = record
        self.published = published
        self.others = others
        self.folder = output / _RESUME
        self.saved: Path | None = None

    def find(self, *, overwrite: bool) -> int:
        """Find the epoch to go on from, 0 in a fresh folder; refuse a folder that holds something else."""
        if overwrite:
            shutil.rmtree(self.folder, ignore_errors=True)
        saved = sorted(self.folder.glob("epoch-*"))
        if not saved:
            weights = self.output / "model.keras"
            if weights.exists() and not overwrite and not self.folder.exists():
                raise TrainingError(
                    f"{self.output} holds a trained model: give another --output, go on from it with --init {weights}, "
                    "or replace it with --overwrite"
                )
            (self.output / "history.csv").unlink(missing_ok=True)  # Of a run killed within its first epoch.
            return 0
        self.saved = saved[-1]
        state = json.loads((self.saved / "state.json").read_text())
        same = json.loads(json.dumps(self.record))  # As JSON has it: lists for tuples.
        changed = [key for key in ("training", "data") if state["record"][key] != same[key]]
        if changed:
            before, now = state["record"][changed[0]], same[changed[0]]
            raise TrainingError(
                f"{self.output} holds a training with other options: it had {before}, this command has {now}; give the "
                "same, another --output, or --overwrite"
            )
        self._trim_history(state["epoch"])
        return int(state["epoch"])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.saved is None:
            return
        state = json.loads((self.saved / "state.json").read_text())
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(self.saved / "state.weights.h5")
        for callback, remembered in zip(self.others, state["callbacks"], strict=True):
            vars(callback).update(remembered)
        logger.info("going on after epoch %d", state["epoch"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        best = self.folder / _BEST
        if best.exists():
            self._publish(best, {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}})
        self._save_state(epoch + 1)

    def _save_state(self, epochs: int) -> None:
        """Save under a temporary name, then rename: a state is there whole or not at all."""
        temporary = self.folder / "saving"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        self.model.save_weights(temporary / "state.weights.h5")
        remembered = [{name: vars(c)[name] for name in self._remembered if name in vars(c)} for c in self.others]
        state = {"epoch": epochs, "callbacks": remembered, "record": self.record}
        (temporary / "state.json").write_text(json.dumps(state, default=float))
        earlier = list(self.folder.glob("epoch-*"))
        temporary.rename(self.folder / f"epoch-{epochs:05d}")
        for old in earlier:
            shutil.rmtree(old)

    def _publish(self, best: Path, figures_of_epoch: dict[str, float]) -> None:
        """Turn the best weights into ``model.keras`` and write what they are into ``config.json``."""
        self.published.load_weights(best)
        save_model(self.published, self.output / "model.keras")
        best.unlink()
        digest = hashlib.sha256((self.output / "model.keras").read_bytes()).hexdigest()
        config = {**self.record, "best": figures_of_epoch, "model_sha256": digest}
        write_whole(self.output / "config.json", (json.dumps(config, indent=2) + "\n").encode())

    def _trim_history(self, epochs: int) -> None:
        """Drop the rows of epochs that were logged but not saved before the run was killed."""
        path = self.output / "history.csv"
        with path.open(newline="") as file:
            header, *rows = list(csv.reader(file))
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < epochs]
        write_whole(path, "".join(",".join(row) + "\n" for row in [header, *kept]).encode())


# === Parts of fit ===


def _check_folder(folder: Path) -> None:
    """Make the output folder and see that it can be written, before hours are spent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TrainingError(f"--output {folder} can't be written: {error.strerror}") from error


def _build(config: TrainConfig, precision: str) -> keras.Model:
    """Build the network in the given precision, with the weights to start from."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        model = build_autoencoder(config.size, config.latent_dim, config.filters)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    finally:
        keras.config.set_dtype_policy(before)
    if config.init:
        try:
            model.set_weights(keras.models.load_model(config.init, compile=False).get_weights())
        except Exception as error:
            raise TrainingError(f"--init {config.init} doesn't fit this model: {error}".splitlines()[0]) from error
    return model


def _load_all(sets: Sequence[ImageDataset], config: TrainConfig) -> NDArray[np.uint8]:
    """Decode data sets into one array (N, size, size, 3)."""
    return np.concatenate([load_array(part, config.size, skip_corrupt=config.skip_corrupt) for part in sets])


def _options(config: TrainConfig, precision: str) -> dict[str, Any]:
    """List the options that make a training what it is: no paths, and not how long it goes on."""
    aside = {"data", "output", "epochs", "init", "overwrite", "model"}
    return {**{key: value for key, value in asdict(config).items() if key not in aside}, "precision": precision}


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


def _plot_samples(weights: Path, truth: NDArray[np.uint8], path: Path) -> None:
    """Draw grayscale, colorized and ground truth of a few validation images."""
    model = keras.models.load_model(weights, compile=False)
    luma = to_luma(truth)
    painted = np.asarray(model(luma[..., None].astype(np.float32) / 255))
    figures.plot_grid({"grayscale": luma, "colorized": painted, "ground truth": truth}, path)
