"""The whole program: action set, networks, and what is maximised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.mip.bounds import CLOSED_FORM, LayerBounds, widened
from morl.mip.folded import FoldedNetwork
from morl.mip.formulations import FORMULATIONS
from morl.mip.objective import Pieces
from morl.mip.polytope import ActionPolytope
from morl.mip.program import Array, Index, Program, ProgramBuilder, Units


@dataclass(frozen=True, eq=False)
class QProgram:
    """A program and where its parts stand."""

    program: Program
    actions: Index
    """Columns of the action, ``(N,)``."""
    units: tuple[tuple[Units, ...], ...]
    """Columns of each hidden layer of each network."""
    bounds: tuple[tuple[LayerBounds, ...], ...]
    """Of the pre-activations that the program was written with."""

    def start(self, networks: Sequence[FoldedNetwork], action: npt.NDArray[Any]) -> tuple[Index, Array]:
        """Values of the action and of every switch at a feasible action, as (columns, values): a start for the solver."""
        columns, values = [self.actions], [np.asarray(action, np.float64)]
        for network, layers in zip(networks, self.units, strict=True):
            for units, hidden in zip(layers, network.activations(action[None])[1:], strict=True):
                columns.append(units.switch)
                values.append((hidden[0] > 0).astype(np.float64))
        return np.concatenate(columns), np.concatenate(values)

    def open_units(self) -> int:
        """Number of units that may be on or off."""
        return sum(int(((low < 0) & (high > 0)).sum()) for layers in self.bounds for low, high in layers)


def build(
    networks: Sequence[FoldedNetwork],
    objective: Pieces,
    constraint: Any,
    polytope: ActionPolytope,
    *,
    formulation: str = "big_m",
    bounds: str = "crown",
    given: Sequence[Sequence[LayerBounds]] | None = None,
    fixed: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None = None,
) -> QProgram:
    """Write the program of ``max_a g(q_1(a), q_2(a), ...)``.

    Args:
        networks: At one observation; their outputs stand one behind the other in ``g``.
        objective: ``g``.
        constraint: The action set.
        polytope: What is known of it.
        formulation: A key of ``FORMULATIONS``.
        bounds: A key of ``CLOSED_FORM``.
        given: Bounds to use instead, by network and layer.
        fixed: Components of the action that are zero, and those that are one, ``(N,)`` each.

    Returns:
        The program. It has the same pattern at every observation.
    """
    builder = ProgramBuilder()
    size = constraint.num_actions
    zeros, ones = (np.zeros(size, np.bool_),) * 2 if fixed is None else fixed
    actions = builder.add_variables(ones.astype(float), (~zeros).astype(float), np.ones(size, np.bool_))
    constraint.add_to(builder, actions)
    tight = given if given is not None else [CLOSED_FORM[bounds](network, polytope) for network in networks]
    found = [[widened(limits) for limits in layers] for layers in tight]
    write = FORMULATIONS[formulation]
    all_units: list[tuple[Units, ...]] = []
    for number, network in enumerate(networks):
        sinking = sinking_units(network, objective.of(number, network.num_outputs))
        hidden = np.zeros(0, np.int64)
        span: LayerBounds = (np.zeros(0), np.zeros(0))
        units: list[Units] = []
        for layer, limits, sinks in zip(network.hidden, found[number], sinking, strict=True):
            units.append(write(builder, layer, hidden, actions, limits, span, sinks, polytope))
            hidden = units[-1].hidden
            span = (np.maximum(limits[0], 0.0), np.maximum(limits[1], 0.0))
        all_units.append(tuple(units))
    columns, coefficients, constants = _linear_parts(networks, objective, all_units, actions)
    if len(objective.offsets) == 1:
        program = builder.build(columns, coefficients[0], float(constants[0]))
    else:
        # The smallest of the pieces is one more variable below all of them.
        smallest = builder.add_variables(np.array([-np.inf]), np.array([np.inf]), np.zeros(1, np.bool_))
        below = builder.rows(np.full(len(constants), -np.inf), constants)
        builder.entries(below, smallest, 1.0)
        builder.block(below, columns, -coefficients)
        program = builder.build(smallest, np.ones(1), 0.0)
    return QProgram(program, actions, tuple(all_units), tuple(tuple(layers) for layers in found))


def _linear_parts(
    networks: Sequence[FoldedNetwork], objective: Pieces, units: Sequence[tuple[Units, ...]], actions: Index
) -> tuple[Index, Array, Array]:
    """Each piece as a linear function of columns: columns ``(c,)``, coefficients ``(P, c)``, constants ``(P,)``."""
    columns, coefficients = [actions], [np.zeros((len(objective.offsets), len(actions)))]
    constants = objective.offsets.copy()
    for number, network in enumerate(networks):
        slopes = objective.of(number, network.num_outputs)
        constants += slopes @ network.output.constant
        coefficients[0] += slopes @ network.output.direct
        if units[number]:
            columns.append(units[number][-1].hidden)
            coefficients.append(slopes @ network.output.recurrent)
    return np.concatenate(columns), np.concatenate(coefficients, axis=1), constants


def sinking_units(network: FoldedNetwork, slopes: Array) -> list[npt.NDArray[np.bool_]]:
    """Units whose output the objective never gains from, for each hidden layer: all that it leads to counts against.

    Args:
        network: At one observation.
        slopes: Of the objective's pieces in the network's outputs, ``(P, m)``.
    """
    effect = slopes @ network.output.recurrent
    rises: npt.NDArray[Any] = np.any(effect > 0, axis=0)
    sinks: npt.NDArray[Any] = np.any(effect < 0, axis=0)
    found: list[npt.NDArray[np.bool_]] = []
    for layer in reversed(network.hidden):
        found.append(~rises)
        up, down = layer.recurrent > 0, layer.recurrent < 0
        rises, sinks = (
            np.any((up & rises[:, None]) | (down & sinks[:, None]), axis=0),
            np.any((up & sinks[:, None]) | (down & rises[:, None]), axis=0),
        )
    return found[::-1]
