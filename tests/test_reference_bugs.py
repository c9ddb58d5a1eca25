"""The eighteen functional bugs of the reference implementation of MORL/D, each with a test that shows it is absent here.

Three of them have further tests beside the component: 3 and 10 in ``tests/morl/scalarizations``, 13 in
``tests/morl/cooperation``, 14 in ``tests/morl/archives`` and 17 in ``tests/morl/weights``.
"""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from morl.archives import ArchiveEntry, ConvexCoverageSet
from morl.cooperation import HardTransfer
from morl.cooperation.neighbourhood import KNearest
from morl.cooperation.trigger import Periodic
from morl.evaluation import Evaluation, Evaluator
from morl.experiments import session
from morl.experiments.runner import run
from morl.problem import make_problem
from morl.scalarizations import Chebyshev, Scalarization, WeightedSum
from morl.solvers.eupg import EUPG
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC
from morl.task import Utility
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CORRIDOR, CPU, DST, LEAVES, TARGETS

SAC = MOSAC(hidden=(8,), batch_size=8, learning_starts=4, capacity=300)
PG = EUPG(hidden=(8,), rows_per_member=4)


def made(solver: Any, env: Any = CORRIDOR, device: torch.device = CPU, **settings: Any) -> Any:
    given = {"num_members": 3, "exchange_period": 60} | settings
    return MORLD(solver=solver, **given).make_evaluating(
        make_problem(env), None, seed=0, device=device, evaluation=Evaluation(episodes=1)
    )


def test_bug_01_normalisation_reaches_the_members() -> None:
    """There the wrapper is put around a variable that nobody uses."""
    learner = made(MOQLearning(), exchange_period=400, normalisation="running", weights=((0.1, 0.9), (0.5, 0.5), (0.9, 0.1)))
    learner.learn(2_000)
    scale = learner.inner.task.utility.scale
    assert scale is not None
    assert (scale != 1).any()
    rescaled = learner.utility.weights / scale
    torch.testing.assert_close(learner.inner.linear_weights, rescaled / rescaled.sum(-1, keepdim=True))


@pytest.mark.parametrize("scalarization", [WeightedSum(), Chebyshev()], ids=["linear", "chebyshev"])
def test_bug_02_eupg_works_inside_morld(scalarization: Scalarization) -> None:
    """There the utility is called with one argument and the first end of an episode raises."""
    learner = made(PG, scalarization=scalarization)
    learner.learn(600)
    assert (learner.inner.adam.steps > 3).all()


@pytest.mark.parametrize("env", [TARGETS, DST], ids=["continuous", "discrete"])
def test_bug_03_chebyshev_works_with_mosac(env: str) -> None:
    """There no bundled solver can use it on batches."""
    learner = made(SAC, env, scalarization=Chebyshev(), exchange_period=100)
    learner.learn(600)
    assert (learner.inner.updates > 100).all()
    assert np.isfinite(list(learner.statistics().values())).all()


@pytest.mark.parametrize("name", LEAVES)
def test_bug_04_every_solver_can_be_transferred(name: str) -> None:
    """There transfer sets attributes that MOSAC does not have."""
    case = LEAVES[name]
    mechanism = HardTransfer(trigger=Periodic())
    learner = MORLD(solver=case.solver, num_members=3, exchange_period=40, cooperation=(mechanism,)).make(
        case.problem(), None, seed=0, device=CPU
    )
    learner.learn(40)
    transferred = learner.inner
    transferred.transfer(0, 2)
    first, last = (transferred.policies()[i].tensors() for i in (0, 2))
    own = {"weights"}  # a preference is not a parameter
    if not name.startswith("moq"):
        assert (
            difference({k: v for k, v in first.items() if k not in own}, {k: v for k, v in last.items() if k not in own})
            is None
        )
    learner.learn(200)


def test_bug_05_archived_eupg_policies_are_the_policies() -> None:
    """There the copied network is never assigned, so that archives hold random networks."""
    learner = made(PG, scalarization=Chebyshev())
    learner.learn(600)
    policies, states = learner.policies(), torch.arange(6)
    learner.record.latest = None
    learner.evaluate()
    kept = {entry.member: entry.policy for entry in learner.record.archive.entries if entry.env_steps == learner.env_steps}
    for member, policy in kept.items():
        assert torch.equal(policy.act(states), policies[member].act(states))
    again = policies[0].stack([policies[0]])
    for name, value in policies[0].tensors().items():
        assert torch.equal(again.tensors()[name], value)


