"""Wrappers: what they promise, what the RRLS suite does wrong, bad input."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from envs import batched_form
from envs.adapters import BatchedVectorEnv, SingleEnv
from envs.checks import check_batched_env
from envs.parametric.wrappers import (
    DomainRandomization,
    DynamicAdversary,
    NoisyAction,
    ObservationDelay,
    ObservationNoise,
    ProbabilisticAction,
    TimeConstrainedAdversary,
)

ROWS = 4


def pendulum(num_envs=ROWS):
    return batched_form("parametric/pendulum-v0", num_envs)


def push_down(observations):
    """An adversary that asks for too much."""
    return np.full((len(observations), 1), -5.0)


WRAPPED = {
    "randomised": DomainRandomization,
    "dynamic": DynamicAdversary,
    "dynamic, asked": lambda env: DynamicAdversary(env, adversary=lambda seen: np.tile(seen[:, :1], (1, 2))),
    "constrained": TimeConstrainedAdversary,
    "noisy action": NoisyAction,
    "probabilistic": ProbabilisticAction,
    "probabilistic, asked": lambda env: ProbabilisticAction(env, adversary=push_down, alpha=0.5),
    "noise": lambda env: ObservationNoise(env, scale=[0.1, 0.1, 0.5]),
    "delay": lambda env: ObservationDelay(env, steps=3),
    "nested": lambda env: ObservationDelay(ObservationNoise(DomainRandomization(NoisyAction(env)), scale=0.1), steps=1),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_promises_of_a_batched_environment(wrap):
    short = {"max_episode_steps": 20}
    check_batched_env(lambda number: wrap(batched_form("parametric/pendulum-v0", number, **short)), steps=50)


# --- domain randomisation --------------------------------------------------------------------------------------------


def test_domain_randomization_draws_by_the_episodes_seed():
    """Flaw 8: a global generator, so that the same reset seed gave other parameters."""
    env, rows = DomainRandomization(pendulum(500)), np.arange(500)
    env.reset(rows, rows)
    models = env.get_params()
    space = env.parameter_space
    assert (models >= space.low).all()
    assert (models <= space.high).all()
    assert_allclose(models.mean(axis=0), (space.low + space.high) / 2, atol=0.06)
    assert abs(np.corrcoef(models.T)[0, 1]) < 0.15
    env.reset(rows[::-1], rows)
    assert_array_equal(env.get_params()[::-1], models)
    assert len(np.unique(models, axis=0)) == 500


def test_domain_randomization_does_not_change_first_states():
    rows = np.arange(ROWS)
    env = DomainRandomization(pendulum())
    assert_array_equal(env.reset(rows, rows), pendulum().reset(rows, rows))


def test_domain_randomization_in_gymnasium():
    env = SingleEnv(DomainRandomization(pendulum(1)))
    models = [env.reset(seed=seed)[1]["params"] for seed in (0, 1, 0)]
    assert models[0] == models[2] != models[1]
    assert env.reset()[1]["params"] not in models
    # A chosen model is the model: what is reported and what is simulated cannot differ.
    _, info = env.reset(seed=0, options={"params": {"mass": 1.75, "length": 0.6}})
    assert info["params"] == env.get_params() == {"mass": 1.75, "length": 0.6}
    assert_array_equal(env.batched.env._params, [[1.75, 0.6]])
    assert env.reset(seed=0)[1]["params"] == models[0]
    vector = BatchedVectorEnv(DomainRandomization(pendulum()))
    assert len(set(vector.reset(seed=0)[1]["params"]["mass"])) == ROWS
    first = vector.batched.get_params()
    for _ in range(201):
        vector.step(np.zeros((ROWS, 1)))
    assert (vector.batched.get_params() != first).all()


def test_a_range_of_ones_own():
    env, rows = DomainRandomization(pendulum(), low=[1.0, 1.0], high=[1.0, 1.2]), np.arange(ROWS)
    env.reset(rows, rows)
    assert (env.get_params()[:, 0] == 1.0).all()
    with pytest.raises(ValueError, match="range of parameter 'length' has its bounds reversed"):
        DomainRandomization(pendulum(), low=[1.0, 1.3], high=[1.0, 1.2])
    with pytest.raises(ValueError, match="expected a finite number"):
        DomainRandomization(pendulum(), low=[np.nan, 1.0])


# --- adversaries -----------------------------------------------------------------------------------------------------


def test_dynamic_adversary_sets_the_model_and_is_clipped():
    """Flaw 9: an adversary's action of 5 left the uncertainty set."""
    env, rows = DynamicAdversary(pendulum()), np.arange(ROWS)
    assert env.action_space.shape == (3,)
    env.reset(rows, rows)
    env.step(rows, np.tile([0.0, -1.0, 1.0], (ROWS, 1)))
    assert_allclose(env.get_params(), [[0.5, 1.5]] * ROWS)
    assert env.clipped.tolist() == [0] * ROWS
    env.step(rows[:2], np.tile([0.0, 5.0, 0.0], (2, 1)))
    assert_allclose(env.get_params()[:2], [[2.0, 1.0]] * 2)
    assert env.clipped.tolist() == [1, 1, 0, 0]
    env.reset(rows[:1], rows[:1])
    assert env.clipped.tolist() == [0, 1, 0, 0]


