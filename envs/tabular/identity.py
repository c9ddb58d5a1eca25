"""Name the number you see: one step, one right answer whatever the preference."""

from __future__ import annotations

import numpy as np

from envs.arrays import Floats
from envs.tabular.finite import FiniteEnv
from envs.tabular.tables import Tables

_SYMBOLS = 4
_REWARD = np.array([1.0, 0.5])


class Identity(FiniteEnv):
    """``tabular/identity-v0``: the action that equals the observation earns (1, 0.5), any other nothing.

    The objectives agree, so the front is a single point and every weight vector leads to the same policy: what does not
    learn this within some hundred steps does not learn.

    Observation: ``Discrete(4)``, uniformly random. Episodes last one step.
    """

    def __init__(self, num_envs: int, *, max_episode_steps: int | None = None) -> None:
        """Build the four states.

        Args:
            num_envs: Number of rows.
            max_episode_steps: Has no effect beyond 1: episodes end after one step anyway.
        """
        from gymnasium.spaces import Box, Discrete

        states = np.arange(_SYMBOLS)
        shape = (_SYMBOLS, _SYMBOLS, 1)
        super().__init__(
            num_envs,
            tables=Tables(
                successors=np.broadcast_to(states[:, None, None], shape),
                probabilities=np.ones(shape),
                rewards=(np.eye(_SYMBOLS)[..., None, None] * _REWARD).astype(np.float32),
                terminal=np.ones(shape, np.bool_),
                observations=states,
                starts=states,
            ),
            observation_space=Discrete(_SYMBOLS),
            reward_space=Box(low=np.zeros(2, np.float32), high=_REWARD.astype(np.float32), dtype=np.float32),
            max_episode_steps=max_episode_steps,
        )

    def pareto_front(self, gamma: float) -> Floats:
        """The only non-dominated value.

        Args:
            gamma: Discount; episodes of one step do not depend on it.

        Returns:
            ``(1, 2)``.
        """
        del gamma
        return _REWARD[None].copy()
