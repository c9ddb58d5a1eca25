"""The hand-written update engine against autograd, which is its definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.bootstrapping import Bootstrap, DoubleQ, Envelope, PreferenceDriven, SmallerQ
from morl.nn.manual_mlp import MAX_WORKSPACES
from morl.nn.stacked import Packed, Selection, StackedMLP
from morl.problem import make_problem
from morl.solvers.modqn import MODQN
from morl.solvers.modqn_engines import AutogradEngine, DeepQLoss, Update, UpdateEngine
from morl.solvers.modqn_manual import ManualEngine
from morl.solvers.modqn_single import SingleEngine
from morl.task import Task, Utility

LISTED = FiniteActions((), (0,), (4,), True)
FACTORED = FiniteActions((3,), (0, 1, 0), (2, 4, 3), False)
EQUAL = FiniteActions((2,), (0, 0), (3, 3), False)
BOOTSTRAPS: Mapping[str, tuple[Bootstrap, FiniteActions]] = {
    "double": (DoubleQ(), LISTED),
    "factored": (DoubleQ(), FACTORED),
    "equal": (DoubleQ(), EQUAL),
    "smaller": (SmallerQ(), LISTED),
    "envelope": (Envelope(number=2, utility_share=0.3), LISTED),
    "preference": (PreferenceDriven(), LISTED),
}


class Case(NamedTuple):
    loss: DeepQLoss
    update: Update

    def results(self, engine: UpdateEngine) -> list[Tensor]:
        """All that the engine returns, copied: its tensors may be workspaces."""
        results = [g.clone() for g in engine.gradients(self.update)]
        return [*results, engine.errors().clone(), *(t.clone() for t in engine.statistics().values())]

    @property
    def reference(self) -> list[Tensor]:
        return self.results(AutogradEngine(self.loss))

    @property
    def manual(self) -> list[Tensor]:
        return self.results(ManualEngine(self.loss))

    def mapped(self, change: Any) -> Case:
        def each(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: change(x) for name, x in value.items()}
            return [change(x) for x in value] if isinstance(value, list) else change(value)

        update = self.update
        return Case(self.loss, Update(*(each(part) for part in update[:4]), update.support, update.returns))

    @property
    def packed(self) -> Case:
        update = self.update
        online, target = (Packed([p.clone() for p in group]) for group in (update.online, update.target))
        return Case(self.loss, update._replace(online=online, target=target))

    @property
    def double(self) -> Case:
        update = self.mapped(lambda x: x.double()).update
        return Case(self.loss, update._replace(support=update.support.double(), returns=update.returns.double()))


def make_case(
    name: str = "double", *, n: int = 3, rows: int = 20, d: int = 5, m: int = 2, hidden: tuple[int, ...] = (16, 12),
    kind: Any = "mse", prioritised: bool = False, activation: Any = "relu", seed: int = 0,
) -> Case:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    bootstrap, finite = BOOTSTRAPS[name]
    copies = None if bootstrap.num_networks == 1 else bootstrap.num_networks
    conditioned = bootstrap.needs_conditioning
    net = StackedMLP(d + m * conditioned, hidden, finite.width * m, copies=copies, activation=activation)
    generators = [torch.Generator().manual_seed(seed + i) for i in range(n)]
    # Biases start at zero: move everything, or their place in the formulas would not be tested.
    online, target = ([p + 0.1 * draw(*p.shape) for p in net.init(generators, torch.device("cpu"))] for _ in range(2))
    # As the store gives it: strided views of one packed tensor.
    sizes = torch.tensor(finite.sizes)
    widths = {"observation": net.inputs, "action": len(sizes), "reward": m, "next_observation": net.inputs, "discount": 1}
    packed = draw(n, rows, sum(widths.values()))
    batch = dict(zip(widths, packed.split(list(widths.values()), -1), strict=True))
    batch["action"].copy_((torch.rand((n, rows, len(sizes)), generator=generator) * sizes).floor())
    weights = torch.rand((n, rows if conditioned else 1, m), generator=generator) + 0.1
    weights /= weights.sum(-1, keepdim=True)
    if conditioned:
        batch["observation"][..., -m:] = batch["next_observation"][..., -m:] = weights
    if prioritised:
        batch["importance"] = torch.rand((n, rows), generator=generator)
    return Case(DeepQLoss(net, finite, m, bootstrap, kind), Update(online, target, weights, batch, weights[:, 0], draw(n, m)))


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    assert len(found) == len(expected)
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance * float(y.abs().max()) + 1e-30)


@pytest.mark.parametrize("prioritised", [False, True])
@pytest.mark.parametrize("kind", ["mse", "huber"])
@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_gradients_are_those_of_autograd(name: str, m: int, kind: str, prioritised: bool) -> None:
    case = make_case(name, m=m, kind=kind, prioritised=prioritised)
    exact = case.double.reference
    assert_same(case.double.manual, exact, 1e-10)
    assert_same([x.double() for x in case.manual], exact, 1e-5)


@pytest.mark.parametrize("prioritised", [False, True])
@pytest.mark.parametrize("kind", ["mse", "huber"])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_single_network_has_the_same_gradients(m: int, kind: str, prioritised: bool, activation: str) -> None:
    case = make_case(n=1, m=m, kind=kind, prioritised=prioritised, activation=activation, hidden=(16, 12, 8))
    exact = case.double.reference
    assert_same(case.double.packed.results(SingleEngine(case.loss)), exact, 1e-10)
    packed, engine = case.packed, SingleEngine(case.loss)
    assert engine.applies(packed.update)
    assert not engine.applies(case.update)
    found = packed.results(engine)
    assert_same([x.double() for x in found], exact, 1e-5)
    # Whatever the workspaces held, and wherever the parameters lie.
    make_case(n=1, m=m, kind=kind, activation=activation, hidden=(16, 12, 8), rows=7, seed=1).packed.results(engine)
    assert all(torch.equal(x, y) for x, y in zip(case.packed.results(engine), found, strict=True))


@given(
    name=st.sampled_from(list(BOOTSTRAPS)), n=st.integers(1, 4), rows=st.integers(2, 9), d=st.integers(1, 6),
    m=st.integers(1, 4), hidden=st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple), seed=st.integers(0, 10_000),
    kind=st.sampled_from(["mse", "huber"]), activation=st.sampled_from(["relu", "tanh"]), prioritised=st.booleans(),
)  # fmt: skip
@settings(max_examples=40)
def test_gradients_are_those_of_autograd_for_any_shape(**arguments: Any) -> None:
    case = make_case(**arguments).double
    assert_same(case.manual, case.reference, 1e-9)


@pytest.mark.parametrize("name", ["double", "factored", "smaller"])
@pytest.mark.parametrize("members", [slice(0, 2), slice(1, 4), torch.tensor([0, 2]), torch.tensor([3])], ids=str)
def test_some_members_get_their_own_gradients(name: str, members: Selection) -> None:
    everybody = make_case(name, n=4, prioritised=True).double
    some = everybody.mapped(lambda x: x[members])
    assert_same(some.manual, [t[members] for t in everybody.reference], 1e-11)


def test_of_several_best_actions_the_first_counts() -> None:
    case = make_case().double
    heads = [p[:, :1].expand_as(p).contiguous() for p in case.update.online[-2:]]
    case = Case(case.loss, case.update._replace(online=[*case.update.online[:-2], *heads]))
    assert_same(case.manual, case.reference, 1e-11)


@pytest.mark.parametrize("name", ["double", "smaller"])
def test_results_do_not_depend_on_what_the_workspaces_held(name: str) -> None:
    case = make_case(name)
    engine = ManualEngine(case.loss)
    first = case.results(engine)
    shapes = [(1, 20), (3, 7), (2, 20), (4, 3), (3, 20), (2, 5)]
    for n, rows in shapes:
        make_case(name, n=n, rows=rows, seed=1).results(engine)
        assert len(engine._workspaces) <= MAX_WORKSPACES
        assert all(torch.equal(x, y) for x, y in zip(case.results(engine), first, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(case.manual, first, strict=True))


def test_inputs_are_left_alone_and_gradients_contiguous() -> None:
    case = make_case(prioritised=True)
    update = case.update
    tensors = [*update.online, *update.target, update.weights, *update.batch.values()]
    before = [t.clone() for t in tensors]
    engine = ManualEngine(case.loss)
    case.results(engine)
    assert all(torch.equal(x, y) for x, y in zip(tensors, before, strict=True))
    # The fused optimiser reads raw memory.
    gradients = engine.gradients(update)
    assert [g.shape for g in gradients] == [p.shape for p in update.online]
    assert all(g.is_contiguous() for g in gradients)


@pytest.mark.parametrize(
    ("n", "engine", "change"),
    [
        (3, ManualEngine, {}),
        (3, ManualEngine, {"prioritised": True, "loss": "huber"}),
        (3, ManualEngine, {"bootstrap": SmallerQ()}),
        (3, ManualEngine, {"network": "conditioned", "bootstrap": Envelope()}),
        (1, SingleEngine, {"prioritised": True, "max_gradient_norm": 0.1}),
        (3, SingleEngine, {"network": "conditioned"}),
    ],
    ids=["double", "prioritised", "smaller", "envelope", "single", "conditioned"],
)
def test_a_learner_learns_the_same_with_each_engine(n: int, engine: type, change: dict[str, Any]) -> None:
    solver = replace(
        MODQN(hidden=(16,), batch_size=8, learning_starts=4, epsilon_decay_steps=10**6, capacity=200, learning_rate=1e-2),
        **change,
    )
    task = Task(utility=Utility(weights=torch.tensor([[0.4, 0.6], [1.0, 0.0], [0.0, 1.0]])[:n]))
    problem, cpu = make_problem("deep-sea-treasure-v0"), torch.device("cpu")
    made: list[Any] = [solver.make(problem, task, seed=3, device=cpu) for _ in range(2)]
    used: list[Any] = []
    for each in made[0].engines:
        each.gradients = lambda update, each=each, gradients=each.gradients: (used.append(each), gradients(update))[1]
    for learner in made:
        # Adam divides noise by noise where gradients vanish, so its epsilon is raised here.
        learner.adam.eps = 1e-2
    made[1].engines = made[1].engines[-1:]
    for learner in made:
        learner.learn(20 * n)
    assert len(used) >= 15
    assert {type(each) for each in used} == {engine}
    assert_same([*made[0].online, *made[0].stats.values()], [*made[1].online, *made[1].stats.values()], 1e-4)
