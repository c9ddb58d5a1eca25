"""Fruit tree of mo-gymnasium as tables: a binary tree with a vector of six nutrients at each leaf."""

from __future__ import annotations

import numpy as np

from envs.native_env import NoNativeFormError
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import BinaryTree
from envs.tabular.tables import Tables


def fruit_tree(num_envs: int, *, depth: int = 6, max_episode_steps: int | None = None) -> FiniteEnv:
    """Native form of ``fruit-tree-v0``.

    Args:
        num_envs: Number of rows.
        depth: Length of an episode: 5, 6 or 7.
        max_episode_steps: Episodes are truncated at this length.

    Raises:
        NoNativeFormError: There is no tree of this depth.
    """
    from gymnasium.spaces import Box
    from mo_gymnasium.envs.fruit_tree.fruit_tree import FRUITS

    if depth not in (5, 6, 7):
        raise NoNativeFormError(f"depth is {depth}; there are trees of depth 5, 6 and 7")
    fruits = np.asarray(FRUITS[str(depth)], np.float32)
    leaves = 2**depth
    nodes = np.arange(2 * leaves - 1)
    level = np.floor(np.log2(nodes + 1)).astype(np.int64)
    is_leaf = level == depth
    # Children of node i are 2i+1 and 2i+2; leaves, which nobody leaves, point at themselves.
    successors = np.where(is_leaf[:, None], nodes[:, None], 2 * nodes[:, None] + [1, 2])
    nutrients = np.concatenate([np.zeros((leaves - 1, fruits.shape[1]), np.float32), fruits])
    return FiniteEnv(
        num_envs,
        tables=Tables.deterministic(
            successors=successors,
            rewards=nutrients[successors],
            terminal=is_leaf[successors],
            observations=np.stack([level, nodes - 2**level + 1], axis=-1).astype(np.int32),
            start=0,
        ),
        observation_space=Box(low=0, high=leaves - 1, shape=(2,), dtype=np.int32),
        reward_space=Box(low=0.0, high=10.0, shape=(fruits.shape[1],), dtype=np.float32),
        max_episode_steps=max_episode_steps,
        picture=BinaryTree(depth, ["  ".join(f"{amount:.3g}" for amount in fruit) for fruit in fruits]),
    )
