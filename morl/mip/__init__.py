"""Maximising Q-networks over combinatorial action sets, by mixed-integer programming with HiGHS."""

from __future__ import annotations

from morl.mip.folded import FoldedNetwork, Layer, ReLUNetwork
from morl.mip.maximize import DisagreementError, Maximizer, maximize_q
from morl.mip.objective import Pieces, pieces
from morl.mip.pyomo_model import pyomo_model
from morl.mip.query import MIPResult

__all__ = [
    "maximize_q",
    "MIPResult",
    "Maximizer",
    "DisagreementError",
    "FoldedNetwork",
    "Layer",
    "ReLUNetwork",
    "Pieces",
    "pieces",
    "pyomo_model",
]
