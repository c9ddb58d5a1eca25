"""IWOCS on tables: exact solvers, exact search."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError
from robust.tabular.ambiguity import Finite
from robust.tabular.mdp import Array, IntArray, TabularMDP
from robust.tabular.planning import policy_evaluation, value_iteration
from robust.tabular.robust_planning import action_values, outcomes, robust_policy_evaluation, robust_value_iteration
from robust.tabular.sparse import sparse_rows
from robust.tabular.ties import first_best

Aggregator = Literal["min_q", "hull"]
Status = Literal["converged", "stalled", "exhausted"]
Semantics = Literal["static", "rectangular", "rectangular_hull"]


@dataclass(frozen=True, eq=False)
class Iteration:
    """What happened in one iteration of IWOCS: one ordinary process solved, one worst kernel sought."""

    kernel: IntArray
    """The kernel that was solved: for every state-action pair which of the given kernels its row is from, ``(S, A)``."""
    kernel_value: float
    """Its optimal value at the start state: no policy can be guaranteed more than this."""
    action_values: Array
    """Aggregated action values, ``(S, A)``."""
    policy: IntArray
    """Their greedy policy, ``(S,)``."""
    estimate: float
    """Aggregated action value of the policy's action at the start state."""
    worst_kernel: IntArray
    """Worst kernel for the policy, written as ``kernel``, ``(S, A)``."""
    worst_value: float
    """The policy's value at the start state in its worst kernel: what it guarantees."""
    lower: float
    """Best guarantee so far."""
    upper: float
    """Smallest upper bound so far."""
    solve_seconds: float
    """Seconds spent on solving and aggregating."""
    search_seconds: float
    """Seconds spent on the worst kernel."""


@dataclass(frozen=True, eq=False)
class IWOCSResult:
    """A robust policy and how good it provably is."""

    policy: IntArray
    """The policy with the best guarantee of all iterations, ``(S,)``."""
    lower: float
    """Its value at the start state in its worst kernel: a guarantee, return units."""
    upper: float
    """No policy can be guaranteed more than this at the start state, return units."""
    gap: float
    """``upper - lower``: how much a better policy could add at most, return units."""
    status: Status
    """`converged`: the gap is within the tolerance. `stalled`: the worst kernel was known already, so nothing would change
    any more. `exhausted`: the iterations ran out.
    """
    semantics: Semantics
    """What was solved for. `static`: one kernel of the list for the whole trajectory. `rectangular`: the product of the rows,
    where it makes no difference whether nature chooses once or at every step. `rectangular_hull`: policies were made for the
    product of the rows found, which is more pessimistic than the list; both bounds are those of the list.
    """
    solves: int
    """Number of ordinary processes solved."""
    history: tuple[Iteration, ...]
    """Every iteration, in order."""


