"""What every search shares: it proposes generations of models and is told their values; somebody else does the rolling out.

A search is a generator, so that several of them (thresholds, preferences) advance side by side and a whole generation of all of
them is one vectorised roll-out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ConfigurationError, EnvironmentFault
from morl.fields import CheckedFields
from robust.uncertainty.base import Array, Region

Proposals: TypeAlias = Generator[Array, Array, None]
"""Yields a generation as points of the cube, ``(N, d)``, and is sent their values ``(N,)``."""


class WorstCaseSearch(CheckedFields, ABC):
    """Configuration of a search: how many evaluations it takes, and where they go."""

    @abstractmethod
    def proposals(self, region: Region, *, rng: np.random.Generator) -> Proposals:
        """Start a search for the smallest value.

        Args:
            region: Where to search.
            rng: Source of randomness.

        Raises:
            CapabilityError: The search cannot work on this set; says which can.
        """

    @abstractmethod
    def evaluations(self, region: Region) -> int:
        """Number of evaluations of a whole search, at most."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found."""

    params: Array
    """Worst model evaluated, ``(k,)``; the first among equals."""
    value: float
    """Its value."""
    models: Array
    """Every model evaluated, in order, ``(N, k)``."""
    values: Array
    """Their values, ``(N,)``."""
    status: Literal["completed", "budget"]
    """Whether the search went through, or stopped before a generation that its budget did not allow."""

    @property
    def evaluations(self) -> int:
        """``N``."""
        return len(self.values)

    def worst_apart(self, count: int, region: Region, *, distance: float, known: Array | None = None) -> list[int]:
        """The worst models that are no near relatives.

        Args:
            count: How many, at most.
            region: Where they come from; measures distances.
            distance: Least distance from each other and from the known ones, see :meth:`Region.distance`.
            known: Models ``(M, k)`` that do not count.

        Returns:
            Positions in :attr:`models`, worst first.
        """
        taken = np.zeros((0, self.models.shape[1])) if known is None else known
        chosen: list[int] = []
        for i in np.argsort(self.values, kind="stable"):
            if len(chosen) == count:
                break
            if not len(taken) or region.distance(self.models[i : i + 1], taken).min() > distance:
                chosen.append(int(i))
                taken = np.concatenate([taken, self.models[i : i + 1]])
        return chosen


def minimise(
    search: WorstCaseSearch,
    objective: Callable[[Array], npt.ArrayLike],
    region: Region,
    *,
    rng: np.random.Generator,
    first: Array | None = None,
    budget: int | None = None,
) -> SearchResult:
    """Search for the model with the smallest value.

    Args:
        search: How.
        objective: Values ``(N,)`` of models ``(N, k)``.
        region: Where.
        rng: Source of randomness.
        first: Models ``(M, k)`` to evaluate before all others, such as a neighbour's worst ones.
        budget: Evaluations allowed; None for as many as the search takes.

    Returns:
        The smallest value found and everything evaluated.

    Raises:
        EnvironmentFault: A value is not finite.

    Example:
        >>> from envs.parametric.pendulum import Pendulum
        >>> from robust.search.corners import CornerSearch
        >>> from robust.uncertainty import Box
        >>> region = Box().region(Pendulum(1).parameter_space)
        >>> minimise(CornerSearch(), lambda models: models[:, 0] - models[:, 1], region, rng=np.random.default_rng(0)).params
        array([0.5, 1.5])
    """
    found = minimise_side_by_side(
        search, lambda generations: [objective(generations[0])], region, rngs=[rng], first=first, budget=budget
    )
    return found[0]


def minimise_side_by_side(
    search: WorstCaseSearch,
    objective: Callable[[list[Array]], Sequence[npt.ArrayLike]],
    region: Region,
    *,
    rngs: Sequence[np.random.Generator],
    first: Array | None = None,
    budget: int | None = None,
) -> list[SearchResult]:
    """Do several searches in step.

    Args:
        search: How.
        objective: Values, one array ``(N_i,)`` for each search, of one generation of each, ``(N_i, k)``.
        region: Where.
        rngs: Source of randomness of each search; their number is the number of searches.
        first: Models ``(M, k)`` that every search evaluates before all others.
        budget: Evaluations allowed to each search; None for as many as it takes.

    Returns:
        One result for each search.
    """
    if budget is not None and budget < 1:
        raise ConfigurationError(f"a search needs a budget of at least 1 evaluation, found {budget}")
    running = [search.proposals(region, rng=rng) for rng in rngs]
    count = len(running)
    models: list[list[Array]] = [[] for _ in range(count)]
    values: list[list[Array]] = [[] for _ in range(count)]

    def evaluate(generations: list[Array]) -> None:
        for i, found in enumerate(objective(generations)):
            array = np.asarray(found, dtype=np.float64)
            if not np.isfinite(array).all():
                bad = generations[i][int(np.flatnonzero(~np.isfinite(array))[0])]
                named = ", ".join(f"{name}={value:g}" for name, value in region.space.mapping(bad).items())
                raise EnvironmentFault(
                    f"the search met a value that is not finite, in the model {named}; shrink the set around it"
                )
            models[i].append(generations[i])
            values[i].append(array)

    status: Literal["completed", "budget"] = "completed"
    spent = 0
    if first is not None and len(first):
        given = first if budget is None else first[:budget]
        evaluate([given] * count)
        spent = len(given)
    generation = [next(proposals) for proposals in running]
    while True:
        size = len(generation[0])
        if budget is not None and spent + size > budget:
            # What still fits is better than nothing, if nothing was evaluated so far.
            status, generation = "budget", [points[: budget - spent] for points in generation]
            if not len(generation[0]) or spent:
                break
        evaluate([region.models(points) for points in generation])
        spent += size
        if status == "budget":
            break
        try:
            generation = [p.send(v[-1]) for p, v in zip(running, values, strict=True)]
        except StopIteration:
            break
    for proposals in running:
        proposals.close()
    results = []
    for tried, worth in zip(models, values, strict=True):
        all_models, all_values = np.concatenate(tried), np.concatenate(worth)
        worst = int(all_values.argmin())
        results.append(SearchResult(all_models[worst], float(all_values[worst]), all_models, all_values, status))
    return results


def refuse_finite(region: Region, search: str) -> None:
    """Refuse a list of models for a search that moves through a continuum.

    Raises:
        CapabilityError: The region is finite.
    """
    if region.candidates is not None:
        raise CapabilityError(f"{search} moves through a continuous set, but this one is a list of models; use search: grid")
    if not region.dimension:
        raise ConfigurationError("the uncertainty set is a single model: there is nothing to search; widen a bound")
