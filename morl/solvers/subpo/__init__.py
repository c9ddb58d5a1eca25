"""Submodular policy optimisation: the solver, its learner, and their parts, one idea per file."""

from morl.solvers.subpo.solver import SubPO as SubPO
