"""Planners and bounds: against brute force, against each other, and at the published sizes."""

from __future__ import annotations

import itertools
import math

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import batched_form
from envs.coverage import Graph, Grid, Hub, SetFunctionLawError
from envs.coverage.graph_world import GraphWorld
from envs.coverage.grids import GridMap
from envs.coverage.set_functions import (
    ConcaveOverModular,
    Coverage,
    FacilityLocation,
    GroupCap,
    LogDet,
    Modular,
    Stack,
    Truncate,
    ValueOracle,
    WeightedSum,
)
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.planners import (
    BeamSearch,
    Exhaustive,
    Greedy,
    MixedInteger,
    ModularPolicy,
    Planner,
    TravelGreedy,
    Walks,
    compare,
    curvature,
    guarantee,
    lazy_greedy,
    upper_bounds,
)
from morl.registry import component, names
from tests.envs.coverage.test_set_functions import Changing


def world_of(successors, function, *, horizon, start=0, slip=0.0):
    number = len(successors)
    return GraphWorld(
        1,
        successors=np.array(successors),
        features=np.eye(number),
        start=start,
        set_function=function,
        horizon=horizon,
        slip=slip,
        observation="index",
        max_episode_steps=None,
    )


def functions(rng, number):
    """One of each kind that has a linear form, and two that have none."""
    cover = Coverage([rng.integers(8, size=rng.integers(0, 4)) for _ in range(number)], rng.random(8))
    cap = GroupCap(rng.integers(-1, 2, size=number), rng.integers(1, 4, size=2))
    factor = rng.normal(size=(number, 3))
    return {
        "modular": Modular(rng.random(number)),
        "coverage": cover,
        "group_cap": cap,
        "facility_location": FacilityLocation(rng.random((number, 4))),
        "weighted_sum": WeightedSum([cover, cap, Modular(rng.random(number))], rng.random(3)),
        "truncate": Truncate(WeightedSum([cover, Modular(rng.random(number))], [1.0, 0.5]), 1.2),
        "stack": Stack([cover, cap]),
        "log_det": LogDet(factor @ factor.T, noise_variance=0.3),
        "concave": ConcaveOverModular(rng.random((number, 2))),
    }


def random_world(seed, kind, *, slip=0.0, horizon=4):
    rng = np.random.default_rng(seed)
    function = functions(rng, 6)[kind]
    world = world_of(rng.integers(6, size=(6, 3)), function, horizon=horizon, slip=slip)
    return world, rng.random(2) if function.num_objectives == 2 else None


def best_of_all_sequences(world, weights):
    plans = np.array(list(itertools.product(range(world.successors.shape[1]), repeat=world.horizon)))
    nodes = [np.full(len(plans), world.start)]
    for actions in plans.T:
        nodes.append(world.successors[nodes[-1], actions])
    values = world.set_function.trajectory_gains(torch.from_numpy(np.stack(nodes, 1))).sum(1).numpy()
    return (values @ (np.ones(1) if weights is None else weights)).max()


KINDS = list(functions(np.random.default_rng(0), 6))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**31))
@settings(max_examples=6)
def test_planners_and_bounds_against_all_sequences(kind, seed):
    world, weights = random_world(seed, kind)
    best = best_of_all_sequences(world, weights)
    exact = [Exhaustive(), BeamSearch(width=10_000)]
    if kind not in ("log_det", "concave"):
        exact.append(MixedInteger(width=1))
    for planner in exact:
        plan = planner.plan(world, weights)
        assert plan.value == pytest.approx(best, abs=1e-6)
        if planner is not exact[1]:
            assert plan.status == "optimal"
            assert plan.bound == pytest.approx(best, abs=1e-5)
    for planner in (Greedy(), ModularPolicy(), TravelGreedy(), BeamSearch(width=2), BeamSearch(width=2, lookahead=0.7)):
        plan = planner.plan(world, weights)
        assert plan.value <= best + 1e-9
        assert plan.bound is None
        check_walk(world, plan, weights)
    bounds = upper_bounds(world, weights)
    assert bounds["best"] == min(bounds.values()) >= best - 1e-9
    if kind not in ("log_det", "concave"):
        assert MixedInteger(relaxation=True).plan(world, weights).bound >= best - 1e-6


