"""What a robust policy has to beat: other ways to spend the same environment steps, on the same learners."""

from robust.baselines.action_robust import ActionRobust
from robust.baselines.domain_randomisation import DomainRandomisation
from robust.baselines.ewok import EWoK
from robust.baselines.m2td3 import M2TD3
from robust.baselines.nominal import Nominal
from robust.baselines.rarl import RARL

__all__ = ["M2TD3", "RARL", "ActionRobust", "DomainRandomisation", "EWoK", "Nominal"]
