"""What parts of the U-Net's training are worth: ``python benchmarks/ablations.py DATA [DATA ...]``, some minutes each.

Short trainings from nothing that differ from the recipe in one thing, all on the same images in the same order, judged
by the images that are kept from the training data for validation. What helps in so few steps need not help in many. The
record goes to ``benchmarks/results/ablations.json``, variant by variant, and as a table into ``docs/model-card.md``;
variants of the same recipe that are recorded already are not run again.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from colorizer.datasets import ImageDataset, load_dataset, split_validation
from colorizer.images import write_whole
from colorizer.records import describe_machine, describe_versions
from colorizer.runtime import import_keras

keras, _ = import_keras()

from colorizer import chroma_batches, unet_recipe  # noqa: E402
from colorizer.chroma_batches import (  # noqa: E402
    Batch,
    ImageArray,
    ValidationBatches,
    build_dataset,
    choose_side,
    load_colored,
)
from colorizer.muon import ConvolutionMuon  # noqa: E402
from colorizer.train_config import TrainConfig  # noqa: E402
from colorizer.training import resolve_precision  # noqa: E402

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "benchmarks/results/ablations.json"
CARD = ROOT / "docs/model-card.md"
MARKER = "<!-- ablations -->"
HINTS = 4
# Averages must be short where weights change much in few steps.
EMA_MOMENTUM, NORM_MOMENTUM = 0.98, 0.9

BATCHES, RECIPE, LAYERS = "colorizer.chroma_batches.", "colorizer.unet_recipe.", "colorizer.models.unet.layers."
VARIANTS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "AdamW for all weights": {
        RECIPE + "ConvolutionMuon": lambda *given, **more: ConvolutionMuon(*given, **more | {"exclude_layers": [".*"]})
    },
    "group normalization, 8 groups": {
        LAYERS + "BatchNormalization": partial(keras.layers.GroupNormalization, 8),
    },
    "no hints": {BATCHES + "_HINTED": 0.0},
    "hints in six of ten images": {BATCHES + "_HINTED": 0.6},
    "without the class as a side target": {RECIPE + "_LABEL_WEIGHT": 0.0},
}
"""What a variant changes: values of modules, by their names."""


def train(
    config: TrainConfig, sets: list[Any], judges: list[tuple[str, ImageArray]], changes: dict[str, Any]
) -> dict[str, Any]:
    """Train a variant and measure the error left on each data set's validation images, without hints and with some."""
    with ExitStack() as stack:
        for name, value in changes.items():
            stack.enter_context(patch(name, value))
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy("mixed_bfloat16" if config.precision == "bfloat16" else "float32")
        recipe = unet_recipe.UNetRecipe(config, sets)
        model = recipe.build()
        recipe.load_images()
        recipe.compile(model)
        history = model.fit(
            recipe.training_data(0),
            epochs=config.epochs,
            steps_per_epoch=recipe.steps_per_epoch,
            shuffle=False,
            verbose=2,
            callbacks=recipe.callbacks(),
        )
    keras.config.set_dtype_policy("float32")
    errors = {name: measure(model, images, 0) for name, images in judges}
    hinted = {name: measure(model, images, HINTS) for name, images in judges}
    losses = [float(value) for value in history.history["loss"]]
    return {"error left": errors, f"with {HINTS} hints": hinted, "loss": losses}


def measure(model: Any, images: ImageArray, hints: int) -> float:
    """Measure the error left on images, each with so many true hints at random places."""
    batches = ValidationBatches([images], 128)
    data = build_dataset(partial(give_hints, batches, hints), 0, len(batches), labeled=len(model.outputs) > 1)
    figures = model.evaluate(data, verbose=0, return_dict=True)
    return round(next(value for name, value in figures.items() if name.endswith("error_left")), 4)


def give_hints(batches: Callable[[int], Batch], count: int, step: int) -> Batch:
    """Add true hints to a batch of validation."""
    luma, hints, chroma, labels = batches(step)
    rng = np.random.default_rng(step)
    for plane, truth in zip(hints, chroma, strict=True):
        places = rng.integers(truth.shape[:2], size=(count, 2))
        for row, column in places:
            plane[row, column] = (*truth[row, column], 1)
    return luma, hints, chroma, labels


def render(record: dict[str, Any]) -> str:
    """Render the record as the model card's table."""
    names = list(record["variants"]["the recipe"]["error left"])
    lines = [
        f"| {record['steps']} steps of {record['batch_size']} | "
        + " | ".join([*(f"{name}, error left" for name in names), f"{names[0]}, with {HINTS} hints"])
        + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for title, row in record["variants"].items():
        cells = [f"{row['error left'][name]:.3f}" for name in names]
        cells.append(f"{row[f'with {HINTS} hints'][names[0]]:.3f}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Train all variants that are not recorded yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="data sets as `train.py --data` takes them")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RECORD)
    options = parser.parse_args()
    config = TrainConfig(
        model="unet",
        data=tuple(options.data),
        epochs=1,
        steps_per_epoch=options.steps,
        batch_size=128,
        validation=0.02,
        precision=resolve_precision("auto"),
    )
    sets = [split_validation(load_dataset(d, "train"), config.validation, config.seed) for d in config.data]
    decoded: dict[tuple[int, int], ImageArray] = {}

    def cached(dataset: ImageDataset, side: int, **options: Any) -> ImageArray:
        key = (id(dataset), side)
        if key not in decoded:
            decoded[key] = load_colored(dataset, side, **options)
        return decoded[key]

    judges = [(kept.name, cached(kept, choose_side(train, config.sizes))) for train, kept in sets]
    constants = chain.from_iterable(vars(module).items() for module in (chroma_batches, unet_recipe))
    recipe = {**config.record(), **{k: v for k, v in constants if k.isupper() and isinstance(v, int | float)}}
    recipe = json.loads(json.dumps(recipe))  # As JSON has it: lists for tuples.
    record: dict[str, Any] = {}
    if options.output.exists():
        record = json.loads(options.output.read_text())
    if record.get("recipe") != recipe:  # Variants of another recipe tell nothing about this one.
        record = {"recipe": recipe, "variants": {}}
    norm = partial(keras.layers.BatchNormalization, momentum=NORM_MOMENTUM)
    with (
        patch(RECIPE + "load_colored", cached),
        patch(RECIPE + "_EMA_MOMENTUM", EMA_MOMENTUM),
        patch(LAYERS + "BatchNormalization", norm),
    ):
        for title, changes in VARIANTS.items():
            if title in record["variants"]:
                continue
            record["variants"][title] = train(config, sets, judges, changes)
            print(title, record["variants"][title], flush=True)
            record |= {
                "steps": options.steps,
                "batch_size": config.batch_size,
                "precision": config.precision,
                "data": [dataset.record() for dataset, _ in sets],
                "validation images": {name: len(images) for name, images in judges},
                "machine": describe_machine(),
                "versions": describe_versions("keras", "numpy", "opencv-python-headless", "tensorflow"),
            }
            write_whole(options.output, (json.dumps(record, indent=2) + "\n").encode())
    if options.output == RECORD:
        before, _, after = CARD.read_text().split(MARKER)
        CARD.write_text(MARKER.join([before, render(record), after]))


if __name__ == "__main__":
    main()
