r"""Multi-objective deep Q-learning (MODQN): a population of double Q-learners with vector values.

Each member :math:`i` has a network :math:`Q(s, a) \in \mathbb{R}^m` and acts greedily with respect to :math:`w_i^\top Q`. The
target is a vector (:mod:`morl.bootstrapping`; by default the action is chosen by the weighed online values and valued by the
target network), every objective by itself, so the network stays valid when weights move.

With ``network="conditioned"`` there is one network :math:`Q(s, a, w)` for all weights (:mod:`morl.solvers.one_network`). Which
published algorithm that is depends on three choices: the weights for learning, the target, and how one acts.

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
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morl.acting import Acting, OwnPolicy
from morl.action_spaces import FiniteActions, supported_actions
from morl.bootstrapping import Bootstrap, DoubleQ
from morl.critics import ActionTableCritic
from morl.errors import CapabilityError
from morl.fields import BatchSize, Count, CountOrZero, Positive, PositiveShare, Share, UpdatesPerStep, Widths
from morl.members import Optimiser, Owns, PerNetwork
from morl.nn.few_rows import are_few, evaluate_few
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Packed, Parameters, Selection, StackedMLP, select
from morl.policies.conditioned import ConditionedPolicy
from morl.policies.mlp import MLPPolicy
from morl.protocols import EnvFactory, Policy, Rows
from morl.registry import component_field
from morl.solvers.base import require, require_for_comparison
from morl.solvers.crossing import Actors, CrossesActors
from morl.solvers.modqn_engines import AutogradEngine, DeepQLoss, Update, UpdateEngine
from morl.solvers.modqn_manual import ManualEngine
from morl.solvers.modqn_single import SingleEngine
from morl.solvers.off_policy import Batch, OffPolicyLearner
from morl.solvers.one_network import OffPolicyConditionable, OneNetworkFromReplay
from morl.task import Task
from morl.transfer import Transfers
from morl.weights.sources import WeightSource


@dataclass(frozen=True, kw_only=True)
class MODQN(OffPolicyConditionable):
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
    bootstrap: Bootstrap = component_field("bootstrap", default=DoubleQ())
    """What is learned from the next state."""
    acting: Acting = component_field("acting", default=OwnPolicy())
    """How one acts with a conditioned network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, needs in (("bootstrap", self.bootstrap.needs_conditioning), ("acting", self.acting.uses_support)):
            require(
                self.is_conditioned or not needs,
                f"MODQN.{field}: {type(getattr(self, field)).__name__} asks one network about other weights; set network: "
                "conditioned",
            )
        require(
            self.epsilon_end <= self.epsilon_start,
            f"MODQN needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )

    def parts_with_support(self) -> tuple[tuple[str, WeightSource | Acting], ...]:
        """See :meth:`morl.solvers.one_network.Conditionable.parts_with_support`."""
        return (*super().parts_with_support(), ("acting", self.acting))

    def learner_type(self) -> type[MODQNLearner | ConditionedMODQNLearner]:
        return ConditionedMODQNLearner if self.is_conditioned else MODQNLearner

    def with_comparable_critics(self) -> MODQN:
        """See :class:`morl.capabilities.HasComparableCritics`."""
        self.require_separate()
        require_for_comparison(self)
        return self


class DeepQLearner(OffPolicyLearner):
    """Networks of vector values, and what they learn; who has which network is a subclass's business."""

    owns: Owns = (
        PerNetwork("online", goes_with="actor"),
        PerNetwork("target", goes_with="actor"),
        Optimiser("adam", of="online"),
        PerNetwork("updates"),
    )

    solver: MODQN
    finite: FiniteActions

    def __init__(self, solver: MODQN, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimiser and store; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "MODQN", boxes="none")
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=finite, prioritised=solver.prioritised)
        for component, needs in (
            (solver.bootstrap, solver.bootstrap.needs_listed_actions),
            (solver.acting, solver.acting.uses_support),
        ):
            if needs and not self.finite.is_joint:
                raise CapabilityError(
                    f"{type(component).__name__} compares whole actions, and {env.spec.action_space} has too many combinations "
                    "to list; use DoubleQ and OwnPolicy, which take them apart"
                )
        networks = solver.bootstrap.num_networks
        self.single = StackedMLP(self.input_width, solver.hidden, self.num_actions * self.m, hidden_gain=2**0.5)
        self.net = self.single if networks == 1 else replace(self.single, copies=networks)
        self.online = Packed(self.net.init(self._init_streams("online"), device))
        self.target = Packed([p.clone() for p in self.online])
        self.adam = PopulationAdam(self.online, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.updates = torch.zeros(self.num_networks, dtype=torch.int64)
        self.loss = DeepQLoss(self.net, self.finite, self.m, solver.bootstrap, solver.loss)
        self.engines: tuple[UpdateEngine, ...] = tuple(kind(self.loss) for kind in (SingleEngine, ManualEngine, AutogradEngine))
        """The first that applies is used."""
        self.declare_statistics("loss", "mean_value")

    # ------------------------------------------------------------------ acting

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        networks, per_network = self._grouped(rows)
        batch = (-1, per_network)
        seen, weights = self._seen(encoded, rows).unflatten(0, batch), self._weights_of(rows).unflatten(0, batch)
        uniform = torch.rand((1 + len(self.finite.sizes), *seen.shape[:2]), generator=self.acting, device=self.device)
        epsilon = torch.from_numpy(self._epsilon(self.member_steps[self.row_member[rows]])).to(self.device).unflatten(0, batch)
        return self.act_tensors(self._first(select(self.online, networks)), seen, weights, epsilon, uniform).flatten(0, 1)

    def _first(self, parameters: Parameters) -> Parameters:
        """Of the networks that are trained side by side the one that acts."""
        return parameters if self.net.copies is None else [p[:, 0] for p in parameters]

    def _epsilon(self, member_steps: Rows) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Probability of a random action after some environment steps of a member."""
        start, end = self.solver.epsilon_start, self.solver.epsilon_end
        progress = np.minimum(member_steps / self.solver.epsilon_decay_steps, 1.0)
        return (start + (end - start) * progress).astype(np.float32)

    def act_tensors(self, online: Parameters, encoded: Tensor, weights: Tensor, epsilon: Tensor, uniform: Tensor) -> Tensor:
        """Choose exploring actions: a pure function of parameters, observations and noise.

        Args:
            online: Network parameters ``(n, ...)``.
            encoded: What the networks see, ``(n, B, d)``.
            weights: ``(n, B, m)`` or ``(n, 1, m)`` on the simplex.
            epsilon: Probability of a random action, ``(n, B)`` or ``(n, 1)``.
            uniform: Uniform numbers in ``[0, 1)``, ``(1 + J, n, B)``: whether to explore, and where, for each of the ``J``
                choices that make an action.

        Returns:
            Choices, ``(n, B)`` or factored ``(n, B, J)``, int64.
        """
        explore = uniform[0] < epsilon
        greedy = self.finite.best(self._judged(online, encoded, weights))
        if self.finite.is_joint:
            return torch.where(explore, (uniform[1] * self.num_actions).long(), greedy)
        return torch.where(explore.unsqueeze(-1), self.finite.scaled(uniform[1:].movedim(0, -1)), greedy)

    def _judged(self, online: Parameters, encoded: Tensor, weights: Tensor) -> Tensor:
        """Weighed values of all choices, ``(n, B, S)``."""
        q: Tensor = self.single(online, encoded).unflatten(-1, (self.num_actions, self.m))
        return (q * weights.unsqueeze(2)).sum(-1)

    # ------------------------------------------------------------------ learning

    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One step of the networks and one target blend of some members; None for all."""
        chosen, batch = self._networks(members), self._batch(members)
        engine = self.gradient_step(chosen, batch)
        if self.solver.prioritised:
            self.ring.update_priorities(batch["index"], engine.errors())

    def gradient_step(self, members: Selection, batch: Batch) -> UpdateEngine:
        """The whole update as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: From the store, ``(n', B, width)`` each.

        Returns:
            What computed it, which can be asked about errors.
        """
        update = Update(
            select(self.online, members), select(self.target, members), self._judging(members, batch), batch,
            self.linear_weights, self.start_returns,
        )  # fmt: skip
        engine = next(engine for engine in self.engines if engine.applies(update))
        self.adam.step(engine.gradients(update), members)
        self._follow(members, self.target, self.online)
        self.note_statistics(members, **engine.statistics())
        return engine


class MODQNLearner(Transfers, CrossesActors, DeepQLearner):
    """A live MODQN population, each member with networks of its own."""

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        networks, per_network = self._grouped(rows)
        if not (encoded.is_cpu and self.finite.is_joint and are_few(self.single, per_network)):
            return super()._policy_actions(rows, encoded)
        # The same, from the same random numbers; values are not asked for where everybody explores.
        online = self._first(select(self.online, networks))
        batch = (online[0].shape[0], per_network)
        uniform = torch.rand((2, *batch), generator=self.acting).numpy()
        owners = self.row_member[rows]
        explore = uniform[0] < self._epsilon(self.member_steps[owners]).reshape(batch)
        chosen = (uniform[1] * self.num_actions).astype(np.int64)
        if not explore.all():
            q = evaluate_few(self.single, online, encoded.numpy().reshape(*batch, -1)).reshape(*batch, -1, self.m)
            weights = self.linear_weights.numpy()[owners].reshape(*batch, 1, self.m)
            chosen = np.where(explore, chosen, (q * weights).sum(-1).argmax(-1))
        return torch.from_numpy(chosen.reshape(-1))

    @property
    def actors(self) -> Actors:
        """See :class:`morl.solvers.crossing.CrossesActors`."""
        return Actors(self.net, self.online, self.adam)

    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """Squared error of the values, averaged: a greedy choice is as good as they are, and learning goes on from them."""
        return (outputs - taught).square().mean(-1)

    def _crossed(self, target: int) -> None:
        for slow, live in zip(self.target, self.online, strict=True):
            slow[target] = live[target]

    def critics(self) -> ActionTableCritic:
        """The networks; see :class:`morl.capabilities.HasCritics`."""
        spec = self.spec
        return ActionTableCritic(
            observation_space=spec.observation_space, action_space=spec.action_space, num_objectives=self.m,
            network=self.single, parts={str(i): p.clone() for i, p in enumerate(self._first(self.online))},
            joint_actions=self.finite.is_joint,
        )  # fmt: skip

    def policies(self) -> list[Policy]:
        """One greedy snapshot per member, with the weights it was trained for."""
        return [
            MLPPolicy(
                self.spec.observation_space, self.spec.action_space, self.single, "greedy_q",
                [p[i : i + 1].clone() for p in self._first(self.online)],
                {"weights": self.linear_weights[i : i + 1].clone()}, joint_actions=self.finite.is_joint,
            )
            for i in range(self.n)
        ]  # fmt: skip


class ConditionedMODQNLearner(OneNetworkFromReplay, DeepQLearner):
    """A live MODQN population that shares one network for all weights."""

    def _judged(self, online: Parameters, encoded: Tensor, weights: Tensor) -> Tensor:
        plain = encoded[..., : -self.m]

        def values(asked: Tensor) -> Tensor:
            each = torch.cat([plain.unsqueeze(2).expand(*asked.shape[:3], -1), asked], -1)
            outputs = self.single(online, each.flatten(1, 2))
            q: Tensor = outputs.unflatten(1, asked.shape[1:3]).unflatten(-1, (-1, self.m))
            return q

        judged: Tensor = self.solver.acting(values, weights, self.linear_weights)
        return judged

    def policies(self) -> list[Policy]:
        """One greedy snapshot for all weights."""
        solver, first = self.solver, [p.clone() for p in self._first(self.online)]
        return [
            ConditionedPolicy(
                self.spec.observation_space, self.spec.action_space, self.single, "greedy_q", first,
                {"support": self.linear_weights.unsqueeze(0).clone()} if solver.acting.uses_support else {},
                joint_actions=self.finite.is_joint, num_objectives=self.m,
            )
        ]  # fmt: skip
