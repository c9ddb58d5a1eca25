"""Any gymnasium environment, rewarded by the marginal gains of a set function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch

from envs.arrays import Floats
from envs.coverage.gain_rewards import gain_space
from envs.coverage.set_functions.set_function import SetFunction, require_set_function


class SubmodularReward(gymnasium.Env[Any, Any]):
    """An environment whose reward is what the latest observation adds to a set function.

    The environment's own reward is replaced; it stays in ``info["original_reward"]``. ``info["value"]`` is ``F`` of all visits
    of the episode, ``(m,)``, the first observation included: the rewards of an episode add up to it, less its value at the
    reset. Observations are passed on, so the reward may depend on more than they show.

    This is an environment and not a ``gymnasium.Wrapper``, since ``unwrapped`` must lead to the reward space.

    Example:
        >>> from envs.coverage.set_functions import Coverage
        >>> env = SubmodularReward(gymnasium.make("CliffWalking-v1"), Coverage([[cell] for cell in range(48)]), int)
        >>> _ = env.reset(seed=0)
        >>> env.step(0)[1]
        1.0
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        set_function: SetFunction,
        element: Callable[[Any], int | npt.ArrayLike],
        *,
        capacity: int | None = None,
        scalar: bool | None = None,
    ) -> None:
        """Wrap an environment.

        Args:
            env: The environment; closing this one closes it.
            set_function: On the CPU.
            element: Which element an observation is, 0 to ``V - 1``; or its vector of floating-point numbers, for functions of
                inputs, such as :class:`~envs.coverage.set_functions.Elliptical`.
            capacity: Most visits of an episode, the first included; None takes it from the time limit of ``env``, or 1000.
            scalar: Give the reward as a float, as gymnasium's checker and libraries for one objective expect, and not as an
                array ``(m,)``; None does so if ``m`` is 1.

        Raises:
            ValueError: There is no room for a visit, or ``scalar`` with several objectives.
        """
        require_set_function(set_function)
        if scalar and set_function.num_objectives > 1:
            raise ValueError(f"scalar needs one objective, but the set function has {set_function.num_objectives}")
        limit = env.spec.max_episode_steps if env.spec is not None else None
        self._capacity = capacity if capacity is not None else (limit or 999) + 1
        if self._capacity < 1:
            raise ValueError(f"capacity is {self._capacity}; expected at least 1 visit")
        self.env = env
        self.set_function = set_function
        self.objective_names, self.objective_units = set_function.objective_names, set_function.objective_units
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.spec = env.spec
        self.observation_space = env.observation_space
        self.action_space = env.action_space
        self.reward_space = gain_space(set_function.singletons())
        self.reward_dim = set_function.num_objectives
        self.scalar_reward = set_function.num_objectives == 1 if scalar is None else scalar
        self._element = element
        self._state = set_function.start(1, capacity=self._capacity)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the first observation is the first visit, and earns nothing."""
        super().reset(seed=seed)
        observation, info = self.env.reset(seed=seed, options=options)
        self._state = self.set_function.start(1, capacity=self._capacity)
        self._visit(observation)
        return observation, {**info, "value": self._value()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Advance by one step; the reward is an array ``(m,)``, or a float if it is to be scalar.

        Raises:
            ValueError: ``element`` returned what is not in the ground set.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        gains = self._visit(observation)
        given = float(gains[0]) if self.scalar_reward else gains
        return observation, given, terminated, truncated, {**info, "value": self._value(), "original_reward": reward}

    def render(self) -> Any:
        """What the environment draws."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _visit(self, observation: Any) -> npt.NDArray[np.float32]:
        visited = torch.as_tensor(np.asarray(self._element(observation)))[None]
        visited = visited.to(torch.float32 if visited.is_floating_point() else torch.int64)
        return self.set_function.advance(self._state, visited)[0].numpy().astype(np.float32)

    def _value(self) -> Floats:
        return self._state["value"][0].numpy().copy()
