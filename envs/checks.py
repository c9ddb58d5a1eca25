"""Conformance checks that anybody can run on an environment of their own.

Each raises :class:`AssertionError` with one line that says what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags
from envs.protocols import BatchedEnv, ParametricDynamics

if TYPE_CHECKING:
    from envs.cormab.constraints import Constraint

EnvMaker = Callable[[], Any]
"""Makes a fresh gymnasium environment."""

_EPISODE_LIMIT = 1000
_LARGEST_CONSTRAINT = 12
_BATCHES_OF_DRAWS = 100
_DRAWS = 1000
_PRECISION = 1e-6
_UNITS = (1.0, 1e-9, 1e9, 1.0)


def check_batched_env(
    make: Callable[[int], BatchedEnv],
    reference: EnvMaker | None = None,
    *,
    steps: int = 200,
    num_envs: int = 5,
    seed: int = 0,
) -> None:
    """Check that an environment keeps the promises of :class:`envs.protocols.BatchedEnv`.

    Spaces, shapes and dtypes; the same seed and actions give the same episode, bitwise, alone and among others that are reset
    and stepped at other times; ended rows refuse to go on; an episode is cut at the limit. With a reference, also that every
    step agrees with it.

    Args:
        make: Makes the environment with a given number of rows.
        reference: Makes the plain environment that the batched one stands for, which must be deterministic.
        steps: Steps to play with random actions.
        num_envs: Rows to play with, at least 2.
        seed: Of actions and episodes.

    Raises:
        AssertionError: A promise is broken.
    """
    batched = make(num_envs)
    _require(batched.num_envs == num_envs, f"num_envs is {batched.num_envs}; {num_envs} rows were asked for")
    num_objectives = _check_reward_space(batched)
    histories = _play_staggered(make(num_envs), num_objectives, steps, seed)
    for number, history in enumerate(histories):
        _check_replay(make(1), history, number)
    _check_refusal(make(num_envs), seed)
    if reference is not None:
        for history in histories:
            _check_reference(reference(), history)


def check_vector_reward_env(env: Any, *, steps: int = 200, seed: int = 0) -> None:
    """Check that a gymnasium environment with a vector reward can be trained on.

    Args:
        env: Your environment; it is reset and stepped, not closed.
        steps: Steps to play with random actions.
        seed: Of actions and episodes.

    Raises:
        AssertionError: It does not fulfil :class:`envs.protocols.VectorReward`, or breaks gymnasium's contract.

    Example:
        >>> import gymnasium
        >>> check_vector_reward_env(gymnasium.make("tabular/identity-v0"))
    """
    num_objectives = _check_reward_space(env)
    first, second = env.reset(seed=seed), env.reset(seed=seed)
    _require(isinstance(first, tuple) and len(first) == 2, "reset must return (observation, info)")
    _require(_same(first[0], second[0]), "two resets with the same seed gave different observations: draw from self.np_random")
    _require(
        env.observation_space.contains(second[0]),
        f"reset returned {second[0]!r}, which is not in {env.observation_space}: check shape, dtype and bounds",
    )
    env.action_space.seed(seed)
    for number in range(steps):
        result = env.step(env.action_space.sample())
        _require(
            isinstance(result, tuple) and len(result) == 5,
            "step must return (observation, reward, terminated, truncated, info)",
        )
        observation, reward, terminated, truncated, _ = result
        _require(
            env.observation_space.contains(observation),
            f"step {number} returned the observation {observation!r}, which is not in {env.observation_space}",
        )
        found = np.shape(reward)
        _require(
            found == (num_objectives,),
            f"step {number} returned a reward of shape {found}; reward_space promises ({num_objectives},)",
        )
        _require(bool(np.isfinite(reward).all()), f"step {number} returned the reward {reward!r}; every entry must be finite")
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            _require(isinstance(flag, bool | np.bool_), f"step {number} returned {name}={flag!r}; expected a bool")
        if terminated or truncated:
            env.reset()


def check_parametric_env(env: Any, *, steps: int = 100, seed: int = 0) -> None:
    """Check that the transition model of a gymnasium environment can be set as :class:`envs.protocols.ParametricDynamics` says.

    Models are chosen, kept, restored and echoed; a seed and a model determine the episode, whatever was set before; unknown
    names and values that are no numbers are refused; and the parameters do something.

    Args:
        env: Your environment; it is reset and stepped, not closed.
        steps: Steps to play in each model with random actions.
        seed: Of actions and episodes.

    Raises:
        AssertionError: It does not fulfil the protocol.

    Example:
        >>> import gymnasium
        >>> check_parametric_env(gymnasium.make("parametric/pendulum-v0"))
    """
    bare = env.unwrapped
    _require(isinstance(bare, ParametricDynamics), f"{type(bare).__name__} needs parameter_space, get_params and set_params")
    space = bare.parameter_space
    nominal = space.mapping(space.nominal)
    env.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(steps)]
    first = _play_model(env, "nominal", nominal, actions, seed)
    changed = []
    for name, low, high in zip(space.names, space.low, space.high, strict=True):
        other = float(high if abs(high - nominal[name]) >= abs(low - nominal[name]) else low)
        model = {**nominal, name: other}
        _play_model(env, "nominal", nominal, [], seed)
        found = _play_model(env, {name: other}, model, actions, seed)
        _require(
            _same(_play_model(env, None, model, actions, seed), found),
            f"after options={{'params': {{{name!r}: {other:g}}}}} a second reset without options played another episode: keep "
            "the model, and let nothing but seed and model decide",
        )
        changed.append(not _same(found, first))
    _require(any(changed), f"no parameter of {', '.join(space.names)} changed anything in {steps} steps of random actions")
    _require(
        _same(_play_model(env, "nominal", nominal, actions, seed), first),
        "options={'params': 'nominal'} does not bring back the first episode",
    )
    bare.set_params(**{space.names[0]: float(space.high[0])})
    _require(bare.get_params()[space.names[0]] == space.high[0], "get_params does not say what set_params has set")
    for params, what in (({"no such parameter": 1.0}, "an unknown name"), ({space.names[0]: np.nan}, "NaN")):
        try:
            env.reset(options={"params": params})
        except ValueError:
            continue
        _require(False, f"reset accepted {what} as a parameter; raise a ValueError")
    env.reset(options={"params": "nominal"})


def _play_model(env: Any, params: Any, model: dict[str, float], actions: list[Any], seed: int) -> tuple[Any, ...]:
    """What is seen in a model, whose echo is checked."""
    observation, info = env.reset(seed=seed, options=None if params is None else {"params": params})
    for source, echo in (("info['params']", info.get("params")), ("get_params()", env.unwrapped.get_params())):
        _require(echo == model, f"after a reset with params {params!r} {source} is {echo}; expected {model}")
    seen: tuple[Any, ...] = (observation,)
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen += (observation, np.asarray(reward))
        if terminated or truncated:
            break
    return seen


def check_constraint(constraint: Constraint, *, objectives: int = 20, programs: int = 4096, seed: int = 0) -> None:
    """Check that the forms of a set of feasible actions agree, on every action.

    Membership against the linear rows, solved with the action fixed; enumeration; samples, which must be feasible and reach
    every feasible action; linear maximisation, against the best of the list, both its own and the rows', alone and in a batch;
    which actions are part of a feasible one.

    Args:
        constraint: With at most 12 action components.
        objectives: Random linear functions to maximise.
        programs: Most actions on which the rows are solved; of more, a random part.
        seed: Of functions, samples and that part.

    Raises:
        AssertionError: Two forms disagree.
        ValueError: There are too many components.

    Example:
        >>> from envs.cormab.constraints import Budget
        >>> check_constraint(Budget(size=5, budget=2))
    """
    size = constraint.num_actions
    if size > _LARGEST_CONSTRAINT:
        raise ValueError(f"the constraint has {size} components; every action is looked at, so at most {_LARGEST_CONSTRAINT}")
    rng = np.random.default_rng(seed)
    every = (np.arange(2**size)[:, None] >> np.arange(size - 1, -1, -1)) & 1 > 0
    inside = constraint.contains(every)
    _require(inside.shape == (len(every),) and inside.dtype == np.bool_, "contains must return booleans of shape (B,)")
    rows, null = constraint.rows(), np.zeros(size)
    asked = np.arange(len(every)) if len(every) <= programs else rng.choice(len(every), programs, replace=False)
    for index in asked:
        found = rows.solve(null, fixed=every[index]) is not None
        _require(
            found == inside[index],
            f"contains says {inside[index]} of {every[index].astype(int).tolist()}, but the linear rows say {found}",
        )
    _check_lists(constraint, every[inside])
    _check_samples(constraint, every[inside], rng)
    part = np.any(np.all(every[:, None] <= every[inside], axis=2), axis=1)
    wrong = every[constraint.extends(every) != part]
    _require(not len(wrong), f"extends is wrong about {wrong[:1].astype(int).tolist()}")
    functions = np.zeros((objectives, size))
    for number in range(objectives):
        # Some with ties and zeros, in units of any size.
        c = rng.normal(size=size) if number % 2 else rng.integers(-1, 2, size).astype(np.float64)
        c = functions[number] = c * _UNITS[number % len(_UNITS)]
        best = (every[inside] @ c).max()
        for name, action in (("maximize_linear", constraint.maximize_linear(c)), ("the linear rows", rows.solve(c))):
            _require(action is not None and bool(constraint.contains(action[None])[0]), f"{name}: {action} is not feasible")
            _require(
                action is not None and abs(float(action @ c) - best) <= _PRECISION * float(np.abs(c).sum()),
                f"{name} for {c.tolist()} reaches another value than {best}, the best of all feasible actions",
            )
    together = constraint.maximize_linear(functions)
    alone = np.array([constraint.maximize_linear(c) for c in functions])
    _require(_same(together, alone), "maximize_linear of a batch (B, N) differs from that of its rows")


def _check_lists(constraint: Constraint, feasible: Flags) -> None:
    listed = constraint.enumerate(len(feasible))
    _require(listed is not None, f"enumerate({len(feasible)}) is None; contains accepts exactly that many actions")
    _require(_same(listed, feasible), "enumerate lists other actions than contains accepts, or in another order")
    _require(constraint.enumerate(len(feasible) - 1) is None, "enumerate must return None if there are more than the limit")


def _check_samples(constraint: Constraint, feasible: Flags, rng: np.random.Generator) -> None:
    first, again = (constraint.sample(np.random.default_rng(0), 7) for _ in range(2))
    _require(_same(first, again), "two samples with equal generators differ: draw from rng alone")
    _require(first.shape == (7, constraint.num_actions) and first.dtype == np.bool_, "sample must return booleans (size, N)")
    powers = 1 << np.arange(constraint.num_actions)
    missing = set((feasible @ powers).tolist())
    for _ in range(_BATCHES_OF_DRAWS):
        drawn = constraint.sample(rng, _DRAWS)
        outside = drawn[~constraint.contains(drawn)]
        _require(not len(outside), f"sample drew the infeasible action {outside[:1].astype(int).tolist()}")
        missing -= set((drawn @ powers).tolist())
        if not missing:
            return
    _require(False, f"{len(missing)} of {len(feasible)} feasible actions never came up in {_DRAWS * _BATCHES_OF_DRAWS} samples")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _same(first: Any, second: Any) -> bool:
    """Equal bytes and types."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    first, second = np.asarray(first), np.asarray(second)
    return bool(first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes())


