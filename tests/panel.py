"""Small worlds whose actions have several components."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

SIZES = (5, 4, 4)
"""Eighty combinations: too many to be listed by a solver with action values."""


class Panel(gym.Env[Any, Any]):
    """Levers that show where they want to be.

    The first objective is the share of levers that are put there, the second that of levers that are put first. With a
    weight of at least a half on the first the best policy follows what is shown, otherwise it puts all levers first.
    """

    horizon = 4
    max_episode_steps = 4
    sizes = np.array(SIZES)
    observation_space: gym.Space[Any] = spaces.MultiDiscrete(SIZES)
    action_space: gym.Space[Any] = spaces.MultiDiscrete(SIZES, start=[-1, 0, 7], dtype=np.int32)
    reward_space = spaces.Box(0.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = self.horizon
        self.wanted = self.np_random.integers(self.sizes)
        return self.wanted, {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        space: Any = self.action_space
        put = action - getattr(space, "start", 0)
        reward = np.array([(put == self.wanted).mean(), (put == 0).mean()], np.float32)
        self.left -= 1
        self.wanted = self.np_random.integers(self.sizes)
        return self.wanted, reward, self.left == 0, False, {}

    @classmethod
    def best(cls, first_weight: float) -> float:
        """Largest weighted sum of the two objectives, per step."""
        larger, smaller = max(first_weight, 1 - first_weight), min(first_weight, 1 - first_weight)
        return float(np.mean(larger + smaller / cls.sizes))


class SmallPanel(Panel):
    """Levers with few combinations."""

    sizes = np.array([3, 2])
    observation_space: gym.Space[Any] = spaces.MultiDiscrete([3, 2])
    action_space: gym.Space[Any] = spaces.MultiDiscrete([3, 2], start=[2, -3])


class Switches(Panel):
    """Levers with two positions each."""

    sizes = np.full(7, 2)
    observation_space: gym.Space[Any] = spaces.MultiBinary(7)
    action_space: gym.Space[Any] = spaces.MultiBinary(7)


class Together(gym.Env[Any, Any]):
    """One step, two components. (0, 0) pays 1, but each 0 costs 1 without the other; everything else pays 0.5.

    Whoever adds up what components are worth on average avoids both zeros.
    """

    max_episode_steps = 1
    observation_space: gym.Space[Any] = spaces.Discrete(1)
    action_space: gym.Space[Any] = spaces.MultiDiscrete([3, 3])
    reward_space = spaces.Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> Any:
        zeros = int((action == 0).sum())
        pays = (0.5, -1.0, 1.0)[zeros]
        return 0, np.array([pays, pays], np.float32), True, False, {}
