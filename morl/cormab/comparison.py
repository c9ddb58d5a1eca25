r"""Policies side by side: the same instances, the same first states, the same luck of every arm in every step.

The score of a policy is the mean reward per step, undiscounted, over an episode. Beside what happened ("realised"), what was to
be expected in the states that were met ("expected") is reported: the mean over steps of
:math:`\sum_j r_j(s_j, l_j(a))`. Both have the same mean; the second varies less and is the published measure [Xu2025]_.
Normalised scores put doing nothing at 0, computed exactly and whether or not it is feasible, and the Lagrangian upper bound at
1, both for the first states that were met.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance, RestlessBandit
from morl.cormab.arm_values import Array, horizon_action_values
from morl.cormab.baselines import Contender, Greedy, LagrangeIndex, LookAhead, Myopic, Random, Sampling, WhittleIndex
from morl.cormab.baselines.base import Decision
from morl.cormab.intervals import bootstrap_interval
from morl.cormab.relaxation import relax
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation.report import Table
from morl.seeding import stream, stream_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from morl.evaluation.report import Report


BASELINES: Mapping[str, Contender] = {
    "random": Random(),
    "sampling": Sampling(),
    "greedy": Greedy(),
    "myopic": Myopic(),
    "whittle index": WhittleIndex(),
    "lagrange index": LagrangeIndex(),
    "look-ahead": LookAhead(),
}
"""The policies that need no training, weakest first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Scores of ``C`` policies on ``I`` instances in ``E`` episodes each."""

    names: tuple[str, ...]
    """Of the policies, ``C``."""
    expected: Array
    """Mean expected reward per step, ``(C, I, E)``."""
    realised: Array
    """Mean realised reward per step, ``(C, I, E)``."""
    null: Array
    """Mean expected reward per step of doing nothing, ``(I,)``."""
    bound: Array
    """Upper bound on the mean reward per step of any policy, ``(I,)``."""
    infeasible: npt.NDArray[np.int64]
    """Infeasible actions that a policy chose, ``(C, I)``; a nearest feasible one was executed instead."""
    decision_seconds: Array
    """Time of single decisions, ``(C, I, D)`` seconds; NaN where none was timed."""
    preparation_seconds: Array
    """Time spent before the first decision, training included, ``(C, I)`` seconds."""
    seed: int
    """Of episodes and resampling."""
    level: float
    """Coverage of the intervals."""

    @property
    def scores(self) -> Array:
        """Mean expected reward per step, ``(C, I)``."""
        return np.asarray(self.expected.mean(axis=2))

    @property
    def normalised(self) -> Array:
        """Scores with doing nothing at 0 and the upper bound at 1, ``(C, I)``."""
        return (self.scores - self.null) / (self.bound - self.null)

    def difference(self, name: str, other: str) -> tuple[float, float, float]:
        """By how much one policy is better than another: paired, as a fraction of the other's mean score.

        Args:
            name: The first policy.
            other: The one it is compared with.

        Returns:
            The fraction and the ends of its interval: over instances, or over episodes if there is one instance.

        Raises:
            ConfigurationError: A name is unknown.
        """
        first, second = self._index(name), self._index(other)
        gains = self._samples(self.expected[first] - self.expected[second])
        base = float(self.scores[second].mean())
        low, high = bootstrap_interval(gains, self._rng("difference"), level=self.level)
        return float(gains.mean()) / base, float(low) / base, float(high) / base

    @cached_property
    def table(self) -> Table:
        """One row per policy, with doing nothing first and the bound last; ``pandas.DataFrame(table)`` takes it.

        ``normalised_low`` and ``normalised_high`` are the ends of the interval of the mean normalised score: over instances,
        or over episodes if there is one instance.
        """
        share = (self.expected - self.null[:, None]) / (self.bound - self.null)[:, None]
        rows: Table = [{"policy": "nothing", "expected": float(self.null.mean()), "normalised": 0.0}]
        for number, name in enumerate(self.names):
            low, high = bootstrap_interval(self._samples(share[number]), self._rng("normalised"), level=self.level)
            times = self.decision_seconds[number][np.isfinite(self.decision_seconds[number])]
            rows.append({
                "policy": name,
                "expected": float(self.scores[number].mean()),
                "realised": float(self.realised[number].mean()),
                "normalised": float(self.normalised[number].mean()),
                "normalised_low": float(low),
                "normalised_high": float(high),
                "normalised_min": float(self.normalised[number].min()),
                "decision_ms_mean": float(times.mean()) * 1e3 if times.size else None,
                "decision_ms_p95": float(np.quantile(times, 0.95)) * 1e3 if times.size else None,
                "preparation_s": float(self.preparation_seconds[number].mean()),
                "infeasible": int(self.infeasible[number].sum()),
            })  # fmt: skip
        rows.append({"policy": "upper bound", "expected": float(self.bound.mean()), "normalised": 1.0})
        return rows

    @cached_property
    def instances(self) -> Table:
        """One row per policy and instance: mean and standard error over episodes, normalised score, null and bound."""
        episodes = self.expected.shape[2]
        return [
            {
                "policy": name,
                "instance": instance,
                "expected": float(self.scores[number, instance]),
                "standard_error": float(self.expected[number, instance].std(ddof=1) / np.sqrt(episodes))
                if episodes > 1
                else None,
                "normalised": float(self.normalised[number, instance]),
                "null": float(self.null[instance]),
                "bound": float(self.bound[instance]),
            }
            for number, name in enumerate(self.names)
            for instance in range(len(self.bound))
        ]

    def figure(self) -> Figure:
        """Draw the normalised scores: mean with interval, and each instance."""
        from morl.cormab.figures import comparison_figure

        rows = self.table[1:-1]
        ends = np.array([[row["normalised_low"], row["normalised_high"]] for row in rows])
        return comparison_figure(self.names, self.normalised, ends)

    def report(self) -> Report:
        """What a learner adds to the result of its run: both tables, and the figure."""
        from morl.evaluation.report import Report

        return Report(tables={"comparison": self.table, "instances": self.instances}, figures={"comparison": self.figure()})

    def save(self, folder: str | Path) -> None:
        """Write ``comparison.csv``, ``instances.csv`` and ``comparison.png``."""
        from morl.experiments.run_plots import save_figure
        from morl.experiments.tables import write_table

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "comparison.csv", self.table)
        write_table(folder / "instances.csv", self.instances)
        save_figure(self.figure(), folder / "comparison.png")

    def _samples(self, values: Array) -> Array:
        """What is resampled, of ``(I, E)``: means of instances, or the episodes of the only one."""
        return np.asarray(values[0] if len(values) == 1 else values.mean(axis=1))

    def _rng(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, f"comparison-{purpose}")

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise ConfigurationError(f"no policy is called {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)


def compare(
    contenders: Mapping[str, Contender],
    instances: Sequence[Instance],
    *,
    episodes: int = 50,
    horizon: int = 20,
    start: float | None = None,
    seed: int = 0,
    timed_decisions: int = 20,
    level: float = 0.95,
) -> Comparison:
    """Let policies play the same episodes.

    Args:
        contenders: Policies by name, in the order of the tables, such as :data:`BASELINES`.
        instances: The problems.
        episodes: Per instance.
        horizon: Steps of an episode.
        start: Probability that an arm begins in state 1 and not in 0 (0.2 in the published evaluation); None for the first
            states of the instance.
        seed: Of episodes, of the contenders' randomness, and of resampling.
        timed_decisions: Decisions per instance that are made one at a time, to time them.
        level: Coverage of the intervals.

    Returns:
        Scores, bounds and times. A contender that does not exist for one of the instances is left out.

    Raises:
        ConfigurationError: There is nothing to compare, or a number is out of range.

    Example:
        >>> from envs.cormab import budget_instance
        >>> instances = [budget_instance(num_arms=6, budget=2, seed=seed) for seed in range(2)]
        >>> result = compare({"myopic": BASELINES["myopic"]}, instances, episodes=4)
        >>> [row["policy"] for row in result.table]
        ['nothing', 'myopic', 'upper bound']
    """
    if not contenders or not instances:
        raise ConfigurationError(f"{len(contenders)} policies and {len(instances)} instances were given; expected some of both")
    for name, number in (("episodes", episodes), ("horizon", horizon)):
        if number < 1:
            raise ConfigurationError(f"{name} is {number}; expected at least 1")
    if not 0.0 < level < 1.0:
        raise ConfigurationError(f"level is {level}; expected a number between 0 and 1")
    problems = [instance if start is None else replace(instance, start=_beginning(instance, start)) for instance in instances]
    shape = (len(contenders), len(problems))
    expected, realised = np.full((2, *shape, episodes), np.nan)
    infeasible = np.zeros(shape, np.int64)
    decision_seconds = np.full((*shape, max(timed_decisions, 0)), np.nan)
    preparation_seconds = np.full(shape, np.nan)
    null, bound = np.zeros((2, len(problems)))
    for i, instance in enumerate(problems):
        seeds = np.array([stream_seed(seed, "comparison-episode", i, episode) for episode in range(episodes)])
        env = RestlessBandit(episodes, instance=instance, horizon=horizon, infeasible="project")
        first = env.reset(np.arange(episodes), seeds)
        null[i], bound[i] = _ends(instance, first, horizon)
        for c, (name, contender) in enumerate(contenders.items()):
            began = time.perf_counter()
            try:
                decision = contender.prepare(instance, horizon=horizon, seed=stream_seed(seed, "comparison-preparation", i))
            except CapabilityError:
                continue
            preparation_seconds[c, i] = time.perf_counter() - began
            rng = stream(seed, f"comparison-{name}", i)
            played = _play(env, decision, seeds, horizon, rng)
            expected[c, i], realised[c, i], infeasible[c, i], states = played
            _time(decision, states, rng, decision_seconds[c, i])
    exists = np.isfinite(expected).all(axis=(1, 2))
    if not exists.any():
        raise ConfigurationError("none of the policies exists for these instances")
    return Comparison(
        names=tuple(name for name, there in zip(contenders, exists, strict=True) if there),
        expected=expected[exists],
        realised=realised[exists],
        null=null,
        bound=bound,
        infeasible=infeasible[exists],
        decision_seconds=decision_seconds[exists],
        preparation_seconds=preparation_seconds[exists],
        seed=seed,
        level=level,
    )


def _beginning(instance: Instance, chance: float) -> Array:
    if instance.num_states < 2 or not 0.0 <= chance <= 1.0:
        raise ConfigurationError(
            f"start is {chance} for arms with {instance.num_states} states; expected a probability, and at least 2 states"
        )
    start = np.zeros((instance.num_arms, instance.num_states))
    start[:, :2] = 1.0 - chance, chance
    return start


def _ends(instance: Instance, first: npt.NDArray[np.int64], horizon: int) -> tuple[float, float]:
    """Mean reward per step of doing nothing, and its upper bound, for the first states ``(E, J)`` that are met."""
    arms = np.arange(instance.num_arms)
    start = np.eye(instance.num_states)[first].mean(axis=0)
    free = np.zeros((horizon, instance.num_arms, 1))
    alone, _ = horizon_action_values(instance.transitions[:, :1], instance.arm_rewards[:, :1], free)
    null = alone[0][arms, first].sum(axis=1).mean()
    return float(null) / horizon, relax(instance, horizon=horizon, start=start).bound / horizon


def _play(
    env: RestlessBandit, decision: Decision, seeds: npt.NDArray[np.int64], horizon: int, rng: np.random.Generator
) -> tuple[Array, Array, int, list[tuple[int, npt.NDArray[np.int64]]]]:
    """Expected and realised reward per step ``(E,)``, infeasible actions, and the states that were met by step."""
    rows = np.arange(len(seeds))
    states: Any = env.reset(rows, seeds)
    expected, realised = np.zeros((2, len(seeds)))
    infeasible = 0
    met = []
    for step in range(horizon):
        met.append((step, states))
        actions = np.asarray(decision(states, step, rng))
        infeasible += int(np.count_nonzero(~env.constraint.contains(actions)))
        following, rewards, _, _ = env.step(rows, actions)
        expected += env.instance.expected_reward(states, env.executed_actions)
        realised += rewards[:, 0]
        states = following
    return expected / horizon, realised / horizon, infeasible, met


def _time(
    decision: Decision, states: list[tuple[int, npt.NDArray[np.int64]]], rng: np.random.Generator, seconds: Array
) -> None:
    """Time decisions that are made alone, in states that were met, and write them into ``seconds``."""
    for number in range(len(seconds)):
        step, batch = states[number * len(states) // len(seconds)]
        state = batch[number % len(batch)][None]
        began = time.perf_counter()
        decision(state, step, rng)
        seconds[number] = time.perf_counter() - began
