"""Judging policies over an uncertainty set: in every model of a grid, on common random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import ConfigurationError
from morl.evaluation import Evaluation, Evaluator, Returns
from morl.protocols import EnvFactory, Policy
from robust.search.grid import GridSearch
from robust.uncertainty.base import Region

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


class RobustEvaluator(Evaluator):
    """Judges a policy by its worst model.

    Each objective counts in the model in which its mean is smallest; with several objectives these may be different models, so
    that the vector is pessimistic (robustify, then scalarise).
    """

    def __init__(self, env: EnvFactory, evaluation: Evaluation, *, models: Array, gamma: float, device: torch.device) -> None:
        """Prepare.

        Args:
            env: The problem.
            evaluation: How policies are judged; its episodes are run in every model.
            models: Which, ``(K, k)``.
            gamma: Discount, if the evaluation does not name one.
            device: Where policies act.
        """
        super().__init__(env, evaluation, gamma=gamma, device=device)
        self.models = torch.from_numpy(models)

    def __call__(
        self,
        policies: Sequence[Policy],
        *,
        weights: Array | None = None,
        dynamics: Tensor | None = None,
        episodes: int | None = None,
        first_episode: int = 0,
    ) -> Returns:
        """Run every policy in every model and keep its worst.

        Args:
            policies: ``p`` of them.
            weights: Preferences by which the policies that take weights act, ``(p, m)``.
            dynamics: Models ``(K, k)`` to keep all of instead.
            episodes: ``E``.
            first_episode: Number of the first episode.

        Returns:
            Returns in the worst model, ``(p, 1, E, m)``; with ``dynamics`` in all of them, ``(p, K, E, m)``.
        """
        models = self.models if dynamics is None else dynamics
        found = super().__call__(policies, weights=weights, dynamics=models, episodes=episodes, first_episode=first_episode)
        return found if dynamics is not None else worst_case(found)


def worst_case(returns: Returns) -> Returns:
    """Of each policy and objective the returns in the model in which their mean is smallest.

    Args:
        returns: ``(p, K, E, m)``.

    Returns:
        ``(p, 1, E, m)``. The discounted and the undiscounted returns each have a worst model of their own; lengths are
        those of the first objective's.
    """

    def worst(values: Array) -> tuple[Array, npt.NDArray[np.int64]]:
        index = values.mean(2, keepdims=True).argmin(1)[:, None]
        return np.take_along_axis(values, index, 1), index

    (discounted, index), (undiscounted, _) = worst(returns.discounted), worst(returns.undiscounted)
    return Returns(discounted, undiscounted, np.take_along_axis(returns.lengths, index[..., 0], 1))


# --- measures of many returns ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RobustSummary:
    """How a policy's mean return varies over the models."""

    worst: float
    """Smallest."""
    mean: float
    """Mean over the models."""
    median: float
    """Median over the models."""
    cvar: float
    """Mean over the worst share ``alpha`` of the models."""
    quantile: float
    """The ``alpha`` quantile over the models."""
    best: float
    """Largest."""


def summarise(values: Array, *, alpha: float = 0.1) -> RobustSummary:
    """Summarise the mean returns of a policy over models.

    Args:
        values: ``(K,)``.
        alpha: Share of the models that CVaR and quantile are about, in (0, 1].

    Raises:
        ConfigurationError: ``alpha`` is out of range.
    """
    if not 0.0 < alpha <= 1.0:
        raise ConfigurationError(f"alpha must be in (0, 1], found {alpha}")
    return RobustSummary(
        worst=float(values.min()),
        mean=float(values.mean()),
        median=float(np.median(values)),
        cvar=conditional_value_at_risk(values, alpha),
        quantile=float(np.quantile(values, alpha)),
        best=float(values.max()),
    )


def conditional_value_at_risk(values: Array, alpha: float) -> float:
    r"""Mean of the worst share of equally likely values.

    .. math:: \mathrm{CVaR}_\alpha = \max_c \; c - \frac{1}{\alpha} \mathbb{E}[(c - X)_+]

    Args:
        values: ``(K,)``.
        alpha: Share, in (0, 1]; a value that straddles it counts in part.

    Source:
        Rockafellar and Uryasev, Optimization of conditional value-at-risk, 2000.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    weights = np.clip(alpha * len(ordered) - np.arange(len(ordered)), 0.0, 1.0)
    return float(weights @ ordered / weights.sum())


def interquartile_mean(values: npt.ArrayLike) -> float:
    """Mean of the middle half of some values; a value that straddles a quartile counts in part.

    Source:
        Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, 2021.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    count = len(ordered)
    position = np.arange(count)
    weights = np.minimum(position + 1, 0.75 * count) - np.maximum(position, 0.25 * count)
    weights = np.clip(weights, 0.0, 1.0)
    return float(weights @ ordered / weights.sum())


