"""Domain randomisation: every episode in a model of its own, drawn from an uncertainty set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.problem import ProblemSpec
from morl.protocols import EnvFactory, EnvRows, Rows, State
from morl.seeding import stream
from robust.uncertainty.base import Region


@dataclass(frozen=True)
class RandomisedProblem:
    """A problem whose rows draw a model at every reset for which none is named; an :class:`~morl.protocols.EnvFactory`."""

    problem: EnvFactory
    region: Region

    @property
    def spec(self) -> ProblemSpec:
        """Of the problem."""
        return self.problem.spec

    def rows(self, num_rows: int, *, device: torch.device) -> RandomisedRows:
        """Fresh rows."""
        return RandomisedRows(self.problem.rows(num_rows, device=device), self.region)

    def evaluator(self, *, gamma: float, device: torch.device) -> Any:
        """The problem's own."""
        return self.problem.evaluator(gamma=gamma, device=device)


class RandomisedRows:
    """Rows that draw a model, uniformly from the set, at every reset for which none is named (None or NaN).

    The model is a function of the episode's seed, so that episodes stay functions of their seeds.
    """

    def __init__(self, rows: EnvRows, region: Region) -> None:
        """Wrap rows.

        Args:
            rows: What is stepped.
            region: Where models come from.
        """
        self.rows, self.region, self.num_rows = rows, region, rows.num_rows

    def reset(self, rows: Rows, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """Start episodes; see :meth:`morl.protocols.EnvRows.reset`."""
        drawn = torch.from_numpy(
            np.concatenate([self.region.sample(stream(int(seed), "domain randomisation"), 1) for seed in seeds])
        )
        models = drawn if dynamics is None else torch.where(dynamics.isnan(), drawn, dynamics.to(drawn))
        return self.rows.reset(rows, seeds, models)

    def step(self, actions: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See :meth:`morl.protocols.EnvRows.step`."""
        return self.rows.step(actions, rows)

    def state(self) -> State:
        """See :meth:`morl.protocols.EnvRows.state`; the models drawn are part of it."""
        return self.rows.state()

    def load_state(self, state: State) -> None:
        """See :meth:`morl.protocols.EnvRows.load_state`."""
        self.rows.load_state(state)

    def replay(self, state: State) -> Tensor | None:
        """See :meth:`morl.protocols.EnvRows.replay`."""
        return self.rows.replay(state)
