r"""Soft actor-critic for two players with opposite interests: an agent and an adversary that acts at the same time.

One critic judges both players' actions together. The agent climbs on it, the adversary descends, each by a network of its own:

.. math:: \max_\pi \min_\nu \; \mathbb{E} \Big[ \sum_t \gamma^t \, w^\top r(s_t, a_t, b_t) \Big], \qquad a_t \sim \pi(s_t), \;
   b_t \sim \nu(s_t) .

Both players keep the entropy bonus of the agent's temperature, which is what makes them explore. Whoever acts later is
alone: policies are the agent's.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from gymnasium import spaces
from torch import Tensor

from envs.parametric.wrappers.adversarial import Adversarial
from envs.protocols import BatchedEnv
from morl.errors import CapabilityError
from morl.functional import sac_target
from morl.members import Optimiser, Owns, PerMember
from morl.nn.distributions import tanh_gaussian
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Packed, Parameters, Selection, StackedMLP, select
from morl.problem_spec import ProblemSpec
from morl.protocols import EnvFactory, Rows
from morl.rows import BatchedRows
from morl.solvers.mosac import MOSAC, SoftActorCritic
from morl.solvers.mosac_engines import ActionModel, Batch, Update, UpdateEngine
from morl.task import Task
from morl.transfer import Transfers
from robust.baselines.nominal import alternative, require_continuous
from robust.solver import RobustSolver, checked_task
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class ZeroSumSolver(RobustSolver):
    """Base of the solvers that train an agent against an adversary; a subclass says what the adversary may do."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.actor_critic()

    def learner_type(self) -> type[ZeroSumLearner]:
        """See :class:`morl.capabilities.KnowsLearner`."""
        return ZeroSumLearner

    @abstractmethod
    def adversarial(self, env: BatchedEnv, region: Region) -> Adversarial:
        """Let the adversary into a batched environment: actions are the agent's, then the adversary's."""

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> ZeroSumLearner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`.

        Raises:
            CapabilityError: The environment has no native batched form, or no bounded continuous actions.
        """
        task = checked_task(task, env, device)
        region = self.region(env)
        make_batched = getattr(env, "make_batched", None)
        if make_batched is None:
            raise CapabilityError(
                f"{type(self).__name__} acts inside the environment, which needs a native batched form; {env.spec.env_id} has "
                f"none: {alternative(env, region)}"
            )
        require_continuous(env, region, type(self).__name__)
        opponents = Opponents(env, lambda num_rows: self.adversarial(make_batched(num_rows), region))
        return ZeroSumLearner(self.actor_critic(), env=opponents, task=task, seed=seed, device=device)


@dataclass(frozen=True)
class Opponents:
    """A problem whose actions are the agent's followed by the adversary's; an :class:`~morl.protocols.EnvFactory`."""

    problem: EnvFactory
    make_adversarial: Callable[[int], Adversarial]
    """Makes the batched form with a given number of rows."""

    @property
    def spec(self) -> ProblemSpec:
        """Of the problem, with the joint actions."""
        return replace(self.problem.spec, action_space=self.make_adversarial(1).action_space)

    def rows(self, num_rows: int, *, device: torch.device) -> BatchedRows:
        """Fresh rows."""
        return BatchedRows(self.make_adversarial(num_rows), device=device)


class ZeroSumEngine:
    """Gradients of the joint critic and of both players, by autograd."""

    def __init__(self, learner: ZeroSumLearner, members: Selection) -> None:
        """Keep the learner and who is updated: their adversaries move."""
        self.learner, self.members = learner, members

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.critic_gradients`."""
        learner, batch, noise = self.learner, update.batch, update.noise[0]
        with torch.no_grad():
            mine, log_density = learner.agent_actions(update.actor, batch["next_observation"], noise)
            against = select(learner.adversary, self.members)
            theirs, _ = learner.adversary_actions(against, batch["next_observation"], noise)
            next_q = learner.critic_net(update.target, torch.cat([batch["next_observation"], mine, theirs], -1))
            y = sac_target(batch["reward"], batch["discount"], next_q, log_density, update.alpha, update.weights)
        leaves = [p.detach().requires_grad_() for p in update.critic]
        q = learner.critic_net(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach()

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.actor_gradients`; the adversary steps by the same pass."""
        learner, batch, noise, alpha = self.learner, update.batch, update.noise[1], update.alpha
        leaves = [p.detach().requires_grad_() for p in update.actor]
        against = [p.detach().requires_grad_() for p in select(learner.adversary, self.members)]
        mine, log_density = learner.agent_actions(leaves, batch["observation"], noise)
        theirs, their_density = learner.adversary_actions(against, batch["observation"], noise)

        def utility(a: Tensor, b: Tensor) -> Tensor:
            q = learner.critic_net(update.critic, torch.cat([batch["observation"], a, b], -1))
            return (q * update.weights.unsqueeze(1)).sum(-1)

        loss = (alpha[:, None] * log_density - utility(mine, theirs.detach()).amin(1)).mean(-1)
        found = torch.autograd.grad(loss.sum(), leaves)
        # The adversary trusts the critic that promises the agent more: pessimistic from its own side.
        their_loss = (alpha[:, None] * their_density + utility(mine.detach(), theirs).amax(1)).mean(-1)
        learner.adversary_adam.step(list(torch.autograd.grad(their_loss.sum(), against)), self.members)
        return list(found), loss.detach(), log_density.detach().mean(-1)


