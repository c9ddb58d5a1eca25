"""What worlds that are paid the marginal gains of a set function have in common."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch

from envs.arrays import Floats, Integers
from envs.coverage.set_functions.set_function import SetFunction, State
from envs.drawn_env import DrawnEnv
from envs.native_env import shorter
from envs.protocols import Rows


class GainRewards(DrawnEnv):
    """Base of the batched worlds with a set function of what they visit, the start included, and a horizon of their own."""

    set_function: SetFunction
    """Of what is visited."""
    horizon: int
    """Actions per episode."""
    _state: State
    _largest_gains: npt.NDArray[Any]
    """The largest gains there are, ``(m,)``."""

    def _take(self, set_function: SetFunction, horizon: int, *, vector_reward: bool) -> None:
        """Take over what the set function says of its objectives, and make room for its sets."""
        self.set_function, self.horizon = set_function, horizon
        self.scalar_reward = set_function.num_objectives == 1 and not vector_reward
        self.objective_names, self.objective_units = set_function.objective_names, set_function.objective_units
        self._state = set_function.start(self.num_envs, capacity=horizon + 1)
        self._fresh = set_function.start(1, capacity=horizon + 1)

    @property
    def values(self) -> Floats:
        """Value of what each row has visited in its episode, the start included, ``(R, m)``."""
        return self._state["value"].numpy().copy()

    @property
    def _longest_episode(self) -> int | None:
        return shorter(self.horizon, self.max_episode_steps)

    def _left_to_gain(self, row: int) -> Floats:
        """What a visit to each element would add to the set of a row, ``(V,)``.

        From 0, nothing, to 1, as much as any element can add; the mean over the objectives if there are several.
        """
        try:
            gains = self.set_function.gains(self._state, torch.tensor([row]))[0].numpy()
        except (IndexError, RuntimeError, ValueError):
            # A full set takes no further visit. A function of one's own may then be unable to tell; nothing is left.
            if self._running[row]:
                raise
            return np.zeros(self.set_function.num_elements)
        return np.asarray((gains / np.maximum(np.asarray(self._largest_gains, np.float64), 1e-300)).mean(axis=-1))

    def _gain(self, rows: Rows, elements: Integers) -> npt.NDArray[np.float32]:
        """Let some rows visit an element each, and return what that gained, ``(r, m)``."""
        gains = self.set_function.advance(self._state, torch.from_numpy(elements), torch.from_numpy(rows))
        return gains.numpy().astype(np.float32)


def gain_space(singletons: torch.Tensor) -> gymnasium.spaces.Box:
    """Space of gains: none is larger than that of an element alone, ``(V, m)``; one step of float32 for rounding."""
    largest = np.maximum(singletons.amax(0).numpy(), 0.0).astype(np.float32)
    return gymnasium.spaces.Box(np.zeros_like(largest), np.nextafter(largest, np.float32(np.inf)), dtype=np.float32)
