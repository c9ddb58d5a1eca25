"""Decisions that hold up under uncertain dynamics: exact robust tabular MDPs, and IWOCS with its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.iwocs import IWOCS, Iteration, IWOCSResult

__all__ = ["IWOCS", "IWOCSResult", "Iteration"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: listing what there is (:mod:`robust.components`) loads neither torch nor scipy."""
    if name in __all__:
        import robust.iwocs

        return getattr(robust.iwocs, name)
    raise AttributeError(f"module 'robust' has no attribute {name!r}")
