"""A user's own set of actions, given as linear rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from envs.arrays import Flags, Floats
from envs.cormab.constraints.base import Actions, Constraint, in_order
from envs.cormab.constraints.counts import CountMemo
from envs.cormab.constraints.exact import whole
from envs.cormab.constraints.rows import LinearRows

_ROOM = 1e-6  # relative; what bounds leave to the program that decides
_LISTED, _LISTED_BY_PROGRAMS = 14, 10
_BLOCK = 1 << 14


def _numbers(name: str, values: Any) -> Floats:
    """An array of numbers, also of a sparse matrix."""
    try:
        return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {type(values).__name__} and not an array of numbers, all rows of one length") from None


def _product(entries: Floats, bounds: Floats) -> Floats:
    """``entries @ bounds``, where nothing of an infinite bound is nothing: ``(r, k), (k,) -> (r,)``."""
    found: Floats = (entries * np.where(entries == 0.0, 0.0, bounds)).sum(axis=1)
    return found


def _bounds(variables: Iterable[Any], end: int) -> Floats:
    limits = [variable.bounds[end] for variable in variables]
    return np.array([(-np.inf, np.inf)[end] if limit is None else limit for limit in limits], np.float64)


@dataclass(frozen=True, eq=False)
class Linear(Constraint):
    """Actions ``a`` for which some ``y`` within its bounds has ``lower <= matrix @ (a, y) <= upper``.

    Numbers may be of any size. Where a row has no continuous ``y``, it is decided in whole numbers: 5,000,003 is more than
    5,000,000, and 0.1 + 0.2 is not more than 0.3. With a continuous one, to nine digits of the largest number of the row.

    Without auxiliary variables ``y`` every form but linear maximisation is a handful of array operations. With them, membership
    solves a small integer program for each action that was not asked for before, and sampling one for each draw from a large
    set: fine for planning and small sets, slow for stepping many environments.

    Example:
        >>> import numpy as np
        >>> either = Linear(matrix=[[1, 1, 0], [0, 1, 1]], lower=[0, 1], upper=[1, 2])
        >>> either.contains([[1, 0, 1], [1, 1, 0]])
        array([ True, False])
    """

    matrix: Floats
    """``(r, N + k)``: columns of the action, then those of the auxiliary variables; may be given as a sparse matrix."""
    lower: Floats
    """Lower sides, ``(r,)``; ``-inf`` for none."""
    upper: Floats
    """Upper sides, ``(r,)``; ``inf`` for none."""
    auxiliary_lower: Floats = field(default_factory=lambda: np.zeros(0))
    """Lower bounds of the auxiliary variables, ``(k,)``."""
    auxiliary_upper: Floats = field(default_factory=lambda: np.zeros(0))
    """Upper bounds of the auxiliary variables, ``(k,)``."""
    auxiliary_integer: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Which auxiliary variables must be integers, ``(k,)``."""

    def __post_init__(self) -> None:
        """Check the fields, and that the set is not empty."""
        matrix = _numbers("matrix", self.matrix)
        extra = np.size(self.auxiliary_lower)
        if matrix.ndim != 2 or matrix.shape[1] <= extra:
            raise ValueError(f"matrix has shape {matrix.shape}; expected (r, N + {extra}) with N at least 1")
        if not np.isfinite(matrix).all():
            raise ValueError("an entry of matrix is not finite")
        object.__setattr__(self, "matrix", matrix)
        for name, length in (
            ("lower", len(matrix)),
            ("upper", len(matrix)),
            ("auxiliary_lower", extra),
            ("auxiliary_upper", extra),
        ):
            values = _numbers(name, getattr(self, name))
            if values.shape != (length,) or np.isnan(values).any():
                raise ValueError(f"{name} has shape {values.shape}; expected ({length},) without NaN")
            object.__setattr__(self, name, values)
        integer = np.asarray(self.auxiliary_integer, np.bool_)
        if integer.shape != (extra,):
            raise ValueError(f"auxiliary_integer has shape {integer.shape}; expected ({extra},)")
        object.__setattr__(self, "auxiliary_integer", integer)
        impossible = (self.lower > self.upper) | (self.lower == np.inf) | (self.upper == -np.inf)
        if impossible.any() or self.rows().solve(np.zeros(self.num_actions)) is None:
            raise ValueError("no action satisfies the rows: the set of feasible actions is empty; loosen a side")

    @classmethod
    def from_pyomo(cls, fragment: Any, actions: Any) -> Self:
        """Take the linear constraints of a Pyomo model.

        Constraints that are deactivated, and the objective, are left out. Variables other than the action become auxiliary
        variables, with their bounds; fixed ones become numbers. The model itself is not kept.

        Args:
            fragment: A ``pyomo`` model or block.
            actions: Its binary variables that are the action: an indexed variable, or a sequence of variables, in the order of
                the components.

        Raises:
            ValueError: Something in the model is not linear, or a component of the action is not a binary variable.
        """
        from pyomo.core import Constraint as PyomoConstraint
        from pyomo.core import SOSConstraint
        from pyomo.repn import generate_standard_repn

        components = list(actions.values() if hasattr(actions, "values") else actions)
        for variable in components:
            if not (variable.is_integer() and variable.bounds == (0, 1)):
                raise ValueError(f"{variable.name} has the bounds {variable.bounds}; an action needs binary variables")
        if next(fragment.component_data_objects(SOSConstraint, active=True), None) is not None:
            raise ValueError("the model has special ordered sets; write them with binary variables")
        columns = {id(variable): place for place, variable in enumerate(components)}
        auxiliary: list[Any] = []
        entries: list[tuple[int, int, float]] = []
        sides: list[tuple[float, float]] = [(variable.value, variable.value) for variable in components if variable.fixed]
        fixed = (place for place, variable in enumerate(components) if variable.fixed)
        entries += [(row, place, 1.0) for row, place in enumerate(fixed)]
        for row in fragment.component_data_objects(PyomoConstraint, active=True, descend_into=True):
            form = generate_standard_repn(row.body)
            if not form.is_linear():
                raise ValueError(f"{row.name} is not linear; write it with linear rows and binary variables")
            for variable, value in zip(form.linear_vars, form.linear_coefs, strict=True):
                if id(variable) not in columns:
                    columns[id(variable)] = len(components) + len(auxiliary)
                    auxiliary.append(variable)
                entries.append((len(sides), columns[id(variable)], float(value)))
            least = -np.inf if row.lb is None else row.lb - form.constant
            most = np.inf if row.ub is None else row.ub - form.constant
            sides.append((least, most))
        matrix = np.zeros((len(sides), len(components) + len(auxiliary)))
        for place, column, value in entries:
            matrix[place, column] += value
        lower, upper = np.array(sides, np.float64).reshape(-1, 2).T
        low, high = (_bounds(auxiliary, end) for end in (0, 1))
        return cls(matrix, lower, upper, low, high, np.array([variable.is_integer() for variable in auxiliary], np.bool_))

    @property
    def num_actions(self) -> int:
        return int(self.matrix.shape[1] - self.auxiliary_lower.size)

    def rows(self) -> LinearRows:
        """The rows, in units that a solver decides exactly."""
        return self._rows

    @cached_property
    def _rows(self) -> LinearRows:
        row, column = np.nonzero(self.matrix)
        return LinearRows(
            self.num_actions, row, column, self.matrix[row, column], self.lower, self.upper,
            self.auxiliary_lower, self.auxiliary_upper, self.auxiliary_integer,
        )  # fmt: skip

    @cached_property
    def _bare(self) -> tuple[Floats, Floats, Floats]:
        """Rows of the action alone, ``(r, N)``, and their sides.

        In integers, which add up exactly; or, where there are auxiliary variables, what every feasible action satisfies, with
        those at their most helpful.
        """
        size = self.num_actions
        matrix, lower, upper = self.matrix[:, :size].copy(), self.lower.copy(), self.upper.copy()
        helpers = self.matrix[:, size:]
        helped = helpers.any(axis=1)
        for row in np.flatnonzero(~helped):
            matrix[row], lower[row], upper[row] = whole(matrix[row], lower[row], upper[row])
        low, high = self.auxiliary_lower, self.auxiliary_upper
        # Written out, because zero times infinity is not zero.
        rising, falling = np.where(helpers > 0, helpers, 0.0), np.where(helpers < 0, helpers, 0.0)
        most = _product(rising, high) + _product(falling, low)
        least = _product(rising, low) + _product(falling, high)
        for side, others, sign in ((lower, most, -1.0), (upper, least, 1.0)):
            sizes = np.abs(np.stack([side, others]))
            room = np.abs(matrix).sum(1) + np.where(np.isfinite(sizes), sizes, 0.0).sum(0)
            side[helped] = (side - others + sign * _ROOM * room)[helped]
        return matrix, lower, upper

    def _possible(self, activity: Floats, component: int) -> Flags:
        """Whether the components from ``component`` on might still satisfy each row, given what the others add up to."""
        matrix, lower, upper = self._bare
        rest = matrix[:, component:]
        fits = (activity + np.maximum(rest, 0.0).sum(1) >= lower) & (activity + np.minimum(rest, 0.0).sum(1) <= upper)
        possible: Flags = fits.all(axis=1)
        return possible

    @cached_property
    def _memo(self) -> CountMemo:
        return CountMemo(lambda action: self.rows().solve(np.zeros(self.num_actions), fixed=action) is not None)

    def _contains(self, actions: Actions) -> Flags:
        within = self._possible(actions @ self._bare[0].T, self.num_actions)
        if self.auxiliary_lower.size and within.any():
            within[within] = self._memo(actions[within].astype(np.int64))
        return within

    @cached_property
    def _short_list(self) -> Floats | None:
        # Of more components even a short list may take long to find.
        most = _LISTED_BY_PROGRAMS if self.auxiliary_lower.size else _LISTED
        listed = self.enumerate(1 << most) if self.num_actions <= most else None
        return None if listed is None else listed.astype(np.float64)

    def sample(self, rng: np.random.Generator, size: int) -> Actions:
        """Draw feasible actions: uniformly from a short list, else the best ones of random linear functions.

        Each point of ``{0, 1}^N`` is the only best one of some linear functions, so every feasible action can come up.
        """
        if self._short_list is not None:
            return self._short_list[rng.integers(len(self._short_list), size=size)] > 0
        return self._maximize(rng.normal(size=(size, self.num_actions)))

    def enumerate(self, limit: int) -> Actions | None:
        """List the set, depth first, leaving out beginnings that no end can make feasible; see :meth:`Constraint.enumerate`."""
        size = self.num_actions
        stack = [(0, np.zeros((1, size), np.bool_), np.zeros((1, len(self.matrix))))]
        found = [np.zeros((0, size), np.bool_)]
        count = 0
        while stack:
            component, actions, activity = stack.pop()
            possible = self._possible(activity, component)
            actions, activity = actions[possible], activity[possible]
            if component == size:
                actions = actions[self._contains(actions)]
                found.append(actions)
                count += len(actions)
                if count > limit:
                    return None
                continue
            ones = actions.copy()
            ones[:, component] = True
            following = np.concatenate([actions, ones])
            sums = np.concatenate([activity, activity + self._bare[0][:, component]])
            for start in range(0, len(following), _BLOCK):
                stack.append((component + 1, following[start : start + _BLOCK], sums[start : start + _BLOCK]))
        return in_order(np.concatenate(found))
