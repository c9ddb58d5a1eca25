"""Check, without a GPU, that tensor code would run on one: no operation may mix devices.

Torch itself lets several mixes pass (an index on the CPU into a tensor on ``meta``, for instance), and on a GPU such a mix is a
hidden transfer that waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _OneDevice(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, given)) if isinstance(leaf, torch.Tensor) and leaf.dim() > 0]
        devices = sorted({str(tensor.device) for tensor in tensors})
        if len(devices) > 1 and func is not torch.ops.aten.copy_.default:
            operands = ", ".join(f"{tuple(tensor.shape)} on {tensor.device}" for tensor in tensors)
            raise AssertionError(f"{func} mixes the devices {' and '.join(devices)}: {operands}")
        return func(*args, **given)


@contextmanager
def one_device() -> Iterator[None]:
    """Reject every operation whose tensor arguments with at least one axis live on different devices.

    Numbers (tensors without axes) may live anywhere, as everywhere in torch. Explicit transfers (``to``, ``copy_``) are
    allowed: they say what they do.

    Raises:
        AssertionError: An operation mixes devices; the message names it, the shapes and the devices.

    Example:
        >>> import torch
        >>> with one_device():
        ...     _ = torch.zeros(3, device="meta") + torch.zeros(3, device="meta")
        >>> with one_device():
        ...     torch.zeros(3, device="meta")[torch.tensor([0])]
        Traceback (most recent call last):
        ...
        AssertionError: aten.index.Tensor mixes the devices cpu and meta: (3,) on meta, (1,) on cpu
    """
    with _OneDevice():  # type: ignore[no-untyped-call]
        yield
