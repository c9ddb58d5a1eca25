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
    ],
    ids=["nan", "inf", "observation", "three", "number", "one"],
)
def test_environments_that_break_their_word_are_named(returns: Any, message: str) -> None:
    rows = make_problem(broken(returns=returns)).rows(2, device=CPU)
    rows.reset(np.arange(2), [7, 42])
    with pytest.raises(EnvironmentFault, match=message) as caught:
        rows.step(torch.tensor([1]), np.array([1]))
    assert "\n" not in str(caught.value)


def test_a_bad_first_observation() -> None:
    def reset(self: Any, *, seed: int | None = None, options: Any = None) -> Any:
        return np.full(2, np.inf), {}

    with pytest.raises(EnvironmentFault, match="step 0 of the episode with seed 3"):
        make_problem(type("Bad", (Walk,), {"reset": reset})).rows(1, device=CPU).reset(np.array([0]), [3])


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
        (lambda result: 1 / 0, r"step failed: ZeroDivisionError: division by zero; it must return"),
        (lambda result: result[:4], r"step failed: ValueError: not enough values to unpack .* two truth values and a mapping"),
        (lambda result: (np.zeros(5), *result[1:]), r"step failed: ValueError: could not broadcast .* of shape \(2,\)"),
    ],
)
def test_what_an_environment_raises_names_the_method_and_the_cause(ending: Any, message: str) -> None:
    rows = make_problem(lambda: _Breaks(ending)).rows(2, device=CPU)
    rows.reset(np.arange(2), [5, 6])
    with pytest.raises(EnvironmentFault, match=message) as caught:
        rows.step(torch.zeros(2, dtype=torch.int64), np.arange(2))
    assert caught.value.__cause__ is not None


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

    rows = make_problem(Counts).rows(1, device=CPU)
    message = rf"observation {value}, which is not in its observation space Discrete\(4\)"
    if at == 0:
        with pytest.raises(EnvironmentFault, match=message):
            rows.reset(np.arange(1), [5])
        return
    rows.reset(np.arange(1), [5])
    with pytest.raises(EnvironmentFault, match=message):
        rows.step(torch.zeros(1, dtype=torch.int64), np.arange(1))
