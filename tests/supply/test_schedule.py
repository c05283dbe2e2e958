"""The scheduler: order, lanes, the line that says what runs, and what a failure leaves."""

import threading
import time
from functools import partial

import pytest

from supply.schedule import Failed, Task, Voice, run, watched
from tests.supply.loopback import until


def test_a_task_starts_only_after_all_that_it_needs() -> None:
    order: list[str] = []
    tasks = [
        Task(name=name, after=after, run=partial(order.append, name))
        for name, after in (("c", ("a", "b")), ("a", ()), ("b", ("a",)))
    ]
    run(tasks, {"cpu": 3}, print)
    assert order == ["a", "b", "c"]


def test_the_task_at_the_head_of_the_longest_chain_goes_first() -> None:
    order: list[str] = []
    tasks = [
        Task(name=name, after=after, seconds=seconds, run=partial(order.append, name))
        for name, seconds, after in (("long", 5.0, ()), ("head", 2.0, ()), ("tail", 9.0, ("head",)))
    ]
    run(tasks, {"cpu": 1}, print)
    assert order == ["head", "tail", "long"]


def test_lanes_run_side_by_side_and_each_keeps_its_limit() -> None:
    lock, now, most = threading.Lock(), {"go": 0, "net": 0}, {"go": 0, "net": 0}
    meet = threading.Barrier(2, timeout=5)  # one of each lane: passes only when they overlap

    def work(lane: str) -> None:
        with lock:
            now[lane] += 1
            most[lane] = max(most[lane], now[lane])
        meet.wait()
        with lock:
            now[lane] -= 1

    tasks = [Task(name=f"{lane}{number}", lane=lane, run=partial(work, lane)) for lane in now for number in range(3)]
    run(tasks, {"go": 1, "net": 1}, print)
    assert most == {"go": 1, "net": 1}


def test_while_something_runs_a_line_says_what_and_since_when() -> None:
    said: list[str] = []
    task = Task(name="kind", run=lambda: until(lambda: len(said) > 2))
    run([task, Task(name="quick", run=lambda: None)], {"cpu": 2}, said.append, interval=0.05)
    assert all("1 of 2 steps done; under way: kind (0 s)" in line for line in said)


def test_the_line_comes_on_time_also_when_tasks_keep_ending() -> None:
    said: list[float] = []
    tasks = [Task(name=str(number), run=lambda: time.sleep(0.02)) for number in range(30)]
    start = time.monotonic()
    run(tasks, {"cpu": 1}, lambda line: said.append(time.monotonic()), interval=0.1)
    gaps = [later - earlier for earlier, later in zip([start, *said], said, strict=False)]
    assert len(said) >= 4
    assert max(gaps) < 0.2


def test_a_failure_is_told_at_the_end_with_what_it_kept_from_starting() -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("no space left")

    tasks = [
        Task(name="bad", run=fail),
        Task(name="needs it", after=("bad",), run=lambda: done.append("needs it")),
        Task(name="after that", after=("needs it",), run=lambda: done.append("after that")),
        Task(name="other", run=lambda: done.append("other")),
        Task(name="after other", after=("other",), run=lambda: done.append("after other")),
    ]
    with pytest.raises(Failed, match="bad: no space left") as caught:
        run(tasks, {"cpu": 1}, lambda line: None)
    assert done == ["other", "after other"]
    assert caught.value.skipped == ["after that", "needs it"]


def test_two_failures_are_both_named() -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(Failed) as caught:
        run([Task(name="a", run=fail), Task(name="b", run=fail)], {"cpu": 2}, lambda line: None)
    assert set(caught.value.errors) == {"a", "b"}


def test_watched_work_gives_its_result_or_its_own_error() -> None:
    said: list[str] = []

    def work() -> int:
        until(lambda: len(said) > 0)
        return 7

    assert watched("import", work, said.append, interval=0.02) == 7
    assert "under way: import (0 s)" in said[0]
    with pytest.raises(ZeroDivisionError):
        watched("import", lambda: 1 // 0, said.append)


def test_a_line_is_printed_at_once_into_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    Voice()("hello")
    assert capfd.readouterr().out == "hello\n"
