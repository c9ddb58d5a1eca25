"""Many states of one MuJoCo model, stepped side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.drawing import SCENE, Canvas
from envs.drawn_env import DrawnEnv
from envs.mujoco.camera import Camera
from envs.mujoco.copies import CopiedSimulations
from envs.protocols import Rows
from envs.threads import usable_cores

if TYPE_CHECKING:
    from gymnasium.envs.mujoco import MujocoEnv

Array = npt.NDArray[np.float64]

ROWS_PER_THREAD = 4
"""Fewest rows whose physics takes longer than waking a thread."""


class MuJoCoBatch(CopiedSimulations, DrawnEnv):
    """Base of the batched forms of gymnasium's MuJoCo environments.

    Rows share the model and differ in their state. The physics of a row is computed by the very calls that the original makes;
    MuJoCo releases Python's lock meanwhile, so several rows are computed at a time. What surrounds it in the original is
    done for all rows at once. An episode with seed ``s`` is the original's after ``reset(seed=s)``, bitwise.
    """

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

        self._mujoco = mujoco
        # Views: looking them up costs as much as reading them.
        self._controls = [data.ctrl for data in self._data]
        self._positions_of = [data.qpos for data in self._data]
        self._velocities_of = [data.qvel for data in self._data]
        self._threads = min(usable_cores(), self.num_envs // ROWS_PER_THREAD)
        self._pool = ThreadPoolExecutor(self._threads - 1, "physics") if self._threads > 1 else None
        self._camera = Camera(self._model)

    def _first_state(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Positions and velocities at the start of an episode: the original's ``reset_model``."""
        uniform = rng.uniform(low=-self._noise, high=self._noise, size=self._model.nq)
        return self._first_positions + uniform, self._first_velocities + self._velocity_noise(rng)

    def _velocity_noise(self, rng: np.random.Generator) -> Array:
        drawn: Array = rng.uniform(low=-self._noise, high=self._noise, size=self._model.nv)
        return drawn

    def reset(self, rows: Rows, seeds: npt.NDArray[np.int64], dynamics: Array | None = None) -> npt.NDArray[Any]:
        """Start a new episode in some rows; see :meth:`envs.protocols.BatchedEnv.reset`."""
        self._seeds[rows] = seeds
        return super().reset(rows, seeds, dynamics)

    def _start(self, rows: Rows) -> Array:
        for row in rows.tolist():
            data = self._data[row]
            self._mujoco.mj_resetData(self._model, data)
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(self._seeds[row]))))
            data.qpos[:], data.qvel[:] = self._first_state(rng)
            self._mujoco.mj_forward(self._model, data)
        return self._observe(*self._states(rows.tolist()))

    def _advance(
        self, rows: Rows, actions: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        which = rows.tolist()
        before = np.array([self._positions_of[row][0] for row in which])
        self._simulate(which, actions)
        positions, velocities = self._states(which)
        speed = (positions[:, 0] - before) / self._seconds
        rewards, terminated = self._judge(speed, positions, velocities, actions)
        return self._observe(positions, velocities), rewards, terminated

    def _simulate(self, rows: list[int], actions: npt.NDArray[Any]) -> None:
        parts = max(1, min(self._threads, len(rows) // ROWS_PER_THREAD))
        if self._pool is None or parts == 1:
            self._simulate_part(rows, actions)
            return
        others = [self._pool.submit(self._simulate_part, rows[k::parts], actions[k::parts]) for k in range(1, parts)]
        self._simulate_part(rows[::parts], actions[::parts])
        for other in others:
            other.result()

    def _simulate_part(self, rows: Sequence[int], actions: npt.NDArray[Any]) -> None:
        step, model, frames = self._mujoco.mj_step, self._model, self._frames
        for row, action in zip(rows, actions, strict=True):
            self._controls[row][:] = action
            step(model, self._data[row], nstep=frames)

    def _states(self, rows: list[int]) -> tuple[Array, Array]:
        return np.array([self._positions_of[row] for row in rows]), np.array([self._velocities_of[row] for row in rows])

    def _observe(self, positions: Array, velocities: Array) -> Array:
        """Observations ``(r, d)``: everything but where the robot is along the track."""
        return np.concatenate([positions[:, 1:], velocities], 1)

    @abstractmethod
    def _judge(
        self, speed: Array, positions: Array, velocities: Array, actions: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Rewards ``(r, m)`` and which rows have terminated; ``speed`` is along the track."""

    def _draw(self, row: int, canvas: Canvas) -> None:
        canvas.paste(self._camera.picture(self._positions_of[row]), SCENE)

    def close(self) -> None:
        """Stop the threads, and drawing."""
        self._camera.close()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def effort(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum of squares of each row's action, ``(r,)``."""
    return np.asarray(np.square(actions).sum(-1))
