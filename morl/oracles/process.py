"""What every oracle solves: the reachable part of a finite environment, in sparse form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.tabular.finite import FiniteEnv
from envs.tabular.tables import Tables, reached_states
from morl.errors import ConfigurationError, ShapeError, shown
from morl.layers import bare

Source: TypeAlias = Tables | str | Mapping[str, Any] | FiniteEnv | gym.Env[Any, Any]
"""What oracles take; see :func:`read_process`."""

_DOUBLE, _SINGLE = 1e-9, 1e-6
"""Relative difference of two returns that counts as none, for rewards in float64 and in float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Process:
    """The states of some tables that an episode can come to, numbered anew; ``S`` of them.

    Branches of a pair that lead to the same state are one: what is expected does not depend on how they are told apart. Where a
    pair leads is listed like the rows of a compressed sparse matrix, pair ``s * A + a`` after pair.
    """

    states: Integers
    """Their numbers in the tables, ``(S,)``."""
    start: Floats
    """Probability that an episode begins in a state, ``(S,)``."""
    rewards: Floats
    """Expected reward of a pair, ``(S, A, m)``."""
    offsets: Integers
    """Where the list of a pair begins, ``(S * A + 1,)``; a pair that ends the episode for certain has none."""
    successors: Integers
    """States that the episode goes on in, ``(k,)``."""
    chances: Floats
    """Their probabilities, ``(k,)``; what a pair lacks to one is the probability that the episode ends."""
    tables: Tables
    """What it was made from."""
    max_episode_steps: int | None
    """Time limit of the environment, if it was made from one that has any."""

    @property
    def precision(self) -> float:
        """Share of the range of the returns below which a difference is rounding: float32 rewards are less exact."""
        return _SINGLE if self.tables.rewards.dtype == np.float32 else _DOUBLE

    @property
    def num_states(self) -> int:
        """``S``."""
        return len(self.states)

    @property
    def num_actions(self) -> int:
        """``A``."""
        return int(self.rewards.shape[1])

    @property
    def num_objectives(self) -> int:
        """``m``."""
        return int(self.rewards.shape[2])

    def leads_to(self, state: int, action: int) -> tuple[Integers, Floats]:
        """States after a pair, and their probabilities, each ``(b,)``."""
        pair = state * self.num_actions + action
        part = slice(self.offsets[pair], self.offsets[pair + 1])
        return self.successors[part], self.chances[part]

    def pairs(self) -> Integers:
        """The pair that each listed successor belongs to, ``(k,)``."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def backward_order(self) -> Integers | None:
        """States sorted so that each comes after those it leads to, ``(S,)``; None if an episode can visit a state twice."""
        owner = self.pairs() // self.num_actions
        done = np.zeros(self.num_states, np.bool_)
        order: list[Integers] = []
        while not done.all():
            open_successors = np.bincount(owner, ~done[self.successors], minlength=self.num_states)
            layer = np.flatnonzero(~done & (open_successors == 0))
            if not layer.size:
                return None
            done[layer] = True
            order.append(layer)
        return np.concatenate(order)

    def refuse_endless(self, gamma: float) -> None:
        """Refuse gamma 1 where from some state no policy can end the episode: returns may not be finite."""
        if gamma < 1.0:
            return
        owner = self.pairs() // self.num_actions
        mass = np.bincount(self.pairs(), self.chances, minlength=len(self.offsets) - 1).reshape(self.rewards.shape[:2])
        can_end: Flags = mass.min(1) < 1.0 - _DOUBLE
        while True:
            more: Flags = np.logical_or(can_end, np.bincount(owner, can_end[self.successors], minlength=self.num_states) > 0)
            if (more == can_end).all():
                break
            can_end = more
        if not can_end.all():
            endless = self.states[~can_end]
            raise ConfigurationError(
                f"gamma is 1, but from state {endless[0]} ({endless.size} such) no episode ever ends: name terminal states, "
                "give a horizon, or use gamma below 1"
            )


def read_process(source: Source) -> Process:
    """Read what an oracle is asked about.

    Args:
        source: :class:`envs.tabular.tables.Tables` (:meth:`~envs.tabular.tables.Tables.from_arrays` makes them from plain
            arrays), the id of a finite environment, a mapping with ``id`` and its arguments, or one of this package's finite
            environments, single or batched. States that no episode reaches are left out.

    Returns:
        The process.

    Raises:
        ConfigurationError: It has no tables, a reward is NaN or infinite, or what a wrapper changes is not in the tables.
    """
    tables, limit = _tables_of(source)
    gains = tables.rewards.astype(np.float64)
    used = tables.probabilities > 0
    if not np.isfinite(gains[used]).all():
        state, action = np.argwhere(used & ~np.isfinite(gains).all(-1))[0, :2]
        raise ConfigurationError(f"rewards contains NaN or infinity (state {state}, action {action}); expected finite rewards")
    goes_on = used & ~tables.terminal
    states = np.flatnonzero(reached_states(tables.successors, goes_on, tables.starts))
    number = np.full(tables.successors.shape[0], -1)
    number[states] = np.arange(states.size)
    pair, branch = np.nonzero(goes_on[states].reshape(states.size * tables.successors.shape[1], -1))
    to = number[tables.successors[states].reshape(-1, used.shape[2])[pair, branch]]
    chance = tables.probabilities[states].reshape(-1, used.shape[2])[pair, branch]
    key, place = np.unique(pair * states.size + to, return_inverse=True)
    pairs = states.size * tables.successors.shape[1]
    lengths = np.bincount(key // states.size, minlength=pairs)
    return Process(
        states=states,
        start=tables.start_distribution[states],
        rewards=np.einsum("sabm,sab->sam", np.where(used[..., None], gains, 0.0), tables.probabilities)[states],
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        successors=key % states.size,
        chances=np.bincount(place.reshape(-1), chance, minlength=key.size).astype(np.float64),
        tables=tables,
        max_episode_steps=limit,
    )


def checked_discount(gamma: Any) -> float:
    """Return the discount; refuse what is outside ``[0, 1]``."""
    if not (isinstance(gamma, int | float | np.floating) and 0.0 <= gamma <= 1.0):
        raise ConfigurationError(f"gamma is {shown(gamma)}; expected a discount between 0 and 1")
    return float(gamma)


def checked_horizon(horizon: Any) -> None:
    """Refuse a horizon that is no positive whole number."""
    if horizon is not None and (not isinstance(horizon, int | np.integer) or horizon < 1):
        raise ConfigurationError(f"horizon is {shown(horizon)}; expected a number of steps, at least 1, or None")


def per_objective(name: str, values: npt.ArrayLike, m: int) -> Floats:
    """Return one finite number per objective, ``(m,)``; one for all is repeated."""
    array = np.asarray(values, np.float64)
    if array.ndim > 1 or array.shape not in ((), (m,)):
        raise ShapeError(f"{name} has shape {array.shape}; expected one number, or {m}, one per objective")
    if not np.isfinite(array).all():
        raise ConfigurationError(f"{name} is {shown(values)}; expected finite numbers")
    return np.broadcast_to(array, (m,)).copy()


def _tables_of(source: Source) -> tuple[Tables, int | None]:
    if isinstance(source, Tables):
        return source, None
    if isinstance(source, Mapping) and isinstance(source.get("id"), str):
        return _tables_of_id(source["id"], {key: value for key, value in source.items() if key != "id"})
    if isinstance(source, str):
        return _tables_of_id(source, {})
    inner: object = source.unwrapped if isinstance(source, gym.Env) else source
    tables = getattr(inner, "tables", None)
    if not isinstance(tables, Tables):
        raise ConfigurationError(
            f"{shown(source)} has no tables to solve; expected an id or environment of a finite world, or "
            "envs.tabular.tables.Tables.from_arrays(transitions, rewards)"
        )
    if isinstance(source, gym.Env) and bare(source) is not source.unwrapped:
        raise ConfigurationError(
            f"{shown(source)} is wrapped, and its tables do not know what the wrapper changes; hand in env.unwrapped"
        )
    return tables, getattr(inner, "max_episode_steps", None)


def _tables_of_id(env_id: str, arguments: dict[str, Any]) -> tuple[Tables, int | None]:
    from envs import batched_form

    batched = batched_form(env_id, 1, **arguments)
    tables = getattr(batched, "tables", None)
    if batched is None or not isinstance(tables, Tables):
        raise ConfigurationError(
            f"{env_id!r} with these arguments has no tables to solve: it is unknown or not finite here; write it down with "
            "envs.tabular.tables.Tables.from_arrays(transitions, rewards)"
        )
    return tables, batched.max_episode_steps
