"""MOSAC: the update against direct computations, warm-up, temperature, targets, values, refusals."""

from __future__ import annotations

import math
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
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.mosac import MOSAC
from morl.task import Task, Utility

CPU = torch.device("cpu")
TARGETS, DST = "continuous/two-targets-v0", "deep-sea-treasure-v0"
SMALL = MOSAC(hidden=(8,), batch_size=5, learning_starts=3, capacity=100, update_engine="autograd")
WEIGHTS = torch.tensor([[0.2, 0.8], [0.7, 0.3]])


def made(solver: MOSAC = SMALL, env: Any = TARGETS, weights: Tensor = WEIGHTS, seed: int = 0, **utility: Any) -> Any:
    return solver.make(make_problem(env), Task(utility=Utility(weights=weights, **utility)), seed=seed, device=CPU)


def net(x: Tensor, p: list[Tensor]) -> Tensor:
    return torch.relu(x @ p[0] + p[1]) @ p[2].T + p[3]


def random_batch(learner: Any, discrete: bool) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    d = learner.encoder.width
    action = torch.randint(4, (2, 5, 1), generator=generator).float() if discrete else torch.rand(2, 5, 2, generator=generator)
    return {
        "observation": torch.rand(2, 5, d, generator=generator),
        "next_observation": torch.rand(2, 5, d, generator=generator),
        "action": action,
        "reward": torch.rand(2, 5, 2, generator=generator),
        "discount": torch.tensor([0.9, 0.0, 0.9, 0.9, 0.0]).expand(2, 5).unsqueeze(-1),
    }


def separated(parameters: list[Tensor], member: int, critic: int | None = None) -> list[Tensor]:
    picked = (p[member] if critic is None else p[member, critic] for p in parameters)
    return [p.clone().requires_grad_() for p in picked]


