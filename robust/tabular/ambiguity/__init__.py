"""Ambiguity sets: which next-state distributions nature may choose from, one set per file."""

from robust.tabular.ambiguity.base import SARectangular, SRectangular
from robust.tabular.ambiguity.box import Box
from robust.tabular.ambiguity.finite import Finite
from robust.tabular.ambiguity.kl import KL
from robust.tabular.ambiguity.l1 import L1
from robust.tabular.ambiguity.s_rectangular_l1 import SRectangularL1

__all__ = ["Box", "Finite", "KL", "L1", "SARectangular", "SRectangular", "SRectangularL1"]
