"""What a solver adds to the result of a run: bounds, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from morl.protocols import Policy

Table: TypeAlias = list[dict[str, Any]]
"""Rows; every row is a mapping column -> number, text or None. ``pandas.DataFrame(table)`` takes it."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Bounds on the value of what was found, where a solver can prove or estimate them."""

    lower: float
    """Lower bound, return units."""
    upper: float
    """Upper bound, return units."""
    gap: float
    """``upper - lower``, return units."""
    status: str
    """How the solver stopped."""
    semantics: str
    """What exactly lies between the bounds."""
    proven: bool = False
    """Whether the bounds are exact; else they are estimated from simulated episodes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What a solver adds to the result of a run."""

    certificate: Certificate | None = None
    """Proven bounds, if any."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    """Tables by name, written to ``tables/NAME.csv``."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Figures by name, written to ``plots/NAME.png``."""
    env_steps: int = 0
    """Environment steps that making it took; they count as evaluation."""


@runtime_checkable
class HasReport(Protocol):
    """A learner with something to add to the result of its run."""

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """What it adds, as of now; ``kept`` are the policies that the run hands out."""
        ...
