r"""Training in the worst kernel, estimated by resampling: several next states are drawn, and a bad one happens.

The kernel that is worst for values :math:`z(s') = w^\top r + \gamma V(s')` within a KL ball around a nominal one tilts it,
:math:`p(s') \propto q(s')\, e^{-\theta z(s')}` (:class:`robust.tabular.ambiguity.KL` is the exact form). So it can be sampled
from without knowing it: draw :math:`s'_1, \dots, s'_N` from :math:`q`, let :math:`s'_i` happen with probability proportional
to :math:`e^{-\theta z(s'_i)}`. Any solver trains in that world without noticing.

References:
    K. Wang, U. Gadot, N. Kumar, K. Levy, S. Mannor, "Bring your own (non-robust) algorithm to solve robust MDPs by
    estimating the worst kernel" (EWoK), arXiv 2306.05859 (2023).

Deviations: the simulators here are deterministic, so the nominal kernel is a mixture, each next state that of a model drawn
from the uncertainty set; :math:`\theta = \sqrt{2 \kappa} / \sigma`, with the standard deviation :math:`\sigma` of the sampled
values, holds the KL radius :math:`\kappa` constant to second order, instead of a constant :math:`\theta` in return units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from envs.native_parametric_env import NativeParametricEnv
from envs.parametric.wrappers.base import BatchedWrapper
from envs.protocols import Rows, Step
from morl.action_spaces import is_bounded_box, shown
from morl.capabilities import HasCritics, KnowsLearner
from morl.errors import CapabilityError
from morl.fields import NonNegative, Repeats
from morl.population import PopulationLearner
from morl.problem_spec import ProblemSpec
from morl.protocols import EnvFactory, Learner
from morl.rows import BatchedRows
from morl.task import Task
from robust.baselines.nominal import alternative
from robust.solver import RobustSolver, checked_task
from robust.uncertainty.base import Array, Region
from robust.wrapped_rows import WrappedRows

_LEAST_SPREAD = 1e-9


@dataclass(frozen=True, kw_only=True)
class EWoK(RobustSolver):
    """Any solver with values, in a world where of several sampled next states a bad one happens.

    For environments whose native batched form can stand in one state several times
    (:attr:`envs.native_parametric_env.NativeParametricEnv.state_arrays`): the classic control problems and the small tables. A
    step costs ``samples`` simulated transitions beside the one that counts as an environment step.
    """

    samples: Repeats = 10
    """Next states sampled at every step."""
    radius: NonNegative = 1.0
    """KL radius of the set around the mixture, nats; 0 for the mixture itself."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        if isinstance(self.solver, KnowsLearner) and not issubclass(self.solver.learner_type(), HasCritics):
            raise CapabilityError(
                f"EWoK asks its solver what next states are worth, and {type(self.solver).__name__} has no critics; use MOSAC, "
                "MOPPO or MODQN"
            )

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the solver's own learner in the resampled world; see :meth:`morl.protocols.Solver.make`.

        Raises:
            CapabilityError: The environment cannot give several next states of one state.
        """
        task = checked_task(task, env, device)
        make_batched = getattr(env, "make_batched", None)
        if make_batched is None or not _can_copy(make_batched(1)):
            raise CapabilityError(
                f"EWoK samples several next states of one state, which {env.spec.env_id} cannot give; environments that can: "
                "classic control under 'parametric/' without wrappers, and the small worlds with settable dynamics under "
                f"'tabular/'; here {alternative(env)}"
            )
        if not is_bounded_box(env.spec.action_space) and not isinstance(env.spec.action_space, spaces.Discrete):
            raise CapabilityError(
                f"EWoK needs a bounded Box or a Discrete action space, found {shown(env.spec.action_space)}; {alternative(env)}"
            )
        worth = Worth(self.gamma)
        world = ResampledProblem(env, self.region(env), self, worth)
        learner = self.solver.make(world, task, seed=seed, device=device)
        if not isinstance(learner, PopulationLearner) or not isinstance(learner, HasCritics):
            raise CapabilityError(f"EWoK needs a population with critics, which {type(self.solver).__name__} does not make")
        worth.learner = learner
        return learner


def _can_copy(batch: object) -> bool:
    return isinstance(batch, NativeParametricEnv) and bool(batch.state_arrays)


class Worth:
    """Says what next states are worth to the members in training."""

    learner: PopulationLearner
    """Whose values; set once it is made."""

    def __init__(self, gamma: float) -> None:
        """Keep the discount."""
        self.gamma = gamma

    def __call__(self, rows: Rows, observations: Tensor, rewards: Tensor, terminated: Tensor) -> Tensor:
        """Scalarised values of next states, reward included, if every member goes on as its policy does.

        Args:
            rows: Whose rows, ``(r,)``.
            observations: Raw, ``(r * N, *space.shape)``.
            rewards: ``(r, N, m)``.
            terminated: ``(r, N)``.

        Returns:
            ``(r, N)``.
        """
        learner = self.learner
        assert isinstance(learner, HasCritics)
        member = torch.from_numpy(learner.row_member[rows])
        weights, policies = learner.linear_weights[member], learner.policies()
        chosen: list[Any] = [policies[i] for i in member.tolist()]
        stacked, seen = type(chosen[0]).stack(chosen), observations.unflatten(0, terminated.shape)
        with torch.no_grad():
            actions = stacked.act_stacked(seen, stacked.stacked_memory(*terminated.shape), None, True, None)
            values = (learner.critics().select(member).values(seen, actions, weights) * weights[:, None, :]).sum(-1)
        worth: Tensor = (rewards * weights[:, None, :]).sum(-1) + self.gamma * torch.where(terminated, 0.0, values)
        return worth


@dataclass(frozen=True)
class ResampledProblem:
    """A problem whose next states are resampled; an :class:`~morl.protocols.EnvFactory`."""

    problem: EnvFactory
    region: Region
    method: EWoK
    worth: Worth

    @property
    def spec(self) -> ProblemSpec:
        """Of the problem."""
        return self.problem.spec

    def rows(self, num_rows: int, *, device: torch.device) -> ResampledRows:
        """Fresh rows."""
        make: Callable[[int], Any] = self.problem.make_batched  # type: ignore[attr-defined]
        batch = ChosenModels(make(num_rows), make(num_rows * self.method.samples), self.region, self.method.samples)
        return ResampledRows(BatchedRows(batch, device=device), batch, self.method.radius, self.worth)


@dataclass(frozen=True)
class Prospects:
    """What may happen next in ``r`` rows."""

    places: Array
    """Models, as points of the cube, ``(r, N, d)``."""
    observations: npt.NDArray[Any]
    """``(r * N, *space.shape)``."""
    rewards: npt.NDArray[np.float32]
    """``(r, N, m)``."""
    terminated: npt.NDArray[np.bool_]
    """``(r, N)``."""
    uniform: Array
    """A random number to choose with, ``(r,)``."""


class ChosenModels(BatchedWrapper):
    """A batch whose actions are the agent's, followed by the model of this step as a point of the cube.

    That a model is part of an action makes episodes repeatable although values, which change, decided on it.
    """

    def __init__(self, env: NativeParametricEnv, copies: NativeParametricEnv, region: Region, samples: int) -> None:
        """Wrap a batch.

        Args:
            env: ``R`` rows.
            copies: ``R * N`` rows of the same environment, to look ahead with.
            region: Where models come from.
            samples: ``N``.
        """
        super().__init__(env)
        self._copies, self._region, self._samples = copies, region, samples
        own = env.action_space
        if isinstance(own, spaces.Discrete):
            self._discrete = True
            low, high = np.zeros(1), np.full(1, own.n - 1)
        else:
            assert isinstance(own, spaces.Box)
            self._discrete = False
            low, high = own.low.reshape(-1), own.high.reshape(-1)
        d = region.dimension
        self._own = len(low)
        self.action_space = spaces.Box(
            np.concatenate([low, np.zeros(d)]).astype(np.float32), np.concatenate([high, np.ones(d)]).astype(np.float32)
        )

    def _theirs(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Flat agent's actions ``(r, a)`` as the environment takes them."""
        space: Any = self.env.action_space
        if self._discrete:
            return actions[:, 0].astype(np.int64) + int(space.start)
        return actions.reshape(len(actions), *space.shape).astype(space.dtype)

    def prospects(self, rows: Rows, actions: npt.NDArray[Any]) -> Prospects:
        """Where flat actions ``(r, a)`` would lead in models drawn from the set; nothing moves."""
        count, d = self._samples, self._region.dimension
        draws = self._uniforms(rows, count * d + 1)
        places = draws[:, 1:].reshape(len(rows), count, d)
        copies = (rows[:, None] * count + np.arange(count)).reshape(-1)
        self._copies.copy_state(copies, self.env, np.repeat(rows, count))
        self._copies.set_params(self._region.models(places.reshape(-1, d)), copies)
        observations, rewards, terminated, _ = self._copies.step(copies, np.repeat(self._theirs(actions), count, axis=0))
        shape = (len(rows), count)
        return Prospects(places, observations, rewards.reshape(*shape, -1), terminated.reshape(shape), draws[:, 0])

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Advance some rows in the models that their actions name; see :meth:`envs.protocols.BatchedEnv.step`."""
        actions = np.asarray(actions)
        self.env.set_params(self._region.models(actions[:, self._own :].astype(np.float64)), rows)
        return super().step(rows, self._theirs(actions[:, : self._own]))


class ResampledRows(WrappedRows):
    """Rows in which of several sampled next states one happens, the worse the likelier; it is part of the recorded actions."""

    def __init__(self, rows: BatchedRows, batch: ChosenModels, radius: float, worth: Worth) -> None:
        """Wrap rows.

        Args:
            rows: Over the batch.
            batch: Looks ahead.
            radius: KL radius, nats.
            worth: Says what next states are worth.
        """
        super().__init__(rows)
        self.device, self.batch, self.radius, self.worth = rows.device, batch, radius, worth

    def step(self, actions: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flat = actions.detach().cpu().numpy().reshape(len(rows), -1)
        ahead = self.batch.prospects(rows, flat)
        worth = self.worth(
            rows, *(torch.from_numpy(part).to(self.device) for part in (ahead.observations, ahead.rewards, ahead.terminated))
        )
        chosen = tilted_choice(worth.cpu().numpy().astype(np.float64), ahead.uniform, self.radius)
        places = ahead.places[np.arange(len(rows)), chosen]
        return self.rows.step(torch.from_numpy(np.concatenate([flat, places], 1)), rows)


def tilted_choice(worth: Array, uniform: Array, radius: float) -> npt.NDArray[np.int64]:
    r"""Choose with probability proportional to :math:`e^{-\theta z}`.

    Args:
        worth: :math:`z`, ``(r, N)``.
        uniform: Random numbers in [0, 1), ``(r,)``.
        radius: KL distance :math:`\kappa` from the uniform choice, nats, to second order:
            :math:`\theta = \sqrt{2 \kappa} / \sigma(z)`.

    Returns:
        Which of the ``N``, ``(r,)``.
    """
    spread = worth.std(1, keepdims=True)
    tilt = np.where(spread > _LEAST_SPREAD, math.sqrt(2.0 * radius) / np.maximum(spread, _LEAST_SPREAD), 0.0)
    weights = np.exp(-tilt * (worth - worth.min(1, keepdims=True)))
    thresholds = np.cumsum(weights, 1)
    chosen: npt.NDArray[np.int64] = (uniform[:, None] * thresholds[:, -1:] >= thresholds[:, :-1]).sum(1)
    return chosen
