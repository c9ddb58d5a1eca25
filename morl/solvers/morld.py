r"""Multi-objective reinforcement learning based on decomposition (MORL/D).

A population of members, each maximising its own scalarization of the vector value, improved by any solver:

1. generate weights; evaluate everybody; start the archive;
2. train for one exchange period (everybody side by side, or one member per turn);
3. evaluate; offer every policy to the archive;
4. cooperate, adapt weights, move the ideal point; repeat from 2.

References:
    F. Felten, E.-G. Talbi, G. Danoy, "Multi-Objective Reinforcement Learning Based on Decomposition: A Taxonomy and
    Framework", JAIR 79 (2024), algorithm 3.

Deviations: see the page of MORL/D in the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch

from morl.archives import Archive, ParetoArchive
from morl.capabilities import ChoosesTasks, HasFirstUpdate, RepeatsUpdates, ServesAnyWeights, TellsEpisodes, criterion_of
from morl.cooperation import Cooperation, require_cooperation
from morl.cooperation.neighbourhood import KNearest, Neighbourhood
from morl.errors import CapabilityError, CheckpointError, ConfigurationError
from morl.evaluation import Evaluated, Evaluation, HasReport, Record, Report, candidates_of, evaluator_of, make_learner
from morl.evaluation.record import own_utilities
from morl.fields import Count, NonNegative, Number, Range, RepeatsOrNone
from morl.protocols import Candidate, EnvFactory, EpisodeListener, Learner, Policy, Solver, State, prefixed, unprefixed
from morl.registry import component, component_field
from morl.scalarizations import ChecksUtility, Scalarization, WeightedSum
from morl.seeding import stream
from morl.selection import RoundRobin, Selection
from morl.solvers.adapted_weights import AdaptedWeights, adapted_utility, require_network, require_start
from morl.solvers.base import RunnableSolver, require
from morl.solvers.exchange import Exchange
from morl.solvers.mosac import MOSAC
from morl.solvers.running_reference import first_ideal_point, moved_reference
from morl.spending import spend
from morl.task import Task, Utility
from morl.weights.adaptation import Population, WeightAdaptation

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MORLD(RunnableSolver):
    """MORL/D around any solver of scalar sub-problems.

    The components are the dimensions of the paper's taxonomy; what a solver cannot do with them is refused when the run
    starts, with the reason.
    """

    solver: Solver = component_field("solver", default_factory=MOSAC)
    """Improves the members' policies."""
    num_members: Annotated[int, Range(ge=1, le=10_000)] = 6
    """Size of the population."""
    scalarization: Scalarization = component_field("scalarization", default=WeightedSum())
    """Combines the objectives."""
    weights: str | tuple[tuple[NonNegative, ...], ...] = "riesz"
    """Initial weights: a generator's name (``riesz``, ``simplex_lattice``, ``dirichlet``, ``extrema``) or the vectors."""
    weight_adaptation: WeightAdaptation | None = component_field("weight_adaptation", default=None)
    """Moves the weights at every exchange; None keeps them."""
    neighbourhood: Neighbourhood = component_field("neighbourhood", default=KNearest(k=1))
    """Who cooperates with whom; follows adapted weights."""
    cooperation: tuple[Cooperation, ...] = component_field("cooperation", default=())
    """What members share."""
    selection: Selection = component_field("selection", default=RoundRobin())
    """Whose turn it is: who is trained in a turn-by-turn schedule, and whose parameters are transferred."""
    schedule: Literal["synchronous", "turn_by_turn"] = "synchronous"
    """Everybody trains side by side in one batched update, or one member after the other as in the paper."""
    exchange_period: Count = 10_000
    """Environment steps between exchanges, summed over members."""
    update_passes: RepeatsOrNone = 10
    """Gradient updates of each other member after a turn (turn-by-turn schedule, off-policy solvers)."""
    archive: Archive = component_field("archive", default_factory=ParetoArchive)
    """Keeps the policies worth keeping."""
    ideal_point: str | tuple[Number, ...] = "running"
    """For scalarizations that need one: given, in return units, or ``running``: the best value per objective in the archive."""
    ideal_margin: NonNegative = 0.1
    """Added to a running ideal point, in units of the utility's scale."""
    normalisation: Literal["none", "running"] = "none"
    """Unit of each objective in the utility: 1, or the running range of the archive's front."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.solver, MORLD):
            raise CapabilityError(
                "MORL/D inside MORL/D is not supported: nothing is left to decompose; use a single-policy solver such as MOSAC"
            )
        if isinstance(self.solver, ChoosesTasks):
            raise CapabilityError(
                f"{type(self.solver).__name__} inside MORL/D is not supported: it finds a whole front by itself, so nothing is "
                "left to decompose; use it alone"
            )
        if not isinstance(self.solver, Solver):
            raise ConfigurationError(f"MORLD.solver must be a solver such as MOSAC(), found {self.solver!r}")
        if isinstance(self.weights, str):
            component("weights", self.weights)
        elif len(self.weights) != self.num_members:
            raise ConfigurationError(
                f"MORLD.weights has {len(self.weights)} vectors for {self.num_members} members; give one each"
            )
        elif len(lengths := {len(vector) for vector in self.weights}) > 1:
            raise ConfigurationError(
                f"MORLD.weights has vectors of {' and '.join(map(str, sorted(lengths)))} numbers; give one number per objective"
            )
        if isinstance(self.ideal_point, str) and self.ideal_point != "running":
            raise ConfigurationError(
                f"MORLD.ideal_point must be 'running' or one number per objective, found {self.ideal_point!r}"
            )
        if not isinstance(self.ideal_point, str) and not self.scalarization.needs_ideal_point:
            raise ConfigurationError(
                f"MORLD.ideal_point: {type(self.scalarization).__name__} has no use for it; remove it or choose another "
                "scalarization, such as Chebyshev"
            )
        parts: tuple[object, ...] = (self.weight_adaptation, self.selection)
        for part in parts:
            if isinstance(part, ChecksUtility):
                part.check_utility(self.scalarization, self.normalisation)
        require_network(self.weight_adaptation, self.inner_solver())

    @property
    def gamma(self) -> float:
        """Discount factor of the members' solver."""
        return float(self.solver.gamma)

    def inner_solver(self) -> Solver:
        """The members' solver as the cooperation mechanisms want it."""
        solver = self.solver
        for mechanism in self.cooperation:
            require_cooperation(mechanism, solver)
            solver = mechanism.configure(solver)
        return solver

    def learner_type(self) -> type[MORLDLearner]:
        """See :class:`morl.capabilities.KnowsLearner`."""
        return MORLDLearner

    def instead_of_task(self) -> str:
        """See :class:`morl.capabilities.ChoosesTasks`."""
        return "weights, scalarization and ideal_point of MORLD"

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> MORLDLearner:
        """Build the live learner, which judges by the default :class:`~morl.evaluation.Evaluation`."""
        return self.make_evaluating(env, task, seed=seed, device=device, evaluation=Evaluation())

    def make_evaluating(
        self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device, evaluation: Evaluation
    ) -> MORLDLearner:
        """Build the live learner; see :class:`morl.evaluation.EvaluatingSolver`.

        Args:
            env: The problem.
            task: Only its dynamics matter: one transition model per member.
            seed: Seed of every stream.
            device: Where tensors live.
            evaluation: How the population is judged.

        Raises:
            CapabilityError: The environment has a scalar reward, or a component cannot work with the solver.
        """
        m = env.spec.num_objectives
        if m < 2:
            raise CapabilityError(
                f"{env.spec.env_id} has a scalar reward: there is nothing to decompose; use its solver directly "
                f"({type(self.solver).__name__}) or an environment with a vector reward"
            )
        if not isinstance(self.ideal_point, str) and len(self.ideal_point) != m:
            raise ConfigurationError(
                f"MORLD.ideal_point has {len(self.ideal_point)} numbers but {env.spec.env_id} has {m} objectives"
            )
        require_start(
            self.weight_adaptation, num_members=self.num_members, num_objectives=m, gamma=self.gamma,
            judging_gamma=evaluation.gamma,
        )  # fmt: skip
        return MORLDLearner(self, env=env, task=task, seed=seed, device=device, evaluation=evaluation)

    def initial_weights(self, num_objectives: int, seed: int) -> Array:
        """Weights at the start, ``(n, m)``."""
        if isinstance(self.weights, str):
            generated: Array = component("weights", self.weights)(self.num_members, num_objectives, seed=seed)
            return generated
        weights = np.asarray(self.weights, dtype=np.float64)
        require(
            weights.shape == (self.num_members, num_objectives),
            f"MORLD.weights has shape {weights.shape}; expected ({self.num_members}, {num_objectives})",
        )
        return weights


