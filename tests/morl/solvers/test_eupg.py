"""EUPG: the update against a direct computation, batches of whole episodes, what the policy sees, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.scalarizations import Chebyshev, WeightedSum
from morl.solvers.eupg import EUPG
from morl.task import Task, Utility

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"
SMALL = EUPG(hidden=(8,), rows_per_member=4, gamma=0.9, max_gradient_norm=1e9)
WEIGHTS = torch.tensor([[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]])
IDEAL = torch.tensor([12.0, 0.0])


def made(solver: EUPG = SMALL, env: Any = CORRIDOR, **utility: Any) -> Any:
    given = {"weights": WEIGHTS, "scalarization": Chebyshev(), "ideal_point": IDEAL, "criterion": "esr"} | utility
    return solver.make(make_problem(env), Task(utility=Utility(**given)), seed=0, device=CPU)


def test_one_gradient_step_is_what_the_formulas_say() -> None:
    """Utility of the whole return, leave-one-out baseline, entropy bonus; one member, episode and step at a time."""
    learner = made()
    batches: list[dict[str, Tensor]] = []
    original = learner.gradient_step

    def spy(members: Any, batch: dict[str, Tensor], utility: Any) -> None:
        batches.append(batch)
        original(members, batch, utility)

    learner.gradient_step = spy
    actor = [p.clone() for p in learner.actor]
    while not batches:
        learner.learn(learner.next_round())
    (batch,) = batches
    mask, inputs = batch["mask"], batch["input"]
    assert mask.shape[:2] == (3, 4)
    assert mask.sum(-1).max() > mask.sum(-1).min(), "episodes of different lengths"
    for i, w in enumerate(WEIGHTS):
        own = [p[i].clone().requires_grad_() for p in actor]
        lengths = mask[i].sum(-1).tolist()
        # The corridor's rewards are known: what was dug in the cell where the episode ended, and one unit of time per step.
        treasures = torch.tensor([1.0, 2.0, 3.0, 8.0, 10.0, 11.0])
        returns = torch.stack(
            [torch.tensor([0.9 ** (k - 1) * treasures[k - 1], -sum(0.9**t for t in range(k))]) for k in lengths]
        )
        torch.testing.assert_close(batch["return"][i, :, 0], returns, rtol=1e-5, atol=1e-5)
        u = -(w * (IDEAL - returns)).amax(-1)
        baseline = (u.sum() - u) / 3
        loss = torch.zeros(())
        for e, length in enumerate(lengths):
            for t in range(length):
                x = inputs[i, e, t]
                # Cell one-hot, then what was accrued before the step: no treasure yet, and the discounted time so far.
                assert x[:6].argmax() == t
                torch.testing.assert_close(x[6:], torch.tensor([0.0, -sum(0.9**k for k in range(t))]), rtol=1e-5, atol=1e-6)
                log_probs = (torch.tanh(x @ own[0] + own[1]) @ own[2].T + own[3]).log_softmax(-1)
                taken = log_probs[batch["action"][i, e, t].long()]
                loss = loss - (u[e] - baseline[e]) / u.std() * taken / 4
                loss = loss + 0.01 * (log_probs.exp() * log_probs).sum() / 4
        loss.backward()
        torch.optim.Adam(own, lr=1e-3).step()
        for mine, theirs in zip(own, learner.actor, strict=True):
            torch.testing.assert_close(mine.detach(), theirs[i], rtol=1e-4, atol=2e-6)
        assert learner.stats["utility"][i].item() == pytest.approx(u.mean().item(), rel=1e-4)
        torch.testing.assert_close(learner.accrued_scale[i], returns.abs().amax(0).clamp_min(1.0))


def test_a_batch_is_whole_episodes_of_one_policy() -> None:
    learner = made()
    steps: list[int] = []
    actor = learner.actor[0].clone()
    for _ in range(60):
        waiting = int(learner.waiting.sum())
        assert learner.next_round() == len(learner.waiting) - waiting
        learner.learn(learner.next_round())
        if not torch.equal(actor, learner.actor[0]):
            actor = learner.actor[0].clone()
            steps.append(int(learner.adam.steps[0]))
            # Everybody has finished exactly as many episodes as there were steps.
            assert (learner.episodes == len(steps)).all()
            assert not learner.waiting.any()
            assert learner.rollout.lengths.max() == 0
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > 5


def test_members_that_waited_for_somebody_who_left_learn_before_they_go_on() -> None:
    learner = made(replace(SMALL, rows_per_member=1))
    seen = 0
    for _ in range(100):
        learner.learn(learner.next_round())
        waiting = learner.waiting.copy()
        if waiting[0] and not waiting.all():
            seen += 1
            steps = learner.adam.steps.copy()
            assert learner.next_round([0]) == 1
            assert learner.learn(1, [0]) == {"training": 1}
            # One step for the batch that was complete, and one more if the new episode ended at once.
            assert learner.adam.steps[0] - steps[0] in {1, 2}
            assert (learner.adam.steps[1:] == steps[1:]).all()
    assert seen > 0


def test_training_and_evaluation_discount_alike_and_show_the_same_inputs() -> None:
    """The reference implementation trains on undiscounted accrued reward and evaluates on discounted."""
    learner = made()
    learner.learn(3_000)
    policy = learner.policies()[1]
    seen: list[Tensor] = []
    original = learner.act_tensors

    def spy(actor: Any, inputs: Tensor, uniform: Tensor) -> Tensor:
        seen.append(inputs[1, 0].clone())
        result: Tensor = original(actor, inputs, uniform)
        return result

    learner.act_tensors = spy
    memory = policy.memory(1)
    while learner.ended[learner.rows_of([1])[0]]:
        learner.learn(1, [1])
    learner.learn(400, [1])
    trained = {int(x[:6].argmax()): x for x in seen if x[:6].sum() == 1}
    for cell in range(6):
        accrued = memory["accrued"] / policy.extras["accrued_scale"]
        if cell in trained:
            torch.testing.assert_close(accrued[0], trained[cell][6:], rtol=1e-4, atol=1e-5)
        walk = torch.tensor([[0.0, -1.0]])
        nowhere = torch.tensor([cell])
        memory = policy.observe(memory, nowhere, torch.tensor([0]), walk, nowhere + 1, torch.tensor([False]))
    assert len(trained) >= 3
    assert policy.accrued_gamma == learner.gamma == 0.9
    done = policy.observe(memory, nowhere, torch.tensor([1]), walk, nowhere, torch.tensor([True]))
    assert done["accrued"].abs().sum() == 0
    assert done["discount"].item() == 1.0


class Fish(gym.Env[Any, Any]):
    """Ten steps; action 0 earns a fish, action 1 earns wood. The utility wants five of both: only the accrued reward tells."""

    observation_space: gym.Space[Any] = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space: gym.Space[Any] = spaces.Discrete(2)
    reward_space = spaces.Box(0.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = 10
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return np.zeros(1, np.float32), np.eye(2, dtype=np.float32)[action], self.left == 0, False, {}


def test_the_accrued_reward_counts() -> None:
    """In a world that looks the same all the time, a deterministic policy needs what it has accrued to do both things."""
    solver = EUPG(hidden=(16,), learning_rate=0.02, gamma=1.0, rows_per_member=16)
    learner = made(solver, Fish, weights=torch.tensor([[0.5, 0.5]]), ideal_point=torch.tensor([10.0, 10.0]))
    learner.learn(160 * 200)
    values = Evaluator(learner.env, Evaluation(episodes=1), gamma=1.0, device=CPU)(learner.policies()).mean()
    assert values.sum() == 10
    assert values.min() >= 4


def test_equal_utilities_teach_nothing() -> None:
    """Rounding errors of a batch of equal returns must not be normalised into a signal."""
    learner = made(
        replace(SMALL, entropy_coefficient=0.0),
        scalarization=WeightedSum(),
        ideal_point=None,
        weights=torch.tensor([[0.3, 0.7]]),
    )
    shape = (1, 4, 3)
    mask = torch.ones(shape, dtype=torch.bool)
    returns = torch.tensor([1234.567, -987.654]).expand(*shape, 2)
    generator = torch.Generator().manual_seed(0)
    batch = {
        "input": torch.rand(*shape, learner.network.inputs, generator=generator),
        "action": torch.zeros(shape),
        "return": returns,
        "mask": mask,
    }
    learner.gradient_step(slice(0, 1), batch, learner.task.utility)
    assert learner.stats["policy_loss"].abs().item() < 0.05


def test_transfer_starts_the_targets_episodes_anew() -> None:
    learner = made()
    learner.learn(200)
    learner.learn(5)
    episodes = learner.episodes.copy()
    learner.transfer(0, 2)
    assert all(torch.equal(p[2], p[0]) for p in (*learner.actor, learner.accrued_scale))
    assert learner.adam.steps.tolist()[2] == 0
    rows = learner.rows_of([2])
    assert learner.ended[rows].all()
    assert (learner.rollout.lengths[rows] == 0).all()
    learner.learn(learner.next_round([2]), [2])
    assert (learner.episodes[rows] == episodes[rows] + 1).all()


def test_a_restored_population_of_another_task_keeps_its_utility() -> None:
    learner = made()
    other = Task(utility=replace(learner.task.utility, weights=WEIGHTS.flip(0), ideal_point=torch.tensor([1.0, 2.0])))
    learner.set_task(other)
    restored = made()
    restored.load_state(learner.state())
    assert torch.equal(restored.task.utility.weights, WEIGHTS.flip(0))
    assert torch.equal(restored.task.utility.ideal_point, torch.tensor([1.0, 2.0]))


class Continuous(Fish):
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


def test_refusals() -> None:
    with pytest.raises(CapabilityError, match=r"Discrete.*MOSAC or MOPPO"):
        made(env=Continuous)
    with pytest.raises(CapabilityError, match="MOPPO, MOSAC or MODQN"):
        made(criterion="ser")
    assert made(scalarization=WeightedSum(), criterion="ser").n == 3


@pytest.mark.parametrize("wrong", [{"entropy_coefficient": -0.1}, {"hidden": (0,)}, {"rows_per_member": 0}, {"gamma": -0.1}])
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        EUPG(**wrong)
