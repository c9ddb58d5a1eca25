"""Ambiguity sets: which next-state distributions nature may choose from, one set per file.

:mod:`robust.tabular` lists them.
"""

from robust.tabular.ambiguity.base import SARectangular as SARectangular
from robust.tabular.ambiguity.base import SRectangular as SRectangular
from robust.tabular.ambiguity.box import Box as Box
from robust.tabular.ambiguity.finite import Finite as Finite
from robust.tabular.ambiguity.kl import KL as KL
from robust.tabular.ambiguity.l1 import L1 as L1
from robust.tabular.ambiguity.s_rectangular_l1 import SRectangularL1 as SRectangularL1
