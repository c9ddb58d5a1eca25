"""Deep sea treasure of mo-gymnasium as tables: the convex, concave and mirrored maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.drawing import YELLOW, shades
from envs.native_env import NoNativeFormError
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import WALL, Cells
from envs.tabular.tables import Tables, grid_moves

_ROCK = -10
_MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])  # up, down, left, right


def deep_sea_treasure(
    num_envs: int,
    *,
    dst_map: npt.NDArray[Any] | None = None,
    float_state: bool = False,
    max_episode_steps: int | None = None,
) -> FiniteEnv:
    """Native form of ``deep-sea-treasure-v0``, ``-concave-v0`` and ``-mirrored-v0``.

    Args:
        num_envs: Number of rows.
        dst_map: One of the maps of ``mo_gymnasium.envs.deep_sea_treasure``; None for the convex one.
        float_state: Observe coordinates times 0.1 as float32 instead of integers.
        max_episode_steps: Episodes are truncated at this length.

    Raises:
        NoNativeFormError: The map is none of the three.
    """
    from gymnasium.spaces import Box
    from mo_gymnasium.envs.deep_sea_treasure import deep_sea_treasure as original

    sea = np.asarray(original.DEFAULT_MAP if dst_map is None else dst_map)
    if not any(np.array_equal(sea, known) for known in (original.DEFAULT_MAP, original.CONCAVE_MAP, original.MIRRORED_MAP)):
        raise NoNativeFormError("dst_map is none of DEFAULT_MAP, CONCAVE_MAP and MIRRORED_MAP")
    height, width = sea.shape
    successors = grid_moves(height, width, sea == _ROCK, _MOVES)
    treasure = np.where(sea == _ROCK, 0.0, sea).reshape(-1)[successors]
    positions = np.stack(np.unravel_index(np.arange(sea.size), sea.shape), axis=-1).astype(np.int32)
    if float_state:
        observations: npt.NDArray[Any] = positions.astype(np.float32) * np.float32(0.1)
        observation_space: Box = Box(low=0.0, high=1.0, shape=(2,), dtype=np.float32)
    else:
        observations = positions
        observation_space = Box(low=0, high=width, shape=(2,), dtype=np.int32)
    mirrored = np.array_equal(sea, original.MIRRORED_MAP)
    return FiniteEnv(
        num_envs,
        tables=Tables.deterministic(
            successors=successors,
            rewards=np.stack([treasure, np.full(treasure.shape, -1.0)], axis=-1).astype(np.float32),
            terminal=treasure != 0,
            observations=observations,
            start=10 if mirrored else 0,
        ),
        observation_space=observation_space,
        reward_space=Box(low=np.array([0, -1], np.float32), high=np.array([sea.max(), -1], np.float32), dtype=np.float32),
        max_episode_steps=max_episode_steps,
        picture=_picture(sea),
    )


def _picture(sea: npt.NDArray[Any]) -> Cells:
    """The map, with what the treasures are worth."""
    worth = np.array([[f"{value:.3g}" if value > 0 else WALL if value == _ROCK else "" for value in row] for row in sea])
    colours = np.full((*sea.shape, 3), shades(0.25))
    colours[sea > 0] = YELLOW
    return Cells(worth, colours=colours)
