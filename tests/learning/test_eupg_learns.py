"""EUPG finds what no weighted sum can."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.evaluation import Evaluation, Evaluator
from morl.functional.dominance import convex_non_dominated
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.task import Task, Utility

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")


def chebyshev(first: torch.Tensor, ideal: list[float], scale: list[float]) -> Utility:
    return Utility(
        scalarization=Chebyshev(), criterion="esr", weights=torch.stack([first, 1 - first], 1),
        ideal_point=torch.tensor(ideal), scale=torch.tensor(scale),
    )  # fmt: skip


def trained_values(env: str, solver: EUPG, utility: Utility, env_steps: int, seed: int = 0) -> np.ndarray:
    learner = solver.make(make_problem(env), Task(utility=utility), seed=seed, device=CPU)
    learner.learn(env_steps)
    return Evaluator(learner.env, Evaluation(episodes=1), gamma=solver.gamma, device=CPU)(learner.policies()).mean()


@pytest.mark.parametrize("seed", [0, 1])
def test_chebyshev_utilities_reach_every_treasure_of_the_corridor(seed: int) -> None:
    """Also the ones below the convex hull, each by the weights for which it is optimal."""
    env = "tabular/treasure-corridor-v0"
    utility = chebyshev(torch.linspace(0.05, 0.95, 10), [11.5, -0.5], [10.0, 5.0])
    solver = EUPG(hidden=(32,), learning_rate=1e-2, gamma=1.0, rows_per_member=16, entropy_coefficient=0.02)
    values = trained_values(env, solver, utility, 96_000, seed)
    front = batched_form(env, 1).pareto_front(1.0)  # type: ignore[union-attr]
    best = utility(torch.tensor(front, dtype=torch.float32).expand(10, -1, -1)).amax(1)
    reached = utility(torch.tensor(values, dtype=torch.float32).unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(reached, best, atol=1e-4, rtol=0)
    found = np.unique(values.round(3), axis=0)
    assert len(found) == len(front) == 6
    assert convex_non_dominated(found).sum() < 6


def test_chebyshev_utilities_find_more_than_the_two_supported_points_of_the_concave_map() -> None:
    utility = chebyshev(torch.linspace(0.1, 0.7, 7), [130.0, 0.0], [123.0, 18.0])
    solver = EUPG(hidden=(32,), learning_rate=1e-2, gamma=1.0, rows_per_member=16, entropy_coefficient=0.05)
    values = trained_values("deep-sea-treasure-concave-v0", solver, utility, 130_000)
    front = {(1, -1), (2, -3), (3, -5), (5, -7), (8, -8), (16, -9), (24, -13), (50, -14), (74, -17), (124, -19)}
    found = {(round(a), round(b)) for a, b in values.tolist()} & front
    assert len(found - {(1, -1), (124, -19)}) >= 2, values.tolist()
