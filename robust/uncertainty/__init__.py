"""Uncertainty sets: which transition models an environment may turn out to have."""

from robust.uncertainty.ball import Ball
from robust.uncertainty.base import Region, UncertaintySet
from robust.uncertainty.box import Box
from robust.uncertainty.finite import Finite
from robust.uncertainty.rectangular import Rectangular

__all__ = ["Ball", "Box", "Finite", "Rectangular", "Region", "UncertaintySet"]
