"""Environment rows: batches of independent environments that never reset themselves and can stand anywhere again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, EnvironmentFault
from morl.protocols import State
from morl.spaces import integral_bounds, raw_observations

Index = npt.NDArray[np.int64]


class PlainBatch:
    """Rows over plain gymnasium environments, one copy each, stepped in turn.

    It has the interface of :class:`envs.protocols.BatchedEnv`. Stepping in this process is faster than worker processes on
    few cores, and a physics step cannot be batched in numpy.
    """

    def __init__(self, make_env: Callable[[], gym.Env[Any, Any]], num_envs: int) -> None:
        """Make the copies.

        Args:
            make_env: Makes one environment.
            num_envs: ``R``.
        """
        self.num_envs = num_envs
        self._envs = [make_env() for _ in range(num_envs)]
        first = self._envs[0]
        self.observation_space = first.observation_space
        self.action_space = first.action_space
        self._num_actions = first.action_space.n if isinstance(first.action_space, spaces.Discrete) else None
        reward_space = getattr(first.unwrapped, "reward_space", None)
        self._m = int(reward_space.shape[0]) if reward_space is not None and len(reward_space.shape) == 1 else 1
        self._dtype = first.observation_space.dtype
        self._bounds = integral_bounds(first.observation_space)
        self.parameter_space = getattr(first.unwrapped, "parameter_space", None)
        parts = getattr(first.unwrapped, "reward_parts", None)
        self.reward_parts = None if parts is None else np.zeros((num_envs, np.size(parts)))

    def reset(self, rows: Index, seeds: Index, dynamics: npt.NDArray[np.floating] | None = None) -> npt.NDArray[Any]:
        """Start episodes; ``dynamics`` goes to ``reset(options={"params": ...})``."""
        observations = np.empty((len(rows), *(self.observation_space.shape or ())), dtype=self._dtype)
        for i, row in enumerate(rows):
            # A plain environment keeps its model until it is told otherwise.
            nominal = None if self.parameter_space is None else {"params": "nominal"}
            options = nominal if dynamics is None else {"params": np.asarray(dynamics[i])}
            try:
                observations[i] = self._envs[row].reset(seed=int(seeds[i]), options=options)[0]
            except Exception as error:
                raise self._fault("reset", "an observation and a mapping", error) from error
        self._check_range(observations)
        return observations

    def step(
        self, rows: Index, actions: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Advance each row by one step."""
        count = len(rows)
        observations = np.empty((count, *(self.observation_space.shape or ())), dtype=self._dtype)
        rewards = np.empty((count, self._m), dtype=np.float32)
        terminated, truncated = np.empty(count, dtype=np.bool_), np.empty(count, dtype=np.bool_)
        # As their spaces sample them: Discrete actions are numbers, all others arrays, also those without an axis.
        choices: Any = actions.tolist() if self._num_actions is not None else [np.asarray(action) for action in actions]
        for i, row in enumerate(rows.tolist()):
            try:
                observations[i], reward, terminated[i], truncated[i], _ = self._envs[row].step(choices[i])
            except Exception as error:
                raise self._fault("step", "an observation, a reward, two truth values and a mapping", error) from error
            # Assigning alone would spread one number over all objectives.
            if (reward.size if isinstance(reward, np.ndarray) else np.size(reward)) != self._m:
                raise EnvironmentFault(
                    f"the environment returned a reward of shape {np.shape(reward)}, but its reward_space says ({self._m},); "
                    "correct either of them"
                )
            rewards[i] = reward
            if self.reward_parts is not None:
                self.reward_parts[row] = np.reshape(self._envs[row].unwrapped.reward_parts, -1)
        self._check_range(observations)
        return observations, rewards, terminated, truncated

    def _fault(self, method: str, result: str, error: Exception) -> EnvironmentFault:
        text = " ".join(str(error).split())
        return EnvironmentFault(
            f"the environment's {method} failed: {type(error).__name__}: {text}; it must return {result}, the observation of "
            f"shape {self.observation_space.shape}"
        )

    def _check_range(self, observations: npt.NDArray[Any]) -> None:
        """Refuse integers outside their space, which would pick somebody else's entry of a table or a one-hot vector."""
        if self._bounds is None:
            return
        low, count = self._bounds
        flat = observations.reshape(len(observations), -1)
        outside = ((flat < low) | (flat > low + (count - 1))).any(1)
        if outside.any():
            raise EnvironmentFault(
                f"the environment returned the observation {observations[int(outside.argmax())].tolist()}, which is not in its "
                f"observation space {self.observation_space}; correct either of them"
            )

    def close(self) -> None:
        """Close every copy."""
        for env in self._envs:
            env.close()


