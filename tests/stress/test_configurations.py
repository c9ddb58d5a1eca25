from __future__ import annotations

import random

import pytest

from morl.experiments.config import from_yaml
from morl.experiments.shipped import shipped_configs
from tests.stress.configurations import Case, TookTooLongError, change, limited_time, try_case

QUICK = [name for name in sorted(shipped_configs()) if name.partition("/")[0] in ("morld", "subpo", "sequoia", "iwocs")]
SLOW = ("half", "hopper", "ant", "40", "gp", "experiment")


def test_changed_configurations_run_or_are_refused_in_one_line():
    """``python -m tests.stress.configurations --count 400`` is the long form."""
    names = [name for name in QUICK if not any(part in name for part in SLOW)]
    outcomes = set()
    for number in range(60):
        rng = random.Random(f"short/{number}")
        case = change(rng.choice(names), rng)
        try:
            outcomes.add(try_case(case))
        except BaseException as error:
            raise AssertionError(f"configuration {number}, made from {case.name}:\n{case.text[:3000]}") from error
    assert outcomes >= {"refused", "ran"}


def test_the_judge_notices_what_it_looks_for():
    text = "env: deep-sea-treasure-v0\nsolver: moq\nenv_steps: 4\nseed: 5\n"
    assert try_case(Case("good", text, {("seed",): 5})) == "ran"
    with pytest.raises(AssertionError, match="8 became 5"):
        try_case(Case("another number", text, {("seed",): 8}))

    def forever():
        while True:
            from_yaml(text)

    with pytest.raises(TookTooLongError), limited_time(0.05):
        forever()
