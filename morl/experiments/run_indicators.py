"""The indicators of one run: which reference point, which known front, which preferences, and the numbers they give."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.benchmarks import benchmark
from morl.errors import ShapeError
from morl.indicators import cardinality, expected_utility, hypervolume_estimate, igd_plus, maximum_utility_loss, sparsity
from morl.objectives import objectives_of
from morl.problem import Problem
from morl.protocols import State
from morl.weights import simplex_lattice

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

_PREFERENCES = 50
"""Least number of evenly spread preferences behind expected utility; the usual number of the literature."""


_ESTIMATED = 7
"""From this number of objectives on, the standard errors of hypervolumes are columns of their own; 0 where they are exact."""


def expected_utilities(values: Array, weights: Array) -> dict[str, float | int]:
    """How good one network for all weights is at what it is asked for, and how good its policies are together.

    Args:
        values: Of the network at some weights, ``(p, m)``, return units.
        weights: These, ``(p, m)``, evenly spread.

    Returns:
        ``matched_expected_utility``, the mean utility of each policy by its own weights; ``set_expected_utility``, that of the
        best of all of them for each; and ``candidates``, how many there are. They differ where the network does not follow its
        weights.
    """
    utilities = weights @ values.T
    matched, best = float(np.diag(utilities).mean()), float(utilities.max(1).mean())
    return {"matched_expected_utility": matched, "set_expected_utility": best, "candidates": len(values)}


class RunIndicators:
    """Computes a run's indicators, always in the same way.

    The reference point is the user's, else the benchmark table's, else it lies a tenth of the range below the worst of the
    first evaluation; an estimated one is frozen, saved with the run and marked.
    """

    def __init__(self, problem: Problem, *, gamma: float, reference_point: tuple[float, ...] | None) -> None:
        """Look up what is known of the environment.

        Args:
            problem: The environment.
            gamma: Discount of the evaluated values.
            reference_point: The user's choice, ``(m,)``, return units.

        Raises:
            ShapeError: The reference point has another length than the reward.
        """
        m = problem.spec.num_objectives
        self._warned = False
        known = benchmark(problem.spec.env_id)
        if known is not None and known.num_objectives != m:
            known = None  # made with arguments that change the reward
        spec = problem.spec
        self.objectives, self.units = objectives_of(spec.env_id, spec.objective_names, spec.objective_units, m)
        self.reference_point: Array | None = None
        self.reference_source = "estimated from the first evaluation"
        self.known_front: Array | None = None
        self.known_front_source = ""
        if reference_point is not None:
            if len(reference_point) != m:
                raise ShapeError(
                    f"evaluation.reference_point has {len(reference_point)} entries but {problem.spec.env_id} has {m} "
                    f"objectives: {', '.join(self.objectives)}"
                )
            self.reference_point, self.reference_source = np.asarray(reference_point, dtype=np.float64), "chosen by the user"
        elif known is not None:
            self.reference_point, self.reference_source = known.reference_point(), known.source
        if known is not None:
            env = problem.make_env()
            front = known.known_front(gamma, env)
            env.close()
            if front is not None:
                self.known_front = front.values
                self.known_front_source = f"{front.source} ({'exact' if front.exact else 'approximate'})"
        divisions = next(h for h in range(1, 10_000) if m == 1 or math.comb(h + m - 1, m - 1) >= _PREFERENCES)
        self.preferences = simplex_lattice(math.comb(divisions + m - 1, m - 1), m)

    def __call__(self, archive: Array, population: Array) -> dict[str, float | int]:
        """Compute the indicators.

        Args:
            archive: Values of the archived policies ``(p, m)``, return units.
            population: Latest values of the members ``(n, m)``, return units.

        Returns:
            Indicator by name; ``population_`` marks those of the members of the moment.
        """
        m = archive.shape[1]
        row: dict[str, float | int] = {}
        if m > 1:
            if self.reference_point is None:
                low, high = population.min(0), population.max(0)
                self.reference_point = low - 0.1 * np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
            for name, values in (("hypervolume", archive), ("population_hypervolume", population)):
                found = hypervolume_estimate(values, self.reference_point)
                row[name] = found.value
                if m >= _ESTIMATED:
                    row[f"{name}_standard_error"] = found.standard_error
                if found.standard_error and not self._warned:
                    self._warned = True
                    _log.warning(
                        "the hypervolume of %d points with %d objectives would take too long: it is sampled, here "
                        "with a standard error of %.2g %%",
                        len(values), m, 100.0 * found.standard_error / found.value,
                    )  # fmt: skip
        row["expected_utility"] = expected_utility(archive, self.preferences)
        row["population_expected_utility"] = expected_utility(population, self.preferences)
        if m > 1:
            row["cardinality"] = cardinality(archive)
            row["sparsity"] = sparsity(archive)
        if self.known_front is not None:
            row["igd_plus"] = igd_plus(archive, self.known_front)
            row["maximum_utility_loss"] = maximum_utility_loss(archive, self.known_front, self.preferences)
        return row

    def describe(self) -> dict[str, Any]:
        """What a summary must say beside the numbers."""
        return {
            "reference_point": None if self.reference_point is None else self.reference_point.tolist(),
            "reference_point_source": self.reference_source,
            "known_front": None if self.known_front is None else self.known_front.tolist(),
            "known_front_source": self.known_front_source,
            "preferences": len(self.preferences),
        }

    def state(self) -> State:
        """The frozen reference point."""
        return {"reference_point": None if self.reference_point is None else self.reference_point.tolist()}

    def load_state(self, state: State) -> None:
        """Return to a saved reference point."""
        saved = state["reference_point"]
        self.reference_point = None if saved is None else np.asarray(saved, dtype=np.float64)
