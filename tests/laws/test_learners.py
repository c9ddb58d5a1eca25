"""Laws of learners that the public checker cannot see from outside; every registered solver on small real environments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from morl.capabilities import ChoosesMembers
from morl.evaluation import Evaluation, Evaluator
from morl.members import Declared
from morl.nn.population_adam import PopulationAdam
from morl.registry import names
from morl.solvers.sequoia.cache import SolvedStates
from morl.task import Task, Utility
from morl.testing.solver import difference, learn_in_pieces, through_files
from tests.conformance.cases import CASES, CPU, ELSEWHERE, LEAVES, OFFLINE, Case

every_solver = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
also_offline = pytest.mark.parametrize("case", (CASES | OFFLINE).values(), ids=CASES | OFFLINE)
every_leaf = pytest.mark.parametrize("case", LEAVES.values(), ids=LEAVES)
FIXED_ROUNDS = {name: case for name, case in LEAVES.items() if case.name not in ("eupg", "subpo")}
KEPT = {"stats", "start_returns", "has_return", "member_steps", "memory", "owed"}
"""Owned by members, but not what they have learned."""
DERIVED = {"task", "linear_weights", "observations", "rows", "timing"}
"""What a state holds beside what is declared, and functions of it."""


def copied(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}


def parts_of(learner: Any, *kinds: str) -> dict[str, Tensor]:
    """Declared arrays of some kinds, each with the members on axis 0; those of optimisers and parts too."""
    parts: dict[str, Tensor] = {}
    for part, value in learner.owned():
        if isinstance(value, Declared):
            parts |= {f"{part.name}/{name}": tensor for name, tensor in parts_of(value, *kinds).items()}
        if part.kind not in kinds or part.name in KEPT or isinstance(value, Declared | SolvedStates):
            continue
        if isinstance(value, PopulationAdam):
            found = [*value.first, *value.second, torch.from_numpy(value.steps)]
        elif part.kind == "part":
            found = list(value.state().values())
        else:
            found = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for i, array in enumerate(found):
            parts[f"{part.name}/{i}"] = torch.as_tensor(array).clone()
    return parts


LEARNED = ("member", "part")
"""Kinds of what members have learned."""


def of_member(parts: dict[str, Tensor], member: int) -> dict[str, Tensor]:
    return {key: tensor[member] for key, tensor in parts.items()}


def test_every_solver_is_here() -> None:
    assert {case.name for case in (CASES | OFFLINE).values()} | ELSEWHERE == set(names("solver"))


# --- budgets and pieces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mosac", "moppo", "modqn_prioritised_n_step", "moq", "eupg", "morld_turns", "morld_eupg"])
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_pieces_of_any_lengths_make_the_whole(name: str, data: st.DataObject) -> None:
    whole, parts = CASES[name].make(), CASES[name].make()
    total = whole.learn(30 * whole.next_round())["training"]
    left = total
    while left >= parts.next_round():
        piece = data.draw(st.integers(parts.next_round(), max(parts.next_round(), left)), label="piece")
        left -= parts.learn(min(piece, left))["training"]
    assert difference(whole.state(), parts.state()) is None


@pytest.mark.parametrize("case", FIXED_ROUNDS.values(), ids=FIXED_ROUNDS)
def test_budgets_of_whole_rounds_are_spent_exactly(case: Case) -> None:
    learner = case.make()
    unit = learner.next_round()
    assert unit == learner.n * learner.rows_per_member
    assert learner.learn(5 * unit) == {"training": 5 * unit}
    assert learner.learn(5 * unit + unit // 2) == {"training": 5 * unit}
    assert learner.learn(2 * learner.next_round([1]), [1]) == {"training": 2 * learner.rows_per_member}
    assert learner.member_steps.sum() == 10 * unit + 2 * learner.rows_per_member


@also_offline
def test_never_more_than_the_budget(case: Case) -> None:
    learner = case.make()
    for budget in (1, 2, 7, 50, 3, 1, 29, 64):
        assert 1 <= learner.learn(budget)["training"] <= budget


# --- state -------------------------------------------------------------------------------------------------------------


@also_offline
@pytest.mark.parametrize("rounds", [1, 7, 16])
def test_a_restored_learner_goes_on_bitwise(case: Case, rounds: int) -> None:
    """In the middle of episodes, n-step windows, rollouts and periods; into a learner that has already done other things."""
    learner = case.make()
    learner.learn(rounds * learner.next_round())
    # A population restored into one of another size; MORL/D fixes its size itself.
    restored = case.make(3 if isinstance(learner, ChoosesMembers) else 2)
    restored.learn(3 * restored.next_round())
    restored.load_state(through_files(learner.state()))
    assert difference(learner.state(), restored.state()) is None
    budget = 20 * learner.next_round()
    for each in (learner, restored):
        learn_in_pieces(each, budget, 5)
    assert difference(learner.state(), restored.state()) is None
    np.testing.assert_equal(learner.statistics(), restored.statistics())


def arrays_in(value: Any, seen: set[int]) -> list[bytes]:
    """Bytes of every array below a value."""
    if id(value) in seen or isinstance(value, type) or not hasattr(value, "__dict__") | isinstance(value, ARRAYS):
        return []
    seen.add(id(value))
    if isinstance(value, Tensor):
        return [value.detach().numpy().tobytes()]
    if isinstance(value, np.ndarray):
        return [value.tobytes()]
    if isinstance(value, torch.Generator):
        return [value.get_state().numpy().tobytes()]
    inside = value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else vars(value).values()
    return [found for item in inside for found in arrays_in(item, seen)]


ARRAYS = (Tensor, np.ndarray, torch.Generator, list, tuple, dict)


@every_leaf
def test_nothing_is_forgotten_in_the_declaration(case: Case) -> None:
    """What changes while a learner learns is declared, or named above; or of one round, which private attributes hold."""
    learner = case.make()
    learner.learn(2 * learner.next_round())
    declared = {part.name for part, _ in learner.owned()} | DERIVED
    others = [name for name in vars(learner) if name not in declared and not name.startswith("_")]
    shared = {id(learner)} | {id(value) for _, value in learner.owned()}
    before = {name: arrays_in(getattr(learner, name), set(shared)) for name in others}
    learner.learn(24 * learner.next_round())
    for name in others:
        # Workspaces of engines are overwritten, not read.
        assert name == "engines" or arrays_in(getattr(learner, name), set(shared)) == before[name], name


# --- members -----------------------------------------------------------------------------------------------------------


@every_leaf
@pytest.mark.parametrize("members", [[0, 1], [0, 2], [2]])
def test_members_that_do_not_take_part_stay_bitwise(case: Case, members: list[int]) -> None:
    learner = case.make()
    learner.learn(8 * learner.next_round())
    before = parts_of(learner, *LEARNED, "optimiser")
    steps, episodes = learner.member_steps.copy(), learner.episodes.copy()
    learner.learn(40 * learner.next_round(members), members)
    after = parts_of(learner, *LEARNED, "optimiser")
    for i in range(3):
        same = difference(of_member(before, i), of_member(after, i)) is None
        assert same == (i not in members), i
    untouched = np.setdiff1d(np.arange(3), members)
    rows = learner.rows_of(untouched.tolist())
    assert (learner.member_steps[untouched] == steps[untouched]).all()
    assert (learner.episodes[rows] == episodes[rows]).all()


@every_leaf
def test_members_may_be_named_in_any_order(case: Case) -> None:
    a, b = case.make(), case.make()
    a.learn(20 * a.next_round([0, 2]), [0, 2])
    b.learn(20 * b.next_round([0, 2]), [2, 0, 2])
    assert difference(a.state(), b.state()) is None


@pytest.mark.parametrize("name", ["eupg", "moq", "moppo"])
def test_who_takes_part_may_change_at_any_time(name: str) -> None:
    learner = CASES[name].make()
    for turn in range(60):
        members = [None, [0], [0, 2], [1]][turn % 4]
        budget = 1 + 5 * (turn % 7)
        assert learner.next_round(members) >= 1
        assert 1 <= learner.learn(budget, members)["training"] <= budget
    assert np.isfinite(list(learner.statistics().values())).all()


@every_leaf
@pytest.mark.parametrize(
    ("source", "fresh"),
    [([2, 0], [False, False]), ([1, 0, 2, 1, 1], [False, False, False, True, True]), ([1, 1, 1], [True, False, True])],
    ids=["shrink", "grow", "renew"],
)
def test_reindexed_members_are_copies(case: Case, source: list[int], fresh: list[bool]) -> None:
    learner = case.make()
    learner.learn(12 * learner.next_round())
    uids = list(learner.uids)
    networks, moments = parts_of(learner, *LEARNED), parts_of(learner, "optimiser")
    weights = learner.task.utility.weights.clone()
    learner.reindex(source, fresh)
    new_networks, new_moments = parts_of(learner, *LEARNED), parts_of(learner, "optimiser")
    assert learner.n == len(source) == len(set(learner.uids))
    assert torch.equal(learner.task.utility.weights, weights[source])
    for i, (origin, is_fresh) in enumerate(zip(source, fresh, strict=True)):
        assert difference(of_member(networks, origin), of_member(new_networks, i)) is None
        if is_fresh:
            assert learner.uids[i] not in uids
            assert all((tensor == 0).all() for tensor in of_member(new_moments, i).values())
        else:
            assert learner.uids[i] == uids[origin]
            assert difference(of_member(moments, origin), of_member(new_moments, i)) is None
    learner.learn(12 * learner.next_round())
    restored = case.make()
    restored.load_state(through_files(learner.state()))
    assert difference(learner.state(), restored.state()) is None


@every_leaf
def test_a_new_task_touches_nothing_else(case: Case) -> None:
    learner = case.make()
    learner.learn(9 * learner.next_round())
    before = copied(learner.state())
    utility = learner.task.utility
    moved = torch.tensor([0.9, 0.1, 0.0][: learner.m])
    learner.set_task(Task(utility=replace(utility, weights=moved[None])), members=[1])
    after = copied(learner.state())
    weights = torch.stack([before.pop("weights")[0], moved, utility.weights[2]])
    assert torch.equal(after.pop("weights"), weights)
    assert difference(before, after) is None
    learner.set_task(Task(utility=utility))
    assert torch.equal(learner.state()["weights"], utility.weights)


@pytest.mark.parametrize("name", ["eupg", "moq"])
def test_an_ideal_point_for_some_members_leaves_the_others_theirs(name: str) -> None:
    from morl.scalarizations import Chebyshev

    learner = CASES[name].make()

    def utility(n: int, ideal: Tensor) -> Utility:
        criterion = learner.task.utility.criterion
        return Utility(scalarization=Chebyshev(), weights=torch.full((n, 2), 0.5), ideal_point=ideal, criterion=criterion)

    learner.set_task(Task(utility=utility(3, torch.tensor([1.0, 2.0]))))
    learner.set_task(Task(utility=utility(1, torch.tensor([5.0, 6.0]))), members=[2])
    assert learner.task.utility.ideal_point.tolist() == [[1.0, 2.0], [1.0, 2.0], [5.0, 6.0]]
    # The same point for everybody stays one point.
    learner.set_task(Task(utility=utility(3, torch.tensor([1.0, 2.0]))))
    learner.set_task(Task(utility=utility(1, torch.tensor([1.0, 2.0]))), members=[2])
    assert learner.task.utility.ideal_point.tolist() == [1.0, 2.0]


# --- seeds -------------------------------------------------------------------------------------------------------------


def seeds_of(learner: Any, rounds: int) -> dict[tuple[int, int], list[int]]:
    """Episode seeds of every row, by member's identity and position, while the learner learns."""
    seen: dict[tuple[int, int], list[int]] = {}
    reset = learner.rows.reset

    def spy(rows: Any, seeds: Any, dynamics: Any = None) -> Tensor:
        for row, seed in zip(rows, seeds, strict=True):
            key = (learner.uids[learner.row_member[row]], int(row) % learner.rows_per_member)
            seen.setdefault(key, []).append(int(seed))
        result: Tensor = reset(rows, seeds, dynamics)
        return result

    learner.rows.reset = spy
    learner.learn(rounds * learner.next_round())
    return seen


