"""All forms of every family agree, with each other and with the plainest way to write the same set."""

from __future__ import annotations

import copy
import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array
from tiny import CONSTRAINTS, every_action

from envs.checks import check_constraint
from envs.cormab import budget_instance, capacity_instance, path_instance, scheduling_instance
from envs.cormab.constraints import Budget, Capacity, Constraint, ExactCount, Linear, LinearRows, Path, Scheduling
from envs.cormab.constraints import capacity as capacity_module

OWN = Linear([[1, 1, 0, 2, -1], [0, 1, 1, 0, 1]], lower=[-np.inf, 1], upper=[2, 2])
WITH_AUXILIARY = Linear(
    [[1, 1, 0, -2, 0], [0, 1, 1, 1.5, -1]],
    lower=[-np.inf, 1],
    upper=[0, 2.9],
    auxiliary_lower=[0, 0],
    auxiliary_upper=[3, 0.5],
    auxiliary_integer=[True, False],
)
GENERATORS = (budget_instance, capacity_instance, scheduling_instance, path_instance)


@pytest.mark.parametrize("constraint", [*CONSTRAINTS.values(), ExactCount(6, 3), OWN, WITH_AUXILIARY])
def test_small_sets_conform(constraint):
    check_constraint(constraint)


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize(("num_arms", "budget", "seed"), [(6, 3, 0), (8, 4, 1), (10, 3, 2), (1, 1, 3)])
def test_generated_sets_conform(generator, num_arms, budget, seed):
    # On every action for up to 8 arms.
    check_constraint(generator(num_arms=num_arms, budget=budget, seed=seed).constraint, programs=256)


def test_extreme_sets_conform():
    check_constraint(Budget(3, 0))
    check_constraint(Budget(3, 3))
    check_constraint(ExactCount(3, 0))
    check_constraint(ExactCount(3, 3))
    check_constraint(Capacity([2, 3], []))
    check_constraint(Capacity([9, 3], [2, 0]))
    check_constraint(Path(3, [], source=1, budget=2, max_edges=4))
    check_constraint(Path(3, [(0, 1), (1, 2)], source=1, budget=2, max_edges=0))
    check_constraint(Scheduling(np.ones((3, 2)), np.zeros((2, 2)), 3))


def solvable(objective_rows, lower, upper, columns, fixed):
    """Whether a program in binaries of which the first are fixed has a solution."""
    low, high = np.zeros(columns), np.ones(columns)
    low[: fixed.size] = high[: fixed.size] = fixed
    found = milp(np.zeros(columns), integrality=np.ones(columns), bounds=Bounds(low, high),
                 constraints=LinearConstraint(np.array(objective_rows), lower, upper))  # fmt: skip
    return found.status == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_scheduling_is_what_the_plain_program_says(seed, distinct):
    rng = np.random.default_rng(seed)
    arms, workers, times = 4, int(rng.integers(1, 4)), 3
    arm_slots, worker_slots = rng.random((arms, times)) < 0.6, rng.random((workers, times)) < 0.6
    constraint = Scheduling(arm_slots, worker_slots, 3, distinct)
    visits = [(j, i, s) for j, i, s in np.ndindex(arms, workers, times) if arm_slots[j, s] and worker_slots[i, s]]
    columns, rows, lower, upper = arms + len(visits), [], [], []

    def row(pairs, low, high):
        rows.append(np.zeros(columns))
        for column, value in pairs:
            rows[-1][column] += value
        lower.append(low)
        upper.append(high)

    def of(**wanted):
        return [
            (arms + place, 1.0)
            for place, visit in enumerate(visits)
            if all(dict(zip("jis", visit, strict=True))[name] == value for name, value in wanted.items())
        ]

    for i, s in np.ndindex(workers, times):
        row(of(i=i, s=s), 0, 1)
    for j in range(arms):
        row([*of(j=j), (j, -2.0)], 0, 0)
        for i in range(workers):
            row(of(j=j, i=i), 0, 1 if distinct else times)
    row([(j, 1.0) for j in range(arms)], 0, 3)
    expected = [solvable(rows, lower, upper, columns, action) for action in every_action(arms)]
    np.testing.assert_array_equal(constraint.contains(every_action(arms)), expected)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.lists(st.integers(0, 8), max_size=3))
