"""Rows: plain environments and native ones alike, replay, and environments that break their word."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from envs.parametric import Parameter, ParameterSpace
from morl.errors import CapabilityError, EnvironmentFault
from morl.problem import make_problem
from morl.rows import BatchedRows
from morl.testing.solver import difference, through_files

CPU = torch.device("cpu")


class Walk(gym.Env[Any, Any]):
    """A random walk that ends after as many steps as its seed says."""

    observation_space: gym.Space[Any] = spaces.Box(-10.0, 10.0, (2,), np.float64)
    action_space: gym.Space[Any] = spaces.Discrete(3, start=-1)
    reward_space = spaces.Box(-1.0, 1.0, (2,))
    parameter_space = ParameterSpace((Parameter(name="shift", nominal=0.0, low=-9.0, high=9.0, smallest=-9.0),))
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        assert seed is not None, "rows are always reset with a seed"
        self.left = 3 + seed % 100
        self.x = self.np_random.uniform(-1, 1, 2)
        if options:
            self.x = self.x + self.parameter_space.vector(options["params"], current=self.parameter_space.nominal)[0]
        return self.x.copy(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        assert self.left > 0, "stepped after its end"
        self.left -= 1
        self.x = self.x + 0.1 * action + 0.01 * self.np_random.normal(size=2)
        return self.x.copy(), np.array([self.x[0], 1.0], np.float32), self.left == 0, False, {}


class Parts(gym.Env[Any, Any]):
    """Two components that pay what they show."""

    observation_space: gym.Space[Any] = spaces.MultiDiscrete([3, 3])
    action_space: gym.Space[Any] = spaces.MultiBinary(2)
    reward_parts = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.int64), {}

    def step(self, action: Any) -> Any:
        states = self.np_random.integers(3, size=2)
        self.reward_parts = states.astype(float)
        return states, float(states.sum()), False, False, {}


def test_parts_of_rewards_are_those_of_the_last_step_and_add_up() -> None:
    rows = make_problem(Parts).rows(3, device=CPU)
    assert rows.num_reward_parts == 2
    assert make_problem(Walk).rows(1, device=CPU).num_reward_parts == 1
    rows.reset(np.arange(3), [0, 1, 2])
    rows.step(torch.zeros(3, 2), np.arange(3))
    some = np.array([2, 0])
    observations, rewards, _, _ = rows.step(torch.zeros(2, 2), some)
    assert torch.equal(rows.reward_parts(some, rewards), observations.float())
    with pytest.raises(EnvironmentFault, match="add up to"):
        rows.reward_parts(some, rewards + 0.5)


def test_true_final_observations_and_no_reset_by_itself() -> None:
    rows = make_problem(Walk).rows(2, device=CPU)
    first = rows.reset(np.arange(2), [0, 1])
    assert first.dtype == torch.float32
    for t in range(3):
        observations, rewards, terminated, truncated = rows.step(torch.tensor([2, 0]), np.arange(2))
        assert rewards.shape == (2, 2)
        assert terminated.tolist() == [t == 2, False]
    # Actions count from 0; the environment's own start at -1.
    assert observations[0, 0] > first[0, 0] + 0.2
    assert observations[1, 0] < first[1, 0] - 0.2
    torch.testing.assert_close(rewards[:, 0], observations[:, 0])
    assert not truncated.any()
    with pytest.raises(EnvironmentFault, match="after its end"):
        rows.step(torch.tensor([0]), np.array([0]))
    rows.step(torch.tensor([0]), np.array([1]))


@pytest.mark.parametrize("env", [Walk, "deep-sea-treasure-v0", "continuous/two-targets-v0", "mo-mountaincar-v0"])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_saved_position_is_reached_again(env: Any, steps: int) -> None:
    problem = make_problem(env)
    rows, other = (problem.rows(4, device=CPU) for _ in range(2))
    space = problem.spec.action_space
    space.seed(0)
    begun = np.array([0, 1, 3])
    seeds = [97, 98, 99]
    rows.reset(begun, seeds)
    last = None
    for t in range(steps):
        some = begun if t % 2 == 0 else begun[1:]
        actions = np.stack([space.sample() for _ in some])
        if isinstance(space, spaces.Discrete):
            # To the right in the sea, where no treasure ends the episode.
            actions = np.full(len(some), 3) if env == "deep-sea-treasure-v0" else actions - space.start
        last = rows.step(torch.as_tensor(actions), some)
    state = through_files(rows.state())
    observations = other.replay(state)
    assert observations is not None
    assert difference(rows.state(), other.state()) is None
    if last is not None:
        some = begun if (steps - 1) % 2 == 0 else begun[1:]
        assert torch.equal(observations[torch.from_numpy(some)], last[0])
    act = torch.as_tensor(np.stack([space.sample() for _ in range(3)]))
    act = act - int(space.start) if isinstance(space, spaces.Discrete) else act
    for mine, theirs in zip(rows.step(act, begun), other.step(act, begun), strict=True):
        assert torch.equal(mine, theirs)


def test_rows_that_never_started_have_no_position() -> None:
    rows = make_problem(Walk).rows(2, device=CPU)
    assert rows.replay(rows.state()) is None


def test_long_episodes_are_remembered() -> None:
    rows, other = (make_problem(Walk).rows(1, device=CPU) for _ in range(2))
    rows.reset(np.array([0]), [99])
    for t in range(100):
        expected = rows.step(torch.tensor([t % 3]), np.array([0]))[0]
    assert torch.equal(other.replay(rows.state()), expected)  # type: ignore[arg-type]
    rows.reset(np.array([0]), [5])
    assert rows.state()["actions"].shape[1] == 0


def test_dynamics_reach_the_environment_and_the_state() -> None:
    rows = make_problem(Walk).rows(2, device=CPU)
    plain = rows.reset(np.arange(2), [4, 4])
    moved = rows.reset(np.arange(2), [4, 4], torch.tensor([[5.0], [0.0]]))
    torch.testing.assert_close(moved - plain, torch.tensor([[5.0, 5.0], [0.0, 0.0]]))
    other = make_problem(Walk).rows(2, device=CPU)
    torch.testing.assert_close(other.replay(rows.state()), moved)
    # NaN and None stand for the nominal model, also after another one.
    assert torch.equal(rows.reset(np.array([0]), [4], torch.tensor([[torch.nan]])), plain[:1])
    rows.reset(np.array([0]), [4], torch.tensor([[5.0]]))
    assert torch.equal(rows.reset(np.array([0]), [4]), plain[:1])
    torch.testing.assert_close(other.replay(rows.state()), torch.stack([plain[0], moved[1]]))


def test_dynamics_of_an_environment_that_has_none_to_set() -> None:
    rows = make_problem("tabular/identity-v0").rows(1, device=CPU)
    with pytest.raises(CapabilityError, match="cannot be set; use an environment with a parameter_space"):
        rows.reset(np.array([0]), [0], torch.ones(1, 1))


def broken(**changes: Any) -> type[Walk]:
    def step(self: Any, action: Any) -> Any:
        result = list(Walk.step(self, action))
        for position, value in changes["returns"].items():
            result[position] = value
        return tuple(result)

    return type("Broken", (Walk,), {"step": step})


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ({1: np.array([np.nan, 1.0])}, "non-finite reward: .*nan.*step 1 of the episode with seed 42"),
        ({1: np.array([1.0, np.inf])}, "non-finite reward: .*inf"),
        ({0: np.array([np.nan, 1.0])}, "non-finite observation: .*nan.*seed 42"),
        ({1: np.zeros(3)}, r"reward of shape \(3,\).*reward_space says \(2,\)"),
        ({1: 1.0}, r"reward of shape \(\).*reward_space says \(2,\)"),
        ({1: np.ones(1)}, r"reward of shape \(1,\).*reward_space says \(2,\)"),
        ({1: np.zeros((2, 1))}, r"reward of shape \(2, 1\).*reward_space says \(2,\)"),
        ({1: None}, "the reward None; expected 2 real number"),
        ({1: np.zeros(2, complex)}, "expected 2 real number"),
        ({1: ["a", "b"]}, "expected 2 real number"),
        ({1: np.array([1e39, 0.0])}, r"reward too large for float32: \[1e\+39"),
        ({0: 0.25}, r"observation of shape \(\); expected \(2,\).*step 1 of the episode with seed 42"),
        ({0: np.zeros(3)}, r"observation of shape \(3,\); expected \(2,\)"),
        ({0: np.zeros((2, 1))}, r"observation of shape \(2, 1\); expected \(2,\)"),
        ({0: {"x": 1.0}}, "a mapping as observation"),
        ({0: np.array([1e39, 0.0])}, r"observation too large for float32: \[1e\+39.*step 1 of the episode with seed 42"),
        ({2: np.zeros(2, np.bool_)}, "returned terminated=array.*expected True or False"),
        ({3: None}, "returned truncated=None; expected True or False"),
        ({3: {}}, "returned truncated={}"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_environments_that_break_their_word_are_named(returns: Any, message: str) -> None:
    rows = make_problem(broken(returns=returns)).rows(2, device=CPU)
    rows.reset(np.arange(2), [7, 42])
    with pytest.raises(EnvironmentFault, match=message) as caught:
        rows.step(torch.tensor([1]), np.array([1]))
    assert "\n" not in str(caught.value)
    assert "step 1 of the episode with seed 42" in str(caught.value)


@pytest.mark.parametrize(
    "returns",
    [{1: torch.ones(2)}, {1: [1, 1]}, {1: np.ones(2, np.int8)}, {0: [0.5, 0.5], 1: (1.0, 1.0)}, {0: torch.full((2,), 0.5)},
     {0: np.full(2, 0.5, np.float16)}, {2: np.bool_(False), 3: 0}, {2: torch.tensor(False)}],
    ids=str,
)  # fmt: skip
def test_other_types_that_mean_the_same_are_taken(returns: Any) -> None:
    same = {0: np.full(2, 0.5), 1: np.ones(2, np.float32), 2: False, 3: False}
    rows = make_problem(broken(returns={**same, **returns})).rows(2, device=CPU)
    rows.reset(np.arange(2), [7, 42])
    for _ in range(2):
        observations, rewards, terminated, truncated = rows.step(torch.tensor([0, 1]), np.arange(2))
        assert observations.tolist() == [[0.5, 0.5]] * 2
        assert rewards.tolist() == [[1.0, 1.0]] * 2
        assert not (terminated | truncated).any()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros(2), r"reset returned an array of shape \(2,\); expected two things.*return observation, {}"),
        ((0.25, {}), r"observation of shape \(\); expected \(2,\)"),
        ((np.zeros(2), None), r"returned 2 things \(ndarray, NoneType\)"),
        ([0.5, 0.25], "reset returned list"),
        (None, "reset returned NoneType"),
        ((np.full(2, np.inf), {}), "non-finite observation"),
    ],
    ids=str,
)
def test_a_reset_that_returns_something_else(returned: Any, message: str) -> None:
    made = type("Old", (Walk,), {"reset": lambda self, *, seed=None, options=None: returned})
    with pytest.raises(EnvironmentFault, match=message + ".*step 0 of the episode with seed 3"):
        make_problem(made).rows(1, device=CPU).reset(np.array([0]), [3])


def _exits(*arguments: Any, **options: Any) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize("method", ["reset", "step"])
def test_an_environment_that_ends_the_program_is_named(method: str) -> None:
    rows = make_problem(type("Exits", (Walk,), {method: _exits})).rows(1, device=CPU)
    with pytest.raises(EnvironmentFault, match=rf"the environment's {method} failed: it called sys.exit\(3\)"):
        _played(rows)


def _played(rows: Any) -> None:
    rows.reset(np.array([0]), [3])
    rows.step(torch.tensor([0]), np.array([0]))


def test_an_interrupt_is_no_fault() -> None:
    def interrupted(self: Any, action: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _played(make_problem(type("Interrupted", (Walk,), {"step": interrupted})).rows(1, device=CPU))


def test_every_row_needs_an_environment_of_its_own() -> None:
    one = Walk()
    with pytest.raises(EnvironmentFault, match=r"the same environment again and again.*lambda: gymnasium\.make"):
        make_problem(lambda: one).rows(2, device=CPU)


class Structured(Walk):
    """A walk seen as a mapping of parts."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Box(-10.0, 10.0, (2,), np.float32),
            "rest": spaces.Tuple((spaces.Discrete(200), spaces.MultiBinary(1))),
        }
    )

    def _seen(self) -> Any:
        return {"place": self.x.copy(), "rest": (self.left, [self.left % 2])}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed, options=options)
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        return self._seen(), *super().step(action)[1:]


