"""What is feasible is the same in every form, and what arithmetic says, whatever units numbers are in."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_matrix
from tiny import every_action

from envs.checks import check_constraint
from envs.cormab.constraints import Budget, Capacity, Constraint, ExactCount, Linear, LinearRows, Path, Scheduling
from envs.cormab.constraints.exact import LARGEST, whole

INF = np.inf


def exactly(number):
    """A number as the decimal that it is printed as."""
    return Fraction(repr(float(number)))


def by_fractions(matrix, lower, upper):
    """Every action, whether it is feasible, and whether rounding could decide that."""
    rows = [[exactly(number) for number in row] for row in matrix]
    actions = every_action(len(rows[0]))
    feasible, close = np.ones((2, len(actions)), np.bool_)
    close[:] = False
    for place, action in enumerate(actions):
        for row, low, high in zip(rows, lower, upper, strict=True):
            total = sum((number for number, one in zip(row, action, strict=True) if one), Fraction(0))
            for side, sign in ((low, -1), (high, 1)):
                if math.isfinite(side):
                    beyond = sign * (total - exactly(side))
                    feasible[place] &= beyond <= 0
                    close[place] |= 0 < abs(beyond) < sum(map(abs, row)) / 10**14
    return actions, feasible, close


def random_rows(seed):
    """Rows of one of several kinds, with sides that some action meets exactly, as far as its sum can be written down."""
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(3, 7)), int(rng.integers(1, 4))
    units = 10.0 ** rng.uniform(-9, 12, size=(count, 1))
    matrix = (
        rng.normal(size=(count, size)) * units,  # one scale in a row, others in other rows
        np.round(rng.uniform(1, 10 ** rng.integers(1, 12), size=(count, size))),  # whole money
        rng.normal(size=(count, size)) * 10.0 ** rng.uniform(-9, 12, size=(count, size)),  # every scale in a row
        np.round(rng.uniform(-1e4, 1e4, size=(count, size)), 2),  # cents
        rng.integers(-(2**40), 2**40, size=(count, size)).astype(float),
        rng.integers(-3, 4, size=(count, size)) * 10.0 ** rng.integers(-9, 12, size=(count, size)),
    )[seed % 6]
    matrix[rng.random(matrix.shape) < 0.15] = 0.0
    met = matrix @ rng.integers(0, 2, size=size)
    lower, upper = np.full(count, -INF), np.full(count, INF)
    for row, kind in enumerate(rng.integers(4, size=count)):
        smallest = np.abs(matrix[row][matrix[row] != 0]).min(initial=1.0)
        if kind in (0, 2):
            upper[row] = met[row]
        if kind in (1, 2):
            lower[row] = met[row]
        if kind == 3:
            upper[row] = met[row] + rng.uniform(-0.5, 0.5) * smallest
    return matrix, lower, upper


@pytest.mark.parametrize("seed", range(24))
def test_rows_of_any_size_are_what_fractions_say(seed):
    matrix, lower, upper = random_rows(seed)
    actions, feasible, close = by_fractions(matrix, lower, upper)
    try:
        constraint = Linear(matrix, lower, upper)
    except ValueError:
        assert not feasible[~close].any()
        return
    np.testing.assert_array_equal(constraint.contains(actions)[~close], feasible[~close])
    check_constraint(constraint, objectives=4, programs=24)


def test_a_few_too_much_is_too_much():
    both = [[1, 1]]
    assert not Linear([[2_500_002.0, 2_500_001.0]], [-INF], [5_000_000.0]).contains(both)[0]
    assert Linear([[2_500_002.0, 2_500_001.0]], [-INF], [5_000_003.0]).contains(both)[0]
    assert not Linear([[2e-7, 3e-7]], [-INF], [4e-7]).contains(both)[0]
    assert Linear([[0.1, 0.2]], [0.3], [0.3]).contains(both)[0]
    assert Linear([[0.7, 0.1]], [0.7 + 0.1], [0.7 + 0.1]).contains(both)[0]
    assert not Linear([[1e12, 0.01]], [-INF], [1e12]).contains(both)[0]
    assert Linear([[1 / 3, 1 / 7]], [-INF], [1 / 3 + 1 / 7]).contains(both)[0]
    assert not Linear([[1 / 3, 1 / 7]], [-INF], [(1 / 3 + 1 / 7) * (1 - 1e-13)]).contains(both)[0]


def test_whole_rows():
    assert whole(np.array([6.0, -9.0, 0.0]), -10.0, 5.0)[1:] == (-INF, 1.0), "a side out of reach is none; the divisor is 3"
    np.testing.assert_array_equal(whole(np.array([0.25, 1e3]), -INF, INF).entries, [1, 4000])
    np.testing.assert_array_equal(whole(np.array([1e18, 3e18]), -INF, 2e18).entries, [1, 3])
    assert whole(np.array([0.0, 0.0]), 0.1, INF)[1] == 1.0, "no zeros add up to a tenth"


def test_zeros_in_a_row_change_nothing():
    entries, side = np.array([126249810903.82484, -0.0005107054558198558, -564615.1090069899]), 126249246288.71583
    bare, padded = (whole(row, -INF, side) for row in (entries, np.concatenate([entries, np.zeros(9)])))
    assert bare.upper == padded.upper
    np.testing.assert_array_equal(bare.entries, padded.entries[:3])


MONEY = 2.5e11


@pytest.mark.parametrize(
    ("constraint", "feasible"),
    [
        # A number of loans, up to two, each of which pays for one of three.
        (Linear([[MONEY] * 3 + [-MONEY]], [-INF], [1.0], [0], [2], [True]), lambda a: a.sum(1) <= 2),
        (Linear([[MONEY] * 3 + [-1.0]], [-INF], [0.0], [0], [MONEY * 1.5], [False]), lambda a: a.sum(1) <= 1),
        (Linear([[1e-8, 2e-8, 3e-8, -1e-8]], [-INF], [0.0], [0], [2.5], [False]), lambda a: a @ [1, 2, 3] <= 2.5),
        # One quantity by the gram, then by the kilotonne.
        (
            Linear([[1, 2, 3, -1e-6, 0], [0, 0, 0, 1, -1e9]], [-INF, 0], [0, 0], [0, 0], [INF, 4e-3], [False, False]),
            lambda a: a @ [1, 2, 3] <= 4,
        ),
        (Linear([[3e9, 5e9, 7e9, -1e9]], [0.0], [0.0], [0], [9], [True]), lambda a: a @ [3, 5, 7] <= 9),
    ],
)
def test_variables_of_any_size_that_help(constraint, feasible):
    actions = every_action(3)
    np.testing.assert_array_equal(constraint.contains(actions), feasible(actions))
    check_constraint(constraint, objectives=6)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e12])
def test_what_only_a_tolerance_lets_through_is_cut_off(unit):
    # The first four together miss both sides, by 5e-8 of a unit.
    matrix = np.array([[1.5, 1.6, 2.6, 1.2, 2.2, 2.5, -1.1, -1.5], [1.4, 1.1, 1.5, 2.3, 2.1, 1.3, -1.1, -1.4]]) * unit
    upper = np.array([6.9 - 0.67 - 5e-8, 6.3 - 0.64 - 5e-8]) * unit
    constraint = Linear(matrix, [-INF] * 2, upper, [0, 0], [0.2, 0.3], [False, False])
    rows, gains = constraint.rows(), np.array([1.0, 1.01, 1.02, 0.9, -0.9, -0.8])
    assert rows.is_blurred
    let_through = rows._program.maximize(gains, np.zeros(6), np.ones(6))
    assert let_through.tolist() == [True] * 4 + [False] * 2
    assert not constraint.contains(let_through[None])[0]
    for _ in range(2):
        np.testing.assert_array_equal(rows.solve(gains), [True] * 3 + [False] * 3)
    check_constraint(constraint, objectives=4, programs=16)


def test_rows_in_digits_are_small_and_others_stay():
    large = Linear([[2.0**52, 3.0, -5.0]], [2.0], [2.0**52]).rows()
    assert np.abs(large.value).max() <= LARGEST
    assert large.auxiliary_integer.all()
    again = LinearRows(3, large.row, large.column, large.value, large.lower, large.upper,
                       large.auxiliary_lower, large.auxiliary_upper, large.auxiliary_integer)  # fmt: skip
    np.testing.assert_array_equal(again.matrix().toarray(), large.matrix().toarray())
    plain = Capacity([2, 3, 4], [5, 3]).rows()
    assert plain.row is LinearRows(3, plain.row, *[getattr(plain, name) for name in (
        "column", "value", "lower", "upper", "auxiliary_lower", "auxiliary_upper", "auxiliary_integer")]).row  # fmt: skip


def test_a_pyomo_model_in_money():
    import pyomo.environ as pyo

    model = pyo.ConcreteModel()
    model.build = pyo.Var(range(4), domain=pyo.Binary)
    model.loan = pyo.Var(bounds=(0, 2_500_000.5))
    costs = [2_500_000, 2_500_001, 4_999_999.5, 7_500_000]
    model.budget = pyo.Constraint(expr=sum(c * model.build[k] for k, c in enumerate(costs)) <= 2_500_000 + model.loan)
    constraint = Linear.from_pyomo(model, model.build)
    actions = every_action(4)
    np.testing.assert_array_equal(constraint.contains(actions), actions @ costs <= 5_000_000.5)
    check_constraint(constraint, objectives=6)


class Mine(Constraint):
    """Somebody's own set, whose rows let through what it does not hold: at most three of five, of them not all first three."""

    num_actions = 5

    def rows(self):
        return Budget(5, 3).rows()

    def sample(self, rng, size):
        return self._maximize(rng.normal(size=(size, 5)))

    def enumerate(self, limit):
        return None

    def _contains(self, actions):
        return (actions.sum(1) <= 3) & ~actions[:, :3].all(1)


