"""Fishwood of mo-gymnasium as tables: fish or gather wood for 200 steps."""

from __future__ import annotations

import numpy as np

from envs.native_env import NoNativeFormError, shorter
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import Cells
from envs.tabular.tables import Tables

_STEPS = 200
_FISH, _WOOD = 0, 1


def fishwood(
    num_envs: int, *, fishproba: float = 0.1, woodproba: float = 0.9, max_episode_steps: int | None = None
) -> FiniteEnv:
    """Native form of ``fishwood-v0``.

    States are numbered ``time * 2 + place``: the environment counts its own 200 steps, and then reports the end as both
    terminated and truncated. Reward 0 is a fish, reward 1 is wood, as the environment's code has it.

    Args:
        num_envs: Number of rows.
        fishproba: Probability of a fish per step at the water.
        woodproba: Probability of wood per step in the woods.
        max_episode_steps: Episodes are truncated at this length, at 200 in any case.

    Raises:
        NoNativeFormError: A number is not a probability.
    """
    from gymnasium.spaces import Box

    if not (0 <= fishproba <= 1 and 0 <= woodproba <= 1):
        raise NoNativeFormError(f"fishproba={fishproba} and woodproba={woodproba} must be probabilities")
    time, place = np.unravel_index(np.arange((_STEPS + 1) * 2), (_STEPS + 1, 2))
    pairs = (time.size, 2)
    successor = np.minimum(time + 1, _STEPS)[:, None] * 2 + np.arange(2)
    chance = np.broadcast_to(np.where(place == _WOOD, woodproba, fishproba)[:, None], pairs)
    rewards = np.zeros((*pairs, 2, 2), np.float32)
    rewards[place == _FISH, :, 0, _FISH] = 1.0
    rewards[place == _WOOD, :, 0, _WOOD] = 1.0
    last = np.broadcast_to((time >= _STEPS - 1)[:, None, None], (*pairs, 2))
    return FiniteEnv(
        num_envs,
        tables=Tables(
            successors=np.stack([successor, successor], axis=-1),
            probabilities=np.stack([chance, 1.0 - chance], axis=-1),
            rewards=rewards,
            terminal=last,
            observations=place[:, None].astype(np.int32),
            starts=np.array([_WOOD]),
        ),
        observation_space=Box(low=0, high=1, shape=(1,), dtype=np.int32),
        reward_space=Box(low=0.0, high=1.0, shape=(2,), dtype=np.float32),
        max_episode_steps=shorter(_STEPS, max_episode_steps),
        picture=Cells([["water", "woods"]], places=np.stack([np.zeros_like(place), place], axis=-1)),
    )
