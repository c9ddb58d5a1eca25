"""Reward-aware learning: the live learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.tabular.tables import Tables
from morl.action_spaces import supported_actions
from morl.members import Owns, SharedPart
from morl.policies.reward_aware import RewardAwarePolicy
from morl.population import PopulationLearner
from morl.protocols import EnvFactory, Policy, Rows, Transition
from morl.solvers.reward_aware.model import ObservedModel
from morl.solvers.reward_aware.planning import Expanded, expanded, plan
from morl.spaces import StateIndexer
from morl.task import Task

if TYPE_CHECKING:
    from morl.solvers.reward_aware.solver import RewardAwareLearning


class RewardAwareLearner(PopulationLearner):
    """One model of the world, filled by the rows of all members; a member is a utility to plan for."""

    owns: Owns = (SharedPart("model"),)

    def __init__(self, solver: RewardAwareLearning, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Begin without knowledge; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "RewardAwareLearning", boxes="none", joint="always")
        assert finite is not None
        self.indexer = StateIndexer(env.spec.observation_space)
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver, self.finite = solver, finite
        self.model = ObservedModel(self.indexer.num_states, finite.width, self.m)
        self._expanded: Expanded | None = None  # the latest one, which stays right as long as nothing new is seen
        self.declare_statistics("untried_actions")

    def _indices(self, observations: Tensor) -> npt.NDArray[np.int64]:
        """Numbers of the states of raw observations, ``(r,)``."""
        states: npt.NDArray[np.int64] = self.indexer(observations).cpu().numpy()
        return states

    def _reset_ended(self, rows: Rows) -> None:
        began = rows[self.ended[rows]]
        super()._reset_ended(rows)
        if len(began):
            assert self.observations is not None
            self.model.begin(self._indices(self.observations[torch.from_numpy(began)]))

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        self._states = self._indices(observations)
        costs = self.model.costs(self._states)
        # One of those that are equally near; where none is known to lead anywhere, any.
        equals = costs == costs.min(1, keepdims=True)
        drawn = torch.rand(len(rows), generator=self.acting, device=self.device).cpu().numpy()
        place = np.minimum((drawn * equals.sum(1)).astype(np.int64), equals.sum(1) - 1)
        self._taken: npt.NDArray[np.int64] = (equals.cumsum(1) > place[:, None]).argmax(1)
        return self.finite.actions(torch.from_numpy(self._taken).to(self.device))

    def _remember(self, step: Transition) -> None:
        rewards = step.rewards.cpu().numpy().astype(np.float64)
        following, ends = self._indices(step.next_observations), step.terminated.cpu().numpy()
        self.model.record(self._states, self._taken, rewards, following, ends)

    def _improve(self, members: Rows, steps: Rows) -> None:
        del steps
        index = torch.from_numpy(members)
        untried = float(np.count_nonzero(self.model.tries == 0))
        self.note_statistics(index, untried_actions=torch.full((len(index),), untried, device=self.device))

    def policies(self) -> list[Policy]:
        """The best policy for each member's utility in the world as it was seen so far."""
        spec = self.spec
        if not len(self.model.states):
            nothing = torch.zeros(self.n, 1, dtype=torch.int64, device=self.device)
            parts = [nothing, nothing, torch.zeros(self.n, 1, self.m, dtype=torch.float64, device=self.device), nothing]
        else:
            tables, usable = self.model.tables()
            found = plan(self._world(tables), usable, self.task.utility.to(torch.device("cpu")))
            arrays = (found.state, found.step, found.accrued, found.action)
            parts = [torch.from_numpy(array).to(self.device) for array in arrays]
        return [
            RewardAwarePolicy(
                spec.observation_space, spec.action_space, self.gamma, *(part[i : i + 1].clone() for part in parts)
            )
            for i in range(self.n)
        ]

    def _world(self, tables: Tables) -> Expanded:
        """The world as it was seen, with what can be accrued in it."""
        solver, horizon = self.solver, self.solver.horizon or self.spec.max_episode_steps
        assert horizon is not None
        if self._expanded is None or not self._expanded.is_of(tables):
            self._expanded = expanded(tables, gamma=self.gamma, horizon=horizon, spacing=solver.spacing, limit=solver.limit)
        return self._expanded
