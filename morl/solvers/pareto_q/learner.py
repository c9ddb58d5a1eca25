"""Pareto Q-learning: the live learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.action_spaces import supported_actions
from morl.errors import CapabilityError
from morl.evaluation.report import Certificate, Report
from morl.members import Counter, Owns, PerRow, SharedPart
from morl.policies.tracking import TrackingPolicy, naming_weights
from morl.population import PopulationLearner
from morl.protocols import Candidate, EnvFactory, Policy, Rows, Transition
from morl.solvers.pareto_q.determinism import require_deterministic
from morl.solvers.pareto_q.scores import SCORES
from morl.solvers.pareto_q.sets import UNTRIED, ValueSets, refusal
from morl.spaces import StateIndexer
from morl.task import Task

if TYPE_CHECKING:
    from morl.solvers.pareto_q.solver import ParetoQLearning

Array = npt.NDArray[np.float64]


class ParetoQLearner(PopulationLearner):
    """A table of sets, filled by all environment rows; members are groups of rows, and their weights play no part."""

    owns: Owns = (Counter("start"), SharedPart("sets"), PerRow("explores"))
    serves_preferences = False

    def __init__(self, solver: ParetoQLearning, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Begin with empty sets; see :meth:`morl.protocols.Solver.make`.

        Raises:
            CapabilityError: A few steps show that chance plays a part.
        """
        finite = supported_actions(env.spec.action_space, "ParetoQLearning", boxes="none", joint="always")
        assert finite is not None
        self.indexer = StateIndexer(env.spec.observation_space)
        require_deterministic(env, finite, seed=seed)
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver, self.finite = solver, finite
        self.start = -1
        """State in which episodes begin; -1 before the first one."""
        self.sets = ValueSets(
            self.indexer.num_states, finite.width, self.m,
            gamma=solver.gamma, resolution=solver.resolution, most=solver.max_vectors,
        )  # fmt: skip
        self.explores = np.zeros(len(self._all_rows), dtype=np.bool_)
        """Rows whose episode goes where nobody was, ``(R,)``."""
        self.declare_statistics("front_vectors", "untried_actions", "waiting_states")

    @property
    def is_finished(self) -> bool:  # type: ignore[override]
        """Whether all that can be reached was tried, and every set is up to date: nothing would change any more."""
        return self.sets.is_complete

    def _reset_ended(self, rows: Rows) -> None:
        began = rows[self.ended[rows]]
        super()._reset_ended(rows)
        if not len(began):
            return
        assert self.observations is not None
        states = self.indexer(self.observations[torch.from_numpy(began)]).cpu().numpy()
        if self.start < 0:
            self.start = int(states[0])
        if (other := states[states != self.start]).size:
            raise CapabilityError(refusal(f"episodes began in state {self.start}, then in state {other[0]}"))
        self.sets.reach(states)
        if self.solver.exploration == "untried":
            # A way to something new is no use to whoever leaves it after every other step.
            self.explores[began] = self._drawn(len(began)) < self._epsilon(began)

    # ------------------------------------------------------------------ acting and learning

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        self._states = self.indexer(observations).cpu().numpy()
        scores = np.stack([self._scores(state) for state in self._states.tolist()])
        if self.solver.exploration == "random":
            scores[self._drawn(len(rows)) < self._epsilon(rows)] = 0.0
        elif self.sets.untried:
            steps = self.sets.towards_untried(self._states, self.start)
            scores[self.explores[rows]] = -steps[self.explores[rows]]
        # One of those that are equally good.
        equals = scores == scores.max(1, keepdims=True)
        place = np.minimum((self._drawn(len(rows)) * equals.sum(1)).astype(np.int64), equals.sum(1) - 1)
        self._taken: npt.NDArray[np.int64] = (equals.cumsum(1) > place[:, None]).argmax(1)
        return self.finite.actions(torch.from_numpy(self._taken).to(self.device))

    def _drawn(self, count: int) -> Array:
        """Uniform random numbers, ``(count,)``."""
        return torch.rand(count, generator=self.acting, device=self.device).cpu().numpy().astype(np.float64)

    def _epsilon(self, rows: Rows) -> Array:
        """Probability with which some rows explore, ``(r,)``."""
        fraction = np.clip(self.member_steps[self.row_member[rows]] / self.solver.epsilon_steps, 0.0, 1.0)
        epsilon: Array = self.solver.epsilon_start + fraction * (self.solver.epsilon_end - self.solver.epsilon_start)
        return epsilon

    def _scores(self, state: int) -> Array:
        """What the actions of a state are worth, ``(A,)``; infinity for those that nobody took."""
        sets = self.sets
        if state not in sets.derived:
            values, actions = sets.candidates(state)
            reference = sets.low if self.solver.reference_point is None else np.array(self.solver.reference_point)
            scores = SCORES[self.solver.score](values, actions, num_actions=self.finite.width, reference=reference)
            sets.derived[state] = np.where(sets.next_states[state] == UNTRIED, np.inf, scores)
        return sets.derived[state]

    def _remember(self, step: Transition) -> None:
        following = self.indexer(step.next_observations).cpu().numpy()
        ends = step.terminated.cpu().numpy()
        rewards = step.rewards.cpu().numpy().astype(np.float64)
        self.sets.record(self._states, self._taken, rewards, following, ends)
        self.sets.reach(following[~ends])

    def _improve(self, members: Rows, steps: Rows) -> None:
        sets = self.sets
        sets.sweep(self.solver.backups_per_step * int(steps.sum()))
        found = (len(sets.vectors[self.start]), sets.untried, int(np.count_nonzero(sets.waiting)))
        names = ("front_vectors", "untried_actions", "waiting_states")
        index = torch.from_numpy(members)
        values = torch.tensor(found, dtype=torch.float32, device=self.device)
        self.note_statistics(index, **{name: values[i].expand(len(index)) for i, name in enumerate(names)})

    def waits_for(self) -> str:
        """What the first vector of the start's set waits for; see :class:`morl.capabilities.HasFirstUpdate`."""
        if self.start >= 0 and len(self.sets.vectors[self.start]):
            return ""
        return (
            "no episode ended by itself (terminated) yet, and Pareto Q-learning knows returns of sequences that end only; "
            "raise the time limit of the environment, or use MORLD where nothing ever ends"
        )

    # ------------------------------------------------------------------ what was found

    def policies(self) -> list[Policy]:
        """One policy for all vectors; see :class:`~morl.policies.tracking.TrackingPolicy`."""
        counts = torch.tensor([len(vectors) for vectors in self.sets.vectors])
        tables = {
            "counts": counts,
            "vectors": torch.from_numpy(np.concatenate(self.sets.vectors)),
            "actions": torch.from_numpy(np.concatenate(self.sets.actions)),
            "unit": torch.from_numpy(self.sets.unit),
        }
        policy = TrackingPolicy(
            self.spec.observation_space, self.spec.action_space, self.gamma, max(self.start, 0),
            **{name: tensor.unsqueeze(0).to(self.device) for name, tensor in tables.items()},
            targets=torch.zeros(1, self.m, dtype=torch.float64, device=self.device),
        )  # fmt: skip
        return [policy.at(np.full(self.m, 1.0 / self.m))]

    def candidates(self) -> list[Candidate]:
        """One for each vector of the start's set; see :class:`morl.capabilities.HasCandidates`."""
        policy = self.policies()[0]
        assert isinstance(policy, TrackingPolicy)
        front = policy.front
        weights = naming_weights(front) if len(front) else np.full((1, self.m), 1.0 / self.m)
        return [Candidate(policy, w, self.uids[0]) for w in weights]

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """How far the start's set is from the front of all policies that end their episodes."""
        del kept
        sets = self.sets
        if self.start < 0 or not len(sets.vectors[self.start]):
            return Report()
        bound = float(sets.error_bound(self.spec.max_episode_steps)[self.start].max())
        complete = sets.is_complete
        left = f"{sets.untried} actions untried, {np.count_nonzero(sets.waiting)} states wait for a backup"
        return Report(
            certificate=Certificate(
                lower=0.0,
                upper=bound if complete else np.inf,
                gap=bound if complete else np.inf,
                status="complete" if complete else left,
                semantics=(
                    "the most by which, in any objective, a policy that ends its episodes may return more than following the "
                    "vector of the start's set that is closest to it, in a world as deterministic as all steps were"
                    + ("" if complete else f"; {bound:g} among the actions that were tried")
                ),
                proven=complete,
            )
        )
