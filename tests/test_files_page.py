"""``docs/files.md`` says how to read files without the project: its code does what ``Policy.act`` does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import Evaluation
from morl.policies import load_policy
from morl.solvers import MOPPO, MOSAC

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "files.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "solver",
    [MOSAC(hidden=(8, 8), batch_size=8, learning_starts=20), MOPPO(hidden=(8, 6), horizon=16, rows_per_member=2)],
    ids=["mosac", "moppo"],
)
def test_the_pages_code_acts_as_the_policy_does(tmp_path: Path, solver: Any) -> None:
    result = solver.run("parametric/pendulum-v0", env_steps=64, seed=0, evaluation=Evaluation(episodes=1, max_episode_steps=5))
    path = result.policy().save(tmp_path)
    code: dict[str, Any] = {}
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block
    exec(block[1], code)  # noqa: S102 - the page's own code
    act = code["policy"](path)
    observations = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    expected = load_policy(path).act(observations)
    assert np.allclose([act(o) for o in observations], expected, atol=1e-5)
    assert np.ptp(expected) > 0


def test_the_layout_names_every_axis(tmp_path: Path) -> None:
    result = MOPPO(hidden=(8, 6), horizon=16).run(
        "parametric/pendulum-v0", env_steps=20, seed=0, evaluation=Evaluation(episodes=1, max_episode_steps=5)
    )
    policy: Any = result.policy()
    layout = json.loads(policy.save(tmp_path).read_text())["layout"]
    assert {name: len(axes) for name, axes in layout.items()} == {name: t.dim() for name, t in policy.tensors().items()}
    assert layout["parameters/0"] == ["policy", "in", "out"]
    assert layout["parameters/4"] == ["policy", "out", "in"]
