"""Environment steps per second of MOPPO's whole loop on halfcheetah: six members together, one at a time, and the bare physics.

And milliseconds of one gradient step of 1, 6 and 20 members, differentiated by hand and by autograd.

Run as a script for the figures, or with pytest. One thread unless OMP_NUM_THREADS says otherwise. The sides take turns, and
medians are reported, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch

from morl.problem import make_problem
from morl.solvers.moppo import MOPPO, MOPPOLearner
from morl.solvers.proximal_engines import UpdateEngine
from morl.task import Task, Utility

ENV = "mo-halfcheetah-v4"
MEMBERS = 6
TURNS = 3
MUST = 5_000
"""Environment steps per second on one thread."""


def learner(weights: Sequence[float]) -> MOPPOLearner:
    first = torch.tensor(weights)
    task = Task(utility=Utility(weights=torch.stack([first, 1 - first], 1)))
    return MOPPO().make(make_problem(ENV), task, seed=0, device=torch.device("cpu"))


def trainer(learners: Sequence[MOPPOLearner]) -> Callable[[], float]:
    """A function that trains each learner for one rollout and its update, and returns the steps per second."""
    horizon = learners[0].solver.horizon

    def train() -> float:
        start = time.perf_counter()
        steps = sum(each.learn(each.next_round() * horizon)["training"] for each in learners)
        return steps / (time.perf_counter() - start)

    return train


def physics() -> Callable[[], float]:
    """A function that steps as many environments with random actions, and returns the steps per second."""
    count = MEMBERS * MOPPO().rows_per_member
    rows = make_problem(ENV).rows(count, device=torch.device("cpu"))
    everybody, generator = np.arange(count), torch.Generator().manual_seed(0)

    def play(steps: int = 128) -> float:
        rows.reset(everybody, list(range(count)))
        start = time.perf_counter()
        for _ in range(steps):
            rows.step(2 * torch.rand(count, 6, generator=generator) - 1, everybody)
        return steps * count / (time.perf_counter() - start)

    return play


def measure() -> dict[str, float]:
    """Median steps per second of each side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = np.linspace(0, 1, MEMBERS).tolist()
        sides = {
            "together": trainer([learner(weights)]),
            "one at a time": trainer([learner([w]) for w in weights]),
            "physics": physics(),
        }
    for side in sides.values():
        side()
    turns = [{name: side() for name, side in sides.items()} for _ in range(TURNS)]
    return {name: statistics.median(turn[name] for turn in turns) for name in sides}


def updates(n: int) -> dict[str, float]:
    """Median milliseconds of a gradient step of ``n`` members on a minibatch of 256, with either engine."""
    one = learner(np.linspace(0, 1, n).tolist())
    generator = torch.Generator().manual_seed(0)
    widths = {"input": one.input_width, "action": one.num_actions, "log_prob": 1, "advantage": 1, "target": one.m}
    packed = torch.randn(n, one.solver.minibatch_size, sum(widths.values()), generator=generator)
    batch = dict(zip(widths, packed.split(list(widths.values()), -1), strict=True))
    # About what a new policy says of such actions: some ratios are clipped, none explodes.
    batch["log_prob"].sub_(batch["action"].square().sum(-1, keepdim=True))
    autograd, by_hand = one.engines
    steps = max(100 // n, 5)

    def side(engine: UpdateEngine) -> float:
        one.engines = [engine]
        start = time.perf_counter()
        for _ in range(steps):
            one.gradient_step(slice(0, n), batch, is_last=False)
        return 1e3 * (time.perf_counter() - start) / steps

    turns = [(side(by_hand), side(autograd)) for _ in range(9)]
    return dict(zip(("by hand", "autograd"), map(statistics.median, zip(*turns, strict=True)), strict=True))


def test_moppo_keeps_up_with_the_physics() -> None:
    torch.set_num_threads(1)
    speed = measure()
    assert speed["together"] >= MUST
    assert speed["together"] > speed["one at a time"]


if __name__ == "__main__":
    found = measure()
    together = found["together"]
    threads = torch.get_num_threads()
    sys.stdout.write(
        f"{ENV}, n = {MEMBERS}, {threads} thread(s): {together:,.0f} steps/s together, "
        f"{found['one at a time']:,.0f} one at a time ({together / found['one at a time']:.2f}x), "
        f"{found['physics']:,.0f} physics alone ({together / found['physics']:.0%})\n"
    )
    for members in (1, 6, 20):
        times = updates(members)
        sys.stdout.write(
            f"gradient step, n = {members}: {times['by hand']:.2f} ms by hand, {times['autograd']:.2f} ms by autograd "
            f"({times['autograd'] / times['by hand']:.2f}x)\n"
        )
