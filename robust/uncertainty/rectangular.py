"""Every combination of listed values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from envs.parameter_space import ParameterSpace
from morl.errors import ConfigurationError
from morl.fields import Number
from robust.uncertainty.base import Nominal, UncertaintySet, index_of
from robust.uncertainty.finite import FiniteRegion, finite_region


@dataclass(frozen=True)
class Rectangular(UncertaintySet):
    """The product of lists: each named parameter takes one of its values, in any combination; the others stay nominal.

    Rectangular over *parameters*. That is not the rectangularity over states and actions that robust dynamic programming needs,
    since one parameter moves many rows of the kernel at once.
    """

    values: Mapping[str, tuple[Number, ...]] | None = None
    """Values by parameter; None: both ends of the environment's own range and the nominal value, of every parameter."""
    nominal: Nominal = "require"
    """What if the nominal model is not among the combinations; `clip` takes the first nearest one."""

    def region(self, space: ParameterSpace) -> FiniteRegion:
        if self.values is None:
            lists = [np.unique(three).tolist() for three in np.stack([space.low, space.nominal, space.high], -1)]
        else:
            if not self.values or not all(len(values) for values in self.values.values()):
                raise ConfigurationError("Rectangular.values needs at least one value for at least one parameter")
            lists = [[value] for value in space.nominal.tolist()]
            for name, values in self.values.items():
                lists[index_of(space, name)] = [float(value) for value in values]
        return finite_region(space, np.array(list(itertools.product(*lists))), self.nominal)
