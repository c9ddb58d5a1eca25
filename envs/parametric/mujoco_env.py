"""What the MuJoCo environments have in common: one model per row, many rows stepped by threads, arithmetic on all at once."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats
from envs.drawing import SCENE, Canvas
from envs.drawn_env import DrawnParametricEnv
from envs.mujoco.camera import Camera
from envs.mujoco.copies import CopiedSimulations
from envs.native_env import shorter
from envs.parameter_space import ParameterSpace
from envs.parametric.physics import Compat, Effect
from envs.protocols import Advanced, Rows

if TYPE_CHECKING:
    import gymnasium

State: TypeAlias = dict[str, Floats]
"""Arrays of the rows' simulations by name, each ``(r, ...)``: ``qpos``, ``qvel`` and what is gathered."""
Judgement: TypeAlias = tuple[Floats, Flags]
"""Rewards ``(r,)`` or ``(r, m)``, and whether the episode ends ``(r,)``."""
ParameterSet: TypeAlias = "int | str | Sequence[Effect]"
"""Name of one of an environment's own sets, or effects of one's own."""

_MEMORY = 2**20
"""Bytes for contacts and constraints of a row. MuJoCo's own guess is above ten million, and these robots need few."""


class MujocoEnv(CopiedSimulations, DrawnParametricEnv):
    """Base of the MuJoCo environments; a subclass says which model, and how observations and rewards follow from the state.

    With nominal parameters they are gymnasium's environments, version 5, number for number; only the random start comes from
    the row's episode seed. MuJoCo computes outside of Python's lock, so rows are shared among the processor's cores, which
    changes no number.

    With masses, the inertia of the body follows and MuJoCo's derived constants are computed anew. MuJoCo's habit to restart
    an unstable simulation by itself is switched off: what is not finite is seen.
    """

    parameter_sets: ClassVar[Mapping[int | str, tuple[Effect, ...]]]
    """The environment's own uncertainty sets, by number of parameters or name."""
    model_file: ClassVar[str]
    """Among gymnasium's assets."""
    frame_skip: ClassVar[int]
    """Simulation steps of one environment step."""
    reset_noise: ClassVar[float]
    """Scale of the random start."""
    normal_velocities: ClassVar[bool] = False
    """Whether first velocities are normal instead of uniform."""
    unseen: ClassVar[int] = 1
    """How many of the first positions are not observed: by default the way along the track."""
    largest_speed: ClassVar[float] = np.inf
    """At which observed velocities are clipped."""
    gathered: ClassVar[tuple[str, ...]] = ()
    """Arrays of the simulation that observations or rewards need beside ``qpos`` and ``qvel``."""
    compared: ClassVar[tuple[str, ...]] = ("qpos",)
    """Those whose values before the step rewards need too."""

    rows_per_thread = 3
    num_objectives: int = 1
    """``m``."""
    made_anew = ("_mujoco", "_controls", "_threads", "_pool", "_camera")

    models: list[Any]
    """The ``mujoco.MjModel`` of each row."""
    data: list[Any]
    """The ``mujoco.MjData`` of each row."""

    def __init__(
        self,
        num_envs: int,
        *,
        parameter_set: ParameterSet = 2,
        compat: Compat = None,
        horizon: int = 1000,
        max_episode_steps: int | None = None,
    ) -> None:
        """Compile the model.

        Args:
            num_envs: Number of rows.
            parameter_set: Which parameters can be set: a key of ``parameter_sets``, or effects of one's own.
            compat: ``"rrls"`` for the physics and nominal values of RRLS, flaws included; see :mod:`envs.parametric.physics`.
            horizon: Greatest length of an episode, steps.
            max_episode_steps: A shorter limit.

        Raises:
            ValueError: An unknown set or ``compat``.
            ImportError: MuJoCo is not installed.
        """
        from gymnasium.spaces import Box

        if compat not in (None, *get_args(get_args(Compat)[0])):
            raise ValueError(f"compat is {compat!r}; expected 'rrls' or None")
        self._compat = compat
        mujoco = _import_mujoco()
        self._model = _compiled(mujoco, self.model_file)
        self._effects = self._chosen(parameter_set)
        super().__init__(
            num_envs,
            parameter_space=ParameterSpace(tuple(effect.parameter(self._model, compat) for effect in self._effects)),
            num_actions=None,
            max_episode_steps=shorter(horizon, max_episode_steps),
        )
        low, high = self._model.actuator_ctrlrange.astype(np.float32).T
        self.action_space = Box(low, high, dtype=np.float32)
        self.reward_space = Box(-np.inf, np.inf, shape=(self.num_objectives,), dtype=np.float32)
        self.time_step = float(self._model.opt.timestep) * self.frame_skip
        self.render_fps = round(1 / self.time_step)
        self._scratch = mujoco.MjData(self._model)
        self.models = [copy(self._model) for _ in range(num_envs)]
        self._written = np.zeros(num_envs, np.bool_)
        self.data = [mujoco.MjData(model) for model in self.models]
        self._previous: dict[str, Floats] = {}
        self._connect()
        self.set_params(self.parameter_space.nominal)
        size = self._observe(self._read(np.zeros(1, np.int64))).shape[1]
        self.observation_space: gymnasium.Space[Any] = Box(-np.inf, np.inf, shape=(size,), dtype=np.float64)

    def _connect(self) -> None:
        super()._connect()
        self._mujoco = _import_mujoco()
        # Views of the simulations' memory: making one anew for every access costs as much as writing to it.
        self._controls = [data.ctrl for data in self.data]

    def _observe(self, state: State) -> Floats:
        """Observations ``(r, d)``."""
        speeds = np.clip(state["qvel"], -self.largest_speed, self.largest_speed)
        return np.concatenate([state["qpos"][:, self.unseen :], speeds], axis=-1)

    def _speed(self, before: State, after: State) -> Floats:
        """Forward speed during the step, m/s."""
        return (after["qpos"][:, 0] - before["qpos"][:, 0]) / self.time_step

    @abstractmethod
    def _judge(self, before: State, after: State, actions: npt.NDArray[Any]) -> Judgement:
        """Rewards ``(r,)`` or ``(r, m)`` and whether the episode ends ``(r,)``."""

    def set_params(self, params: npt.ArrayLike, rows: Rows | None = None) -> None:
        chosen = np.arange(self.num_envs) if rows is None else np.asarray(rows, np.int64)
        before = self._params[chosen]
        super().set_params(params, rows)
        changed = (before != self._params[chosen]).any(axis=-1) | ~self._written[chosen]
        for row in chosen[changed]:
            model = self.models[row]
            for effect, value in zip(self._effects, self._params[row], strict=True):
                effect.write(float(value), model, self._model, self._compat)
            if self._compat is None:
                self._mujoco.mj_setConst(model, self._scratch)
        self._written[chosen] = True
        for row in chosen:
            self._apply(row)

    def _draw(self, row: int, canvas: Canvas) -> None:
        if self._camera is None:
            self._camera = Camera(_compiled(self._mujoco, self.model_file, for_pictures=True))
        # Effects of one's own may change what can be seen.
        for effect, value in zip(self._effects, self._params[row], strict=True):
            effect.write(float(value), self._camera.model, self._model, self._compat)
        canvas.paste(self._camera.picture(self.data[row].qpos), SCENE)

    def _chosen(self, parameter_set: ParameterSet) -> tuple[Effect, ...]:
        """The effects of a parameter set."""
        if not isinstance(parameter_set, int | str):
            return tuple(parameter_set)
        if parameter_set not in self.parameter_sets:
            known = ", ".join(map(repr, self.parameter_sets))
            raise ValueError(f"{type(self).__name__} has no parameter set {parameter_set!r}; expected one of {known}")
        return self.parameter_sets[parameter_set]

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        from scipy.special import ndtri

        model = self._model
        draws = self._uniforms(rows, np.arange(model.nq + model.nv))
        noise = self.reset_noise * (2.0 * draws - 1.0)
        if self.normal_velocities:
            noise[:, model.nq :] = self.reset_noise * ndtri(draws[:, model.nq :])
        for i, row in enumerate(rows):
            data = self.data[row]
            self._mujoco.mj_resetData(self.models[row], data)
            data.qpos += noise[i, : model.nq]
            data.qvel += noise[i, model.nq :]
            self._apply(row)
            self._mujoco.mj_forward(self.models[row], data)
        state = self._read(rows)
        self._remember(rows, state)
        return self._observe(state)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        self._simulate(rows, actions)
        before = {name: values[rows] for name, values in self._previous.items()}
        after = self._read(rows)
        self._remember(rows, after)
        rewards, terminated = self._judge(before, after, actions)
        return self._observe(after), rewards.reshape(len(rows), -1).astype(np.float32), terminated

    def _simulate(self, rows: Rows, actions: npt.NDArray[Any]) -> None:
        """Let MuJoCo compute the rows, in threads if they are many."""
        step, forces = self._mujoco.mj_step, self._mujoco.mj_rnePostConstraint if "cfrc_ext" in self.gathered else None
        controls, frames = self._controls, self.frame_skip
        chosen = rows.tolist()

        def simulate(first: int, stride: int) -> None:
            for row, action in zip(chosen[first::stride], actions[first::stride], strict=True):
                model, data = self.models[row], self.data[row]
                controls[row][:] = action
                step(model, data, frames)
                if forces is not None:
                    forces(model, data)

        self._in_parts(simulate, len(chosen))

    def _read(self, rows: Rows) -> State:
        """What observations and rewards need of the rows' simulations."""
        return {name: np.stack([getattr(self.data[row], name) for row in rows]) for name in ("qpos", "qvel", *self.gathered)}

    def _remember(self, rows: Rows, state: State) -> None:
        """Keep what rewards compare the next state with."""
        for name in self.compared:
            if name not in self._previous:
                self._previous[name] = np.zeros((self.num_envs, *state[name].shape[1:]))
            self._previous[name][rows] = state[name]

    def _apply(self, row: int) -> None:
        for effect, value in zip(self._effects, self._params[row], strict=True):
            effect.start(float(value), self.models[row], self.data[row])


