"""The population engine: ``n`` members act in their environment rows and are trained together."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import CheckpointError, ConfigurationError, ShapeError, TrainingDiverged
from morl.members import Change, Counter, Declared, Owns, PerMember, PerRow, Stream
from morl.nn.stacked import Selection, member_slice
from morl.protocols import EnvFactory, EpisodeListener, Policy, Rows, State, Transition, prefixed, unprefixed
from morl.seeding import stream_seeds, torch_stream
from morl.spaces import ObservationEncoder
from morl.spending import checked_members, spend
from morl.task import Task, merged_ideal_point

RETURN_SMOOTHING = 0.1
"""Rate of the moving average of episode returns at which non-linear scalarizations are linearised."""


class PopulationLearner(Declared, ABC):
    """Base of the leaf learners (MOSAC, MOPPO, MODQN, MOQLearning, EUPG, SubPO, SEQUOIA).

    It owns what they have in common: the environment rows and their episodes, member identities, the task, random streams,
    accounts, and the indivisible *round*: reset what ended, act, step, remember, improve. A subclass declares what else its
    members own, and says how to act, what to remember and how to improve.

    Every episode of a row is reset with a seed that depends on the run's seed, the member's identity, the row's position
    and the episode's number only, so a member's environments do not depend on how many members there are.
    """

    owns: Owns = (
        Counter("next_uid"),
        PerRow("episodes", fresh=0),
        PerRow("ended", fresh=True),
        PerRow("returns"),
        PerRow("discounts"),
        PerRow("row_weights"),
        PerMember("start_returns"),
        PerMember("has_return"),
        PerMember("member_steps"),
        PerMember("actor_family", goes_with="actor", is_young=True),
        PerMember("critic_family", goes_with="all", is_young=True),
        PerMember("stats"),
        Stream("acting"),
        Stream("learning"),
    )
    owns_under = ""
    is_finished = False
    """There is always more to learn."""
    serves_preferences: ClassVar[bool] = True
    """Whether episodes are played for the members' weights."""

    def __init__(
        self, *, env: EnvFactory, task: Task, gamma: float, rows_per_member: int, seed: int, device: torch.device
    ) -> None:
        """Make the rows and identities.

        Args:
            env: The problem.
            task: What each member works on.
            gamma: Discount factor.
            rows_per_member: Environment rows of each member.
            seed: Seed of every stream.
            device: Where tensors live.
        """
        self.env, self.spec, self.gamma, self.seed, self.device = env, env.spec, gamma, seed, device
        self.m = env.spec.num_objectives
        if task.utility.weights.shape[1] != self.m:
            raise ShapeError(
                f"weights have {task.utility.weights.shape[1]} objectives but {env.spec.env_id} has {self.m}; "
                f"give {self.m} weights per member"
            )
        self.encoder = ObservationEncoder(env.spec.observation_space)
        self.rows_per_member = rows_per_member
        self.task = replace(task, utility=task.utility.to(device))
        self.uids = list(range(task.num_members))
        self.next_uid = task.num_members
        self._make_rows()
        count = len(self._all_rows)
        self.episodes = np.zeros(count, dtype=np.int64)
        self.ended = np.ones(count, dtype=np.bool_)
        self.observations: Tensor | None = None
        self.returns = np.zeros((count, self.m))
        self.discounts = np.ones(count)
        draws = type(self)._weights_at_reset is not PopulationLearner._weights_at_reset
        self.listener: EpisodeListener | None = None
        self.row_weights = torch.zeros(count, self.m, device=device) if draws else None
        """Weights of each row's episode, ``(R, m)``, where rows have weights of their own."""
        self.start_returns = torch.zeros(self.n, self.m, device=device)
        self.has_return = np.zeros(self.n, dtype=np.bool_)
        self.member_steps = np.zeros(self.n, dtype=np.int64)
        self.actor_family, self.critic_family = np.arange(self.n), np.arange(self.n)
        """Which members descend from one by copying, ``(n,)``: how they act, and what only a full transfer takes along."""
        self.acting = torch_stream(seed, "acting", device=device)
        self.learning = torch_stream(seed, "learning", device=device)
        self.stats: dict[str, Tensor] = {}
        self._noted: dict[str, npt.NDArray[np.bool_]] = {}
        self.timing = {"acting": 0.0, "environment": 0.0, "learning": 0.0}
        self._refresh_weights()

    # ------------------------------------------------------------------ what a solver adds

    @abstractmethod
    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        """Choose training actions for raw observations of some rows, ``(r, ...)`` in environment units (Discrete: from 0)."""

    @abstractmethod
    def _remember(self, step: Transition) -> None:
        """Store one step of some rows."""

    @abstractmethod
    def _improve(self, members: Rows, steps: Rows) -> None:
        """Do the updates that are owed to the members whose rows were just stepped, ``steps`` rows each."""

    @abstractmethod
    def policies(self) -> list[Policy]:
        """Snapshots of the current policies, one per member."""

    def _weights_at_reset(self, rows: Rows) -> Tensor:
        """Weights of the episodes that begin in some rows, ``(r, m)``, for learners whose rows have weights of their own.

        Who overrides it finds them in :attr:`row_weights`; else a row has those of its member, :attr:`linear_weights`.
        """
        return self.linear_weights[torch.from_numpy(self.row_member[rows])]

    def _reindexed(self, change: Change) -> None:
        """Follow a change of the population in what is not declared."""

    # ------------------------------------------------------------------ rows and episodes

    @property
    def n(self) -> int:
        """Number of members."""
        return len(self.uids)

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round, if these members take part; see :class:`morl.protocols.Learner`."""
        return len(self._ready(self.rows_of(members)))

    def _make_rows(self) -> None:
        count = self.n * self.rows_per_member
        self.rows = self.env.rows(count, device=self.device)
        self.row_member = np.repeat(np.arange(self.n), self.rows_per_member)
        self._all_rows = self._participants = np.arange(count)

    def rows_of(self, members: Sequence[int] | None) -> Rows:
        """Rows of some members, ordered by member."""
        if members is None:
            return self._all_rows
        first = np.asarray(members, dtype=np.int64)[:, None] * self.rows_per_member
        return (first + np.arange(self.rows_per_member)).reshape(-1)

    @property
    def num_networks(self) -> int:
        """Networks: one for each member, or a single one."""
        return self.n

    @property
    def input_width(self) -> int:
        """Numbers that a network sees of a state."""
        return self.encoder.width

    def _networks(self, members: Sequence[int] | None) -> Selection:
        """Networks of some members; None for all."""
        return member_slice(members, self.n)

    def _seen(self, encoded: Tensor, rows: Rows) -> Tensor:
        """What networks see of encoded observations of some rows, ``(r, d)``."""
        del rows
        return encoded

    def _weights_of(self, rows: Rows) -> Tensor:
        """Weights by which some rows act, ``(r, m)``."""
        return self.linear_weights[torch.from_numpy(self.row_member[rows])]

    def _grouped(self, rows: Rows) -> tuple[Selection, int]:
        """Whose networks act in some rows, and in how many of them each: whole members, or one network per row."""
        # Rows come ordered by member.
        per_member = self.rows_per_member if len(rows) % self.rows_per_member == 0 else 1
        return member_slice(self.row_member[rows[::per_member]].tolist(), self.n), per_member

    def _init_streams(self, network: str) -> list[torch.Generator]:
        """Random streams from which the first parameters of each member's network are drawn."""
        return [torch_stream(self.seed, f"init/{network}", uid) for uid in self.uids]

    def _reset_ended(self, rows: Rows) -> None:
        ended = rows[self.ended[rows]]
        if not len(ended):
            return
        observations = self.rows.reset(ended, self._episode_seeds(ended).tolist(), self._dynamics_of(ended))
        if self.observations is None:
            self.observations = torch.zeros(
                len(self._all_rows), *observations.shape[1:], dtype=observations.dtype, device=self.device
            )
        self.observations[torch.from_numpy(ended)] = observations
        self.episodes[ended] += 1
        self.ended[ended] = False
        self.returns[ended] = 0.0
        self.discounts[ended] = 1.0
        if self.row_weights is not None:
            self.row_weights[torch.from_numpy(ended)] = self._weights_at_reset(ended)
        if self.listener is not None:
            self.listener.begin(ended, self._preferences_of(ended), [self.uids[i] for i in self.row_member[ended]])

    def _preferences_of(self, rows: Rows) -> Tensor:
        """Preferences that the episodes of some rows serve, ``(r, m)``: own ones or their member's; NaN for none."""
        if not self.serves_preferences:
            return torch.full((len(rows), self.m), float("nan"))
        index = torch.from_numpy(rows)
        if self.row_weights is not None:
            return self.row_weights[index]
        return self.task.utility.weights[torch.from_numpy(self.row_member[rows])]

    def tell(self, listener: EpisodeListener) -> None:
        """See :class:`morl.capabilities.TellsEpisodes`."""
        self.listener = listener

    def _episode_seeds(self, rows: Rows) -> Rows:
        """Seeds of the next episode of some rows, ``(r,)``."""
        purposes = [f"episode/{row % self.rows_per_member}" for row in rows]
        return stream_seeds(self.seed, purposes, np.asarray(self.uids)[self.row_member[rows]], self.episodes[rows])

    def _dynamics_of(self, rows: Rows) -> Tensor | None:
        """Transition model of the next episode of some rows, ``(r, k)``: their member's; None for the nominal one."""
        return None if self.task.dynamics is None else self.task.dynamics[torch.from_numpy(self.row_member[rows])]

    def _ready(self, rows: Rows) -> Rows:
        """Which of the participating rows take part in the next round; at least one."""
        return rows

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train for whole rounds, as many as fit; see :meth:`morl.protocols.Learner.learn`."""
        return spend(self, env_steps, checked_members(members, self.n))

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take the next round of some members; see :meth:`morl.spending.TakesRounds.round`."""
        self._participants = self.rows_of(members)
        rows = self._ready(self._participants)
        if len(rows) > budget:
            rows = rows[:budget]
        self._round(rows)
        return {"training": len(rows)}

    def _round(self, rows: Rows) -> None:
        start = time.perf_counter()
        self._reset_ended(rows)
        assert self.observations is not None
        everybody = len(rows) == len(self._all_rows)
        index = None if everybody else torch.from_numpy(rows)
        observations = self.observations if index is None else self.observations[index]
        t_acting = time.perf_counter()
        actions = self._act(rows, observations)
        t_stepping = time.perf_counter()
        next_observations, rewards, terminated, truncated = self.rows.step(actions, rows)
        t_learning = time.perf_counter()
        step = Transition(rows, observations, actions, rewards, next_observations, terminated, truncated)
        self._remember(step)
        if self.listener is not None:
            self.listener.step(step)
        if index is None:
            self.observations = next_observations
        else:
            self.observations[index] = next_observations
        self._account(rows, rewards, step.done)
        counts = np.bincount(self.row_member[rows], minlength=self.n)
        members = np.flatnonzero(counts)
        self.member_steps += counts
        self._improve(members, counts[members])
        self.timing["environment"] += t_learning - t_stepping + t_acting - start
        self.timing["acting"] += t_stepping - t_acting
        self.timing["learning"] += time.perf_counter() - t_learning

    def _account(self, rows: Rows, rewards: Tensor, done: Tensor) -> None:
        """Follow each row's discounted return; a finished episode moves its member's running mean."""
        self.returns[rows] += self.discounts[rows, None] * rewards.cpu().numpy()
        self.discounts[rows] *= self.gamma
        finished = rows[done.cpu().numpy()]
        if not len(finished):
            return
        self.ended[finished] = True
        self._follow_returns(self.row_member[finished], self.returns[finished])

    def _follow_returns(self, owners: Rows, returns: npt.NDArray[np.float64]) -> None:
        """Move the members' running means by finished episodes: members ``(r,)`` and returns ``(r, m)``."""
        counts = np.bincount(owners, minlength=self.n)
        sums = np.zeros((self.n, self.m))
        np.add.at(sums, owners, returns)
        seen = np.flatnonzero(counts)
        means = torch.as_tensor(sums[seen] / counts[seen, None], dtype=torch.float32, device=self.device)
        rate = torch.as_tensor(np.where(self.has_return[seen], RETURN_SMOOTHING, 1.0), dtype=torch.float32, device=self.device)
        index = torch.from_numpy(seen)
        self.start_returns[index] = self.start_returns[index].lerp(means, rate.unsqueeze(1))
        self.has_return[seen] = True
        if not self.task.utility.scalarization.is_linear:
            self._refresh_weights()

    # ------------------------------------------------------------------ tasks and identities

    def _refresh_weights(self) -> None:
        """Weights of each member's linear sub-problem, ``(n, m)`` (SER: the utility linearised at its running return)."""
        self.linear_weights = self.task.utility.linearised(self.start_returns)

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Give members new sub-problems; see :meth:`morl.protocols.Learner.set_task`."""
        utility = task.utility.to(self.device)
        if members is None:
            if task.num_members != self.n:
                raise ShapeError(f"the task is for {task.num_members} members but the population has {self.n}; reindex first")
            self.task = replace(task, utility=utility)
        else:
            index = torch.as_tensor(list(members))
            weights = self.task.utility.weights.clone()
            weights[index] = utility.weights
            dynamics = self.task.dynamics
            if task.dynamics is not None:
                dynamics = (
                    task.dynamics.new_full((self.n, task.dynamics.shape[1]), float("nan")) if dynamics is None else dynamics
                ).clone()
                dynamics[index] = task.dynamics
            self.task = Task(
                utility=replace(utility, weights=weights, ideal_point=merged_ideal_point(self.task.utility, utility, index)),
                dynamics=dynamics,
            )
        self._refresh_weights()

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Make a population of copies; see :meth:`morl.protocols.Learner.reindex`."""
        kept = [s for s, is_fresh in zip(source, fresh, strict=True) if not is_fresh]
        if len(set(kept)) < len(kept):
            raise ConfigurationError(
                f"reindex: member {max(kept, key=kept.count)} is kept twice; all copies but one must be fresh individuals"
            )
        change = Change(source, fresh, self.rows_per_member)
        pick, new = torch.from_numpy(change.rows), torch.from_numpy(change.fresh_rows)
        state = {key: value[pick] for key, value in self.rows.state().items()}
        state["seeds"][new] = -1
        state["lengths"][new] = 0
        self.uids = [self._new_uid() if is_fresh else self.uids[s] for s, is_fresh in zip(source, fresh, strict=True)]
        self._make_rows()
        self.rows.load_state(state)
        self.observations = None if self.observations is None else self.observations[pick]
        self.reindex_owned(change)
        if self.listener is not None:
            self.listener.reindex(change.rows, change.fresh_rows)
        self._noted = {name: noted[change.members.numpy()] for name, noted in self._noted.items()}
        utility, dynamics = self.task.utility.select(change.members), self.task.dynamics
        self.task = Task(utility=utility, dynamics=None if dynamics is None else dynamics[change.members])
        self._reindexed(change)
        self._refresh_weights()

    def _new_uid(self) -> int:
        self.next_uid += 1
        return self.next_uid - 1

    # ------------------------------------------------------------------ reports and state

    def declare_statistics(self, *names: str) -> None:
        """Add training statistics, which no member has before :meth:`note_statistics` tells."""
        for name in names:
            self.stats[name] = torch.full((self.n,), float("nan"), device=self.device)
            self._noted[name] = np.zeros(self.n, dtype=np.bool_)

    def note_statistics(self, members: Selection, **values: Tensor) -> None:
        """Keep the latest statistics of some members, ``(n',)`` each; nothing is read back to the host."""
        index = members if isinstance(members, slice) else members.numpy()
        for name, value in values.items():
            self.stats[name][members] = value.detach()
            self._noted[name][index] = True

    def statistics(self) -> dict[str, float]:
        """Latest training statistics, averaged over the members that have any; NaN before the first update.

        Raises:
            TrainingDiverged: One of them is not finite.
        """
        values = {}
        for name, value in self.stats.items():
            known = np.flatnonzero(self._noted.get(name, np.ones(self.n, dtype=np.bool_)))
            values[name] = mean = float((value if len(known) == self.n else value[torch.from_numpy(known)]).mean())
            if len(known) and not np.isfinite(mean):
                bad = known[~torch.isfinite(value).cpu().numpy()[known]].tolist()
                raise TrainingDiverged(f"{name} became {mean} for member(s) {bad}; lower learning_rate, or scale the rewards")
        return values if (taken := self.gradient_steps()) is None else {**values, "gradient_steps": taken}

    def waits_for(self) -> str:
        """Why nothing was updated so far, and the remedy; empty text once something was.

        See :class:`morl.capabilities.HasFirstUpdate`.
        """
        return "" if any(noted.any() for noted in self._noted.values()) else self._before_first_update()

    def _before_first_update(self) -> str:
        """What the first update waits for, and the remedy, in words; empty text where it waits for nothing."""
        return ""

    def state(self) -> State:
        """Everything needed to go on exactly."""
        utility = self.task.utility
        base: State = {"uids": list(self.uids), "weights": utility.weights}
        optional = {"ideal_point": utility.ideal_point, "scale": utility.scale, "dynamics": self.task.dynamics}
        base |= {name: tensor for name, tensor in optional.items() if tensor is not None}
        return {**base, **self.owned_state(), **prefixed("rows", self.rows.state())}

    def load_state(self, state: State) -> None:
        """Go on from a saved state; the learner must have been made with the same configuration."""
        if len(state["uids"]) != self.n:
            self.reindex([0] * len(state["uids"]), [True] * len(state["uids"]))
        self.uids = list(state["uids"])
        # Who is related is not known from older states.
        self.actor_family, self.critic_family = np.arange(self.n), np.arange(self.n)
        self.load_owned(state)
        if int(min(self.episodes.min(), self.member_steps.min())) < 0:
            raise CheckpointError("the saved learner counts fewer than no episodes or steps; it was changed")
        utility = replace(
            self.task.utility,
            weights=state["weights"].clone(),
            ideal_point=state["ideal_point"].clone() if "ideal_point" in state else None,
            scale=state["scale"].clone() if "scale" in state else None,
        )
        self.task = Task(utility=utility.to(self.device), dynamics=state.get("dynamics"))
        self.observations = self.rows.replay(unprefixed("rows", state))
        # A statistic that was noted is finite, or the run had ended.
        self._noted = {name: (~value.isnan()).cpu().numpy() for name, value in self.stats.items()}
        self._refresh_weights()
