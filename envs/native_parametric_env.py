"""What native batched environments with settable dynamics have in common: one transition model per row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.native_env import NativeEnv
from envs.parameter_space import ParameterSpace
from envs.protocols import Models, Rows, Seeds


class NativeParametricEnv(NativeEnv):
    """Base of the batched environments whose rows each have a transition model of their own, chosen when they are reset."""

    parameter_space: ParameterSpace
    """Names, nominal values and ranges of the ``k`` parameters."""
    state_arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays ``(R, ...)`` in which the rows' states are; empty where states cannot be copied."""
    scalar_reward: bool = True
    """Whether gymnasium is given plain numbers as rewards; there is one objective then."""

    def __init__(
        self, num_envs: int, *, parameter_space: ParameterSpace, num_actions: int | None, max_episode_steps: int | None
    ) -> None:
        """Make room for the rows; see :class:`envs.native_env.NativeEnv`."""
        super().__init__(num_envs, num_actions=num_actions, max_episode_steps=max_episode_steps)
        self.parameter_space = parameter_space
        self._params = np.tile(parameter_space.nominal, (num_envs, 1))

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        """Start a new episode in some rows; see :meth:`envs.protocols.BatchedEnv.reset`.

        Raises:
            ValueError: A model cannot be simulated.
        """
        rows = np.asarray(rows, np.int64)
        self.set_params(self.parameter_space.nominal if dynamics is None else dynamics, rows)
        return super().reset(rows, seeds)

    def get_params(self, rows: Rows | None = None) -> Floats:
        """Models in force, ``(r, k)``; of all rows by default."""
        return self._params.copy() if rows is None else self._params[rows]

    def set_params(self, params: npt.ArrayLike, rows: Rows | None = None) -> None:
        """Change the models of some rows from the next step on.

        Args:
            params: ``(k,)`` or ``(r, k)``.
            rows: Which rows, ``(r,)``; all by default.

        Raises:
            ValueError: A model cannot be simulated.
        """
        self._params[slice(None) if rows is None else rows] = self.parameter_space.checked(params)

    def copy_state(self, rows: Rows, other: NativeParametricEnv, other_rows: Rows) -> None:
        """Put rows where rows of a batch of the same kind are: same state, steps so far and random numbers to come.

        Models stay as they are, so that several next states of one state can be seen.

        Args:
            rows: Which rows move, ``(r,)``, without repetition.
            other: Where to look.
            other_rows: Whose states, ``(r,)``; repetitions are what this is for.

        Raises:
            ValueError: The environment does not say what its state is, or the batches are of different kinds.
        """
        if not self.state_arrays or type(other) is not type(self):
            raise ValueError(f"states of {type(other).__name__} cannot be copied to {type(self).__name__}")
        for name in ("_keys", "_elapsed", "_running", *self.state_arrays):
            getattr(self, name)[rows] = getattr(other, name)[other_rows]
