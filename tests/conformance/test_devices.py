"""Readiness for a GPU, without one: acting and learning stay on one device and read nothing back; with one: they run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from morl.nn.population_adam import PopulationAdam
from morl.solvers.modqn import DeepQLearner
from morl.solvers.mosac_engines import AutogradEngine
from morl.solvers.mosac_extras import UnregularisedCritic
from morl.solvers.one_network import OneNetwork
from morl.solvers.proximal import ProximalLearner
from morl.solvers.subpo.batches import CountedStates
from morl.task import Task
from morl.testing import one_device
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CASES, CONDITIONED, FORMS, LEAVES, Case

META = torch.device("meta")
LEFT_OUT = ("moq", "sequoia", "morld", "pcn")  # no gradient step of members, or none like the others
NETWORKS = {name: case for name, case in (LEAVES | CONDITIONED | FORMS).items() if case.name not in LEFT_OUT}
ON_HOST = {"updates"}  # counters that steer the host


class _Mover:
    """Moves the tensors of an object and of its parts; what was one tensor stays one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.moved: dict[int, tuple[Any, Any]] = {}

    def __call__(self, value: Any) -> Any:
        if id(value) not in self.moved:
            self.moved[id(value)] = (value, self._move(value))
        return self.moved[id(value)][1]

    def _move(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(self.device)
        if isinstance(value, list):
            return [self(item) for item in value]
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self(item) for item in value))
        if isinstance(value, (PopulationAdam, UnregularisedCritic)) or type(value).__name__ == "RunningMoments":
            self.attributes(value)
        return value

    def attributes(self, owner: Any) -> None:
        for name, value in list(vars(owner).items()):
            if name not in ON_HOST:
                setattr(owner, name, self(value))
        if isinstance(owner, PopulationAdam):
            owner._fused = False


def on_meta(case: Case) -> Any:
    """A learner whose networks live where nothing can be read."""
    learner = case.make()
    _Mover(META).attributes(learner)
    learner.device = META
    if case.name == "mosac":
        learner.engines = [AutogradEngine(learner.actor_net, learner.critic_net, learner.actions, learner.m)]
    return learner


def zeros(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: torch.zeros(shape, device=META) for name, shape in shapes.items()}


def act(learner: Any, n: int, batch: int) -> Any:
    name, finite = type(learner).__name__, learner.finite
    d = learner.input_width
    if isinstance(learner, DeepQLearner):
        epsilon, uniform = torch.zeros(n, 1, device=META), torch.zeros(1 + len(finite.sizes), n, batch, device=META)
        weights = learner.linear_weights.unsqueeze(1) if n > 1 else torch.zeros(1, batch, learner.m, device=META)
        return learner.act_tensors(
            learner._first(learner.online), torch.zeros(n, batch, d, device=META), weights, epsilon, uniform
        )
    if name == "SubPOLearner":
        return act_subpo(learner, n, batch)
    inputs = torch.zeros(n, batch, d + (learner.m if name == "EUPGLearner" else 0), device=META)
    shape = (n, batch, learner.num_actions) if finite is None else finite.noise_shape((n, batch))
    return learner.act_tensors(learner.actor, inputs, torch.zeros(shape, device=META))


def act_subpo(learner: Any, n: int, batch: int) -> Any:
    kind = torch.float32 if learner.components.sizes is None else torch.int64
    width = learner.components.width
    if isinstance(learner.form, CountedStates):
        places = torch.arange(n, device=META).repeat_interleave(batch), torch.zeros(n * batch, dtype=torch.int64, device=META)
        states, uniform = torch.zeros(1, 5, width, dtype=kind, device=META), torch.zeros(n * batch, device=META)
        return learner.act_on_states(learner.actor, states, places, uniform).view(n, batch)
    shape = (n, batch, *learner.head.stored)
    inputs, active = torch.zeros(n, batch, width, dtype=kind, device=META), torch.ones(n, batch, dtype=torch.bool, device=META)
    memory = learner.network.start(n, batch, META)
    return learner.act_tensors(learner.actor, inputs, torch.zeros(shape, device=META), memory, active)


def step_subpo(learner: Any, members: slice) -> None:
    n, a, m, width = members.stop - members.start, learner.head.width, learner.m, learner.components.width
    kind = torch.float32 if learner.components.sizes is None else torch.int64
    if isinstance(learner.form, CountedStates):
        batch = zeros(advantages=(n, 5, a), visits=(n, 5), steps=(n,), targets=(n, 5, m))
        batch["inputs"] = torch.zeros(1, 5, width, dtype=kind, device=META)
    else:
        shape = (n, 4, 5)
        batch = zeros(advantage=shape, count=shape, target=(*shape, m), action=(*shape, *learner.head.stored))
        batch |= {"inputs": torch.zeros(*shape, width, dtype=kind, device=META), "mask": batch["count"] > 0}
    learner.gradient_step(members, batch, torch.zeros(n, device=META), torch.ones(n, device=META))
    if learner.critic_adam is not None:
        learner.critic_step(members, batch)


