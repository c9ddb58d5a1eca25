r"""Multi-objective soft actor-critic (MOSAC): a population of maximum-entropy policies with vector critics.

Each member :math:`i` maximises :math:`w_i^\top V` plus entropy. Its two critics are vectors,
:math:`Q_k(s, a) \in \mathbb{R}^m`, trained on the vector target of :func:`morl.functional.sac_target`, so they stay valid
when weights move. One gradient update of a member is one critic, one actor and one temperature step and one blend of the
target networks; all members that are due do it together, as batched tensor operations.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from morl.action_spaces import FiniteActions, supported_actions
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
from morl.functional import discrete_sac_target, factored_sac_target, pessimistic_values, sac_target
from morl.nn.captured import Captured
from morl.nn.distributions import tanh_gaussian, tanh_gaussian_action
from morl.nn.member_threads import MemberThreads
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, blend_, member_slice, restore_, select, write_
from morl.policies.mlp import MLPPolicy
from morl.population import default_task, require_ser
from morl.protocols import EnvFactory, Policy, Rows, State, prefixed, unprefixed
from morl.seeding import torch_stream
from morl.solvers.base import RunnableSolver
from morl.solvers.mosac_extras import EXTRAS, MOSACExtras
from morl.solvers.off_policy import OffPolicyLearner
from morl.task import Task

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class MOSAC(RunnableSolver):
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
    """Extra networks trained beside: ``unregularised_critic``, ``next_state_predictor``."""
    update_engine: Literal["auto", "autograd", "manual"] = "auto"
    """Gradients by autograd (reference) or by hand-written passes (continuous actions, CPU); auto takes the fastest: by hand on
    a CPU, autograd recorded as CUDA graphs on a GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := set(self.extras) - set(EXTRAS):
            raise ConfigurationError(f"MOSAC.extras has unknown entries {sorted(unknown)}; known: {', '.join(EXTRAS)}")

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> MOSACLearner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        task = default_task(task, env.spec.num_objectives, device)
        require_ser(task, "MOSAC")
        return MOSACLearner(self, env=env, task=task, seed=seed, device=device)


class ActionModel(NamedTuple):
    """What the losses need to know of the action space."""

    is_discrete: bool
    num_actions: int
    """Outputs of a head over finite actions (``|A|`` if they are listed), or ``dim(A)``."""
    scale: Tensor
    """Half-width of the box, ``(a,)``; empty if finite."""
    offset: Tensor
    """Centre of the box, ``(a,)``; empty if finite."""
    target_entropy: float
    finite: FiniteActions | None = None
    """The choices of finite actions."""


class UpdateEngine(Protocol):
    """Computes the gradients of one update; all tensors have the updated members on axis 0."""

    def critic_gradients(
        self,
        critic: Parameters,
        target: Parameters,
        actor: Parameters,
        alpha: Tensor,
        batch: Batch,
        noise: Tensor,
        weights: Tensor,
    ) -> tuple[Parameters, Tensor]:
        """Gradients of the critics' loss and the loss ``(n,)``."""
        ...

    def actor_gradients(
        self, actor: Parameters, critic: Parameters, alpha: Tensor, batch: Batch, noise: Tensor, weights: Tensor
    ) -> tuple[Parameters, Tensor, Tensor]:
        """Gradients of the actor's loss, the loss ``(n,)`` and the mean log-density (negative entropy) ``(n,)``."""
        ...


