"""Crossover: whose units a child has, and that it acts like its parents after cloning, not before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.cooperation import Crossover, HardTransfer, Meeting
from morl.cooperation.trigger import Periodic
from morl.errors import CapabilityError, ConfigurationError
from morl.nn.crossover import crossed, unit_masks
from morl.nn.stacked import StackedMLP
from morl.problem import make_problem
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CORRIDOR, CPU, DST, TARGETS

SMALL: dict[str, Any] = {"hidden": (32, 32), "batch_size": 32, "learning_starts": 50, "capacity": 1_000}
SOLVERS = {
    "mosac": (MOSAC(**SMALL, learning_rate=1e-3), TARGETS),
    "mosac_discrete": (MOSAC(**SMALL, learning_rate=1e-3), CORRIDOR),
    "modqn": (MODQN(**SMALL), DST),
}


def made(name: str) -> Any:
    solver, env = SOLVERS[name]
    return MORLD(solver=solver, num_members=3).make(make_problem(env), None, seed=0, device=CPU).inner


def trained(name: str, rounds: int = 100) -> Any:
    learner = made(name)
    learner.learn(rounds * learner.next_round())
    return learner


def meeting(source: int, exchanges: int = 0) -> Meeting:
    others = np.array([[1], [2], [1]])
    return Meeting(
        source=source, exchanges=exchanges, neighbours=others, utilities=np.zeros(3), offered=np.zeros(3), passed=np.nan
    )


ALWAYS = Crossover(trigger=Periodic(), clone_steps=20)


# --- units ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**31), hidden=st.lists(st.integers(1, 6), min_size=1, max_size=3), copies=st.sampled_from([None, 2])
)
def test_every_unit_is_one_parents(seed: int, hidden: list[int], copies: int | None) -> None:
    network, generator = StackedMLP(3, tuple(hidden), 4, copies=copies), torch.Generator().manual_seed(seed)
    first, second = ([torch.randn(p.shape[1:], generator=generator) for p in network.init([generator], CPU)] for _ in range(2))
    masks = unit_masks(network, generator, CPU)
    child = crossed(first, second, masks)
    for i, mask in enumerate(masks):
        for part, axis in ((2 * i, -1), (2 * i + 1, -1), (len(child) - 2, -1)):
            if part == len(child) - 2 and i + 1 < len(masks):
                continue
            for chosen, parent in ((mask, second), (~mask, first)):
                kept = chosen if part == 2 * i + 1 else chosen.unsqueeze(axis - 1).expand_as(child[part])
                assert torch.equal(child[part][kept], parent[part][kept])
    low, high = torch.minimum(first[-1], second[-1]), torch.maximum(first[-1], second[-1])
    assert bool(((child[-1] >= low - 1e-6) & (child[-1] <= high + 1e-6)).all())
    for value, parent in ((False, first), (True, second)):
        whole = crossed(first, second, [torch.full_like(mask, value) for mask in masks])
        assert all(torch.equal(p, q) for p, q in zip(whole, parent, strict=True))


# --- members -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mosac", "modqn"])
def test_the_child_replaces_the_target_and_nothing_else_changes(name: str) -> None:
    learner = trained(name)
    network, parameters, adam = learner.actors
    before = [p.clone() for p in parameters]
    assert adam.steps[1] > 0
    assert learner.cross(0, 1, occasion=0, clone_steps=0)
    for p, old in zip(parameters, before, strict=True):
        assert torch.equal(p[[0, 2]], old[[0, 2]])
    for i in range(len(network.hidden)):  # units side by side, (width, in)
        child, one, other = parameters[2 * i][1].T, before[2 * i][0].T, before[2 * i][1].T
        of_one, of_other = (child == one).all(1), (child == other).all(1)
        assert bool((of_one | of_other).all())
        assert bool(of_one.any() and of_other.any())
    assert adam.steps[0] > 0 == adam.steps[1]
    assert all(torch.equal(first[1], torch.zeros_like(first[1])) for first in (*adam.first, *adam.second))
    if name == "modqn":
        assert all(torch.equal(slow[1], live[1]) for slow, live in zip(learner.target, learner.online, strict=True))
    learner.learn(20 * learner.next_round())


@pytest.mark.parametrize(("name", "factor"), [("mosac", 0.4), ("mosac_discrete", 0.1), ("modqn", 0.1)])
def test_cloning_gives_back_what_crossing_took(name: str, factor: float) -> None:
    """A part is left of how much worse the child imitates its parents, where they were, than the best imitator does."""
    learner, left = trained(name), {}
    state, (network, parameters, _) = learner.state(), learner.actors
    seen = torch.stack([learner.ring.stored(i)["observation"] for i in (0, 1)])
    with torch.no_grad():
        taught = network([p[[0, 1]] for p in parameters], seen)
    for clone_steps in (0, 300):
        child = made(name)
        child.load_state(state)
        child.cross(0, 1, occasion=0, clone_steps=clone_steps)
        with torch.no_grad():
            outputs = network([p[[1, 1]] for p in child.actors.parameters], seen)
        left[clone_steps] = float(learner.imitation_loss(outputs, taught).mean())
    best = float(learner.imitation_loss(best_answers(name, seen, taught), taught).mean())
    assert best <= left[300]
    assert left[300] - best < factor * (left[0] - best), (left, best)


def best_answers(name: str, seen: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Where both parents were in the same state they teach two things: mixed values or probabilities are closest to both."""
    if name == "mosac":  # states are hardly ever the same
        return taught
    _, state = seen.flatten(0, 1).unique(dim=0, return_inverse=True)
    wanted = (taught if name == "modqn" else taught.softmax(-1)).flatten(0, 1)
    counts = torch.bincount(state).unsqueeze(1)
    mixed = (torch.zeros(len(counts), wanted.shape[1]).index_add(0, state, wanted) / counts)[state]
    return (mixed if name == "modqn" else mixed.log()).view_as(taught)


