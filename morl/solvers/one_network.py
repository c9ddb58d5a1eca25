r"""One network for all weights: what the conditioned forms of the solvers share.

The network sees the observation and the weights side by side, so that one set of parameters stands for the policies of all
preferences. The population's members are preferences then: each brings rows and weights, nobody owns a network, and there is
nothing to transfer between them. Every episode has weights of its own (``episode_weights``), which its transitions keep.

References:
    A. Abels et al., "Dynamic Weights in Multi-Objective Deep Reinforcement Learning", ICML 2019 (conditioned networks).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.acting import Acting
from morl.errors import CapabilityError
from morl.members import Optimiser, Owned, Part, PerNetwork, Shared, SharedPart
from morl.nn.stacked import Selection
from morl.population import PopulationLearner
from morl.protocols import Candidate, EnvFactory, Rows, Transition
from morl.registry import component_field
from morl.seeding import torch_stream
from morl.solvers.base import LeafSolver, require
from morl.solvers.off_policy import Batch, OffPolicyLearner
from morl.task import Task
from morl.weights.sources import DirichletWeights, Hindsight, WeightSource


@dataclass(frozen=True, kw_only=True)
class Conditionable(LeafSolver):
    """Fields of the solvers that can have one network for all weights."""

    network: Literal["separate", "conditioned"] = "separate"
    """A network for each member, or one for all, which sees the weights."""
    episode_weights: WeightSource | None = component_field("weight_source", default=None)
    """Weights that each episode of a conditioned network is played with; None draws uniformly from the simplex."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.of_conditioned:
            require(
                self.is_conditioned or getattr(self, name) is None,
                f"{type(self).__name__}.{name} is for one network for all weights; set network: conditioned, or leave it out",
            )

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """See :meth:`LeafSolver.check_problem`; one network for all weights needs weights, and where it uses a set, a set.

        Raises:
            ConfigurationError: There is one objective, or one member where a set is needed.
        """
        super().check_problem(env, task)
        if not self.is_conditioned:
            return
        name = type(self).__name__
        require(
            env.spec.num_objectives > 1,
            f"{env.spec.env_id} has one objective, so that a network sees no weights; set network: separate in {name}",
        )
        for field, component in (("episode_weights", self.episode_source), *self.parts_with_support()):
            require(
                task.num_members > 1 or not component.uses_support,
                f"{name}.{field}: {type(component).__name__} needs a set of members' weights and there is one member; set "
                f"num_members of MORLD to 2 or more, or leave {field} out",
            )

    def parts_with_support(self) -> tuple[tuple[str, WeightSource | Acting], ...]:
        """Further fields and their parts that may use the weights of all members."""
        return ()

    of_conditioned: ClassVar[tuple[str, ...]] = ("episode_weights",)
    """Fields that separate networks have no use for."""

    @property
    def is_conditioned(self) -> bool:
        """Whether there is one network for all weights."""
        return self.network == "conditioned"

    @property
    def episode_source(self) -> WeightSource:
        """Where the weights of episodes come from."""
        return DirichletWeights() if self.episode_weights is None else self.episode_weights

    def require_separate(self) -> None:
        """Refuse one network for all weights where members are compared as policies.

        Raises:
            CapabilityError: There is one.
        """
        if self.is_conditioned:
            raise CapabilityError(
                f"IWOCS compares the critics of members that have networks of their own; set network: separate in "
                f"{type(self).__name__}"
            )


@dataclass(frozen=True, kw_only=True)
class OffPolicyConditionable(Conditionable):
    """The same, for solvers that learn from stored transitions."""

    learning_weights: WeightSource | None = component_field("weight_source", default=None)
    """Weights that a conditioned network learns from a transition with; None: half its own, half drawn uniformly."""

    of_conditioned: ClassVar[tuple[str, ...]] = ("episode_weights", "learning_weights")

    @property
    def learning_source(self) -> WeightSource:
        """Where the weights for learning come from."""
        return Hindsight() if self.learning_weights is None else self.learning_weights

    def parts_with_support(self) -> tuple[tuple[str, WeightSource | Acting], ...]:
        """See :meth:`Conditionable.parts_with_support`."""
        return (("learning_weights", self.learning_source),)


