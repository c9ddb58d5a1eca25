"""Trade-offs under uncertainty: train a population of policies on scalar sub-problems, and move the sub-problems."""

from __future__ import annotations

import os
from runpy import run_path
from typing import TYPE_CHECKING, Any

from morl.version import __version__

if TYPE_CHECKING:
    from morl.evaluation import Evaluation
    from morl.experiments.result import Run, RunResult

__all__ = ["Evaluation", "Run", "RunResult", "__version__"]

# By its path: a folder of the user's may stand in the place of envs.
run_path(os.path.join(os.path.dirname(os.path.dirname(__file__)), "envs", "siblings.py"))["require_siblings"]()

_LAZY = {
    "Evaluation": "morl.evaluation",
    "Run": "morl.experiments.result",
    "RunResult": "morl.experiments.result",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that ``morl --help`` does not load torch."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'morl' has no attribute {name!r}")
