"""A Keras model -> the files that LiteRT runs, checked against it; needs TensorFlow."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorizer.files import resource_folder
from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import CONFIG, EXPORTED, KERAS, Checkpoint, ModelError
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.preprocessing import Preprocessing
from colorizer.inference.runtime import KerasRuntime, LiteRTRuntime, import_keras, quiet_stderr
from colorizer.models.layer_table import list_layers

MAX_LEVELS = 12
"""Largest difference, in levels of 255, between the results of a model and of its export."""

MAX_ERROR = 0.01
"""Part by which the mean squared error of a model's results may grow when it is exported."""


def export(model: str | Path) -> dict[str, Any]:
    """Make the files that LiteRT runs, beside the ``model.keras`` that they are made from.

    ``model.tflite`` is the network, for batches of any length and, if it is the U-Net, any size; of the autoencoder
    come ``encoder.tflite`` and ``decoder.tflite`` too. Weights are rounded to int8, a scale a channel, and LiteRT
    rounds what they are multiplied with to int8 too, by the range that it has just then. Against float16 that halves
    the file and takes a fraction of the time. The U-Net has an output more: the sums of
    `colorizer.inference.runtime.Runtime`.

    Parameters
    ----------
    model : str or pathlib.Path
        Name or path of a model, as in `Colorizer.load`.

    Returns
    -------
    dict
        What is recorded under ``export`` in ``config.json``: ``files``, the SHA-256 of each; ``model_sha256`` of the
        ``model.keras``; and how far the results lie from those of Keras on the project's samples: ``results`` compared,
        ``largest_difference`` and ``mean_difference`` in levels of 255, and ``error_change``, the part by which the
        mean squared error against the samples' true colors grows. Under ``layers`` stands there what
        `colorizer.models.layer_table.list_layers` finds, for weights that an older version of the project trained.

    Raises
    ------
    ModelError
        If the model can't be found or used, or results differ by more than `MAX_LEVELS` or `MAX_ERROR`. Nothing is
        written then.
    """
    checkpoint = Checkpoint.find(model)
    if checkpoint.path.name != KERAS:
        raise ModelError(f"an export stands beside its model, which must be called {KERAS}, not {checkpoint.path.name}")
    try:
        runtime = KerasRuntime(checkpoint.path)
    except ImportError as error:
        raise ModelError("exporting a model needs TensorFlow: pip install .[train]") from error
    except Exception as error:
        raise ModelError(f"{checkpoint.name} can't be used as a model: {error}") from error
    known = checkpoint.read_record(CONFIG)
    stride = known.get("input", {}).get("stride", Preprocessing.stride)
    contents, layers = _convert(checkpoint.path, stride, parts=runtime.network == "autoencoder")
    exported = Colorizer.from_runtime(LiteRTRuntime(contents[EXPORTED]), checkpoint)
    figures = _compare(Colorizer.from_runtime(runtime, checkpoint), exported)
    if figures["largest_difference"] > MAX_LEVELS or figures["error_change"] > MAX_ERROR:
        raise ModelError(
            f"the export of {checkpoint.folder.name} differs from the model by {figures['largest_difference']} levels "
            f"of 255 at most and {figures['error_change']:+.2%} of error; accepted are {MAX_LEVELS} and {MAX_ERROR:.0%}"
        )
    return checkpoint.write_export(contents, figures, layers=layers)


