"""How SubPO comes by its episodes: stepped through the rows, or played whole where the world can."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import FiniteActions, box_actions
from morl.functional.marginal_gains import credited_gains
from morl.members import Owns, PerMember
from morl.nn.distributions import categorical_sample
from morl.nn.policy_networks.network import PolicyNetwork
from morl.nn.running_moments import RunningMoments
from morl.nn.stacked import Parameters, Selection
from morl.protocols import Memory, Rows, Transition
from morl.solvers.subpo.batches import Batch, BatchForm, CountedStates, EpisodeBatch
from morl.solvers.subpo.episodes import playable, played, stepped
from morl.solvers.subpo.heads import CategoricalHead, GaussianHead, Head
from morl.solvers.subpo.walks import WalkActor
from morl.solvers.whole_episodes import WholeEpisodes
from morl.spaces import ComponentEncoder
from morl.stores import Rollout

if TYPE_CHECKING:
    from morl.solvers.subpo.solver import SubPO

STATE_LIMIT = 1_000_000
"""Most states for which the visits of a batch are counted in a table."""


class EpisodeSource(WholeEpisodes):
    """A population that plays whole episodes with a policy network; a subclass learns from them."""

    owns: Owns = (PerMember("memory", grows=True),)

    solver: SubPO
    finite: FiniteActions | None
    components: ComponentEncoder
    head: Head
    form: BatchForm
    network: PolicyNetwork
    actor: Parameters
    """Parameters of the network and the head, ``(n, ...)`` each."""
    observation_moments: RunningMoments
    follows_observations: bool

    @abstractmethod
    def _learn(self, members: list[int], fields: Batch) -> None:
        """One step of some members on their episodes, fields ``(n', E, T, ...)``."""

    def _make_head(self, space: Any) -> Head:
        if self.finite is not None:
            return CategoricalHead(self.finite)
        assert isinstance(space, spaces.Box)
        return GaussianHead(box_actions(space, self.device), space.shape, self.solver.initial_log_std)

    def _make_form(self) -> BatchForm:
        """Visits are counted where one policy evaluation per state is enough and there are few states."""
        sizes = self.components.sizes
        num_states = 0 if sizes is None else math.prod(sizes)
        if sizes is not None and self.finite is not None and self.network.is_markov and 0 < num_states <= STATE_LIMIT:
            return CountedStates(sizes, num_states)
        return EpisodeBatch(self.components.width, integral=sizes is not None)

    def _make_store(self) -> None:
        """Empty store of the present batch."""
        fields = {self.form.seen: self.form.stored, "action": self.head.stored, "reward": (self.m,), "value": (self.m,)}
        count, horizon = len(self._all_rows), min(self.spec.max_episode_steps or 64, 1024)
        self.rollout = Rollout(fields, horizon=horizon, num_rows=count, device=self.device, grow=True)
        self.waiting = np.zeros(count, dtype=np.bool_)
        self.memory = self.network.start(self.n, self.rows_per_member, self.device)

    @property
    def _world(self) -> Any:
        """The batched environment behind the rows."""
        return getattr(self.rows, "batch", None)

    # ------------------------------------------------------------------ rounds: one step of every row, or whole episodes

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round: whole episodes where the world can play them, else one step of every row."""
        rows = self.rows_of(members)
        return len(rows) * self._world.horizon if self._can_play(rows) else super().next_round(members)

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take the next round; see :meth:`morl.spending.TakesRounds.round`."""
        self._participants = rows = self.rows_of(members)
        if not self._can_play(rows):
            return super().round(budget, members)
        if (steps := len(rows) * self._world.horizon) <= budget:
            self._play(rows)
            return {"training": steps}
        left = budget  # less than the episodes take: step by step
        while left:
            some = self._ready(rows)[:left]
            self._round(some)
            left -= len(some)
        return {"training": budget}

    def _can_play(self, rows: Rows) -> bool:
        """Whether whole episodes of these rows come next, and the world can play them."""
        if playable(self._world, self.form) is None:
            return False
        return bool(self.ended[rows].all()) and not self.waiting[rows].any()

    def _play(self, rows: Rows) -> None:
        """A batch of whole episodes, and the step that is learned from it."""
        world = self._world
        assert isinstance(self.form, CountedStates)
        owners = torch.from_numpy(self.row_member[rows]).to(self.device)
        began = time.perf_counter()
        noise = self.head.noise((world.horizon, len(rows)), self.acting, self.device)
        actor = WalkActor(self.network, self.actor, world, owners, noise)
        models = self._dynamics_of(rows)
        self.timing["acting"] += time.perf_counter() - began
        episodes = played(
            world, self.form, actor, rows, self._episode_seeds(rows),
            None if models is None else models.cpu().numpy().astype(np.float64),
            modular=self.solver.reward == "modular", timing=self.timing,
        )  # fmt: skip
        began = time.perf_counter()
        self.episodes[rows] += 1
        members = np.unique(self.row_member[rows]).tolist()
        self.member_steps[members] += self.rows_per_member * world.horizon
        returns = credited_gains(episodes["value"].unsqueeze(0), "total", self.gamma)[0, :, 0]
        self._follow_returns(self.row_member[rows], returns.cpu().numpy().astype(np.float64))
        self._learn(members, {name: part.unflatten(0, (len(members), -1)) for name, part in episodes.items()})
        self.timing["learning"] += time.perf_counter() - began

    def _dynamics_of(self, rows: Rows) -> Tensor | None:
        kernels = self.solver.kernels
        if not kernels:
            return super()._dynamics_of(rows)
        return torch.tensor(kernels)[torch.from_numpy(rows % self.rows_per_member % len(kernels))]

    # ------------------------------------------------------------------ acting

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        inputs = self.components(observations)
        noise = self.head.noise((len(rows),), self.acting, self.device)
        with torch.no_grad():
            if isinstance(self.form, CountedStates):
                visited, place = torch.unique(self.form.store(inputs), return_inverse=True)
                owners = torch.from_numpy(self.row_member[rows]).to(self.device)
                actions = self.act_on_states(self.actor, self.form.inputs_of(visited).unsqueeze(0), (owners, place), noise)
            else:
                actions = self._act_padded(rows, inputs, noise)
        self._pending = {self.form.seen: self.form.store(inputs), "action": actions}
        return self.head.for_environment(actions)

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
        outputs, memory = self.network.step(self.head.network_part(actor), inputs, memory, active)
        return self.head.sample(outputs, actor, noise), memory

    def _remember(self, step: Transition) -> None:
        learnt_from = step.rewards
        if self.solver.reward == "modular":
            learnt_from = torch.as_tensor(self._world.modular_rewards(step.rows), dtype=torch.float32, device=self.device)
        self.rollout.add(step.rows, reward=learnt_from, value=step.rewards, **self._pending)
        self.waiting[step.rows] = step.done.cpu().numpy()

    def _forget(self, rows: Rows, members: list[int]) -> None:
        super()._forget(rows, members)
        if len(members) == self.n:
            self.memory = self.network.start(self.n, self.rows_per_member, self.device)
            return
        index = torch.tensor(members, device=self.device)
        for tensor in self.memory.values():
            tensor[index] = 0

    def _update(self, members: list[int]) -> None:
        self._learn(members, stepped(self.rollout, self.form, self.rows_of(members), len(members)))
