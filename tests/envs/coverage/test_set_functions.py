"""Laws, known values and refusals of the set functions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from envs.coverage import fit_inverse_dynamics
from envs.coverage.checks import SetFunctionLawError, check_set_function
from envs.coverage.set_functions import (
    ConcaveOf,
    ConcaveOverModular,
    Coverage,
    DOptimal,
    Elliptical,
    FacilityLocation,
    GroupCap,
    LogDet,
    Modular,
    SetFunction,
    SetUtility,
    Stack,
    Truncate,
    ValueOracle,
    WeightedSum,
    restart,
)

V = 7


def modular(rng):
    return Modular(rng.random(V) * 3)


def coverage(rng):
    return Coverage([rng.integers(9, size=rng.integers(0, 5)) for _ in range(V)], rng.random(9))


def group_cap(rng):
    return GroupCap(rng.integers(-1, 3, size=V), rng.integers(0, 4, size=3))


def facility_location(rng):
    return FacilityLocation(rng.random((V, 4)))


def concave_over_modular(rng):
    curve = [torch.sqrt, torch.log1p][rng.integers(2)]
    return ConcaveOverModular(rng.random((V, 3)) * 4, curve)


def log_det(rng):
    factor = rng.normal(size=(V, rng.integers(1, V + 1)))  # often singular
    return LogDet(factor @ factor.T, noise_variance=10.0 ** rng.uniform(-3, 1))


def d_optimal(rng):
    return DOptimal(rng.normal(size=(V, 3)), ridge=10.0 ** rng.uniform(-2, 1))


def elliptical(rng):
    mixing = torch.from_numpy(rng.normal(size=(4, 3))).float()
    return Elliptical(lambda x: (x @ mixing).tanh(), rng.normal(size=(V, 4)), ridge=10.0 ** rng.uniform(-2, 1))


def weighted_sum(rng):
    return WeightedSum([log_det(rng), coverage(rng), modular(rng)], rng.random(3))


def truncate(rng):
    return Truncate(Stack([modular(rng), coverage(rng)]), 0.5 + rng.random())


def concave_of(rng):
    return ConcaveOf(facility_location(rng), torch.log1p)


def value_oracle(rng):
    worth, cells = rng.random(9), [set(rng.integers(9, size=3).tolist()) for _ in range(V)]
    return ValueOracle(lambda visits: sum(worth[c] for c in set().union(*(cells[v] for v in visits))) + 5.0, V)


def stack(rng):
    return Stack([group_cap(rng), truncate(rng), d_optimal(rng)])


EVERYWHERE = [
    modular,
    coverage,
    group_cap,
    facility_location,
    concave_over_modular,
    log_det,
    d_optimal,
    elliptical,
    weighted_sum,
    truncate,
    concave_of,
    stack,
]
MAKERS = [*EVERYWHERE, value_oracle]


@pytest.mark.parametrize("make", MAKERS)
@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=8)
def test_laws(make, seed, repeats):
    function = make(np.random.default_rng(seed))
    assert isinstance(function, SetUtility)
    check_set_function(function, sets=40, repeats=repeats, seed=seed)


@pytest.mark.parametrize("make", MAKERS)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_fast_forms_equal_the_derived_ones(make, seed):
    rng = np.random.default_rng(seed)
    function = make(rng)
    state = function.start(5, capacity=9)
    visits = torch.from_numpy(rng.integers(V, size=(5, 8)))
    torch.testing.assert_close(function.trajectory_gains(visits), SetFunction.trajectory_gains(function, visits))
    for element in visits.T:
        function.advance(state, element)
    torch.testing.assert_close(function.gains(state), SetFunction.gains(function, state))
    some = torch.tensor([3, 0])
    torch.testing.assert_close(function.gains(state, some), function.gains(state)[some])
    torch.testing.assert_close(function.summary(state, some), function.summary(state)[some])
    assert function.summary(state).shape == (5, function.summary_size)
    assert function.singletons().shape == (V, function.num_objectives)


@pytest.mark.parametrize("make", MAKERS)
def test_gains_do_not_depend_on_the_batch(make):
    rng = np.random.default_rng(0)
    function = make(rng)
    visits = torch.from_numpy(rng.integers(V, size=(9, 20)))
    together, alone = function.start(9, capacity=20), function.start(1, capacity=20)
    for element in visits.T:
        gains = function.advance(together, element)
        assert torch.equal(function.advance(alone, element[:1]), gains[:1])


@pytest.mark.parametrize("make", MAKERS)
def test_summary_determines_the_gains_to_come(make):
    rng = np.random.default_rng(1)
    function = make(rng)
    state = function.start(300, capacity=5)
    for _ in range(4):
        function.advance(state, torch.from_numpy(rng.integers(3, size=300)))
    summaries, gains = function.summary(state), function.gains(state)
    # A column of ones, since a summary may have no entry at all.
    summaries = torch.cat([summaries.round(decimals=9), torch.ones(300, 1)], 1)
    _, same = torch.unique(summaries, dim=0, return_inverse=True)
    assert same.max() < 299, "no two sets agree: the test says nothing"
    for group in range(int(same.max()) + 1):
        members = gains[same == group]
        torch.testing.assert_close(members, members[:1].expand_as(members))


@pytest.mark.parametrize("make", EVERYWHERE)
def test_runs_on_a_device_that_can_answer_no_question(make):
    # The meta device holds no numbers: reading one is an error, and so is mixing it with the CPU in most operations.
    function = make(np.random.default_rng(2)).to("meta")
    state = function.start(4, capacity=6)
    elements = torch.zeros(4, dtype=torch.int64, device="meta")
    assert function.advance(state, elements).shape == (4, function.num_objectives)
    assert function.advance(state, elements[:2], elements[:2]).device.type == "meta"
    assert function.gains(state).shape == (4, V, function.num_objectives)
    assert function.summary(state).shape == (4, function.summary_size)


def test_restart_sets_some_rows_back():
    function = stack(np.random.default_rng(3))
    state, fresh = function.start(4, capacity=5), function.start(1, capacity=5)
    first = function.advance(state, torch.tensor([0, 1, 2, 3]))
    restart(state, torch.tensor([3, 1]), fresh)
    again = function.advance(state, torch.tensor([0, 1, 2, 3]))
    torch.testing.assert_close(again[[1, 3]], first[[1, 3]])
    torch.testing.assert_close(state["value"][[1, 3]], first[[1, 3]])


# --- known values --------------------------------------------------------------------------------------------------
KERNEL = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ([0], 1.198947636),
        ([0, 0], 1.522261219),
        ([0, 1], 1.844439727),
        ([0, 2], 2.393745871),
        ([1, 2], 2.381086967),
        ([0, 1, 2], 3.021316417),
    ],
)
def test_information_about_three_sites(sites, expected):
    function = LogDet(KERNEL, noise_variance=0.1)
    for order in itertools.permutations(sites):
        assert function.trajectory_gains(torch.tensor([order])).sum() == pytest.approx(expected, abs=1e-9)


def test_information_is_the_determinant_after_forty_noisy_visits():
    # A smooth kernel on a line with little noise: the condition number is that of the published task.
    x = np.linspace(1.0, 3.9, 30)
    distance = np.sqrt(5) * np.abs(x[:, None] - x)
    kernel = (1 + distance + distance**2 / 3) * np.exp(-distance)
    function = LogDet(kernel, noise_variance=1e-6)
    visits = np.random.default_rng(0).integers(30, size=(20, 40))
    expected = [0.5 * np.linalg.slogdet(np.eye(40) + kernel[np.ix_(row, row)] / 1e-6)[1] for row in visits]
    state = function.start(20, capacity=40)
    for element in torch.from_numpy(visits).T:
        function.advance(state, element)
    np.testing.assert_allclose(state["value"][:, 0].numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(function.trajectory_gains(torch.from_numpy(visits)).sum((1, 2)).numpy(), expected, rtol=1e-9)


def test_linear_model_is_the_log_determinant_of_its_kernel():
    rng = np.random.default_rng(4)
    features = rng.normal(size=(V, 3))
    visits = torch.from_numpy(rng.integers(V, size=(6, 12)))
    linear = DOptimal(features, ridge=0.3).trajectory_gains(visits)
    torch.testing.assert_close(linear, LogDet(features @ features.T, noise_variance=0.3).trajectory_gains(visits))


def picks(sets, weights, number):
    """Value of every choice of some sets, and what greedy reaches."""
    function = Coverage(sets, weights)
    choices = torch.tensor(list(itertools.product(range(len(sets)), repeat=number)))
    values = function.trajectory_gains(choices).sum((1, 2))
    state = function.start(1, capacity=number)
    for _ in range(number):
        function.advance(state, function.gains(state)[0, :, 0].argmax()[None])
    return {tuple(choice): float(value) for choice, value in zip(choices.tolist(), values, strict=True)}, float(state["value"])


def test_greedy_is_not_optimal_on_two_picks():
    # Cells a, b, c, d; sets g1 = {a, c}, o1 = {a, b}, o2 = {c, d}.
    values, greedy = picks([[0, 2], [0, 1], [2, 3]], [1.1, 1.0, 1.1, 1.0], 2)
    assert max(values.values()) == pytest.approx(4.2) == values[1, 2]
    assert greedy == pytest.approx(3.2)
    assert np.mean(list(values.values())) == pytest.approx(3.066667, abs=1e-6)


def test_two_picks_with_a_bad_local_optimum():
    # Cells p1, p2, q1, q2, r1, r2; sets x1, x2, o1, o2.
    values, greedy = picks([[0, 1], [2, 3], [0, 2, 4], [1, 3, 5]], [0.5, 0.5, 0.5, 0.5, 0.4, 0.4], 2)
    assert max(values.values()) == pytest.approx(2.8) == values[2, 3]
    assert greedy == pytest.approx(2.8)
    assert values[0, 1] == pytest.approx(2.0)
    neighbours = [values[a, 1] for a in (1, 2, 3)] + [values[0, b] for b in (0, 2, 3)]
    assert max(neighbours) < 2.0
    alone = Coverage([[0, 1], [2, 3], [0, 2, 4], [1, 3, 5]], [0.5, 0.5, 0.5, 0.5, 0.4, 0.4]).singletons()[:, 0]
    assert max(values[a, b] - alone[a] - alone[b] for a, b in values) <= 1e-7


def test_modular_gains_forget_the_history():
    function = Modular([1.0, 2.5, 0.0])
    gains = function.trajectory_gains(torch.tensor([[1, 1, 0, 2, 1]]))
    torch.testing.assert_close(gains[0, :, 0], torch.tensor([2.5, 2.5, 1.0, 0.0, 2.5], dtype=torch.float64))
    torch.testing.assert_close(function.singletons()[:, 0], torch.tensor([1.0, 2.5, 0.0], dtype=torch.float64))


def test_elliptical_takes_inputs_that_have_no_number():
    rng = np.random.default_rng(0)
    function, inputs = elliptical(rng), rng.normal(size=(2, 5, 4)).astype(np.float32)
    listed = Elliptical(function._encoder, inputs.reshape(10, 4), ridge=function._ridge)
    expected = listed.trajectory_gains(torch.arange(10).reshape(2, 5))
    torch.testing.assert_close(function.trajectory_gains(torch.from_numpy(inputs)), expected)


def test_refreshed_features_are_those_of_the_trained_encoder():
    encoder = torch.nn.Linear(2, 2).requires_grad_(False)
    encoder.weight.copy_(torch.eye(2))
    encoder.bias.zero_()
    function = Elliptical(encoder, np.eye(2))
    assert function.singletons()[0] == pytest.approx(0.5 * math.log(2))
    encoder.weight.mul_(2.0)
    assert function.singletons()[0] == pytest.approx(0.5 * math.log(2))
    function.refresh()
    assert function.singletons()[0] == pytest.approx(0.5 * math.log(5))


def walks_with_noise(continuous):
    rng = torch.Generator().manual_seed(0)
    places = torch.rand(4000, 2, generator=rng) * 2 - 1
    actions = torch.randint(4, (4000,), generator=rng)
    moved = places + 0.3 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])[actions]
    noise = [torch.randn(4000, 1, generator=rng) for _ in range(2)]
    step = moved - places if continuous else actions
    return torch.cat([places, noise[0]], 1), step, torch.cat([moved, noise[1]], 1)


@pytest.mark.parametrize("continuous", [False, True])
def test_learned_features_forget_what_no_action_changes(continuous):
    walks = walks_with_noise(continuous)
    encoder = fit_inverse_dynamics(*walks, num_features=8, updates=300)
    again = fit_inverse_dynamics(*walks, num_features=8, updates=300)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), again.parameters(), strict=True))
    raw = fit_inverse_dynamics(*walks, num_features=8, updates=0)
    place, noise = sensitivity(encoder, walks[0])
    assert noise < 0.25 * place
    assert sensitivity(raw, walks[0])[1] > 0.5 * sensitivity(raw, walks[0])[0]


def sensitivity(encoder, inputs):
    """How strongly the features depend on the place, and on the noise."""
    slopes = torch.func.vmap(torch.func.jacrev(encoder))(inputs[:500]).square().sum(1).mean(0).sqrt()
    return slopes[:2].min(), slopes[2]


def test_inverse_dynamics_refuses_walks_of_unequal_length():
    with pytest.raises(ValueError, match="expected equally many"):
        fit_inverse_dynamics(torch.ones(3, 2), torch.ones(2, dtype=torch.int64), torch.ones(3, 2))


# --- what breaks a law is named ------------------------------------------------------------------------------------
class Minimum(SetFunction):
    """Smaller of [a visited] and [b visited]: not submodular."""

    def __init__(self):
        super().__init__(2)

    def _start(self, batch, capacity):
        return {"seen": torch.zeros(batch, 2, dtype=torch.bool)}

    def _advance(self, state, elements, rows):
        rows = torch.arange(state["seen"].shape[0]) if rows is None else rows
        before = state["seen"][rows].all(-1)
        state["seen"][rows, elements] = True
        return (state["seen"][rows].all(-1) & ~before).to(torch.float64)[:, None]


class Changing(SetFunction):
    """The gain is a function of the element and the number of visits before."""

    def __init__(self, gain):
        super().__init__(3)
        self._gain = gain

    def _start(self, batch, capacity):
        return {"size": torch.zeros(batch, dtype=torch.float64)}

    def _advance(self, state, elements, rows):
        rows = torch.arange(state["size"].shape[0]) if rows is None else rows
        size = state["size"][rows]
        state["size"][rows] += 1
        return self._gain(elements, size)[:, None]


def test_minimum_of_two_submodular_functions_is_not_submodular():
    with pytest.raises(SetFunctionLawError, match="diminishing returns fails") as caught:
        check_set_function(Minimum())
    small, large = caught.value.sets
    assert caught.value.element not in large
    assert set(large) - set(small) == {1 - caught.value.element}


@pytest.mark.parametrize(
    ("gain", "law"),
    [
        (lambda e, size: -1.0 - 0 * e * size, "monotone"),
        (lambda e, size: e / (1.0 + size), "order invariance"),
        (lambda e, size: 1.0 + 0.5 * size + 0 * e, "diminishing returns"),
    ],
)
def test_broken_laws_are_named(gain, law):
    with pytest.raises(SetFunctionLawError, match=law) as caught:
        check_set_function(Changing(gain))
    assert caught.value.law == law


def test_announcing_another_gain_is_found():
    class Boasting(Modular):
        def gains(self, state, rows=None):
            return super().gains(state, rows) + 1

    with pytest.raises(SetFunctionLawError, match=r"gains fails on \[\] when"):
        check_set_function(Boasting([1.0, 2.0]))


def test_an_altogether_different_post_hoc_value_is_found():
    class Forgetful(Coverage):
        def trajectory_gains(self, elements):
            return self.singletons()[elements]

    with pytest.raises(SetFunctionLawError, match="telescoping"):
        check_set_function(Forgetful([[0], [0, 1]]))


# --- numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("make", [modular, coverage, facility_location, concave_over_modular, weighted_sum])
def test_laws_hold_at_any_scale(make, scale):
    check_set_function(WeightedSum([make(np.random.default_rng(5))], [scale]), sets=40)


@pytest.mark.parametrize(
    "make",
    [
        Modular,
        lambda w: Coverage([[0], [1], [2]], w),
        lambda w: FacilityLocation(np.array(w)[:, None]),
        lambda w: ConcaveOverModular(np.array(w)[:, None], lambda x: x),
        lambda w: WeightedSum([Coverage([[0]] * 3)], [w[1]]),
        lambda w: ValueOracle(lambda visits: max((w[v] for v in visits), default=0.0), 3),
    ],
)
def test_weights_keep_every_digit(make):
    weights = [0.1, 25_000_001.0, 25_000_000.0]
    alone = make(weights).singletons()[:, 0].tolist()
    assert alone in (weights, [weights[1]] * 3)


def test_sparse_matrices_are_taken():
    dense = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    sparse = csr_array(dense)
    visits = torch.tensor([[0, 1]])
    for make in (FacilityLocation, ConcaveOverModular, DOptimal, lambda x: LogDet(x @ x.T, noise_variance=1.0)):
        torch.testing.assert_close(make(sparse).trajectory_gains(visits), make(dense).trajectory_gains(visits))
    torch.testing.assert_close(Coverage(sparse, [1.0, 2.0, 4.0]).cells, Coverage([[1], [0, 2]], [1.0, 2.0, 4.0]).cells)
    with pytest.raises(ValueError, match=r"would need 149\.0 GiB"):
        FacilityLocation(csr_array((200_000, 100_000)))


def test_a_python_function_becomes_a_set_function_on_the_cpu():
    function = ValueOracle(lambda chosen: [len(chosen), sum(chosen)], 3)
    assert function.num_objectives == 2
    assert function.trajectory_gains(torch.tensor([[0, 0, 2]]))[0].tolist() == [[1, 0], [0, 0], [1, 2]]
    assert function.to("cpu") is function
    with pytest.raises(ValueError, match="cannot move to meta"):
        function.to("meta")


# --- bad input -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Modular([1.0, -0.5]), "weights contains -0.5"),
        (lambda: Modular([1.0, math.nan]), "must be finite"),
        (lambda: Modular(np.zeros((2, 2))), "2 axes; expected 1"),
        (lambda: Modular([]), "0 elements"),
        (lambda: Coverage([[0], [1, 12]], np.ones(12)), r"element 1 covers the cells \[1, 12\]; the cells are 0 to 11"),
        (lambda: Coverage([[-2]]), "element 0 covers"),
        (lambda: Coverage([[0]], [-1.0]), "not monotone"),
        (lambda: GroupCap([0, 3], [1, 1]), "groups reach from 0 to 3; expected -1 to 1"),
        (lambda: GroupCap([0], [-1]), "caps contains -1"),
        (lambda: GroupCap([0], []), "expected"),
        (lambda: FacilityLocation([[-1.0]]), "similarity contains -1"),
        (lambda: ConcaveOverModular([[-1.0]]), "features contains -1"),
        (lambda: LogDet(np.ones((2, 3)), noise_variance=1.0), r"expected \(V, V\)"),
        (lambda: LogDet([[1.0, 2.0], [2.0, 1.0]], noise_variance=1.0), "eigenvalue -1; expected none below 0"),
        (lambda: LogDet([[1.0, 0.5], [0.2, 1.0]], noise_variance=1.0), "not symmetric"),
        (lambda: LogDet(np.ones((2, 2)), noise_variance=0.0), "singular"),
        (lambda: LogDet([[math.inf]], noise_variance=1.0), "must be finite"),
        (lambda: DOptimal([[1.0]], ridge=0.0), "singular"),
        (lambda: DOptimal([[math.nan]]), "finite"),
        (lambda: Elliptical(torch.tanh, [[math.nan]]), "inputs has shape"),
        (lambda: Elliptical(torch.tanh, [[1.0]]).trajectory_gains(torch.ones(1, 2, 3)), "rows of 1 numbers"),
        (lambda: WeightedSum([Modular([1.0])], [-1.0]), "weights contains -1"),
        (lambda: WeightedSum([Modular([1.0])], [1.0, 1.0]), "one weight per function"),
        (lambda: Stack([Modular([1.0]), Modular([1.0, 1.0])]), "same ground set"),
        (lambda: Stack([]), "one or more"),
        (lambda: Truncate(Modular([1.0]), 0.0), "level is 0.0"),
        (lambda: Truncate(Modular([1.0]), "1"), "level holds text"),
        (lambda: Modular([[1.0], [1.0, 2.0]]), "rows of the same length"),
        (lambda: Modular([1e308, 1e308]), "add up to infinity"),
        (lambda: Coverage([[0.2], [0.7]]), r"cover\[0\]\[0\] is 0.2; expected the numbers of the cells"),
        (lambda: Coverage([[0], [math.nan]]), r"cover\[1\]\[0\] is nan"),
        (lambda: Coverage(np.eye(3, dtype=bool)), "truth values"),
        (lambda: Coverage([["a"]]), "holds text"),
        (lambda: Coverage([0, 1]), "element 0 covers 0; expected the cells as a list"),
        (lambda: Coverage({0: [1]}), "cover is a dict"),
        (lambda: Coverage([[4_829_384_756]]), "number the cells"),
        (lambda: GroupCap([0.5, 0.7], [1]), r"groups\[0\] is 0.5"),
        (lambda: GroupCap([0, 0], [math.inf]), "as good as no cap"),
        (lambda: LogDet([[1.0]], noise_variance=math.inf), "noise_variance is inf"),
        (lambda: DOptimal([[1.0]], ridge=math.nan), "ridge is nan"),
        (lambda: Elliptical(torch.tanh, [[25_000_000.0], [25_000_001.0]]), "differ, but not in float32"),
        (lambda: Elliptical(torch.tanh, [[1.0]]).trajectory_gains(torch.full((1, 1, 1), math.inf)), "NaN or infinity"),
        (lambda: Modular([1.0]).trajectory_gains(torch.zeros(1, 1)), "expected integers"),
        (lambda: WeightedSum([len], [1.0]), r"ValueOracle\(function, num_elements\)"),
        (lambda: Stack([3]), "the set function is a int"),
        (lambda: ConcaveOf(len, torch.log1p), "ValueOracle"),
        (lambda: ValueOracle(max, 2), "fails on the empty set"),
        (lambda: ValueOracle(lambda visits: math.inf if visits else 0, 2).singletons(), "finite number"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("element", [-1, V])
def test_elements_outside_the_ground_set_are_refused(make, element):
    function = make(np.random.default_rng(0))
    with pytest.raises(ValueError, match=rf"elements reach from .* to .*; the ground set is 0 to {V - 1}"):
        function.advance(function.start(2, capacity=3), torch.tensor([0, element]))
    with pytest.raises(ValueError, match="the ground set is"):
        function.trajectory_gains(torch.tensor([[0, element]]))


def test_a_full_set_refuses():
    function = LogDet(KERNEL, noise_variance=0.1)
    state = function.start(1, capacity=1)
    function.advance(state, torch.tensor([0]))
    with pytest.raises(ValueError, match="room for 1 visits"):
        function.advance(state, torch.tensor([0]))
