"""Table of a network's layers, made from the Keras model for its record; the demo draws it without Keras."""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_SIDE = 64  # Height and width for the shapes of a network that accepts any.


def list_layers(model: "keras.Model", stride: int = 2) -> list[dict[str, Any]]:
    """List the layers of a model, in order. Needs Keras.

    Parameters
    ----------
    model : keras.Model
        A functional model; nested models are replaced with their layers.
    stride : int
        Pixels of luma along each side of a cell of the U-Net's chroma grid, which its hints use as well.

    Returns
    -------
    list of dict
        ``name``, ``type`` (the Keras class), ``shape`` of the output without the batch axis, ``parameters``, and, in a
        nested model, its name as ``part``. Shapes of a network that accepts any size are for an input of 64 x 64.
    """
    import keras

    if any(None in tensor.shape[1:] for tensor in model.inputs):
        inputs = keras.tree.map_structure(partial(_fix_size, stride=stride), model.input)
        model = keras.models.clone_model(model, input_tensors=inputs)
    rows = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            rows += [{"part": layer.name, **row} for row in list_layers(layer)]
        elif not isinstance(layer, keras.layers.InputLayer):
            shape = list(layer.output.shape[1:])
            row = {"name": layer.name, "type": type(layer).__name__, "shape": shape}
            rows.append({**row, "parameters": layer.count_params()})
    return rows


def _fix_size(tensor: "keras.KerasTensor", stride: int) -> "keras.KerasTensor":
    """Make an input for luma of 64 x 64; the U-Net's hints have the size of its chroma grid."""
    import keras

    side = _SIDE // stride if tensor.name == "hints" else _SIDE
    return keras.Input((side, side, tensor.shape[-1]), name=tensor.name)
