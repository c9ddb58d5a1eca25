"""IWOCS in simulators: the law of learners, special cases with known answers, what it records, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morl import Run
from morl.critics import critic_from
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers import EUPG, MODQN, MOPPO, MORLD, MOSAC, SubPO
from morl.task import Task, Utility
from morl.testing import check_policy, check_solver
from morl.testing.solver import difference
from robust import IWOCS
from robust.evaluation import usage
from robust.policies import CompositePolicy
from robust.search import CMAESSearch, CornerSearch, GridSearch, RandomSearch
from robust.uncertainty import Box, Finite
from robust.validity import AlwaysValid, EnsembleDisagreement, PredictiveCoding
from tests.robust.push_world import push_problem

CPU = torch.device("cpu")
SAC = MOSAC(hidden=(8, 8), batch_size=8, learning_starts=3, capacity=200)
DQN = MODQN(hidden=(8,), batch_size=8, learning_starts=4, epsilon_decay_steps=50, capacity=200)
QUICK = PredictiveCoding(hidden=(8,), updates=20, batch_size=16)
SMALL: dict[str, Any] = {"default_steps": 12, "steps_per_iteration": 12, "iterations": 2, "rollouts": 1, "grid_points": 2}


def iwocs(**changes: Any) -> IWOCS:
    return IWOCS(**{"solver": SAC, "validity": QUICK, **SMALL, **changes})


def trained(solver: IWOCS, *, steps: int = 10_000, n: int = 1, seed: int = 0, **world: Any) -> Any:
    problem = push_problem(**world)
    m = problem.spec.num_objectives
    first = (torch.arange(n) + 1.0).unsqueeze(1) / (n + 1)
    weights = torch.ones(n, 1) if m == 1 else torch.cat([first, 1 - first], 1)
    learner = solver.make(problem, Task(utility=Utility(weights=weights)), seed=seed, device=CPU)
    while not learner.is_finished and steps:
        spent = learner.learn(min(steps, 500))
        steps -= spent["training"] + spent["search"]
    return learner


@pytest.mark.parametrize(
    "solver",
    [
        iwocs(),
        iwocs(init="nominal", kernels_per_iteration=2, search=CMAESSearch(generations=2, population=4)),
        iwocs(validity=replace(QUICK, threshold="search", thresholds_tried=(0.1, 1.0)), on_stall="second_worst"),
    ],
    ids=["default", "nominal_side_by_side", "threshold_search"],
)
def test_the_laws_of_learners(solver):
    check_solver(solver, env=push_problem(), rounds=16)


PPO = MOPPO(hidden=(8,), rows_per_member=2, horizon=4, epochs=1, minibatch_size=4)


@pytest.mark.parametrize("inner", [DQN, SAC, PPO], ids=["modqn", "mosac", "moppo"])
def test_the_laws_of_learners_with_discrete_actions(inner):
    check_solver(iwocs(solver=inner), env=push_problem(discrete=True), rounds=12)


def test_a_policys_value_is_what_its_own_action_is_worth():
    """MOPPO knows no actions: its specialists are compared by the values of their policies."""
    learner = trained(iwocs(solver=PPO, on_stall="second_worst", validity=AlwaysValid()))
    specialists = learner.subs[0].specialists
    policy = learner._policy(learner.subs[0], [s.threshold for s in specialists])
    assert len(specialists) == 2
    check_policy(policy)
    observations = torch.linspace(-1, 1, 9).view(1, 9, 1)
    values = policy._critics.values(observations, torch.zeros(2, 9, 1), policy.parameters["weights"].expand(2, -1))
    assert torch.equal(policy.chosen(observations, {})[0], values[..., 0].argmin(0) + 1)


def test_discrete_twin_critics_give_the_pessimistic_value_of_the_action():
    learner = trained(iwocs(solver=SAC, on_stall="second_worst"), discrete=True)
    critic = learner.inner.critics()
    observations = torch.linspace(-1, 1, 5).view(1, 5, 1)
    both = learner.inner.extras.network(learner.inner.extras.critic, observations).unflatten(-1, (3, 1))
    rebuilt = critic_from(critic.config(), critic.parts, critic.observation_space, critic.action_space)
    for action in range(3):
        for each in (critic, rebuilt):
            found = each.values(observations, torch.full((1, 5), action), torch.ones(1, 1))
            assert torch.equal(found, both[..., action, :].amin(1))


def test_one_kernel_and_no_doubt_is_the_inner_solver():
    """Bit for bit: the same networks, hence the same actions."""
    solver = iwocs(init="nominal", validity=AlwaysValid(), iterations=0, default_steps=40)
    learner = trained(solver)
    problem = push_problem()
    inner = SAC.make(problem, None, seed=0, device=CPU)
    inner.learn(40)
    expected, found = inner.policies()[0], learner.policies()[0]
    assert isinstance(found, CompositePolicy)
    for index in (0, 1):  # the default and the only specialist
        actor = {name: found.parameters[f"actor/{name}"][:, index] for name in expected.tensors()}
        assert difference(actor, expected.tensors()) is None
    observations = torch.linspace(-2, 2, 21).unsqueeze(1)
    assert torch.equal(found.act(observations), expected.act(observations))
    model = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    judged = [learner.judge([policy], dynamics=model).discounted for policy in (expected, found)]
    np.testing.assert_array_equal(*judged)
    assert learner.subs[0].status == "exhausted"


def test_threshold_zero_is_the_default_policy():
    learner = trained(iwocs(validity=replace(QUICK, threshold="search", thresholds_tried=(0.0,))))
    specialists = learner.subs[0].specialists
    assert specialists
    policy = learner._policy(learner.subs[0], [s.threshold for s in specialists])
    models = GridSearch(points_per_dimension=2).models(learner.region)
    shares, _ = usage(learner.env, policy, models)
    np.testing.assert_array_equal(shares[:, 0], 1.0)
    default = trained(iwocs(iterations=0)).policies()[0]
    dynamics = torch.from_numpy(models)
    np.testing.assert_array_equal(
        learner.judge([policy], dynamics=dynamics).discounted, learner.judge([default], dynamics=dynamics).discounted
    )


def test_always_valid_never_uses_the_default():
    learner = trained(iwocs(validity=AlwaysValid()))
    last = learner.history[-1]
    assert last["usage_default"] == 0.0
    assert sum(value for name, value in last.items() if name.startswith("usage_")) == pytest.approx(1.0)


def composites(**changes: Any) -> list[CompositePolicy]:
    """Untrained, hence mixed, composites: one preference, three levels of trust."""
    learner = trained(iwocs(on_stall="second_worst", **changes), n=2, objectives=2)
    sub = max(learner.subs, key=lambda sub: len(sub.specialists))
    found = [learner._policy(sub, [level] * len(sub.specialists)) for level in (0.02, 0.1, 0.4)]
    assert all(isinstance(policy, CompositePolicy) for policy in found)
    return found


@pytest.mark.parametrize("validity", [QUICK, replace(QUICK, norm="normalised"), EnsembleDisagreement(hidden=(8,), updates=20)])
def test_serial_and_stacked_policies_act_alike(validity):
    policies = composites(validity=validity)
    for policy in policies:
        assert isinstance(policy, CompositePolicy)
        check_policy(policy)
    assert len({policy.stacking_key() for policy in policies}) == 1
    stacked = CompositePolicy.stack(policies)
    rng = torch.Generator().manual_seed(0)
    batch = 5
    memory = stacked.stacked_memory(3, batch)
    alone = [[policy.memory(1) for _ in range(batch)] for policy in policies]
    choices = set()
    for step in range(6):
        observations = torch.randn(3, batch, 1, generator=rng)
        actions = stacked.act_stacked(observations, memory, None, True, None)
        choices |= set(stacked.chosen(observations, memory).flatten().tolist())
        done = torch.tensor([[step == 3] * batch] * 3)
        for p, policy in enumerate(policies):
            for b in range(batch):
                single = policy.act(observations[p, b : b + 1], alone[p][b])
                torch.testing.assert_close(single, actions[p, b : b + 1])
                alone[p][b] = policy.observe(
                    alone[p][b], observations[p, b : b + 1], actions[p, b : b + 1], torch.zeros(1, 2),
                    observations[p, b : b + 1], done[p, b : b + 1],
                )  # fmt: skip
        memory = stacked.observe_stacked(memory, observations, actions, torch.zeros(3, batch, 2), done)
        if step == 3 and memory:
            assert not memory["started"].any()
    assert len(choices) > 1


def test_the_valid_specialist_that_expects_least_acts():
    """E4 by hand, from the policy's own parts."""
    policy = composites(validity=QUICK)[0]
    j = policy.num_specialists
    assert j == 2
    observations = torch.linspace(-1, 1, 7).reshape(1, 7, 1)
    memory = {
        "previous_observation": observations - 0.3,
        "previous_action": torch.linspace(-1, 1, 7).reshape(1, 7, 1),
        "started": torch.ones(1, 7, 1),
    }
    actions = policy._proposals(observations, True, None)
    w = policy.parameters["weights"]
    for b in range(7):
        worth, valid = [], []
        for k in range(j):
            critic = policy._critics.select([k])
            q = critic.values(observations[:, b : b + 1], actions[:, k + 1, b : b + 1], w)
            worth.append(float((q[0, 0] * w[0]).sum()))
            part = {name: value[:, k : k + 1] for name, value in policy._part("monitor").items()}
            here = {name: value[:, b : b + 1] for name, value in memory.items()}
            score = policy.monitor.scores(part, here, observations[:, b : b + 1], actions[:, k + 1 : k + 2, b : b + 1])
            valid.append(float(score) <= float(policy.parameters["thresholds"][0, k]))
        expected = 0 if not any(valid) else 1 + min((k for k in range(j) if valid[k]), key=lambda k: worth[k])
        assert int(policy.chosen(observations, memory)[0, b]) == expected


