"""Average the weights of a run with others: ``python benchmarks/average_weights.py RUN WEIGHTS... --output FOLDER``.

Weights of one network from different times of its training, or of runs that started from the same weights, often have a
mean with a smaller validation error than each of them. FOLDER gets the mean, with the record of RUN; it lists the
SHA-256 of all weights. RUN is a folder of ``runs/``; WEIGHTS are ``.keras`` files or the ``.weights.h5`` of a resume
folder.

References
----------
P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.
M. Wortsman et al., "Model Soups", ICML 2022.
"""

import argparse
import json
import shutil
from pathlib import Path

import keras
import numpy as np

from colorizer.files import sha256
from colorizer.inference.checkpoint import CONFIG, KERAS
from colorizer.training.resume import publish_model
from colorizer.training.unet import round_kernels

COPIED = ("history.csv", "curves.png", "samples.png")


def average(run: Path, others: list[Path], output: Path) -> None:
    """Write the mean of the weights of a run's folder and of other files into a folder, with the run's record."""
    output.mkdir(parents=True, exist_ok=True)
    model = keras.models.load_model(run / KERAS, compile=False)
    models = [model, *(_read(path, run / KERAS) for path in others)]
    read = [{layer.name: layer.get_weights() for layer in each.layers} for each in models]
    for layer in model.layers:  # By name: other versions of the network may have more layers without weights.
        parts = zip(*(weights[layer.name] for weights in read if layer.weights), strict=True)
        layer.set_weights([np.mean(values, axis=0) for values in parts])
    round_kernels(model)
    record = json.loads((run / CONFIG).read_text())
    record.pop("export", None)
    publish_model(model, output, {**record, "averaged": [sha256(path.read_bytes()) for path in (run / KERAS, *others)]})
    for name in COPIED:
        if (run / name).exists():
            shutil.copy(run / name, output / name)


def _read(path: Path, like: Path) -> keras.Model:
    is_whole = path.suffix == ".keras"
    model = keras.models.load_model(path if is_whole else like, compile=False)
    if not is_whole:
        model.load_weights(path)
    return model


def main() -> None:
    """Parse the command line and average."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("weights", type=Path, nargs="+", help=".keras or .weights.h5 files of the same network")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    average(options.run, options.weights, options.output)


if __name__ == "__main__":
    main()
