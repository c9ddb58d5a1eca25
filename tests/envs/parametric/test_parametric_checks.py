"""The checker of settable dynamics: our own environments pass, faulty ones are found."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from envs.checks import check_parametric_env
from envs.parametric import Parameter, ParameterSpace
from envs.registry import OWN_IDS

# A model that environments draw themselves is not kept: see the tests of the wrappers.
IDS = [env_id for env_id in OWN_IDS if env_id.startswith("parametric/") and env_id != "parametric/wrapped-v0"]


@pytest.mark.parametrize("env_id", [*IDS, "tabular/windy-walk-v0", "tabular/river-swim-v0", "tabular/machine-replacement-v0"])
def test_own_environments_pass(env_id):
    check_parametric_env(gymnasium.make(env_id))


class Slope(gymnasium.Env):
    """A ball on a slope: one number that grows by its steepness."""

    observation_space = Box(-np.inf, np.inf, (1,), np.float32)
    action_space = Discrete(2)
    parameter_space = ParameterSpace((Parameter(name="steepness", nominal=1.0, low=0.5, high=2.0),))

    def __init__(self):
        self.model = self.parameter_space.nominal

    def get_params(self):
        return self.parameter_space.mapping(self.model)

    def set_params(self, **params):
        self.model = self.parameter_space.vector(params, current=self.model)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.model = self.parameter_space.vector((options or {}).get("params"), current=self.model)
        self.place = 0.0
        return np.zeros(1, np.float32), {"params": self.get_params()}

    def step(self, action):
        self.place += float(self.model[0])
        return np.array([self.place], np.float32), 0.0, False, False, {}


class Forgets(Slope):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed, options=options or {"params": "nominal"})


class Ignores(Slope):
    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, {}


class Swallows(Slope):
    def reset(self, *, seed=None, options=None):
        params = (options or {}).get("params")
        if isinstance(params, dict):
            options = {"params": {name: value for name, value in params.items() if name in self.parameter_space.names}}
        return super().reset(seed=seed, options=options)


class Accumulates(Slope):
    scale = 1.0

    def reset(self, *, seed=None, options=None):
        found = super().reset(seed=seed, options=options)
        self.scale *= float(self.model[0])
        return found

    def step(self, action):
        self.place += self.scale
        return np.array([self.place], np.float32), 0.0, False, False, {}


class Silent(Slope):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed, options=options)[0], {}


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (Forgets, "expected {'steepness': 2.0}"),
        (Ignores, "changed anything"),
        (Swallows, "accepted an unknown name"),
        (Accumulates, "another episode"),
        (Silent, "is None; expected"),
        (lambda: gymnasium.make("CartPole-v1"), "needs parameter_space"),
    ],
)
def test_faulty_environments_are_found(faulty, message):
    check_parametric_env(Slope())
    with pytest.raises(AssertionError, match=message):
        check_parametric_env(faulty())
