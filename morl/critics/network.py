"""What critics that are networks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from morl.critics.base import BaseCritic
from morl.nn.stacked import StackedMLP


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkCritic(BaseCritic):
    """What these have in common."""

    network: StackedMLP

    def config(self) -> dict[str, Any]:
        network = {"inputs": self.network.inputs, "hidden": list(self.network.hidden), "outputs": self.network.outputs}
        return {"form": self.form, "network": network, "num_objectives": self.num_objectives}

    @classmethod
    def from_config(cls, config: dict[str, Any], **given: Any) -> Self:
        network = {**config["network"], "hidden": tuple(config["network"]["hidden"])}
        more = {key: value for key, value in config.items() if key not in ("form", "network")}
        return cls(network=StackedMLP(**network, copies=cls.copies), **more, **given)

    copies: ClassVar[int | None] = None
    """Networks of each critic; of two the pessimistic one counts."""
