"""Check the example, and give it to MORL/D."""

from example_solver import HillClimbing

from morl.solvers import MORLD
from morl.testing import check_solver

check_solver(HillClimbing(), env="tabular/treasure-corridor-v0")
result = MORLD(solver=HillClimbing(), exchange_period=2_000).run("tabular/treasure-corridor-v0", env_steps=20_000)
print(result.front)
