"""Every registered solver on small real environments; a few dozen rounds contain updates and episode ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch

from morl.acting import PolicyImprovement
from morl.bootstrapping import Envelope, PreferenceDriven, SmallerQ
from morl.cooperation import Crossover, HardTransfer, SharedReplay, SoftTransfer
from morl.cooperation.neighbourhood import KNearest
from morl.cooperation.trigger import OnImprovement, Periodic
from morl.data import DataProblem, Dataset, Header, record
from morl.dominance import Lorenz
from morl.problem import Problem, make_problem
from morl.protocols import Policy
from morl.scalarizations import Achievement, Chebyshev, Constrained, SmoothChebyshev
from morl.selection import Tournament
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
from morl.task import Task, Utility
from morl.weights.adaptation import IPRO, PSA, ConstrainedExtension, LinearSupport
from morl.weights.sources import DirichletWeights, Hindsight, OwnWeights, SupportWeights
from tests.panel import Panel, SmallPanel

CPU = torch.device("cpu")
DST, CORRIDOR, TARGETS = "deep-sea-treasure-v0", "tabular/treasure-corridor-v0", "continuous/two-targets-v0"

RESTLESS = (("id", "cormab/capacity-v0"), ("num_arms", 6), ("budget", 2), ("reward", "vector"), ("horizon", 5))

_sac: dict[str, Any] = {"hidden": (8, 8), "batch_size": 8, "learning_starts": 3, "capacity": 200}
_dqn = MODQN(hidden=(8,), batch_size=8, learning_starts=4, epsilon_decay_steps=50, capacity=200, rows_per_member=2)
_ppo = MOPPO(hidden=(8, 8), rows_per_member=2, horizon=6, epochs=2, minibatch_size=5, entropy_coefficient=0.01)
_nlmoppo: dict[str, Any] = {"hidden": (8,), "rows_per_member": 2, "horizon": 6, "epochs": 2, "minibatch_size": 5}
_eupg = EUPG(hidden=(8,), rows_per_member=4)
_sequoia: dict[str, Any] = {
    "hidden": (6, 5),
    "batch_size": 8,
    "learning_starts": 6,
    "warm_start_updates": 3,
    "capacity": 300,
    "rows_per_member": 2,
    "target_period": 4,
    "epsilon_decay_steps": 50,
}
_pcn: dict[str, Any] = {
    "hidden": (8,), "batch_size": 8, "updates_per_batch": 2, "rows_per_member": 2, "warm_up_episodes": 12, "archive_size": 15
}  # fmt: skip
_subpo: dict[str, Any] = {"hidden": (8, 6), "rows_per_member": 4, "entropy_steps": 200}


@dataclass(frozen=True)
class Case:
    """A solver and what it works on."""

    name: str
    """Registered name of the solver."""
    solver: Any
    env: Any
    native: bool = True
    data: bool = False
    """Whether it learns from a data set."""

    def problem(self) -> Problem:
        return _data_problem(self.env) if self.data else _problem(self.env, self.native)

    def make(self, n: int = 3, *, seed: int = 0) -> Any:
        """A learner of ``n`` members (of the population's own size for MORL/D)."""
        first = (torch.arange(n) + 1.0) / 6  # the weights of a member do not depend on n
        others = self.problem().spec.num_objectives - 1
        weights = torch.cat([first[:, None], ((1 - first) / others)[:, None].expand(-1, others)], 1)
        utility = Utility(weights=weights, criterion=getattr(self.solver, "criterion", "ser"))
        return self.solver.make(self.problem(), Task(utility=utility), seed=seed, device=CPU)


@cache
def _problem(env: Any, native: bool) -> Problem:
    return make_problem(dict(env) if isinstance(env, tuple) else env, native=native)


@cache
def _data_problem(env: Any) -> DataProblem:
    """Random episodes, half of them under each of two preferences."""
    judge = _problem(env, True)
    header = Header.of(judge.spec, gamma=0.99)
    episodes = []
    for member, weights in enumerate(([0.25, 0.75], [0.75, 0.25])):
        policy = _random_policy(judge, member)
        found = record(
            judge, policy, episodes=8, weights=weights, seed=member, number=member, deterministic=False, max_episode_steps=15
        )
        episodes += list(found.episodes())
    return DataProblem.of(judge, Dataset.of(header, episodes))


def _random_policy(problem: Problem, seed: int) -> Policy:
    solver = MOPPO(hidden=(8,))
    return solver.make(problem, None, seed=seed, device=CPU).policies()[0]


LEAVES = {
    "mosac": Case("mosac", MOSAC(**_sac, rows_per_member=2), TARGETS),
    "mosac_autograd_n_step": Case("mosac", MOSAC(**_sac, n_step=3, target_period=3, update_engine="autograd"), TARGETS),
    "mosac_extras_shared": Case("mosac", MOSAC(**_sac, extras=("unregularised_critic",), replay="shared"), TARGETS),
    "mosac_discrete": Case("mosac", MOSAC(**_sac, n_step=2, updates_per_step=0.4), DST),
    "mosac_plain_rows": Case("mosac", MOSAC(**_sac, rows_per_member=2), DST, native=False),
    "moppo": Case("moppo", _ppo, TARGETS),
    "moppo_discrete": Case("moppo", _ppo, DST),
    "nlmoppo": Case("nlmoppo", NLMOPPO(**_nlmoppo, initial_states=3), TARGETS),
    "nlmoppo_discrete": Case("nlmoppo", NLMOPPO(**_nlmoppo, initial_states=1), DST),
    "modqn": Case("modqn", _dqn, DST),
    "modqn_prioritised_n_step": Case(
        "modqn",
        MODQN(
            hidden=(8,),
            batch_size=8,
            learning_starts=4,
            epsilon_decay_steps=50,
            capacity=200,
            prioritised=True,
            n_step=3,
            tau=1.0,
            target_period=3,
        ),
        DST,
    ),
    "moq": Case("moq", MOQLearning(epsilon_steps=50), DST),
    "moq_per_member": Case("moq", MOQLearning(epsilon_steps=50, replay="per_member"), CORRIDOR),
    "eupg": Case("eupg", _eupg, CORRIDOR),
    "eupg_plain_rows": Case("eupg", EUPG(hidden=(8,), rows_per_member=2), DST, native=False),
    "sequoia": Case("sequoia", SEQUOIA(**_sequoia, l1=0.01, stability=0.01), RESTLESS),
    "sequoia_concave_double_prioritised_n_step": Case(
        "sequoia", SEQUOIA(**_sequoia, q_model="concave", double_q=True, prioritised=True, n_step=2), RESTLESS
    ),
    "sequoia_linear_shared": Case("sequoia", SEQUOIA(**_sequoia, q_model="linear", replay="shared", loss="mse"), RESTLESS),
    "sequoia_factored": Case("sequoia", SEQUOIA(**_sequoia, q_model="factored"), RESTLESS),
    "subpo": Case("subpo", SubPO(**_subpo, baseline="critic", gae_lambda=0.9, critic_updates=2), CORRIDOR),
    "subpo_table_natural": Case("subpo", SubPO(**_subpo, network="table", optimiser="natural", iterations=3), CORRIDOR),
    "subpo_gru": Case("subpo", SubPO(**_subpo, network="gru", entropy_schedule="inverse", share_rollouts=True), CORRIDOR),
    "subpo_attention": Case("subpo", SubPO(**_subpo, network="attention", baseline="critic"), CORRIDOR),
    "subpo_continuous": Case("subpo", SubPO(**_subpo, normalise_observations=True, entropy_unit="first_batch"), TARGETS),
    "subpo_continuous_gru_natural": Case("subpo", SubPO(**_subpo, network="gru", optimiser="natural", iterations=3), TARGETS),
}
"""Solvers that train a population themselves."""

_one: dict[str, Any] = {"network": "conditioned", "hidden": (8,), "batch_size": 8, "learning_starts": 4, "capacity": 200}
_all_weights: dict[str, Any] = {**_one, "epsilon_decay_steps": 50, "rows_per_member": 2, "updates_per_step": 0.5}

CONDITIONED = {
    "mosac_conditioned": Case("mosac", MOSAC(**_one, rows_per_member=2, updates_per_step=0.5), TARGETS),
    "moppo_conditioned": Case("moppo", replace(_ppo, network="conditioned"), TARGETS),
    "modqn_envelope": Case(
        "modqn",
        MODQN(**_all_weights, bootstrap=Envelope(utility_share=0.5), learning_weights=DirichletWeights(cone=30.0)),
        CORRIDOR,
    ),
    "modqn_gpi": Case(
        "modqn",
        MODQN(
            **_all_weights, bootstrap=SmallerQ(), acting=PolicyImprovement(), episode_weights=OwnWeights(),
            learning_weights=Hindsight(others="support"), prioritised=True, loss="huber",
        ),
        DST,
    ),
    "modqn_preference_driven": Case(
        "modqn", MODQN(**_all_weights, bootstrap=PreferenceDriven(), learning_weights=SupportWeights()), DST
    ),
}  # fmt: skip
"""One network for all weights."""

WRAPPERS = {
    "morld_conditioned": Case("morld", MORLD(solver=MODQN(**_all_weights), num_members=3, exchange_period=31), DST),
    "morld": Case("morld", MORLD(solver=MOSAC(**_sac), num_members=3, exchange_period=31), TARGETS),
    "morld_turns": Case(
        "morld",
        MORLD(
            solver=_dqn,
            num_members=3,
            exchange_period=25,
            schedule="turn_by_turn",
            update_passes=2,
            cooperation=(SharedReplay(), HardTransfer()),
            weight_adaptation=PSA(),
            normalisation="running",
        ),
        DST,
    ),
    "morld_eupg": Case("morld", MORLD(solver=_eupg, num_members=3, scalarization=Chebyshev(), exchange_period=60), CORRIDOR),
    "morld_nlmoppo": Case(
        "morld",
        MORLD(
            solver=NLMOPPO(**_nlmoppo, sees_referent=True),
            num_members=3,
            scalarization=SmoothChebyshev(),
            normalisation="running",
            exchange_period=50,
            cooperation=(HardTransfer(),),
        ),
        CORRIDOR,
    ),
    "morld_c_morl": Case(
        "morld",
        MORLD(
            solver=NLMOPPO(**_nlmoppo),
            num_members=3,
            scalarization=Constrained(),
            normalisation="running",
            exchange_period=40,
            weight_adaptation=ConstrainedExtension(num_select=2, warm_up=1),
        ),
        DST,
    ),
    "morld_subpo": Case(
        "morld",
        MORLD(solver=SubPO(**_subpo, share_rollouts=True), num_members=3, exchange_period=60, cooperation=(HardTransfer(),)),
        CORRIDOR,
    ),
    "morld_linear_support": Case(
        "morld",
        MORLD(
            solver=MOQLearning(epsilon_steps=50, learning_rate=1.0, rows_per_member=2),
            num_members=3,
            exchange_period=40,
            weight_adaptation=LinearSupport(batch=2, max_members=6),
        ),
        CORRIDOR,
    ),
    "morld_soft_transfer_tournament": Case(
        "morld",
        MORLD(
            solver=_dqn,
            num_members=3,
            exchange_period=25,
            schedule="turn_by_turn",
            selection=Tournament(),
            neighbourhood=KNearest(k=2, by="parameters"),
            cooperation=(SoftTransfer(tau=0.3, trigger=OnImprovement()),),
        ),
        DST,
    ),
    "morld_crossover": Case(
        "morld",
        MORLD(
            solver=MOSAC(**_sac),
            num_members=3,
            exchange_period=30,
            schedule="turn_by_turn",
            neighbourhood=KNearest(k=1),
            cooperation=(Crossover(clone_steps=2, trigger=Periodic()),),
        ),
        TARGETS,
    ),
    "morld_ipro": Case(
        "morld",
        MORLD(
            solver=RewardAwareLearning(horizon=10),
            num_members=2,
            exchange_period=20,
            scalarization=Achievement(rho=1e-3),
            weight_adaptation=IPRO(patience=1),
        ),
        CORRIDOR,
    ),
    "morld_eupg_turns": Case(
        "morld",
        MORLD(solver=_eupg, num_members=3, scalarization=Chebyshev(), exchange_period=60, schedule="turn_by_turn"),
        CORRIDOR,
    ),
}
"""MORL/D around some of them."""

SHARED = {
    "pareto_q": Case("pareto_q", ParetoQLearning(rows_per_member=2, epsilon_steps=100, backups_per_step=1), DST),
    "pareto_q_pruned_random": Case(
        "pareto_q", ParetoQLearning(exploration="random", score="pareto", max_vectors=3), CORRIDOR, native=False
    ),
    "reward_aware": Case("reward_aware", RewardAwareLearning(rows_per_member=2, horizon=12), DST),
    "reward_aware_by_chance": Case("reward_aware", RewardAwareLearning(horizon=6), "resource-gathering-v0"),
    "pcn": Case("pcn", PCN(**_pcn), CORRIDOR),
    "pcn_lorenz_continuous": Case("pcn", PCN(**_pcn, dominance=Lorenz(), stochastic="warn"), TARGETS),
}
"""Solvers whose members fill one table, or one memory, together."""

_offline: dict[str, Any] = {"hidden": (8,), "batch_size": 16, "max_candidates": 4}

OFFLINE = {
    "morvs": Case("morvs", MORvS(**_offline), DST, data=True),
    "behaviour_cloning": Case("behaviour_cloning", BehaviourCloning(**_offline, weights="recorded"), DST, data=True),
    "morvs_continuous": Case("morvs", MORvS(**_offline, weights="recorded"), TARGETS, data=True),
    "behaviour_cloning_components": Case("behaviour_cloning", BehaviourCloning(**_offline), Panel, data=True),
}
"""Solvers that learn from a data set and have no environment rows."""

CASES = LEAVES | CONDITIONED | WRAPPERS | SHARED

FORMS = {
    "moppo_components": Case("moppo", _ppo, Panel),
    "mosac_components": Case("mosac", MOSAC(**_sac, extras=("unregularised_critic",), n_step=2), Panel),
    "modqn_components": Case("modqn", _dqn, Panel),
    "eupg_components": Case("eupg", _eupg, Panel),
    "morld_components": Case(
        "morld",
        MORLD(solver=_dqn, num_members=3, exchange_period=25, cooperation=(SharedReplay(),), weight_adaptation=PSA()),
        SmallPanel,
    ),
    "mosac_conditioned_discrete": Case(
        "mosac", MOSAC(**_one, n_step=2, updates_per_step=0.4, learning_weights=OwnWeights(), temperature=0.1), DST
    ),
    "moppo_conditioned_own": Case("moppo", replace(_ppo, network="conditioned", episode_weights=OwnWeights()), DST),
    "pcn_components": Case("pcn", PCN(**_pcn, stochastic="warn"), SmallPanel),
    "modqn_conditioned_components": Case("modqn", MODQN(**_all_weights, prioritised=True), Panel),
}
"""What changes how batches are stored and heads are read, which the checker and one device show: actions of several components,
and further forms of one network."""

ELSEWHERE = {"iwocs", "nominal", "domain_randomisation", "m2td3", "rarl", "action_robust", "ewok"}
"""Solvers over transition models, which need an environment that has some: the same checker tries them in ``tests/robust``."""
