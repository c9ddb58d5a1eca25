"""Reward-aware learning: what it plans is best in the world that it saw, and it sees all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import batched_form
from morl.errors import CapabilityError, ConfigurationError
from morl.oracles import random_process, reward_aware_value_iteration
from morl.policies import RewardAwarePolicy, load_policy
from morl.problem import make_problem
from morl.scalarizations import Achievement, Chebyshev
from morl.solvers.reward_aware import RewardAwareLearning
from morl.solvers.reward_aware.model import ObservedModel
from morl.solvers.reward_aware.planning import expanded, plan
from morl.task import Task, Utility

CPU = torch.device("cpu")
DST, GATHERING = "deep-sea-treasure-concave-v0", "resource-gathering-v0"
Array = npt.NDArray[np.float64]


def learner_of(env: Any, utility: Utility, **given_: Any) -> Any:
    return RewardAwareLearning(**given_).make(make_problem(env), Task(utility=utility), seed=0, device=CPU)


def achievement(points: Any, weights: Any = None) -> Utility:
    z = torch.tensor(points, dtype=torch.float32)
    w = torch.full_like(z, 1.0 / z.shape[1]) if weights is None else torch.tensor(weights)
    return Utility(scalarization=Achievement(rho=1e-3), weights=w, ideal_point=z, criterion="esr")


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), gamma=st.sampled_from([1.0, 0.9]))
def test_plans_are_those_of_the_exact_oracle(seed: int, gamma: float) -> None:
    """Every member's expected utility, played out over all that chance may do, is the optimum, unless it was never tried."""
    rng = np.random.default_rng(seed)
    tables = random_process(rng, states=5, actions=2, objectives=2, branches=2)
    utility = achievement(rng.normal(size=(3, 2)).tolist(), [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    usable = np.ones(tables.successors.shape[:2], np.bool_)
    world = expanded(tables, gamma=gamma, horizon=4, spacing=0.0, limit=10_000)
    found = plan(world, usable, utility)
    for i in range(3):
        one = utility.select(torch.tensor([i]))
        best = reward_aware_value_iteration(
            tables, gamma, lambda z, one=one: one(torch.from_numpy(z)[None])[0].numpy(), horizon=4
        )

        def played(state: int, accrued: Array, step: int, i: int = i, one: Utility = one) -> float:
            if step == 4:
                return float(one(torch.from_numpy(accrued)[None, None])[0, 0])
            here = (found.state[i] == tables.observations[state]) & (found.step[i] == step)
            place = np.flatnonzero(here & (np.abs(found.accrued[i] - accrued).max(1) < 1e-9))
            assert len(place) == 1, "every situation it comes into is in its table, once"
            action, worth = found.action[i, place[0]], 0.0
            for branch, chance in enumerate(tables.probabilities[state, action]):
                after = accrued + gamma**step * tables.rewards[state, action, branch].astype(np.float64)
                ends = tables.terminal[state, action, branch]
                if chance > 0:
                    worth += chance * played(int(tables.successors[state, action, branch]), after, 4 if ends else step + 1)
            return worth

        starts = tables.start_distribution
        worth = sum(starts[s] * played(int(s), np.zeros(2), 0) for s in np.flatnonzero(starts))
        assert worth == pytest.approx(best.value, abs=1e-6)


def test_everything_is_tried_in_a_few_steps_and_then_any_treasure_costs_nothing() -> None:
    learner = learner_of(DST, achievement([[0.0, -20.0], [0.0, 0.0]]), gamma=1.0, rows_per_member=4)
    learner.learn(1_600)
    assert learner.statistics()["untried_actions"] == 0.0
    tables = batched_form(DST, 1).tables  # type: ignore[union-attr]
    seen, usable = learner.model.tables()
    assert usable.all()
    numbers = learner.indexer(torch.from_numpy(tables.observations)).tolist()
    assert len(learner.model.states) > 50
    for place, state in enumerate(learner.model.states.tolist()):
        original = numbers.index(state)
        np.testing.assert_array_equal(seen.rewards[place, :, 0], tables.rewards[original, :, 0])
        np.testing.assert_array_equal(seen.terminal[place, :, 0], tables.terminal[original, :, 0])
    before = learner.member_steps.sum()
    for treasure, steps in ((16.0, 9), (74.0, 17), (1.0, 1)):
        # The point just below it in both objectives: whoever leads there by most is the treasure.
        learner.set_task(Task(utility=achievement([[treasure - 0.5, -steps - 0.5]] * 2)))
        assert played(learner.policies()[1]) == [treasure, -steps]
    assert learner.member_steps.sum() == before


def played(policy: Any) -> list[float]:
    """Return of one episode, by the interface that anybody uses."""
    import mo_gymnasium

    env = mo_gymnasium.make(DST)
    observation, _ = env.reset(seed=0)
    memory, total, ended = policy.memory(1), np.zeros(2), False
    while not ended:
        batch = np.asarray(observation)[None]
        action = policy.act(batch, memory)
        after, reward, terminated, truncated, _ = env.step(action[0])
        ended = terminated or truncated
        parts = (torch.from_numpy(batch), torch.from_numpy(action), torch.tensor(reward)[None], torch.from_numpy(after)[None])
        memory = policy.observe(memory, *parts, torch.tensor([ended]))
        total, observation = total + reward, after
    return total.tolist()


def test_chance_is_learned_as_it_is() -> None:
    learner = learner_of(GATHERING, achievement([[0.0, 0.0, 0.0]]), gamma=1.0, horizon=14, rows_per_member=16)
    learner.learn(8_000)
    seen, _ = learner.model.tables()
    dies = seen.probabilities[(seen.rewards[..., 0] < 0) & (seen.probabilities > 0)]
    assert len(dies)
    assert dies.mean() == pytest.approx(0.1, abs=0.03)
    assert learner.model.least_tries > 5
    # Gold and diamond at any risk of death, or none: both utilities know the return they want.
    rich = achievement([[-10.0, 0.0, 0.0]], [[0.2, 0.4, 0.4]])
    learner.set_task(Task(utility=rich))
    [policy] = learner.policies()
    assert isinstance(policy, RewardAwarePolicy)
    assert (policy.states >= 0).sum() >= 12


def test_where_chance_is_kind_it_goes_to_what_was_taken_least() -> None:
    model = ObservedModel(6, 2, 1)
    model.begin(np.array([4]))
    nothing = np.zeros((1, 1))
    # 4 -> 5 by action 0, which ends there by action 1; action 0 of 5 leads to 2, whose actions nobody took.
    for state, action, after, ends in ((4, 0, 5, False), (4, 1, 4, True), (5, 1, 0, True), (5, 0, 2, False)):
        model.record(np.array([state]), np.array([action]), nothing, np.array([after]), np.array([ends]))
    assert model.costs(np.array([4, 5, 2])).tolist() == [[2.0, 3.0], [1.0, 3.0], [0.0, 0.0]]
    assert model.least_tries == 0
    tables, usable = model.tables()
    assert usable.all(), "where nothing was tried nothing else can be planned with"
    assert tables.terminal[model.meet(np.array([2]))[0]].all()


def test_situations_that_are_not_in_the_table_are_answered_as_the_nearest(tmp_path: Path) -> None:
    space, actions = make_problem("fruit-tree-v0").spec.observation_space, make_problem("fruit-tree-v0").spec.action_space
    entries = [(3, 0, 0.0, 0), (3, 1, 5.0, 1), (3, 1, 9.0, 0), (2, 4, 0.0, 1), (-1, 2, 0.0, 1)]
    states, steps, accrued, chosen = (torch.tensor([column]) for column in zip(*entries, strict=True))
    policy = RewardAwarePolicy(space, actions, 0.5, states, steps, accrued[..., None].double(), chosen)
    saved = load_policy(policy.save(tmp_path))
    three, other = np.array([[0, 3]]), np.array([[0, 9]])

    def act(observation: Any, step: int, accrued: float) -> int:
        memory = {"step": torch.tensor([step]), "accrued": torch.tensor([[accrued]]).double(), "discount": torch.ones(1, 1)}
        assert saved.act(observation, memory) == policy.act(observation, memory)
        return int(policy.act(observation, memory)[0])

    assert [act(three, 0, 0.0), act(three, 1, 5.1), act(three, 1, 8.0), act(three, 7, 4.0)] == [0, 1, 0, 1]
    assert [act(other, 3, 0.0), act(other, 4, 0.0), act(other, 0, 0.0)] == [1, 1, 0], "of the nearest step, of any state"
    memory = policy.memory(2)
    for done in (torch.tensor([False, True]), torch.tensor([False, False])):
        seen = torch.from_numpy(np.concatenate([three, other]))
        memory = policy.observe(memory, seen, torch.zeros(2), torch.full((2, 1), 4.0), seen, done)
    assert memory["accrued"].tolist() == [[6.0], [4.0]]
    assert memory["step"].tolist() == [2, 1]


def test_bad_input() -> None:
    utility = Utility(scalarization=Chebyshev(), weights=torch.full((1, 2), 0.5), ideal_point=torch.zeros(2))
    with pytest.raises(CapabilityError, match="expected utility of the return"):
        learner_of(DST, utility)
    with pytest.raises(CapabilityError, match="has no time limit; set horizon"):
        learner_of("fishwood-v0", achievement([[0.0, 0.0]]))
    with pytest.raises(CapabilityError, match="integral observations"):
        learner_of("mo-mountaincar-v0", achievement([[0.0] * 3]))
    with pytest.raises(ConfigurationError, match="spacing"):
        RewardAwareLearning(spacing=-1.0)
    learner = learner_of(DST, achievement([[0.0, 0.0]]), limit=10)
    learner.learn(200)
    with pytest.raises(ConfigurationError, match="more than the limit of 10: give a coarser spacing, a shorter horizon"):
        learner.policies()
