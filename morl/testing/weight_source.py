"""Check a source of weights."""

from __future__ import annotations

import torch

from morl.testing.requirement import require
from morl.weights.sources import WeightSource


def check_weight_source(source: WeightSource, *, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a source keeps the contract of :class:`morl.weights.sources.WeightSource`.

    Args:
        source: What to check.
        num_objectives: ``m``.
        seed: Of the weights it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.weights.sources import Hindsight
        >>> check_weight_source(Hindsight())
    """
    generator = torch.Generator().manual_seed(seed)
    for rows, members in ((0, 2), (1, 1), (7, 3)):
        own, support = (torch.rand(k, num_objectives, generator=generator).softmax(-1) for k in (rows, members))
        before = (own.clone(), support.clone())
        again, first = (source(own, support, generator=torch.Generator().manual_seed(seed)) for _ in range(2))
        case = f"{rows} rows of {members} members"
        found, expected = (first.dtype, tuple(first.shape)), (own.dtype, tuple(own.shape))
        require(found == expected, f"{case}: expected weights of {expected}, got {found}")
        on_simplex = bool((first >= 0).all()) and torch.allclose(first.sum(-1), own.new_ones(rows), atol=1e-5)
        require(on_simplex, f"{case}: rows must be on the simplex")
        same = torch.equal(own, before[0]) and torch.equal(support, before[1])
        require(same, f"{case}: it changed its arguments")
        require(torch.equal(first, again), f"{case}: the same generator gave other weights; it must keep no state")
        other = source(own, support.flip(-1), generator=torch.Generator().manual_seed(seed))
        require(source.uses_support or torch.equal(first, other), f"{case}: weights of members count; set uses_support")
