r"""Multi-objective tabular Q-learning: a population of vector Q-tables, each greedy for its own weights.

.. math:: Q_i(s, a) \leftarrow Q_i(s, a) + \eta \bigl( r + \gamma (1 - d)\, Q_i(s', a^*_i) - Q_i(s, a) \bigr),
    \quad a^*_i = \arg\max_{a'} w_i^\top Q_i(s', a')

Every transition may teach every member (``replay="shared"``), since Q-learning is off-policy and the rewards are vectors.

References:
    K. Van Moffaert, M. Drugan, A. Nowé, "Scalarized Multi-Objective Reinforcement Learning", ADPRL (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import supported_actions
from morl.critics import TabularCritic
from morl.fields import Count, Number, PositiveShare, Share
from morl.members import Owns, PerMember
from morl.policies.tabular import TabularPolicy
from morl.population import PopulationLearner
from morl.protocols import EnvFactory, Policy, Rows, Transition
from morl.solvers.base import LeafSolver, require
from morl.spaces import StateIndexer
from morl.task import Task
from morl.transfer import Transfers


@dataclass(frozen=True, kw_only=True)
class MOQLearning(LeafSolver):
    """Tabular vector Q-learning, for integral observations and finite actions; combinations of several components are listed.

    Utility: any weighted sum. A non-linear scalarization under SER is replaced by its linearisation at each member's running
    return, which finds points of the convex hull only; ESR with a non-linear utility is refused.
    """

    learning_rate: PositiveShare = 0.1
    """Step size; 1 is right for deterministic environments."""
    gamma: Share = 0.99
    """Discount factor."""
    epsilon_start: Share = 1.0
    """Probability of a random action at the start."""
    epsilon_end: Share = 0.1
    """Probability of a random action at the end."""
    epsilon_steps: Count = 10_000
    """Environment steps per member over which it falls linearly."""
    initial_value: Number = 0.0
    """Initial value of every entry and objective, return units; optimistic if large."""
    replay: Literal["per_member", "shared"] = "shared"
    """Whether a transition teaches the member that made it or everybody."""
    rows_per_member: Count = 4
    """Environment rows of each member."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.epsilon_end <= self.epsilon_start,
            f"MOQLearning needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )

    def learner_type(self) -> type[MOQLearner]:
        return MOQLearner


class MOQLearner(Transfers, PopulationLearner):
    """A live population of vector Q-tables, ``(n, S, A, m)``."""

    owns: Owns = (PerMember("q", goes_with="actor"),)

    def __init__(self, solver: MOQLearning, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build the tables; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "MOQLearning", boxes="none", joint="always")
        assert finite is not None
        self.indexer = StateIndexer(env.spec.observation_space)
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver, self.finite, self.num_actions = solver, finite, finite.width
        self.q = torch.full((self.n, self.indexer.num_states, self.num_actions, self.m), solver.initial_value, device=device)
        self.declare_statistics("td_error")

    def _greedy(self, members: Tensor, states: Tensor) -> Tensor:
        """Greedy actions of some members in some states, ``(r,)`` each."""
        return (self.q[members, states] * self.linear_weights[members].unsqueeze(1)).sum(-1).argmax(-1)

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        self._states = self.indexer(observations)
        owners = self.row_member[rows]
        fraction = np.clip(self.member_steps[owners] / self.solver.epsilon_steps, 0.0, 1.0)
        epsilon = self.solver.epsilon_start + fraction * (self.solver.epsilon_end - self.solver.epsilon_start)
        draws = torch.rand(2, len(rows), generator=self.acting, device=self.device)
        explore = draws[0] < torch.as_tensor(epsilon, dtype=torch.float32, device=self.device)
        random = (draws[1] * self.num_actions).long().clamp_max(self.num_actions - 1)
        self._taken = torch.where(explore, random, self._greedy(torch.from_numpy(owners).to(self.device), self._states))
        return self.finite.actions(self._taken)

    def _remember(self, step: Transition) -> None:
        owners = self.row_member[step.rows]
        batch = (self._states, self._taken, step.rewards, self.indexer(step.next_observations), step.terminated)
        if self.solver.replay == "per_member":
            self._noted["td_error"][owners] = True
            self._learn(torch.from_numpy(owners).to(self.device), *batch)
            return
        # Only members that take part may change.
        taught = np.unique(self.row_member[self._participants])
        self._noted["td_error"][taught] = True
        learners = torch.from_numpy(taught).to(self.device)
        count = len(step.rows)
        if len(taught) == 1:
            self._learn(learners.expand(count), *batch)
            return
        repeated = (part.repeat(len(learners), *[1] * (part.dim() - 1)) for part in batch)
        self._learn(learners.repeat_interleave(count), *repeated)

    def _learn(
        self, members: Tensor, states: Tensor, actions: Tensor, rewards: Tensor, next_states: Tensor, terminated: Tensor
    ) -> None:
        """Move entries towards their targets; an entry met several times in the batch moves towards the mean of them."""
        following = self.q[members, next_states, self._greedy(members, next_states)]
        target = rewards + self.gamma * (~terminated).unsqueeze(1) * following
        flat = self.q.view(-1, self.m)
        entry = (members * self.indexer.num_states + states) * self.num_actions + actions
        error = target - flat[entry]
        if len(entry) == 1:  # there is nothing to average
            flat[entry] += self.solver.learning_rate * error
            self.stats["td_error"] = self.stats["td_error"].index_copy(0, members, error.abs().mean(1))
            return
        entries, position = entry.unique(return_inverse=True)
        counts = torch.zeros(len(entries), 1, device=self.device).index_add_(
            0, position, torch.ones(len(entry), 1, device=self.device)
        )
        sums = torch.zeros(len(entries), self.m, device=self.device).index_add_(0, position, error)
        flat[entries] += self.solver.learning_rate * sums / counts
        magnitude = torch.zeros(self.n, device=self.device).index_add_(0, members, error.abs().mean(1))
        taught = torch.zeros(self.n, device=self.device).index_add_(0, members, torch.ones(len(members), device=self.device))
        self.stats["td_error"] = torch.where(taught > 0, magnitude / taught.clamp_min(1), self.stats["td_error"])

    def _improve(self, members: Rows, steps: Rows) -> None:
        """Everything was learnt when it was met."""

    def critics(self) -> TabularCritic:
        """The tables; see :class:`morl.capabilities.HasCritics`."""
        spec = self.spec
        return TabularCritic(
            observation_space=spec.observation_space, action_space=spec.action_space, num_objectives=self.m,
            parts={"q": self.q.clone()},
        )  # fmt: skip

    def policies(self) -> list[Policy]:
        """One greedy table per member."""
        best = torch.einsum("nsam,nm->nsa", self.q, self.linear_weights).argmax(-1)
        return [
            TabularPolicy(self.spec.observation_space, self.spec.action_space, best[i : i + 1].clone()) for i in range(self.n)
        ]
