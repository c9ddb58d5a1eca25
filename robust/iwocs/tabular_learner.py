"""IWOCS on an environment that knows its kernels: solved exactly, without a step in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from morl.errors import CapabilityError, ShapeError
from morl.evaluation import Certificate, Report
from morl.policies import TabularPolicy
from morl.protocols import EnvFactory, Policy, State
from morl.task import Task
from robust.search import GridSearch
from robust.uncertainty.base import Region

if TYPE_CHECKING:
    from robust.iwocs.solver import IWOCS


class TabularLearner:
    """A finished run: the policy and its certificate for a closed grid of models of an environment with tables.

    Every member has the same policy, as there is one objective.
    """

    is_finished = True
    """There is nothing to learn."""

    def __init__(self, solver: IWOCS, *, env: EnvFactory, region: Region, task: Task, device: torch.device) -> None:
        """Solve; see :meth:`robust.IWOCS.make`.

        Raises:
            CapabilityError: The environment does not know its kernels.
        """
        world: Any = getattr(env.rows(1, device=device), "batch", None)
        if not hasattr(world, "kernels"):
            raise CapabilityError(
                f"IWOCS(aggregator={solver.aggregator!r}) solves tables, but {env.spec.env_id} does not know its kernels; use "
                "a world such as tabular/windy-walk-v0, solve_tabular with kernels of your own, or aggregator: actor_min"
            )
        began = time.perf_counter()
        self.env, self.task, self.device = env, task, device
        self.uids = list(range(task.num_members))
        self._next_uid = self.n
        self.region, self.gamma = region, solver.gamma
        self.models = GridSearch(points_per_dimension=solver.grid_points).models(region)
        self.result = solver.solve_tabular(
            world.kernels(self.models),
            world.rewards,
            solver.gamma,
            start_state=world.start_state,
            initial_kernel=int(region.distance(region.nominal[None], self.models)[0].argmin()),
        )
        self.timing = {"learning": time.perf_counter() - began}

    @property
    def n(self) -> int:
        """Number of members."""
        return len(self.uids)

    def policies(self) -> list[Policy]:
        """The policy with the best guarantee, once per member."""
        actions = torch.from_numpy(self.result.policy)[None].to(self.device)
        spec = self.env.spec
        return [TabularPolicy(spec.observation_space, spec.action_space, actions) for _ in self.uids]

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """The certificate, and every iteration with the models that it solved and found."""
        del kept
        names = self.region.space.names
        rows = []
        for number, step in enumerate(self.result.history):
            solved, worst = (int(np.max(kernel)) for kernel in (step.kernel, step.worst_kernel))
            rows.append(
                {
                    "iteration": number,
                    **{name: float(value) for name, value in zip(names, self.models[solved], strict=True)},
                    "optimal_value": step.kernel_value,
                    "estimate": step.estimate,
                    **{f"worst_{name}": float(value) for name, value in zip(names, self.models[worst], strict=True)},
                    "worst_value": step.worst_value,
                    "lower": step.lower,
                    "upper": step.upper,
                }
            )
        found = self.result
        certificate = Certificate(
            lower=found.lower,
            upper=found.upper,
            gap=found.gap,
            status=found.status,
            semantics=f"{found.semantics}: exact, {len(self.models)} models, discount {self.gamma:g}, from the start state",
            proven=True,
        )
        return Report(certificate=certificate, tables={"iterations": rows})

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """See :meth:`morl.protocols.Learner.next_round`."""
        return 1

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Spend nothing: no environment is needed."""
        return {"training": 0}

    def statistics(self) -> dict[str, float]:
        """Bounds and number of ordinary processes solved."""
        return {"lower": self.result.lower, "upper": self.result.upper, "solves": float(self.result.solves)}

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Take note of new weights; with one objective they change nothing."""
        if members is None and task.num_members != len(self.uids):
            raise ShapeError(f"the task is for {task.num_members} members but there are {len(self.uids)}; reindex first")
        if members is None:
            self.task = task

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Make a population of copies; see :meth:`morl.protocols.Learner.reindex`."""
        self.task = Task(utility=self.task.utility.select(torch.as_tensor(list(source))))
        uids = []
        for s, is_fresh in zip(source, fresh, strict=True):
            uids.append(self._next_uid if is_fresh else self.uids[s])
            self._next_uid += int(is_fresh)
        self.uids = uids

    def state(self) -> State:
        """Identities; everything else is found again by solving."""
        return {"uids": list(self.uids), "next_uid": self._next_uid}

    def load_state(self, state: State) -> None:
        """Go on from a saved state."""
        self.uids, self._next_uid = list(state["uids"]), int(state["next_uid"])