def test_history_bounds_and_accounts():
    learner = trained(iwocs(search=GridSearch(points_per_dimension=3), kernels_per_iteration=2, on_stall="second_worst"))
    history, sub = learner.history, learner.subs[0]
    assert [row["iteration"] for row in history] == [0, 1, 2]
    assert [row["specialists"] for row in history] == [0, 2, 4]
    assert history[0]["upper"] is None
    lower = [row["lower"] for row in history]
    assert lower == sorted(lower)
    assert max(row["worst_value"] for row in history) == sub.lower == lower[-1]
    assert history[-1]["upper"] == min(history[-1][f"reached_{j}"] for j in range(1, 5))
    assert all(history[-1][f"reached_{j}"] >= history[-1][f"value_{j}"] for j in range(1, 5))
    # A specialist that was trained too little does not make the bound too small: others did better in its model.
    assert all(row["upper"] >= row["lower"] for row in history[1:])
    assert history[-1]["gap"] == history[-1]["upper"] - history[-1]["verified"]
    assert sub.status in ("converged", "exhausted")
    for row in history:
        assert sum(value for name, value in row.items() if name.startswith("usage_")) == pytest.approx(1.0)
    # Twelve steps of training for the default and for each of four specialists.
    assert learner.spent["training"] == 12 * 5
    evaluations = [9, 9 + 2, 9 + 4]
    assert [row["evaluations"] for row in history] == evaluations
    assert learner.spent["search"] == 6 * (sum(evaluations) + 4)
    report = learner.report()
    assert report.certificate.status == sub.status
    assert report.certificate.lower == sub.verified
    assert report.certificate.gap == sub.gap == sub.upper - sub.verified
    assert "estimates" in report.certificate.semantics
    assert len(report.tables["return_map"]) == 4
    assert "return_map" in report.figures


