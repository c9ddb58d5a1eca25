"""Check a solver: the laws that every learner keeps."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.capabilities import ChoosesMembers, ChoosesTasks, HasCritics, criterion_of
from morl.critics import values_of
from morl.evaluation import candidates_of
from morl.experiments.checkpoint import load_checkpoint, save_checkpoint
from morl.members import DeclaresState
from morl.policies.base import BasePolicy
from morl.problem import EnvLike, Problem, make_problem
from morl.protocols import Learner, Policy, Solver, State
from morl.task import Task, Utility
from morl.testing.policy import check_policy, sampled_observations
from morl.testing.requirement import require

CPU = torch.device("cpu")


def check_solver(solver: Solver, *, env: EnvLike | Problem = "deep-sea-treasure-v0", rounds: int = 40, seed: int = 0) -> None:
    """Check that the learners of a solver keep the laws that runs, resuming and MORL/D rely on.

    Configure the solver so that a few dozen rounds contain updates (small batches, short warm-up), or the checks see little.

    Args:
        solver: What to check.
        env: An environment it can solve.
        rounds: Length of the trial trainings, in rounds, at least 4.
        seed: Seed of the learners.

    Raises:
        AssertionError: A law is broken; the message begins with its name.

    Example:
        >>> from morl.solvers.moq import MOQLearning
        >>> check_solver(MOQLearning(), env="tabular/treasure-corridor-v0")
    """
    require(rounds >= 4, f"rounds is {rounds}; expected at least 4")
    problem = make_problem(env)
    trial = _Trial(solver, problem, rounds, seed)
    trial.check_learner()
    trial.check_budget()
    trial.check_additivity()
    trial.check_resuming()
    trial.check_seed()
    trial.check_untrained_members()
    trial.check_policies()
    if problem.spec.num_objectives > 1 and not isinstance(solver, ChoosesTasks):
        _check_inside_morld(solver, problem, rounds, seed)


def _check_inside_morld(solver: Solver, problem: Problem, rounds: int, seed: int) -> None:
    """MORL/D around the solver keeps the laws too, over some exchanges; its members' weights move."""
    from morl.solvers.morld import MORLD
    from morl.weights.adaptation import PSA

    few, members = max(4, rounds // 2), max(3, problem.spec.num_objectives)
    period = max(1, few * _Trial(solver, problem, few, seed).make().next_round() // 3)
    outer = MORLD(solver=solver, num_members=members, exchange_period=period, weight_adaptation=PSA())
    trial = _Trial(outer, problem, few, seed)
    try:
        trial.check_learner()
        trial.check_budget()
        trial.check_resuming()
        trial.check_policies()
    except AssertionError as error:
        raise AssertionError(f"inside MORL/D: {error}") from error


class _Trial:
    def __init__(self, solver: Solver, problem: Problem, rounds: int, seed: int) -> None:
        self.solver, self.problem, self.rounds, self.seed = solver, problem, rounds, seed

    def make(self, seed: int | None = None) -> Learner:
        m = self.problem.spec.num_objectives
        first = torch.linspace(0.2, 0.8, 3).unsqueeze(1)
        weights = torch.cat([first, ((1 - first) / max(m - 1, 1)).expand(3, m - 1)], 1) if m > 1 else torch.ones(3, 1)
        task = Task(utility=Utility(weights=weights, criterion=criterion_of(self.solver)))
        return self.solver.make(self.problem, task, seed=self.seed if seed is None else seed, device=CPU)

    def check_learner(self) -> None:
        """What callers use is there, and says the same of the population."""
        learner = self.make()
        require(isinstance(learner, Learner), f"learner: {type(learner).__name__} lacks {', '.join(_missing(learner))}")
        n = learner.n
        sizes = (len(learner.uids), learner.task.num_members, len(set(learner.uids)))
        require(n >= 1 and sizes == (n, n, n), f"learner: n is {n}, but there are (uids, tasks, different uids) = {sizes}")
        times = learner.timing.values()
        require(all(seconds >= 0.0 for seconds in times), f"learner: timing has negative seconds: {learner.timing}")
        for candidate in candidates_of(learner):
            require(candidate.member in learner.uids, f"learner: a candidate is of member {candidate.member}, who is not there")

    def check_budget(self) -> None:
        """Whole rounds as many as fit; less than a round exactly."""
        learner = self.make()
        unit = learner.next_round()
        require(unit >= 1, f"budget: next_round() is {unit}; expected at least 1")
        require(_spent(learner, unit) == unit, f"budget: one round of {unit} steps was not spent exactly")
        if (unit := learner.next_round()) > 1:
            require(_spent(learner, unit - 1) == unit - 1, "budget: a budget below one round must be spent exactly")
        unit = learner.next_round()
        spent = _spent(learner, 3 * unit + 1)
        require(unit <= spent <= 3 * unit + 1, f"budget: {spent} steps were spent of {3 * unit + 1}")

    def check_additivity(self) -> None:
        """Cutting a budget into pieces of whole rounds changes nothing."""
        whole = self.make()
        total = _spent(whole, self.rounds * whole.next_round())
        for rounds in (1, 3):
            parts = self.make()
            learn_in_pieces(parts, total, rounds)
            require_same_state(whole, parts, f"additivity: pieces of {rounds} round(s) differ from one call")

    def check_resuming(self) -> None:
        """State, through files, into a fresh learner: it goes on exactly."""
        for rounds in (0, self.rounds // 2 + 1):
            straight = self.make()
            if rounds:
                _spent(straight, rounds * straight.next_round())
            fresh = self.make()
            fresh.load_state(through_files(straight.state()))
            require_same_state(straight, fresh, "resuming: a state comes back changed from load_state")
            budget = self.rounds * straight.next_round()
            for learner in (straight, fresh):
                _spent(learner, budget)
            require_same_state(straight, fresh, f"resuming after {rounds} rounds: the restored learner went another way")

    def check_seed(self) -> None:
        """The seed decides, and nothing else."""
        a, b, other = self.make(), self.make(), self.make(self.seed + 1)
        for learner in (a, b, other):
            _spent(learner, self.rounds * learner.next_round())
        require_same_state(a, b, "seed: the same seed gave different learners")
        require(difference(a.state(), other.state()) is not None, "seed: another seed gave the very same learner")

    def check_untrained_members(self) -> None:
        """Who does not take part stays bitwise unchanged."""
        learner = self.make()
        if isinstance(learner, ChoosesMembers):
            return
        if isinstance(learner, DeclaresState) and any(part.kind == "shared" for part, _ in learner.owned()):
            return  # What one learns, all have learned.
        for members in ([1], [0, 2]):
            learner = self.make()
            _spent(learner, self.rounds // 2 * learner.next_round())
            before = self._judgements(learner)
            spent = learner.learn(self.rounds * learner.next_round(members), members)
            require(spent.get("training", 0) > 0, f"untrained members: learn(members={members}) trained nobody")
            for i, after in enumerate(self._judgements(learner)):
                changed = None if i in members else difference(before[i], after)
                require(
                    changed is None, f"untrained members: {changed} of member {i} changed while members {members} were trained"
                )

    def _judgements(self, learner: Learner) -> list[State]:
        """What can be seen of every member from outside: its policy, and what its critic says."""
        seen: list[State] = [{k: v.clone() for k, v in policy.tensors().items()} for policy in learner.policies()]
        if isinstance(learner, HasCritics):
            spec = self.problem.spec
            spec.action_space.seed(self.seed)
            observations = torch.from_numpy(sampled_observations(spec.observation_space, 20, self.seed))
            actions = torch.from_numpy(np.stack([np.asarray(spec.action_space.sample()) for _ in range(20)]))
            for member, values in zip(seen, values_of(learner, observations, actions), strict=True):
                member["values"] = values
        return seen

    def check_policies(self) -> None:
        """Snapshots are policies, one per member, and do not follow training."""
        learner = self.make()
        snapshots: list[Policy] = learner.policies()
        require(len(snapshots) >= 1, "policies: there is none")
        tensors = [{key: value.clone() for key, value in policy.tensors().items()} for policy in snapshots]
        _spent(learner, self.rounds * learner.next_round())
        for before, policy in zip(tensors, snapshots, strict=True):
            changed = difference(before, policy.tensors())
            require(changed is None, f"policies: {changed} of a snapshot changed when its learner went on")
        for candidate in candidates_of(learner):
            policy = candidate.policy
            check_policy(policy.at(candidate.weights) if isinstance(policy, BasePolicy) else policy)


def _missing(learner: Learner) -> list[str]:
    """What a learner lacks."""
    return sorted(name for name in vars(Learner) if not name.startswith("_") and not hasattr(learner, name))


def _spent(learner: Learner, env_steps: int) -> int:
    """Learn, and return how many steps that took."""
    spent = learner.learn(env_steps)
    total = spent.get("training", 0) + spent.get("search", 0)
    require(1 <= total <= env_steps, f"budget: learn({env_steps}) spent {total} steps")
    return total


def learn_in_pieces(learner: Learner, env_steps: int, rounds: int) -> None:
    """Spend a budget in pieces of about ``rounds`` rounds, as a run does.

    Args:
        learner: Who learns.
        env_steps: Budget; what is left below one round stays unspent.
        rounds: Length of a piece.
    """
    left = env_steps
    while left >= learner.next_round():
        left -= _spent(learner, min(left, rounds * learner.next_round()))


def through_files(state: State) -> State:
    """A state as it comes back from a checkpoint on disk."""
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), state)
        loaded = load_checkpoint(Path(folder))
    assert loaded is not None
    return loaded


def difference(a: State, b: State) -> str | None:
    """Name of the first entry in which two states differ bitwise; None if they are equal."""
    for key in (*a, *(key for key in b if key not in a)):
        if key not in a or key not in b or not _equal(a[key], b[key]):
            return key
    return None


def _equal(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and bool(a == b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    # What is empty has no bytes to look at.
    return not a.numel() or torch.equal(a.contiguous().view(-1).view(torch.uint8), b.contiguous().view(-1).view(torch.uint8))


def require_same_state(a: Learner, b: Learner, message: str) -> None:
    """Raise AssertionError unless two learners have bitwise the same state."""
    changed = difference(a.state(), b.state())
    require(changed is None, f"{message} (state entry {changed!r})")
