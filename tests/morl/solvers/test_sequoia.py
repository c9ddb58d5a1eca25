"""What is special about SEQUOIA; the laws of learners are checked in tests/conformance and tests/laws."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from envs.cormab import budget_instance
from envs.cormab.constraints import Constraint, Linear
from morl.actions import MIP, ActionProblem, Enumerate, LocalSearch
from morl.critics import values_of
from morl.errors import CapabilityError, CheckpointError, ConfigurationError
from morl.nn.population_adam import PopulationAdam
from morl.policies import load_policy
from morl.policies.mip import constraint_from_json, constraint_to_json
from morl.problem import make_problem
from morl.solvers import SEQUOIA
from morl.testing import one_device
from morl.testing.policy import check_policy
from morl.testing.solver import check_solver

CPU, META = torch.device("cpu"), torch.device("meta")
SMALL = SEQUOIA(
    hidden=(6, 5),
    batch_size=16,
    learning_starts=20,
    warm_start_updates=5,
    rows_per_member=4,
    target_period=5,
    updates_per_step=0.5,
)
ENV = {"id": "cormab/capacity-v0", "num_arms": 6, "budget": 2, "horizon": 5, "expected_rewards": True}


def trained(solver=SMALL, env=ENV, steps=80):
    learner = solver.make(make_problem(env), None, seed=0, device=CPU)
    learner.learn(steps)
    return learner


@pytest.mark.parametrize(
    ("optimizer", "model"), [(LocalSearch(), "mlp"), (Enumerate(), "mlp"), (MIP(gap=0.0, method="program"), "factored")]
)
def test_a_policy_loads_without_what_it_was_trained_with(tmp_path, optimizer, model):
    [policy] = trained(replace(SMALL, policy_optimizer=optimizer, q_model=model)).policies()
    check_policy(policy, batch=6)
    loaded = load_policy(policy.save(tmp_path))
    assert loaded.optimizer == optimizer
    states = np.random.default_rng(0).integers(4, size=(7, 6))
    actions = policy.act(states)
    assert np.array_equal(loaded.act(states), actions)
    assert policy.constraint.contains(actions).all()
    torch.testing.assert_close(loaded.values(states, actions), policy.values(states, actions))


@pytest.mark.parametrize("model", ["mlp", "factored"])
def test_the_three_optimisers_agree_where_the_answer_is_exact(model):
    learner = trained(replace(SMALL, q_model=model))
    states = np.random.default_rng(1).integers(4, size=(6, 6))
    worth = []
    for optimizer in (Enumerate(), MIP(gap=0.0), LocalSearch(rounds=4, swaps=8)):
        learner.solver = replace(SMALL, policy_optimizer=optimizer, q_model=model)
        [policy] = learner.policies()
        worth.append(policy.values(states, policy.act(states)).numpy())
    np.testing.assert_allclose(worth[0], worth[1], rtol=1e-6)
    assert (worth[2] <= worth[0] + 1e-9).all()


def test_every_next_state_is_solved_once_per_target_network():
    learner = trained(replace(SMALL, target_period=10_000))
    solved = []
    inner = learner.maximizer
    learner.maximizer = lambda problem: solved.append(problem.shape[1]) or inner(problem)
    states = torch.nn.functional.one_hot(torch.tensor([[0] * 6, [1] * 6, [0] * 6]), 4).flatten(1).float().unsqueeze(0)
    learner.cache.forget(0)
    first = learner._next_values([0], slice(0, 1), states)
    again = learner._next_values([0], slice(0, 1), states)
    assert solved == [2]
    assert torch.equal(first, again)
    assert torch.equal(first[0, 0], first[0, 2])
    folded = learner._folded(learner.target, slice(0, 1), states)
    best = inner(ActionProblem(folded, learner.linear_weights))
    torch.testing.assert_close(first, folded(best.unsqueeze(2)).squeeze(2))
    learner._move_target([0])
    assert not learner.cache.tables[0]
    assert all(torch.equal(a, b) for a, b in zip(learner.target, learner.online, strict=True))


@pytest.mark.parametrize(("mean", "epsilon"), [(1.0, 0.3), (4.0, 0.3), (4.0, 1.0)])
def test_random_actions_are_held_and_make_up_the_share_of_steps_that_was_asked_for(mean, epsilon):
    learner = replace(SMALL, exploration_steps=mean, rows_per_member=200).make(make_problem(ENV), None, seed=0, device=CPU)
    rows, exploring, begun = np.arange(200), 0, 0
    for _ in range(150):
        free = learner.explored_steps == 0
        learner._explore(rows, np.full(200, epsilon))
        active = learner.explored_steps > 0
        begun += np.count_nonzero(free & active)
        exploring += np.count_nonzero(active)
        learner.explored_steps -= active
    assert exploring / (150 * 200) == pytest.approx(epsilon, abs=0.02)
    assert exploring / begun == pytest.approx(mean, rel=0.05)
    assert learner.constraint.contains(learner.explored).all()


def test_the_warm_up_holds_its_actions_too():
    learner = trained(replace(SMALL, exploration_steps=50.0, learning_starts=60), steps=40)
    actions = learner.ring.sample(400, generator=learner.learning)["action"][0]
    # Ten rounds of four rows: hardly more than one action each.
    assert len(torch.unique(actions, dim=0)) <= 8


LINKED = {"id": "cormab/interventions-v0", "num_arms": 6, "budget": 2, "num_interventions": 4, "horizon": 5}
FACTORED = replace(SMALL, q_model="factored", hidden=(5,), loss="mse")


@pytest.mark.parametrize("env", [LINKED, ENV])  # values of the whole action, and of an arm's own component
def test_a_factored_network_learns_each_arm_from_its_own_target(env):
    learner = trained(FACTORED, env, steps=60)
    assert learner.parts == 6
    batch = learner.ring.sample(30, generator=learner.learning)
    rewards = batch["reward"][0]
    assert rewards.shape == (30, 6)
    states, arms = batch["observation"][0].view(30, 6, 4).argmax(-1).numpy(), np.arange(6)
    instance = learner.rows.batch.instance
    levels = instance.levels(batch["action"][0].numpy().astype(bool))
    if env is ENV:  # expected rewards
        np.testing.assert_allclose(rewards, instance.arm_rewards[arms, levels, states], rtol=1e-6)
    # The parts add up to the value by which actions are chosen.
    worth = learner.net.part_values(learner.online, batch["observation"], batch["action"])
    whole = learner.net.fold(learner.online, batch["observation"])(batch["action"].unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(worth.sum(2), whole, rtol=1e-4, atol=1e-4)
    # An arm's value hears of its own state only.
    other = batch["observation"].clone().view(1, 30, 6, 4)
    other[:, :, 1:] = torch.roll(other[:, :, 1:], 1, dims=-1)
    again = learner.net.part_values(learner.online, other.flatten(2), batch["action"])
    assert torch.equal(again[:, :, 0], worth[:, :, 0])
    assert not torch.equal(again[:, :, 1:], worth[:, :, 1:])
    # Its target is its own reward and its own value under the action that is best for all.
    following = learner._next_values([0], slice(0, 1), batch["next_observation"])
    folded = learner._folded(learner.target, slice(0, 1), batch["next_observation"])
    best = learner.maximizer(ActionProblem(folded, learner.linear_weights))
    torch.testing.assert_close(following.sum(-1), folded(best.unsqueeze(2))[..., 0, 0], rtol=1e-4, atol=1e-3)


def test_learning_by_arms_keeps_the_laws_of_learners():
    check_solver(replace(FACTORED, prioritised=True, n_step=2, learning_starts=8), env=LINKED, rounds=12)


def test_arms_are_learned_together_where_their_rewards_are_not_known():
    class Silent(gym.Wrapper):
        """Does not say what the reward is made of."""

        @property
        def unwrapped(self):
            return self

    learner = trained(FACTORED, lambda: Silent(gym.make("cormab/interventions-v0", num_arms=6, num_interventions=4, budget=2)))
    assert learner.parts == 1
    assert trained(replace(FACTORED, q_model="mlp"), LINKED, steps=8).parts == 1
    assert trained(FACTORED, {**LINKED, "reward": "vector"}, steps=8).parts == 1


def test_all_actions_taken_in_training_are_feasible():
    learner = trained()  # the environment refuses others
    batch = learner.ring.sample(200, generator=learner.learning)
    assert learner.constraint.contains(batch["action"][0].numpy()).all()


@pytest.mark.parametrize("model", ["mlp", "factored", "concave", "linear"])
def test_a_gradient_step_stays_on_one_device_and_reads_nothing(model):
    learner = trained(replace(SMALL, q_model=model, stability=0.1, l1=0.1), steps=4)
    learner.online = [p.to(META) for p in learner.online]
    learner.adam = PopulationAdam(learner.online, learning_rate=1e-3)
    learner.adam._fused = False
    for name in ("scale", "offset", "linear_weights"):
        setattr(learner, name, getattr(learner, name).to(META))
    learner.stats = {key: value.to(META) for key, value in learner.stats.items()}
    batch = {"observation": torch.zeros(1, 8, 24, device=META), "action": torch.zeros(1, 8, 6, device=META)}
    with one_device():
        errors = learner.gradient_step(slice(0, 1), batch, torch.zeros(1, 8, learner.parts, device=META))
    assert errors.shape == (1, 8)


def test_regularisers_make_more_units_stable():
    plain, steady = (trained(replace(SMALL, hidden=(16, 16), stability=s), steps=400) for s in (0.0, 1.0))
    assert steady.statistics()["open_units"] < plain.statistics()["open_units"]


def test_action_sets_survive_json():
    class Mine(Constraint):
        """Somebody's own class."""

        num_actions = 3

        def rows(self):
            return Linear(matrix=[[1, 1, 0], [0, 1, 1]], lower=[0, 1], upper=[1, np.inf]).rows()

        def sample(self, rng, size):
            raise AssertionError

        def enumerate(self, limit):
            raise AssertionError

        def _contains(self, actions):
            raise AssertionError

    import json

    back = constraint_from_json(json.loads(json.dumps(constraint_to_json(Mine()))))
    assert back.enumerate(10).tolist() == Linear([[1, 1, 0], [0, 1, 1]], [0, 1], [1, np.inf]).enumerate(10).tolist()
    with pytest.raises(CheckpointError, match="unknown kind of action set"):
        constraint_from_json({"name": "Instance"})


