"""Solvers of other people: one that fulfils the protocol and nothing else, and one with a single table for all weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from morl.members import Owns, Shared
from morl.policies import TabularPolicy
from morl.policies.base import BasePolicy
from morl.population import PopulationLearner
from morl.protocols import Candidate, Memory, Payload, Policy, Rows, State, Transition
from morl.seeding import stream
from morl.solvers.base import default_task
from morl.spaces import StateIndexer, space_from_json, space_to_json
from morl.task import Task

# --- a stranger --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stranger:
    """Not even a subclass of anything: tables of random actions, drawn anew after some steps."""

    gamma: float = 0.9
    replay: str = "per_member"
    can_transfer: bool = False

    def make(self, env: Any, task: Task | None, *, seed: int, device: torch.device) -> Any:
        kind = Transferable if self.can_transfer else StrangeLearner
        return kind(env, default_task(task, env.spec.num_objectives, device), seed)


class StrangeLearner:
    """Steps its environments, and draws the tables of who took part anew."""

    is_finished = False

    def __init__(self, env: Any, task: Task, seed: int) -> None:
        self.env, self.task, self.seed = env, task, seed
        self.uids, self.timing, self.next_uid = list(range(task.num_members)), {}, task.num_members
        self.tables = torch.zeros(self.n, StateIndexer(env.spec.observation_space).num_states, dtype=torch.int64)
        self.steps = np.zeros(self.n, dtype=np.int64)

    @property
    def n(self) -> int:
        return len(self.uids)

    def next_round(self, members: Sequence[int] | None = None) -> int:
        return self.n if members is None else len(set(members))

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        chosen, spent = sorted(set(range(self.n) if members is None else members)), 0
        while spent < env_steps and (not spent or len(chosen) <= env_steps - spent):
            for i in chosen[: env_steps - spent]:
                self.steps[i] += 1
                rng = stream(self.seed, "table", self.uids[i], int(self.steps[i]))
                self.tables[i] = torch.from_numpy(rng.integers(self.env.spec.action_space.n, size=self.tables.shape[1]))
                spent += 1
        return {"training": spent}

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        if members is None:
            self.task = task
            return
        weights = self.task.utility.weights.clone()
        weights[list(members)] = task.utility.weights
        self.task = Task(utility=replace(self.task.utility, weights=weights))

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        index = torch.tensor(list(source))
        self.tables, self.steps = self.tables[index].clone(), self.steps[index.numpy()].copy()
        self.task = Task(utility=self.task.utility.select(index))
        numbers = iter(range(self.next_uid, self.next_uid + sum(fresh)))
        self.uids = [next(numbers) if new else self.uids[s] for s, new in zip(source, fresh, strict=True)]
        self.next_uid += sum(fresh)

    def policies(self) -> list[Policy]:
        spec = self.env.spec
        return [TabularPolicy(spec.observation_space, spec.action_space, table[None].clone()) for table in self.tables]

    def statistics(self) -> dict[str, float]:
        return {"steps": float(self.steps.sum())}

    def state(self) -> State:
        steps = torch.from_numpy(self.steps.copy())
        return {
            "uids": list(self.uids), "next_uid": self.next_uid, "tables": self.tables, "steps": steps,
            "weights": self.task.utility.weights,
        }  # fmt: skip

    def load_state(self, state: State) -> None:
        self.uids, self.next_uid = list(state["uids"]), state["next_uid"]
        self.tables, self.steps = state["tables"].clone(), state["steps"].numpy().copy()
        self.task = Task(utility=replace(self.task.utility, weights=state["weights"].clone()))


class Transferable(StrangeLearner):
    """The same, with one capability more."""

    def transfer(self, source: int, target: int, *, payload: Payload = "actor") -> None:
        self.tables[target] = self.tables[source]


# --- one table for all weights, and weights of each row's own -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class WeighedTable(BasePolicy):
    """Greedy in a table of vector values, for whatever weights it is given."""

    kind: ClassVar[str] = "weighed_table"
    takes_weights: ClassVar[bool] = True

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    q: Tensor
    own: tuple[float, ...] | None = None
    """Weights it acts by where none are given."""

    def act_stacked(
        self, observations: Tensor, memory: Memory, weights: Tensor | None, deterministic: bool, generator: Any
    ) -> Tensor:
        found = self.q[0][StateIndexer(self.observation_space)(observations)]
        chosen = torch.tensor(self.own) if weights is None else weights
        return (found * chosen.unsqueeze(-2)).sum(-1).argmax(-1)

    def at(self, weights: Any) -> WeighedTable:
        return replace(self, own=tuple(float(w) for w in weights))

    def config(self) -> dict[str, Any]:
        spaces = {"observation_space": space_to_json(self.observation_space), "action_space": space_to_json(self.action_space)}
        return {"kind": self.kind, **spaces, "own": self.own}

    def tensors(self) -> dict[str, Tensor]:
        return {"q": self.q}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> WeighedTable:
        own = None if config["own"] is None else tuple(config["own"])
        spaces = (space_from_json(config[name]) for name in ("observation_space", "action_space"))
        return cls(*spaces, tensors["q"], own)


@dataclass(frozen=True, kw_only=True)
class OneTable:
    """Q-learning in one table of vectors: every episode has weights of its own, and teaches all."""

    gamma: float = 0.9
    rows_per_member: int = 2

    def make(self, env: Any, task: Task | None, *, seed: int, device: torch.device) -> OneTableLearner:
        return OneTableLearner(self, env, default_task(task, env.spec.num_objectives, device), seed, device)


class OneTableLearner(PopulationLearner):
    """Members are preferences; the table is everybody's."""

    owns: Owns = (Shared("q"),)

    def __init__(self, solver: OneTable, env: Any, task: Task, seed: int, device: torch.device) -> None:
        self.indexer = StateIndexer(env.spec.observation_space)
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.q = torch.zeros(1, self.indexer.num_states, int(env.spec.action_space.n), self.m)
        self.declare_statistics("error")

    def _weights_at_reset(self, rows: Rows) -> Tensor:
        drawn = [
            stream(self.seed, "weights", self.uids[self.row_member[row]], 1_000 * int(self.episodes[row]) + int(row))
            for row in rows
        ]
        return torch.tensor(np.stack([rng.dirichlet(np.ones(self.m)) for rng in drawn]), dtype=torch.float32)

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        assert self.row_weights is not None
        greedy = (self.q[0][self.indexer(observations)] * self.row_weights[rows].unsqueeze(1)).sum(-1).argmax(-1)
        draws = torch.rand(2, len(rows), generator=self.acting)
        return torch.where(draws[0] < 0.3, (draws[1] * self.q.shape[2]).long(), greedy)

    def _remember(self, step: Transition) -> None:
        assert self.row_weights is not None
        states, following = self.indexer(step.observations), self.q[0][self.indexer(step.next_observations)]
        best = (following * self.row_weights[step.rows].unsqueeze(1)).sum(-1).argmax(-1)
        ahead = following[torch.arange(len(best)), best] * (~step.terminated).unsqueeze(1)
        error = step.rewards + self.gamma * ahead - self.q[0][states, step.actions]
        self.q[0][states, step.actions] += 0.5 * error
        self.note_statistics(slice(0, self.n), error=error.abs().mean().expand(self.n))

    def _improve(self, members: Rows, steps: Rows) -> None:
        """Everything was learned when it was met."""

    def policies(self) -> list[Policy]:
        return [WeighedTable(self.spec.observation_space, self.spec.action_space, self.q.clone())]

    def candidates(self) -> list[Candidate]:
        (policy,) = self.policies()
        weights = self.task.utility.weights.numpy().astype(np.float64)
        return [Candidate(policy, w, uid) for w, uid in zip(weights, self.uids, strict=True)]


COMPONENTS = {
    "policy": {"weighed_table": "tests.laws.doubles:WeighedTable"},
    "solver": {"one_table": "tests.laws.doubles:OneTable"},
}
