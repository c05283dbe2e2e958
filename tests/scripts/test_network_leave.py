"""network-leave.sh: a node is taken off a network; a join, node or network that is gone already is fine."""

import subprocess

import pytest

from tests.scripts.conftest import NODES, Bench, in_node

JOINED = "podman inspect *"


@pytest.fixture
def network(bench: Bench) -> Bench:
    bench.environment |= {"NETWORK": "ext-net"}
    return bench


def leave(bench: Bench) -> subprocess.CompletedProcess[str]:
    return bench.run("network-leave", NODE="lab-worker")


def taken_off(bench: Bench) -> list[str]:
    return [call.split()[-1] for call in bench.calls if call.startswith("podman network disconnect")]


def test_the_node_is_taken_off_and_does_not_take_itself_for_joined_any_more(network: Bench, nodes: Bench) -> None:
    for name in NODES:
        for mark in ("join.ext-net", "join.lan", "node"):
            in_node(nodes, name, f"/run/kalico/{mark}").parent.mkdir(exist_ok=True)
            in_node(nodes, name, f"/run/kalico/{mark}").touch()
    nodes.on(JOINED, "echo joined")
    nodes.on("podman network disconnect --force ext-net *", "echo noise")
    done = leave(nodes)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert taken_off(nodes) == ["lab-worker"]
    left = [{path.name for path in in_node(nodes, name, "/run/kalico").iterdir()} for name in NODES]
    assert left == [{"join.lan", "node"}, {"join.ext-net", "join.lan", "node"}]


def test_the_engine_is_asked_for_the_join_of_this_network(network: Bench) -> None:
    network.on(JOINED)
    leave(network)
    assert network.calls == [
        'podman inspect --format {{with index .NetworkSettings.Networks "ext-net"}}joined{{end}} lab-worker'
    ]


@pytest.mark.parametrize("answer", ["", "echo 'no such container' >&2; exit 125"], ids=["not joined", "no node"])
def test_what_is_gone_already_is_passed_over(network: Bench, answer: str) -> None:
    network.on(JOINED, answer)
    done = leave(network)
    assert (done.returncode, done.stderr) == (0, "")
    assert taken_off(network) == []


def test_a_node_that_is_stopped_leaves_too(network: Bench) -> None:
    network.on(JOINED, "echo joined")
    network.on("podman network disconnect *")
    network.on("podman exec *", "echo 'container is not running' >&2; exit 125")
    done = leave(network)
    assert (done.returncode, done.stderr) == (0, "")
    assert taken_off(network) == ["lab-worker"]


@pytest.mark.parametrize(
    "again",
    ["echo 'Error: container lab-worker is not connected to network ext-net' >&2; exit 125", ""],
    ids=["let go of", "on the second try"],
)
def test_an_interface_that_went_with_the_bridge_below_it_is_gone_already(network: Bench, again: str) -> None:
    network.on(JOINED, "echo joined")
    network.on("podman network disconnect * lab-worker", "echo 'Netlink error: No such device' >&2; exit 125", again)
    network.on("podman exec *")
    done = leave(network)
    assert (done.returncode, done.stderr) == (0, "")
    assert len([call for call in network.calls if " exec " in call]) == 1


def test_an_engine_that_refuses_ends_it(network: Bench) -> None:
    network.on(JOINED, "echo joined")
    network.on("podman network disconnect *", "echo 'network is busy' >&2; exit 2")
    done = leave(network)
    assert (done.returncode, done.stderr) == (1, "network is busy\n")
    assert not any(" exec " in call for call in network.calls)


@pytest.mark.parametrize("name", ["ENGINE", "NODE", "NETWORK"])
def test_it_does_nothing_without_all_it_has_to_know(network: Bench, name: str) -> None:
    assert network.run("network-leave", **{"NODE": "lab-worker", name: ""}).returncode != 0
    assert network.calls == []
