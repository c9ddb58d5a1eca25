"""Native batched environments as ordinary gymnasium ones: a single environment, and a vector environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from envs.arrays import Flags, Floats, Integers
from envs.protocols import BatchedEnv, Rows, Step
from envs.randomness import derived_seeds, episode_keys

if TYPE_CHECKING:
    from envs.native_parametric_env import NativeParametricEnv

FRAMES_PER_SECOND = 10
"""At which speed films are played unless a batched form has its own ``render_fps``."""

_DRAWN_BY = {"rgb_array": "render_frame", "ansi": "render_text"}
"""Gymnasium's render modes, and the method of a batched form that serves each."""


class _Adapted:
    """What the two gymnasium forms of a batched environment have in common."""

    batched: BatchedEnv
    """The batched form."""
    metadata: dict[str, Any]
    """Render modes, and frames per second."""
    render_mode: str | None
    """What ``render`` gives."""
    reward_space: gymnasium.spaces.Box
    """Of a single copy: shape ``(m,)``, also where the reward is a plain number."""
    reward_dim: int
    """``m``: how mo-gymnasium's environments say it."""
    _spec: EnvSpec | None = None

    def _adapt(self, batched: BatchedEnv, render_mode: str | None) -> None:
        """Take over what the batched form says of itself."""
        self.batched = batched
        modes = [mode for mode, method in _DRAWN_BY.items() if hasattr(batched, method)]
        self.metadata = {"render_modes": modes, "render_fps": getattr(batched, "render_fps", FRAMES_PER_SECOND)}
        self.reward_space = batched.reward_space
        self.reward_dim = int(np.size(batched.reward_space.low))
        self.render_mode = render_mode
        if render_mode is not None and render_mode not in modes:
            self.render_mode = None
            gymnasium.logger.warn(
                f"{type(batched).__name__} does not draw render_mode={render_mode!r}, so render() gives nothing; "
                + (f"it draws {' and '.join(map(repr, modes))}" if modes else "it draws no pictures")
            )

    @property
    def spec(self) -> EnvSpec | None:
        """What gymnasium made the environment of, with the time limit that the batched form has by itself."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            # Gymnasium knows of no limit, as it adds no wrapper for it.
            spec = copy(spec)
            spec.max_episode_steps = self.batched.max_episode_steps
        self._spec = spec

    def _draw(self) -> tuple[Any, ...] | None:
        """A picture of every row."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() gives nothing without a mode; make the environment with render_mode="rgb_array"')
            return None
        draw = getattr(self.batched, _DRAWN_BY[self.render_mode])
        return tuple(draw(row) for row in range(self.batched.num_envs))

    def _close(self) -> None:
        """Let the batched form give back what it holds: threads, windows."""
        if hasattr(self.batched, "close"):
            self.batched.close()

    def _step_rows(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Step rows with actions of someone who may know no more than the shape of the action space."""
        nearest = getattr(self.batched, "nearest_actions", None)
        return self.batched.step(rows, actions if nearest is None else nearest(actions))


class SingleEnv(_Adapted, gymnasium.Env[Any, Any]):
    """One row of a batched environment as a gymnasium environment.

    ``reset(seed=s)`` starts the very episode that the batched form starts for seed ``s``. The reward is an array ``(m,)``, or a
    float if the batched form says ``scalar_reward``, as libraries for a single objective expect. What the batched form knows
    about itself (``pareto_front``, ``tables``) can be asked for here. Where it has a ``parameter_space``, the dynamics can be
    set (:class:`envs.protocols.ParametricDynamics`). It can be rendered if the batched form draws
    (:class:`envs.protocols.CanRender`).
    """

    def __init__(self, batched: BatchedEnv, *, render_mode: str | None = None) -> None:
        """Wrap a batched environment.

        Args:
            batched: Must have exactly one row.
            render_mode: What ``render`` gives: ``"rgb_array"``, ``"ansi"``, or None for nothing. A mode that the batched form
                does not offer counts as None, with a warning, so that libraries may ask every environment for pictures.

        Raises:
            ValueError: It has more.
        """
        if batched.num_envs != 1:
            raise ValueError(f"batched has {batched.num_envs} rows; a single environment needs exactly one")
        self._adapt(batched, render_mode)
        self.observation_space = batched.observation_space
        self.action_space = batched.action_space
        self._row = np.zeros(1, np.int64)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "batched":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.batched, name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the episode of a seed, or one that the environment's own generator picks.

        Args:
            seed: Of the episode.
            options: ``params`` chooses the transition model, see :class:`envs.protocols.ParametricDynamics`; other keys mean
                nothing here.

        Raises:
            ValueError: The model is unknown or cannot be simulated.
        """
        super().reset(seed=seed)
        episode = np.array([int(self.np_random.integers(2**63)) if seed is None else seed])
        models = chosen_models(self.batched, (options or {}).get("params"))
        observation = self.batched.reset(self._row, episode, models)[0]
        return observation, {"params": self.get_params()} if hasattr(self.batched, "parameter_space") else {}

    def get_params(self) -> dict[str, float]:
        """The transition model in force, by name; see :meth:`envs.protocols.ParametricDynamics.get_params`."""
        batched = parametric(self.batched)
        return batched.parameter_space.mapping(batched.get_params()[0])

    def set_params(self, **params: float) -> None:
        """Change the transition model at once; see :meth:`envs.protocols.ParametricDynamics.set_params`."""
        batched = parametric(self.batched)
        batched.set_params(batched.parameter_space.vector(params, current=batched.get_params()))

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Advance by one step."""
        observations, rewards, terminated, truncated = self._step_rows(self._row, np.asarray(action)[None])
        reward = float(rewards[0, 0]) if _is_scalar(self.batched) else rewards[0]
        info = {"params": self.get_params()} if hasattr(self.batched, "parameter_space") else {}
        return observations[0], reward, bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Any:
        """Draw the environment as ``render_mode`` says: an image ``(H, W, 3)``, uint8, or a text."""
        pictures = self._draw()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Let the batched form give back what it holds: threads, windows."""
        self._close()


class BatchedVectorEnv(_Adapted, gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A batched environment as a gymnasium vector environment, which resets ended rows itself, and draws all rows.

    Rewards have shape ``(R, m)``, or ``(R,)`` if the batched form says ``scalar_reward``. Rows reset
    automatically go on with seeds derived from the seed of their last explicit reset, so a row's whole future is a function
    of that seed. Where models can be set, ``infos["params"]`` of a reset has those in force, by name, ``(R,)`` each; where they
    change by themselves, that of every step too.
    """

    def __init__(
        self,
        batched: BatchedEnv,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        """Wrap a batched environment.

        Args:
            batched: Any number of rows.
            autoreset_mode: ``NEXT_STEP`` resets a row in the step after its last, ignoring the action; ``SAME_STEP`` in the
                last step itself, whose true observation is then in ``infos["final_obs"]``.
            render_mode: As for :class:`SingleEnv`.

        Raises:
            ValueError: The autoreset mode is neither.
        """
        mode = AutoresetMode(autoreset_mode)
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise ValueError(f"autoreset_mode is {mode}; expected NEXT_STEP or SAME_STEP, or step the batched form itself")
        self._adapt(batched, render_mode)
        self.num_envs = batched.num_envs
        self.metadata["autoreset_mode"] = mode
        self.single_observation_space = batched.observation_space
        self.single_action_space = batched.action_space
        self.observation_space = batch_space(batched.observation_space, self.num_envs)
        self.action_space = batch_space(batched.action_space, self.num_envs)
        self._same_step = mode is AutoresetMode.SAME_STEP
        self._rows = np.arange(self.num_envs)
        self._keys = np.zeros(self.num_envs, np.uint64)
        self._episodes = np.zeros(self.num_envs, np.int64)
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | np.integer[Any] | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Start a new episode in every row.

        Args:
            seed: One seed per row, or the seed of row 0 from which the others count up; None draws them.
            options: ``params`` chooses the transition models: as for a single environment, and the numbers may be arrays
                ``(R,)`` or ``(R, k)``, one model per row.

        Returns:
            Observations ``(R, *shape)`` and infos: the models in force under ``params``, if they can be set.

        Raises:
            ValueError: The number of seeds is not the number of rows, or a model is unknown or cannot be simulated.
        """
        seed = int(seed) if isinstance(seed, np.integer) else seed
        super().reset(seed=seed if isinstance(seed, int) else None)
        drawn = self.np_random.integers(2**63, size=self.num_envs)
        if seed is None:
            seeds = drawn
        elif isinstance(seed, int):
            seeds = seed + self._rows
        elif len(seed) == self.num_envs:
            seeds = np.array([chance if given is None else given for chance, given in zip(drawn, seed, strict=True)], np.int64)
        else:
            raise ValueError(f"{len(seed)} seeds were given; expected one for each of the {self.num_envs} rows")
        self._keys = episode_keys(seeds)
        self._episodes[:] = 0
        self._ended[:] = False
        observations = self.batched.reset(self._rows, seeds, chosen_models(self.batched, (options or {}).get("params")))
        return observations, self._models_in_force(np.ones(self.num_envs, np.bool_))

    def step(self, actions: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], Flags, Flags, dict[str, Any]]:
        """Advance every row; rows that ended are reset as the autoreset mode says."""
        actions = np.asarray(actions)
        if not self._ended.any():
            observations, rewards, terminated, truncated = self._step_rows(self._rows, actions)
        else:
            observations, rewards, terminated, truncated = self._step_some(actions)
        ended = terminated | truncated
        finals: dict[str, Any] = {}
        if not self._same_step:
            self._ended = ended
        elif ended.any():
            last = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(ended):
                last[row] = observations[row].copy()
            finals = {"final_obs": last, "_final_obs": ended}
            finals |= {"final_info": self._moving_models(ended.copy()), "_final_info": ended.copy()}
            observations[ended] = self._reset_rows(self._rows[ended])
        infos = self._moving_models(np.ones(self.num_envs, np.bool_)) | finals
        return observations, rewards[:, 0] if _is_scalar(self.batched) else rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """Draw every row as ``render_mode`` says: ``R`` images ``(H, W, 3)``, uint8, or texts."""
        return self._draw()

    def close_extras(self, **kwargs: Any) -> None:
        """Let the batched form give back what it holds: threads, windows."""
        self._close()

    def _step_some(self, actions: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], Flags, Flags]:
        """Reset the rows that ended in the step before, and step the others."""
        going, ended = self._rows[~self._ended], self._rows[self._ended]
        first = self._reset_rows(ended)
        observations = np.empty((self.num_envs, *first.shape[1:]), first.dtype)
        observations[ended] = first
        rewards = np.zeros((self.num_envs, self.reward_dim), np.float32)
        terminated, truncated = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        if going.size:
            observations[going], rewards[going], terminated[going], truncated[going] = self._step_rows(going, actions[going])
        return observations, rewards, terminated, truncated

    def _models_in_force(self, known: Flags) -> dict[str, Any]:
        """The infos' entry about transition models that can be set, and gymnasium's mask of the rows that it is about."""
        if not hasattr(self.batched, "parameter_space"):
            return {}
        settable = parametric(self.batched)
        return {"params": settable.parameter_space.mapping(settable.get_params()), "_params": known}

    def _moving_models(self, known: Flags) -> dict[str, Any]:
        """The same of a step, if models change by themselves; others are what the last reset said."""
        return self._models_in_force(known) if getattr(self.batched, "draws_params", False) else {}

    def _reset_rows(self, rows: Integers) -> npt.NDArray[Any]:
        self._episodes[rows] += 1
        seeds = derived_seeds(self._keys[rows], self._episodes[rows])
        models = chosen_models(self.batched, None)
        return self.batched.reset(rows, seeds, None if models is None else models[rows])


