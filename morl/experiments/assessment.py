"""Assessment of a population: evaluate its policies, offer them to the archive, keep the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from morl.archives import Archive, ArchiveEntry
from morl.experiments.evaluation import Evaluator
from morl.protocols import Policy, State, prefixed, unprefixed

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Assessment:
    """What one evaluation of the population found."""

    env_steps: int
    """Training steps at which it took place."""
    values: Array
    """Mean discounted returns, ``(p, m)``."""
    standard_errors: Array
    """Of the means, ``(p, m)``."""
    undiscounted: Array
    """Mean undiscounted returns, ``(p, m)``."""
    weights: Array
    """Preference of each policy, ``(p, m)``."""
    returns: Array
    """Discounted return of every episode, ``(p, E, m)``: what ESR utilities average over."""


class Assessor:
    """Evaluates a population and owns the archive of the run."""

    def __init__(self, evaluator: Evaluator, archive: Archive) -> None:
        """Start with an archive.

        Args:
            evaluator: Runs the episodes.
            archive: Keeps what is worth keeping; it should be empty.
        """
        self.evaluator, self.archive = evaluator, archive
        self.latest: Assessment | None = None

    def assess(self, policies: Sequence[Policy], *, weights: Array, members: Sequence[int], env_steps: int) -> Assessment:
        """Evaluate policies and offer them to the archive.

        Args:
            policies: Snapshots, ``p`` of them.
            weights: Preference of each, ``(p, m)``.
            members: Identity of each, ``(p,)``.
            env_steps: Training steps so far.

        Returns:
            The record, also kept as ``latest``.
        """
        returns = self.evaluator(policies)
        values, errors = returns.mean(), returns.standard_error()
        undiscounted = returns.undiscounted.mean((1, 2))
        flat = returns.discounted.reshape(len(policies), -1, values.shape[1])
        self.archive.add(
            [
                ArchiveEntry(
                    values=values[i],
                    standard_errors=errors[i],
                    undiscounted=undiscounted[i],
                    weights=weights[i].copy(),
                    policy=policy,
                    env_steps=env_steps,
                    member=int(members[i]),
                    episodes=flat.shape[1],
                    gamma=self.evaluator.gamma,
                    deterministic=self.evaluator.evaluation.deterministic,
                )
                for i, policy in enumerate(policies)
            ]
        )
        self.latest = Assessment(env_steps, values, errors, undiscounted, np.array(weights, dtype=np.float64), flat)
        return self.latest

    def state(self) -> State:
        """Archive, latest record and accounts."""
        state: State = {
            "env_steps": self.evaluator.env_steps,
            "truncated": self.evaluator.truncated,
            **prefixed("archive", self.archive.state()),
        }
        if self.latest is not None:
            state["latest/env_steps"] = self.latest.env_steps
            for name in ("values", "standard_errors", "undiscounted", "weights", "returns"):
                state[f"latest/{name}"] = torch.from_numpy(getattr(self.latest, name))
        return state

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        self.evaluator.env_steps, self.evaluator.truncated = int(state["env_steps"]), int(state.get("truncated", 0))
        # Files give host tensors; archived policies meet those of the population, so they go back to where those are.
        device = self.evaluator.device
        self.archive.load_state(
            {key: value.to(device) if "/tensors/" in key else value for key, value in unprefixed("archive", state).items()}
        )
        latest = unprefixed("latest", state)
        self.latest = None
        if latest:
            arrays = {name: value.numpy().copy() for name, value in latest.items() if name != "env_steps"}
            self.latest = Assessment(env_steps=int(latest["env_steps"]), **arrays)
