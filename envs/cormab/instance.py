"""One restless-bandit problem: arms, what actions do to them, what they pay, and which actions are allowed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from envs.cormab import constraints
from envs.cormab.constraints import Constraint
from envs.cormab.constraints.base import integers

_FORMAT = 1
_TOLERANCE = 1e-9

_FAMILIES: dict[str, Any] = {
    name: value
    for name in constraints.__all__
    if issubclass(value := getattr(constraints, name), Constraint) and dataclasses.is_dataclass(value)
}


@dataclass(frozen=True, eq=False)
class Instance:
    """``J`` arms with ``K`` states each, moved by actions of ``N`` components.

    Arm ``j`` is treated at level ``l_j = (link @ action)_j`` and then moves by ``transitions[j, l_j]``, independently of the
    others. Without a ``link``, component ``j`` is arm ``j`` and the levels are 0 (passive) and 1 (pulled). What an arm pays is
    a function of the state it has moved to.

    Example:
        >>> import numpy as np
        >>> from envs.cormab.constraints import Budget
        >>> stay, advance = np.eye(2), np.array([[0.2, 0.8], [0.0, 1.0]])
        >>> arms = np.broadcast_to([stay, advance], (3, 2, 2, 2))
        >>> Instance(transitions=arms, rewards=np.tile([0.0, 1.0], (3, 1)), constraint=Budget(3, 1)).num_states
        2
    """

    transitions: npt.NDArray[np.float64]
    """Probabilities ``(J, L, K, K)``: arm, level, state, next state."""
    rewards: npt.NDArray[np.float64]
    """What each arm pays in each state it moves to, ``(J, K)``."""
    constraint: Constraint
    """Feasible actions, of ``N`` components."""
    link: npt.NDArray[np.int64] | None = None
    """How much each component adds to the level of each arm, ``(J, N)``; None for one component per arm."""
    start: npt.NDArray[np.float64] | None = None
    """Probabilities of the first states, ``(J, K)``; None for states 0 and 1 with probability one half each."""
    groups: npt.NDArray[np.int64] | None = None
    """Group of each arm, ``(J,)``, for the objective of equity; None for groups of one arm."""
    action_costs: npt.NDArray[np.float64] | None = None
    """Cost of each action component, ``(N,)``; None for 1."""

    def __post_init__(self) -> None:
        """Check the fields and fill in those that were left out."""
        p = _array("transitions", self.transitions)
        if p.ndim != 4 or p.shape[2] != p.shape[3] or 0 in p.shape:
            raise ValueError(f"transitions has shape {p.shape}; expected (J, L, K, K): arm, level, state, next state")
        arms, levels, states = p.shape[:3]
        _check_probabilities("transitions", p)
        r = _array("rewards", self.rewards, (arms, states))
        if not isinstance(self.constraint, Constraint):
            raise ValueError(f"constraint is {self.constraint!r}; expected one of envs.cormab.constraints")
        size = self.constraint.num_actions
        if self.link is None:
            if size != arms or levels != 2:
                raise ValueError(
                    f"the constraint has {size} components and there are {arms} arms with {levels} levels: without a link each "
                    "component is one arm with 2 levels; give a link (J, N) otherwise"
                )
        else:
            link = integers("link", self.link, (arms, size), least=0)
            if link.sum(1).max() >= levels:
                raise ValueError(f"link reaches the level {link.sum(1).max()}; transitions only has {levels} levels")
            object.__setattr__(self, "link", link)
        if self.start is None:
            start = np.zeros((arms, states))
            start[:, : min(2, states)] = 1.0 / min(2, states)
        else:
            start = _array("start", self.start, (arms, states))
            _check_probabilities("start", start)
        groups = np.arange(arms) if self.groups is None else integers("groups", self.groups, (arms,), least=0)
        costs = np.ones(size) if self.action_costs is None else _array("action_costs", self.action_costs, (size,))
        if (costs < 0).any():
            raise ValueError(f"action_costs holds {costs.min()}; expected nonnegative costs")
        values = {"transitions": p, "rewards": r, "start": start, "groups": groups, "action_costs": costs}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def num_arms(self) -> int:
        """``J``."""
        return int(self.transitions.shape[0])

    @property
    def num_states(self) -> int:
        """``K``."""
        return int(self.transitions.shape[2])

    @property
    def num_actions(self) -> int:
        """``N``."""
        return self.constraint.num_actions

    def levels(self, actions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """At which level each arm is treated, ``(B, N) -> (B, J)``."""
        if self.link is None:
            return np.asarray(actions, np.int64)
        return (np.asarray(actions, np.float32) @ self._counter).astype(np.int64)

    @cached_property
    def _counter(self) -> npt.NDArray[np.float32]:
        assert self.link is not None
        return self.link.T.astype(np.float32)

    @cached_property
    def arm_rewards(self) -> npt.NDArray[np.float64]:
        """Expected pay of one step of each arm, ``(J, L, K)``: arm, level, state."""
        expected: npt.NDArray[np.float64] = np.einsum("jlst,jt->jls", self.transitions, self.rewards)
        return expected

    def expected_reward(self, states: npt.ArrayLike, actions: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Expected total reward of one step.

        Args:
            states: Of each arm, ``(B, J)``, broadcast against the actions.
            actions: ``(B, N)``; they need not be feasible.

        Returns:
            ``(B,)``.
        """
        where, arms = np.asarray(states, np.int64), np.arange(self.num_arms)
        levels = self.levels(np.asarray(actions))
        total: npt.NDArray[np.float64] = self.arm_rewards[arms, levels, where].sum(axis=-1)
        return total

    def save(self, folder: str | FilePath) -> None:
        """Write ``instance.npz`` and ``instance.json`` into a folder, which is made if need be.

        Raises:
            ValueError: The constraint is of a class that is not in :mod:`envs.cormab.constraints`.
        """
        kind = type(self.constraint).__name__
        if _FAMILIES.get(kind) is not type(self.constraint):
            raise ValueError(f"a constraint of the class {kind} cannot be stored; write it as constraints.Linear")
        arrays = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "constraint"}
        settings: dict[str, Any] = {}
        for item in dataclasses.fields(_FAMILIES[kind]):
            value = getattr(self.constraint, item.name)
            if isinstance(value, np.ndarray):
                arrays[f"constraint.{item.name}"] = value
            else:
                settings[item.name] = value
        folder = FilePath(folder)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "instance.npz", **{name: value for name, value in arrays.items() if value is not None})
        record = {"format": _FORMAT, "constraint": kind, "settings": settings}
        (folder / "instance.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | FilePath) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: The files are not those of an instance, or of another format version.
        """
        folder = FilePath(folder)
        record = json.loads((folder / "instance.json").read_text(encoding="utf-8"))
        kind = record.get("constraint") if isinstance(record, dict) else None
        if kind is None or record.get("format") != _FORMAT:
            raise ValueError(f"{folder / 'instance.json'} is not the record of an instance of format {_FORMAT}")
        if kind not in _FAMILIES:
            raise ValueError(f"{folder / 'instance.json'} names the constraint {kind!r}, which is not known")
        fields: dict[str, Any] = {}
        settings: dict[str, Any] = dict(record["settings"])
        with np.load(folder / "instance.npz", allow_pickle=False) as stored:
            for name in stored.files:
                own = name.removeprefix("constraint.")
                (fields if own == name else settings)[own] = stored[name]
        return cls(constraint=_FAMILIES[kind](**settings), **fields)


def _array(name: str, values: Any, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.float64]:
    given = np.array(values, np.float64)
    if shape is not None and given.shape != shape:
        raise ValueError(f"{name} has shape {given.shape}; expected {shape}")
    if not np.isfinite(given).all():
        raise ValueError(f"an entry of {name} is not finite")
    return given


def _check_probabilities(name: str, p: npt.NDArray[np.float64]) -> None:
    if (p < 0).any() or np.abs(p.sum(axis=-1) - 1.0).max() > _TOLERANCE:
        raise ValueError(f"{name} must be nonnegative and sum to one over the last axis")
