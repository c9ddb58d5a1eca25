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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import FiniteActions, supported_actions
from morl.errors import CapabilityError
from morl.fields import Count, NonNegative, Positive, Share, Widths
from morl.functional import accrued_rewards, expected_utility_loss, rewards_to_go
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, member_slice, restore_, select
from morl.policies.mlp import MLPPolicy
from morl.population import PopulationLearner, default_task
from morl.protocols import EnvFactory, Policy, Rows, State, prefixed, unprefixed
from morl.seeding import torch_stream
from morl.solvers.base import RunnableSolver, waiting_for_episodes
from morl.stores import Rollout
from morl.task import Task, Utility


@dataclass(frozen=True, kw_only=True)
class EUPG(RunnableSolver):
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

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> EUPGLearner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        finite = supported_actions(env.spec.action_space, "EUPG", boxes="none", joint="never")
        assert finite is not None
        task = default_task(task, env.spec.num_objectives, device)
        if task.utility.criterion == "ser" and not task.utility.scalarization.is_linear:
            raise CapabilityError(
                "EUPG maximises the expected utility of the return (ESR); "
                "for a non-linear utility of the expected return (SER) use MOPPO, MOSAC or MODQN"
            )
        return EUPGLearner(self, finite, env=env, task=task, seed=seed, device=device)


class EUPGLearner(PopulationLearner):
    """A live EUPG population."""

    def __init__(
        self, solver: EUPG, finite: FiniteActions, *, env: EnvFactory, task: Task, seed: int, device: torch.device
    ) -> None:
        """Build networks and stores for finite actions; see :meth:`morl.protocols.Solver.make`."""
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver, self.finite = solver, finite
        inputs = self.encoder.width + self.m
        self.network = StackedMLP(inputs, solver.hidden, finite.width, activation="tanh", output_gain=0.01)
        self.actor = self.network.init([torch_stream(seed, "init/actor", uid) for uid in self.uids], device)
        self.adam = PopulationAdam(self.actor, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.accrued_scale = torch.ones(self.n, self.m, device=device)
        self.declare_statistics("policy_loss", "entropy", "utility")
        self._make_rollout()

    def _make_rollout(self) -> None:
        """Empty store of the present batch; a row that finished its episode waits until everybody has."""
        action = self.finite.noise_shape(())
        fields: dict[str, tuple[int, ...]] = {"input": (self.network.inputs,), "action": action, "reward": (self.m,)}
        horizon = self.spec.max_episode_steps or 128
        count = self.n * self.rows_per_member
        self.rollout = Rollout(fields, horizon=min(horizon, 1024), num_rows=count, device=self.device, grow=True)
        self.waiting = np.zeros(count, dtype=np.bool_)

    # ------------------------------------------------------------------ acting

    def _ready(self, rows: Rows) -> Rows:
        # If nobody is left, the batch is complete: it is learnt from before the round, in which all rows then take part.
        running = rows[~self.waiting[rows]]
        return running if len(running) else rows

    def _round(self, rows: Rows) -> None:
        # Members may have waited for somebody who does not take part any more.
        self._learn_from_complete_batch()
        super()._round(rows)

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
        return self.finite.sample(self.network(actor, inputs), uniform)

    def _remember(
        self,
        rows: Rows,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        terminated: Tensor,
        truncated: Tensor,
    ) -> None:
        del observations, actions, next_observations
        self.rollout.add(rows, input=self._inputs, action=self._taken.to(torch.float32), reward=rewards)
        self.waiting[rows] = (terminated | truncated).cpu().numpy()

    # ------------------------------------------------------------------ learning

    def _improve(self, members: Rows, steps: Rows) -> None:
        del members, steps
        self._learn_from_complete_batch()

    def _before_first_update(self) -> str:
        return waiting_for_episodes(self.solver, self.waiting, self.rollout.lengths)

    def _learn_from_complete_batch(self) -> None:
        """One step of everybody who takes part, once all their episodes have ended."""
        rows = self._participants
        if not self.waiting[rows].all():
            return
        chosen = np.unique(self.row_member[rows]).tolist()
        self._update(chosen)
        self.rollout.clear(rows)
        self.waiting[rows] = False

    def _update(self, members: Sequence[int]) -> None:
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
        self.gradient_step(chosen, by_member, self.task.utility.select(torch.tensor(list(members))))
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

    # ------------------------------------------------------------------ policies and state

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """One snapshot per member."""
        del weights
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

    def transfer(self, source: int, target: int, *, payload: Literal["actor", "all"] = "actor") -> None:
        """Overwrite a member's network by another's and start its optimiser and its episodes anew.

        Args:
            source: Member to copy from.
            target: Member to overwrite. Its unfinished batch was made by the policy that is gone, and is given up.
            payload: Makes no difference: there is only an actor.
        """
        del payload
        for parameter in (*self.actor, self.accrued_scale):
            parameter[target] = parameter[source]
        self.adam.reset(target)
        rows = self.rows_of([target])
        self.rollout.clear(rows)
        self.waiting[rows], self.ended[rows] = False, True

    def _reindex_networks(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        index = torch.as_tensor(list(source))
        self.actor = [p[index].clone() for p in self.actor]
        self.accrued_scale = self.accrued_scale[index].clone()
        self.adam = self.adam.reindexed(self.actor, source, fresh)
        # The unfinished batch is given up: its episodes start again.
        self._make_rollout()
        self.ended[:] = True

    def _own_state(self) -> State:
        state: State = {f"actor/{i}": p for i, p in enumerate(self.actor)}
        state |= {"accrued_scale": self.accrued_scale, "waiting": torch.from_numpy(self.waiting.copy())}
        return {**state, **prefixed("adam", self.adam.state()), **prefixed("rollout", self.rollout.state())}

    def _load_own_state(self, state: State) -> None:
        for i, p in enumerate(self.actor):
            restore_(p, state[f"actor/{i}"])
        restore_(self.accrued_scale, state["accrued_scale"])
        self.waiting = state["waiting"].numpy().copy()
        self.adam.load_state(unprefixed("adam", state))
        self.rollout.load_state(unprefixed("rollout", state))
