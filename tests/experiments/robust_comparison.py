"""Compare IWOCS with its baselines: the same learner, the same set of models, the same environment steps, searches included.

One process trains one method with one seed and writes one small file; a second command turns a folder of them into tables and
pictures. The configurations are the shipped ones (``iwocs/NAME``); only ``solver`` is exchanged, for the baseline's.

    python -m tests.experiments.robust_comparison train pendulum --method m2td3 --seed 3 --out DIR
    python -m tests.experiments.robust_comparison report DIR

Who is judged: the policy that the method returns, in every model of a closed 10 x 10 grid, in episodes that nobody saw before.
On the way, every eighth of the budget, it is judged on a closed 5 x 5 grid. None of this counts as training or search.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morl.evaluation import Table, evaluator_of
from morl.experiments.checkpoint import load_checkpoint, save_checkpoint
from morl.experiments.config import load_config
from morl.experiments.run_config import RunConfig
from morl.experiments.tables import write_table
from morl.files import write_atomically
from morl.policies.base import policy_from
from morl.problem import make_problem
from morl.protocols import prefixed, unprefixed
from morl.task import Task, Utility
from robust.baselines import M2TD3, RARL, ActionRobust, DomainRandomisation, EWoK, Nominal
from robust.evaluation import bootstrap_interval, interquartile_mean, summarise, usage
from robust.policies import CompositePolicy
from robust.search import GridSearch

CPU = torch.device("cpu")
POINTS = 10
CURVE_POINTS, CURVE_EPISODES, CURVE_MOMENTS = 5, 2, 8
CHUNK = 1_000
"""Environment steps between looks at the clock."""

_BASELINES: dict[str, Any] = {
    "nominal": Nominal,
    "domain-randomisation": DomainRandomisation,
    "m2td3": M2TD3,
    "rarl": RARL,
    "action-robust": ActionRobust,
    "ewok": EWoK,
}
GRID = "iwocs-grid"
"""IWOCS whose searches look at 25 models in one episode, instead of at few in several: about the same steps on the pendulum."""
METHODS = ("iwocs", GRID, *_BASELINES)
DEFAULT = "default policy of iwocs"


def solver_of(config: RunConfig, method: str) -> Any:
    """The method on the learner, the networks and the set of an IWOCS configuration."""
    iwocs: Any = config.solver
    if method == "iwocs":
        return iwocs
    if method == GRID:
        return replace(iwocs, search=GridSearch(points_per_dimension=5), rollouts=1)
    return _BASELINES[method](solver=iwocs.solver, uncertainty=iwocs.uncertainty, grid_points=iwocs.grid_points)


class Judge:
    """Undiscounted mean returns ``(K,)`` of a policy in models."""

    def __init__(self, config: RunConfig, problem: Any) -> None:
        """Make the evaluator of the configured problem."""
        self.evaluator = evaluator_of(config.solver, problem, config.evaluation, device=CPU)
        self.evaluator.gamma = 1.0
        self.region = config.solver.region(problem)  # type: ignore[attr-defined]

    def __call__(self, policy: Any, models: np.ndarray, episodes: int, first: int) -> list[float]:
        """Mean return in each model."""
        found = self.evaluator([policy], dynamics=torch.from_numpy(models), episodes=episodes, first_episode=first)
        values: list[float] = found.discounted[0, :, :, :].mean((1, 2)).tolist()
        return values


def train(
    name: str, method: str, seed: int, out: Path, *, deadline: float | None, episodes: int, overrides: list[str], resume: bool
) -> Path:
    """Train and judge one method with one seed.

    Args:
        name: Of the configuration, without ``iwocs/``.
        method: One of :data:`METHODS`.
        seed: Of every stream.
        out: Folder of the result.
        deadline: Seconds from now at which the result has to be written, at the price of fewer steps.
        episodes: In each model of the final grid.
        overrides: Changes to the configuration.
        resume: Go on from the checkpoint that a deadline left behind.

    Returns:
        The file written.
    """
    start = time.perf_counter()
    torch.set_num_threads(1)
    config = load_config(f"iwocs/{name}", overrides)
    problem = make_problem(config.env)
    learner: Any = solver_of(config, method).make(problem, None, seed=seed, device=CPU)
    judge = Judge(config, problem)
    budget, stem = config.env_steps, f"{name}_{method}_{seed}"
    checkpoint = out / f"{stem}.checkpoint"
    spent, curve, earlier = {"training": 0, "search": 0}, [], 0.0
    if resume:
        state = load_checkpoint(checkpoint)
        assert state is not None, f"there is no checkpoint in {checkpoint}"
        spent, curve, earlier = state["spent"], state["curve"], state["seconds"]
        learner.load_state(unprefixed("learner", state))
    coarse = GridSearch(points_per_dimension=CURVE_POINTS).models(judge.region)
    fine = GridSearch(points_per_dimension=POINTS).models(judge.region)
    # The policy, its default policy, and who acts.
    final_runs = len(fine) * ((2 * episodes + 1) if method in ("iwocs", GRID) else episodes)

    def is_late() -> bool:
        # The final judgement takes as long as the last look, by the number of episodes; twice that, to be safe.
        needed = 2.0 * last_look * final_runs / (CURVE_EPISODES * len(coarse))
        return deadline is not None and time.perf_counter() - start + 10.0 + needed > deadline

    def used() -> int:
        return spent["training"] + spent["search"]

    last_look = 0.0

    def look() -> None:
        nonlocal last_look
        before = judge.evaluator.seconds
        values = judge(learner.policies()[0], coarse, CURVE_EPISODES, 0)
        last_look = judge.evaluator.seconds - before
        curve.append({"env_steps": used(), "worst": min(values), "mean": float(np.mean(values))})
        _say(f"{stem}: {used():,} of {budget:,} steps, worst {min(values):.1f}, {time.perf_counter() - start:.0f} s")

    stopped = False
    judge(learner.policies()[0], coarse, CURVE_EPISODES, 0)  # makes the environments
    if not curve:
        look()
    while used() < budget and not getattr(learner, "is_finished", False):
        if stopped := is_late():
            break
        found = learner.learn(min(budget - used(), max(CHUNK, learner.next_round())))
        for purpose in spent:
            spent[purpose] += found.get(purpose, 0)
        if used() >= (len(curve) * budget) // CURVE_MOMENTS and len(curve) < CURVE_MOMENTS:
            look()
    if stopped:
        seconds = earlier + time.perf_counter() - start
        save_checkpoint(
            checkpoint, {**prefixed("learner", learner.state()), "spent": spent, "curve": curve, "seconds": seconds}
        )
    seconds = earlier + time.perf_counter() - start
    if curve[-1]["env_steps"] < used():
        look()
    result = {
        "name": name, "method": method, "seed": seed, "overrides": overrides, "complete": not stopped, "budget": budget,
        "training": spent["training"], "search": spent["search"], "seconds": seconds, "curve": curve, "episodes": episodes,
        "models": fine.tolist(), "parameters": list(judge.region.space.names), "units": list(judge.region.space.units),
    }  # fmt: skip
    policy = learner.policies()[0]
    result["map"] = judge(policy, fine, episodes, CURVE_EPISODES)
    if method in ("iwocs", GRID):
        default = policy_from(learner._actor_config(), learner.subs[0].default) if learner.subs[0].default else policy
        result["default_map"] = judge(default, fine, episodes, CURVE_EPISODES)
        result["iterations"] = learner.history
        if isinstance(policy, CompositePolicy):
            shares, _ = usage(problem, policy, fine, seed=config.evaluation.seed)
            result["usage"] = shares.tolist()
    result["evaluation"] = judge.evaluator.env_steps
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{stem}.json"
    write_atomically(path, json.dumps(result))
    _say(f"{stem}: worst {min(result['map']):.1f}, mean {np.mean(result['map']):.1f}, {time.perf_counter() - start:.0f} s")
    return path


def train_population(name: str, method: str, count: int, out: Path, *, episodes: int, overrides: list[str]) -> list[Path]:
    """Train and judge independent repetitions of one method as the members of one population, which saves time.

    Members have networks, episodes and stores of their own; random numbers of updates come from one stream, of which each takes
    its part. IWOCS is refused: its preferences share their worst models.

    Args:
        name: Of the configuration, without ``iwocs/``.
        method: One of :data:`METHODS`.
        count: Repetitions.
        out: Folder of the results.
        episodes: In each model of the final grid.
        overrides: Changes to the configuration.

    Returns:
        The files written, one per repetition, as by :func:`train`.
    """
    assert method not in ("iwocs", GRID), "repetitions of IWOCS in one population would share their worst models"
    start = time.perf_counter()
    torch.set_num_threads(1)
    config = load_config(f"iwocs/{name}", overrides)
    problem = make_problem(config.env)
    task = Task(utility=Utility(weights=torch.ones(count, problem.spec.num_objectives) / problem.spec.num_objectives))
    learner: Any = solver_of(config, method).make(problem, task, seed=0, device=CPU)
    judge, spent = Judge(config, problem), 0
    coarse = GridSearch(points_per_dimension=CURVE_POINTS).models(judge.region)
    fine = GridSearch(points_per_dimension=POINTS).models(judge.region)
    curves: list[list[dict[str, float]]] = [[] for _ in range(count)]
    for moment in range(CURVE_MOMENTS + 1):
        while spent < moment * config.env_steps // CURVE_MOMENTS * count:
            wanted = moment * config.env_steps // CURVE_MOMENTS * count - spent
            spent += learner.learn(min(wanted, max(CHUNK * count, learner.next_round())))["training"]
        for curve, policy in zip(curves, learner.policies(), strict=True):
            values = judge(policy, coarse, CURVE_EPISODES, 0)
            curve.append({"env_steps": spent // count, "worst": min(values), "mean": float(np.mean(values))})
        _say(f"{name} {method} x {count}: {spent // count:,} steps each, {time.perf_counter() - start:.0f} s")
    seconds, paths = (time.perf_counter() - start) / count, []
    for i, policy in enumerate(learner.policies()):
        result = {
            "name": name, "method": method, "seed": i, "overrides": overrides, "complete": True, "budget": config.env_steps,
            "training": spent // count, "search": 0, "seconds": seconds, "curve": curves[i], "episodes": episodes,
            "models": fine.tolist(), "parameters": list(judge.region.space.names), "units": list(judge.region.space.units),
            "map": judge(policy, fine, episodes, CURVE_EPISODES), "population": count,
            "evaluation": judge.evaluator.env_steps // count,
        }  # fmt: skip
        out.mkdir(parents=True, exist_ok=True)
        paths.append(out / f"{name}_{method}_{i}.json")
        write_atomically(paths[-1], json.dumps(result))
        _say(f"{name} {method} {i}: worst {min(result['map']):.1f}, mean {np.mean(result['map']):.1f}")
    return paths


# --- report ----------------------------------------------------------------------------------------------------------


def report(folder: Path) -> None:
    """Write ``NAME_table.csv``, ``NAME_runs.csv``, ``NAME_iterations.csv``, ``NAME_curves.png`` and ``NAME_maps.png``.

    Args:
        folder: With the files that :func:`train` wrote, of any number of configurations.
    """
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*_*_*.json"))]
    for name in sorted({result["name"] for result in results}):
        here = [result for result in results if result["name"] == name]
        groups = {method: [r for r in here if r["method"] == method] for method in METHODS}
        groups = {method: runs for method, runs in groups.items() if runs}
        maps = {method: np.array([r["map"] for r in runs]) for method, runs in groups.items()}
        accounts = {method: [r["training"] + r["search"] for r in runs] for method, runs in groups.items()}
        if "iwocs" in groups:
            maps[DEFAULT] = np.array([r["default_map"] for r in groups["iwocs"]])
            accounts[DEFAULT] = [r["iterations"][0]["training_steps"] if r["iterations"] else 0 for r in groups["iwocs"]]
        write_table(folder / f"{name}_table.csv", summary(maps, accounts))
        write_table(folder / f"{name}_runs.csv", [_row(r) for runs in groups.values() for r in runs])
        iterations = [
            {"method": method, "seed": r["seed"], **row}
            for method in ("iwocs", GRID)
            for r in groups.get(method, [])
            for row in r["iterations"]
        ]
        if iterations:
            write_table(folder / f"{name}_iterations.csv", iterations)
        _curves(groups).savefig(folder / f"{name}_curves.png", dpi=110)
        if len(here[0]["parameters"]) == 2:
            _maps(maps, here[0]).savefig(folder / f"{name}_maps.png", dpi=110)
        for row in summary(maps, accounts):
            _say(f"{name}: " + ", ".join(f"{key} {_text(value)}" for key, value in row.items()))


def summary(maps: Mapping[str, np.ndarray], accounts: Mapping[str, list[int]]) -> Table:
    """One row per method: worst model, its interval over the seeds, how far IWOCS is ahead, and the other measures.

    Args:
        maps: Mean returns ``(seeds, K)`` by method.
        accounts: Environment steps of training and search by method, one per seed.
    """
    table: Table = []
    rng = np.random.default_rng(0)
    for method, values in maps.items():
        worst = values.min(1)
        low, high = bootstrap_interval(worst)
        row = {
            "method": method, "seeds": len(values), "env_steps": int(np.mean(accounts[method])), "worst": float(worst.mean()),
            "low": low, "high": high, "interquartile_mean": interquartile_mean(worst), "median": float(np.median(worst)),
            "cvar": float(np.mean([summarise(v).cvar for v in values])), "mean": float(values.mean()),
        }  # fmt: skip
        if "iwocs" in maps and method != "iwocs":
            ours = maps["iwocs"].min(1)
            draws = [v[rng.integers(0, len(v), (10_000, len(v)))].mean(1) for v in (ours, worst)]
            row["iwocs_ahead_by"] = float(ours.mean() - worst.mean())
            row["ahead_low"], row["ahead_high"] = np.percentile(draws[0] - draws[1], [2.5, 97.5]).tolist()
        table.append(row)
    return table


def _row(result: dict[str, Any]) -> dict[str, Any]:
    """One run as a row of a table."""
    values, models = np.array(result["map"]), np.array(result["models"])
    row = {key: result[key] for key in ("method", "seed", "training", "search", "evaluation", "seconds", "complete")}
    found = summarise(values)
    row |= {"worst": found.worst, "cvar": found.cvar, "mean": found.mean}
    row |= {f"worst_{key}": v for key, v in zip(result["parameters"], models[values.argmin()].tolist(), strict=True)}
    if "usage" in result:
        shares = np.array(result["usage"])
        row |= {"usage_default": float(shares[:, 0].mean())}
        row |= {f"usage_{j}": float(shares[:, j].mean()) for j in range(1, shares.shape[1])}
    return row


def _curves(groups: Mapping[str, list[dict[str, Any]]]) -> Any:
    """Worst case on the coarse grid over environment steps: mean over the seeds, and its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for method, runs in groups.items():
        length = min(len(r["curve"]) for r in runs)
        steps = np.array([[p["env_steps"] for p in r["curve"][:length]] for r in runs]).mean(0)
        worst = np.array([[p["worst"] for p in r["curve"][:length]] for r in runs])
        low, high = np.array([bootstrap_interval(column) for column in worst.T]).T
        (line,) = axes.plot(
            steps,
            worst.mean(0),
            marker="o",
            markersize=3,
            label=method.replace("-", " "),
            linewidth=2.4 if method == "iwocs" else 1.4,
        )
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.15)
    axes.set(
        xlabel="environment steps, training and search",
        ylabel=f"return in the worst of {CURVE_POINTS**2} models, {CURVE_EPISODES} episodes each",
    )
    axes.legend(fontsize=8)
    return figure


