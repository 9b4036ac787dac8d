"""What runs a trained network: LiteRT the exported one, in a moment; Keras one that was just trained.

The only module of the colorizing path that knows either of them.
"""

import hashlib
import importlib.util
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from colorizer.resources import count_cores

EXPORTED = "model.tflite"
"""Name of the exported network, which needs no more than its ``config.json`` beside it."""

MODEL_FILES = ("model.keras", EXPORTED)
"""Names of the files that hold a network: as Keras saves it, and exported from that. A folder may have one or both."""


class Runtime(Protocol):
    """A trained network, ready for inference; any number of threads may call it.

    Attributes
    ----------
    takes_hints : bool
        Whether it is the U-Net; else it is the autoencoder.
    size : tuple of int
        Height and width of the images that the autoencoder takes; (0, 0) for the U-Net, which takes any.
    """

    takes_hints: bool
    size: tuple[int, int]

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Parameters
        ----------
        *inputs : float32 arrays
            The autoencoder's (N, h, w, 1) luma in [0, 1]; the U-Net's (N, h, w, 1) luma and (N, h/2, w/2, 3) hints.

        Returns
        -------
        float32 array
            The autoencoder's (N, h, w, 3) RGB in [0, 1]; the U-Net's (N, h/2, w/2, K) logits.
        """


def load_runtime(path: Path) -> Runtime:
    """Load a network from one of `MODEL_FILES`: the export, if it is there, whichever of the two is named.

    Raises
    ------
    ValueError
        If the export is broken or was made from another ``model.keras`` than is there; if there is none and TensorFlow,
        which would run the file itself, is not installed; or if it is neither the autoencoder nor the U-Net.
    Exception
        Whatever Keras raises on files that it can't use.
    """
    exported = path.with_name(EXPORTED)
    if path.name in MODEL_FILES and exported.exists():
        content = exported.read_bytes()
        _check_origin(content, path.parent)
        return LiteRTRuntime(content)
    if importlib.util.find_spec("tensorflow") is None:
        raise ValueError(
            f"there is no {EXPORTED} beside it, and TensorFlow, which could run it without, is not installed: "
            "pip install .[train]"
        )
    return KerasRuntime(path)


def sha256(content: bytes) -> str:
    """Compute the SHA-256 by which records name files."""
    return hashlib.sha256(content).hexdigest()


def name_weights(path: Path) -> str:
    """Name the weights of one of `MODEL_FILES`: by the SHA-256 of the ``model.keras`` that an export was made from."""
    if path.name == EXPORTED:
        return str(json.loads(path.with_name("config.json").read_text())["export"]["model_sha256"])
    return sha256(path.read_bytes())


def _check_origin(content: bytes, folder: Path) -> None:
    """Raise `ValueError` unless an export is the recorded one, and made from the ``model.keras``, if that is there."""
    original = folder / "model.keras"
    try:
        record = json.loads((folder / "config.json").read_text())["export"]
        fits = record["files"][EXPORTED] == sha256(content)
        if original.exists():
            fits = fits and record["model_sha256"] == sha256(original.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise ValueError(
            f"its {EXPORTED} is not the one that config.json records, broken or made from other weights; beside a "
            f"model.keras it can be made anew: colorizer export --model {folder}"
        )


def _identify(shapes: Mapping[str, tuple[Any, ...]], outputs: list[tuple[Any, ...]]) -> tuple[bool, tuple[int, int]]:
    """Tell by the shapes of its inputs and outputs whether a network is the U-Net, and the autoencoder's size."""
    planes = {name: shape[3] for name, shape in shapes.items() if len(shape) == 4}
    if planes == {"luma": 1, "hints": 3}:
        return True, (0, 0)
    if list(planes.values()) == [1] and len(shapes) == 1 and [shape[3:] for shape in outputs] == [(3,)]:
        (shape,) = shapes.values()
        return False, (int(shape[1]), int(shape[2]))
    raise ValueError(f"maps {dict(shapes)} to {outputs}: neither the autoencoder nor the U-Net")


class LiteRTNetwork:
    """A network, or a part of one, under LiteRT, which loads in a moment; any number of threads may call it.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shapes of its inputs by name; -1 where any length goes.
    outputs : list of tuple of int
        Shapes of its outputs.
    """

    def __init__(self, content: bytes) -> None:
        """Load the content of a ``.tflite`` file; `ValueError` if it is none."""
        from ai_edge_litert.interpreter import Interpreter

        with quiet_stderr():  # Else a note says which kernels are taken.
            interpreter = Interpreter(model_content=content, num_threads=count_cores())
            interpreter.allocate_tensors()
        self._run = interpreter.get_signature_runner()
        self._lock = threading.Lock()  # LiteRT serves one thread at a time.
        self.shapes = {name: _shape(details) for name, details in self._run.get_input_details().items()}
        self.outputs = [_shape(details) for details in self._run.get_output_details().values()]
        self._names = tuple(self.shapes)

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on its inputs, which give its single output."""
        with self._lock:
            (output,) = self._run(**dict(zip(self._names, inputs, strict=True))).values()
        return output


class LiteRTRuntime(LiteRTNetwork):
    """An exported network, whole; otherwise see `Runtime`."""

    def __init__(self, content: bytes) -> None:
        """Load the content of a ``.tflite`` file; `ValueError` if it is none, or neither of the two networks."""
        super().__init__(content)
        self.takes_hints, self.size = _identify(self.shapes, self.outputs)
        if self.takes_hints:
            self._names = ("luma", "hints")


def _shape(details: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(details["shape_signature"].tolist())


class KerasRuntime:
    """A ``.keras`` file under Keras and TensorFlow, compiled for inference; otherwise see `Runtime`."""

    def __init__(self, path: Path) -> None:
        """Load a ``.keras`` file; Keras refuses files that would run code."""
        keras, tf = import_keras()
        model = keras.models.load_model(path, compile=False)
        shapes = {tensor.name: tuple(tensor.shape) for tensor in model.inputs}
        outputs = [tuple(tensor.shape) for tensor in model.outputs]
        self.takes_hints, self.size = _identify(shapes, outputs)
        self._names = ("luma", "hints") if self.takes_hints else tuple(shapes)

        def call(*inputs: Any) -> Any:
            given = dict(zip(self._names, inputs, strict=True)) if self.takes_hints else inputs[0]
            return keras.tree.flatten(model(given))[0]

        # Traced once for all batch sizes, it answers a single image 15 times sooner than `predict`.
        self._call = tf.function(
            call, input_signature=[tf.TensorSpec(shapes[name], tf.float32) for name in self._names]
        )

    def __call__(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network, see `Runtime`."""
        return self._call(*inputs).numpy()


def import_keras() -> tuple[Any, Any]:
    """Import Keras and TensorFlow without the notes that TensorFlow's libraries print on loading."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" not in sys.modules:
        with quiet_stderr():
            import tensorflow as tf
    else:
        import tensorflow as tf
    import keras

    return keras, tf


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to standard error; it is shown if an error follows."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
