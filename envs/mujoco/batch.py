"""Many states of one MuJoCo model, stepped side by side."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.drawing import SCENE, Canvas
from envs.drawn_env import DrawnEnv
from envs.mujoco.camera import Camera
from envs.mujoco.copies import CopiedSimulations
from envs.protocols import Advanced, Rows

if TYPE_CHECKING:
    from gymnasium.envs.mujoco import MujocoEnv

Judgement: TypeAlias = tuple[npt.NDArray[np.float32], Flags]
"""Rewards ``(r, m)``, and which rows have terminated, ``(r,)``."""


class MuJoCoBatch(CopiedSimulations, DrawnEnv):
    """Base of the batched forms of gymnasium's MuJoCo environments.

    Rows share the model and differ in their state. The physics of a row is computed by the very calls that the original makes;
    MuJoCo releases Python's lock meanwhile, so several rows are computed at a time. What surrounds it in the original is
    done for all rows at once. An episode with seed ``s`` is the original's after ``reset(seed=s)``, bitwise.
    """

    normal_velocities: ClassVar[bool] = False
    """Whether first velocities are normal instead of uniform."""

    rows_per_thread = 4
    made_anew = ("_mujoco", "_controls", "_positions_of", "_velocities_of", "_threads", "_pool", "_camera")

    def __init__(self, original: MujocoEnv, num_envs: int, *, max_episode_steps: int | None) -> None:
        """Take model, initial state and spaces from an instance of the original.

        Args:
            original: One instance; it is closed here.
            num_envs: Number of rows.
            max_episode_steps: Episodes are truncated at this length.
        """
        import mujoco

        super().__init__(num_envs, num_actions=None, max_episode_steps=max_episode_steps)
        self.observation_space, self.action_space = original.observation_space, original.action_space
        self.reward_space = original.reward_space  # type: ignore[attr-defined]
        self._model, self._frames = original.model, original.frame_skip
        self._first_positions, self._first_velocities = original.init_qpos.copy(), original.init_qvel.copy()
        self._seconds = float(original.dt)
        self.render_fps = round(1 / self._seconds)
        self._noise = float(original._reset_noise_scale)  # type: ignore[attr-defined]
        original.close()  # type: ignore[no-untyped-call]
        self._data = [mujoco.MjData(self._model) for _ in range(num_envs)]
        self._seeds = np.zeros(num_envs, np.int64)
        self._connect()

    def _connect(self) -> None:
        import mujoco

        super()._connect()
        self._mujoco = mujoco
        # Views: looking them up costs as much as reading them.
        self._controls = [data.ctrl for data in self._data]
        self._positions_of = [data.qpos for data in self._data]
        self._velocities_of = [data.qvel for data in self._data]

    def reset(self, rows: Rows, seeds: Integers, dynamics: Floats | None = None) -> npt.NDArray[Any]:
        self._seeds[rows] = seeds
        return super().reset(rows, seeds, dynamics)

    def _start(self, rows: Rows) -> Floats:
        nq, nv, noise = self._model.nq, self._model.nv, self._noise
        for row in rows.tolist():
            data = self._data[row]
            self._mujoco.mj_resetData(self._model, data)
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(self._seeds[row]))))
            # As in the original's ``reset_model``.
            data.qpos[:] = self._first_positions + rng.uniform(low=-noise, high=noise, size=nq)
            draws = rng.standard_normal(nv) * noise if self.normal_velocities else rng.uniform(low=-noise, high=noise, size=nv)
            data.qvel[:] = self._first_velocities + draws
            self._mujoco.mj_forward(self._model, data)
        return self._observe(*self._states(rows.tolist()))

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        which = rows.tolist()
        before = np.array([self._positions_of[row][0] for row in which])
        self._simulate(which, actions)
        positions, velocities = self._states(which)
        speed = (positions[:, 0] - before) / self._seconds
        rewards, terminated = self._judge(speed, positions, velocities, actions)
        return self._observe(positions, velocities), rewards, terminated

    def _simulate(self, rows: list[int], actions: npt.NDArray[Any]) -> None:
        step, model, frames = self._mujoco.mj_step, self._model, self._frames

        def simulate(first: int, stride: int) -> None:
            for row, action in zip(rows[first::stride], actions[first::stride], strict=True):
                self._controls[row][:] = action
                step(model, self._data[row], nstep=frames)

        self._in_parts(simulate, len(rows))

    def _states(self, rows: list[int]) -> tuple[Floats, Floats]:
        return np.array([self._positions_of[row] for row in rows]), np.array([self._velocities_of[row] for row in rows])

    def _observe(self, positions: Floats, velocities: Floats) -> Floats:
        """Observations ``(r, d)``: everything but where the robot is along the track."""
        return np.concatenate([positions[:, 1:], velocities], 1)

    @abstractmethod
    def _judge(self, speed: Floats, positions: Floats, velocities: Floats, actions: npt.NDArray[Any]) -> Judgement:
        """Rewards ``(r, m)`` and which rows have terminated; ``speed`` is along the track."""

    def _draw(self, row: int, canvas: Canvas) -> None:
        if self._camera is None:
            self._camera = Camera(self._model)
        canvas.paste(self._camera.picture(self._positions_of[row]), SCENE)


def effort(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum of squares of each row's action, ``(r,)``."""
    return np.asarray(np.square(actions).sum(-1))
