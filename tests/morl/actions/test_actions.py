from __future__ import annotations

import numpy as np
import pytest
import torch

from envs.cormab import generators
from envs.cormab.constraints import Budget, ExactCount
from morl.actions import MIP, ActionProblem, Enumerate, LocalSearch
from morl.errors import CapabilityError, ConfigurationError
from morl.nn.action_values import ActionValueNet
from morl.seeding import torch_stream
from tests.envs.cormab.tiny import Nothing

CPU = torch.device("cpu")
J, K, M, N, B = 8, 4, 2, 2, 3  # arms, states, objectives, members, observations


def problem(model="mlp", categories=K, seed=0, outputs=M, arms=J) -> ActionProblem:
    additive = model == "additive"
    net = ActionValueNet(arms, arms * K, (7, 6), outputs, "mlp" if additive else model, categories, additive)
    parameters = [p.double() for p in net.init([torch_stream(seed, "net", i) for i in range(N)], CPU)]
    if additive or model == "factored":  # sums begin at 0
        parameters = [p + 0.1 * torch.randn(p.shape, generator=torch_stream(seed, "sum", 0)).double() for p in parameters]
    states = torch.nn.functional.one_hot(torch.from_numpy(np.random.default_rng(seed).integers(K, size=(N, B, arms))), K)
    return ActionProblem(net.fold(parameters, states.flatten(2).double()), torch.full((N, outputs), 1.0 / outputs))


def constraint(kind):
    return getattr(generators, f"{kind}_instance")(num_arms=J, budget=3, seed=2).constraint


def best_scores(asked, feasible):
    listed = torch.from_numpy(np.ascontiguousarray(feasible.enumerate(1 << 12)))
    return asked.scores(listed.expand(N, B, *listed.shape)).max(-1).values


def scores_of(asked, actions):
    return asked.scores(actions.unsqueeze(2)).squeeze(2)


@pytest.mark.parametrize("model", ["mlp", "additive", "factored", "concave", "linear"])
@pytest.mark.parametrize("categories", [0, K, J * K])
def test_flips_and_single_networks_agree_with_the_batch(model, categories):
    asked = problem(model, categories)
    actions = torch.from_numpy(np.random.default_rng(1).random((N, B, J)) < 0.4)
    flipped = actions.unsqueeze(2) ^ torch.eye(J, dtype=torch.bool)
    torch.testing.assert_close(asked.flips(actions), asked.scores(flipped))
    values = asked.values(flipped)
    for i in range(N):
        for b in range(B):
            alone = asked.values.network(i, b)(flipped[i, b].numpy())
            np.testing.assert_allclose(alone, values[i, b].numpy(), atol=1e-12)
    for (low, high), inner in zip(asked.values.bounds(), _hidden(asked, flipped), strict=True):
        assert (inner >= low.unsqueeze(2) - 1e-9).all()
        assert (inner <= high.unsqueeze(2) + 1e-9).all()


def _hidden(asked, actions):
    hidden, found = None, []
    for layer in asked.values.hidden:
        direct = None if layer.direct is None else actions.double() @ layer.direct
        found.append(layer(hidden, direct))
        hidden = torch.relu(found[-1])
    return found


def test_a_concave_network_is_concave_and_a_linear_one_linear():
    rng = np.random.default_rng(3)
    a, b = (torch.from_numpy(rng.random((N, B, 50, J))) for _ in range(2))
    for model in ("concave", "linear"):
        asked = problem(model)
        middle, ends = asked.scores((a + b) / 2), (asked.scores(a) + asked.scores(b)) / 2
        assert (middle >= ends - 1e-9).all()
        if model == "linear":
            torch.testing.assert_close(middle, ends)


@pytest.mark.parametrize("kind", ["budget", "capacity", "scheduling", "path"])
def test_enumeration_and_programs_are_exact_and_local_search_is_feasible_and_close(kind):
    feasible, asked = constraint(kind), problem(seed=4)
    best = best_scores(asked, feasible)
    exact = Enumerate().make(feasible)(asked)
    torch.testing.assert_close(scores_of(asked, exact), best)
    for method in ("auto", "program"):
        proven = MIP(gap=0.0, method=method).make(feasible)
        torch.testing.assert_close(scores_of(asked, proven(asked)), best, atol=1e-6, rtol=1e-6)
        assert {result.status for result in proven.results} == {"optimal"}
    found = LocalSearch(rounds=3, swaps=3).make(feasible)(asked)
    assert feasible.contains(found.reshape(-1, J).numpy()).all()
    spread = best - scores_of(asked, torch.zeros(N, B, J, dtype=torch.bool))
    assert ((best - scores_of(asked, found)) <= 0.25 * spread + 1e-9).all()
    greedy = LocalSearch(oracle="greedy").make(feasible)(asked)
    assert feasible.contains(greedy.reshape(-1, J).numpy()).all()


def test_local_search_is_exact_on_networks_that_are_linear_in_the_action():
    asked, feasible = problem("linear"), constraint("capacity")
    torch.testing.assert_close(scores_of(asked, LocalSearch().make(feasible)(asked)), best_scores(asked, feasible))


def test_answers_do_not_depend_on_workers_or_company():
    asked, feasible = problem(seed=5), constraint("capacity")
    for method, bounds in (("auto", "cutoff"), ("program", "cutoff"), ("program", "crown")):
        alone = MIP(method=method, bounds=bounds).make(feasible)(asked)
        assert torch.equal(alone, MIP(method=method, bounds=bounds, workers=3).make(feasible)(asked))
        again = MIP(method=method, bounds=bounds).make(feasible)
        again(problem(seed=6))
        assert torch.equal(alone, again(asked))


def test_sets_without_the_null_action_and_long_lists():
    asked = problem(seed=7)
    exactly = ExactCount(J, 3)
    assert (LocalSearch().make(exactly)(asked).sum(-1) == 3).all()
    torch.testing.assert_close(scores_of(asked, Enumerate().make(exactly)(asked)), best_scores(asked, exactly))
    with pytest.raises(ConfigurationError, match="null action"):
        LocalSearch(oracle="greedy").make(exactly)
    with pytest.raises(CapabilityError, match="more than 10 actions"):
        Enumerate(limit=10).make(Budget(J, 4))


@pytest.mark.parametrize(
    ("maker", "arguments"),
    [(Enumerate, {"limit": 0}), (LocalSearch, {"rounds": 0}), (MIP, {"gap": -1.0}), (MIP, {"workers": 0})],
)
def test_settings_out_of_range_are_refused(maker, arguments):
    with pytest.raises(ConfigurationError, match=maker.__name__):
        maker(**arguments)


def test_nothing_can_be_decided_over_an_empty_set():
    with pytest.raises(ConfigurationError, match="no action"):
        MIP().make(Nothing(J, 2))


def test_networks_that_are_not_finite_are_refused():
    asked = problem(seed=1)
    asked.values.output.constant[0, 0] = torch.nan
    for method in ("auto", "program"):
        with pytest.raises(ConfigurationError, match="NaN"):
            MIP(method=method).make(constraint("budget"))(asked)
    with pytest.raises(ConfigurationError, match="NaN"):
        Enumerate().make(constraint("budget"))(asked)


def test_categories_must_fit_the_observation():
    with pytest.raises(ConfigurationError, match="categories"):
        ActionValueNet(3, 10, (4,), 1, "mlp", 4)
