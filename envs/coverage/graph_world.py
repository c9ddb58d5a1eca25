"""Walks on a graph that are rewarded by a set function of what they visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch

from envs.arguments import whole
from envs.arrays import Floats, Integers, read_whole
from envs.coverage.gain_rewards import GainRewards, gain_space
from envs.coverage.pictures import draw_cells, draw_graph, explain_shades, value_lines
from envs.coverage.set_functions.set_function import SetFunction, require_set_function, restart
from envs.drawing import PANEL, Canvas, shades
from envs.drawn_env import DrawnParametricEnv
from envs.parameter_space import Parameter, ParameterSpace
from envs.protocols import Advanced, Rows
from envs.randomness import episode_keys

Observation: TypeAlias = Literal["markov", "index", "history", "summary"]
"""What a policy sees; see :class:`GraphWorld`."""

Chooser: TypeAlias = Callable[[Integers, int], Integers]
"""Maps nodes and the number of the step to actions."""

_LONGEST = 1_000_000
"""Steps of an episode, whose visits are remembered."""


class GraphWorld(GainRewards, DrawnParametricEnv):
    """Base of the coverage environments: move on a graph for ``horizon`` steps, be paid the marginal gain of each arrival.

    The reward of step ``h`` is ``F(s_0 .. s_{h+1}) - F(s_0 .. s_h)``, one entry per objective of the set function, so the
    undiscounted return of an episode is ``F`` of all visits minus ``F`` of the start (:attr:`start_value`, which no action can
    change). With one objective gymnasium is paid a number, unless ``vector_reward`` is set. With probability ``slip``,
    independently in each step, a uniformly drawn action is executed instead of the one chosen; it is the parameter of the
    transition model and may be another one in each row. Episodes *terminate* after ``horizon`` actions: the step number is
    part of the state.

    Observations, float32 unless said otherwise:

    - ``"markov"``: position features and the step as a part of the horizon, ``(c + 1,)``;
    - ``"index"``: integers for tables and learned vectors: the position (the node; row and column on grids) and the step,
      ``MultiDiscrete([V, horizon + 1])`` or ``MultiDiscrete([rows, columns, horizon + 1])``;
    - ``"history"``: one row per visit so far, oldest first, each position features and a 1; rows to come are zero.
      ``(horizon + 1, c + 1)``. Optimal policies may need it if the world slips;
    - ``"summary"``: as markov, then the set function's summary of what was visited: as informative as the history.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        successors: Integers,
        features: Floats,
        coordinates: Integers | None = None,
        start: int,
        set_function: SetFunction,
        horizon: int,
        slip: float,
        observation: Observation,
        vector_reward: bool = False,
        max_episode_steps: int | None,
    ) -> None:
        """Build the world.

        Args:
            num_envs: Number of rows.
            successors: Where action ``a`` leads from node ``v``, ``(V, A)``.
            features: Position of each node, ``(V, c)``.
            coordinates: Position of each node in integers from 0 on, different for every node, ``(V, k)``; None for its number.
            start: First node of every episode.
            set_function: Over the nodes, on the CPU.
            horizon: Actions per episode, at least 1 (code that counts visited states instead says ``horizon + 1``).
            slip: Nominal probability of a random action, in ``[0, 1]``.
            observation: See the class.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: A number is out of range, or sizes do not match.
        """
        from gymnasium.spaces import Box, Discrete, MultiDiscrete

        successors = read_whole("successors", successors, "nodes")
        if successors.ndim != 2 or not successors.size:
            raise ValueError(
                f"successors has shape {successors.shape}; expected (V, A), where each action leads from each node"
            )
        number, num_actions = successors.shape
        if successors.min() < 0 or successors.max() >= number:
            raise ValueError(
                f"successors reach from {successors.min()} to {successors.max()}; expected nodes, 0 to {number - 1}"
            )
        require_set_function(set_function, number)
        if not hasattr(horizon, "__index__") or horizon < 1:
            raise ValueError(f"horizon is {horizon!r}; expected at least 1 step, in whole numbers")
        whole("horizon", horizon, least=1, most=_LONGEST)
        if observation not in get_args(Observation):
            raise ValueError(f"observation is {observation!r}; expected one of {', '.join(get_args(Observation))}")
        if set_function.num_elements != number:
            raise ValueError(f"set_function has {set_function.num_elements} elements; expected one for each of {number} nodes")
        if not hasattr(start, "__index__") or not 0 <= start < number:
            raise ValueError(f"start is {start!r}; expected a node, 0 to {number - 1}")
        super().__init__(
            num_envs,
            parameter_space=ParameterSpace((self._parameter(slip),)),
            num_actions=num_actions,
            max_episode_steps=max_episode_steps,
        )
        self.successors = successors
        self.features = features
        self.start = start
        self._take(set_function, horizon, vector_reward=vector_reward)
        self.observation = observation
        self.coordinates = np.arange(number)[:, None] if coordinates is None else coordinates
        """Position of each node in integers, ``(V, k)``."""
        width = features.shape[1]
        if observation == "index":
            self.observation_space = MultiDiscrete([*(self.coordinates.max(0) + 1), horizon + 1])
        elif observation == "history":
            self.observation_space = Box(-1.0, 1.0, shape=(horizon + 1, width + 1), dtype=np.float32)
        elif observation == "markov":
            self.observation_space = Box(-1.0, 1.0, shape=(width + 1,), dtype=np.float32)
        else:
            size = width + 1 + set_function.summary_size
            self.observation_space = Box(-np.inf, np.inf, shape=(size,), dtype=np.float32)
        self.action_space = Discrete(num_actions)
        self.singletons = set_function.singletons().numpy()
        """What each node is worth alone, ``(V, m)``."""
        self._largest_gains = self.singletons.max(0)
        if not (self._largest_gains <= np.finfo(np.float32).max).all():
            node = int(self.singletons.max(1).argmax())
            raise ValueError(
                f"node {node} is worth {self.singletons[node].max():g}, more than a reward can hold; choose larger units"
            )
        self.reward_space = gain_space(set_function.singletons())
        self.nodes = np.full(num_envs, start)
        """Where the rows are, ``(R,)``."""
        self._rows = np.arange(num_envs)
        set_function.advance(self._fresh, torch.tensor([start]))
        self._tokens = np.concatenate([features, np.ones((number, 1))], 1).astype(np.float32)
        self._history = np.zeros((num_envs, horizon + 1, width + 1) if observation == "history" else 0, np.float32)

    @property
    def start_value(self) -> Floats:
        """Value of the first node alone, ``(m,)``: what returns leave out."""
        return self._fresh["value"][0].numpy().copy()

    @property
    def node_names(self) -> list[str]:
        """What the nodes ``0 .. V - 1`` are called in tables: their coordinates, or their numbers."""
        if self.coordinates.shape[1] == 1:
            return [str(node) for (node,) in self.coordinates.tolist()]
        return [str(tuple(place)) for place in self.coordinates.tolist()]

    def executed(self, params: npt.ArrayLike | None = None) -> Floats:
        """Probability that action ``b`` is executed at node ``v`` if ``a`` is chosen, ``(V, A, A)`` for ``v, a, b``.

        Args:
            params: A transition model, ``(k,)``; None for the nominal one.
        """
        (slip,) = self.parameter_space.checked(self.parameter_space.nominal if params is None else params)
        number, actions = self.successors.shape
        return np.tile((1.0 - slip) * np.eye(actions) + slip / actions, (number, 1, 1))

    @staticmethod
    def _parameter(nominal: float) -> Parameter:
        """What can be set."""
        return Parameter(name="slip", nominal=nominal, low=0.0, high=0.2, smallest=0.0, largest=1.0)

    def _execute(self, rows: Rows, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Draw what is executed; the actions that were chosen stay as they are."""
        slip = self._params[rows, 0]
        if not slip.any():
            return actions
        chance = (self._uniforms(rows, 1) * self.successors.shape[1]).astype(np.int64)
        return np.where(self._uniforms(rows) < slip, chance, actions)

    def play(self, rows: Rows, seeds: Integers, choose: Chooser, dynamics: Floats | None = None) -> Integers:
        """Play whole episodes of some rows: the same as stepping them, and faster, as nobody asks for gains on the way.

        The gains follow from the nodes: ``set_function.trajectory_gains``, without the first. Time limits do not count here.

        Args:
            rows: Which rows, ``(r,)``; they have ended afterwards.
            seeds: Episode seeds, ``(r,)``.
            choose: Maps the rows' nodes ``(r,)`` and the number of the step to actions ``(r,)``.
            dynamics: Transition model of each row, ``(r, k)``; None for the nominal one.

        Returns:
            Nodes, ``(horizon + 1, r)``, the start first.
        """
        rows = np.asarray(rows, np.int64)
        self.set_params(self.parameter_space.nominal if dynamics is None else dynamics, rows)
        self._keys[rows] = episode_keys(np.asarray(seeds, np.int64))
        nodes = np.full((self.horizon + 1, rows.size), self.start)
        for step in range(self.horizon):
            actions = choose(nodes[step], step)
            self._check_actions(rows, actions)
            self.nodes[rows], self._elapsed[rows] = nodes[step], step + 1
            nodes[step + 1] = self.successors[nodes[step], self._execute(rows, actions)]
        self.nodes[rows], self._running[rows] = nodes[-1], False
        return nodes

    def modular_rewards(self, rows: Rows) -> Floats:
        """What the present position of each row is worth alone, ``(r, m)``: the reward of the modular relaxation."""
        return np.asarray(self.singletons[self.nodes[rows]])

    def render_text(self, row: int) -> str:
        """Write the state of a row; see :meth:`envs.drawn_env.DrawnEnv.render_frame`.

        On grids ``@`` is the agent, ``#`` a wall, and digits say what arriving there would add, from ``.``, nothing, to 9.
        Elsewhere: the node, and what its neighbours would add.
        """
        self._check_drawable(row)
        here = int(self.nodes[row])
        lines = [*self._caption(row), *value_lines(self.values[row], self.start_value)]
        if self._is_grid:
            cells = np.full(self.coordinates.max(0) + 1, "#")
            cells[tuple(self.coordinates.T)] = self._signs(row)
            cells[tuple(self.coordinates[here])] = "@"
            return "\n".join([*lines, *("".join(line) for line in cells)])
        names = self.node_names
        near = [int(node) for node in dict.fromkeys(self.successors[here].tolist()) if node != here]
        left = self._left_to_gain(row)
        ways = ", ".join(f"{names[node]} ({100 * left[node]:.0f} %)" for node in near)
        return "\n".join([*lines, f"at {names[here]}; from here (of the most a visit can add): {ways}"])

    def _draw(self, row: int, canvas: Canvas) -> None:
        walk = self._walk(row)
        colours, texts = self._look(row)
        if self._is_grid:
            draw_cells(canvas, self.coordinates, colours, texts, walk, self.start)
        else:
            pairs = np.stack([np.arange(len(self.successors)).repeat(self.successors.shape[1]), self.successors.ravel()], 1)
            edges = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
            draw_graph(canvas, self._places, edges, colours, texts, walk, self.start)
        canvas.lines((PANEL.left, PANEL.top), value_lines(self.values[row], self.start_value) + self._notes(row))
        self._explain(canvas)

    @property
    def _is_grid(self) -> bool:
        return bool(self.coordinates.shape[1] == 2)

    def _look(self, row: int) -> tuple[npt.NDArray[np.uint8], Sequence[str]]:
        """Colours ``(V, 3)`` and texts of the nodes."""
        return shades(self._left_to_gain(row)), [] if self._is_grid else self.node_names

    def _walk(self, row: int) -> Integers:
        """Nodes of the walk as far as they are known, in order, ``(n,)``; at least the present one."""
        if self.observation == "history":
            visits = self._history[row, : self._elapsed[row] + 1]
            return np.asarray(np.abs(visits[:, None] - self._tokens).sum(-1).argmin(1))
        return np.asarray(self.nodes[[row]])

    def _signs(self, row: int) -> npt.NDArray[np.str_]:
        """A character for each node of a grid: how much arriving there would add, ``(V,)``."""
        digits = np.ceil(9 * np.clip(self._left_to_gain(row), 0.0, 1.0) - 1e-9).astype(np.int64)
        return np.where(digits > 0, digits.astype(np.str_), ".")

    def _notes(self, row: int) -> list[str]:
        """What else is to be said about a row."""
        return []

    def _explain(self, canvas: Canvas) -> None:
        """Say what the colours mean."""
        explain_shades(canvas)

    @cached_property
    def _places(self) -> Floats:
        """Where the nodes of a graph are drawn, ``(V, 2)``."""
        angle = np.linspace(0.0, 2 * np.pi, len(self.successors), endpoint=False)
        return np.stack([np.sin(angle), np.cos(angle)], 1)

    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        self.nodes[rows] = self.start
        restart(self._state, torch.from_numpy(rows), self._fresh)
        if self.observation == "history":
            self._history[rows] = 0.0
        return self._observe(rows)

    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        nodes = self.successors[self.nodes[rows], self._execute(rows, actions)]
        self.nodes[rows] = nodes
        everybody = rows.size == self.num_envs and np.array_equal(rows, self._rows)
        gains = self.set_function.advance(self._state, torch.from_numpy(nodes), None if everybody else torch.from_numpy(rows))
        rewards: npt.NDArray[np.float32] = gains.numpy().astype(np.float32)
        return self._observe(rows), rewards, self._elapsed[rows] >= self.horizon

    def _observe(self, rows: Rows) -> npt.NDArray[Any]:
        nodes, elapsed = self.nodes[rows], self._elapsed[rows]
        if self.observation == "index":
            return np.concatenate([self.coordinates[nodes], elapsed[:, None]], 1)
        tokens: npt.NDArray[np.float32] = self._tokens[nodes]
        if self.observation == "history":
            self._history[rows, elapsed] = tokens
            return self._history[rows]
        # The last entry of a token is 1: it becomes the time.
        tokens[:, -1] = elapsed / self.horizon
        if self.observation == "markov":
            return tokens
        summary = self.set_function.summary(self._state, torch.from_numpy(rows)).numpy()
        return np.concatenate([tokens, summary.astype(np.float32)], 1)
