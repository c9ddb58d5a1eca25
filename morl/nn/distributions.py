"""Action distributions as pure functions of network outputs and noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0
"""Range of the log standard deviation of the squashed Gaussian."""


def squashed_log_std(raw: Tensor) -> Tensor:
    """Map a raw output to a log standard deviation in ``[-5, 2]`` through tanh (the reference solver's form)."""
    return LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw) + 1.0)


def tanh_gaussian(outputs: Tensor, noise: Tensor, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    r"""Sample a squashed Gaussian action and its log-density.

    .. math:: a = s \tanh(u) + o,\quad u = \mu + \sigma \epsilon,\quad
        \log \pi(a) = \sum_i \log N(u_i) - \log\bigl(s_i (1 - \tanh^2 u_i) + 10^{-6}\bigr)

    Args:
        outputs: Means and raw log standard deviations, ``(..., 2 a)``.
        noise: Standard normal ``(..., a)``.
        scale: Half the width of the action box, ``(a,)``.
        offset: Its centre, ``(a,)``.

    Returns:
        Actions ``(..., a)`` in environment units and log-densities ``(...)``.

    Source:
        Reference implementation of MOSAC; constants as there.
    """
    squashed, log_std = _squashed(outputs, noise)
    log_density = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_density = log_density - torch.log(scale * (1 - squashed.square()) + 1e-6)
    return squashed * scale + offset, log_density.sum(-1)


def tanh_gaussian_action(outputs: Tensor, noise: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """The actions of :func:`tanh_gaussian` alone."""
    return _squashed(outputs, noise)[0] * scale + offset


def tanh_gaussian_divergence(outputs: Tensor, taught: Tensor) -> Tensor:
    """How far a squashed Gaussian is from a teacher's: KL(teacher, student).

    Squashing and scaling have an inverse, so it is the divergence of the Gaussians before them.

    Args:
        outputs: The student's means and raw log standard deviations, ``(..., 2 a)``.
        taught: The teacher's.

    Returns:
        ``(...)``, nats.
    """
    (mean, raw), (wanted, wanted_raw) = outputs.chunk(2, -1), taught.chunk(2, -1)
    log_std, wanted_log_std = squashed_log_std(raw), squashed_log_std(wanted_raw)
    variances = (2 * wanted_log_std).exp() + (wanted - mean).square()
    return (log_std - wanted_log_std + 0.5 * (variances * (-2 * log_std).exp() - 1)).sum(-1)


def _squashed(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, raw = outputs.chunk(2, dim=-1)
    log_std = squashed_log_std(raw)
    return torch.tanh(mean + log_std.exp() * noise), log_std


def gaussian_log_density(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log-density of a diagonal Gaussian: ``(..., a)`` each -> ``(...)``."""
    z = (actions - mean) * (-log_std).exp()
    return (-0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Sample a diagonal Gaussian, and its log-density there, which the noise alone says.

    Args:
        mean: ``(..., a)``.
        log_std: Broadcast over the means.
        noise: Standard normal ``(..., a)``.

    Returns:
        Samples ``(..., a)`` and log-densities ``(...)``.
    """
    peak = log_std.sum(-1) + 0.5 * log_std.shape[-1] * math.log(2 * math.pi)
    return torch.addcmul(mean, log_std.exp(), noise), -(peak + 0.5 * noise.square().sum(-1))


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian, ``(..., a)`` -> ``(...)``, nats."""
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def categorical_sample(logits: Tensor, uniform: Tensor) -> Tensor:
    """Sample from a categorical distribution by inversion.

    Args:
        logits: ``(..., A)``.
        uniform: Uniform numbers in ``[0, 1)``, ``(...)``.

    Returns:
        Indices ``(...)`` int64.
    """
    return inverted(torch.softmax(logits, dim=-1).cumsum(-1), uniform)


def inverted(cumulative: Tensor, uniform: Tensor) -> Tensor:
    """Sample by inversion of cumulative probabilities: ``(..., A)`` and uniform numbers ``(...)`` -> ``(...)`` int64."""
    return (uniform.unsqueeze(-1) * cumulative[..., -1:] >= cumulative).sum(-1).clamp_max(cumulative.shape[-1] - 1)