@pytest.mark.parametrize("unit", [1e-9, 1e-5, 1e12])
@pytest.mark.parametrize("kind", ["modular", "weighted_sum", "truncate"])
def test_the_program_proves_the_best_walk_in_any_unit(kind, unit):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        function = functions(rng, 6)[kind]
        if kind == "truncate":
            [inner] = function.functions
            scaled = Truncate(WeightedSum([inner], [unit]), 1.2 * unit)
        else:
            scaled = WeightedSum([function], [unit])
        world = world_of(rng.integers(6, size=(6, 3)), scaled, horizon=4)
        best = best_of_all_sequences(world, None)
        plan = MixedInteger(width=1).plan(world)
        assert plan.status == "optimal"
        assert plan.value == pytest.approx(best, rel=1e-6)
        assert MixedInteger(width=1, relaxation=True).plan(world).bound >= best * (1 - 1e-7)


def test_a_start_that_presolve_improves_is_not_taken_for_the_solution():
    world, _ = random_world(9253684, "weighted_sum")
    plan = MixedInteger(width=1).plan(world)
    assert plan.value == pytest.approx(best_of_all_sequences(world, None), abs=1e-6)
    assert plan.status == "optimal"


def check_walk(world, plan, weights):
    node = world.start
    for action, following in zip(plan.actions, plan.nodes[1:], strict=True):
        node = world.successors[node, action]
        assert node == following
    value = world.set_function.trajectory_gains(torch.from_numpy(plan.nodes)[None]).sum(1)[0].numpy()
    assert plan.value == pytest.approx(value @ (np.ones(1) if weights is None else weights))


@pytest.mark.parametrize("kind", ["coverage", "modular", "log_det"])
@given(st.integers(0, 2**31))
@settings(max_examples=4)
def test_values_in_worlds_that_slip(kind, seed):
    world, _ = random_world(seed, kind, slip=0.4, horizon=3)
    optimum = Exhaustive().plan(world)
    assert optimum.nodes is None
    assert optimum.value == pytest.approx(remembering_value(world), abs=1e-9)
    for planner in (Greedy(episodes=4000), ModularPolicy(episodes=4000)):
        plan = planner.plan(world)
        assert plan.value <= optimum.value + 5 * plan.standard_error + 1e-9
        assert plan.nodes is plan.actions is None
    if kind == "modular":
        assert ModularPolicy(episodes=4000).plan(world).value == pytest.approx(
            optimum.value, abs=5 * plan.standard_error + 1e-9
        )
    assert upper_bounds(world)["best"] >= optimum.value - 1e-9


def remembering_value(world):
    """Best expected value by recursion over whole histories."""
    probabilities, moves = world.executed(), world.successors

    def value(visits):
        return float(world.set_function.trajectory_gains(torch.tensor([visits])).sum())

    def best(visits):
        if len(visits) > world.horizon:
            return value(visits)
        outcomes = np.array([best((*visits, int(node))) for node in moves[visits[-1]]])
        return float((probabilities[visits[-1]] @ outcomes).max())

    return best((world.start,))


