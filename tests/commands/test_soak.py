"""The soak: every cycle and every kill is told with what it left, and a kill reaches the whole process group."""

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import soak
from commands.leftovers import Snapshot
from commands.own_lab import own_config
from commands.soak import Row, killed_after, left_over, moments, rows
from commands.stack import Stack
from tests.scripts.conftest import Bench

NOTHING = Snapshot(**{field.name: frozenset() for field in dataclasses.fields(Snapshot)})
A_VOLUME = dataclasses.replace(NOTHING, volumes=frozenset({"podman abc"}))


@pytest.fixture
def stack(tools: Bench) -> Stack:
    """The stack `soak` of a lab that Pulumi knows nothing of."""
    (tools.folder / "project").mkdir()
    (tools.folder / "project/Pulumi.yaml").write_text("name: lab\nruntime: python\n")
    late = dataclasses.replace(tools, rules=900)
    late.on("pulumi config get clusterName *", "echo lab")
    late.on("pulumi *")
    return Stack(name="soak", folder=tools.folder / "project")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "snapshot", lambda _: NOTHING)
    monkeypatch.setattr(soak, "killed_after", lambda *_: None)


def words(tools: Bench) -> list[str]:
    return [word for call in tools.calls if (word := call.split()[1]) in ("up", "destroy")]


def test_the_moments_are_spread_over_what_an_up_lasts() -> None:
    assert moments(4, 80.0) == [10.0, 30.0, 50.0, 70.0]
    assert moments(0, 80.0) == []


def test_a_row_says_what_was_left() -> None:
    assert str(Row(what="cycle 1", up=61.2, down=15.6, left=())) == "| cycle 1 | 61 s | 16 s | nothing |"
    killed = Row(what="killed after 3 s", up=0, down=2, left=("down failed", "links: kalico-0a1b2c3d"))
    assert str(killed) == "| killed after 3 s |  | 2 s | down failed; links: kalico-0a1b2c3d |"


@pytest.mark.usefixtures("clean")
def test_every_cycle_is_an_up_and_a_down_and_every_other_kill_has_an_up(tools: Bench, stack: Stack) -> None:
    told = list(rows(stack, NOTHING, cycles=2, kills=3))
    assert [row.what.split(" after")[0] for row in told] == ["cycle 1", "cycle 2", "killed", "killed", "killed"]
    assert [row.what.endswith(", up") for row in told[2:]] == [False, True, False]
    assert words(tools) == ["up", "destroy"] * 2 + ["destroy", "up", "destroy", "destroy"]
    assert all(row.left == () for row in told)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("failing", "said"), [("up", "up failed"), ("destroy", "down failed")])
def test_what_fails_is_told(tools: Bench, stack: Stack, failing: str, said: str) -> None:
    tools.on(f"pulumi {failing} *", "exit 1")
    (row,) = rows(stack, NOTHING, cycles=1, kills=0)
    assert row.left == (said,)


@pytest.mark.usefixtures("clean")
def test_an_up_that_does_not_converge_is_told(tools: Bench, stack: Stack) -> None:
    tools.on("pulumi up *", "exit 1")
    assert [row.left for row in rows(stack, NOTHING, cycles=0, kills=2)] == [(), ("up does not converge",)]


def test_what_goes_by_itself_within_the_patience_is_not_left() -> None:
    looks: Iterator[Snapshot] = iter([A_VOLUME, NOTHING])
    assert left_over(NOTHING, lambda: next(looks), patience=5) == []


def test_what_stays_is_left() -> None:
    assert left_over(NOTHING, lambda: A_VOLUME, patience=0) == ["volumes: podman abc"]


def test_an_interrupt_of_the_soak_ends_the_up_that_it_does_not_reach(
    tools: Bench, stack: Stack, tmp_path: Path
) -> None:
    started = tmp_path / "up"
    tools.on("pulumi up *", f"echo $$ >{started}; kill -INT $PPID; exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        killed_after(stack, 20)
    assert not Path(f"/proc/{started.read_text().strip()}").exists()


def test_a_kill_reaches_what_pulumi_started(tools: Bench, stack: Stack, tmp_path: Path) -> None:
    started = tmp_path / "child"
    tools.on("pulumi up *", f"sleep 60 & echo $! >{started}; wait")
    killed_after(stack, 2)
    child = Path(f"/proc/{started.read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_up_that_ends_before_its_moment_is_left_to_end(tools: Bench, stack: Stack) -> None:
    tools.on("pulumi up *", 'echo done >"$BENCH/ended"')
    killed_after(stack, 20)
    assert tools.left("ended") == "done\n"


def test_the_soak_shares_no_name_or_subnet_with_the_default_lab() -> None:
    config = json.dumps(own_config(soak.CLUSTER, soak.OWN))
    assert "soak-net" in config
    assert all(default not in config for default in soak.OWN)


@pytest.mark.parametrize("given", ["-1", "101", "many"])
def test_a_soak_is_bounded(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setattr("sys.argv", ["soak", "--cycles", given])
    with pytest.raises(SystemExit):
        soak.main()