def test_the_lower_bound_is_verified_where_no_search_looked():
    """A list of one model to search, a whole box to verify in: what the search cannot see, the certificate does."""
    learner = trained(iwocs(search=RandomSearch(num_candidates=1), grid_points=4, rollouts=2))
    sub, models = learner.subs[0], GridSearch(points_per_dimension=4).models(learner.region)
    known = np.unique(np.concatenate([models, learner._known_models()]), axis=0)
    before = dict(learner.spent)
    seen = learner.judge([sub.best], dynamics=torch.from_numpy(known), episodes=2, first_episode=2).discounted
    assert sub.verified == seen.mean((2, 3)).min() < sub.lower
    last = learner.history[-1]
    assert last["verified"] == sub.verified
    assert [last["verified_gain"], last["verified_drift"]] == known[seen[0].mean((1, 2)).argmin()].tolist()
    # Measured for the record: no search, no training.
    assert (before["training"], before["search"]) == (12 * len(learner.history), last["search_steps"])
    assert before["evaluation"] > 2 * len(known)


def test_a_specialist_worse_than_others_in_its_own_model_proves_nothing():
    """It is never trained (its updates start too late): no convergence, whatever its return."""
    late = replace(SAC, learning_starts=1_000)
    learner = trained(iwocs(solver=late, search=GridSearch(points_per_dimension=3), on_stall="second_worst", iterations=4))
    for row in learner.history:
        solved = any(row[f"value_{j}"] == row[f"reached_{j}"] == row["upper"] for j in range(1, row["specialists"] + 1))
        assert solved or row["status"] != "converged"
        assert row["specialists"] == 0 or row["upper"] >= row["lower"]
    assert len(learner.history) == 5


