"""What a robust policy has to beat: other ways to spend the same environment steps, on the same learners."""

from robust.baselines.domain_randomisation import DomainRandomisation
from robust.baselines.m2td3 import M2TD3
from robust.baselines.nominal import Nominal

__all__ = ["M2TD3", "DomainRandomisation", "Nominal"]
