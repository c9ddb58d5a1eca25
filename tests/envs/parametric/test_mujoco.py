"""MuJoCo environments: agreement with gymnasium's, physics that follows the parameters, and what the RRLS suite does wrong."""

from __future__ import annotations

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import envs
from envs.checks import check_vector_reward_env
from envs.parametric.ant import Ant
from envs.parametric.half_cheetah import HalfCheetah
from envs.parametric.hopper import Hopper
from envs.parametric.humanoid_standup import HumanoidStandup
from envs.parametric.inverted_pendulum import InvertedPendulum
from envs.parametric.mo_hopper import MOHopper
from envs.parametric.physics import BodyMass
from envs.parametric.walker2d import Walker2d
from envs.protocols import ParametricDynamics
from envs.registry import OWN_IDS

mujoco = pytest.importorskip("mujoco")

ORIGINALS = {
    Hopper: "Hopper-v5",
    Walker2d: "Walker2d-v5",
    HalfCheetah: "HalfCheetah-v5",
    Ant: "Ant-v5",
    HumanoidStandup: "HumanoidStandup-v5",
    InvertedPendulum: "InvertedPendulum-v5",
}
ROBOTS = list(ORIGINALS)


def stand_alike(original, data):
    """Put gymnasium's environment into the state of one of our rows."""
    original.reset(seed=0)
    original.set_state(data.qpos.copy(), data.qvel.copy())


@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
@pytest.mark.parametrize(
    ("make", "original_id"),
    [
        *ORIGINALS.items(),
        (MOHopper, "mo-hopper-v5"),
        (lambda rows: MOHopper(rows, cost_objective=False), "mo-hopper-2obj-v5"),
    ],
)
def test_nominal_model_is_the_originals(make, original_id):
    batched, rows = make(2), np.arange(2)
    observations = batched.reset(rows, rows)
    original = mo_gymnasium.make(original_id, max_episode_steps=-1).unwrapped
    stand_alike(original, batched.data[1])
    assert_array_equal(original._get_obs(), observations[1])
    assert batched.observation_space.shape == original.observation_space.shape
    assert batched.action_space == original.action_space
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.uniform(batched.action_space.low, batched.action_space.high, (2, *batched.action_space.shape))
        observations, rewards, terminated, _ = batched.step(rows, actions)
        expected, reward, ended, *_ = original.step(actions[1])
        assert_array_equal(expected, observations[1])
        assert_allclose(rewards[1], np.atleast_1d(reward), rtol=1e-5)
        assert terminated[1] == ended
        if terminated.any():
            batched.reset(rows, rows + 10)
            stand_alike(original, batched.data[1])


def test_vector_rewards_conform():
    for cost in (True, False):
        env = gymnasium.make("parametric/mo-hopper-v0", cost_objective=cost)
        check_vector_reward_env(env)
        assert env.unwrapped.reward_space.shape == (2 + cost,)


def test_rows_shared_among_threads_are_the_same_rows(monkeypatch):
    monkeypatch.setattr("envs.mujoco.copies.usable_cores", lambda: 3)
    threaded, rows = Hopper(12), np.arange(12)
    monkeypatch.setattr("envs.mujoco.copies.usable_cores", lambda: 1)
    serial = Hopper(12)
    models = np.random.default_rng(0).uniform([0.1, 0.1], [3.0, 3.0], (12, 2))
    assert_array_equal(threaded.reset(rows, rows, models), serial.reset(rows, rows, models))
    for _ in range(5):
        actions = np.ones((12, 3))
        for ours, theirs in zip(threaded.step(rows, actions), serial.step(rows, actions), strict=True):
            assert_array_equal(ours, theirs)
    threaded.close()


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_parameter_set_can_be_simulated_at_its_corners(robot):
    for name in robot.parameter_sets:
        for compat in (None, "rrls"):
            batched = robot(2, parameter_set=name, compat=compat)
            space, rows = batched.parameter_space, np.arange(2)
            batched.reset(rows, rows, np.stack([space.low, space.high]))
            for _ in range(10):
                observations, rewards, ended, _ = batched.step(rows, np.tile(batched.action_space.high, (2, 1)))
                assert np.isfinite(observations).all()
                assert np.isfinite(rewards).all()
                if ended.any():
                    break