def _maps(maps: Mapping[str, np.ndarray], result: dict[str, Any]) -> Any:
    """Mean return over the seeds in every model, side by side, one colour scale."""
    from matplotlib.figure import Figure

    models = np.array(result["models"])
    x, column = np.unique(models[:, 0], return_inverse=True)
    y, row = np.unique(models[:, 1], return_inverse=True)
    across = min(4, len(maps))
    down = -(-len(maps) // across)
    figure = Figure(figsize=(3.0 * across + 0.8, 2.7 * down + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)).reshape(-1)
    means = {method: values.mean(0) for method, values in maps.items()}
    low, high = min(v.min() for v in means.values()), max(v.max() for v in means.values())
    labels = [f"{n} [{u}]" if u else n for n, u in zip(result["parameters"], result["units"], strict=True)]
    for axes, (method, values) in zip(panels, means.items(), strict=False):
        image = np.full((len(y), len(x)), np.nan)
        image[row, column] = values
        drawn = axes.pcolormesh(x, y, image, shading="nearest", cmap="viridis", vmin=low, vmax=high)
        worst = models[values.argmin()]
        axes.plot(worst[0], worst[1], "rx", markersize=8, markeredgewidth=2)
        axes.set_title(f"{method.replace('-', ' ')}: {values.min():.0f}", fontsize=9)
    for axes in panels[len(means) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(means) - across) : len(means)]:
        axes.set_xlabel(labels[0])
        axes.tick_params(labelbottom=True)
    for axes in panels[::across]:
        axes.set_ylabel(labels[1])
    figure.colorbar(drawn, ax=panels.tolist(), label="mean return")
    return figure


