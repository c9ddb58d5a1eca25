r"""Expected utility policy gradient (EUPG): a population of policies that maximise the expected utility of the return (ESR).

Under the ESR criterion a policy must know what it has accrued: an agent that has enough fish should stop fishing. The policy
therefore sees the observation and the discounted reward accrued since the start of the episode, and each action is credited
with the utility of the *whole* return,

.. math:: \nabla J = \mathbb{E} \sum_t \bigl( u(R^-_t + \gamma^t G_t) - b \bigr) \nabla \log \pi(a_t \mid s_t, R^-_t).

A member collects a batch of whole episodes with one policy, then takes one gradient step; all members do it together.

References:
    D. Roijers, D. Steckelmacher, A. Nowé, "Multi-objective Reinforcement Learning for the Expected Utility of the Return",
    Adaptive and Learning Agents workshop (2018).

Deviations from the reference implementation of MORL/D: the accrued reward enters the utility (there it is dropped, so that a
non-linear utility is applied to the future alone), it is discounted alike in training and evaluation, observations stay real
numbers, action probabilities are a softmax, and a batch of episodes with a leave-one-out baseline and an entropy bonus
replaces single episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import supported_actions
from morl.errors import CapabilityError
from morl.fields import Count, NonNegative, Positive, Share, Widths
from morl.functional import accrued_rewards, expected_utility_loss, rewards_to_go
from morl.members import Optimiser, Owns, PerMember
from morl.nn.few_rows import are_few, evaluate_few
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, member_slice, select
from morl.policies.mlp import MLPPolicy
from morl.protocols import EnvFactory, Policy, Rows, Transition
from morl.solvers.base import LeafSolver
from morl.solvers.whole_episodes import WholeEpisodes
from morl.stores import Rollout
from morl.task import Task, Utility


@dataclass(frozen=True, kw_only=True)
class EUPG(LeafSolver):
    """Expected utility policy gradient, for finite actions; several components are drawn independently, as in MOPPO.

    Utility: any scalarization under the ESR criterion, monotone or not; a weighted sum under SER is the same thing.
    """

    criterion: ClassVar[Literal["esr"]] = "esr"

    hidden: Widths = (64,)
    """Width of each hidden layer (tanh)."""
    learning_rate: Positive = 1e-3
    """Adam's step size."""
    gamma: Share = 0.99
    """Discount factor, the same for accrued and future reward."""
    rows_per_member: Count = 16
    """Environment rows of each member: the episodes of one batch."""
    entropy_coefficient: NonNegative = 0.01
    """Weight of the policy's entropy, in units of the utility's standard deviation over the batch."""
    max_gradient_norm: Positive = 10.0
    """Each member's gradient is clipped to this Euclidean norm."""

    def learner_type(self) -> type[EUPGLearner]:
        return EUPGLearner

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        if task.utility.criterion == "ser" and not task.utility.scalarization.is_linear:
            raise CapabilityError(
                "EUPG maximises the expected utility of the return (ESR); "
                "for a non-linear utility of the expected return (SER) use MOPPO, MOSAC or MODQN"
            )