def test_observations_with_parts_are_laid_out_flat() -> None:
    rows = make_problem(Structured).rows(2, device=CPU)
    first = rows.reset(np.arange(2), [0, 1])
    assert first.shape == (2, 4)
    assert first[:, 2:].tolist() == [[3, 1], [4, 0]]
    second = rows.step(torch.tensor([1, 1]), np.arange(2))[0]
    assert torch.equal(first[:, :2].float(), second[:, :2].float())
    assert torch.equal(rows.replay(rows.state()), second)  # type: ignore[arg-type]


class Foreign:
    """A batched environment of somebody else's."""

    num_envs = 2
    observation_space: gym.Space[Any] = spaces.Dict({"x": spaces.Discrete(3), "y": spaces.Box(-1.0, 1.0, (2,))})
    action_space = spaces.Discrete(2)
    reward_space = spaces.Box(-1.0, 1.0, (2,))
    max_episode_steps = 10

    def __init__(self, **changes: Any) -> None:
        right = {"observations": {"x": np.array([1, 2]), "y": np.ones((2, 2))}, "rewards": np.zeros((2, 2), np.float32)}
        self.returns = {**right, "terminated": np.zeros(2, np.bool_), "truncated": np.zeros(2, np.bool_), **changes}

    def reset(self, rows: Any, seeds: Any, dynamics: Any = None) -> Any:
        return {"x": np.array([1, 2]), "y": np.ones((2, 2))}

    def step(self, rows: Any, actions: Any) -> Any:
        return tuple(self.returns.values())


