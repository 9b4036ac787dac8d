"""What `keras.Model.fit` needs on each of several workers: the step that they take together, and where they meet."""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from colorizer.workers import Workers


class SharedModel(keras.Model):
    """A functional model whose training step is that of all workers: losses and gradients are those of whole batches.

    Batches may be cut into shares of unequal size; none may be empty. Of the figures of training, the loss is that of
    whole batches, the others are those of the worker's share.
    """

    workers: Workers

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on this worker's share of a batch."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        count = tf.cast(tf.shape(keras.tree.flatten(x)[0])[0], tf.float32)
        (total,) = self.workers.sum([count])
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=None, training=True)
            loss *= count / total
        loss, *gradients = self.workers.sum([loss, *tape.gradient(loss, self.trainable_weights)])
        self._loss_tracker.update_state(loss, sample_weight=total)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.compute_metrics(x, y, predicted, sample_weight=None)


def share_model(model: keras.Model, workers: Workers) -> keras.Model:
    """Make a model one that all workers train; with a single worker it stays as it is."""
    if workers.count == 1:
        return model
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Its own way, `synchronized`, needs all of `fit` to run under the strategy.
            layer._moments = partial(_moments, workers)
    shared = SharedModel(model.input, model.output, name=model.name)
    shared.workers = workers
    return shared


def _moments(workers: Workers, inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Compute mean and variance over a whole batch: (N, H, W, C) -> (C,) each. There are no masks in these models."""

    @tf.custom_gradient
    def total(*sums: Any) -> tuple[list[Any], Any]:
        # Each worker's sum is in the losses of all: so are its gradients.
        return workers.sum(list(sums)), lambda *gradients: workers.sum(list(gradients))

    count = tf.cast(tf.size(inputs[..., 0]), inputs.dtype)
    axes = [0, 1, 2]
    sums, squares, count = total(tf.reduce_sum(inputs, axes), tf.reduce_sum(tf.square(inputs), axes), count)
    mean = sums / count
    return mean, tf.maximum(squares / count - tf.square(mean), 0)


class Meeting(keras.callbacks.Callback):
    """Gives all workers the chief's state before each epoch, and its word whether to go on; the last callback."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self.workers = workers

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # The random states of dropout may differ.
        variables = [
            variable
            for variable in (*self.model.variables, *self.model.optimizer.variables)
            if "seed_generator" not in variable.path
        ]
        told = self.workers.tell([variable.value for variable in variables])
        for variable, value in zip(variables, told, strict=True):
            variable.assign(tf.cast(value, variable.dtype))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        (stop,) = self.workers.tell([float(self.model.stop_training)])
        self.model.stop_training = bool(stop)
