"""Transfers: hard, soft, and when; relatives and strangers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morl.capabilities import MovesParameters
from morl.cooperation import HardTransfer, Meeting, SoftTransfer
from morl.cooperation.neighbourhood import Everyone, KNearest, NoNeighbours
from morl.cooperation.trigger import FirstSweep, OnImprovement, Periodic
from morl.errors import CapabilityError, ConfigurationError
from morl.problem import make_problem
from morl.selection import Crowding, Elitist, LinearSupportPriority, Random, Roulette, Tournament
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CORRIDOR, CPU, DST, LEAVES
from tests.laws.doubles import Stranger


def meeting(source: int, n: int = 3, *, exchanges: int = 0, **known: Any) -> Meeting:
    others = np.array([[j for j in range(n) if j != i] for i in range(n)])
    whole: dict[str, Any] = {"utilities": np.zeros(n), "offered": np.zeros(n), "passed": np.nan}
    return Meeting(source=source, exchanges=exchanges, neighbours=others, **whole | known)


def frozen(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in state.items()}


# --- soft transfer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEAVES)
def test_all_the_way_is_hard_transfer_and_none_of_it_nothing(name: str) -> None:
    hard, soft = LEAVES[name].make(), LEAVES[name].make()
    for learner in (hard, soft):
        learner.learn(12 * learner.next_round())
    assert isinstance(hard, MovesParameters)
    before = frozen(soft.state())
    SoftTransfer(tau=0.0).exchange(soft, meeting(0))
    soft.move(1, 2, tau=0.0, payload="all")
    assert difference(before, soft.state()) is None
    for source, payload in ((0, "actor"), (1, "all")):
        hard_targets = HardTransfer(trigger=Periodic(), payload=payload, direction="both").exchange(hard, meeting(source))  # type: ignore[arg-type]
        assert hard_targets == SoftTransfer(tau=1.0, payload=payload).exchange(soft, meeting(source))  # type: ignore[arg-type]
        # Among relatives now, and with everything.
        assert hard_targets == HardTransfer(trigger=Periodic(), payload=payload, direction="both").exchange(
            hard, meeting(source)
        )  # type: ignore[arg-type]
        assert SoftTransfer(tau=1.0, payload=payload).exchange(soft, meeting(source)) == hard_targets  # type: ignore[arg-type]
    assert difference(hard.state(), soft.state()) is None
    for learner in (hard, soft):
        learner.learn(12 * learner.next_round())
    assert difference(hard.state(), soft.state()) is None


@pytest.mark.parametrize("name", ["mosac", "moppo", "modqn"])
def test_relatives_are_blended_and_strangers_copied_or_left_alone(name: str) -> None:
    learner = LEAVES[name].make()
    learner.learn(30 * learner.next_round())
    kept = frozen(learner.state())
    assert SoftTransfer(tau=0.25, strangers="skip").exchange(learner, meeting(0)) == []
    assert difference(kept, learner.state()) is None
    assert SoftTransfer(tau=0.25, direction="forward").exchange(learner, meeting(1)) == [2]
    assert learner.are_related(1, 2, payload="all")
    assert not learner.are_related(0, 1)
    networks = {part.name for part, _ in learner.owned()} & {"actor", "critic", "target", "log_alpha", "online"}
    for network in networks:
        assert all(torch.equal(p[1], p[2]) for p in _tensors(learner, network))
    learner.learn(30 * learner.next_round())
    before = {network: [p.clone() for p in _tensors(learner, network)] for network in networks}
    assert SoftTransfer(tau=0.25, strangers="skip").exchange(learner, meeting(1)) == [2]
    for network in networks:
        for p, old in zip(_tensors(learner, network), before[network], strict=True):
            torch.testing.assert_close(p[2], 0.75 * old[2] + 0.25 * old[1])
            assert torch.equal(p[:2], old[:2])
    optimisers = [value for part, value in learner.owned() if part.kind == "optimiser"]
    assert optimisers
    assert all(value.steps[2] == 0 < value.steps[1] for value in optimisers)
    learner.learn(30 * learner.next_round())


def _tensors(learner: Any, name: str) -> list[torch.Tensor]:
    value = getattr(learner, name)
    return value if isinstance(value, list) else [value]


def test_what_observations_look_like_moves_along() -> None:
    solver = MOPPO(hidden=(8,), rows_per_member=2, horizon=6, epochs=1, normalise_observations=True)
    learner = MORLD(solver=solver, num_members=3).make(make_problem(DST), None, seed=0, device=CPU).inner
    learner.learn(40 * learner.next_round())
    learner.transfer(0, 1, payload="all")
    learner.learn(40 * learner.next_round())
    parts = [learner.observation_moments, learner.value_moments]
    before = [{name: tensor.clone() for name, tensor in part.state().items()} for part in parts]
    learner.move(0, 1, tau=0.5, payload="all")
    for part, old in zip(parts, before, strict=True):
        for name, tensor in part.state().items():
            torch.testing.assert_close(tensor[1], (old[name][0] + old[name][1]) / 2)
            assert torch.equal(tensor[[0, 2]], old[name][[0, 2]])


def test_copies_of_a_changed_population_are_relatives() -> None:
    learner = LEAVES["modqn"].make()
    learner.reindex([0, 1, 1, 2], [False, False, True, False])
    related = [[learner.are_related(i, j, payload="all") for j in range(4)] for i in range(4)]
    assert related == [[i == j or {i, j} == {1, 2} for j in range(4)] for i in range(4)]
    restored = LEAVES["modqn"].make()
    restored.load_state(through_files(learner.state()))
    assert restored.actor_family.tolist() == learner.actor_family.tolist() == [0, 1, 1, 2]
    older = LEAVES["modqn"].make()
    older.load_state({key: value for key, value in learner.state().items() if "family" not in key})
    assert older.actor_family.tolist() == [0, 1, 2, 3]
    # Policies that were copied without their critics are relatives as far as they act.
    learner.transfer(0, 3)
    assert learner.are_related(0, 3)
    assert not learner.are_related(0, 3, payload="all")


# --- when ----------------------------------------------------------------------------------------------------------------


def test_triggers() -> None:
    assert [FirstSweep()(meeting(0, exchanges=e), 1) for e in range(5)] == [True] * 3 + [False] * 2
    assert [Periodic(every=3)(meeting(0, exchanges=e), 1) for e in range(7)] == [False, False, True] * 2 + [False]
    worth = meeting(0, utilities=np.array([5.0, 1.0, 3.0]), offered=np.array([5.0, 2.0, 3.0]))
    assert [OnImprovement()(worth, target) for target in (1, 2)] == [True, False]
    for passed, fires in ((np.nan, True), (4.0, True), (5.0, False)):
        grown = meeting(0, utilities=np.array([5.0, 1.0, 3.0]), passed=passed)
        assert OnImprovement(of="source")(grown, 1) is fires


def _run(**settings: Any) -> Any:
    solver = MOQLearning(rows_per_member=2, epsilon_steps=200, replay="per_member")
    outer = MORLD(**{"solver": solver, "num_members": 4, "exchange_period": 40, "schedule": "turn_by_turn"} | settings)
    return outer.make(make_problem(CORRIDOR), None, seed=1, device=CPU)


def test_who_would_gain_takes_over_and_nobody_else() -> None:
    """In a live run: the utility of every member is what the source is worth to it by its own weights."""
    learner = _run(
        cooperation=(HardTransfer(trigger=OnImprovement(), payload="all", direction="both"),), neighbourhood=Everyone()
    )
    moves: list[tuple[float, float]] = []
    original = learner.inner.transfer

    def spy(source: int, target: int, *, payload: Any) -> None:
        found, weights = learner.record.latest.values, learner.utility.weights.double().numpy()
        moves.append((float(found[source] @ weights[target]), float(found[target] @ weights[target])))
        original(source, target, payload=payload)

    learner.inner.transfer = spy
    learner.learn(1_200)
    assert moves
    assert all(offered > own for offered, own in moves)
    assert np.isfinite(learner.exchange.passed).any()


# --- who is near ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["weights", "values", "parameters"])
def test_neighbours_may_be_near_by_what_they_are_for_what_they_return_or_what_they_know(by: Any) -> None:
    learner = _run(cooperation=(HardTransfer(),), neighbourhood=KNearest(k=1, by=by))
    learner.learn(400)
    found = learner.evaluate()
    places = {
        "weights": found.weights,
        "values": found.values / np.where(np.ptp(found.values, 0) > 0, np.ptp(found.values, 0), 1.0),
        "parameters": learner.inner.policies()[0].stack(learner.inner.policies()).tensors(),
    }[by]
    if by == "parameters":
        places = torch.cat([tensor.flatten(1).double() for tensor in places.values()], 1).numpy()
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = learner.exchange.neighbourhood(learner.exchange._positions(found))[:, 0]
    np.testing.assert_allclose(distances[np.arange(4), nearest], distances.min(1), atol=1e-6)


def test_everybody_and_nobody() -> None:
    places = np.array([[0.0], [1.0], [3.0]])
    assert Everyone()(places).tolist() == [[1, 2], [0, 2], [1, 0]]
    assert NoNeighbours()(places).shape == (3, 0)
    assert Everyone()(places[:1]).shape == (1, 0)
    learner = _run(cooperation=(HardTransfer(trigger=Periodic()),), neighbourhood=NoNeighbours())
    learner.inner.transfer = None
    learner.learn(100)


# --- a run in turns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selection",
    [Random(k=2), Tournament(), Roulette(), Elitist(), Crowding(k=2), LinearSupportPriority()],
    ids=lambda selection: type(selection).__name__,
)
def test_turns_resume_exactly_and_are_given_to_everybody(selection: Any) -> None:
    def made() -> Any:
        return _run(
            selection=selection, neighbourhood=Everyone(by="values"), exchange_period=20,
            cooperation=(SoftTransfer(tau=0.3, trigger=OnImprovement(of="source")), HardTransfer(trigger=Periodic(every=3))),
        )  # fmt: skip

    learner, restored = made(), made()
    learner.learn(150)
    restored.load_state(through_files(learner.state()))
    turns = []
    while learner.exchanges < 20:
        before = learner.exchanges
        for each in (learner, restored):
            each.learn(each.next_round())
        if learner.exchanges > before:
            turns.append(list(learner.exchange.turn))
    assert difference(learner.state(), restored.state()) is None
    assert {member for turn in turns for member in turn} == set(range(4))
    if learner.exchange.uses_growth:
        assert np.isfinite(learner.exchange.growth).all()


# --- bad input -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_blended_is_refused_at_once() -> None:
    with pytest.raises(CapabilityError, match="SoftTransfer needs a learner whose members can move") as caught:
        _run(solver=Stranger(can_transfer=True), cooperation=(SoftTransfer(),))
    assert "\n" not in str(caught.value)
    one = MODQN(network="conditioned", hidden=(8,))
    with pytest.raises(CapabilityError, match="SoftTransfer needs"):
        _run(solver=one, cooperation=(SoftTransfer(),))
    for wrong, message in (
        (lambda: SoftTransfer(tau=1.5), "SoftTransfer.tau must be"),
        (lambda: HardTransfer(trigger="every_exchange"), "must be a trigger such as Periodic"),
        (lambda: Periodic(every=0), "every"),
        (lambda: KNearest(by="distance"), "by must be one of 'weights', 'values', 'parameters'"),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught_too:
            wrong()  # type: ignore[no-untyped-call]
        assert "\n" not in str(caught_too.value)
