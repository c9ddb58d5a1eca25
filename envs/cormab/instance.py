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

from envs.arrays import Floats, Integers, is_sparse, read_array
from envs.cormab import constraints
from envs.cormab.constraints import Constraint
from envs.cormab.constraints.base import integers
from envs.probabilities import read_distributions

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

    Arms may differ in their numbers of states: then give transitions, rewards and start as lists with one array per arm. ``K``
    is the largest number, and smaller arms get further states that nobody starts in or moves to; they lead to themselves
    and pay nothing.

    Rows may miss one by rounding (``envs.probabilities.read_distributions``).

    Example:
        >>> import numpy as np
        >>> from envs.cormab.constraints import Budget
        >>> stay, advance = np.eye(2), np.array([[0.2, 0.8], [0.0, 1.0]])
        >>> arms = np.broadcast_to([stay, advance], (3, 2, 2, 2))
        >>> Instance(transitions=arms, rewards=np.tile([0.0, 1.0], (3, 1)), constraint=Budget(3, 1)).num_states
        2
    """

    transitions: Floats
    """Probabilities ``(J, L, K, K)``: arm, level, state, next state; or a list of ``J`` arrays ``(L, K_j, K_j)``."""
    rewards: Floats
    """What each arm pays in each state it moves to, ``(J, K)``; or a list of ``J`` arrays ``(K_j,)``."""
    constraint: Constraint
    """Feasible actions, of ``N`` components."""
    link: Integers | None = None
    """How much each component adds to the level of each arm, ``(J, N)``; None for one component per arm."""
    start: Floats | None = None
    """Probabilities of the first states, ``(J, K)``, or a list of ``J`` arrays ``(K_j,)``; None for states 0 and 1 with
    probability one half each, or state 0 for an arm that has no other."""
    groups: Integers | None = None
    """Group of each arm, ``(J,)``, for the objective of equity; None for groups of one arm."""
    action_costs: Floats | None = None
    """Cost of each action component, ``(N,)``; None for 1."""

    def __post_init__(self) -> None:
        """Check the fields and fill in those that were left out."""
        parts = _one_by_one(self.transitions)
        sizes = _sizes(parts)
        given = parts if sizes is None else _padded_transitions(parts, sizes)
        p = read_array("transitions", given, "(J, L, K, K)")
        if p.ndim != 4 or p.shape[2] != p.shape[3] or 0 in p.shape:
            raise ValueError(f"transitions has shape {p.shape}; expected (J, L, K, K): arm, level, state, next state")
        arms, levels, states = p.shape[:3]
        p = read_distributions("transitions", p, ("arm", "level", "state", "next state"), tolerance=_TOLERANCE)
        r = _array("rewards", _padded("rewards", self.rewards, sizes), (arms, states)).astype(np.float64)
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
            first = np.minimum(states if sizes is None else np.array(sizes), 2)
            start = np.where(np.arange(states) < np.broadcast_to(first, arms)[:, None], 1.0 / np.reshape(first, (-1, 1)), 0.0)
        else:
            start = _array("start", _padded("start", self.start, sizes), (arms, states))
            start = read_distributions("start", start, ("arm", "state"), tolerance=_TOLERANCE)
            if sizes is not None and (beyond := (start * (np.arange(states) >= np.array(sizes)[:, None])).any(axis=1)).any():
                arm = int(beyond.argmax())
                raise ValueError(f"start[{arm}] begins in a state that arm {arm} does not have; it has {sizes[arm]} states")
        groups = np.arange(arms) if self.groups is None else integers("groups", self.groups, (arms,), least=0)
        costs = np.ones(size) if self.action_costs is None else self.action_costs
        costs = _array("action_costs", costs, (size,)).astype(np.float64)
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
        """``K``; of the largest arm, if they differ."""
        return int(self.transitions.shape[2])

    @property
    def num_actions(self) -> int:
        """``N``."""
        return self.constraint.num_actions

    def levels(self, actions: npt.NDArray[Any]) -> Integers:
        """At which level each arm is treated, ``(B, N) -> (B, J)``."""
        if self.link is None:
            return np.asarray(actions, np.int64)
        return (np.asarray(actions, np.float32) @ self._counter).astype(np.int64)

    @cached_property
    def _counter(self) -> npt.NDArray[np.float32]:
        assert self.link is not None
        return self.link.T.astype(np.float32)

    @cached_property
    def arm_rewards(self) -> Floats:
        """Expected pay of one step of each arm, ``(J, L, K)``: arm, level, state."""
        expected: Floats = np.einsum("jlst,jt->jls", self.transitions, self.rewards)
        return expected

    def expected_reward(self, states: npt.ArrayLike, actions: npt.ArrayLike) -> Floats:
        """Expected total reward of one step.

        Args:
            states: Of each arm, ``(B, J)``, broadcast against the actions.
            actions: ``(B, N)``; they need not be feasible.

        Returns:
            ``(B,)``.
        """
        where, arms = np.asarray(states, np.int64), np.arange(self.num_arms)
        levels = self.levels(np.asarray(actions))
        total: Floats = self.arm_rewards[arms, levels, where].sum(axis=-1)
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


def _array(name: str, values: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Finite numbers of some shape, in their own format."""
    given = read_array(name, values, f"numbers, {shape}")
    if given.shape != shape:
        raise ValueError(f"{name} has shape {given.shape}; expected {shape}")
    if not np.isfinite(given).all():
        raise ValueError(f"an entry of {name} is not finite")
    return given


