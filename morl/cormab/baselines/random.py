"""Feasible actions at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Decision, States


@dataclass(frozen=True)
class Random:
    """Draws from the constraint's own sampler, which prefers large actions."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """See :meth:`~morl.cormab.baselines.base.Contender.prepare`."""

        def decide(states: States, _: int, rng: np.random.Generator) -> Actions:
            return instance.constraint.sample(rng, len(states))

        return decide
