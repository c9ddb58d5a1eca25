r"""Filling the gaps of a front: policies between neighbours, for the price of an evaluation.

Networks that branched from a common ancestor stay close to each other in the space of parameters: on the straight line between
two of them lie policies that trade their objectives off in between. Networks that were drawn apart do not: their hidden units
stand for different things. Which of the two it is shows on the way, as the *barrier*

.. math:: \min_t\; u\bigl(V(\theta_t); w_t\bigr) - \min\{u(V(\theta_0); w_t),\, u(V(\theta_1); w_t)\}

with parameters :math:`\theta_t` and weights :math:`w_t` a share :math:`t` of the way: below zero a valley lies between them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from morl.archives import Archive, ArchiveEntry, Status
from morl.errors import CapabilityError, ConfigurationError, shown
from morl.evaluation.evaluator import Evaluator
from morl.evaluation.report import Table
from morl.experiments.run_indicators import RunIndicators
from morl.policies.base import BasePolicy
from morl.policies.interpolation import interpolated, obstacle
from morl.problem import Problem

if TYPE_CHECKING:
    from morl.experiments.result import Preference, RunResult

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Between:
    """``k`` policies between two neighbours of a front."""

    ends: tuple[int, int]
    """Rows of the two in the run's front."""
    members: tuple[int, int]
    """Identities of the members that they come from; the same one, at two times, is related to itself."""
    shares: Array
    """Of the second one, ``(k,)``."""
    weights: Array
    """Preferences, as far of the way from one's to the other's, ``(k, m)``; NaN where there are none."""
    values: Array
    """Mean discounted returns, ``(k, m)``, return units."""
    barrier: float
    """Utility of the worst on the way, less that of the worse end; negative: a valley."""
    added: int
    """How many the archive took."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Interpolation:
    """What lies between the policies of a run, and what it adds."""

    result: RunResult
    """The run with what was added: archive and indicators are new, and there is a table ``interpolation``."""
    pairs: tuple[Between, ...]
    """Neighbours on the front, the widest gap first."""
    tried: int
    """Policies."""
    added: int
    """How many of them the archive took."""
    gain: float
    """Growth of the hypervolume, from the run's reference point; NaN with one objective."""
    env_steps: int
    """Environment steps that it took."""

    @property
    def valleys(self) -> int:
        """Pairs with a barrier below zero."""
        return sum(pair.barrier < 0 for pair in self.pairs)

    def __str__(self) -> str:
        """In one line."""
        before, after = self.result.indicators["hypervolume"] - self.gain, self.result.indicators["hypervolume"]
        return (
            f"{self.tried} policies between {len(self.pairs)} pairs of neighbours, {self.added} kept: hypervolume "
            f"{before:,.6g} to {after:,.6g} for {self.env_steps:,} steps; a valley between {self.valleys} of the pairs"
        )


def neighbouring_pairs(values: Array) -> npt.NDArray[np.int64]:
    """Which values of a front are neighbours: no third one lies in the ball whose diameter they span (Gabriel graph).

    With two objectives these are the pairs that follow each other along the front.

    Args:
        values: ``(p, m)``, a front.

    Returns:
        Pairs of indices ``(c, 2)``, the widest gap first, measured in units of the objectives' ranges.

    Source:
        Gabriel and Sokal 1969.

    Example:
        >>> neighbouring_pairs(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])).tolist()
        [[1, 2], [0, 1]]
    """
    span = np.ptp(values, axis=0)
    scaled = values / np.where(span > 0, span, 1.0)
    squared = ((scaled[:, None] - scaled[None]) ** 2).sum(-1)
    # k is inside the ball of i and j where the angle at k is obtuse.
    apart = [~(squared[i] + squared < squared[i][:, None] - 1e-12).any(1) for i in range(len(values))]
    found = np.argwhere(np.triu(np.array(apart).reshape(squared.shape), 1))
    order = np.argsort(-squared[found[:, 0], found[:, 1]], kind="stable")
    return found[order]