def _check_reward_space(env: Any) -> int:
    """Return the number of objectives."""
    from gymnasium.spaces import Box

    # Of the outermost layer of a wrapped environment that says it; a batched form has no layers.
    try:
        space = env.get_wrapper_attr("reward_space") if hasattr(env, "get_wrapper_attr") else env.reward_space
    except AttributeError:
        space = None
    _require(
        isinstance(space, Box) and len(space.shape) == 1 and space.shape[0] >= 1,
        f"reward_space is {space!r}; expected a gymnasium Box of shape (m,), one entry per objective: "
        "self.reward_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (2,))",
    )
    assert isinstance(space, Box)
    return int(np.size(space.low))


class _Episode:
    """One episode as it was played: seed, actions and everything returned."""

    def __init__(self, seed: int, first: npt.NDArray[Any]) -> None:
        self.seed = seed
        self.first = first
        self.actions: list[npt.NDArray[Any]] = []
        self.results: list[tuple[npt.NDArray[Any], ...]] = []


def _play_staggered(batched: BatchedEnv, num_objectives: int, steps: int, seed: int) -> list[_Episode]:
    """Play random episodes in rows that start and move at different times; check what comes back; return the episodes."""
    rng = np.random.default_rng(seed)
    batched.action_space.seed(seed)
    current: list[_Episode | None] = [None] * batched.num_envs
    episodes: list[_Episode] = []
    for number in range(steps):
        idle = np.array([row for row, episode in enumerate(current) if episode is None], np.int64)
        if idle.size:
            seeds = rng.integers(2**31, size=idle.size)
            first = batched.reset(idle, seeds)
            _check_observations(batched, first, idle.size)
            for row, episode_seed, observation in zip(idle, seeds, first, strict=True):
                episode = current[row] = _Episode(int(episode_seed), np.copy(observation))
                episodes.append(episode)
        # A random nonempty subset, in random order.
        rows = rng.permutation(batched.num_envs)[: rng.integers(1, batched.num_envs + 1)]
        actions = np.stack([np.asarray(batched.action_space.sample()) for _ in rows])
        result = batched.step(rows, actions)
        _check_step(batched, result, rows.size, num_objectives, number)
        if (parts := getattr(batched, "reward_parts", None)) is not None:
            total = parts[rows].sum(1)
            _require(
                np.allclose(total, result[1][:, 0], rtol=1e-4, atol=1e-4),
                f"the reward_parts of step {number} add up to {total}, but the rewards were {result[1][:, 0]}",
            )
        for place, row in enumerate(rows):
            going = current[row]
            assert going is not None
            going.actions.append(actions[place])
            going.results.append(tuple(np.copy(part[place]) for part in result))
            if batched.max_episode_steps is not None and len(going.actions) >= batched.max_episode_steps:
                _require(bool(result[3][place]), f"an episode of {len(going.actions)} steps was not truncated")
            if result[2][place] or result[3][place]:
                current[row] = None
    return episodes