RANGES = {
    Ant: ("torso_mass 0.1 3", "front_left_leg_mass 0.01 3", "front_right_leg_mass 0.01 3"),
    HalfCheetah: ("friction 0.1 4", "torso_mass 0.1 7", "back_thigh_mass 0.1 3"),
    Hopper: ("friction 0.1 3", "torso_mass 0.1 3", "thigh_mass 0.1 4"),
    HumanoidStandup: ("torso_mass 0.1 16", "left_thigh_mass 0.1 5", "right_foot_mass 0.1 8"),
    InvertedPendulum: ("pole_mass 1 31", "cart_mass 1 11"),
    Walker2d: ("friction 0.1 4", "torso_mass 0.1 5", "thigh_mass 0.1 6"),
}


@pytest.mark.parametrize("robot", ROBOTS)
def test_published_ranges(robot):
    space = robot(1, parameter_set=len(RANGES[robot])).parameter_space
    assert tuple(f"{p.name} {p.low:g} {p.high:g}" for p in space.parameters) == RANGES[robot]


def test_the_other_published_ranges():
    def ranges(robot, name):
        return {p.name: (p.low, p.high) for p in robot(1, parameter_set=name).parameter_space.parameters}

    assert ranges(HalfCheetah, 1) == {"friction": (0.1, 3.0)}
    assert ranges(HumanoidStandup, 2) == {"torso_mass": (0.1, 16.0), "right_foot_mass": (0.1, 8.0)}
    m2td3 = {"torso_mass": (0.1, 16.0), "right_foot_mass": (0.1, 5.0), "left_thigh_mass": (0.1, 8.0)}
    assert ranges(HumanoidStandup, "3-m2td3") == m2td3
    assert 3 not in InvertedPendulum.parameter_sets


# --- one test for each flaw of the RRLS suite ------------------------------------------------------------------------


def contact_friction(batched, **params):
    """Sliding friction of a contact between ground and foot, found by dropping the robot."""
    row = np.zeros(1, np.int64)
    model = batched.parameter_space.vector(params, current=batched.get_params())
    batched.reset(row, row, model)
    feet = {batched._model.geom(name).id for name in batched._model_feet}
    for _ in range(200):
        batched._simulate(row, np.zeros((1, *batched.action_space.shape)))
        for contact in batched.data[0].contact:
            if feet & {contact.geom1, contact.geom2}:
                return contact.friction[0]
    raise AssertionError("the feet never touched the ground")


@pytest.mark.parametrize(
    ("robot", "feet"),
    [(Hopper, ("foot_geom",)), (Walker2d, ("foot_geom", "foot_left_geom")), (HalfCheetah, ("bfoot", "ffoot"))],
)
@pytest.mark.parametrize("friction", [0.2, 1.0, 2.8])
def test_1_friction_acts_over_its_whole_range(robot, feet, friction):
    batched, compat = robot(1), robot(1, compat="rrls")
    batched._model_feet = compat._model_feet = feet
    assert contact_friction(batched, friction=friction) == pytest.approx(friction)
    # What is wrong there: the foot's own friction hides the floor's.
    hidden = {Hopper: 2.0, Walker2d: 1.9, HalfCheetah: 0.0}[robot]
    assert contact_friction(compat, friction=friction) == pytest.approx(max(friction, hidden))


@pytest.mark.parametrize("robot", ROBOTS)
def test_2_inertia_follows_the_mass_and_derived_constants_are_computed_anew(robot):
    name = max(number for number in robot.parameter_sets if isinstance(number, int))
    batched = robot(1, parameter_set=name)
    masses = {effect.name: effect.body for effect in batched._effects if isinstance(effect, BodyMass)}
    assert masses
    nominal, model = batched._model, batched.models[0]
    for _ in range(2):  # never cumulative
        batched.set_params(0.5 * batched.parameter_space.low + 0.5 * batched.parameter_space.high)
        params = dict(zip(batched.parameter_space.names, batched.get_params()[0], strict=True))
        for parameter, body in masses.items():
            i = nominal.body(body).id
            assert model.body_mass[i] == params[parameter]
            factor = params[parameter] / nominal.body_mass[i]
            assert_allclose(model.body_inertia[i], nominal.body_inertia[i] * factor)
    # The whole robot weighs what its bodies weigh; what resists a force changed too.
    assert model.body_subtreemass[1] == pytest.approx(model.body_mass[1:].sum())
    assert not np.array_equal(model.dof_invweight0, nominal.dof_invweight0)
    batched.set_params(batched.parameter_space.nominal)
    for array in ("body_mass", "body_inertia", "body_subtreemass", "dof_invweight0", "geom_friction"):
        assert_array_equal(getattr(model, array), getattr(nominal, array))


