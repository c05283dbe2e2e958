"""Runs tasks that depend on each other side by side, and says every few seconds what is running."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Task:
    """`run` is started when all of `after` are done and a place in `lane` is free; dearest chain first."""

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()
    lane: str = "cpu"
    seconds: float = 1  # about how long it takes, to order by


class Failed(Exception):
    """Tasks that failed, by name, and those that could not be started because of them."""

    def __init__(self, errors: Mapping[str, BaseException], skipped: Sequence[str]) -> None:
        self.errors, self.skipped = dict(errors), list(skipped)
        lines = [f"{name}: {error}" for name, error in errors.items()]
        lines += [f"not started, since they need those: {', '.join(skipped)}"] if skipped else []
        super().__init__("\n".join(lines))


@dataclass
class _State:
    started: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    errors: dict[str, BaseException] = field(default_factory=dict)


def run(tasks: Sequence[Task], lanes: Mapping[str, int], say: Say, interval: float = 10) -> None:
    """Run all tasks, at most `lanes[lane]` at once in each lane. Raises Failed; what was made stays made."""
    left = {task.name: task for task in tasks}
    chain = _chains(left)
    state, running = _State(), dict[Future[None], Task]()
    begin = spoken = time.monotonic()
    with ThreadPoolExecutor(max_workers=sum(lanes.values())) as pool:
        while left or running:
            for task in sorted(left.values(), key=lambda task: -chain[task.name]):
                busy = sum(other.lane == task.lane for other in running.values())
                if set(task.after) <= state.done and busy < lanes[task.lane]:
                    del left[task.name]
                    state.started[task.name] = time.monotonic()
                    running[pool.submit(task.run)] = task
            if not running:
                break  # what is left waits for something that failed
            finished, _ = wait(
                running, timeout=max(0.0, spoken + interval - time.monotonic()), return_when=FIRST_COMPLETED
            )
            for future in finished:
                task = running.pop(future)
                if error := future.exception():
                    state.errors[task.name] = error
                    cause = str(error).partition("\n")[0] or repr(error)
                    say(f"{task.name}: failed, the rest goes on: {cause}")
                else:
                    state.done.add(task.name)
            if running and (now := time.monotonic()) >= spoken + interval:
                spoken = now
                names = ", ".join(f"{task.name} ({now - state.started[task.name]:.0f} s)" for task in running.values())
                say(f"{now - begin:4.0f} s: {len(state.done)} of {len(tasks)} steps done; under way: {names}")
    if state.errors:
        raise Failed(state.errors, sorted(left))


def watched(name: str, work: Callable[[], T], say: Say, interval: float = 10) -> T:
    """One piece of work with the same line every few seconds; its result, or its own error."""
    results: list[T] = []
    try:
        run([Task(name=name, run=lambda: results.append(work()))], {"cpu": 1}, say, interval)
    except Failed as failed:
        raise failed.errors[name] from failed
    return results[0]


def _chains(tasks: Mapping[str, Task]) -> dict[str, float]:
    """For each task, the seconds of the longest chain that starts with it."""
    followers: dict[str, list[str]] = {name: [] for name in tasks}
    for task in tasks.values():
        for name in task.after:
            followers[name].append(task.name)  # an unknown name is a fault in the plan: KeyError
    known: dict[str, float] = {}

    def chain(name: str) -> float:
        if name not in known:
            known[name] = tasks[name].seconds + max(map(chain, followers[name]), default=0)
        return known[name]

    return {name: chain(name) for name in tasks}


class Voice:
    """Prints whole lines from several threads, at once also into a pipe."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._lock = threading.Lock()
        self._write = write or (lambda line: print(line, flush=True))

    def __call__(self, line: str) -> None:
        with self._lock:
            self._write(line)
