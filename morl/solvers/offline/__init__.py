"""Learning from a data set, without acting: behaviour cloning and MORvS."""

from morl.solvers.offline.behaviour_cloning import BehaviourCloning as BehaviourCloning  # listed by `morl.solvers`
from morl.solvers.offline.morvs import MORvS as MORvS