def test_2_mass_alone_is_another_simulation():
    consistent, compat, row = Hopper(1), Hopper(1, compat="rrls"), np.zeros(1, np.int64)
    for batched in (consistent, compat):
        batched.reset(row, row, batched.parameter_space.vector({"friction": 2.0, "torso_mass": 0.5}, current=np.zeros(2)))
    assert compat.models[0].body_inertia.tolist() == compat._model.body_inertia.tolist()
    assert compat.models[0].body_subtreemass[1] == pytest.approx(15.82, abs=0.01)
    assert consistent.models[0].body_subtreemass[1] == pytest.approx(12.66, abs=0.01)
    difference = 0.0
    for _ in range(40):
        action = np.full((1, 3), 0.3)
        ours, theirs = consistent.step(row, action), compat.step(row, action)
        difference = max(difference, np.abs(ours[0] - theirs[0]).max())
        if ours[2] or theirs[2]:
            break
    assert difference > 0.01


def test_3_nominal_values_are_the_models_own():
    def nominal(robot, **arguments):
        space = robot(1, **arguments).parameter_space
        return dict(zip(space.names, space.nominal.round(5).tolist(), strict=True))

    assert nominal(Hopper, parameter_set=3) == {"friction": 2.0, "torso_mass": 3.66519, "thigh_mass": 4.05789}
    assert nominal(Walker2d, parameter_set=3) == {"friction": 1.9, "torso_mass": 3.66519, "thigh_mass": 4.05789}
    assert nominal(HalfCheetah, parameter_set=3) == {"friction": 0.4, "torso_mass": 6.25021, "back_thigh_mass": 1.54351}
    assert nominal(Ant) == {"torso_mass": 0.32725, "front_left_leg_mass": 0.03916}
    humanoid = {"torso_mass": 8.90746, "left_thigh_mass": 4.75175, "right_foot_mass": 1.76715}
    assert nominal(HumanoidStandup, parameter_set=3) == humanoid
    assert nominal(InvertedPendulum) == {"pole_mass": 5.01859, "cart_mass": 10.47198}
    assert nominal(InvertedPendulum, compat="rrls") == {"pole_mass": 10.47, "cart_mass": 5.02}
    assert nominal(Hopper, compat="rrls")["friction"] == 0.7


def test_4_options_have_a_name_of_their_own():
    env = gymnasium.make("parametric/hopper-v0")
    _, info = env.reset(seed=0, options={"params": {"torso_mass": 1.5}, "something": "else"})
    assert info["params"] == {"friction": 2.0, "torso_mass": 1.5}
    assert env.unwrapped.models[0].body("torso").mass[0] == 1.5
    # Kept, restored, refused.
    assert env.reset(seed=0)[1]["params"]["torso_mass"] == 1.5
    assert env.step(np.zeros(3))[4]["params"]["torso_mass"] == 1.5
    assert env.reset(seed=0, options={"params": "nominal"})[1]["params"]["torso_mass"] == pytest.approx(3.66519, abs=1e-5)
    with pytest.raises(ValueError, match=r"unknown parameter 'torsomass'. Did you mean 'torso_mass'\?"):
        env.reset(options={"params": {"torsomass": 1.5}})


