"""Check a mechanism of cooperation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from morl.capabilities import criterion_of
from morl.cooperation import Cooperation, Meeting, require_cooperation
from morl.errors import CapabilityError
from morl.problem import EnvLike, Problem, make_problem
from morl.protocols import Solver
from morl.task import Task, Utility
from morl.testing.requirement import require
from morl.testing.solver import difference, require_same_state, through_files


def check_cooperation(
    cooperation: Cooperation, solver: Any = None, *, env: EnvLike | Problem = "tabular/treasure-corridor-v0", seed: int = 0
) -> None:
    """Check that a mechanism keeps the contract of :class:`morl.cooperation.Cooperation`.

    Args:
        cooperation: What to check.
        solver: A solver whose members can cooperate in this way; if None tabular Q-learning, or deep Q-learning where tables
            lack what the mechanism requires.
        env: An environment it can solve.
        seed: Of the learners.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.cooperation import HardTransfer
        >>> check_cooperation(HardTransfer())
    """
    if solver is None:
        from morl.solvers.moq import MOQLearning

        solver = MOQLearning(replay="per_member")
        if cooperation.requires is not None and not issubclass(solver.learner_type(), cooperation.requires):
            from morl.solvers.modqn import MODQN

            solver = MODQN(hidden=(8,), batch_size=8, learning_starts=4, capacity=200)
    before = repr(solver)
    try:
        configured = cooperation.configure(solver)
        require_cooperation(cooperation, configured)
    except CapabilityError as error:
        raise AssertionError(f"configure() refuses the solver to try it with ({error}); pass another one") from error
    require(repr(solver) == before, "configure() must not change the solver that it is given")
    require(isinstance(configured, Solver), f"configure() must return a solver, got {configured!r}")
    problem, n = make_problem(env), 4

    def trained() -> Any:
        m = problem.spec.num_objectives
        weights = torch.softmax(torch.arange(float(n * m)).reshape(n, m).sin(), -1)
        utility = Utility(weights=weights, criterion=criterion_of(configured))
        learner = configured.make(problem, Task(utility=utility), seed=seed, device=torch.device("cpu"))
        learner.learn(20 * learner.next_round())
        return learner

    neighbours = np.array([[1], [2], [1], [2]])  # member 0 and member 3 are nobody's neighbours
    one, other = trained(), trained()
    for turn, source in enumerate((1, 2, 0)):
        bystanders = [i for i in range(n) if i != source and i not in neighbours[source]]
        policies = [{name: tensor.clone() for name, tensor in policy.tensors().items()} for policy in one.policies()]
        # The source is better than everybody, so that mechanisms that wait for it act.
        meeting = Meeting(
            source=source, exchanges=turn, neighbours=neighbours, utilities=np.zeros(n), offered=np.ones(n), passed=np.nan
        )
        passed = [cooperation.exchange(learner, meeting) for learner in (one, other)]
        require(
            passed[0] == passed[1], f"the same exchange of equal learners passed to {passed[0]} and {passed[1]}; keep no state"
        )
        strangers = sorted(set(passed[0]) - set(neighbours[source].tolist()))
        require(not strangers, f"member {source} passed something to {strangers}, who are not its neighbours")
        for i in bystanders:
            changed = difference(policies[i], one.policies()[i].tensors())
            require(
                changed is None, f"an exchange of member {source} changed {changed} of member {i}, who is not its neighbour"
            )
    require_same_state(one, other, "the same exchanges of equal learners gave different ones; keep no state")
    restored = trained()
    restored.load_state(through_files(one.state()))
    for learner in (one, restored):
        learner.learn(20 * learner.next_round())
    require_same_state(one, restored, "a learner that was saved after the exchanges and restored went another way")
