"""Solvers: one algorithm per file, each a frozen dataclass whose ``make`` returns the live learner."""

from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC
from morl.solvers.nlmoppo import NLMOPPO
from morl.solvers.offline import BehaviourCloning, MORvS
from morl.solvers.pareto_q import ParetoQLearning
from morl.solvers.pcn import PCN
from morl.solvers.reward_aware import RewardAwareLearning
from morl.solvers.sequoia import SEQUOIA
from morl.solvers.subpo import SubPO

__all__ = [
    "BehaviourCloning", "EUPG", "MODQN", "MOPPO", "MORLD", "MORvS", "MOQLearning", "MOSAC", "NLMOPPO", "PCN", "ParetoQLearning",
    "RewardAwareLearning", "SEQUOIA", "SubPO",
]  # fmt: skip
