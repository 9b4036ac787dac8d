"""Muon for convolutions: steps of even size in all directions that a kernel can turn to.

References
----------
K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
J. Liu et al., "Muon is scalable for LLM training", 2025: steps as long as Adam's, so that its rate and decay serve.
"""

import re
from typing import Any

import keras
from keras import ops


class ConvolutionMuon(keras.optimizers.Muon):
    """`keras.optimizers.Muon`, which leaves kernels of convolutions to AdamW, with those kernels taken as matrices.

    A kernel (height, width, in, out) is the matrix (height * width * in, out). Layers whose path matches one of
    ``exclude_layers`` stay with AdamW, as do all vectors. The matrices are worked on in ``precision``: the iteration
    ends near its aim, not at it, in any.
    """

    def __init__(self, *arguments: Any, precision: str = "float32", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.precision = precision

    def _should_use_adamw(self, variable: Any) -> bool:
        excluded = any(re.search(keyword, variable.path) for keyword in self.exclude_layers)
        return excluded or len(variable.shape) not in (2, 4)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        direction = ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = ops.reshape(direction, (-1, variable.shape[-1]))
        update = self.zeropower_via_newtonschulz5(ops.cast(matrix, self.precision), self.ns_steps)
        step = self.lr_adjust(lr * ops.cast(update, variable.dtype))
        self.assign_sub(variable, ops.reshape(step, variable.shape))
