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
    takes_hints : bool
        Whether it is the U-Net; else it is the autoencoder.
    size : tuple of int
        Height and width of the images that the autoencoder takes; (0, 0) for the U-Net, which takes any.
    """

    def __init__(self, path: Path) -> None:
        """Load a ``.keras`` file; Keras refuses files that would run code."""
        keras, tf = import_keras()
        model = keras.models.load_model(path, compile=False)
        shapes = {tensor.name: tuple(tensor.shape) for tensor in model.inputs}
        outputs = [tuple(tensor.shape) for tensor in model.outputs]
        planes = {name: shape[3] for name, shape in shapes.items() if len(shape) == 4}
        self.takes_hints = planes == {"luma": 1, "hints": 3}
        self.size: tuple[int, int] = (0, 0)
        if self.takes_hints:
            self._names: tuple[str, ...] = ("luma", "hints")
        elif list(planes.values()) == [1] and len(shapes) == 1 and [shape[3:] for shape in outputs] == [(3,)]:
            self._names = tuple(planes)
            self.size = shapes[self._names[0]][1:3]
        else:
            raise ValueError(f"maps {shapes} to {outputs}: neither the autoencoder nor the U-Net")

        def call(*inputs: Any) -> Any:
            given = dict(zip(self._names, inputs, strict=True)) if self.takes_hints else inputs[0]
            return keras.tree.flatten(model(given))[0]

        # Traced once for all batch sizes, it answers a single image 15 times sooner than `predict`.
        self._call = tf.function(
            call, input_signature=[tf.TensorSpec(shapes[name], tf.float32) for name in self._names]
        )

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
        return self._call(*inputs).numpy()


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
