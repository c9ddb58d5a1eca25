"""Environments with diminishing returns: walks that are rewarded by the marginal gains of a set function.

Loading this package loads torch, in which the set functions are written; ``import envs`` does not load it.
"""

from __future__ import annotations

from envs.coverage.ant import Ant
from envs.coverage.bimodal import Bimodal
from envs.coverage.car import Car
from envs.coverage.checks import SetFunctionLawError, check_set_function
from envs.coverage.experiment_design import ExperimentDesign
from envs.coverage.gp import GP
from envs.coverage.graph import Graph
from envs.coverage.graph_world import GraphWorld
from envs.coverage.grid import Grid
from envs.coverage.hub import Hub
from envs.coverage.inverse_dynamics import fit_inverse_dynamics
from envs.coverage.items import Items
from envs.coverage.known_values import KnownValue, known_value
from envs.coverage.submodular_reward import SubmodularReward
from envs.coverage.two_rooms import TwoRooms

__all__ = [
    "Grid",
    "TwoRooms",
    "GP",
    "Bimodal",
    "Items",
    "ExperimentDesign",
    "Graph",
    "Hub",
    "Ant",
    "Car",
    "GraphWorld",
    "SubmodularReward",
    "KnownValue",
    "known_value",
    "fit_inverse_dynamics",
    "check_set_function",
    "SetFunctionLawError",
]
