r"""Proximal policy optimisation with vector values: what MOPPO and NLMOPPO share.

The environment rows of a member are stepped for ``horizon`` steps each; then the member improves on what they brought: vector
advantages (:func:`morl.functional.generalised_advantages`) become one number per step, which enters the clipped surrogate. How
they do is a subclass's business, and so is what networks see beside the observation. All members that are due do their
minibatches together, as batched tensor operations.

References:
    J. Schulman et al., "Proximal Policy Optimization Algorithms", arXiv 1707.06347 (2017).
    J. Xu et al., "Prediction-Guided Multi-Objective Reinforcement Learning for Continuous Robot Control", ICML 2020
    (vector value function, weighed vector advantages).
    H. van Hasselt et al., "Learning values across many orders of magnitude", NeurIPS 2016 (rescaled value outputs).

Deviations: actor and critic are separate networks with an optimiser each, so there is no value coefficient; values are not
clipped; advantages are normalised over the whole rollout of a member instead of over each minibatch; the statistics of
observations change between rollouts only, so that the policy which acted is exactly the one that the ratios refer to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import box_actions, supported_actions
from morl.fields import BatchSize, Count, LogDeviation, NonNegative, Positive, Repeats, Share, Widths
from morl.functional import generalised_advantages, scalarised_advantages
from morl.members import Optimiser, Owns, Part, PerNetwork, Store
from morl.nn.distributions import gaussian_sample
from morl.nn.few_rows import are_few, few_gaussian_actions
from morl.nn.population_adam import PopulationAdam
from morl.nn.running_moments import RunningMoments
from morl.nn.stacked import Packed, Parameters, Selection, StackedMLP, select
from morl.population import PopulationLearner
from morl.protocols import EnvFactory, Rows, Transition
from morl.solvers.base import LeafSolver
from morl.solvers.proximal_engines import AutogradEngine, Batch, ProximalLoss, UpdateEngine
from morl.solvers.proximal_manual import ManualEngine
from morl.stores import Rollout
from morl.stores.rollout import member_major, time_major
from morl.task import Task

VALUE_MEMORY = 10
"""Rollouts over which the mean and spread of value targets are followed; they drift as policies improve."""


@dataclass(frozen=True, kw_only=True)
class Proximal(LeafSolver):
    """Fields of the solvers that improve a stochastic policy by clipped surrogates on rollouts."""

    hidden: Widths = (64, 64)
    """Width of each hidden layer of the actor and the critic."""
    activation: Literal["tanh", "relu"] = "tanh"
    """Of the hidden layers."""
    learning_rate: Positive = 3e-4
    """Of the actor."""
    critic_learning_rate: Positive = 1e-3
    """Of the critic."""
    gamma: Share = 0.99
    """Discount factor."""
    gae_lambda: Share = 0.95
    """Weight of longer horizons in the advantages, in [0, 1]."""
    rows_per_member: Count = 8
    """Environment rows of each member."""
    horizon: Count = 256
    """Steps of each row between improvements."""
    epochs: Repeats = 4
    """Passes over a rollout per improvement."""
    minibatch_size: BatchSize = 256
    """Steps per member and gradient update."""
    clip: Positive = 0.2
    """Largest change of a probability ratio that is rewarded."""
    entropy_coefficient: NonNegative = 0.0
    """Weight of the entropy (nats) beside normalised advantages."""
    max_gradient_norm: Positive = 0.5
    """Each member's gradients of the actor and of the critic are clipped to this Euclidean norm."""
    initial_log_std: LogDeviation = -0.5
    """Log standard deviation of new continuous policies, in units of half the width of the action box; tuned on halfcheetah."""
    normalise_observations: bool = True
    """Shift and scale real-valued observations by each member's running mean and standard deviation."""
    normalise_values: bool = True
    """Let the critic predict returns shifted and scaled per member and objective, so that units do not matter to it."""