def test_a_reset_forgets_what_the_adversary_did():
    env = SingleEnv(DynamicAdversary(pendulum(1)))
    env.reset(seed=0)
    assert env.step(np.array([0.0, 1.0, 1.0]))[4]["params"] == {"mass": 2.0, "length": 1.5}
    assert env.reset(seed=0)[1]["params"] == {"mass": 1.0, "length": 1.0}


def test_an_adversary_that_is_asked_sees_the_observations_and_leaves_the_agents_actions():
    seen = []

    def adversary(observations):
        seen.append(observations)
        return np.zeros((len(observations), 2))

    env, rows = DynamicAdversary(batched_form("parametric/cartpole-v0", ROWS), adversary=adversary), np.arange(ROWS)
    first = env.reset(rows, rows)
    second, *_ = env.step(rows, np.array([0, 1, 0, 1]))
    env.step(rows[1:], np.array([1, 0, 1]))
    assert env.action_space == gymnasium.spaces.Discrete(2)
    assert_array_equal(seen[0], first)
    assert_array_equal(seen[1], second[1:])
    assert_allclose(env.get_params(), [(env.parameter_space.low + env.parameter_space.high) / 2] * ROWS)


def test_time_constrained_adversary_moves_by_the_radius_and_stays_inside():
    env, rows = TimeConstrainedAdversary(pendulum(), radius=0.1), np.arange(ROWS)
    env.reset(rows, rows)
    start, space = env.get_params(), env.parameter_space
    assert len(np.unique(start[:, 0])) == ROWS
    env.step(rows, np.tile([0.0, 1.0, -0.5], (ROWS, 1)))
    expected = np.clip(start + np.array([0.15, -0.05]), space.low, space.high)
    assert_allclose(env.get_params(), expected)
    for _ in range(11):
        env.step(rows, np.tile([0.0, 1.0, -1.0], (ROWS, 1)))
    assert_allclose(env.get_params(), [[space.high[0], space.low[1]]] * ROWS)
    env.reset(rows, rows, np.tile([1.0, 1.0], (ROWS, 1)))
    assert_array_equal(env.get_params(), np.ones((ROWS, 2)))


def test_noisy_action_mixes_and_probabilistic_action_replaces():
    """Flaw 10: the mixture went under the name of the replacement."""
    rows, number = np.arange(2000), 2000
    agent, adversary = np.full((number, 1), 1.0), np.full((number, 1), -1.0)
    both = np.concatenate([agent, adversary], axis=1)

    def done(wrapper):
        taken = []
        env = wrapper(pendulum(number))
        inner = env.env.step
        env.env.step = lambda rows, actions: (taken.append(actions), inner(rows, actions))[1]
        env.reset(rows, rows)
        env.step(rows, both)
        return taken[0][:, 0]

    assert_allclose(done(lambda env: NoisyAction(env, alpha=0.15)), 0.7)
    chosen = done(lambda env: ProbabilisticAction(env, alpha=0.15))
    assert set(chosen) == {1.0, -1.0}
    assert (chosen == -1.0).mean() == pytest.approx(0.15, abs=0.03)
    assert NoisyAction(pendulum())._alpha == ProbabilisticAction(pendulum())._alpha == 0.15


# --- what the agent sees ---------------------------------------------------------------------------------------------


def test_noise_reaches_the_agent_and_nothing_else():
    number = 2000
    rows, scale = np.arange(number), np.array([0.1, 0.2, 0.5])
    noisy, plain = ObservationNoise(pendulum(number), scale=scale), pendulum(number)
    blurs = [noisy.reset(rows, rows) - plain.reset(rows, rows)]
    for _ in range(3):
        ours, theirs = noisy.step(rows, np.ones((number, 1))), plain.step(rows, np.ones((number, 1)))
        blurs.append(ours[0] - theirs[0])
        for mine, other in zip(ours[1:], theirs[1:], strict=True):
            assert_array_equal(mine, other)
    for blur in blurs:
        assert_allclose(blur.std(axis=0), scale, rtol=0.1)
        assert (np.abs(blur.mean(axis=0)) < 4 * scale / np.sqrt(number)).all()
    assert abs(np.corrcoef(blurs[0][:, 0], blurs[1][:, 0])[0, 1]) < 0.1
    assert (
        ObservationNoise(pendulum(), scale=0.0).reset(np.arange(1), np.arange(1)).tolist()
        == plain.reset(np.arange(1), np.arange(1)).tolist()
    )


