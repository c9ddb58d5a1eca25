"""MOPPO with one actor and one critic for all weights; see :mod:`morl.solvers.one_network`.

References:
    UCB-MOPPO (ECML PKDD 2025) for normalised advantages of each preference on its own. Deviation: there is one network, not one
    for each part of the simplex.
"""

from __future__ import annotations

import torch
from torch import Tensor

from morl.functional import normalised
from morl.nn.stacked import Selection
from morl.policies.conditioned import ConditionedPolicy
from morl.protocols import Policy, Rows
from morl.solvers.moppo import RecordingLearner
from morl.solvers.one_network import OneNetwork
from morl.solvers.proximal_engines import Batch
from morl.weights.sources import OwnWeights


class ConditionedMOPPOLearner(OneNetwork, RecordingLearner):
    """A live MOPPO population that shares one actor and one critic for all weights."""

    def _more_fields(self) -> dict[str, tuple[int, ...]]:
        return {"weights": (self.m,)}

    def _more_values(self, rows: Rows) -> Batch:
        return {"weights": self._weights_of(rows)}

    def _inputs(self, steps: Batch, networks: Selection, of: str = "observation") -> Tensor:
        return torch.cat([super()._inputs(steps, networks, of), steps["weights"]], -1)

    def _gains(self, advantages: Tensor, steps: Batch, mask: Tensor, members: Selection) -> Tensor:
        # Preferences whose advantages are small must count, too: each member's are normalised by themselves where it keeps its
        # weights, each row's where episodes draw theirs.
        weighed = (advantages * steps["weights"]).sum(-1)
        rows = weighed.shape[1] // self.solver.horizon
        group = self.rows_per_member if isinstance(self.solver.episode_source, OwnWeights) else 1
        gains, valid = (field.view(-1, rows // group, group).transpose(0, 1) for field in (weighed, mask))
        return normalised(gains, valid).transpose(0, 1).reshape(1, -1)

    def policies(self) -> list[Policy]:
        """One snapshot for all weights."""
        parameters, extras = self._snapshot(0)
        return [
            ConditionedPolicy(
                self.spec.observation_space, self.spec.action_space, self.actor_net, self.head, parameters, extras,
                num_objectives=self.m,
            )
        ]  # fmt: skip