@pytest.mark.parametrize("robot", ROBOTS)
def test_5_forces_act_and_zero_is_none(robot):
    batched, rows = robot(2, parameter_set="forces"), np.arange(2)
    k = len(batched.parameter_space)
    assert k % 2 == 0
    for column in range(k):
        models = np.zeros((2, k))
        models[1, column] = 3.0
        batched.reset(rows, np.zeros(2, np.int64), models)
        assert (batched.data[1].xfrc_applied != 0).sum() == 1
        observations = batched.step(rows, np.zeros((2, *batched.action_space.shape)))[0]
        assert not np.array_equal(observations[0], observations[1]), batched.parameter_space.names[column]
    # Zero takes back an earlier force.
    batched.reset(rows, np.zeros(2, np.int64), np.zeros((2, k)))
    assert not batched.data[1].xfrc_applied.any()
    observations = batched.step(rows, np.zeros((2, *batched.action_space.shape)))[0]
    assert_array_equal(observations[0], observations[1])
    if robot not in (Ant, HumanoidStandup):
        assert all(name.endswith(("_x", "_z")) for name in batched.parameter_space.names)


def test_8_same_seed_same_episode_whatever_went_before():
    env = gymnasium.make("parametric/hopper-v0")
    first, info = env.reset(seed=3, options={"params": {"torso_mass": 2.0}})
    env.reset(seed=4, options={"params": [0.5, 1.0]})
    env.step(np.ones(3))
    again, info_again = env.reset(seed=3, options={"params": {"friction": 2.0, "torso_mass": 2.0}})
    assert_array_equal(first, again)
    assert info == info_again


@pytest.mark.filterwarnings("ignore:.*Box.*:UserWarning")
def test_11_ids_are_those_of_the_documentation_and_carry_a_time_limit():
    ids = [env_id for env_id in OWN_IDS if env_id.startswith("parametric/")]
    robots = ["hopper", "walker2d", "half-cheetah", "ant", "humanoid-standup", "inverted-pendulum", "mo-hopper"]
    assert {f"parametric/{robot}-v0" for robot in robots} <= set(ids)
    for env_id in ids:
        env = gymnasium.make(env_id).unwrapped
        assert env.max_episode_steps >= 200
        assert isinstance(env, ParametricDynamics)
        assert env.get_params().keys() == set(env.parameter_space.names)


def test_each_environment_of_a_vector_has_its_own_model():
    vector = gymnasium.make_vec("parametric/half-cheetah-v0", num_envs=3)
    masses = np.array([0.5, 3.0, 6.5])
    _, info = vector.reset(seed=0, options={"params": {"torso_mass": masses, "friction": 1.0}})
    assert_array_equal(info["params"]["torso_mass"], masses)
    assert_array_equal(info["params"]["friction"], np.ones(3))
    assert [model.body("torso").mass[0] for model in vector.batched.models] == masses.tolist()
    observations = vector.step(np.ones((3, 6)))[0]
    assert len(np.unique(observations[:, 8:], axis=0)) == 3


# --- bad input -------------------------------------------------------------------------------------------------------


def test_bad_input():
    with pytest.raises(ValueError, match=r"Hopper has no parameter set 4; expected one of 1, 2, 3, 'forces'"):
        Hopper(1, parameter_set=4)
    with pytest.raises(ValueError, match="expected 'rrls' or None"):
        Hopper(1, compat="m2td3")
    batched = Hopper(2)
    for bad in ([np.nan, 1.0], [0.5, -1.0], [0.5, 0.0]):
        with pytest.raises(ValueError, match="expected a finite number"):
            batched.reset(np.arange(2), np.arange(2), np.array([[1.0, 1.0], bad]))
    with pytest.raises(ValueError, match=r"expected \(..., 2\)"):
        batched.reset(np.arange(2), np.arange(2), np.ones((2, 3)))
    with pytest.raises(ValueError, match="bounds reversed"):
        Hopper(1, parameter_set=(BodyMass(name="mass", body="torso", low=3.0, high=1.0),))


def test_parameters_of_ones_own():
    batched = envs.batched_form("parametric/hopper-v0", 1, parameter_set=(BodyMass(name="m", body="foot", low=1.0, high=9.0),))
    assert batched.parameter_space.nominal[0] == pytest.approx(5.31557, abs=1e-5)


def test_a_broken_simulation_is_seen():
    batched, row = Hopper(1), np.zeros(1, np.int64)
    batched.reset(row, row)
    batched.data[0].qvel[0] = np.nan
    assert not np.isfinite(batched.step(row, np.zeros((1, 3)))[0]).all()
