"""Small worlds with known robust values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

WINDY_ALPHAS = np.linspace(0.0, 0.5, 25)
WINDY_START, WINDY_GOAL, WINDY_SIZE = 0, 5, 6


def windy_walk(alpha: float) -> Array:
    """Transitions ``(36, 4, 36)`` of a 6 x 6 grid with three windy corridors; actions north, south, east, west.

    Walls are the cells (1, 1..3) and (3, 1..3), which nobody enters. The wind blows west with strength alpha in the
    northern corridor (row 0), alpha cubed in the middle one (row 2) and alpha to the sixth in the southern one (rows 4, 5).
    """
    walls = {(row, column) for row in (1, 3) for column in (1, 2, 3)}
    strengths = {0: alpha, 2: alpha**3, 4: alpha**6, 5: alpha**6}
    moves = [(-1, 0), (1, 0), (0, 1), (0, -1)]

    def moved(row: int, column: int, step: tuple[int, int]) -> int:
        """Index of the neighbour, or of the cell itself where there is none."""
        to = (row + step[0], column + step[1])
        inside = 0 <= to[0] < WINDY_SIZE and 0 <= to[1] < WINDY_SIZE and to not in walls
        return to[0] * WINDY_SIZE + to[1] if inside else row * WINDY_SIZE + column

    states = WINDY_SIZE**2
    result = np.zeros((states, 4, states))
    for state in range(states):
        row, column = divmod(state, WINDY_SIZE)
        wind = strengths[row] if row in strengths and column in (1, 2, 3) else 0.0
        for action, step in enumerate(moves):
            if state == WINDY_GOAL:
                result[state, action, state] = 1.0
                continue
            result[state, action, moved(row, column, step)] += 1.0 - wind
            result[state, action, moved(row, column, (0, -1))] += wind
    return result


def windy_rewards() -> Array:
    """Minus one per step, zero at the goal, ``(36, 4)``."""
    rewards = np.full((WINDY_SIZE**2, 4), -1.0)
    rewards[WINDY_GOAL] = 0.0
    return rewards


def river_swim() -> tuple[Array, Array]:
    """Transitions ``(6, 2, 6)`` and rewards ``(6, 2)``: action 0 drifts left, action 1 swims right."""
    transitions, rewards = np.zeros((6, 2, 6)), np.zeros((6, 2))
    for s in range(6):
        transitions[s, 0, max(s - 1, 0)] = 1.0
    transitions[0, 1, :2] = 0.7, 0.3
    for s in range(1, 5):
        transitions[s, 1, s - 1 : s + 2] = 0.1, 0.6, 0.3
    transitions[5, 1, 4:] = 0.7, 0.3
    rewards[0, 0], rewards[5, 1] = 0.0005, 1.0
    return transitions, rewards


def machine_replacement() -> tuple[Array, Array]:
    """Transitions and rewards per outcome, ``(10, 2, 10)``; states R1, R2, u1..u8; actions do nothing, repair."""
    transitions, rewards = np.zeros((10, 2, 10)), np.zeros((10, 2, 10))

    def outcome(state: int, action: int, to: int, probability: float, reward: float) -> None:
        transitions[state, action, to] = probability
        rewards[state, action, to] = reward

    r1, r2 = 0, 1
    u = [0, *range(2, 10)]
    outcome(r1, 0, r1, 0.2, -2)
    outcome(r1, 0, u[1], 0.8, 0)
    outcome(r2, 0, r2, 1.0, -10)
    outcome(r1, 1, r1, 1.0, -2)
    outcome(r2, 1, r1, 0.6, -2)
    outcome(r2, 1, r2, 0.4, -10)
    for k in range(1, 7):
        outcome(u[k], 0, u[k], 0.2, 0)
        outcome(u[k], 0, u[k + 1], 0.8, 0)
        outcome(u[k], 1, u[k + 1], 0.3, 0)
        outcome(u[k], 1, r1, 0.6, 0)
        outcome(u[k], 1, r2, 0.1, 0)
    outcome(u[7], 0, u[7], 0.2, 0)
    outcome(u[7], 0, u[8], 0.8, -20)
    outcome(u[8], 0, u[8], 1.0, -20)
    outcome(u[7], 1, u[8], 0.3, -20)
    outcome(u[7], 1, r1, 0.6, 0)
    outcome(u[7], 1, r2, 0.1, 0)
    outcome(u[8], 1, u[8], 0.3, -20)
    outcome(u[8], 1, r1, 0.6, -2)
    outcome(u[8], 1, r2, 0.1, -10)
    return transitions, rewards


def duality_gap() -> tuple[Array, Array]:
    """Two kernels ``(2, 6, 2, 6)`` without a common worst row, and rewards ``(6, 2)``.

    States s0, s1, s2, won, lost, over. From s0 to s1 or s2 by chance; there action 0 is a fair bet and action 1 a sure thing:
    lost in s1 and won in s2 under the first kernel, the reverse under the second. Leaving `won` pays 1.
    """
    s0, s1, s2, won, lost, over = range(6)
    kernels, rewards = np.zeros((2, 6, 2, 6)), np.zeros((6, 2))
    kernels[:, s0, :, [s1, s2]] = 0.5
    for k in range(2):
        for state, sure in ((s1, (lost, won)[k]), (s2, (won, lost)[k])):
            kernels[k, state, 0, [won, lost]] = 0.5
            kernels[k, state, 1, sure] = 1.0
        kernels[k, [won, lost, over], :, over] = 1.0
    rewards[won] = 1.0
    return kernels, rewards


COUNTER_REWARDS = np.array([[0.15, 0.26], [0.85, 0.82], [0.22, 0.28]])
COUNTER_KERNELS = np.array(
    [
        [
            [[0.09, 0.83, 0.08], [0.18, 0.57, 0.25]],
            [[0.14, 0.83, 0.03], [0.06, 0.92, 0.02]],
            [[0.15, 0.38, 0.47], [0.33, 0.66, 0.01]],
        ],
        [
            [[0.11, 0.88, 0.01], [0.43, 0.30, 0.27]],
            [[0.10, 0.41, 0.49], [0.38, 0.07, 0.55]],
            [[0.01, 0.12, 0.87], [0.27, 0.01, 0.72]],
        ],
    ]
)
"""Two candidate rows per state-action pair, any combination allowed: the published aggregation stalls here."""
