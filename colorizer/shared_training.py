"""What `keras.Model.fit` needs on each of several workers: the step that they take together, and where they meet."""

from typing import Any

import keras
import tensorflow as tf

from colorizer.workers import Workers


class SharedModel(keras.Model):
    """A functional model whose training step is that of all workers: losses and gradients are those of whole batches.

    Batches may be cut into shares of unequal size; none may be empty. Batch normalization is over whole batches too. Of
    the figures of training, the loss is that of whole batches, the others are those of the worker's share.
    """

    workers: Workers

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on this worker's share of a batch."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)

        count = tf.cast(tf.shape(keras.tree.flatten(x)[0])[0], tf.float32)

        def differentiate(x: Any, y: Any, count: Any) -> tuple[list[Any], Any]:
            (total,) = self.workers.sum([count])
            with tf.GradientTape() as tape:
                predicted = self(x, training=True)
                # Keras divides by the number of workers, which is right for equal shares.
                loss = self._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=None, training=True)
                loss *= count * self.workers.count / total
            return [total, *self.workers.sum([loss, *tape.gradient(loss, self.trainable_weights)])], predicted

        (total, loss, *gradients), predicted = self.workers.run(differentiate, x, y, count)
        self._loss_tracker.update_state(loss, sample_weight=total)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.compute_metrics(x, y, predicted, sample_weight=None)


def share_model(model: keras.Model, workers: Workers) -> keras.Model:
    """Make a model one that all workers train; with a single worker it stays as it is."""
    if workers.count == 1:
        return model
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    shared = SharedModel(model.input, model.output, name=model.name)
    shared.workers = workers
    return shared


class Meeting(keras.callbacks.Callback):
    """Gives all workers the chief's state before each epoch, and its word whether to go on; the last callback."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self.workers = workers

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        variables = [*self.model.variables, *self.model.optimizer.variables]
        # The random states of dropout may differ; counters are exact in double precision.
        variables = [variable for variable in variables if "seed_generator" not in variable.path]

        def receive() -> list[Any]:
            given = [tf.cast(variable.value, tf.float64) * float(self.workers.is_chief) for variable in variables]
            return self.workers.sum(given)

        values = tf.function(lambda: self.workers.run(receive))()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(tf.cast(value, variable.dtype))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        (stop,) = self.workers.tell([float(self.model.stop_training)])
        self.model.stop_training = bool(stop)
