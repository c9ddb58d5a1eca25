"""Environment rows: batches of independent environments that never reset themselves and can stand anywhere again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, CheckpointError, EnvironmentFault, described
from morl.layers import bare, declaration, outermost
from morl.observations import Layout, Misfit, values_of
from morl.protocols import EnvRows, State

Index = npt.NDArray[np.int64]

_WIDE: np.dtype[Any] = np.dtype(np.float64)


class _RowFault(Exception):
    """What one environment of a batch did wrong, and its place among the rows that were asked."""

    def __init__(self, text: str, place: int) -> None:
        super().__init__(text)
        self.place = place


class PlainBatch:
    """Rows over plain gymnasium environments, one copy each, stepped in turn.

    It has the interface of :class:`envs.protocols.BatchedEnv`, but hands on float64 where the environments return it against
    their word. Stepping in this process is faster than worker processes on few cores, and a physics step cannot be batched in
    numpy.
    """

    def __init__(self, make_env: Callable[[], gym.Env[Any, Any]], num_envs: int, num_objectives: int) -> None:
        """Make the copies.

        Args:
            make_env: Makes one environment.
            num_envs: ``R``.
            num_objectives: ``m``, the length of a reward.

        Raises:
            EnvironmentFault: The same environment is handed out twice.
        """
        self.num_envs, self.num_objectives = num_envs, num_objectives
        self._envs = [make_env() for _ in range(num_envs)]
        if len({id(env) for env in self._envs}) < num_envs:
            raise EnvironmentFault(
                "the callable returns the same environment again and again, but every row needs its own; let it make a new one "
                "at each call, such as lambda: gymnasium.make(...)"
            )
        first = self._envs[0]
        self.observation_space = first.observation_space
        self.action_space = first.action_space
        self._num_actions = first.action_space.n if isinstance(first.action_space, spaces.Discrete) else None
        self._layout = Layout(first.observation_space)
        self._reward_dtype: np.dtype[Any] = np.dtype(np.float32)
        self._only = None if self._layout.is_nested else self._layout.parts[0]
        self.parameter_space = outermost(first, "parameter_space")
        # Of a reward that a wrapper may have changed they say nothing.
        self._bare: list[Any] = [bare(env) for env in self._envs]
        parts = getattr(self._bare[0], "reward_parts", None)
        self.reward_parts = None if parts is None else np.zeros((num_envs, np.size(parts)))

    def reset(self, rows: Index, seeds: Index, dynamics: npt.NDArray[np.floating] | None = None) -> Any:
        """Start episodes; ``dynamics`` goes to ``reset(options={"params": ...})``."""
        buffers = self._buffers(len(rows))
        for i, row in enumerate(rows):
            # A plain environment keeps its model until it is told otherwise.
            nominal = None if self.parameter_space is None else {"params": "nominal"}
            options = nominal if dynamics is None else {"params": np.asarray(dynamics[i])}
            try:
                result: Any = self._envs[row].reset(seed=int(seeds[i]), options=options)
            except (Exception, SystemExit) as error:
                raise _RowFault(f"the environment's reset failed: {described(error)}", i) from error
            if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
                raise _RowFault(
                    f"the environment's reset returned {_kind(result)}; expected two things, the observation and a mapping: "
                    "return observation, {}",
                    i,
                )
            self._keep(buffers, i, result[0])
        return self._layout.nest(buffers) if self._only is None else buffers[0]

    def step(
        self, rows: Index, actions: npt.NDArray[Any]
    ) -> tuple[Any, npt.NDArray[np.floating], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Advance each row by one step."""
        count, m = len(rows), self.num_objectives
        buffers = self._buffers(count)
        only = self._only
        rewards = np.empty((count, m), dtype=self._reward_dtype)
        terminated, truncated = np.empty(count, dtype=np.bool_), np.empty(count, dtype=np.bool_)
        # As their spaces sample them: Discrete actions are numbers, all others arrays, also those without an axis.
        choices: Any = actions.tolist() if self._num_actions is not None else [np.asarray(action) for action in actions]
        for i, row in enumerate(rows.tolist()):
            try:
                result: Any = self._envs[row].step(choices[i])
            except (Exception, SystemExit) as error:
                raise _RowFault(f"the environment's step failed: {described(error)}", i) from error
            if not isinstance(result, tuple) or len(result) != 5:
                raise _RowFault(
                    f"the environment's step returned {_kind(result)}; expected five things: observation, reward, terminated, "
                    "truncated and a mapping",
                    i,
                )
            observation, reward, ended, cut, _ = result
            if only is not None and only.fits(observation):
                buffers[0][i] = observation
            else:
                self._keep(buffers, i, observation)
            if type(reward) is np.ndarray and reward.shape == (m,) and reward.dtype is rewards.dtype:
                rewards[i] = reward
            elif m == 1 and isinstance(reward, (float, int)) and rewards.dtype is _WIDE:
                rewards[i, 0] = reward
            else:
                if rewards.dtype is not _WIDE:
                    rewards, self._reward_dtype = rewards.astype(_WIDE), _WIDE
                rewards[i] = self._reward(reward, i)
            terminated[i] = ended if type(ended) is bool else _truth("terminated", ended, i)
            truncated[i] = cut if type(cut) is bool else _truth("truncated", cut, i)
            if self.reward_parts is not None:
                self.reward_parts[row] = np.reshape(self._bare[row].reward_parts, -1)
        return self._layout.nest(buffers) if only is None else buffers[0], rewards, terminated, truncated

    def _buffers(self, count: int) -> list[npt.NDArray[Any]]:
        return [np.empty((count, *part.shape), dtype=part.buffer_dtype) for part in self._layout.parts]

    def _keep(self, buffers: list[npt.NDArray[Any]], place: int, observation: Any) -> None:
        """Put an observation into the buffers, if it has its space's shape; the values are looked at later, all at once."""
        layout = self._layout
        try:
            values = values_of(layout.space, observation) if layout.is_nested else (observation,)
            for k, (part, value) in enumerate(zip(layout.parts, values, strict=True)):
                if part.fits(value):
                    buffers[k][place] = value
                else:
                    found = part.raw(value, axes=0)
                    part.widen()
                    buffers[k] = buffers[k].astype(part.buffer_dtype, copy=False)
                    buffers[k][place] = found
        except Misfit as error:
            raise _RowFault(f"the environment returned {error}", place) from error

    def _reward(self, reward: Any, place: int) -> npt.NDArray[Any]:
        """A reward of another type than usual, if it means the same."""
        m = self.num_objectives
        try:
            array = reward.detach().cpu().numpy() if isinstance(reward, Tensor) else np.asarray(reward)
        except ValueError:  # entries of different lengths
            array = np.asarray(None)
        if array.dtype.kind not in "fiub":
            raise _RowFault(f"the environment returned the reward {reward!r:.60}; expected {m} real number(s)", place)
        if array.shape != (m,) and not m == array.size == 1:
            says = outermost(self._envs[0], "reward_space") is not None
            raise _RowFault(
                f"the environment returned a reward of shape {array.shape}, but "
                + (f"its reward_space says ({m},); correct either of them" if says else f"says nothing: {declaration((2,))}"),
                place,
            )
        return array.reshape(m)

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs:
            env.close()