@pytest.mark.parametrize(
    ("side", "start", "moves", "disc", "best", "count", "greedy", "uniform"),
    [
        (3, (0, 0), 4, "cell", 5, 14, 5, 2.5424),
        (3, (1, 1), 6, "cell", 7, 8, 7, 3.541056),
        (4, (0, 0), 4, "block", 12, 8, 12, 7.0368),
        (4, (0, 0), 6, "block", 16, 2, 16, 8.199552),
        (4, (1, 1), 6, "block", 14, 8, 14, 8.563584),
        (5, (2, 2), 3, "block", 10, 12, 9, 7.584),
        (5, (2, 2), 4, "block", 12, 10, 11, 8.2848),
        (5, (2, 2), 6, "block", 16, 4, 15, 9.392256),
        (3, (0, 0), 8, "cell", 9, 8, 9, 3.748370),
        (4, (1, 1), 8, "block", 16, 16, 16, 9.197768),
    ],
)
def test_small_grids(side, start, moves, disc, best, count, greedy, uniform):
    arguments = {"rows": side, "columns": side, "start": start, "horizon": moves, "disc": disc}
    plans = np.array(list(itertools.product(range(5), repeat=moves)), np.int64)
    world, rows = Grid(len(plans), **arguments), np.arange(len(plans))
    world.reset(rows, rows)
    for actions in plans.T:
        world.step(rows, actions)
    values = world.values[:, 0]
    assert values.max() == best
    assert (values == best).sum() == count
    assert values.mean() == pytest.approx(uniform, abs=1e-6)
    world = Grid(1, **arguments)
    assert Exhaustive().plan(world).value == best
    assert Greedy().plan(world).value == greedy
    plan = MixedInteger(width=1).plan(world)
    assert (plan.value, plan.status) == (best, "optimal")


@pytest.mark.parametrize(("horizon", "optimum"), [(79, 162), (39, 82)])
def test_coverage_optimum(horizon, optimum):
    # A move shows at most two new cells of a 2 x 2 block: nothing is above 4 + 2 H, and greedy attains it.
    world = Grid(1, horizon=horizon)
    assert Greedy().plan(world).value == optimum == upper_bounds(world)["best"] == world.start_value[0] + 2 * horizon


def test_two_rooms_optimum():
    world = gymnasium.make("coverage/two-rooms-v0")
    assert BeamSearch(width=300).plan(world).value == 68 == upper_bounds(world)["best"]
    assert Greedy().plan(world).value == 28
    plan = MixedInteger(relaxation=True).plan(world)
    assert (plan.value, plan.status, plan.bound) == (68, "optimal", pytest.approx(68))


def test_lookahead_finds_what_is_far_away():
    # Little things near the start; the treasure is at the other end of the corridor.
    weights = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 50.0])
    world = Grid(
        1, rows=1, columns=8, start=(0, 2), horizon=5, disc="cell", set_function=Coverage(np.arange(8)[:, None], weights)
    )
    assert BeamSearch(width=1).plan(world).value == 2
    assert BeamSearch(width=1, lookahead=1.0).plan(world).value == 51 == Exhaustive().plan(world).value


def test_greedy_over_sites_walks_to_what_is_far_away():
    weights = np.array([9.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 50.0])
    function = Coverage(np.arange(8)[:, None], weights)
    world = Grid(1, rows=1, columns=8, start=(0, 3), horizon=6, set_function=function)
    plan = TravelGreedy().plan(world)
    # 50 in 4 steps is more per step than 9 in 3; what is left cannot be reached any more.
    assert plan.nodes[:5].tolist() == [3, 4, 5, 6, 7]
    assert plan.value == 51
    assert Greedy().plan(world).value == 0


def test_bimodal_references():
    rows = compare(batched_form("coverage/bimodal-v0", 1))
    found = {row["planner"]: row["value"] for row in rows}
    assert found == {
        "beam_search": pytest.approx(51.434, abs=1e-3),
        "greedy": pytest.approx(47.903, abs=1e-3),
        "travel_greedy": pytest.approx(46.012, abs=1e-3),
        "modular_policy": pytest.approx(9.572, abs=1e-3),
    }
    assert [row["planner"] for row in rows] == ["beam_search", "greedy", "travel_greedy", "modular_policy"]


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_hub_is_worth_two_to_who_remembers(p):
    world = Hub(1, p=p)
    assert Exhaustive().plan(world).value == pytest.approx(2.0) == upper_bounds(world)["best"]
    # The exact policy for the sum goes to one place whatever was seen.
    plan = ModularPolicy(episodes=20_000).plan(world)
    assert plan.value == pytest.approx(1 + (1 - p), abs=5 * plan.standard_error)
    assert {row["planner"] for row in compare(world)} == {"greedy", "modular_policy"}