def _check_observations(batched: BatchedEnv, observations: npt.NDArray[Any], size: int) -> None:
    space = batched.observation_space
    expected = (size, *(space.shape or ()))
    _require(
        observations.shape == expected and observations.dtype == space.dtype,
        f"observations have shape {observations.shape} and dtype {observations.dtype}; expected {expected} and {space.dtype}",
    )
    for observation in observations:
        _require(space.contains(observation), f"the observation {observation!r} is not in {space}")


def _check_step(batched: BatchedEnv, result: Any, size: int, num_objectives: int, number: int) -> None:
    _require(isinstance(result, tuple) and len(result) == 4, "step must return (observations, rewards, terminated, truncated)")
    observations, rewards, terminated, truncated = result
    _check_observations(batched, observations, size)
    _require(
        rewards.shape == (size, num_objectives) and rewards.dtype == np.float32,
        f"rewards have shape {rewards.shape} and dtype {rewards.dtype}; expected {(size, num_objectives)} and float32",
    )
    _require(bool(np.isfinite(rewards).all()), f"step {number} returned a reward that is not finite")
    for name, flags in (("terminated", terminated), ("truncated", truncated)):
        _require(
            flags.shape == (size,) and flags.dtype == np.bool_,
            f"{name} has shape {flags.shape} and dtype {flags.dtype}; expected ({size},) and bool",
        )


