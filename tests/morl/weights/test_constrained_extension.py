"""C-MORL: the barrier against the published form and closed forms, exact extensions, who is extended, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from envs.continuous.quadratic_bandit import QuadraticBandit
from envs.tabular.tables import Tables
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.evaluation import Evaluation
from morl.functional.crowding import crowding_distances
from morl.oracles import random_process
from morl.scalarizations import Constrained, WeightedSum
from morl.solvers import MORLD, NLMOPPO
from morl.task import Utility
from morl.weights.adaptation import ConstrainedExtension, Population

FRONT = np.array([[0.0, 10.0], [1.0, 9.0], [2.0, 8.5], [6.0, 5.0], [10.0, 0.0]])
EQUAL = np.full((5, 2), 0.5)


def rule(**more: Any) -> ConstrainedExtension:
    return ConstrainedExtension(warm_up=1, **more)


def extended(values: Any = FRONT, archive: Any = FRONT, **more: Any) -> Population:
    return rule(**more)(np.full_like(values, 1 / values.shape[1]), values, archive)


def test_who_is_alone_is_extended_along_every_objective() -> None:
    found = extended(num_select=3)
    assert list(found.parents) == [0, 0, 4, 4, 3, 3]  # the two ends, and the largest gap
    assert all(found.fresh)
    assert found.weights.tolist() == [[1.0, 0.0], [0.0, 1.0]] * 3
    assert found.reference_points is not None
    np.testing.assert_allclose(found.reference_points, FRONT[[0, 0, 4, 4, 3, 3]] - 1.0)


def test_neighbours_in_the_archive_count() -> None:
    near = np.array([[5.9, 5.05], [6.1, 4.9], [1.5, 8.8]])
    values = FRONT[[1, 2, 3]]
    assert list(extended(values, FRONT, num_select=1).parents) == [2, 2]
    assert list(extended(values, np.concatenate([FRONT, near[:2]]), num_select=1).parents) == [1, 1]
    worse = np.concatenate([values, values - 0.1])
    assert set(extended(worse, FRONT, num_select=9).parents) == {0, 1, 2}


def test_weighted_sums_come_first_and_extensions_take_their_time() -> None:
    patient, memory, fresh = ConstrainedExtension(warm_up=3, period=2, num_select=2), None, []
    for _ in range(7):
        found = patient(EQUAL, FRONT, FRONT, memory=memory)
        memory = found.memory
        fresh.append(all(found.fresh))
        if not fresh[-1]:
            assert (found.weights == EQUAL).all()
            assert (list(found.parents), any(found.fresh), found.reference_points) == ([*range(5)], False, None)
    assert fresh == [False, False, True, False, True, False, True]


def test_without_ranges_there_is_no_extension_yet() -> None:
    single = np.repeat(FRONT[:1], 5, axis=0)
    waits = rule()(EQUAL, single, single)
    assert not any(waits.fresh)
    assert all(rule()(EQUAL, FRONT, FRONT, memory=waits.memory).fresh)


@given(seed=st.integers(0, 2**31), m=st.integers(2, 4))
def test_the_same_in_any_units_and_bounds_lie_below_the_start(seed: int, m: int) -> None:
    """Also below negative values, where ``0.9 * v`` lies above."""
    rng = np.random.default_rng(seed)
    # The ends give the front a range: without one there is no unit but return units.
    values, archive = rng.normal(size=(6, m)), np.concatenate([9.0 * np.eye(m), rng.normal(size=(9, m))])
    scale, shift = 10.0 ** rng.integers(-2, 3, size=m), rng.normal(size=m)
    a, b = extended(values, archive), extended(values * scale + shift, archive * scale + shift)
    assert (list(a.parents), a.weights.tolist()) == (list(b.parents), b.weights.tolist())
    assert a.reference_points is not None
    assert b.reference_points is not None
    np.testing.assert_allclose(a.reference_points * scale + shift, b.reference_points, rtol=1e-6, atol=1e-9)
    assert (a.reference_points < values[list(a.parents)]).all()


def test_crowding_is_what_it_is_by_hand() -> None:
    three = crowding_distances([[0.0, 0.0, 2.0], [1.0, 1.0, 1.0], [2.0, 0.5, 0.0], [0.5, 2.0, 0.5]])
    assert three.tolist() == [np.inf, (2 - 0.5) / 2 + (2 - 0.5) / 2 + (2 - 0.5) / 2, np.inf, np.inf]
    assert crowding_distances([[1.0, 1.0]]).tolist() == [np.inf]


def gradient(bounds: Any, values: Any, weights: Any, t: float = 20.0) -> Tensor:
    rows = [torch.tensor(x, dtype=torch.float64).view(1, -1) for x in (values, weights, bounds)]
    return Utility(scalarization=Constrained(t=t), weights=rows[1], ideal_point=rows[2]).gradient(rows[0])[0]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_it_is_the_barrier_on_expected_advantages_where_the_policy_is(seed: int) -> None:
    """At ratio 1 both have the same gradient, ``E[grad log pi A]`` weighed alike; that of clipped ratios times mean returns,
    as published, has none of the constraint in it."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=4), requires_grad=True)
    advantages = torch.tensor(rng.normal(size=(4, 3)))
    advantages = advantages - (logits.detach().softmax(0)[:, None] * advantages).sum(0)
    start, t = torch.tensor(rng.normal(size=3)), 20.0
    bounds = start - torch.tensor(rng.uniform(0.01, 1.0, size=3))

    old = logits.detach().softmax(0)
    ratio = logits.softmax(0) / old
    expected = (old[:, None] * ratio[:, None] * advantages).sum(0)
    barrier = expected[0] + (start + expected - bounds)[1:].log().sum() / t
    (wanted,) = torch.autograd.grad(barrier, logits, retain_graph=True)
    slopes = gradient(bounds.tolist(), start.tolist(), [1.0, 0.0, 0.0], t)
    (found,) = torch.autograd.grad((old * logits.log_softmax(0) * (advantages @ slopes)).sum(), logits, retain_graph=True)
    torch.testing.assert_close(found, wanted)

    published = ((old * ratio).sum() * start - bounds)[1:].log().sum() / t
    (nothing,) = torch.autograd.grad(published, logits)
    assert nothing.abs().max() < 1e-12