def test_two_objectives_are_weighted():
    cells = GridMap.without_walls(4, 4)
    both = Stack([Coverage(cells.discs("block")), Modular(np.arange(16.0))])
    world = Grid(1, rows=4, columns=4, start=(0, 0), horizon=6, set_function=both)
    assert Exhaustive().plan(world, [1.0, 0.0]).value == 16
    stay = Exhaustive().plan(world, [0.0, 1.0])
    assert stay.nodes[-1] == 15
    with pytest.raises(ShapeError, match="2 nonnegative numbers"):
        Greedy().plan(world)
    with pytest.raises(ShapeError, match="2 nonnegative numbers"):
        Greedy().plan(world, [1.0, -1.0])


# --- guarantees ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**31), st.integers(0, 5))
@settings(max_examples=5)
def test_lazy_greedy_is_greedy_and_bounds_every_choice(kind, seed, number):
    rng = np.random.default_rng(seed)
    function = functions(rng, 6)[kind]
    weights = None if function.num_objectives == 1 else rng.random(2)
    scale = np.ones(1) if weights is None else weights
    picked = lazy_greedy(function, number, weights=weights)
    state, elements = function.start(1, capacity=number + 1), []
    for _ in range(number):
        gains = function.gains(state)[0].numpy() @ scale
        # Where nothing gains anything, what is new comes first.
        best = int(gains.argmax()) if gains.max() > 0 else next(v for v in (*range(6), -1) if v not in elements)
        if best < 0:
            break
        elements.append(best)
        function.advance(state, torch.tensor(elements[-1:]))
    np.testing.assert_array_equal(picked.elements, elements)
    value = float(state["value"][0].numpy() @ scale)
    assert picked.gains.sum() == pytest.approx(value)
    assert picked.evaluations <= 6 * max(number, 1)
    if number:
        choices = torch.tensor(list(itertools.product(range(6), repeat=number)))
        best = float((function.trajectory_gains(choices).sum(1).numpy() @ scale).max())
        assert (1 - 1 / math.e) * best <= value + 1e-9
        assert picked.bound >= best - 1e-9


def test_lazy_greedy_looks_at_few():
    rng = np.random.default_rng(0)
    function = Coverage([rng.integers(400, size=6) for _ in range(900)], rng.random(400))
    assert lazy_greedy(function, 40).evaluations < 0.2 * 40 * 900


def test_lazy_greedy_from_given_elements_and_candidates():
    function = Coverage([[0, 1], [1, 2], [3], [0]], [1.0, 1.0, 2.0, 5.0])
    picked = lazy_greedy(function, 2, given=[0], candidates=[1, 3])
    assert picked.elements.tolist() == [1, 3]
    assert picked.gains.tolist() == [2.0, 0.0]
    assert picked.bound == 4.0
    with pytest.raises(ValueError, match="0 candidates"):
        lazy_greedy(function, 2, candidates=[])


def test_ranking_goes_on_with_what_was_not_picked_yet_and_ends():
    similarity = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    picked = lazy_greedy(FacilityLocation(similarity), 6)
    assert picked.elements.tolist() == [0, 3, 1, 2]
    assert picked.gains.tolist() == [2.0, 1.0, 0.0, 0.0]
    assert picked.bound == 3.0
    # What gains again is picked again as long as it does.
    assert lazy_greedy(Truncate(Modular([1.0, 0.25]), 2.25), 5).elements.tolist() == [0, 0, 0, 1]
    assert lazy_greedy(Modular([0.0, 0.0]), 5).elements.tolist() == [0, 1]
    assert lazy_greedy(GroupCap([0, 0, -1], [5]), 9, given=[1], candidates=[2, 1, 0, 0]).elements.tolist() == [0, 2]


