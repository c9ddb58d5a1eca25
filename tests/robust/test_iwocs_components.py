"""IWOCS where an action has several components: specialists, their critics and the policy made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from envs.parametric import Parameter, ParameterSpace
from morl.critics import critic_from, values_of
from morl.problem import make_problem
from morl.solvers import MODQN, MOSAC
from morl.task import Task, Utility
from morl.testing import check_policy, check_solver
from robust import IWOCS
from robust.policies import CompositePolicy
from robust.validity import PredictiveCoding
from tests.panel import Panel, SmallPanel

CPU = torch.device("cpu")
SHARED: dict[str, Any] = {"hidden": (8,), "batch_size": 8, "learning_starts": 4, "capacity": 100}
SMALL: dict[str, Any] = {
    "validity": PredictiveCoding(hidden=(8,), updates=20, batch_size=16),
    "default_steps": 12,
    "steps_per_iteration": 12,
    "rollouts": 1,
    "grid_points": 2,
}


class _Settable:
    """Levers that are worth less the more they jam."""

    parameter_space = ParameterSpace((Parameter(name="jam", nominal=0.0, low=0.0, high=1.0, smallest=0.0),))
    jam = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.jam = float(self.parameter_space.vector((options or {}).get("params", "nominal"), current=np.zeros(1))[0])
        return super().reset(seed=seed)  # type: ignore[misc]

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)  # type: ignore[misc]
        return observation, np.float32(1 - self.jam) * reward, *rest


class JammedPanel(_Settable, Panel):
    """Factored actions."""


class SmallJammedPanel(_Settable, SmallPanel):
    """Listed actions."""


@pytest.mark.parametrize("env", [JammedPanel, SmallJammedPanel], ids=["factored", "listed"])
@pytest.mark.parametrize("inner", [MODQN(**SHARED), MOSAC(**SHARED)], ids=["modqn", "mosac"])
def test_specialists_are_compared_by_what_their_critics_say_of_whole_actions(inner: Any, env: Any) -> None:
    solver = IWOCS(solver=inner, init="nominal", iterations=2, **SMALL)
    problem = make_problem(env)
    learner: Any = solver.make(problem, Task(utility=Utility(weights=torch.tensor([[0.3, 0.7]]))), seed=0, device=CPU)
    while not learner.is_finished:
        learner.learn(200)
    (policy,) = learner.policies()
    assert isinstance(policy, CompositePolicy)
    check_policy(policy)
    inner_learner = learner.inner
    space = problem.spec.action_space
    space.seed(0)
    observations = torch.from_numpy(np.stack([problem.spec.observation_space.sample() for _ in range(20)]))
    actions = torch.from_numpy(np.stack([space.sample() for _ in range(20)]))
    critic = inner_learner.critics()
    rebuilt = critic_from(critic.config(), critic.parts, critic.observation_space, critic.action_space).select([0])
    found = rebuilt.values(observations.unsqueeze(0), actions.unsqueeze(0), inner_learner.linear_weights[:1])
    torch.testing.assert_close(found[0], values_of(inner_learner, observations, actions)[0])


def test_the_laws_of_learners_hold() -> None:
    check_solver(IWOCS(solver=MODQN(**SHARED), iterations=1, **SMALL), env=JammedPanel, rounds=16)
