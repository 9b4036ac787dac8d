"""The layers of a network as a table: made of the Keras model for the record, drawn by the demo without Keras."""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_SIDE = 64  # Height and width at which shapes are told of a network that takes any.


def list_layers(model: "keras.Model", stride: int = 2) -> list[dict[str, Any]]:
    """List the layers of a model from its input to its output; needs Keras.

    Parameters
    ----------
    model : keras.Model
        A functional model; of models within it the layers are listed in their place.
    stride : int
        Pixels of luma along each side of a cell of the U-Net's chroma grid, on which its hints lie.

    Returns
    -------
    list of dict
        ``name``, ``type`` (Keras's name of the class), ``shape`` of one output without the batch, ``parameters``, and,
        within a model of its own, that one's name as ``part``. Shapes of a network that takes any size are those for
        an input of 64 x 64.
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
    """Make an input of 64 x 64; the U-Net's hints lie on its chroma grid."""
    import keras

    side = _SIDE // stride if tensor.name == "hints" else _SIDE
    return keras.Input((side, side, tensor.shape[-1]), name=tensor.name)
