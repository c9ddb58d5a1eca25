"""Environments whose transition model has parameters that can be set at every reset: masses, lengths, forces.

``reset(options={"params": {"mass": 2.0}})`` chooses a model for this and the following episodes, ``info["params"]`` echoes the
one in force. The batched forms take one model per row.
"""

from envs.parameter_space import Parameter, ParameterSpace

__all__ = ["Parameter", "ParameterSpace"]
