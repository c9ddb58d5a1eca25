"""From what was trained to policies that can be judged: specialists frozen, combined and compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from morl.capabilities import CountsSteps, HasCritics, HasExperience
from morl.evaluation import Evaluator
from morl.policies.base import BasePolicy, policy_from
from morl.protocols import EnvFactory, Learner
from morl.seeding import torch_stream
from morl.task import Task
from robust.evaluation import usage
from robust.iwocs.report import iteration_row
from robust.iwocs.sub_problems import Specialist, SubProblem
from robust.policies.composite import CompositePolicy
from robust.search.base import SearchResult
from robust.search.grid import GridSearch
from robust.uncertainty.base import Array, Region
from robust.validity.base import Fit

if TYPE_CHECKING:
    from robust.iwocs.solver import IWOCS

SPREAD = 0.25
"""Least distance of models that are trained side by side, in shares of the parameters' ranges."""


class Inner(Learner, HasCritics, HasExperience, CountsSteps, Protocol):
    """What IWOCS needs of its solver's learner."""


class Specialists(ABC):
    """The part of a live IWOCS run that knows what was frozen; a subclass trains and searches."""

    solver: IWOCS
    env: EnvFactory
    region: Region
    seed: int
    device: torch.device
    inner: Inner
    task: Task
    subs: list[SubProblem]
    phase: int
    judge: Evaluator
    """Runs the episodes of searches."""
    history: list[dict[str, Any]]
    spent: dict[str, int]

    @abstractmethod
    def _pairs(self) -> list[tuple[int, list[float] | None]]:
        """The inner members: preference and model, ordered by preference."""

    def _active(self) -> list[int]:
        return [i for i, sub in enumerate(self.subs) if sub.status == "running"]

    def _known_models(self) -> Array:
        """Models that were ever trained in, for any preference: neighbours share their worst kernels."""
        every = [s.model for sub in self.subs for s in sub.specialists] + [m for sub in self.subs for m in sub.pending]
        found = np.array(every, dtype=np.float64).reshape(-1, len(self.region.space))
        return np.unique(found, axis=0)

    def _freeze(self) -> dict[int, list[list[float]]]:
        """Turn the inner members into default policies or specialists.

        Returns:
            For each active preference the choices of thresholds of all its specialists.
        """
        actors = [{name: value.clone() for name, value in policy.tensors().items()} for policy in self.inner.policies()]
        pairs = self._pairs()
        if self.phase == 0:
            for sub, actor in zip(self.subs, actors, strict=True):
                sub.default = actor
            if self.solver.init == "dr":
                return {i: [[]] for i in self._active()}
        generators = [
            torch_stream(self.seed, f"iwocs/validity/{j}", self.subs[i].uid, self.phase) for j, (i, _) in enumerate(pairs)
        ]
        experience = [self.inner.experience(j) for j in range(len(pairs))]
        fits = self.solver.validity.fit(experience, generators=generators)
        self._monitor = self.solver.validity.monitor(
            *(part.shape[1] for part in (experience[0].observations, experience[0].actions))
        )
        self._critics = critics = self.inner.critics()
        new: dict[int, list[Fit]] = {}
        for j, (i, model) in enumerate(pairs):
            own = self.region.nominal.tolist() if model is None else model
            before = None if model is None else self.subs[i].pending_reached[len(new.get(i, []))]
            critic = {name: part[j : j + 1].clone() for name, part in critics.parts.items()}
            self.subs[i].specialists.append(Specialist(own, actors[j], critic, fits[j].parameters, reached=before))
            new.setdefault(i, []).append(fits[j])
        choices: dict[int, list[list[float]]] = {}
        for i in self._active():
            sub = self.subs[i]
            sub.pending, sub.pending_reached = [], []
            earlier = [s.threshold for s in sub.specialists[: len(sub.specialists) - len(new[i])]]
            choices[i] = [earlier + choice for choice in self.solver.validity.thresholds(new[i])]
        return choices

    def _linear_weights(self) -> Array:
        """Weights of every preference, ``(n, m)``."""
        utility = self.task.utility
        weights: Array = utility.linearised(torch.zeros_like(utility.weights)).cpu().numpy().astype(np.float64)
        return weights

    def _actor_config(self) -> dict[str, Any]:
        return self.inner.policies()[0].config()

    def _policy(self, sub: SubProblem, thresholds: Sequence[float]) -> BasePolicy:
        """What a preference would do with these thresholds."""
        config, spec = self._actor_config(), self.env.spec
        if not sub.specialists:
            return policy_from(config, sub.default)
        actors = [sub.default, *(s.actor for s in sub.specialists)]
        weights = torch.as_tensor(self._linear_weights()[self.subs.index(sub)], dtype=torch.float32, device=self.device)
        parameters = {f"actor/{name}": torch.stack([actor[name] for actor in actors], 1) for name in sub.default}
        for part in ("critic", "monitor"):
            found = [getattr(specialist, part) for specialist in sub.specialists]
            parameters |= {f"{part}/{name}": torch.stack([each[name] for each in found], 1) for name in found[0]}
        parameters |= {"thresholds": torch.tensor([list(thresholds)], device=self.device), "weights": weights.unsqueeze(0)}
        return CompositePolicy(
            spec.observation_space, spec.action_space, config, self._critics.config(), self._monitor, parameters
        )

    def _judge_specialists(self, active: Sequence[int]) -> None:
        """What new specialists reach in their own models."""
        weights, config = self._linear_weights(), self._actor_config()
        for i in active:
            for specialist in self.subs[i].specialists:
                if specialist.value is None:
                    policy = policy_from(config, specialist.actor)
                    own = torch.tensor([specialist.model], dtype=torch.float64)
                    found = self.judge([policy], dynamics=own).discounted.mean((0, 1, 2))
                    specialist.value = float(found @ weights[i])

    def _conclude(self, i: int, policy: BasePolicy, thresholds: Sequence[float], result: SearchResult) -> None:
        """Record an iteration of one preference and decide how it goes on."""
        solver, sub, region = self.solver, self.subs[i], self.region
        for specialist, threshold in zip(sub.specialists, thresholds, strict=True):
            specialist.threshold = threshold
        if sub.lower is None or result.value > sub.lower:
            sub.lower, sub.best = result.value, policy
        reached = []
        for specialist in sub.specialists:
            seen = result.values[(result.models == np.array(specialist.model)).all(1)].tolist()
            specialist.reached = max(v for v in (specialist.value, specialist.reached, *seen) if v is not None)
            reached.append(specialist.reached)
        sub.upper = min(reached, default=None)
        # The bound is only worth something if who was trained in that model is the best there.
        is_solved = any(s.value == s.reached == sub.upper for s in sub.specialists)
        known = sub.known(len(region.space))
        fresh = result.worst_apart(1, region, distance=solver.kernel_distance, known=known)
        worst_is_known = bool(len(known)) and float(region.distance(result.params[None], known).min()) <= solver.kernel_distance
        if is_solved and sub.gap is not None and abs(sub.gap) <= solver.tolerance:
            sub.status = "converged"
        elif not fresh or (worst_is_known and solver.on_stall == "stop"):
            sub.status = "stalled"
        elif self.phase >= solver.iterations:
            sub.status = "exhausted"
        else:
            sub.pending = [result.models[fresh[0]].tolist()]
            taken = np.concatenate([known, result.models[fresh]])
            more = result.worst_apart(solver.kernels_per_iteration - 1, region, distance=SPREAD, known=taken)
            sub.pending += result.models[more].tolist()
            sub.pending_reached = result.values[[*fresh, *more]].tolist()
        shares = self._usage(policy, result.params)
        self.history.append(iteration_row(sub, self.phase, result, shares, self.spent, region.space))

    def _verify(self, ended: Sequence[int]) -> None:
        """Judge the policies that are returned where no search looked, in episodes that no search saw.

        A search at a few models returns the smallest of few values, and the best of several policies by the same episodes: both
        flatter. This changes no policy, so its steps count as evaluation.
        """
        if not ended:
            return
        solver = self.solver
        policies = [best for i in ended if (best := self.subs[i].best) is not None]
        grid = GridSearch(points_per_dimension=solver.grid_points).models(self.region)
        models = np.unique(np.concatenate([grid, self._known_models()]), axis=0)
        before = self.judge.env_steps
        found = self.judge(policies, dynamics=torch.from_numpy(models), first_episode=solver.rollouts).discounted.mean(2)
        self.spent["evaluation"] += self.judge.env_steps - before
        for values, i in zip(np.einsum("pkm,pm->pk", found, self._linear_weights()[list(ended)]), ended, strict=True):
            sub = self.subs[i]
            sub.verified = float(values.min())
            if sub.status == "converged" and sub.gap is not None and sub.gap > solver.tolerance:
                sub.status = "stalled"
            row = next(row for row in reversed(self.history) if row["preference"] == sub.uid)
            worst = self.region.space.mapping(models[values.argmin()])
            row |= {"status": sub.status, "verified": sub.verified, "gap": sub.gap}
            row |= {f"verified_{name}": value for name, value in worst.items()}

    def _usage(self, policy: BasePolicy, model: Array) -> list[float]:
        """How often the default and each specialist act in a model."""
        if not isinstance(policy, CompositePolicy):
            return [1.0]
        shares, steps = usage(
            self.env, policy, model[None], episodes=self.solver.rollouts, seed=self.judge.evaluation.seed,
            max_episode_steps=self.judge.evaluation.max_episode_steps,
        )  # fmt: skip
        self.spent["evaluation"] += steps
        found: list[float] = shares[0].tolist()
        return found
