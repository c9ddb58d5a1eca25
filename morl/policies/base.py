"""What every policy snapshot shares: single and batched calls, numpy and torch, files."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, FiniteActions, discrete_start, finite_actions
from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.observations import Layout, Misfit, one_or_batch
from morl.protocols import Memory, Policy
from morl.spaces import space_to_json

FORMAT = 1
"""Version of the policy files."""


class BasePolicy(Policy, ABC):
    """Base of the policy snapshots, on top of two methods.

    A subclass acts for ``p`` stacked policies at once: every tensor it owns has the policies on axis 0, so that a whole
    population or archive is evaluated with batched products. A single policy is ``p = 1``.
    """

    kind: ClassVar[str]
    takes_weights: ClassVar[bool] = False
    """Whether one policy serves any preference: it acts by the weights that it is given."""
    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    joint_actions: bool = True
    """Whether a finite action is one choice among all combinations of its components, the last one fastest."""

    @abstractmethod
    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Act for all stacked policies: raw observations ``(p, B, *shape)`` -> actions ``(p, B, ...)``."""

    def __repr__(self) -> str:
        """In one line: what goes in and comes out, and how many numbers are inside, which are not printed."""
        numbers = sum(tensor.numel() for tensor in self.tensors().values())
        return f"{type(self).__name__}({self.observation_space} -> {self.action_space}, {numbers:,} numbers)"

    def config(self) -> dict[str, Any]:
        """What JSON can hold: with :meth:`tensors` enough to rebuild the policy; a subclass adds what only it has."""
        return {
            "kind": self.kind,
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
        }

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Parameters by name, each ``(p, ...)``."""

    def layout(self) -> dict[str, list[str]]:
        """Name the axes of tensors, for those who read the files without this package; empty if nothing is said."""
        return {}

    @classmethod
    @abstractmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """Rebuild from :meth:`config` and :meth:`tensors`."""

    @classmethod
    def stack(cls, policies: Sequence[Self]) -> Self:
        """Stack policies of equal configuration into one object that acts for all of them.

        Args:
            policies: At least one.

        Returns:
            A policy whose tensors have all of them on axis 0.
        """
        parts = [policy.tensors() for policy in policies]
        return cls.from_parts(policies[0].config(), {name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    def stacking_key(self) -> str:
        """Policies with the same key can be stacked."""
        shapes = {name: list(tensor.shape[1:]) for name, tensor in self.tensors().items()}
        return json.dumps([self.kind, self.config(), shapes], sort_keys=True)

    def is_same(self, other: object) -> bool:
        """Whether another policy is a snapshot of the very same: of the same kind, configuration and parameters."""
        if type(other) is not type(self) or other.stacking_key() != self.stacking_key():
            return False
        theirs = other.tensors()
        return all(torch.equal(tensor, theirs[name]) for name, tensor in self.tensors().items())

    def at(self, weights: npt.NDArray[np.float64]) -> BasePolicy:
        """The policy that acts by weights ``(m,)`` where none are given; itself, if it takes none."""
        del weights
        return self

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        """Memory at the start of episodes, ``(p, B, ...)``."""
        del policies, batch
        return {}

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        """Carry the memory over one step.

        Args:
            memory: Before the step, ``(p, B, ...)``.
            observations: Raw ones that were acted on, ``(p, B, *shape)``.
            actions: Taken there, ``(p, B, ...)``.
            rewards: ``(p, B, m)``.
            done: Whose episode ended, ``(p, B)``.
        """
        del observations, actions, rewards, done
        return memory

    def memory(self, batch: int) -> Memory:
        return {key: value[0] for key, value in self.stacked_memory(1, batch).items()}

    @cached_property
    def finite(self) -> FiniteActions | None:
        """The choices of finite actions; None for a box of real numbers."""
        return finite_actions(self.action_space, joint_limit=MOST_OPTIONS if self.joint_actions else 0)

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.observation_space)

    def checked_observations(self, observations: Any) -> npt.NDArray[Any]:
        """Bring observations into the raw form; see :mod:`morl.observations`.

        Args:
            observations: As the environment returns them, or raw ones: one or a batch.

        Returns:
            ``(*shape)`` or ``(B, *shape)``.

        Raises:
            ShapeError: They are not in the observation space.
        """
        layout = self._layout
        try:
            raw = layout.raw(observations)
        except Misfit as misfit:
            raise ShapeError(f"the policy was given {misfit}") from misfit
        if raw.ndim - len(layout.shape) > 1:
            raise ShapeError(f"the policy was given observations of shape {raw.shape}; expected {one_or_batch(layout.shape)}")
        return np.asarray(raw, order="C")

    def act(
        self,
        observations: Any,
        memory: Memory | None = None,
        *,
        weights: Any = None,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Choose actions; see :meth:`morl.protocols.Policy.act`.

        Raises:
            ShapeError: The observations have neither the space's shape nor one more batch axis, or are not in the space:
                integers out of bounds, or real numbers that are not finite. Finite ones may leave their box.
        """
        device = next(iter(self.tensors().values())).device
        raw = self.checked_observations(observations)
        single = raw.ndim == len(self._layout.shape)
        batch = torch.from_numpy(raw[None] if single else raw).to(device)
        state = {k: v.unsqueeze(0) for k, v in (self.memory(len(batch)) if memory is None else memory).items()}
        preference = None
        if weights is not None:
            preference = torch.as_tensor(weights, dtype=torch.float32, device=device)
            preference = preference.expand(len(batch), preference.shape[-1]).unsqueeze(0)
        with torch.inference_mode():
            actions = self.act_stacked(batch.unsqueeze(0), state, preference, deterministic, generator)[0]
        actions = actions + discrete_start(self.action_space)
        actions = actions[0] if single else actions
        if isinstance(observations, Tensor) or (self._layout.is_nested and _holds_tensors(observations)):
            return actions
        out = actions.cpu().numpy().astype(self.action_space.dtype, copy=False)
        # A Discrete action is a Python integer; a single number of another space is what that space calls an action: an array.
        return out.item() if single and isinstance(self.action_space, spaces.Discrete) else np.asarray(out)

    def observe(
        self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, next_observations: Tensor, done: Tensor
    ) -> Memory:
        del next_observations
        stacked = {key: value.unsqueeze(0) for key, value in memory.items()}
        step = (part.unsqueeze(0) for part in (observations, actions - discrete_start(self.action_space), rewards, done))
        following = self.observe_stacked(stacked, *step)
        return {key: value[0] for key, value in following.items()}

    def save(self, folder: str | Path, name: str = "policy") -> Path:
        """Write ``NAME.safetensors`` and ``NAME.json``.

        Args:
            folder: Where; created if needed.
            name: Stem of both files.

        Returns:
            Path of the JSON file, which :func:`load_policy` takes.
        """
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = save({key: value.detach().cpu().contiguous() for key, value in self.tensors().items()})
        (folder / f"{name}.safetensors").write_bytes(data)
        config = self.config()
        description = {"format": FORMAT, "kind": self.kind, "sha256": _checksum(config, data), "config": config}
        if layout := self.layout():
            description["layout"] = layout
        path = folder / f"{name}.json"
        path.write_text(json.dumps(description, indent=1) + "\n")
        return path


