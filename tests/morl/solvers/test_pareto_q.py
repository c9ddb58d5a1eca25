"""Pareto Q-learning: sets against enumeration, policies that keep their promise, bounds, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.capabilities import ChoosesTasks
from morl.errors import CapabilityError, CheckpointError, ConfigurationError, TrainingDiverged
from morl.evaluation import Evaluation, Evaluator, candidates_of
from morl.functional.bounded_front import bounded_front
from morl.functional.dominance import non_dominated
from morl.policies import TabularPolicy
from morl.policies.tracking import TrackingPolicy, naming_weights
from morl.problem import make_problem
from morl.solvers import MORLD, ParetoQLearning
from morl.solvers.pareto_q.scores import SCORES
from morl.solvers.pareto_q.sets import ValueSets
from morl.testing import check_policy
from morl.testing.solver import difference, through_files
from robust import IWOCS
from tests.strategies import Array, value_sets

CPU = torch.device("cpu")
CONCAVE, CORRIDOR = "deep-sea-treasure-concave-v0", "tabular/treasure-corridor-v0"
SIGNS = {"costs": (-5, 0), "gains": (1, 6), "both": (-3, 4)}
END = -1

# --- small deterministic worlds ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Tables of a deterministic world; an action that ends shows some other state's number."""

    next_states: npt.NDArray[np.int64]
    """``(S, A)``, -1 for an end."""
    rewards: Array
    """``(S, A, m)``, whole numbers."""
    start: int

    @staticmethod
    def draw(seed: int, *, m: int, sign: str, states: int = 7, actions: int = 3, cyclic: bool = False) -> World:
        rng = np.random.default_rng(seed)
        # Where states follow each other, none comes twice; their numbers say nothing about the order.
        number = rng.permutation(states)
        after = np.full((states, actions), END)
        for place in range(states):
            low = 0 if cyclic else place + 1
            after[number[place]] = [END if low >= states else number[rng.integers(low, states)] for _ in range(actions)]
            after[number[place], rng.random(actions) < 0.2] = END
        return World(after, rng.integers(*SIGNS[sign], (states, actions, m)).astype(float), int(number[0]))

    def returns(self, gamma: float, state: int, seen: frozenset[int] = frozenset()) -> list[Array]:
        """Returns of all action sequences that end and come to no state twice."""
        found = []
        for following, reward in zip(self.next_states[state].tolist(), self.rewards[state], strict=True):
            if following == END:
                found.append(reward)
            elif following not in seen | {state}:
                found += [reward + gamma * rest for rest in self.returns(gamma, following, seen | {state})]
        return found

    def front(self, gamma: float) -> Array:
        return ordered(np.stack(self.returns(gamma, self.start)))

    def make(self) -> gym.Env[Any, Any]:
        return Walk(self)


class Walk(gym.Env[Any, Any]):
    def __init__(self, world: World) -> None:
        states, actions, m = world.rewards.shape
        self.world = world
        self.observation_space, self.action_space = spaces.Discrete(states), spaces.Discrete(actions)
        self.reward_space = spaces.Box(-10.0, 10.0, (m,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state, self.steps = self.world.start, 0
        return self.state, {}

    def step(self, action: Any) -> Any:
        world, before = self.world, self.state
        self.steps += 1
        following = int(world.next_states[before, action])
        self.state = following if following != END else (before + 1) % len(world.rewards)
        return self.state, world.rewards[before, action].astype(np.float32), following == END, self.steps >= 60, {}


def ordered(values: Array) -> Array:
    front = values[non_dominated(values)]
    return front[np.lexsort(front.T[::-1])]


def trained(env: Any, solver: ParetoQLearning | None = None, *, most: int = 4_000, seed: int = 0) -> Any:
    learner: Any = (solver or ParetoQLearning()).make(make_problem(env), None, seed=seed, device=CPU)
    spent = 0
    while not learner.is_finished and spent < most:
        spent += learner.learn(100)["training"]
    return learner


def judged(learner: Any) -> tuple[Array, Array]:
    """What the candidates promise, in order, and what they return."""
    candidates = candidates_of(learner)
    evaluator = Evaluator(learner.env, Evaluation(episodes=2), gamma=learner.gamma, device=CPU)
    returns = evaluator([c.policy for c in candidates], weights=np.stack([c.weights for c in candidates]))
    promised = np.concatenate([c.policy.at(c.weights).targets.numpy() for c in candidates])  # type: ignore[attr-defined]
    assert np.ptp(returns.discounted, axis=2).max() == 0
    return promised, returns.mean()


# --- against enumeration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", SIGNS)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**31), m=st.integers(2, 4), gamma=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_sets_and_returns_are_those_of_all_policies(sign: str, seed: int, m: int, gamma: float) -> None:
    world = World.draw(seed, m=m, sign=sign)
    learner = trained(world.make, ParetoQLearning(gamma=gamma))
    assert learner.is_finished
    promised, returned = judged(learner)
    np.testing.assert_allclose(ordered(promised), world.front(gamma), atol=1e-12)
    np.testing.assert_allclose(returned, promised, atol=1e-5)  # rewards are discounted in single precision
    certificate = learner.report().certificate
    assert certificate.proven
    assert certificate.upper < 1e-6
    for state in np.flatnonzero(learner.sets.reached):
        expected = ordered(np.stack(world.returns(gamma, int(state))))
        np.testing.assert_allclose(ordered(learner.sets.vectors[state]), expected, atol=1e-12)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**31), sign=st.sampled_from(list(SIGNS)))
