"""Finite environments written down: successors, probabilities, vector rewards and ends of every state and action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers, read_floats, read_whole
from envs.probabilities import read_distributions

_NAMED = 8  # states that a message lists


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """A finite multi-objective decision process with ``S`` states, ``A`` actions and up to ``b`` successors of each pair."""

    successors: Integers
    """State that each branch leads to, ``(S, A, b)``."""
    probabilities: Floats
    """Of the branches, ``(S, A, b)``; each ``(s, a)`` sums to one, unused branches have zero."""
    rewards: npt.NDArray[np.floating[Any]]
    """Of the branches, ``(S, A, b, m)``; float32 in environments that are stepped."""
    terminal: Flags
    """Whether the episode ends with this branch, ``(S, A, b)``."""
    observations: npt.NDArray[Any]
    """What is seen in each state, ``(S, *shape)`` in the dtype of the observation space."""
    starts: Integers
    """States in which episodes begin, each with the same probability unless ``start_probabilities`` says more, ``(s,)``."""
    start_probabilities: Floats | None = None
    """Of the starts, ``(s,)``; None for equal ones."""

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
        if self.start_probabilities is not None:
            if self.start_probabilities.shape != self.starts.shape:
                raise ValueError(
                    f"start_probabilities has shape {self.start_probabilities.shape}; expected {self.starts.shape}"
                )
            start = read_distributions("start_probabilities", self.start_probabilities, ("start",))
            object.__setattr__(self, "start_probabilities", start)

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

    @classmethod
    def from_arrays(
        cls,
        transitions: npt.ArrayLike,
        rewards: npt.ArrayLike,
        *,
        start: npt.ArrayLike = 0,
        terminal_states: npt.ArrayLike = (),
        allow_unreachable: bool = False,
    ) -> Tables:
        """Tables of a process that is written down as plain arrays, checked before anything is computed.

        An episode ends on entering a terminal state; what stands in the rows of terminal states is not looked at, zeros
        will do.

        Args:
            transitions: Probabilities, ``(S, A, S)``. Rows must sum to one: a state that leaks is refused.
            rewards: Of a state and an action ``(S, A, m)``, or of the transition too ``(S, A, S, m)``.
            start: The state in which episodes begin, or a distribution over all states ``(S,)``.
            terminal_states: Numbers of the states that end an episode.
            allow_unreachable: Accept states that no episode can reach. They change no answer, but are often a mistake.

        Raises:
            ValueError: Shapes disagree, a number is NaN or infinite, a row is no distribution, a start is terminal or no state,
                or states cannot be reached; names them.

        Example:
            >>> step = [[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]] * 2, [[0.0, 0.0, 0.0]] * 2]
            >>> pay = [[[1.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 2]
            >>> Tables.from_arrays(step, pay, terminal_states=[2]).num_objectives
            2
        """
        chances = read_floats("transitions", transitions, "probabilities (S, A, S)")
        if chances.ndim != 3 or not chances.size or chances.shape[0] != chances.shape[2]:
            raise ValueError(f"transitions has shape {chances.shape}; expected (S, A, S), probabilities of the next state")
        states, actions, _ = shape = chances.shape
        gains = read_floats("rewards", rewards, "rewards (S, A, m) or (S, A, S, m)")
        if gains.ndim == 3 and gains.shape[:2] == shape[:2]:
            gains = np.broadcast_to(gains[:, :, None], (*shape, gains.shape[-1]))
        if gains.ndim != 4 or gains.shape[:3] != shape or not gains.shape[-1]:
            raise ValueError(
                f"rewards has shape {gains.shape}; expected ({states}, {actions}, m) or ({states}, {actions}, {states}, m)"
            )
        ends = read_whole(
            "terminal_states", np.asarray(terminal_states, np.int64) if np.size(terminal_states) == 0 else terminal_states
        )
        if ends.size and (ends.min() < 0 or ends.max() >= states):
            raise ValueError(f"terminal_states must name states 0 to {states - 1}; found {ends.min()} to {ends.max()}")
        is_end = np.zeros(states, np.bool_)
        is_end[ends.reshape(-1)] = True
        chances[is_end] = np.eye(states)[is_end][:, None]
        gains = np.where(is_end[:, None, None, None], 0.0, gains)
        if not np.isfinite(gains).all():
            state, action = np.argwhere(~np.isfinite(gains))[0, :2]
            raise ValueError(f"rewards contains NaN or infinity (state {state}, action {action}); expected finite rewards")
        chances = read_distributions("transitions", chances, ("state", "action", "next state"))
        starts, start_chances = _read_start(start, states)
        if is_end[starts].any():
            raise ValueError(f"the start {starts[is_end[starts]][0]} is a terminal state; an episode needs at least one step")
        if not allow_unreachable:
            lost = np.flatnonzero(~reached_states(np.broadcast_to(np.arange(states), shape), chances > 0, starts))
            if lost.size:
                named = ", ".join(map(str, lost[:_NAMED].tolist())) + (", ..." if lost.size > _NAMED else "")
                raise ValueError(
                    f"no episode reaches {lost.size} of {states} states ({named}): correct transitions or start, or give "
                    "allow_unreachable=True"
                )
        # Successors that are possible come first, so that the rest can be cut off.
        width = max(1, int((chances > 0).sum(-1).max()))
        order = np.argsort(chances == 0, axis=-1, kind="stable")[..., :width]
        return cls(
            successors=order,
            probabilities=np.take_along_axis(chances, order, -1),
            rewards=np.take_along_axis(gains, order[..., None], 2),
            terminal=is_end[order],
            observations=np.arange(states),
            starts=starts,
            start_probabilities=start_chances,
        )

    @property
    def num_objectives(self) -> int:
        """``m``."""
        return int(self.rewards.shape[-1])

    @property
    def start_distribution(self) -> Floats:
        """Probability that an episode begins in each state, ``(S,)``."""
        equal = np.full(self.starts.size, 1.0 / self.starts.size)
        chances = equal if self.start_probabilities is None else self.start_probabilities
        return np.bincount(self.starts, chances, minlength=self.successors.shape[0]).astype(np.float64)


def _read_start(start: npt.ArrayLike, states: int) -> tuple[Integers, Floats | None]:
    """Starts and their probabilities, from a state or a distribution over all of them."""
    if np.ndim(start) == 0:
        state = int(read_whole("start", start))
        if not 0 <= state < states:
            raise ValueError(f"start is {state}; expected a state from 0 to {states - 1}")
        return np.array([state]), None
    chances = read_distributions("start", start, ("state",))
    if chances.shape != (states,):
        raise ValueError(f"start has shape {chances.shape}; expected a state or a distribution over all states, ({states},)")
    starts = np.flatnonzero(chances)
    return starts, chances[starts]


def reached_states(successors: Integers, leads: Flags, starts: Integers) -> Flags:
    """Which states an episode can come to, ``(S,)``.

    Args:
        successors: ``(S, ...)``.
        leads: Whether the episode goes on along this branch, ``(S, ...)``.
        starts: First states.
    """
    reached = np.zeros(successors.shape[0], np.bool_)
    frontier = starts
    while frontier.size:
        reached[frontier] = True
        found = np.unique(successors[frontier][leads[frontier]])
        frontier = found[~reached[found]]
    return reached


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