class EUPGLearner(WholeEpisodes):
    """A live EUPG population."""

    owns: Owns = (
        PerMember("actor", goes_with="actor"),
        PerMember("accrued_scale", goes_with="actor"),
        Optimiser("adam", of="actor"),
    )
    solver: EUPG

    def __init__(self, solver: EUPG, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks and stores; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "EUPG", boxes="none", joint="never")
        assert finite is not None
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver, self.finite = solver, finite
        inputs = self.encoder.width + self.m
        self.network = StackedMLP(inputs, solver.hidden, finite.width, activation="tanh", output_gain=0.01)
        self.actor = self.network.init(self._init_streams("actor"), device)
        self.adam = PopulationAdam(self.actor, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.accrued_scale = torch.ones(self.n, self.m, device=device)
        self.declare_statistics("policy_loss", "entropy", "utility")
        action = finite.noise_shape(())
        fields: dict[str, tuple[int, ...]] = {"input": (inputs,), "action": action, "reward": (self.m,)}
        horizon, count = min(self.spec.max_episode_steps or 128, 1024), len(self._all_rows)
        self.rollout = Rollout(fields, horizon=horizon, num_rows=count, device=device, grow=True)
        self.waiting = np.zeros(count, dtype=np.bool_)

    # ------------------------------------------------------------------ acting

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        # What an ended row accrued is cleared when it is reset, so this is the accrued reward of the running episode.
        accrued = torch.as_tensor(self.returns[rows], dtype=torch.float32, device=self.device)
        owners = torch.from_numpy(self.row_member[rows]).to(self.device)
        self._inputs = torch.cat([self.encoder(observations), accrued / self.accrued_scale[owners]], -1)
        uniform = torch.rand(self.finite.noise_shape((len(rows),)), generator=self.acting, device=self.device)
        with torch.no_grad():
            if len(rows) == len(self._all_rows):
                shape = (self.n, self.rows_per_member)
                inputs = self._inputs.unflatten(0, shape)
                self._taken = self.act_tensors(self.actor, inputs, uniform.unflatten(0, shape)).flatten(0, 1)
            else:
                # Where every member still has rows, padding to equal counts costs less than one network per row.
                self._taken = self._act_ragged(rows, uniform)
        return self.finite.actions(self._taken)

    def _act_ragged(self, rows: Rows, uniform: Tensor) -> Tensor:
        inputs = torch.zeros(len(self._all_rows), self.network.inputs, device=self.device)
        draws = torch.zeros(len(self._all_rows), *uniform.shape[1:], device=self.device)
        index = torch.from_numpy(rows).to(self.device)
        inputs[index], draws[index] = self._inputs, uniform
        shape = (self.n, self.rows_per_member)
        return self.act_tensors(self.actor, inputs.unflatten(0, shape), draws.unflatten(0, shape)).flatten(0, 1)[index]

    def act_tensors(self, actor: Parameters, inputs: Tensor, uniform: Tensor) -> Tensor:
        """Sample choices: a pure function of parameters, inputs ``(n, B, d + m)`` and uniform numbers ``(n, B)``.

        With ``J`` components both the uniform numbers and the choices are ``(n, B, J)``.
        """
        if inputs.is_cpu and are_few(self.network, inputs.shape[1]):
            outputs = torch.from_numpy(evaluate_few(self.network, actor, inputs.numpy()))
        else:
            outputs = self.network(actor, inputs)
        return self.finite.sample(outputs, uniform)

    def _remember(self, step: Transition) -> None:
        self.rollout.add(step.rows, input=self._inputs, action=self._taken.to(torch.float32), reward=step.rewards)
        self.waiting[step.rows] = step.done.cpu().numpy()

    # ------------------------------------------------------------------ learning

    def _update(self, members: list[int]) -> None:
        rows = torch.from_numpy(self.rows_of(members)).to(self.device)
        reward, mask = self.rollout["reward"][:, rows], self.rollout.mask[:, rows]
        steps = torch.arange(len(mask), device=self.device).unsqueeze(1)
        ends = steps == mask.sum(0) - 1
        accrued, _ = accrued_rewards(reward, ends, self.gamma)
        returns = accrued + rewards_to_go(reward, ends, self.gamma)
        batch = {
            "input": self.rollout["input"][:, rows],
            "action": self.rollout["action"][:, rows],
            "return": returns,
            "mask": mask,
        }
        by_member = {name: self._by_member(value, len(members)) for name, value in batch.items()}
        chosen = member_slice(members, self.n)
        self.gradient_step(chosen, by_member, self.task.utility.select(torch.tensor(members)))
        largest = by_member["return"][:, :, 0].abs().amax(1)
        self.accrued_scale[chosen] = torch.maximum(self.accrued_scale[chosen], largest)

    def _by_member(self, value: Tensor, count: int) -> Tensor:
        """``(T, n' E, ...)`` -> ``(n', E, T, ...)``."""
        grouped: Tensor = value.unflatten(1, (count, self.rows_per_member)).movedim(0, 2)
        return grouped

    def gradient_step(self, members: Selection, batch: dict[str, Tensor], utility: Utility) -> None:
        """One step on a batch of episodes, as tensor operations.

        Args:
            members: Who is updated.
            batch: ``input (n', E, T, d + m)``, ``action (n', E, T)`` or ``(n', E, T, J)``, ``mask (n', E, T)``,
                ``return (n', E, T, m)``.
            utility: Of those members.
        """
        mask = batch["mask"]
        n, episodes = mask.shape[:2]
        # Deterministic given the past, every step of an episode has the same total return: the first one's.
        u = utility(batch["return"][:, :, 0])
        # The floor keeps rounding errors of equal utilities from being blown up into a signal.
        floor = 1e-5 * u.abs().amax(1, keepdim=True) + 1e-6
        spread = torch.maximum(u.std(1, keepdim=True), floor) if episodes > 1 else torch.ones_like(u)
        others = (u.sum(1, keepdim=True) - u) / max(episodes - 1, 1)
        leaves = [p.detach().requires_grad_() for p in select(self.actor, members)]
        log_probs = self.finite.log_softmax(self.network(leaves, batch["input"].flatten(1, 2))).unflatten(1, mask.shape[1:])
        taken = self.finite.total(log_probs, self.finite.index(batch["action"].long()))
        loss = expected_utility_loss(
            taken,
            batch["return"],
            lambda values: utility(values) / spread.unsqueeze(-1),
            episodes,
            mask=mask,
            baseline=(others / spread).unsqueeze(-1).expand_as(taken),
        )
        entropy = torch.where(mask, -(log_probs.exp() * log_probs).sum(-1), 0.0).sum((1, 2))
        loss = loss - self.solver.entropy_coefficient * entropy / episodes
        gradients = torch.autograd.grad(loss.sum(), leaves)
        self.adam.step(list(gradients), members)
        steps = mask.sum((1, 2)).clamp_min(1)
        self.note_statistics(
            members, policy_loss=loss.reshape(n), entropy=(entropy / steps).reshape(n), utility=u.mean(1).reshape(n)
        )

    # ------------------------------------------------------------------ policies

    def policies(self) -> list[Policy]:
        """One snapshot per member."""
        return [
            MLPPolicy(
                self.spec.observation_space,
                self.spec.action_space,
                self.network,
                "categorical",
                [p[i : i + 1].clone() for p in self.actor],
                extras={"accrued_scale": self.accrued_scale[i : i + 1].clone()},
                accrued_gamma=self.gamma,
            )
            for i in range(self.n)
        ]
