"""One MOSAC update of a whole population: critic, actor and temperature step and target blend.

Run as a script for a table and a line of JSON, or with pytest-benchmark. Sizes are those of half-cheetah (17 observations, 6
actions, 2 objectives). The sides of a comparison take turns and medians are compared, so that whatever else the machine
does hits both; with one thread the processor's time counts, with two the wall clock.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from morl.problem import make_problem
from morl.solvers.mosac import MOSAC, MOSACLearner
from morl.task import Task, Utility

OBSERVATIONS, ACTIONS, OBJECTIVES = 17, 6, 2
TURNS = 15
ROOFLINE_SHARE, STACKED_RATIO = 0.55, 2.5
"""What must be reached."""
SIZES = [(6, 64, 128), (6, 256, 128), (6, 256, 256)]
"""Members, width of both hidden layers, batch size."""


class Blank(gym.Env[Any, Any]):
    """Spaces only: an update needs no environment."""

    observation_space = spaces.Box(-1.0, 1.0, (OBSERVATIONS,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
    reward_space = spaces.Box(-1.0, 1.0, (OBJECTIVES,), np.float32)


class Update:
    """A learner and the batch that it is updated with, again and again."""

    def __init__(self, n: int, width: int, batch_size: int, engine: Any, threads: int) -> None:
        # A learner shares its members among the threads that there are when it is made.
        torch.set_num_threads(threads)
        weights = torch.linspace(0.0, 1.0, n).unsqueeze(1)
        solver = MOSAC(hidden=(width, width), batch_size=batch_size, capacity=n, update_engine=engine)
        task = Task(utility=Utility(weights=torch.cat([weights, 1 - weights], 1)))
        self.learner: MOSACLearner = solver.make(make_problem(Blank), task, seed=0, device=torch.device("cpu"))
        generator = torch.Generator().manual_seed(0)
        widths = {
            "observation": OBSERVATIONS,
            "action": ACTIONS,
            "reward": OBJECTIVES,
            "next_observation": OBSERVATIONS,
            "discount": 1,
        }
        packed = torch.randn(n, batch_size, sum(widths.values()), generator=generator)
        self.batch = dict(zip(widths, packed.split(list(widths.values()), -1), strict=True))
        self.noise = torch.randn(2, n, batch_size, ACTIONS, generator=generator)
        self.n, self.batch_size = n, batch_size

    def together(self) -> None:
        """All members at once."""
        self.learner.gradient_step(slice(0, self.n), self.batch, self.noise)

    def one_by_one(self) -> None:
        """The same work, one member after the other."""
        for i in range(self.n):
            members = slice(i, i + 1)
            self.learner.gradient_step(members, {k: v[members] for k, v in self.batch.items()}, self.noise[:, members])

    def flops(self) -> float:
        """Operations of the matrix products that the update needs."""
        actor, critic = self.learner.actor_net, self.learner.critic_net

        def first_layer(inputs: int, width: int, copies: int) -> int:
            return 2 * self.batch_size * inputs * width * copies

        # Forward for the target and for the loss; gradients of weights, and of the inputs of all layers but the first.
        actor_flops = 4 * actor.flops(self.batch_size) - first_layer(actor.inputs, actor.hidden[0], 1)
        # Forward for the target, the critics' loss and the actor's loss; gradients of weights for the critics' loss only; of
        # inputs for both, in the first layer for the actions only.
        first = first_layer(critic.inputs, critic.hidden[0], critic.copies or 1)
        critic_flops = 6 * critic.flops(self.batch_size) - 2 * first + first * ACTIONS // critic.inputs
        return float(self.n * (actor_flops + critic_flops))


def peak_products() -> list[Callable[[], object]]:
    """The products at which this processor is fastest, of :data:`PEAK_FLOPS` operations each."""
    a, b, out = (torch.randn(PEAK_SIZE, PEAK_SIZE) for _ in range(3))
    products: list[Callable[[], object]] = [lambda: torch.mm(a, b, out=out)]
    if torch.backends.mkldnn.is_available():
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    return products


PEAK_SIZE = 1024
PEAK_FLOPS = 2.0 * PEAK_SIZE**3


def medians(sides: list[Callable[[], object]], *, threads: int, turns: int = TURNS) -> list[float]:
    """Median seconds of each side; they take turns."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: list[list[float]] = [[] for _ in sides]
    try:
        for turn in range(turns + 3):
            for side, times in zip(sides, seconds, strict=True):
                # The other side's threads may still be waiting for work, and its data fill the caches.
                side()
                start = clock()
                side()
                # The first turns allocate workspaces and start threads.
                if turn >= 3:
                    times.append(clock() - start)
    finally:
        torch.set_num_threads(before)
    return [statistics.median(times) for times in seconds]