def test_weights_that_differ_by_one_are_told_apart():
    picked = lazy_greedy(Modular([25_000_000, 25_000_001]), 1)
    assert (picked.elements.tolist(), picked.gains.tolist(), picked.bound) == ([1], [25_000_001.0], 25_000_001.0)
    world = world_of([[1, 2], [1, 1], [2, 2]], Coverage([[0], [1], [2]], [0.1, 25_000_000, 25_000_001]), horizon=1)
    for planner in (Greedy(), ModularPolicy(), TravelGreedy(), BeamSearch(), Exhaustive(), MixedInteger()):
        assert planner.plan(world).value == pytest.approx(25_000_001.1, rel=1e-12), planner
    assert upper_bounds(world)["best"] == pytest.approx(25_000_001.1, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-11, 1e11])
def test_exact_planning_at_any_scale(scale):
    # From 0 to 1 or 2, on to 3, and back: what was seen first decides what is left.
    function = FacilityLocation(scale * np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 0], [2, 0, 0], [0, 2, 0]]))
    world = world_of([[1, 2], [3, 3], [3, 3], [4, 5], [4, 4], [5, 5]], function, horizon=3)
    assert Exhaustive().plan(world).value == pytest.approx(4 * scale)
    assert BeamSearch().plan(world).value == pytest.approx(4 * scale)


def test_functions_of_python_are_planned_with():
    seen = [{0, 1}, {1, 2}, {3}, {0}]
    picked = lazy_greedy(lambda visits: len(set().union(*(seen[v] for v in visits))), 3, candidates=range(4))
    assert picked.elements.tolist() == [0, 1, 2]
    assert picked.gains.tolist() == [2.0, 1.0, 1.0]
    oracle = ValueOracle(lambda visits: len(set().union(*(seen[v] for v in visits))), 4)
    world = world_of([[1, 2], [2, 3], [3, 0], [0, 1]], oracle, horizon=3)
    same = world_of([[1, 2], [2, 3], [3, 0], [0, 1]], Coverage([sorted(cells) for cells in seen]), horizon=3)
    for planner in (Greedy(), TravelGreedy(), BeamSearch(), Exhaustive()):
        assert planner.plan(world).value == planner.plan(same).value
    # A set holds an element once.
    assert lazy_greedy(lambda chosen: sum([1.0, 3.0, 2.0][v] for v in chosen), 9, candidates=range(3)).elements.tolist() == [
        1,
        2,
        0,
    ]
    with pytest.raises(SetFunctionLawError, match="diminishing returns"):
        lazy_greedy(lambda visits: len(set(visits)) ** 2, 2, candidates=range(4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lazy_greedy(len, 3), "give candidates"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1, candidates=[0.2]), r"candidates\[0\] is 0.2"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1, candidates=[True, False]), "truth values"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1, candidates=[-1]), "0 to 1"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1, given=[2]), "given holds"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1.5), "number is 1.5"),
        (lambda: lazy_greedy(Modular([1.0, 2.0]), 1, weights=[math.nan]), "nonnegative numbers"),
        (lambda: lazy_greedy(Stack([Modular([1.0])] * 2), 1), "2 nonnegative numbers"),
        (lambda: lazy_greedy("cells", 1), "the set function is a str"),
        (lambda: curvature(Modular([1.0, 2.0]), [0.5]), r"elements\[0\] is 0.5"),
        (lambda: curvature(len), "ValueOracle"),
        (lambda: BeamSearch(width=0), "width must be at least 1, found 0"),
        (lambda: BeamSearch(lookahead=-1), "lookahead must not be negative"),
        (lambda: MixedInteger(time_limit=0.0), "time_limit must be positive"),
    ],
)
def test_what_is_no_element_no_function_and_no_setting_is_named(call, message):
    with pytest.raises((ShapeError, ConfigurationError, ValueError), match=message):
        call()


