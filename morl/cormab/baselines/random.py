"""Feasible actions at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Decision, States


@dataclass(frozen=True)
class Random:
    """Draws actions to which little can be added, as the published baseline does [Xu2025]_."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """See :meth:`~morl.cormab.baselines.base.Contender.prepare`."""

        def decide(states: States, _: int, rng: np.random.Generator) -> Actions:
            return instance.constraint.sample_large(rng, len(states))

        return decide