@every_leaf
def test_a_members_episodes_and_first_network_do_not_depend_on_how_many_members_there_are(case: Case) -> None:
    few, many = case.make(2), case.make(5)
    first = [parts_of(each, *LEARNED) for each in (few, many)]
    for i in range(2):
        assert difference(*(of_member(parts, i) for parts in first)) is None
    rounds = 220 if case.env == "deep-sea-treasure-v0" else 40
    seen_few, seen_many = seeds_of(few, rounds), seeds_of(many, rounds)
    everything = [seed for seeds in seen_many.values() for seed in seeds]
    assert len(set(everything)) == len(everything), "two episodes had the same seed"
    for key, seeds in seen_few.items():
        common = min(len(seeds), len(seen_many[key]))
        assert common >= 2
        assert seeds[:common] == seen_many[key][:common]


def test_evaluation_seeds_do_not_depend_on_who_else_is_evaluated() -> None:
    case = LEAVES["mosac"]
    policies = case.make(4).policies()
    seen: list[list[int]] = []

    def judged(some: list[Any]) -> np.ndarray:
        evaluator = Evaluator(case.problem(), Evaluation(episodes=3), gamma=0.9, device=CPU)
        evaluator._rows = rows = case.problem().rows(3 * len(some), device=CPU)
        reset = rows.reset

        def spy(index: Any, seeds: Any, dynamics: Any = None) -> Tensor:
            seen.append(list(seeds))
            return reset(index, seeds, dynamics)

        rows.reset = spy  # type: ignore[method-assign]
        return evaluator(some).discounted

    together, alone = judged(policies), judged(policies[2:3])
    assert seen[0] == 4 * seen[1]
    assert len(set(seen[1])) == 3
    np.testing.assert_allclose(together[2], alone[0], rtol=1e-5)


# --- attached networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [None, [0, 2]])
def test_attached_networks_change_nothing_else(members: list[int] | None) -> None:
    case = LEAVES["mosac"]
    plain = case.make()
    extras = ("unregularised_critic",)
    added = Case("mosac", replace(case.solver, extras=extras), case.env).make()
    for learner in (plain, added):
        learner.learn(10 * learner.next_round())
        learner.learn(10 * learner.next_round(members), members)
    with_extras = {key: value for key, value in added.state().items() if "extras" not in key and "_loss" not in key}
    without = {key: value for key, value in plain.state().items() if "_loss" not in key}
    assert difference(without, with_extras) is None
    for name in ("critic_loss", "actor_loss"):
        assert torch.equal(plain.stats[name], added.stats[name])
    assert (added.stats["unregularised_critic_loss"] > 0).all()
