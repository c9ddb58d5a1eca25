"""Set functions with diminishing returns: batched, incremental, on any device."""

from __future__ import annotations

from envs.coverage.set_functions.composite import Composite
from envs.coverage.set_functions.concave_of import ConcaveOf
from envs.coverage.set_functions.concave_over_modular import ConcaveOverModular
from envs.coverage.set_functions.coverage import Coverage
from envs.coverage.set_functions.d_optimal import DOptimal
from envs.coverage.set_functions.elliptical import Elliptical
from envs.coverage.set_functions.facility_location import FacilityLocation
from envs.coverage.set_functions.group_cap import GroupCap
from envs.coverage.set_functions.log_det import LogDet
from envs.coverage.set_functions.modular import Modular
from envs.coverage.set_functions.set_function import SetFunction, SetUtility, State, restart
from envs.coverage.set_functions.stack import Stack
from envs.coverage.set_functions.truncate import Truncate
from envs.coverage.set_functions.value_oracle import ValueOracle
from envs.coverage.set_functions.weighted_sum import WeightedSum

__all__ = [
    "SetUtility",
    "SetFunction",
    "State",
    "restart",
    "Modular",
    "Coverage",
    "GroupCap",
    "LogDet",
    "DOptimal",
    "Elliptical",
    "FacilityLocation",
    "ConcaveOverModular",
    "Composite",
    "WeightedSum",
    "Truncate",
    "ConcaveOf",
    "Stack",
    "ValueOracle",
]
