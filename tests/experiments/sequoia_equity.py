"""Draw the front of ``compose/health-workers-equity`` beside policies that know the model and look at the total reward only.

morl run compose/health-workers-equity --out RUN
python -m tests.experiments.sequoia_equity RUN PICTURE.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from envs.cormab import RestlessBandit, scheduling_instance
from morl.cormab import BASELINES
from morl.evaluation import Table
from morl.experiments.config import load_config
from morl.experiments.plots import PALETTE, styled
from morl.experiments.run_plots import save_figure
from morl.experiments.tables import read_table

EPISODES = 200
HORIZON = 20


def value(name: str, gamma: float) -> tuple[float, float]:
    """Mean discounted total reward and equity of a baseline on the configuration's instance."""
    config = load_config("compose/health-workers-equity")
    assert not isinstance(config.env, str)
    sizes = {key: config.env[key] for key in ("num_arms", "budget")}
    instance = scheduling_instance(seed=config.env["instance_seed"], **sizes)
    decide = BASELINES[name].prepare(instance, horizon=HORIZON, seed=0)
    rows, rng = np.arange(EPISODES), np.random.default_rng(0)
    env = RestlessBandit(EPISODES, instance=instance, horizon=HORIZON, reward="vector", expected_rewards=True)
    states: Any = env.reset(rows, rows)
    total = np.zeros((EPISODES, 3))
    for step in range(HORIZON):
        states, rewards, _, _ = env.step(rows, decide(states, step, rng))
        total += gamma**step * rewards
    mean = total.mean(axis=0)
    return float(mean[0]), float(mean[1])


@styled
def picture(front: Table, others: dict[str, tuple[float, float]]) -> Any:
    """Total reward against equity."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    points = np.array([[row["objective_1"], row["objective_2"]] for row in front])
    errors = np.array([[row["objective_1_standard_error"], row["objective_2_standard_error"]] for row in front])
    best = [not ((points >= point).all(axis=1) & (points > point).any(axis=1)).any() for point in points]
    points, errors = points[best], errors[best]
    order = points[:, 0].argsort()
    total, equity = points[order].T
    axes.errorbar(
        total, equity, xerr=errors[order, 0], yerr=errors[order, 1], fmt="o-", color=PALETTE[0], ecolor=PALETTE[5],
        label="MORL/D around SEQUOIA",
    )  # fmt: skip
    for colour, (name, point) in zip(PALETTE[1:], others.items(), strict=False):
        axes.plot(*point, "D", color=colour, label=name)
    axes.set(xlabel="total reward, discounted", ylabel="equity: pay per arm of the worse group")
    axes.legend(loc="upper left", fontsize=9)
    return figure


def main() -> None:
    """Command line."""
    front = list(read_table(Path(sys.argv[1]) / "front.csv"))
    others = {name: value(name, front[0]["gamma"]) for name in ("random", "myopic", "look-ahead")}
    for name, (total, equity) in others.items():
        sys.stdout.write(f"{name:12} {total:8.2f} {equity:7.3f}\n")
    for row in front:
        sys.stdout.write(f"{row['policy']:12} {row['objective_1']:8.2f} {row['objective_2']:7.3f}\n")
    save_figure(picture(front, others), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