def test_capacity_is_what_trying_all_assignments_says(costs, capacities):
    constraint = Capacity(costs, capacities)
    shares = np.array(list(itertools.product(range(len(capacities) + 1), repeat=len(costs))))
    loads = np.stack([((shares == i) * costs).sum(1) for i in range(len(capacities))], 1) if capacities else np.zeros((1, 0))
    possible = {tuple(share < len(capacities)) for share in shares[(loads <= capacities).all(1)]}
    expected = [tuple(action) in possible for action in every_action(len(costs))]
    np.testing.assert_array_equal(constraint.contains(every_action(len(costs))), expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_path_is_what_following_all_walks_says(seed):
    rng = np.random.default_rng(seed)
    graph = networkx.gnp_random_graph(7, 0.3, seed=int(seed))
    length = int(rng.integers(0, 8))
    constraint = Path.from_graph(graph, 2, budget=3, max_edges=length)
    # Sets of nodes on closed walks: all (place, nodes seen) that some walk of so many edges reaches.
    reached = {(2, frozenset([2]))}
    closed = {frozenset([2])}
    for _ in range(length):
        reached = {(other, seen | {other}) for node, seen in reached for other in graph[node]}
        closed |= {seen for node, seen in reached if node == 2}
    expected = [action.sum() <= 3 and any(set(np.flatnonzero(action)) <= seen for seen in closed) for action in every_action(7)]
    np.testing.assert_array_equal(constraint.contains(every_action(7)), expected)


def test_a_round_trip_cannot_be_had_for_free():
    # With waiting allowed everywhere, and free, each of the five farthest nodes could be "visited" by standing on it.
    constraint = path_instance(num_arms=20, budget=5, seed=3).constraint
    far = np.argsort(constraint.distances[constraint.source], kind="stable")[-5:]
    objective = np.zeros(20)
    objective[far] = 1.0
    best = constraint.maximize_linear(objective)
    by_hand = max(
        size for size in range(6) for chosen in itertools.combinations(far, size)
        if constraint.contains(np.isin(np.arange(20), chosen)[None])[0]
    )  # fmt: skip
    assert objective @ best == by_hand < 5
    assert solve_with_free_cycles(constraint, objective) == 5


def solve_with_free_cycles(constraint, objective):
    """The published program, in which flow may stand still on a node without taking one of the steps."""
    size, steps = constraint.num_nodes, constraint.max_edges
    edges = [tuple(edge) for edge in constraint.edges] + [(k, j) for j, k in constraint.edges]
    arcs = [*edges, *((j, j) for j in range(size))]
    number = {(arc, t): size + place * steps + t for place, arc in enumerate(arcs) for t in range(steps)}
    columns, entries, lower, upper = size + len(arcs) * steps, [], [], []

    def row(pairs, low, high):
        entries.extend((len(lower), column, value) for column, value in pairs)
        lower.append(low)
        upper.append(high)

    home = constraint.source
    row([(number[(arc, 0)], 1) for arc in edges if arc[0] == home], 1, 1)
    row([(number[(arc, steps - 1)], 1) for arc in edges if arc[1] == home], 1, 1)
    for t in range(steps):
        row([(number[(arc, t)], 1) for arc in edges], 1, 1)
    for t, j in np.ndindex(steps - 1, size):
        row([(number[(a, t)], 1) for a in arcs if a[1] == j] + [(number[(a, t + 1)], -1) for a in arcs if a[0] == j], 0, 0)
    for j in range(size):
        row([(j, 1)] + [(number[(a, t)], -1) for a in arcs if a[1] == j for t in range(steps)], -np.inf, 0)
    row([(j, 1) for j in range(size)], 0, constraint.budget)
    rows, places, values = zip(*entries, strict=True)
    matrix = coo_array((np.array(values, float), (rows, places)), shape=(len(lower), columns)).tocsr()
    cost = np.concatenate([-objective, np.zeros(columns - size)])
    found = milp(cost, integrality=np.ones(columns), bounds=Bounds(0, 1), constraints=LinearConstraint(matrix, lower, upper))
    return round(-found.fun)


def test_exact_round_trips_of_many_stops(monkeypatch):
    constraint = path_instance(num_arms=20, budget=6, seed=1).constraint
    constraint = Path(20, constraint.edges, constraint.source, 6, 10)
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(20) < 6, (60, 1)), axis=1)
    by_table = constraint.contains(drawn)
    monkeypatch.setattr("envs.cormab.constraints.path._MOST_EXACT", 0)
    np.testing.assert_array_equal(constraint.contains(drawn), by_table)


def fragment():
    import pyomo.environ as pyo

    model = pyo.ConcreteModel()
    model.visit = pyo.Var(["north", "south", "east"], domain=pyo.Binary)
    model.trips = pyo.Var(bounds=(0, 2), domain=pyo.Integers)
    model.slack = pyo.Var(bounds=(0, None))
    model.distance = pyo.Constraint(
        expr=2 * model.visit["north"] + model.visit["south"] + 4 * model.visit["east"] - 1 <= model.trips * 2
    )
    model.some = pyo.Constraint(expr=(1, model.visit["north"] + model.visit["south"] + model.slack, 2))
    model.unused = pyo.Constraint(expr=model.visit["north"] <= 0)
    model.unused.deactivate()
    model.cost = pyo.Objective(expr=model.trips**2)
    return pyo, model