def test_rows_that_are_wider_than_the_set_are_no_harm():
    assert Mine().maximize_linear([5.0, 4.0, 3.0, 2.0, 1.0]).astype(int).tolist() == [1, 1, 0, 1, 0]
    assert Mine().contains(Mine().project([[1, 1, 1, 0, 0]])).all()


@pytest.mark.parametrize(
    "constraint",
    [
        Capacity([2_500_002, 2_500_001, 2_500_000, 10**11], [5_000_000, 2_500_001]),
        Capacity([3, 4, 5], [2**61, 2**61, 4]),
        Path(5, [(0, 1), (1, 2), (2, 3), (3, 4)], 0, 10**12, 10**12),
        Scheduling(np.ones((4, 3)), np.ones((2, 3)), 10**12),
    ],
)
def test_families_with_large_numbers(constraint):
    check_constraint(constraint, objectives=8, programs=16)


def test_many_different_costs_do_not_keep_one_waiting():
    rng = np.random.default_rng(0)
    constraint = Capacity(rng.integers(10**6, 10**7, size=25), [10**9])
    assert constraint.contains(np.ones((1, 25)))[0]
    assert constraint.rows().num_columns == 26
    with pytest.raises(ValueError, match=r"integers below 2\*\*62"):
        Capacity([1e300], [3])


