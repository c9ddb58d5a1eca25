"""Acting for few rows on the host, in numpy.

Between two environment steps there are a handful of rows for each member. Torch then spends its time on the way to the
arithmetic: the same operations in numpy take about a third of it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.nn.stacked import Parameters, StackedMLP

Array = npt.NDArray[np.floating[Any]]


def evaluated(net: StackedMLP, parameters: Parameters, inputs: Array) -> Array:
    """What :class:`~morl.nn.stacked.StackedMLP` says, up to rounding.

    Args:
        net: Without copies.
        parameters: On the CPU, ``(n, ...)``.
        inputs: ``(n, B, inputs)``.

    Returns:
        ``(n, B, outputs)``.
    """
    arrays = [p.numpy() for p in parameters]
    h = inputs
    for weights, biases in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        h = np.matmul(h, weights)
        h += biases[:, None]
        if net.activation == "relu":
            np.maximum(h, 0.0, out=h)
        else:
            np.tanh(h, out=h)
    outputs: Array = np.matmul(h, arrays[-2].swapaxes(1, 2))
    outputs += arrays[-1][:, None]
    return outputs


def gaussian_actions(net: StackedMLP, actor: Parameters, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """What :func:`~morl.nn.distributions.gaussian_sample` says at the outputs of a network, up to rounding.

    Args:
        net: Inputs to means.
        actor: Its parameters and the log standard deviations ``(n, a)``, on the CPU.
        inputs: ``(n, B, d)``.
        noise: Standard normal ``(n, B, a)``.

    Returns:
        Actions ``(n, B, a)`` and their log-densities ``(n, B)``.
    """
    log_std, drawn = actor[-1].numpy(), noise.numpy()
    actions = evaluated(net, actor[:-1], inputs.numpy())
    actions += np.exp(log_std)[:, None] * drawn
    log_densities = np.square(drawn).sum(-1)
    log_densities *= -0.5
    log_densities -= log_std.sum(1, keepdims=True) + 0.5 * math.log(2 * math.pi) * log_std.shape[1]
    return torch.from_numpy(actions), torch.from_numpy(log_densities)
