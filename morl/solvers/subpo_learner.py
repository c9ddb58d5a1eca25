"""The live form of SubPO: whole episodes, their marginal gains, and the step that is learnt from them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import box_actions, supported_actions
from morl.errors import CapabilityError
from morl.experiments.result import Report
from morl.functional.advantages import generalised_advantages
from morl.functional.marginal_gains import (
    balance_heuristic,
    credited_gains,
    leave_one_out,
    marginal_gain_loss,
    utility_gains,
)
from morl.functional.natural_gradient import axpy, metric_product, natural_step
from morl.nn.distributions import categorical_sample, gaussian_entropy, gaussian_log_density
from morl.nn.policy_networks import make_network
from morl.nn.population_adam import PopulationAdam
from morl.nn.running_moments import RunningMoments
from morl.nn.stacked import Parameters, Selection, member_slice, restore_, select, write_
from morl.planners.planner import Planner
from morl.policies.network import NetworkPolicy
from morl.population import RETURN_SMOOTHING, PopulationLearner, checked_members
from morl.protocols import EnvFactory, Memory, Policy, Rows, State, prefixed, unprefixed
from morl.seeding import torch_stream
from morl.solvers.base import waiting_for_episodes
from morl.solvers.subpo_best import BestEpisodes
from morl.solvers.subpo_walks import WalkActor
from morl.spaces import ComponentEncoder
from morl.stores import Rollout
from morl.task import Task, Utility

if TYPE_CHECKING:
    from morl.solvers.subpo import SubPO

Batch = dict[str, Tensor]

STATE_LIMIT = 1_000_000
"""Most states for which the visits of a batch are counted in a table."""


class SubPOLearner(PopulationLearner):
    """A live SubPO population."""

    def __init__(self, solver: SubPO, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks and stores; see :meth:`morl.protocols.Solver.make`."""
        space = env.spec.action_space
        self.finite = supported_actions(space, "SubPO", boxes="any", joint="always")
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver = solver
        if solver.reward == "modular" and not hasattr(self._world, "modular_rewards"):
            raise CapabilityError(
                f"reward='modular' needs an environment that says what a visit is worth alone (modular_rewards), which "
                f"{env.spec.env_id} does not; use a coverage environment, or reward='gain'"
            )
        self.is_discrete = self.finite is not None
        if self.finite is not None:
            self.num_actions = self.finite.width
        else:
            assert isinstance(space, spaces.Box)
            self.box = box_actions(space, device)
            self.num_actions = len(self.box.scale)
        self.components = ComponentEncoder(env.spec.observation_space)
        self.sizes = sizes = self.components.sizes
        shape: dict[str, Any] = {"inputs": self.components.width, "sizes": sizes, "hidden": solver.hidden}
        self.network = make_network(solver.network, outputs=self.num_actions, **shape)
        self.critic_network = make_network(solver.network, outputs=self.m, **shape)
        self.num_states = 0 if sizes is None else math.prod(sizes)
        self.is_finite = self.is_discrete and self.network.is_markov and 0 < self.num_states <= STATE_LIMIT
        """Whether visits are counted per state."""
        self.actor = self.network.init([torch_stream(seed, "init/actor", uid) for uid in self.uids], device)
        if not self.is_discrete:
            # The last parameter of a Gaussian policy is its log standard deviation, (n, a).
            self.actor.append(torch.full((self.n, self.num_actions), solver.initial_log_std, device=device))
        self.adam = PopulationAdam(self.actor, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        has_critic = solver.baseline == "critic"
        self.critic = (
            self.critic_network.init([torch_stream(seed, "init/critic", uid) for uid in self.uids], device)
            if has_critic
            else []
        )
        self.critic_adam = PopulationAdam(self.critic, learning_rate=solver.critic_learning_rate) if has_critic else None
        self.value_scale = torch.zeros(self.n, self.m, device=device)
        self.first_spread = torch.zeros(self.n, 1, device=device)
        self.follows_observations = solver.normalise_observations and sizes is None
        self.observation_moments = RunningMoments(
            self.n, self.components.width, device=device, followed=self.components.numbers
        )
        self.batches = np.zeros(self.n, dtype=np.int64)
        self.rate_shares = torch.ones(self.n, device=device)
        """Part of the learning rate that is left, ``(n,)``."""
        self.batch_returns = torch.zeros(self.n, self.rows_per_member, self.m, device=device)
        """Values of the episodes of each member's latest batch, ``(n, E, m)``, return units."""
        self.kernel_values = torch.full((self.n, max(len(solver.kernels), 1)), float("nan"), device=device)
        """Running value of each member under each of the kernels, ``(n, K)``, utility units."""
        self.declare_statistics("policy_loss", "entropy", "entropy_coefficient", "utility", "spread")
        self.best = BestEpisodes(self.n)
        self._played: Batch = {}
        self._make_rollout()
        if solver.warm_start:
            for member, weights in enumerate(self.task.utility.weights.tolist()):
                self.best.show(member, self._planned(solver.warm_start, weights))

    def _make_rollout(self) -> None:
        """Empty store of the present batch; a row that finished its episode waits until everybody has."""
        seen: dict[str, tuple[int, ...]] = {"state": ()} if self.is_finite else {"input": (self.components.width,)}
        action = () if self.is_discrete else (self.num_actions,)
        count = self.n * self.rows_per_member
        self.rollout = Rollout(
            {**seen, "action": action, "reward": (self.m,), "value": (self.m,)},
            horizon=min(self.spec.max_episode_steps or 64, 1024),
            num_rows=count,
            device=self.device,
            grow=True,
        )
        self.waiting = np.zeros(count, dtype=np.bool_)
        self.memory = self.network.start(self.n, self.rows_per_member, self.device)

    @property
    def _world(self) -> Any:
        """The batched environment behind the rows."""
        return getattr(self.rows, "batch", None)

    # ------------------------------------------------------------------ acting

    def _ready(self, rows: Rows) -> Rows:
        # If nobody is left, the batch is complete: it is learnt from before the round, in which all rows then take part.
        running = rows[~self.waiting[rows]]
        return running if len(running) else rows

    def _round(self, rows: Rows) -> None:
        # Members may have waited for somebody who does not take part any more.
        self._learn_from_complete_batch()
        super()._round(rows)

    # ------------------------------------------------------------------ whole episodes at once

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round: whole episodes where the world can play them, else one step of every row."""
        rows = self.rows_of(members)
        return len(rows) * self._world.horizon if self._can_play(rows) else super().next_round(members)

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train for whole rounds, as many as fit; see :meth:`morl.protocols.Learner.learn`."""
        self._participants = self.rows_of(checked_members(members, self.n))
        is_part = env_steps < self.next_round(members)
        spent = 0
        while spent < env_steps:
            rows, left = self._participants, env_steps - spent
            if not is_part and self._can_play(rows):
                steps = len(rows) * self._world.horizon
                if steps > left:
                    break
                self._play(rows)
            else:
                rows = self._ready(rows)
                if len(rows) > left and not is_part:
                    break
                rows = rows[:left]
                self._round(rows)
                steps = len(rows)
            spent += steps
        return {"training": spent}

    def _can_play(self, rows: Rows) -> bool:
        """Whether whole episodes of these rows come next, and the world can play them without being asked at every step."""
        from envs.coverage.graph_world import GraphWorld

        world = self._world
        if not (self.is_finite and isinstance(world, GraphWorld) and world.observation == "index"):
            return False
        limit = world.max_episode_steps
        return (limit is None or limit >= world.horizon) and bool(self.ended[rows].all()) and not self.waiting[rows].any()

    def _play(self, rows: Rows) -> None:
        """A batch of whole episodes, and the step that is learned from it."""
        world, owners = self._world, torch.from_numpy(self.row_member[rows]).to(self.device)
        began = time.perf_counter()
        actor = WalkActor(self.network, self.actor, world, owners, self._noise((world.horizon, len(rows))))
        models = self._dynamics_of(rows)
        parameters = None if models is None else models.cpu().numpy().astype(np.float64)
        walks = torch.from_numpy(world.play(rows, self._episode_seeds(rows), actor, parameters).T.copy())
        acted = time.perf_counter()
        gains = world.set_function.trajectory_gains(walks)[:, 1:].to(torch.float32).to(self.device)
        self.timing["acting"] += acted - began
        self.timing["environment"] += time.perf_counter() - acted
        self.episodes[rows] += 1
        members = np.unique(self.row_member[rows])
        self.member_steps[members] += self.rows_per_member * world.horizon
        learnt_from = gains
        if self.solver.reward == "modular":
            learnt_from = torch.from_numpy(world.singletons)[walks[:, 1:]].to(torch.float32).to(self.device)
        # The step is the last component of a state, and counts fastest.
        components = torch.from_numpy(np.pad(world.coordinates, ((0, 0), (0, 1))))
        at_start = self._state_of(components).index_select(0, walks[:, :-1].flatten())
        states = at_start.view(-1, world.horizon) + torch.arange(world.horizon)
        self._played = {
            "state": states.to(self.device),
            "action": torch.stack(actor.actions).T,
            "reward": learnt_from,
            "value": gains,
            "mask": torch.ones(states.shape, dtype=torch.bool, device=self.device),
        }
        began = time.perf_counter()
        returns = credited_gains(gains.unsqueeze(0), "total", self.gamma)[0, :, 0]
        self._follow_returns(self.row_member[rows], returns.cpu().numpy().astype(np.float64))
        self._update(members.tolist())
        self._played = {}
        self.timing["learning"] += time.perf_counter() - began

    def _dynamics_of(self, rows: Rows) -> Tensor | None:
        kernels = self.solver.kernels
        if not kernels:
            return super()._dynamics_of(rows)
        return torch.tensor(kernels)[torch.from_numpy(rows % self.rows_per_member % len(kernels))]

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        inputs = self.components(observations)
        noise = self._noise((len(rows),) if self.is_discrete else (len(rows), self.num_actions))
        with torch.no_grad():
            if self.is_finite:
                states = self._state_of(inputs)
                visited, place = torch.unique(states, return_inverse=True)
                owners = torch.from_numpy(self.row_member[rows]).to(self.device)
                actions = self.act_on_states(self.actor, self._components_of(visited).unsqueeze(0), (owners, place), noise)
                self._pending = {"state": states, "action": actions}
                assert self.finite is not None
                return self.finite.actions(actions)
            actions = self._act_padded(rows, inputs, noise)
        self._pending = {"input": inputs, "action": actions}
        if self.finite is not None:
            return self.finite.actions(actions)
        return self.box.clip(actions * self.box.scale + self.box.offset).view(-1, *(self.spec.action_space.shape or ()))

    def _noise(self, shape: tuple[int, ...]) -> Tensor:
        draw = torch.rand if self.is_discrete else torch.randn
        return draw(shape, generator=self.acting, device=self.device)

    def _act_padded(self, rows: Rows, inputs: Tensor, noise: Tensor) -> Tensor:
        """Act in some rows; all members have as many rows, of which those that do not take part compute in vain."""
        shape = (self.n, self.rows_per_member)
        everybody = len(rows) == len(self._all_rows)
        index = torch.from_numpy(rows).to(self.device)
        active = None
        if not everybody:
            inputs, noise = (self._padded(part, index) for part in (inputs, noise))
            active = self._padded(torch.ones(len(rows), dtype=torch.bool, device=self.device), index).view(shape)
        actions, self.memory = self.act_tensors(
            self.actor,
            self._normalised(inputs.unflatten(0, shape), slice(0, self.n)),
            noise.unflatten(0, shape),
            self.memory,
            active,
        )
        flat = actions.flatten(0, 1)
        return flat if everybody else flat[index]

    def _padded(self, part: Tensor, index: Tensor) -> Tensor:
        whole = torch.zeros(len(self._all_rows), *part.shape[1:], dtype=part.dtype, device=self.device)
        whole[index] = part
        return whole

    def _normalised(self, inputs: Tensor, members: Selection) -> Tensor:
        return self.observation_moments.normalise(inputs, members) if self.follows_observations else inputs

    def act_on_states(self, actor: Parameters, inputs: Tensor, places: tuple[Tensor, Tensor], uniform: Tensor) -> Tensor:
        """Sample actions where many rows share few states: a pure function.

        Args:
            actor: Parameters ``(n, ...)``.
            inputs: The states' components, ``(1, U, c)``.
            places: Member and state of each row, ``(r,)`` each.
            uniform: Uniform numbers ``(r,)``.

        Returns:
            ``(r,)`` int64.
        """
        outputs, _ = self.network.step(actor, inputs, {})
        return categorical_sample(outputs[places], uniform)

    def act_tensors(
        self, actor: Parameters, inputs: Tensor, noise: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """Sample actions: a pure function.

        Args:
            actor: Parameters ``(n, ...)``.
            inputs: ``(n, B, d)``.
            noise: Uniform numbers ``(n, B)``; standard normal ``(n, B, a)`` for continuous actions.
            memory: Of the network, tensors ``(n, B, ...)``.
            active: Whose memory moves on, ``(n, B)``; None for all.

        Returns:
            Actions ``(n, B)`` int64, or ``(n, B, a)`` in units of half the width of the box, before clipping; and the memory.
        """
        if self.is_discrete:
            logits, memory = self.network.step(actor, inputs, memory, active)
            return categorical_sample(logits, noise), memory
        mean, memory = self.network.step(actor[:-1], inputs, memory, active)
        return mean + actor[-1].unsqueeze(1).exp() * noise, memory

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
        learnt_from = rewards
        if self.solver.reward == "modular":
            learnt_from = torch.as_tensor(self._world.modular_rewards(rows), dtype=torch.float32, device=self.device)
        self.rollout.add(rows, reward=learnt_from, value=rewards, **self._pending)
        self.waiting[rows] = (terminated | truncated).cpu().numpy()

    def _state_of(self, components: Tensor) -> Tensor:
        """Index of integral observations, ``(..., c)`` -> ``(...)``; the last component counts fastest."""
        assert self.sizes is not None
        state = components[..., 0]
        for k, size in enumerate(self.sizes[1:], 1):
            state = state * size + components[..., k]
        return state

    def _components_of(self, states: Tensor) -> Tensor:
        """Undo :meth:`_state_of`."""
        assert self.sizes is not None
        parts = []
        for size in self.sizes[:0:-1]:
            parts.append(states % size)
            states = states // size
        return torch.stack([states, *parts[::-1]], -1)

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
        members = np.unique(self.row_member[rows]).tolist()
        self._update(members)
        self.rollout.clear(rows)
        self.waiting[rows] = False
        if len(rows) == len(self._all_rows):
            self.memory = self.network.start(self.n, self.rows_per_member, self.device)
        else:
            index = torch.tensor(members, device=self.device)
            for tensor in self.memory.values():
                tensor[index] = 0

    def _update(self, members: Sequence[int]) -> None:
        chosen = member_slice(members, self.n)
        self.batch_returns[chosen] = self._returns(members)
        batch = self._batch(members)
        if (steps := self.solver.learning_rate_steps) is not None:
            left = np.clip(1.0 - self.member_steps[members] / steps, 0.0, 1.0)
            self.rate_shares[chosen] = torch.as_tensor(left, dtype=torch.float32, device=self.device)
        self.gradient_step(chosen, batch, self._entropy_coefficients(members))
        if self.critic_adam is not None:
            for _ in range(self.solver.critic_updates):
                self.critic_step(chosen, batch)
        if self.follows_observations:
            raw = self._field("input", members)
            self.observation_moments.follow(raw.flatten(1, 2), self._field("mask", members).flatten(1, 2), chosen)
        self.batches[members] += 1
        self._record(chosen, members)

    def _record(self, chosen: Selection, members: Sequence[int]) -> None:
        utility = self.task.utility.select(torch.tensor(list(members)))
        returns = self.batch_returns[chosen]
        esr = utility.criterion == "esr"
        self.note_statistics(chosen, utility=utility(returns).mean(1) if esr else utility(returns.mean(1)))

    def _entropy_coefficients(self, members: Sequence[int]) -> Tensor:
        solver = self.solver
        factor: Any = np.ones(len(members))
        if solver.entropy_schedule in ("linear", "cubic"):
            left = np.clip(1.0 - self.member_steps[members] / solver.entropy_steps, 0.0, 1.0)
            factor = left if solver.entropy_schedule == "linear" else left**3
        elif solver.entropy_schedule == "inverse":
            factor = 1.0 / (1.0 + self.batches[members])
        coefficient = torch.as_tensor(solver.entropy_coefficient * factor, dtype=torch.float32, device=self.device)
        if solver.normalise_advantages and solver.entropy_unit == "first_batch":
            index = torch.tensor(list(members), device=self.device)
            coefficient *= self.first_spread[index, 0] / self.stats["spread"][index].clamp_min(1e-6)
        return coefficient

    def _field(self, name: str, members: Sequence[int]) -> Tensor:
        """A field of the batch by member, ``(n', E, T, ...)``; ``mask`` says which steps took place."""
        if self._played:
            played: Tensor = self._played[name].unflatten(0, (len(members), self.rows_per_member))
            return played
        rows = torch.from_numpy(self.rows_of(members)).to(self.device)
        whole = self.rollout.mask if name == "mask" else self.rollout[name]
        field: Tensor = whole.index_select(1, rows).unflatten(1, (len(members), self.rows_per_member)).movedim(0, 2)
        return field

    def _returns(self, members: Sequence[int]) -> Tensor:
        """Discounted values of the batch's episodes, ``(n', E, m)``."""
        gains = self._field("value", members)
        return credited_gains(gains, "total", self.gamma)[:, :, 0]

    def _batch(self, members: Sequence[int]) -> Batch:
        """What a gradient step needs: visited states with their sums, or whole episodes."""
        chosen = member_slice(members, self.n)
        fields = {name: self._field(name, members) for name in self._names}
        if self.solver.imitation:
            fields = self.best.join(chosen, fields, lambda values: self._scores(values, members))
        mask, gains, action = fields["mask"], fields["reward"], fields["action"]
        action = action.long() if self.is_discrete else action
        if self.is_finite:
            states = fields["state"].long()
            visited = self._visited(states, mask)
            inputs = self._components_of(visited).unsqueeze(0)
            place = torch.zeros(self.num_states, dtype=torch.int64, device=self.device)
            place[visited] = torch.arange(len(visited), device=self.device)
            places = place.index_select(0, states.flatten()).view(states.shape)
            episodes: Batch = {"inputs": inputs, "place": places, "action": action, "mask": mask}
        else:
            raw = fields["input"] if self.sizes is None else fields["input"].long()
            inputs = self._normalised(raw.flatten(1, 2), chosen).unflatten(1, raw.shape[1:3])
            episodes = {"inputs": inputs, "action": action, "mask": mask}
        ratio = None
        if self.solver.share_rollouts and len(members) > 1:
            episodes, gains = self._shared(episodes, gains)
            with torch.no_grad():
                ratio = balance_heuristic(self._log_probs(select(self.actor, chosen), episodes), episodes["mask"])
        episodes |= self._credited(chosen, members, episodes, gains, ratio)
        return self._aggregated(episodes) if self.is_finite else episodes

    @property
    def _names(self) -> tuple[str, ...]:
        """Fields of an episode."""
        return ("state" if self.is_finite else "input", "action", "reward", "value", "mask")

    def _scores(self, values: Tensor, members: Sequence[int]) -> Tensor:
        """What is maximised, of values ``(n', E, m)``: ``(n', E)``."""
        utility = self.task.utility.select(torch.tensor(list(members)))
        if utility.criterion == "esr":
            return utility(values)
        return (values * self.linear_weights[member_slice(members, self.n)].unsqueeze(1)).sum(-1)

    def _planned(self, planners: Sequence[Planner], weights: Sequence[float]) -> Batch:
        """The best episode that some planners propose, as an episode of a batch, ``(T, ...)``."""
        plan = max((planner.plan(self._world, weights) for planner in planners), key=lambda plan: plan.value)
        actions = plan.actions
        if actions is None:
            raise CapabilityError(f"SubPO.warm_start: {plan.planner} found no single walk, as the world slips")
        rows: Any = self.env.rows(1, device=self.device)
        row = np.zeros(1, dtype=np.int64)
        observation, steps = rows.reset(row, [0]), []
        for action in torch.from_numpy(actions).to(self.device):
            inputs = self.components(observation)
            seen = {"state": self._state_of(inputs)} if self.is_finite else {"input": inputs}
            observation, reward, *_ = rows.step(action.view(1), row)
            gain = reward
            if self.solver.reward == "modular":
                gain = torch.as_tensor(rows.batch.modular_rewards(row), dtype=torch.float32, device=self.device)
            steps.append({**seen, "action": action.view(1), "reward": gain, "value": reward})
        episode = {name: torch.cat([step[name] for step in steps]) for name in self._names[:-1]}
        return {**episode, "mask": torch.ones(len(steps), dtype=torch.bool, device=self.device)}

    def _visited(self, states: Tensor, mask: Tensor) -> Tensor:
        """Which states somebody was in, ``(U,)``."""
        # Steps that did not take place count for one state too many.
        seen = torch.zeros(self.num_states + 1, dtype=torch.bool, device=self.device)
        seen[torch.where(mask, states, self.num_states).flatten()] = True
        return seen[:-1].nonzero().squeeze(1)

    def _shared(self, episodes: Batch, gains: Tensor) -> tuple[Batch, Tensor]:
        """Every member gets the episodes of all, ``(n', n' E, T, ...)``."""
        n = len(gains)

        def everybody(part: Tensor) -> Tensor:
            return part.flatten(0, 1).unsqueeze(0).expand(n, -1, *part.shape[2:])

        shared = {name: part if self.is_finite and name == "inputs" else everybody(part) for name, part in episodes.items()}
        return shared, everybody(gains)

    def _credited(
        self, chosen: Selection, members: Sequence[int], episodes: Batch, gains: Tensor, ratio: Tensor | None
    ) -> Batch:
        """Advantages ``(n', E, T)``, how much each step counts ``(n', E, T)``, and value targets ``(n', E, T, m)``."""
        solver, mask = self.solver, episodes["mask"]
        utility = self.task.utility.select(torch.tensor(list(members)))
        gamma, weights = self.gamma, self.linear_weights[chosen]
        if utility.criterion == "esr" and not utility.scalarization.is_linear:
            # One number per step; in equal parts, so that a critic predicts the same numbers for either criterion.
            gains = torch.where(mask.unsqueeze(-1), utility_gains(gains, utility, gamma), 0.0).expand(*mask.shape, self.m)
            gamma, weights = 1.0, torch.full_like(weights, 1.0 / self.m)
        spread_weights = weights.view(len(weights), 1, 1, -1)
        whole = (credited_gains(gains, "total", gamma)[:, :, 0] * spread_weights[:, 0]).sum(-1) if solver.imitation else None
        counts = mask.to(torch.float32) if ratio is None else ratio * mask
        extra: Batch = {}
        if solver.baseline == "critic":
            advantages, extra["target"] = self._critic_advantages(chosen, episodes, gains, gamma)
            advantages = (advantages * spread_weights).sum(-1)
        else:
            gains = (gains * spread_weights).sum(-1, keepdim=True)
            credited = credited_gains(gains if ratio is None else gains * ratio.unsqueeze(-1), solver.credit, gamma).squeeze(-1)
            baseline = self._leave_one_out(credited, mask) if solver.baseline == "leave_one_out" else 0.0
            advantages = credited - baseline * counts
        advantages = torch.where(mask, advantages, 0.0)
        if solver.kernels:
            advantages = advantages * self._kernel_weights(chosen, utility)
        if whole is not None:
            # The last episode is the best one. All its actions are right, also where others still had more to gain.
            advantages[:, -1] = (whole[:, -1] - whole[:, :-1].mean(1)).unsqueeze(1) * mask[:, -1]
        advantages = self._scaled(advantages, mask, members)
        if whole is not None:
            advantages[:, -1] *= solver.imitation * self.rows_per_member
        return {"advantage": advantages, "count": counts, **extra}

    def _leave_one_out(self, credited: Tensor, mask: Tensor) -> Tensor:
        """Baseline ``(n', E, T)`` from the other episodes in the same transition model."""
        n, kernels = len(mask), max(len(self.solver.kernels), 1)

        def fold(part: Tensor) -> Tensor:
            """Kernels beside members: ``(n', E, T) -> (n' K, E / K, T)``."""
            folded: Tensor = part.unflatten(1, (-1, kernels)).transpose(1, 2).flatten(0, 1)
            return folded

        others = leave_one_out(fold(credited).unsqueeze(-1), fold(mask)).squeeze(-1)
        baseline: Tensor = others.unflatten(0, (n, kernels)).transpose(1, 2).flatten(1, 2)
        return baseline

    def _kernel_weights(self, chosen: Selection, utility: Utility) -> Tensor:
        r"""How much the episodes of each transition model count, ``(n', E, 1)``, 1 on average.

        The gradient of a smooth minimum of the values :math:`J_k`:
        :math:`\lambda_k \propto \exp(-J_k / (t \lvert \bar J \rvert))`, at running values.
        """
        kernels = len(self.solver.kernels)
        returns = self.batch_returns[chosen].unflatten(1, (-1, kernels))
        found = utility(returns).mean(1) if utility.criterion == "esr" else utility(returns.mean(1))
        before = self.kernel_values[chosen]
        values = torch.where(before.isnan(), found, before.lerp(found, RETURN_SMOOTHING))
        self.kernel_values[chosen] = values
        temperature = self.solver.kernel_temperature * values.mean(1, keepdim=True).abs().clamp_min(1e-6)
        shares = kernels * (-values / temperature).softmax(1)
        return shares.repeat(1, self.rows_per_member // kernels).unsqueeze(-1)

    def _scaled(self, advantages: Tensor, mask: Tensor, members: Sequence[int]) -> Tensor:
        """Divide by the standard deviation over a batch."""
        flat, valid = advantages.flatten(1), mask.flatten(1)
        number = valid.sum(1, keepdim=True).clamp_min(1)
        centred = torch.where(valid, flat - flat.sum(1, keepdim=True) / number, 0.0)
        deviation = (centred.square().sum(1, keepdim=True) / number).sqrt()
        self.note_statistics(member_slice(members, self.n), spread=deviation.squeeze(1))
        if not self.solver.normalise_advantages:
            return advantages
        # The floor keeps rounding errors of equal credits from being blown up into a signal.
        unit = torch.maximum(deviation, 1e-5 * flat.abs().amax(1, keepdim=True) + 1e-6)
        if self.solver.entropy_unit == "first_batch":
            index = torch.tensor(list(members), device=self.device)
            before = self.first_spread[index]
            self.first_spread[index] = torch.where(before > 0, before, unit)
        return advantages / unit.unsqueeze(-1)

    def _critic_advantages(self, chosen: Selection, episodes: Batch, gains: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        """Advantages and value targets of the critic, ``(n', E, T, q)`` each; the critic has not seen this batch."""
        mask = episodes["mask"]
        with torch.no_grad():
            values = self._values(select(self.critic, chosen), episodes) * self.value_scale[chosen][:, None, None]
        n, rows, steps = mask.shape
        # What follows the last step is worth nothing: episodes are judged by what they gained until their end.
        following = torch.cat([values[:, :, 1:], torch.zeros_like(values[:, :, :1])], 2)
        last = torch.arange(steps, device=self.device) == mask.sum(2, keepdim=True) - 1
        following = torch.where(last.unsqueeze(-1), 0.0, following)

        def time_major(part: Tensor) -> Tensor:
            return part.flatten(0, 1).transpose(0, 1)

        ends = time_major(last)
        parts = generalised_advantages(
            time_major(gains),
            time_major(values),
            time_major(following),
            ends,
            ends,
            gamma,
            self.solver.gae_lambda,
            time_major(mask),
        )
        advantages, targets = (part.transpose(0, 1).unflatten(0, (n, rows)) for part in parts)
        # The unit of the critic's outputs is the spread of the first targets it ever saw.
        scale, spread = self.value_scale[chosen], targets.flatten(1, 2).square().mean(1).sqrt().clamp_min(1e-6)
        scale = torch.where(scale > 0, scale, spread)
        self.value_scale[chosen] = scale
        return advantages, targets / scale[:, None, None]

    def _aggregated(self, episodes: Batch) -> Batch:
        """Sum over the visits of each state: credits per action ``(n', U, A)``, visits ``(n', U)``, targets ``(n', U, m)``."""
        n, states, actions = len(episodes["mask"]), episodes["inputs"].shape[1], self.num_actions
        first = torch.arange(n, device=self.device).view(n, 1, 1) * states
        place = episodes["place"] + first
        flat = place.flatten()

        def summed(values: Tensor, index: Tensor, rows: int) -> Tensor:
            return torch.zeros(rows, *values.shape[1:], device=self.device).index_add_(0, index, values)

        taken = (place * actions + episodes["action"]).flatten()
        batch = {
            "inputs": episodes["inputs"],
            "advantages": summed(episodes["advantage"].flatten(), taken, n * states * actions).view(n, states, actions),
            "visits": summed(episodes["count"].flatten(), flat, n * states).view(n, states),
            "steps": episodes["mask"].sum((1, 2)).to(torch.float32),
        }
        if "target" in episodes:
            counted = episodes["target"].flatten(0, 2) * episodes["count"].flatten().unsqueeze(-1)
            batch["targets"] = summed(counted, flat, n * states).view(n, states, -1)
        return batch

    # ------------------------------------------------------------------ gradient steps: tensors only

    def gradient_step(self, members: Selection, batch: Batch, coefficient: Tensor) -> None:
        """One step of the policy as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: Of visited states: ``inputs (1, U, c)``, ``advantages (n', U, A)``, ``visits (n', U)``, ``steps (n',)``.
                Or of episodes: ``inputs (n', E, T, d)``; ``action``, ``advantage``, ``count`` and ``mask``,
                ``(n', E, T[, a])``.
            coefficient: Weight of the entropy, ``(n',)``.
        """
        # Copies: Adam writes to the parameters while the old ones are still needed.
        leaves = [p.detach().clone().requires_grad_() for p in select(self.actor, members)]
        outputs = self._outputs(leaves, batch)
        loss, entropy = self._loss_and_entropy(leaves, outputs, batch)
        objective = (loss - coefficient * entropy).sum()
        gradients = list(torch.autograd.grad(objective, leaves, retain_graph=self.solver.optimiser == "natural"))
        if self.solver.optimiser == "natural":
            self._natural_step(members, leaves, outputs, batch, gradients)
        else:
            self.adam.step(gradients, members)
            if self.solver.learning_rate_steps is not None:
                # As far as a smaller learning rate would have gone; Adam has one for all members.
                share, after = self.rate_shares[members], select(self.actor, members)
                moved = axpy(share, [q - p for p, q in zip(leaves, after, strict=True)], leaves)
                write_(self.actor, members, [p.detach() for p in moved])
        self.note_statistics(members, policy_loss=loss, entropy=entropy, entropy_coefficient=coefficient)

    def _outputs(self, leaves: Parameters, batch: Batch) -> Tensor:
        """Logits or means, ``(n', U, A)`` or ``(n', E, T, a)``."""
        parameters = leaves if self.is_discrete else leaves[:-1]
        if self.is_finite:
            return self.network.step(parameters, batch["inputs"], {})[0]
        return self.network.unroll(parameters, batch["inputs"])

    def _loss_and_entropy(self, leaves: Parameters, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Policy loss and mean entropy of each member, both per step, ``(n',)``."""
        if self.is_finite:
            log_probs = outputs.log_softmax(-1)
            entropy = -(log_probs.exp() * log_probs).sum(-1)
            return (
                -(batch["advantages"] * log_probs).sum((1, 2)) / batch["steps"],
                (batch["visits"] * entropy).sum(1) / batch["steps"],
            )
        mask = batch["mask"]
        length = mask.sum((1, 2)) / mask.shape[1]
        taken, entropy = self._taken_and_entropy(leaves, outputs, batch["action"])
        return marginal_gain_loss(taken, batch["advantage"], mask) / length, (batch["count"] * entropy).sum((1, 2)) / mask.sum(
            (1, 2)
        )

    def _taken_and_entropy(self, leaves: Parameters, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of taken actions and entropy, ``(n', E, T)`` each."""
        if self.is_discrete:
            log_probs = outputs.log_softmax(-1)
            return log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1), -(log_probs.exp() * log_probs).sum(-1)
        log_std = leaves[-1][:, None, None]
        log_density = gaussian_log_density(action, outputs, log_std)
        return log_density, gaussian_entropy(log_std).expand_as(log_density)

    def _log_probs(self, parameters: Parameters, episodes: Batch) -> Tensor:
        """Log-probability of every action of every episode, ``(n', E, T)``."""
        outputs = self._outputs(parameters, episodes)
        if self.is_finite:
            members = torch.arange(len(outputs), device=self.device).view(-1, 1, 1)
            outputs = outputs[members, episodes["place"]]
        return self._taken_and_entropy(parameters, outputs, episodes["action"])[0]

    def _natural_step(
        self, members: Selection, leaves: Parameters, outputs: Tensor, batch: Batch, gradients: Parameters
    ) -> None:
        """Move along the natural gradient, no further than the allowed divergence."""
        solver = self.solver
        step = natural_step(
            lambda vectors: self.fisher_product(leaves, outputs, batch, vectors),
            [-gradient for gradient in gradients],
            length=solver.learning_rate * self.rate_shares[members],
            max_divergence=solver.max_divergence,
            iterations=solver.iterations,
            damping=solver.damping,
        )
        write_(self.actor, members, [p.detach() + d for p, d in zip(leaves, step, strict=True)])

    def fisher_product(self, leaves: Parameters, outputs: Tensor, batch: Batch, vectors: Parameters) -> Parameters:
        r"""Product of each member's Fisher matrix with a vector.

        The matrix is :math:`\mathbb{E} \nabla \log \pi \nabla \log \pi^\top`, exactly over the actions and on average over the
        visited states.

        Args:
            leaves: Parameters that ``outputs`` were computed from, with a graph.
            outputs: Logits or means.
            batch: See :meth:`gradient_step`.
            vectors: ``(n', ...)`` like the parameters.

        Returns:
            Like ``vectors``.
        """
        share = (
            batch["visits"] / batch["steps"][:, None]
            if self.is_finite
            else batch["count"] / batch["mask"].sum((1, 2))[:, None, None]
        ).unsqueeze(-1)
        if self.is_discrete:
            probs = outputs.detach().softmax(-1)
            return metric_product(outputs, leaves, lambda v: share * probs * (v - (probs * v).sum(-1, keepdim=True)), vectors)
        # Means and log standard deviations of a Gaussian do not interact.
        precision = (-2 * leaves[-1].detach())[:, None, None].exp()
        product = metric_product(outputs, leaves[:-1], lambda v: share * precision * v, vectors[:-1])
        return [*product, 2.0 * share.sum((1, 2)) * vectors[-1]]

    def critic_step(self, members: Selection, batch: Batch) -> None:
        """One step of the critic towards the targets, as tensor operations."""
        assert self.critic_adam is not None
        leaves = [p.detach().requires_grad_() for p in select(self.critic, members)]
        if self.is_finite:
            values, _ = self.critic_network.step(leaves, batch["inputs"], {})
            targets = batch["targets"]
            # Squared errors summed over the visits, up to a constant.
            errors = batch["visits"].unsqueeze(-1) * values.square() - 2.0 * values * targets
            loss = errors.sum((1, 2)) / batch["steps"]
        else:
            mask = batch["mask"]
            values = self.critic_network.unroll(leaves, batch["inputs"])
            errors = (values - batch["target"]).square().sum(-1)
            loss = torch.where(mask, errors, 0.0).sum((1, 2)) / mask.sum((1, 2))
        self.critic_adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)

    def _values(self, critic: Parameters, episodes: Batch) -> Tensor:
        """The critic's values along the episodes, in units of the value scale, ``(n', E, T, m)``."""
        if not self.is_finite:
            return self.critic_network.unroll(critic, episodes["inputs"])
        values, _ = self.critic_network.step(critic, episodes["inputs"], {})
        members = torch.arange(len(values), device=self.device).view(-1, 1, 1)
        return values[members, episodes["place"]]

    # ------------------------------------------------------------------ reports, policies and state

    def rollout_values(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Value of every member under any weights, from the episodes of its latest batch: no further step is needed.

        Args:
            weights: Preferences ``(q, m)``.

        Returns:
            Mean weighted value and its standard error, ``(n, q)`` each, return units.
        """
        values = self.batch_returns @ weights.to(self.device).T
        return values.mean(1), values.std(1) / values.shape[1] ** 0.5

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """What the members' walks look like and how the planners compare, where the environment is a walk on a graph."""
        del kept
        from morl.experiments.walk_report import walk_report

        return walk_report(self.env, self._world, self.policies(), self.uids, self.task.utility)

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """One snapshot per member."""
        del weights
        return [self._policy(i) for i in range(self.n)]

    def _policy(self, member: int) -> NetworkPolicy:
        extras: dict[str, Tensor] = {}
        parameters = [p[member : member + 1].clone() for p in self.actor]
        if not self.is_discrete:
            extras["log_std"] = parameters.pop()
        if self.follows_observations:
            extras["mean"] = self.observation_moments.mean[member : member + 1].clone()
            extras["std"] = self.observation_moments.std[member : member + 1].clone()
        head: Literal["categorical", "gaussian"] = "categorical" if self.is_discrete else "gaussian"
        return NetworkPolicy(self.spec.observation_space, self.spec.action_space, self.network, head, parameters, extras)

    def transfer(self, source: int, target: int, *, payload: Literal["actor", "all"] = "actor") -> None:
        """Overwrite a member's policy by another's and start its optimiser and its episodes anew.

        Args:
            source: Member to copy from.
            target: Member to overwrite. Its unfinished batch was made by the policy that is gone, and is given up.
            payload: The policy only, or the critic as well. The statistics of observations belong to both.
        """
        for parameter in (*self.actor, *(self.critic if payload == "all" else [])):
            parameter[target] = parameter[source]
        self.adam.reset(target)
        self.best.forget(target)
        self.observation_moments.copy(source, target)
        if payload == "all" and self.critic_adam is not None:
            self.value_scale[target] = self.value_scale[source]
            self.critic_adam.reset(target)
        rows = self.rows_of([target])
        self.rollout.clear(rows)
        self.waiting[rows], self.ended[rows] = False, True
        for tensor in self.memory.values():
            tensor[target] = 0

    def _reindex_networks(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        index = torch.as_tensor(list(source))
        self.actor, self.critic = ([p[index].clone() for p in group] for group in (self.actor, self.critic))
        self.adam = self.adam.reindexed(self.actor, source, fresh)
        if self.critic_adam is not None:
            self.critic_adam = self.critic_adam.reindexed(self.critic, source, fresh)
        for name in ("value_scale", "first_spread", "batch_returns", "kernel_values", "rate_shares"):
            setattr(self, name, getattr(self, name)[index].clone())
        self.observation_moments = self.observation_moments.reindexed(source)
        self.best = self.best.reindexed(source)
        self.batches = self.batches[index.numpy()].copy()
        # The unfinished batch is given up: its episodes start again.
        self._make_rollout()
        self.ended[:] = True

    def _own_state(self) -> State:
        state: State = {f"actor/{i}": p for i, p in enumerate(self.actor)}
        state |= {f"critic/{i}": p for i, p in enumerate(self.critic)}
        state |= {name: getattr(self, name) for name in ("value_scale", "first_spread", "batch_returns", "kernel_values")}
        state |= {"batches": torch.from_numpy(self.batches.copy()), "waiting": torch.from_numpy(self.waiting.copy())}
        state |= prefixed("memory", self.memory) | prefixed("best", self.best.state())
        for name in ("adam", "critic_adam", "observation_moments", "rollout"):
            if (part := getattr(self, name)) is not None:
                state |= prefixed(name, part.state())
        return state

    def _load_own_state(self, state: State) -> None:
        for name in ("actor", "critic"):
            for i, p in enumerate(getattr(self, name)):
                restore_(p, state[f"{name}/{i}"])
        for name in ("value_scale", "first_spread", "batch_returns", "kernel_values"):
            restore_(getattr(self, name), state[name])
        self.batches, self.waiting = (state[name].numpy().copy() for name in ("batches", "waiting"))
        self.memory = {name: value.to(self.device).clone() for name, value in unprefixed("memory", state).items()}
        self.best.load_state(unprefixed("best", state), self.device)
        for name in ("adam", "critic_adam", "observation_moments", "rollout"):
            if (part := getattr(self, name)) is not None:
                part.load_state(unprefixed(name, state))