def _check_replay(batched: BatchedEnv, episode: _Episode, number: int) -> None:
    """The episode again, alone in an environment with one row."""
    row = np.zeros(1, np.int64)
    again = batched.reset(row, np.array([episode.seed]))[0]
    _require(
        _same(again, episode.first), f"episode {number} began differently when replayed alone: {again!r}, not {episode.first!r}"
    )
    for step, (action, expected) in enumerate(zip(episode.actions, episode.results, strict=True)):
        found = tuple(part[0] for part in batched.step(row, action[None]))
        for name, one, other in zip(("observation", "reward", "terminated", "truncated"), found, expected, strict=True):
            _require(
                _same(one, other),
                f"episode {number}, step {step}: {name} is {one!r} when replayed alone but was {other!r} among other rows; "
                "a row may depend on nothing but its seed and actions",
            )


def _check_refusal(batched: BatchedEnv, seed: int) -> None:
    """A row that has never been reset, or has ended, must not be stepped."""
    from gymnasium.error import ResetNeeded

    rows = np.arange(1)
    batched.action_space.seed(seed)

    def act() -> npt.NDArray[Any]:
        return np.asarray(batched.action_space.sample())[None]

    def refuses() -> bool:
        try:
            batched.step(rows, act())
        except ResetNeeded:
            return True
        return False

    _require(refuses(), "a row that was never reset could be stepped; expected gymnasium.error.ResetNeeded")
    batched.reset(rows, np.array([seed]))
    for _ in range(min(_EPISODE_LIMIT, batched.max_episode_steps or _EPISODE_LIMIT)):
        _, _, terminated, truncated = batched.step(rows, act())
        if terminated[0] or truncated[0]:
            _require(refuses(), "a row whose episode has ended could be stepped; expected gymnasium.error.ResetNeeded")
            break


def _check_reference(env: Any, episode: _Episode) -> None:
    """The episode again in the plain environment."""
    observation, _ = env.reset(seed=episode.seed)
    _require(
        _agree(observation, episode.first),
        f"the reference begins with {observation!r}, the batched form with {episode.first!r}",
    )
    for step, (action, expected) in enumerate(zip(episode.actions, episode.results, strict=True)):
        found = env.step(action if action.ndim else action.item())[:4]
        for name, one, other in zip(("observation", "reward", "terminated", "truncated"), found, expected, strict=True):
            _require(_agree(one, other), f"step {step}: {name} of the reference is {one!r}, of the batched form {other!r}")


def _agree(reference: Any, found: Any) -> bool:
    reference, found = np.asarray(reference), np.asarray(found)
    return bool(reference.dtype == found.dtype and np.array_equal(reference, found))
