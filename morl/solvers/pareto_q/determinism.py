"""Whether a world is deterministic, as far as a few steps can tell: the same actions in rows with different seeds."""

from __future__ import annotations

import numpy as np
import torch

from morl.action_spaces import FiniteActions
from morl.errors import CapabilityError
from morl.protocols import EnvFactory
from morl.seeding import stream_seed, torch_stream
from morl.solvers.pareto_q.sets import refusal

_ROWS = 4
_STEPS = 32


def require_deterministic(env: EnvFactory, finite: FiniteActions, *, seed: int) -> None:
    """Refuse worlds that chance, or anything but observations and actions, has a say in.

    Args:
        env: The problem.
        finite: Its actions.
        seed: Of the actions and of the rows.

    Raises:
        CapabilityError: Rows with other seeds began elsewhere, or the same actions led them elsewhere or paid otherwise.
    """
    rows, everybody = env.rows(_ROWS, device=torch.device("cpu")), np.arange(_ROWS)
    generator = torch_stream(seed, "determinism")

    def begin(episode: int) -> torch.Tensor:
        seeds = [stream_seed(seed, "determinism", row, episode) for row in range(_ROWS)]
        observations = rows.reset(everybody, seeds)
        _require_equal(observations, f"{env.spec.env_id} begins elsewhere with every seed")
        return observations

    observations = begin(0)
    for step in range(1, _STEPS + 1):
        actions = finite.actions(finite.random(1, generator, torch.device("cpu")))
        before = observations
        observations, rewards, terminated, truncated = rows.step(actions.expand(_ROWS, *actions.shape[1:]), everybody)
        what = f"action {actions[0].tolist()} at observation {before[0].tolist()}"
        _require_equal(rewards, f"{what} pays otherwise with every seed")
        _require_equal(terminated, f"{what} ends episodes by chance")
        if not bool(terminated[0]):
            _require_equal(observations, f"{what} leads elsewhere with every seed")
        if bool((terminated | truncated)[0]):
            observations = begin(step)


def _require_equal(found: torch.Tensor, otherwise: str) -> None:
    if bool((found != found[:1]).any()):
        raise CapabilityError(refusal(otherwise))
