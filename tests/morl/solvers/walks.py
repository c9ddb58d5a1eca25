"""Walks with known answers, and exact expectations over all their trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.adapters import SingleEnv
from envs.coverage import GraphWorld, Grid
from envs.coverage.set_functions import Coverage, SetFunction
from morl.problem import Problem, make_problem


def walk(successors: Sequence[Sequence[int]], function: SetFunction, horizon: int) -> Callable[[int], GraphWorld]:
    """Makes a walk with a given number of rows; observations are node and step."""
    table = np.array(successors)

    def make(num_envs: int) -> GraphWorld:
        return GraphWorld(
            num_envs, successors=table, features=np.eye(len(table)), start=0, set_function=function, horizon=horizon, slip=0.0,
            observation="index", max_episode_steps=None,
        )  # fmt: skip

    return make


def problem_of(make: Callable[[int], Any]) -> Problem:
    """The problem of a native world."""
    plain = make_problem(lambda: SingleEnv(make(1)))
    return Problem(plain.spec, plain.make_env, make)


def square(num_envs: int) -> GraphWorld:
    """T2: 2 x 2 cells, two moves."""
    return Grid(num_envs, rows=2, columns=2, start=(0, 0), horizon=2, disc="cell", observation="index")


def trap(reward: float = 10.0) -> Callable[[int], GraphWorld]:
    """T3: left gains 1 and then nothing; right gains nothing and then ``reward``."""
    return walk([[1, 2], [1, 1], [3, 3], [3, 3]], Coverage([[], [0], [], [1]], [1.0, reward]), 2)


def bandit(cover: Sequence[Sequence[int]], weights: Sequence[float]) -> Callable[[int], GraphWorld]:
    """T5, T6: two picks among some sets, wherever one stands."""
    picks = [k + 1 for k in range(len(cover))]
    return walk([picks] * (len(cover) + 1), Coverage([[], *cover], weights), 2)


class Exact:
    """All trajectories of a deterministic walk: what a sampled batch would be with infinitely many episodes."""

    def __init__(self, world: GraphWorld) -> None:
        """Enumerate."""
        actions = torch.tensor(list(product(range(world.successors.shape[1]), repeat=world.horizon)))
        successors = torch.from_numpy(world.successors)
        nodes = [torch.full((len(actions),), world.start)]
        for step in range(world.horizon):
            nodes.append(successors[nodes[-1], actions[:, step]])
        self.actions, self.nodes = actions, torch.stack(nodes, 1)
        self.gains = world.set_function.trajectory_gains(self.nodes)[:, 1:, 0]
        self.start = float(world.start_value[0])
        self.shape = (world.horizon, world.successors.shape[0], world.successors.shape[1])

    def log_probs(self, logits: Tensor) -> Tensor:
        """Of each action of each trajectory, ``(N, H)``, for logits ``(H, V, A)`` (``V`` may be 1: the step decides alone)."""
        logits = logits.expand(self.shape).log_softmax(-1)
        return logits[torch.arange(self.shape[0]), self.nodes[:, :-1], self.actions]

    def value(self, logits: Tensor) -> Tensor:
        """``J``, with the start."""
        return self.start + (self.log_probs(logits).sum(1).exp() * self.gains.sum(1)).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Of ``J``."""
        leaf = logits.clone().requires_grad_()
        return torch.autograd.grad(self.value(leaf), leaf)[0]
