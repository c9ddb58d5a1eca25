"""Policies between two others: every parameter a part of the way from one to the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from morl.policies.base import BasePolicy


def obstacle(one: BasePolicy, other: BasePolicy) -> str:
    """Why there is nothing between two policies, in words; empty if there is.

    Args:
        one: A policy.
        other: Another one.
    """
    if one is other:
        return "they are one network, which can be asked at any weights"
    if one.stacking_key() != other.stacking_key():
        return "they have different networks"
    theirs = other.tensors()
    whole = [name for name, tensor in one.tensors().items() if not tensor.dtype.is_floating_point]
    if any(not torch.equal(one.tensors()[name], theirs[name]) for name in whole):
        return "they are tables of choices, not of numbers"
    return ""


def interpolated(one: BasePolicy, other: BasePolicy, shares: Sequence[float]) -> list[BasePolicy]:
    r"""Policies with parameters :math:`(1 - t)\, \theta_{one} + t\, \theta_{other}`, statistics of observations included.

    Args:
        one: The policy at share 0.
        other: The policy at share 1.
        shares: Shares ``t`` of the other one, ``(k,)``.

    Returns:
        ``k`` policies, which share no memory with the two.
    """
    first, last = one.tensors(), other.tensors()

    def between(share: float) -> BasePolicy:
        tensors = {
            name: torch.lerp(tensor, last[name], share) if tensor.dtype.is_floating_point else tensor.clone()
            for name, tensor in first.items()
        }
        return type(one).from_parts(one.config(), tensors)

    return [between(share) for share in shares]
