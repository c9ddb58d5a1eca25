r"""Multi-objective deep Q-learning (MODQN): a population of double Q-learners with vector values.

Each member :math:`i` has a network :math:`Q(s, a) \in \mathbb{R}^m` and acts greedily with respect to :math:`w_i^\top Q`. The
target is the vector :func:`morl.functional.double_q_target`: the action is chosen by the weighed online values and valued by
the target network, every objective by itself, so the network stays valid when weights move.

Actions of several components are listed, one value for each combination, where there are at most
:data:`morl.action_spaces.SMALL` of them. Beyond that the network is factored, :math:`Q(s, a) = \sum_j Q_j(s, a_j)`, one vector
for each value of each component: the best action for any weighted sum is made of the best values. Such a sum cannot say what
components are worth together; each is credited with the average over what the others do.

References:
    A. Tavakoli, F. Pardo, P. Kormushev, "Action Branching Architectures for Deep Reinforcement Learning", AAAI 2018 (one output
    layer per component; there the components' targets are averaged, here their values are added).
    H. van Hasselt, A. Guez, D. Silver, "Deep Reinforcement Learning with Double Q-learning", AAAI 2016.
    H. Mossalam et al., "Multi-Objective Deep Reinforcement Learning", arXiv 1610.02707 (2016) (vector outputs, weighed choice).
    T. Schaul et al., "Prioritized Experience Replay", ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import FiniteActions, supported_actions
from morl.critics import ActionTableCritic
from morl.fields import BatchSize, Count, CountOrZero, Positive, PositiveShare, Share, UpdatesPerStep, Widths
from morl.functional import double_q_target
from morl.members import Optimiser, Owns, PerMember
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, member_slice, select
from morl.policies.mlp import MLPPolicy
from morl.population import Transfers
from morl.protocols import EnvFactory, Policy, Rows
from morl.solvers.base import LeafSolver, require, require_for_comparison
from morl.solvers.off_policy import OffPolicyLearner
from morl.task import Task

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class MODQN(LeafSolver):
    """Multi-objective deep Q-learning, for finite actions.

    Utility: any weighted sum; a non-linear scalarization under SER is replaced by its linearisation at each member's
    running return (a Frank-Wolfe step), which finds points of the convex hull only. The utility of Q itself is never taken: a
    greedy choice by a non-linear utility of future returns optimises no criterion. ESR with a non-linear utility is refused.
    """

    hidden: Widths = (64, 64)
    """Width of each hidden layer."""
    learning_rate: Positive = 1e-3
    """Of the network."""
    batch_size: BatchSize = 128
    """Transitions per member and update."""
    learning_starts: CountOrZero = 1_000
    """Random environment steps per member before the first update."""
    updates_per_step: UpdatesPerStep = 1.0
    """Gradient updates per member and environment step of that member."""
    gamma: Share = 0.99
    """Discount factor."""
    tau: PositiveShare = 0.01
    """Blend of the target network per target update."""
    target_period: Count = 1
    """Updates between target updates."""
    epsilon_start: Share = 1.0
    """Probability of a random action at a member's first step."""
    epsilon_end: Share = 0.05
    """Probability of a random action after the decay."""
    epsilon_decay_steps: Count = 20_000
    """Environment steps per member over which the probability falls linearly."""
    capacity: Count = 100_000
    """Transitions kept: of each member, or of all together if shared."""
    replay: Literal["per_member", "shared"] = "per_member"
    """Whether members learn from their own transitions or from everybody's."""
    prioritised: bool = False
    """Draw transitions in proportion to their last scalarised temporal-difference error instead of uniformly."""
    n_step: Count = 1
    """Length of the return before bootstrapping, environment steps; beyond 1, exploring actions inside it bias the values."""
    loss: Literal["huber", "mse"] = "mse"
    """Of each objective's temporal-difference error; Huber's bends at 1 reward unit and then estimates medians, not means."""
    max_gradient_norm: Positive = 10.0
    """Each member's gradient is clipped to this Euclidean norm."""
    rows_per_member: Count = 1
    """Environment rows of each member."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.epsilon_end <= self.epsilon_start,
            f"MODQN needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )

    def learner_type(self) -> type[MODQNLearner]:
        return MODQNLearner

    def with_comparable_critics(self) -> MODQN:
        """See :class:`morl.capabilities.HasComparableCritics`."""
        require_for_comparison(self)
        return self


class MODQNLearner(Transfers, OffPolicyLearner):
    """A live MODQN population."""

    owns: Owns = (
        PerMember("online", goes_with="actor"),
        PerMember("target", goes_with="actor"),
        Optimiser("adam", of="online"),
        PerMember("updates"),
    )

    solver: MODQN
    finite: FiniteActions

    def __init__(self, solver: MODQN, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimiser and store; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "MODQN", boxes="none")
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=finite, prioritised=solver.prioritised)
        self.net = StackedMLP(self.encoder.width, solver.hidden, self.num_actions * self.m, hidden_gain=2**0.5)
        self.online = self.net.init(self._init_streams("online"), device)
        self.target = [p.clone() for p in self.online]
        self.adam = PopulationAdam(self.online, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.updates = torch.zeros(self.n, dtype=torch.int64)
        self.declare_statistics("loss", "mean_value")

    # ------------------------------------------------------------------ acting

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        members, per_member = self._grouped(rows)
        owners = self.row_member[rows[::per_member]]
        grouped = encoded.view(-1, per_member, encoded.shape[-1])
        uniform = torch.rand((1 + len(self.finite.sizes), *grouped.shape[:2]), generator=self.acting, device=self.device)
        epsilon = torch.from_numpy(self._epsilon(self.member_steps[owners])).to(self.device)
        with torch.no_grad():
            return self.act_tensors(
                select(self.online, members), grouped, self.linear_weights[members], epsilon, uniform
            ).flatten(0, 1)

    def _epsilon(self, member_steps: Rows) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Probability of a random action after some environment steps of a member."""
        start, end = self.solver.epsilon_start, self.solver.epsilon_end
        progress = np.minimum(member_steps / self.solver.epsilon_decay_steps, 1.0)
        return (start + (end - start) * progress).astype(np.float32)

    def act_tensors(self, online: Parameters, encoded: Tensor, weights: Tensor, epsilon: Tensor, uniform: Tensor) -> Tensor:
        """Choose exploring actions: a pure function of parameters, observations and noise.

        Args:
            online: Network parameters ``(n, ...)``.
            encoded: ``(n, B, d)``.
            weights: ``(n, m)`` on the simplex.
            epsilon: Probability of a random action, ``(n,)``.
            uniform: Uniform numbers in ``[0, 1)``, ``(1 + J, n, B)``: whether to explore, and where, for each of the ``J``
                choices that make an action.

        Returns:
            Choices, ``(n, B)`` or factored ``(n, B, J)``, int64.
        """
        greedy = self.finite.best(self._utilities(self._q(online, encoded), weights))
        explore = uniform[0] < epsilon.unsqueeze(1)
        if self.finite.is_joint:
            return torch.where(explore, (uniform[1] * self.num_actions).long(), greedy)
        return torch.where(explore.unsqueeze(-1), self.finite.scaled(uniform[1:].movedim(0, -1)), greedy)

    def _q(self, parameters: Parameters, encoded: Tensor) -> Tensor:
        """Vector values of all choices, ``(n, B, S, m)``; an action is worth the sum over its choices."""
        return self.net(parameters, encoded).reshape(*encoded.shape[:2], self.num_actions, self.m)

    @staticmethod
    def _utilities(q: Tensor, weights: Tensor) -> Tensor:
        """Weighed values, ``(n, B, S)``."""
        return (q * weights[:, None, None, :]).sum(-1)

    # ------------------------------------------------------------------ learning

    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One step of the networks and one target blend of some members; None for all."""
        chosen = member_slice(members, self.n)
        batch = self.ring.sample(self.solver.batch_size, generator=self.learning, members=members)
        errors = self.gradient_step(chosen, batch)
        if self.solver.prioritised:
            self.ring.update_priorities(batch["index"], errors)

    def gradient_step(self, members: Selection, batch: Batch) -> Tensor:
        """The whole update as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: From the store, ``(n', B, width)`` each.

        Returns:
            Size of the scalarised temporal-difference errors, ``(n', B)``.
        """
        weights = self.linear_weights[members]
        online, target = select(self.online, members), select(self.target, members)
        with torch.no_grad():
            next_utilities = self.finite.spread(self._utilities(self._q(online, batch["next_observation"]), weights))
            next_q = self.finite.spread(self._q(target, batch["next_observation"]), -2)
            y = double_q_target(batch["reward"], batch["discount"], next_utilities, next_q)
        leaves = [p.detach().requires_grad_() for p in online]
        q = self.finite.total_values(self._q(leaves, batch["observation"]), self.finite.stored_index(batch["action"]))
        if self.solver.loss == "huber":
            errors = torch.nn.functional.smooth_l1_loss(q, y, reduction="none").mean(-1)
        else:
            errors = (q - y).square().mean(-1)
        loss = (errors * batch["importance"] if self.solver.prioritised else errors).mean(-1)
        self.adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)
        self._follow(members, self.target, self.online)
        q = q.detach()
        self.note_statistics(members, loss=loss, mean_value=(q.mean(1) * weights).sum(-1))
        return ((q - y) * weights.unsqueeze(1)).sum(-1).abs()

    # ------------------------------------------------------------------ values, policies, state

    def critics(self) -> ActionTableCritic:
        """The networks; see :class:`morl.capabilities.HasCritics`."""
        spec = self.spec
        return ActionTableCritic(
            observation_space=spec.observation_space, action_space=spec.action_space, num_objectives=self.m, network=self.net,
            parts={str(i): p.clone() for i, p in enumerate(self.online)}, joint_actions=self.finite.is_joint,
        )  # fmt: skip

    def policies(self) -> list[Policy]:
        """One greedy snapshot per member, with the weights it was trained for."""
        return [
            MLPPolicy(
                self.spec.observation_space, self.spec.action_space, self.net, "greedy_q",
                [p[i : i + 1].clone() for p in self.online], {"weights": self.linear_weights[i : i + 1].clone()},
                joint_actions=self.finite.is_joint,
            )
            for i in range(self.n)
        ]  # fmt: skip