def _import_mujoco() -> Any:
    """MuJoCo, or how to get it."""
    try:
        import mujoco
    except ModuleNotFoundError:
        raise ImportError("this environment needs MuJoCo, which is not installed: pip install 'tradeoff-rl[mujoco]'") from None
    except (AttributeError, RuntimeError, OSError) as error:
        chosen = os.environ.get("MUJOCO_GL")
        raise ImportError(
            f"MuJoCo cannot start with MUJOCO_GL={chosen}: unset it, or name an OpenGL library that is installed: egl, osmesa "
            "(apt-get install libosmesa6) or, with a screen, glfw"
        ) from error
    return mujoco


def _compiled(mujoco: Any, file: str, *, for_pictures: bool = False) -> Any:
    """Compile one of gymnasium's models, without what only serves pictures unless it is for them."""
    import gymnasium.envs.mujoco

    spec = mujoco.MjSpec.from_file(str(Path(gymnasium.envs.mujoco.__file__).parent / "assets" / file))
    if not for_pictures:
        for geom in spec.geoms:
            geom.material = ""
        for picture in (*spec.materials, *spec.textures):
            spec.delete(picture)
    spec.memory = _MEMORY
    # The compiler's own way to a total mass is about to be removed from MuJoCo; this is what it does.
    total, spec.compiler.settotalmass = spec.compiler.settotalmass, -1
    model = spec.compile()
    if total > 0:
        mujoco.mj_setTotalmass(model, total)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    return model
