"""How many threads to use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may use; ``OMP_NUM_THREADS`` limits them as it limits other libraries."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores
