"""Evaluation: every policy in the same seeded episodes, all of them at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.fields import Count, CountOrZero, Number, Repeats, RepeatsOrNone, Seed, Share, check_fields
from morl.policies.base import BasePolicy
from morl.protocols import EnvFactory, EnvRows, Policy
from morl.seeding import stream_seed, torch_stream

Array = npt.NDArray[np.float64]

_LOOK_PERIOD = 100
"""Steps of an evaluation between two looks at the clock."""
_PATIENCE = 30.0
"""Seconds of an evaluation without a word."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How policies are judged."""

    episodes: Repeats = 5
    """Episodes per policy and transition model."""
    period: Count | None = None
    """Environment steps between evaluations; None: the solver's exchange period, else a twentieth of the budget."""
    gamma: Share | None = None
    """Discount of the reported values; None for the solver's."""
    deterministic: bool = True
    """Judge the most likely action instead of sampled ones."""
    reference_point: tuple[Number, ...] | None = None
    """Point from which hypervolume is measured, return units; None for the benchmark registry's, or one estimated once."""
    seed: Seed = 0
    """Seed of the evaluation episodes: the same for every run and method, so that all are compared on common random numbers."""
    max_episode_steps: Count = 10_000
    """Episodes are cut here, in environment steps, whatever the environment's own limit."""
    max_rows: Count = 256
    """Environments alive at once."""
    final_episodes: RepeatsOrNone = 0
    """Judge the final archive again in this many fresh episodes and report both figures (0: do not)."""
    final_preferences: CountOrZero = 100
    """Evenly spread preferences, at most, for which one network for all weights is judged when training has ended."""

    def __post_init__(self) -> None:
        check_fields(self, "evaluation.")


@dataclass(frozen=True)
class Returns:
    """Returns of every episode: ``p`` policies, ``K`` transition models, ``E`` episodes, ``m`` objectives."""

    discounted: Array
    """``(p, K, E, m)``."""
    undiscounted: Array
    """``(p, K, E, m)``."""
    lengths: npt.NDArray[np.int64]
    """Environment steps, ``(p, K, E)``."""

    def mean(self) -> Array:
        """Mean discounted return over episodes (and models), ``(p, m)``."""
        mean: Array = self.discounted.mean((1, 2))
        return mean

    def standard_error(self) -> Array:
        """Standard error of :meth:`mean`, ``(p, m)``; NaN where a single episode says nothing about it."""
        flat = self.discounted.reshape(len(self.discounted), -1, self.discounted.shape[-1])
        count = flat.shape[1]
        error: Array = flat.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.full_like(flat[:, 0], np.nan)
        return error


class Evaluator:
    """Evaluates policies on environment rows of its own.

    The seed of an episode depends on the evaluation's seed, the environment and the episode's number, never on the policy
    or on who else is evaluated.
    """

    def __init__(self, env: EnvFactory, evaluation: Evaluation, *, gamma: float, device: torch.device) -> None:
        """Prepare; environments are made at the first call and kept.

        Args:
            env: The problem.
            evaluation: How policies are judged.
            gamma: Discount, if the evaluation does not name one.
            device: Where policies act.
        """
        self.env, self.evaluation, self.device = env, evaluation, device
        self.gamma = gamma if evaluation.gamma is None else evaluation.gamma
        self.env_steps = 0
        self.truncated = 0
        """Episodes that were cut at ``max_episode_steps``."""
        self.seconds = 0.0
        self._warned: set[str] = set()
        self._rows: EnvRows | None = None

    def __call__(
        self,
        policies: Sequence[Policy],
        *,
        weights: Array | None = None,
        dynamics: Tensor | None = None,
        episodes: int | None = None,
        first_episode: int = 0,
    ) -> Returns:
        """Run every policy in every transition model.

        Args:
            policies: ``p`` of them; one that takes weights may be there several times, and acts for all of them at once.
            weights: Preferences by which the policies that take weights act, ``(p, m)``.
            dynamics: Transition models ``(K, k)``; None for the nominal one (``K = 1``).
            episodes: ``E``; the evaluation's by default.
            first_episode: Number of the first episode, to draw fresh ones.

        Returns:
            All returns.
        """
        start = time.perf_counter()
        count = self.evaluation.episodes if episodes is None else episodes
        kernels = 1 if dynamics is None else len(dynamics)
        shape = (len(policies), kernels, count)
        m = self.env.spec.num_objectives
        result = Returns(np.zeros((*shape, m)), np.zeros((*shape, m)), np.zeros(shape, dtype=np.int64))
        episode = np.tile(np.arange(first_episode, first_episode + count), kernels)
        seeds = [stream_seed(self.evaluation.seed, f"evaluation/{self.env.spec.env_id}", 0, int(e)) for e in episode]
        models = None if dynamics is None else dynamics.repeat_interleave(count, 0)
        limit = self.evaluation.max_rows
        for index in self._groups(policies, len(seeds)):
            group = [policies[i] for i in index]
            stacked, preferences = self._stacked(group, None if weights is None else weights[index])
            # More episodes than rows are run one batch after the other.
            parts = []
            for i in range(0, len(seeds), limit):
                some = None if models is None else models[i : i + limit]
                parts.append(self._run(stacked, preferences, len(group), seeds[i : i + limit], some, first_episode + i))
            results = (result.discounted, result.undiscounted, result.lengths)
            for whole, found in zip(results, zip(*parts, strict=True), strict=True):
                joined = np.concatenate([part.reshape(len(group), -1, *part.shape[1:]) for part in found], 1)
                whole[index] = joined.reshape(len(group), *whole.shape[1:])
        self.env_steps += int(result.lengths.sum())
        self.seconds += time.perf_counter() - start
        return result

    def _groups(self, policies: Sequence[Policy], episodes: int) -> list[list[int]]:
        """Policies that can act as one stack, in chunks that fit the rows."""
        by_key: dict[str, list[int]] = {}
        for i, policy in enumerate(policies):
            assert isinstance(policy, BasePolicy)
            by_key.setdefault(f"{id(policy)}" if policy.takes_weights else policy.stacking_key(), []).append(i)
        # Sampled actions come from one stream per policy, which a stack would mix up.
        size = max(1, self.evaluation.max_rows // episodes) if self.evaluation.deterministic else 1
        return [group[i : i + size] for group in by_key.values() for i in range(0, len(group), size)]

    def _stacked(self, group: list[Any], weights: Array | None) -> tuple[BasePolicy, Tensor | None]:
        """One object that acts for a group; and the preferences ``(p, m)``, if that is a single policy for all of them."""
        first: BasePolicy = group[0]
        if not first.takes_weights or weights is None:
            # Policies that follow a preference through an episode are bound to theirs beforehand.
            bound = group if weights is None else [policy.at(w) for policy, w in zip(group, weights, strict=True)]
            return type(first).stack(bound), None
        return first, torch.as_tensor(weights, dtype=torch.float32, device=self.device)

    def _run(
        self, policy: BasePolicy, weights: Tensor | None, p: int, seeds: list[int], models: Tensor | None, first: int
    ) -> tuple[Array, Array, npt.NDArray[np.int64]]:
        """One episode per row: ``p`` stacked policies, or one policy at ``p`` weights, times ``B`` episodes."""
        batch = len(seeds)
        total = p * batch
        stack = (p, batch) if weights is None else (1, total)
        preferences = None if weights is None else weights.repeat_interleave(batch, 0).unsqueeze(0)
        if self._rows is None or self._rows.num_rows < total:
            self._rows = self.env.rows(total, device=self.device)
        rows = np.arange(total)
        generator = torch_stream(self.evaluation.seed, "evaluation/actions", 0, first, device=self.device)
        observations = self._rows.reset(rows, seeds * p, None if models is None else models.repeat(p, 1))
        memory = policy.stacked_memory(*stack)
        m = self.env.spec.num_objectives
        discounted, undiscounted, discount = np.zeros((total, m)), np.zeros((total, m)), 1.0
        lengths = np.zeros(total, dtype=np.int64)
        rewards, done = torch.zeros(total, m, device=self.device), torch.zeros(total, dtype=torch.bool, device=self.device)
        start = time.perf_counter()
        for steps in range(1, self.evaluation.max_episode_steps + 1):
            with torch.inference_mode():
                actions = policy.act_stacked(
                    observations.unflatten(0, stack), memory, preferences, self.evaluation.deterministic, generator
                ).flatten(0, 1)
            # What was acted on, for policies that remember; the rows that go on are overwritten below.
            acted_on = observations.clone() if memory and len(rows) < total else observations
            if len(rows) == total:
                observations, rewards, terminated, truncated = self._rows.step(actions, rows)
                ended = terminated | truncated
                done = ended
            else:
                index = torch.from_numpy(rows)
                observations[index], rewards[index], terminated, truncated = self._rows.step(actions[index], rows)
                ended = terminated | truncated
                done[index] = ended
            running: Any = slice(None) if len(rows) == total else rows
            host = rewards.cpu().numpy()[running]
            discounted[running] += discount * host
            undiscounted[running] += host
            discount *= self.gamma
            lengths[running] += 1
            if memory:
                with torch.inference_mode():
                    memory = policy.observe_stacked(
                        memory, *(part.unflatten(0, stack) for part in (acted_on, actions, rewards, done))
                    )
            rows = rows[~ended.cpu().numpy()]
            if not len(rows):
                break
            if steps % _LOOK_PERIOD == 0 and time.perf_counter() - start > _PATIENCE:
                self._warn(
                    "slow",
                    f"an evaluation takes long: {len(rows)} of {total} episodes go on after {steps:,} steps and "
                    f"{time.perf_counter() - start:.0f} s",
                )
        if len(rows):
            self.truncated += len(rows)
        if len(rows) and self.evaluation.max_episode_steps >= _LOOK_PERIOD:
            # Somebody chose a shorter limit, and it costs nothing worth a word.
            self._warn("cut", f"{len(rows)} of {total} evaluation episodes were cut after {lengths.max():,} steps")
        return discounted, undiscounted, lengths

    def _warn(self, about: str, found: str) -> None:
        """Say once what endless episodes cost, and what to do."""
        if about in self._warned:
            return
        self._warned.add(about)
        spec = self.env.spec
        limited = f"give {spec.env_id} a time limit (max_episode_steps among the arguments of env), "
        _log.warning(
            "%s (evaluation.max_episode_steps is %s); %slower it or evaluation.episodes, or raise evaluation.period",
            found,
            f"{self.evaluation.max_episode_steps:,}",
            "" if spec.max_episode_steps else limited,
        )
