"""network-join.sh: a node has an interface on the network, found by its MAC, without an address."""

import subprocess

import pytest

from tests.scripts.conftest import Bench

LINKS = """\
1: lo: <LOOPBACK,UP> mtu 65536 qdisc noqueue\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if9: <BROADCAST,UP> mtu 1500\\    link/ether 9a:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
3: veth1a2b@if2: <BROADCAST,UP> mtu 1450\\    link/ether ee:ee:ee:ee:ee:ee brd ff:ff:ff:ff:ff:ff
4: eth1@if7: <BROADCAST,UP> mtu 1500\\    link/ether 9a:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff
"""

MAC = "printf '9a:00:00:00:00:02\\n'"


@pytest.fixture
def nodes(bench: Bench) -> Bench:
    bench.environment |= {"NETWORK": "ext-net"}
    bench.on("podman exec * ip -oneline link show", f"cat <<'END'\n{LINKS}END")
    bench.on("podman exec * ip address flush dev *")
    bench.on("podman exec * other-link eth1", "")
    bench.on("podman exec --interactive * bash -c *mark join.ext-net", 'cat >"$BENCH/mark-$3"')
    return bench


def join(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("network-join", NODE="lab-worker", **values)


def test_a_node_is_connected_and_its_new_interface_loses_its_address(nodes: Bench) -> None:
    nodes.on("podman inspect *", "", MAC)
    nodes.on("podman network connect *", "echo noise")
    done = join(nodes)
    assert (done.returncode, done.stdout) == (0, "lab-worker eth1 9a:00:00:00:00:02\n")
    assert [call for call in nodes.calls if not any(word in call for word in ("inspect", "mark", "other-link"))] == [
        "podman network connect ext-net lab-worker",
        "podman exec lab-worker ip -oneline link show",
        "podman exec lab-worker ip address flush dev eth1",
    ]


def test_the_engine_is_asked_for_the_mac_on_this_network(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    join(nodes)
    assert nodes.words("podman inspect") == [
        *("podman", "inspect", "--format"),
        '{{with index .NetworkSettings.Networks "ext-net"}}{{.MacAddress}}{{end}}',
        "lab-worker",
    ]


def test_a_node_that_is_there_already_is_not_connected_again(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    assert join(nodes).returncode == 0
    assert not any("connect" in call for call in nodes.calls)
    assert "podman exec lab-worker ip address flush dev eth1" in nodes.calls


def test_the_node_notes_the_reason_its_interface_and_the_mac(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    assert join(nodes, BECAUSE="eth1 has an address").returncode == 0
    assert nodes.left("mark-lab-worker") == "eth1 has an address\neth1 9a:00:00:00:00:02\n"


def test_a_node_that_is_to_have_an_address_has_that_one_and_notes_it(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    nodes.on("podman exec * ip address add *")
    done = join(nodes, ADDRESS="10.23.10.10/16")
    assert done.stdout == "lab-worker eth1 9a:00:00:00:00:02 10.23.10.10/16\n"
    assert [call for call in nodes.calls if "ip address" in call] == [
        "podman exec lab-worker ip address flush dev eth1",
        "podman exec lab-worker ip address add 10.23.10.10/16 dev eth1",
    ]
    assert nodes.left("mark-lab-worker") == "\neth1 9a:00:00:00:00:02 10.23.10.10/16\n"


def test_a_network_in_which_the_nodes_own_addresses_are_is_refused(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    nodes.on("podman exec * other-link eth1 10.89.0.0/16 fd23::/64", "echo 10.89.0.0/16 10.89.0.0/24")
    done = join(nodes, SUBNETS="10.89.0.0/16 fd23::/64")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "network 'ext-net': 10.89.0.0/16 overlaps the nodes' own network 10.89.0.0/24, which is podman's choice: "
        "take another subnet\n"
    )
    assert not any("mark" in call for call in nodes.calls)


def test_a_node_that_does_not_tell_its_links_joins_nothing(nodes: Bench) -> None:
    nodes.on("podman inspect *", MAC)
    nodes.on("podman exec * other-link eth1 10.23.0.0/16", "echo 'not now' >&2; exit 3")
    done = join(nodes, SUBNETS="10.23.0.0/16")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "not now\n")
    assert not any("mark" in call for call in nodes.calls)


def test_an_interface_that_keeps_its_address_is_an_error_and_no_join(bench: Bench) -> None:
    bench.environment |= {"NETWORK": "ext-net"}
    bench.on("podman inspect *", MAC)
    bench.on("podman exec * ip -oneline link show", f"cat <<'END'\n{LINKS}END")
    bench.on("podman exec * ip address flush dev *", "echo 'not permitted' >&2; exit 2")
    done = join(bench)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "not permitted\n")
    assert not any("mark" in call for call in bench.calls)


def test_a_node_without_such_an_interface_is_named(nodes: Bench) -> None:
    nodes.on("podman inspect *", "printf '9a:00:00:00:00:99\\n'")
    done = join(nodes)
    assert done.returncode == 1
    assert "lab-worker has no interface with the MAC '9a:00:00:00:00:99' of network 'ext-net'" in done.stderr
    assert not any("flush" in call for call in nodes.calls)


def test_an_engine_that_refuses_ends_the_join(nodes: Bench) -> None:
    nodes.on("podman inspect *", "")
    nodes.on("podman network connect *", "echo 'pool is used up' >&2; exit 125")
    done = join(nodes)
    assert (done.returncode, done.stderr) == (125, "pool is used up\n")


@pytest.mark.parametrize("answer", ["echo 'no such container' >&2; exit 125", "echo 'no such container' >&2"])
def test_a_mac_that_the_engine_does_not_tell_ends_the_join_with_what_it_said(nodes: Bench, answer: str) -> None:
    nodes.on("podman inspect *", "echo 'not yet' >&2; exit 1", answer)
    nodes.on("podman network connect *")
    done = join(nodes)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "no such container",
        "podman does not tell the MAC that 'lab-worker' has on network 'ext-net'",
    ]
    assert not any("exec" in call for call in nodes.calls)
