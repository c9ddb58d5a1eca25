"""Seconds per decision: the best action under a trained network, against OMLT's big-M through Pyomo and HiGHS.

Run where ``omlt`` is installed beside this project: ``python tests/benchmarks/sequoia_decisions_benchmark.py [J ...]``.
OMLT is needed for nothing else. Capacity instances. ``learned`` is a network that ``SEQUOIA`` has trained with its shipped
settings, in the states that its policy meets; ``plain`` one without products of actions and states; ``regressed`` a plain
network that was fitted to expected rewards in random states, which no learner here does, and which is much harder. Every way
gets the same networks and states, and writes its model anew for each; OMLT gets the network with the state folded in, since it
could not hold the products otherwise. Where OMLT reaches its limit, its true time is longer.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from envs.cormab import capacity_instance
from morl.actions import MIP
from morl.mip import FoldedNetwork, Maximizer, ReLUNetwork, pieces
from morl.problem import make_problem
from morl.solvers import SEQUOIA

KINDS = ("learned", "plain", "regressed")
BUDGETS = {20: 5, 40: 10, 100: 20}
ENV_STEPS, STATES, FEW = 16_000, 60, 8
LIMIT = 10.0


def queries(kind: str, arms: int, count: int) -> tuple[Any, list[FoldedNetwork], Callable[[int], Any] | None]:
    """An action set, networks at states, and the whole decision of a trained policy at one of them."""
    settings = {"num_arms": arms, "budget": BUDGETS.get(arms, arms // 4), "instance_seed": 0, "expected_rewards": True}
    if kind == "regressed":
        instance = capacity_instance(num_arms=arms, budget=settings["budget"], seed=0)
        network = ReLUNetwork.from_torch(regressed(instance))
        states = np.random.default_rng(1).integers(4, size=(count, arms))
        return instance.constraint, [network.fold(np.eye(4)[state].reshape(-1), arms) for state in states], None
    env = make_problem({"id": "cormab/capacity-v0", **settings})
    solver = SEQUOIA() if kind == "learned" else SEQUOIA(product_inputs="none", additive=False)
    learner = solver.make(env, None, seed=0, device=torch.device("cpu"))
    begin = time.perf_counter()
    learner.learn(ENV_STEPS)
    say(f"J={arms:3d}  {kind}: {ENV_STEPS} environment steps of training in {time.perf_counter() - begin:.0f} s")
    [policy] = learner.policies()
    single = env.make_env()
    met = []
    for episode in range(-(-count // 20)):
        seen, _ = single.reset(seed=episode)
        for _ in range(20):
            met.append(seen)
            seen, *_ = single.step(policy.act(seen[None])[0])
    states = np.stack(met[:count])
    folded = policy.folded(torch.from_numpy(states)[None])
    proving = replace(policy, optimizer=MIP(gap=0.02))

    def decide(place: int) -> tuple[float, float]:
        proving.act(states[place : place + 1])
        [result] = proving.maximizer.results
        return result.value, result.bound

    return learner.constraint, [folded.network(0, place) for place in range(count)], decide


def regressed(instance: Any, seed: int = 0) -> torch.nn.Sequential:
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


Solve = Callable[[Any], tuple[float, float]]


def ours(constraint: Any, gap: float, method: str = "auto") -> Solve:
    """Value and bound of a query."""
    begin = time.perf_counter()
    maximizer = Maximizer(constraint, method=method)  # type: ignore[arg-type]
    listed = "" if maximizer.listed is None else f" and listed its {len(maximizer.listed)} actions"
    say(f"        looked at the action set{listed} once, for all decisions, in {time.perf_counter() - begin:.2f} s")

    def solve(network: FoldedNetwork) -> tuple[float, float]:
        result = maximizer([network], pieces(1), gap=gap, time_limit=LIMIT)
        return result.value, result.bound

    return solve


def omlt_big_m(constraint: Any, gap: float) -> Solve:
    """The same by OMLT's default formulation, with an assignment of arms to workers."""
    import logging

    import pyomo.environ as pyo
    from omlt import OffsetScaling, OmltBlock
    from omlt.neuralnet import NetworkDefinition, ReluBigMFormulation
    from omlt.neuralnet.layer import DenseLayer, InputLayer

    logging.getLogger("pyomo").setLevel(logging.ERROR)  # it warns of values that it sets itself
    arms, workers = constraint.num_actions, range(len(constraint.capacities))

    def solve(network: FoldedNetwork) -> tuple[float, float]:
        definition = NetworkDefinition(
            scaling_object=OffsetScaling([0.0] * arms, [1.0] * arms, [0.0], [1.0]),
            scaled_input_bounds=dict.fromkeys(range(arms), (0.0, 1.0)),
        )
        before = InputLayer([arms])
        definition.add_layer(before)
        layers = (*network.hidden, network.output)
        for number, layer in enumerate(layers):
            weights = (layer.recurrent if number else layer.direct).T
            kind = "linear" if number == len(layers) - 1 else "relu"
            made = DenseLayer([weights.shape[0]], [weights.shape[1]], activation=kind, weights=weights, biases=layer.constant)
            definition.add_layer(made)
            definition.add_edge(before, made)
            before = made
        model = pyo.ConcreteModel()
        model.net = OmltBlock()
        model.net.build_formulation(ReluBigMFormulation(definition))
        model.a = pyo.Var(range(arms), domain=pyo.Binary)
        model.x = pyo.Var(workers, range(arms), domain=pyo.Binary)
        model.same = pyo.Constraint(range(arms), rule=lambda m, j: m.net.inputs[j] == m.a[j])
        model.room = pyo.Constraint(
            workers,
            rule=lambda m, w: sum(int(constraint.costs[j]) * m.x[w, j] for j in range(arms)) <= int(constraint.capacities[w]),
        )
        model.visited = pyo.Constraint(range(arms), rule=lambda m, j: m.a[j] <= sum(m.x[w, j] for w in workers))
        # A network may add a sum over arms to what its hidden layers say.
        added = sum(float(d) * model.a[j] for j, d in enumerate(network.output.direct[0]))
        model.value = pyo.Objective(expr=model.net.outputs[0] + added, sense=pyo.maximize)
        solver = pyo.SolverFactory("appsi_highs")
        solver.options.update({"mip_rel_gap": gap, "time_limit": LIMIT, "threads": 1})
        solver.config.load_solution = False
        found = solver.solve(model, load_solutions=False).problem
        low, high = found.lower_bound, found.upper_bound
        return (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))

    return solve


