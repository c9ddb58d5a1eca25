"""Pure tensor functions recorded as CUDA graphs.

A gradient of a small network is some two hundred launches of a few microseconds of work each; a device waits for the host most
of the time. A recorded graph is launched once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from morl.nn.stacked import Parameters

_Result = TypeVar("_Result")
Recording = tuple[torch.cuda.CUDAGraph, dict[str, Tensor], _Result]

MAX_RECORDINGS = 64
"""Recordings kept, the latest ones: a schedule that updates members in turn has one of each."""


class Captured(Generic[_Result]):
    """A function that is recorded at its first call with some parameters and shapes, and replayed from then on."""

    def __init__(self, function: Callable[[Sequence[Parameters], Mapping[str, Tensor]], _Result]) -> None:
        """Keep the function; nothing is recorded yet.

        Args:
            function: Of groups of parameters and other tensors. Must be pure, read nothing back to the host, and draw no random
                numbers.
        """
        self.function = function
        self._recordings: dict[tuple[object, ...], Recording[_Result]] = {}

    def __call__(self, groups: Sequence[Parameters], tensors: Mapping[str, Tensor]) -> _Result:
        """Compute.

        Args:
            groups: Parameters; read where they lie, so that changing them in place needs no new recording.
            tensors: Everything else, all on one CUDA device; copied to where the recording reads.

        Returns:
            What the function returns. The tensors are overwritten by the next call with the same parameters and shapes.
        """
        shapes = [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()]
        key = (*((p.data_ptr(), p.shape, p.stride()) for group in groups for p in group), *shapes)
        if key not in self._recordings:
            while len(self._recordings) >= MAX_RECORDINGS:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[key] = self._record(groups, tensors)
        graph, inputs, outputs = self._recordings[key]
        torch._foreach_copy_(list(inputs.values()), [tensors[name] for name in inputs])
        graph.replay()
        return outputs

    def _record(self, groups: Sequence[Parameters], tensors: Mapping[str, Tensor]) -> Recording[_Result]:
        inputs = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        # Libraries allocate their workspaces at the first calls, which must not happen while recording.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.function(groups, inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.function(groups, inputs)
        return graph, inputs, outputs
