from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from morl.errors import ShapeError
from morl.experiments.run_indicators import RunIndicators
from morl.problem import make_problem


def measures(env="deep-sea-treasure-v0", **arguments):
    return RunIndicators(make_problem(env), **{"gamma": 1.0, "reference_point": None, **arguments})


def test_the_known_front_scores_perfectly():
    found = measures()
    assert found.known_front is not None
    row = found(found.known_front, found.known_front[:1])
    assert row["hypervolume"] == pytest.approx(994.3)
    assert row["igd_plus"] == 0
    assert row["maximum_utility_loss"] == pytest.approx(0)
    assert row["cardinality"] == 10
    assert row["population_hypervolume"] < row["hypervolume"]


def test_the_users_reference_point_wins():
    point = np.array([[1.0, 1.0]])
    assert measures(reference_point=(0.0, 0.0))(point, point)["hypervolume"] == 1.0
    with pytest.raises(
        ShapeError, match=r"evaluation.reference_point has 1 entries but deep-sea-treasure-v0 has 2 objectives: "
    ):
        measures(reference_point=(0.0,))


def test_an_estimated_reference_point_is_frozen_and_saved():
    class Two(gym.Env):
        observation_space = gym.spaces.Discrete(1)
        action_space = gym.spaces.Discrete(2)
        reward_space = gym.spaces.Box(0, 1, (2,))

    found = measures(Two)
    first, later = np.array([[0.0, 10.0], [10.0, 0.0]]), np.array([[-50.0, -50.0]])
    row = found(first, first)
    assert found.describe()["reference_point"] == [-1.0, -1.0]
    assert row["hypervolume"] > 0
    found(first, later)
    again = measures(Two)
    again.load_state(found.state())
    assert again.describe() == found.describe()
    assert again(first, first) == row


def test_one_objective_is_judged_by_its_value():
    row = measures("CartPole-v1")(np.array([[3.0]]), np.array([[1.0], [3.0]]))
    assert row == {"expected_utility": 3.0, "population_expected_utility": 3.0}


@pytest.mark.parametrize(("m", "count"), [(1, 1), (2, 50), (3, 55), (6, 56)])
def test_preferences_are_many_even_and_on_the_simplex(m, count):
    class Env(gym.Env):
        observation_space = gym.spaces.Discrete(1)
        action_space = gym.spaces.Discrete(2)
        reward_space = gym.spaces.Box(0, 1, (m,))

    preferences = measures(Env).preferences
    assert preferences.shape == (count, m)
    assert np.allclose(preferences.sum(1), 1)
    assert np.allclose(preferences.mean(0), 1 / m)
