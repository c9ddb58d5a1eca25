"""Many states of one MuJoCo model, stepped side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from envs.drawing import SCENE, Canvas
from envs.drawn_env import DrawnEnv
from envs.mujoco.camera import Camera
from envs.mujoco.copies import CopiedSimulations
from envs.native_env import NoNativeFormError
from envs.protocols import Advanced, Models, Rows, Seeds

if TYPE_CHECKING:
    from gymnasium.envs.mujoco import MujocoEnv

State: TypeAlias = dict[str, Floats]
"""Arrays of the rows' simulations by MuJoCo's names, each ``(r, ...)``."""
Judgement: TypeAlias = tuple[npt.NDArray[np.floating], Flags]
"""Rewards ``(r,)`` or ``(r, m)``, and which rows have terminated, ``(r,)``."""

_OF_EVERY_ROBOT = frozenset({"xml_file", "frame_skip"})
"""Arguments that say which simulation it is, which is taken from the original as it stands."""


class MuJoCoBatch(CopiedSimulations, DrawnEnv):
    """Base of the batched forms of the MuJoCo environments of gymnasium and mo-gymnasium.

    Rows share the model and differ in their state. The physics of a row is computed by the very calls that the original makes;
    MuJoCo releases Python's lock meanwhile, so several rows are computed at a time. What surrounds it in the original is
    done for all rows at once. An episode with seed ``s`` is the original's after ``reset(seed=s)``, bitwise; a reward that is
    one number is the original's rounded to float32.
    """

    arguments: ClassVar[Mapping[str, Any]]
    """The original's arguments that are taken over, and what holds for a version of the original that has no such argument."""
    compared: ClassVar[str | None] = "qpos"
    """Array of the simulation whose value before the step rewards need too."""
    normal_velocities: ClassVar[bool] = False
    """Whether first velocities are normal instead of uniform."""
    unseen: ClassVar[int] = 0
    """How many positions, those of the robot on the ground, the original leaves out of observations if told to."""

    rows_per_thread = 4
    made_anew = ("_mujoco", "_views", "_threads", "_pool", "_camera")

    def __init__(self, num_envs: int, *, original: str, max_episode_steps: int | None = None, **arguments: Any) -> None:
        """Take model, initial state, spaces and numbers from an instance of the original.

        Args:
            num_envs: Number of rows.
            original: Its entry point, ``"module:class"``.
            max_episode_steps: Episodes are truncated at this length.
            arguments: Of the original.

        Raises:
            NoNativeFormError: An argument is not taken over.
        """
        import mujoco
        from gymnasium.spaces import Box

        if missing := arguments.keys() - self.arguments.keys() - _OF_EVERY_ROBOT:
            raise NoNativeFormError(f"the batched form of {original} does not take over {', '.join(sorted(missing))}")
        module, _, name = original.partition(":")
        single: MujocoEnv = getattr(import_module(module), name)(**arguments)
        self._given = {key: getattr(single, f"_{key}", default) for key, default in self.arguments.items()}
        self._version = int(module.rpartition("_v")[2])
        self._model, self._frames = single.model, single.frame_skip
        self._first_positions, self._first_velocities = single.init_qpos.copy(), single.init_qvel.copy()
        self._seconds = float(single.dt)
        self.render_fps = round(1 / self._seconds)
        self.observation_space, self.action_space = single.observation_space, single.action_space
        self._is_vector = hasattr(single, "reward_space")
        self.scalar_reward = not self._is_vector
        self.reward_space = getattr(single, "reward_space", None) or Box(-np.inf, np.inf, (1,), np.float32)
        single.close()  # type: ignore[no-untyped-call]
        num_actions = getattr(self.action_space, "n", None)
        super().__init__(
            num_envs, num_actions=None if num_actions is None else int(num_actions), max_episode_steps=max_episode_steps
        )
        self._hidden = self.unseen if self._given.get("exclude_current_positions_from_observation") else 0
        self._read_after = ("qpos", "qvel", *self._gathered())
        # Contact forces are computed on demand.
        self._has_contacts = "cfrc_ext" in self._read_after
        self._bodies = {self._model.body(body).name: body for body in range(self._model.nbody)}
        self._data = [mujoco.MjData(self._model) for _ in range(num_envs)]
        self._seeds = np.zeros(num_envs, np.int64)
        self._connect()

    def _gathered(self) -> tuple[str, ...]:
        """Arrays of the simulation that observations or rewards need beside ``qpos`` and ``qvel``."""
        return ()

    def _connect(self) -> None:
        import mujoco

        super()._connect()
        self._mujoco = mujoco
        # Views of the simulations' memory: looking one up costs as much as reading it.
        names = {"ctrl", *self._read_after, *(() if self.compared is None else (self.compared,))}
        self._views = {name: [getattr(data, name) for data in self._data] for name in names}

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        self._seeds[rows] = seeds
        return super().reset(rows, seeds, dynamics)

    def _start(self, rows: Rows) -> Floats:
        which = rows.tolist()
        for row, seed in zip(which, self._seeds[rows].tolist(), strict=True):
            data = self._data[row]
            self._mujoco.mj_resetData(self._model, data)
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
            self._views["qpos"][row][:], self._views["qvel"][row][:] = self._first_state(rng)
            self._mujoco.mj_forward(self._model, data)
        return self._observe(self._states(which))

    def _first_state(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Positions and velocities at the start of an episode, drawn in the order of the original's ``reset_model``."""
        nq, nv, noise = self._model.nq, self._model.nv, self._given["reset_noise_scale"]
        positions = self._first_positions + rng.uniform(low=-noise, high=noise, size=nq)
        draws = rng.standard_normal(nv) * noise if self.normal_velocities else rng.uniform(low=-noise, high=noise, size=nv)
        return positions, self._first_velocities + draws

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        which = rows.tolist()
        before = np.empty(0) if self.compared is None else self._read(self.compared, which)
        self._simulate(which, actions)
        after = self._states(which)
        rewards, terminated = self._judge(before, after, actions)
        return self._observe(after), rewards.astype(np.float32, copy=False).reshape(len(which), -1), terminated

    def _simulate(self, rows: list[int], actions: npt.NDArray[Any]) -> None:
        step, model, frames, controls = self._mujoco.mj_step, self._model, self._frames, self._views["ctrl"]
        contacts = self._mujoco.mj_rnePostConstraint if self._has_contacts else None

        def simulate(first: int, stride: int) -> None:
            for row, action in zip(rows[first::stride], actions[first::stride], strict=True):
                data = self._data[row]
                controls[row][:] = action
                step(model, data, frames)
                if contacts is not None:
                    contacts(model, data)

        self._in_parts(simulate, len(rows))

    def _read(self, name: str, rows: list[int]) -> Floats:
        views = self._views[name]
        return np.array([views[row] for row in rows])

    def _states(self, rows: list[int]) -> State:
        return {name: self._read(name, rows) for name in self._read_after}

    def _observe(self, state: State) -> Floats:
        """Observations ``(r, d)``: everything but where the robot is on the ground."""
        return np.concatenate((state["qpos"][:, self._hidden :], state["qvel"]), 1)

    @abstractmethod
    def _judge(self, before: Floats, after: State, actions: npt.NDArray[Any]) -> Judgement:
        """Rewards and terminations; ``before`` is what ``compared`` names, ``(r, ...)``."""

    def _speed(self, before: Floats, after: State) -> Floats:
        """Along the track, ``(r,)``, m/s."""
        return np.asarray((after["qpos"][:, 0] - before[:, 0]) / self._seconds)

    def _weighted(self, efforts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Control costs ``(r,)`` of sums of squares."""
        return np.asarray(self._given["ctrl_cost_weight"] * efforts)

    def _unweighted(self, costs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Negative control costs ``(r,)`` without their weight, as mo-gymnasium computes them of weighted ones."""
        return np.asarray(-costs / self._given["ctrl_cost_weight"])

    def _alive(self, healthy: Flags) -> tuple[Floats, Flags]:
        """The reward for being alive, ``(r,)``, and which rows have terminated."""
        ends = self._given["terminate_when_unhealthy"]
        # Version 4 pays for the last step of a fall too.
        paid = healthy | bool(self._version < 5 and ends)
        return np.asarray(paid * float(self._given["healthy_reward"]), np.float64), ~healthy & bool(ends)

    def _draw(self, row: int, canvas: Canvas) -> None:
        if self._camera is None:
            self._camera = Camera(self._model)
        canvas.paste(self._camera.picture(self._views["qpos"][row]), SCENE)


def effort(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum of squares of each row's action, ``(r,)``."""
    return np.asarray(np.add.reduce(np.square(actions), -1))


def within(values: Floats, limits: Any) -> Flags:
    """Whether values lie between two limits, neither included; each is a number, or one per column."""
    return np.asarray((limits[0] < values) & (values < limits[1]))


def every(flags: Flags) -> Flags:
    """Whether all of a row's flags are set, ``(r,)``."""
    return np.asarray(np.logical_and.reduce(flags, -1))


def clipped(values: Floats, low: float, high: float) -> Floats:
    """Values within bounds; ``np.clip`` takes twice as long for a few."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def lengths(vectors: Floats) -> Floats:
    """Euclidean norms ``(...)`` of vectors ``(..., d)``, by the scalar product that ``np.linalg.norm`` takes for one."""
    return np.asarray(np.sqrt(np.matmul(vectors[..., None, :], vectors[..., :, None])[..., 0, 0]))


def objectives(*columns: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Vector rewards ``(r, m)`` of their objectives, each ``(r,)`` and rounded by itself."""
    rewards = np.empty((len(columns[0]), len(columns)), np.float32)
    for i, column in enumerate(columns):
        rewards[:, i] = column
    return rewards


def nobody(rows: npt.NDArray[Any]) -> Flags:
    """No row has terminated."""
    return np.zeros(len(rows), np.bool_)
