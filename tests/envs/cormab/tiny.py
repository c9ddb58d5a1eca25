"""A reference problem of four arms whose optimal values are known, and what tests of constraints share."""

from __future__ import annotations

import itertools

import numpy as np

from envs.cormab import Instance
from envs.cormab.constraints import Budget, Capacity, ExactCount, Path, Scheduling
from envs.cormab.constraints.rows import RowBuilder
from envs.cormab.generators import response, up_down

PASSIVE, ACTIVE = (0.10, 0.05, 0.15, 0.20), (0.80, 0.75, 0.85, 0.90)
REWARDS = np.array([(0.2, 0.15, 0.1, 5), (0.2, 0.15, 0.1, 4), (0.1, 0.15, 0.2, 2), (0.1, 0.15, 0.2, 3)])


def slots(*rows):
    return np.array([[slot in row for slot in range(3)] for row in rows])


CONSTRAINTS = {
    "budget": Budget(4, 2),
    "capacity": Capacity([2, 3, 4, 2], [3, 4]),
    "scheduling": Scheduling(slots({0}, {0}, {1, 2}, {0, 1}), slots({0, 1, 2}, {0, 1}), 2),
    "path": Path(4, [(0, 1), (1, 2), (2, 3), (0, 2)], source=0, budget=2, max_edges=3),
}


def tiny(kind):
    if kind != "sigmoid":
        return Instance(up_down(np.stack([PASSIVE, ACTIVE], 1)), REWARDS, CONSTRAINTS[kind])
    link = np.array([(1, 1, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)])
    parameters = (np.array(column)[:, None] for column in ((0.9, 0.8, 0.4, 0.3), (1.5, 1.6, 1, 1), (9, 9, 1, 2)))
    up = response(3.0 * np.arange(3), *parameters)
    return Instance(up_down(up), REWARDS, ExactCount(3, 2), link=link)


# Mean reward of 20 steps from 0000, computed once by independent code: optimal, and maximising each step alone.
HORIZON_REWARDS = {
    "budget": (5.959660, 4.392124),
    "capacity": (8.079180, 4.394580),
    "scheduling": (5.952974, 4.391587),
    "path": (5.842927, 2.262088),
    "sigmoid": (1.443699, 0.697483),
}


def every_action(size):
    return np.array(list(itertools.product([False, True], repeat=size)))


class Nothing(Budget):
    """No action at all."""

    def rows(self):
        builder = RowBuilder(self.size)
        builder.entries(builder.rows(1.0, 1.0, 1), np.arange(self.size), 2.0)
        return builder.build()

    def _contains(self, actions):
        return np.zeros(len(actions), np.bool_)
