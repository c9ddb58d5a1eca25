"""What a Q-network is maximised over is the set that membership describes, with every method and whatever the units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from envs.cormab.constraints import Budget, Capacity, Constraint, Linear
from morl.actions import MIP, Enumerate, LocalSearch
from morl.actions.base import ActionProblem
from morl.mip import DisagreementError, FoldedNetwork, Layer, Maximizer, maximize_q, pieces
from morl.mip.polytope import ActionPolytope
from morl.nn.action_values import ActionValueNet
from morl.seeding import torch_stream

INF = np.inf
RNG = np.random.default_rng(5)
SETS = {
    "money": Linear([[2_500_002.0, 2_500_001.0, 1_000_001.0, 7.0, 3_000_000.0]], [-INF], [5_000_000.0]),
    "equality": Linear([[314_159.0, 271_828.0, 141_421.0, 173_205.0, 577_216.0]], [585_987.0], [585_987.0]),
    "millionths": Linear(RNG.uniform(0.1, 1.0, (2, 5)) * 1e-9, [-INF] * 2, [1.2e-9, 1.5e-9]),
    "every scale": Linear([[2.5e8, 18.003, 1.4927, 2.03454, 20.1]], [-INF], [41.6957]),
    "loan": Linear([[3e9, 4e9, 5e9, 2e9, 6e9, -1.0]], [-INF], [2e9], [0], [4.5e9], [False]),
    "nearly": Linear([[1.5, 1.6, 2.6, 1.2, 2.2, -1.1]], [-INF], [6.7 - 5e-8], [0], [0.18181818], [False]),
    "costs": Capacity([25 * 10**9, 25 * 10**9 + 1, 5 * 10**10, 3 * 10**10, 10**10], [5 * 10**10, 2 * 10**10]),
}


@pytest.mark.parametrize("name", SETS)
def test_every_method_gives_the_best_action_that_is_in_the_set(name):
    constraint = SETS[name]
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()
    actions = np.array(list(itertools.product([0, 1], repeat=5)))
    inside = actions[constraint.contains(actions)]
    for seed in range(2):
        torch.manual_seed(seed)
        for layer in network[::2]:
            torch.nn.init.normal_(layer.weight)
        inputs = torch.from_numpy(np.concatenate([inside, np.full((len(inside), 1), 0.5)], 1))
        best = float(network(inputs).detach().max())
        for how in ({"method": "enumerate"}, {"method": "program"}, {"method": "program", "bounds": "crown"}):
            result = maximize_q(network, [0.5], constraint, **how)
            assert constraint.contains(result.action[None])[0], how
            assert result.value == pytest.approx(best, abs=1e-9)
            assert result.bound == pytest.approx(best, abs=1e-5)
            assert result.bound >= best - 1e-12


@pytest.mark.parametrize("optimizer", [Enumerate(), LocalSearch(), LocalSearch(swaps=3), MIP(method="program", gap=0.0)])
def test_every_optimizer_stays_in_the_set(optimizer):
    net = ActionValueNet(5, 2, (6,), 1)
    parameters = [p.double() for p in net.init([torch_stream(0, "net", 0)], torch.device("cpu"))]
    values = net.fold(parameters, torch.linspace(-3.0, 3.0, 8).double().view(1, 4, 2))
    for constraint in SETS.values():
        chosen = optimizer.make(constraint)(ActionProblem(values, torch.ones(1, 1)))
        assert constraint.contains(chosen.numpy().reshape(-1, 5)).all()


class Wide(Constraint):
    """Less than its rows allow: the first component only together with the second, say; or nothing at all."""

    def __init__(self, size, most, holds):
        self.size, self.most, self.holds = size, most, holds

    @property
    def num_actions(self):
        return self.size

    def rows(self):
        return Budget(self.size, self.most).rows()

    def sample(self, rng, size):
        return self._maximize(rng.normal(size=(size, self.size)))

    def enumerate(self, limit):
        return None

    def _contains(self, actions):
        return (actions.sum(1) <= self.most) & self.holds(actions)


class Careless(Budget):
    """Holds less than it maximises over."""

    def _contains(self, actions):
        return super()._contains(actions) & ~actions[:, 1]


def test_rows_that_allow_more_than_the_set_holds(monkeypatch):
    line = FoldedNetwork((), Layer(np.zeros((1, 0)), np.array([[-3.0, 2.0, 1.5, 1.0]]), np.zeros(1)))
    for bounds in ("crown", "cutoff"):
        answer = Maximizer(Wide(4, 2, lambda a: a[:, 0] | ~a[:, 1]), method="program", bounds=bounds)([line], pieces(1))
        assert answer.action.tolist() == [0, 0, 1, 1]
        assert answer.bound == pytest.approx(2.5)
    with pytest.raises(DisagreementError, match="check_constraint"):
        Maximizer(Careless(4, 2), method="program")([line], pieces(1))
    monkeypatch.setattr("envs.cormab.constraints.program.MOST_CUTS", 8)
    with pytest.raises(RuntimeError, match="check_constraint"):
        Wide(7, 7, lambda a: a.sum(1) < 2).project(np.ones(7))


def test_inequalities_of_the_set_hold_for_all_of_it():
    for constraint in SETS.values():
        polytope, inside = ActionPolytope(constraint), constraint.enumerate(32).astype(float)
        for gains in np.random.default_rng(0).normal(size=(20, 5)) * 10.0 ** np.arange(-8, 12)[:, None]:
            assert polytope.support(gains[None])[0] >= (inside @ gains).max()
