"""Kills and signals: whatever ends a run and whenever, resuming it gives the bytes of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import sys

from tests.stress.runs import CHANGES, CONFIG, Stage, child

_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_STRIKES = 3


def killed(stage: Stage) -> str:
    """Strike a run up to a few times at random moments, then let it end."""
    path, rng = stage.fresh("killed"), stage.rng
    story = []
    for _ in range(rng.randint(1, _STRIKES)):
        moment, number = rng.uniform(0.0, 1.2) * stage.seconds, rng.choice(_SIGNALS)
        end = child(stage.folder, lambda: stage.work_on(path), strike=(moment, number))
        story.append(f"{number.name} after {moment:.3f} s: {end.code}")
        assert end.code in {0, 130, -number}, f"{story}: {end.text[-2000:]}"
        if end.code == 0:
            break
    end = child(stage.folder, lambda: stage.work_on(path))
    assert end.code == 0, f"{story}: {end.text[-2000:]}"
    stage.check(path, ", ".join(story))
    return f"killed ({', '.join(story)})"


def unread(stage: Stage) -> str:
    """Let nobody read what a run prints: it goes on, or says how to go on."""
    path, rng = stage.fresh("unread"), stage.rng
    allowed = rng.randint(0, 400)

    def print_into_a_closed_pipe() -> None:
        from morl import cli

        reading, writing = os.pipe()
        os.dup2(writing, 1)
        os.close(writing)
        if os.fork() == 0:
            # The reader leaves after some bytes, as `head` does.
            os.close(1)
            if allowed:
                os.read(reading, allowed)
            os._exit(0)
        os.close(reading)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.argv = ["morl", "run", CONFIG, *CHANGES, "--out", str(path)]
        cli.main()

    end = child(stage.folder, print_into_a_closed_pipe)
    if end.code != 0:
        assert end.code == 141, end.text[-2000:]
        assert "morl resume" in end.text or "the run is finished" in end.text, end.text[-2000:]
        stage.work_on(path)
    stage.check(path, f"a reader that left after {allowed} bytes")
    return f"unread after {allowed} bytes: {end.code}"
