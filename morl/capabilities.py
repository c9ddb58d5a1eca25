"""What only some learners and solvers can do: a small protocol each, asked for where parts are put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.protocols import Candidate, Critic, EpisodeListener, Experience, Learner, Payload, Solver


@runtime_checkable
class HasCandidates(Protocol):
    """A learner whose policies are not one per member."""

    def candidates(self) -> list[Candidate]:
        """What is to be evaluated now, one per member and preference that it serves."""
        ...


@runtime_checkable
class ServesAnyWeights(Protocol):
    """A learner that has a policy for every preference, not only for its members'."""

    def candidates_at(self, weights: npt.NDArray[np.float64]) -> list[Candidate]:
        """Its policies for given preferences ``(c, m)``; empty for a wrapper around a learner that has none."""
        ...


@runtime_checkable
class HasCritics(Protocol):
    """A learner that can say what an action is worth."""

    def critics(self) -> Critic:
        """Every member's critic as it is now, frozen, as one stack of ``n``."""
        ...


@runtime_checkable
class HasExperience(Protocol):
    """A learner that gives up what its members went through."""

    def experience(self, member: int) -> Experience:
        """What is stored of a member; copies."""
        ...


@runtime_checkable
class CountsSteps(Protocol):
    """A learner that knows how long each member has trained."""

    member_steps: npt.NDArray[np.int64]
    """Environment steps of each member, ``(n,)``."""


@runtime_checkable
class TellsEpisodes(Protocol):
    """A learner that lets somebody know of every training step."""

    def tell(self, listener: EpisodeListener) -> None:
        """Tell of every step from now on; to be called before the first one, or before a saved state is loaded.

        Raises:
            CapabilityError: What it wraps cannot.
        """
        ...


@runtime_checkable
class HasFirstUpdate(Protocol):
    """A learner that can say why it has not learned anything yet."""

    def waits_for(self) -> str:
        """What the first update waits for, and the remedy, in words; empty text once there was one."""
        ...


@runtime_checkable
class SharesParameters(Protocol):
    """A learner whose members can take over each other's parameters."""

    def transfer(self, source: int, target: int, *, payload: Payload = "actor") -> None:
        """Overwrite a member's parameters by another's and start its optimisers anew."""
        ...


@runtime_checkable
class MovesParameters(SharesParameters, Protocol):
    """A learner whose members can move a part of the way towards each other's parameters."""

    def move(self, source: int, target: int, *, tau: float, payload: Payload = "actor") -> None:
        """Blend a member's parameters with another's.

        Parameters and the statistics that they rely on become ``(1 - tau)`` times the target's plus ``tau`` times the source's;
        optimisers start anew. With ``tau = 1`` that is :meth:`transfer`, with ``tau = 0`` nothing happens at all. The hidden
        units of strangers stand for different things: only relatives (:meth:`are_related`) should be blended.

        Args:
            source: Member to move towards.
            target: Member that is moved.
            tau: Share of the source, from 0 to 1.
            payload: See :meth:`transfer`.
        """
        ...

    def are_related(self, source: int, target: int, *, payload: Payload = "actor") -> bool:
        """Whether what a transfer would take along descends from one member, by copies since both were made."""
        ...


@runtime_checkable
class CrossesParameters(Protocol):
    """A learner with stored experience whose members' policies can be crossed."""

    def cross(self, source: int, target: int, *, occasion: int, clone_steps: int) -> bool:
        """Make the policy of a member a child of its own and another one's, which then imitates both.

        Every hidden unit is one parent's; the imitation looks at what both have stored. The optimisers of what was crossed
        start anew. A child of relatives (:class:`MovesParameters`) is one of them; a child of strangers is related to nobody.

        Args:
            source: One parent; stays as it is.
            target: The other parent, replaced by the child.
            occasion: Tells apart the crossings of two members: the same number gives the same child.
            clone_steps: Gradient steps of imitation.

        Returns:
            Whether it was done: both parents must have stored something.
        """
        ...


@runtime_checkable
class RepeatsUpdates(Protocol):
    """A learner whose members can learn from stored experience without acting."""

    def extra_updates(self, passes: int, members: Sequence[int]) -> None:
        """Gradient updates of members that did not act.

        Args:
            passes: Updates of each member.
            members: Which.
        """
        ...


@runtime_checkable
class ChoosesMembers(Protocol):
    """A learner that decides itself who trains: ``learn`` takes no members."""

    def active(self) -> list[int] | None:
        """Who trains now; None for everybody."""
        ...


@runtime_checkable
class KnowsLearner(Protocol):
    """A solver that says beforehand what it makes, so that what cannot work together is refused before anything is made."""

    def learner_type(self) -> type[Learner]:
        """Class of what ``make`` returns."""
        ...


@runtime_checkable
class WrapsSolver(Protocol):
    """A solver around another one."""

    @property
    def solver(self) -> Solver:
        """What it wraps."""
        ...


@runtime_checkable
class LearnsFromData(Protocol):
    """A solver that learns from a data set (:class:`morl.data.DataProblem`) and never acts; its budget counts updates."""

    learns_from: Literal["data"]


@runtime_checkable
class HasCriterion(Protocol):
    """A solver with a criterion of its own."""

    criterion: Literal["ser", "esr"]


@runtime_checkable
class HasReplay(Protocol):
    """A solver whose members may learn from one store of transitions."""

    replay: Literal["per_member", "shared"]


@runtime_checkable
class ChoosesTasks(Protocol):
    """A solver that chooses its members' sub-problems itself, and takes none from outside."""

    def instead_of_task(self) -> str:
        """Which settings say what a task would say."""
        ...


@runtime_checkable
class HasComparableCritics(Protocol):
    """A solver whose critics can be compared between transition models, and who gives up its experience."""

    def with_comparable_critics(self) -> Solver:
        """The configuration to use where that is asked for.

        Raises:
            CapabilityError: A setting stands against it; says which.
        """
        ...


def criterion_of(solver: Solver) -> Literal["ser", "esr"]:
    """A solver's own criterion; the utility of the expected return (SER) where it names none."""
    return solver.criterion if isinstance(solver, HasCriterion) else "ser"


def solver_name(solver: Solver) -> str:
    """How a solver is called in titles: ``MORLD(MOSAC)``."""
    name = type(solver).__name__
    return f"{name}({solver_name(solver.solver)})" if isinstance(solver, WrapsSolver) else name
