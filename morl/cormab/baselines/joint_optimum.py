"""The optimum, where it can be computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from envs.cormab.exact import action_values, feasible_actions
from morl.cormab.baselines.base import Actions, Contender, Decision, States


@dataclass(frozen=True)
class JointOptimum(Contender):
    """The best action for the steps that are left, by dynamic programming over all arms together: for a few arms only."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """Solve for the whole horizon; see :meth:`Contender.prepare`.

        Raises:
            ValueError: There are too many joint states and actions.
        """
        actions = feasible_actions(instance)
        shape = (instance.num_states,) * instance.num_arms
        values = np.zeros(instance.num_states**instance.num_arms)
        best = np.zeros((horizon, values.size), np.int64)
        for step in reversed(range(horizon)):
            found = action_values(instance, values, actions, 1.0)
            best[step], values = found.argmax(axis=0), found.max(axis=0)

        def decide(states: States, step: int, *_: object) -> Actions:
            return np.asarray(actions[best[step, np.ravel_multi_index(tuple(states.T), shape)]])

        return decide
