"""The hand-written update engine against autograd, which is its definition."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morl.nn.manual_mlp import MAX_WORKSPACES
from morl.nn.stacked import Parameters, Selection, StackedMLP, select
from morl.problem import make_problem
from morl.solvers.mosac import MOSAC, MOSACLearner
from morl.solvers.mosac_engines import ActionModel, AutogradEngine, Update
from morl.solvers.mosac_manual import ManualEngine
from morl.task import Task, Utility


class Case(NamedTuple):
    actor_net: StackedMLP
    critic_net: StackedMLP
    actions: ActionModel
    m: int
    actor: Parameters
    critic: Parameters
    target: Parameters
    alpha: Tensor
    batch: dict[str, Tensor]
    noise: Tensor
    weights: Tensor

    def engine(self, kind: type[AutogradEngine] | type[ManualEngine]) -> Any:
        return kind(self.actor_net, self.critic_net, self.actions, self.m)

    @property
    def update(self) -> Update:
        return Update(self.actor, self.critic, self.target, self.alpha, self.weights.unsqueeze(1), self.batch, self.noise)

    def results(self, engine: Any) -> list[Tensor]:
        """All that the engine returns, copied: its tensors may be workspaces."""
        gradients, loss = engine.critic_gradients(self.update)
        results = [t.clone() for t in (*gradients, loss)]
        gradients, loss, log_density = engine.actor_gradients(self.update)
        return [*results, *(t.clone() for t in (*gradients, loss, log_density))]

    def of_members(self, members: Selection) -> Case:
        batch = {name: value[members] for name, value in self.batch.items()}
        parts = {name: select(getattr(self, name), members) for name in ("actor", "critic", "target")}
        return self._replace(
            **parts, alpha=self.alpha[members], batch=batch, noise=self.noise[:, members], weights=self.weights[members]
        )

    def to(self, dtype: torch.dtype) -> Case:
        def cast(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(dtype)
            if isinstance(value, ActionModel):
                return ActionModel(*(cast(x) for x in value))
            if isinstance(value, dict):
                return {name: cast(x) for name, x in value.items()}
            return [cast(x) for x in value] if isinstance(value, list) else value

        return Case(*(cast(value) for value in self))


def make_case(
    *, n: int = 3, rows: int = 20, d: int = 5, a: int = 2, m: int = 2, hidden: tuple[int, ...] = (16, 12),
    activation: Any = "relu", dtype: torch.dtype = torch.float64, seed: int = 0,
) -> Case:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    actor_net = StackedMLP(d, hidden, 2 * a, activation=activation)
    critic_net = StackedMLP(d + a, hidden, m, copies=2, activation=activation)
    generators = [torch.Generator().manual_seed(seed + i) for i in range(n)]
    # Biases start at zero: move everything, or their place in the formulas would not be tested.
    actor, critic, target = (
        [(p + 0.1 * draw(*p.shape)).to(dtype) for p in net.init(generators, torch.device("cpu"))]
        for net in (actor_net, critic_net, critic_net)
    )
    # As the store gives it: strided views of one packed tensor.
    widths = {"observation": d, "action": a, "reward": m, "next_observation": d, "discount": 1}
    packed = (0.5 * draw(n, rows, sum(widths.values()))).to(dtype)
    batch = dict(zip(widths, packed.split(list(widths.values()), -1), strict=True))
    weights = torch.rand(n, m, generator=generator).to(dtype)
    weights /= weights.sum(1, keepdim=True)
    return Case(
        actor_net, critic_net,
        ActionModel(False, a, (0.5 + torch.rand(a, generator=generator)).to(dtype), draw(a).to(dtype), -float(a)),
        m, actor, critic, target, torch.rand(n, generator=generator).to(dtype), batch, draw(2, n, rows, a).to(dtype), weights,
    )  # fmt: skip


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(found) == len(expected)
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance * float(y.abs().max()) + 1e-30)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("hidden", [(24,), (24, 16), (16, 24, 8)])
def test_gradients_are_those_of_autograd(n: int, m: int, hidden: tuple[int, ...]) -> None:
    case = make_case(n=n, m=m, hidden=hidden, rows=32, dtype=torch.float32)
    exact = case.to(torch.float64).results(case.to(torch.float64).engine(AutogradEngine))
    assert_same(case.to(torch.float64).results(case.to(torch.float64).engine(ManualEngine)), exact, 1e-10)
    # Autograd's own rounding in float32 is larger than this: the truth is its result in float64.
    assert_same([x.double() for x in case.results(case.engine(ManualEngine))], exact, 1e-5)


@given(
    n=st.integers(1, 4), rows=st.integers(1, 9), d=st.integers(1, 6), a=st.integers(1, 4), m=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple), activation=st.sampled_from(["relu", "tanh"]),
    seed=st.integers(0, 10_000),
)  # fmt: skip
@settings(max_examples=40)
def test_gradients_are_those_of_autograd_for_any_shape(**arguments: Any) -> None:
    case = make_case(**arguments)
    assert_same(case.results(case.engine(ManualEngine)), case.results(case.engine(AutogradEngine)), 1e-9)


def test_float32_is_as_exact_as_autograd_at_saturated_actions() -> None:
    case = make_case(rows=64, dtype=torch.float32)
    case.actor[-1].fill_(3.0)
    exact = case.to(torch.float64).results(case.to(torch.float64).engine(AutogradEngine))

    def worst(engine: Any) -> float:
        return max(
            float((x.double() - y).abs().max() / y.abs().max()) for x, y in zip(case.results(engine), exact, strict=True)
        )

    assert worst(case.engine(ManualEngine)) < max(1e-5, 2 * worst(case.engine(AutogradEngine)))


@pytest.mark.parametrize("members", [slice(0, 2), slice(1, 4), torch.tensor([0, 2]), torch.tensor([3])], ids=str)
def test_some_members_get_their_own_gradients(members: Selection) -> None:
    everybody = make_case(n=4)
    some = everybody.of_members(members)
    reference = [t[members] for t in everybody.results(everybody.engine(AutogradEngine))]
    assert_same(some.results(some.engine(ManualEngine)), reference, 1e-11)


def test_one_hot_weights() -> None:
    case = make_case(n=3, m=3)._replace(weights=torch.eye(3, dtype=torch.float64))
    assert_same(case.results(case.engine(ManualEngine)), case.results(case.engine(AutogradEngine)), 1e-11)


def test_temperature_zero() -> None:
    case = make_case()
    case.alpha.zero_()
    assert_same(case.results(case.engine(ManualEngine)), case.results(case.engine(AutogradEngine)), 1e-11)


def test_layout_of_the_batch_does_not_matter() -> None:
    case = make_case()
    assert not case.batch["action"].is_contiguous()
    packed = case._replace(batch={name: value.contiguous() for name, value in case.batch.items()})
    assert_same(packed.results(packed.engine(ManualEngine)), case.results(case.engine(ManualEngine)), 1e-13)


def test_results_do_not_depend_on_what_the_workspaces_held() -> None:
    case = make_case(dtype=torch.float32)
    engine = case.engine(ManualEngine)
    first = case.results(engine)
    others = [make_case(dtype=torch.float32, n=n, rows=rows, seed=1) for n, rows in [(1, 20), (3, 7), (2, 20), (4, 3), (3, 20)]]
    assert len(others) > MAX_WORKSPACES
    for other in others:
        other.results(engine)
        assert all(torch.equal(x, y) for x, y in zip(case.results(engine), first, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(case.results(case.engine(ManualEngine)), first, strict=True))


def test_workspaces_are_bounded() -> None:
    case = make_case()
    engine = case.engine(ManualEngine)
    for rows in range(2, 3 * MAX_WORKSPACES):
        make_case(rows=rows).results(engine)
    assert len(engine._workspaces) == MAX_WORKSPACES


def test_inputs_are_left_alone() -> None:
    case = make_case()
    tensors = [*case.actor, *case.critic, *case.target, case.alpha, *case.batch.values(), case.noise, case.weights]
    before = [t.clone() for t in tensors]
    case.results(case.engine(ManualEngine))
    assert all(torch.equal(x, y) for x, y in zip(tensors, before, strict=True))


def test_actor_loss_computes_no_gradient_of_critic_parameters() -> None:
    case = make_case()
    engine = case.engine(ManualEngine)
    gradients, _ = engine.critic_gradients(case.update)
    for gradient in gradients:
        gradient.fill_(7.0)
    engine.actor_gradients(case.update)
    assert all((gradient == 7.0).all() for gradient in gradients)


def test_gradients_are_contiguous() -> None:
    # The fused optimiser reads raw memory.
    case = make_case(n=4).of_members(torch.tensor([1, 3]))
    engine = case.engine(ManualEngine)
    critic, _ = engine.critic_gradients(case.update)
    actor, _, _ = engine.actor_gradients(case.update)
    assert all(g.is_contiguous() for g in (*critic, *actor))
    assert [g.shape for g in critic] == [p.shape for p in case.critic]
    assert [g.shape for g in actor] == [p.shape for p in case.actor]


class _Plane(gym.Env[Any, Any]):
    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Box(-2.0, 1.0, (2,), np.float32)
    reward_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        return np.zeros(3, np.float32), np.zeros(2, np.float32), False, False, {}


@pytest.mark.parametrize("members", [slice(0, 3), slice(0, 2), torch.tensor([0, 2])], ids=str)
def test_a_learner_takes_the_same_steps_with_either_engine(members: Selection) -> None:
    weights = torch.tensor([[1.0, 0.0], [0.4, 0.6], [0.0, 1.0]])
    learners: list[MOSACLearner] = [
        # Adam divides noise by noise where gradients vanish, so its epsilon is raised here.
        MOSAC(hidden=(16, 16), batch_size=8, capacity=10, update_engine=engine, adam_eps=1e-3).make(  # type: ignore[arg-type]
            make_problem(_Plane), Task(utility=Utility(weights=weights)), seed=3, device=torch.device("cpu")
        )
        for engine in ("manual", "autograd")
    ]
    assert isinstance(learners[0].engines[0], ManualEngine)
    assert isinstance(learners[1].engines[0], AutogradEngine)
    start = [p.clone() for p in learners[0].critic]
    case = make_case(n=3, rows=8, d=3, a=2, m=2, dtype=torch.float32)
    for _ in range(5):
        for learner in learners:
            chosen = case.of_members(members)
            learner.gradient_step(members, chosen.batch, chosen.noise)
    for group in ("actor", "critic", "target"):
        for by_hand, by_autograd in zip(getattr(learners[0], group), getattr(learners[1], group), strict=True):
            torch.testing.assert_close(by_hand, by_autograd, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(learners[0].log_alpha, learners[1].log_alpha, rtol=1e-4, atol=1e-6)
    moved = [any(not torch.equal(p[i], q[i]) for p, q in zip(learners[0].critic, start, strict=True)) for i in range(3)]
    assert moved == [i in torch.arange(3)[members].tolist() for i in range(3)]