class AutogradEngine:
    """The reference: losses as the paper writes them, differentiated by autograd."""

    def __init__(self, actor_net: StackedMLP, critic_net: StackedMLP, actions: ActionModel, m: int) -> None:
        """Keep the shapes of the networks."""
        self.actor_net, self.critic_net, self.actions, self.m = actor_net, critic_net, actions, m

    def critic_gradients(
        self,
        critic: Parameters,
        target: Parameters,
        actor: Parameters,
        alpha: Tensor,
        batch: Batch,
        noise: Tensor,
        weights: Tensor,
    ) -> tuple[Parameters, Tensor]:
        """See :meth:`UpdateEngine.critic_gradients`."""
        with torch.no_grad():
            y = self._target(target, actor, alpha, batch, noise, weights)
        leaves = [p.detach().requires_grad_() for p in critic]
        if (finite := self.actions.finite) is not None:
            q = self.critic_net(leaves, batch["observation"]).unflatten(-1, (finite.width, self.m))
            taken = finite.stored_index(batch["action"]).unsqueeze(1).expand(-1, q.shape[1], -1, -1)
            q = finite.total_values(q, taken)
        else:
            q = self.critic_net(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach()

    def _target(
        self, target: Parameters, actor: Parameters, alpha: Tensor, batch: Batch, noise: Tensor, weights: Tensor
    ) -> Tensor:
        outputs = self.actor_net(actor, batch["next_observation"])
        if (finite := self.actions.finite) is not None:
            next_q = self.critic_net(target, batch["next_observation"]).unflatten(-1, (finite.width, self.m))
            reward, discount = batch["reward"], batch["discount"]
            if finite.is_joint:
                return discrete_sac_target(reward, discount, next_q, outputs.softmax(-1), alpha, weights)
            return factored_sac_target(reward, discount, next_q, finite.log_softmax(outputs), alpha, weights)
        next_actions, log_prob = tanh_gaussian(outputs, noise, self.actions.scale, self.actions.offset)
        next_q = self.critic_net(target, torch.cat([batch["next_observation"], next_actions], -1))
        return sac_target(batch["reward"], batch["discount"], next_q, log_prob, alpha, weights)

    def actor_gradients(
        self, actor: Parameters, critic: Parameters, alpha: Tensor, batch: Batch, noise: Tensor, weights: Tensor
    ) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`UpdateEngine.actor_gradients`. The critics are constants here: their gradients are never computed."""
        leaves = [p.detach().requires_grad_() for p in actor]
        outputs = self.actor_net(leaves, batch["observation"])
        if (finite := self.actions.finite) is not None:
            log_probs = finite.log_softmax(outputs)
            probs = log_probs.exp()
            with torch.no_grad():
                q = self.critic_net(critic, batch["observation"]).unflatten(-1, (finite.width, self.m))
                utilities = (q * weights[:, None, None, None, :]).sum(-1)
                if finite.is_joint:
                    utility = utilities.amin(1)
                else:  # as in the target: the critic that expects least of the policy, (n, 1, B, 1)
                    least = (probs.unsqueeze(1) * utilities).sum(-1, keepdim=True).argmin(1, keepdim=True)
                    utility = utilities.gather(1, least.expand(-1, -1, -1, finite.width)).squeeze(1)
            loss = (probs * (alpha[:, None, None] * log_probs - utility)).sum(-1).mean(-1)
            log_density = (probs * log_probs).sum(-1).mean(-1)
        else:
            actions, log_prob = tanh_gaussian(outputs, noise, self.actions.scale, self.actions.offset)
            q = self.critic_net(critic, torch.cat([batch["observation"], actions], -1))
            utility = (q * weights[:, None, None, :]).sum(-1).amin(1)
            loss = (alpha[:, None] * log_prob - utility).mean(-1)
            log_density = log_prob.mean(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach(), log_density.detach()


class CapturedEngine:
    """:class:`AutogradEngine` on a CUDA device, its two passes recorded as CUDA graphs."""

    def __init__(self, engine: AutogradEngine) -> None:
        """Keep the engine whose passes are recorded when they are first needed."""

        def batch_of(tensors: Mapping[str, Tensor]) -> Batch:
            return {name.removeprefix("batch/"): t for name, t in tensors.items() if name.startswith("batch/")}

        self._critic = Captured(
            lambda groups, t: engine.critic_gradients(
                groups[0], groups[1], groups[2], t["alpha"], batch_of(t), t["noise"], t["weights"]
            )
        )
        self._actor = Captured(
            lambda groups, t: engine.actor_gradients(groups[0], groups[1], t["alpha"], batch_of(t), t["noise"], t["weights"])
        )

    def critic_gradients(
        self,
        critic: Parameters,
        target: Parameters,
        actor: Parameters,
        alpha: Tensor,
        batch: Batch,
        noise: Tensor,
        weights: Tensor,
    ) -> tuple[Parameters, Tensor]:
        """See :meth:`UpdateEngine.critic_gradients`."""
        return self._critic((critic, target, actor), self._tensors(alpha, batch, noise, weights))

    def actor_gradients(
        self, actor: Parameters, critic: Parameters, alpha: Tensor, batch: Batch, noise: Tensor, weights: Tensor
    ) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`UpdateEngine.actor_gradients`."""
        return self._actor((actor, critic), self._tensors(alpha, batch, noise, weights))

    @staticmethod
    def _tensors(alpha: Tensor, batch: Batch, noise: Tensor, weights: Tensor) -> dict[str, Tensor]:
        return {"alpha": alpha, "noise": noise, "weights": weights, **{f"batch/{name}": t for name, t in batch.items()}}


class MOSACLearner(OffPolicyLearner):
    """A live MOSAC population."""

    solver: MOSAC

    def __init__(self, solver: MOSAC, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "MOSAC", boxes="bounded")
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=finite)
        d, m = self.encoder.width, self.m
        self.actions = self._action_model()
        a = self.actions.num_actions
        if self.is_discrete:
            self.actor_net = StackedMLP(d, solver.hidden, a)
            self.critic_net = StackedMLP(d, solver.hidden, a * m, copies=2)
        else:
            self.actor_net = StackedMLP(d, solver.hidden, 2 * a)
            self.critic_net = StackedMLP(d + a, solver.hidden, m, copies=2)
        self.actor = self.actor_net.init(self._init_streams("actor"), device)
        self.critic = self.critic_net.init(self._init_streams("critic"), device)
        self.target = [p.clone() for p in self.critic]
        start = 1.0 if solver.temperature is None else solver.temperature
        self.log_alpha = torch.full((self.n,), math.log(start) if start > 0 else -math.inf, device=device)
        self._make_optimisers()
        self.updates = torch.zeros(self.n, dtype=torch.int64)
        self.declare_statistics("critic_loss", "actor_loss", "entropy", "temperature")
        self.threads = MemberThreads()
        # Engines keep workspaces, so every thread has one of its own.
        self.engines = [self._make_engine() for _ in range(self.threads.count)]
        self.extras = MOSACExtras(solver, self) if solver.extras else None

    def _action_model(self) -> ActionModel:
        scale = self.solver.target_entropy_scale
        if (finite := self.finite) is not None:
            empty, entropy = torch.zeros(0, device=self.device), (0.89 if scale is None else scale) * finite.log_volume
            return ActionModel(True, finite.width, empty, empty, entropy, finite)
        box, size = self.box, self.num_actions
        return ActionModel(False, size, box.scale, box.offset, -(1.0 if scale is None else scale) * size)

    def _init_streams(self, network: str) -> list[torch.Generator]:
        return [torch_stream(self.seed, f"init/{network}", uid) for uid in self.uids]

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
            from morl.nn.manual_sac import ManualEngine

            return ManualEngine(self.actor_net, self.critic_net, self.actions, self.m)
        reference = AutogradEngine(self.actor_net, self.critic_net, self.actions, self.m)
        return CapturedEngine(reference) if engine == "auto" and self.device.type == "cuda" else reference

    # ------------------------------------------------------------------ acting

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        networks: Selection
        if len(rows) == len(self._all_rows):
            networks, grouped = slice(0, self.n), encoded.view(self.n, self.rows_per_member, -1)
        else:
            # Some rows only: one network per row.
            networks, grouped = torch.from_numpy(self.row_member[rows]), encoded.unsqueeze(1)
        batch = (grouped.shape[0], grouped.shape[1])
        if self.finite is None:
            noise = torch.randn((*batch, self.actions.num_actions), generator=self.acting, device=self.device)
        else:
            noise = torch.rand(self.finite.noise_shape(batch), generator=self.acting, device=self.device)
        with torch.no_grad():
            chosen = self.act_tensors(select(self.actor, networks), grouped, noise)
        flat = chosen.flatten(0, 1)
        return flat.view(-1, *(self.spec.action_space.shape or ())) if self.finite is None else flat

    def act_tensors(self, actor: Parameters, encoded: Tensor, noise: Tensor) -> Tensor:
        """Sample actions: a pure function of parameters, encoded observations and noise.

        Args:
            actor: Actor parameters ``(n, ...)``.
            encoded: ``(n, B, d)``.
            noise: Standard normal ``(n, B, a)``; for finite actions uniform, ``(n, B)`` or with ``J`` choices ``(n, B, J)``.

        Returns:
            ``(n, B, a)`` in environment units, or choices shaped like the noise, int64.
        """
        outputs = self.actor_net(actor, encoded)
        if self.finite is not None:
            return self.finite.sample(outputs, noise)
        return tanh_gaussian_action(outputs, noise, self.actions.scale, self.actions.offset)

    # ------------------------------------------------------------------ learning

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train; see :meth:`morl.protocols.Learner.learn`."""
        with self.threads.alone(self.n if members is None else len(members)):
            return super().learn(env_steps, members)

    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One critic, actor and temperature step and one target blend of some members; None for all."""
        chosen = member_slice(members, self.n)
        batch = self.ring.sample(self.solver.batch_size, generator=self.learning, members=members)
        count = batch["reward"].shape[0]
        shape = (2, count, self.solver.batch_size, 0 if self.is_discrete else self.actions.num_actions)
        noise = torch.randn(shape, generator=self.learning, device=self.device)
        self.gradient_step(chosen, batch, noise)
        if self.extras is not None:
            self.extras.gradient_step(chosen, batch)

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
        weights = self.linear_weights[members]
        actor, critic, target = (select(p, members) for p in (self.actor, self.critic, self.target))
        alpha = self.log_alpha[members].exp()

        gradients, critic_loss = engine.critic_gradients(critic, target, actor, alpha, batch, noise[0], weights)
        self.critic_adam.step(gradients, members)
        critic = select(self.critic, members)
        gradients, actor_loss, log_density = engine.actor_gradients(actor, critic, alpha, batch, noise[1], weights)
        self.actor_adam.step(gradients, members)
        if self.solver.temperature is None:
            # d/d(log alpha) of -log_alpha (E[log pi] + target entropy), which raises alpha while the entropy is too low.
            self.alpha_adam.step([self._temperature_gradient(log_density)], members)
        self._blend_targets(members, target, critic)
        self.note_statistics(members, critic_loss=critic_loss, actor_loss=actor_loss, entropy=-log_density, temperature=alpha)

    def _temperature_gradient(self, log_density: Tensor) -> Tensor:
        return -(log_density + self.actions.target_entropy)

    def _blend_targets(self, members: Selection, target: Parameters, critic: Parameters) -> None:
        self.updates[members] += 1
        period = self.solver.target_period
        due = self.updates[members] % period == 0
        if period > 1 and not bool(due.any()):
            return
        if isinstance(members, slice) and bool(due.all()):
            blend_(target, critic, self.solver.tau)
            return
        index = torch.arange(self.n)[members][due]
        blended = select(self.target, index)
        blend_(blended, select(self.critic, index), self.solver.tau)
        write_(self.target, index, blended)

    # ------------------------------------------------------------------ values, policies, state

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Values by each member's critic, the unregularised one where attached; see :class:`morl.protocols.HasValues`."""
        encoded = self.encoder(observations.to(self.device)).expand(self.n, -1, -1)
        actions = actions.to(self.device)
        with torch.no_grad():
            critic = self.extras.critic if self.extras is not None and self.extras.has_critic else self.critic
            return self._critic_values(critic, encoded, actions)

    def _critic_values(self, critic: Parameters, encoded: Tensor, actions: Tensor) -> Tensor:
        if self.finite is not None:
            q = self.critic_net(critic, encoded).unflatten(-1, (self.finite.width, self.m))
            q = self.finite.total_values(q, self.finite.index(self._choices(actions)).expand(self.n, 2, -1, -1))
        else:
            flat = actions.reshape(len(actions), -1).to(torch.float32).expand(self.n, -1, -1)
            q = self.critic_net(critic, torch.cat([encoded, flat], -1))
        return pessimistic_values(q, self.linear_weights)

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """One snapshot per member."""
        del weights
        head: Literal["categorical", "squashed_gaussian"] = "categorical" if self.is_discrete else "squashed_gaussian"
        return [
            MLPPolicy(
                self.spec.observation_space,
                self.spec.action_space,
                self.actor_net,
                head,
                [p[i : i + 1].clone() for p in self.actor],
                joint_actions=self.finite is not None and self.finite.is_joint,
            )
            for i in range(self.n)
        ]

    def transfer(self, source: int, target: int, *, payload: Literal["actor", "all"] = "actor") -> None:
        """Overwrite a member's networks by another's and start its optimisers anew.

        Args:
            source: Member to copy from.
            target: Member to overwrite.
            payload: The actor only, or the critics and the temperature as well.
        """
        groups = [self.actor] if payload == "actor" else [self.actor, self.critic, self.target, [self.log_alpha]]
        for group in groups:
            for parameter in group:
                parameter[target] = parameter[source]
        for adam in [self.actor_adam] if payload == "actor" else [self.actor_adam, self.critic_adam, self.alpha_adam]:
            adam.reset(target)

    def _reindex_networks(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        super()._reindex_networks(source, fresh)
        index = torch.as_tensor(list(source))
        self.actor, self.critic, self.target = (
            [p[index].clone() for p in group] for group in (self.actor, self.critic, self.target)
        )
        self.log_alpha = self.log_alpha[index].clone()
        self.actor_adam = self.actor_adam.reindexed(self.actor, source, fresh)
        self.critic_adam = self.critic_adam.reindexed(self.critic, source, fresh)
        self.alpha_adam = self.alpha_adam.reindexed([self.log_alpha], source, fresh)
        self.updates = self.updates[index].clone()
        if self.extras is not None:
            self.extras.reindex(source, fresh)

    def _own_state(self) -> State:
        state = super()._own_state()
        for name in ("actor", "critic", "target"):
            state |= {f"{name}/{i}": p for i, p in enumerate(getattr(self, name))}
        state |= {"log_alpha": self.log_alpha, "updates": self.updates}
        for name in ("actor_adam", "critic_adam", "alpha_adam"):
            state |= prefixed(name, getattr(self, name).state())
        if self.extras is not None:
            state |= prefixed("extras", self.extras.state())
        return state

    def _load_own_state(self, state: State) -> None:
        super()._load_own_state(state)
        for name in ("actor", "critic", "target"):
            for i, p in enumerate(getattr(self, name)):
                restore_(p, state[f"{name}/{i}"])
        restore_(self.log_alpha, state["log_alpha"])
        restore_(self.updates, state["updates"])
        for name in ("actor_adam", "critic_adam", "alpha_adam"):
            getattr(self, name).load_state(unprefixed(name, state))
        if self.extras is not None:
            self.extras.load_state(unprefixed("extras", state))
