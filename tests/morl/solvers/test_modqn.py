"""MODQN: exact continuation, independence of members, the update against a direct computation, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from morl.critics import values_of
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.policies.base import load_policy
from morl.problem import Problem, make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.modqn import MODQN, MODQNLearner
from morl.task import Task, Utility

CPU = torch.device("cpu")
SMALL = MODQN(hidden=(16,), batch_size=8, learning_starts=4, epsilon_decay_steps=50, capacity=200, rows_per_member=2)
VARIANTS = {
    "plain": SMALL,
    "n_step": replace(SMALL, n_step=3, target_period=3, tau=1.0),
    "prioritised": replace(SMALL, prioritised=True, loss="huber"),
    "shared": replace(SMALL, replay="shared", updates_per_step=0.5),
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make_problem("deep-sea-treasure-v0")


@pytest.fixture(params=VARIANTS, scope="module")
def solver(request: pytest.FixtureRequest) -> MODQN:
    return VARIANTS[request.param]


def weights_of(n: int) -> Tensor:
    first = torch.linspace(0.1, 0.9, n)
    return torch.stack([first, 1 - first], 1)


def made(problem: Problem, n: int = 3, *, solver: MODQN = SMALL, seed: int = 0) -> MODQNLearner:
    return solver.make(problem, Task(utility=Utility(weights=weights_of(n))), seed=seed, device=CPU)


def copied(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        same = torch.equal(value, b[key]) if isinstance(value, Tensor) else value == b[key]
        assert same, key


def member_parts(learner: MODQNLearner, member: int) -> list[Tensor]:
    parts = [*learner.online, *learner.target, *learner.adam.first, *learner.adam.second]
    return [*(p[member].clone() for p in parts), torch.tensor([learner.adam.steps[member], learner.updates[member]])]


def test_learning_in_two_calls_is_learning_in_one(problem: Problem, solver: MODQN) -> None:
    parts, whole = made(problem, solver=solver), made(problem, solver=solver)
    unit = parts.next_round()
    assert parts.learn(7 * unit) == {"training": 7 * unit}
    parts.learn(10 * unit)
    whole.learn(17 * unit)
    assert_same(parts.state(), whole.state())
    assert (whole.updates > 0).all()


def test_a_restored_learner_goes_on_exactly(problem: Problem, solver: MODQN) -> None:
    learner = made(problem, solver=solver)
    learner.learn(9 * learner.next_round())
    saved = copied(learner.state())
    restored = made(problem, 1, solver=solver, seed=1)
    restored.seed = learner.seed
    restored.load_state(saved)
    for each in (learner, restored):
        each.learn(8 * learner.next_round())
    assert_same(learner.state(), restored.state())


def test_the_seed_decides(problem: Problem) -> None:
    a, b, c = made(problem), made(problem), made(problem, seed=1)
    for learner in (a, b, c):
        learner.learn(8 * learner.next_round())
    assert_same(a.state(), b.state())
    assert not torch.equal(a.online[0], c.online[0])


@pytest.mark.parametrize("members", [[1], [0, 2]])
def test_members_that_do_not_take_part_stay_bitwise(problem: Problem, solver: MODQN, members: list[int]) -> None:
    learner = made(problem, solver=solver)
    learner.learn(8 * learner.next_round())
    before = {i: member_parts(learner, i) for i in range(3)}
    learner.learn(20, members=members)
    for i, parts in before.items():
        same = [torch.equal(a, b) for a, b in zip(parts, member_parts(learner, i), strict=True)]
        assert (not all(same)) if i in members else all(same)


def test_owed_updates_are_made(problem: Problem) -> None:
    learner = made(problem, solver=replace(SMALL, updates_per_step=0.5))
    learner.learn(12 * learner.next_round())
    # 24 steps each, of which the first 4 are owed nothing.
    assert learner.updates.tolist() == [10, 10, 10]
    learner.extra_updates(3, [1])
    assert learner.updates.tolist() == [10, 13, 10]


def test_one_gradient_step_is_what_the_formulas_say(problem: Problem) -> None:
    learner = made(problem, 2, solver=replace(SMALL, max_gradient_norm=1e9, tau=0.5))
    generator = torch.Generator().manual_seed(0)
    for p in learner.target:
        p.add_(torch.randn(p.shape, generator=generator), alpha=0.1)
    d, batch_size = learner.encoder.width, 5
    batch = {
        "observation": torch.rand(2, batch_size, d, generator=generator),
        "next_observation": torch.rand(2, batch_size, d, generator=generator),
        "action": torch.randint(4, (2, batch_size, 1), generator=generator).float(),
        "reward": torch.rand(2, batch_size, 2, generator=generator),
        "discount": torch.tensor([0.9, 0.0, 0.9, 0.9, 0.0]).expand(2, 5).unsqueeze(-1),
    }
    online, target = ([p.clone() for p in group] for group in (learner.online, learner.target))
    errors = learner.gradient_step(slice(0, 2), batch).errors()
    for i, w in enumerate(weights_of(2)):
        own = [p[i].clone().requires_grad_() for p in online]

        def q(x: Tensor, p: list[Tensor]) -> Tensor:
            return (torch.relu(x @ p[0] + p[1]) @ p[2].T + p[3]).view(batch_size, 4, 2)

        everyone = torch.arange(batch_size)
        with torch.no_grad():
            best = (q(batch["next_observation"][i], own) @ w).argmax(1)
            following = q(batch["next_observation"][i], [p[i] for p in target])[everyone, best]
            y = batch["reward"][i] + batch["discount"][i] * following
        taken = q(batch["observation"][i], own)[everyone, batch["action"][i, :, 0].long()]
        (taken - y).square().mean().backward()
        torch.testing.assert_close(errors[i], ((taken - y) @ w).abs().detach())
        torch.optim.Adam(own, lr=1e-3).step()
        for mine, theirs, slow, old in zip(own, learner.online, learner.target, target, strict=True):
            torch.testing.assert_close(mine.detach(), theirs[i], rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(slow[i], (old[i] + theirs[i]) / 2)


def test_the_target_network_follows_at_its_period(problem: Problem) -> None:
    learner = made(problem, solver=replace(SMALL, tau=1.0, target_period=4))
    learner.learn(3 * learner.next_round())
    start = learner.target[0].clone()
    seen = []
    for _ in range(4):
        learner.extra_updates(1, [0, 1, 2])
        seen.append(torch.equal(learner.target[0], start))
        start = learner.target[0].clone()
    assert seen.count(False) == 1
    due = learner.updates % 4 == 0
    assert torch.equal(learner.target[0], learner.online[0]) == bool(due.all())


def test_exploration_decays_with_a_members_own_steps(problem: Problem) -> None:
    learner = made(problem, solver=replace(SMALL, epsilon_start=0.9, epsilon_end=0.1, epsilon_decay_steps=100))
    np.testing.assert_allclose(learner._epsilon(np.array([0, 50, 100, 1000])), [0.9, 0.5, 0.1, 0.1], rtol=1e-6)
    n, size = 3, 4000
    uniform = torch.rand((2, n, size), generator=torch.Generator().manual_seed(0))
    encoded = torch.zeros(n, size, learner.encoder.width)
    epsilon = torch.tensor([0.0, 0.5, 1.0])
    weights = learner.linear_weights.unsqueeze(1)
    actions = learner.act_tensors(learner.online, encoded, weights, epsilon.unsqueeze(1), uniform)
    greedy = (learner.loss.values(learner.online, encoded[:, :1])[:, 0] * weights.unsqueeze(1)).sum(-1).argmax(-1)
    share = (actions == greedy).float().mean(1)
    assert share[0] == 1.0
    torch.testing.assert_close(share[1:], torch.tensor([0.5 + 0.125, 0.25]), atol=0.03, rtol=0)


def test_values_are_those_that_policies_are_greedy_for(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(15 * learner.next_round())
    observations = torch.tensor([[0, 0], [1, 0], [2, 1], [5, 5]])
    q = torch.stack([values_of(learner, observations, torch.full((4,), a)) for a in range(4)], 2)
    assert q.shape == (3, 4, 4, 2)
    greedy = (q * weights_of(3)[:, None, None]).sum(-1).argmax(-1)
    for i, policy in enumerate(learner.policies()):
        assert torch.equal(policy.act(observations), greedy[i])


def test_policies_act_on_what_environments_return(problem: Problem, tmp_path: Any) -> None:
    learner = made(problem)
    learner.learn(15 * learner.next_round())
    policy = learner.policies()[1]
    batch = np.array([[0, 0], [1, 0], [2, 1]], dtype=np.int32)
    chosen = policy.act(batch)
    assert [policy.act(o) for o in batch] == chosen.tolist()
    assert all(problem.spec.action_space.contains(np.int64(policy.act(o))) for o in batch)
    assert np.array_equal(load_policy(policy.save(tmp_path)).act(batch), chosen)
    before = {name: value.clone() for name, value in policy.tensors().items()}
    learner.learn(15 * learner.next_round())
    assert_same(before, policy.tensors())


def test_new_weights_touch_nothing_else(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(9 * learner.next_round())
    before = copied(learner.state())
    learner.set_task(Task(utility=Utility(weights=torch.tensor([[0.3, 0.7]]))), members=[1])
    after = learner.state()
    assert torch.allclose(after.pop("weights"), torch.tensor([[0.1, 0.9], [0.3, 0.7], [0.9, 0.1]]))
    before.pop("weights")
    assert_same(before, after)
    assert torch.allclose(learner.policies()[1].tensors()["weights"], torch.tensor([[0.3, 0.7]]))


def test_reindexed_members_are_copies(problem: Problem, solver: MODQN) -> None:
    learner = made(problem, solver=solver)
    learner.learn(9 * learner.next_round())
    old = [member_parts(learner, i) for i in range(3)]
    uids = list(learner.uids)
    steps = learner.statistics()["gradient_steps"]
    assert steps == learner.updates.sum() == learner.adam.steps.sum() > 0
    learner.reindex([2, 0, 2, 1], [False, False, True, True])
    assert learner.statistics()["gradient_steps"] == steps  # what was done is not undone
    assert learner.uids[:2] == [uids[2], uids[0]]
    assert len(set(learner.uids)) == 4
    for new, source in enumerate([2, 0]):
        for a, b in zip(member_parts(learner, new), old[source], strict=True):
            assert torch.equal(a, b)
    assert torch.equal(learner.online[0][2], old[2][0])
    assert learner.adam.steps[2:].tolist() == [0, 0]
    learner.learn(10 * learner.next_round())
    assert all(np.isfinite(list(learner.statistics().values())))


def test_transfer_copies_both_networks(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(9 * learner.next_round())
    learner.transfer(0, 1)
    for p in (*learner.online, *learner.target):
        assert torch.equal(p[1], p[0])
    assert learner.adam.steps[1] == 0
    assert learner.adam.steps[0] > 0


def test_acting_and_learning_never_read_the_device(problem: Problem) -> None:
    """On the meta device there is nothing to read: whatever asks for a number fails."""
    learner = made(problem)
    meta = torch.device("meta")
    learner.online, learner.target = ([p.to(meta) for p in group] for group in (learner.online, learner.target))
    learner.adam = type(learner.adam)(learner.online, learning_rate=1e-3, max_gradient_norm=1.0)
    learner.linear_weights = learner.linear_weights.to(meta)
    learner.stats = {name: value.to(meta) for name, value in learner.stats.items()}
    d = learner.encoder.width
    encoded, epsilon = torch.zeros(3, 4, d, device=meta), torch.zeros(3, 1, device=meta)
    weights = learner.linear_weights.unsqueeze(1)
    actions = learner.act_tensors(learner.online, encoded, weights, epsilon, torch.rand(2, 3, 4, device=meta))
    assert actions.device == meta
    widths = {"observation": d, "next_observation": d, "action": 1, "reward": 2, "discount": 1}
    batch = {name: torch.zeros(3, 4, width, device=meta) for name, width in widths.items()}
    assert learner.gradient_step(slice(0, 3), batch).errors().shape == (3, 4)


class OneStep(gym.Env[Any, Any]):
    observation_space: gym.Space[Any] = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space: gym.Space[Any] = spaces.Discrete(3, start=-1)
    reward_space = spaces.Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        return np.zeros(2, np.float32), np.array([action, -action], np.float32), True, False, {}


class Continuous(OneStep):
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)


class Images(OneStep):
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)


def test_actions_that_do_not_start_at_zero() -> None:
    learner = made(make_problem(OneStep), 2, solver=replace(SMALL, learning_rate=0.01))
    learner.learn(200 * learner.next_round())
    assert [policy.act(np.zeros(2, np.float32)) for policy in learner.policies()] == [-1, 1]


@pytest.mark.parametrize(("env", "message"), [(Continuous, "Discrete.*MOSAC or MOPPO"), (Images, "image")])
def test_spaces_that_do_not_fit_are_refused(env: Any, message: str) -> None:
    with pytest.raises(CapabilityError, match=message):
        made(make_problem(env))


def test_other_refusals(problem: Problem) -> None:
    with pytest.raises(ShapeError, match="2 weights"):
        SMALL.make(problem, Task(utility=Utility(weights=torch.full((1, 3), 1 / 3))), seed=0, device=CPU)
    utility = Utility(scalarization=Chebyshev(), weights=weights_of(2), ideal_point=torch.ones(2), criterion="esr")
    with pytest.raises(CapabilityError, match="EUPG"):
        SMALL.make(problem, Task(utility=utility), seed=0, device=CPU)


@pytest.mark.parametrize(
    "wrong", [{"epsilon_end": 1.5}, {"epsilon_decay_steps": 0}, {"n_step": 0}, {"tau": 0.0}, {"max_gradient_norm": 0.0}]
)
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MODQN(**wrong)
