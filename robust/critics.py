"""Critics of the inner solvers, frozen: what a state-action pair is worth in the model a specialist was trained in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from morl.errors import CapabilityError
from morl.functional import pessimistic_values
from morl.nn.stacked import Parameters, StackedMLP
from morl.solvers.modqn import MODQN, MODQNLearner
from morl.solvers.mosac import MOSAC, MOSACLearner
from morl.solvers.subpo import SubPO


@dataclass(frozen=True)
class FrozenCritic:
    """Shape of frozen critics; their parameters are passed to every call.

    ``twin``: two networks on observation and action, the pessimistic one counts (MOSAC's unregularised critics).
    ``twin_table``: the same for finite actions, two networks with ``S * m`` outputs. ``table``: one such network (MODQN).
    """

    form: Literal["twin", "twin_table", "table"]
    network: StackedMLP
    num_objectives: int

    def values(self, parameters: Parameters, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        """Vector values.

        Args:
            parameters: Each ``(q, ...)``.
            observations: Encoded, ``(q, B, d)``.
            actions: As the networks see them: ``(q, B, a)``; finite ones ``(q, B, S)`` with a one for every choice, whose
                values add up.
            weights: By which the twin is chosen, ``(q, m)``.

        Returns:
            ``(q, B, m)``, return units.
        """
        if self.form == "twin":
            return pessimistic_values(self.network(parameters, torch.cat([observations, actions], -1)), weights)
        table: Tensor = self.network(parameters, observations).unflatten(-1, (-1, self.num_objectives))
        if self.form == "twin_table":
            return pessimistic_values((table * actions.unsqueeze(1).unsqueeze(-1)).sum(-2), weights)
        return (table * actions.unsqueeze(-1)).sum(-2)

    def config(self) -> dict[str, Any]:
        """What JSON can hold."""
        network = {"inputs": self.network.inputs, "hidden": list(self.network.hidden), "outputs": self.network.outputs}
        return {"form": self.form, "network": network, "num_objectives": self.num_objectives}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FrozenCritic:
        """Rebuild from :meth:`config`."""
        network = {**config["network"], "hidden": tuple(config["network"]["hidden"])}
        copies = None if config["form"] == "table" else 2
        return cls(config["form"], StackedMLP(**network, copies=copies), config["num_objectives"])


def with_critic(solver: Any) -> Any:
    """The inner solver, so configured that it has critics which can be compared between models.

    Values with an entropy bonus cannot: each model's temperature changes by itself. So MOSAC trains critics of the plain
    return beside.

    Raises:
        CapabilityError: It has none; says which solvers do.
    """
    from dataclasses import replace

    if isinstance(solver, MOSAC):
        extras = dict.fromkeys((*solver.extras, "unregularised_critic"))
        solver = replace(solver, extras=tuple(extras))
    elif not isinstance(solver, MODQN):
        models = ", or SubPO(kernels=...) alone, which treats listed models as objectives" if isinstance(solver, SubPO) else ""
        raise CapabilityError(
            f"IWOCS asks its solver what an action is worth in every model found, and {type(solver).__name__} has no critic "
            f"that can say so; use MOSAC, or MODQN for finite actions{models}"
        )
    if solver.n_step > 1:
        raise CapabilityError(f"IWOCS learns from single transitions; set n_step: 1 in {type(solver).__name__}")
    if solver.replay == "shared":
        raise CapabilityError(
            "experience of different transition models must not be mixed; set replay: per_member in IWOCS's solver"
        )
    return solver


def frozen_critic(learner: Any) -> tuple[FrozenCritic, list[Parameters]]:
    """The critics of a learner as they are now.

    Args:
        learner: Made by a solver that went through :func:`with_critic`.

    Returns:
        Their common shape and each member's parameters, ``(1, ...)`` each; copies.
    """
    if isinstance(learner, MOSACLearner):
        assert learner.extras is not None
        form: Literal["twin", "twin_table"] = "twin_table" if learner.is_discrete else "twin"
        shape, parameters = FrozenCritic(form, learner.extras.critic_net, learner.m), learner.extras.critic
    else:
        assert isinstance(learner, MODQNLearner)
        shape, parameters = FrozenCritic("table", learner.net, learner.m), learner.online
    return shape, [[p[i : i + 1].clone() for p in parameters] for i in range(learner.n)]