class OneNetwork(PopulationLearner):
    """Mixin of the learners with one network for all weights; goes before the learner that it conditions."""

    solver: Any
    """A :class:`Conditionable`."""

    def _declared(self) -> Iterator[tuple[str, Owned, Any]]:
        for key, part, value in super()._declared():
            if isinstance(part, PerNetwork):
                yield key, Shared(part.name), value
            else:
                yield key, SharedPart(part.name) if isinstance(part, (Optimiser, Part)) else part, value

    @property
    def num_networks(self) -> int:
        return 1

    @property
    def input_width(self) -> int:
        return self.encoder.width + self.m

    def _networks(self, members: Sequence[int] | None) -> Selection:
        del members
        return slice(0, 1)

    def _grouped(self, rows: Rows) -> tuple[Selection, int]:
        return slice(0, 1), len(rows)

    def _init_streams(self, network: str) -> list[torch.Generator]:
        return [torch_stream(self.seed, f"init/{network}", 0)]

    def _weights_at_reset(self, rows: Rows) -> Tensor:
        own = super()._weights_at_reset(rows)
        source: WeightSource = self.solver.episode_source
        return source(own, self.linear_weights, generator=self.acting)

    def _weights_of(self, rows: Rows) -> Tensor:
        assert self.row_weights is not None
        return self.row_weights[torch.from_numpy(rows)]

    def _seen(self, encoded: Tensor, rows: Rows) -> Tensor:
        return torch.cat([encoded, self._weights_of(rows)], -1)

    def note_statistics(self, members: Selection, **values: Tensor) -> None:
        """Keep the latest statistics of the one network as those of every member, so that no change of members loses them."""
        del members
        super().note_statistics(slice(0, self.n), **values)

    # ------------------------------------------------------------------ candidates

    def candidates(self) -> list[Candidate]:
        """The network at the members' weights; see :class:`morl.capabilities.HasCandidates`."""
        (policy,) = self.policies()
        weights = self.task.utility.weights.cpu().numpy().astype(np.float64)
        return [Candidate(policy, w, uid) for w, uid in zip(weights, self.uids, strict=True)]

    def candidates_at(self, weights: npt.NDArray[np.float64]) -> list[Candidate]:
        """The network at given weights; see :class:`morl.capabilities.ServesAnyWeights`."""
        (policy,) = self.policies()
        return [Candidate(policy, w, self.uids[0]) for w in weights]


class OneNetworkFromReplay(OneNetwork, OffPolicyLearner):
    """The same for learners from stored transitions: these keep their weights, and are learned from with these and others."""

    @property
    def shares_store(self) -> bool:
        return True

    def _more_fields(self) -> dict[str, int]:
        return {"weights": self.m}

    def _more_values(self, step: Transition) -> dict[str, Tensor]:
        return {"weights": self._weights_of(step.rows)}

    def _batch(self, members: Sequence[int] | None) -> Batch:
        del members
        batch = super()._batch([0])
        own = batch["weights"].flatten(0, 1)
        weights = self.solver.learning_source(own, self.linear_weights, generator=self.learning).unsqueeze(0)
        seen = {name: torch.cat([batch[name], weights], -1) for name in ("observation", "next_observation")}
        return batch | seen | {"weights": weights}

    def _improve(self, members: Rows, steps: Rows) -> None:
        ready = (self.member_steps[members] > self.solver.learning_starts) & (self.ring.sizes[members] > 0)
        self.owed += self.solver.updates_per_step * steps[ready].sum()
        while self.owed[0] >= 1.0:
            self.gradient_update(None)
            self.owed -= 1.0

    def extra_updates(self, passes: int, members: Sequence[int]) -> None:
        """Further updates of the one network; see :class:`morl.capabilities.RepeatsUpdates`."""
        super().extra_updates(passes, members[:1])
