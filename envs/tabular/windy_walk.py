"""A walk to a goal through corridors in which the wind blows, more or less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.drawing import GREEN, PAPER, SKY
from envs.native_env import shorter
from envs.parameter_space import Parameter, ParameterSpace
from envs.tabular.parametric_finite import ParametricFiniteEnv
from envs.tabular.pictures import Cells
from envs.tabular.tables import grid_moves

LAYOUT = ("S111.G", ".###..", ".333..", ".###..", ".666..", ".666..")
"""The default map, north at the top: ``S`` start, ``G`` goal, ``#`` wall; a digit is the exponent of the wind strength."""

_MOVES = np.array([(-1, 0), (1, 0), (0, 1), (0, -1)])
_WEST = 3


class WindyWalk(ParametricFiniteEnv):
    r"""``tabular/windy-walk-v0``: walk from ``S`` to ``G``; in the corridors the wind may push one west.

    Every step costs 1 until the goal is reached. In a corridor of digit :math:`e` the wind takes over with probability
    :math:`\alpha^e` and blows one cell west instead of what was intended. The short way has the strongest wind: which way is
    best depends on the parameter ``alpha``, uncertain in [0, 0.5].

    Observation: the cell ``row * width + column``. Actions: north, south, east, west; into a wall one stays where one is.

    Source:
        Zouitine et al. 2024 (arXiv 2410.06212), section 4. Deviations: the paper shows its map only in a drawing; the default
        map has the sizes, walls and corridors that its text states, the places of walls, start and goal are a guess.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        layout: Sequence[str] = LAYOUT,
        horizon: int = 200,
        max_episode_steps: int | None = None,
    ) -> None:
        """Draw the map.

        Args:
            num_envs: Number of rows.
            layout: Lines of equal length, see :data:`LAYOUT`.
            horizon: Greatest length of an episode, steps.
            max_episode_steps: A shorter limit.

        Raises:
            ValueError: The map is not a rectangle, has another character, or not exactly one start and one goal.
        """
        cells = _cells(layout)
        height, width = cells.shape
        wind = np.array([int(cell) if cell.isdigit() else 0 for cell in cells.ravel()])
        start, goal = (int(np.flatnonzero(cells.ravel() == mark)[0]) for mark in "SG")
        intended = grid_moves(height, width, cells == "#", _MOVES)
        intended[goal] = goal
        blown = np.repeat(intended[:, _WEST, None], len(_MOVES), axis=1)
        rewards = np.full((*intended.shape, 2), -1.0)
        rewards[goal] = 0.0
        self._exponents = wind[:, None]
        super().__init__(
            num_envs,
            parameter_space=ParameterSpace(
                (Parameter(name="alpha", nominal=0.0, low=0.0, high=0.5, smallest=0.0, largest=1.0),)
            ),
            successors=np.stack([intended, blown], axis=-1),
            rewards=rewards,
            terminal_states=np.arange(height * width) == goal,
            start_state=start,
            max_episode_steps=shorter(horizon, max_episode_steps),
            picture=_picture(cells),
        )

    def branch_probabilities(self, models: npt.ArrayLike) -> Floats:
        """Probabilities that one goes where one wants, and that the wind takes over, ``(n, S, A, 2)``."""
        alpha = self.parameter_space.checked(models)[:, :, None]
        blown = np.where(self._exponents > 0, alpha**self._exponents, 0.0)
        blown = np.broadcast_to(blown, (len(alpha), len(self.successors), len(_MOVES)))
        return np.stack([1.0 - blown, blown], axis=-1)


def _cells(layout: Sequence[str]) -> npt.NDArray[np.str_]:
    """The characters of a map, ``(height, width)``; refuses what is no map."""
    lines = list(layout)
    if not lines or len({len(line) for line in lines}) != 1:
        raise ValueError(f"layout must be lines of equal length; found lengths {[len(line) for line in lines]}")
    cells = np.array([list(line) for line in lines])
    unknown = sorted(set(cells.ravel()) - set("SG#.123456789"))
    if unknown:
        raise ValueError(f"layout has {unknown[0]!r}; expected S, G, # for walls, . for calm cells, 1 to 9 for windy ones")
    for mark, name in (("S", "start S"), ("G", "goal G")):
        if (cells == mark).sum() != 1:
            raise ValueError(f"layout has {(cells == mark).sum()} cells with {mark}; expected exactly one {name}")
    return cells


def _picture(cells: npt.NDArray[np.str_]) -> Cells:
    """The map: the stronger the wind, the bluer."""
    exponents = np.where(np.char.isdigit(cells), cells, "0").astype(np.int64)
    strength = np.where(exponents > 0, 1.0 / np.maximum(exponents, 1), 0.0)[..., None]
    colours = np.asarray(PAPER) + strength * (np.asarray(SKY) - PAPER)
    colours[cells == "G"] = GREEN
    return Cells(np.where(cells == ".", "", cells), colours=colours.round().astype(np.uint8))
