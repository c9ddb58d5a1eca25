"""What a formulation leaves behind: the columns that stand for the units of a layer."""

from __future__ import annotations

from dataclasses import dataclass

from morl.mip.program import Index


@dataclass(frozen=True)
class Units:
    """Columns of one layer, ``(h,)`` each."""

    hidden: Index
    """What the units put out."""
    switch: Index
    """1 where a unit is on."""
