"""
Where to sense next
===================

A robot carries a sensor through a field. The second look at the same place tells it less than the first: what a measurement is
worth depends on those that were made before. Such values have *diminishing returns*, and SubPO learns walks that make the most
of them.
"""

# %%
# Coverage
# --------
#
# Two rooms and a corridor between them; a position sees the 2 x 2 cells at its feet. The robot starts in the corridor and has
# 39 moves, just enough for all 68 cells, if it leaves the first room in time.

from envs import batched_form
from morl.coverage.coverage_map import coverage_map
from morl.coverage.walk_report import walk_of
from morl.planners import Greedy
from morl.problem import make_problem
from morl.solvers import SubPO

rooms = {"id": "coverage/two-rooms-v0", "observation": "index"}
world = batched_form("coverage/two-rooms-v0", 1)
print("greedy sees", Greedy().plan(world).value, "of 68 cells")

# %%
# Greedy always takes what is nearest. SubPO credits a move with everything that is still gained after it. The entropy bonus,
# high at first, keeps it from settling in one room.

solver = SubPO(
    rows_per_member=1000, learning_rate=0.03, entropy_coefficient=0.3, entropy_steps=7_000_000
)
result = solver.run(rooms, env_steps=7_800_000, seed=0)
print("SubPO sees", result.front[0, 0] + world.start_value[0], "of 68 cells")

# %%
# The gains of an episode add up to its value less that of the start, which no walk can change; hence the sum above.

walk = walk_of(make_problem(rooms), result.policy())
coverage_map(world, {"SubPO": walk})

# %%
# Information
# -----------
#
# Now the sensor measures a Gaussian process, and what counts is the information about the whole field, in nats: neighbouring
# measurements tell nearly the same. Nothing changes but the set function.

field = {"id": "coverage/experiment-design-v0", "observation": "index"}
sensing = SubPO(
    rows_per_member=250, learning_rate=0.03, entropy_coefficient=0.3, entropy_steps=700_000
)
measured = sensing.run(field, env_steps=800_000, seed=0)
design = batched_form("coverage/experiment-design-v0", 1)
print(
    "greedy",
    round(Greedy().plan(design).value, 1),
    "nats; SubPO",
    round(measured.front[0, 0] + design.start_value[0], 1),
)

# %%
# Both at once
# ------------
#
# ``Stack`` puts set functions side by side: a vector of gains. MORL/D around SubPO then learns a front, here of what is worth
# seeing, most of it around a spring at the top right, against information on a small grid. Each rollout gives the gains of both
# functions, whatever a member weighs.

import matplotlib.pyplot as plt
import numpy as np

from envs.coverage.gaussian_process import matern
from envs.coverage.grids import GridMap
from envs.coverage.set_functions import Coverage, LogDet, Stack
from morl.solvers import MORLD

grid = GridMap.without_walls(8, 8)
points = 0.5 * grid.cells
kernel = matern(points, points, variance=1.0, length_scale=2.0)
worth = np.exp(-((grid.cells - [1, 6]) ** 2).sum(1) / 4)
both = Stack(
    [Coverage(grid.discs("cell"), worth), LogDet(kernel, noise_variance=0.1)],
    names=("worth", "information"),
    units=("cells at the spring", "nats"),
)
small = {
    "id": "coverage/grid-v0",
    "rows": 8,
    "columns": 8,
    "start": (3, 3),
    "horizon": 20,
    "set_function": both,
    "observation": "index",
}

result = MORLD(
    solver=SubPO(
        rows_per_member=100, learning_rate=0.03, entropy_coefficient=0.2, entropy_steps=120_000
    ),
    num_members=8,
    exchange_period=110_000,
).run(small, env_steps=1_100_000, seed=0)

figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
axes.plot(*result.front.T, "o-")
axes.set(xlabel="worth of the cells seen", ylabel="information [nats]")
plt.show()
print(
    f"{len(result.front)} compromises between {result.objectives[0]} and {result.objectives[1]}"
)

# %%
# Two of them, and how they walk: one stays at the spring, the other goes far.

problem = make_problem(small)
walks = {
    name: walk_of(problem, result.policy(weights))
    for name, weights in (("worth", [1, 0]), ("information", [0, 1]))
}
arguments = {name: value for name, value in small.items() if name != "id"}
coverage_map(batched_form(small["id"], 1, **arguments), walks)