@pytest.mark.parametrize("kind", [csr_matrix, coo_array])
def test_a_sparse_matrix_is_a_matrix(kind):
    dense = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    sparse = Linear(kind(dense), [0, 1], [1, 2])
    np.testing.assert_array_equal(sparse.enumerate(8), Linear(dense, [0, 1], [1, 2]).enumerate(8))


@pytest.mark.parametrize("matrix", [[[1, 2], [3]], [["a", "b"]], [[None, {}]]])
def test_what_is_no_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="not an array of numbers"):
        Linear(matrix, [0], [1])


# --- what an action means ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distinct", [True, False])
def test_visits_are_made_by_free_workers_to_free_arms(distinct):
    rng = np.random.default_rng(0)
    for _ in range(30):
        arms, workers, slots = rng.integers(1, 7), rng.integers(1, 5), rng.integers(1, 4)
        constraint = Scheduling(rng.random((arms, slots)) < 0.6, rng.random((workers, slots)) < 0.6, 6, distinct)
        action = constraint.sample(rng, 1)[0]
        visits = constraint.assignment(action)
        assert sorted(visit["arm"] for visit in visits) == np.repeat(np.flatnonzero(action), 2).tolist()
        assert len({(visit["worker"], visit["slot"]) for visit in visits}) == len(visits)
        if distinct:
            assert len({(visit["worker"], visit["arm"]) for visit in visits}) == len(visits)
        for visit in visits:
            assert constraint.arm_slots[visit["arm"], visit["slot"]]
            assert constraint.worker_slots[visit["worker"], visit["slot"]]


def test_workers_hold_what_they_are_given():
    rng = np.random.default_rng(1)
    searched = 0
    for _ in range(150):
        constraint = Capacity(rng.integers(1, 9, size=9), rng.integers(0, 12, size=3))
        action = constraint.sample_large(rng, 1)[0]
        visits = constraint.assignment(action)
        searched += constraint._packed(np.sort(constraint.costs[action]).tolist()) is None
        assert [visit["arm"] for visit in visits] == np.flatnonzero(action).tolist()
        loads = np.bincount([v["worker"] for v in visits], [constraint.costs[v["arm"]] for v in visits], minlength=3)
        assert (loads <= constraint.capacities).all()
    assert searched, "some need the program"


def test_walks_follow_edges_and_come_home():
    rng = np.random.default_rng(2)
    searched = 0
    for _ in range(100):
        size = int(rng.integers(5, 12))
        edges = [(node, int(rng.integers(node))) for node in range(1, size)] + [tuple(rng.integers(0, size, 2)) for _ in "abc"]
        constraint = Path(size, edges, int(rng.integers(size)), 6, int(rng.integers(4, 14)))
        action = constraint.sample_large(rng, 1)[0]
        steps = constraint.assignment(action)
        nodes = [step["node"] for step in steps]
        assert nodes[0] == nodes[-1] == constraint.source
        assert len(nodes) - 1 <= constraint.max_edges
        assert all(
            {one, other} in [set(edge) for edge in constraint.edges.tolist()] for one, other in itertools.pairwise(nodes)
        )
        assert sorted(step["node"] for step in steps if step["pulled"]) == np.flatnonzero(action).tolist()
        stops = action & (np.arange(size) != constraint.source)
        searched += int(constraint._nearest_first(stops[None])[0] > constraint.max_edges)
    assert searched, "some need the program"


def test_other_actions_are_listed_and_infeasible_ones_refused():
    assert Budget(3, 2).assignment([1, 0, 1]) == [{"arm": 0}, {"arm": 2}]
    assert ExactCount(3, 1).assignment([0, 1, 0]) == [{"intervention": 1}]
    assert Linear([[1, 1]], [0], [1]).assignment([0, 1]) == [{"component": 1}]
    with pytest.raises(ValueError, match=r"ones at \[0, 1, 2\] is not feasible; project"):
        Budget(3, 2).assignment([1, 1, 1])
