"""The hand-written update engine of PPO against autograd, which is its definition."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import gymnasium as gym
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morl.action_spaces import FiniteActions, finite_actions
from morl.nn.stacked import Parameters, StackedMLP
from morl.problem import make_problem
from morl.solvers.moppo import MOPPO
from morl.solvers.proximal_engines import AutogradEngine, ProximalLoss
from morl.solvers.proximal_manual import ManualEngine
from morl.task import Task, Utility

Head = Literal["gaussian", "categorical"]
FINITE: dict[Head, FiniteActions | None] = {"gaussian": None, "categorical": finite_actions(spaces.Discrete(5), joint_limit=0)}


class Case(NamedTuple):
    """Parameters and a minibatch."""

    loss: ProximalLoss
    actor: Parameters
    critic: Parameters
    batch: dict[str, Tensor]

    def results(self, engine: type[AutogradEngine | ManualEngine]) -> list[Tensor]:
        made = engine(self.loss)
        gradients = [g.clone() for g in made.actor_gradients(self.actor, self.batch)]
        gradients += [g.clone() for g in made.critic_gradients(self.critic, self.batch)]
        statistics = made.statistics()
        return [*gradients, *(statistics[name] for name in ("actor_loss", "critic_loss", "entropy", "kl"))]

    def to(self, dtype: torch.dtype) -> Case:
        actor, critic = ([p.to(dtype) for p in group] for group in (self.actor, self.critic))
        return Case(self.loss, actor, critic, {name: value.to(dtype) for name, value in self.batch.items()})


def make_case(
    head: Head, *, n: int = 3, rows: int = 20, d: int = 5, m: int = 2, hidden: tuple[int, ...] = (16, 12), entropy: float = 0.1,
    masked: bool = True, activation: Any = "tanh", distance: float = 0.3, seed: int = 0,
) -> Case:  # fmt: skip
    """In float64; ``distance`` is that of the old policy: with 0 no ratio is clipped, with 1 about half of them are."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    finite, outputs = FINITE[head], 5 if head == "categorical" else 3
    nets = [StackedMLP(d, hidden, width, activation=activation) for width in (outputs, m)]
    generators = [torch.Generator().manual_seed(seed + i) for i in range(n)]
    actor, critic = ([p + 0.3 * draw(*p.shape) for p in net.init(generators, torch.device("cpu"))] for net in nets)
    if finite is None:
        actor.append(0.3 * draw(n, outputs) - 0.5)
    loss = ProximalLoss(nets[0], nets[1], finite, 0.2, entropy)
    action = draw(n, rows, 3) if finite is None else torch.randint(5, (n, rows, 1), generator=generator).double()
    inputs = draw(n, rows, d)
    with torch.no_grad():
        log_prob = loss.log_density_and_entropy(actor, inputs, action)[0] + distance * draw(n, rows)
    fields = {
        "input": inputs, "action": action, "log_prob": log_prob.unsqueeze(-1), "advantage": draw(n, rows, 1),
        "target": draw(n, rows, m), "mask": (torch.rand(n, rows, 1, generator=generator) < 0.7).double(),
    }  # fmt: skip
    # As the learner gives them: strided views of one packed tensor.
    packed = torch.cat(list(fields.values()), -1)
    batch = dict(zip(fields, packed.split([f.shape[-1] for f in fields.values()], -1), strict=True))
    if masked:
        # What padded entries hold may be anything.
        padding = batch["mask"] == 0
        batch["log_prob"][padding] = -1e4
        batch["advantage"][padding] = 7.0
    else:
        del batch["mask"]
    return Case(loss, actor, critic, batch)


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(found) == len(expected)
    for x, y in zip(found, expected, strict=True):
        assert x.shape == y.shape
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance * (float(y.abs().max()) + 1.0))


