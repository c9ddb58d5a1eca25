"""Hill climbing in tables of actions: a complete solver of one's own."""

from dataclasses import dataclass

import numpy as np
import torch

from morl.fields import PositiveShare, Share
from morl.members import Change, Counter, Declared, PerMember
from morl.policies import TabularPolicy
from morl.protocols import prefixed, unprefixed
from morl.seeding import stream, stream_seed
from morl.solvers.base import RunnableSolver, default_task
from morl.spaces import StateIndexer
from morl.spending import spend
from morl.task import Task


@dataclass(frozen=True, kw_only=True)
class HillClimbing(RunnableSolver):
    """Each member plays an episode with some of its actions changed, and keeps the changes if that paid."""

    share: PositiveShare = 0.2
    """Part of the actions that is changed."""
    gamma: Share = 1.0
    """Discount factor."""

    def make(self, env, task, *, seed, device):
        return HillClimber(self, env, default_task(task, env.spec.num_objectives, device), seed)


class HillClimber(Declared):
    owns = (
        PerMember("tables"), PerMember("trials"), PerMember("best"), PerMember("returns"), PerMember("steps"),
        PerMember("episodes", fresh=0), PerMember("ended", fresh=True), Counter("next_uid"),
    )  # fmt: skip
    is_finished = False

    def __init__(self, solver, env, task, seed):
        self.solver, self.env, self.task, self.seed = solver, env, task, seed
        self.indexer = StateIndexer(env.spec.observation_space)
        n, states, m = task.num_members, self.indexer.num_states, env.spec.num_objectives
        self.uids, self.next_uid, self.timing = list(range(n)), n, {}
        self.tables = torch.zeros(n, states, dtype=torch.int64)  # what every member does in every state
        self.trials, self.best = self.tables.clone(), torch.full((n,), -torch.inf)
        self.returns, self.steps = torch.zeros(n, m), torch.zeros(n, 1)  # of the running episode
        self.episodes, self.ended = np.zeros(n, np.int64), np.ones(n, np.bool_)
        self.rows, self.observations = env.rows(n, device=torch.device("cpu")), None

    @property
    def n(self):
        return len(self.uids)

    def next_round(self, members=None):  # one step of everybody who takes part
        return self.n if members is None else len(members)

    def learn(self, env_steps, members=None):
        return spend(self, env_steps, members)

    def round(self, budget, members=None):
        rows = np.array(range(self.n) if members is None else sorted(members))[:budget]
        for i in rows[self.ended[rows]]:
            self.begin(i)
        actions = self.trials[rows, self.indexer(self.observations[rows])]
        self.observations[rows], rewards, terminated, truncated = self.rows.step(actions, rows)
        self.returns[rows] += self.solver.gamma ** self.steps[rows] * rewards
        self.steps[rows] += 1
        utility = self.task.utility.select(torch.from_numpy(rows))(self.returns[rows])
        for i, worth in zip(rows, utility, strict=True):
            self.ended[i] = bool((terminated | truncated)[list(rows).index(i)])
            if self.ended[i] and worth >= self.best[i]:
                self.tables[i], self.best[i] = self.trials[i], worth
        return {"training": len(rows)}

    def begin(self, i):
        rng = stream(self.seed, "changes", self.uids[i], int(self.episodes[i]))
        changed = torch.from_numpy(rng.random(len(self.tables[i])) < self.solver.share)
        drawn = torch.from_numpy(rng.integers(self.env.spec.action_space.n, size=len(changed)))
        self.trials[i] = torch.where(changed, drawn, self.tables[i])
        seed = stream_seed(self.seed, "episode", self.uids[i], int(self.episodes[i]))
        first = self.rows.reset(np.array([i]), [seed])
        if self.observations is None:
            self.observations = first.expand(self.n, *first.shape[1:]).clone()
        self.observations[i], self.returns[i], self.steps[i] = first[0], 0.0, 0.0
        self.episodes[i] += 1

    def set_task(self, task, members=None):
        if members is None:
            self.task = task
        else:
            utility, weights = self.task.utility, self.task.utility.weights.clone()
            weights[list(members)] = task.utility.weights
            self.task = Task(utility=type(utility)(scalarization=utility.scalarization, weights=weights))
        self.best[:] = -torch.inf  # what was best is best no more

    def policies(self):
        spec = self.env.spec
        return [TabularPolicy(spec.observation_space, spec.action_space, table[None].clone()) for table in self.tables]

    def statistics(self):
        return {"best": float(self.best[self.best.isfinite()].mean())}

    def reindex(self, source, fresh):
        self.reindex_owned(Change(source, fresh, 1))
        self.task = Task(utility=self.task.utility.select(torch.tensor(source)))
        numbers = iter(range(self.next_uid, self.next_uid + sum(fresh)))
        self.uids = [next(numbers) if new else self.uids[s] for s, new in zip(source, fresh, strict=True)]
        self.next_uid += sum(fresh)
        self.rows, self.observations = self.env.rows(self.n, device=torch.device("cpu")), None
        self.ended[:] = True

    def state(self):
        weights = self.task.utility.weights
        return {"uids": self.uids, "weights": weights, **self.owned_state(), **prefixed("rows", self.rows.state())}

    def load_state(self, state):
        self.reindex([0] * len(state["uids"]), [True] * len(state["uids"]))
        self.uids = list(state["uids"])
        self.set_task(Task(utility=type(self.task.utility)(weights=state["weights"])))
        self.load_owned(state)
        self.observations = self.rows.replay(unprefixed("rows", state))