def test_outside_the_bounds_only_the_way_back_counts() -> None:
    out = gradient([0.0, 0.5, 0.5], [1.0, 0.2, 0.9], [1.0, 0.0, 0.0])
    assert out[1] == pytest.approx(500.0)
    assert out[0] == 1.0
    assert out[2] == pytest.approx(1 / (20 * 0.4))


def test_the_constrained_optimum_of_the_bandit_lies_on_the_hull_edge() -> None:
    """Between the two centres, as far from the second one as its bound allows; the barrier stops at most ``1 / t`` before."""
    centres = np.array([[0.6, 0.1], [-0.5, -0.3]])
    bandit = QuadraticBandit(1, centres=centres)
    length = float(np.linalg.norm(bandit.centres[0] - bandit.centres[1]))
    for bound in (-0.05, -0.3, -0.9):
        best = -((length - (-bound) ** 0.5) ** 2)

        def worth(action: Any, bound: float = bound) -> float:
            values = -((action - bandit.centres) ** 2).sum(-1)
            return float(Constrained()(values, np.array([1.0, 0.0]), ideal_point=np.array([-9.0, bound])))

        action = minimize(lambda a: -worth(a), np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
        first, second = -((action - bandit.centres) ** 2).sum(-1)
        assert second > bound
        assert best - 1 / 20 - 1e-6 <= first < best
        along, there = bandit.centres[0] - bandit.centres[1], action - bandit.centres[1]
        assert abs(along[0] * there[1] - along[1] * there[0]) / length < 1e-4


def value_of(tables: Tables, gamma: float) -> Any:
    """Expected return of a tabular softmax policy from state 0, differentiable, ``(S, A) -> (m,)``."""
    states = len(tables.successors)
    chances, rewards = torch.from_numpy(tables.probabilities), torch.from_numpy(tables.rewards)
    reward = (chances.unsqueeze(-1) * rewards).sum(2)
    onward = torch.zeros(*tables.successors.shape[:2], states, dtype=torch.float64)
    onward.scatter_add_(2, torch.from_numpy(tables.successors), chances * torch.from_numpy(~tables.terminal))

    def value(logits: Tensor) -> Tensor:
        policy = logits.softmax(-1)
        system = torch.eye(states, dtype=torch.float64) - gamma * torch.einsum("sa,sat->st", policy, onward)
        return torch.linalg.solve(system, torch.einsum("sa,sam->sm", policy, reward))[0]

    return value


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), m=st.integers(2, 3), l=st.integers(0, 1))
def test_exact_extensions_never_lower_a_held_objective_below_its_bound(seed: int, m: int, l: int) -> None:
    """A tabular softmax policy, exact gradients through the rule's own bounds and utility, from any interior point."""
    rng = np.random.default_rng(seed)
    value = value_of(random_process(rng, states=5, objectives=m), 0.9)
    logits = torch.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    archive = np.stack([value(torch.tensor(rng.normal(size=(5, 3)) * 3.0)).numpy() for _ in range(20)])
    start = value(logits).detach().numpy()
    found = extended(start[None], archive, num_select=1)
    assume(all(found.fresh))  # there is a front
    assert found.reference_points is not None
    bounds = found.reference_points[l]
    span = (start - bounds) / ConstrainedExtension().slack
    utility = Utility(
        scalarization=Constrained(), weights=torch.from_numpy(found.weights[l : l + 1]),
        ideal_point=torch.from_numpy(bounds[None]), scale=torch.from_numpy(span),
    )  # fmt: skip
    held = [j for j in range(m) if j != l]
    step, gained = 0.1, utility(torch.from_numpy(start[None])).item()
    for _ in range(60):
        v = value(logits)
        (slope,) = torch.autograd.grad((utility.gradient(v.detach()[None])[0] * v).sum(), logits)
        while step > 1e-12:
            tried = logits.detach() + step * slope / slope.norm().clamp_min(1e-12)
            there = value(tried)
            # Steps so small that nobody jumps over the barrier.
            if (after := utility(there[None]).item()) >= gained and bool(
                ((there - v).abs() < torch.from_numpy(span) / 50).all()
            ):
                break
            step /= 2.0
        else:
            break
        assert (there.numpy()[held] >= bounds[held]).all()
        logits, gained, step = tried.requires_grad_(), after, 1.5 * step
    assert value(logits)[l] >= start[l] - 0.05 * span[l]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"scalarization": WeightedSum(), "normalisation": "running"}, "set scalarization to constrained"),
        ({"scalarization": Constrained()}, "normalisation to running, not Constrained and none"),
    ],
)
def test_other_utilities_are_refused(more: Any, message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        MORLD(solver=NLMOPPO(), weight_adaptation=ConstrainedExtension(), **more)
    assert "\n" not in str(caught.value)


def test_one_objective_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="one objective"):
        ConstrainedExtension()(np.ones((3, 1)), np.ones((3, 1)), np.ones((1, 1)))
    with pytest.raises(ShapeError, match="disagree"):
        ConstrainedExtension()(EQUAL, FRONT[:, :1], FRONT)


def test_bounds_and_values_have_one_discount() -> None:
    solver = MORLD(
        solver=NLMOPPO(), scalarization=Constrained(), normalisation="running", weight_adaptation=ConstrainedExtension()
    )
    with pytest.raises(ConfigurationError, match=r"evaluation.gamma is 0.5 but the members' gamma is 0.99; leave"):
        solver.run("deep-sea-treasure-v0", env_steps=10, evaluation=Evaluation(gamma=0.5))
