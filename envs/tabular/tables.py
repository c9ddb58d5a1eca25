"""Finite environments written down: successors, probabilities, vector rewards and ends of every state and action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.probabilities import read_distributions


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """A finite multi-objective decision process with ``S`` states, ``A`` actions and up to ``b`` successors of each pair."""

    successors: Integers
    """State that each branch leads to, ``(S, A, b)``."""
    probabilities: Floats
    """Of the branches, ``(S, A, b)``; each ``(s, a)`` sums to one, unused branches have zero."""
    rewards: npt.NDArray[np.float32]
    """Of the branches, ``(S, A, b, m)``."""
    terminal: Flags
    """Whether the episode ends with this branch, ``(S, A, b)``."""
    observations: npt.NDArray[Any]
    """What is seen in each state, ``(S, *shape)`` in the dtype of the observation space."""
    starts: Integers
    """States in which episodes begin, each with the same probability, ``(s,)``."""

    def __post_init__(self) -> None:
        shape = self.successors.shape
        if len(shape) != 3 or self.probabilities.shape != shape or self.terminal.shape != shape:
            raise ValueError(
                f"successors {shape}, probabilities {self.probabilities.shape} and terminal {self.terminal.shape} "
                "must have the same shape (S, A, b)"
            )
        if self.rewards.shape[:-1] != shape:
            raise ValueError(f"rewards has shape {self.rewards.shape}; expected {shape} and the number of objectives")
        if self.observations.shape[0] != shape[0]:
            raise ValueError(f"observations has {self.observations.shape[0]} entries; expected one per state, {shape[0]}")
        for name, states in (("successors", self.successors), ("starts", self.starts)):
            if states.size == 0 or states.min() < 0 or states.max() >= shape[0]:
                raise ValueError(f"{name} must name states 0 to {shape[0] - 1}")
        chances = read_distributions("probabilities", self.probabilities, ("state", "action", "branch"))
        object.__setattr__(self, "probabilities", chances)

    @classmethod
    def deterministic(
        cls,
        *,
        successors: Integers,
        rewards: npt.NDArray[np.float32],
        terminal: Flags,
        observations: npt.NDArray[Any],
        start: int,
    ) -> Tables:
        """Tables of a deterministic environment with one start.

        Args:
            successors: ``(S, A)``.
            rewards: ``(S, A, m)``.
            terminal: ``(S, A)``.
            observations: ``(S, *shape)``.
            start: First state of every episode.
        """
        return cls(
            successors=successors[..., None],
            probabilities=np.ones((*successors.shape, 1)),
            rewards=rewards[..., None, :],
            terminal=terminal[..., None],
            observations=observations,
            starts=np.array([start]),
        )

    @property
    def num_objectives(self) -> int:
        """``m``."""
        return int(self.rewards.shape[-1])


def grid_moves(height: int, width: int, blocked: Flags, moves: Integers) -> Integers:
    """Where each move leads on a grid: walking out of it or into a blocked cell leaves one where one is.

    Args:
        height: Number of rows of cells.
        width: Number of columns.
        blocked: Cells that cannot be entered, ``(height, width)``.
        moves: Change of (row, column) of each action, ``(A, 2)``.

    Returns:
        Cell numbers ``row * width + column``, ``(height * width, A)``.
    """
    cells = np.stack(np.unravel_index(np.arange(height * width), (height, width)), axis=-1)
    targets = cells[:, None, :] + moves
    inside: Flags = np.all((targets >= 0) & (targets < (height, width)), axis=-1)
    row, column = np.where(inside[..., None], targets, cells[:, None, :]).transpose(2, 0, 1)
    here = np.arange(height * width)[:, None]
    return np.where(inside & ~blocked[row, column], row * width + column, here)
