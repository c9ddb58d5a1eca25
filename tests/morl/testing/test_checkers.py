"""The public checkers notice what they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from morl.archives import Archive
from morl.scalarizations import PBI, WeightedSum
from morl.testing import check_archive, check_scalarization, check_weight_adaptation, check_weight_generation
from morl.weights.adaptation import PSA


@dataclass(frozen=True, kw_only=True)
class Stateful:
    """Remembers the best value seen, as the reference implementation's Chebyshev does."""

    is_linear: ClassVar[bool] = False
    needs_ideal_point: ClassVar[bool] = False
    best: ClassVar[list[float]] = []

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        self.best.append(float(np.asarray(values.detach() if hasattr(values, "detach") else values).sum()))
        return WeightedSum()(values, weights) - max(self.best) - len(self.best)


def test_scalarization_checker() -> None:
    with pytest.raises(AssertionError, match=r"one by one|keep no state"):
        check_scalarization(Stateful())
    with pytest.raises(AssertionError, match="scored less"):
        check_scalarization(PBI(theta=20.0), monotone=True)


def test_weight_generation_checker() -> None:
    def off_the_simplex(num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
        return np.ones((num_vectors, num_objectives))

    with pytest.raises(AssertionError, match="simplex"):
        check_weight_generation(off_the_simplex)


def test_weight_adaptation_checker() -> None:
    def in_place(weights: Any, values: Any, archive_values: Any, *, gains: Any, rng: np.random.Generator) -> Any:
        return weights

    def forgets_corners(weights: Any, values: Any, archive_values: Any, *, gains: Any, rng: np.random.Generator) -> Any:
        PSA()(weights, values, archive_values)
        return np.full(weights.shape, 1 / weights.shape[1])

    def in_return_units(weights: Any, values: Any, archive_values: Any, *, gains: Any, rng: np.random.Generator) -> Any:
        moved = PSA()(weights, values, archive_values)
        moved[-1] = np.abs(values[-1]) / np.abs(values[-1]).sum()
        return moved

    for broken, message in (
        (in_place, "returned one of them"),
        (forgets_corners, "members at corners"),
        (in_return_units, "other units of the objectives"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_weight_adaptation(broken)


def test_archive_checker() -> None:
    class KeepsEverything(Archive):
        def keep(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
            return np.ones(len(values), dtype=np.bool_)

    with pytest.raises(AssertionError, match="dominates another"):
        check_archive(KeepsEverything())
