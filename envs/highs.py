"""The solver of integer programs, without its banner."""

from __future__ import annotations

from typing import Any


def quiet_highs() -> Any:
    """A ``highspy.Highs`` that computes on one thread and prints nothing.

    Its own constructor prints a banner when it turns on its callbacks, before anything can be set; nothing here needs them.
    """
    import highspy

    highs: Any = highspy.Highs.__new__(highspy.Highs)
    super(highspy.Highs, highs).__init__()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    return highs
