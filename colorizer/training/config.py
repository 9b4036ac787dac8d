"""Options of a training run."""

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

MODELS = ("autoencoder", "unet")
PRECISIONS = ("auto", "float32", "bfloat16")


class TrainingError(Exception):
    """A training run can't start or resume as requested; the message is a single line that says why."""


class DivergedError(TrainingError):
    """The loss became infinite or NaN."""


def _option(default: Any, help: str, model: str = "") -> Any:
    """Describe an option; if `model` is given, only that model has and records it."""
    return field(default=default, metadata={"help": help, "model": model})


@dataclass(frozen=True)
class TrainConfig:
    """What to train, and how; each field is an option of ``train.py``."""

    model: str = _option("autoencoder", f"network to train: {', '.join(MODELS)}")
    data: tuple[str, ...] = _option(("cifar10",), "datasets to train on: cifar10 or folders")
    output: str = _option("", "output folder (default: runs/MODEL)")
    epochs: int = _option(30, "total number of epochs")
    batch_size: int = _option(0, "batch size; 0 means 256 for the autoencoder and 16 for the U-Net")
    learning_rate: float = _option(1e-3, "initial learning rate; for the U-Net, the one after warm-up")
    latent_dim: int = _option(256, "length of the latent vector", "autoencoder")
    filters: tuple[int, ...] = _option((64, 128, 256), "filters of the encoder's convolutions", "autoencoder")
    size: int = _option(32, "height and width of the images in pixels", "autoencoder")
    steps_per_epoch: int = _option(0, "steps per epoch; 0 means one pass over the images", "unet")
    widths: tuple[int, ...] = _option((48, 64, 128, 256), "channels of the decoder at 1/4, 1/8, 1/16 and 1/32", "unet")
    working_size: int = _option(224, "height and width of the training crops; small images get smaller crops", "unet")
    dropout: float = _option(0.1, "dropout rate after the encoder", "unet")
    drop_path: float = _option(0.0, "rate of stochastic depth in the encoder's last block", "unet")
    weight_decay: float = _option(0.05, "weight decay", "unet")
    cooldown: float = _option(
        0.2, "fraction of the steps, at the end, over which the learning rate decays to 0", "unet"
    )
    frozen_stages: int = _option(2, "number of encoder stages to freeze along with the stem; 0 freezes nothing", "unet")
    perceptual: float = _option(0.0, "weight of the perceptual loss; 0 means none", "unet")
    from_scratch: bool = _option(False, "start from random weights instead of ImageNet weights", "unet")
    hold_out: tuple[str, ...] = _option((), "groups of images (top-level folders) to exclude from training")
    validation: float = _option(
        0.05, "fraction of the training split to use for validation, if the data has no validation split"
    )
    patience: int = _option(8, "stop after this many epochs without a better validation loss", "autoencoder")
    seed: int = _option(0, "random seed")
    precision: str = _option("auto", "float32, bfloat16, or auto, which is bfloat16 if the CPU supports it")
    init: str = _option("", "initial weights: path of a model.keras")
    skip_corrupt: bool = _option(False, "skip corrupt images instead of stopping")
    overwrite: bool = _option(False, "overwrite a finished run, or one with other options, in the output folder")

    def __post_init__(self) -> None:
        if self.batch_size == 0:
            object.__setattr__(self, "batch_size", 16 if self.model == "unet" else 256)

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output or f"runs/{self.model}").expanduser()

    def record(self) -> dict[str, Any]:
        """Collect the options that affect the result, without paths and other models' options."""
        aside = {"model", "data", "output", "init", "overwrite"}
        own = {f.name for f in fields(self) if f.metadata["model"] in ("", self.model)} - aside
        return {name: value for name, value in asdict(self).items() if name in own}

    def check(self) -> None:
        """Raise `TrainingError` for invalid options."""
        if self.model not in MODELS:
            raise TrainingError(f"unknown model {self.model!r}; choose from: {', '.join(MODELS)}")
        if self.precision not in PRECISIONS:
            raise TrainingError(f"unknown precision {self.precision!r}; choose from: {', '.join(PRECISIONS)}")
        positive = ("epochs", "batch_size", "latent_dim", "size", "patience")
        checks = [
            *((name, getattr(self, name) >= 1, "be at least 1") for name in positive),
            ("learning_rate", 0 < self.learning_rate < math.inf, "be positive"),
            ("steps_per_epoch", self.steps_per_epoch >= 0, "not be negative"),
            ("seed", 0 <= self.seed < 2**32, f"be from 0 to {2**32 - 1}"),
            ("working_size", self.working_size >= 32 and self.working_size % 32 == 0, "be a multiple of 32"),
            ("cooldown", 0 <= self.cooldown <= 1, "lie in [0, 1]"),
            ("frozen_stages", 0 <= self.frozen_stages <= 7, "be from 0 to 7"),
            *((name, 0 <= getattr(self, name) < 1, "lie in [0, 1)") for name in ("dropout", "drop_path")),
            ("perceptual", 0 <= self.perceptual < math.inf, "not be negative"),
            ("validation", 0 < self.validation < 1, "lie between 0 and 1"),
        ]
        for name, fits, words in checks:
            if not fits:
                raise TrainingError(f"{name} must {words}, got {getattr(self, name)}")
        if not self.data:
            raise TrainingError("data must name at least one dataset")
        if self.init and not Path(self.init).is_file():
            raise TrainingError(f"init: there is no file {self.init}")
