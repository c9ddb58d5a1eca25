"""Pareto Q-learning: a table of sets of vector values, and policies that follow one vector of a set."""

from morl.solvers.pareto_q.solver import ParetoQLearning as ParetoQLearning  # listed by `morl.solvers`