def interpolate(result: RunResult, *, between: int = 3, pairs: int | None = None) -> Interpolation:
    """Try policies between neighbours of a run's front, and keep what is worth keeping; see :meth:`RunResult.interpolate`."""
    given: dict[str, Any] = {"between": between, "pairs": 1 if pairs is None else pairs}
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ConfigurationError(f"interpolate: {name} must be a whole number of at least 1, found {shown(number)}")
    entries = result.entries
    neighbours = [(int(i), int(j)) for i, j in neighbouring_pairs(result.front)]
    found = {pair: obstacle(*(_policy(entries[end]) for end in pair)) for pair in neighbours}
    possible = [pair for pair, reason in found.items() if not reason][:pairs]
    if not possible:
        reasons = Counter(found.values()).most_common(1)
        why = reasons[0][0] if reasons else "there is only one" if entries else "there are none"
        raise CapabilityError(f"nothing lies between the {len(entries)} policies of this run: {why}")
    shares = np.arange(1, between + 1) / (between + 1)
    policies = [each for i, j in possible for each in interpolated(_policy(entries[i]), _policy(entries[j]), shares.tolist())]
    weights = np.concatenate([_weights(result, i, j, shares) for i, j in possible])
    judge = result.judge
    before = judge.env_steps
    returns = judge(policies, weights=None if np.isnan(weights).any() else weights)
    values, errors, undiscounted = returns.mean(), returns.standard_error(), returns.undiscounted.mean((1, 2))
    episodes = returns.discounted.shape[1] * returns.discounted.shape[2]
    offered = [
        ArchiveEntry(
            values=values[k], standard_errors=errors[k], undiscounted=undiscounted[k],
            weights=None if np.isnan(weights[k]).any() else weights[k], policy=policies[k],
            env_steps=max(entries[end].env_steps for end in possible[k // between]),
            # Whose it is more; the table of interpolation tells both.
            member=entries[possible[k // between][round(shares[k % between])]].member,
            episodes=episodes, gamma=judge.gamma, deterministic=judge.evaluation.deterministic,
        )
        for k in range(len(policies))
    ]  # fmt: skip
    archive = result.archive.fresh()
    archive.add(list(result.archive.entries))
    kept = np.array([status is Status.ADDED for status in archive.add(offered)])
    ways = []
    for k, (i, j) in enumerate(possible):
        own = slice(k * between, (k + 1) * between)
        ends = result.front[[i, j]]
        ways.append(
            Between(
                ends=(i, j), members=(entries[i].member, entries[j].member), shares=shares, weights=weights[own],
                values=values[own], added=int(kept[own].sum()),
                barrier=barrier(result.preference, ends, values[own], weights[own]),
            )
        )  # fmt: skip
    return _collected(result, archive, ways, judge, judge.env_steps - before)


def barrier(preference: Preference, ends: Array, values: Array, weights: Array) -> float:
    """How much worse than the worse of two ends it gets on the way; see the module.

    Args:
        preference: The run's utility.
        ends: Values of both ends, ``(2, m)``.
        values: On the way, ``(k, m)``.
        weights: There, ``(k, m)``; equal ones stand in for NaN.

    Returns:
        Utility units; negative: worse than both ends.
    """
    weights = np.where(np.isnan(weights), 1 / values.shape[1], weights)
    every = np.concatenate([ends, values])
    worth = [preference(every, own) for own in weights]
    return float(min(found[2 + k] - found[:2].min() for k, found in enumerate(worth)))


def _policy(entry: ArchiveEntry) -> BasePolicy:
    assert isinstance(entry.policy, BasePolicy)
    return entry.policy


def _weights(result: RunResult, i: int, j: int, shares: Array) -> Array:
    one, other = result.weights[[i, j]]
    between: Array = one + shares[:, None] * (other - one)
    return between


def _collected(result: RunResult, archive: Archive, ways: Sequence[Between], judge: Evaluator, env_steps: int) -> Interpolation:
    """The run with what was added, and what there is to say."""
    assert isinstance(judge.env, Problem)
    computed = RunIndicators(judge.env, gamma=judge.gamma, reference_point=None)
    computed.load_state({"reference_point": result.summary["reference_point"]})
    after, before = (
        {name: value for name, value in computed(each, each).items() if not name.startswith("population_")}
        for each in (archive.values, result.archive.values)
    )
    table: Table = [
        {
            "from_policy": f"policy-{way.ends[0]:03d}", "to_policy": f"policy-{way.ends[1]:03d}",
            "from_member": way.members[0], "to_member": way.members[1], "share": float(share),
            **dict(zip(result.objectives, values.tolist(), strict=True)), "barrier": way.barrier,
        }
        for way in ways
        for share, values in zip(way.shares, way.values, strict=True)
    ]  # fmt: skip
    # What fresh episodes said was said of another front.
    indicators = {name: value for name, value in result.indicators.items() if not name.startswith("fresh_")} | after
    tables = {name: rows for name, rows in result.tables.items() if name != "fresh_evaluation"}
    more = Interpolation(
        result=replace(
            result, archive=archive, indicators=indicators, path=None, tables={**tables, "interpolation": table},
        ),
        pairs=tuple(ways), tried=len(table), added=sum(way.added for way in ways), env_steps=env_steps,
        gain=after["hypervolume"] - before["hypervolume"] if "hypervolume" in after else float("nan"),
    )  # fmt: skip
    if more.valleys * 2 > len(ways):
        _log.warning(
            "between %d of %d pairs of neighbours there are policies worse than both: they are strangers, whose averages mean "
            "nothing; train relatives (MORLD with cooperation: [soft_transfer])",
            more.valleys, len(ways),
        )  # fmt: skip
    return more
