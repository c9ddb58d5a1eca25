"""The best feasible action when the gain from treating an arm depends on its level only."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance
from envs.cormab.constraints import LinearRows
from morl.errors import ShapeError

Array = npt.NDArray[np.float64]
Actions = npt.NDArray[np.bool_]

_LISTED = 1 << 15
_PRODUCT = 1 << 24


class LevelOracle:
    r"""Maximises :math:`\sum_j g_j(l_j(a))` over feasible actions, exactly.

    :math:`l_j(a)` is the level at which the action treats arm ``j``. Where each arm has an action of its own that is a linear
    function, left to the constraint. Where an action reaches several arms, the list of feasible actions is searched if it is
    short; else an integer program with one binary per arm and level is solved, without any approximation of the gains.
    """

    def __init__(self, instance: Instance) -> None:
        """Prepare for one instance.

        Args:
            instance: Whose actions and levels.
        """
        self.instance = instance
        self._listed: Actions | None = None
        if instance.link is not None:
            self._listed = instance.constraint.enumerate(_LISTED)
            if self._listed is not None:
                levels = instance.levels(self._listed)
                count = instance.transitions.shape[1]
                self._hits = np.eye(count)[levels].reshape(len(levels), -1).T

    def __call__(self, gains: Array) -> Actions:
        """Find the best actions.

        Args:
            gains: Gain from each arm at each level, ``(B, J, L)``.

        Returns:
            ``(B, N)``.

        Raises:
            ShapeError: The gains have another shape.
        """
        instance = self.instance
        expected = instance.transitions.shape[:2]
        if gains.ndim != 3 or gains.shape[1:] != expected:
            raise ShapeError(f"gains have shape {gains.shape}; expected (B, {expected[0]}, {expected[1]})")
        if instance.link is None:
            return instance.constraint.maximize_linear(gains[..., 1] - gains[..., 0])
        flat = gains.reshape(len(gains), -1)
        if self._listed is None:
            asked, place = np.unique(flat, axis=0, return_inverse=True)
            found = [self._solve(gain) for gain in asked.reshape(-1, *expected)]
            return np.asarray(np.array(found, np.bool_).reshape(-1, instance.num_actions)[place.reshape(-1)])
        block = max(1, _PRODUCT // len(self._listed))
        best = [(flat[start : start + block] @ self._hits).argmax(axis=1) for start in range(0, len(flat), block)]
        return np.asarray(self._listed[np.concatenate([np.zeros(0, np.int64), *best])])

    def value(self, gains: Array, actions: Actions) -> Array:
        """What actions ``(B, N)`` are worth under gains ``(B, J, L)``, ``(B,)``."""
        levels = self.instance.levels(actions)
        return np.asarray(np.take_along_axis(gains, levels[..., None], axis=2)[..., 0].sum(axis=1))

    @cached_property
    def _program(self) -> LinearRows:
        """The constraint's rows, and for each arm one binary per level behind the action, of which one is chosen."""
        from scipy.sparse import block_diag, coo_array, csr_array, hstack, vstack

        instance, rows = self.instance, self.instance.constraint.rows()
        assert instance.link is not None
        arms, levels = instance.transitions.shape[:2]
        size, extra = instance.num_actions, arms * levels
        base = csr_array(rows.matrix())
        helpers = csr_array((arms, rows.num_columns - size))
        own = hstack([base[:, :size], csr_array((rows.lower.size, extra)), base[:, size:]])
        # Levels chosen less interventions counted, and one level each.
        counts = hstack([-csr_array(instance.link), block_diag([np.arange(levels)[None]] * arms), helpers])
        one = hstack([csr_array((arms, size)), block_diag([np.ones((1, levels))] * arms), helpers])
        matrix = coo_array(vstack([own, counts, one]))
        matrix.eliminate_zeros()
        return LinearRows(
            size + extra, matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.data.astype(np.float64),
            np.concatenate([rows.lower, np.zeros(arms), np.ones(arms)]),
            np.concatenate([rows.upper, np.zeros(arms), np.ones(arms)]),
            rows.auxiliary_lower, rows.auxiliary_upper, rows.auxiliary_integer,
        )  # fmt: skip

    def _solve(self, gains: Array) -> Actions:
        """One integer program."""
        constraint, size = self.instance.constraint, self.instance.num_actions
        objective = np.concatenate([np.zeros(size), gains.ravel()])
        found = self._program.solve(objective, accepts=lambda action: bool(constraint.contains(action[None, :size])[0]))
        if found is None:
            raise RuntimeError(f"{type(constraint).__name__}: no action reaches any levels; please report this")
        return found[:size]