def test_nested_wrappers_of_one_kind_draw_different_numbers():
    rows = np.arange(500)
    once, twice = (
        ObservationNoise(pendulum(500), scale=1.0),
        ObservationNoise(ObservationNoise(pendulum(500), scale=1.0), scale=1.0),
    )
    first, both = (env.reset(rows, rows) - pendulum(500).reset(rows, rows) for env in (once, twice))
    assert_allclose(both.std(), np.sqrt(2), rtol=0.1)
    assert np.corrcoef(first.ravel(), (both - first).ravel())[0, 1] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_delay_shows_earlier_observations(steps):
    rows = np.arange(ROWS)
    delayed, plain = ObservationDelay(pendulum(), steps=steps), pendulum()
    ours, theirs = [delayed.reset(rows, rows)], [plain.reset(rows, rows)]
    for _ in range(8):
        ours.append(delayed.step(rows, np.ones((ROWS, 1)))[0])
        theirs.append(plain.step(rows, np.ones((ROWS, 1)))[0])
    for t in range(9):
        assert_array_equal(ours[t], theirs[max(t - steps, 0)])


# --- configurations --------------------------------------------------------------------------------------------------


def test_a_configuration_can_name_wrappers():
    layers = [{"name": "domain_randomization"}, {"name": "observation_noise", "scale": 0.1}]
    env = gymnasium.make("parametric/wrapped-v0", base="parametric/hopper-v0", layers=layers, arguments={"parameter_set": 1})
    assert list(env.reset(seed=0)[1]["params"]) == ["friction"]
    batched = batched_form("parametric/wrapped-v0", 3, base="parametric/cartpole-v0", layers=layers)
    assert isinstance(batched, ObservationNoise)
    assert batched.num_envs == 3


def test_a_vector_is_wrapped_like_a_single_environment():
    layers = [{"name": "observation_delay", "steps": 1}, {"name": "observation_noise", "scale": 0.1}]
    vector = gymnasium.make_vec("parametric/wrapped-v0", num_envs=2, layers=layers)
    loop = gymnasium.make_vec("parametric/wrapped-v0", num_envs=2, layers=layers, vectorization_mode="sync")
    # make_vec keeps `wrappers` to itself; elsewhere it is another name.
    old = gymnasium.make("parametric/wrapped-v0", wrappers=layers)
    first, rolled = vector.reset(seed=3)[0], loop.reset(seed=3)[0]
    assert_array_equal(first, rolled)
    assert_array_equal(first[1], old.reset(seed=4)[0])
    action = np.ones((2, 1), np.float32)
    assert_array_equal(vector.step(action)[0], loop.step(action)[0])
    with pytest.raises(ValueError, match="two names of the same"):
        batched_form("parametric/wrapped-v0", 1, wrappers=layers, layers=layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"name": "observation_nose"}], "did you mean 'observation_noise'"),
        ([{}], "unknown wrapper None; expected one of"),
        ([{"name": "observation_noise", "scal": 1.0}], "wrapper 'observation_noise'.*scal"),
    ],
)
def test_bad_configurations(layers, message):
    with pytest.raises(ValueError, match=message):
        batched_form("parametric/wrapped-v0", 1, layers=layers)


def test_ordinary_environments_are_refused_with_the_way_out():
    ordinary = gymnasium.make("parametric/pendulum-v0")
    for env in (ordinary, ordinary.unwrapped, None):
        with pytest.raises(TypeError, match=r"wraps batched environments.*parametric/wrapped-v0"):
            DomainRandomization(env)


def test_bad_input():
    discrete, fixed = batched_form("parametric/cartpole-v0", 1), batched_form("deep-sea-treasure-v0", 1)
    for wrapper in (DynamicAdversary, NoisyAction, ProbabilisticAction):
        with pytest.raises(ValueError, match="bounded box of actions"):
            wrapper(discrete)
    for wrapper in (DomainRandomization, DynamicAdversary, TimeConstrainedAdversary):
        with pytest.raises(ValueError, match="needs settable dynamics"):
            wrapper(fixed)
    for wrapper in (NoisyAction, ProbabilisticAction):
        with pytest.raises(ValueError, match=r"alpha is 1\.5"):
            wrapper(pendulum(), alpha=1.5)
    with pytest.raises(ValueError, match="radius is 0"):
        TimeConstrainedAdversary(pendulum(), radius=0)
    with pytest.raises(ValueError, match="vectors as observations"):
        ObservationNoise(batched_form("tabular/windy-walk-v0", 1), scale=0.1)
    for scale in (-1.0, np.nan, [0.1, 0.2]):
        with pytest.raises(ValueError, match="expected standard deviations"):
            ObservationNoise(pendulum(), scale=scale)
    with pytest.raises(ValueError, match="expected an integer >= 0"):
        ObservationDelay(pendulum(), steps=-1)
    with pytest.raises(ValueError, match="no native batched form"):
        batched_form("parametric/wrapped-v0", 1, base="CartPole-v1")
    env, row = DynamicAdversary(pendulum(1)), np.zeros(1, np.int64)
    env.reset(row, row)
    with pytest.raises(ValueError, match="the agent's 1 numbers, then the adversary's 2"):
        env.step(row, np.zeros((1, 1)))
    with pytest.raises(ValueError, match="NaN"):
        env.step(row, np.array([[0.0, np.nan, 0.0]]))
    env = DynamicAdversary(pendulum(1), adversary=lambda seen: np.zeros((1, 5)))
    env.reset(row, row)
    with pytest.raises(ValueError, match=r"the adversary returned shape \(1, 5\)"):
        env.step(row, np.zeros((1, 1)))
