"""Every solver runs on every action space or says what to do, and what it says works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

import morl.solvers
from envs.cormab.actions import FeasibleActions
from envs.cormab.constraints import Budget
from envs.parametric import Parameter, ParameterSpace
from morl.errors import CapabilityError
from morl.problem import make_problem
from morl.solvers import EUPG, MODQN, MOPPO, MOSAC, SEQUOIA, MOQLearning, SubPO
from morl.task import Task, Utility
from robust import IWOCS
from robust.baselines import M2TD3, RARL, DomainRandomisation, EWoK

CPU = torch.device("cpu")
_off: dict[str, Any] = {"hidden": (4,), "learning_starts": 3, "batch_size": 4, "capacity": 50}
SOLVERS = {
    "MOPPO": MOPPO(hidden=(4,), horizon=4, rows_per_member=2, minibatch_size=4),
    "MOSAC": MOSAC(**_off),
    "MODQN": MODQN(**_off),
    "MOQLearning": MOQLearning(),
    "EUPG": EUPG(hidden=(4,), rows_per_member=2),
    "SubPO": SubPO(hidden=(4,), rows_per_member=2),
    "SEQUOIA": SEQUOIA(**_off, warm_start_updates=2),
}
ROBUST = {
    "IWOCS": IWOCS(solver=MOSAC(**_off)),
    "M2TD3": M2TD3(solver=MOSAC(**_off)),
    "RARL": RARL(solver=MOSAC(**_off)),
    "EWoK": EWoK(solver=MOSAC(**_off)),
}
ACTIONS: dict[str, gym.Space[Any]] = {
    "discrete": spaces.Discrete(3, start=-1),
    "several": spaces.MultiDiscrete([3, 2], start=[-1, 5], dtype=np.int32),
    "matrix": spaces.MultiDiscrete([[3, 2], [2, 2]]),
    "many": spaces.MultiDiscrete([99] * 30),
    "binary": spaces.MultiBinary(4),
    "binary matrix": spaces.MultiBinary((5, 3)),
    "feasible": FeasibleActions(Budget(4, 2)),
    "box": spaces.Box(-0.1, 0.7, (2, 2), np.float64),
    "one number": spaces.Box(-1.0, 1.0, ()),
    "half": spaces.Box(0.0, np.inf, (1,)),
    "other half": spaces.Box(-np.inf, -5.0, (), np.float64),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,)),
    "mixed": spaces.Box(np.array([0.0, -np.inf, -1.0], np.float32), np.array([np.inf, np.inf, 1.0], np.float32)),
    "too wide": spaces.Box(-1e300, 1e300, (2,), np.float64),
    "integers": spaces.Box(-2, 5, (2,), np.int64),
    "bytes": spaces.Box(0, 255, (3,), np.uint8),
    "one integer": spaces.Box(-2, 5, (), np.int32),
    "all integers": spaces.Box(-np.inf, np.inf, (2,), np.int64),
    "large integers": spaces.Box(2**63, 2**63 + 1, (2,), np.uint64),
    "dict": spaces.Dict({"a": spaces.Discrete(2)}),
    "tuple": spaces.Tuple((spaces.Discrete(2), spaces.Box(0.0, 1.0, (2,)))),
}


Maker = Callable[[], gym.Env[Any, Any]]


def env_of(actions: gym.Space[Any], observations: gym.Space[Any] | None = None, **attributes: Any) -> Maker:
    """Three steps; only actions of the space are taken."""

    class Short(gym.Env[Any, Any]):
        action_space = actions
        observation_space = spaces.Discrete(3) if observations is None else observations
        reward_space = spaces.Box(0.0, 1.0, (2,))
        max_episode_steps = 3

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.observation_space.seed(0)
            self.steps = 0
            return self.observation_space.sample(), {}

        def step(self, action: Any) -> Any:
            assert self.action_space.contains(action), repr(action)
            self.steps += 1
            return self.observation_space.sample(), np.zeros(2, np.float32), self.steps >= 3, False, {}

    for name, value in attributes.items():
        setattr(Short, name, value)
    return Short


def tried(solver: Any, env: Maker) -> None:
    """Learn a little, then act as users do."""
    problem = make_problem(env)
    utility = Utility(weights=torch.tensor([[0.3, 0.7]]), criterion=getattr(solver, "criterion", "ser"))
    learner = solver.make(problem, Task(utility=utility), seed=0, device=CPU)
    for _ in range(8):
        learner.learn(learner.next_round())
    (policy,) = learner.policies()
    space = problem.spec.action_space
    problem.spec.observation_space.seed(0)
    observation = problem.spec.observation_space.sample()
    for deterministic in (True, False):
        action = policy.act(observation, deterministic=deterministic, generator=torch.Generator().manual_seed(0))
        assert space.contains(action), repr(action)


def bounded(space: spaces.Box) -> spaces.Box:
    """Finite bounds inside a box, of any kind of number."""
    middle = np.clip(np.zeros(space.shape), space.low.astype(float), space.high.astype(float))
    low, high = np.maximum(space.low.astype(float), middle - 9), np.minimum(space.high.astype(float), middle + 9)
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), space.shape, np.float32)


def wrapped(env: Maker, message: str) -> Maker:
    """Follow the message's advice about a wrapper."""
    own: Any = env().action_space
    if "lambda action: action" in message:
        return lambda: gym.wrappers.TransformAction(env(), lambda action: action.astype(own.dtype), bounded(own))
    if "rounds real numbers" in message and isinstance(own, spaces.MultiDiscrete):
        ends = spaces.Box(own.start.astype(np.float32), (own.start + own.nvec - 1).astype(np.float32))
        return lambda: gym.wrappers.TransformAction(env(), lambda action: np.round(action).astype(own.dtype), ends)
    if "rounds real numbers" in message:
        return lambda: gym.wrappers.TransformAction(env(), lambda action: np.round(action).astype(own.dtype), bounded(own))
    assert "function turns its actions into the environment's own" in message
    some = own.low if isinstance(own, spaces.Box) else own.sample()
    return lambda: gym.wrappers.TransformAction(env(), lambda action: some, spaces.MultiDiscrete([2, 2]))


