"""NLMOPPO: the direction it follows is the gradient of the utility; what networks see; refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from envs.tabular.tables import Tables
from morl.errors import CapabilityError, MorlError
from morl.problem import make_problem
from morl.scalarizations import Chebyshev, SmoothChebyshev, WeightedSum
from morl.solvers.nlmoppo import NLMOPPO, NLMOPPOLearner
from morl.task import Task, Utility
from tests.morl.solvers.worlds import problem_of, two_steps

CPU = torch.device("cpu")
SMALL = NLMOPPO(hidden=(8,), rows_per_member=2, horizon=6, epochs=1, minibatch_size=12, initial_states=3)


def utility_of(scalarization: Any, n: int = 3, ideal: Any = (1.0, 1.0), **more: Any) -> Utility:
    first = torch.linspace(0.2, 0.8, n)
    return Utility(
        scalarization=scalarization, weights=torch.stack([first, 1 - first], 1), ideal_point=torch.tensor(ideal), **more
    )


def made(solver: NLMOPPO, env: Any, utility: Utility, seed: int = 0) -> NLMOPPOLearner:
    return solver.make(make_problem(env), Task(utility=utility), seed=seed, device=CPU)  # type: ignore[return-value]


def exact_value(learner: NLMOPPOLearner, actor: list[Tensor], tables: Tables) -> Tensor:
    """Expected return ``(n, m)`` of two steps from state 0 by a sum over everything that may happen, gamma 1."""

    def log_policy(state: int, accrued: np.ndarray) -> Tensor:
        seen = torch.from_numpy(np.concatenate([np.eye(3)[state], accrued])).float()
        return learner.actor_net(actor, seen.expand(learner.n, 1, -1)).log_softmax(-1)[:, 0]

    total: Any = 0.0
    first = log_policy(0, np.zeros(2)).exp()
    for action, branch in product(range(2), range(2)):
        r, state = tables.rewards[0, action, branch], int(tables.successors[0, action, branch])
        second = log_policy(state, r).exp()
        after = torch.from_numpy(np.einsum("ab,abm->am", tables.probabilities[state], tables.rewards[state])).float()
        value = torch.from_numpy(r).float() + second @ after
        total = total + first[:, action : action + 1] * float(tables.probabilities[0, action, branch]) * value
    return total  # type: ignore[no-any-return]


def flat(gradients: Any) -> Tensor:
    return torch.cat([g.flatten(1) for g in gradients], 1)


@pytest.mark.parametrize("scalarization", [SmoothChebyshev(mu=10.0), Chebyshev()], ids=lambda s: type(s).__name__)
def test_the_direction_is_the_gradient_of_the_utility(scalarization: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly, by differentiating through the sum over all histories; advantages of each objective standardised by itself
    would point elsewhere, since one of them has ten times the spread."""
    tables = two_steps(np.random.default_rng(3))
    solver = NLMOPPO(
        hidden=(3,), rows_per_member=4096, horizon=8, epochs=1, minibatch_size=32_768, gamma=1.0, gae_lambda=1.0,
        normalise_values=False, max_gradient_norm=1e9,
    )  # fmt: skip
    learner = made(solver, problem_of(tables), utility_of(scalarization, 2, (4.0, 4.0)))
    noise = torch.Generator().manual_seed(1)
    for p in learner.actor:
        p.copy_(0.7 * torch.randn(p.shape, generator=noise))
    leaves = [p.clone().requires_grad_() for p in learner.actor]
    value = exact_value(learner, leaves, tables)
    wanted = flat(torch.autograd.grad(learner.task.utility(value).sum(), leaves))
    for p in learner.critic:
        p.zero_()
    learner.critic[-1].copy_(value.detach().view_as(learner.critic[-1]))  # the value of the start, said of every state
    followed: list[Tensor] = []
    monkeypatch.setattr(learner.actor_adam, "step", lambda gradients, members: followed.append(-flat(gradients)))
    learner.learn(solver.horizon * learner.next_round())
    (found,) = followed
    assert (torch.cosine_similarity(found, wanted) > 0.985).all()
    parts = exact_value(learner, leaves, tables).unbind(-1)
    by_objective = [flat(torch.autograd.grad(part.sum(), leaves, retain_graph=True)) for part in parts]
    slopes = learner.task.utility.gradient(value)
    elsewhere = slopes[:, :1] * by_objective[0] + slopes[:, 1:] * by_objective[1] / 10.0
    if isinstance(scalarization, SmoothChebyshev):
        assert (torch.cosine_similarity(elsewhere, wanted) < 0.95).any()