def test_worlds_with_circles_settle_too(seed: int, sign: str) -> None:
    """Going round costs more and more without a discount; with one it may pay, and the front is infinite."""
    world = World.draw(seed, m=2, sign=sign, states=6, cyclic=True)
    gamma = 1.0 if sign == "costs" else 0.9
    learner = trained(world.make, ParetoQLearning(gamma=gamma, max_vectors=20), most=1_500)
    assert learner.is_finished
    if not len(learner.sets.vectors[learner.start]):
        return  # nothing that begins here ends
    promised, returned = judged(learner)
    if sign == "costs":
        np.testing.assert_allclose(ordered(promised), world.front(gamma), atol=1e-9)
    # What is cut by the time limit of 60 steps is worth no more.
    slack = learner.sets.error_bound(None)[learner.start] + 6 * 0.9**60 / 0.1
    assert (returned >= promised - slack).all()
    assert ((world.front(gamma)[:, None] <= returned + slack).all(-1)).any(1).all()


@pytest.mark.parametrize("exploration", ["untried", "random"])
@pytest.mark.parametrize("score", SCORES)
def test_every_way_of_choosing_finds_all_points_of_the_concave_map(score: Any, exploration: Any) -> None:
    solver = ParetoQLearning(score=score, exploration=exploration, gamma=1.0, epsilon_end=0.5, rows_per_member=8)
    learner = trained(CONCAVE, solver, most=3_000 if exploration == "untried" else 6_000)
    front = make_problem(CONCAVE).make_env().unwrapped.pareto_front(gamma=1.0)  # type: ignore[attr-defined]
    promised, returned = judged(learner)
    np.testing.assert_allclose(ordered(returned), ordered(np.array(front)), atol=1e-5)
    assert (returned == promised).all()
    assert learner.is_finished or exploration == "random"


def test_actions_that_nobody_took_come_first_and_ties_are_drawn() -> None:
    solver = ParetoQLearning(epsilon_start=0.0, epsilon_end=0.0, rows_per_member=200)
    learner: Any = solver.make(make_problem(CORRIDOR), None, seed=0, device=CPU)
    learner.learn(200)
    assert (learner.sets.next_states[learner.start] != -1).all()
    shares = np.bincount(learner._taken, minlength=2) / 200
    assert shares == pytest.approx(0.5, abs=0.15)


def test_scores() -> None:
    values, actions = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [0.0, 0.0]]), np.array([0, 0, 1, 1, 3])
    given_ = {"num_actions": 4, "reference": np.zeros(2)}
    assert SCORES["hypervolume"](values, actions, **given_).tolist() == [5.0, 5.0, 0.0, 0.0]
    assert SCORES["cardinality"](values, actions, **given_).tolist() == [2.0, 2.0, 0.0, 0.0]
    assert SCORES["pareto"](values, actions, **given_).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert SCORES["pareto"](values[:0], actions[:0], **given_).tolist() == [0.0] * 4


# --- bounded sets --------------------------------------------------------------------------------------------------------


