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
from colorizer.training.resume import save_model
from colorizer.training.unet import round_kernels

COPIED = ("history.csv", "curves.png", "samples.png")


def average(run: Path, others: list[Path], output: Path) -> None:
    """Write the mean of the weights of a run's folder and of other files into a folder, with the run's record."""
    output.mkdir(parents=True, exist_ok=True)
    model = keras.models.load_model(run / KERAS, compile=False)
    paths = [run / KERAS, *others]
    read = [_read(path, run / KERAS) for path in paths]
    for layer in model.layers:  # By name: other versions of the network may have more layers without weights.
        parts = zip(*(weights[layer.name] for weights in read if layer.weights), strict=True)
        layer.set_weights([np.mean(values, axis=0) for values in parts])
    round_kernels(model)
    save_model(model, output / KERAS)
    record = json.loads((run / CONFIG).read_text())
    record.pop("export", None)
    record["averaged"] = [sha256(path.read_bytes()) for path in paths]
    record["model_sha256"] = sha256((output / KERAS).read_bytes())
    (output / CONFIG).write_text(json.dumps(record, indent=2) + "\n")
    for name in COPIED:
        if (run / name).exists():
            shutil.copy(run / name, output / name)


def _read(path: Path, like: Path) -> dict[str, list[np.ndarray]]:
    if path.suffix == ".keras":
        model = keras.models.load_model(path, compile=False)
    else:
        model = keras.models.load_model(like, compile=False)
        model.load_weights(path)
    return {layer.name: layer.get_weights() for layer in model.layers}


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
