"""What a daemon has put on the nodes is not asked for any more once nothing needs it."""

import dataclasses

import pytest

from tests.scripts.conftest import Bench

NODES = "lab-worker\nlab-worker2\n"


@pytest.fixture
def nodes(bench: Bench) -> Bench:
    """On nodes that run; a test's own rules come before."""
    bench.environment |= {"DAEMON": "whereabouts"}
    late = dataclasses.replace(bench, rules=900)
    late.on("podman inspect *", "echo true")
    late.on("podman exec *")
    return bench


def test_every_node_that_runs_loses_the_mark_and_nothing_else(nodes: Bench) -> None:
    nodes.on("podman inspect * lab-worker2", "echo false")
    nodes.on("podman inspect * lab-worker3", "exit 1")
    done = nodes.run("daemon-files-delete", stdin=f"{NODES}lab-worker3\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert [call for call in nodes.calls if " exec " in call] == [
        "podman exec lab-worker rm -f /run/kalico/whereabouts"
    ]


def test_a_node_that_keeps_its_mark_is_an_error(nodes: Bench) -> None:
    nodes.on("podman exec lab-worker2 *", "echo 'read-only' >&2; exit 1")
    done = nodes.run("daemon-files-delete", stdin=NODES)
    assert (done.returncode, done.stderr) == (1, "read-only\n")


@pytest.mark.parametrize("name", ["ENGINE", "DAEMON"])
def test_it_does_nothing_without_all_it_has_to_know(nodes: Bench, name: str) -> None:
    assert nodes.run("daemon-files-delete", stdin=NODES, **{name: ""}).returncode != 0
    assert nodes.calls == []