def test_curvature_of_three_sites():
    kernel = [[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]]
    assert curvature(LogDet(kernel, noise_variance=0.1)) == pytest.approx(0.476566, abs=1e-6)
    assert curvature(Modular([1.0, 2.0, 0.0])) == 0.0
    assert curvature(Coverage([[0], [0]])) == 1.0
    assert curvature(Coverage([[0], [0], [1]]), [0, 2]) == 0.0


def one_way_grid():
    """4 x 4 cells, from the corner, right or down only; F = weights of the blocks seen plus 4 for each place."""
    cells = GridMap.without_walls(4, 4)
    places = cells.cells
    function = WeightedSum(
        [Coverage(cells.discs("block"), 1 + (3 * places[:, 0] + 5 * places[:, 1]) % 7), Coverage(np.arange(16)[:, None])],
        [1.0, 4.0],
    )
    # Who cannot go one way goes the other; the corner is out of reach.
    right = np.where(places[:, 1] < 3, np.arange(16) + 1, np.minimum(np.arange(16) + 4, 15))
    down = np.where(places[:, 0] < 3, np.arange(16) + 4, np.minimum(np.arange(16) + 1, 15))
    return world_of(np.stack([right, down], 1), function, horizon=5)


def test_modular_oracle_keeps_its_guarantee():
    world = one_way_grid()
    assert curvature(world.set_function) == pytest.approx(19 / 23)
    optimum, modular = Exhaustive().plan(world), ModularPolicy().plan(world)
    assert optimum.value == 75
    assert modular.value == 69
    alone = world.set_function.singletons()[:, 0].numpy()
    assert alone[optimum.nodes].sum() == 107
    assert alone[modular.nodes].sum() == 114
    share = guarantee(world)
    assert share >= 1 - 19 / 23
    assert share * optimum.value <= modular.value
    assert guarantee(Grid(1, rows=3, columns=3, start=(0, 0), horizon=4)) == 0.0


@pytest.mark.parametrize(("slope", "law"), [(1.0, "diminishing returns"), (-1.0, "monotone")])
def test_guarantees_are_refused_where_there_are_none(slope, law):
    growing = Changing(lambda elements, size: slope * (size + 1))
    world = world_of([[1, 2], [2, 0], [0, 1]], growing, horizon=3)
    for claim in (upper_bounds, guarantee, lambda env: lazy_greedy(env.set_function, 2)):
        with pytest.raises(SetFunctionLawError, match=rf"{law} fails on \["):
            claim(world)


# --- refusals ------------------------------------------------------------------------------------------------------
def test_what_cannot_be_planned_is_refused():
    slipping = Grid(1, rows=3, columns=3, start=(0, 0), horizon=3, slip=0.1)
    for planner in (BeamSearch(), MixedInteger(), TravelGreedy()):
        with pytest.raises(CapabilityError, match="another action than the chosen one"):
            planner.plan(slipping)
    with pytest.raises(CapabilityError, match="CartPole"):
        Greedy().plan(gymnasium.make("CartPole-v1"))
    with pytest.raises(CapabilityError, match="raise limit, or use BeamSearch"):
        Exhaustive(limit=10).plan(Grid(1, horizon=9))
    design = batched_form("coverage/experiment-design-v0", 1, rows=3, columns=3, start=(0, 0), horizon=2)
    with pytest.raises(CapabilityError, match="LogDet has no linear form"):
        MixedInteger().plan(design)


def test_an_exact_method_that_stops_early_says_so():
    plan = MixedInteger(time_limit=0.2, width=1).plan(Graph(1, instance_seed=1))
    assert plan.status in ("limit", "optimal")
    assert plan.bound >= plan.value


@pytest.mark.parametrize("name", names("planner"))
def test_registered_planners_are_planners(name):
    planner = component("planner", name)()
    assert isinstance(planner, Planner)
    plan = planner.plan(Grid(1, rows=3, columns=3, start=(0, 0), horizon=3))
    assert plan.planner == plan.row()["planner"] == name
    assert Walks.of(gymnasium.make("coverage/grid-v0")).horizon == 79