def _text(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Train, or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train", help="train one method with one seed")
    one.add_argument("name", help="configuration, without iwocs/")
    one.add_argument("--method", choices=METHODS, required=True)
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--deadline", type=float, help="seconds after which the result has to be there, whatever was trained")
    one.add_argument("--episodes", type=int, default=10, help="in each model of the final grid")
    one.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change the configuration"
    )
    one.add_argument("--resume", action="store_true", help="go on from the checkpoint that a deadline left behind")
    one.set_defaults(run=lambda a: train(
        a.name, a.method, a.seed, a.out, deadline=a.deadline, episodes=a.episodes, overrides=a.overrides, resume=a.resume
    ))  # fmt: skip
    side = commands.add_parser("population", help="train independent repetitions of a baseline side by side")
    side.add_argument("name", help="configuration, without iwocs/")
    side.add_argument("--method", choices=[method for method in METHODS if method not in ("iwocs", GRID)], required=True)
    side.add_argument("--repetitions", type=int, default=5)
    side.add_argument("--out", type=Path, required=True)
    side.add_argument("--episodes", type=int, default=10, help="in each model of the final grid")
    side.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change the configuration"
    )
    side.set_defaults(run=lambda a: train_population(
        a.name, a.method, a.repetitions, a.out, episodes=a.episodes, overrides=a.overrides
    ))  # fmt: skip
    many = commands.add_parser("report", help="tables and pictures of a folder")
    many.add_argument("out", type=Path)
    many.set_defaults(run=lambda a: report(a.out))
    arguments = parser.parse_args()
    run: Callable[[Any], Any] = arguments.run
    run(arguments)


if __name__ == "__main__":
    main()