def _convert(path: Path, stride: int, *, parts: bool) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Convert a ``.keras`` file, and its encoder and decoder if it has such parts.

    Gives the files' contents by name, and the table of the layers.
    """
    keras = import_keras()
    import tensorflow as tf  # Its converter; training needs none of it.

    network = keras.models.load_model(path, compile=False)
    if parts:
        networks = {EXPORTED: network}
        networks |= {f"{layer.name}.tflite": layer for layer in network.layers if isinstance(layer, keras.Model)}
        networks = {name: _without_transposed(part) for name, part in networks.items()}
    else:
        networks = {EXPORTED: _with_sums(network)}
    contents = {}
    with tempfile.TemporaryDirectory() as folder, quiet_stderr():
        for name, part in networks.items():
            file = Path(folder) / name
            shapes = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in part.inputs}
            part.export(
                file,
                format="litert",
                input_signature=[shapes if len(shapes) > 1 else next(iter(shapes.values()))],
                verbose=False,
                optimizations=[tf.lite.Optimize.DEFAULT],
                target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},  # No other is in the light runtime.
            )
            contents[name] = file.read_bytes()
    return contents, list_layers(network, stride)


def _with_sums(network: Any) -> Any:
    """Give the U-Net an input ``weights`` more, and an output ``sums``, see `colorizer.inference.runtime.Runtime`."""
    keras = import_keras()
    logits = keras.tree.flatten(network.output)[0]
    weights = keras.Input(batch_shape=(1, 1, 3, logits.shape[-1]), name="weights")
    sums = keras.ops.matmul(keras.ops.softmax(logits), keras.ops.transpose(weights, (0, 1, 3, 2)))
    planes = {tensor.name: tensor for tensor in network.inputs}
    return keras.Model({**planes, "weights": weights}, {"chroma": logits, "sums": sums}, name="unet")


def _without_transposed(network: Any) -> Any:
    """Turn transposed convolutions into convolutions that compute the same, since LiteRT takes long for the others.

    Of stride 2 and a kernel of 3 x 3, each of the four pixels that come of one depends on 2 x 2 pixels at most: a
    convolution of 2 x 2 gives four times the channels, which are then laid side by side.

    References
    ----------
    W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv:1609.07009, 2016.
    """
    keras = import_keras()
    x = network.input
    for layer in network.layers[1:]:  # The specification's networks are sequences.
        if isinstance(layer, keras.Model):
            x = _without_transposed(layer)(x)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            x = _convolve(layer, x)
        else:
            x = layer(x)
    return keras.Model(network.input, x, name=network.name)


def _convolve(layer: Any, x: Any) -> Any:
    """Compute by a convolution what a transposed one with a kernel of 3 x 3, padded to the same size, computes."""
    keras = import_keras()
    ops = keras.ops
    kernel, bias = (np.asarray(weight) for weight in layer.get_weights())
    if (layer.kernel_size, layer.padding) != ((3, 3), "same") or layer.strides not in ((1, 1), (2, 2)):
        raise ModelError(f"{layer.name} can't be exported: a transposed convolution must be 3 x 3, of stride 1 or 2")
    if layer.strides == (1, 1):
        return layer.activation(ops.conv(x, kernel[::-1, ::-1].swapaxes(2, 3), padding="same") + bias)
    outputs, inputs = kernel.shape[2:]
    # Where in the kernel stands, by row or column, what an input (the one before, the same) weighs in an output (the
    # even one, the odd one).
    places = {(0, 0): 2, (1, 0): 0, (1, 1): 1}
    small = np.zeros((2, 2, inputs, 2, 2, outputs), np.float32)
    for (i, p), row in places.items():
        for (j, q), column in places.items():
            small[i, j, :, p, q] = kernel[row, column].T
    x = ops.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    x = ops.conv(x, small.reshape(2, 2, inputs, -1), padding="valid") + np.tile(bias, 4)
    return ops.depth_to_space(layer.activation(x), 2)


def _compare(model: Colorizer, exported: Colorizer) -> dict[str, Any]:
    """Colorize the samples with both, and measure how far they lie apart and what that does to the error."""
    count, pixels, largest, apart = 0, 0, 0, 0
    errors = np.zeros(2)
    for path in sorted(resource_folder("samples").rglob("*.[pj][np]g")):
        truth = decode_image(path)
        for pair in zip(_results(model, truth), _results(exported, truth), strict=True):
            one, other = (result.astype(int) for result in pair)
            count, pixels = count + 1, pixels + one.size
            largest = max(largest, int(np.abs(one - other).max()))
            apart += int(np.abs(one - other).sum())
            errors += [np.mean((result - truth) ** 2.0) for result in (one, other)]
    return {
        "results": count,
        "largest_difference": largest,
        "mean_difference": round(apart / pixels, 6),
        "error_change": round(float(errors[1] / errors[0] - 1), 6),
    }


def _results(model: Colorizer, image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Colorize an image in the ways that count and that show differences most."""
    yield model.colorize(image, vividness=0.0)
    yield model.colorize(image, vividness=1.0)
    if "raw picture" in model.abilities:
        yield model.colorize(image, raw=True)
