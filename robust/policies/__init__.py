"""Policies that are made of several others."""

from robust.policies.composite import CompositePolicy

__all__ = ["CompositePolicy"]