def test_a_pyomo_model_is_taken():
    _, model = fragment()
    constraint = Linear.from_pyomo(model, model.visit)
    check_constraint(constraint)
    np.testing.assert_array_equal(constraint.enumerate(10), [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 0]])
    reordered = Linear.from_pyomo(model, [model.visit[place] for place in ("east", "south", "north")])
    np.testing.assert_array_equal(reordered.contains([[1, 1, 0], [1, 0, 1]]), [True, False])
    model.visit["south"].fix(1)
    model.trips.fix(1)
    np.testing.assert_array_equal(Linear.from_pyomo(model, model.visit).enumerate(10), [[0, 1, 0], [1, 1, 0]])


def test_pyomo_models_that_are_not_linear_are_refused():
    pyo, model = fragment()
    with pytest.raises(ValueError, match="binary variables"):
        Linear.from_pyomo(model, [model.trips])
    model.curved = pyo.Constraint(expr=model.slack**2 <= 1)
    with pytest.raises(ValueError, match="curved is not linear"):
        Linear.from_pyomo(model, model.visit)
    del model.curved
    model.ordered = pyo.SOSConstraint(var=model.visit, sos=1)
    with pytest.raises(ValueError, match="special ordered sets"):
        Linear.from_pyomo(model, model.visit)


def test_large_costs_use_the_program_instead_of_the_table(monkeypatch):
    constraint = Capacity([2, 3, 4, 2, 6, 3], [7, 5, 3])
    monkeypatch.setattr(capacity_module, "_MOST_PATTERNS", 1)
    without = Capacity([2, 3, 4, 2, 6, 3], [7, 5, 3])
    assert without._table is None
    check_constraint(without)
    monkeypatch.undo()
    np.testing.assert_array_equal(without.contains(every_action(6)), constraint.contains(every_action(6)))


@pytest.mark.parametrize("generator", GENERATORS)
def test_large_sets_are_sampled_feasibly_and_maximised_by_small_programs(generator):
    constraint = generator(num_arms=30, budget=8).constraint
    drawn = constraint.sample(np.random.default_rng(0), 50)
    assert constraint.contains(drawn).all()
    assert drawn.sum(1).max() > drawn.sum(1).min()
    assert constraint.enumerate(1000) is None
    c = np.random.default_rng(1).random(30)
    best = constraint.maximize_linear(c)
    assert constraint.contains(best[None]).all()
    assert best @ c >= (drawn @ c).max()


def test_capacity_and_scheduling_programs_do_not_grow_with_workers():
    for generator, most in ((capacity_instance, 60), (scheduling_instance, 130)):
        constraint = generator(num_arms=100, budget=20).constraint
        assert constraint.rows().num_columns - 100 <= most


def test_copies_of_constraints():
    for constraint in (*CONSTRAINTS.values(), OWN, WITH_AUXILIARY):
        c = np.arange(constraint.num_actions) - 1.5
        best = constraint.rows().solve(c)
        again = copy.deepcopy(constraint)
        np.testing.assert_array_equal(again.rows().solve(c), best)
        np.testing.assert_array_equal(again.maximize_linear(c), constraint.maximize_linear(c))


def test_answers_do_not_depend_on_earlier_queries():
    first, second = (scheduling_instance(num_arms=30, budget=8).constraint.rows() for _ in range(2))
    functions = np.random.default_rng(0).integers(0, 3, size=(6, 30))
    forward, backward = [first.solve(c) for c in functions], [second.solve(c) for c in functions[::-1]]
    np.testing.assert_array_equal(forward, backward[::-1])


class Collected:
    """A model that writes down what it is told."""

    def __init__(self, columns):
        self.columns, self.rows = columns, []

    def add_variables(self, lower, upper, integer):
        self.columns += lower.size
        return np.arange(self.columns - lower.size, self.columns)

    def add_rows(self, row, column, value, lower, upper):
        matrix = np.zeros((lower.size, self.columns))
        matrix[row, column] = value
        self.rows.append((matrix, lower, upper))


def test_rows_go_into_a_model_at_the_columns_of_its_actions():
    constraint = CONSTRAINTS["capacity"]
    model = Collected(columns=7)
    added = constraint.add_to(model, np.array([6, 2, 3, 4]))
    rows = constraint.rows()
    assert isinstance(rows, LinearRows)
    ((matrix, lower, upper),) = model.rows
    np.testing.assert_array_equal(matrix[:, [6, 2, 3, 4, *added]], rows.matrix().toarray())
    assert not matrix[:, [0, 1, 5]].any()
    np.testing.assert_array_equal(lower, rows.lower)
    np.testing.assert_array_equal(upper, rows.upper)
    with pytest.raises(ValueError, match="one column for each of 4"):
        constraint.add_to(model, np.arange(3))


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(CONSTRAINTS)))
@settings(deadline=None, max_examples=30)
def test_projection_changes_as_little_as_possible(seed, kind):
    constraint = CONSTRAINTS[kind]
    action = np.random.default_rng(seed).random(4) < 0.7
    nearest = constraint.project(action)
    assert constraint.contains(nearest[None])[0]
    np.testing.assert_array_equal(constraint.project(np.stack([nearest, action])), [nearest, nearest])
    assert (nearest != action).sum() == (constraint.enumerate(100) != action).sum(1).min()