class ZeroSumLearner(Transfers, SoftActorCritic):
    """A live population of agents, each with its adversary."""

    owns: Owns = (PerMember("adversary"), Optimiser("adversary_adam", of="adversary", goes_with=None))

    def __init__(self, solver: MOSAC, *, env: Opponents, task: Task, seed: int, device: torch.device) -> None:
        """Build both players; see :meth:`ZeroSumSolver.make`."""
        self.true_spec = env.problem.spec
        own = self.true_spec.action_space
        assert isinstance(own, spaces.Box)
        self.agent_size = math.prod(own.shape)
        super().__init__(solver, env=env, task=task, seed=seed, device=device)
        d, a = self.encoder.width, self.agent_size
        self.actor_net = StackedMLP(d, solver.hidden, 2 * a)
        self.adversary_net = StackedMLP(d, solver.hidden, 2 * (self.actions.num_actions - a))
        self.actor = Packed(self.actor_net.init(self._init_streams("actor"), device))
        self.adversary = self.adversary_net.init(self._init_streams("adversary"), device)
        self._make_optimisers()
        self.adversary_adam = PopulationAdam(self.adversary, learning_rate=solver.learning_rate, eps=solver.adam_eps)
        self.acting_members: Selection = slice(0, self.n)

    def _action_model(self) -> ActionModel:
        joint = super()._action_model()
        # The temperature is about the agent's actions.
        return joint._replace(target_entropy=joint.target_entropy * self.agent_size / joint.num_actions)

    def agent_actions(self, actor: Parameters, encoded: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The agent's actions ``(n, B, a)`` and their log-densities; ``noise`` is for both players."""
        a = self.agent_size
        return tanh_gaussian(self.actor_net(actor, encoded), noise[..., :a], self.actions.scale[:a], self.actions.offset[:a])

    def adversary_actions(self, adversary: Parameters, encoded: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The adversary's actions ``(n, B, c)`` and their log-densities."""
        a = self.agent_size
        return tanh_gaussian(
            self.adversary_net(adversary, encoded), noise[..., a:], self.actions.scale[a:], self.actions.offset[a:]
        )

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        # Who acts decides whose adversary answers.
        everybody = len(rows) == len(self._all_rows)
        self.acting_members = slice(0, self.n) if everybody else torch.from_numpy(self.row_member[rows])
        return super()._policy_actions(rows, encoded)

    def act_tensors(self, actor: Parameters, encoded: Tensor, noise: Tensor) -> Tensor:
        """Both players' actions; see :meth:`morl.solvers.mosac.SoftActorCritic.act_tensors`."""
        mine, _ = self.agent_actions(actor, encoded, noise)
        theirs, _ = self.adversary_actions(select(self.adversary, self.acting_members), encoded, noise)
        return torch.cat([mine, theirs], -1)

    def _gradient_step(self, engine: UpdateEngine, members: Selection, batch: Batch, noise: Tensor) -> None:
        del engine
        super()._gradient_step(ZeroSumEngine(self, members), members, batch, noise)

    @property
    def policy_spec(self) -> ProblemSpec:
        """The agents' alone."""
        return self.true_spec
