"""SEQUOIA: the solver, its learner, and the states that were solved."""

from morl.solvers.sequoia.solver import SEQUOIA as SEQUOIA
