"""What oracles take, and what they refuse."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mo_gymnasium as mo
import numpy as np
import pytest

from envs import batched_form
from envs.tabular.finite import FiniteEnv
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError
from morl.oracles import pareto_value_iteration, random_process, read_process


def arrays(**changes: Any) -> dict[str, Any]:
    """Two states before the end: 0 leads to 1 or the end, 1 to the end."""
    step = np.zeros((3, 2, 3))
    step[0, 0, 1] = step[0, 1, 2] = step[1, :, 2] = 1.0
    pay = np.zeros((3, 2, 2))
    pay[:2] = [[[1, 0], [0, 3]], [[1, 0], [0, 1]]]
    return {"transitions": step, "rewards": pay, "terminal_states": [2], **changes}


def changed(array: Any, index: Any, value: float) -> Any:
    array = np.array(array)
    array[index] = value
    return array


def test_arrays_are_solved_whether_rewards_are_of_pairs_or_transitions() -> None:
    given = arrays()
    tables = Tables.from_arrays(**given)
    expected = [[0, 3], [1, 1], [2, 0]]
    assert pareto_value_iteration(tables, 1.0).values.tolist() == expected
    each = np.repeat(given["rewards"][:, :, None], 3, axis=2)
    assert pareto_value_iteration(Tables.from_arrays(**arrays(rewards=each)), 1.0).values.tolist() == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transitions": changed(arrays()["transitions"], (1, 0, 2), 0.7)}, "sums to 0.7 instead of 1 .state 1, action 0"),
        ({"transitions": changed(arrays()["transitions"], (1, 0, 2), np.nan)}, "transitions contains NaN"),
        ({"transitions": changed(arrays()["transitions"], (1, 0), (-0.5, 0.5, 1.0))}, "not a negative number"),
        ({"transitions": changed(arrays()["transitions"], (0, 0), (0, 0, 1.0))}, "no episode reaches 1 of 3 states .1."),
        ({"transitions": np.ones((3, 2))}, r"transitions has shape \(3, 2\)"),
        ({"rewards": changed(arrays()["rewards"], (1, 1, 0), np.inf)}, "rewards contains NaN or infinity .state 1, action 1"),
        ({"rewards": np.zeros((3, 2))}, r"rewards has shape \(3, 2\)"),
        ({"rewards": np.zeros((2, 2, 2))}, r"rewards has shape \(2, 2, 2\)"),
        ({"terminal_states": [3]}, "terminal_states must name states 0 to 2"),
        ({"start": 2}, "the start 2 is a terminal state"),
        ({"start": 7}, "start is 7"),
        ({"start": [0.5, 0.6, 0.0]}, "sums to 1.1"),
        ({"start": [0.5, 0.5]}, r"start has shape \(2,\)"),
    ],
)
def test_bad_tables_are_refused_in_a_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Tables.from_arrays(**arrays(**changes))
    assert "\n" not in str(caught.value)


def test_unreachable_states_change_nothing_where_they_are_allowed() -> None:
    given = arrays()
    step = np.zeros((4, 2, 4))
    step[:3, :, :3] = given["transitions"]
    step[3, :, 3] = 1.0
    pay = np.concatenate([given["rewards"], np.full((1, 2, 2), 9.0)])
    tables = Tables.from_arrays(step, pay, terminal_states=[2], allow_unreachable=True)
    assert read_process(tables).states.tolist() == [0, 1]
    assert pareto_value_iteration(tables, 1.0).values.tolist() == [[0, 3], [1, 1], [2, 0]]


def test_ids_arguments_and_environments_are_the_same_process() -> None:
    import envs  # noqa: F401

    expected = read_process(batched_form("tabular/treasure-corridor-v0", 1).tables)  # type: ignore[union-attr]
    for source in (
        "tabular/treasure-corridor-v0",
        batched_form("tabular/treasure-corridor-v0", 3),
        gym.make("tabular/treasure-corridor-v0"),
    ):
        found = read_process(source)
        np.testing.assert_array_equal(found.rewards, expected.rewards)
        np.testing.assert_array_equal(found.successors, expected.successors)
    assert len(read_process({"id": "fruit-tree-v0", "depth": 5}).states) == 31


@pytest.mark.parametrize("source", ["mo-hopper-v5", "no-such-env-v0", {"id": "fruit-tree-v0", "depth": 4}, 3, "CartPole-v1"])
def test_what_has_no_tables_is_refused(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="from_arrays"):
        read_process(source)


def test_wrapped_environments_are_refused() -> None:
    env = mo.wrappers.LinearReward(gym.make("tabular/treasure-corridor-v0"), weight=np.array([0.5, 0.5]))
    with pytest.raises(ConfigurationError, match="wrapped"):
        read_process(env)


def test_branches_to_one_state_are_one() -> None:
    tables = Tables(
        successors=np.zeros((1, 1, 3), np.int64),
        probabilities=np.array([[[0.5, 0.25, 0.25]]]),
        rewards=np.array([[[[4.0], [8.0], [0.0]]]]),
        terminal=np.array([[[False, False, True]]]),
        observations=np.arange(1),
        starts=np.array([0]),
    )
    process = read_process(tables)
    assert (process.successors.tolist(), process.chances.tolist(), process.rewards.tolist()) == ([0], [0.75], [[[4.0]]])


def test_unequal_starts_are_drawn_as_often_as_they_should() -> None:
    step = np.zeros((3, 1, 3))
    step[..., 2] = 1.0
    tables = Tables.from_arrays(step, np.zeros((3, 1, 2)), start=[0.2, 0.8, 0.0], terminal_states=[2])
    env = FiniteEnv(
        4000, tables=tables, observation_space=gym.spaces.Discrete(3), reward_space=gym.spaces.Box(-1.0, 1.0, shape=(2,))
    )
    seen = env.reset(np.arange(4000), np.arange(4000))
    assert abs((seen == 0).mean() - 0.2) < 4 * (0.16 / 4000) ** 0.5


def test_random_worlds_are_what_they_are_asked_to_be() -> None:
    rng = np.random.default_rng(0)
    assert read_process(random_process(rng, acyclic=True)).backward_order() is not None
    assert read_process(random_process(rng, states=30, end=0.0)).backward_order() is None
    assert random_process(rng, deterministic=True, objectives=4).rewards.shape == (10, 3, 1, 4)
    with pytest.raises(ConfigurationError, match="states is 0"):
        random_process(rng, states=0)
    with pytest.raises(ConfigurationError, match="end is 2"):
        random_process(rng, end=2.0)