def _one_by_one(values: Any) -> Any:
    """Arrays of an array as a list; anything else as it is."""
    return list(values) if isinstance(values, np.ndarray) and values.dtype == np.object_ else values


def _sizes(transitions: Any) -> list[int] | None:
    """Number of states of each arm, if arms are given one by one and differ in it, or in their levels."""
    if not isinstance(transitions, list | tuple) or any(map(is_sparse, transitions)):
        return None
    try:
        sizes, levels = [len(arm[0]) for arm in transitions], [len(arm) for arm in transitions]
    except (TypeError, IndexError, KeyError):
        return None
    return sizes if len(set(sizes)) > 1 or len(set(levels)) > 1 else None


def _padded_transitions(transitions: Any, sizes: list[int]) -> npt.NDArray[Any]:
    """Transitions ``(J, L, K, K)`` of arms of different sizes; further states lead to themselves."""
    arms = [read_array(f"transitions[{j}]", arm, "(L, K_j, K_j)") for j, arm in enumerate(transitions)]
    levels = arms[0].shape[0]
    for j, (arm, size) in enumerate(zip(arms, sizes, strict=True)):
        if arm.shape != (levels, size, size):
            raise ValueError(
                f"transitions[{j}] has shape {arm.shape}; expected ({levels}, {size}, {size}): level, state, next state of arm "
                f"{j}, with as many levels as arm 0"
            )
    padded = np.zeros((len(arms), levels, max(sizes), max(sizes)), np.result_type(*arms))
    padded[:] = np.eye(max(sizes))
    for arm, size, whole in zip(arms, sizes, padded, strict=True):
        whole[:, :size, :size] = arm
    return padded


def _padded(name: str, values: Any, sizes: list[int] | None) -> Any:
    """One row per arm ``(J, K)`` from rows of the arms' own lengths ``(K_j,)``; nothing where an arm has no such state."""
    values = _one_by_one(values)
    if sizes is None or not isinstance(values, list | tuple):
        return values
    rows = [read_array(f"{name}[{j}]", row, "(K_j,)") for j, row in enumerate(values)]
    if all(row.shape == (max(sizes),) for row in rows):
        return rows
    if [row.shape for row in rows] != [(size,) for size in sizes]:
        raise ValueError(f"{name} has rows of the shapes {[row.shape for row in rows]}; the arms have {sizes} states")
    padded = np.zeros((len(sizes), max(sizes)), np.result_type(*rows))
    for row, size, whole in zip(rows, sizes, padded, strict=True):
        whole[:size] = row
    return padded
