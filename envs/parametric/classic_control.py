"""What the tasks of gymnasium's classic control have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from envs.arrays import Floats
from envs.drawn_env import DrawnParametricEnv
from envs.native_env import shorter
from envs.parameter_space import Parameter, ParameterSpace


class ClassicControl(DrawnParametricEnv):
    """Base of the classic control tasks; a subclass says what they are, and how their state moves."""

    parameters: ClassVar[tuple[Parameter, ...]]
    """What can be set."""
    observed: ClassVar[tuple[Any, Any]]
    """Least and greatest observation, ``(d,)`` each."""
    rewarded: ClassVar[tuple[float, float]]
    """Least and greatest reward of a step."""
    num_actions: ClassVar[int | None]
    """None for a box, which the subclass sets."""
    state_size: ClassVar[int]
    """Numbers of a row's state."""

    state_arrays = ("_state",)

    def __init__(self, num_envs: int, *, horizon: int = 500, max_episode_steps: int | None = None) -> None:
        """Set the length of the episodes.

        Args:
            num_envs: Number of rows.
            horizon: Greatest length of an episode, steps.
            max_episode_steps: A shorter limit.
        """
        from gymnasium.spaces import Box, Discrete

        super().__init__(
            num_envs,
            parameter_space=ParameterSpace(self.parameters),
            num_actions=self.num_actions,
            max_episode_steps=shorter(horizon, max_episode_steps),
        )
        low, high = (np.array(bound, np.float32) for bound in self.observed)
        least, most = (np.float32(bound) for bound in self.rewarded)
        self.observation_space = Box(low, high, dtype=np.float32)
        if self.num_actions is not None:
            self.action_space = Discrete(self.num_actions)
        self.reward_space = Box(least, most, shape=(1,), dtype=np.float32)
        self._state: Floats = np.zeros((num_envs, self.state_size))
