"""Domain randomisation: every episode in a model of its own, drawn from an uncertainty set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morl.problem_spec import ProblemSpec
from morl.protocols import EnvFactory, EnvRows, Rows
from morl.seeding import stream
from robust.uncertainty.base import Region
from robust.wrapped_rows import WrappedRows


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


class RandomisedRows(WrappedRows):
    """Rows that draw a model, uniformly from the set, at every reset for which none is named (None or NaN).

    The model is a function of the episode's seed, so that episodes stay functions of their seeds.
    """

    def __init__(self, rows: EnvRows, region: Region) -> None:
        """Wrap rows.

        Args:
            rows: What is stepped.
            region: Where models come from.
        """
        super().__init__(rows)
        self.region = region

    def reset(self, rows: Rows, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """Start episodes; see :meth:`morl.protocols.EnvRows.reset`."""
        drawn = torch.from_numpy(
            np.concatenate([self.region.sample(stream(int(seed), "domain randomisation"), 1) for seed in seeds])
        )
        models = drawn if dynamics is None else torch.where(dynamics.isnan(), drawn, dynamics.to(drawn))
        return self.rows.reset(rows, seeds, models)
