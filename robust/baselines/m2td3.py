r"""Min-max soft actor-critic with a critic that knows the model, in the manner of M2TD3.

The critic :math:`Q(s, \omega, a)` sees the parameters :math:`\omega` of the model in which a transition took place; the
policy does not. Candidate worst models :math:`\hat\omega_1, \dots, \hat\omega_N` descend on the critic while the policy
climbs on it:

.. math:: \pi \leftarrow \arg\max_\pi \; \mathbb{E}_s \; \min_c \, Q(s, \hat\omega_c, \pi(s)) , \qquad
   \hat\omega_c \leftarrow \hat\omega_c - \eta \, \nabla_\omega \, \mathbb{E}_s \, Q(s, \hat\omega_c, \pi(s)) .

References:
    T. Tanabe, R. Sato, K. Fukuchi, J. Sakuma, Y. Akimoto, "Max-min off-policy actor-critic method focusing on worst-case
    robustness to model misspecification", NeurIPS 2022.

Deviations, so that it learns like the other rows of a comparison: soft actor-critic instead of TD3; the worst candidate is
that of the batch's mean instead of one kept by probability; a candidate that comes close to another one, or is the worst of
no batch for long, is drawn anew; episodes take place near a candidate or, with the same probability, anywhere in the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import shown
from morl.errors import CapabilityError
from morl.fields import Count, NonNegative, Positive, Repeats
from morl.functional import sac_target
from morl.members import Owns, PerMember
from morl.nn.distributions import tanh_gaussian
from morl.nn.stacked import Packed, Parameters, Selection, StackedMLP
from morl.problem_spec import ProblemSpec
from morl.protocols import EnvFactory, EnvRows, Rows, State
from morl.seeding import stream
from morl.solvers.mosac import SoftActorCritic
from morl.solvers.mosac_engines import Batch, Update, UpdateEngine
from morl.spaces import ObservationEncoder
from morl.task import Task
from morl.transfer import Transfers
from robust.baselines.nominal import require_continuous
from robust.solver import RobustSolver, checked_task
from robust.uncertainty.base import Array, Region
from robust.wrapped_rows import WrappedRows


@dataclass(frozen=True, kw_only=True)
class M2TD3(RobustSolver):
    """Policy against worst model, both on a critic that knows the model; for bounded continuous actions and a box of models."""

    candidates: Repeats = 5
    """Candidate worst models."""
    candidate_learning_rate: Positive = 3e-3
    """Step of a candidate per update, in shares of the parameters' ranges (the gradient is normalised)."""
    candidate_distance: NonNegative = 0.1
    """Candidates closer than this, in shares of the ranges, are one: the later one is drawn anew."""
    patience: Count = 1_000
    """Updates after which a candidate that was never the worst is drawn anew."""
    exploration: NonNegative = 0.1
    """Standard deviation of the models of episodes around a candidate, in shares of the ranges."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.actor_critic()

    def learner_type(self) -> type[M2TD3Learner]:
        """See :class:`morl.capabilities.KnowsLearner`."""
        return M2TD3Learner

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> M2TD3Learner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        task = checked_task(task, env, device)
        region = self.region(env)
        if region.candidates is not None:
            raise CapabilityError(
                "M2TD3 moves its candidates through a continuous set, but this one is a list; use uncertainty: box"
            )
        require_continuous(env, region, "M2TD3")
        return M2TD3Learner(self, env=env, region=region, task=task, seed=seed, device=device)


@dataclass(frozen=True)
class InformedProblem:
    """A problem whose observations end with the model's place in the unit cube; an :class:`~morl.protocols.EnvFactory`."""

    problem: EnvFactory
    region: Region

    @property
    def spec(self) -> ProblemSpec:
        """Of the problem, with the longer observation."""
        spec, k = self.problem.spec, self.region.dimension
        space = spec.observation_space
        ObservationEncoder(space)  # what no solver takes is refused with what helps
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise CapabilityError(
                f"M2TD3 needs observations that are vectors of real numbers, found {shown(space)}; use DomainRandomisation"
            )
        low, high = np.concatenate([space.low, np.zeros(k)]), np.concatenate([space.high, np.ones(k)])
        return replace(spec, observation_space=spaces.Box(low.astype(np.float32), high.astype(np.float32)))

    def rows(self, num_rows: int, *, device: torch.device) -> InformedRows:
        """Fresh rows."""
        return InformedRows(self.problem.rows(num_rows, device=device), self.region)


