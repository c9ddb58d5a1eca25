"""Kills, signals, full disks and flipped bits, as many as there is time for: ``python -m tests.stress --minutes 30``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.stress.disks import can_mount, full, limited
from tests.stress.flips import flipped
from tests.stress.kills import killed, unread
from tests.stress.runs import Stage


def main() -> int:
    """Run rounds of every kind; the number of failures."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--minutes", type=float, help="go on for so long")
    parser.add_argument(
        "--rounds", type=int, default=1, help="rounds without --minutes; each kills, fills a disk and flips bits"
    )
    parser.add_argument("--flips", type=int, default=8, help="flipped bits of a round")
    parser.add_argument("--plots", action="store_true", help="draw the plots of every run, too")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end = None if given.minutes is None else time.monotonic() + 60 * given.minutes
    counts = {"good": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage.prepare(Path(folder), given.seed, plots=given.plots)
        kinds = [killed, unread, limited, *([full] if can_mount(stage.folder) else []), *[flipped] * given.flips]
        done = 0
        while done < given.rounds if end is None else time.monotonic() < end:
            for kind in kinds:
                try:
                    story = kind(stage)
                    counts["good"] += 1
                except AssertionError as error:
                    story = f"FAILED {kind.__name__} in round {done}: {error}"
                    counts["failed"] += 1
                sys.stdout.write(f"{story}\n")
                sys.stdout.flush()
            done += 1
    sys.stdout.write(f"{counts['good']} good, {counts['failed']} failed, seed {given.seed}\n")
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(min(main(), 1))