def test_bug_06_copies_keep_temperature_and_optimisers() -> None:
    """There a copy starts at temperature 1 with empty optimisers."""
    learner = LEAVES["mosac"].make()
    learner.learn(60 * learner.next_round())
    alpha, moments, steps = learner.log_alpha.clone(), learner.actor_adam.first[0].clone(), learner.actor_adam.steps.copy()
    assert (alpha != 0).all()
    learner.reindex([2, 1, 0, 2], [False, False, False, True])
    assert torch.equal(learner.log_alpha, alpha[[2, 1, 0, 2]])
    assert torch.equal(learner.actor_adam.first[0][:3], moments[[2, 1, 0]])
    assert learner.actor_adam.steps[:3].tolist() == steps[[2, 1, 0]].tolist()
    assert learner.actor_adam.eps == LEAVES["mosac"].solver.adam_eps


def test_bug_07_loading_refreshes_weights_and_temperature() -> None:
    """There the restored temperature is unknown to its optimiser, and the weights in use are the old ones."""
    learner, restored = LEAVES["mosac"].make(), LEAVES["mosac"].make()
    learner.learn(40 * learner.next_round())
    utility = learner.task.utility
    learner.set_task(replace(learner.task, utility=replace(utility, weights=utility.weights.flip(1))))
    restored.load_state(through_files(learner.state()))
    assert torch.equal(restored.linear_weights, learner.linear_weights)
    assert torch.equal(restored.log_alpha, learner.log_alpha)
    for each in (learner, restored):
        each.learn(10 * each.next_round())
    assert not torch.equal(restored.log_alpha, LEAVES["mosac"].make().log_alpha)
    assert torch.equal(restored.log_alpha, learner.log_alpha)


@dataclass(frozen=True, kw_only=True)
class _Records(MOQLearning):
    devices: list[torch.device] = field(default_factory=list)

    def make(self, env: Any, task: Any, *, seed: int, device: torch.device) -> Any:
        self.devices.append(device)
        return super().make(env, task, seed=seed, device=device)


def test_bug_08_the_device_is_forwarded() -> None:
    """There the members choose their own."""
    solver, device = _Records(), torch.device("cpu", 0)
    learner = made(solver, device=device)
    assert solver.devices == [device]
    assert learner.record.evaluator.device == device


def test_bug_09_training_goes_on_and_a_state_holds_everything() -> None:
    """There training closes the environments, and a save leaves out counters, turn, random state, ideal point and PSA."""
    settings: dict[str, Any] = {"scalarization": Chebyshev(), "schedule": "turn_by_turn"}
    learner = made(PG, **settings)
    for _ in range(3):
        learner.learn(100)
    restored = made(PG, **settings)
    restored.load_state(through_files(learner.state()))
    for each in (learner, restored):
        each.learn(200)
    assert learner.exchanges > 5
    assert difference(learner.state(), restored.state()) is None
    assert torch.equal(learner.utility.ideal_point, restored.utility.ideal_point)


def test_bug_10_evaluating_moves_no_reference_and_there_is_one_argument_order() -> None:
    """There evaluation passes weights first, and every call moves the shared best point."""
    utility = Utility(scalarization=Chebyshev(), weights=torch.tensor([[0.9, 0.1]]), ideal_point=torch.tensor([10.0, 10.0]))
    before = utility(torch.tensor([[0.0, 9.0]]))
    assert before.item() == pytest.approx(-9.0)
    utility(torch.tensor([[99.0, 99.0]]))
    assert torch.equal(utility(torch.tensor([[0.0, 9.0]])), before)
    learner = made(PG, scalarization=Chebyshev(), ideal_point=(12.0, 0.0))
    learner.learn(100)
    learner.record.evaluator(learner.policies())
    assert learner.utility.ideal_point.tolist() == [12.0, 0.0]


def test_bug_11_evaluation_takes_the_best_action() -> None:
    """There a method documented as the best action samples one."""
    policy = LEAVES["mosac"].make().policies()[0]
    observations = np.zeros((50, 2), np.float32)
    actions = policy.act(observations)
    assert (actions == actions[0]).all()
    assert np.ptp(policy.act(observations, deterministic=False, generator=torch.Generator().manual_seed(0)), axis=0).min() > 0
    evaluator = Evaluator(LEAVES["mosac"].problem(), Evaluation(), gamma=0.9, device=CPU)
    assert evaluator.evaluation.deterministic
    assert np.array_equal(evaluator([policy]).discounted, evaluator([policy]).discounted)


