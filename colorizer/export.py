"""A Keras model -> the files that LiteRT runs, checked against it; needs TensorFlow."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorizer.images import decode_image, write_whole
from colorizer.inference import Colorizer, ModelError, find_model
from colorizer.layer_table import list_layers
from colorizer.resources import resource_folder
from colorizer.runtime import EXPORTED, KerasRuntime, LiteRTRuntime, import_keras, quiet_stderr, sha256

MAX_LEVELS = 2
"""Largest difference, in levels of 255, between the results of a model and of its export."""


def export(model: str | Path) -> dict[str, Any]:
    """Make the files that LiteRT runs, beside the ``model.keras`` that they are made from.

    ``model.tflite`` is the network, for batches of any length and, if it is the U-Net, any size; of the autoencoder
    come ``encoder.tflite`` and ``decoder.tflite`` too. Weights are stored in float16, which halves the file; LiteRT
    makes float32 of them on loading and computes in that.

    Parameters
    ----------
    model : str or pathlib.Path
        Name or path of a model, as in `Colorizer.load`.

    Returns
    -------
    dict
        What is recorded under ``export`` in ``config.json``: ``files``, the SHA-256 of each; ``model_sha256`` of the
        ``model.keras``; and how far the results lie from those of Keras on the project's samples, in levels of 255:
        ``results`` compared, ``largest_difference`` and ``mean_difference``. Under ``layers`` stands there what
        `colorizer.layer_table.list_layers` finds, for weights that an older version of the project trained.

    Raises
    ------
    ModelError
        If the model can't be found or used, or results differ by more than `MAX_LEVELS`. Nothing is written then.
    """
    path = find_model(model)
    if path.name != "model.keras":
        raise ModelError(f"an export stands beside its model, which must be called model.keras, not {path.name}")
    try:
        runtime = KerasRuntime(path)
    except ImportError as error:
        raise ModelError("to export a model, TensorFlow is needed: pip install .[train]") from error
    except Exception as error:
        raise ModelError(f"{path.parent.name}/{path.name} can't be used as a model: {error}") from error
    contents, layers = _convert(path, parts=not runtime.takes_hints)
    exported = Colorizer.of(LiteRTRuntime(contents[EXPORTED]), path)
    count, largest, mean = _compare(Colorizer.of(runtime, path), exported)
    if largest > MAX_LEVELS:
        raise ModelError(f"the export of {path.parent.name} differs from the model by {largest} levels of 255")
    record = {
        "model_sha256": sha256(path.read_bytes()),
        "files": {name: sha256(content) for name, content in contents.items()},
        "results": count,
        "largest_difference": largest,
        "mean_difference": round(mean, 6),
    }
    for name, content in contents.items():
        write_whole(path.with_name(name), content)
    # Last: what is killed before leaves files that are refused, not files that are taken for others.
    config = path.with_name("config.json")
    known = json.loads(config.read_text()) if config.exists() else {}
    write_whole(config, (json.dumps({**known, "layers": layers, "export": record}, indent=2) + "\n").encode())
    return record


def _convert(path: Path, *, parts: bool) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Convert a ``.keras`` file, and its encoder and decoder if it has such parts.

    Gives the files' contents by name, and the table of the layers.
    """
    keras, tf = import_keras()
    network = keras.models.load_model(path, compile=False)
    networks = {EXPORTED: network}
    if parts:
        networks |= {f"{layer.name}.tflite": layer for layer in network.layers if isinstance(layer, keras.Model)}
    contents = {}
    with tempfile.TemporaryDirectory() as folder, quiet_stderr():
        for name, part in networks.items():
            target = Path(folder) / name
            part.export(
                target,
                format="litert",
                verbose=False,
                optimizations=[tf.lite.Optimize.DEFAULT],
                target_spec={
                    "supported_types": [tf.float16],
                    "supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS],  # No other is in the light runtime.
                },
            )
            contents[name] = target.read_bytes()
    return contents, list_layers(network)


def _compare(model: Colorizer, exported: Colorizer) -> tuple[int, int, float]:
    """Colorize the samples with both: the number of results, the largest and the mean difference in levels of 255."""
    differences = [
        np.abs(one.astype(int) - other)
        for path in sorted(resource_folder("samples").rglob("*.[pj][np]g"))
        for one, other in zip(_results(model, path), _results(exported, path), strict=True)
    ]
    pixels = sum(difference.size for difference in differences)
    largest = max(int(difference.max()) for difference in differences)
    return len(differences), largest, sum(float(difference.sum()) for difference in differences) / pixels


def _results(model: Colorizer, path: Path) -> Iterator[NDArray[np.uint8]]:
    """Colorize an image in the ways that show differences most."""
    image = decode_image(path)
    yield model.colorize(image, vividness=1.0)
    if model.paints_rgb:
        yield model.colorize(image, raw=True)