def test_a_foreign_batched_environment_may_have_parts() -> None:
    rows = BatchedRows(Foreign(), device=CPU)
    assert rows.reset(np.arange(2), [0, 1]).tolist() == [[1, 1, 1], [2, 1, 1]]
    assert rows.step(torch.zeros(2), np.arange(2))[1].shape == (2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observations": {"x": np.array([1, 2]), "y": np.ones((2, 1))}}, r"observation\['y'\] of shape \(2, 1\)"),
        ({"observations": {"x": np.array([1, 3]), "y": np.ones((2, 2))}}, r"observation\['x'\] 3, .*seed 1"),
        ({"observations": {"x": np.array([1]), "y": np.ones((1, 2))}}, "1 observations for 2 rows"),
        ({"rewards": np.zeros(2, np.float32)}, r"shape \(2,\) as rewards; expected an array of shape \(2, 2\)"),
        ({"terminated": np.zeros(2)}, "float64 .* as terminated; .* of truth values"),
        ({"truncated": [False, False]}, "list as truncated"),
    ],
    ids=str,
)
def test_a_foreign_batched_environment_that_breaks_its_word(changes: Any, message: str) -> None:
    rows = BatchedRows(Foreign(**changes), device=CPU)
    rows.reset(np.arange(2), [0, 1])
    with pytest.raises(EnvironmentFault, match=message):
        rows.step(torch.zeros(2), np.arange(2))


