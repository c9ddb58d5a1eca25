"""Check a rule by which one acts with one network for all weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from morl.acting import Acting
from morl.testing.requirement import require


def check_acting(acting: Acting, *, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a rule keeps the contract of :class:`morl.acting.Acting`.

    Args:
        acting: What to check.
        num_objectives: ``m``.
        seed: Of the values it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.acting import PolicyImprovement
        >>> check_acting(PolicyImprovement())
    """
    generator = torch.Generator().manual_seed(seed)
    p, batch, choices, m = 2, 5, 4, num_objectives
    table = torch.randn(p, batch, choices, m, generator=generator)
    weights, support, other = (torch.randn(s, generator=generator).softmax(-1) for s in ((p, batch, m), (3, m), (2, m)))

    def of(table: Tensor, *, following: bool = True) -> Callable[[Tensor], Tensor]:
        """Values that follow the weights of the policies that are asked for, or not."""

        def values(asked: Tensor) -> Tensor:
            shape, expected = tuple(asked.shape), (*table.shape[:2], m)
            require(asked.dim() == 4 and (*shape[:2], shape[3]) == expected, f"it asks about weights of shape {shape}")
            return table.unsqueeze(2) * (1.0 + following * asked.unsqueeze(3))

        return values

    before = (weights.clone(), support.clone())
    judged = acting(of(table), weights, support)
    expected = (p, batch, choices)
    require(tuple(judged.shape) == expected, f"expected one number per choice, {expected}, got {tuple(judged.shape)}")
    require(torch.equal(weights, before[0]) and torch.equal(support, before[1]), "it changed its arguments")
    require(torch.equal(judged, acting(of(table), weights, support)), "the same values were judged differently; keep no state")
    single = acting(of(table[:1, 1:2]), weights[:1, 1:2], support)
    require(torch.allclose(single, judged[:1, 1:2], atol=1e-6), "one state and a batch were judged differently")
    plain = (table * weights.unsqueeze(2)).sum(-1)
    alike = acting(of(table, following=False), weights, support)
    require(torch.allclose(alike, plain, atol=1e-5), "where all policies are worth the same, it must weigh these values")
    if not acting.uses_support:
        require(
            torch.equal(judged, acting(of(table), weights, other)),
            "it judges by other policies' weights, but does not say that it uses_support",
        )