def measure(name: str, asked: list[Any], solve: Solve) -> None:
    """Print seconds per decision and the gaps that are left."""
    seconds, gaps = [], []
    for query in asked:
        begin = time.perf_counter()
        value, bound = solve(query)
        seconds.append(time.perf_counter() - begin)
        gaps.append((bound - value) / max(abs(value), 1e-10))
    late = sum(second >= LIMIT for second in seconds)
    say(
        f"        {name:14s} {len(seconds):3d} decisions: median {np.median(seconds):7.4f} s, "
        f"p95 {np.quantile(seconds, 0.95):7.4f} s, {late:2d} at the limit; gap median {np.median(gaps):.1e}, "
        f"largest {np.max(gaps):.1e}"
    )


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Measure sizes and kinds."""
    torch.set_num_threads(1)
    kinds = [kind for kind in KINDS if kind in arguments] or KINDS
    for arms in [int(given) for given in arguments if given.isdigit()] or list(BUDGETS):
        for kind in kinds:
            # Where nobody finishes within the limit a few states tell as much.
            count = FEW if kind == "regressed" else STATES
            constraint, networks, decide = queries(kind, arms, count)
            for name, gap, method in (("2 % gap", 0.02, "auto"), ("exact", 1e-6, "auto"), ("exact, no list", 1e-6, "program")):
                # Only the smallest set is listed; exact answers in the others, and OMLT, take their time.
                if method == "auto" or arms == 20:
                    some = networks if arms == 20 or gap == 0.02 else networks[:: len(networks) // FEW]
                    measure(name, some, ours(constraint, gap, method))
            if decide is not None:
                decide(0)  # looks at the action set
                measure("policy, 2 %", list(range(count)), decide)
            try:
                omlt = omlt_big_m(constraint, 0.02)
            except ImportError as error:
                say(f"        OMLT is not measured: {error}")
                continue
            measure("OMLT, 2 % gap", networks[:: len(networks) // FEW], omlt)


if __name__ == "__main__":
    main(sys.argv[1:])
