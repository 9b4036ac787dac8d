"""Read tensors from a PyTorch file in the legacy format, without PyTorch, and without running code in the pickle.

Such a file is five pickles (magic number, protocol version, system information, state dict, storage keys), followed for
each key by its storage: the number of elements in 8 bytes, and the elements.
"""

import pickle
from collections import OrderedDict
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the tensors of a state dict.

    Parameters
    ----------
    data : bytes
        Content of the ``.pth`` file.

    Returns
    -------
    dict of str to ndarray
        float32 or int64 arrays by name, with PyTorch's order of axes: (out, in, height, width) for convolutions.

    Raises
    ------
    ValueError
        If the file is not in the legacy format, is truncated, or contains anything but float32 and int64 tensors.
    """
    stream = BytesIO(data)
    try:
        if _Unpickler(stream).load() != _MAGIC:
            raise ValueError("not a PyTorch file in the legacy format")
        _Unpickler(stream).load()
        _Unpickler(stream).load()
        tensors: dict[str, _Tensor] = _Unpickler(stream).load()
        keys: list[str] = _Unpickler(stream).load()
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {}
        for key in keys:
            size = int.from_bytes(stream.read(8), "little") * dtypes[key].itemsize
            content = stream.read(size)
            if len(content) < size or not size:
                raise EOFError(f"storage {key} is truncated")
            storages[key] = np.frombuffer(content, dtypes[key])
        arrays = {}
        for name, (storage, offset, shape, strides) in tensors.items():
            flat = storages[storage.key]
            last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
            if min(offset, *shape, *strides, 0) < 0 or last >= len(flat):
                raise ValueError(f"{name} exceeds its storage")
            steps = [stride * flat.itemsize for stride in strides]
            arrays[name] = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)
        return arrays
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a PyTorch file in the legacy format: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Allows only the names that a state dict needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, *_ = pid
        if kind != "storage" or storage not in _DTYPES:
            raise pickle.UnpicklingError(f"unknown storage {pid!r}")
        return _Storage(key, _DTYPES[storage])


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    """Replace PyTorch's `_rebuild_tensor_v2`; the arguments after the strides are for gradients."""
    return _Tensor(storage, offset, tuple(shape), tuple(strides))