@pytest.mark.parametrize("env", [TARGETS, DST], ids=["continuous", "discrete"])
def test_one_gradient_step_is_what_the_formulas_say(env: str) -> None:
    """Vector target, minimum by utility, actor, temperature and target blend, one member at a time with torch's Adam."""
    learner = made(replace(SMALL, tau=0.25), env)
    discrete = learner.is_discrete
    with torch.no_grad():
        for p in learner.target:
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(len(p.shape))))
        learner.log_alpha.copy_(torch.tensor([-0.5, 0.3]))
    batch = random_batch(learner, discrete)
    noise = torch.randn(2, 2, 5, 0 if discrete else 2, generator=torch.Generator().manual_seed(2))
    before = {name: [p.clone() for p in getattr(learner, name)] for name in ("actor", "critic", "target")}
    log_alpha = learner.log_alpha.clone()
    learner.gradient_step(slice(0, 2), batch, noise)
    for i, w in enumerate(WEIGHTS):
        alpha = log_alpha[i].exp()
        actor = separated(before["actor"], i)
        critics, targets = ([separated(before[name], i, k) for k in range(2)] for name in ("critic", "target"))
        obs, nxt, rew, disc = (batch[k][i] for k in ("observation", "next_observation", "reward", "discount"))
        act = batch["action"][i]

        def sampled(x: Tensor, eps: Tensor, p: list[Tensor]) -> tuple[Tensor, Tensor]:
            mean, raw = net(x, p).chunk(2, -1)
            log_std = -5 + 3.5 * (torch.tanh(raw) + 1)
            normal = torch.distributions.Normal(mean, log_std.exp())
            z = mean + log_std.exp() * eps
            log_prob = (normal.log_prob(z) - 2 * (math.log(2) - z - torch.nn.functional.softplus(-2 * z))).sum(-1)
            return torch.tanh(z), log_prob

        def q_of(x: Tensor, a: Tensor, p: list[Tensor]) -> Tensor:
            if not discrete:
                return net(torch.cat([x, a], -1), p)
            return net(x, p).view(5, 4, 2)[torch.arange(5), a[:, 0].long()]

        with torch.no_grad():
            if discrete:
                probs, log_probs = net(nxt, actor).softmax(-1), net(nxt, actor).log_softmax(-1)
                both = torch.stack([net(nxt, p).view(5, 4, 2) for p in targets])
                least = (both @ w).argmin(0)
                chosen = torch.where(least[..., None] == 0, both[0], both[1])
                value = (probs[..., None] * (chosen - alpha * log_probs[..., None])).sum(1)
            else:
                a, log_prob = sampled(nxt, noise[0, i], actor)
                both = torch.stack([q_of(nxt, a, p) for p in targets])
                least = (both @ w).argmin(0)
                value = torch.where(least[:, None] == 0, both[0], both[1]) - alpha * log_prob[:, None]
            y = rew + disc * value
        for k, critic in enumerate(critics):
            (q_of(obs, act, critic) - y).square().mean().backward()
            torch.optim.Adam(critic, lr=1e-3).step()
            for own, theirs in zip(critic, learner.critic, strict=True):
                torch.testing.assert_close(own.detach(), theirs[i, k], rtol=1e-4, atol=2e-6)
        for slow, old, live in zip(learner.target, before["target"], learner.critic, strict=True):
            torch.testing.assert_close(slow[i], old[i] + 0.25 * (live[i] - old[i]))
        if discrete:
            log_probs = net(obs, actor).log_softmax(-1)
            utility = torch.stack([net(obs, p).view(5, 4, 2) @ w for p in critics]).amin(0).detach()
            loss = (log_probs.exp() * (alpha * log_probs - utility)).sum(-1).mean()
            density = (log_probs.exp() * log_probs).sum(-1).mean().detach()
        else:
            a, log_prob = sampled(obs, noise[1, i], actor)
            loss = (alpha * log_prob - torch.stack([q_of(obs, a, p) @ w for p in critics]).amin(0)).mean()
            density = log_prob.mean().detach()
        loss.backward()
        torch.optim.Adam(actor, lr=3e-4).step()
        for own, theirs in zip(actor, learner.actor, strict=True):
            torch.testing.assert_close(own.detach(), theirs[i], rtol=1e-4, atol=2e-6)
        temperature = log_alpha[i].clone().requires_grad_()
        goal = 0.89 * math.log(4) if discrete else -2.0
        (-temperature * (density + goal)).backward()
        torch.optim.Adam([temperature], lr=1e-3).step()
        torch.testing.assert_close(temperature.detach(), learner.log_alpha[i], rtol=1e-5, atol=1e-6)
        assert learner.stats["entropy"][i].item() == pytest.approx(-density.item(), rel=1e-4)


def test_each_member_has_a_warm_up_of_its_own() -> None:
    learner = made(replace(SMALL, learning_starts=6))
    learner.learn(6, [0])
    assert learner.updates.tolist() == [0, 0]
    learner.learn(5, [0])
    assert learner.updates.tolist() == [5, 0]
    learner.learn(8, [1])
    assert learner.updates.tolist() == [5, 2]
    # During its warm-up a member acts at random whatever its network says.
    for p in learner.actor:
        p.zero_()
    learner.actor[-1][..., :2] = 10.0
    fresh = made(replace(SMALL, learning_starts=1000))
    for p, q in zip(fresh.actor, learner.actor, strict=True):
        p.copy_(q)
    fresh.learn(200)
    actions = fresh.ring._data[:100, fresh.ring._columns["action"]]
    assert actions.abs().max() <= 1
    assert actions.std() > 0.4


@pytest.mark.parametrize(("rate", "updates"), [(0.25, 3), (1.0, 12), (2.0, 24)])
def test_updates_are_owed_per_step_of_a_member(rate: float, updates: int) -> None:
    learner = made(replace(SMALL, updates_per_step=rate, learning_starts=4))
    learner.learn(16 * learner.next_round())
    assert learner.updates.tolist() == [updates, updates]


def test_temperature_rises_while_the_entropy_is_too_low() -> None:
    low, high = (made(replace(SMALL, target_entropy_scale=s)) for s in (-20.0, 20.0))
    for learner in (low, high):
        learner.learn(20 * learner.next_round())
    # -scale * dim(A): wanting 40 nats raises it, being content with -40 lets it fall.
    assert (low.log_alpha > 0).all()
    assert (high.log_alpha < 0).all()


