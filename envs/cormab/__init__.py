"""Restless bandits with combinatorial actions: arms that move by themselves, and constraints that couple what may be done."""

from __future__ import annotations

from envs.cormab.generators import (
    budget_instance,
    capacity_instance,
    interventions_instance,
    path_instance,
    scheduling_instance,
)
from envs.cormab.instance import Instance
from envs.cormab.restless import RestlessBandit

__all__ = [
    "Instance",
    "RestlessBandit",
    "budget_instance",
    "capacity_instance",
    "interventions_instance",
    "path_instance",
    "scheduling_instance",
]
