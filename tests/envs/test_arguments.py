"""Numbers that make no sense are refused by every maker of environments, with the name of the argument."""

from __future__ import annotations

import inspect
import math

import gymnasium
import pytest

import envs  # noqa: F401 - registers its ids
from envs.adapters import load
from envs.registry import OWN_IDS

SENSELESS = {
    "horizon": (math.nan, math.inf, -1, 0, 2.5, "x"),
    "instance_seed": (math.nan, -1, 0.5, "x"),
    "num_arms": (math.nan, math.inf, -1, 0, 2.5, 10**9),
    "budget": (math.nan, math.inf, -1, 0.5),
    "num_interventions": (math.nan, -1, 0),
    "num_nodes": (math.nan, -1, 0, 10**9),
    "rows": (math.nan, -1, 0, 10**9, 2.5),
    "columns": (math.nan, -1, 0, 10**9, 2.5),
    "penalty": (math.nan, math.inf, -1.0),
    "slip": (math.nan, -0.1, 1.5),
    "noise_variance": (math.nan, math.inf, 0.0, -1.0),
    "length": (math.nan, math.inf, 0.0),
}
CASES = [
    (env_id, name, value)
    for env_id, target in OWN_IDS.items()
    for name, parameter in inspect.signature(load(target)).parameters.items()
    if isinstance(parameter.default, (int, float)) or (env_id.startswith("cormab") and parameter.default is None)
    for value in SENSELESS.get(name, ())
]


@pytest.mark.parametrize(("env_id", "name", "value"), CASES, ids=str)
def test_senseless_numbers_are_refused(env_id, name, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        gymnasium.make(env_id, disable_env_checker=True, **{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gp", "items", "experiment-design", "graph", "car"])
def test_no_instance_is_drawn_anew_without_a_seed(name):
    with pytest.raises(ValueError, match="instance_seed is None"):
        gymnasium.make(f"coverage/{name}-v0", instance_seed=None, disable_env_checker=True)


def test_a_generated_graph_has_no_more_nodes_than_can_be_compared():
    with pytest.raises(ValueError, match="num_arms of a generated graph is 9000; expected an integer from 1 to 2000"):
        gymnasium.make("cormab/path-v0", num_arms=9_000)