def _kind(result: Any) -> str:
    """What a method returned, in words."""
    if isinstance(result, tuple):
        return f"{len(result)} things ({', '.join(type(part).__name__ for part in result)})"
    return f"an array of shape {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__


def _truth(name: str, value: Any, place: int) -> bool:
    """A truth value of another type than usual, if it means one."""
    found = value.item() if isinstance(value, (np.ndarray, np.generic, Tensor)) and not value.shape else value
    if isinstance(found, int) and found in (0, 1):
        return bool(found)
    raise _RowFault(f"the environment returned {name}={value!r:.60}; expected True or False", place)


class BatchedRows(EnvRows):
    """Rows over anything with the interface of :class:`envs.protocols.BatchedEnv`.

    It moves data between numpy and the learner's device, refuses observations and rewards that are not what the environment
    says of them, and remembers every row's episode (seed, dynamics, actions so far), so that a saved position can be reached
    again by replaying. Observations are raw: see :mod:`morl.observations`.
    """

    def __init__(self, batch: Any, *, device: torch.device) -> None:
        """Wrap a batch.

        Args:
            batch: The native batched environment or a :class:`PlainBatch`.
            device: Where tensors live.
        """
        self.batch = batch
        self.num_rows: int = batch.num_envs
        self.device = device
        self._layout = Layout(batch.observation_space)
        self._m = int(batch.num_objectives if isinstance(batch, PlainBatch) else batch.reward_space.shape[0])
        action_space = batch.action_space
        action_shape, dtype = action_space.shape or (), action_space.dtype
        self._action_dtype = np.dtype(np.int64) if isinstance(action_space, spaces.Discrete) else np.dtype(dtype)
        self._action_start = int(action_space.start) if isinstance(action_space, spaces.Discrete) else 0
        self._seeds = np.full(self.num_rows, -1, dtype=np.int64)
        self._lengths = np.zeros(self.num_rows, dtype=np.int64)
        self._actions = np.zeros((self.num_rows, 64, *action_shape), dtype=self._action_dtype)
        self._dynamics: npt.NDArray[np.float64] | None = None

    def reset(self, rows: Index, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        models = None if dynamics is None else dynamics.detach().cpu().numpy().astype(np.float64)
        return self._reset(rows, np.asarray(seeds, dtype=np.int64), models)

    def _reset(self, rows: Index, seeds: Index, models: npt.NDArray[np.float64] | None) -> Tensor:
        self._seeds[rows] = seeds
        self._lengths[rows] = 0
        if models is not None:
            space = getattr(self.batch, "parameter_space", None)
            if space is None:
                raise CapabilityError(
                    "a task names transition models, but the dynamics of this environment cannot be set; use an environment "
                    "with a parameter_space, such as those under 'parametric/'"
                )
            # NaN stands for the nominal value.
            models = np.where(np.isnan(models), space.nominal, models)
            if self._dynamics is None:
                self._dynamics = np.full((self.num_rows, models.shape[1]), np.nan)
            self._dynamics[rows] = models
        elif self._dynamics is not None:
            self._dynamics[rows] = np.nan
        try:
            observations = self.batch.reset(rows, seeds, models)
        except _RowFault as fault:
            self._refuse(str(fault), fault.place, rows, fault.__cause__)
        return self._observations(observations, rows)

    def step(self, actions: Tensor, rows: Index) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        chosen = actions.detach().cpu().numpy().astype(self._action_dtype, copy=False)
        lengths = self._lengths[rows]
        if lengths.max() >= self._actions.shape[1]:
            self._actions = np.concatenate([self._actions, np.zeros_like(self._actions)], axis=1)
        self._actions[rows, lengths] = chosen
        self._lengths[rows] = lengths + 1
        try:
            result = self.batch.step(rows, chosen + self._action_start if self._action_start else chosen)
        except _RowFault as fault:
            self._refuse(str(fault), fault.place, rows, fault.__cause__)
        observations, rewards, terminated, truncated = result
        if not isinstance(self.batch, PlainBatch):
            self._check_native(rewards, terminated, truncated, len(rows))
        return (
            self._observations(observations, rows),
            self._rewards(rewards, rows),
            torch.from_numpy(terminated).to(self.device),
            torch.from_numpy(truncated).to(self.device),
        )

    @property
    def num_reward_parts(self) -> int:
        """Parts of a scalar reward, one per observed component (:class:`envs.protocols.RewardParts`); 1 if there are none."""
        parts, space = getattr(self.batch, "reward_parts", None), self.batch.observation_space
        if parts is None or not isinstance(space, spaces.MultiDiscrete) or space.shape != parts.shape[1:]:
            return 1
        return int(parts.shape[1])

    def reward_parts(self, rows: Index, rewards: Tensor) -> Tensor:
        """Parts of the last rewards of some rows.

        Args:
            rows: Which rows, ``(r,)``.
            rewards: What :meth:`step` returned for them, ``(r, 1)``.

        Returns:
            ``(r, P)``.

        Raises:
            EnvironmentFault: They do not add up to the rewards.
        """
        parts = self.batch.reward_parts[rows]
        total, expected = parts.sum(1), rewards[:, 0].cpu().numpy()
        wrong = ~np.isclose(total, expected, rtol=1e-4, atol=1e-4 * float(np.abs(parts).sum(1).max(initial=1.0)))
        if wrong.any():
            bad = int(wrong.argmax())
            raise EnvironmentFault(
                f"the environment's reward_parts add up to {total[bad]:.6g}, but the reward was {expected[bad]:.6g}; they must "
                "be those of the last step"
            )
        return torch.from_numpy(parts.astype(np.float32)).to(self.device)

    def _refuse(self, text: str, place: int, rows: Index, cause: BaseException | None = None) -> NoReturn:
        """Say what an environment did wrong, and when."""
        row = rows[place]
        when = f"step {self._lengths[row]} of the episode with seed {self._seeds[row]}"
        raise EnvironmentFault(f"{text}; look at {when}") from cause

    def _check_native(self, rewards: Any, terminated: Any, truncated: Any, count: int) -> None:
        """Refuse other shapes than a batched environment promises."""
        for name, found, shape in (
            ("rewards", rewards, (count, self._m)),
            ("terminated", terminated, (count,)),
            ("truncated", truncated, (count,)),
        ):
            if not isinstance(found, np.ndarray) or found.shape != shape or (name != "rewards" and found.dtype != np.bool_):
                what = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
                raise EnvironmentFault(
                    f"the batched environment returned {what} as {name}; expected an array of shape {shape}"
                    f"{'' if name == 'rewards' else ' of truth values'}"
                )

    def _rewards(self, rewards: npt.NDArray[Any], rows: Index) -> Tensor:
        # torch makes infinities of what is too large without a warning.
        narrow = torch.from_numpy(np.ascontiguousarray(rewards)).to(torch.float32)
        finite = np.isfinite(narrow.numpy())
        if np.count_nonzero(finite) < finite.size:
            place = int((~finite).any(1).argmax())
            what = "reward too large for float32" if np.isfinite(rewards[place]).all() else "non-finite reward"
            self._refuse(f"the environment returned a {what}: {rewards[place].tolist()}", place, rows)
        return narrow.to(self.device)

    def _observations(self, observations: Any, rows: Index) -> Tensor:
        try:
            raw = self._layout.raw(observations, axes=1)
        except Misfit as misfit:
            self._refuse(f"the environment returned {misfit}", misfit.row, rows)
        if len(raw) != len(rows):
            raise EnvironmentFault(f"the batched environment returned {len(raw)} observations for {len(rows)} rows")
        return torch.from_numpy(np.ascontiguousarray(raw)).to(self.device)

    def state(self) -> State:
        longest = int(self._lengths.max(initial=0))
        actions = self._actions[:, :longest].copy()
        # What earlier episodes left behind is not part of the position.
        actions[np.arange(longest) >= self._lengths[:, None]] = 0
        state: State = {
            # Of a row before its first reset, -1.
            "seeds": torch.from_numpy(self._seeds.copy()),
            "lengths": torch.from_numpy(self._lengths.copy()),
            "actions": torch.from_numpy(actions),
        }
        if self._dynamics is not None:
            state["dynamics"] = torch.from_numpy(self._dynamics.copy())
        return state

    def load_state(self, state: State) -> None:
        self.replay(state)

    def replay(self, state: State) -> Tensor | None:
        """Replay saved episodes.

        Args:
            state: Of :meth:`state`.

        Returns:
            The raw observation at which each row stands, ``(R, *shape)`` (zeros for rows that never started); None if
            no row ever started.

        Raises:
            CheckpointError: The state is not that of so many rows, or says that they are where they cannot be.
        """
        seeds, lengths, actions = (state[key].numpy() for key in ("seeds", "lengths", "actions"))
        models = state["dynamics"].numpy() if "dynamics" in state else None
        if not (
            seeds.shape == lengths.shape == actions.shape[:1] == (self.num_rows,)
            and seeds.dtype == lengths.dtype == np.int64
            and actions.dtype == self._action_dtype
            and actions.shape[2:] == self._actions.shape[2:]
            and (lengths >= 0).all()
            and lengths.max(initial=0) <= actions.shape[1]
            and not lengths[seeds < 0].any()
        ):
            raise CheckpointError(
                f"the saved positions of {self.num_rows} environment rows contradict each other (lengths "
                f"{lengths.reshape(-1)[:4].tolist()}..., actions of shape {actions.shape}); they were changed"
            )
        started = np.flatnonzero(seeds >= 0)
        if not len(started):
            return None
        nominal = models is None or np.isnan(models[started]).all()
        first = self._reset(started, seeds[started], None if nominal or models is None else models[started])
        observations = torch.zeros(self.num_rows, *first.shape[1:], dtype=first.dtype, device=self.device)
        observations[torch.from_numpy(started)] = first
        for t in range(int(lengths.max())):
            rows = np.flatnonzero(lengths > t)
            observations[torch.from_numpy(rows)] = self.step(torch.from_numpy(actions[rows, t]), rows)[0]
        return observations

    def close(self) -> None:
        """Close the environments."""
        if isinstance(self.batch, PlainBatch):
            self.batch.close()
