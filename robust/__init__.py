"""Decisions that hold up under uncertain dynamics: exact robust tabular MDPs, and IWOCS with its certificate."""

from __future__ import annotations

import os
from importlib import import_module
from runpy import run_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.iwocs import IWOCS
    from robust.tabular.iwocs import Iteration, IWOCSResult

__all__ = ["IWOCS", "IWOCSResult", "Iteration"]

# By its path: a folder of the user's may stand in the place of envs.
run_path(os.path.join(os.path.dirname(os.path.dirname(__file__)), "envs", "siblings.py"))["require_siblings"]()

_HOMES = {"IWOCS": "robust.iwocs", "IWOCSResult": "robust.tabular.iwocs", "Iteration": "robust.tabular.iwocs"}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: listing what there is (:mod:`robust.components`) loads neither torch nor scipy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'robust' has no attribute {name!r}")
