"""
A controller that survives a worn motor
=======================================

A cart balances a pole. In the workshop the motor pushes with 10 N and the pole is a metre long. In the field motors wear out
and poles are replaced by others. Nobody will train a controller anew each time, so the one we ship has to do in every model
that may come.
"""

# %%
# What may come
# -------------
#
# An environment with settable dynamics knows its parameters, and an *uncertainty set* says how far each of them may be off.

import gymnasium
import matplotlib.pyplot as plt
import numpy as np

from robust.uncertainty import Box

env = gymnasium.make("envs:parametric/cartpole-v0").unwrapped
print(env.parameter_space.mapping(env.parameter_space.nominal))

worn = Box({"force": (2.0, 10.0), "pole_length": (0.4, 2.0)})

# %%
# Any model can be chosen at a reset, by name; it stays until another one is chosen.

observation, info = env.reset(seed=0, options={"params": {"force": 2.0}})
print(info["params"])

# %%
# A controller from the workshop
# ------------------------------
#
# It never sees anything but the nominal model. ``Nominal`` only adds the judgement: what a run reports is the worst model on a
# grid.

from morl import Evaluation
from morl.solvers import MODQN
from robust.baselines import Nominal

dqn = MODQN(epsilon_decay_steps=4_000, rows_per_member=4, updates_per_step=0.25)
judged = Evaluation(episodes=3, period=10_000)
workshop = Nominal(solver=dqn, uncertainty=worn).run(
    "parametric/cartpole-v0", env_steps=20_000, seed=0, evaluation=judged
)
print("worst case on the grid, undiscounted:", workshop.undiscounted.max())

# %%
# IWOCS
# -----
#
# First a default policy is trained over all models. A search finds the model in which it is worst, and a specialist is trained
# there. From then on the specialist acts where it can be trusted, that is where the world does what it has learned to expect,
# and the default policy acts elsewhere. Then the search begins again.

from robust import IWOCS

solver = IWOCS(
    solver=dqn,
    uncertainty=worn,
    default_steps=12_000,
    steps_per_iteration=8_000,
    iterations=1,
    rollouts=2,
)
result = solver.run("parametric/cartpole-v0", env_steps=60_000, seed=0, evaluation=judged)
print("worst case on the grid, undiscounted:", result.undiscounted.max())
print(result.manifest["env_steps"])

# %%
# How it went
# -----------
#
# One row per search: the worst model that was found, what the policy reached there, who acted how often. The bounds are
# estimates here (on tables they are proven). The lower one is *verified*: what the returned policy reaches in the worst model
# of a grid, in episodes that no search saw; what a search itself found flatters. The upper one is the smallest of the best
# returns that were seen in the specialists' models: nobody was seen to do better there.

for row in result.tables["iterations"]:
    print(
        {
            name: float(f"{value:.3g}") if isinstance(value, float) else value
            for name, value in row.items()
        }
    )
print(result.certificate)

# %%
# Where it holds
# --------------
#
# The mean return in every model of a grid, in steps; 500 is the most there is.

import torch

from morl.problem import make_problem
from robust.evaluation import return_map

problem = make_problem("parametric/cartpole-v0")
judge = solver.evaluator(problem, Evaluation(episodes=3, gamma=1.0), device=torch.device("cpu"))
region = worn.region(problem.spec.parameter_space)

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for ax, (name, run) in zip(
    axes, {"from the workshop": workshop, "IWOCS": result}.items(), strict=True
):
    found = return_map(judge, run.policy(), region, points_per_dimension=6)
    x, y = (np.unique(found.models[:, i]) for i in (1, 0))
    drawn = ax.pcolormesh(
        x, y, found.values.reshape(len(y), len(x)), shading="nearest", vmin=0, vmax=500
    )
    ax.set(
        xlabel="force [N]",
        ylabel="pole length [m]",
        title=f"{name}: worst {found.values.min():.0f}",
    )
figure.colorbar(drawn, ax=axes, label="mean return [steps]")
plt.show()

# %%
# The same from the command line, on a pendulum of unknown mass and length: ``morl run iwocs/pendulum``. What the method
# promises, where it deviates from its paper and how it compares: :doc:`the page of IWOCS </papers/iwocs>`.
