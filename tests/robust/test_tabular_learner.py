"""Runs of IWOCS on environments that know their kernels: exact, and with a proven certificate."""

from __future__ import annotations

import numpy as np
import pytest

from envs.tabular.windy_walk import WindyWalk
from morl import Evaluation, Run
from morl.errors import CapabilityError
from morl.solvers import MODQN
from robust import IWOCS
from robust.uncertainty import Finite


def run(aggregator="hull", env="tabular/windy-walk-v0", out=None, **fields):
    solver = IWOCS(aggregator=aggregator, solver=MODQN(gamma=0.95), grid_points=25, **fields)
    return solver.run(env, env_steps=1, seed=0, evaluation=Evaluation(episodes=400), out=out)


@pytest.mark.parametrize("aggregator", ["hull", "min_q"])
def test_windy_walk_is_solved_exactly(aggregator, tmp_path):
    result = run(aggregator, out=tmp_path / "run")
    assert result.certificate.lower == pytest.approx(-7.952147, abs=1e-6)
    assert result.certificate.upper == pytest.approx(-7.952147, abs=1e-6)
    assert result.certificate.status == "converged"
    assert result.manifest["env_steps"]["training"] == 0
    assert [row["worst_alpha"] for row in result.tables["iterations"]] == [0.5, 0.5]
    assert [row["worst_value"] for row in result.tables["iterations"]] == pytest.approx([-10.294413, -7.952147], abs=1e-6)
    # Simulated episodes of the returned policy, in the worst of the 25 models, agree with what is guaranteed.
    error = result.standard_errors[0, 0]
    assert 0 < error < 0.3
    assert result.front[0, 0] == pytest.approx(result.certificate.lower, abs=5 * error)
    loaded = Run.load(tmp_path / "run")
    assert loaded.certificate == result.certificate
    exact = IWOCS(aggregator=aggregator).solve_tabular(
        WindyWalk(1).kernels(np.linspace(0, 0.5, 25)[:, None]), WindyWalk(1).rewards, 0.95
    )
    assert loaded.policy([1.0]).act(np.arange(36)).tolist() == exact.policy.tolist()


def test_a_list_of_models_and_another_nominal_one():
    models = ((0.25,), (0.5,), (0.0,))
    result = run(uncertainty=Finite(models=models))
    assert [row["alpha"] for row in result.tables["iterations"]] == [0.0, 0.5]


def test_without_kernels_it_says_what_to_do():
    with pytest.raises(CapabilityError, match=r"pendulum-v0 does not know its kernels.*actor_min"):
        run(env="parametric/pendulum-v0")
