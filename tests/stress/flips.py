"""Single bits flipped in any file of a run: the right answer or one line, never a traceback, a hang or a wrong number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from morl.experiments.result import Run, RunResult
from morl.experiments.run_directory import json_text, summary_of
from morl.experiments.runner import resume
from tests.stress.runs import Stage, child, one_line


def flipped(stage: Stage) -> str:
    """Flip a bit of a finished or interrupted run, then read it or go on with it."""
    path, rng = stage.fresh("flipped"), stage.rng
    source = stage.folder / rng.choice(["whole", "halted"])
    shutil.copytree(source, path)
    # Every file has the same chance, else the bits of checkpoints and pictures would be all.
    file = rng.choice(sorted(p for p in path.rglob("*") if p.is_file()))
    content = bytearray(file.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    reads = rng.random() < 0.5
    story = f"{source.name}: bit {bit} of {file.relative_to(path)}, then {'load' if reads else 'resume'}"

    def read() -> None:
        (stage.folder / "answer").write_text(everything(Run.load(path)))

    end = child(stage.folder, read if reads else lambda: _resume(path))
    if end.code != 0:
        one_line(end)
        assert end.text.count("\n") <= 3, f"{story}: {end.text}"
    elif reads:
        assert (stage.folder / "answer").read_text() == everything(Run.load(source)), f"{story}: another answer"
    else:
        stage.check(path, story)
    return f"{story}: {end.code}"


def everything(result: RunResult) -> str:
    """All that a result says, as text."""
    policies = [{name: t.tolist() for name, t in entry.policy.tensors().items()} for entry in result.entries]
    numbers = {
        "front": result.front.tolist(),
        "errors": result.standard_errors.tolist(),
        "undiscounted": result.undiscounted.tolist(),
        "weights": result.weights.tolist(),
    }
    rest = {"metrics": result.metrics, "timing": result.timing, "tables": result.tables, "manifest": result.manifest}
    return json.dumps([policies, numbers, result.config]) + json_text({**summary_of(result), **rest})


def _resume(path: Path) -> None:
    resume(path)
