from __future__ import annotations

import gymnasium as gym
import mo_gymnasium as mo
import numpy as np
import pytest

import envs  # noqa: F401
from morl import Evaluation
from morl.errors import EnvironmentFault
from morl.objectives import return_label
from morl.problem import make_problem
from morl.solvers import MOQLearning

FEW = Evaluation(episodes=1, max_episode_steps=3)


class Toy(gym.Env):
    observation_space = action_space = gym.spaces.Discrete(2)
    reward_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, np.array([action, 1 - action], np.float32), True, False, {}


def toy(**attributes):
    return type("Toy", (Toy,), attributes)


def test_a_users_names_and_units_reach_the_result():
    named = toy(objective_names=("comfort", "energy"), objective_units=("", "kWh"))
    result = MOQLearning().run(lambda: gym.wrappers.TimeLimit(named(), 5), env_steps=10, evaluation=FEW)
    assert result.objectives == ("comfort", "energy")
    assert result.units == ("", "kWh")
    assert {"comfort", "energy_standard_error"} <= set(result.tables["population"][0])


def test_the_outermost_layer_that_declares_names_counts():
    class Pair(gym.Wrapper):
        reward_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        objective_names = ("upright", "effort")

        def step(self, action):
            observation, reward, *rest = self.env.step(action)
            return observation, np.array([reward, -float(action)], np.float32), *rest

    assert make_problem(lambda: Pair(gym.make("CartPole-v1"))).spec.objective_names == ("upright", "effort")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"id": "cormab/budget-v0", "reward": "vector"}, ("total", "equity", "cost")),
        ({"id": "cormab/budget-v0"}, ("return",)),
        ({"id": "parametric/mo-hopper-v0", "cost_objective": False}, ("speed", "height")),
        ({"id": "continuous/two-targets-v0"}, ("first", "second")),
        ({"id": "deep-sea-treasure-v0"}, ("treasure", "time")),
        ({"id": "tabular/identity-v0"}, ("objective_1", "objective_2")),
    ],
    ids=lambda value: value["id"] if isinstance(value, dict) else "",
)
def test_every_family_has_names(arguments, names):
    from morl.experiments.run_indicators import RunIndicators

    problem = make_problem(arguments)
    assert RunIndicators(problem, gamma=1.0, reference_point=None).objectives == names


def test_names_of_objectives_that_a_wrapper_took_away_are_void():
    def single():
        return mo.wrappers.LinearReward(gym.make("continuous/two-targets-v0"), weight=np.array([0.5, 0.5]))

    assert make_problem(single).spec.objective_names == ()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"objective_names": ("one",)}, r"names 1 objectives \(one\), but the reward has 2"),
        ({"objective_names": ("a", "a")}, "a name twice"),
        ({"objective_names": ("a,b", "c")}, "without line breaks, commas"),
        ({"objective_names": ("a\nb", "c")}, "without line breaks, commas"),
        ({"objective_names": ("", "c")}, "expected text"),
        ({"objective_names": (1, 2)}, "expected text"),
        ({"objective_names": ("gamma", "c")}, "another column"),
        ({"objective_names": ("weight_c", "c")}, "another column"),
        ({"objective_names": ("a", "b"), "objective_units": ("m",)}, "1 entries for 2 objectives"),
    ],
    ids=str,
)
def test_names_that_cannot_be_columns_are_refused(attributes, message):
    with pytest.raises(EnvironmentFault, match=message):
        make_problem(toy(**attributes))


def test_a_return_is_called_a_sum():
    assert return_label("speed", "m/s", 0.9) == "speed [m/s, discounted sum]"
    assert return_label("time", "steps", 1.0) == "time [steps, sum]"
