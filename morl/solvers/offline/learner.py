"""The live learner of the solvers that learn from a data set: one network, supervised, without environment rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from morl.action_spaces import box_actions, supported_actions
from morl.data import DataProblem
from morl.data.shard import Shard
from morl.errors import CheckpointError, DataError, TrainingDiverged
from morl.functional.bounded_front import bounded_front
from morl.functional.imitation import choice_errors, squared_errors
from morl.members import Declared, Owns, Shared, SharedPart, Stream
from morl.nn.population_adam import PopulationAdam
from morl.nn.return_conditioned import ReturnConditionedNetwork
from morl.nn.running_moments import RunningMoments
from morl.policies.return_conditioned import ReturnConditionedPolicy, scaled_condition
from morl.protocols import Candidate, EnvFactory, Policy, State
from morl.seeding import torch_stream
from morl.solvers.offline.labels import chance_in, hindsight_weights, returns_to_go
from morl.spaces import ObservationEncoder
from morl.spending import spend
from morl.task import Task

if TYPE_CHECKING:
    from morl.solvers.offline.solver import OfflineSolver

Array = npt.NDArray[np.float64]

_SAME = 1e-9
"""Differences of returns that do not count, in shares of their range."""
_log = logging.getLogger(__name__)


class OfflineLearner(Declared):
    """One network for all preferences; members are names only, and their weights play no part."""

    owns: Owns = (Shared("parameters"), SharedPart("adam"), Stream("learning"))
    owns_under = ""
    is_finished = False
    """There is always more to learn."""

    def __init__(self, solver: OfflineSolver, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Label the episodes and build the network; see :meth:`morl.protocols.Solver.make`.

        Raises:
            CapabilityError: Actions or observations are of a kind that it cannot take.
            DataError: The data set is damaged, or lacks the weights that are asked for.
        """
        assert isinstance(env, DataProblem)
        self.solver, self.spec, self.device, self.data = solver, env.spec, device, env.data
        self.m, self.gamma, name = env.spec.num_objectives, solver.gamma, type(solver).__name__
        self.task, self.uids = replace(task, utility=task.utility.to(device)), list(range(task.num_members))
        space = env.spec.action_space
        self.finite = supported_actions(space, name, boxes="any", joint="never")
        self.encoder = ObservationEncoder(env.spec.observation_space)
        shard = env.data.all
        if "returns" in solver.takes and (found := chance_in(shard)):
            _log.warning(
                "%s learns what an episode returned, which is luck where chance plays a part, and %s; candidates may return "
                "less than they are asked for", name, found,
            )  # fmt: skip
        self._label(shard)
        outputs = self.finite.width if self.finite else int(np.prod(space.shape or ()))
        width = self.m * len(solver.takes)
        self.network = ReturnConditionedNetwork(self.encoder.width, width, solver.hidden, outputs)
        self.parameters = self.network.init([torch_stream(seed, "init/network")], device)
        self.adam = PopulationAdam(self.parameters, learning_rate=solver.learning_rate)
        self.learning = torch_stream(seed, "learning", device=device)
        self.loss = torch.full((), float("nan"), device=device)
        self.timing = {"acting": 0.0, "environment": 0.0, "learning": 0.0}

    def _label(self, shard: Shard) -> None:
        """Say what each step is an example of, and where the front's labels lie."""
        device, header = self.device, self.data.header
        raw = torch.from_numpy(shard.observations.astype(self.encoder.layout.dtype, copy=False))
        self.inputs = self.encoder(raw).to(device)
        self.moments = RunningMoments(1, self.encoder.width, device=device, followed=self.encoder.numbers)
        self.moments.follow(self.inputs.unsqueeze(0), self.inputs.new_ones(1, len(self.inputs), dtype=torch.bool), slice(0, 1))
        if self.finite is not None:
            choices = self.finite.choices(torch.from_numpy(shard.actions.astype(np.int64) - header.start))
            self.actions = choices.reshape(len(choices), -1).to(torch.float32).to(device)
        else:
            assert isinstance(header.action_space, spaces.Box)
            box = box_actions(header.action_space, torch.device("cpu"))
            flat = torch.from_numpy(shard.actions.astype(np.float32)).reshape(len(shard.actions), -1)
            self.actions = ((flat - box.offset) / box.scale).to(device)
        desired = returns_to_go(shard, self.gamma)
        totals = desired[shard.starts]
        span = np.ptp(totals, axis=0)
        front, _ = bounded_front(totals, unit=np.where(span > 0, span, 1.0), resolution=_SAME, most=self.solver.max_candidates)
        if self.solver.weights == "hindsight":
            weights = hindsight_weights(totals, totals[front])
        else:
            weights = self._recorded(shard)
            front = _one_per_name(front, weights, totals)
        self.menu = (weights[front], totals[front], shard.lengths[front].astype(np.float64))
        """What can be asked for: weights ``(q, m)``, returns ``(q, m)`` and lengths ``(q,)`` of episodes of the front."""
        labels = {"weights": np.repeat(weights, shard.lengths, axis=0), "returns": desired}
        told = np.concatenate([labels[name] for name in self.solver.takes], 1)
        # In units of what will be asked for: bad episodes must not make the differences of good ones small.
        best = told[np.concatenate([np.arange(shard.starts[i], shard.ends[i]) for i in front])]
        low, high = best.min(0, keepdims=True), best.max(0, keepdims=True)
        self.centre = torch.from_numpy((low + high) / 2).to(device)
        self.scale = torch.from_numpy(np.where(high > low, (high - low) / 2, 1.0)).to(device)
        self.condition = scaled_condition([torch.from_numpy(told).to(device)], self.centre, self.scale, like=self.inputs)

    def _recorded(self, shard: Shard) -> Array:
        if np.isnan(shard.weights).any():
            lacking = int(np.isnan(shard.weights).any(1).sum())
            raise DataError(f"{self.data!r} has {lacking:,} episodes without weights; set weights: hindsight")
        return shard.weights.astype(np.float64)

    # ------------------------------------------------------------------ learning

    @property
    def n(self) -> int:
        """Number of members."""
        return len(self.uids)

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """One update; see :class:`morl.protocols.Learner`."""
        del members
        return 1

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take ``env_steps`` updates: the budget's unit; see :meth:`morl.protocols.Learner.learn`."""
        return spend(self, env_steps, members)

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take one update."""
        del budget, members
        start = time.perf_counter()
        index = torch.randint(len(self.inputs), (self.solver.batch_size,), generator=self.learning, device=self.device)
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        inputs = self.moments.normalise(self.inputs[index].unsqueeze(0), slice(0, 1))
        outputs = self.network(leaves, inputs, self.condition[index].unsqueeze(0))[0]
        taken = self.actions[index]
        errors = squared_errors(outputs, taken) if self.finite is None else choice_errors(outputs, taken, self.finite)
        loss = errors.mean()
        self.adam.step(list(torch.autograd.grad(loss, leaves)))
        self.loss = loss.detach()
        self.timing["learning"] += time.perf_counter() - start
        return {"training": 1}

    def statistics(self) -> dict[str, float]:
        """Loss of the latest update.

        Raises:
            TrainingDiverged: It is not finite.
        """
        loss = float(self.loss)
        if not np.isfinite(loss) and self.adam.steps.any():
            raise TrainingDiverged(f"policy_loss became {loss}; lower learning_rate")
        return {"policy_loss": loss}

    # ------------------------------------------------------------------ members

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Keep the task; preferences play no part."""
        if members is None:
            self.task = task

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Other names for the one network; see :meth:`morl.protocols.Learner.reindex`."""
        first = max(self.uids) + 1
        new = iter(range(first, first + len(source)))
        self.uids = [next(new) if is_fresh else self.uids[s] for s, is_fresh in zip(source, fresh, strict=True)]
        self.task = Task(utility=self.task.utility.select(torch.tensor(list(source))))

    # ------------------------------------------------------------------ what was learned

    def policies(self) -> list[Policy]:
        """One policy for all commands; see :class:`~morl.policies.ReturnConditionedPolicy`."""
        extras = {
            "condition_centre": self.centre.clone(),
            "condition_scale": self.scale.clone(),
            "mean": self.moments.mean.clone(),
            "std": self.moments.std,
        }
        if self.finite is None:
            # The root of the squared error is what means miss by, in half-widths.
            missed = torch.where(self.loss.isnan(), torch.ones_like(self.loss), self.loss).clamp_min(1e-9)
            extras["log_std"] = (missed.log() / 2).expand(1, self.network.outputs).clone()
        names, returns, lengths = (torch.tensor(part) for part in self.menu)
        return [
            ReturnConditionedPolicy.unbound(
                self.spec.observation_space, self.spec.action_space, self.network, [p.clone() for p in self.parameters],
                gamma=self.gamma, num_objectives=self.m, takes=self.solver.takes, menu=(names, returns, lengths), **extras,
            ).at(np.full(self.m, 1.0 / self.m))
        ]  # fmt: skip

    def candidates(self) -> list[Candidate]:
        """One for each return of the data set's front; see :class:`morl.capabilities.HasCandidates`."""
        return self.candidates_at(self.menu[0])

    def candidates_at(self, weights: Array) -> list[Candidate]:
        """The network at given weights; see :class:`morl.capabilities.ServesAnyWeights`."""
        (policy,) = self.policies()
        return [Candidate(policy, w, self.uids[0]) for w in weights]

    # ------------------------------------------------------------------ state

    def state(self) -> State:
        """Everything needed to go on exactly, but for the data set, which is named by its checksum."""
        known = {
            "uids": list(self.uids),
            "weights": self.task.utility.weights,
            "data": self.data.fingerprint,
            "loss": self.loss,
        }
        return {**known, **self.owned_state()}

    def load_state(self, state: State) -> None:
        """Go on from a saved state; the learner must have been made with the same configuration.

        Raises:
            CheckpointError: The data set is another one.
        """
        if state["data"] != self.data.fingerprint:
            raise CheckpointError(
                f"{self.data!r} is not the data set that the run began with; restore that, or start a new run"
            )
        self.uids = list(state["uids"])
        utility = replace(self.task.utility, weights=state["weights"].clone())
        self.task = Task(utility=utility.to(self.device))
        self.loss = state["loss"].clone().to(self.device)
        self.load_owned(state)


def _one_per_name(front: npt.NDArray[np.int64], weights: Array, totals: Array) -> npt.NDArray[np.int64]:
    """Of the episodes of a front with the same weights the one with the best weighted return."""
    utilities = (weights[front] * totals[front]).sum(1)
    order = front[np.argsort(-utilities, kind="stable")]
    _, first = np.unique(weights[order], axis=0, return_index=True)
    chosen: npt.NDArray[np.int64] = np.sort(order[first])
    return chosen
