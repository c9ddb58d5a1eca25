"""SubPO, whole loop (rollout, gains, update): steps per CPU second against one trajectory after the other in Python.

The other side is written for this comparison, with the same network shape, batch and horizon: it steps a batch of positions
with one table look-up, and evaluates the set function from scratch on every prefix of every trajectory, with Python sets or a
determinant, as published code does. Both run on one thread and take turns in one process; medians of CPU time are reported.

Run as a script for the table, or with pytest.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from envs import batched_form
from envs.coverage import ExperimentDesign, GraphWorld
from morl.problem import make_problem
from morl.solvers.subpo import SubPO

TURNS = 3
CASES: dict[str, tuple[dict[str, Any], int, float]] = {
    "two rooms": ({"id": "coverage/two-rooms-v0"}, 3000, 10.0),
    "coverage": ({"id": "coverage/grid-v0"}, 500, 15.0),
    "D-optimal": ({"id": "coverage/experiment-design-v0"}, 500, 40.0),
}
"""World, batch size, and the ratio that must be reached."""


class OneByOne:
    """Policy gradient whose rewards are computed trajectory by trajectory, prefix by prefix."""

    def __init__(self, world: GraphWorld, batch: int) -> None:
        """Take the world apart into what a loop needs."""
        self.world, self.batch = world, batch
        self.successors = torch.from_numpy(world.successors)
        self.network = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 5))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-2)
        if isinstance(world, ExperimentDesign):
            self.kernel: Tensor = world.set_function._kernel.clone()
            self.value: Callable[[list[int]], float] = self.information
        else:
            cells = world.set_function.cells.tolist()
            none = world.set_function.summary_size
            self.seen = [[cell for cell in row if cell != none] for row in cells]
            self.value = self.area

    def area(self, visits: list[int]) -> float:
        """Cells seen along a prefix."""
        covered: set[int] = set()
        for node in visits:
            covered.update(self.seen[node])
        return float(len(covered))

    def information(self, visits: list[int]) -> float:
        """Mutual information of a prefix."""
        index = torch.tensor(visits)
        block = self.kernel[index][:, index] / 1e-6
        return 0.5 * float(torch.logdet(block + torch.eye(len(visits), dtype=block.dtype)))

    def epoch(self) -> None:
        """Roll out, value every prefix, and take a step."""
        horizon = self.world.horizon
        nodes = torch.full((self.batch,), self.world.start)
        inputs, actions, paths = [], [], [[self.world.start] for _ in range(self.batch)]
        gains = torch.zeros(horizon, self.batch)
        before = [self.value(path) for path in paths]
        for step in range(horizon):
            observed = torch.stack([nodes / len(self.successors), torch.full((self.batch,), step / horizon)], 1)
            with torch.no_grad():
                action = torch.distributions.Categorical(logits=self.network(observed)).sample()
            nodes = self.successors[nodes, action]
            for row, node in enumerate(nodes.tolist()):
                paths[row].append(node)
                value = self.value(paths[row])
                gains[step, row], before[row] = value - before[row], value
            inputs.append(observed)
            actions.append(action)
        to_go = gains.flip(0).cumsum(0).flip(0)
        advantages = to_go - to_go.mean(1, keepdim=True)
        chosen = torch.distributions.Categorical(logits=self.network(torch.stack(inputs))).log_prob(torch.stack(actions))
        loss = -(chosen * advantages).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def ours(env: dict[str, Any], batch: int) -> Callable[[], None]:
    """One batch of the solver, update included."""
    solver = SubPO(rows_per_member=batch, entropy_coefficient=0.1)
    learner = solver.make(make_problem({**env, "observation": "index"}), None, seed=0, device=torch.device("cpu"))
    horizon = batched_form(env["id"], 1, **{k: v for k, v in env.items() if k != "id"}).horizon  # type: ignore[union-attr]
    return lambda: learner.learn(batch * horizon) and None


def cpu_seconds(run: Callable[[], None]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ratio(env: dict[str, Any], batch: int) -> tuple[float, float, float]:
    """Steps per CPU second of both sides, and the median ratio of turns."""
    torch.set_num_threads(1)
    given = dict(env)
    world: Any = batched_form(given.pop("id"), 1, **given)
    other, own = OneByOne(world, batch).epoch, ours(env, batch)
    other()
    own()
    steps, pairs = batch * world.horizon, []
    for _ in range(TURNS):
        # Several batches of the fast side, so that a turn is more than the clock's resolution.
        pairs.append((cpu_seconds(other), statistics.median(cpu_seconds(own) for _ in range(5))))
    slow, fast = (steps / statistics.median(times) for times in zip(*pairs, strict=True))
    return fast, slow, statistics.median(a / b for a, b in pairs)


@pytest.mark.parametrize("name", CASES)
def test_ratio(name: str) -> None:
    env, batch, must = CASES[name]
    assert ratio(env, batch)[2] >= must


def test_the_ratio_does_not_fall_with_the_horizon() -> None:
    ratios = [ratio({"id": "coverage/grid-v0", "horizon": horizon}, 100)[2] for horizon in (40, 320)]
    assert ratios[1] >= ratios[0]


def main() -> None:
    """Print the table."""
    rows = [(name, env, batch) for name, (env, batch, _) in CASES.items()]
    rows += [(f"coverage, {h} moves", {"id": "coverage/grid-v0", "horizon": h}, 100) for h in (40, 80, 160, 320)]
    for name, env, batch in rows:
        fast, slow, factor = ratio(env, batch)
        sys.stdout.write(f"{name:22} B={batch:5} ours {fast:10,.0f} one by one {slow:8,.0f} steps/CPU s  ratio {factor:6.1f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
