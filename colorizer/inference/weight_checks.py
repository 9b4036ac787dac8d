"""Check untrusted weight files: whether they would take too much memory, and whether their values are finite.

The checks catch mistakes and simple attacks. A model file is still a program for its runtime: load only models from
people you trust.
"""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Weights hardly compress: a file that declares more than this multiple of its size doesn't contain them.
_MAX_RATIO = 16
_SPARE = 10_000_000  # Bytes.


def check_keras_file(path: Path, keras: Any) -> None:
    """Raise `ValueError` if a Keras file declares far more data than it contains, before Keras allocates it.

    Parameters
    ----------
    path : pathlib.Path
        A ``.keras`` file, or an HDF5 file from an older version of Keras.
    keras : module
        The imported Keras.
    """
    limit = _MAX_RATIO * path.stat().st_size + _SPARE
    source: Path | io.BytesIO = path
    config: Any = None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _compare(sum(member.file_size for member in archive.infolist()), limit)
            names = archive.namelist()
            config = json.loads(archive.read("config.json")) if "config.json" in names else None
            if "model.weights.h5" not in names:
                raise ValueError("it contains no model.weights.h5")
            source = io.BytesIO(archive.read("model.weights.h5"))
    import h5py

    with h5py.File(source) as file:
        _compare(_measure(file, h5py), limit)
        if config is None and "model_config" in file.attrs:
            config = json.loads(file.attrs["model_config"])
    # Build the model without values, only shapes.
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        _compare(4 * sum(math.prod(weight.shape) for weight in model.weights), limit)


def _measure(file: Any, h5py: Any) -> int:
    sizes = []

    def add(_: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            sizes.append(math.prod(found.shape or (0,)) * found.dtype.itemsize)

    file.visititems(add)
    return sum(sizes)


def _compare(declared: int, limit: int) -> None:
    if declared > limit:
        raise ValueError(f"it declares {declared / 1e6:,.0f} MB of weights, which it does not contain")


def check_exported_weights(content: bytes) -> None:
    """Raise `ValueError` if a constant, or the scale of one, in the content of a ``.tflite`` file is not finite."""
    from ai_edge_litert import schema_py_generated as schema  # Slow to import, so only for untrusted models.

    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    model = schema.Model.GetRootAs(content)
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            scales = tensor.Quantization() and tensor.Quantization().ScaleAsNumpy()
            if isinstance(scales, np.ndarray):
                check_finite(scales)
            buffer = model.Buffers(tensor.Buffer())
            if buffer.DataLength() and tensor.Type() in kinds:
                check_finite(buffer.DataAsNumpy().view(kinds[tensor.Type()]))


def check_finite(values: NDArray[Any]) -> None:
    """Raise `ValueError` if an array of floats has values that are not finite."""
    if not np.isfinite(values).all():
        raise ValueError("its weights are not finite: training went wrong, or the file is damaged")
