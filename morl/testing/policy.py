"""Check a policy snapshot."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch

from morl.observations import Layout
from morl.policies.base import load_policy
from morl.testing.requirement import require


def check_policy(policy: Any, *, batch: int = 20, seed: int = 0) -> None:
    """Check that a policy keeps the contract of :class:`morl.protocols.Policy`.

    Args:
        policy: What to check; it must know its ``observation_space`` and ``action_space``.
        batch: Number of observations to try.
        seed: Of the observations and the sampled actions.

    Raises:
        AssertionError: It breaks the contract; the message says where.
    """
    space, actions = policy.observation_space, policy.action_space
    observations = sampled_observations(space, batch, seed)
    chosen = policy.act(observations)
    require(isinstance(chosen, np.ndarray) and len(chosen) == batch, "a batch of numpy observations must give a numpy batch")
    for i in range(batch):
        single = policy.act(observations[i])
        require(actions.contains(single), f"a single observation gave {single!r}, which is not in {actions}")
        require(np.allclose(single, chosen[i], rtol=1e-4, atol=1e-5), "a single observation and a batch gave different actions")
    tensor = policy.act(torch.from_numpy(observations))
    require(isinstance(tensor, torch.Tensor), "torch observations must give torch actions")
    require(np.array_equal(tensor.numpy(), chosen), "numpy and torch observations gave different actions")
    sampled = [_sampled(policy, observations, seed) for _ in range(2)]
    require(np.array_equal(*sampled), "the same generator gave different sampled actions")
    memory = policy.memory(batch)
    require(all(len(value) == batch for value in memory.values()), "memory(B) must have B on axis 0 of every tensor")
    with TemporaryDirectory() as folder:
        loaded = load_policy(policy.save(Path(folder)))
    require(np.array_equal(loaded.act(observations), chosen), "a loaded policy acts differently from the saved one")
    require(np.array_equal(_sampled(loaded, observations, seed), sampled[0]), "a loaded policy samples differently")


def sampled_observations(space: gym.Space[Any], count: int, seed: int) -> npt.NDArray[Any]:
    """Random observations of a space in the raw form (:mod:`morl.observations`), ``(count, *shape)``."""
    layout = Layout(space)
    space.seed(seed)
    return np.stack([layout.raw(space.sample()) for _ in range(count)])


def _sampled(policy: Any, observations: Any, seed: int) -> Any:
    return policy.act(observations, deterministic=False, generator=torch.Generator().manual_seed(seed))
