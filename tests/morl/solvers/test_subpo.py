"""SubPO: its estimator against exact gradients, the traps that tell it from greedy learning, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from envs.coverage import Grid, Hub
from envs.coverage.set_functions import Coverage, Modular, Stack
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation, Evaluator
from morl.functional import credited_gains, marginal_gain_loss, utility_gains
from morl.planners import Greedy
from morl.problem import Problem, make_problem
from morl.scalarizations import Chebyshev, Saturate
from morl.solvers.moppo import MOPPO
from morl.solvers.morld import MORLD
from morl.solvers.subpo import SubPO
from morl.solvers.subpo.batches import CountedStates, EpisodeBatch
from morl.solvers.subpo.best import BestEpisodes
from morl.solvers.subpo.learner import SubPOLearner
from morl.task import Task, Utility
from morl.testing.solver import difference, through_files
from tests.morl.solvers.walks import Exact, bandit, problem_of, square, trap, walk

CPU = torch.device("cpu")
UNIFORM = torch.zeros(2, 4, 5, dtype=torch.float64)
HAND_COMPUTED = torch.tensor(
    [
        [[-0.064, 0.096, 0.096, -0.064, -0.064], [0.0] * 5, [0.0] * 5, [0.0] * 5],
        [
            [-0.048, 0.072, 0.072, -0.048, -0.048],
            [-0.008, -0.008, 0.032, -0.008, -0.008],
            [-0.008, 0.032, -0.008, -0.008, -0.008],
            [0.0] * 5,
        ],
    ],
    dtype=torch.float64,
)


# --- the estimator, in exact expectation ---------------------------------------------------------------------------------


def expected_estimate(exact: Exact, logits: Tensor, credit: Any, baseline: Tensor | float = 0.0) -> Tensor:
    """Expectation of the estimator over all trajectories."""
    leaf = logits.clone().requires_grad_()
    log_probs = exact.log_probs(leaf)
    probability = log_probs.detach().sum(1).exp()
    advantages = credited_gains(exact.gains[None, ..., None], credit)[..., 0] - baseline
    mask = torch.ones(1, *log_probs.shape, dtype=torch.bool)
    loss = marginal_gain_loss(log_probs[None], advantages * probability[:, None] * len(probability), mask)
    return -torch.autograd.grad(loss.sum(), leaf)[0]


def test_the_square_has_the_gradient_computed_by_hand() -> None:
    exact = Exact(square(1))
    assert exact.value(UNIFORM).item() == pytest.approx(1.72)
    torch.testing.assert_close(exact.gradient(UNIFORM), HAND_COMPUTED)


@pytest.mark.parametrize("credit", ["to_go", "total"])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_unbiased_credits_expect_the_gradient(credit: Any, seed: int | None) -> None:
    rng = torch.Generator().manual_seed(seed or 0)
    logits = UNIFORM if seed is None else torch.randn(UNIFORM.shape, generator=rng, dtype=torch.float64)
    exact = Exact(square(1))
    torch.testing.assert_close(expected_estimate(exact, logits, credit), exact.gradient(logits))
    # Any number that depends on the prefix, and not on the action, may be subtracted.
    anything = torch.randn(5 * 4, generator=rng, dtype=torch.float64)
    prefix = exact.nodes[:, :2].cumsum(1) + 4 * torch.arange(2)
    torch.testing.assert_close(expected_estimate(exact, logits, credit, anything[prefix]), exact.gradient(logits))


def test_one_step_credit_expects_something_else() -> None:
    found = expected_estimate(Exact(square(1)), UNIFORM, "one_step")
    torch.testing.assert_close(found[0, 0], torch.tensor([-0.08, 0.12, 0.12, -0.08, -0.08], dtype=torch.float64))
    exact, logits = Exact(trap()(1)), torch.zeros(2, 4, 2, dtype=torch.float64)
    assert exact.gradient(logits)[0, 0, 0].item() == pytest.approx(-2.25)
    assert expected_estimate(exact, logits, "one_step")[0, 0, 0].item() == pytest.approx(0.25)


# --- the estimator, sampled ----------------------------------------------------------------------------------------------


class _Watched(SubPOLearner):
    """Notes the gradients of the policies and goes nowhere."""

    def gradient_step(self, members: Any, batch: Any, coefficient: Tensor, rate: Tensor) -> None:
        leaves = [p.detach().requires_grad_() for p in self.actor]
        loss, _ = self.form.loss_and_entropy(self.head, leaves, self._outputs(leaves, batch), batch)
        if not hasattr(self, "seen"):
            self.seen: list[list[Tensor]] = []
        # Losses are per step; the two moves of an episode belong together.
        self.seen.append([-2.0 * g for g in torch.autograd.grad(loss.sum(), leaves)])


def sampled_gradients(solver: SubPO, problem: Problem, logits: Tensor, batches: int) -> Tensor:
    """Gradient estimates of every batch, ``(batches, n, S, A)``, at tables of logits ``(n, S, A)``."""
    m = problem.spec.num_objectives
    task = Task(utility=Utility(weights=torch.full((len(logits), m), 1.0 / m)))
    learner = _Watched(solver, env=problem, task=task, seed=0, device=CPU)
    learner.actor[0].copy_(logits)
    learner.learn(batches * 2 * len(logits) * solver.rows_per_member)
    assert len(learner.seen) == batches
    return torch.stack([parts[0] for parts in learner.seen])


def table_order(gradient: Tensor) -> Tensor:
    """``(H, V, A)`` as the table of an observation (row, column, step of 3) has it, ``(S, A)``."""
    padded = torch.cat([gradient, torch.zeros_like(gradient[:1])])
    return padded.transpose(0, 1).flatten(0, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"credit": "to_go", "baseline": "none"},
        {"credit": "to_go", "baseline": "leave_one_out"},
        {"credit": "total", "baseline": "leave_one_out"},
        {"credit": "to_go", "baseline": "critic"},
        {"credit": "to_go", "baseline": "leave_one_out", "share_rollouts": True},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_the_mean_estimate_is_the_gradient_within_sampling_error(settings: Any) -> None:
    logits = torch.zeros(3, 12, 5)
    logits[1:] = 0.5 * torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(0))
    solver = SubPO(network="table", rows_per_member=1000, normalise_advantages=False, **settings)
    found = sampled_gradients(solver, problem_of(square), logits, 40).double()
    mean, error = found.mean(0), found.std(0) / len(found) ** 0.5
    exact = Exact(square(1))
    for member in range(3):
        wanted = table_order(exact.gradient(logits[member].double().view(4, 3, 5).transpose(0, 1)[:2]))
        deviation = (mean[member] - wanted).abs()
        assert (deviation <= 4.5 * error[member] + 1e-6).all(), (deviation / error[member].clamp_min(1e-9)).max()
        assert error[member].max() < 0.01


def test_one_step_credit_is_biased_when_sampled() -> None:
    solver = SubPO(network="table", rows_per_member=1000, normalise_advantages=False, credit="one_step", baseline="none")
    found = sampled_gradients(solver, problem_of(square), torch.zeros(1, 12, 5), 40).double()
    torch.testing.assert_close(found.mean(0)[0, 0], torch.tensor([-0.08, 0.12, 0.12, -0.08, -0.08]).double(), atol=0.01, rtol=0)


def test_counting_visits_is_the_same_as_going_through_the_episodes() -> None:
    def trained(counts: bool) -> Any:
        solver = SubPO(rows_per_member=30, hidden=(8, 8), baseline="critic", gae_lambda=0.9, critic_updates=3)
        learner = solver.make(problem_of(square), None, seed=0, device=CPU)
        if not counts:
            learner.form = EpisodeBatch(learner.components.width, integral=True)
            learner._make_store()
        learner.learn(3 * 2 * 30)
        return learner

    counted, followed = trained(True), trained(False)
    assert isinstance(counted.form, CountedStates)
    assert isinstance(followed.form, EpisodeBatch)
    for a, b in zip(counted.actor + counted.critic, followed.actor + followed.critic, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


# --- modular functions ---------------------------------------------------------------------------------------------------


def modular_square(num_envs: int) -> Any:
    values = Modular([3.0, 1.0, 0.3, 5.0])
    return Grid(num_envs, rows=2, columns=2, start=(0, 0), horizon=2, observation="index", set_function=values)


def test_with_a_modular_function_the_gradient_is_that_of_reinforce_bit_for_bit() -> None:
    logits = torch.randn(1, 12, 5, generator=torch.Generator().manual_seed(0))
    solver = SubPO(network="table", rows_per_member=50, normalise_advantages=False, baseline="none")

    class Kept(CountedStates):
        def batch(self, episodes: Any, num_actions: int) -> Any:
            self.kept = episodes
            return super().batch(episodes, num_actions)

    learner = _Watched(
        solver, env=problem_of(modular_square), task=Task(utility=Utility(weights=torch.ones(1, 1))), seed=0, device=CPU
    )
    assert isinstance(learner.form, CountedStates)
    learner.form = form = Kept(learner.form.sizes, learner.form.num_states)
    learner.actor[0].copy_(logits)
    learner.learn(2 * 50)
    # REINFORCE: what each cell is worth, summed from the end, one trajectory after the other.
    worth = torch.tensor([3.0, 1.0, 0.3, 5.0])
    states = form.kept["inputs"][0][form.kept["place"][0]]
    actions = form.kept["action"][0]
    successors = torch.from_numpy(modular_square(1).successors)
    weight = torch.zeros(12, 5)
    for e in range(50):
        for h in (0, 1):
            node = 2 * states[e, h, 0] + states[e, h, 1]
            rewards = [worth[successors[node, actions[e, h]]]]
            if h == 0:
                following = 2 * states[e, 1, 0] + states[e, 1, 1]
                rewards.append(worth[successors[following, actions[e, 1]]])
            to_go = torch.zeros(())
            for reward in rewards[::-1]:
                to_go = to_go + reward
            weight[node * 3 + h, actions[e, h]] += to_go
    leaf = logits[0].clone().requires_grad_()
    visited = weight.any(1).nonzero().squeeze(1)
    loss = -(weight[visited] * leaf[visited].log_softmax(-1)).sum() / 100.0
    (expected,) = torch.autograd.grad(loss, leaf)
    assert torch.equal(-2.0 * expected, learner.seen[0][0][0])


def test_with_a_modular_function_subpo_and_modpo_are_one() -> None:
    learners = [
        SubPO(rows_per_member=20, hidden=(8,), reward=reward).make(problem_of(modular_square), None, seed=0, device=CPU)
        for reward in ("gain", "modular")
    ]
    for learner in learners:
        learner.learn(10 * 2 * 20)
    assert all(torch.equal(a, b) for a, b in zip(learners[0].actor, learners[1].actor, strict=True))


def test_modpo_is_judged_by_the_true_function_and_stays_where_it_is_good() -> None:
    """The best cell is the first: who counts it again and again stays."""
    cover = Coverage([[0], [1], [2], [3]], [2.0, 1.0, 1.0, 1.0])
    problem = problem_of(lambda n: Grid(n, rows=2, columns=2, start=(0, 0), horizon=3, observation="index", set_function=cover))
    values = {}
    for reward in ("gain", "modular"):
        solver = SubPO(network="table", rows_per_member=64, learning_rate=0.2, reward=reward, entropy_coefficient=0.02)
        values[reward] = trained_value(solver, problem, 80)
    assert values == {"gain": 3.0, "modular": 0.0}


# --- what it learns ------------------------------------------------------------------------------------------------------


def trained_value(solver: SubPO, problem: Problem, batches: int, seed: int = 0, *, episodes: int = 1) -> float:
    """What the most likely actions gain after training."""
    learner = solver.make(problem, None, seed=seed, device=CPU)
    steps = batches * solver.rows_per_member * problem.make_batched(1).horizon  # type: ignore[misc]
    learner.learn(steps)
    returns = Evaluator(problem, Evaluation(episodes=episodes), gamma=1.0, device=CPU)(learner.policies())
    return float(returns.mean()[0, 0])


@pytest.mark.parametrize("optimiser", ["adam", "natural"])
@pytest.mark.parametrize("network", ["table", "perceptron"])
def test_the_myopic_trap(network: Any, optimiser: Any) -> None:
    rate = 0.1 if optimiser == "adam" else 1.0
    kept: dict[str, Any] = {
        "network": network, "hidden": (8,), "rows_per_member": 64, "learning_rate": rate, "optimiser": optimiser,
        "entropy_coefficient": 0.02, "max_divergence": 0.1,
    }  # fmt: skip
    assert trained_value(SubPO(**kept), problem_of(trap()), 60) == 10.0
    assert trained_value(SubPO(**kept, credit="one_step"), problem_of(trap()), 60) == 1.0


@pytest.mark.parametrize("network", ["gru", "attention"])
def test_memory_sees_both_places_behind_the_hub(network: Any) -> None:
    problem = problem_of(lambda n: Hub(n, observation="index"))
    solver = SubPO(network=network, hidden=(16,), rows_per_member=64, learning_rate=0.02, entropy_coefficient=0.05)
    assert trained_value(solver, problem, 60, episodes=200) >= 1.98


@pytest.mark.parametrize(
    ("observation", "low", "high"), [("history", 1.98, 2.0), ("summary", 1.98, 2.0), ("index", 1.35, 1.65)]
)
def test_without_memory_only_the_history_sees_both_places_behind_the_hub(observation: Any, low: float, high: float) -> None:
    """Every Markov policy is worth 1.5 on average; 200 fair coins deviate by less than 0.15."""
    problem = problem_of(lambda n: Hub(n, observation=observation))
    solver = SubPO(hidden=(16,), rows_per_member=64, learning_rate=0.02, entropy_coefficient=0.05)
    assert low <= trained_value(solver, problem, 60, episodes=200) <= high


def exact_ascent(exact: Exact, logits: Tensor, *, steps: int, rate: float) -> Tensor:
    """Plain gradient ascent on exact expectations of the estimator; the policy sees the step only."""
    for _ in range(steps):
        leaf = logits.clone().requires_grad_()
        log_probs = exact.log_probs(leaf)
        advantages = credited_gains(exact.gains[None, ..., None], "to_go")[..., 0]
        weight = log_probs.detach().sum(1).exp()[:, None] * len(log_probs)
        loss = marginal_gain_loss(log_probs[None], advantages * weight, torch.ones(1, *log_probs.shape, dtype=torch.bool))
        logits = logits - rate * torch.autograd.grad(loss.sum(), leaf)[0]
    return logits


TWO_PICKS = bandit([[0, 2], [0, 1], [2, 3]], [1.1, 1.0, 1.1, 1.0])
BAD_STATIONARY = bandit([[0, 1], [2, 3], [0, 2, 4], [1, 3, 5]], [0.5] * 4 + [0.4] * 2)


def test_ascent_beats_greedy_on_two_picks() -> None:
    exact = Exact(TWO_PICKS(1))
    uniform = torch.zeros(2, 1, 3, dtype=torch.float64)
    assert exact.value(uniform).item() == pytest.approx(3.066667, abs=1e-6)
    ended = exact_ascent(exact, uniform, steps=400, rate=0.5)
    assert exact.value(ended).item() == pytest.approx(4.2, abs=0.02)
    assert exact.gains.sum(1).max().item() == pytest.approx(4.2)


def test_a_stationary_point_is_worth_half_and_not_more_than_that_is_promised() -> None:
    exact = Exact(BAD_STATIONARY(1))
    best = exact.gains.sum(1).max().item()
    assert best == pytest.approx(2.8)
    bad = torch.zeros(2, 1, 4, dtype=torch.float64)
    bad[0, 0, 0] = bad[1, 0, 1] = 3.0
    assert exact.value(exact_ascent(exact, bad, steps=300, rate=0.5)).item() == pytest.approx(2.0, abs=0.02)
    # Symmetry leads to a saddle, from which only rounding leads away, much later.
    saddle = exact_ascent(exact, torch.zeros(2, 1, 4, dtype=torch.float64), steps=150, rate=0.5)
    assert exact.value(saddle).item() == pytest.approx(2.1, abs=0.05)
    rng = torch.Generator().manual_seed(0)
    for _ in range(8):
        start = 2.0 * torch.randn(2, 1, 4, generator=rng, dtype=torch.float64)
        ended = exact.value(exact_ascent(exact, start, steps=600, rate=0.5)).item()
        assert min(abs(ended - 2.0), abs(ended - 2.8)) < 0.05
        assert ended >= best / 2


def test_mixed_differences_of_the_bandit_are_never_positive() -> None:
    """DR-submodularity of J over the probabilities of the picks, which is multilinear: mixed second differences decide."""
    function = BAD_STATIONARY(1).set_function
    alone = function.singletons()[1:, 0]
    pairs = torch.tensor([[a, b] for a in range(1, 5) for b in range(1, 5)])
    together = function.trajectory_gains(pairs).sum((1, 2)).view(4, 4)
    difference = together - alone[:, None] - alone[None]
    assert difference.max().item() == pytest.approx(0.0, abs=1e-12)


# --- the best episode, warm starts, smaller steps -------------------------------------------------------------------------


def stuck(learner: SubPOLearner) -> SubPOLearner:
    """Tables that all but always play the bad stationary point: the first pick, then the second."""
    table = learner.actor[0].view(learner.n, 5, 3, 4)
    table.zero_()
    table[:, :, 0, 0] = table[:, :, 1, 1] = 6.0
    return learner


@pytest.mark.parametrize(("settings", "value"), [({}, 2.0), ({"imitation": 0.1, "warm_start": (Greedy(),)}, 2.8)])
def test_a_warm_start_leads_out_of_a_bad_stationary_point(settings: Any, value: float) -> None:
    solver = SubPO(network="table", rows_per_member=50, learning_rate=0.1, entropy_coefficient=0.0, **settings)
    learner = stuck(SubPOLearner(solver, env=problem_of(BAD_STATIONARY), task=_one(), seed=0, device=CPU))
    learner.learn(60 * 2 * 50)
    assert learner.batch_returns.mean().item() == pytest.approx(value, abs=0.02)


def _one(weights: Any = ((1.0,),)) -> Task:
    return Task(utility=Utility(weights=torch.tensor(weights)))


@pytest.mark.parametrize("settings", [{}, {"network": "gru"}, {"optimiser": "natural"}, {"baseline": "critic"}], ids=str)
def test_the_best_episode_ever_played_is_kept(settings: Any) -> None:
    solver = SubPO(rows_per_member=4, hidden=(8,), imitation=0.5, entropy_coefficient=0.5, **settings)
    learner = solver.make(problem_of(square), None, seed=0, device=CPU)
    best = -1.0
    for _ in range(6):
        learner.learn(2 * 4)
        best = max(best, learner.batch_returns.max().item())
        assert learner.best.fields["value"].sum().item() == best
    other = solver.make(problem_of(square), None, seed=0, device=CPU)
    other.load_state(through_files(learner.state()))
    for each in (learner, other):
        each.learn(3 * 2 * 4)
    assert difference(learner.state(), other.state()) is None
    learner.transfer(0, 0)
    assert not learner.best.fields["mask"].any()


def test_each_member_keeps_what_its_own_weights_like_best() -> None:
    solver = SubPO(network="table", rows_per_member=30, imitation=0.1)
    weights = ((0.9, 0.1), (0.1, 0.9))
    learner = SubPOLearner(solver, env=problem_of(two_sides), task=_one(weights), seed=0, device=CPU)
    learner.learn(2 * 2 * 30 * 2)
    assert learner.best.fields["value"].sum(1).tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_episodes_of_other_lengths_are_kept_as_well() -> None:
    best = BestEpisodes(1, CPU)

    def batch(*episodes: list[float]) -> dict[str, Tensor]:
        length = max(map(len, episodes))
        value = torch.tensor([[[*e, *[0.0] * (length - len(e))] for e in episodes]]).unsqueeze(-1)
        return {"value": value, "mask": torch.tensor([[[k < len(e) for k in range(length)] for e in episodes]])}

    def score(values: Tensor) -> Tensor:
        return values[..., 0]

    everybody = slice(0, 1)
    assert best.join(everybody, batch([1.0], [0.0]), score)["value"][0, -1].flatten().tolist() == [1.0]
    joined = best.join(everybody, batch([1.0, 2.0], [0.0, 0.0]), score)
    assert joined["value"].shape == (1, 3, 2, 1)
    assert joined["value"][0, -1].flatten().tolist() == [1.0, 2.0]
    kept = best.join(everybody, batch([-1.0]), score)
    assert kept["value"].flatten().tolist() == [-1.0, 0.0, 1.0, 2.0]
    assert kept["mask"].flatten().tolist() == [True, False, True, True]


def test_a_first_best_episode_may_be_worth_less_than_nothing() -> None:
    best = BestEpisodes(1, CPU)
    batch = {"value": torch.full((1, 2, 1, 1), -3.0), "mask": torch.ones(1, 2, 1, dtype=torch.bool)}
    assert best.join(slice(0, 1), batch, lambda values: values[..., 0])["value"].flatten().tolist() == [-3.0] * 3


@pytest.mark.parametrize("optimiser", ["adam", "natural"])
def test_the_learning_rate_falls_to_zero(optimiser: Any) -> None:
    moved = {}
    for steps in (None, 2 * 2 * 20):
        solver = SubPO(
            hidden=(8,), rows_per_member=20, optimiser=optimiser, learning_rate_steps=steps, max_divergence=1e9,
            max_gradient_norm=1e9,
        )  # fmt: skip
        learner = solver.make(problem_of(square), None, seed=0, device=CPU)
        before = [p.clone() for p in learner.actor]
        learner.learn(2 * 20)
        moved[steps] = [q - p for p, q in zip(before, learner.actor, strict=True)]
    for whole, half in zip(moved[None], moved[2 * 2 * 20], strict=True):
        torch.testing.assert_close(half, 0.5 * whole, rtol=1e-3, atol=1e-6)
    before = [p.clone() for p in learner.actor]
    learner.learn(2 * 20)
    assert all(torch.equal(a, b) for a, b in zip(before, learner.actor, strict=True))


def test_a_warm_start_in_a_world_that_slips_is_refused() -> None:
    problem = problem_of(lambda n: Grid(n, rows=2, columns=2, start=(0, 0), horizon=2, slip=0.1, observation="index"))
    solver = SubPO(imitation=0.1, warm_start=(Greedy(),))
    with pytest.raises(CapabilityError, match="no single walk"):
        solver.make(problem, None, seed=0, device=CPU)
    with pytest.raises(CapabilityError, match="walk on a graph"):
        solver.make(make_problem("tabular/treasure-corridor-v0"), None, seed=0, device=CPU)


# --- several objectives --------------------------------------------------------------------------------------------------


def two_sides(num_envs: int) -> Any:
    """A line of five cells, start in the middle, two steps: what is seen on the left and on the right are two objectives.

    Nodes: middle, far left, left, right, far right.
    """
    left, right = Coverage([[], [0], [1], [], []]), Coverage([[], [], [], [0], [1]])
    return walk([[2, 3], [1, 2], [1, 0], [0, 4], [3, 4]], Stack([left, right]), 2)(num_envs)


def test_one_rollout_values_every_weight() -> None:
    weights = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    solver = SubPO(network="table", rows_per_member=50, learning_rate=0.2, entropy_coefficient=0.02)
    learner = solver.make(problem_of(two_sides), Task(utility=Utility(weights=weights)), seed=0, device=CPU)
    learner.learn(60 * 2 * 2 * 50)
    many = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    values, errors = learner.rollout_values(many)
    assert values.shape == errors.shape == (2, 3)
    torch.testing.assert_close(values, learner.batch_returns.mean(1) @ many.T)
    torch.testing.assert_close(values[:, 0], torch.tensor([2.0, 0.0]), atol=0.1, rtol=0)


def test_morld_finds_both_ends_of_a_front() -> None:
    solver = MORLD(
        solver=SubPO(network="table", rows_per_member=16, learning_rate=0.2, entropy_coefficient=0.02, entropy_steps=1000),
        num_members=2, exchange_period=640,
    )  # fmt: skip
    learner = solver.make(problem_of(two_sides), None, seed=0, device=CPU)
    learner.learn(6400)
    learner.evaluate()
    assert {tuple(v) for v in learner.record.archive.values.tolist()} == {(2.0, 0.0), (0.0, 2.0)}


def test_gains_of_a_utility_telescope() -> None:
    gains = torch.rand(2, 3, 4, 2, generator=torch.Generator().manual_seed(0))
    utility = Utility(
        scalarization=Chebyshev(), criterion="esr", weights=torch.tensor([[0.5, 0.5], [0.2, 0.8]]), ideal_point=torch.ones(2)
    )
    whole = utility(gains.sum(2)) - utility(torch.zeros(2, 3, 2))
    torch.testing.assert_close(utility_gains(gains, utility).sum((2, 3)), whole)
    assert utility_gains(gains, utility).shape == (2, 3, 4, 1)


@pytest.mark.parametrize("baseline", ["leave_one_out", "critic"])
def test_an_esr_utility_is_maximised_as_a_whole(baseline: Any) -> None:
    """With one step to each side nobody stands still; the worse objective decides."""
    left, right = Coverage([[], [0], []]), Coverage([[], [], [0]])
    make = walk([[1, 2], [1, 0], [0, 2]], Stack([left, right]), 3)
    utility = Utility(scalarization=Chebyshev(), criterion="esr", weights=torch.full((1, 2), 0.5), ideal_point=torch.ones(2))
    solver = SubPO(network="table", rows_per_member=64, learning_rate=0.1, entropy_coefficient=0.02, baseline=baseline)
    learner = solver.make(problem_of(make), Task(utility=utility), seed=0, device=CPU)
    learner.learn(60 * 3 * 64)
    assert learner.batch_returns.mean(1).tolist() == [[pytest.approx(1.0, abs=0.1)] * 2]


def test_saturate_maximises_the_worst_of_two_objectives() -> None:
    """Three steps reach one cell to the left and one to the right, or two to the right; targets are one of each."""
    left, right = Coverage([[], [0], [], []]), Coverage([[], [], [0], [1]])
    make = walk([[1, 2], [1, 0], [0, 3], [2, 3]], Stack([left, right]), 3)
    found = {}
    for level in (0.5, 1.0):
        utility = Utility(
            scalarization=Saturate(level=level),
            criterion="esr",
            weights=torch.tensor([[0.4, 0.6]]),
            ideal_point=torch.tensor([2.0, 2.0]),
        )
        solver = SubPO(network="table", rows_per_member=64, learning_rate=0.1, entropy_coefficient=0.02)
        learner = solver.make(problem_of(make), Task(utility=utility), seed=0, device=CPU)
        learner.learn(60 * 3 * 64)
        found[level] = [round(x, 1) for x in learner.batch_returns.mean(1)[0].tolist()]
    assert found == {0.5: [1.0, 1.0], 1.0: [0.0, 2.0]}


# --- transition models as objectives -------------------------------------------------------------------------------------


def test_the_worst_of_several_transition_models() -> None:
    """Hub without memory: for chance p the best answer is pure and worth 1 if chance is the other way round; 1.5 is robust."""
    problem = problem_of(lambda n: Hub(n, p=0.3, observation="index"))
    settings: dict[str, Any] = {
        "network": "table", "rows_per_member": 400, "learning_rate": 0.05, "entropy_coefficient": 0.02, "entropy_steps": 20_000
    }  # fmt: skip
    worst = {}
    for kernels in ((), ((0.0,), (1.0,))):
        learner = SubPO(**settings, kernels=kernels).make(problem, None, seed=0, device=CPU)
        learner.learn(60 * 3 * 400)
        judge = Evaluator(problem, Evaluation(episodes=2000, deterministic=False, max_rows=4000), gamma=1.0, device=CPU)
        returns = judge(learner.policies(), dynamics=torch.tensor([[0.0], [1.0]])).undiscounted
        worst[len(kernels)] = returns.mean((0, 2, 3)).min()
    assert worst[0] == pytest.approx(1.0, abs=0.05)
    assert worst[2] == pytest.approx(1.5, abs=0.1)


def test_memory_is_robust_by_itself() -> None:
    problem = problem_of(lambda n: Hub(n, observation="index"))
    solver = SubPO(
        network="gru", hidden=(16,), rows_per_member=64, learning_rate=0.02, kernels=((0.1,), (0.9,)), entropy_steps=8000
    )
    learner = solver.make(problem, None, seed=0, device=CPU)
    learner.learn(60 * 3 * 64)
    assert (learner.kernel_values > 1.6).all()  # a running mean, behind what is learned
    assert learner.batch_returns.mean() > 1.95


def test_kernels_that_do_not_fit_are_refused() -> None:
    problem = problem_of(lambda n: Hub(n, observation="index"))
    with pytest.raises(ConfigurationError, match="multiple"):
        SubPO(rows_per_member=5, kernels=((0.1,), (0.2,)))
    with pytest.raises(ConfigurationError, match="in the order p"):
        SubPO(rows_per_member=4, kernels=((0.1, 0.2),)).make(problem, None, seed=0, device=CPU)
    with pytest.raises(CapabilityError, match="transition model can be set"):
        SubPO(rows_per_member=4, kernels=((0.1,),)).make(make_problem("tabular/treasure-corridor-v0"), None, seed=0, device=CPU)


# --- continuous actions, natural gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"baseline": "critic"}, {"optimiser": "natural", "learning_rate": 1.0}], ids=str)
def test_continuous_actions(settings: Any) -> None:
    problem = make_problem("continuous/two-targets-v0")
    given: dict[str, Any] = {
        "hidden": (16,),
        "rows_per_member": 32,
        "learning_rate": 0.02,
        "entropy_coefficient": 0.0,
    } | settings
    learner = SubPO(**given).make(problem, None, seed=0, device=CPU)
    judge = Evaluator(problem, Evaluation(episodes=8), gamma=1.0, device=CPU)
    before = judge(learner.policies()).mean()[0].mean()
    learner.learn(30_000)
    assert judge(learner.policies()).mean()[0].mean() > before + 0.2


def test_products_with_the_fisher_matrix() -> None:
    solver = SubPO(network="perceptron", hidden=(4,), rows_per_member=40, optimiser="natural")
    learner = solver.make(problem_of(square), None, seed=0, device=CPU)
    checked = []

    def check(members: Any, batch: Any, coefficient: Tensor, rate: Tensor) -> None:
        leaves = [p.detach().requires_grad_() for p in learner.actor]
        outputs = learner._outputs(leaves, batch)
        log_probs = outputs.log_softmax(-1)[0]
        fisher = 0.0
        for state, visits in zip(log_probs, batch["visits"][0], strict=True):
            for log_prob in state:
                score = torch.cat([g.flatten() for g in torch.autograd.grad(log_prob, leaves, retain_graph=True)])
                fisher = fisher + log_prob.exp().detach() * visits / batch["steps"][0] * torch.outer(score, score)
        vectors = [torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) for p in leaves]
        product = learner.fisher_product(leaves, outputs, batch, vectors)
        expected = fisher @ torch.cat([v.flatten() for v in vectors])
        torch.testing.assert_close(torch.cat([p.flatten() for p in product]), expected, atol=1e-5, rtol=1e-3)
        checked.append(True)

    learner.gradient_step = check  # type: ignore[method-assign]
    learner.learn(2 * 40)
    assert checked


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"baseline": "critic", "credit": "total"}, "credit='to_go'"),
        ({"share_rollouts": True, "credit": "one_step"}, "share_rollouts"),
        ({"entropy_coefficient": -1.0}, "entropy_coefficient must not be negative"),
        ({"rows_per_member": 0}, "rows_per_member must be at least 1"),
        ({"gae_lambda": 2.0}, "gae_lambda"),
        ({"imitation": -0.1}, "imitation must not be negative"),
        ({"imitation": 0.1, "kernels": ((0.1,),)}, "imitation goes neither"),
        ({"warm_start": (Greedy(),)}, "warm_start needs imitation"),
        ({"learning_rate_steps": 0}, "learning_rate_steps must be at least 1"),
        ({"hidden": ()}, "hidden"),
    ],
)
def test_impossible_configurations(fields: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SubPO(**fields)


def test_a_table_of_real_numbers_is_refused() -> None:
    problem = problem_of(lambda n: Grid(n, rows=2, columns=2, start=(0, 0), horizon=2))
    with pytest.raises(CapabilityError, match="integral observations"):
        SubPO(network="table").make(problem, None, seed=0, device=CPU)


def test_modpo_where_nobody_says_what_a_visit_is_worth_is_refused() -> None:
    with pytest.raises(CapabilityError, match="modular_rewards"):
        SubPO(reward="modular").make(make_problem("tabular/treasure-corridor-v0"), None, seed=0, device=CPU)


def test_unusable_actions_are_refused() -> None:
    problem = make_problem("tabular/treasure-corridor-v0")
    object.__setattr__(problem.spec, "action_space", spaces.MultiBinary(13))
    with pytest.raises(CapabilityError, match=r"real-valued Box or a Discrete.*4,096 combinations.*use MODQN, MOSAC or MOPPO"):
        SubPO().make(problem, None, seed=0, device=CPU)


def test_sharing_between_transition_models_is_refused() -> None:
    problem = problem_of(lambda n: Hub(n, observation="index"))
    task = Task(utility=Utility(weights=torch.ones(2, 1)), dynamics=torch.tensor([[0.2], [0.8]]))
    with pytest.raises(CapabilityError, match="share_rollouts"):
        SubPO(share_rollouts=True).make(problem, task, seed=0, device=CPU)
    assert MOPPO().gamma < SubPO().gamma == 1.0