class _Halves(gym.Env[Any, Any]):
    """Observations between whole numbers; one step; the right action depends on the half."""

    observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(2)
    reward_space = spaces.Box(0.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x = np.float32(self.np_random.choice([0.25, 0.75]))
        return np.array([self.x]), {}

    def step(self, action: Any) -> Any:
        right = float(action == (self.x > 0.5))
        return np.array([self.x]), np.array([right, right], np.float32), True, False, {}


def test_bug_12_eupg_sees_real_numbers_and_discounts_alike() -> None:
    """There observations are cut to integers, and training does not discount what evaluation discounts.

    That the inputs in training and evaluation are the same is shown in ``tests/morl/solvers/test_eupg.py``.
    """
    solver = EUPG(hidden=(16,), learning_rate=0.02, rows_per_member=32)
    learner = solver.make(make_problem(_Halves), None, seed=0, device=CPU)
    learner.learn(32 * 150)
    (policy,) = learner.policies()
    assert policy.act(np.array([[0.25], [0.75]], np.float32)).tolist() == [0, 1]
    assert policy.accrued_gamma == solver.gamma  # type: ignore[attr-defined]


def test_bug_13_duplicated_weights_have_neighbours() -> None:
    """There the answer can be -1, the last member."""
    weights = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    neighbours = KNearest(k=2)(weights)
    assert neighbours.min() >= 0
    assert all(i not in row for i, row in enumerate(neighbours.tolist()))


@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_bug_14_convex_sets_of_few_and_degenerate_points_in_three_dimensions(points: int) -> None:
    """There Qhull fails."""
    archive = ConvexCoverageSet()
    line = np.linspace([0.0, 3.0, 0.0], [3.0, 0.0, 0.0], points)
    for i, v in enumerate(line):
        entry = ArchiveEntry(
            values=v, standard_errors=0 * v, undiscounted=v, weights=None, policy=None, env_steps=0, member=i, episodes=1,
            gamma=1.0, deterministic=True,
        )  # fmt: skip
        archive.add([entry])
    assert 1 <= len(archive) <= points
    assert {tuple(line[0]), tuple(line[-1])} <= {tuple(v) for v in archive.values}


def test_bug_15_every_member_has_its_own_warm_up() -> None:
    """There only the first member warms up, and the others learn from a store with one transition."""
    solver = replace(SAC, learning_starts=50)
    learner = made(solver, TARGETS, schedule="turn_by_turn", exchange_period=40, update_passes=5)
    learner.learn(120)
    assert learner.inner.member_steps.tolist() == [40, 40, 40]
    assert learner.inner.updates.tolist() == [0, 0, 0]
    learner.learn(120)
    # 30 after its warm-up, and 5 passes in the turns of the others from then on.
    assert learner.inner.updates.tolist() == [30 + 10, 30 + 5, 30]


def test_bug_16_checkpoints_do_not_wait_for_a_multiple(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a checkpoint is written if the step counter is a multiple of something at an exchange, that is, often never."""
    due: list[int] = []
    original = session.Session._checkpoint

    def spy(self: session.Session, **given: bool) -> None:
        due.append(self.done)
        original(self, **given)

    monkeypatch.setattr(session.Session, "_checkpoint", spy)
    solver = MORLD(solver=MOQLearning(rows_per_member=3), num_members=3, exchange_period=37)
    run(solver, CORRIDOR, env_steps=541, seed=0, out=tmp_path / "run")
    # A tenth of the budget is no multiple of the nine steps of a round, and neither is the budget.
    assert due[0] == 0
    assert len(due) >= 10
    assert np.diff(due).max() < 2 * 54
    assert due[-1] == 541
    assert list((tmp_path / "run" / "checkpoint").iterdir())


def test_bug_17_global_random_state_is_neither_used_nor_touched() -> None:
    """There buffers draw from it, and environments are never seeded."""

    def trained(global_seed: int) -> dict[str, Any]:
        random.seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002
        torch.manual_seed(global_seed)
        learner = made(SAC, TARGETS, weights="riesz", num_members=3)
        learner.learn(150)
        state: dict[str, Any] = learner.state()
        drawn = (random.random(), float(np.random.random()), float(torch.rand(())))  # noqa: NPY002
        return {**state, "drawn": drawn}

    one, other = trained(1), trained(2)
    untouched = (random.Random(1).random(), float(np.random.RandomState(1).random()))
    assert one.pop("drawn")[:2] == untouched
    other.pop("drawn")
    assert difference(one, other) is None


def test_bug_18_neither_distutils_nor_an_account_is_needed() -> None:
    """There the first is gone since Python 3.12, and a tracking service is imported even if it is not used."""
    program = (
        "import sys; sys.modules['distutils'] = sys.modules['wandb'] = None\n"
        "from morl.solvers.morld import MORLD; from morl.solvers.moq import MOQLearning\n"
        f"MORLD(solver=MOQLearning(), num_members=2).run('{CORRIDOR}', env_steps=200)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
