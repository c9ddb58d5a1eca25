"""Pareto conditioned networks: one supervised network that is told which return to get."""

from morl.solvers.pcn.solver import PCN as PCN  # listed by `morl.solvers`
