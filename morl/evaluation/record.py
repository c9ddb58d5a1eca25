"""The record of a population: evaluate its candidates, offer them to the archive, keep what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from morl.archives import Archive, ArchiveEntry
from morl.evaluation.evaluator import Evaluator
from morl.protocols import Candidate, State, prefixed, unprefixed
from morl.task import Utility

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evaluated:
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
    """Preference of each candidate, ``(p, m)``."""
    returns: Array
    """Discounted return of every episode, ``(p, E, m)``: what ESR utilities average over."""

    def select(self, index: Sequence[int]) -> Evaluated:
        """What was found of some candidates, ``(p',)``; with repetition, if wanted."""
        names = ("values", "standard_errors", "undiscounted", "weights", "returns")
        return Evaluated(self.env_steps, **{name: getattr(self, name)[list(index)] for name in names})


def own_utilities(utility: Utility, found: Evaluated) -> torch.Tensor:
    """Each candidate's own utility, ``(p,)``: of the mean return (SER), or its mean over the episodes (ESR).

    Args:
        utility: Of the candidates, in their order.
        found: What was found of them.
    """
    host = utility.to(torch.device("cpu"))
    if host.criterion == "esr":
        return host(torch.from_numpy(found.returns)).mean(1)
    return host(torch.from_numpy(found.values))


class Record:
    """Evaluates a population and owns the archive of the run."""

    def __init__(self, evaluator: Evaluator, archive: Archive) -> None:
        """Start with an archive.

        Args:
            evaluator: Runs the episodes.
            archive: Keeps what is worth keeping; it should be empty.
        """
        self.evaluator, self.archive = evaluator, archive
        self.latest: Evaluated | None = None

    def evaluate(self, candidates: Sequence[Candidate], *, env_steps: int) -> Evaluated:
        """Evaluate the population and offer it to the archive.

        Args:
            candidates: ``p`` of them.
            env_steps: Training steps so far.

        Returns:
            What was found, also kept as ``latest``.
        """
        self.latest = self.survey(candidates, env_steps=env_steps)
        return self.latest

    def survey(self, candidates: Sequence[Candidate], *, env_steps: int) -> Evaluated:
        """Evaluate candidates that are not the population, and offer them to the archive; see :meth:`evaluate`."""
        weights = np.stack([candidate.weights for candidate in candidates])
        returns = self.evaluator([candidate.policy for candidate in candidates], weights=weights)
        values, errors = returns.mean(), returns.standard_error()
        undiscounted = returns.undiscounted.mean((1, 2))
        flat = returns.discounted.reshape(len(candidates), -1, values.shape[1])
        self.archive.add(
            [
                ArchiveEntry(
                    values=values[i],
                    standard_errors=errors[i],
                    undiscounted=undiscounted[i],
                    weights=candidate.weights,
                    policy=candidate.policy,
                    env_steps=env_steps,
                    member=candidate.member,
                    episodes=flat.shape[1],
                    gamma=self.evaluator.gamma,
                    deterministic=self.evaluator.evaluation.deterministic,
                )
                for i, candidate in enumerate(candidates)
            ]
        )
        return Evaluated(env_steps, values, errors, undiscounted, weights.astype(np.float64), flat)

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
            self.latest = Evaluated(env_steps=int(latest["env_steps"]), **arrays)
