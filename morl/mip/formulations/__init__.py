"""How the units of a ReLU layer become linear rows and binary columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from morl.mip.formulations.big_m import big_m
from morl.mip.formulations.partition import partition
from morl.mip.program import Units

Formulation = Literal["big_m", "partition"]

FORMULATIONS: dict[str, Callable[..., Units]] = {"big_m": big_m, "partition": partition}

__all__ = ["FORMULATIONS", "Formulation", "big_m", "partition"]
