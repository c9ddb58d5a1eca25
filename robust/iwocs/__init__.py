"""IWOCS: the solver, its learner in simulators, and its exact form on tables."""

from robust.iwocs.solver import IWOCS as IWOCS
