"""MOPPO: exact continuation, independence of members, the update against a direct computation, refusals."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.functional import clipped_surrogate, generalised_advantages
from morl.policies.base import load_policy
from morl.problem import Problem, make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.moppo import MOPPO, MOPPOLearner
from morl.task import Task, Utility

ENVS = ("deep-sea-treasure-v0", "continuous/two-targets-v0")
CPU = torch.device("cpu")
SMALL = MOPPO(hidden=(16, 16), rows_per_member=2, horizon=6, epochs=2, minibatch_size=5, entropy_coefficient=0.01)


@pytest.fixture(params=ENVS, scope="module")
def problem(request: pytest.FixtureRequest) -> Problem:
    return make_problem(request.param)


def weights_of(n: int) -> Tensor:
    first = torch.linspace(0.1, 0.9, n)
    return torch.stack([first, 1 - first], 1)


def made(problem: Problem, n: int = 3, *, solver: MOPPO = SMALL, seed: int = 0) -> MOPPOLearner:
    return solver.make(problem, Task(utility=Utility(weights=weights_of(n))), seed=seed, device=CPU)


def copied(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        same = (
            np.array_equal(value, b[key], equal_nan=value.is_floating_point()) if isinstance(value, Tensor) else value == b[key]
        )
        assert same, key


def member_parts(learner: MOPPOLearner, member: int) -> list[Tensor]:
    adams = [t for adam in (learner.actor_adam, learner.critic_adam) for t in (*adam.first, *adam.second)]
    moments = [t for m in (learner.observation_moments, learner.value_moments) for t in (m.mean, m.variance, m.count)]
    rows = learner.rows_of([member])
    data = [learner.rollout[name][:, rows] for name in ("observation", "reward")]
    parts = [*learner.actor, *learner.critic, *adams, *moments]
    steps = torch.tensor([learner.actor_adam.steps[member], learner.critic_adam.steps[member]])
    return [*(p[member].clone() for p in parts), *(d.clone() for d in data), steps]


@pytest.mark.parametrize(("first", "second"), [(1, 1), (4, 3), (6, 9)])
def test_learning_in_two_calls_is_learning_in_one(problem: Problem, first: int, second: int) -> None:
    parts, whole = made(problem), made(problem)
    unit = parts.next_round()
    assert parts.learn(first * unit) == {"training": first * unit}
    parts.learn(second * unit)
    whole.learn((first + second) * unit)
    assert_same(parts.state(), whole.state())


@pytest.mark.parametrize("rounds", [4, 6, 8])
def test_a_restored_learner_goes_on_exactly(problem: Problem, rounds: int) -> None:
    learner = made(problem)
    learner.learn(rounds * learner.next_round())
    saved = copied(learner.state())
    restored = made(problem, 1, seed=1)
    restored.seed = learner.seed
    restored.load_state(saved)
    for each in (learner, restored):
        each.learn(7 * learner.next_round())
    assert_same(learner.state(), restored.state())


def test_the_seed_decides(problem: Problem) -> None:
    a, b, c = made(problem), made(problem), made(problem, seed=1)
    for learner in (a, b, c):
        learner.learn(8 * learner.next_round())
    assert_same(a.state(), b.state())
    assert not torch.equal(a.actor[0], c.actor[0])


def test_members_that_do_not_take_part_stay_bitwise(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(2 * learner.next_round())
    others = {i: member_parts(learner, i) for i in (0, 2)}
    before = learner.actor[0][1].clone()
    learner.learn(20, members=[1])
    for i, parts in others.items():
        for old, new in zip(parts[:-3], member_parts(learner, i)[:-3], strict=True):
            assert torch.equal(old, new)
        assert learner.rollout.lengths[learner.rows_of([i])].tolist() == [2, 2]
    assert not torch.equal(before, learner.actor[0][1])
    assert learner.member_steps.tolist() == [4, 24, 4]


def test_members_that_are_not_contiguous_learn_too(problem: Problem) -> None:
    learner = made(problem)
    before = [p.clone() for p in learner.actor]
    learner.learn(4 * SMALL.horizon, members=[0, 2])
    changed = [not torch.equal(before[0][i], learner.actor[0][i]) for i in range(3)]
    assert changed == [True, False, True]


def test_rows_that_lag_behind_do_not_stop_an_improvement(problem: Problem) -> None:
    """Budgets below one round step some rows only, so rollouts end with different lengths."""
    learner = made(problem)
    for steps in (1, 5, 3, 60, 4, 60):
        assert learner.learn(steps) == {"training": steps}
    assert learner.member_steps.tolist() == [47, 45, 41]
    assert (learner.actor_adam.steps > 0).all()
    assert all(np.isfinite(list(learner.statistics().values())))


def test_one_gradient_step_is_what_the_formulas_say(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at ends of episodes: deep sea treasure terminates, two targets is truncated after ten steps."""
    solver = MOPPO(
        hidden=(8,), rows_per_member=2, horizon=12, epochs=1, minibatch_size=24, entropy_coefficient=0.1, max_gradient_norm=1e9,
        normalise_observations=False, normalise_values=False,
    )  # fmt: skip
    learner = made(problem, 2, solver=solver)
    learner.learn(11 * learner.next_round())
    actor, critic = ([p.clone() for p in group] for group in (learner.actor, learner.critic))
    seen: dict[str, Tensor] = {}
    names = ("observation", "next_observation", "action", "reward", "terminated", "ended")
    monkeypatch.setattr(learner.rollout, "clear", lambda rows: seen.update({k: learner.rollout[k].clone() for k in names}))
    learner.learn(learner.next_round())
    assert seen["ended"].any()
    assert seen["terminated"].any() == learner.is_discrete
    for i in range(2):
        obs, following, actions, rewards, terminated, ended = (seen[k][:, 2 * i : 2 * i + 2] for k in names)

        def network(x: Tensor, parameters: list[Tensor]) -> Tensor:
            return torch.tanh(x @ parameters[0] + parameters[1]) @ parameters[2].T + parameters[3]

        own_critic = [p[i].clone().requires_grad_() for p in critic]
        own_actor = [p[i].clone().requires_grad_() for p in actor]
        with torch.no_grad():
            args = (rewards, network(obs, own_critic), network(following, own_critic), terminated > 0, ended > 0)
            advantages, targets = generalised_advantages(*args, solver.gamma, solver.gae_lambda)
            gains = (advantages * weights_of(2)[i]).sum(-1)
            gains = (gains - gains.mean()) / (gains.std(correction=0) + 1e-8)
        outputs = network(obs, own_actor)
        if learner.is_discrete:
            chances = torch.distributions.Categorical(logits=outputs)
            log_probs, entropy = chances.log_prob(actions.squeeze(-1)), chances.entropy()
        else:
            normal = torch.distributions.Normal(outputs, own_actor[-1].exp())
            log_probs, entropy = normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
        loss = clipped_surrogate(log_probs[None], log_probs.detach()[None], gains[None], 0.2).sum() - 0.1 * entropy.mean()
        optimisers = [torch.optim.Adam(own_actor, lr=3e-4, eps=1e-5), torch.optim.Adam(own_critic, lr=1e-3, eps=1e-5)]
        (loss + (network(obs, own_critic) - targets).square().mean()).backward()
        for optimiser in optimisers:
            optimiser.step()
        for mine, theirs in zip([*own_actor, *own_critic], [*learner.actor, *learner.critic], strict=True):
            torch.testing.assert_close(mine.detach(), theirs[i], rtol=1e-3, atol=1e-5)


