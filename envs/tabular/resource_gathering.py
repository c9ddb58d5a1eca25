"""Resource gathering of mo-gymnasium as tables: fetch gold and diamond past two enemies who kill one time in ten."""

from __future__ import annotations

import numpy as np

from envs.arrays import Integers
from envs.drawing import PURPLE, SKY, YELLOW, shades
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import Cells
from envs.tabular.tables import Tables, grid_moves

_SIZE = 5
_MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])  # up, down, left, right
_HOME, _GOLD, _DIAMOND = 4 * _SIZE + 2, 0 * _SIZE + 2, 1 * _SIZE + 4
_ENEMIES = (0 * _SIZE + 3, 1 * _SIZE + 2)
_DEATH = 0.1


def resource_gathering(num_envs: int, *, max_episode_steps: int | None = None) -> FiniteEnv:
    """Native form of ``resource-gathering-v0``.

    States are numbered ``(cell * 2 + has_gold) * 2 + has_diamond``; branch 0 of a step onto an enemy is death.

    Args:
        num_envs: Number of rows.
        max_episode_steps: Episodes are truncated at this length.
    """
    from gymnasium.spaces import Box

    cells = grid_moves(_SIZE, _SIZE, np.zeros((_SIZE, _SIZE), np.bool_), _MOVES)
    cell, gold, diamond = np.unravel_index(np.arange(_SIZE * _SIZE * 4), (_SIZE * _SIZE, 2, 2))
    target = cells[cell]
    has_gold = gold[:, None] | (target == _GOLD)
    has_diamond = diamond[:, None] | (target == _DIAMOND)
    at_home = target == _HOME
    at_enemy = np.isin(target, _ENEMIES)
    successor = (target * 2 + has_gold) * 2 + has_diamond

    nothing = np.zeros(target.shape)
    death = np.stack([np.where(at_enemy, -1.0, 0.0), nothing, nothing], axis=-1)
    survival = np.stack([nothing, at_home * has_gold, at_home * has_diamond], axis=-1)
    return FiniteEnv(
        num_envs,
        tables=Tables(
            successors=np.stack([successor, successor], axis=-1),
            probabilities=np.stack([at_enemy * _DEATH, 1.0 - at_enemy * _DEATH], axis=-1),
            rewards=np.stack([death, survival], axis=-2).astype(np.float32),
            terminal=np.stack([at_enemy, at_home], axis=-1),
            observations=np.stack([cell // _SIZE, cell % _SIZE, gold, diamond], axis=-1).astype(np.int32),
            starts=np.array([_HOME * 4]),
        ),
        observation_space=Box(low=0.0, high=5.0, shape=(4,), dtype=np.int32),
        reward_space=Box(low=np.array([-1, 0, 0], np.float32), high=np.array([0, 1, 1], np.float32), dtype=np.float32),
        max_episode_steps=max_episode_steps,
        picture=_picture(cell, gold, diamond),
    )


def _picture(cell: Integers, gold: Integers, diamond: Integers) -> Cells:
    """The map; what is carried stands below it. Arguments per state, ``(S,)``."""
    texts = np.full(_SIZE * _SIZE, "", dtype="<U8")
    colours = np.full((_SIZE * _SIZE, 3), shades(0.0))
    for text, colour, cells in (
        ("home", SKY, [_HOME]),
        ("gold", YELLOW, [_GOLD]),
        ("diamond", YELLOW, [_DIAMOND]),
        ("enemy", PURPLE, list(_ENEMIES)),
    ):
        texts[cells], colours[cells] = text, colour
    carried = ["nothing", "diamond", "gold", "gold and diamond"]
    return Cells(
        texts.reshape(_SIZE, _SIZE),
        places=np.stack(np.divmod(cell, _SIZE), axis=-1),
        colours=colours.reshape(_SIZE, _SIZE, 3),
        notes=[f"carries {carried[2 * int(g) + int(d)]}" for g, d in zip(gold, diamond, strict=True)],
    )