def parametric(batched: Any) -> NativeParametricEnv:
    """The batched form as one with settable dynamics.

    Raises:
        ValueError: Its transition model is fixed.
    """
    if not hasattr(batched, "parameter_space"):
        raise ValueError(
            f"{type(batched).__name__} has one fixed transition model; environments under 'parametric/' have settable ones"
        )
    settable: NativeParametricEnv = batched
    return settable


def chosen_models(batched: Any, params: Any) -> Floats | None:
    """The transition model of every row after a reset with ``options={"params": params}``, ``(R, k)``.

    A model stays in force until another one is chosen.

    Returns:
        None if there is nothing to choose: the model is fixed, or the environment draws one by itself (``draws_params``).

    Raises:
        ValueError: The model is unknown or cannot be simulated, or it is fixed.
    """
    if params is None and (not hasattr(batched, "parameter_space") or getattr(batched, "draws_params", False)):
        return None
    settable = parametric(batched)
    return settable.parameter_space.vector(params, current=settable.get_params())


def _is_scalar(batched: BatchedEnv) -> bool:
    """Whether gymnasium is given plain numbers as rewards; ``m`` is 1 then, and the batched form itself keeps ``(r, 1)``."""
    return bool(getattr(batched, "scalar_reward", False))


def load(path: str) -> Callable[..., BatchedEnv]:
    """Import ``"module:name"``, the maker of a batched environment: a callable ``(num_envs, *, ...)``."""
    module, _, name = path.partition(":")
    maker: Callable[..., BatchedEnv] = getattr(import_module(module), name)
    return maker


