"""Whether a world is deterministic, as far as a few steps can tell: the same actions in rows with different seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from morl.protocols import EnvFactory
from morl.seeding import stream_seed, torch_stream

_ROWS = 4


def found_chance(env: EnvFactory, draw: Callable[[torch.Generator], Tensor], *, seed: int, steps: int) -> str:
    """Look for what chance, or anything but observations and actions, has a say in.

    Args:
        env: The problem.
        draw: Draws an action, ``(1, ...)``.
        seed: Of the actions and of the rows.
        steps: To look at, in each of four rows.

    Returns:
        What was found, as a clause; empty if rows with other seeds began alike and the same actions led and paid them alike.
    """
    rows, everybody = env.rows(_ROWS, device=torch.device("cpu")), np.arange(_ROWS)
    generator = torch_stream(seed, "determinism")

    def begin(episode: int) -> Tensor:
        return rows.reset(everybody, [stream_seed(seed, "determinism", row, episode) for row in range(_ROWS)])

    begins = f"{env.spec.env_id} begins elsewhere with every seed"
    observations = begin(0)
    if _differ(observations):
        return begins
    for step in range(1, steps + 1):
        actions = draw(generator)
        before = observations
        observations, rewards, terminated, truncated = rows.step(actions.expand(_ROWS, *actions.shape[1:]), everybody)
        what = f"action {actions[0].tolist()} at observation {before[0].tolist()}"
        if _differ(rewards):
            return f"{what} pays otherwise with every seed"
        if _differ(terminated):
            return f"{what} ends episodes by chance"
        if not bool(terminated[0]) and _differ(observations):
            return f"{what} leads elsewhere with every seed"
        if bool((terminated | truncated)[0]):
            observations = begin(step)
            if _differ(observations):
                return begins
    return ""


def _differ(found: Tensor) -> bool:
    return bool((found != found[:1]).any())
