"""A chain of states against the current, with a small reward downstream and a large one upstream."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.native_env import shorter
from envs.parameter_space import Parameter, ParameterSpace
from envs.tabular.parametric_finite import ParametricFiniteEnv

_LENGTH = 6
_LEFT, _RIGHT = 0, 1


class RiverSwim(ParametricFiniteEnv):
    """``tabular/river-swim-v0``: drift left (action 0) for a little, or swim right (action 1) for much.

    Drifting always takes one a state to the left. Swimming takes one to the right with probability ``forward``, back to the
    left with probability ``back`` (not from the first state), else one stays. The last state can only be left backwards,
    with probability ``last_back``. Drifting in the first state pays 0.0005, swimming in the last one 1.

    Observation: the state, 0 to 5.

    Source:
        Strehl and Littman 2008. Deviations: rewards are divided by 10,000; the probabilities are those stated here and were not
        compared with the original's.
    """

    def __init__(self, num_envs: int, *, horizon: int = 200, max_episode_steps: int | None = None) -> None:
        """Set the length of the episodes.

        Args:
            num_envs: Number of rows.
            horizon: Length of an episode, steps.
            max_episode_steps: A shorter limit.
        """
        states = np.arange(_LENGTH)
        left, right = np.maximum(states - 1, 0), np.minimum(states + 1, _LENGTH - 1)
        # Branches: left, stay, right.
        successors = np.repeat(np.stack([left, states, right], axis=-1)[:, None], 2, axis=1)
        rewards = np.zeros(successors.shape)
        rewards[0, _LEFT], rewards[-1, _RIGHT] = 0.0005, 1.0
        super().__init__(
            num_envs,
            parameter_space=ParameterSpace(
                (
                    Parameter(name="forward", nominal=0.3, low=0.1, high=0.5, smallest=0.0, largest=0.5),
                    Parameter(name="back", nominal=0.1, low=0.0, high=0.4, smallest=0.0, largest=0.5),
                    Parameter(name="last_back", nominal=0.7, low=0.5, high=0.9, smallest=0.0, largest=1.0),
                )
            ),
            successors=successors,
            rewards=rewards,
            max_episode_steps=shorter(horizon, max_episode_steps),
        )

    def branch_probabilities(self, models: npt.ArrayLike) -> Floats:
        """Probabilities of going left, staying and going right, ``(n, 6, 2, 3)``."""
        forward, back, last_back = self.parameter_space.checked(models).T
        result = np.zeros((len(forward), _LENGTH, 2, 3))
        result[:, :, _LEFT, 0] = 1.0
        result[:, :, _RIGHT, 0] = back[:, None]
        result[:, :, _RIGHT, 2] = forward[:, None]
        result[:, 0, _RIGHT, 0] = 0.0
        result[:, -1, _RIGHT, 0], result[:, -1, _RIGHT, 2] = last_back, 0.0
        result[:, :, _RIGHT, 1] = 1.0 - result[:, :, _RIGHT, 0] - result[:, :, _RIGHT, 2]
        return result
