"""Pareto and Lorenz conditioned networks: what is remembered, what is asked for, and what is returned."""

from __future__ import annotations

import logging
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envs.adapters import SingleEnv
from envs.tabular.finite import FiniteEnv
from envs.tabular.tables import Tables
from envs.tabular.walk_room import WalkRoom
from morl.capabilities import ChoosesTasks
from morl.dominance import Lorenz, Pareto
from morl.errors import CapabilityError, CheckpointError, ConfigurationError
from morl.evaluation import Evaluation, Evaluator, candidates_of
from morl.functional.dominance import dominates
from morl.functional.lorenz import lorenz_vectors
from morl.oracles import pareto_value_iteration, random_process
from morl.policies import ReturnConditionedPolicy
from morl.problem import make_problem
from morl.solvers import MORLD, PCN
from morl.solvers.pcn.archive import EpisodeArchive, Episodes
from morl.solvers.pcn.commands import drawn_commands
from morl.solvers.pcn.scores import episode_scores
from tests.strategies import value_sets

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"
Array = npt.NDArray[np.float64]
SMALL: dict[str, Any] = {"hidden": (16,), "rows_per_member": 4, "warm_up_episodes": 8, "updates_per_batch": 2}


# --- which returns are the best --------------------------------------------------------------------------------------------


@given(values=value_sets(), share=st.floats(0.0, 1.0))
def test_what_is_marked_is_not_dominated_and_what_is_not_marked_is(values: Array, share: float) -> None:
    if not len(values):
        return
    low, high = values.min(0), values.max(0)
    everything = Pareto()(values, low, high)
    rule = Lorenz(sorted_share=share)
    best = rule(values, low, high)
    assert best.any()
    assert not (best & ~everything).any(), "what is fair is a trade-off, too"
    np.testing.assert_array_equal(rule(values[::-1].copy(), low, high).sum(), best.sum())