def single_form(*, native: str, render_mode: str | None = None, **arguments: Any) -> SingleEnv:
    """Entry point of this package's ids for :func:`gymnasium.make`.

    Args:
        native: ``"module:name"`` of the batched form.
        render_mode: See :class:`SingleEnv`.
        arguments: Of the batched form.
    """
    return SingleEnv(load(native)(1, **arguments), render_mode=render_mode)


# gymnasium.make looks here before there is an environment: "human" and "rgb_array_list" are made of these.
vars(single_form)["metadata"] = {"render_modes": list(_DRAWN_BY), "render_fps": FRAMES_PER_SECOND}


def vector_form(
    *,
    num_envs: int,
    native: str,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    render_mode: str | None = None,
    max_episode_steps: int | None = None,
    **arguments: Any,
) -> BatchedVectorEnv:
    """Entry point of this package's ids for :func:`gymnasium.make_vec`.

    Args:
        num_envs: Number of rows.
        native: ``"module:name"`` of the batched form.
        autoreset_mode: See :class:`BatchedVectorEnv`.
        render_mode: See :class:`SingleEnv`.
        max_episode_steps: A shorter time limit; None or -1, as for :func:`gymnasium.make`, for that of the batched form.
        arguments: Of the batched form.
    """
    if max_episode_steps not in (None, -1):
        arguments["max_episode_steps"] = max_episode_steps
    return BatchedVectorEnv(load(native)(num_envs, **arguments), autoreset_mode=autoreset_mode, render_mode=render_mode)