class Forgetful(Budget):
    def _contains(self, actions):
        return super()._contains(actions) & ~actions[:, 0]


class Narrow(Budget):
    def sample(self, rng, size):
        return super().sample(rng, size) & (np.arange(self.size) > 0)


class Unsorted(Budget):
    def enumerate(self, limit):
        listed = super().enumerate(limit)
        return None if listed is None else listed[::-1]


class Greedy(Budget):
    def _maximize(self, coefficients):
        return np.tile(np.arange(self.size) < self.budget, (len(coefficients), 1))


class Hasty(Budget):
    def _maximize(self, coefficients):
        best = super()._maximize(coefficients)
        return best if len(best) == 1 else best[::-1]


class Defeatist(Budget):
    def _extends(self, actions):
        return np.zeros(len(actions), np.bool_)


class Generous(Budget):
    def sample(self, rng, size):
        return rng.random((size, self.size)) < 0.5


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Forgetful, "the linear rows say True"),
        (Narrow, "never came up"),
        (Unsorted, "in another order"),
        (Greedy, "maximize_linear"),
        (Hasty, "of a batch"),
        (Defeatist, "extends is wrong"),
        (Generous, "infeasible action"),
    ],
)
def test_the_checker_finds_what_is_broken(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_constraint(broken(4, 2))


def test_the_checker_refuses_large_sets():
    with pytest.raises(ValueError, match="at most 12"):
        check_constraint(Budget(13, 2))


@pytest.mark.parametrize("constraint", [*CONSTRAINTS.values(), ExactCount(4, 2)])
def test_bad_arguments_are_refused(constraint):
    assert isinstance(constraint, Constraint)
    with pytest.raises(ValueError, match=r"expected \(B, 4\)"):
        constraint.contains(np.zeros(4))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        constraint.contains(np.full((1, 4), 0.5))
    with pytest.raises(ValueError, match=r"expected \(4,\) or \(B, 4\)"):
        constraint.maximize_linear(np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        constraint.maximize_linear([0, np.nan, 0, 0])
    assert constraint.sample(np.random.default_rng(0), 0).shape == (0, 4)
    assert constraint.maximize_linear(np.zeros((0, 4))).shape == (0, 4)
    assert constraint.contains(np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(3, 4), "budget is 4; expected an integer from 0 to 3"),
        (lambda: Budget(3, 1.5), "budget is 1.5"),
        (lambda: Budget(3, None), "budget is None"),
        (lambda: Path.from_graph([(0, 1)], 0, budget=1, max_edges=2), "expected a networkx.Graph"),
        (lambda: ExactCount(3, 4), "count is 4"),
        (lambda: Capacity([2.5], [3]), "integers; choose smaller units"),
        (lambda: Capacity([0], [3]), "costs holds 0"),
        (lambda: Capacity([], [3]), "at least one arm"),
        (lambda: Scheduling(np.ones((2, 3)), np.ones((2, 2)), 1), "same number of slots"),
        (lambda: Scheduling(np.ones(3), np.ones((2, 3)), 1), "expected a matrix"),
        (lambda: Path(3, [(0, 3)], 0, 1, 2), "names the node 3"),
        (lambda: Path(3, [(0, 1)], 3, 1, 2), "source is 3"),
        (lambda: Path.from_graph(networkx.DiGraph([(0, 1)]), 0, budget=1, max_edges=2), "directed"),
        (lambda: Path.from_graph(networkx.Graph([(0, 1)]), "x", budget=1, max_edges=2), "'x' is not a node"),
        (lambda: Linear([[1, 1]], [3], [4]), "set of feasible actions is empty"),
        (lambda: Linear([[1, 1]], [np.inf], [np.inf]), "set of feasible actions is empty"),
        (lambda: Linear([[1, 1]], [1], [0]), "set of feasible actions is empty"),
        (lambda: Linear([[1, np.nan]], [1], [0]), "not finite"),
        (lambda: Linear([[1, 1]], [1, 1], [0]), "lower has shape"),
        (lambda: Linear([[1, 1]], [0], [1], [0, 0], [1, 1]), "N at least 1"),
    ],
)
def test_impossible_sets_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
