"""Decisions per second: one action under a trained network, against OMLT's big-M through Pyomo and HiGHS.

Run where ``omlt`` is installed beside this project: ``python tests/benchmarks/sequoia_decisions_benchmark.py [J ...]``.
OMLT is needed for nothing else. Capacity instances, the same network and states for both, model building included;
the exact figure (gap 1e-6) is for this project alone.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from envs.cormab import capacity_instance
from morl.mip import Maximizer, ReLUNetwork, pieces

STATES = 3
LIMIT = 10.0


def fitted(instance, seed: int = 0) -> torch.nn.Sequential:
    """A 16-32 network on ``concat(action, one-hot states)`` that has learned expected rewards."""
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    arms = instance.num_arms
    net = torch.nn.Sequential(
        torch.nn.Linear(5 * arms, 16), torch.nn.ReLU(), torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    )
    for layer in net[::2]:
        torch.nn.init.xavier_uniform_(layer.weight, generator=generator)
    states = rng.integers(4, size=(8_000, arms))
    actions = instance.constraint.sample(rng, 8_000)
    inputs = torch.from_numpy(np.concatenate([actions, np.eye(4)[states].reshape(8_000, -1)], 1)).float()
    labels = torch.from_numpy(instance.expected_reward(states, actions)).float().unsqueeze(1)
    mean, spread = labels.mean(), labels.std()
    labels = (labels - mean) / spread
    adam = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(1_500):
        pick = torch.from_numpy(rng.integers(8_000, size=256))
        loss = (net(inputs[pick]) - labels[pick]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():  # back to units of reward, in which a gap of 2 % means something
        net[-1].weight.mul_(spread)
        net[-1].bias.mul_(spread).add_(mean)
    return net


def ours(net, instance, states, gap: float) -> list[float]:
    network, maximizer = ReLUNetwork.from_torch(net), Maximizer(instance.constraint)
    seconds = []
    for state in states:
        begin = time.perf_counter()
        maximizer([network.fold(np.eye(4)[state].reshape(-1), instance.num_arms)], pieces(1), gap=gap, time_limit=LIMIT)
        seconds.append(time.perf_counter() - begin)
    return seconds


def omlt_big_m(net, instance, states, gap: float) -> list[float]:
    import logging

    import pyomo.environ as pyo
    from omlt import OffsetScaling, OmltBlock
    from omlt.neuralnet import NetworkDefinition, ReluBigMFormulation
    from omlt.neuralnet.layer import DenseLayer, InputLayer

    logging.getLogger("pyomo").setLevel(logging.ERROR)  # fixed inputs are set to 0 first, which it warns of
    arms, constraint = instance.num_arms, instance.constraint
    seconds = []
    for state in states:
        begin = time.perf_counter()
        seen = np.eye(4)[state].reshape(-1)
        bounds = dict.fromkeys(range(arms), (0.0, 1.0)) | {arms + i: (float(x), float(x)) for i, x in enumerate(seen)}
        size = 5 * arms
        definition = NetworkDefinition(
            scaling_object=OffsetScaling([0.0] * size, [1.0] * size, [0.0], [1.0]), scaled_input_bounds=bounds
        )
        before = InputLayer([size])
        definition.add_layer(before)
        for number, layer in enumerate(net[::2]):
            weights, biases = layer.weight.detach().numpy().T, layer.bias.detach().numpy()
            made = DenseLayer(
                [weights.shape[0]],
                [weights.shape[1]],
                activation="relu" if number < 2 else "linear",
                weights=weights,
                biases=biases,
            )
            definition.add_layer(made)
            definition.add_edge(before, made)
            before = made
        model = pyo.ConcreteModel()
        model.net = OmltBlock()
        model.net.build_formulation(ReluBigMFormulation(definition))
        workers = range(len(constraint.capacities))
        model.a = pyo.Var(range(arms), domain=pyo.Binary)
        model.x = pyo.Var(workers, range(arms), domain=pyo.Binary)
        model.same = pyo.Constraint(range(arms), rule=lambda m, j: m.net.inputs[j] == m.a[j])
        model.seen = pyo.Constraint(range(4 * arms), rule=lambda m, j, s=seen: m.net.inputs[arms + j] == float(s[j]))
        model.room = pyo.Constraint(
            workers,
            rule=lambda m, w: sum(int(constraint.costs[j]) * m.x[w, j] for j in range(arms)) <= int(constraint.capacities[w]),
        )
        model.visited = pyo.Constraint(range(arms), rule=lambda m, j, ws=workers: m.a[j] <= sum(m.x[w, j] for w in ws))
        model.value = pyo.Objective(expr=model.net.outputs[0], sense=pyo.maximize)
        solver = pyo.SolverFactory("appsi_highs")
        solver.options.update({"mip_rel_gap": gap, "time_limit": LIMIT, "threads": 1})
        solver.config.load_solution = False
        solver.solve(model, load_solutions=False)
        seconds.append(time.perf_counter() - begin)
    return seconds


def main(sizes: list[int]) -> None:
    torch.set_num_threads(1)
    for arms in sizes:
        instance = capacity_instance(num_arms=arms, budget=arms // 5 if arms == 100 else arms // 4, seed=0)
        net = fitted(instance)
        states = np.random.default_rng(1).integers(4, size=(STATES, arms))
        for name, solve, gap in (("exact", ours, 1e-6), ("2 % gap", ours, 0.02), ("omlt, 2 % gap", omlt_big_m, 0.02)):
            try:
                seconds = solve(net, instance, states, gap)
            except ImportError as error:
                sys.stdout.write(f"J={arms:3d}  {name:14s} not measured: {error}\n")
                continue
            sys.stdout.write(f"J={arms:3d}  {name:14s} median {np.median(seconds):7.3f} s   max {np.max(seconds):7.3f} s\n")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [20, 40, 100])
