"""maximize_q against brute force, over every formulation, bound method, kind of objective and family of action sets."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.cormab import generators
from envs.cormab.constraints import Budget, ExactCount, Linear
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.mip import Maximizer, ReLUNetwork, maximize_q, pieces, pyomo_model
from morl.mip.bounds import CLOSED_FORM, Region, tighten
from morl.mip.folded import FoldedNetwork, Layer
from morl.mip.polytope import ActionPolytope
from morl.mip.session import Session
from morl.scalarizations import AugmentedChebyshev, Chebyshev, SmoothChebyshev
from tests.envs.cormab.tiny import Nothing

FORMULATIONS, BOUNDS = ("big_m", "partition"), ("interval", "polytope", "crown", "lp", "cutoff")
OBJECTIVES = ("scalar", "weighted", "chebyshev", "worst_of_3")
OBSERVATION = 3


@cache
def constraint(family: str):
    if family == "interventions":
        return generators.interventions_instance(num_arms=8, budget=3, num_interventions=7, seed=3).constraint
    return getattr(generators, f"{family}_instance")(num_arms=8, budget=2, seed=3).constraint


FAMILIES = ("budget", "capacity", "scheduling", "path", "interventions")


@cache
def listed(family: str):
    return constraint(family).enumerate(1 << 12)


def network(num_actions: int, outputs: int, seed: int, hidden=(8, 6)) -> torch.nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    widths = (num_actions + OBSERVATION, *hidden, outputs)
    layers: list[torch.nn.Module] = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight.copy_(torch.randn(b, a, generator=generator) / a**0.5)
            layers[-2].bias.copy_(0.3 * torch.randn(b, generator=generator))
    return torch.nn.Sequential(*layers[:-1])


def values_of(nets, observation, actions):
    inputs = np.concatenate([actions, np.tile(observation, (len(actions), 1))], 1)
    with torch.no_grad():
        return [net.double()(torch.from_numpy(inputs.astype(np.float64))).numpy() for net in nets]


CASES = list(product(FAMILIES, OBJECTIVES, FORMULATIONS, BOUNDS))  # 200, and 40 deeper ones below


def check(family: str, objective: str, formulation: str, bounds: str, seed: int, hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    feasible, outputs = constraint(family), 3 if objective in ("weighted", "chebyshev") else 1
    nets = [network(feasible.num_actions, outputs, 10 * seed + k, hidden) for k in range(3 if objective == "worst_of_3" else 1)]
    observation, weights, ideal = rng.normal(size=OBSERVATION), rng.dirichlet(np.ones(outputs)), rng.normal(size=outputs) + 2
    kind = Chebyshev() if objective == "chebyshev" else None
    brute = [
        v @ weights if kind is None else -(weights * (ideal - v)).max(-1) for v in values_of(nets, observation, listed(family))
    ]
    expected = np.min(brute, 0).max()
    result = maximize_q(
        nets if len(nets) > 1 else nets[0],
        observation,
        feasible,
        weights=weights,
        scalarization=kind,
        ideal_point=ideal,
        method="program",
        formulation=formulation,
        bounds=bounds,
    )
    assert result.status == "optimal"
    assert result.value == pytest.approx(expected, abs=1e-6)
    assert result.bound == pytest.approx(expected, abs=1e-5)
    assert feasible.contains(result.action[None])[0]
    [place] = np.flatnonzero((listed(family) == result.action.astype(bool)).all(1))
    assert np.min(brute, 0)[place] == pytest.approx(result.value, abs=1e-9), "the value is that of the returned action"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_value_is_that_of_brute_force(family, objective):
    for number, (formulation, bounds) in enumerate(product(FORMULATIONS, BOUNDS)):
        check(family, objective, formulation, bounds, 100 * CASES.index((family, objective, formulation, bounds)) + 1, (6, 5))
        if number < 2:
            check(
                family,
                objective,
                FORMULATIONS[number],
                "crown",
                7_000 + 10 * CASES.index((family, objective, formulation, bounds)),
                (5, 4, 4),
            )


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]), st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=15, deadline=None)
def test_any_size_of_numbers_and_any_start_will_do(seed, first, last):
    rng = np.random.default_rng(seed)
    family = FAMILIES[rng.integers(5)]
    feasible, everything = constraint(family), listed(family)
    hidden = [(), (1, 4), (6, 5)][rng.integers(3)]
    nets = [network(feasible.num_actions, 2, int(rng.integers(2**31)), hidden) for _ in range(2)]
    for net in nets:
        for layer, size in ((net[0], first), (net[-1], last)):
            layer.weight.data *= size
            layer.bias.data *= size * rng.integers(2)
    folded = [ReLUNetwork.from_torch(net.double()).fold(rng.normal(size=OBSERVATION), feasible.num_actions) for net in nets]
    size = max(np.abs(one(everything)).max() for one in folded)
    kind = [None, Chebyshev()][rng.integers(2)]
    objective = pieces(2, weights=rng.dirichlet([1, 1]), scalarization=kind, ideal_point=[size, 0]).worst_of(2)
    values = objective(np.concatenate([one(everything) for one in folded], -1))
    for formulation, bounds in product(FORMULATIONS, ("crown", "cutoff")):
        maximizer = Maximizer(feasible, method="program", formulation=formulation, bounds=bounds)
        for start in (None, everything[rng.integers(len(everything))]):
            result = maximizer(folded, objective, start=start)
            assert result.status == "optimal" or result.gap > 1e-6
            assert result.value == pytest.approx(values.max(), rel=1e-6, abs=1e-6 * size)
            assert result.bound >= values.max() - 1e-6 * size


def test_a_start_that_the_solver_improves_is_not_returned_for_the_better_action():
    # HiGHS 1.16 does that, with the value of the better one, when its presolve finds it.
    first = Layer(np.zeros((3, 0)), np.array([[0.0, -3.0], [0.0, 0.0], [1.0, -1.0]]), np.array([1.0, 0.0, 1.0]))
    folded = FoldedNetwork((first,), Layer(np.array([[0.0, 3.0, -1.0]]), np.zeros((1, 2)), np.zeros(1)))
    pairs = Budget(2, 2).enumerate(4)
    for start in pairs:
        result = Maximizer(Budget(2, 2), method="program", bounds="interval")([folded], pieces(1), start=start)
        assert result.value == pytest.approx(folded(pairs).max(), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_objective_of_the_program_is_the_network(seed):
    feasible = constraint("capacity")
    net = network(feasible.num_actions, 1, seed)
    folded = ReLUNetwork.from_torch(net).fold(np.full(OBSERVATION, 0.5), feasible.num_actions)
    for formulation in FORMULATIONS:
        model = Maximizer(feasible, formulation=formulation).program([folded], pieces(1))
        solution = Session().solve(model.program, gap=0.0)
        action = solution.columns[model.actions].round()
        assert solution.objective == pytest.approx(folded(action[None])[0, 0], abs=1e-5)


# --- bounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_bounds_hold_and_each_method_is_at_least_as_tight_as_the_one_before(family):
    feasible, everything = constraint(family), listed(family)
    for seed in range(4):
        folded = ReLUNetwork.from_torch(network(feasible.num_actions, 1, seed)).fold(np.ones(OBSERVATION), feasible.num_actions)
        maximizer = Maximizer(feasible)
        methods = [CLOSED_FORM[name](folded, maximizer.polytope) for name in ("interval", "polytope", "crown")]
        model = maximizer.program([folded], pieces(1))

        def write(given, folded=folded, maximizer=maximizer):
            from morl.mip.model import build

            return build([folded], pieces(1), maximizer.constraint, maximizer.polytope, given=given)

        methods.append(tighten([folded], write, model.bounds)[0])
        hidden = folded.activations(everything)
        for number, layer in enumerate(folded.hidden):
            true = layer(hidden[number], everything.astype(float))
            widths = []
            for method in methods:
                lower, upper = method[number]
                assert (lower <= true.min(0) + 1e-9).all()
                assert (upper >= true.max(0) - 1e-9).all()
                widths.append(upper - lower)
            for looser, tighter in pairwise(widths):
                assert (tighter <= looser + 1e-4 * (1.0 + looser)).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_cut_off_is_not_better_than_the_floor(family):
    feasible, everything = constraint(family), listed(family)
    polytope, shrunk, split = ActionPolytope(feasible), 0, 0
    for seed, quantile in product(range(3), (0.5, 0.9, 1.0)):
        nets = [network(feasible.num_actions, 2, 20 * seed + k, (6, 5)) for k in range(2)]
        for net in nets:
            net[0].bias.data += 0.7  # some units are always on, as after training
        folded = [ReLUNetwork.from_torch(net).fold(np.ones(OBSERVATION), feasible.num_actions) for net in nets]
        objective = pieces(2, scalarization=Chebyshev(), ideal_point=[1.0, 2.0]).worst_of(2)
        for using, g in ((folded[:1], pieces(2, weights=[0.3, 0.7])), (folded, objective)):
            values = g(np.concatenate([one(everything) for one in using], -1))
            floor = np.quantile(values, quantile)
            better = everything[values > floor + 1e-7]
            region = Region(using, g, polytope)
            for _ in range(3):
                region.shrink(floor)
            assert not (region.is_empty and len(better))
            shrunk += region.is_empty or int((~region.free).sum())
            if region.is_empty:
                continue
            assert region.upper >= values.max() - 1e-9
            assert holds(region, better).all()
            halves = region.split(everything[seed])
            if halves is not None:
                for half in halves:
                    half.shrink(floor)
                # Each better action is in one of the two: where its unit is off, or on.
                inside = [holds(half, better) & ~half.is_empty for half in halves]
                assert (inside[0] | inside[1]).all()
                split += 1
    assert shrunk, "nothing was cut off in any case"
    assert split


def holds(region, actions):
    """Which actions are in a region, ``(B,)``."""
    inside = actions[:, region.ones].all(1) & ~actions[:, region.zeros].any(1)
    for one, layers in zip(region.networks, region.bounds, strict=True):
        hidden = one.activations(actions)
        for number, layer in enumerate(one.hidden):
            true = layer(hidden[number], actions.astype(float))
            inside &= ((true >= layers[number][0] - 1e-7) & (true <= layers[number][1] + 1e-7)).all(1)
    return inside


def test_cutting_off_closes_easy_queries_without_a_program_and_hands_the_rest_to_one():
    feasible = Budget(30, 8)
    rng = np.random.default_rng(0)
    # Nearly linear: a first layer that is mostly on, as that of a network that has learned an additive value.
    first = Layer(np.zeros((12, 0)), np.abs(rng.normal(size=(12, 30))), rng.normal(size=12) + 1.0)
    easy = FoldedNetwork((first,), Layer(rng.normal(size=(1, 12)), rng.normal(size=(1, 30)), np.zeros(1)))
    hard = ReLUNetwork.from_torch(network(30, 1, 1, (12, 8))).fold(np.zeros(OBSERVATION), 30)
    for folded, programs in ((easy, 0), (hard, 1)):
        maximizer = Maximizer(feasible, method="program")
        result = maximizer([folded], pieces(1))
        assert result.status == "optimal"
        assert maximizer.session.passed == programs
        assert result.value == pytest.approx(Maximizer(feasible, method="program", bounds="crown")([folded], pieces(1)).value)


@pytest.mark.parametrize("offset", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("gap", [0.0, 0.02, 0.3, 3.0])
def test_bounds_and_gaps_are_true_whatever_the_gap_and_the_sign_of_values(offset, gap):
    feasible, everything = constraint("capacity"), listed("capacity")
    maximizer = Maximizer(feasible, method="program")
    for seed in range(4):
        net = network(feasible.num_actions, 1, 40 + seed, (6, 5))
        net[0].bias.data += 0.7
        net[-1].bias.data += offset
        folded = ReLUNetwork.from_torch(net).fold(np.ones(OBSERVATION), feasible.num_actions)
        best = folded(everything).max()
        result = maximizer([folded], pieces(1), gap=gap, start=everything[seed])
        assert result.bound >= best - 1e-6
        assert result.value <= best + 1e-9
        assert result.gap == pytest.approx((result.bound - result.value) / abs(result.value), abs=1e-12)
        assert result.gap <= max(gap, 1e-6)
        assert result.status == ("optimal" if result.gap <= 1e-6 else "gap")


def test_small_sets_are_tried_one_by_one_and_large_ones_are_not():
    for family, objective in product(FAMILIES, ("scalar", "chebyshev")):
        feasible = constraint(family)
        folded = ReLUNetwork.from_torch(network(feasible.num_actions, 3, 1)).fold(np.ones(OBSERVATION), feasible.num_actions)
        g = pieces(3, scalarization=Chebyshev() if objective == "chebyshev" else None, ideal_point=[1.0, 2.0, 3.0])
        result = maximize_q(
            network(feasible.num_actions, 3, 1), np.ones(OBSERVATION), feasible, method="enumerate",
            scalarization=Chebyshev() if objective == "chebyshev" else None, ideal_point=[1.0, 2.0, 3.0],
        )  # fmt: skip
        assert result.value == result.bound == pytest.approx(g(folded(listed(family))).max(), abs=1e-9)
        assert (result.status, result.nodes, result.gap) == ("optimal", 0, 0.0)
        assert Maximizer(feasible).listed is not None
        assert Maximizer(feasible, method="program").listed is None
    assert Maximizer(Budget(30, 8)).listed is None
    with pytest.raises(CapabilityError, match="more than"):
        Maximizer(Budget(30, 8), method="enumerate")
    with pytest.raises(ConfigurationError, match="method"):
        Maximizer(Budget(4, 2), method="guess")


# --- networks without binaries -------------------------------------------------------------------------------------------


def concave(num_actions: int, rng: np.random.Generator) -> FoldedNetwork:
    """Minus a convex function of the action."""
    first = Layer(np.zeros((6, 0)), rng.normal(size=(6, num_actions)), rng.normal(size=6))
    second = Layer(rng.random((5, 6)), rng.normal(size=(5, num_actions)), rng.normal(size=5))
    return FoldedNetwork((first, second), Layer(-rng.random((1, 5)), rng.normal(size=(1, num_actions)), rng.normal(size=1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_concave_and_linear_networks_need_no_binaries(family):
    rng = np.random.default_rng(5)
    feasible = constraint(family)
    linear = FoldedNetwork((), Layer(np.zeros((1, 0)), rng.normal(size=(1, feasible.num_actions)), rng.normal(size=1)))
    for folded in (concave(feasible.num_actions, rng), concave(feasible.num_actions, rng), linear):
        for formulation in FORMULATIONS:
            maximizer = Maximizer(feasible, method="program", formulation=formulation, bounds="crown")
            model = maximizer.program([folded], pieces(1))
            switches = [units.switch for units in model.units[0]]
            assert not any(model.program.integer[columns].any() for columns in switches)
            result = maximizer([folded], pieces(1))
            assert result.value == pytest.approx(folded(listed(family)).max(), abs=1e-6)


# --- sessions ------------------------------------------------------------------------------------------------------------


def test_a_session_sends_changes_only_and_answers_do_not_depend_on_the_order():
    feasible = constraint("scheduling")
    net = ReLUNetwork.from_torch(network(feasible.num_actions, 1, 1))
    states = np.random.default_rng(0).normal(size=(5, OBSERVATION))
    kept = Maximizer(feasible, method="program", bounds="crown")
    forward = [kept([net.fold(state, feasible.num_actions)], pieces(1)) for state in states]
    assert (kept.session.passed, kept.session.changed) == (1, 4)
    backward = [kept([net.fold(state, feasible.num_actions)], pieces(1)) for state in states[::-1]][::-1]
    alone = [Maximizer(feasible, method="program")([net.fold(state, feasible.num_actions)], pieces(1)) for state in states]
    for a, b, c, state in zip(forward, backward, alone, states, strict=True):
        expected = net.fold(state, feasible.num_actions)(listed("scheduling")).max()
        assert a.value == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(a.action, b.action)
        assert (a.value, a.bound, a.nodes) == (b.value, b.bound, b.nodes)
        assert c.value == pytest.approx(a.value, abs=1e-6)


def test_members_share_a_model_whose_objective_alone_differs():
    feasible = constraint("budget")
    folded = ReLUNetwork.from_torch(network(feasible.num_actions, 3, 2)).fold(np.zeros(OBSERVATION), feasible.num_actions)
    maximizer = Maximizer(feasible, method="program", bounds="crown")
    for weights in np.random.default_rng(1).dirichlet(np.ones(3), 4):
        result = maximizer([folded], pieces(3, weights=weights))
        assert result.value == pytest.approx((folded(listed("budget")) @ weights).max(), abs=1e-6)
    assert maximizer.session.passed == 1


def test_the_pyomo_form_is_the_same_program():
    import pyomo.environ as pyo

    feasible = constraint("capacity")
    folded = ReLUNetwork.from_torch(network(feasible.num_actions, 2, 3)).fold(np.zeros(OBSERVATION), feasible.num_actions)
    maximizer = Maximizer(feasible)
    objective = pieces(2, scalarization=AugmentedChebyshev(), ideal_point=[2.0, 2.0])
    model = pyomo_model(maximizer.program([folded], objective))
    solver = pyo.SolverFactory("appsi_highs")
    solver.solve(model)
    expected = maximizer([folded], objective).value
    assert pyo.value(model.value) == pytest.approx(expected, abs=1e-5)
    assert feasible.contains(np.round([[pyo.value(v) for v in model.action.values()]]))[0]
    model.mine = pyo.Constraint(expr=model.action[0] + model.action[1] == 0)
    solver.solve(model)
    allowed = listed("capacity")[~listed("capacity")[:, :2].any(1)]
    assert pyo.value(model.value) == pytest.approx(objective(folded(allowed)).max(), abs=1e-5)


# --- honest answers ------------------------------------------------------------------------------------------------------


def test_an_empty_set_is_called_infeasible():
    result = maximize_q(network(4, 1, 0), np.zeros(OBSERVATION), Nothing(4, 2))
    assert (result.status, result.action, result.value) == ("infeasible", None, -np.inf)


@pytest.mark.parametrize(("limit", "status"), [({"time_limit": 0.0}, "time_limit"), ({"node_limit": 0}, "node_limit")])
@pytest.mark.parametrize("bounds", ["crown", "cutoff"])
def test_a_limit_gives_a_feasible_action_and_is_not_called_optimal(limit, status, bounds):
    feasible = Budget(30, 8)
    result = maximize_q(network(30, 1, 1, (24, 24)), np.zeros(OBSERVATION), feasible, bounds=bounds, **limit)
    assert result.status == status
    assert feasible.contains(result.action[None])[0]
    assert result.bound >= result.value
    assert result.gap > 1e-6


def test_a_list_that_is_not_finished_proves_nothing():
    result = maximize_q(network(8, 1, 1), np.zeros(OBSERVATION), Budget(8, 2), method="enumerate", time_limit=0.0)
    assert (result.status, result.bound, result.gap) == ("time_limit", np.inf, np.inf)
    assert Budget(8, 2).contains(result.action[None])[0]


def test_a_start_that_is_not_feasible_is_refused():
    folded = ReLUNetwork.from_torch(network(4, 1, 0)).fold(np.zeros(OBSERVATION), 4)
    for method in ("enumerate", "program"):
        with pytest.raises(ConfigurationError, match="start"):
            Maximizer(Budget(4, 2), method=method)([folded], pieces(1), start=np.ones(4))


def test_a_loose_gap_is_called_gap_unless_the_answer_is_proven():
    feasible = Budget(16, 5)
    result = maximize_q(network(16, 1, 2, (16, 16)), np.zeros(OBSERVATION), feasible, gap=10.0)
    assert result.status == ("optimal" if result.gap <= 1e-6 else "gap")
    assert result.gap <= 10.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda net: net[0].weight.data.fill_(float("nan")), ConfigurationError, "NaN"),
        (lambda net: [layer.double().weight.data.fill_(1e200) for layer in net[::2]], ConfigurationError, "infinite"),
        (lambda net: net.insert(1, torch.nn.Tanh()), ConfigurationError, "Tanh"),
        (lambda net: net.append(torch.nn.ReLU()), ConfigurationError, "end with a Linear"),
        (lambda net: net.insert(2, torch.nn.ReLU()), ConfigurationError, "alternate"),
    ],
)
def test_networks_that_cannot_be_held_are_refused(change, error, message):
    net = network(4, 1, 0)
    change(net)
    with pytest.raises(error, match=message):
        maximize_q(net, np.zeros(OBSERVATION), Budget(4, 2))


NET, FOUR, ZEROS = network(4, 2, 0), Budget(4, 2), np.zeros(OBSERVATION)


@pytest.mark.parametrize(
    ("nets", "observation", "feasible", "arguments", "error", "message"),
    [
        (NET, np.zeros(5), FOUR, {}, ShapeError, "inputs"),
        (NET, np.zeros((2, OBSERVATION)), FOUR, {}, ShapeError, "one encoded observation"),
        (NET, ZEROS, FOUR, {"weights": [1.0]}, ShapeError, "weights"),
        ([NET, network(4, 1, 1)], ZEROS, FOUR, {}, ShapeError, "differ"),
        ([], ZEROS, FOUR, {}, ConfigurationError, "empty"),
        (NET, np.full(OBSERVATION, np.nan), FOUR, {}, ConfigurationError, "NaN"),
        (NET, ZEROS, FOUR, {"weights": [-1.0, 2.0]}, ConfigurationError, "nonnegative"),
        (NET, ZEROS, FOUR, {"scalarization": Chebyshev()}, ConfigurationError, "ideal_point"),
        (NET, ZEROS, FOUR, {"scalarization": SmoothChebyshev(), "ideal_point": [1.0, 1.0]}, CapabilityError, "Chebyshev"),
        (NET, ZEROS, FOUR, {"formulation": "hull"}, ConfigurationError, "partition"),
        (NET, ZEROS, FOUR, {"time_limit": -1.0}, ConfigurationError, "time_limit"),
        (NET, ZEROS, "budget", {}, ConfigurationError, r"envs\.cormab\.constraints"),
        (torch.nn.Linear(7, 1), ZEROS, FOUR, {}, ConfigurationError, "Sequential"),
    ],
)
def test_wrong_shapes_names_and_numbers_are_refused(nets, observation, feasible, arguments, error, message):
    with pytest.raises(error, match=message):
        maximize_q(nets, observation, feasible, **arguments)


def test_a_users_rows_with_a_lower_side_work():
    feasible = Linear(matrix=[[1, 1, 1, 0], [0, 1, 0, 1]], lower=[2, 0], upper=[3, 1])
    net = network(4, 1, 4)
    [brute] = values_of([net], np.zeros(OBSERVATION), feasible.enumerate(16))
    assert maximize_q(net, np.zeros(OBSERVATION), feasible).value == pytest.approx(brute.max(), abs=1e-6)
    assert maximize_q(network(5, 1, 0), np.zeros(OBSERVATION), ExactCount(5, 5)).action.tolist() == [1] * 5