def solve(
    kernels: npt.ArrayLike,
    rewards: npt.ArrayLike,
    gamma: float,
    *,
    aggregator: Aggregator,
    tolerance: float,
    max_iterations: int,
    start_state: int,
    initial_kernel: int,
    rectangular: bool,
) -> IWOCSResult:
    """See :meth:`robust.IWOCS.solve_tabular`."""
    candidates = Finite(_dense(kernels))
    kernels = candidates.kernels
    if kernels.shape[1] != kernels.shape[3]:
        raise ShapeError(f"kernels has shape {kernels.shape}: expected (K, S, A, S)")
    mdp = TabularMDP(kernels[0], rewards, gamma)
    start = _checked_index("start_state", start_state, mdp.num_states)
    shape = (mdp.num_states, mdp.num_actions)
    kernel: IntArray = np.full(shape, _checked_index("initial_kernel", initial_kernel, len(kernels)))
    search = _worst_in_product if rectangular else _worst_in_list
    precision = min(1e-10, tolerance / 100)

    known: list[IntArray] = []
    rows: list[Array] = []
    aggregated = np.full(shape, np.inf)
    upper, lower, best = np.inf, -np.inf, np.zeros(shape[0], dtype=np.int64)
    history: list[Iteration] = []
    status: Status = "exhausted"
    for _ in range(max_iterations):
        began = time.perf_counter()
        rows.append(_compose(kernels, kernel))
        known.append(kernel)
        process = mdp.with_transitions(rows[-1])
        optimal, _ = value_iteration(process, tolerance=precision)
        if aggregator == "min_q":
            aggregated = np.minimum(aggregated, action_values(process, Finite(rows[-1][None]), optimal))
        else:
            hull = Finite(np.stack(rows))
            aggregated = action_values(mdp, hull, robust_value_iteration(mdp, hull, tolerance=precision)[0])
        policy: IntArray = first_best(aggregated, slack=precision)
        estimate = float(aggregated[start, policy[start]])
        upper = min(upper, float(optimal[start]))
        if rectangular:
            # A stationary deterministic policy is optimal there, and no such policy exceeds these action values.
            upper = min(upper, float(aggregated[start].max()))
        solved = time.perf_counter()
        worst, worst_value = search(mdp, candidates, policy, start, precision)
        if worst_value > lower:
            lower, best = worst_value, policy
        history.append(
            Iteration(
                kernel=kernel,
                kernel_value=float(optimal[start]),
                action_values=aggregated,
                policy=policy,
                estimate=estimate,
                worst_kernel=worst,
                worst_value=worst_value,
                lower=lower,
                upper=upper,
                solve_seconds=solved - began,
                search_seconds=time.perf_counter() - solved,
            )
        )
        if upper - lower <= tolerance:
            status = "converged"
            break
        if any(np.array_equal(worst, old) for old in known):
            status = "stalled"
            break
        kernel = worst
    return IWOCSResult(
        policy=best,
        lower=lower,
        upper=upper,
        gap=upper - lower,
        status=status,
        semantics="rectangular" if rectangular else "static" if aggregator == "min_q" else "rectangular_hull",
        solves=len(history),
        history=tuple(history),
    )


def _dense(kernels: Any) -> Any:
    """Kernels of which some are sparse, as arrays: what is solved here is dense anyway."""
    if not isinstance(kernels, list | tuple):
        return kernels
    parts = [sparse_rows(f"kernels[{number}]", kernel) for number, kernel in enumerate(kernels)]
    return [kernel if part is None else part.dense for kernel, part in zip(kernels, parts, strict=True)]


def _compose(kernels: Array, choice: IntArray) -> Array:
    """Transitions ``(S, A, S)`` whose rows come from the kernels that ``choice (S, A)`` names."""
    states, actions = np.indices(choice.shape)
    return np.asarray(kernels[choice, states, actions])


def _worst_in_list(mdp: TabularMDP, candidates: Finite, policy: IntArray, start: int, _: float) -> tuple[IntArray, float]:
    """The kernel of the list in which a policy is worth least; among equals the first."""
    index = (np.arange(mdp.num_states), policy)
    rows = candidates.at(index).kernels
    rewards = np.einsum("ksb,sb->ks", rows, mdp.rewards[index]) if mdp.rewards.ndim == 3 else mdp.rewards[index]
    systems = np.eye(mdp.num_states) - mdp.gamma * rows
    values = np.linalg.solve(systems, np.broadcast_to(rewards, rows.shape[:2])[..., None])[:, start, 0]
    worst = int(first_best(-values))
    return np.full((mdp.num_states, mdp.num_actions), worst), float(values[worst])


def _worst_in_product(
    mdp: TabularMDP, candidates: Finite, policy: IntArray, start: int, tolerance: float
) -> tuple[IntArray, float]:
    """The kernel of the product of the rows in which a policy is worth least; the first row where it never acts."""
    values = robust_policy_evaluation(mdp, policy, candidates, tolerance=tolerance)
    index = (np.arange(mdp.num_states), policy)
    choice = np.zeros((mdp.num_states, mdp.num_actions), dtype=np.int64)
    choice[index] = candidates.at(index).worst_index(outcomes(mdp, values, index)[0])
    # What the guarantee states is the exact value in that kernel.
    exact = policy_evaluation(mdp.with_transitions(_compose(candidates.kernels, choice)), policy)
    return choice, float(exact[start])


def _checked_index(name: str, index: int, size: int) -> int:
    """Return an index as an integer; refuse what is out of range."""
    if int(index) != index or not 0 <= index < size:
        raise ConfigurationError(f"{name}={index!r}: expected an integer in [0, {size - 1}]")
    return int(index)
