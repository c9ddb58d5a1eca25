"""Cooperation: what the members of a population share, one mechanism per file."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from morl.capabilities import KnowsLearner
from morl.cooperation.crossover import Crossover
from morl.cooperation.hard_transfer import HardTransfer
from morl.cooperation.meeting import Meeting
from morl.cooperation.shared_replay import SharedReplay
from morl.cooperation.soft_transfer import SoftTransfer
from morl.errors import CapabilityError, ConfigurationError
from morl.protocols import Learner, Solver


@runtime_checkable
class Cooperation(Protocol):
    """A mechanism by which members help each other; implementations are frozen dataclasses."""

    requires: ClassVar[type | None]
    """What the learner must be able to do, as a protocol of :mod:`morl.protocols`; None for nothing beyond every learner."""

    def configure(self, solver: Solver) -> Solver:
        """Adjust the members' solver before it is built.

        Args:
            solver: Its configuration.

        Returns:
            The configuration to use.

        Raises:
            CapabilityError: The solver cannot cooperate in this way.
        """
        ...

    def exchange(self, learner: Any, meeting: Meeting) -> list[int]:
        """Act at an exchange.

        Args:
            learner: The population; it fulfils :attr:`requires`.
            meeting: Whose turn it was, and what is known of the population.

        Returns:
            Members that something was passed to.
        """
        ...


def require_cooperation(mechanism: Cooperation, solver: Solver, learner: Learner | None = None) -> None:
    """Check that members can cooperate.

    Args:
        mechanism: How.
        solver: Makes the learner.
        learner: The live one; None as long as there is none, and solvers that do not say what they make get away with it.

    Raises:
        CapabilityError: They cannot; the message says what is missing.
        ConfigurationError: This is no mechanism.
    """
    if not isinstance(mechanism, Cooperation):
        raise ConfigurationError(
            f"{type(mechanism).__name__} cannot be in cooperation: a mechanism has requires, configure and exchange"
        )
    wanted = mechanism.requires
    if wanted is None:
        return
    if learner is None:
        is_able = not isinstance(solver, KnowsLearner) or issubclass(solver.learner_type(), wanted)
    else:
        is_able = isinstance(learner, wanted)
    if not is_able:
        needed = (wanted.__doc__ or wanted.__name__).split(".")[0]
        raise CapabilityError(
            f"{type(mechanism).__name__} needs {needed[0].lower()}{needed[1:]}, which {type(solver).__name__} does not make; "
            "remove it from cooperation, or use another solver, such as MOSAC"
        )


__all__ = ["Cooperation", "Crossover", "HardTransfer", "Meeting", "SharedReplay", "SoftTransfer", "require_cooperation"]
