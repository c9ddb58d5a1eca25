"""The live form of IWOCS in simulators: train, search, add, as a machine that can stop and go on anywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.errors import CapabilityError, CheckpointError, ShapeError
from morl.experiments.evaluation import Evaluation, Evaluator
from morl.experiments.result import Certificate, Report
from morl.policies.base import BasePolicy, policy_from
from morl.protocols import EnvFactory, HasFirstUpdate, Policy, State, prefixed, unprefixed
from morl.seeding import stream, stream_seed, torch_stream
from morl.task import Task, Utility
from robust.critics import FrozenCritic, frozen_critic
from robust.evaluation import return_map, usage
from robust.policies.composite import CompositePolicy
from robust.randomisation import RandomisedProblem
from robust.search.base import SearchResult, minimise_side_by_side
from robust.search.grid import GridSearch
from robust.uncertainty.base import Array, Region
from robust.validity.base import Experience, Fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robust.iwocs import IWOCS

SPREAD = 0.25
"""Least distance of models that are trained side by side, in shares of the parameters' ranges."""

MOST_SEARCH_ROWS = 1_024
"""Environments alive at once while a search evaluates."""


@dataclass
class Specialist:
    """A policy trained in one model, frozen, with what is needed to compare and to trust it."""

    model: list[float]
    """The model it was trained in, ``(k,)``."""
    actor: dict[str, Tensor]
    """Tensors of its policy, ``(1, ...)`` each."""
    critic: list[Tensor]
    """Parameters of its critic, ``(1, ...)`` each."""
    monitor: dict[str, Tensor]
    """Parameters of its validity model, ``(1, ...)`` each."""
    threshold: float = 0.0
    """Scores up to here are trusted."""
    value: float | None = None
    """Its scalarised return in its own model."""
    reached: float | None = None
    """The best scalarised return that anybody was seen to reach in its model."""


@dataclass(eq=False)
class SubProblem:
    """One preference: what was found for it so far."""

    uid: int
    default: dict[str, Tensor] = field(default_factory=dict)
    """Tensors of the default policy; empty until it is trained."""
    specialists: list[Specialist] = field(default_factory=list)
    """In the order in which they were trained."""
    best: BasePolicy | None = None
    """The policy with the best guarantee."""
    lower: float | None = None
    """Its scalarised return in the worst model that its search found."""
    verified: float | None = None
    """Its scalarised return in the worst model of a closed grid, in fresh episodes; None until the preference came to its
    end."""
    upper: float | None = None
    """Smallest over the specialists' models of the best scalarised return that was seen there."""
    status: Literal["running", "converged", "stalled", "exhausted"] = "running"
    """How it ended."""
    pending: list[list[float]] = field(default_factory=list)
    """Models in which specialists are being trained."""
    pending_reached: list[float] = field(default_factory=list)
    """What the policy before reached in each of them."""

    @property
    def gap(self) -> float | None:
        """``upper - lower``, where both are known; ``lower`` as verified, once it is."""
        lower = self.lower if self.verified is None else self.verified
        return None if self.upper is None or lower is None else self.upper - lower

    def known(self, dimensions: int) -> Array:
        """Models of its specialists, ``(J, k)``."""
        return np.array([s.model for s in self.specialists], dtype=np.float64).reshape(-1, dimensions)


