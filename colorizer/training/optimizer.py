"""AdamW with a learning rate per variable."""

from collections.abc import Sequence
from typing import Any

import keras


class ScaledAdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with a learning-rate multiplier per variable.

    Parameters
    ----------
    factors : sequence of float
        Multipliers of the learning rate, in the order of the model's ``trainable_variables``.
    *arguments, **options
        Those of `keras.optimizers.AdamW`.
    """

    def __init__(self, factors: Sequence[float], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.factors = tuple(factors)

    def build(self, variables: Sequence[Any]) -> None:
        """Build the optimizer's state; raise `ValueError` unless there is one factor per variable."""
        if not self.built and len(variables) != len(self.factors):
            raise ValueError(f"there are {len(self.factors)} factors for {len(variables)} variables")
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a variable as AdamW does, with its own learning rate."""
        factor = self.factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)