def step(learner: Any, members: slice, batch: int) -> None:
    n, m, d = members.stop - members.start, learner.m, learner.input_width
    name, finite = type(learner).__name__, learner.finite
    if name == "SubPOLearner":
        step_subpo(learner, members)
        return
    a = learner.num_actions if finite is None else len(finite.sizes)
    if name == "EUPGLearner":
        utility = learner.task.utility.select(torch.arange(n))
        for field in ("weights",):  # a task checks its numbers when it is made; here are none to check
            object.__setattr__(utility, field, getattr(utility, field).to(META))
        episodes, length = 4, 5
        shape = (n, episodes, length)
        fields = zeros(input=(*shape, d + m), action=finite.noise_shape(shape))
        fields |= {"return": torch.zeros((*shape, m), device=META)}
        mask = torch.ones(shape, dtype=torch.bool, device=META)
        learner.gradient_step(members, {**fields, "mask": mask}, utility)
    elif isinstance(learner, ProximalLearner):
        rows = (n, batch)
        learner.gradient_step(
            members,
            zeros(
                input=(*rows, d),
                action=(*rows, a),
                log_prob=(*rows, 1),
                advantage=(*rows, 1),
                target=(*rows, m),
                mask=(*rows, 1),
            ),
        )
    else:
        rows = (n, batch)
        fields = zeros(
            observation=(*rows, d), next_observation=(*rows, d), action=(*rows, a), reward=(*rows, m), discount=(*rows, 1),
            importance=rows,
        )  # fmt: skip
        if isinstance(learner, OneNetwork):
            fields["weights"] = torch.zeros(*rows, m, device=META)
        if isinstance(learner, DeepQLearner):
            learner.gradient_step(members, fields)
            return
        learner.gradient_step(members, fields, torch.zeros(2, n, batch, 0 if learner.is_discrete else a, device=META))
        learner._after_step(members, fields)


@pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("members", [slice(0, 3), slice(1, 3)], ids=["everybody", "some"])
def test_acting_and_gradient_steps_stay_on_one_device_and_read_nothing(case: Case, members: slice) -> None:
    learner = on_meta(case)
    networks = 3
    if isinstance(learner, OneNetwork):
        networks, members = 1, slice(0, 1)
    with one_device():
        actions = act(learner, networks, 4)
        step(learner, members, 8)
    first = actions[0] if isinstance(actions, tuple) else actions
    assert first.device == META
    assert first.shape[:2] == (networks, 4)
    assert all(value.device == META for value in learner.stats.values())


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: there[torch.tensor([0, 1])],
        lambda here, there: torch.cat([there, here]),
        lambda here, there: there.index_put_((torch.tensor([0]),), torch.zeros((), device=META)),
        lambda here, there: torch.where(here > 0, there, there),
        lambda here, there: torch._foreach_add_([there], [here]),
    ],
    ids=["sum", "index", "cat", "write", "where", "list"],
)
def test_a_mix_of_devices_is_caught(mix: Any) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=r"mixes the devices|device"), one_device():
        mix(torch.zeros(3), torch.zeros(3, device=META))


def test_what_torch_lets_pass_is_caught_and_named() -> None:
    there, index = torch.zeros(3, device=META), torch.tensor([0, 1])
    assert there[index].device == META
    with pytest.raises(AssertionError, match=r"aten\.index\.Tensor mixes the devices cpu and meta"), one_device():
        there[index]


def test_numbers_and_explicit_transfers_are_allowed() -> None:
    there = torch.zeros(3, device=META)
    with one_device():
        moved = torch.ones(3).to(META)
        result = moved * torch.tensor(2.0) + there
        result.copy_(torch.ones(3))
        same = torch.ones(2) + torch.ones(2)
    assert result.device == META
    assert same.tolist() == [2.0, 2.0]


def test_reading_a_number_fails_on_meta() -> None:
    with pytest.raises((RuntimeError, NotImplementedError)), one_device():
        bool(torch.zeros(3, device=META).any())


# --- with a device -------------------------------------------------------------------------------------------------------


def on_cuda(case: Case, seed: int = 0) -> Any:
    utility_of = case.make().task.utility
    m = utility_of.weights.shape[1]
    weights = torch.arange(1.0, 3 * m + 1).view(3, m)
    task = Task(utility=type(utility_of)(weights=weights / weights.sum(1, keepdim=True), criterion=utility_of.criterion))
    return case.solver.make(case.problem(), task, seed=seed, device=torch.device("cuda"))


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_training_runs_on_cuda_and_is_repeatable(case: Case) -> None:
    learners = [on_cuda(case) for _ in range(2)]
    for learner in learners:
        for _ in range(24):
            learner.learn(learner.next_round())
        assert np.isfinite(list(learner.statistics().values())).all()
    for a, b in zip(*(learner.policies() for learner in learners), strict=True):
        assert all(value.device.type == "cuda" for value in a.tensors().values())
        for x, y in zip(a.tensors().values(), b.tensors().values(), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_state_saved_on_cuda_is_restored_there(case: Case) -> None:
    learner, restored = on_cuda(case), on_cuda(case, seed=1)
    learner.learn(20 * learner.next_round())
    restored.load_state(through_files(learner.state()))
    assert difference(learner.state(), restored.state()) is None
    restored.learn(5 * restored.next_round())
