"""MOQLearning: the update against a direct computation, sharing, exploration, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morl.critics import values_of
from morl.errors import CapabilityError, ConfigurationError
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.moq import MOQLearning
from morl.task import Task, Utility

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"
SMALL = MOQLearning(epsilon_steps=100, rows_per_member=2, gamma=0.9)
WEIGHTS = torch.tensor([[0.2, 0.8], [0.7, 0.3]])


def made(solver: MOQLearning = SMALL, env: Any = CORRIDOR, **utility: Any) -> Any:
    given = {"weights": WEIGHTS} | utility
    return solver.make(make_problem(env), Task(utility=Utility(**given)), seed=0, device=CPU)


def test_one_step_is_what_the_formula_says() -> None:
    learner = made(replace(SMALL, learning_rate=0.5, initial_value=2.0))
    generator = torch.Generator().manual_seed(0)
    learner.q.copy_(torch.rand(learner.q.shape, generator=generator))
    q = learner.q.clone()
    members, states, actions = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 3, 2, 2]), torch.tensor([1, 0, 1, 1])
    rewards = torch.rand(4, 2, generator=generator)
    following, terminated = torch.tensor([3, 4, 0, 3]), torch.tensor([True, False, False, False])
    learner._learn(members, states, actions, rewards, following, terminated)
    expected = q.clone()
    errors: dict[tuple[int, int, int], list[torch.Tensor]] = {}
    for i, s, a, r, s2, end in zip(
        *(t.tolist() for t in (members, states, actions)), rewards, following, terminated, strict=True
    ):
        best = int((q[i, s2] @ WEIGHTS[i]).argmax())
        target = r + (0.0 if end else 0.9) * q[i, s2, best]
        errors.setdefault((i, s, a), []).append(target - q[i, s, a])
    for key, found in errors.items():
        expected[key] += 0.5 * torch.stack(found).mean(0)
    torch.testing.assert_close(learner.q, expected)
    assert len(errors) == 3


def test_shared_transitions_teach_everybody_who_takes_part() -> None:
    shared, own = made(), made(replace(SMALL, replay="per_member"))
    for learner in (shared, own):
        learner.learn(40, [0])
        assert (learner.q[1] == 0).all()
    both, alone = made(), made(replace(SMALL, replay="per_member"))
    for learner in (both, alone):
        learner.learn(4)
    # The same first steps were made (what is drawn does not depend on the tables' values); who learns from them differs.
    assert torch.equal(both.q[0] != 0, both.q[1] != 0)
    assert (both.q[0] != 0).sum() >= (alone.q[0] != 0).sum()


def test_exploration_falls_with_a_members_own_steps() -> None:
    learner = made(replace(SMALL, epsilon_start=1.0, epsilon_end=0.0, epsilon_steps=20, rows_per_member=200))
    rows, observations = learner.rows_of(None), torch.zeros(400, dtype=torch.int64)
    learner.q[:, :, 1] = 1.0
    for steps, share in ((0, 0.5), (10, 0.75), (20, 1.0), (999, 1.0)):
        learner.member_steps[:] = steps
        assert learner._act(rows, observations).float().mean() == pytest.approx(share, abs=0.08)


def test_values_are_entries_and_policies_are_greedy() -> None:
    learner = made()
    learner.learn(400)
    states, actions = torch.arange(6), torch.tensor([0, 1, 0, 1, 0, 1])
    assert torch.equal(values_of(learner, states, actions), learner.q[:, states, actions])
    for i, policy in enumerate(learner.policies()):
        assert policy.act(states).tolist() == (learner.q[i] @ WEIGHTS[i]).argmax(-1).tolist()


def test_transfer_copies_the_table() -> None:
    learner = made(replace(SMALL, replay="per_member"))
    learner.learn(200)
    assert not torch.equal(learner.q[0], learner.q[1])
    learner.transfer(0, 1)
    assert torch.equal(learner.q[0], learner.q[1])


def test_refusals() -> None:
    with pytest.raises(CapabilityError, match=r"Discrete action space.*MOSAC or MOPPO"):
        made(env="continuous/two-targets-v0")
    with pytest.raises(CapabilityError, match=r"integral observations.*MODQN, MOSAC or MOPPO"):
        made(env={"id": "deep-sea-treasure-v0", "float_state": True})
    with pytest.raises(CapabilityError, match="EUPG"):
        made(scalarization=Chebyshev(), ideal_point=torch.zeros(2), criterion="esr")


@pytest.mark.parametrize(
    "wrong", [{"epsilon_end": 1.5}, {"epsilon_steps": 0}, {"learning_rate": 1.5}, {"learning_rate": 0.0}, {"gamma": 2.0}]
)
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MOQLearning(**wrong)


def test_optimistic_tables_try_everything() -> None:
    learner = made(replace(SMALL, initial_value=100.0, epsilon_start=0.0, epsilon_end=0.0, learning_rate=1.0))
    learner.learn(600)
    assert (learner.q != 100.0).any(-1).all(), "an action was never tried"
    assert np.isfinite(learner.statistics()["td_error"])