@pytest.mark.parametrize("actions", ACTIONS.values(), ids=ACTIONS)
def test_a_solver_runs_or_its_remedy_does(actions: gym.Space[Any]) -> None:
    env = env_of(actions)
    ran: dict[str, bool] = {}

    def runs(name: str, env: Maker, key: str) -> bool:
        if key not in ran:
            tried(SOLVERS[name], env)
            ran[key] = True
        return ran[key]

    for name, solver in SOLVERS.items():
        try:
            tried(solver, env)
            continue
        except CapabilityError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 600
        assert message.startswith(f"{name} needs a ")
        remedy = message[message.rindex("; ") :]
        named = [other for other in re.findall(r"\b[A-Z]\w+\b", remedy) if other in morl.solvers.__all__]
        if "TransformAction" in remedy:
            through = wrapped(env, remedy)
            for other in [n for n in named if "and use" in remedy] or [name if name != "SEQUOIA" else "MODQN"]:
                assert runs(other, through, f"wrapped {other}")
            named = named if "or use" in remedy else []
        else:
            assert named, message
        for other in named:
            assert runs(other, env, other)


SHIFT = ParameterSpace((Parameter(name="shift", nominal=0.0, low=-1.0, high=1.0, smallest=-1.0),))


@pytest.mark.parametrize("kind", ["discrete", "several", "box", "one number", "half", "unbounded"])
def test_a_robust_solver_runs_or_its_remedy_does(kind: str) -> None:
    env = env_of(ACTIONS[kind], spaces.Box(-1.0, 1.0, (2,)), parameter_space=SHIFT, parameters=None)
    remedies: dict[str, Any] = {
        "M2TD3": M2TD3(solver=MOSAC(**_off)),
        "DomainRandomisation": DomainRandomisation(solver=MOSAC(**_off)),
        "DomainRandomisation(solver=MOPPO())": DomainRandomisation(solver=SOLVERS["MOPPO"]),
        "DomainRandomisation(solver=MODQN())": DomainRandomisation(solver=SOLVERS["MODQN"]),
    }
    for solver in ROBUST.values():
        try:
            solver.make(make_problem(env), None, seed=0, device=CPU).learn(4)
            continue
        except CapabilityError as error:
            message = str(error)
        assert "\n" not in message
        if "TransformAction" in message:
            solver.make(make_problem(wrapped(env, message)), None, seed=0, device=CPU).learn(4)
            continue
        named = re.search(r"use (.*)$", message)
        assert named is not None, message
        for other in named.group(1).split(" or "):
            learner = remedies[other].make(make_problem(env), None, seed=0, device=CPU)
            for _ in range(8):
                learner.learn(learner.next_round())


def test_a_utility_of_single_episodes_has_a_solver_for_boxes_too() -> None:
    from dataclasses import replace

    from morl.scalarizations import Chebyshev

    utility = Utility(scalarization=Chebyshev(), weights=torch.tensor([[0.3, 0.7]]), ideal_point=torch.ones(2), criterion="esr")
    problem = make_problem(env_of(ACTIONS["box"]))
    with pytest.raises(CapabilityError, match=r"EUPG, or SubPO\(criterion='esr'\) where actions are a Box"):
        SOLVERS["MOSAC"].make(problem, Task(utility=utility), seed=0, device=CPU)
    learner = replace(SOLVERS["SubPO"], criterion="esr").make(problem, Task(utility=utility), seed=0, device=CPU)
    learner.learn(6 * learner.next_round())
