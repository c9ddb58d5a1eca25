"""Checks of what users hand in beside a process."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError
from robust.tabular.mdp import TabularMDP, checked_distributions, read_numbers


def checked_policy(mdp: TabularMDP, policy: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a policy as integers ``(S,)`` or probabilities ``(S, A)``; refuse what is none."""
    array = read_numbers("policy", policy, "actions (S,) or probabilities (S, A)")
    states, actions = mdp.num_states, mdp.num_actions
    if array.shape == (states, actions):
        return checked_distributions("policy", array, ("state", "action"))
    if array.shape != (states,):
        raise ShapeError(f"policy has shape {array.shape}: expected actions ({states},) or probabilities ({states}, {actions})")
    if not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(f"policy has type {array.dtype}; expected integers, one action per state")
    if array.min() < 0 or array.max() >= actions:
        raise ConfigurationError(f"policy holds actions in [{array.min()}, {array.max()}]; expected [0, {actions - 1}]")
    return array.astype(np.int64)


def checked_tolerance(tolerance: float) -> float:
    """Return a positive tolerance."""
    if not tolerance > 0:
        raise ConfigurationError(f"tolerance={tolerance!r}: expected a positive number, the largest error of the values")
    return float(tolerance)
