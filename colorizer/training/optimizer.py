"""AdamW with a learning rate for each variable."""

from collections.abc import Sequence
from typing import Any

import keras


class ScaledAdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose steps are scaled, by a factor for each variable.

    Parameters
    ----------
    factors : sequence of float
        Factors of the learning rate, in the order of the model's ``trainable_variables``.
    *arguments, **options
        Those of `keras.optimizers.AdamW`.
    """

    def __init__(self, factors: Sequence[float], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.factors = tuple(factors)

    def build(self, variables: Sequence[Any]) -> None:
        """Refuse variables that there are no factors for; otherwise as Keras does."""
        if not self.built and len(variables) != len(self.factors):
            raise ValueError(f"there are {len(self.factors)} factors for {len(variables)} variables")
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable as AdamW does, with its own multiple of the learning rate."""
        factor = self.factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)