def test_what_a_step_was_taken_with_is_what_it_is_learned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratios are 1 before the first update, whatever moved meanwhile: accrued rewards, their unit, referents."""
    solver = replace(SMALL, sees_referent=True, gamma=0.9)
    utility = utility_of(SmoothChebyshev(), ideal=(5.0, 0.0))
    learner = made(solver, "tabular/treasure-corridor-v0", utility)
    for p in learner.actor:
        p.mul_(3.0)
    seen: list[dict[str, Tensor]] = []
    step = NLMOPPOLearner.gradient_step

    def looked(self: NLMOPPOLearner, members: Any, batch: dict[str, Tensor], **more: Any) -> None:
        taken, _ = self.loss.log_density_and_entropy(self.actor, batch["input"], batch["action"])
        seen.append({"now": taken, "then": batch["log_prob"].squeeze(-1), "input": batch["input"]})
        step(self, members, batch, **more)

    monkeypatch.setattr(NLMOPPOLearner, "gradient_step", looked)
    for moved in ((5.0, 0.0), (11.0, -0.5), (2.0, 2.0), (7.0, 1.0)):
        learner.set_task(Task(utility=replace(utility, ideal_point=torch.tensor(moved))))
        learner.learn(5 * learner.next_round())
    assert len(seen) == 3
    for each in seen:
        torch.testing.assert_close(each["now"], each["then"])
    assert len(torch.unique(seen[1]["input"][0, :, -2:], dim=0)) > 1
    assert (learner.accrued_scale > 1.0).any()


def test_policies_see_what_the_learner_sees() -> None:
    learner = made(replace(SMALL, sees_referent=True, gamma=0.9), "tabular/treasure-corridor-v0", utility_of(SmoothChebyshev()))
    learner.learn(40 * learner.next_round())
    for i, policy in enumerate(learner.policies()):
        memory = policy.memory(1)
        observation = torch.zeros(1, dtype=torch.int64)
        reward = torch.tensor([[-1.0, 3.0]])
        for _ in range(2):
            memory = policy.observe(memory, observation, torch.zeros(1), reward, observation, torch.tensor([False]))
        accrued = (1 + 0.9) * reward
        scale = learner.accrued_scale[i]
        inputs = torch.cat([learner.encoder(observation), accrued / scale, torch.ones(1, 2) / scale], -1)
        expected = learner.actor_net([p[i : i + 1] for p in learner.actor], inputs.unsqueeze(0))
        stacked = {name: value.unsqueeze(0) for name, value in memory.items()}
        torch.testing.assert_close(policy._outputs(learner.encoder(observation).unsqueeze(0), stacked), expected)


def test_initial_states_are_the_latest_ones_of_the_member() -> None:
    learner = made(replace(SMALL, rows_per_member=4), "continuous/two-targets-v0", utility_of(WeightedSum()))
    began: list[list[Tensor]] = [[] for _ in range(learner.n)]
    for _ in range(25):
        before = learner.ended.copy()
        learner.learn(learner.next_round())
        for row in np.flatnonzero(before):
            began[learner.row_member[row]].append(learner.rollout["observation"][-1, row].clone())
    assert learner.starts.tolist() == [len(each) for each in began]
    for i, each in enumerate(began):
        latest = torch.stack(each[-3:])
        assert {tuple(x) for x in learner.first_seen[i].tolist()} == {tuple(x) for x in latest.tolist()}
    steps = {"observation": learner.first_seen, "accrued": torch.zeros(3, 3, 2)}
    values = learner._values(learner.critic, learner._inputs(steps, slice(0, 3)), slice(0, 3))
    torch.testing.assert_close(learner.start_values(slice(0, 3)), values.mean(1))


@dataclass(frozen=True)
class Own:
    """A utility of somebody's own."""

    rule: Callable[[Any], Any]
    is_linear = False
    needs_ideal_point = False

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        return self.rule(values)


@pytest.mark.parametrize(
    ("utility", "message"),
    [
        (utility_of(Own(lambda v: np.minimum.reduce(np.asarray(v), -1))), "cannot differentiate Own"),
        (utility_of(Own(lambda v: v.detach().sum(-1))), "cannot differentiate Own"),
        (utility_of(Own(lambda v: v.floor().sum(-1))), "that of Own is zero"),
        (utility_of(Chebyshev(), criterion="esr"), "needs EUPG"),
    ],
    ids=["numpy", "detached", "steps", "esr"],
)
def test_utilities_without_a_gradient_are_refused(utility: Utility, message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        made(SMALL, "deep-sea-treasure-v0", utility)
    assert "\n" not in str(caught.value)


def test_a_point_that_is_not_there_cannot_be_seen() -> None:
    weights = torch.full((1, 2), 0.5)
    with pytest.raises(MorlError, match="leave sees_referent out"):
        made(replace(SMALL, sees_referent=True), "deep-sea-treasure-v0", Utility(weights=weights))