@given(values=value_sets(min_size=1), most=st.integers(1, 6), resolution=st.sampled_from([0.0, 1e-9, 0.2]))
def test_a_bounded_front_loses_no_more_than_it_says(values: Array, most: int, resolution: float) -> None:
    unit = np.full(values.shape[1], 3.0)
    index, lost = bounded_front(values, unit=unit, resolution=resolution, most=most)
    front, kept = values[non_dominated(values)], values[index]
    assert 1 <= len(index) <= most
    assert non_dominated(kept).all()
    is_met = np.all(front[:, None] - kept <= lost + 1e-12, axis=-1)
    assert np.any(is_met, axis=1).all()
    if len(front) <= most:
        assert lost.max() <= resolution * 3.0 + 1e-12
        assert resolution > 1e-9 or len(kept) == len(front)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**31), most=st.integers(1, 5), gamma=st.sampled_from([0.9, 1.0]), resolution=st.sampled_from([0, 0.1])
)
def test_the_certificate_bounds_what_pruning_lost(seed: int, most: int, gamma: float, resolution: float) -> None:
    world = World.draw(seed, m=3, sign="both", states=8)
    learner = trained(world.make, ParetoQLearning(gamma=gamma, max_vectors=most, resolution=resolution))
    assert learner.is_finished
    sets, front = learner.sets, world.front(gamma)
    kept = sets.vectors[learner.start]
    assert max(map(len, sets.vectors)) <= most
    bound = sets.error_bound(None)[learner.start]
    assert ((front[:, None] - kept <= bound + 1e-9).all(-1)).any(1).all()
    certificate = learner.report().certificate
    assert certificate.proven
    assert certificate.gap == certificate.upper == bound.max()
    promised, returned = judged(learner)
    assert (returned >= promised - bound - 1e-6).all()
    assert ((front[:, None] - returned <= bound + 1e-6).all(-1)).any(1).all()


def test_errors_add_up_over_steps_and_in_circles() -> None:
    sets = ValueSets(3, 1, 2, gamma=0.5, resolution=0.0, most=9)
    states = np.arange(3)
    sets.reach(states)
    sets.record(states, np.zeros(3, np.int64), np.ones((3, 2)), np.array([1, 2, 0]), np.array([False, False, True]))
    sets.lost[:] = [[0.0, 1.0], [0.0, 2.0], [4.0, 0.0]]
    assert sets.error_bound(None).tolist() == [[1.0, 2.0], [2.0, 2.0], [4.0, 0.0]]
    assert sets.error_bound(2).tolist() == [[1.0, 2.0], [2.0, 2.0], [4.0, 0.0]]
    sets.ends[2] = False
    assert (sets.error_bound(None) >= 2.0).all()
    assert (sets.error_bound(None) <= 8.0).all()
    sets.gamma = 1.0
    assert np.isinf(sets.error_bound(None)).all()
    assert sets.error_bound(3)[0].tolist() == [4.0, 4.0]


def test_returns_that_grow_without_end_are_told() -> None:
    pays = World(np.array([[0, END]]), np.array([[[1.0, -1.0], [0.0, 0.0]]]), 0)
    with pytest.raises(TrainingDiverged, match=r"state 0 grow without end.*set gamma below 1"):
        trained(pays.make, ParetoQLearning(gamma=1.0))
    learner = trained(pays.make, ParetoQLearning(gamma=0.9, max_vectors=20))
    assert len(learner.sets.vectors[0]) <= 20
    assert np.abs(learner.sets.vectors[0]).max() <= 10.0


# --- policies ------------------------------------------------------------------------------------------------------------


@given(values=value_sets(min_size=1))
def test_every_vector_has_weights_that_name_it(values: Array) -> None:
    front = values[non_dominated(values)]
    weights = naming_weights(front)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    assert (weights > 0).all()
    policy = policy_over(front)
    for vector, w in zip(front, weights, strict=True):
        assert policy.at(w).targets.tolist() == [vector.tolist()]


def policy_over(front: Array) -> TrackingPolicy:
    """One state, one action for each vector."""
    actions = torch.arange(len(front))[None]
    return TrackingPolicy(
        spaces.Discrete(1), spaces.Discrete(len(front)), 0.9, 0, torch.tensor([[len(front)]]), torch.from_numpy(front)[None],
        actions, torch.ones(1, front.shape[1]).double(), torch.zeros(1, front.shape[1]).double(),
    )  # fmt: skip


