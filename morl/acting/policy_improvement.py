"""Act by the best of several policies at every step: generalised policy improvement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from morl.fields import CheckedFields
from morl.functional import improved_values


@dataclass(frozen=True, kw_only=True)
class PolicyImprovement(CheckedFields):
    r"""Generalised policy improvement over the policies for the weights :math:`M` of the members.

    .. math:: \arg\max_a \max_{w' \in M \cup \{w\}} w^\top Q(s, a, w')

    With exact values the result is at least as good for :math:`w` as each of these policies, at every state. It costs one pass
    of the network for each of them, all in one batch.

    Source:
        Barreto et al., "Successor Features for Transfer in Reinforcement Learning", NeurIPS 2017, theorem 1; GPI-LS (Alegre et
        al., AAMAS 2023). Deviation: the own policy is one of the set.
    """

    @property
    def uses_support(self) -> bool:
        """Yes."""
        return True

    def __call__(self, values: Callable[[Tensor], Tensor], weights: Tensor, support: Tensor) -> Tensor:
        """Take the best of all policies; see :class:`~morl.acting.Acting`."""
        asked = torch.cat([weights.unsqueeze(2), support.expand(*weights.shape[:2], -1, -1)], 2)
        return improved_values(values(asked), weights)
