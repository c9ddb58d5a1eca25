"""Feasible actions at random."""

from __future__ import annotations

from dataclasses import dataclass

from envs.cormab import Instance
from morl.cormab.baselines.base import Contender, Decision


@dataclass(frozen=True)
class Random(Contender):
    """Draws actions to which little can be added, as the published baseline does [Xu2025]_."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        return lambda states, _, rng: instance.constraint.sample_large(rng, len(states))
