"""Run a training: callbacks, resuming, and the record beside the weights.

The output folder gets ``model.keras`` (the weights with the best validation metric), ``config.json`` (what was trained,
and on which data), ``history.csv`` (one row per epoch) and two figures. ``resume/`` holds the state after the last
epoch: after a crash, the same command resumes from there.
"""

import logging
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras

from colorizer.data.dataset import hold_out
from colorizer.data.sources import load_parts
from colorizer.evaluation import plots
from colorizer.files import sha256
from colorizer.machine import describe_machine, describe_versions
from colorizer.models.layer_table import list_layers
from colorizer.training.autoencoder import AutoencoderRecipe
from colorizer.training.config import DivergedError, TrainConfig, TrainingError
from colorizer.training.recipe import Recipe
from colorizer.training.resume import BEST, RESUME, SAMPLES, Resume
from colorizer.training.unet import UNetRecipe

logger = logging.getLogger(__name__)

RECIPES: dict[str, type[Recipe]] = {"autoencoder": AutoencoderRecipe, "unet": UNetRecipe}


def fit(config: TrainConfig) -> Path:
    """Train a model, or resume an interrupted run with the same options.

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
        Before the first epoch, if the options are invalid, or don't fit the data or what is in the output folder.
    DivergedError
        If the loss becomes infinite or NaN.
    colorizer.data.dataset.DatasetError
        If the data can't be found or is corrupt.
    """
    config.check()
    folder = config.folder
    _check_folder(folder)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    precision = resolve_precision(config.precision)
    # A dataset that is named twice, so that its images count twice, is read once.
    parts = {name: load_parts(name, config.validation) for name in dict.fromkeys(config.data)}
    sets = hold_out([parts[name] for name in config.data], config.hold_out)
    recipe = RECIPES[config.model](config, sets)
    model = _build(recipe, precision)
    recipe.prepare(model)
    if config.init:
        _start_from(model, config.init)
    recipe.load_images()
    recipe.compile(model)

    published = _build(recipe, "float32")  # Gets the best weights, whatever the precision of training.
    described = recipe.record()
    record = {
        "model": config.model,
        "parameters": published.count_params(),
        **described,
        "layers": list_layers(published, described["input"].get("stride", 1)),
        "training": {**config.record(), "precision": precision},
        "data": [{**train.record(), "validation_rows": len(validation)} for train, validation in sets],
        **({"init_sha256": sha256(Path(config.init).read_bytes())} if config.init else {}),
        "machine": describe_machine(),
        "versions": describe_versions("keras", "numpy", "opencv-python-headless", keras.backend.backend()),
    }
    callbacks = [
        *recipe.callbacks(),
        # Not directly to model.keras: if killed while writing that, the run would lose the best weights so far.
        keras.callbacks.ModelCheckpoint(
            folder / RESUME / BEST, monitor=recipe.monitor, mode="min", save_best_only=True, save_weights_only=True
        ),
    ]
    resume = Resume(folder, record, config.init, published, callbacks)
    first_epoch = resume.find(overwrite=config.overwrite)
    if first_epoch < config.epochs and not resume.stopped:
        _train(recipe, model, config, resume, callbacks, first_epoch)
    elif resume.finished:
        logger.info("%s: already trained for %d epochs", folder, first_epoch)
        return folder
    plots.plot_history(folder / "history.csv", folder / "curves.png")
    recipe.finish(folder)
    logger.info("trained in %.0f minutes: %s", (time.perf_counter() - started) / 60, folder)
    return folder


def resolve_precision(precision: str) -> str:
    """Resolve ``auto``: bfloat16 if TensorFlow runs on a CPU with instructions for it, since it is slower on others."""
    if precision != "auto":
        return precision
    if keras.backend.backend() != "tensorflow":
        return "float32"
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class StopOnNaN(keras.callbacks.Callback):
    """Stops training once the loss is NaN or infinite, before such weights are saved."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise `DivergedError` if the loss is not finite."""
        loss = float((logs or {}).get("loss", 0))
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss} after {batch + 1} steps of this epoch: lower learning_rate")


# === Parts of fit ===


def _train(
    recipe: Recipe,
    model: keras.Model,
    config: TrainConfig,
    resume: Resume,
    callbacks: list[keras.callbacks.Callback],
    first_epoch: int,
) -> None:
    """Run the remaining epochs."""
    resume.folder.mkdir(exist_ok=True)
    (config.folder / SAMPLES).unlink(missing_ok=True)
    history = keras.callbacks.CSVLogger(config.folder / "history.csv", append=True)
    batches = recipe.training_data(first_epoch)
    advance = keras.callbacks.LambdaCallback(on_epoch_end=batches.advance)
    model.fit(
        batches,
        validation_data=recipe.validation_data(),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        shuffle=False,  # The batches are shuffled already.
        verbose=1 if sys.stdout.isatty() else 2,  # A progress bar in a terminal, one line per epoch in a log.
        callbacks=[StopOnNaN(), advance, *callbacks, history, resume],
    )


def _check_folder(folder: Path) -> None:
    """Create the output folder and check that it is writable, before hours of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TrainingError(f"output {folder} can't be written: {error.strerror}") from error


def _build(recipe: Recipe, precision: str) -> keras.Model:
    """Build the network in the given precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        return recipe.build()
    except ValueError as error:
        raise TrainingError(str(error)) from error
    finally:
        keras.config.set_dtype_policy(before)


def _start_from(model: keras.Model, init: str) -> None:
    """Load the weights of a ``model.keras`` into a model, by the names of its layers."""
    try:
        given = {layer.name: layer for layer in keras.models.load_model(init, compile=False).layers if layer.weights}
        layers = {layer.name: layer for layer in model.layers if layer.weights}
        if other := sorted(given.keys() ^ layers.keys()):
            raise ValueError(f"only one of them has a layer {other[0]!r}")
        for name, layer in layers.items():
            layer.set_weights(given[name].get_weights())
    except Exception as error:
        raise TrainingError(f"init {init} doesn't fit this model: {error}".splitlines()[0]) from error
