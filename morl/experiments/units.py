"""What a run's budget counts: environment steps, or updates where a learner has a data set and no environment to act in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Unit: TypeAlias = Literal["env_steps", "updates"]
"""Name of the key in a configuration, of the column in tables, and of the option of ``morl resume``."""

WORDS: dict[Unit, str] = {"env_steps": "environment steps", "updates": "updates"}
"""What they are called."""
SHORT: dict[Unit, str] = {"env_steps": "steps", "updates": "updates"}
"""The same where there is little room."""


def unit_of(row: Mapping[str, Any]) -> Unit:
    """The unit in which a row of a table, or a summary, says how far the run was."""
    return "updates" if "updates" in row else "env_steps"


def option(unit: Unit) -> str:
    """The option of ``morl resume`` that sets a new budget."""
    return f"--{unit.replace('_', '-')}"
