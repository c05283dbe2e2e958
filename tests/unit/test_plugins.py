"""The plugins by which pods get their interface: what is read of each, and what comes of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from components.attachments import MASTER, bridges_apart, confs, nad_config
from components.checks.plan import Peer, Plan, plan
from components.checks.run import check
from components.network_joins import facts
from components.settings import NetworkSettings
from components.settings.plugins import KEYS, PLUGINS, IpvlanMode, MacvlanMode, bridge_on_node
from tests.lab_config import lab, network, pod
from tests.unit.test_checks import SUBNET, Nodes, link, listed

LAN = {"name": "lan", "subnet": "10.40.0.0/24", "ipam": {"rangeStart": "10.40.0.10", "rangeEnd": "10.40.0.19"}}
HOST_LOCAL = {
    "type": "host-local",
    "subnet": "10.40.0.0/24",
    "rangeStart": "10.40.0.10",
    "rangeEnd": "10.40.0.19",
    "routes": [],
}


def lan(workers: int = 1, **changes: Any) -> NetworkSettings:
    [made] = lab(workers=workers, networks=[LAN | changes], pods=[]).networks
    return made


def config(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(nad_config(lan(**changes), "eth1"))
    return found


HEAD = {"cniVersion": "0.3.1", "name": "lan"}


@pytest.mark.parametrize("said", [{}, {"plugin": "macvlan"}, {"plugin": "macvlan", "mode": "bridge"}])
def test_the_plugin_is_macvlan_unless_another_is_named(said: dict[str, Any]) -> None:
    assert nad_config(lan(**said), "eth1") == json.dumps(
        HEAD | {"type": "macvlan", "master": "eth1", "mode": "bridge", "ipam": HOST_LOCAL}
    )


@pytest.mark.parametrize(("said", "mode"), [({}, "l2"), *(({"mode": mode.value}, mode.value) for mode in IpvlanMode)])
def test_an_ipvlan_has_the_nodes_interface_for_its_master_and_a_mode_of_its_own(said: Any, mode: str) -> None:
    section = {"type": "ipvlan", "master": "eth1", "mode": mode, "mtu": 1400, "ipam": HOST_LOCAL}
    assert config(plugin="ipvlan", mtu=1400, **said) == HEAD | section


def test_the_workers_of_an_ipvlans_network_reach_each_other_by_macvlans_in_bridge_mode() -> None:
    assert lan(plugin="ipvlan", mode="l3").mode is MacvlanMode.BRIDGE


def test_a_bridge_has_no_master_and_is_no_gateway() -> None:
    section = {"type": "bridge", "bridge": "br-lan", "isGateway": False, "mtu": 1400, "ipam": HOST_LOCAL}
    assert config(plugin="bridge", mtu=1400) == HEAD | section


def test_whatever_the_plugin_a_static_networks_pods_bring_their_addresses() -> None:
    for plugin in PLUGINS:
        assert config(plugin=plugin, ipam={"type": "static"})["capabilities"] == {"ips": True}


def test_a_network_on_a_bridge_needs_no_addresses_for_nodes() -> None:
    """A subnet that the pods' range fills."""
    full = {"rangeStart": "10.40.0.1", "rangeEnd": "10.40.0.6"}
    assert lan(plugin="bridge", subnet="10.40.0.0/29", ipam=full).subnet.num_addresses == 8


@pytest.mark.parametrize("name", ["lan", "a" * 12, "a" * 13, "a" * 63])
def test_a_bridge_is_called_by_its_network_within_what_an_interface_may_be_called(name: str) -> None:
    assert len(bridge_on_node(name)) <= 15
    assert (bridge_on_node(name) == f"br-{name}") is (len(name) <= 12)
    assert bridge_on_node(name) != bridge_on_node(f"b{name[1:]}")


def test_each_worker_has_its_part_of_the_range_on_its_own_bridge() -> None:
    two = lan(workers=2, plugin="bridge")
    first, second = (json.loads(config)["plugins"][0] for config in confs(two))
    assert (first["bridge"], first["ipam"]["rangeEnd"]) == ("br-lan", "10.40.0.14")
    assert (second["bridge"], second["ipam"]["rangeStart"]) == ("br-lan", "10.40.0.15")
    assert MASTER not in "".join(confs(two))
    assert bridges_apart(two).startswith(
        "network lan (`plugin: bridge`): each of its 2 workers has a bridge of its own"
    )


