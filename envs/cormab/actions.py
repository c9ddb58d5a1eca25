"""The feasible actions as a gymnasium space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import MultiBinary
from gymnasium.vector.utils import batch_space

from envs.cormab.constraints import Constraint


class FeasibleActions(MultiBinary):
    """Binary vectors of which only the feasible ones belong to the space; ``sample`` draws feasible ones.

    As a gymnasium space it stays a ``MultiBinary`` for whoever only looks at its shape.
    """

    def __init__(
        self, constraint: Constraint, *, copies: int | None = None, seed: int | np.random.Generator | None = None
    ) -> None:
        """Wrap a constraint.

        Args:
            constraint: Which actions are feasible.
            copies: Rows of a batch, for elements ``(copies, N)``; None for a single action ``(N,)``.
            seed: Of ``sample``.
        """
        super().__init__(constraint.num_actions if copies is None else (copies, constraint.num_actions), seed)
        self.constraint = constraint
        self._copies = copies

    def sample(
        self, mask: npt.NDArray[np.int8] | None = None, probability: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[np.int8]:
        """Draw a feasible action.

        Raises:
            ValueError: A mask or probabilities were given, which say nothing about feasibility.
        """
        if mask is not None or probability is not None:
            raise ValueError("feasible actions are drawn without mask or probability; draw from the constraint and choose")
        drawn = self.constraint.sample(self.np_random, 1 if self._copies is None else self._copies).astype(np.int8)
        return drawn[0] if self._copies is None else drawn

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is binary, of the right shape, and feasible."""
        given = np.asarray(x) if isinstance(x, Sequence) else x
        return super().contains(given) and bool(self.constraint.contains(given.reshape(-1, self.constraint.num_actions)).all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeasibleActions) and self.shape == other.shape and _same(self.constraint, other.constraint)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FeasibleActions({type(self.constraint).__name__}, shape={self.shape})"


def _same(one: Constraint, other: Constraint) -> bool:
    """Whether two constraints were made of the same parts."""
    names = getattr(one, "__dataclass_fields__", None)
    if one is other or names is None or type(one) is not type(other):
        return one is other
    pairs = ((getattr(one, name), getattr(other, name)) for name in names)
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b) for a, b in pairs)


@batch_space.register(FeasibleActions)
def _batched(space: FeasibleActions, n: int = 1) -> FeasibleActions:
    return FeasibleActions(space.constraint, copies=n, seed=np.random.default_rng(space.np_random.integers(2**63)))
