"""Checkers for components of your own: each raises AssertionError where a component breaks its contract."""

from morl.testing.acting import check_acting
from morl.testing.archive import check_archive
from morl.testing.bootstrap import check_bootstrap
from morl.testing.cooperation import check_cooperation
from morl.testing.dominance import check_dominance
from morl.testing.neighbourhood import check_neighbourhood
from morl.testing.one_device import one_device
from morl.testing.policy import check_policy
from morl.testing.scalarization import check_scalarization
from morl.testing.selection import check_selection
from morl.testing.solver import check_solver
from morl.testing.weight_adaptation import check_weight_adaptation
from morl.testing.weight_generation import check_weight_generation
from morl.testing.weight_source import check_weight_source

__all__ = [
    "check_acting",
    "check_archive",
    "check_bootstrap",
    "check_cooperation",
    "check_dominance",
    "check_neighbourhood",
    "check_policy",
    "check_scalarization",
    "check_selection",
    "check_solver",
    "check_weight_adaptation",
    "check_weight_generation",
    "check_weight_source",
    "one_device",
]
