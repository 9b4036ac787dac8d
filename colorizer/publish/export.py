"""Export a Keras model to LiteRT, and compare the results of the two. Needs TensorFlow."""

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
from colorizer.inference.runtime import KerasRuntime, LiteRTRuntime, import_keras
from colorizer.machine import quiet_stderr
from colorizer.models.layer_table import list_layers

MAX_LEVELS = 12
"""Largest accepted difference between the results of a model and of its export, in levels of 255."""

MAX_ERROR = 0.01
"""Largest accepted relative increase of the mean squared error of the results."""


def export(model: str | Path) -> dict[str, Any]:
    """Convert ``model.keras`` to LiteRT files in the same folder.

    ``model.tflite`` is the network, for any batch size and, for the U-Net, any height and width. The autoencoder also
    gets ``encoder.tflite`` and ``decoder.tflite``, and the U-Net an additional output, the sums of
    `colorizer.inference.runtime.Runtime`. Quantization is dynamic: weights are int8 with a scale per channel, and
    LiteRT quantizes activations to int8 at run time. Compared with float16, this halves the file and takes a fraction
    of the time.

    Parameters
    ----------
    model : str or pathlib.Path
        Name or path of a model, as in `Colorizer.load`.

    Returns
    -------
    dict
        What is recorded under ``export`` in ``config.json``: ``files``, the SHA-256 of each; ``model_sha256``, of
        ``model.keras``; and the differences from Keras on the project's samples: the number of ``results`` compared,
        ``largest_difference`` and ``mean_difference`` in levels of 255, and ``error_change``, the relative increase of
        the mean squared error against the true colors. The output of `colorizer.models.layer_table.list_layers` is
        recorded under ``layers``, for weights that an older version of the project trained.

    Raises
    ------
    ModelError
        If the model can't be found or used, or the results differ by more than `MAX_LEVELS` or `MAX_ERROR`; nothing is
        written then.
    """
    checkpoint = Checkpoint.find(model)
    if checkpoint.path.name != KERAS:
        raise ModelError(f"the model to export must be called {KERAS}, not {checkpoint.path.name}")
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
            f"the export of {checkpoint.folder.name} differs from the model by up to {figures['largest_difference']} "
            f"levels of 255, and its error by {figures['error_change']:+.2%}; at most {MAX_LEVELS} and "
            f"{MAX_ERROR:+.0%} are accepted"
        )
    return checkpoint.write_export(contents, figures, layers=layers)


def _convert(path: Path, stride: int, *, parts: bool) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Convert a ``.keras`` file, and its encoder and decoder if `parts`; return the files' contents and the layers."""
    keras = import_keras()
    import tensorflow as tf  # For its converter only; training works with any backend.

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
                target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},  # All that the LiteRT package has.
            )
            contents[name] = file.read_bytes()
    return contents, list_layers(network, stride)


def _with_sums(network: Any) -> Any:
    """Add an input ``weights`` and an output ``sums`` to the U-Net, see `colorizer.inference.runtime.Runtime`."""
    keras = import_keras()
    logits = keras.tree.flatten(network.output)[0]
    weights = keras.Input(batch_shape=(1, 1, 3, logits.shape[-1]), name="weights")
    sums = keras.ops.matmul(keras.ops.softmax(logits), keras.ops.transpose(weights, (0, 1, 3, 2)))
    planes = {tensor.name: tensor for tensor in network.inputs}
    return keras.Model({**planes, "weights": weights}, {"chroma": logits, "sums": sums}, name="unet")


def _without_transposed(network: Any) -> Any:
    """Replace transposed convolutions, which are slow in LiteRT, with equivalent sub-pixel convolutions.

    With stride 2 and a 3 x 3 kernel, each of the four output pixels per input pixel depends on at most 2 x 2 inputs: a
    2 x 2 convolution computes four times the channels, which `depth_to_space` rearranges.

    References
    ----------
    W. Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv:1609.07009, 2016.
    """
    keras = import_keras()
    x = network.input
    for layer in network.layers[1:]:  # The autoencoder and its parts are sequential.
        if isinstance(layer, keras.Model):
            x = _without_transposed(layer)(x)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            x = _convolve(layer, x)
        else:
            x = layer(x)
    return keras.Model(network.input, x, name=network.name)


def _convolve(layer: Any, x: Any) -> Any:
    """Compute a 3 x 3 transposed convolution with padding "same" as a convolution."""
    keras = import_keras()
    ops = keras.ops
    kernel, bias = (np.asarray(weight) for weight in layer.get_weights())
    if (layer.kernel_size, layer.padding) != ((3, 3), "same") or layer.strides not in ((1, 1), (2, 2)):
        raise ModelError(
            f"{layer.name} can't be exported: a transposed convolution must have a 3 x 3 kernel and stride 1 or 2"
        )
    if layer.strides == (1, 1):
        return layer.activation(ops.conv(x, kernel[::-1, ::-1].swapaxes(2, 3), padding="same") + bias)
    outputs, inputs = kernel.shape[2:]
    # Along each axis: (input, 0 for the previous and 1 for the current; output, 0 for even and 1 for odd) -> index of
    # the weight in the 3 x 3 kernel.
    taps = {(0, 0): 2, (1, 0): 0, (1, 1): 1}
    subpixel = np.zeros((2, 2, inputs, 2, 2, outputs), np.float32)
    for (i, p), row in taps.items():
        for (j, q), column in taps.items():
            subpixel[i, j, :, p, q] = kernel[row, column].T
    x = ops.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    x = ops.conv(x, subpixel.reshape(2, 2, inputs, -1), padding="valid") + np.tile(bias, 4)
    return ops.depth_to_space(layer.activation(x), 2)


def _compare(model: Colorizer, exported: Colorizer) -> dict[str, Any]:
    """Colorize the samples with both models, and measure the differences and the change of the error."""
    count, pixels, largest, total = 0, 0, 0, 0
    errors = np.zeros(2)
    for path in sorted(resource_folder("samples").rglob("*.[pj][np]g")):
        truth = decode_image(path)
        for pair in zip(_results(model, truth), _results(exported, truth), strict=True):
            original, converted = (result.astype(int) for result in pair)
            difference = np.abs(original - converted)
            count, pixels = count + 1, pixels + difference.size
            largest = max(largest, int(difference.max()))
            total += int(difference.sum())
            errors += [np.mean((result - truth) ** 2.0) for result in (original, converted)]
    return {
        "results": count,
        "largest_difference": largest,
        "mean_difference": round(total / pixels, 6),
        "error_change": round(float(errors[1] / errors[0] - 1), 6),
    }


def _results(model: Colorizer, image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Colorize an image with the settings that matter and show differences most."""
    yield model.colorize(image, vividness=0.0)
    yield model.colorize(image, vividness=1.0)
    if "raw output" in model.abilities:
        yield model.colorize(image, raw=True)
