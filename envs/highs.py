"""The solver of integer programs, without its banner."""

from __future__ import annotations

from typing import Any

_PROBING = 1 << 15
"""A rule of presolve by which HiGHS 1.16 calls solutions best that are not, about once in 2,000 small programs."""


def quiet_highs() -> Any:
    """A ``highspy.Highs`` that computes on one thread, prints nothing and does not probe.

    Its own constructor prints a banner when it turns on its callbacks, before anything can be set; nothing here needs them.
    """
    import highspy

    highs: Any = highspy.Highs.__new__(highspy.Highs)
    super(highspy.Highs, highs).__init__()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("presolve_rule_off", _PROBING)
    return highs
