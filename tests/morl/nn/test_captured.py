"""Functions recorded as CUDA graphs give what the functions give; they need a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from morl.nn.captured import MAX_RECORDINGS, Captured
from morl.nn.stacked import Parameters
from morl.problem import make_problem
from morl.solvers.mosac import MOSAC, MOSACLearner
from morl.solvers.mosac_engines import AutogradEngine, CapturedEngine
from morl.task import Task, Utility

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


class Line(gym.Env[Any, Any]):
    """Spaces only: an update needs no environment."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    reward_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, discrete: bool) -> None:
        self.action_space: Any = spaces.Discrete(4) if discrete else spaces.Box(-1.0, 1.0, (2,), np.float32)


def product(groups: Sequence[Parameters], tensors: Mapping[str, Tensor]) -> tuple[Parameters, Tensor]:
    return ([p * tensors["x"] for p in groups[0]], tensors["x"].sum())


def test_inputs_and_parameters_may_change_between_calls() -> None:
    captured, parameter = Captured(product), torch.ones(3, device=CUDA)
    for scale in (1.0, 2.0, 5.0):
        parameter.fill_(scale)
        x = torch.full((3,), scale + 1, device=CUDA)
        (found,), total = captured(([parameter],), {"x": x})
        assert found.tolist() == [scale * (scale + 1)] * 3
        assert float(total) == 3 * (scale + 1)
    assert len(captured._recordings) == 1


def test_other_shapes_and_parameters_are_recorded_anew_and_old_ones_forgotten() -> None:
    captured = Captured(product)
    kept = [torch.full((size,), 2.0, device=CUDA) for size in range(1, MAX_RECORDINGS + 3)]
    for parameter in kept:
        (found,), _ = captured(([parameter],), {"x": torch.ones(len(parameter), device=CUDA)})
        assert found.tolist() == [2.0] * len(parameter)
    assert len(captured._recordings) == MAX_RECORDINGS


def learner(engine: Any, discrete: bool) -> MOSACLearner:
    weights = torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    solver = MOSAC(hidden=(32, 32), batch_size=16, capacity=8, update_engine=engine)
    task = Task(utility=Utility(weights=weights))
    return solver.make(make_problem(lambda: Line(discrete)), task, seed=0, device=CUDA)


@pytest.mark.parametrize("members", [slice(0, 3), slice(1, 2), torch.tensor([0, 2])], ids=str)
@pytest.mark.parametrize("discrete", [False, True])
def test_updates_equal_those_of_autograd(discrete: bool, members: Any) -> None:
    plain, recorded = learner("autograd", discrete), learner("auto", discrete)
    assert isinstance(plain.engines[0], AutogradEngine)
    assert isinstance(recorded.engines[0], CapturedEngine)
    generator = torch.Generator(CUDA).manual_seed(0)
    count = len(torch.arange(3)[members])

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, 16, *shape, generator=generator, device=CUDA)

    for _ in range(5):
        action = draw(1).abs().clamp_max(3).floor() if discrete else draw(2).tanh()
        batch = {
            "observation": draw(3),
            "action": action,
            "reward": draw(2),
            "next_observation": draw(3),
            "discount": draw(1).abs().clamp_max(1),
        }
        noise = torch.randn(2, count, 16, 0 if discrete else 2, generator=generator, device=CUDA)
        for each in (plain, recorded):
            each.gradient_step(members, batch, noise)
    for a, b in zip(
        (*plain.actor, *plain.critic, *plain.target), (*recorded.actor, *recorded.critic, *recorded.target), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain.log_alpha, recorded.log_alpha)