def test_the_last_specialist_gets_what_is_left():
    learner = trained(iwocs(total_steps=300, on_stall="second_worst"))
    assert learner.history[-1]["iteration"] == 2
    searched = 6 * (3 * CornerSearch().evaluations(learner.region) + (1 + 1) + (2 + 1))
    assert (learner.spent["training"], learner.spent["search"]) == (300 - searched, searched)
    with pytest.raises(ConfigurationError, match="total_steps must be above default_steps"):
        iwocs(total_steps=12)


def test_a_known_worst_model_stalls():
    """A list of one model: its specialist is trained, and there is nothing more to find."""
    single = Finite(((0.5, 0.0),))
    learner = trained(iwocs(uncertainty=single, search=GridSearch(), tolerance=1e-9, iterations=5))
    assert learner.subs[0].status in ("stalled", "converged")
    assert len(learner.subs[0].specialists) == 1


def test_a_run_ends_by_itself_and_returns_the_best(tmp_path):
    solver = iwocs()
    result = replace(solver, solver=DQN).run(
        {"id": "parametric/cartpole-v0", "horizon": 8},
        env_steps=5_000,
        evaluation=Evaluation(episodes=1, period=20),
        out=tmp_path / "run",
    )
    assert result.summary["env_steps"] < 5_000
    steps = result.manifest["env_steps"]
    assert steps["search"] > 0
    assert steps["training"] == 12 * len(result.tables["iterations"])
    assert result.certificate.status in ("converged", "stalled", "exhausted")
    assert (result.path / "tables" / "iterations.csv").exists()
    assert (result.path / "plots" / "return_map.png").exists()
    assert result.policy().kind in ("mlp", "composite")
    # Nothing is left to do: the same result again, from its files.
    again = Run.resume(result.path)
    assert again.metrics == result.metrics
    assert again.certificate == result.certificate
    assert again.tables["iterations"] == result.tables["iterations"]


def test_a_search_that_does_not_fit_becomes_training():
    learner = trained(iwocs(), steps=20)
    assert learner.spent == {"training": 20, "search": 0, "evaluation": 0}
    assert not learner.is_finished
    assert learner.report().certificate.status == "budget"


def test_every_step_of_a_run_is_accounted_for():
    """Episodes here have six steps, and the grid has four models."""
    solver = iwocs(iterations=1, search=GridSearch(points_per_dimension=2))
    result = solver.run(push_problem(), env_steps=1_000, evaluation=Evaluation(episodes=1, period=30))
    composite = sum(row["specialists"] > 0 for row in result.tables["iterations"])
    judged = len(result.metrics) + 2  # and once to verify, once for the return map
    assert result.manifest["env_steps"]["evaluation"] == 6 * (4 * judged + composite)
    assert result.tables["bounds"][0]["verified"] == result.certificate.lower


