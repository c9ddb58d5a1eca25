"""A machine that wears out, and when to repair it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.native_env import shorter
from envs.parameter_space import Parameter, ParameterSpace
from envs.tabular.parametric_finite import ParametricFiniteEnv
from envs.tabular.pictures import Cells

_NOTHING, _REPAIR = 0, 1
_R1, _R2, _FIRST, _LAST = 0, 1, 2, 9
_BROKEN, _REPAIRED, _FAILED = -20.0, -2.0, -10.0


class MachineReplacement(ParametricFiniteEnv):
    """``tabular/machine-replacement-v0``: do nothing (action 0) or repair (action 1) a machine that wears out.

    States are two repair states R1 and R2 (0 and 1) and eight levels of use u1 to u8 (2 to 9). Left alone, a machine wears
    by one level with probability ``wear``, from R1 to u1. A repair leads to R1 with probability ``repair``; where it fails,
    a machine in use wears on in three of four cases and goes to the expensive R2 in the fourth, one in R2 stays there.
    Reaching u8 costs 20. From R1, R2 and u8, reaching R1 costs 2 and R2 costs 10. All other transitions are free.

    Observation: the state, 0 to 9. Episodes begin in u1.

    Source:
        Delage and Mannor 2010. Deviations: the transition table is that of a public port of the first author's thesis,
        figure 3; the two parameters are ours, with the table's 0.8 and 0.6 as nominal values.
    """

    def __init__(self, num_envs: int, *, horizon: int = 200, max_episode_steps: int | None = None) -> None:
        """Set the length of the episodes.

        Args:
            num_envs: Number of rows.
            horizon: Length of an episode, steps.
            max_episode_steps: A shorter limit.
        """
        successors = np.zeros((10, 2, 3), np.int64)
        rewards = np.zeros((10, 2, 3))
        levels = np.arange(_FIRST, _LAST + 1)
        worse = np.minimum(levels + 1, _LAST)
        # Do nothing: stay, wear, and a branch that is never taken.
        successors[_R1, _NOTHING] = _R1, _FIRST, _R2
        successors[_R2, _NOTHING] = _R2, _R1, _FIRST
        successors[levels, _NOTHING] = np.stack([levels, worse, np.full(8, _R1)], axis=-1)
        rewards[_R1, _NOTHING, 0], rewards[_R2, _NOTHING, 0] = _REPAIRED, _FAILED
        rewards[_LAST - 1, _NOTHING, 1], rewards[_LAST, _NOTHING, :2] = _BROKEN, _BROKEN
        # Repair: R1, R2, wear.
        successors[:2, _REPAIR] = _R1, _R2, _FIRST
        successors[levels, _REPAIR] = np.stack([np.full(8, _R1), np.full(8, _R2), worse], axis=-1)
        rewards[:2, _REPAIR, :2] = _REPAIRED, _FAILED
        rewards[_LAST - 1, _REPAIR, 2] = _BROKEN
        rewards[_LAST, _REPAIR] = _REPAIRED, _FAILED, _BROKEN
        super().__init__(
            num_envs,
            parameter_space=ParameterSpace(
                (
                    Parameter(name="wear", nominal=0.8, low=0.6, high=1.0, smallest=0.0, largest=1.0),
                    Parameter(name="repair", nominal=0.6, low=0.3, high=0.9, smallest=0.0, largest=1.0),
                )
            ),
            successors=successors,
            rewards=rewards,
            start_state=_FIRST,
            max_episode_steps=shorter(horizon, max_episode_steps),
            picture=Cells([["R1", "R2", *(f"u{level}" for level in range(1, 9))]]),
        )

    def branch_probabilities(self, models: npt.ArrayLike) -> Floats:
        wear, repair = (column[:, None] for column in self.parameter_space.checked(models).T)
        result = np.zeros((len(wear), 10, 2, 3))
        result[:, :, _NOTHING, 0], result[:, :, _NOTHING, 1] = 1.0 - wear, wear
        result[:, [_R2, _LAST], _NOTHING, :2] = 1.0, 0.0
        result[:, _R1, _REPAIR, 0] = 1.0
        result[:, _R2, _REPAIR, :2] = np.concatenate([repair, 1.0 - repair], axis=-1)
        result[:, _FIRST:, _REPAIR] = np.concatenate([repair, (1.0 - repair) / 4, 3 * (1.0 - repair) / 4], axis=-1)[:, None]
        return result
