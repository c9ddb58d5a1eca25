"""Decisions that hold up under uncertain dynamics: exact robust tabular MDPs, and IWOCS with its certificate."""

from robust.iwocs import IWOCS, Iteration, IWOCSResult

__all__ = ["IWOCS", "IWOCSResult", "Iteration"]
