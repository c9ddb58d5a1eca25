"""What the off-policy learners share: a ring of transitions, warm-up, and the account of owed updates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import BoxActions, FiniteActions, box_actions, discrete_start
from morl.members import Owns, PerNetwork, Store
from morl.nn.stacked import Parameters, Selection, blend_, select, write_
from morl.population import PopulationLearner
from morl.protocols import EnvFactory, Experience, Rows, Transition
from morl.stores import Ring
from morl.task import Task

Batch = dict[str, Tensor]


class OffPolicyLearner(PopulationLearner):
    """A population that learns from stored transitions.

    A member acts at random during its first ``learning_starts`` environment steps; from then on it is owed
    ``updates_per_step`` gradient updates per environment step of its own.
    """

    owns: Owns = (PerNetwork("owed", fresh=0.0), Store("ring"))

    updates: Tensor
    """Gradient updates of each network, ``(n,)`` int64."""

    def __init__(
        self,
        solver: Any,
        *,
        env: EnvFactory,
        task: Task,
        seed: int,
        device: torch.device,
        finite: FiniteActions | None,
        prioritised: bool = False,
    ) -> None:
        """Make rows and store.

        Args:
            solver: The solver's configuration.
            env: The problem.
            task: What each member works on.
            seed: Seed of every stream.
            device: Where tensors live.
            prioritised: Draw in proportion to priorities.
            finite: The choices that name an action in the store and in the networks; None where they see the action itself.
        """
        self.solver = solver
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.finite = finite
        self.is_discrete = finite is not None
        size = int(np.prod(env.spec.action_space.shape or ()))
        self.num_actions = size if finite is None else finite.width
        d = self.encoder.width
        self.ring = Ring(
            {
                "observation": d,
                "action": size if finite is None else len(finite.sizes),
                "reward": self._reward_width,
                "next_observation": d,
                "discount": 1,
                **self._more_fields(),
            },
            capacity=solver.capacity,
            num_groups=self.n,
            shared=self.shares_store,
            num_rows=self.n * self.rows_per_member,
            n_step=solver.n_step,
            gamma=solver.gamma,
            prioritised=prioritised,
            device=device,
        )
        self.owed = np.zeros(self.num_networks)
        self._encoded: Tensor | None = None

    @property
    def shares_store(self) -> bool:
        """Whether all members' transitions are in one store."""
        return bool(self.solver.replay == "shared")

    @property
    def _reward_width(self) -> int:
        """Numbers that are stored of one reward."""
        return self.m

    def _more_fields(self) -> dict[str, int]:
        """Widths of fields that the store holds beside the usual ones, such as the weights of a row's episode."""
        return {}

    def _more_values(self, step: Transition) -> dict[str, Tensor]:
        """What to store in these fields, ``(r, width)`` each."""
        del step
        return {}

    def _batch(self, members: Sequence[int] | None) -> Batch:
        """Draw a batch for the network of each of some members; None for all.

        Returns:
            What the store holds, ``(n', B, width)`` each, observations as the networks see them.
        """
        return self.ring.sample(self.solver.batch_size, generator=self.learning, members=members)

    def _judging(self, members: Selection, batch: Batch) -> Tensor:
        """Weights by which a batch is judged: its own, ``(n', B, m)``, else those of the members, ``(n', 1, m)``."""
        return batch["weights"] if "weights" in batch else self.linear_weights[members].unsqueeze(1)

    @abstractmethod
    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One gradient update of some members from the store; None for all."""

    @abstractmethod
    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        """Exploring actions for encoded observations of some rows; choices where actions are finite."""

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        encoded = self.encoder(observations)
        self._encoded = encoded
        warm = self.member_steps[self.row_member[rows]] < self.solver.learning_starts
        if warm.all():
            chosen = self._random_actions(len(rows))
        else:
            chosen = self._policy_actions(rows, encoded)
            if warm.any():
                mask = torch.from_numpy(warm).to(self.device).view(-1, *(1,) * (chosen.dim() - 1))
                chosen = torch.where(mask, self._random_actions(len(rows)), chosen)
        return chosen if self.finite is None else self.finite.actions(chosen)

    def _random_actions(self, count: int) -> Tensor:
        """Uniform over the action space, ``(count, *space.shape)``; choices where actions are finite."""
        if self.finite is not None:
            return self.finite.random(count, self.acting, self.device)
        box, shape = self.box, self.spec.action_space.shape or ()
        flat = box.low + (box.high - box.low) * torch.rand((count, len(box.low)), generator=self.acting, device=self.device)
        return box.clip(flat).view(count, *shape)

    @cached_property
    def box(self) -> BoxActions:
        """The units of actions that are a box of real numbers."""
        space = self.spec.action_space
        assert isinstance(space, spaces.Box)
        return box_actions(space, self.device)

    def _choices(self, actions: Tensor) -> Tensor:
        """Actions of a finite space ``(B, *space.shape)``, as the environment takes them, by choices."""
        assert self.finite is not None
        return self.finite.choices(actions.to(self.device) - discrete_start(self.spec.action_space))

    def _remember(self, step: Transition) -> None:
        assert self._encoded is not None
        actions = step.actions if self.finite is None else self.finite.choices(step.actions)
        self.ring.add(
            step.rows,
            self.row_member[step.rows],
            observation=self._encoded,
            action=actions.reshape(len(step.rows), -1).to(torch.float32),
            reward=step.rewards,
            next_observation=self.encoder(step.next_observations),
            terminated=step.terminated,
            truncated=step.truncated,
            **self._more_values(step),
        )

    def _improve(self, members: Rows, steps: Rows) -> None:
        ready = self.member_steps[members] > self.solver.learning_starts
        if not ready.any():
            return
        ready &= self.ring.sizes[members] > 0
        stepped = members[ready]
        self.owed[stepped] += self.solver.updates_per_step * steps[ready]
        due = stepped[self.owed[stepped] >= 1.0]
        while len(due):
            self.gradient_update(None if len(due) == self.n else due.tolist())
            self.owed[due] -= 1.0
            due = due[self.owed[due] >= 1.0]

    def _follow(self, members: Selection, targets: Parameters, live: Parameters) -> None:
        """Count an update of some members, and move the target networks of those whose period is over."""
        counts = self.updates.numpy()
        chosen = members if isinstance(members, slice) else members.numpy()
        counts[chosen] += 1
        period = self.solver.target_period
        due = counts[chosen] % period == 0
        if isinstance(members, slice) and (period == 1 or due.all()):
            blend_(select(targets, members), select(live, members), self.solver.tau)
        elif due.any():
            index = torch.from_numpy(np.arange(len(counts))[chosen][due])
            blended = select(targets, index)
            blend_(blended, select(live, index), self.solver.tau)
            write_(targets, index, blended)

    def _before_first_update(self) -> str:
        name, most = type(self.solver).__name__, int(self.member_steps.max())
        if most > self.solver.learning_starts:
            return (
                f"{name} owes a member {self.solver.updates_per_step:g} updates for each of its steps, and no whole one is due "
                "yet; raise updates_per_step, or env_steps"
            )
        return (
            f"{name} learns when a member has had more than learning_starts = {self.solver.learning_starts:,} steps, and the "
            f"first has had {most:,}; lower learning_starts, or raise env_steps"
        )

    def extra_updates(self, passes: int, members: Sequence[int]) -> None:
        """Gradient updates of members that did not act (the update passes of a turn-by-turn schedule).

        Args:
            passes: Updates of each member.
            members: Which; those whose store has not outgrown the warm-up are skipped.
        """
        stored_steps = np.full(self.n, self.member_steps.sum()) if self.shares_store else self.member_steps
        sizes = self.ring.sizes
        able = [i for i in members if sizes[i] > 0 and stored_steps[i] > self.solver.learning_starts]
        for _ in range(passes if able else 0):
            self.gradient_update(None if len(able) == self.num_networks else able)

    def experience(self, member: int) -> Experience:
        """Stored transitions; see :class:`morl.capabilities.HasExperience`."""
        stored = self.ring.stored(member)
        actions = stored["action"]
        if self.finite is not None:
            actions = self.finite.one_hot(self.finite.stored_index(actions))
        return Experience(stored["observation"], actions, stored["next_observation"])