def bootstrap_interval(
    values: npt.ArrayLike,
    statistic: Any = np.mean,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of independent values, such as one per seed.

    Args:
        values: ``(N,)``.
        statistic: Turns ``(N,)`` into a number.
        confidence: Coverage aimed at; with few values the true one is lower.
        resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        Lower and upper end.
    """
    data = np.asarray(values, dtype=np.float64).reshape(-1)
    rng = np.random.default_rng(seed)
    drawn = data[rng.integers(0, len(data), (resamples, len(data)))]
    found = drawn.mean(1) if statistic is np.mean else np.apply_along_axis(statistic, 1, drawn)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(found, [tail, 100.0 - tail])
    return float(low), float(high)


# --- return maps -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReturnMap:
    """Mean return of a policy in every model of a grid."""

    region: Region
    """The set that the grid covers."""
    models: Array
    """``(K, k)``."""
    values: Array
    """Mean returns ``(K, m)``."""

    def table(self, objectives: Sequence[str] = ()) -> list[dict[str, Any]]:
        """One row per model, for pandas or a CSV file."""
        names = list(objectives) or (
            [f"objective_{i + 1}" for i in range(self.values.shape[1])] if self.values.shape[1] > 1 else ["return"]
        )
        space = self.region.space
        return [
            {**space.mapping(model), **dict(zip(names, value.tolist(), strict=True))}
            for model, value in zip(self.models, self.values, strict=True)
        ]

    def figure(self, title: str = "") -> Figure:
        """Heat map over the two parameters that vary (a curve for one; for more, the first two, worst over the others)."""
        from matplotlib.figure import Figure

        space, scalar = self.region.space, self.values.mean(-1)
        free = [i for i in range(len(space)) if len(np.unique(self.models[:, i])) > 1][:2]
        figure = Figure(figsize=(5.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        labels = [f"{space.names[i]}" + (f" [{space.units[i]}]" if space.units[i] else "") for i in free]
        if len(free) < 2:
            i = free[0] if free else 0
            order = np.argsort(self.models[:, i])
            axes.plot(self.models[order, i], scalar[order], marker="o")
            axes.set(xlabel=labels[0] if labels else space.names[0], ylabel="mean return", title=title)
            return figure
        x, column = np.unique(self.models[:, free[0]], return_inverse=True)
        y, row = np.unique(self.models[:, free[1]], return_inverse=True)
        image = np.full((len(y), len(x)), np.inf)
        np.minimum.at(image, (row, column), scalar)
        image[np.isinf(image)] = np.nan
        drawn = axes.pcolormesh(x, y, image, shading="nearest", cmap="viridis")
        worst = self.models[scalar.argmin()]
        axes.plot(worst[free[0]], worst[free[1]], "rx", markersize=9, markeredgewidth=2, label=f"worst: {scalar.min():.4g}")
        axes.set(xlabel=labels[0], ylabel=labels[1], title=title)
        axes.legend(loc="upper right")
        figure.colorbar(drawn, label="mean return")
        return figure


def return_map(
    evaluator: Evaluator,
    policy: Policy,
    region: Region,
    *,
    points_per_dimension: int = 10,
    half_open: bool = False,
    first_episode: int = 0,
) -> ReturnMap:
    """Evaluate a policy on a grid of models, as one vectorised roll-out.

    Args:
        evaluator: Runs the episodes; its discount is used.
        policy: Whom.
        region: The set.
        points_per_dimension: Points along each parameter.
        half_open: Leave out the upper ends.
        first_episode: Number of the first evaluation episode.
    """
    models = GridSearch(points_per_dimension=points_per_dimension, half_open=half_open).models(region)
    found = evaluator([policy], dynamics=torch.from_numpy(models), first_episode=first_episode)
    return ReturnMap(region, models, found.discounted[0].mean(1))


def usage(
    env: EnvFactory, policy: Any, models: Array, *, episodes: int = 1, seed: int = 0, max_episode_steps: int = 10_000
) -> tuple[Array, int]:
    """How often each part of a composite policy acts.

    Args:
        env: The problem.
        policy: A single :class:`robust.policies.CompositePolicy`.
        models: Where, ``(K, k)``.
        episodes: In each model.
        seed: Of the episodes.
        max_episode_steps: Episodes are cut here.

    Returns:
        Shares ``(K, 1 + J)`` of the steps, the default policy first, each row summing to 1; and the environment steps it took.
    """
    from morl.seeding import stream_seed

    device = policy.parameters["thresholds"].device
    count = len(models) * episodes
    rows = env.rows(count, device=device)
    seeds = [stream_seed(seed, f"evaluation/{env.spec.env_id}", 0, e) for e in range(episodes)] * len(models)
    observations = rows.reset(np.arange(count), seeds, torch.from_numpy(models).repeat_interleave(episodes, 0))
    memory = policy.stacked_memory(1, count)
    times = np.zeros((count, 1 + policy.num_specialists))
    running, steps = np.arange(count), 0
    done = torch.zeros(count, dtype=torch.bool, device=device)
    rewards = torch.zeros(count, env.spec.num_objectives, device=device)
    for _ in range(max_episode_steps):
        with torch.inference_mode():
            acts = policy.chosen(observations.unsqueeze(0), memory)[0].cpu().numpy()
            actions = policy.act_stacked(observations.unsqueeze(0), memory, None, True, None)[0]
        times[running, acts[running]] += 1
        steps += len(running)
        before = observations.clone()
        index = torch.from_numpy(running)
        observations[index], rewards[index], terminated, truncated = rows.step(actions[index], running)
        done[index] = terminated | truncated
        with torch.inference_mode():
            memory = policy.observe_stacked(memory, *(part.unsqueeze(0) for part in (before, actions, rewards, done)))
        running = running[~done[index].cpu().numpy()]
        if not len(running):
            break
    by_model = times.reshape(len(models), episodes, -1).sum(1)
    return by_model / by_model.sum(1, keepdims=True), steps