@given(seed=st.integers(0, 2**31), m=st.integers(2, 5))
def test_lorenz_vectors_prefer_more_and_equal_shares(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    rich = rng.normal(size=m)
    poor, give = rich.argmin(), rich.argmax()
    fairer = rich.copy()
    amount = 0.5 * rng.random() * (rich[give] - rich[poor])
    fairer[[poor, give]] += [amount, -amount]
    more = rich + rng.random(m)
    for better in (fairer, more):
        assert dominates(lorenz_vectors(better) + 1e-12, lorenz_vectors(rich))
    np.testing.assert_array_equal(lorenz_vectors(rng.permutation(rich)), lorenz_vectors(rich))
    np.testing.assert_array_equal(lorenz_vectors(rich, sorted_share=1.0), np.sort(rich))


def test_of_equals_the_fairest_is_returned() -> None:
    """Three ways to share 10, and a fair one to share less; Lorenz dominance in one unit keeps the fairest only."""
    returns = np.array([[10.0, 0.0], [7.0, 3.0], [5.0, 5.0], [4.0, 4.0], [5.0, 5.0]])
    one_unit = Lorenz(low=(0.0, 0.0), high=(10.0, 10.0))
    assert one_unit(returns, returns.min(0), returns.max(0)).tolist() == [False, False, True, False, False]
    solver = PCN(**SMALL, gamma=1.0, dominance=one_unit)
    learner = solver.make(make_problem(shares), None, seed=0, device=CPU)
    learner.learn(60)
    (candidate,) = candidates_of(learner)
    policy = candidate.policy
    assert isinstance(policy, ReturnConditionedPolicy)
    np.testing.assert_array_equal(policy.menu, [[5.0, 5.0]])
    learner.learn_from_archive(100)
    np.testing.assert_allclose(returned(learner), [[5.0, 5.0]])
    assert len(candidates_of(PCN(**SMALL, gamma=1.0).make(make_problem(shares), None, seed=0, device=CPU))) == 1, "none yet"


def shares() -> gym.Env[Any, Any]:
    """One step: action 0 to 3 shares as in the test above."""
    rewards = np.array([[10.0, 0.0], [7.0, 3.0], [5.0, 5.0], [4.0, 4.0]])
    return world(
        Tables(
            successors=np.zeros((1, 4, 1), np.int64), probabilities=np.ones((1, 4, 1)), rewards=rewards[None, :, None],
            terminal=np.ones((1, 4, 1), np.bool_), observations=np.arange(1), starts=np.array([0]),
        )
    )  # fmt: skip


def world(tables: Tables) -> gym.Env[Any, Any]:
    states, m = len(tables.observations), tables.rewards.shape[-1]
    bounds = gym.spaces.Box(-1e3, 1e3, (m,))
    return SingleEnv(FiniteEnv(1, tables=tables, observation_space=gym.spaces.Discrete(states), reward_space=bounds))


def returned(learner: Any) -> Array:
    candidates = candidates_of(learner)
    evaluator = Evaluator(learner.env, Evaluation(episodes=1), gamma=learner.gamma, device=CPU)
    return evaluator([c.policy for c in candidates], weights=np.stack([c.weights for c in candidates])).mean()


# --- what is remembered ----------------------------------------------------------------------------------------------------


def archive(capacity: int = 3, **more: Any) -> EpisodeArchive:
    given: dict[str, Any] = {"dominance": Pareto(), "crowding_distance": 0.2, "crowding_penalty": 1.0} | more
    return EpisodeArchive(1, 1, 2, capacity=capacity, device=CPU, **given)


def played(*returns: tuple[float, float], lengths: tuple[int, ...] | None = None) -> Episodes:
    """Episodes whose steps are numbered by the episode, all reward at the end."""
    steps = lengths or (2,) * len(returns)
    parts = [(i, r, h) for i, (r, n) in enumerate(zip(returns, steps, strict=True)) for h in range(n, 0, -1)]
    names = torch.tensor([[float(i)] for i, _, _ in parts])
    desired = torch.tensor([list(r) for _, r, _ in parts], dtype=torch.float64)
    return Episodes(names, names, desired, torch.tensor([[float(h)] for _, _, h in parts], dtype=torch.float64))


def test_crowded_episodes_go_first_although_nothing_dominates_them() -> None:
    """In the published code their score of 0 is doubled: nothing happens, and the lonely ones may be dropped."""
    returns = np.array([[0.0, 1.0], [0.05, 0.99], [1.0, 0.0], [0.1, 0.98]])
    best = np.ones(4, dtype=np.bool_)
    scores = episode_scores(returns, best, crowding_distance=0.2, crowding_penalty=1.0)
    assert scores[2] == 0.0
    assert sorted(scores == 0.0) == [False, False, True, True], "one of those that are close is not crowded"
    assert not episode_scores(returns, best, crowding_distance=0.0, crowding_penalty=1.0).any()


def test_the_lonely_and_good_stay_and_copies_go() -> None:
    memory = archive(3)
    memory.add(played((0.0, 10.0), (10.0, 0.0), (0.0, 10.0)))
    memory.add(played((0.0, 10.0), (5.0, 1.0), (-9.0, -9.0)))
    assert sorted(map(tuple, memory.returns.tolist())) == [(0.0, 10.0), (5.0, 1.0), (10.0, 0.0)]
    assert memory.best.tolist() == [True, True, True]
    assert (memory.low.tolist(), memory.high.tolist()) == ([-9.0, -9.0], [10.0, 10.0]), "what was seen, not what is left"


@example(seed=202_080_318, capacity=2)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), capacity=st.integers(2, 9))
def test_a_front_that_fits_is_never_forgotten(seed: int, capacity: int) -> None:
    rng = np.random.default_rng(seed)
    memory, seen = archive(capacity), np.zeros((0, 2))
    for _ in range(6):
        batch = rng.integers(0, 5, (4, 2)).astype(float)
        memory.add(played(*map(tuple, batch)))
        seen = np.concatenate([seen, batch])
        assert len(memory) == min(len(seen), capacity)
        front = {tuple(x) for x in seen[Pareto()(seen, seen.min(0), seen.max(0))]}
        if len(front) > min(capacity, 5):
            return  # Some had to go, and those may be on a later, smaller front.
        # Nothing dominated, not even a lonely one, is worth more than what is 0.2 of the range away from the rest of the front.
        assert front <= {tuple(x) for x in memory.returns}