def test_a_key_that_not_every_plugin_has_is_one_of_a_network() -> None:
    """`test_config_faults` has what becomes of it where the plugin has none."""
    assert set(KEYS) == {"mode", "parent", "vlan", "peer", "nodeAddresses"}


# What the self-test asks


def expected(plugin: str, workers: int = 1, **changes: Any) -> Plan:
    one = network(without="" if "mode" in changes else "mode", gateway=None, plugin=plugin, **changes)
    pods = [pod(name="a", node="worker"), pod(name="b", node=f"worker{workers if workers > 1 else ''}")]
    return plan(lab(workers=workers, networks=[one], pods=[*pods, pod(name="c", node="worker")]))


def asked(made: Plan, flags: str = "UP LOWER_UP") -> tuple[set[tuple[str, str]], list[str]]:
    """Between which pods packets go, and the notes of the network."""
    workers = {node for net in made.networks.values() for node in net.ranges}
    addresses = {"a": "10.23.0.100", "b": "10.23.0.180" if len(workers) > 1 else "10.23.0.102", "c": "10.23.0.101"}
    seen = {
        name: {"links": [link(f"{ip}/16", flags=flags)], "routes": [[SUBNET], []]} for name, ip in addresses.items()
    }
    homes = {"a": "kalico-worker", "b": max(workers), "c": "kalico-worker"}
    nodes = Nodes(seen)
    results = check(
        made, [listed(name, ip, node=homes[name]) for name, ip in addresses.items()], dict.fromkeys(workers, nodes)
    )
    assert [each for each in results if each.ok is False] == []
    names = {ip: name for name, ip in addresses.items()}
    pairs = {
        (words[1].removeprefix("default/"), names[words[4]])
        for request in nodes.asked
        if (words := request.split())[0] == "tcp"
    }
    return pairs, [each.figure for each in results if each.name == "packets"]


ALL = {(one, other) for one in "abc" for other in "abc" if one != other}


def test_an_ipvlans_pods_are_asked_of_each_other_on_every_node() -> None:
    pairs, notes = asked(expected("ipvlan", workers=2))
    assert pairs == ALL
    assert notes == ["to the machine itself were not asked: an ipvlan does not reach its own parent"]


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_an_ipvlan_that_routes_has_no_neighbours_to_ask(mode: str) -> None:
    made = expected("ipvlan", mode=mode)
    pairs, notes = asked(made, flags="UP LOWER_UP NOARP")
    assert pairs == set()
    assert notes[0] == f"between pods were not asked: {mode} has no neighbours, its node routes for it"


def test_what_answers_no_arp_is_not_asked_for_duplicates() -> None:
    made = expected("ipvlan")
    for flags, count in (("UP LOWER_UP", 3), ("UP LOWER_UP NOARP", 0)):
        nodes = Nodes(
            {name: {"links": [link("10.23.0.100/16", flags=flags)], "routes": [[SUBNET], []]} for name in "abc"}
        )
        check(made, [listed(name, "10.23.0.100") for name in "abc"], {"kalico-worker": nodes})
        assert len([request for request in nodes.asked if request.startswith("sole ")]) == count


def test_pods_on_bridges_are_asked_of_those_on_their_own_node() -> None:
    pairs, notes = asked(expected("bridge", workers=2))
    assert pairs == {("a", "c"), ("c", "a")}
    assert notes == [
        "from node to node were not asked: each node has a bridge of its own",
        "to the machine itself were not asked: the node's bridge leads nowhere else",
    ]
    pairs, notes = asked(expected("bridge"))
    assert pairs == ALL
    assert notes == ["to the machine itself were not asked: the node's bridge leads nowhere else"]


def test_a_peer_is_asked_of_an_ipvlans_pods_too() -> None:
    made = expected("ipvlan", peer={"address": "10.23.0.50"})
    assert made.peers == (Peer(network="ext-net", address="10.23.0.50", container="kalico-peer-ext-net"),)
    assert replace(made, peers=()).networks["ext-net"].pods_apart == ""


def test_the_outputs_tell_the_bridge_that_a_worker_has() -> None:
    [told] = facts(lan(plugin="bridge"), "kalico-worker br-lan")["nodes"]
    assert told == {"name": "kalico-worker", "interface": "br-lan", "range": "10.40.0.10 to 10.40.0.19"}
