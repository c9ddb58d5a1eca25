"""Population-batched networks: every parameter carries the members on axis 0."""

from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import StackedMLP, member_slice

__all__ = ["PopulationAdam", "StackedMLP", "member_slice"]
