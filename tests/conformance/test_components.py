"""Every registered component passes the public checker of its kind, on drawn seeds and numbers of objectives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.acting import OwnPolicy, PolicyImprovement
from morl.bootstrapping import DoubleQ, Envelope
from morl.capabilities import SharesParameters
from morl.dominance import Pareto
from morl.errors import ConfigurationError
from morl.registry import component, kinds, names
from morl.testing import (
    check_acting,
    check_archive,
    check_bootstrap,
    check_cooperation,
    check_dominance,
    check_neighbourhood,
    check_scalarization,
    check_selection,
    check_weight_adaptation,
    check_weight_generation,
    check_weight_source,
)

NOT_MONOTONE = {"pbi"}
"""Scalarizations that may score a dominating value lower, and say so."""

seeds = st.integers(0, 2**31)


def each(kind: str) -> Any:
    return pytest.mark.parametrize("name", names(kind))


def test_every_kind_has_a_checker() -> None:
    here = {
        "scalarization", "weights", "weight_adaptation", "archive", "neighbourhood", "selection", "cooperation",
        "weight_source", "bootstrap", "acting", "dominance",
    }  # fmt: skip
    elsewhere = {"solver", "policy", "critic"}  # tests/conformance/test_solvers.py
    assert here | elsewhere <= set(kinds())


@each("scalarization")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(1, 6))
def test_scalarization(name: str, seed: int, m: int) -> None:
    check_scalarization(component("scalarization", name)(), num_objectives=m, monotone=name not in NOT_MONOTONE, seed=seed)


@each("weights")
@settings(max_examples=30)
@given(seed=seeds, n=st.integers(1, 9), m=st.integers(1, 5))
def test_weights(name: str, seed: int, n: int, m: int) -> None:
    generate = component("weights", name)
    if name == "riesz":  # every other set is a minimisation of its own
        n, m, seed = min(n, 5), min(m, 3), seed % 2
    try:
        generate(n, m, seed=seed)
    except ConfigurationError:
        return  # some numbers of vectors do not exist
    check_weight_generation(generate, num_vectors=n, num_objectives=m, seed=seed)


@each("weight_adaptation")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(2, 5))
def test_weight_adaptation(name: str, seed: int, m: int) -> None:
    check_weight_adaptation(component("weight_adaptation", name)(), num_objectives=m, seed=seed)


@each("archive")
@settings(max_examples=10)
@given(seed=seeds, m=st.integers(2, 4))
def test_archive(name: str, seed: int, m: int) -> None:
    check_archive(component("archive", name)(), num_objectives=m, seed=seed)


@each("neighbourhood")
@settings(max_examples=20)
@given(seed=seeds, n=st.integers(2, 12), m=st.integers(2, 5))
def test_neighbourhood(name: str, seed: int, n: int, m: int) -> None:
    check_neighbourhood(component("neighbourhood", name)(), num_members=n, num_objectives=m, seed=seed)


@each("selection")
def test_selection(name: str) -> None:
    check_selection(component("selection", name)())


@each("cooperation")
def test_cooperation(name: str) -> None:
    check_cooperation(component("cooperation", name)())


@each("weight_source")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(1, 8))
def test_weight_source(name: str, seed: int, m: int) -> None:
    check_weight_source(component("weight_source", name)(), num_objectives=m, seed=seed)


@each("bootstrap")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(1, 5))
def test_bootstrap(name: str, seed: int, m: int) -> None:
    check_bootstrap(component("bootstrap", name)(), num_objectives=m, seed=seed)


@each("dominance")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(1, 5))
def test_dominance(name: str, seed: int, m: int) -> None:
    check_dominance(component("dominance", name)(), num_objectives=m, seed=seed)


@each("acting")
@settings(max_examples=20)
@given(seed=seeds, m=st.integers(1, 5))
def test_acting(name: str, seed: int, m: int) -> None:
    check_acting(component("acting", name)(), num_objectives=m, seed=seed)


# --- the checkers notice what they are for -----------------------------------------------------------------------------


def test_a_broken_neighbourhood_is_named() -> None:
    def own(weights: Any) -> Any:
        return np.arange(len(weights))[:, None]

    def last(weights: Any) -> Any:
        return np.full((len(weights), 1), -1)

    for broken, message in ((own, "its own neighbour"), (last, "an index is not from 0")):
        with pytest.raises(AssertionError, match=message):
            check_neighbourhood(broken)


def test_a_broken_selection_is_named() -> None:
    calls: list[int] = []

    def counts(standing: Any) -> list[int]:
        calls.append(standing.turn)
        return [len(calls) % standing.num_members]

    for broken, message in (
        (counts, "keep no state"),
        (lambda standing: [], "nobody learns"),
        (lambda standing: [standing.turn], "not indices"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_selection(broken)


class _TakesFromEverybody:
    requires = SharesParameters

    def configure(self, solver: Any) -> Any:
        return solver

    def exchange(self, learner: Any, *, source: int, exchanges: int, neighbours: Any) -> None:
        learner.transfer(source, 3)


def test_a_broken_cooperation_is_named() -> None:
    with pytest.raises(AssertionError, match="member 3, who is not its neighbour"):
        check_cooperation(_TakesFromEverybody())


def test_a_broken_weight_source_is_named() -> None:
    def too_heavy(own: Any, support: Any, *, generator: Any) -> Any:
        return 2 * own

    def from_anywhere(own: Any, support: Any, *, generator: Any) -> Any:
        return torch.randn(own.shape).softmax(-1)

    def of_members(own: Any, support: Any, *, generator: Any) -> Any:
        return support[:1].expand(own.shape)

    for broken, message in (
        (too_heavy, "on the simplex"),
        (from_anywhere, "must keep no state"),
        (of_members, "set uses_support"),
    ):
        broken.uses_support = False
        with pytest.raises(AssertionError, match=message):
            check_weight_source(broken)


class _OfTheLivingAndTheDead(DoubleQ):
    def __call__(self, ahead: Any) -> Any:
        return super().__call__(replace(ahead, discounts=torch.ones_like(ahead.discounts)))


class _NosyDoubleQ(DoubleQ):
    def __call__(self, ahead: Any) -> Any:
        return Envelope()(ahead)


def test_a_broken_bootstrap_is_named() -> None:
    for broken, message in (
        (_OfTheLivingAndTheDead(), "the target must be the reward"),
        (_NosyDoubleQ(), "needs_conditioning"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_bootstrap(broken)


class _SecretImprovement(PolicyImprovement):
    uses_support = False  # type: ignore[assignment]


class _Unweighed(OwnPolicy):
    def __call__(self, values: Any, weights: Any, support: Any) -> Any:
        return values(weights.unsqueeze(2)).squeeze(2).sum(-1)


def test_a_broken_way_of_acting_is_named() -> None:
    for broken, message in ((_SecretImprovement(), "uses_support"), (_Unweighed(), "it must weigh these values")):
        with pytest.raises(AssertionError, match=message):
            check_acting(broken)


def test_a_broken_dominance_is_named() -> None:
    class Everything(Pareto):
        def __call__(self, returns: Any, low: Any, high: Any) -> Any:
            return np.ones(len(returns), dtype=np.bool_)

    class TheFirst(Pareto):
        def __call__(self, returns: Any, low: Any, high: Any) -> Any:
            best = super().__call__(returns, low, high)
            return best & (best.cumsum() == 1)

    for broken, message in ((Everything(), "Pareto-dominates|equal returns"), (TheFirst(), "another order|equal returns")):
        with pytest.raises(AssertionError, match=message):
            check_dominance(broken)