def test_a_budget_without_a_search_says_so(tmp_path):
    result = iwocs().run(
        "parametric/pendulum-v0",
        env_steps=30,
        evaluation=Evaluation(episodes=1, period=30, max_episode_steps=5),
        out=tmp_path / "run",
    )
    assert (result.certificate.status, result.certificate.lower, result.certificate.upper) == ("budget", -np.inf, np.inf)
    assert "nothing is known" in result.certificate.semantics
    assert Run.load(result.path).certificate == result.certificate
    assert result.tables["bounds"][0]["status"] == "budget"
    assert result.manifest["env_steps"]["search"] == 0


def test_two_preferences_share_their_worst_models():
    learner = trained(iwocs(search=CMAESSearch(generations=2, population=3), on_stall="second_worst"), n=2, objectives=2)
    known = [np.array([s.model for s in sub.specialists]) for sub in learner.subs]
    second = [row for row in learner.history if row["iteration"] == 1]
    # Six candidates, and what either of them was trained in.
    assert [row["evaluations"] for row in second] == [6 + len(np.unique(np.concatenate([k[:1] for k in known]), axis=0))] * 2


def test_inside_morld():
    solver = MORLD(solver=iwocs(), num_members=2, exchange_period=40)
    check_problem = push_problem(objectives=2)
    learner = solver.make(check_problem, None, seed=0, device=CPU)
    spent = {"training": 0, "search": 0, "evaluation": 0}
    while not learner.is_finished:
        for purpose, steps in learner.learn(400).items():
            spent[purpose] += steps
    assert spent == learner.inner.spent
    assert spent["search"] > 0 < spent["evaluation"]
    tables = learner.report().tables
    assert tables["iterations"] == learner.inner.history
    assert [(row["preference"], row["verified"]) for row in tables["bounds"]] == [
        (s.uid, s.verified) for s in learner.inner.subs
    ]
    learner.evaluate()
    # Each objective in its worst model: no policy is better than that anywhere on the grid.
    policies = learner.policies()
    grid = torch.from_numpy(GridSearch(points_per_dimension=2).models(learner.inner.region))
    everywhere = learner.record.evaluator(policies, dynamics=grid).discounted.mean(2)
    np.testing.assert_allclose(learner.record.latest.values, everywhere.min(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IWOCS(solver=EUPG()), "no critic that can say so; use MOSAC"),
        (lambda: IWOCS(solver=SubPO()), r"or SubPO\(kernels=...\) alone"),
        (lambda: IWOCS(solver=replace(SAC, n_step=3)), "set n_step: 1"),
        (lambda: IWOCS(solver=replace(SAC, replay="shared")), "set replay: per_member"),
        (lambda: IWOCS(solver=MORLD(solver=SAC)), "MORLD inside IWOCS is not supported"),
        (lambda: IWOCS(solver=IWOCS(solver=SAC)), "IWOCS inside IWOCS is not supported"),
        (lambda: iwocs(aggregator="hull").make(push_problem(), None, seed=0, device=CPU), "does not know its kernels"),
        (lambda: iwocs().make(make_problem("continuous/two-targets-v0"), None, seed=0, device=CPU), "cannot be set"),
        (lambda: trained(iwocs(search=CornerSearch(), uncertainty=Finite(((0.5, 0.0),)))), "use search: grid"),
        (
            lambda: iwocs(uncertainty=Box({"gian": (0.0, 1.0)})).make(push_problem(), None, seed=0, device=CPU),
            "Did you mean 'gain'",
        ),
        (lambda: IWOCS(default_steps=0), "default_steps must be at least 1"),
        (lambda: IWOCS(search_gamma=1.5), "search_gamma must be in"),
        (
            lambda: iwocs().make(
                push_problem(objectives=2),
                Task(
                    utility=Utility(weights=torch.tensor([[0.5, 0.5]]), scalarization=Chebyshev(), ideal_point=torch.zeros(2))
                ),
                seed=0,
                device=CPU,
            ),
            "Use WeightedSum",
        ),
        (
            lambda: iwocs().make(
                push_problem(), Task(utility=Utility(weights=torch.ones(1, 1)), dynamics=torch.zeros(1, 2)), seed=0, device=CPU
            ),
            "leave the task's dynamics open",
        ),
    ],
)
def test_what_cannot_be_combined(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
    assert issubclass(CapabilityError, ConfigurationError)