class IWOCSLearner:
    """A live IWOCS run: one inner learner, whose members are (preference, model) pairs, and what was frozen so far."""

    def __init__(self, solver: IWOCS, *, env: EnvFactory, region: Region, task: Task, seed: int, device: torch.device) -> None:
        """Build the inner learner of the default policies; see :meth:`robust.IWOCS.make`."""
        if not task.utility.scalarization.is_linear:
            raise CapabilityError(
                f"IWOCS scalarises every kernel's values with a weighted sum; {type(task.utility.scalarization).__name__} is "
                "not linear, so the worst kernel of the sum says nothing about it. Use WeightedSum"
            )
        self.solver, self.env, self.region, self.seed, self.device = solver, env, region, seed, device
        self.inner_solver: Any = solver.inner_solver()
        self.task = replace(task, utility=task.utility.to(device))
        self.subs = [SubProblem(uid=i) for i in range(task.num_members)]
        self._next_uid = len(self.subs)
        self.stage: Literal["train", "search", "done"] = "train"
        self._last_pairs: list[tuple[int, list[float] | None]] = []
        self.phase = 0
        self.history: list[dict[str, Any]] = []
        self.spent = {"training": 0, "search": 0, "evaluation": 0}
        self._earlier = {"acting": 0.0, "environment": 0.0, "learning": 0.0, "search": 0.0}
        evaluation: Evaluation = env.evaluator(gamma=solver.gamma, device=device).evaluation
        self.judge = Evaluator(
            env,
            replace(
                evaluation, episodes=solver.rollouts, gamma=solver.search_gamma, deterministic=True,
                seed=stream_seed(seed, "iwocs/search"), max_rows=MOST_SEARCH_ROWS,
            ),
            gamma=solver.search_gamma,
            device=device,
        )  # fmt: skip
        self.inner: Any = self._make_inner()

    # ------------------------------------------------------------------ the inner learner

    @property
    def n(self) -> int:
        """Number of preferences."""
        return len(self.subs)

    @property
    def uids(self) -> list[int]:
        """Identity of each preference."""
        return [sub.uid for sub in self.subs]

    def _pairs(self) -> list[tuple[int, list[float] | None]]:
        """The inner members: preference and model, ordered by preference."""
        if self.phase == 0:
            return [(i, None) for i in range(self.n)]
        if self.stage == "done":
            return self._last_pairs
        return [(i, model) for i, sub in enumerate(self.subs) for model in sub.pending]

    def _inner_task(self) -> Task:
        pairs = self._pairs()
        utility = self.task.utility.select(torch.tensor([i for i, _ in pairs]))
        space = self.region.space
        if self.phase == 0 and (self.solver.init == "dr" or bool((self.region.nominal == space.nominal).all())):
            return Task(utility=utility)
        models = [self.region.nominal.tolist() if model is None else model for _, model in pairs]
        return Task(utility=utility, dynamics=torch.tensor(models, dtype=torch.float64))

    def _make_inner(self) -> Any:
        randomised = self.phase == 0 and self.solver.init == "dr"
        env = RandomisedProblem(self.env, self.region) if randomised else self.env
        seed = self.seed if self.phase == 0 else stream_seed(self.seed, "iwocs/phase", 0, self.phase)
        return self.inner_solver.make(env, self._inner_task(), seed=seed, device=self.device)

    def _members_of(self, chosen: Sequence[int]) -> list[int]:
        """Inner members of some preferences."""
        wanted = set(chosen)
        return [j for j, (i, _) in enumerate(self._pairs()) if i in wanted]

    def _left(self, member: int) -> int:
        """Environment steps that an inner member still has to train in this phase."""
        solver = self.solver
        target = solver.default_steps if self.phase == 0 else solver.steps_per_iteration
        if solver.total_steps is not None and self.phase == solver.iterations:
            # What the searches left over, but for the last one.
            earlier = self.spent["training"] - int(self.inner.member_steps.sum()) + self.spent["search"]
            target = (solver.total_steps * self.n - earlier - self._search_limit()) // self.inner.n
        return max(0, target - int(self.inner.member_steps[member]))

    def _training(self, members: Sequence[int] | None) -> tuple[list[int], int]:
        """Inner members that train now, and how many steps they may take together before somebody is done."""
        able = list(range(self.inner.n)) if members is None else self._members_of(members)
        due = [j for j in able if self._left(j)]
        return due, min((self._left(j) for j in due), default=0) * len(due)

    # ------------------------------------------------------------------ the loop

    @property
    def is_finished(self) -> bool:
        """Whether every preference came to its end."""
        return self.stage == "done"

    @property
    def round_steps(self) -> int:
        """Environment steps of the next round, at most; see :class:`morl.protocols.Learner`."""
        return self.next_round()

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round, at most; a whole search is one round."""
        due, limit = self._training(members)
        if self.stage == "train" and due:
            return min(int(self.inner.next_round(due)), limit)
        if self.stage == "train" and members is None:
            return self._search_limit()
        return int(self.inner.next_round(None if members is None else self._members_of(members) or None))

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train and search; see :meth:`morl.protocols.Learner.learn`.

        A search is never cut. If it does not fit into the budget, the steps go into more training of those who train anyway.
        """
        before = dict(self.spent)

        def so_far() -> int:
            return self.spent["training"] + self.spent["search"] - before["training"] - before["search"]

        while (used := so_far()) < env_steps:
            needed = self.next_round(members)
            if used and (needed > env_steps - used or self.stage == "done"):
                break
            due, limit = self._training(members)
            if self.stage == "train" and due:
                self.spent["training"] += self.inner.learn(min(env_steps - used, limit), due)["training"]
            elif self.stage == "train" and members is None and needed <= env_steps - used:
                self._search()
            else:
                some = None if members is None else self._members_of(members) or None
                self.spent["training"] += self.inner.learn(env_steps - used, some)["training"]
        return {purpose: self.spent[purpose] - before[purpose] for purpose in self.spent}

    # ------------------------------------------------------------------ searching

    def _active(self) -> list[int]:
        return [i for i, sub in enumerate(self.subs) if sub.status == "running"]

    def _known_models(self) -> Array:
        """Models that were ever trained in, for any preference: neighbours share their worst kernels."""
        every = [s.model for sub in self.subs for s in sub.specialists] + [m for sub in self.subs for m in sub.pending]
        found = np.array(every, dtype=np.float64).reshape(-1, len(self.region.space))
        return np.unique(found, axis=0)

    def _episode_limit(self) -> int:
        limit = self.judge.evaluation.max_episode_steps
        return limit if self.env.spec.max_episode_steps is None else min(limit, self.env.spec.max_episode_steps)

    def _search_limit(self) -> int:
        """Environment steps of the search that is due, at most."""
        new = self.inner.n if self.phase or self.solver.init == "nominal" else 0
        # The nominal model joins those known if it was the one that was trained in.
        known = len(self._known_models()) + (1 if self.phase == 0 and new else 0)
        candidates = self.solver.search.evaluations(self.region) + known
        choices = self._number_of_choices() if new else 1
        return (len(self._active()) * choices * candidates + new) * self.solver.rollouts * self._episode_limit()

    def _number_of_choices(self) -> int:
        return len(self.solver.validity.thresholds([Fit({}, torch.zeros(1))]))

    def _search(self) -> None:
        """Freeze what was trained, look for the worst model of every preference's policy, and say what comes next."""
        start = time.perf_counter()
        self._last_pairs = self._pairs()
        critic, choices = self._freeze()
        active = self._active()
        problems = [(i, r) for i in active for r in range(len(choices[i]))]
        policies = [self._policy(self.subs[i], critic, choices[i][r]) for i, r in problems]
        before = self.judge.env_steps
        weights = self._linear_weights()[[i for i, _ in problems]]

        def objective(generations: list[Array]) -> list[Array]:
            same = all(np.array_equal(generation, generations[0]) for generation in generations)
            if same:
                found = self.judge(policies, dynamics=torch.from_numpy(generations[0])).discounted.mean(2)
            else:
                each = zip(policies, generations, strict=True)
                found = np.concatenate([self.judge([p], dynamics=torch.from_numpy(g)).discounted.mean(2) for p, g in each])
            return list(np.einsum("pkm,pm->pk", found, weights))

        rngs = [stream(self.seed, f"iwocs/search/{r}", self.subs[i].uid, self.phase) for i, r in problems]
        results = minimise_side_by_side(self.solver.search, objective, self.region, rngs=rngs, first=self._known_models())
        self._judge_specialists(active)
        self.spent["search"] += self.judge.env_steps - before
        for i in active:
            mine = [p for p, (owner, _) in enumerate(problems) if owner == i]
            # Among equals the largest threshold, as published.
            chosen = max(mine, key=lambda p: (results[p].value, p))
            self._conclude(i, policies[chosen], choices[i][problems[chosen][1]], results[chosen])
        self._verify([i for i in active if self.subs[i].status != "running"])
        self._earlier["search"] += time.perf_counter() - start
        if any(sub.pending for sub in self.subs):
            self.phase += 1
            for purpose, seconds in self.inner.timing.items():
                self._earlier[purpose] += seconds
            self.inner = self._make_inner()
        else:
            self.stage = "done"

    def _freeze(self) -> tuple[FrozenCritic, dict[int, list[list[float]]]]:
        """Turn the inner members into default policies or specialists.

        Returns:
            Shape of the critics, and for each active preference the choices of thresholds of all its specialists.
        """
        critic, critics = frozen_critic(self.inner)
        actors = [{name: value.clone() for name, value in policy.tensors().items()} for policy in self.inner.policies()]
        pairs = self._pairs()
        if self.phase == 0:
            for sub, actor in zip(self.subs, actors, strict=True):
                sub.default = actor
            if self.solver.init == "dr":
                return critic, {i: [[]] for i in self._active()}
        generators = [
            torch_stream(self.seed, f"iwocs/validity/{j}", self.subs[i].uid, self.phase) for j, (i, _) in enumerate(pairs)
        ]
        fits = self.solver.validity.fit([self._experience(j) for j in range(len(pairs))], generators=generators)
        new: dict[int, list[Fit]] = {}
        for j, (i, model) in enumerate(pairs):
            own = self.region.nominal.tolist() if model is None else model
            before = None if model is None else self.subs[i].pending_reached[len(new.get(i, []))]
            self.subs[i].specialists.append(Specialist(own, actors[j], critics[j], fits[j].parameters, reached=before))
            new.setdefault(i, []).append(fits[j])
        choices: dict[int, list[list[float]]] = {}
        for i in self._active():
            sub = self.subs[i]
            sub.pending, sub.pending_reached = [], []
            earlier = [s.threshold for s in sub.specialists[: len(sub.specialists) - len(new[i])]]
            choices[i] = [earlier + choice for choice in self.solver.validity.thresholds(new[i])]
        return critic, choices

    def _experience(self, member: int) -> Experience:
        stored = self.inner.ring.stored(member)
        actions = stored["action"]
        finite: FiniteActions | None = self.inner.finite
        if finite is not None:
            actions = finite.one_hot(finite.stored_index(actions))
        return Experience(stored["observation"], actions, stored["next_observation"])

    def _linear_weights(self) -> Array:
        """Weights of every preference, ``(n, m)``."""
        utility = self.task.utility
        weights: Array = utility.linearised(torch.zeros_like(utility.weights)).cpu().numpy().astype(np.float64)
        return weights

    def _actor_config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.inner.policies()[0].config()
        return config

    def _policy(self, sub: SubProblem, critic: FrozenCritic, thresholds: Sequence[float]) -> BasePolicy:
        """What a preference would do with these thresholds."""
        config, spec = self._actor_config(), self.env.spec
        if not sub.specialists:
            return policy_from(config, sub.default)
        actors = [sub.default, *(s.actor for s in sub.specialists)]
        weights = torch.as_tensor(self._linear_weights()[self.subs.index(sub)], dtype=torch.float32, device=self.device)
        parameters = {f"actor/{name}": torch.stack([actor[name] for actor in actors], 1) for name in sub.default}
        parameters |= {
            f"critic/{k}": torch.stack([s.critic[k] for s in sub.specialists], 1) for k in range(len(sub.specialists[0].critic))
        }
        parameters |= {
            f"monitor/{name}": torch.stack([s.monitor[name] for s in sub.specialists], 1) for name in sub.specialists[0].monitor
        }
        parameters |= {"thresholds": torch.tensor([list(thresholds)], device=self.device), "weights": weights.unsqueeze(0)}
        monitor = self.solver.validity.monitor(self.inner.encoder.width, self.inner.num_actions)
        return CompositePolicy(spec.observation_space, spec.action_space, config, critic, monitor, parameters)

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
        self.history.append(
            {
                "preference": sub.uid,
                "iteration": self.phase,
                "specialists": len(sub.specialists),
                "worst_value": result.value,
                "lower": sub.lower,
                "upper": sub.upper,
                "gap": sub.gap,
                "status": sub.status,
                **{f"worst_{name}": value for name, value in region.space.mapping(result.params).items()},
                "evaluations": result.evaluations,
                "training_steps": self.spent["training"],
                "search_steps": self.spent["search"],
                "usage_default": shares[0],
                **{f"usage_{j}": share for j, share in enumerate(shares[1:], 1)},
                **{f"value_{j}": s.value for j, s in enumerate(sub.specialists, 1)},
                **{f"reached_{j}": s.reached for j, s in enumerate(sub.specialists, 1)},
                **{f"threshold_{j}": s.threshold for j, s in enumerate(sub.specialists, 1)},
                **{
                    f"kernel_{j}_{name}": value
                    for j, s in enumerate(sub.specialists, 1)
                    for name, value in region.space.mapping(np.array(s.model)).items()
                },
            }
        )

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

    # ------------------------------------------------------------------ as a learner

    @property
    def timing(self) -> dict[str, float]:
        """Seconds by purpose."""
        return {purpose: seconds + self.inner.timing.get(purpose, 0.0) for purpose, seconds in self._earlier.items()}

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """The policy with the best guarantee so far of each preference; before the first search, the one in training."""
        del weights
        current = self.inner.policies() if self.phase == 0 else []
        return [current[i] if sub.best is None else sub.best for i, sub in enumerate(self.subs)]

    def waits_for(self) -> str:
        """What the inner learner's first update waits for."""
        return self.inner.waits_for() if isinstance(self.inner, HasFirstUpdate) else ""

    def statistics(self) -> dict[str, float]:
        """Of the inner learner, and how far the search is."""
        statistics: dict[str, float] = self.inner.statistics()
        return {**statistics, "phase": float(self.phase), "specialists": float(sum(len(s.specialists) for s in self.subs))}

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Give preferences new weights; see :meth:`morl.protocols.Learner.set_task`. What is frozen stays as it is."""
        utility = task.utility.to(self.device)
        if members is None and task.num_members != self.n:
            raise ShapeError(f"the task is for {task.num_members} members but there are {self.n}; reindex first")
        if members is not None:
            weights = self.task.utility.weights.clone()
            weights[torch.as_tensor(list(members))] = utility.weights
            utility = replace(utility, weights=weights)
        self.task = Task(utility=utility)
        self.inner.set_task(self._inner_task())

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Make a population of copies; see :meth:`morl.protocols.Learner.reindex`."""
        rows = [self._members_of([s]) for s in source]
        inner_source = [j for group in rows for j in group]
        inner_fresh = [is_fresh for group, is_fresh in zip(rows, fresh, strict=True) for _ in group]
        subs = []
        for s, is_fresh in zip(source, fresh, strict=True):
            old = self.subs[s]
            uid = old.uid
            if is_fresh:
                uid, self._next_uid = self._next_uid, self._next_uid + 1
            copies = [replace(specialist) for specialist in old.specialists]
            subs.append(
                replace(
                    old,
                    uid=uid,
                    specialists=copies,
                    pending=[list(model) for model in old.pending],
                    pending_reached=list(old.pending_reached),
                )
            )
        self.task = Task(utility=self.task.utility.select(torch.as_tensor(list(source))))
        self.inner.reindex(inner_source, inner_fresh)
        self._last_pairs = [(new, model) for new, s in enumerate(source) for i, model in self._last_pairs if i == s]
        self.subs = subs

    # ------------------------------------------------------------------ reports and state

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """Bounds, history and, for a single preference, the certificate and the return map of the best policy."""
        del kept
        tables: dict[str, Any] = {"iterations": self.history, "bounds": self._bounds()}
        figures: dict[str, Figure] = {}
        only = self.subs[0]
        if self.n > 1:
            return Report(tables=tables)
        if only.lower is None:
            nothing = Certificate(
                lower=-np.inf,
                upper=np.inf,
                gap=np.inf,
                status="budget",
                semantics=(
                    "nothing is known: the budget ended before the first search, which comes after default_steps "
                    f"({self.solver.default_steps:,} environment steps per preference); raise env_steps or lower default_steps"
                ),
            )
            return Report(certificate=nothing, tables=tables)
        evaluator = self.solver.evaluator(self.env, device=self.device)
        found = return_map(evaluator, self.policies()[0], self.region, points_per_dimension=self.solver.grid_points)
        tables["return_map"] = found.table()
        figures["return_map"] = found.figure("Return by transition model")
        upper = np.inf if only.upper is None else only.upper
        lower = only.lower if only.verified is None else only.verified
        where = "the search found" if only.verified is None else "a closed grid has, in fresh episodes"
        certificate = Certificate(
            lower=lower,
            upper=upper,
            gap=upper - lower,
            status="budget" if only.status == "running" else only.status,
            semantics=(
                f"estimates: return in the worst model that {where}, and smallest over the specialists' models of the best "
                f"return seen there; static models, discount {self.solver.search_gamma:g}, {self.solver.rollouts} episodes each"
            ),
        )
        return Report(certificate=certificate, tables=tables, figures=figures, env_steps=evaluator.env_steps)

    def _bounds(self) -> list[dict[str, Any]]:
        """One row per preference."""
        return [
            {
                "preference": sub.uid,
                **{f"weight_{k}": float(w) for k, w in enumerate(weights)},
                "lower": sub.lower,
                "verified": sub.verified,
                "upper": sub.upper,
                "gap": sub.gap,
                "status": "budget" if sub.status == "running" else sub.status,
                "specialists": len(sub.specialists),
            }
            for sub, weights in zip(self.subs, self._linear_weights(), strict=True)
        ]

    def state(self) -> State:
        """Everything needed to go on exactly."""
        state: State = {
            "stage": self.stage,
            "phase": self.phase,
            "next_uid": self._next_uid,
            "history": self.history,
            "spent": dict(self.spent),
            "judged": self.judge.env_steps,
            "weights": self.task.utility.weights,
            "subs": [_plain(sub) for sub in self.subs],
            "last_pairs": [list(pair) for pair in self._last_pairs],
            **prefixed("inner", self.inner.state()),
        }
        if self.task.utility.scale is not None:
            state["scale"] = self.task.utility.scale
        for i, sub in enumerate(self.subs):
            state |= prefixed(f"default/{i}", sub.default)
            if sub.best is not None:
                state |= prefixed(f"best/{i}", sub.best.tensors())
            for j, s in enumerate(sub.specialists):
                here = f"specialist/{i}/{j}"
                state |= prefixed(f"{here}/actor", s.actor) | prefixed(f"{here}/monitor", s.monitor)
                state |= {f"{here}/critic/{k}": p for k, p in enumerate(s.critic)}
        return state

    def load_state(self, state: State) -> None:
        """Go on from a saved state."""
        counts = (state["phase"], state["next_uid"], state["judged"], *state["spent"].values())
        if state["stage"] not in ("train", "search", "done") or any(type(count) is not int or count < 0 for count in counts):
            raise CheckpointError(
                f"the saved IWOCS is at stage {state['stage']!r:.40} and counts {counts!r:.80}; it was changed"
            )
        self.stage, self.phase, self._next_uid = state["stage"], int(state["phase"]), int(state["next_uid"])
        self.history = [dict(row) for row in state["history"]]
        self.spent, self.judge.env_steps = dict(state["spent"]), int(state["judged"])
        utility: Utility = replace(
            self.task.utility,
            weights=state["weights"].to(self.device).clone(),
            scale=state["scale"].to(self.device).clone() if "scale" in state else None,
        )
        self.task = Task(utility=utility)
        self.subs = [self._restored(i, plain, state) for i, plain in enumerate(state["subs"])]
        self._last_pairs = [(int(i), model) for i, model in state["last_pairs"]]
        self.inner = self._make_inner()
        self.inner.load_state(unprefixed("inner", state))

    def _restored(self, i: int, plain: dict[str, Any], state: State) -> SubProblem:
        def tensors(prefix: str) -> dict[str, Tensor]:
            return {name: value.to(self.device).clone() for name, value in unprefixed(prefix, state).items()}

        specialists = []
        for j, about in enumerate(plain["specialists"]):
            here = f"specialist/{i}/{j}"
            critic = tensors(f"{here}/critic")
            ordered = [critic[str(k)] for k in range(len(critic))]
            specialists.append(
                Specialist(
                    about["model"],
                    tensors(f"{here}/actor"),
                    ordered,
                    tensors(f"{here}/monitor"),
                    about["threshold"],
                    about["value"],
                    about["reached"],
                )
            )
        best = None if plain["best"] is None else policy_from(plain["best"], tensors(f"best/{i}"))
        return SubProblem(
            uid=plain["uid"], default=tensors(f"default/{i}"), specialists=specialists, best=best, lower=plain["lower"],
            upper=plain["upper"], verified=plain["verified"], status=plain["status"], pending=plain["pending"],
            pending_reached=plain["pending_reached"],
        )  # fmt: skip


def _plain(sub: SubProblem) -> dict[str, Any]:
    """What JSON can hold of a preference."""
    return {
        "uid": sub.uid,
        "lower": sub.lower,
        "upper": sub.upper,
        "verified": sub.verified,
        "status": sub.status,
        "pending": sub.pending,
        "best": None if sub.best is None else sub.best.config(),
        "pending_reached": sub.pending_reached,
        "specialists": [
            {"model": s.model, "threshold": s.threshold, "value": s.value, "reached": s.reached} for s in sub.specialists
        ],
    }
