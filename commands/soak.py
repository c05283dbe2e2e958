"""`make soak`: a lab brought up and taken down again and again, and `up` killed at many moments; what stays is told.

Each cycle is `up` and `down`. Each kill ends the whole process group of an `up` by SIGKILL, at moments that are spread
over the time that the last `up` took; after every other one an `up` has to converge, after all a `down` leaves nothing.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from commands.leftovers import Snapshot, snapshot
from commands.own_lab import found_engine, own_config, own_stack
from commands.stack import Stack

CLUSTER = "kalico-soak"
OWN = {"ext-net": "soak-net", "10.23.": "10.53."}
MOST = 100
"""Cycles or kills of one run."""
PATIENCE = 20
"""Seconds that processes have to end in, and the engine to let go."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one cycle or kill came to."""

    what: str
    up: float
    """Seconds of the `up` that ran to its end; 0 where none did."""
    down: float
    left: tuple[str, ...]
    """What failed, and what is on the machine that was not there before."""

    def __str__(self) -> str:
        up = f"{self.up:.0f} s" if self.up else ""
        return f"| {self.what} | {up} | {self.down:.0f} s | {'; '.join(self.left) or 'nothing'} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=sys.modules[__name__].__doc__)
    parser.add_argument("--cycles", type=_count, default=10)
    parser.add_argument("--kills", type=_count, default=20)
    asked = parser.parse_args()
    engine = found_engine()
    config = own_config(CLUSTER, OWN) | {"engine": engine}
    with tempfile.TemporaryDirectory() as folder:
        stack = own_stack("soak", Path(folder), config, quiet=True)
        before = snapshot(os.environ)
        print(f"on {engine}\n\n| what | up | down | left |\n|---|---|---|---|", flush=True)
        failed = 0
        try:
            for row in rows(stack, before, asked.cycles, asked.kills):
                print(row, flush=True)
                failed += bool(row.left)
        finally:
            stack.end(quiet=True)
    print(f"\n{failed} of {asked.cycles + asked.kills} left something" if failed else "\nnothing was left")
    return 1 if failed else 0


def rows(stack: Stack, before: Snapshot, cycles: int, kills: int) -> Iterator[Row]:
    lasted = 60.0
    for i in range(cycles):
        up, failed = timed(lambda: stack.up(quiet=True))
        lasted = up or lasted
        yield ended(stack, before, f"cycle {i + 1}", up, ["up failed"] if failed else [])
    for i, moment in enumerate(moments(kills, lasted)):
        killed_after(stack, moment)
        what, up, problems = f"killed after {moment:.0f} s", 0.0, []
        if i % 2:
            up, failed = timed(lambda: stack.up(quiet=True))
            what, problems = f"{what}, up", ["up does not converge"] if failed else []
        yield ended(stack, before, what, up, problems)


def moments(count: int, lasted: float) -> list[float]:
    """`count` moments in the middle of equal parts of the seconds that an `up` lasts."""
    return [lasted * (i + 0.5) / count for i in range(count)]


def ended(stack: Stack, before: Snapshot, what: str, up: float, problems: list[str]) -> Row:
    down, failed = timed(lambda: stack.down(quiet=True))
    left = [*problems, *(["down failed"] if failed else []), *left_over(before, lambda: snapshot(os.environ))]
    return Row(what=what, up=up, down=down, left=tuple(left))


def left_over(before: Snapshot, look: Callable[[], Snapshot], patience: float = PATIENCE) -> list[str]:
    deadline = time.monotonic() + patience
    while (left := look().added_to(before)) and time.monotonic() < deadline:
        time.sleep(1)
    return left


def timed(run: Callable[[], int]) -> tuple[float, int]:
    """The seconds that it takes, and how it ends."""
    start = time.monotonic()
    ended = run()
    return time.monotonic() - start, ended


def killed_after(stack: Stack, seconds: float) -> None:
    """An `up` whose whole process group is killed so long after its start, if it has not ended before."""
    stack.select()
    with stack.started_up(stdout=subprocess.DEVNULL, start_new_session=True) as up:
        try:
            up.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, signal.SIGKILL)
        except BaseException:  # An interrupt of the soak does not reach it, and what comes next is the end of its lab.
            os.killpg(up.pid, signal.SIGKILL)
            up.wait()
            raise


def _count(text: str) -> int:
    count = int(text)
    if not 0 <= count <= MOST:
        raise argparse.ArgumentTypeError(f"give 0 to {MOST}")
    return count


if __name__ == "__main__":
    sys.exit(main())
