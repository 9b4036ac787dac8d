"""The only module of the colorizing path that knows Keras, so that another runtime can take its place."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class KerasRuntime:
    """A trained network, compiled for inference.

    Attributes
    ----------
    size : tuple of int
        Height and width of the images that the network takes.
    """

    def __init__(self, path: Path) -> None:
        """Load a ``.keras`` file; Keras refuses files that would run code."""
        keras, tf = import_keras()
        self._model = keras.models.load_model(path, compile=False)
        shape = self._model.input_shape
        if len(shape) != 4 or shape[3] != 1 or self._model.output_shape[3] != 3:
            raise ValueError(f"maps {shape} to {self._model.output_shape}, not (N, H, W, 1) to (N, H, W, 3)")
        self.size: tuple[int, int] = shape[1:3]
        # Traced once for all batch sizes, it answers a single image 15 times sooner than `predict`.
        self._call = tf.function(self._model, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network: (N, h, w, 1) float32 luma in [0, 1] -> (N, h, w, 3) float32 RGB in [0, 1]."""
        return self._call(batch).numpy()


def import_keras() -> tuple[Any, Any]:
    """Import Keras and TensorFlow without the notes that TensorFlow's libraries print on loading."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" not in sys.modules:
        with _quiet_stderr():
            import tensorflow as tf
    else:
        import tensorflow as tf
    import keras

    return keras, tf


@contextmanager
def _quiet_stderr() -> Iterator[None]:
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
