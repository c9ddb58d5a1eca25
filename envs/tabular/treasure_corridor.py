"""A corridor with a treasure in each cell: the smallest world whose front weighted sums cannot find completely."""

from __future__ import annotations

import numpy as np

from envs.arrays import Floats
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import Cells
from envs.tabular.tables import Tables

_TREASURES = np.array([1.0, 2.0, 3.0, 8.0, 10.0, 11.0])


class TreasureCorridor(FiniteEnv):
    """``tabular/treasure-corridor-v0``: walk on (action 0) or dig (action 1), which ends the episode.

    The cells of the corridor hold treasures worth 1, 2, 3, 8, 10 and 11. Every step costs 1 of the second objective. One digs
    in the last cell whatever one does, so episodes last at most 6 steps and there are exactly 6 outcomes, all of them
    Pareto-optimal if ``gamma`` is near 1. With ``gamma`` 1 the second and third lie below the line from the first to
    the fourth: no weighted sum is maximal there.

    Observation: the cell, ``Discrete(6)``. Objectives: treasure, time.
    """

    objective_names = ("treasure", "time")
    objective_units = ("treasure value", "steps")

    def __init__(self, num_envs: int, *, max_episode_steps: int | None = None) -> None:
        """Build the corridor.

        Args:
            num_envs: Number of rows.
            max_episode_steps: Episodes are truncated at this length.
        """
        from gymnasium.spaces import Box, Discrete

        length = _TREASURES.size
        cells = np.arange(length)
        digs = np.stack([cells == length - 1, np.ones(length, np.bool_)], axis=-1)
        rewards = np.stack([np.where(digs, _TREASURES[:, None], 0.0), np.full(digs.shape, -1.0)], axis=-1)
        super().__init__(
            num_envs,
            tables=Tables.deterministic(
                successors=np.where(digs, cells[:, None], cells[:, None] + 1),
                rewards=rewards.astype(np.float32),
                terminal=digs,
                observations=cells,
                start=0,
            ),
            observation_space=Discrete(length),
            reward_space=Box(
                low=np.array([0, -1], np.float32), high=np.array([_TREASURES.max(), -1], np.float32), dtype=np.float32
            ),
            max_episode_steps=max_episode_steps,
            picture=Cells([[f"{treasure:g}" for treasure in _TREASURES]]),
        )

    def pareto_front(self, gamma: float) -> Floats:
        """All non-dominated values of deterministic policies, exactly.

        Args:
            gamma: Discount in ``[0, 1]``.

        Returns:
            ``(p, 2)``, ordered by growing treasure.
        """
        depth = np.arange(_TREASURES.size)
        outcomes = np.stack([_TREASURES * gamma**depth, -np.cumsum(gamma**depth)], axis=-1)
        # Deeper costs more, so a depth is worth while exactly if its treasure exceeds all before it.
        before = np.concatenate([[-np.inf], np.maximum.accumulate(outcomes[:-1, 0])])
        return outcomes[outcomes[:, 0] > before]
