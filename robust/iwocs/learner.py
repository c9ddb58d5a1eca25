"""The live form of IWOCS in simulators: train, search, add, as a machine that can stop and go on anywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from morl.capabilities import CountsSteps, HasCritics, HasExperience, HasFirstUpdate
from morl.errors import CapabilityError, CheckpointError, ShapeError
from morl.evaluation import Evaluation, Evaluator, Report
from morl.protocols import EnvFactory, Policy, State, prefixed, unprefixed
from morl.seeding import stream, stream_seed
from morl.spending import spend
from morl.task import Task, Utility
from robust.evaluation import return_map
from robust.iwocs.report import bounds_of, certificate_of
from robust.iwocs.specialists import Inner, Specialists
from robust.iwocs.sub_problems import SubProblem, restored, saved
from robust.randomisation import RandomisedProblem
from robust.search.base import minimise_side_by_side
from robust.uncertainty.base import Array, Region
from robust.validity.base import Fit

if TYPE_CHECKING:
    from robust.iwocs.solver import IWOCS

MOST_SEARCH_ROWS = 1_024
"""Environments alive at once while a search evaluates."""


class IWOCSLearner(Specialists):
    """A live IWOCS run: one inner learner, whose members are (preference, model) pairs, and what was frozen so far."""

    def __init__(
        self,
        solver: IWOCS,
        *,
        env: EnvFactory,
        region: Region,
        task: Task,
        seed: int,
        device: torch.device,
        evaluation: Evaluation,
    ) -> None:
        """Build the inner learner of the default policies; see :meth:`robust.IWOCS.make_evaluating`."""
        if not task.utility.scalarization.is_linear:
            raise CapabilityError(
                f"IWOCS scalarises every kernel's values with a weighted sum; {type(task.utility.scalarization).__name__} is "
                "not linear, so the worst kernel of the sum says nothing about it. Use WeightedSum"
            )
        self.solver, self.env, self.region, self.seed, self.device = solver, env, region, seed, device
        self.inner_solver, self.evaluation = solver.inner_solver(), evaluation
        self.task = replace(task, utility=task.utility.to(device))
        self.subs = [SubProblem(uid=i) for i in range(task.num_members)]
        self._next_uid = len(self.subs)
        self.stage: Literal["train", "search", "done"] = "train"
        self._last_pairs: list[tuple[int, list[float] | None]] = []
        self.phase = 0
        self.history: list[dict[str, Any]] = []
        self.spent = {"training": 0, "search": 0, "evaluation": 0}
        self._earlier = {"acting": 0.0, "environment": 0.0, "learning": 0.0, "search": 0.0}
        self.judge = Evaluator(
            env,
            replace(
                evaluation, episodes=solver.rollouts, gamma=solver.search_gamma, deterministic=True,
                seed=stream_seed(seed, "iwocs/search"), max_rows=MOST_SEARCH_ROWS,
            ),
            gamma=solver.search_gamma,
            device=device,
        )  # fmt: skip
        self.inner = self._make_inner()

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

    def _make_inner(self) -> Inner:
        randomised = self.phase == 0 and self.solver.init == "dr"
        env = RandomisedProblem(self.env, self.region) if randomised else self.env
        seed = self.seed if self.phase == 0 else stream_seed(self.seed, "iwocs/phase", 0, self.phase)
        made = self.inner_solver.make(env, self._inner_task(), seed=seed, device=self.device)
        if isinstance(made, HasCritics) and isinstance(made, HasExperience) and isinstance(made, CountsSteps):
            return cast(Inner, made)
        raise CapabilityError(
            "IWOCS needs a learner with critics, experience and counted steps, which "
            f"{type(self.inner_solver).__name__} does not make; use MOSAC, MOPPO or MODQN"
        )

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

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round, at most; a whole search is one round."""
        due, limit = self._training(members)
        if self.stage == "train" and due:
            return min(self.inner.next_round(due), limit)
        if self.stage == "train" and members is None:
            return self._search_limit()
        return self.inner.next_round(None if members is None else self._members_of(members) or None)

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train and search; see :meth:`morl.protocols.Learner.learn`."""
        return {"training": 0, "search": 0, "evaluation": 0} | spend(self, env_steps, members)

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take the next round; see :meth:`morl.spending.TakesRounds.round`.

        A search is never cut. If it does not fit into the budget, the steps go into more training of those who train anyway.
        """
        before = dict(self.spent)
        due, limit = self._training(members)
        if self.stage == "train" and due:
            self.spent["training"] += self.inner.learn(min(budget, limit, self.inner.next_round(due)), due)["training"]
        elif self.stage == "train" and members is None and self._search_limit() <= budget:
            self._search()
        else:
            some = None if members is None else self._members_of(members) or None
            self.spent["training"] += self.inner.learn(min(budget, self.inner.next_round(some)), some)["training"]
        return {purpose: self.spent[purpose] - before[purpose] for purpose in self.spent}

    # ------------------------------------------------------------------ searching

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
        choices = self._freeze()
        active = self._active()
        problems = [(i, r) for i in active for r in range(len(choices[i]))]
        policies = [self._policy(self.subs[i], choices[i][r]) for i, r in problems]
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

    # ------------------------------------------------------------------ as a learner

    @property
    def timing(self) -> dict[str, float]:
        """Seconds by purpose."""
        return {purpose: seconds + self.inner.timing.get(purpose, 0.0) for purpose, seconds in self._earlier.items()}

    def policies(self) -> list[Policy]:
        """The policy with the best guarantee so far of each preference; before the first search, the one in training."""
        current = self.inner.policies() if self.phase == 0 else []
        return [current[i] if sub.best is None else sub.best for i, sub in enumerate(self.subs)]

    def waits_for(self) -> str:
        """What the inner learner's first update waits for."""
        return self.inner.waits_for() if isinstance(self.inner, HasFirstUpdate) else ""

    def statistics(self) -> dict[str, float]:
        """Of the inner learner, and how far the search is."""
        specialists = float(sum(len(sub.specialists) for sub in self.subs))
        return {**self.inner.statistics(), "phase": float(self.phase), "specialists": specialists}

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
        tables = {"iterations": self.history, "bounds": bounds_of(self.subs, self._linear_weights())}
        if self.n > 1:
            return Report(tables=tables)
        only, solver = self.subs[0], self.solver
        certificate = certificate_of(only, solver)
        if only.lower is None:
            return Report(certificate=certificate, tables=tables)
        evaluator = solver.evaluator(self.env, self.evaluation, device=self.device)
        found = return_map(evaluator, self.policies()[0], self.region, points_per_dimension=solver.grid_points)
        return Report(
            certificate=certificate,
            tables={**tables, "return_map": found.table()},
            figures={"return_map": found.figure("Return by transition model")},
            env_steps=evaluator.env_steps,
        )

    def state(self) -> State:
        """Everything needed to go on exactly."""
        utility = self.task.utility
        return {
            "stage": self.stage,
            "phase": self.phase,
            "next_uid": self._next_uid,
            "history": self.history,
            "spent": dict(self.spent),
            "judged": self.judge.env_steps,
            "weights": utility.weights,
            **({} if utility.scale is None else {"scale": utility.scale}),
            "last_pairs": [list(pair) for pair in self._last_pairs],
            **saved(self.subs),
            **prefixed("inner", self.inner.state()),
        }

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
        self.subs = restored(state, self.device)
        self._last_pairs = [(int(i), model) for i, model in state["last_pairs"]]
        self.inner = self._make_inner()
        self.inner.load_state(unprefixed("inner", state))
