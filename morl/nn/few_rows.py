"""Stacked perceptrons at a few observations on the host: numpy's operations begin in a fraction of the time of torch's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.nn.stacked import Parameters, StackedMLP

FEW = 8_192
"""Multiplications of one product up to which beginning an operation costs more than its numbers; numpy's products stay in one
thread up to there, whatever the number of threads that torch is told to use."""


def are_few(net: StackedMLP, rows: int) -> bool:
    """Whether ``rows`` observations of each network are few."""
    return rows * max(a * b for a, b in pairwise((net.inputs, *net.hidden, net.outputs))) <= FEW


def evaluate_few(net: StackedMLP, parameters: Parameters, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Evaluate networks without copies, as :meth:`morl.nn.stacked.StackedMLP.__call__` does.

    Args:
        net: Their shape.
        parameters: ``(n, ...)`` each, on the host.
        inputs: ``(n, B, inputs)``.

    Returns:
        ``(n, B, outputs)``.
    """
    arrays: list[npt.NDArray[Any]] = [p.numpy() for p in parameters]
    h = inputs
    if len(inputs) == 1:  # products of plain matrices
        arrays, h = [a[0] for a in arrays], inputs[0]
    else:
        arrays[1::2] = [bias[:, None] for bias in arrays[1::2]]
    for i in range(0, len(arrays) - 2, 2):
        h = h @ arrays[i]
        h += arrays[i + 1]
        h = np.maximum(h, 0.0, out=h) if net.activation == "relu" else np.tanh(h, out=h)
    outputs: npt.NDArray[Any] = h @ arrays[-2].swapaxes(-1, -2)
    outputs += arrays[-1]
    return outputs[None] if len(inputs) == 1 else outputs