def test_a_policy_is_followed_from_outside_and_through_files(tmp_path: Path) -> None:
    from morl.policies import load_policy

    learner = trained(CONCAVE, ParetoQLearning(gamma=0.9))
    (policy,) = learner.policies()
    check_policy(policy)
    assert len({id(candidate.policy) for candidate in learner.candidates()}) == 1
    env = make_problem(CONCAVE).make_env()
    loaded: Any = load_policy(policy.save(tmp_path))
    for candidate in candidates_of(learner)[::4]:
        own = loaded.at(candidate.weights)
        check_policy(own)
        memory, total, discount, over = own.memory(1), np.zeros(2), 1.0, False
        observation, _ = env.reset(seed=3)
        for _ in range(2):  # the memory begins anew by itself
            while not over:
                action = own.act(observation[None], memory)
                before = torch.from_numpy(np.asarray(observation)[None]).long()
                observation, reward, over, _, _ = env.step(int(action[0]))
                reward = np.asarray(reward, np.float32).astype(np.float64)
                after = torch.from_numpy(np.asarray(observation)[None]).long()
                step = (torch.from_numpy(action), torch.from_numpy(reward)[None], after)
                memory = own.observe(memory, before, *step, torch.tensor([over]))
                total, discount = total + discount * reward, discount * 0.9
            np.testing.assert_allclose(total, own.targets[0], rtol=1e-12)
            total, discount, over = np.zeros(2), 1.0, False
            observation, _ = env.reset(seed=4)


def test_candidates_are_evaluated_in_one_pass_and_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    original = TrackingPolicy.act_stacked

    def spy(self: Any, observations: Any, *rest: Any) -> Any:
        batches.append(tuple(observations.shape[:2]))
        return original(self, observations, *rest)

    monkeypatch.setattr(TrackingPolicy, "act_stacked", spy)
    result = ParetoQLearning(gamma=1.0).run(CONCAVE, env_steps=4_000, evaluation=Evaluation(episodes=1, period=4_000))
    assert set(batches) == {(1, 1), (10, 1)}
    assert result.metrics[-1]["env_steps"] < 4_000, "the run ends by itself"
    assert result.certificate is not None
    assert result.certificate.proven
    assert result.certificate.upper == 0.0
    state = result.archive.state()
    assert sum(key.endswith("/tensors/vectors") for key in state) == 1
    archive = result.archive.fresh()
    archive.load_state(through_files(state))
    judge = Evaluator(make_problem(CONCAVE), Evaluation(episodes=1), gamma=1.0, device=CPU)
    again = judge([entry.policy for entry in archive], weights=archive.weights).mean()
    np.testing.assert_array_equal(again, archive.values)
    best: Any = result.policy([1.0, 0.0])
    assert best.targets.tolist() == [[124.0, -19.0]]


def test_a_damaged_state_is_refused() -> None:
    learner = trained(CORRIDOR, most=40)
    state = learner.state()
    for name, wrong, message in (
        ("counts", state["own/sets/counts"] + 1, "do not belong together"),
        ("rewards", state["own/sets/rewards"][:-1], "saved rewards have shape"),
    ):
        other: Any = ParetoQLearning().make(make_problem(CORRIDOR), None, seed=0, device=CPU)
        with pytest.raises(CheckpointError, match=message):
            other.load_state({**state, f"own/sets/{name}": wrong})


def test_what_changes_is_in_the_state() -> None:
    """In the middle of everything, with states that wait."""
    solver = ParetoQLearning(backups_per_step=1, rows_per_member=3)
    learner: Any = solver.make(make_problem(CONCAVE), None, seed=0, device=CPU)
    learner.learn(120)
    assert learner.sets.waiting.any()
    other: Any = solver.make(make_problem(CONCAVE), None, seed=0, device=CPU)
    other.load_state(through_files(learner.state()))
    for each in (learner, other):
        each.learn(300)
    assert difference(learner.state(), other.state()) is None
    names = ("_before", "_queue", "_last", "_untried", "_count")
    assert all(getattr(learner.sets, name) == getattr(other.sets, name) for name in names)
    assert (learner.sets._pays == other.sets._pays).all()


