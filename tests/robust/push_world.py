"""A tiny world with settable dynamics: push a point towards the origin with a motor of unknown gain."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete

from envs.adapters import SingleEnv
from envs.native_parametric_env import NativeParametricEnv
from envs.parameter_space import Parameter, ParameterSpace
from morl.problem import Problem, ProblemSpec


class PushWorld(NativeParametricEnv):
    """Position ``x' = x + gain a + drift``; rewards ``-x'^2`` and ``-a^2``, or their mean for one objective."""

    state_arrays = ("x",)

    def __init__(self, num_envs: int, *, objectives: int = 1, discrete: bool = False, horizon: int = 6) -> None:
        space = ParameterSpace(
            (
                Parameter(name="gain", nominal=0.5, low=-1.0, high=1.0, smallest=-5.0),
                Parameter(name="drift", nominal=0.0, low=-0.2, high=0.2, smallest=-5.0),
            )
        )
        super().__init__(num_envs, parameter_space=space, num_actions=3 if discrete else None, max_episode_steps=horizon)
        self.scalar_reward = objectives == 1
        self.objectives, self.discrete = objectives, discrete
        self.observation_space = Box(-9.0, 9.0, (1,), np.float32)
        self.action_space = Discrete(3) if discrete else Box(-1.0, 1.0, (1,), np.float32)
        self.reward_space = Box(-99.0, 0.0, (objectives,), np.float32)
        self.x = np.zeros(num_envs)

    def _start(self, rows: Any) -> Any:
        self.x[rows] = 2.0 * self._uniforms(rows) - 1.0
        return self.x[rows, None].astype(np.float32)

    def _advance(self, rows: Any, actions: Any) -> Any:
        push = actions - 1.0 if self.discrete else np.clip(actions[:, 0], -1.0, 1.0)
        gain, drift = self._params[rows].T
        self.x[rows] = np.clip(self.x[rows] + gain * push + drift, -9.0, 9.0)
        rewards = -np.stack([self.x[rows] ** 2, push**2], -1)
        rewards = rewards.mean(-1, keepdims=True) if self.objectives == 1 else rewards
        return self.x[rows, None].astype(np.float32), rewards.astype(np.float32), np.zeros(len(rows), np.bool_)


def push_problem(**arguments: Any) -> Problem:
    """The world as a problem."""
    one = PushWorld(1, **arguments)
    spec = ProblemSpec(
        env_id="custom/push",
        env_arguments={},
        observation_space=one.observation_space,
        action_space=one.action_space,
        num_objectives=one.objectives,
        is_vector_reward=one.objectives > 1,
        max_episode_steps=one.max_episode_steps,
        parameter_space=one.parameter_space,
    )
    return Problem(
        spec,
        lambda: SingleEnv(PushWorld(1, **arguments)),
        lambda num_envs: PushWorld(num_envs, **arguments),
    )
