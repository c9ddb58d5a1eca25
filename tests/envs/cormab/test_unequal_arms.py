"""Arms with different numbers of states: padded with states that nobody reaches, and worth what they are worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from envs.cormab import Instance
from envs.cormab.constraints import Budget
from envs.cormab.exact import horizon_values
from envs.cormab.restless import RestlessBandit
from morl.cormab.arm_values import whittle_indices
from morl.cormab.relaxation import relax

SIZES = (1, 3, 2)


def arms(seed=0):
    """Transitions, pay and starts of three arms."""
    rng = np.random.default_rng(seed)
    transitions = [rng.dirichlet(np.ones(k), size=(2, k)) for k in SIZES]
    return transitions, [rng.random(k) for k in SIZES], [rng.dirichlet(np.ones(k)) for k in SIZES]


def instance(seed=0):
    transitions, rewards, start = arms(seed)
    return Instance(transitions=transitions, rewards=rewards, start=start, constraint=Budget(3, 1))


def best_total(transitions, rewards, states, steps):
    """Best expected total over all policies, by recursion over the arms as they were given."""
    if not steps:
        return 0.0
    totals = []
    for pulled in (None, 0, 1, 2):
        chances = [p[int(j == pulled), s] for j, (p, s) in enumerate(zip(transitions, states, strict=True))]
        total = 0.0
        for following in itertools.product(*map(range, SIZES)):
            chance = np.prod([chance[s] for chance, s in zip(chances, following, strict=True)])
            pay = sum(r[s] for r, s in zip(rewards, following, strict=True))
            total += chance * (pay + best_total(transitions, rewards, following, steps - 1))
        totals.append(total)
    return max(totals)


def test_optimum_of_padded_arms_is_that_of_the_arms():
    transitions, rewards, start = arms()
    padded = instance()
    values = horizon_values(padded, 2).reshape(3, 3, 3)
    starts = list(itertools.product(*map(range, SIZES)))
    for states in starts:
        assert values[states] == pytest.approx(best_total(transitions, rewards, states, 2))
    optimum = sum(np.prod([p[s] for p, s in zip(start, states, strict=True)]) * values[states] for states in starts)
    found = relax(padded, horizon=2)
    assert found.bound >= optimum - 1e-9
    assert found.bound <= 1.2 * optimum


def test_indices_are_those_of_each_arm_alone():
    transitions, rewards, _ = arms()
    found = whittle_indices(instance().transitions, instance().arm_rewards, 0.9)
    for arm, size in enumerate(SIZES):
        pay = np.einsum("lst,t->ls", transitions[arm], rewards[arm])
        alone = whittle_indices(transitions[arm][None], pay[None], 0.9)[0]
        np.testing.assert_allclose(found[arm, :size], alone, atol=1e-7)


def test_nobody_starts_in_or_moves_to_a_state_that_an_arm_does_not_have():
    transitions, rewards, _ = arms()
    for given in (instance(), Instance(transitions=transitions, rewards=rewards, constraint=Budget(3, 1))):
        env = RestlessBandit(200, instance=given, horizon=5)
        rows = np.arange(200)
        states = [env.reset(rows, rows)]
        for _ in range(5):
            states.append(env.step(rows, np.eye(3, dtype=np.int8)[rows % 3])[0])
        assert (np.array(states).reshape(-1, 3).max(0) == np.array(SIZES) - 1).all()
        assert given.start.sum() == pytest.approx(3.0)


def test_a_saved_instance_of_unequal_arms_is_the_same(tmp_path):
    instance().save(tmp_path)
    loaded = Instance.load(tmp_path)
    parts = [np.empty(3, object) for _ in range(3)]
    for array, values in zip(parts, arms(), strict=True):
        array[:] = values
    objects = Instance(transitions=parts[0], rewards=parts[1], start=parts[2], constraint=Budget(3, 1))
    np.testing.assert_array_equal(objects.transitions, loaded.transitions)
    np.testing.assert_array_equal(objects.rewards, loaded.rewards)
    np.testing.assert_array_equal(loaded.transitions, instance().transitions)
    np.testing.assert_array_equal(loaded.start, instance().start)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transitions": [np.eye(2)[None], np.stack([np.eye(3)] * 2)]}, r"transitions\[1\] has shape \(2, 3, 3\)"),
        ({"transitions": [np.stack([np.eye(2)] * 2), np.stack([np.eye(2)] * 3)]}, "as many levels as arm 0"),
        ({"rewards": [[0.0, 1.0], [0.0, 1.0]]}, r"the arms have \[2, 3\] states"),
        ({"start": [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]}, None),
        ({"start": [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]}, "arm 0 does not have"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    fields = {
        "transitions": [np.stack([np.eye(2)] * 2), np.stack([np.eye(3)] * 2)],
        "rewards": [[0.0, 1.0], [0.0, 1.0, 2.0]],
        "constraint": Budget(2, 1),
        **change,
    }
    if message is None:
        assert Instance(**fields).num_states == 3
    else:
        with pytest.raises(ValueError, match=message):
            Instance(**fields)