def test_children_are_the_same_for_the_same_occasion_and_after_a_restart() -> None:
    learner = trained("mosac", 80)
    restored = made("mosac")
    restored.load_state(through_files(learner.state()))
    for each in (learner, restored):
        assert ALWAYS.exchange(each, meeting(0)) == [1]
        assert each.actors.adam.steps[0] > 0 == each.actors.adam.steps[1]
        each.learn(10 * each.next_round())
    assert difference(learner.state(), restored.state()) is None
    steps = learner.gradient_steps()
    ALWAYS.exchange(learner, meeting(0, exchanges=1))
    ALWAYS.exchange(restored, meeting(0, exchanges=2))
    assert difference(learner.state(), restored.state()) is not None
    # Imitation is learning, too, and counted.
    assert learner.gradient_steps() == steps + 20


def test_children_of_strangers_are_related_to_nobody_and_those_of_relatives_to_both() -> None:
    learner = trained("modqn", 30)
    ALWAYS.exchange(learner, meeting(0))
    assert [learner.are_related(1, other) for other in (0, 2)] == [False, False]
    HardTransfer(trigger=Periodic()).exchange(learner, meeting(1))
    learner.learn(20 * learner.next_round())
    ALWAYS.exchange(learner, meeting(1))
    assert learner.are_related(1, 2)
    ALWAYS.exchange(learner, meeting(0))
    assert not learner.are_related(1, 2)
    assert not learner.are_related(0, 1)


# --- bad input -----------------------------------------------------------------------------------------------------------


def test_who_cannot_be_crossed() -> None:
    assert ALWAYS.exchange(made("mosac"), meeting(0)) == []  # nothing stored yet
    for solver in (MOPPO(hidden=(8,)), MOQLearning(), replace(SOLVERS["modqn"][0], network="conditioned")):
        with pytest.raises(CapabilityError, match="Crossover needs a learner with stored experience") as caught:
            MORLD(solver=solver, num_members=3, cooperation=(Crossover(),)).make(make_problem(DST), None, seed=0, device=CPU)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="clone_steps"):
        Crossover(clone_steps=-1)