# --- refusals ------------------------------------------------------------------------------------------------------------


class Chancy(gym.Env[Any, Any]):
    """A line in which chance has a say in one thing, from some place on."""

    observation_space = spaces.Discrete(60)
    action_space = spaces.Discrete(2)
    reward_space = spaces.Box(-1.0, 1.0, (2,))

    def __init__(self, what: str, place: int) -> None:
        self.what, self.place = what, place

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.episodes = getattr(self, "episodes", 0) + 1
        begins_elsewhere = self.what == "start" and (self.place == 0 or self.episodes > 1)
        self.state = int(self.np_random.integers(20)) if begins_elsewhere else 0
        return self.state, {}

    def step(self, action: Any) -> Any:
        chance = self.np_random.random() if self.state >= self.place else 0.0
        self.state += 2 if self.what == "move" and chance > 0.5 else 1
        reward = np.array([chance if self.what == "reward" else 1.0, -1.0], np.float32)
        return self.state, reward, self.state >= 50 or (self.what == "end" and chance > 0.5), False, {}


@pytest.mark.parametrize(
    ("what", "place", "message"),
    [
        ("start", 0, "begins elsewhere with every seed"),
        ("start", 1, r"episodes began in state 0, then in state \d+"),
        ("move", 3, "action [01] at observation 3 leads elsewhere with every seed"),
        ("reward", 0, "action [01] at observation 0 pays otherwise with every seed"),
        ("end", 2, "action [01] at observation 2 ends episodes by chance"),
        ("move", 40, r"action [01] in state 4\d led to state 4\d, then to state 4\d"),
        ("reward", 40, r"action [01] in state 4\d paid \[0\.\d+, -1\.0\], then \[0\.\d+, -1\.0\]"),
        ("end", 40, r"action [01] in state 4\d led to (state 4\d|an end), then to (state 4\d|an end)"),
    ],
)
def test_chance_is_refused_in_one_line(what: str, place: int, message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as refused:
        trained(lambda: Chancy(what, place))
    assert "use MORLD with MOQLearning" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_world_without_an_end_is_told() -> None:
    endless = World(np.array([[0, 0]]), np.zeros((1, 2, 2)), 0)
    learner: Any = ParetoQLearning().make(make_problem(endless.make), None, seed=0, device=CPU)
    learner.learn(200)
    assert "no episode ended by itself" in learner.waits_for()
    assert learner.report().certificate is None
    assert [candidate.policy.act(np.zeros(3, np.int64)).tolist() for candidate in candidates_of(learner)] == [[0, 0, 0]]
    assert trained(CORRIDOR).waits_for() == ""


def test_what_cannot_work_is_refused() -> None:
    solver = ParetoQLearning()
    assert isinstance(solver, ChoosesTasks)
    with pytest.raises(CapabilityError, match="ParetoQLearning inside MORL/D is not supported: it finds a whole front"):
        MORLD(solver=solver)
    with pytest.raises(CapabilityError, match="ParetoQLearning inside IWOCS is not supported"):
        IWOCS(solver=solver)
    with pytest.raises(CapabilityError, match=r"set no preference: result\.policy"):
        solver.run(CORRIDOR, env_steps=10, weights=[0.5, 0.5])
    with pytest.raises(CapabilityError, match=r"reference_point has 3 numbers but .* has 2"):
        trained(CORRIDOR, ParetoQLearning(reference_point=(0.0, 0.0, 0.0)))
    with pytest.raises(CapabilityError, match="integral observations"):
        trained({"id": "deep-sea-treasure-v0", "float_state": True})
    with pytest.raises(CapabilityError, match="ParetoQLearning needs a MultiDiscrete, MultiBinary or Discrete"):
        trained("continuous/two-targets-v0")
    assert isinstance(
        TabularPolicy(spaces.Discrete(1), spaces.Discrete(1), torch.zeros(1, 1).long()).at(np.ones(2)), TabularPolicy
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon_end": 1.5},
        {"score": "best"},
        {"exploration": "curious"},
        {"max_vectors": 0},
        {"resolution": 1.0},
        {"gamma": 2},
    ],
)
def test_fields_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        ParetoQLearning(**wrong)
