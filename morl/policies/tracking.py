r"""Policies that follow one vector of a table of value sets.

At every state the policy owes a vector: at the start its target, later what is left of it. It takes the action that the
closest vector :math:`v` of the state's set begins with, and after a reward :math:`r` owes the vector :math:`v'` of the next
state's set for which :math:`r + \gamma v'` is closest to :math:`v`. In the deterministic world that the sets are of, the
discounted return is the target.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import StateIndexer, space_from_json

_MARGIN = 0.1
"""How far the utopian point lies above the best value of each objective, in shares of the front's range."""
_DISTANCE = 1e-6
"""Weight of the distance between vectors that owe nothing to each other, against what one lacks of the other."""


@dataclass(frozen=True, eq=False, repr=False)
class TrackingPolicy(BasePolicy):
    r"""Follows a vector of the start's set.

    Preferences choose the vector: :meth:`at` takes the one with the least weighted distance
    :math:`\max_j w_j (u_j - v_j)` to a utopian point :math:`u`, in units of the range of the start's set. Every non-dominated
    vector is the only best one for some weights (:func:`naming_weights`), also on a concave front, where sums have none.
    """

    kind: ClassVar[str] = "tracking"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    gamma: float
    """Discount factor of the vectors."""
    start: int
    """State in which episodes begin."""
    counts: Tensor
    """Size of every state's set, ``(1, S)`` int64."""
    vectors: Tensor
    """The sets of all states one after the other, ``(1, V, m)`` float64, return units."""
    actions: Tensor
    """Action that each vector begins with, ``(1, V)`` int64."""
    unit: Tensor
    """Of each objective, in which differences of vectors are compared, ``(1, m)`` float64, return units."""
    targets: Tensor
    """Vector that each of ``p`` policies over the same sets follows, ``(p, m)`` float64."""

    @cached_property
    def _indexer(self) -> StateIndexer:
        return StateIndexer(self.observation_space)

    @cached_property
    def _first(self) -> Tensor:
        """Where the set of each state begins, ``(S,)``."""
        return self.counts[0].cumsum(0) - self.counts[0]

    @cached_property
    def _places(self) -> Tensor:
        """Positions in the largest set."""
        return torch.arange(max(1, int(self.counts.max())), device=self.counts.device)

    @property
    def front(self) -> npt.NDArray[np.float64]:
        """The start's set, ``(q, m)``, return units."""
        first, count = int(self._first[self.start]), int(self.counts[0, self.start])
        front: npt.NDArray[np.float64] = self.vectors[0, first : first + count].cpu().numpy()
        return front

    def at(self, weights: npt.NDArray[np.float64]) -> TrackingPolicy:
        """The policy that follows the vector of the start's set that is best for weights ``(m,)``."""
        front = self.front
        if not len(front):
            return self
        best = int((_regrets(front) * np.asarray(weights, dtype=np.float64)).max(1).argmin())
        return replace(self, targets=torch.as_tensor(front[best : best + 1].copy(), device=self.vectors.device))

    def _followed(self, observations: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Index among all vectors of the one that is owed, and whether there is any, ``(p, B)`` each."""
        states = self._indexer(observations)
        is_there = self._places < self.counts[0][states].unsqueeze(-1)
        index = torch.where(is_there, self._first[states].unsqueeze(-1) + self._places, 0)
        if not len(self.vectors[0]):
            return index[..., 0], is_there[..., 0]
        lacks = (memory["owed"].unsqueeze(-2) - memory["discount"].unsqueeze(-2) * self.vectors[0][index]) / self.unit[0]
        # What lacks nothing comes first: sets of a learner that goes on may have better vectors than those before them promise.
        cost = lacks.amax(-1).clamp_min(0.0) + _DISTANCE * lacks.abs().amax(-1)
        best = cost.masked_fill(~is_there, float("inf")).argmin(-1, keepdim=True)
        return index.gather(-1, best).squeeze(-1), is_there[..., 0]

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        del weights, deterministic, generator
        index, is_known = self._followed(observations, memory)
        # Where nothing is known, the first action is as good as any.
        chosen = torch.where(is_known, self.actions[0][index], 0) if len(self.actions[0]) else torch.zeros_like(index)
        return chosen if self.finite is None else self.finite.actions(chosen)

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        owed = self.targets.unsqueeze(1).expand(policies, batch, -1).clone()
        return {"owed": owed, "discount": torch.ones_like(owed[..., :1])}

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del actions
        index, is_known = self._followed(observations, memory)
        vectors = self.vectors[0][index] if len(self.vectors[0]) else memory["owed"]
        promised = torch.where(is_known.unsqueeze(-1), vectors, memory["owed"])
        ended = done.unsqueeze(-1)
        # Not divided by the discount, which would magnify what was rounded, and may be zero.
        owed = torch.where(ended, self.targets.unsqueeze(1), promised - rewards.to(promised.dtype))
        return {"owed": owed, "discount": torch.where(ended, 1.0, torch.full_like(memory["discount"], self.gamma))}

    def config(self) -> dict[str, Any]:
        return super().config() | {"gamma": self.gamma, "start": self.start}

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("counts", "vectors", "actions", "unit", "targets")}

    def layout(self) -> dict[str, list[str]]:
        return {
            "counts": ["table", "state"],
            "vectors": ["table", "vector", "objective"],
            "actions": ["table", "vector"],
            "unit": ["table", "objective"],
            "targets": ["policy", "objective"],
        }

    def stacking_key(self) -> str:
        return json.dumps([self.kind, id(self.vectors)])

    @classmethod
    def stack(cls, policies: Sequence[Self]) -> Self:
        """Stack policies over the very same sets, which are kept once."""
        return replace(policies[0], targets=torch.cat([policy.targets for policy in policies]))

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        return cls(
            space_from_json(config["observation_space"]),
            space_from_json(config["action_space"]),
            config["gamma"],
            config["start"],
            **{name: tensors[name] for name in ("counts", "vectors", "actions", "unit", "targets")},
        )


def naming_weights(front: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    r"""Weights for which each vector of a front is the one that :meth:`TrackingPolicy.at` chooses.

    .. math:: w_j \propto 1 / (u_j - v_j)

    makes all weighted distances of :math:`v` to the utopian point :math:`u` equal, so a vector that is at most as far away
    dominates it.

    Args:
        front: Vectors of which none dominates or equals another, ``(q, m)``.

    Returns:
        ``(q, m)``, positive, each row sums to 1.

    Source:
        Steuer and Choo 1983 (weighted Chebyshev programs reach every non-dominated point).

    Example:
        >>> import numpy as np
        >>> naming_weights(np.array([[0.0, 1.0], [0.4, 0.4], [1.0, 0.0]])).round(2).tolist()
        [[0.08, 0.92], [0.5, 0.5], [0.92, 0.08]]
    """
    inverse = 1.0 / _regrets(front)
    weights: npt.NDArray[np.float64] = inverse / inverse.sum(1, keepdims=True)
    return weights


def _regrets(front: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distances to the utopian point, in units of the front's range, ``(q, m)``, positive."""
    span = np.ptp(front, axis=0)
    regrets: npt.NDArray[np.float64] = (front.max(0) - front) / np.where(span > 0, span, 1.0) + _MARGIN
    return regrets