def test_rescaling_the_value_outputs_keeps_what_the_critic_predicts(problem: Problem) -> None:
    learner = made(problem)
    everybody = slice(0, 3)
    inputs = torch.rand(3, 5, learner.encoder.width)
    before = learner._values(learner.critic, inputs, everybody)
    targets = 100 * torch.rand(3, 40, 2, generator=torch.Generator().manual_seed(0)) - 30
    learner._follow_values(targets, torch.ones(3, 40, dtype=torch.bool), everybody)
    torch.testing.assert_close(learner._values(learner.critic, inputs, everybody), before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(learner.value_moments.mean, targets.mean(1))


def test_new_weights_touch_nothing_else(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(7 * learner.next_round())
    before = copied(learner.state())
    learner.set_task(Task(utility=Utility(weights=torch.tensor([[0.3, 0.7]]))), members=[1])
    after = learner.state()
    assert torch.allclose(after.pop("weights"), torch.tensor([[0.1, 0.9], [0.3, 0.7], [0.9, 0.1]]))
    before.pop("weights")
    assert_same(before, after)


def test_reindexed_members_are_copies(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(8 * learner.next_round())
    old = [member_parts(learner, i) for i in range(3)]
    uids = list(learner.uids)
    learner.reindex([2, 0, 2, 1], [False, False, True, True])
    assert learner.uids[:2] == [uids[2], uids[0]]
    assert len(set(learner.uids)) == 4
    for new, source in enumerate([2, 0]):
        for a, b in zip(member_parts(learner, new), old[source], strict=True):
            assert torch.equal(a, b)
    assert torch.equal(learner.actor[0][2], old[2][0])
    assert learner.actor_adam.steps[2:].tolist() == [0, 0]
    assert learner.rollout.lengths.tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    learner.learn(20 * learner.next_round())
    assert all(np.isfinite(list(learner.statistics().values())))


def test_transfer_copies_what_acts(problem: Problem) -> None:
    learner = made(problem)
    learner.learn(6 * learner.next_round())
    critic = learner.critic[0][1].clone()
    learner.transfer(0, 1)
    assert torch.equal(learner.actor[0][1], learner.actor[0][0])
    assert torch.equal(learner.critic[0][1], critic)
    learner.transfer(0, 1, payload="all")
    assert torch.equal(learner.critic[0][1], learner.critic[0][0])
    assert learner.actor_adam.steps.tolist()[1] == 0


def test_policies_act_on_what_environments_return(problem: Problem, tmp_path: Any) -> None:
    learner = made(problem)
    learner.learn(6 * learner.next_round())
    policy = learner.policies()[1]
    space, actions = problem.spec.observation_space, problem.spec.action_space
    space.seed(0)
    batch = np.stack([space.sample() for _ in range(5)])
    assert actions.contains(policy.act(batch[0]))
    chosen = policy.act(batch)
    for i in range(5):
        np.testing.assert_allclose(chosen[i], policy.act(batch[i]), rtol=1e-5, atol=1e-6)
    assert np.array_equal(policy.act(torch.from_numpy(batch)).numpy(), chosen)
    sampled = [policy.act(batch, deterministic=False, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert np.array_equal(sampled[0], sampled[1])
    assert not np.array_equal(sampled[0], sampled[2])
    assert np.array_equal(load_policy(policy.save(tmp_path)).act(batch), chosen)
    learner.learn(6 * learner.next_round())
    assert np.array_equal(policy.act(batch), chosen), "a snapshot must not follow training"


def test_acting_and_learning_never_read_the_device(problem: Problem) -> None:
    """On the meta device there is nothing to read: whatever asks for a number fails."""
    learner = made(problem)
    meta = torch.device("meta")
    learner.actor, learner.critic = ([p.to(meta) for p in group] for group in (learner.actor, learner.critic))
    learner.actor_adam, learner.critic_adam = learner._adam(learner.actor, 1e-3), learner._adam(learner.critic, 1e-3)
    learner.stats = {name: value.to(meta) for name, value in learner.stats.items()}
    d, a = learner.encoder.width, 1 if learner.is_discrete else learner.num_actions
    noise = torch.rand((3, 4) if learner.is_discrete else (3, 4, a), device=meta)
    actions, log_probs = learner.act_tensors(learner.actor, torch.rand(3, 4, d, device=meta), noise)
    assert actions.device == log_probs.device == meta
    widths = {"input": d, "action": a, "log_prob": 1, "advantage": 1, "target": 2, "mask": 1}
    batch = {name: torch.zeros(3, 4, width, device=meta) for name, width in widths.items()}
    learner.gradient_step(slice(0, 3), batch)
    assert learner.stats["kl"].shape == (3,)


class Unbounded(gym.Env[Any, Any]):
    """One step; the reward is minus the distance to 5 and the size of the action, which may be any number."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space: gym.Space[Any] = spaces.Box(-np.inf, np.inf, (1, 2), np.float32)
    reward_space = spaces.Box(-np.inf, 0.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), -np.abs([action.sum() - 5.0, action.sum()]).astype(np.float32), True, False, {}


def test_unbounded_boxes_work() -> None:
    learner = made(make_problem(Unbounded))
    learner.learn(6 * learner.next_round())
    assert learner.policies()[0].act(np.zeros(1, np.float32)).shape == (1, 2)


class Words(Unbounded):
    action_space = spaces.Text(3)


class Images(Unbounded):
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(("env", "message"), [(Words, "real-valued Box or a Discrete.*TransformAction"), (Images, "image")])
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
    "wrong",
    [
        {"clip": 0.0},
        {"gae_lambda": 1.5},
        {"horizon": 0},
        {"entropy_coefficient": -1.0},
        {"max_gradient_norm": 0.0},
        {"hidden": ()},
    ],
)
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"MOPPO.{next(iter(wrong))}"):
        MOPPO(**wrong)