def test_scalar_rewards_are_one_objective() -> None:
    problem = make_problem("CartPole-v1")
    assert problem.spec.num_objectives == 1
    assert not problem.spec.is_vector_reward
    rows = problem.rows(3, device=CPU)
    rows.reset(np.arange(3), [0, 1, 2])
    assert rows.step(torch.tensor([0, 1, 0]), np.arange(3))[1].tolist() == [[1.0], [1.0], [1.0]]
    rows.close()


def test_reading_the_spec_makes_one_copy_and_rows_make_theirs() -> None:
    Walk.made = 0
    problem = make_problem(Walk)
    assert Walk.made == 1
    problem.rows(5, device=CPU)
    assert Walk.made == 6


class _Breaks(Walk):
    """Ends its step in some way of its own."""

    def __init__(self, ending: Any) -> None:
        super().__init__()
        self.ending = ending

    def step(self, action: Any) -> Any:
        return self.ending(super().step(action))


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (lambda result: 1 / 0, r"step failed: ZeroDivisionError: division by zero; look at step 1"),
        (lambda result: result[:4], r"step returned 4 things \(ndarray, ndarray, bool, bool\); expected five"),
        (lambda result: [].remove(1) if result else None, "step failed: ValueError: list.remove"),
        (lambda result: _asserts(), r"AssertionError without a message, from line \d+ of .*test_rows.py: raise AssertionError"),
    ],
)
def test_what_an_environment_raises_names_the_method_and_the_cause(ending: Any, message: str) -> None:
    rows = make_problem(lambda: _Breaks(ending)).rows(2, device=CPU)
    rows.reset(np.arange(2), [5, 6])
    with pytest.raises(EnvironmentFault, match=message) as caught:
        rows.step(torch.zeros(2, dtype=torch.int64), np.arange(2))
    assert (caught.value.__cause__ is None) == ("returned" in message)


def _asserts() -> None:
    raise AssertionError


@pytest.mark.parametrize("value", [-1, 4])
@pytest.mark.parametrize("at", [0, 1])
def test_an_integer_outside_its_space_is_refused(value: int, at: int) -> None:
    """A table would answer with somebody else's entry."""

    class Counts(Walk):
        observation_space = spaces.Discrete(4)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed, options=options)
            return value if at == 0 else 1, {}

        def step(self, action: Any) -> Any:
            return value, *super().step(action)[1:]

    message = rf"observation {value}, which is not in its observation space Discrete\(4\); look at step {at} "
    with pytest.raises(EnvironmentFault, match=message):
        _played(make_problem(Counts).rows(1, device=CPU))
