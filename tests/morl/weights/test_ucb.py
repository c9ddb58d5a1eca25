"""The bandit over weights, and weights at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import non_dominated
from morl.indicators import hypervolume
from morl.testing import check_weight_adaptation
from morl.weights import simplex_lattice
from morl.weights.adaptation import UCB, Briefing, Changes, RandomWeights
from morl.weights.adaptation.ucb import promised_changes

UNIT = np.array([100.0, 0.02])
EFFECT = np.array([[0.3, -0.1], [0.0, 0.2]])
"""Change of the objectives, in units, for the weight of each."""


def linear_changes(count: int, rng: np.random.Generator, noise: float = 0.0, period: int = 0) -> Changes:
    weights = rng.dirichlet(np.ones(2), count)
    before = UNIT * rng.uniform(size=(count, 2))
    after = before + UNIT * (weights @ EFFECT + noise * rng.normal(size=(count, 2)))
    return Changes(weights=weights, before=before, after=after, period=np.full(count, period))


@pytest.mark.parametrize(
    "rule", [UCB(), UCB(keep_corners=False, exploration=3.0), RandomWeights(), RandomWeights(keep_corners=False)], ids=repr
)
def test_conformance(rule: Any) -> None:
    check_weight_adaptation(rule)


def promised(changes: Changes, weights: Any, factor: float, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return promised_changes(changes, weights, unit=UNIT, ridge=1e-9, num_models=200, factor=factor, rng=rng)


def test_a_linear_response_is_learned_in_return_units() -> None:
    rng = np.random.default_rng(0)
    where = simplex_lattice(7, 2)
    np.testing.assert_allclose(promised(linear_changes(20, rng), where, 0.0), UNIT * (where @ EFFECT), rtol=1e-4, atol=1e-6)


def test_confidence_is_the_deviation_between_models_and_shrinks_with_time() -> None:
    rng = np.random.default_rng(0)
    where = simplex_lattice(5, 2)
    first = linear_changes(20, rng, noise=0.1)
    mean, bound = (promised(first, where, c) for c in (0.0, 1.0))
    width = (bound - mean) / UNIT
    # beta_1 = 0.5 sqrt(log 2); the coefficient of a noisy line through 20 points is known to about a third of the noise.
    assert (width > 0).all()
    assert width.max() < 0.1
    np.testing.assert_allclose(promised(first, where, 2.0) - mean, 2 * (bound - mean), rtol=1e-9)
    later = Changes(weights=first.weights, before=first.before, after=first.after, period=first.period + 9)
    ratio = (promised(later, where, 1.0) - mean) / (bound - mean)
    np.testing.assert_allclose(ratio, np.sqrt(np.log(20) / 10) / np.sqrt(np.log(2)), rtol=1e-9)


@pytest.mark.parametrize("network", ["separate", "one"])
def test_the_weights_that_promise_the_largest_front_are_chosen(network: str) -> None:
    weights = np.array([[1.0, 0.0], [0.55, 0.45], [0.0, 1.0]])
    values = UNIT * np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    changes = linear_changes(30, np.random.default_rng(1))
    asked: list[Any] = []

    def attained(lattice: Any) -> Any:
        asked.append(lattice)
        return UNIT * lattice * np.array([1.0, 1.1])

    told = Briefing(changes=changes, scale=np.ones(2), attained=attained if network == "one" else None)
    rule = UCB(num_candidates=9, exploration=0.0, ridge=1e-9)
    after = rule(weights, values, values, rng=np.random.default_rng(0), briefing=told)
    lattice = simplex_lattice(9, 2)[1:-1]
    offers = np.concatenate([weights[1:2], lattice])
    base = attained(lattice) if network == "one" else values[np.abs(lattice[:, :1] - weights[None, :, 0]).argmin(1)]
    coming = np.concatenate([values[1:2], base]) + UNIT * (offers @ EFFECT)
    front = np.concatenate([values, values[[0, 2]] + UNIT * (weights[[0, 2]] @ EFFECT), *([base] if network == "one" else [])])
    front = front[non_dominated(front)]
    gains = [hypervolume(np.concatenate([front, x[None]]), front.min(0) - 0.1 * UNIT) for x in coming]
    np.testing.assert_allclose(after.weights[1], offers[int(np.argmax(gains))])
    assert (after.weights[[0, 2]] == weights[[0, 2]]).all()
    assert len(asked) == (2 if network == "one" else 0)


def test_nothing_moves_before_there_is_something_to_learn_from() -> None:
    weights = simplex_lattice(4, 2)
    told = Briefing(changes=linear_changes(2, np.random.default_rng(0)), scale=np.ones(2))
    assert (UCB()(weights, weights, weights, rng=np.random.default_rng(0), briefing=told).weights == weights).all()


def test_random_weights_are_uniform_and_spare_the_corners() -> None:
    weights = np.concatenate([np.eye(3), np.full((4_000, 3), 1 / 3)])
    drawn = RandomWeights()(weights, weights, weights, rng=np.random.default_rng(0))
    assert (drawn[:3] == np.eye(3)).all()
    np.testing.assert_allclose(drawn[3:].mean(0), 1 / 3, atol=0.02)
    assert (drawn[3:, 0] > 0.5).mean() == pytest.approx(0.25, abs=0.03)
    assert (RandomWeights(keep_corners=False)(weights, weights, weights, rng=np.random.default_rng(0))[:3].max(1) < 1).all()


def test_bad_input() -> None:
    with pytest.raises(ConfigurationError, match=r"UCB keeps a member at each of the 3 corners.*keep_corners to false"):
        UCB().check_population(3, 3)
    with pytest.raises(ShapeError, match="disagree"):
        RandomWeights()(np.eye(2), np.eye(3), np.eye(2), rng=np.random.default_rng(0))
    for wrong in ({"num_candidates": 1}, {"num_models": 1}, {"exploration": -1.0}, {"ridge": 0.0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            UCB(**wrong)  # type: ignore[arg-type]