class InformedRows(WrappedRows):
    """Rows that append the model's place in the cube, ``(d,)``, to what is observed.

    ``dynamics`` are given as places in the cube.
    """

    def __init__(self, rows: EnvRows, region: Region) -> None:
        """Wrap rows."""
        super().__init__(rows)
        self.region = region
        self.places = torch.zeros(self.num_rows, region.dimension)

    def reset(self, rows: Rows, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """Start episodes at places in the cube; see :meth:`morl.protocols.EnvRows.reset`."""
        assert dynamics is not None
        models = torch.from_numpy(self.region.models(dynamics.cpu().numpy().astype(np.float64)))
        self.places[torch.from_numpy(rows)] = dynamics.to(torch.float32)
        return self._informed(self.rows.reset(rows, seeds, models), rows)

    def step(self, actions: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        observations, rewards, terminated, truncated = self.rows.step(actions, rows)
        return self._informed(observations, rows), rewards, terminated, truncated

    def _informed(self, observations: Tensor, rows: Rows) -> Tensor:
        return torch.cat([observations, self.places[torch.from_numpy(rows)].to(observations)], -1)

    def state(self) -> State:
        return {**self.rows.state(), "places": self.places.clone()}

    def replay(self, state: State) -> Tensor | None:
        self.places = state["places"].clone()
        found = self.rows.replay({name: value for name, value in state.items() if name != "places"})
        return None if found is None else torch.cat([found, self.places.to(found)], -1)


class MinMaxEngine:
    """Gradients of the critic that knows the model and of the policy that does not, by autograd."""

    def __init__(self, learner: M2TD3Learner, members: Selection) -> None:
        """Keep the learner and who is updated: their candidates move."""
        self.learner, self.members = learner, members

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.critic_gradients`."""
        learner, actions, batch = self.learner, self.learner.actions, update.batch
        with torch.no_grad():
            outputs = learner.actor_net(update.actor, learner.seen(batch["next_observation"]))
            next_actions, log_density = tanh_gaussian(outputs, update.noise[0], actions.scale, actions.offset)
            next_q = learner.critic_net(update.target, torch.cat([batch["next_observation"], next_actions], -1))
            y = sac_target(batch["reward"], batch["discount"], next_q, log_density, update.alpha, update.weights)
        leaves = [p.detach().requires_grad_() for p in update.critic]
        q = learner.critic_net(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach()

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.actor_gradients`; the candidates move by the same pass."""
        learner, actions, noise = self.learner, self.learner.actions, update.noise[1]
        observations = learner.seen(update.batch["observation"])
        leaves = [p.detach().requires_grad_() for p in update.actor]
        chosen, log_density = tanh_gaussian(learner.actor_net(leaves, observations), noise, actions.scale, actions.offset)
        places = learner.worst_models[self.members].clone().requires_grad_()
        count, batch_size = places.shape[1], observations.shape[1]
        # Every state with every candidate: (n, N * B, d + k + a).
        inputs = torch.cat(
            [
                observations.unsqueeze(1).expand(-1, count, -1, -1),
                places.unsqueeze(2).expand(-1, -1, batch_size, -1),
                chosen.unsqueeze(1).expand(-1, count, -1, -1),
            ],
            -1,
        ).flatten(1, 2)
        q = (learner.critic_net(update.critic, inputs) * update.weights.unsqueeze(1)).sum(-1).amin(1)
        by_candidate = q.unflatten(1, (count, batch_size)).mean(-1)
        worst = by_candidate.argmin(1)
        loss = update.alpha * log_density.mean(-1) - by_candidate.gather(1, worst.unsqueeze(1)).squeeze(1)
        found = torch.autograd.grad(loss.sum(), leaves, retain_graph=True)
        (slope,) = torch.autograd.grad(by_candidate.sum(), places)
        learner.move_candidates(self.members, slope.detach(), worst)
        return list(found), loss.detach(), log_density.detach().mean(-1)


class M2TD3Learner(Transfers, SoftActorCritic):
    """A live M2TD3 population."""

    owns: Owns = (PerMember("worst_models"), PerMember("idle"), PerMember("redrawn"))

    def __init__(self, solver: M2TD3, *, env: EnvFactory, region: Region, task: Task, seed: int, device: torch.device) -> None:
        """Build networks and candidates; see :meth:`M2TD3.make`."""
        self.method, self.region, self.true_spec = solver, region, env.spec
        self.parameters_seen = region.dimension
        settings = solver.actor_critic()
        super().__init__(settings, env=InformedProblem(env, region), task=task, seed=seed, device=device)
        # The policy does not see the model.
        self.actor_net = StackedMLP(self.encoder.width - region.dimension, settings.hidden, 2 * self.actions.num_actions)
        self.actor = Packed(self.actor_net.init(self._init_streams("actor"), device))
        self._make_optimisers()
        self.worst_models = torch.stack([self._drawn(uid, 0) for uid in self.uids]).to(device)
        self.idle = torch.zeros(self.n, solver.candidates, dtype=torch.int64)
        self.redrawn = torch.zeros(self.n, dtype=torch.int64)

    def _drawn(self, uid: int, number: int) -> Tensor:
        """Fresh candidates of a member, ``(N, k)``."""
        rng = stream(self.seed, "m2td3/candidates", uid, number)
        return torch.from_numpy(rng.random((self.method.candidates, self.parameters_seen))).to(torch.float32)

    def seen(self, encoded: Tensor) -> Tensor:
        """What the policy sees of encoded observations ``(..., d + k)``."""
        return encoded[..., : encoded.shape[-1] - self.parameters_seen]

    def _reset_ended(self, rows: Rows) -> None:
        ended = rows[self.ended[rows]]
        if not len(ended):
            return
        # One row after the other: each has a model of its own.
        task = self.task
        for row in ended:
            member = int(self.row_member[row])
            place = self._episode_place(member, int(row), int(self.episodes[row]))
            self.task = Task(utility=task.utility, dynamics=torch.from_numpy(np.tile(place, (self.n, 1))))
            super()._reset_ended(np.array([row]))
        self.task = task

    def _episode_place(self, member: int, row: int, episode: int) -> Array:
        """Where an episode takes place: near a candidate, or anywhere."""
        rng = stream(self.seed, f"m2td3/episode/{row % self.rows_per_member}", self.uids[member], episode)
        anywhere = rng.random(self.parameters_seen)
        if rng.random() < 0.5 or self.member_steps[member] < self.solver.learning_starts:
            return anywhere
        candidate = self.worst_models[member, rng.integers(self.method.candidates)].cpu().numpy().astype(np.float64)
        near: Array = np.clip(candidate + self.method.exploration * rng.standard_normal(self.parameters_seen), 0.0, 1.0)
        return near

    def move_candidates(self, members: Selection, slope: Tensor, worst: Tensor) -> None:
        """One step of the candidates of some members.

        Args:
            members: Whose.
            slope: Gradient of the mean value, ``(n', N, k)``.
            worst: Worst candidate of each member, ``(n',)``.
        """
        length = slope.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        moved = (self.worst_models[members] - self.method.candidate_learning_rate * slope / length).clamp(0.0, 1.0)
        self.worst_models[members] = moved
        idle = self.idle[members] + 1
        idle.scatter_(1, worst.cpu().unsqueeze(1), 0)
        self.idle[members] = idle
        stale = idle > self.method.patience
        apart = torch.cdist(moved, moved, p=torch.inf).cpu()
        close = (apart < self.method.candidate_distance).tril(-1).any(-1)
        for i, c in (stale | close).nonzero().tolist():
            member = int(torch.arange(self.n)[members][i])
            self.redrawn[member] += 1
            self.worst_models[member, c] = self._drawn(self.uids[member], int(self.redrawn[member]))[c].to(self.device)
            self.idle[member, c] = 0

    def _gradient_step(self, engine: UpdateEngine, members: Selection, batch: Batch, noise: Tensor) -> None:
        del engine
        super()._gradient_step(MinMaxEngine(self, members), members, batch, noise)

    def act_tensors(self, actor: Parameters, encoded: Tensor, noise: Tensor) -> Tensor:
        return super().act_tensors(actor, self.seen(encoded), noise)

    @property
    def policy_spec(self) -> ProblemSpec:
        """The environment's own observations."""
        return self.true_spec
