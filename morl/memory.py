"""Whether something fits into memory, asked before it is made: a slip of the pen must not take the machine down."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch

from morl.errors import ConfigurationError

_BYTES_PER_PARAMETER = 20
"""Of a network that is trained: itself, its gradient, two moments and a target, all float32."""


@cache
def machine_memory() -> int | None:
    """Main memory and swap, bytes; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return found["MemTotal"] + found["SwapTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def require_memory(size: int, what: str, remedy: str, *, device: torch.device) -> None:
    """Refuse what no effort can hold.

    What is reserved but not used costs nothing, so only what exceeds the whole memory is refused.

    Args:
        size: Bytes it would need, at least.
        what: It, in words, plural.
        remedy: What to change.
        device: Where it would live.

    Raises:
        ConfigurationError: It is more than the machine (or the accelerator) has; says how much.
    """
    total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else machine_memory()
    if device.type != "meta" and total is not None and size > total:
        where = f"device {device}" if device.type == "cuda" else "this machine"
        raise ConfigurationError(
            f"{what} would need at least {_amount(size)} of memory, and {where} has {_amount(total)}; {remedy}"
        )


def require_parameters(count: int, device: torch.device) -> None:
    """Refuse networks that are too large to be trained.

    Args:
        count: Parameters of all members together.
        device: Where they would live.

    Raises:
        ConfigurationError: See :func:`require_memory`.
    """
    require_memory(_BYTES_PER_PARAMETER * count, f"networks of {count:,} parameters", "make hidden narrower", device=device)


def _amount(size: int) -> str:
    return f"{size / 1e9:,.0f} GB" if size < 1e13 else f"{size / 1e12:,.0f} TB"