def _holds_tensors(observations: Any) -> bool:
    """Whether the first array of an observation with parts is a tensor."""
    while isinstance(observations, (Mapping, tuple, list)) and observations:
        observations = next(iter(observations.values() if isinstance(observations, Mapping) else observations))
    return isinstance(observations, Tensor)


def _checksum(config: Any, tensors: bytes) -> str:
    """SHA-256 of both files' content."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode() + tensors).hexdigest()


def policy_from(config: dict[str, Any], tensors: dict[str, Tensor]) -> BasePolicy:
    """Rebuild a policy of any kind.

    Args:
        config: Its :meth:`BasePolicy.config`, which names the kind.
        tensors: Its :meth:`BasePolicy.tensors`.

    Returns:
        The policy.
    """
    from morl.registry import component

    cls: type[BasePolicy] = component("policy", config["kind"])
    return cls.from_parts(config, tensors)


def load_policy(path: str | Path) -> BasePolicy:
    """Load a policy written by ``Policy.save``.

    Args:
        path: The JSON file, or the folder if it holds ``policy.json``.

    Returns:
        The policy, on the CPU.

    Raises:
        CheckpointError: A file is missing, truncated, tampered with or of a newer format.
    """
    from safetensors.torch import load

    path = Path(path)
    if path.is_dir():
        path = path / "policy.json"
    try:
        description = json.loads(path.read_text())
        data = path.with_suffix(".safetensors").read_bytes()
        if description["format"] != FORMAT:
            raise CheckpointError(
                f"{path} has format {description['format']}, this version reads {FORMAT}; load it with the one that wrote it"
            )
        if _checksum(description["config"], data) != description["sha256"]:
            raise CheckpointError(
                f"{path} or {path.with_suffix('.safetensors').name} is truncated or was changed after it was written; "
                "restore both from a copy"
            )
        return policy_from(description["config"], load(data))
    except FileNotFoundError as error:
        raise CheckpointError(f"no policy at {error.filename}; pass the JSON file that Policy.save wrote") from error
    except (CheckpointError, ConfigurationError, OSError):
        raise
    except Exception as error:
        # What is in a file is anybody's: whatever goes wrong with it is the file's fault.
        raise CheckpointError(
            f"{path} is not a readable policy file ({type(error).__name__}: {error}); restore it from a copy"
        ) from error
