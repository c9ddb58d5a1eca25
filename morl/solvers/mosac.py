r"""Multi-objective soft actor-critic (MOSAC): a population of maximum-entropy policies with vector critics.

Each member :math:`i` maximises :math:`w_i^\top V` plus entropy. Its two critics are vectors, :math:`Q_k(s, a) \in
\mathbb{R}^m`, trained on the vector target of :func:`morl.functional.sac_target`, so they stay valid when weights move. With
``network="conditioned"`` one actor and one pair of critics see the weights and stand for all preferences
(:mod:`morl.solvers.one_network`). One gradient update of a member is one critic, one actor and one temperature step and one
blend of the target networks; all members that are due do it together, as batched tensor operations.

Finite actions of several components are listed, one value for each combination, where there are at most
:data:`morl.action_spaces.SMALL` of them: everything is exact then. Beyond that policy and critics are factored,
:math:`\pi(a \mid s) = \prod_j \pi_j(a_j \mid s)` and :math:`Q_k(s, a) = \sum_j Q_{k,j}(s, a_j)`
(:func:`morl.functional.factored_sac_target`). Expectations over actions stay exact for such critics; what they cannot say is
how components work together: of two that pay only when both are right, each is worth what it pays on average over the other.

References:
    T. Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", arXiv 1812.05905 (2018).
    P. Christodoulou, "Soft Actor-Critic for Discrete Action Settings", arXiv 1910.07207 (2019).
    F. Felten, E.-G. Talbi, G. Danoy, "Multi-Objective Reinforcement Learning Based on Decomposition", JAIR 79 (2024).

Deviations from the reference implementation of MORL/D: the Bellman target is a vector, not its weighted sum (the components
of its critics are not identified); the actor is updated once per critic update instead of twice every second one, and the
temperature reuses that step's log-densities; with discrete actions the actor loss sums over actions instead of averaging.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from morl.action_spaces import supported_actions
from morl.critics import TwinActionTableCritic, TwinCritic
from morl.errors import CapabilityError, ConfigurationError
from morl.fields import (
    BatchSize,
    Count,
    CountOrZero,
    NonNegative,
    Number,
    Positive,
    PositiveShare,
    Share,
    UpdatesPerStep,
    Widths,
)
from morl.members import Optimiser, Owns, Part, PerNetwork
from morl.nn.distributions import tanh_gaussian_action, tanh_gaussian_divergence
from morl.nn.member_threads import MemberThreads
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Packed, Parameters, Selection, StackedMLP, select
from morl.policies.conditioned import ConditionedPolicy
from morl.policies.mlp import MLPPolicy
from morl.problem_spec import ProblemSpec
from morl.protocols import EnvFactory, Policy, Rows
from morl.seeding import torch_stream
from morl.solvers.base import require, require_for_comparison
from morl.solvers.crossing import Actors, CrossesActors
from morl.solvers.mosac_engines import ActionModel, AutogradEngine, Batch, CapturedEngine, Update, UpdateEngine
from morl.solvers.mosac_extras import EXTRAS, UnregularisedCritic
from morl.solvers.off_policy import OffPolicyLearner
from morl.solvers.one_network import OffPolicyConditionable, OneNetworkFromReplay
from morl.task import Task
from morl.transfer import Transfers


@dataclass(frozen=True, kw_only=True)
class MOSAC(OffPolicyConditionable):
    """Multi-objective soft actor-critic, for bounded continuous or finite actions.

    Utility: any weighted sum; a non-linear scalarization under SER is replaced by its linearisation at each member's
    running return (a Frank-Wolfe step), which finds points of the convex hull only. ESR with a non-linear utility is refused.
    """

    hidden: Widths = (256, 256)
    """Width of each hidden layer of the actor and the critics."""
    learning_rate: Positive = 3e-4
    """Of the actor."""
    critic_learning_rate: Positive = 1e-3
    """Of the critics and the temperature."""
    batch_size: BatchSize = 128
    """Transitions per member and update."""
    learning_starts: CountOrZero = 1_000
    """Random environment steps per member before the first update."""
    updates_per_step: UpdatesPerStep = 1.0
    """Gradient updates per member and environment step of that member."""
    gamma: Share = 0.99
    """Discount factor."""
    tau: PositiveShare = 0.005
    """Blend of the target critics per target update."""
    target_period: Count = 1
    """Updates between target updates."""
    capacity: Count = 1_000_000
    """Transitions kept: of each member, or of all together if shared."""
    replay: Literal["per_member", "shared"] = "per_member"
    """Whether members learn from their own transitions or from everybody's."""
    n_step: Count = 1
    """Length of the return before bootstrapping, environment steps."""
    temperature: NonNegative | None = None
    """Fixed entropy temperature; None adapts it."""
    target_entropy_scale: Number | None = None
    """Target entropy as a multiple of ``-dim(A)`` (continuous, default 1) or ``log |A|`` (finite, default 0.89)."""
    adam_eps: Positive = 1e-8
    """Adam's epsilon."""
    rows_per_member: Count = 1
    """Environment rows of each member."""
    extras: tuple[str, ...] = ()
    """Networks trained beside: ``unregularised_critic``, twin critics of the plain return."""
    update_engine: Literal["auto", "autograd", "manual"] = "auto"
    """Gradients by autograd (reference) or by hand-written passes (continuous actions, CPU); auto takes the fastest: by hand on
    a CPU, autograd recorded as CUDA graphs on a GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := set(self.extras) - set(EXTRAS):
            raise ConfigurationError(f"MOSAC.extras has unknown entries {sorted(unknown)}; known: {', '.join(EXTRAS)}")
        require(
            not (self.extras and self.is_conditioned),
            "MOSAC.extras are critics of members with networks of their own; leave them out, or set network: separate",
        )

    def learner_type(self) -> type[MOSACLearner | ConditionedMOSACLearner]:
        return ConditionedMOSACLearner if self.is_conditioned else MOSACLearner

    def with_comparable_critics(self) -> MOSAC:
        """Critics of the plain return beside: those with an entropy bonus cannot be compared, as temperatures differ.

        See :class:`morl.capabilities.HasComparableCritics`.
        """
        self.require_separate()
        require_for_comparison(self)
        return replace(self, extras=EXTRAS)


class SoftActorCritic(OffPolicyLearner):
    """Soft actors with twin critics: what MOSAC and the adversarial solvers share."""

    solver: MOSAC
    owns: Owns = (
        PerNetwork("actor", goes_with="actor"),
        PerNetwork("critic", goes_with="all"),
        PerNetwork("target", goes_with="all"),
        PerNetwork("log_alpha", goes_with="all"),
        PerNetwork("updates"),
        Optimiser("actor_adam", of="actor"),
        Optimiser("critic_adam", of="critic", goes_with="all"),
        Optimiser("alpha_adam", of="log_alpha", goes_with="all"),
    )

    def __init__(self, solver: MOSAC, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "MOSAC", boxes="bounded")
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=finite)
        d, m = self.input_width, self.m
        self.actions = self._action_model()
        a = self.actions.num_actions
        if self.is_discrete:
            self.actor_net = StackedMLP(d, solver.hidden, a)
            self.critic_net = StackedMLP(d, solver.hidden, a * m, copies=2)
        else:
            self.actor_net = StackedMLP(d, solver.hidden, 2 * a)
            self.critic_net = StackedMLP(d + a, solver.hidden, m, copies=2)
        self.actor = Packed(self.actor_net.init(self._init_streams("actor"), device))
        self.critic = Packed(self.critic_net.init(self._init_streams("critic"), device))
        self.target = Packed([p.clone() for p in self.critic])
        start = 1.0 if solver.temperature is None else solver.temperature
        self.log_alpha = torch.full((self.num_networks,), math.log(start) if start > 0 else -math.inf, device=device)
        self._make_optimisers()
        self.updates = torch.zeros(self.num_networks, dtype=torch.int64)
        self.declare_statistics("critic_loss", "actor_loss", "entropy", "temperature")
        self.threads = MemberThreads()
        # Engines keep workspaces, so every thread has one of its own.
        self.engines = [self._make_engine() for _ in range(self.threads.count)]

    def _action_model(self) -> ActionModel:
        scale = self.solver.target_entropy_scale
        if (finite := self.finite) is not None:
            empty, entropy = torch.zeros(0, device=self.device), (0.89 if scale is None else scale) * finite.log_volume
            return ActionModel(True, finite.width, empty, empty, entropy, finite)
        box, size = self.box, self.num_actions
        return ActionModel(False, size, box.scale, box.offset, -(1.0 if scale is None else scale) * size)

    def _make_optimisers(self) -> None:
        solver = self.solver
        self.actor_adam = PopulationAdam(self.actor, learning_rate=solver.learning_rate, eps=solver.adam_eps)
        self.critic_adam = PopulationAdam(self.critic, learning_rate=solver.critic_learning_rate, eps=solver.adam_eps)
        self.alpha_adam = PopulationAdam([self.log_alpha], learning_rate=solver.critic_learning_rate, eps=solver.adam_eps)

    def _make_engine(self) -> UpdateEngine:
        engine = self.solver.update_engine
        able = not self.is_discrete and self.device.type == "cpu"
        if engine == "manual" and not able:
            raise CapabilityError(
                "MOSAC's manual update engine needs continuous actions on the CPU; use update_engine: autograd"
            )
        if engine == "manual" or (engine == "auto" and able):
            from morl.solvers.mosac_manual import ManualEngine

            return ManualEngine(self.actor_net, self.critic_net, self.actions, self.m)
        reference = AutogradEngine(self.actor_net, self.critic_net, self.actions, self.m)
        return CapturedEngine(reference) if engine == "auto" and self.device.type == "cuda" else reference

    # ------------------------------------------------------------------ acting

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        networks, per_network = self._grouped(rows)
        seen = self._seen(encoded, rows).unflatten(0, (-1, per_network))
        batch = (seen.shape[0], per_network)
        if self.finite is None:
            noise = torch.randn((*batch, self.actions.num_actions), generator=self.acting, device=self.device)
        else:
            noise = torch.rand(self.finite.noise_shape(batch), generator=self.acting, device=self.device)
        with torch.no_grad():
            chosen = self.act_tensors(select(self.actor, networks), seen, noise)
        flat = chosen.flatten(0, 1)
        return flat.view(-1, *(self.spec.action_space.shape or ())) if self.finite is None else flat

    def _grouped(self, rows: Rows) -> tuple[Selection, int]:
        # Some rows only: one network per row.
        everybody = len(rows) == len(self._all_rows)
        return (slice(0, self.n), self.rows_per_member) if everybody else (torch.from_numpy(self.row_member[rows]), 1)

    def act_tensors(self, actor: Parameters, encoded: Tensor, noise: Tensor) -> Tensor:
        """Sample actions: a pure function of parameters, encoded observations and noise.

        Args:
            actor: Actor parameters ``(n, ...)``.
            encoded: What the networks see, ``(n, B, d)``.
            noise: Standard normal ``(n, B, a)``; for finite actions uniform, ``(n, B)`` or with ``J`` choices ``(n, B, J)``.

        Returns:
            ``(n, B, a)`` in environment units, or choices shaped like the noise, int64.
        """
        outputs = self.actor_net(actor, encoded)
        if self.finite is not None:
            return self.finite.sample(outputs, noise)
        return tanh_gaussian_action(outputs, noise, self.actions.scale, self.actions.offset)

    # ------------------------------------------------------------------ learning

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take the next round; see :meth:`morl.spending.TakesRounds.round`."""
        with self.threads.alone(self.num_networks if members is None else min(self.num_networks, len(members))):
            return super().round(budget, members)

    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One critic, actor and temperature step and one target blend of some members; None for all."""
        chosen, batch = self._networks(members), self._batch(members)
        count = batch["reward"].shape[0]
        shape = (2, count, self.solver.batch_size, 0 if self.is_discrete else self.actions.num_actions)
        noise = torch.randn(shape, generator=self.learning, device=self.device)
        self.gradient_step(chosen, batch, noise)
        self._after_step(chosen, batch)

    def _after_step(self, members: Selection, batch: Batch) -> None:
        """What else is learned from the batch."""

    def gradient_step(self, members: Selection, batch: Batch, noise: Tensor) -> None:
        """The whole update as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: From the store, ``(n', B, width)`` each.
            noise: Standard normal ``(2, n', B, a)``: for the target's and for the actor's actions.
        """
        if not isinstance(members, slice) or self.device.type != "cpu":
            self._gradient_step(self.engines[0], members, batch, noise)
            return

        def some(part: int, chosen: slice) -> None:
            theirs = slice(members.start + chosen.start, members.start + chosen.stop)
            self._gradient_step(self.engines[part], theirs, {k: v[chosen] for k, v in batch.items()}, noise[:, chosen])

        self.threads(some, noise.shape[1])

    def _gradient_step(self, engine: UpdateEngine, members: Selection, batch: Batch, noise: Tensor) -> None:
        alpha = self.log_alpha[members].exp()
        actor, critic, target = (select(p, members) for p in (self.actor, self.critic, self.target))
        update = Update(actor, critic, target, alpha, self._judging(members, batch), batch, noise)

        gradients, critic_loss = engine.critic_gradients(update)
        self.critic_adam.step(gradients, members)
        update = update._replace(critic=select(self.critic, members))
        gradients, actor_loss, log_density = engine.actor_gradients(update)
        self.actor_adam.step(gradients, members)
        if self.solver.temperature is None:
            # d/d(log alpha) of -log_alpha (E[log pi] + target entropy), which raises alpha while the entropy is too low.
            self.alpha_adam.step([-(log_density + self.actions.target_entropy)], members)
        self._follow(members, self.target, self.critic)
        self.note_statistics(members, critic_loss=critic_loss, actor_loss=actor_loss, entropy=-log_density, temperature=alpha)

    @property
    def head(self) -> Literal["categorical", "squashed_gaussian"]:
        """How the actor's outputs become actions."""
        return "categorical" if self.is_discrete else "squashed_gaussian"

    def policies(self) -> list[Policy]:
        """One snapshot per member."""
        spec, joint = self.policy_spec, self.finite is not None and self.finite.is_joint
        return [
            MLPPolicy(
                spec.observation_space, spec.action_space, self.actor_net, self.head,
                [p[i : i + 1].clone() for p in self.actor], joint_actions=joint,
            )
            for i in range(self.n)
        ]  # fmt: skip

    @property
    def policy_spec(self) -> ProblemSpec:
        """What the policies that are handed out see and do."""
        return self.spec


class MOSACLearner(Transfers, CrossesActors, SoftActorCritic):
    """A live MOSAC population, each member with networks of its own."""

    owns: Owns = (Part("extras", goes_with=None),)

    def __init__(self, solver: MOSAC, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        super().__init__(solver, env=env, task=task, seed=seed, device=device)
        self.extras = None
        if solver.extras:
            streams = self._init_streams("extras/critic")
            self.extras = UnregularisedCritic(
                self.critic_net, self.critic_net.init(streams, device), tau=solver.tau,
                learning_rate=solver.critic_learning_rate, eps=solver.adam_eps,
                noise=torch_stream(seed, "extras/noise", device=device),
            )  # fmt: skip
            self.declare_statistics("unregularised_critic_loss")

    def _after_step(self, members: Selection, batch: Batch) -> None:
        if self.extras is not None:
            actor = select(self.actor, members)
            loss = self.extras.gradient_step(
                members, batch, self.actor_net(actor, batch["next_observation"]), self.actions, self._judging(members, batch)
            )
            self.note_statistics(members, unregularised_critic_loss=loss)

    @property
    def actors(self) -> Actors:
        """See :class:`morl.solvers.crossing.CrossesActors`."""
        return Actors(self.actor_net, self.actor, self.actor_adam)

    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """The divergence KL(teacher, child) of the policies."""
        if self.finite is None:
            return tanh_gaussian_divergence(outputs, taught)
        own, wanted = self.finite.log_softmax(outputs), self.finite.log_softmax(taught)
        return (wanted.exp() * (wanted - own)).sum(-1)

    def critics(self) -> TwinCritic | TwinActionTableCritic:
        """The critics, the unregularised ones where attached; see :class:`morl.capabilities.HasCritics`."""
        parameters = self.critic if self.extras is None else self.extras.critic
        given: dict[str, Any] = {
            "observation_space": self.spec.observation_space,
            "action_space": self.spec.action_space,
            "num_objectives": self.m,
            "network": self.critic_net,
            "parts": {str(i): p.clone() for i, p in enumerate(parameters)},
        }
        if self.finite is None:
            return TwinCritic(**given)
        return TwinActionTableCritic(**given, joint_actions=self.finite.is_joint)


class ConditionedMOSACLearner(OneNetworkFromReplay, SoftActorCritic):
    """A live MOSAC population that shares one actor and one pair of critics for all weights."""

    def policies(self) -> list[Policy]:
        """One snapshot for all weights."""
        return [
            ConditionedPolicy(
                self.spec.observation_space, self.spec.action_space, self.actor_net, self.head,
                [p.clone() for p in self.actor], joint_actions=self.finite is not None and self.finite.is_joint,
                num_objectives=self.m,
            )
        ]  # fmt: skip
