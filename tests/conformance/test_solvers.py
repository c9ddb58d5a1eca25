"""Every registered solver passes the public checker, and the checker notices what it is there to notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from gymnasium import spaces

from morl.policies.tabular import TabularPolicy
from morl.population import PopulationLearner
from morl.registry import names
from morl.solvers.moq import MOQLearner, MOQLearning
from morl.testing import check_policy, check_solver
from tests.conformance.cases import CASES, CORRIDOR, ELSEWHERE, FORMS, OFFLINE


def test_every_registered_solver_is_tried() -> None:
    assert {case.name for case in (CASES | OFFLINE).values()} | ELSEWHERE == set(names("solver"))


@pytest.mark.parametrize("case", (CASES | FORMS | OFFLINE).values(), ids=CASES | FORMS | OFFLINE)
def test_solver(case: Any) -> None:
    check_solver(case.solver, env=case.problem(), rounds=24)


@dataclass(frozen=True, kw_only=True)
class _Broken(MOQLearning):
    """Tabular Q-learning whose learner breaks one law."""

    learner: type[MOQLearner] = MOQLearner

    def make(self, env: Any, task: Any, *, seed: int, device: torch.device) -> MOQLearner:
        return self.learner(self, env=env, task=task, seed=seed, device=device)


class _CountsCalls(MOQLearner):
    def learn(self, env_steps: int, members: Any = None) -> dict[str, int]:
        self.q += 0.01
        return super().learn(env_steps, members)


class _Overspends(MOQLearner):
    def learn(self, env_steps: int, members: Any = None) -> dict[str, int]:
        return super().learn(env_steps + self.next_round(), members)


class _ForgetsItsRandomState(MOQLearner):
    def load_state(self, state: Any) -> None:
        drawn = self.acting.get_state()
        super().load_state(state)
        self.acting.set_state(drawn)


class _IgnoresTheSeed(MOQLearner):
    def __init__(self, solver: Any, **given: Any) -> None:
        super().__init__(solver, **{**given, "seed": 0})


class _DrawsFromGlobalState(MOQLearner):
    def _act(self, rows: Any, observations: Any) -> Any:
        return torch.where(torch.rand(len(rows)) < 0.5, super()._act(rows, observations), 0)


class _TrainsEverybody(MOQLearner):
    def learn(self, env_steps: int, members: Any = None) -> dict[str, int]:
        return super().learn(env_steps)


class _HandsOutLivePolicies(MOQLearner):
    def __init__(self, solver: Any, **given: Any) -> None:
        super().__init__(solver, **given)
        self.live = super().policies()

    def policies(self, weights: Any = None) -> Any:
        for live, fresh in zip(self.live, super().policies(), strict=True):
            live.tensors()["actions"].copy_(fresh.tensors()["actions"])
        return self.live

    def _round(self, rows: Any) -> None:
        PopulationLearner._round(self, rows)
        self.policies()


@pytest.mark.parametrize(
    ("learner", "law"),
    [
        (_CountsCalls, "additivity"),
        (_Overspends, "budget"),
        (_ForgetsItsRandomState, "resuming"),
        (_IgnoresTheSeed, "another seed"),
        (_DrawsFromGlobalState, "additivity|resuming|seed"),
        (_TrainsEverybody, "untrained members"),
        (_HandsOutLivePolicies, "snapshot|untrained"),
    ],
)
def test_a_broken_law_is_named(learner: type[MOQLearner], law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_solver(_Broken(learner=learner, epsilon_steps=50), env=CORRIDOR)


class _SamplesAlways(TabularPolicy):
    def act_stacked(self, observations: Any, memory: Any, weights: Any, deterministic: bool, generator: Any) -> Any:
        return torch.randint(2, observations.shape[:2])


class _ForgetsToLeaveTheActionSpace(TabularPolicy):
    def act_stacked(self, observations: Any, memory: Any, weights: Any, deterministic: bool, generator: Any) -> Any:
        return super().act_stacked(observations, memory, weights, deterministic, generator) + 7


class _SavesSomethingElse(TabularPolicy):
    def tensors(self) -> dict[str, torch.Tensor]:
        return {"actions": 1 - self.actions}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (_SamplesAlways, "different actions"),
        (_ForgetsToLeaveTheActionSpace, "not in Discrete"),
        (_SavesSomethingElse, "loaded policy acts differently"),
    ],
)
def test_a_broken_policy_is_named(policy: type[TabularPolicy], message: str) -> None:
    actions = torch.tensor([[0, 1, 0, 1, 1, 0]])
    check_policy(TabularPolicy(spaces.Discrete(6), spaces.Discrete(2), actions))
    with pytest.raises(AssertionError, match=message):
        check_policy(policy(spaces.Discrete(6), spaces.Discrete(2), actions))
