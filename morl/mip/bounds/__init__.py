"""Bounds of what goes into each unit over the feasible actions; the tighter, the smaller the search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from morl.mip.bounds.crown import crown
from morl.mip.bounds.cutoff import Region
from morl.mip.bounds.interval import LayerBounds, interval, polytope, widened
from morl.mip.bounds.lp import tighten
from morl.mip.folded import FoldedNetwork
from morl.mip.polytope import ActionPolytope

Bounds = Literal["interval", "polytope", "crown", "lp", "cutoff"]

CLOSED_FORM: dict[str, Callable[[FoldedNetwork, ActionPolytope], list[LayerBounds]]] = {
    "interval": interval,
    "polytope": polytope,
    "crown": crown,
    "lp": crown,  # linear programs go on from there, for the units that are still open
    "cutoff": crown,  # goes on from there, once an action is known
}

__all__ = ["CLOSED_FORM", "Bounds", "LayerBounds", "Region", "crown", "interval", "polytope", "tighten", "widened"]
