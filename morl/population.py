"""The population engine: ``n`` members act in their environment rows and are trained together."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import CapabilityError, CheckpointError, ConfigurationError, ShapeError, TrainingDiverged
from morl.nn.stacked import Selection
from morl.protocols import EnvFactory, Policy, Rows, State, prefixed, unprefixed
from morl.seeding import stream_seeds, torch_stream
from morl.spaces import ObservationEncoder
from morl.task import Task, Utility

RETURN_SMOOTHING = 0.1
"""Rate of the moving average of episode returns at which non-linear scalarizations are linearised."""


class PopulationLearner(ABC):
    """Base of the leaf learners (MOSAC, MOPPO, MODQN, MOQLearning, EUPG).

    It owns what they have in common: the environment rows and their episodes, member identities, the task, random streams,
    accounts, and the indivisible *round*: reset what ended, act, step, remember, improve. A subclass says how to act, what
    to remember and how to improve.

    Every episode of a row is reset with a seed that depends on the run's seed, the member's identity, the row's position
    and the episode's number only, so a member's environments do not depend on how many members there are.
    """

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
        self._next_uid = task.num_members
        self._build_rows()
        self.start_returns = torch.zeros(self.n, self.m, device=device)
        self._has_return = np.zeros(self.n, dtype=np.bool_)
        self.member_steps = np.zeros(self.n, dtype=np.int64)
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
        """Store one step of some rows."""

    @abstractmethod
    def _improve(self, members: Rows, steps: Rows) -> None:
        """Do the updates that are owed to the members whose rows were just stepped, ``steps`` rows each."""

    @abstractmethod
    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """Snapshots of the current policies, one per member."""

    @abstractmethod
    def _reindex_networks(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Copy networks, optimisers and stores to the new population."""

    @abstractmethod
    def _own_state(self) -> State:
        """State of what the subclass owns."""

    @abstractmethod
    def _load_own_state(self, state: State) -> None:
        """Restore :meth:`_own_state`."""

    # ------------------------------------------------------------------ rows and episodes

    @property
    def n(self) -> int:
        """Number of members."""
        return len(self.uids)

    @property
    def round_steps(self) -> int:
        """Environment steps of the next round with all members; see :class:`morl.protocols.Learner`."""
        return self.next_round()

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round, if these members take part in it."""
        return len(self._ready(self.rows_of(members)))

    def _build_rows(self) -> None:
        count = self.n * self.rows_per_member
        self.rows = self.env.rows(count, device=self.device)
        self.row_member = np.repeat(np.arange(self.n), self.rows_per_member)
        self._all_rows = self._participants = np.arange(count)
        self.episodes = np.zeros(count, dtype=np.int64)
        self.ended = np.ones(count, dtype=np.bool_)
        self.observations: Tensor | None = None
        self.returns = np.zeros((count, self.m))
        self.discounts = np.ones(count)

    def rows_of(self, members: Sequence[int] | None) -> Rows:
        """Rows of some members, ordered by member."""
        if members is None:
            return self._all_rows
        first = np.asarray(members, dtype=np.int64)[:, None] * self.rows_per_member
        return (first + np.arange(self.rows_per_member)).reshape(-1)

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
        self._participants = self.rows_of(checked_members(members, self.n))
        spent = 0
        while spent < env_steps:
            rows = self._ready(self._participants)
            if len(rows) > env_steps - spent:
                if spent:
                    break
                rows = rows[:env_steps]
            self._round(rows)
            spent += len(rows)
        return {"training": spent}

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
        self._remember(rows, observations, actions, rewards, next_observations, terminated, truncated)
        if index is None:
            self.observations = next_observations
        else:
            self.observations[index] = next_observations
        self._account(rows, rewards, terminated | truncated)
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
        rate = torch.as_tensor(np.where(self._has_return[seen], RETURN_SMOOTHING, 1.0), dtype=torch.float32, device=self.device)
        index = torch.from_numpy(seen)
        self.start_returns[index] = self.start_returns[index].lerp(means, rate.unsqueeze(1))
        self._has_return[seen] = True
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
                utility=replace(utility, weights=weights, ideal_point=_merged_ideal(self.task.utility, utility, index)),
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
        index = torch.as_tensor(list(source), dtype=torch.int64)
        picks = (index.numpy()[:, None] * self.rows_per_member + np.arange(self.rows_per_member)).reshape(-1)
        rows_state = self.rows.state()
        new = np.repeat(np.asarray(fresh), self.rows_per_member)
        observations, episodes, ended = self.observations, self.episodes[picks], self.ended[picks]
        returns, discounts = self.returns[picks], self.discounts[picks]
        self.uids = [self._new_uid() if is_fresh else self.uids[s] for s, is_fresh in zip(source, fresh, strict=True)]
        self._build_rows()
        pick = torch.from_numpy(picks)
        state = {key: value[pick] for key, value in rows_state.items()}
        state["seeds"][torch.from_numpy(new)] = -1
        state["lengths"][torch.from_numpy(new)] = 0
        self.rows.load_state(state)
        self.episodes, self.ended, self.returns, self.discounts = episodes, ended, returns, discounts
        self.episodes[new], self.ended[new] = 0, True
        self.observations = None if observations is None else observations[pick]
        self.start_returns = self.start_returns[index].clone()
        self._has_return = self._has_return[index.numpy()].copy()
        self.member_steps = self.member_steps[index.numpy()].copy()
        self.stats = {name: value[index] for name, value in self.stats.items()}
        self._noted = {name: noted[index.numpy()] for name, noted in self._noted.items()}
        utility = self.task.utility.select(index)
        self.task = Task(utility=utility, dynamics=None if self.task.dynamics is None else self.task.dynamics[index])
        self._reindex_networks(source, fresh)
        self._refresh_weights()

    def _new_uid(self) -> int:
        self._next_uid += 1
        return self._next_uid - 1

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
        return values

    def waits_for(self) -> str:
        """Why nothing was updated so far, and the remedy; empty text once something was.

        See :class:`morl.protocols.HasFirstUpdate`.
        """
        return "" if any(noted.any() for noted in self._noted.values()) else self._before_first_update()

    def _before_first_update(self) -> str:
        """What the first update waits for, and the remedy, in words; empty text where it waits for nothing."""
        return ""

    def state(self) -> State:
        """Everything needed to go on exactly."""
        base: State = {
            "uids": list(self.uids),
            "next_uid": self._next_uid,
            "episodes": torch.from_numpy(self.episodes.copy()),
            "ended": torch.from_numpy(self.ended.copy()),
            "returns": torch.from_numpy(self.returns.copy()),
            "discounts": torch.from_numpy(self.discounts.copy()),
            "start_returns": self.start_returns,
            "has_return": torch.from_numpy(self._has_return.copy()),
            "member_steps": torch.from_numpy(self.member_steps.copy()),
            "acting": self.acting.get_state(),
            "learning": self.learning.get_state(),
            "weights": self.task.utility.weights,
        }
        for name in ("ideal_point", "scale"):
            if (tensor := getattr(self.task.utility, name)) is not None:
                base[name] = tensor
        if self.task.dynamics is not None:
            base["dynamics"] = self.task.dynamics
        return {
            **base,
            **prefixed("rows", self.rows.state()),
            **prefixed("stats", self.stats),
            **prefixed("own", self._own_state()),
        }

    def load_state(self, state: State) -> None:
        """Go on from a saved state; the learner must have been made with the same configuration."""
        if len(state["uids"]) != self.n:
            self.reindex([0] * len(state["uids"]), [True] * len(state["uids"]))
        self.uids, self._next_uid = list(state["uids"]), int(state["next_uid"])
        for key, present in (
            ("episodes", self.episodes),
            ("ended", self.ended),
            ("returns", self.returns),
            ("discounts", self.discounts),
            ("has_return", self._has_return),
            ("member_steps", self.member_steps),
        ):
            if state[key].shape != present.shape or state[key].numpy().dtype != present.dtype:
                raise CheckpointError(f"the saved {key} have shape {tuple(state[key].shape)}, expected {present.shape}")
        if int(min(state["episodes"].min(), state["member_steps"].min())) < 0:
            raise CheckpointError("the saved learner counts fewer than no episodes or steps; it was changed")
        self.episodes, self.ended, self.returns, self.discounts, self._has_return, self.member_steps = (
            state[key].numpy().copy() for key in ("episodes", "ended", "returns", "discounts", "has_return", "member_steps")
        )
        self.start_returns = state["start_returns"].to(self.device).clone()
        self.acting.set_state(state["acting"])
        self.learning.set_state(state["learning"])
        utility = replace(
            self.task.utility,
            weights=state["weights"].clone(),
            ideal_point=state["ideal_point"].clone() if "ideal_point" in state else None,
            scale=state["scale"].clone() if "scale" in state else None,
        )
        self.task = Task(utility=utility.to(self.device), dynamics=state.get("dynamics"))
        rows = unprefixed("rows", state)
        self.observations = self.rows.replay(rows)
        self.stats = {name: value.to(self.device).clone() for name, value in unprefixed("stats", state).items()}
        # A statistic that was noted is finite, or the run had ended.
        self._noted = {name: (~value.isnan()).cpu().numpy() for name, value in self.stats.items()}
        self._load_own_state(unprefixed("own", state))
        self._refresh_weights()


def _merged_ideal(old: Utility, new: Utility, members: Tensor) -> Tensor | None:
    """Ideal points after some members received theirs."""
    if new.ideal_point is None or old.ideal_point is None:
        return new.ideal_point
    if old.ideal_point.dim() == new.ideal_point.dim() == 1 and torch.equal(old.ideal_point, new.ideal_point):
        return new.ideal_point
    merged = old.ideal_point.expand_as(old.weights).clone()
    merged[members] = new.ideal_point
    return merged


def checked_members(members: Sequence[int] | None, n: int) -> list[int] | None:
    """Members in increasing order, each once; None for all.

    Args:
        members: Indices; None for all.
        n: Number of members.

    Raises:
        ConfigurationError: There is no such member.
    """
    if members is None:
        return None
    chosen = sorted({int(i) for i in members})
    if not chosen or chosen[0] < 0 or chosen[-1] >= n:
        raise ConfigurationError(f"members must name some of the {n} members, 0 to {n - 1}; found {list(members)}")
    return chosen


def default_task(task: Task | None, num_objectives: int, device: torch.device) -> Task:
    """The task of a solver that was given none: one member, equal weights.

    Args:
        task: What was given.
        num_objectives: ``m``.
        device: Where its tensors live.

    Returns:
        The task.
    """
    if task is not None:
        return task
    return Task(utility=Utility(weights=torch.full((1, num_objectives), 1.0 / num_objectives, device=device)))


def require_ser(task: Task, solver: str) -> None:
    """Refuse an ESR utility that is not linear.

    Raises:
        CapabilityError: With what to use instead.
    """
    if task.utility.criterion == "esr" and not task.utility.scalarization.is_linear:
        raise CapabilityError(
            f"{solver} maximises the utility of the expected return (SER); "
            "a non-linear utility under the ESR criterion needs EUPG, or SubPO(criterion='esr') where actions are a Box"
        )
