"""Stacked perceptrons at a few observations on the host: numpy's operations begin in a fraction of the time of torch's."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.nn.stacked import Parameters, StackedMLP

FEW_ONE, FEW_SEVERAL = 8_192, 65_536
"""Multiplications of one product, with a single row and with several, up to which beginning an operation costs more than its
numbers; numpy's products stay in one thread up to there, whatever the number of threads that torch is told to use."""


def are_few(net: StackedMLP, rows: int) -> bool:
    """Whether ``rows`` observations of each network are few."""
    largest = max(a * b for a, b in pairwise((net.inputs, *net.hidden, net.outputs)))
    return rows * largest <= (FEW_ONE if rows == 1 else FEW_SEVERAL)


def evaluate_few(net: StackedMLP, parameters: Parameters, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Evaluate networks without copies, as calling a :class:`morl.nn.stacked.StackedMLP` does.

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


def few_gaussian_actions(net: StackedMLP, actor: Parameters, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """What :func:`~morl.nn.distributions.gaussian_sample` says at the outputs of a network, up to rounding.

    Args:
        net: Inputs to means.
        actor: Its parameters and the log standard deviations ``(n, a)``, on the host.
        inputs: ``(n, B, d)``.
        noise: Standard normal ``(n, B, a)``.

    Returns:
        Actions ``(n, B, a)`` and their log-densities ``(n, B)``.
    """
    log_std, drawn = actor[-1].numpy(), noise.numpy()
    actions = evaluate_few(net, actor[:-1], inputs.numpy())
    actions += np.exp(log_std)[:, None] * drawn
    log_densities = np.square(drawn).sum(-1)
    log_densities *= -0.5
    log_densities -= log_std.sum(1, keepdims=True) + 0.5 * math.log(2 * math.pi) * log_std.shape[1]
    return torch.from_numpy(actions), torch.from_numpy(log_densities)