class MORLDLearner:
    """A live MORL/D population: an inner learner, an archive, and the exchanges."""

    inner: Learner

    def __init__(
        self, solver: MORLD, *, env: EnvFactory, task: Task | None, seed: int, device: torch.device, evaluation: Evaluation
    ) -> None:
        """Build everything; see :meth:`MORLD.make_evaluating`."""
        self.solver, self.seed, self.device = solver, seed, device
        self.m = env.spec.num_objectives
        inner = solver.inner_solver()
        weights = torch.as_tensor(solver.initial_weights(self.m, seed), dtype=torch.float32, device=device)
        utility = Utility(
            scalarization=solver.scalarization,
            weights=weights,
            criterion=criterion_of(inner),
            ideal_point=first_ideal_point(solver.scalarization, solver.ideal_point, weights),
            scale=None,
        )
        theirs = Task(utility=utility, dynamics=None if task is None else task.dynamics)
        self.inner = make_learner(inner, env, theirs, seed=seed, device=device, evaluation=evaluation)
        passes = solver.update_passes if solver.schedule == "turn_by_turn" else 0
        self._repeats = self.inner if passes and isinstance(self.inner, RepeatsUpdates) else None
        self.record = Record(evaluator_of(inner, env, evaluation, device=device), solver.archive.fresh())
        self.env_steps = 0
        self.exchanges = 0
        self.next_exchange = solver.exchange_period
        self.exchange = Exchange(
            self.inner, solver=inner, selection=solver.selection, neighbourhood=solver.neighbourhood,
            cooperation=solver.cooperation, seed=seed,
        )  # fmt: skip
        adaptation = solver.weight_adaptation
        self.adapted = None if adaptation is None else AdaptedWeights(adaptation, self.m)

    @property
    def n(self) -> int:
        """Number of members."""
        return self.inner.n

    @property
    def uids(self) -> list[int]:
        """Identity of each member."""
        return self.inner.uids

    @property
    def task(self) -> Task:
        """What the members work on now."""
        return self.inner.task

    @property
    def utility(self) -> Utility:
        """What the members maximise now."""
        return self.task.utility

    @property
    def evaluation_period(self) -> int:
        """Environment steps between the evaluations that the algorithm makes anyway."""
        return self.solver.exchange_period

    @property
    def is_finished(self) -> bool:
        """Whether the members' solver came to its own end, or the weight adaptation has nothing left to do."""
        return self.inner.is_finished or (self.adapted is not None and self.adapted.is_finished)

    @property
    def timing(self) -> dict[str, float]:
        """Seconds by purpose."""
        return {**self.inner.timing, "evaluating": self.record.evaluator.seconds}

    # ------------------------------------------------------------------ the loop

    def active(self) -> list[int] | None:
        """Who trains now; None for everybody. See :class:`morl.capabilities.ChoosesMembers`."""
        return None if self.solver.schedule == "synchronous" else self.exchange.turn

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round; who takes part is the schedule's business."""
        return self.inner.next_round(self.active())

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train with exchanges; see :meth:`morl.protocols.Learner.learn`.

        Raises:
            ConfigurationError: ``members`` was given: who trains is the schedule's business.
        """
        if members is not None:
            raise ConfigurationError("MORL/D decides itself who trains; set its schedule and selection instead of members")
        if self.record.latest is None:
            self.evaluate()
        return spend(self, env_steps)

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Take the next round, and exchange if no further one fits before the period ends."""
        account = self.inner.learn(min(budget, self.next_round()), self.active())
        self.env_steps += account.get("training", 0) + account.get("search", 0)
        if self.next_exchange - self.env_steps < self.next_round():
            self._exchange()
        return account

    def evaluate(self) -> Evaluated:
        """Evaluate the population and offer it to the archive; what was found last if nothing was trained since."""
        before = found = self.record.latest
        if found is None or found.env_steps != self.env_steps:
            found = self.record.evaluate(self.candidates(), env_steps=self.env_steps)
            self.exchange.note(self.utility, found, before, self.active())
            self._move_reference()
            # Growth is measured in the units that hold from now on.
            self.exchange.utilities = own_utilities(self.utility, found).double().numpy()
            if self.adapted is not None:
                self.adapted.begin(found.values)
        return found

    def _exchange(self) -> None:
        """Evaluate, cooperate, adapt, and pass the turn on."""
        solver, turn = self.solver, self.exchange.turn
        if self._repeats is not None:
            self._repeats.extra_updates(solver.update_passes, [i for i in range(self.n) if i not in turn])
        found = self.evaluate()
        self.exchange.conclude(self.exchanges, self.utility, found)
        self.exchanges += 1
        if self.adapted is not None:
            self._adapt(self.adapted, found, turn)
        # A turn may leave the clock short of the period by less than one round; periods do not drift.
        self.next_exchange += solver.exchange_period
        self.exchange.choose(self.exchanges, self.record.latest)

    def _adapt(self, adaptation: AdaptedWeights, found: Evaluated, turn: Sequence[int]) -> None:
        """Move the weights, and perhaps the members."""
        adapted = adaptation(
            found.weights,
            found.values,
            self.record.archive.values,
            trained=turn if self.solver.schedule == "turn_by_turn" else range(self.n),
            gains=self.exchange.gains,
            utility=self.utility,
            rng=stream(self.seed, "weight adaptation", 0, self.exchanges - 1),
            attained=self._attained if isinstance(self.inner, ServesAnyWeights) else None,
        )
        if isinstance(adapted, Population) and (any(adapted.fresh) or list(adapted.parents) != list(range(self.n))):
            self.reindex(adapted.parents, adapted.fresh)
        self._set_utility(adapted_utility(self.utility, adapted))
        # Growth is measured from what a member was worth at the weights that it has now.
        assert self.record.latest is not None
        self.exchange.utilities = own_utilities(self.utility, self.record.latest).double().numpy()

    def _attained(self, weights: Array) -> Array:
        """Values of one network at weights ``(c, m)``; what is found is offered to the archive."""
        assert isinstance(self.inner, ServesAnyWeights)
        return self.record.survey(self.inner.candidates_at(weights), env_steps=self.env_steps).values

    def _move_reference(self) -> None:
        """Move the ideal point and the scale to what the archive shows."""
        solver, utility = self.solver, self.utility
        moved = moved_reference(
            utility, self.record.archive.values, rescales=solver.normalisation == "running",
            margin=solver.ideal_margin if solver.ideal_point == "running" else None,
        )  # fmt: skip
        if moved is not utility:
            self._set_utility(moved)

    def _set_utility(self, utility: Utility) -> None:
        self.inner.set_task(Task(utility=utility, dynamics=self.task.dynamics))

    # ------------------------------------------------------------------ as a learner

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Give the inner members a new task."""
        self.inner.set_task(task, members)

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Change the population; see :meth:`morl.protocols.Learner.reindex`. Copies inherit what is known of a member."""
        self.inner.reindex(source, fresh)
        if self.record.latest is not None:
            self.record.latest = self.record.latest.select(source)
        self.exchange.reindex(source, fresh, self.exchanges)
        self.exchange.choose(self.exchanges, self.record.latest)

    def policies(self) -> list[Policy]:
        """Snapshots of the members' current policies."""
        return self.inner.policies()

    def candidates(self) -> list[Candidate]:
        """What of the members is to be evaluated; see :class:`morl.capabilities.HasCandidates`."""
        return candidates_of(self.inner)

    def candidates_at(self, weights: Array) -> list[Candidate]:
        """What the inner learner has beyond its members; see :class:`morl.capabilities.ServesAnyWeights`."""
        return self.inner.candidates_at(weights) if isinstance(self.inner, ServesAnyWeights) else []

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """Of the inner learner, if it has one; with what the weight adaptation bounds."""
        report = self.inner.report(kept) if isinstance(self.inner, HasReport) else Report()
        certificate = None if self.adapted is None else self.adapted.certificate(self.solver.gamma)
        return report if certificate is None else replace(report, certificate=certificate)

    def tell(self, listener: EpisodeListener) -> None:
        """Tell of the inner learner's steps; see :class:`morl.capabilities.TellsEpisodes`."""
        if not isinstance(self.inner, TellsEpisodes):
            raise CapabilityError(
                f"record: {type(self.inner).__name__} has no training episodes of its own to record; set record: false"
            )
        self.inner.tell(listener)

    def waits_for(self) -> str:
        """What the inner learner's first update waits for."""
        return self.inner.waits_for() if isinstance(self.inner, HasFirstUpdate) else ""

    def statistics(self) -> dict[str, float]:
        """Of the inner learner."""
        return self.inner.statistics()

    def state(self) -> State:
        """Everything needed to go on exactly."""
        return {
            "env_steps": self.env_steps,
            "exchanges": self.exchanges,
            "next_exchange": self.next_exchange,
            **self.exchange.state(),
            **({} if self.adapted is None else prefixed("adaptation", self.adapted.state())),
            **prefixed("inner", self.inner.state()),
            **prefixed("assessor", self.record.state()),
        }

    def load_state(self, state: State) -> None:
        """Go on from a saved state."""
        self.env_steps, self.exchanges, self.next_exchange = (
            int(state[key]) for key in ("env_steps", "exchanges", "next_exchange")
        )
        if not 0 <= self.env_steps <= self.next_exchange == self.solver.exchange_period * (self.exchanges + 1):
            raise CheckpointError(
                f"the saved MORL/D counts {self.exchanges} exchanges in {self.env_steps} steps, the next one at "
                f"{self.next_exchange}; it was changed"
            )
        self.inner.load_state(unprefixed("inner", state))
        self.record.load_state(unprefixed("assessor", state))
        if self.adapted is not None:
            self.adapted.load_state(unprefixed("adaptation", state))
        self.exchange.load_state(state, self.exchanges, self.record.latest)