@pytest.mark.parametrize("head", ["gaussian", "categorical"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("distance", [0.0, 0.01, 1.0])
def test_gradients_and_statistics_are_those_of_autograd(head: Head, masked: bool, distance: float) -> None:
    case = make_case(head, masked=masked, distance=distance, rows=64)
    exact = case.results(AutogradEngine)
    assert_same(case.results(ManualEngine), exact, 1e-10)
    # Autograd's own rounding in float32 is as large: the truth is its result in float64.
    assert_same([x.double() for x in case.to(torch.float32).results(ManualEngine)], exact, 1e-5)


@settings(max_examples=40)
@given(
    head=st.sampled_from(["gaussian", "categorical"]), n=st.integers(1, 4), rows=st.integers(1, 9), d=st.integers(1, 6),
    m=st.integers(1, 4), hidden=st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple),
    activation=st.sampled_from(["tanh", "relu"]), entropy=st.sampled_from([0.0, 0.5]), masked=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_law_any_shape_equals_autograd(head: Head, **shape: Any) -> None:
    case = make_case(head, **shape)
    assert_same(case.results(ManualEngine), case.results(AutogradEngine), 1e-10)


def test_clipped_rows_pass_no_gradient_on() -> None:
    """Where the ratio is beyond the bound on the side that its advantage rewards, and only there."""
    case = make_case("gaussian", entropy=0.0, masked=False, n=1, rows=1)
    present = case.loss.log_density_and_entropy(case.actor, case.batch["input"], case.batch["action"])[0]
    for ratio, advantage, moves in (
        (1.3, 1.0, False),
        (1.3, -1.0, True),
        (0.7, 1.0, True),
        (0.7, -1.0, False),
        (1.1, 1.0, True),
    ):
        case.batch["log_prob"].copy_(present.unsqueeze(-1) - torch.tensor(ratio).log())
        case.batch["advantage"].fill_(advantage)
        gradients = ManualEngine(case.loss).actor_gradients(case.actor, case.batch)
        assert any(bool((g != 0).any()) for g in gradients) is moves


def test_batches_of_several_sizes_take_turns() -> None:
    """Workspaces of one size are not those of another, and a mask does not outlast its batch."""
    cases = [make_case("gaussian", rows=rows, masked=masked) for rows in (7, 3, 7, 5, 4, 6, 7) for masked in (True, False)]
    engine = ManualEngine(cases[0].loss)
    for case in cases:
        found = [g.clone() for g in engine.actor_gradients(case.actor, case.batch)]
        found += engine.critic_gradients(case.critic, case.batch)
        assert_same(found, case.results(AutogradEngine)[: len(found)], 1e-10)


class _Rows(gym.Env[Any, Any]):
    """Rewards are the action, episodes last three steps."""

    observation_space = spaces.Box(-1.0, 1.0, (2,))
    action_space: gym.Space[Any] = spaces.Discrete(3)
    reward_space = spaces.Box(-9.0, 9.0, (2,))
    t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample() * 0, {}

    def step(self, action: Any) -> Any:
        self.t += 1
        reward = torch.as_tensor(action).float().expand(2).numpy() * [1.0, -0.5]
        return self.np_random.uniform(-1, 1, 2).astype("float32"), reward.astype("float32"), self.t == 3, False, {}


class _Several(_Rows):
    action_space = spaces.MultiDiscrete([2, 3])

    def step(self, action: Any) -> Any:
        return super().step(action.sum())


class _Continuous(_Rows):
    action_space = spaces.Box(-1.0, 1.0, (1,))


@pytest.mark.parametrize(("env", "is_manual"), [(_Rows, True), (_Continuous, True), (_Several, False)])
@pytest.mark.parametrize("pace", [(12,), (1, 5, 3, 60)], ids=["whole rollouts", "rows that lag behind"])
def test_a_learner_goes_the_same_way_with_either_engine(env: Any, is_manual: bool, pace: tuple[int, ...]) -> None:
    solver = MOPPO(hidden=(8,), rows_per_member=2, horizon=6, epochs=3, minibatch_size=5, entropy_coefficient=0.01)
    weights = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    learners = [
        solver.make(make_problem(env), Task(utility=Utility(weights=weights)), seed=0, device=torch.device("cpu"))
        for _ in range(2)
    ]
    assert isinstance(learners[0].engines[-1], ManualEngine) is is_manual
    del learners[1].engines[1:]
    for learner in learners:
        for steps in pace:
            learner.learn(steps * (4 if len(pace) == 1 else 1))
        assert learner.gradient_steps() > 0
    for p, q in zip(*([*each.actor, *each.critic] for each in learners), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)
    for name, value in learners[0].statistics().items():
        assert value == pytest.approx(learners[1].statistics()[name], rel=1e-3, abs=1e-4)