@given(seed=st.integers(0, 2**31))
def test_every_episode_is_drawn_equally_often_and_every_step_with_its_labels(seed: int) -> None:
    memory = archive(9)
    memory.add(played((0.0, 3.0), (1.0, 2.0), (2.0, 1.0), lengths=(1, 30, 4)))
    names, actions, desired, left = memory.sample(600, torch.Generator().manual_seed(seed))
    assert torch.equal(names, actions)
    counts = torch.bincount(names[:, 0].long(), minlength=3)
    assert counts.min() > 120
    np.testing.assert_array_equal(desired[:, 0], names[:, 0])
    lengths = torch.tensor([1.0, 30.0, 4.0])[names[:, 0].long()]
    assert bool(((left[:, 0] >= 1) & (left[:, 0] <= lengths)).all())


def test_commands_ask_for_more_or_trade() -> None:
    front, lengths = np.array([[0.0, 4.0], [3.0, 1.0]]), np.array([2.0, 9.0])
    spread, rng = np.array([1.0, 2.0]), np.random.default_rng(0)
    for trade in (0.0, 1.0):
        desired, horizon = drawn_commands(front, lengths, spread, haste=0.0, trade=trade, count=200, rng=rng)
        change = np.where((np.abs(desired[:, :1] - front[:1, 0]) < 1.01), desired - front[0], desired - front[1])
        assert ((change > 0).sum(1) == 1).all()
        assert ((change < 0).sum(1) == trade).all()
        assert (np.abs(change) <= spread).all()
        assert set(horizon[:, 0]) == ({2.0, 9.0} if trade else {1.0, 7.0})


# --- what is returned ------------------------------------------------------------------------------------------------------


def optimal_episodes(tables: Tables, front: Array, gamma: float) -> list[tuple[list[int], list[int], Array]]:
    """States, actions and rewards of one episode for every point of the front."""
    found: dict[tuple[float, ...], tuple[list[int], list[int], Array]] = {}
    pending: list[tuple[int, list[int], list[int], list[Array]]] = [(0, [], [], [])]
    while pending:
        state, states, actions, rewards = pending.pop()
        for action in range(tables.successors.shape[1]):
            reward = tables.rewards[state, action, 0]
            path = ([*states, state], [*actions, action], [*rewards, reward])
            if not tables.terminal[state, action, 0]:
                pending.append((int(tables.successors[state, action, 0]), *path))
                continue
            total = sum((gamma**t * r for t, r in enumerate(path[2])), np.zeros(reward.shape))
            distance = np.abs(front - total).max(1)
            if distance.min() < 1e-9:
                found.setdefault(tuple(front[distance.argmin()]), (path[0], path[1], np.stack(path[2])))
    return list(found.values())


@pytest.mark.parametrize(("seed", "m", "gamma"), [(0, 3, 1.0), (1, 3, 0.9), (2, 4, 0.9)])
def test_who_remembers_all_that_is_optimal_reproduces_every_command(seed: int, m: int, gamma: float) -> None:
    tables = random_process(
        np.random.default_rng(seed), states=8, objectives=m, deterministic=True, acyclic=True, end=0.05, largest_reward=9
    )
    front = pareto_value_iteration(tables, gamma).values
    episodes = optimal_episodes(tables, front, gamma)
    assert len(episodes) == len(front) > 4
    solver = PCN(gamma=gamma, archive_size=1_000, warm_up_episodes=1, rows_per_member=1)
    learner = solver.make(make_problem(lambda: world(tables)), None, seed=0, device=CPU)
    for states, actions, rewards in episodes:
        learner.rollout.clear()
        for state, action, reward in zip(states, actions, rewards, strict=True):
            learner.rollout.add(
                np.array([0]), input=learner.encoder(torch.tensor([state])), action=torch.tensor([[float(action)]]),
                reward=torch.as_tensor(reward, dtype=torch.float32)[None],
            )  # fmt: skip
        learner._archive(np.array([0]))
    for _ in range(6):
        learner.learn_from_archive(400)
        result = returned(learner)
        menu = candidates_of(learner)[0].policy.menu  # type: ignore[attr-defined]
        if np.abs(result - menu).max() < 1e-5:
            break
    np.testing.assert_allclose(result, menu, atol=1e-5)
    np.testing.assert_allclose(np.sort(menu, 0), np.sort(front, 0), atol=1e-9)