def roofline(threads: int) -> dict[str, float]:
    """Share of the fastest matrix product's rate that an update reaches, 256 x 256, batch 256, 6 members."""
    update = Update(6, 256, 256, "manual", threads)
    step, *peaks = medians([update.together, *peak_products()], threads=threads)
    rate, limit = update.flops() / step, PEAK_FLOPS / min(peaks)
    return {
        "threads": threads,
        "ms": 1e3 * step,
        "gflop_per_s": 1e-9 * rate,
        "peak_gflop_per_s": 1e-9 * limit,
        "share": rate / limit,
    }


def stacked() -> dict[str, float]:
    """The stacked update against the same engine one member at a time, 64 x 64, batch 128, 20 members, one thread."""
    update = Update(20, 64, 128, "manual", 1)
    together, one_by_one = medians([update.together, update.one_by_one], threads=1, turns=3 * TURNS)
    return {"ms": 1e3 * together, "one_by_one_ms": 1e3 * one_by_one, "ratio": one_by_one / together}


def engines(n: int, width: int, batch_size: int, threads: int) -> dict[str, float]:
    """The hand-written engine against autograd."""
    sides = [Update(n, width, batch_size, engine, threads).together for engine in ("manual", "autograd")]
    manual, autograd = medians(sides, threads=threads, turns=TURNS if width > 64 else 5 * TURNS)
    return {
        "n": n, "width": width, "batch": batch_size, "threads": threads,
        "manual_ms": 1e3 * manual, "autograd_ms": 1e3 * autograd, "ratio": autograd / manual,
    }  # fmt: skip


def test_share_of_the_roofline(benchmark: Any) -> None:
    benchmark.extra_info.update(found := roofline(threads=2))
    benchmark(Update(6, 256, 256, "manual", 2).together)
    assert found["share"] >= ROOFLINE_SHARE


def test_stacked_against_one_by_one(benchmark: Any) -> None:
    benchmark.extra_info.update(found := stacked())
    benchmark(Update(20, 64, 128, "manual", 1).together)
    assert found["ratio"] >= STACKED_RATIO


@pytest.mark.parametrize(("n", "width", "batch_size"), SIZES)
def test_manual_against_autograd(benchmark: Any, n: int, width: int, batch_size: int) -> None:
    benchmark.extra_info.update(found := engines(n, width, batch_size, threads=1))
    benchmark(Update(n, width, batch_size, "manual", 1).together)
    assert found["ratio"] > 1.0


def main() -> None:
    """Measure everything and print it."""
    # First what needs one thread only: threads that were started once keep waiting for work.
    found: dict[str, Any] = {"stacked": stacked(), "roofline": [roofline(threads) for threads in (1, 2)]}
    found["engines"] = [engines(*size, threads) for size in SIZES for threads in (1, 2)]
    lines = [
        f"6 x 256x256, batch 256, {row['threads']} thread(s): {row['ms']:.1f} ms, {row['gflop_per_s']:.0f} of "
        f"{row['peak_gflop_per_s']:.0f} GF/s = {row['share']:.0%} of the roofline"
        for row in found["roofline"]
    ]
    row = found["stacked"]
    lines.append(f"20 x 64x64, batch 128, 1 thread: {row['ms']:.1f} ms stacked, {row['ratio']:.1f}x faster than one by one")
    lines += [
        f"{row['n']} x {row['width']}x{row['width']}, batch {row['batch']}, {row['threads']} thread(s): "
        f"{row['manual_ms']:.1f} ms, {row['ratio']:.1f}x faster than autograd"
        for row in found["engines"]
    ]
    print("\n".join([*lines, json.dumps(found)]))  # noqa: T201


if __name__ == "__main__":
    main()
