"""What fits together runs; what does not is refused when it is put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl import Run
from morl.action_spaces import discrete_start
from morl.capabilities import HasCritics, KnowsLearner, RepeatsUpdates, SharesParameters
from morl.cooperation import HardTransfer, SharedReplay
from morl.critics import critic_from, values_of
from morl.errors import CapabilityError, CheckpointError, ConfigurationError
from morl.evaluation import Evaluation, Evaluator, candidates_of
from morl.experiments.runner import run
from morl.problem import make_problem
from morl.protocols import Learner
from morl.registry import component, load_plugins, names
from morl.scalarizations import Chebyshev
from morl.selection import Standing
from morl.solvers import EUPG, MODQN, MORLD, MOQLearning
from morl.task import Task, Utility
from morl.testing import check_solver
from morl.testing.policy import sampled_observations
from morl.testing.solver import difference, learn_in_pieces, through_files
from morl.weights.adaptation import Population
from robust import IWOCS
from tests.conformance.cases import CASES, CORRIDOR, CPU, FORMS, LEAVES
from tests.laws.doubles import OneTable, Stranger, WeighedTable

# --- a stranger ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("can_transfer", [False, True])
def test_a_stranger_runs_alone_and_inside_morld(can_transfer: bool) -> None:
    solver = Stranger(can_transfer=can_transfer)
    check_solver(solver, env=CORRIDOR, rounds=12)  # type: ignore[arg-type]
    alone = run(solver, CORRIDOR, env_steps=200, weights=[0.5, 0.5])  # type: ignore[arg-type]
    assert alone.front.shape[1] == 2
    inside = MORLD(solver=solver, num_members=3, exchange_period=50).run(CORRIDOR, env_steps=200)  # type: ignore[arg-type]
    assert inside.front.shape[1] == 2


def test_a_stranger_cooperates_as_far_as_its_capabilities_go() -> None:
    def made(solver: Any, *mechanisms: Any) -> Any:
        outer = MORLD(solver=solver, num_members=3, exchange_period=30, cooperation=mechanisms)
        return outer.make(make_problem(CORRIDOR), None, seed=0, device=CPU)

    with pytest.raises(CapabilityError, match="members can take over each other's parameters, which Stranger does not make"):
        made(Stranger(), HardTransfer())
    able = made(Stranger(can_transfer=True), HardTransfer(), SharedReplay())
    able.learn(30)
    assert able.exchanges == 1
    assert torch.equal(able.inner.tables[1], able.inner.tables[0])
    assert not torch.equal(able.inner.tables[2], able.inner.tables[0])
    with pytest.raises(ConfigurationError, match="a mechanism has requires, configure and exchange"):
        MORLD(solver=Stranger(), cooperation=("hard_transfer",))  # type: ignore[arg-type]


# --- what is refused at once ---------------------------------------------------------------------------------------------


def test_what_a_solver_cannot_do_is_known_before_anything_is_made() -> None:
    for solver in (IWOCS(), IWOCS(solver=MODQN())):
        with pytest.raises(CapabilityError, match=r"HardTransfer needs .*parameters, which IWOCS does not make"):
            MORLD(solver=solver, cooperation=(HardTransfer(),))
    with pytest.raises(CapabilityError, match="IWOCS is on-policy"):
        MORLD(solver=IWOCS(), cooperation=(SharedReplay(),))
    with pytest.raises(CapabilityError, match="EUPG has no critic that can say so"):
        IWOCS(solver=EUPG())
    with pytest.raises(CapabilityError, match="MORLD inside IWOCS"):
        IWOCS(solver=MORLD())
    with pytest.raises(CapabilityError, match="MORLD chooses its members' sub-problems itself; set weights, scalarization"):
        MORLD(solver=MOQLearning()).run(CORRIDOR, env_steps=10, weights=[0.5, 0.5])


@pytest.mark.parametrize("name", [name for name in names("solver") if not name.startswith("one_")])
def test_solvers_say_what_they_make(name: str) -> None:
    solver = component("solver", name)()
    if isinstance(solver, KnowsLearner):
        assert isinstance(solver.learner_type(), type)
        assert all(hasattr(solver.learner_type(), method) for method in ("learn", "next_round", "reindex", "set_task"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_said_beforehand_is_what_is_made(case: Any) -> None:
    learner, solver = case.make(), case.solver
    assert isinstance(learner, Learner)
    if isinstance(solver, KnowsLearner):
        for capability in (SharesParameters, RepeatsUpdates, HasCritics):
            assert isinstance(learner, capability) == issubclass(solver.learner_type(), capability)


# --- one network for all weights -----------------------------------------------------------------------------------------


@pytest.fixture
def plugin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("morl.registry._added", {})
        load_plugins(["tests.laws.doubles"])
        yield


def one_table(n: int = 4) -> Any:
    first = torch.linspace(0.0, 1.0, n).unsqueeze(1)
    task = Task(utility=Utility(weights=torch.cat([first, 1 - first], 1)))
    return OneTable().make(make_problem(CORRIDOR), task, seed=0, device=CPU)


def test_a_shared_network_keeps_the_laws_that_it_can(plugin: None) -> None:
    check_solver(OneTable(), env=CORRIDOR, rounds=16)  # type: ignore[arg-type]
    outer = MORLD(solver=OneTable(), cooperation=(HardTransfer(),))  # type: ignore[arg-type]
    with pytest.raises(CapabilityError, match="take over each other's parameters"):
        outer.make(make_problem(CORRIDOR), None, seed=0, device=CPU)


def test_rows_have_weights_of_their_own_which_a_resume_brings_back(plugin: None) -> None:
    learner, other = one_table(), one_table(2)
    learner.learn(40 * learner.next_round())
    weights = learner.row_weights
    assert weights.shape == (8, 2)
    torch.testing.assert_close(weights.sum(1), torch.ones(8))
    assert len(torch.unique(weights, dim=0)) == 8
    other.load_state(through_files(learner.state()))
    assert torch.equal(other.row_weights, weights)
    for each in (learner, other):
        learn_in_pieces(each, 40 * learner.next_round(), 3)
    assert difference(learner.state(), other.state()) is None
    learner.reindex([0, 0, 3], [False, True, False])
    assert learner.row_weights.shape == (6, 2)
    learner.learn(40 * learner.next_round())


def test_a_network_for_all_weights_learns_the_front() -> None:
    learner = one_table()
    learner.learn(6_000)
    record = Evaluator(make_problem(CORRIDOR), Evaluation(episodes=1), gamma=0.9, device=CPU)
    weights = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    found = record(learner.policies() * 3, weights=weights).undiscounted[:, 0, 0]
    assert found.tolist() == [[1.0, -1.0], [10.0, -5.0], [10.0, -5.0]]


def test_candidates_of_one_network_are_evaluated_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = one_table()
    learner.learn(2_000)
    candidates = candidates_of(learner)
    assert len({id(candidate.policy) for candidate in candidates}) == 1
    evaluator = Evaluator(make_problem(CORRIDOR), Evaluation(episodes=3), gamma=0.9, device=CPU)
    batches = []
    original = WeighedTable.act_stacked

    def spy(self: Any, observations: Any, *rest: Any) -> Any:
        batches.append(tuple(observations.shape[:2]))
        return original(self, observations, *rest)

    monkeypatch.setattr(WeighedTable, "act_stacked", spy)
    together = evaluator([c.policy for c in candidates], weights=np.stack([c.weights for c in candidates]))
    assert set(batches) == {(1, 4 * 3)}
    for i, candidate in enumerate(candidates):
        alone = evaluator([candidate.policy.at(candidate.weights)], weights=candidate.weights[None])  # type: ignore[attr-defined]
        assert np.array_equal(alone.discounted[0], together.discounted[i])


def test_one_network_is_saved_once(plugin: None, tmp_path: Path) -> None:
    solver = MORLD(solver=OneTable(), num_members=4, exchange_period=400)  # type: ignore[arg-type]
    evaluation = Evaluation(episodes=1, period=10_000)
    whole = solver.run(CORRIDOR, env_steps=2_000, evaluation=evaluation, out=tmp_path / "whole")
    entries = whole.entries
    files = sorted(path.stem for path in (tmp_path / "whole" / "policies").glob("*.json"))
    assert len(files) == len({id(entry.policy) for entry in entries}) == len({entry.env_steps for entry in entries})
    assert len(files) < len(entries)
    loaded = Run.load(tmp_path / "whole")
    assert [id(e.policy) for e in loaded.entries].count(id(loaded.entries[0].policy)) >= 1
    assert len({id(entry.policy) for entry in loaded.entries}) == len(files)
    for weights in ([0.9, 0.1], [0.1, 0.9]):
        entry, policy = loaded.entry(weights), loaded.policy(weights)
        judge = Evaluator(make_problem(CORRIDOR), Evaluation(episodes=1), gamma=0.9, device=CPU)
        assert policy.own == tuple(entry.weights.tolist())  # type: ignore[attr-defined,union-attr]
        assert np.allclose(judge([policy], weights=entry.weights[None]).mean()[0], entry.values)  # type: ignore[index]
    # The same bytes where it was interrupted and extended.
    solver.run(CORRIDOR, env_steps=1_000, evaluation=evaluation, out=tmp_path / "half")
    again = Run.resume(tmp_path / "half", env_steps=2_000)
    assert len({id(entry.policy) for entry in again.entries}) <= len(again.entries)
    state = whole.archive.state()
    assert sum(key.endswith("/tensors/q") for key in state) == len({id(entry.policy) for entry in whole.archive})
    fresh = whole.archive.fresh()
    fresh.load_state(state)
    assert difference(fresh.state(), state) is None


# --- the population as a value -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Splits:
    """Lets the population grow to five members: the last one has a child with weights of its own."""

    def __call__(self, weights: Any, values: Any, archive_values: Any, *, gains: Any, rng: Any) -> Any:
        n = len(weights)
        assert gains.shape == (n,)
        if n == 5:
            return weights
        child = rng.dirichlet(np.ones(weights.shape[1]))[None]
        return Population(weights=np.concatenate([weights, child]), parents=[*range(n), n - 1], fresh=[False] * n + [True])


@dataclass(frozen=True)
class Youngest:
    """Whoever is youngest has the turn."""

    def __call__(self, standing: Standing) -> list[int]:
        n = standing.num_members
        assert standing.values.shape == standing.weights.shape
        assert standing.gains.shape == standing.ages.shape == (n,)
        return [int(n - 1 - np.argmin(standing.ages[::-1]))]


@pytest.mark.parametrize("inner", [MOQLearning(rows_per_member=2, epsilon_steps=200), Stranger()], ids=["moq", "stranger"])
@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_an_adaptation_may_let_the_population_grow(inner: Any, schedule: Any) -> None:
    solver = MORLD(
        solver=inner, num_members=2, exchange_period=60, schedule=schedule, selection=Youngest(), weight_adaptation=Splits()
    )

    def made() -> Any:
        return solver.make(make_problem(CORRIDOR), None, seed=0, device=CPU)

    learner, other = made(), made()
    learner.learn(200)
    assert learner.n == 5
    assert learner.task.num_members == 5
    assert len(set(learner.uids)) == 5
    assert learner.record.latest.values.shape == (5, 2)
    assert learner.exchange.born.tolist()[:2] == [0, 0]
    assert (np.diff(learner.exchange.born) >= 0).all()
    if schedule == "turn_by_turn":
        assert learner.active() == [4]
    other.load_state(through_files(learner.state()))
    for each in (learner, other):
        each.learn(300)
    assert difference(learner.state(), other.state()) is None
    result = solver.run(CORRIDOR, env_steps=300)
    assert len(result.tables["population"]) == 5


def test_gains_are_those_of_each_members_own_utility() -> None:
    learner = MORLD(
        solver=EUPG(hidden=(8,), rows_per_member=4),
        num_members=2,
        scalarization=Chebyshev(),
        ideal_point=(12.0, 0.0),
        exchange_period=80,
    ).make(make_problem(CORRIDOR), None, seed=0, device=CPU)
    learner.learn(80)
    assert np.isfinite(learner.exchange.gains).all()
    before = learner.exchange.utilities.copy()
    learner.learn(80)
    np.testing.assert_allclose(learner.exchange.gains, learner.exchange.utilities - before)


@pytest.mark.parametrize(("name", "key"), [("moq", "own/q"), ("mosac", "own/actor_adam/first/0"), ("eupg", "own/waiting")])
def test_what_a_state_lacks_is_named(name: str, key: str) -> None:
    learner = LEAVES[name].make()
    state = {entry: value for entry, value in learner.state().items() if entry != key}
    with pytest.raises(CheckpointError, match=f"the checkpoint lacks {key}: it was written by another version"):
        learner.load_state(state)


# --- critics -------------------------------------------------------------------------------------------------------------

CRITICS = {
    name: case
    for name, case in (LEAVES | FORMS).items()
    if isinstance(case.solver, KnowsLearner) and issubclass(case.solver.learner_type(), HasCritics)
}


@pytest.mark.parametrize("case", CRITICS.values(), ids=CRITICS)
def test_critics_are_frozen_stackable_and_come_back(case: Any) -> None:
    learner = case.make()
    learner.learn(20 * learner.next_round())
    spec = learner.spec
    spec.action_space.seed(0)
    observations = torch.from_numpy(sampled_observations(spec.observation_space, 6, 0))
    actions = torch.from_numpy(np.stack([np.asarray(spec.action_space.sample()) for _ in range(6)]))
    critics = learner.critics()
    before = values_of(learner, observations, actions)
    assert before.shape == (3, 6, learner.m)
    weights, taken = learner.linear_weights, actions.unsqueeze(0) - discrete_start(spec.action_space)
    learner.learn(20 * learner.next_round())
    again = critic_from(critics.config(), critics.parts, spec.observation_space, spec.action_space)
    for each in (critics, again, type(again).stack([again.select([i]) for i in range(3)])):
        torch.testing.assert_close(each.values(observations.unsqueeze(0), taken, weights), before)
    picked = again.select([2, 0, 2, 1])
    assert len(picked) == 4
    # Two observations in turn for every two critics.
    pairs = torch.stack([observations[:3], observations[3:]])
    found = picked.values(pairs, taken[:, :3], weights[[2, 0, 2, 1]])
    for k, member in enumerate([2, 0, 2, 1]):
        one = again.select([member]).values(pairs[k // 2].unsqueeze(0), taken[:, :3], weights[[member]])
        torch.testing.assert_close(found[k], one[0])