def test_the_walk_room_is_complete_in_memory_and_in_what_the_network_returns() -> None:
    truth = ordered(WalkRoom(1, num_objectives=2).undiscounted_front())
    room = {"id": "tabular/walk-room-v0", "num_objectives": 2, "max_episode_steps": 60}
    learner = PCN(gamma=1.0).make(make_problem(room), None, seed=0, device=CPU)
    while not np.array_equal(ordered(learner.archive.returns[learner.archive.best]), truth):
        learner.learn(1_000)
        assert learner.member_steps.sum() < 30_000
    learner.learn_from_archive(500)
    np.testing.assert_array_equal(ordered(returned(learner)), truth)


def ordered(values: Array) -> Array:
    return np.unique(values, axis=0)


def test_training_and_policies_ask_the_network_the_same() -> None:
    learner = PCN(**SMALL, gamma=0.9).make(make_problem(CORRIDOR), None, seed=0, device=CPU)
    learner.learn(300)
    policy = candidates_of(learner)[0].policy
    assert isinstance(policy, ReturnConditionedPolicy)
    told = {"returns": torch.randn(1, 6, 2).double(), "horizon": torch.rand(1, 6, 1).double() * 5 + 1}
    observations = torch.arange(6).reshape(1, 6)
    theirs = policy._outputs(policy._inputs(observations), told)[0]
    ours = learner.evaluate_network(
        learner.network_parameters, learner.encoder(observations[0]), told["returns"][0], told["horizon"][0]
    )
    torch.testing.assert_close(theirs, ours)


# --- chance, and bad input -------------------------------------------------------------------------------------------------


def test_chance_is_refused_or_told(caplog: pytest.LogCaptureFixture) -> None:
    problem = (
        make_problem("tabular/river-swim-v0")
        if "tabular/river-swim-v0" in gym.registry
        else make_problem("resource-gathering-v0")
    )
    with pytest.raises(CapabilityError, match=r"PCN learns what an episode returned.*set stochastic: warn") as refused:
        PCN(**SMALL).make(problem, None, seed=0, device=CPU)
    assert "\n" not in str(refused.value)
    with caplog.at_level(logging.WARNING):
        PCN(**SMALL, stochastic="warn").make(problem, None, seed=0, device=CPU)
    assert "candidates may return less than they were asked for" in caplog.text


def test_what_cannot_work_is_refused() -> None:
    assert isinstance(PCN(), ChoosesTasks)
    with pytest.raises(CapabilityError, match="PCN inside MORL/D is not supported: it finds a whole front"):
        MORLD(solver=PCN())
    with pytest.raises(CapabilityError, match=r"set no preference: result\.policy"):
        PCN().run(CORRIDOR, env_steps=10, weights=[0.5, 0.5])
    with pytest.raises(ConfigurationError, match=r"Lorenz.low has 3 numbers but there are 2 objectives"):
        PCN(dominance=Lorenz(low=(0, 0, 0), high=(1, 1, 1))).run(CORRIDOR, env_steps=10)


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (PCN, {"gamma": 0.0}, "gamma"),
        (PCN, {"archive_size": 1}, "archive_size"),
        (PCN, {"stochastic": "ignore"}, "stochastic"),
        (PCN, {"trade": 1.5}, "trade"),
        (Lorenz, {"sorted_share": 2.0}, "sorted_share"),
        (Lorenz, {"low": (0.0, 0.0)}, "both low and high"),
        (Lorenz, {"low": (0.0, 0.0), "high": (1.0,)}, "2 numbers but Lorenz.high has 1"),
        (Lorenz, {"low": (0.0, 0.0), "high": (1.0, 0.0)}, "must be above"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**wrong)


def test_episodes_that_were_changed_are_refused() -> None:
    learner = PCN(**SMALL).make(make_problem(CORRIDOR), None, seed=0, device=CPU)
    learner.learn(100)
    state = learner.state()
    key = next(name for name in state if name.endswith("archive/left"))
    for wrong, message in (
        (state[key] + 1, "count their steps down to 1"),
        (state[key][:-1], r"have shape \(\d+, 1\)|down to 1"),
    ):
        with pytest.raises(CheckpointError, match=message):
            learner.load_state(state | {key: wrong})
