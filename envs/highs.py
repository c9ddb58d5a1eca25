"""The solver of linear and integer programs: silent, reproducible, and on good terms with another one in the same process."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from envs.arrays import Floats

_SAME = 1e-6  # relative difference of two values of one solution
_PROBING = 1 << 15
"""A rule of presolve by which HiGHS 1.16 calls solutions best that are not, about once in 2,000 small programs."""


def quiet_highs() -> Any:
    """A ``highspy.Highs`` that computes on one thread, prints nothing and does not probe; to be run by :func:`run`.

    Its own constructor prints a banner when it turns on its callbacks, before anything can be set; nothing here needs them.
    """
    import highspy

    highs: Any = highspy.Highs.__new__(highspy.Highs)
    super(highspy.Highs, highs).__init__()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("presolve_rule_off", _PROBING)
    return highs


def run(highs: Any) -> Any:
    """Solve, and return HiGHS's model status.

    HiGHS keeps one pool of threads for each thread that calls it, of the size of the first call, and refuses any other size
    afterwards. On a thread of its own each solve has its own pool of one: whatever the caller has solved before, or solves
    next, with however many threads, neither hinders the other. That takes 0.1 ms.
    """
    with ThreadPoolExecutor(1) as alone:
        alone.submit(highs.run).result()
    return highs.getModelStatus()


def is_worth_it(highs: Any, cost: Floats, offset: float) -> bool:
    """Whether the solution, if there is any, is worth what the solver says, for the objective ``cost @ x + offset``.

    With a start that its presolve improves, HiGHS 1.16 returns the start as the solution, and the value of the better one.
    """
    said, columns = float(highs.getInfo().objective_function_value), np.asarray(highs.getSolution().col_value)
    if not columns.size or not np.isfinite(said):
        return True
    room = _SAME * (1.0 + abs(said) + float(np.abs(cost).max(initial=0.0)))
    return bool(abs(float(cost @ columns) + offset - said) <= room)


def trouble(highs: Any) -> str:
    """Why a program was not solved, for an error message: the status, and if HiGHS refused to begin, why it did."""
    import highspy

    found = highs.getModelStatus()
    status = f"HiGHS stopped with {highs.modelStatusToString(found)}"
    if found != highspy.HighsModelStatus.kNotset:
        return status
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        for option, value in (("log_to_console", False), ("log_file", str(log)), ("output_flag", True)):
            highs.setOptionValue(option, value)
        run(highs)
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("log_file", "")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR")]
    return status + "".join(f": {line}" for line in said[:1])