@pytest.mark.parametrize("temperature", [0.0, 0.2])
@pytest.mark.parametrize("env", [TARGETS, DST])
def test_a_fixed_temperature_stays(temperature: float, env: str) -> None:
    learner = made(replace(SMALL, temperature=temperature), env)
    learner.learn(20 * learner.next_round())
    torch.testing.assert_close(learner.log_alpha.exp(), torch.full((2,), temperature))
    assert learner.statistics()["temperature"] == pytest.approx(temperature)
    assert all(torch.isfinite(p).all() for p in (*learner.actor, *learner.critic))


def test_targets_follow_at_their_period() -> None:
    learner = made(replace(SMALL, target_period=3, tau=1.0, learning_starts=0))
    learner.learn(10 * learner.next_round())
    start = [p.clone() for p in learner.target]
    moved = []
    for _ in range(6):
        learner.learn(learner.next_round())
        moved.append(not torch.equal(learner.target[0], start[0]))
        start = [p.clone() for p in learner.target]
    assert sum(moved) == 2
    learner.learn(learner.next_round(), [1])
    assert (learner.updates[1] == learner.updates[0] + 2).item()


@pytest.mark.parametrize("env", [TARGETS, DST])
def test_values_are_those_of_the_more_pessimistic_critic(env: str) -> None:
    learner = made(SMALL, env)
    learner.learn(10 * learner.next_round())
    space, actions = learner.spec.observation_space, learner.spec.action_space
    space.seed(0)
    actions.seed(0)
    obs = torch.from_numpy(np.stack([space.sample() for _ in range(6)]))
    act = torch.as_tensor(np.stack([actions.sample() for _ in range(6)]))
    values = values_of(learner, obs, act)
    assert values.shape == (2, 6, 2)
    x = learner.encoder(obs)
    for i, w in enumerate(WEIGHTS):
        both = []
        for k in range(2):
            p = [t[i, k] for t in learner.critic]
            both.append(net(x, p).view(6, -1, 2)[torch.arange(6), act] if env == DST else net(torch.cat([x, act], -1), p))
        expected = torch.where(((both[0] @ w) <= (both[1] @ w))[:, None], both[0], both[1])
        torch.testing.assert_close(values[i], expected, rtol=1e-4, atol=1e-5)


def test_transfer_copies_what_is_asked_and_starts_optimisers_anew() -> None:
    learner = made()
    learner.learn(12 * learner.next_round())
    critic, alpha = learner.critic[0][1].clone(), learner.log_alpha[1].clone()
    moments = learner.critic_adam.first[0][1].clone()
    learner.transfer(0, 1)
    assert torch.equal(learner.actor[0][1], learner.actor[0][0])
    assert torch.equal(learner.critic[0][1], critic)
    assert torch.equal(learner.log_alpha[1], alpha)
    assert learner.actor_adam.steps.tolist()[1] == 0
    assert (learner.actor_adam.first[0][1] == 0).all()
    assert torch.equal(learner.critic_adam.first[0][1], moments)
    learner.transfer(0, 1, payload="all")
    for group in (learner.critic, learner.target, [learner.log_alpha]):
        assert all(torch.equal(p[1], p[0]) for p in group)
    assert learner.critic_adam.steps.tolist()[1] == learner.alpha_adam.steps.tolist()[1] == 0
    assert learner.actor_adam.steps[0] > 0


def test_a_nonlinear_utility_is_linearised_at_the_running_return() -> None:
    learner = made(SMALL, scalarization=Chebyshev(), ideal_point=torch.zeros(2))
    learner.learn(30 * learner.next_round())
    assert (learner.start_returns < 0).all()
    expected = learner.task.utility.linearised(learner.start_returns)
    assert torch.equal(learner.linear_weights, expected)
    assert not torch.equal(learner.linear_weights, WEIGHTS)


class OneStep(gym.Env[Any, Any]):
    observation_space: gym.Space[Any] = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space: gym.Space[Any] = spaces.Box(-2.0, 4.0, (1, 2), np.float32)
    reward_space = spaces.Box(-100.0, 0.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        return np.zeros(2, np.float32), -np.square(action - 3.0).sum(0), True, False, {}


class Unbounded(OneStep):
    action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


class HalfBounded(OneStep):
    action_space = spaces.Box(0.0, np.inf, (2,), np.float32)


class TooWideForFloat32(OneStep):
    action_space = spaces.Box(-1e300, 1e300, (2,), np.float64)


def test_boxes_of_any_shape_and_bounds() -> None:
    learner = made(env=OneStep)
    learner.learn(50 * learner.next_round())
    action = learner.policies()[0].act(np.zeros(2, np.float32))
    assert action.shape == (1, 2)
    assert learner.spec.action_space.contains(action)


class OneNumber(OneStep):
    action_space = spaces.Box(2.0, 10.0, ())


@pytest.mark.parametrize("env", [OneStep, OneNumber])
def test_members_that_warm_up_do_not_mix_with_others(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = made(env=env)
    shape = (learner.rows.num_rows, *env.action_space.shape)
    monkeypatch.setattr(learner, "_random_actions", lambda count: torch.full(shape, 9.0))
    monkeypatch.setattr(learner, "_policy_actions", lambda rows, encoded: torch.full(shape, 3.0))
    learner.member_steps[0] = learner.solver.learning_starts
    acted = learner._act(learner._all_rows, torch.zeros(shape[0], 2))
    assert acted.shape == shape
    expected = torch.where(torch.from_numpy(learner.row_member == 0), 3.0, 9.0)
    assert torch.equal(acted.reshape(shape[0], -1).amin(1), expected)
    assert torch.equal(acted.reshape(shape[0], -1).amax(1), expected)


@pytest.mark.parametrize("env", [Unbounded, HalfBounded, TooWideForFloat32])
def test_action_spaces_that_do_not_fit_are_refused(env: Any) -> None:
    with pytest.raises(CapabilityError, match=r"bounded Box or a Discrete.*TransformAction.*MOPPO") as caught:
        made(env=env)
    assert "\n" not in str(caught.value)


def test_other_refusals() -> None:
    with pytest.raises(CapabilityError, match="EUPG"):
        made(scalarization=Chebyshev(), ideal_point=torch.zeros(2), criterion="esr")
    with pytest.raises(ShapeError, match="give 2 weights"):
        made(weights=torch.full((2, 3), 1 / 3))
    with pytest.raises(CapabilityError, match="autograd"):
        made(replace(SMALL, update_engine="manual"), DST)
    # A weighted sum is the same under both criteria.
    assert made(criterion="esr").n == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0}, {"extras": ("nothing",)}, {"tau": 0.0}, {"hidden": ()}, {"batch_size": 0}, {"gamma": 1.5},
        {"learning_rate": 0.0}, {"learning_starts": -1}, {"n_step": 0}, {"target_period": 0}, {"updates_per_step": 0.0},
    ],
)  # fmt: skip
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MOSAC(**wrong)


def test_threads_share_members_and_leave_the_others_alone():
    """With two threads a part of the population is updated as with one, up to the order of sums."""

    def trained(threads, members):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            solver = MOSAC(hidden=(16, 16), batch_size=8, learning_starts=4, capacity=64)
            weights = torch.linspace(0.0, 1.0, 5).unsqueeze(1)
            task = Task(utility=Utility(weights=torch.cat([weights, 1 - weights], 1)))
            learner = solver.make(make_problem("continuous/two-targets-v0"), task, seed=3, device=torch.device("cpu"))
            learner.learn(5 * 10)
            learner.learn(40, members)
            assert torch.get_num_threads() == threads
            return learner
        finally:
            torch.set_num_threads(before)

    one, two, again = (trained(threads, [1, 2, 3]) for threads in (1, 2, 2))
    for a, b, c in zip(one.actor + one.critic, two.actor + two.critic, again.actor + again.critic, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
        assert torch.equal(b, c)
