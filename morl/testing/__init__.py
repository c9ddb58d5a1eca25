"""Checkers for components of your own: each raises AssertionError where a component breaks its contract."""

from morl.testing.archive import check_archive
from morl.testing.cooperation import check_cooperation
from morl.testing.neighbourhood import check_neighbourhood
from morl.testing.one_device import one_device
from morl.testing.policy import check_policy
from morl.testing.scalarization import check_scalarization
from morl.testing.selection import check_selection
from morl.testing.solver import check_solver
from morl.testing.weight_adaptation import check_weight_adaptation
from morl.testing.weight_generation import check_weight_generation

__all__ = [
    "check_archive",
    "check_cooperation",
    "check_neighbourhood",
    "check_policy",
    "check_scalarization",
    "check_selection",
    "check_solver",
    "check_weight_adaptation",
    "check_weight_generation",
    "one_device",
]
