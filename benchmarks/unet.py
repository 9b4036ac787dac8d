"""Speed of the U-Net in training and inference, and as a fraction of the machine's peak: ``python benchmarks/unet.py``.

The peak is that of a large matrix multiplication in the same run. Training counts as three times the operations of the
forward pass. Each round measures everything in turn; results are the medians. `Colorizer` shows the network each image
and its mirror image, which may be smaller; it is compared with two passes of the bare network. The record goes to
``benchmarks/results/unet.json``.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from record import save_record

from colorizer.data.dataset import split_validation
from colorizer.data.sources import load_dataset
from colorizer.inference.checkpoint import Checkpoint
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.preprocessing import Preprocessing
from colorizer.inference.runtime import import_keras, load_runtime
from colorizer.training.config import TrainConfig
from colorizer.training.fit import resolve_precision

keras = import_keras()
import tensorflow as tf  # noqa: E402

from colorizer.inference.chroma_bins import build_bins  # noqa: E402 (Keras first, without the notes of its libraries)
from colorizer.models.unet import STRIDE, build_unet  # noqa: E402
from colorizer.training.unet import UNetRecipe  # noqa: E402

ROUNDS = 15
MATRIX = 2048
TRAINING_SIZE, TRAINING_BATCH, STEPS = 224, 16, 2
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure, print and record."""
    precision = resolve_precision(TrainConfig().precision)
    rates: dict[str, list[float]] = {}
    measures: dict[str, tuple[Callable[[], Any], float]] = {}  # What runs, and how many units a call counts.
    for dtype in (tf.float32, tf.bfloat16):
        matrix = tf.cast(tf.random.normal((MATRIX, MATRIX)), dtype)
        multiply = partial(tf.function(tf.matmul), matrix, matrix)
        measures[f"matrix multiplication, {dtype.name}, GFLOP/s"] = (multiply, 2 * MATRIX**3 / 1e9)

    rng = np.random.default_rng(0)
    measures["training, images/s"] = (_training(precision), STEPS * TRAINING_BATCH)
    checkpoint = Checkpoint.find("unet")
    runtime, colorizer = load_runtime(checkpoint), Colorizer.load(checkpoint.path)
    feed = Preprocessing.from_config(checkpoint.read_config())
    small, stride = round(32 * feed.enlargement), feed.stride
    # Images of CIFAR-10 and a photo: as what size the U-Net sees them, and how many at once.
    batches = ((small, 64), (small, 256), (feed.working_size, 1))
    for size, count in batches:
        luma = rng.random((count, size, size, 1), np.float32)
        hints = np.zeros((count, size // stride, size // stride, 3), np.float32)
        images = list(np.repeat(np.rint(luma * 255).astype(np.uint8), 3, axis=-1))
        name = f"{size} x {size}, {count} at once, images/s"
        measures[f"bare network, {name}"] = (partial(runtime, luma, hints), count)
        measures[f"Colorizer, {name}"] = (partial(colorizer.colorize_batch, images, detail=size), count)

    for call, _ in measures.values():
        call()
    for _ in range(ROUNDS):
        for name, (call, units) in measures.items():
            started = time.perf_counter()
            result = call()
            if hasattr(result, "numpy"):
                result.numpy()
            rates.setdefault(name, []).append(units / (time.perf_counter() - started))

    medians = {name: statistics.median(values) for name, values in rates.items()}
    peak, peak_float32 = (medians[f"matrix multiplication, {d}, GFLOP/s"] for d in (precision, "float32"))
    share = {"training": 3 * _operations(TRAINING_SIZE) * medians["training, images/s"] / peak}
    for size, count in batches:
        rate = medians[f"bare network, {size} x {size}, {count} at once, images/s"]
        share[f"bare network, {size} x {size}, {count} at once"] = _operations(size) * rate / peak_float32
    ratios = {}
    for size, count in batches:
        bare, whole = (
            rates[f"{who}, {size} x {size}, {count} at once, images/s"] for who in ("bare network", "Colorizer")
        )
        ratios[f"{size} x {size}, {count} at once"] = statistics.median(
            2 * b / a for a, b in zip(bare, whole, strict=True)
        )
    record = {
        "training": {"precision": precision, "size": TRAINING_SIZE, "batch": TRAINING_BATCH},
        "GFLOP of a forward pass": {str(size): round(_operations(size), 3) for size, _ in batches},
        "rounds": ROUNDS,
        "rate, median of the rounds": {name: round(value, 1) for name, value in medians.items()},
        "Colorizer / two bare passes, throughput": {name: round(value, 3) for name, value in ratios.items()},
        "share of the peak": {name: round(value, 3) for name, value in share.items()},
    }
    save_record(ROOT / "benchmarks/results/unet.json", record, "keras", "numpy", "tensorflow", "ai-edge-litert")


def _training(precision: str) -> Callable[[], Any]:
    """Prepare steps of a training as ``train.py`` has it, on one batch of the project's samples over and over."""
    config = TrainConfig(model="unet", working_size=TRAINING_SIZE, batch_size=TRAINING_BATCH)
    samples = load_dataset(str(ROOT / "samples/cifar10"), "test")
    recipe = UNetRecipe(config, [split_validation(samples, config.validation)])
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    model = recipe.build()
    keras.config.set_dtype_policy("float32")
    recipe.prepare(model)
    recipe.load_images()
    recipe.compile(model)
    inputs, targets = recipe.training_data(0)[0]
    # Not by `fit`, whose calls of so few steps wait for something at their end, sometimes.
    return lambda: [model.train_on_batch(inputs, targets) for _ in range(STEPS)]


def _operations(size: int) -> float:
    """Count the GFLOP of the U-Net's forward pass on one image."""
    model = build_unet(len(build_bins()))
    signature = {
        "luma": tf.TensorSpec((1, size, size, 1)),
        "hints": tf.TensorSpec((1, size // STRIDE, size // STRIDE, 3)),
    }
    graph = tf.function(lambda planes: model(planes, training=False)).get_concrete_function(signature).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    return float(tf.compat.v1.profiler.profile(graph, options=options).total_float_ops) / 1e9


if __name__ == "__main__":
    main()