class ProximalLearner(PopulationLearner):
    """Actors and critics, and how they improve on rollouts; who has which network is a subclass's business."""

    owns: Owns = (
        PerNetwork("actor", goes_with="actor"),
        PerNetwork("critic", goes_with="all"),
        Optimiser("actor_adam", of="actor"),
        Optimiser("critic_adam", of="critic", goes_with="all"),
        Part("observation_moments"),
        Part("value_moments", goes_with="all"),
        Store("rollout"),
    )

    def __init__(self, solver: Proximal, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        space = env.spec.action_space
        finite = supported_actions(space, type(solver).__name__, boxes="any", joint="never")
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver = solver
        self.finite, self.is_discrete = finite, finite is not None
        if finite is not None:
            self.num_actions = finite.width
        else:
            assert isinstance(space, spaces.Box)
            self.box = box_actions(space, device)
            self.num_actions = len(self.box.scale)
        d = self.encoder.width
        self.actor_net = StackedMLP(
            self.input_width,
            solver.hidden,
            self.num_actions,
            activation=solver.activation,
            hidden_gain=2**0.5,
            output_gain=0.01,
        )
        self.critic_net = StackedMLP(self.input_width, solver.hidden, self.m, activation=solver.activation, hidden_gain=2**0.5)
        self.loss = ProximalLoss(self.actor_net, self.critic_net, finite, solver.clip, solver.entropy_coefficient)
        self.engines: list[UpdateEngine] = [AutogradEngine(self.loss)]
        """By autograd, which runs on every device, and maybe by hand, which is preferred on a CPU."""
        if ManualEngine.applies(self.loss):
            self.engines.append(ManualEngine(self.loss))
        actor = self.actor_net.init(self._init_streams("actor"), device)
        if not self.is_discrete:
            # The last parameter of a Gaussian actor is its log standard deviation, (n, a).
            actor.append(torch.full((self.num_networks, self.num_actions), solver.initial_log_std, device=device))
        self.actor, self.critic = Packed(actor), Packed(self.critic_net.init(self._init_streams("critic"), device))
        self.actor_adam = self._adam(self.actor, solver.learning_rate)
        self.critic_adam = self._adam(self.critic, solver.critic_learning_rate)
        # The entries of one-hot vectors are on one scale already, and dividing by the spread of a rare one would blow it up.
        self.follows_observations = solver.normalise_observations and not self.encoder.is_one_hot
        self.observation_moments = RunningMoments(self.num_networks, d, device=device, followed=self.encoder.numbers)
        memory = float(VALUE_MEMORY * solver.horizon * solver.rows_per_member)
        self.value_moments = RunningMoments(self.num_networks, self.m, device=device, memory=memory)
        fields: dict[str, tuple[int, ...]] = {
            "observation": (d,), "next_observation": (d,), "action": (self._action_width,), "log_prob": (),
            "reward": (self.m,), "terminated": (), "ended": (), **self._more_fields(),
        }  # fmt: skip
        self.rollout = Rollout(fields, horizon=solver.horizon, num_rows=len(self._all_rows), device=device)
        self.declare_statistics("actor_loss", "critic_loss", "entropy", "kl")
        self._pending: Batch = {}

    def _adam(self, parameters: Parameters, learning_rate: float) -> PopulationAdam:
        return PopulationAdam(
            parameters, learning_rate=learning_rate, eps=1e-5, max_gradient_norm=self.solver.max_gradient_norm
        )

    @property
    def _action_width(self) -> int:
        return self.num_actions if self.finite is None else len(self.finite.sizes)

    def _more_fields(self) -> dict[str, tuple[int, ...]]:
        """Shapes of fields that rollouts hold beside the usual ones, such as the weights of a row's episode."""
        return {}

    # ------------------------------------------------------------------ acting

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        encoded = self.encoder(observations)
        networks, per_network = self._grouped(rows)
        seen = {"observation": encoded, **self._more_values(rows)}
        batch = (len(rows) // per_network, per_network)
        grouped = {name: value.unflatten(0, batch) for name, value in seen.items()}
        if self.finite is None:
            noise = torch.randn((*batch, self.num_actions), generator=self.acting, device=self.device)
        else:
            noise = torch.rand(self.finite.noise_shape(batch), generator=self.acting, device=self.device)
        actor, inputs = select(self.actor, networks), self._inputs(grouped, networks)
        if self.finite is None and inputs.is_cpu and are_few(self.actor_net, per_network):
            taken, log_prob = few_gaussian_actions(self.actor_net, actor, inputs, noise)
        else:
            with torch.no_grad():
                taken, log_prob = self.act_tensors(actor, inputs, noise)
        flat = taken.reshape(len(rows), -1)
        self._pending = {**seen, "action": flat, "log_prob": log_prob.reshape(-1)}
        if self.finite is not None:
            return self.finite.actions(taken.flatten(0, 1))
        box, shape = self.box, self.spec.action_space.shape or ()
        return box.clip(torch.addcmul(box.offset, flat, box.scale)).view(-1, *shape)

    def act_tensors(self, actor: Parameters, inputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sample actions: a pure function of parameters, network inputs and noise.

        Args:
            actor: Actor parameters ``(n, ...)``.
            inputs: ``(n, B, d)``.
            noise: Standard normal ``(n, B, a)``; for finite actions uniform, ``(n, B)`` or with ``J`` components ``(n, B, J)``.

        Returns:
            Actions ``(n, B, a)`` in units of half the width of the box, before clipping, or choices shaped like the noise,
            int64; and their log-densities ``(n, B)``.
        """
        if self.finite is not None:
            log_probs = self.finite.log_softmax(self.actor_net(actor, inputs))
            choices = self.finite.sample(log_probs, noise)
            return choices, self.finite.total(log_probs, self.finite.index(choices))
        return gaussian_sample(self.actor_net(actor[:-1], inputs), actor[-1].unsqueeze(1), noise)

    def _more_values(self, rows: Rows) -> Batch:
        """What rollouts hold in the further fields, ``(r, ...)`` each."""
        del rows
        return {}

    def _inputs(self, steps: Batch, networks: Selection, of: str = "observation") -> Tensor:
        """Network inputs at observations of some steps, ``(n', B, d)``."""
        encoded = steps[of]
        return self.observation_moments.normalise(encoded, networks) if self.follows_observations else encoded

    def _remember(self, step: Transition) -> None:
        following = self.encoder(step.next_observations)
        self.rollout.add(
            step.rows,
            next_observation=following,
            reward=step.rewards,
            terminated=step.terminated,
            ended=step.done,
            **self._pending,
        )

    # ------------------------------------------------------------------ learning

    def _improve(self, members: Rows, steps: Rows) -> None:
        del steps
        longest = self.rollout.lengths.reshape(self.n, self.rows_per_member).max(1)
        due = members[longest[members] >= self.solver.horizon]
        if len(due):
            self._improve_members(due.tolist())

    def _before_first_update(self) -> str:
        horizon, longest = self.solver.horizon, int(self.rollout.lengths.max())
        return (
            f"{type(self.solver).__name__} learns from rollouts of horizon = {horizon:,} steps of each of "
            f"{len(self._all_rows)} rows, and has had {longest:,}; lower horizon, or raise env_steps"
        )

    def _improve_members(self, members: list[int]) -> None:
        """Improve some members on their rollouts, which are then forgotten."""
        chosen = self._networks(None if len(members) == self.n else members)
        steps = self._rollout_of(members)
        packed, columns = self._prepared(chosen, steps)
        is_whole = bool((self.rollout.lengths[self.rows_of(members)] == self.solver.horizon).all())
        size, batch_size = packed.shape[1], self.solver.minibatch_size
        offsets = size * torch.arange(len(packed), device=self.device).unsqueeze(1)
        for epoch in range(self.solver.epochs):
            order = torch.rand(packed.shape[:2], generator=self.learning, device=self.device).argsort(dim=1, stable=True)
            shuffled = packed.flatten(0, 1).index_select(0, (order + offsets).flatten()).view(packed.shape)
            for first in range(0, size, batch_size):
                parts = torch.split(shuffled[:, first : first + batch_size], list(columns.values()), -1)
                batch = dict(zip(columns, parts, strict=True))
                if is_whole:
                    del batch["mask"]
                self.gradient_step(chosen, batch, is_last=epoch + 1 == self.solver.epochs and first + batch_size >= size)
        if self.follows_observations:
            self.observation_moments.follow(steps["observation"], steps["mask"].squeeze(-1), chosen)
        self.rollout.clear(self.rows_of(members))

    def _rollout_of(self, members: list[int]) -> Batch:
        """Steps for the networks of some members by field, ``(n', T * K, width)``, time before row; ``mask``: valid ones."""
        rows = torch.from_numpy(self.rows_of(members)).to(self.device)
        usual = ("observation", "next_observation", "action", "log_prob", "reward", "terminated", "ended")
        fields = {name: self.rollout[name] for name in (*usual, *self._more_fields())} | {"mask": self.rollout.mask}
        count = min(len(members), self.num_networks)
        return {name: member_major(field.index_select(1, rows), count) for name, field in fields.items()}

    @torch.no_grad()
    def _prepared(self, members: Selection, steps: Batch) -> tuple[Tensor, dict[str, int]]:
        """What the minibatches are cut from, packed ``(n', T * K, width)``, and the width of each field.

        The statistics of value targets follow the new targets here; the critics' outputs are rescaled so that their
        predictions stay what they were.
        """
        n = steps["reward"].shape[0]
        per_member = steps["reward"].shape[1] // self.solver.horizon
        inputs, mask = self._inputs(steps, members), steps["mask"].squeeze(-1)
        critic = select(self.critic, members)
        values = self._values(critic, inputs, members)
        next_values = self._values(critic, self._inputs(steps, members, "next_observation"), members)
        rewards, values, next_values, terminated, ended, valid = (
            time_major(field, per_member)
            for field in (steps["reward"], values, next_values, steps["terminated"], steps["ended"], steps["mask"])
        )
        advantages, targets = (
            member_major(field, n)
            for field in generalised_advantages(
                rewards, values, next_values, terminated.squeeze(-1) > 0, ended.squeeze(-1) > 0,
                self.gamma, self.solver.gae_lambda, valid.squeeze(-1),
            )
        )  # fmt: skip
        gains = self._gains(advantages, steps, mask, members)
        if self.solver.normalise_values:
            self._follow_values(targets, mask, members)
            targets = self.value_moments.normalise(targets, members)
        fields = {
            "input": inputs, "action": steps["action"], "log_prob": steps["log_prob"],
            "advantage": gains.unsqueeze(-1), "target": targets, "mask": steps["mask"].to(torch.float32),
        }  # fmt: skip
        return torch.cat(list(fields.values()), -1), {name: field.shape[-1] for name, field in fields.items()}

    def _gains(self, advantages: Tensor, steps: Batch, mask: Tensor, members: Selection) -> Tensor:
        """Weighed and normalised advantages, ``(n', T * K)``."""
        del steps
        return scalarised_advantages(advantages, self.linear_weights[members], mask)

    def _values(self, critic: Parameters, inputs: Tensor, members: Selection) -> Tensor:
        """Vector values ``(n', B, m)`` in return units."""
        outputs = self.critic_net(critic, inputs)
        return self.value_moments.restore(outputs, members) if self.solver.normalise_values else outputs

    def _follow_values(self, targets: Tensor, mask: Tensor, members: Selection) -> None:
        moments = self.value_moments
        old_mean, old_std = moments.mean[members].clone(), moments.std[members].clone()
        moments.follow(targets, mask, members)
        mean, std = moments.mean[members], moments.std[members]
        self.critic[-2][members] *= (old_std / std).unsqueeze(-1)
        self.critic[-1][members] = (self.critic[-1][members] * old_std + old_mean - mean) / std

    def gradient_step(self, members: Selection, batch: Batch, *, is_last: bool = True) -> None:
        """One step of actor and critic as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: See :class:`morl.solvers.proximal_engines.UpdateEngine`.
            is_last: Whether statistics are wanted: of an improvement, only those of the last step are ever read.
        """
        engine = self.engines[-1 if batch["input"].is_cpu else 0]
        self.actor_adam.step(engine.actor_gradients(select(self.actor, members), batch), members)
        self.critic_adam.step(engine.critic_gradients(select(self.critic, members), batch), members)
        if is_last:
            self.note_statistics(members, **engine.statistics())

    def _snapshot(self, network: int) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Parameters of a network's policy, and the tensors beside them."""
        chosen, extras = slice(network, network + 1), dict[str, Tensor]()
        parameters = [p[chosen].clone() for p in self.actor]
        if not self.is_discrete:
            extras["log_std"] = parameters.pop()
        if self.follows_observations:
            extras["mean"], extras["std"] = self.observation_moments.mean[chosen].clone(), self.observation_moments.std[chosen]
        return parameters, extras

    @property
    def head(self) -> Literal["categorical", "gaussian"]:
        """How the actor's outputs become actions."""
        return "categorical" if self.is_discrete else "gaussian"