class BatchedRows:
    """Rows over anything with the interface of :class:`envs.protocols.BatchedEnv`; implements :class:`~morl.protocols.EnvRows`.

    It moves data between numpy and the learner's device, refuses non-finite observations and rewards, and remembers every
    row's episode (seed, dynamics, actions so far), so that a saved position can be reached again by replaying.
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
        space = batch.observation_space
        self._real = isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.integer)
        action_space = batch.action_space
        action_shape, dtype = action_space.shape or (), action_space.dtype
        self._action_dtype = np.dtype(np.int64) if isinstance(action_space, spaces.Discrete) else np.dtype(dtype)
        self._action_start = int(action_space.start) if isinstance(action_space, spaces.Discrete) else 0
        self._seeds = np.full(self.num_rows, -1, dtype=np.int64)
        self._lengths = np.zeros(self.num_rows, dtype=np.int64)
        self._actions = np.zeros((self.num_rows, 64, *action_shape), dtype=self._action_dtype)
        self._dynamics: npt.NDArray[np.float64] | None = None

    def reset(self, rows: Index, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """Start episodes; see :meth:`morl.protocols.EnvRows.reset`."""
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
        return self._observations(self.batch.reset(rows, seeds, models), rows)

    def step(self, actions: Tensor, rows: Index) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Advance rows; see :meth:`morl.protocols.EnvRows.step`."""
        chosen = actions.detach().cpu().numpy().astype(self._action_dtype, copy=False)
        longest = int(self._lengths[rows].max())
        if longest >= self._actions.shape[1]:
            self._actions = np.concatenate([self._actions, np.zeros_like(self._actions)], axis=1)
        self._actions[rows, self._lengths[rows]] = chosen
        self._lengths[rows] += 1
        observations, rewards, terminated, truncated = self.batch.step(
            rows, chosen + self._action_start if self._action_start else chosen
        )
        self._check_finite("reward", rewards, rows)
        return (
            self._observations(observations, rows),
            torch.from_numpy(np.ascontiguousarray(rewards, dtype=np.float32)).to(self.device),
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

    def _check_finite(self, what: str, values: npt.NDArray[Any], rows: Index) -> None:
        if np.isfinite(values).all():
            return
        bad = int(np.flatnonzero(~np.isfinite(values).reshape(len(rows), -1).all(-1))[0])
        row = rows[bad]
        raise EnvironmentFault(
            f"the environment returned a non-finite {what}: {values[bad].reshape(-1)[:8].tolist()}; look at step "
            f"{self._lengths[row]} of the episode with seed {self._seeds[row]}: its actions or the simulation are at fault"
        )

    def _observations(self, observations: npt.NDArray[Any], rows: Index) -> Tensor:
        if self._real:
            self._check_finite("observation", observations, rows)
        return raw_observations(self.batch.observation_space, observations, self.device)

    def state(self) -> State:
        """Each row's episode: seed (-1 before the first reset), dynamics and actions so far."""
        longest = int(self._lengths.max(initial=0))
        actions = self._actions[:, :longest].copy()
        # What earlier episodes left behind is not part of the position.
        actions[np.arange(longest) >= self._lengths[:, None]] = 0
        state: State = {
            "seeds": torch.from_numpy(self._seeds.copy()),
            "lengths": torch.from_numpy(self._lengths.copy()),
            "actions": torch.from_numpy(actions),
        }
        if self._dynamics is not None:
            state["dynamics"] = torch.from_numpy(self._dynamics.copy())
        return state

    def load_state(self, state: State) -> None:
        """Stand where the saved rows stood, by replaying their episodes."""
        self.replay(state)

    def replay(self, state: State) -> Tensor | None:
        """Replay saved episodes.

        Args:
            state: Of :meth:`state`.

        Returns:
            The raw observation at which each row stands, ``(R, *space.shape)`` (zeros for rows that never started); None if
            no row ever started.
        """
        seeds, lengths, actions = (state[key].numpy() for key in ("seeds", "lengths", "actions"))
        models = state["dynamics"].numpy() if "dynamics" in state else None
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
