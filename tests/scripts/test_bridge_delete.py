"""bridge-delete.sh: the one bridge goes from a node that runs, and no other link does."""

import subprocess

import pytest

from tests.scripts.conftest import NODES, Bench, inside

RUNNING = "podman inspect --format {{.State.Running}} "
OTHERS = ("br-lan2", "br-la", "lan", "eth1")


@pytest.fixture
def bridged(nodes: Bench) -> Bench:
    """Bridges of several networks, and a pod's end on that of `lan`."""
    nodes.environment |= {"BRIDGE": "br-lan"}
    for name in NODES:
        for bridge in ("br-lan", "br-lan2", "br-la", "lan"):
            inside(nodes, name, f"ip link add name {bridge} type bridge")
        inside(nodes, name, "ip link add name eth1 type veth peer name net1; ip link set eth1 master br-lan")
    return nodes


def delete(bench: Bench) -> subprocess.CompletedProcess[str]:
    """From the first of NODES; the other is never touched."""
    return bench.run("bridge-delete", NODE=NODES[0])


def left(bench: Bench, name: str) -> set[str]:
    return {link for link in ("br-lan", *OTHERS) if inside(bench, name, f"ip link show dev {link} || true")}


def test_the_bridge_goes_from_the_node_and_no_other_link_does(bridged: Bench) -> None:
    bridged.on(f"{RUNNING}*", "echo true")
    assert [left(bridged, name) for name in NODES] == [{"br-lan", *OTHERS}] * 2
    done = delete(bridged)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [left(bridged, name) for name in NODES] == [set(OTHERS), {"br-lan", *OTHERS}]


def test_where_there_is_none_nothing_is_removed(bridged: Bench) -> None:
    bridged.on(f"{RUNNING}*", "echo true")
    inside(bridged, NODES[0], "ip link delete br-lan")
    done = delete(bridged)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(bridged, NODES[0]) == set(OTHERS)


def test_a_link_of_that_name_that_is_no_bridge_stays(bridged: Bench) -> None:
    bridged.on(f"{RUNNING}*", "echo true")
    inside(bridged, NODES[0], "ip link delete br-lan; ip link add name br-lan type veth peer name other")
    assert delete(bridged).returncode == 0
    assert left(bridged, NODES[0]) == {"br-lan", *OTHERS}


@pytest.mark.parametrize("answer", ["echo false", "echo 'no such container' >&2; exit 125"], ids=["stopped", "gone"])
def test_a_node_that_does_not_run_is_passed_over(bridged: Bench, answer: str) -> None:
    bridged.on(f"{RUNNING}*", answer)
    done = delete(bridged)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(bridged, NODES[0]) == {"br-lan", *OTHERS}


def test_a_bridge_that_does_not_go_is_an_error(bridged: Bench) -> None:
    bridged.on(f"{RUNNING}*", "echo true")
    bridged.on("podman exec *", "echo 'not permitted' >&2; exit 2")
    done = delete(bridged)
    assert (done.returncode, done.stderr) == (2, "not permitted\n")
