"""A room with one objective per direction: fronts with many objectives that are known in full."""

from __future__ import annotations

import math

import numpy as np

from envs.arrays import Floats, Integers
from envs.tabular.finite import FiniteEnv
from envs.tabular.pictures import WALL, Cells
from envs.tabular.tables import Tables

MOST_STATES = 200_000
"""More would take minutes and gigabytes."""


class WalkRoom(FiniteEnv):
    r"""``tabular/walk-room-v0``: leave a room of :math:`m` dimensions; a step along one of them costs 1 of that objective.

    One starts in a corner. The way out is a rough wall across the room: over each place of the first :math:`m - 1` coordinates
    it stands at a height of its own, and whoever comes so high along the last coordinate is out. With ``gamma`` 1 the front is
    the set of non-dominated places of the wall, negated (:meth:`undiscounted_front`): 8 points for 2 objectives, 63 for 3,
    289 for 4. With less it matters in which order one walks, and fronts have thousands of points.

    Observation: the coordinates, ``MultiDiscrete``. Actions: one step up along each coordinate, then one step down along each.

    Source:
        M. Reymond, E. Bargiacchi, A. Nowé, "Pareto Conditioned Networks", AAMAS 2022, with the very walls of the published
        code, whose numbers come from the C++ library's generator.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        num_objectives: int = 2,
        size: int | None = None,
        world: int = 0,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build the room.

        Args:
            num_envs: Number of rows.
            num_objectives: ``m >= 2``.
            size: Cells along each coordinate, at least 3; None for the published 20, and 10 from 6 objectives on.
            world: Seed of the wall; the published one is 0.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: A number is out of its range, or the room has more than 200,000 cells.
        """
        from gymnasium.spaces import Box, MultiDiscrete

        m = num_objectives
        self.wall = wall_of_walk_room(m, size=size, world=world)
        size = self.wall.shape[0]
        if size**m > MOST_STATES:
            raise ValueError(
                f"{size} cells along each of {m} coordinates are {size**m:,}, more than {MOST_STATES:,}; lower size or "
                "num_objectives"
            )
        cells = np.indices((size,) * m).reshape(m, -1).T
        moves = np.concatenate([np.eye(m, dtype=np.int64), -np.eye(m, dtype=np.int64)])
        after = np.clip(cells[:, None] + moves, 0, size - 1)
        super().__init__(
            num_envs,
            tables=Tables.deterministic(
                successors=np.ravel_multi_index(tuple(np.moveaxis(after, -1, 0)), (size,) * m),
                rewards=np.broadcast_to(-np.abs(moves), after.shape).astype(np.float32),
                terminal=after[..., -1] >= self.wall[tuple(np.moveaxis(after[..., :-1], -1, 0))],
                observations=cells,
                start=0,
            ),
            observation_space=MultiDiscrete([size] * m),
            reward_space=Box(-1.0, 0.0, (m,), np.float32),
            max_episode_steps=max_episode_steps,
            picture=self._floor_plan(cells),
        )
        self.objective_names = tuple(f"along_{i + 1}" for i in range(m))
        self.objective_units = ("steps",) * m

    def _floor_plan(self, cells: Integers) -> Cells:
        """The plane of the first and the last coordinate, what is beyond the wall dark; the others beside it."""
        size = self.wall.shape[0]
        beyond = np.arange(size) >= self.wall.reshape(size, -1)[:, :1]
        notes = [" ".join(map(str, cell)) for cell in cells[:, 1:-1]] if cells.shape[1] > 2 else ()
        return Cells(np.where(beyond, WALL, ""), places=cells[:, [0, -1]], notes=notes)

    def undiscounted_front(self) -> Floats:
        """All non-dominated values with ``gamma`` 1, exactly; ``(p, m)`` in lexicographic order."""
        return front_of_walk_room(self.wall)


def wall_of_walk_room(num_objectives: int, *, size: int | None = None, world: int = 0) -> Integers:
    """Where the wall stands.

    Args:
        num_objectives: ``m >= 2``.
        size: Cells along each coordinate; None for the published number.
        world: Seed of the wall, in [0, 2**31 - 2].

    Returns:
        Height of the wall over each place, ``(size,) * (m - 1)``.

    Raises:
        ValueError: A number is out of its range.
    """
    size = (20 if num_objectives <= 5 else 10) if size is None else size
    for name, value, low, high in (
        ("num_objectives", num_objectives, 2, 9), ("size", size, 3, 1_000), ("world", world, 0, 2**31 - 2)
    ):  # fmt: skip
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, found {value}")
    places = np.indices((size,) * (num_objectives - 1)).reshape(num_objectives - 1, -1)
    heights = size - 1.0 - (places.sum(0) + _normals(places.shape[1], world) * (size / 10.0))
    rounded: Integers = np.floor(np.clip(heights, 0.0, size - 1.0) + 0.5).astype(np.int64)
    return np.reshape(rounded, (size,) * (num_objectives - 1))


def front_of_walk_room(wall: Integers) -> Floats:
    """Non-dominated values of a walk room without discount, ``(p, m)`` in lexicographic order."""
    lowest = wall
    for axis in range(wall.ndim):
        lowest = np.minimum.accumulate(lowest, axis=axis)
    # A place is dominated if the wall is as low at another one that is nowhere further: at one a step back, or before that.
    is_best = np.ones(wall.shape, np.bool_)
    for axis in range(wall.ndim):
        ahead, back = ([slice(None)] * wall.ndim for _ in range(2))
        ahead[axis], back[axis] = slice(1, None), slice(None, -1)
        is_best[tuple(ahead)] &= wall[tuple(ahead)] < lowest[tuple(back)]
    places = np.argwhere(is_best)
    front: Floats = np.unique(0.0 - np.column_stack([places, wall[is_best]]), axis=0)
    return front


def _normals(number: int, seed: int) -> Floats:
    """Standard normal numbers as GNU's C++ library draws them with its default engine, ``(number,)``.

    The engine is Lehmer's multiplicative generator, a uniform number takes two of its draws, and normal ones come in pairs by
    Marsaglia's polar method, the second first.
    """
    state, pairs = seed % (2**31 - 1) or 1, []

    def uniform() -> float:
        nonlocal state
        low, high = (state := state * 16_807 % (2**31 - 1)), (state := state * 16_807 % (2**31 - 1))
        return min(((low - 1) + (high - 1) * 2_147_483_646.0) / 2_147_483_646.0**2, 1.0 - 2.0**-53)

    for _ in range((number + 1) // 2):
        square = 0.0
        while not 0.0 < square <= 1.0:
            x, y = 2.0 * uniform() - 1.0, 2.0 * uniform() - 1.0
            square = x * x + y * y
        scale = math.sqrt(-2.0 * math.log(square) / square)
        pairs += [y * scale, x * scale]
    return np.array(pairs[:number])