def test_what_it_cannot_do_is_refused():
    with pytest.raises(CapabilityError, match="MultiBinary"):
        SMALL.make(make_problem("deep-sea-treasure-v0"), None, seed=0, device=CPU)
    for field, value in (
        ("epsilon_end", 0.9),
        ("final_learning_rate", 1.0),
        ("l1", -1.0),
        ("gamma", 1.1),
        ("hidden", ()),
        ("exploration_steps", 0.5),
    ):
        with pytest.raises(ConfigurationError, match=field):
            replace(SMALL, **{field: value})
    with pytest.raises(CapabilityError, match="more than 3 actions"):
        trained(replace(SMALL, training_optimizer=Enumerate(limit=3)), steps=4)
    with pytest.raises(CapabilityError, match="more than 3 actions"):  # not only once it is trained
        replace(SMALL, policy_optimizer=Enumerate(limit=3)).make(make_problem(ENV), None, seed=0, device=CPU)


def test_the_comparison_is_of_the_policies_that_a_run_keeps():
    learner = trained(replace(SMALL, comparison_episodes=2), steps=40)
    [early] = learner.policies()
    learner.learn(200)

    def score(kept):
        return {row["policy"]: row["expected"] for row in learner.report(kept).tables["comparison"]}["sequoia"]

    assert score([early]) != score(())
    assert score(learner.policies()) == score(())


def test_an_environment_that_projects_needs_no_special_space():
    learner = trained(env={**ENV, "infeasible": "project", "reward": "vector"})
    assert learner.constraint.num_actions == 6
    assert values_of(learner, torch.zeros(2, 6, dtype=torch.int64), torch.zeros(2, 6)).shape == (1, 2, 3)


def test_an_instance_of_ones_own_runs_end_to_end(tmp_path):
    instance = budget_instance(num_arms=5, budget=2, seed=4)
    result = SMALL.run({"id": "cormab/budget-v0", "instance": instance, "horizon": 4}, env_steps=60, seed=1)
    assert result.front.shape == (1, 1)
    assert np.isfinite(result.front).all()
