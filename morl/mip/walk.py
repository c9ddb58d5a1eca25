r"""A walk across the linear regions of a network, from one feasible action to the next.

At an action the network is replaced by its differences :math:`c_j = g(a_j{=}1) - g(a_j{=}0)`; the feasible action that
maximises :math:`c^\top a` comes next, better or not, until the walk stands still. The best action on the way counts.

Source:
    Tong, Cai, Serra, Optimization over trained neural networks: taking a relaxing walk, CPAIOR 2024. Deviations: differences
    instead of the gradient of one region, and the exact linear maximiser of the set instead of a linear program.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Action = npt.NDArray[np.bool_]


def walk(
    value: Callable[[Action], Array],
    oracle: Callable[[Array], Action],
    action: Action,
    *,
    steps: int,
    is_late: Callable[[], bool],
) -> Action:
    """Walk and return the best action on the way.

    Args:
        value: Of actions ``(B, N)``, ``(B,)``.
        oracle: The feasible action that maximises a linear function ``(N,)``.
        action: A feasible one, ``(N,)``.
        steps: At most.
        is_late: Whether to stop at once.
    """
    single = np.eye(action.size, dtype=np.bool_)
    best, found = -np.inf, action
    for step in range(steps + 1):
        here = float(value(action[None])[0])
        if here > best:
            best, found = here, action
        if step == steps or is_late():
            break
        differences = (value(action ^ single) - here) * np.where(action, -1.0, 1.0)
        following = oracle(differences)
        if np.array_equal(following, action):
            break
        action = following
    return found
