"""The peer of a network: which address it has, as the gateway and beside it, and what the stack tells of it."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.attachments import dead_gateways, nad_config
from components.engines import by_digest
from components.peers import told_of_containers
from components.settings import NetworkSettings
from components.settings.blocks import free_host, within
from tests.lab_config import lab, network


def taken(**changes: Any) -> NetworkSettings:
    """The default network with these changes, as it is taken."""
    return lab(networks=[network(**changes)], pods=[]).networks[0]


def placed(**changes: Any) -> str:
    """The address of a network's peer."""
    peer = taken(**changes).peer
    assert peer
    return str(peer.address)


@pytest.mark.parametrize("said", [{}, {"peer": False}, {"peer": None}], ids=["nothing", "false", "null"])
def test_a_network_has_no_peer_that_it_does_not_ask_for(said: dict[str, Any]) -> None:
    assert taken(**said).peer is None
    assert taken(**said) == taken()
    assert lab(networks=[network(**said)], pods=[]).containers == ()


def test_a_peer_takes_the_highest_host_that_is_nobodys() -> None:
    assert placed(peer=True) == "10.23.255.254/16"
    assert placed(peer={}, gateway="10.23.255.254") == "10.23.255.253/16"
    assert placed(peer=True, ipam={"rangeStart": "10.23.4.0", "rangeEnd": "10.23.255.254"}) == "10.23.2.255/16"
    assert placed(peer=True, routes=[{"dst": "10.9.0.0/16", "gw": "10.23.255.254"}]) == "10.23.255.253/16"


def test_a_peer_that_is_told_its_address_has_that_one_and_the_nodes_block_makes_room() -> None:
    assert str(taken().node_range) == "10.23.254.0/24"
    made = taken(peer={"address": "10.23.254.9"})
    assert (str(made.peer and made.peer.address), str(made.node_range)) == ("10.23.254.9/16", "10.23.253.0/24")


def test_a_peer_on_a_parent_has_the_address_that_it_is_told() -> None:
    assert placed(peer={"address": "10.23.0.9"}, parent="eth7") == "10.23.0.9/16"
    assert placed(peer={"address": "10.23.0.9"}, gateway="peer", parent="eth7") == "10.23.0.9/16"


def test_a_peer_that_is_not_told_its_address_leaves_the_nodes_block_where_it_was() -> None:
    assert taken(peer=True).node_range == taken().node_range


@pytest.mark.parametrize("said", [{}, {"peer": True}, {"peer": {"forward": False}}], ids=["unsaid", "true", "mapping"])
def test_the_peer_that_is_the_gateway_has_the_first_host_unless_it_is_told_another(said: dict[str, Any]) -> None:
    made = taken(gateway="peer", **said)
    assert made.peer
    assert str(made.peer.address) == "10.23.0.1/16"
    assert made.gateway == made.peer.address.ip
    assert not made.peer.forward
    other = taken(gateway="peer", peer={"address": "10.23.0.9", "forward": True})
    assert (str(other.peer and other.peer.address), str(other.gateway)) == ("10.23.0.9/16", "10.23.0.9")
    assert other.peer
    assert other.peer.forward


def test_the_nad_names_the_peer_as_the_gateway() -> None:
    assert '"gateway": "10.23.0.9"' in nad_config(taken(gateway="peer", peer={"address": "10.23.0.9"}), "eth1")


@pytest.mark.parametrize("gateway", ["peer", None, "10.40.0.1", "10.40.0.254"])
def test_where_nobody_says_a_range_the_pods_have_none_of_the_peers_address(gateway: str | None) -> None:
    made = lab(networks=[{"name": "lan", "subnet": "10.40.0.0/24", "gateway": gateway, "peer": True}], pods=[])
    [lan] = made.networks
    [span] = lan.ipam.occupies()
    assert lan.peer
    assert not within(lan.peer.address.ip, span)
    assert lan.peer.address.ip not in lan.node_range
    assert (lan.peer.address.ip == lan.gateway) == (gateway == "peer")


@given(st.integers(20, 30), st.lists(st.tuples(*[st.integers(0, 2**12)] * 2), max_size=4))
def test_the_highest_free_host_is_in_no_span_and_all_above_it_are(prefix: int, ends: list[tuple[int, int]]) -> None:
    subnet = IPv4Network((int(IPv4Address("10.40.0.0")), prefix))
    base = int(subnet.network_address)
    spans = [(IPv4Address(base + min(pair)), IPv4Address(base + max(pair))) for pair in ends]

    def is_free(host: IPv4Address) -> bool:
        return not any(first <= host <= last for first, last in spans)

    assert free_host(subnet, spans) == next((host for host in reversed(list(subnet.hosts())) if is_free(host)), None)


def test_the_whole_of_ipv4_without_a_free_host_is_found_out_at_once() -> None:
    everything = IPv4Network("0.0.0.0/0")
    assert free_host(everything, [(everything[1], everything[-2])]) is None


LITERAL = {"ipam": {"routes": [{"dst": "0.0.0.0/0", "gw": "10.23.0.7"}]}, "defaultRoute": "literal"}


@pytest.mark.parametrize(
    ("changes", "dead"),
    [
        ({}, ["10.23.0.1"]),
        ({"peer": True}, ["10.23.0.1"]),
        ({"gateway": "peer"}, []),
        ({"parent": "eth7"}, []),
        ({"without": "gateway"}, []),
        ({"defaultRoute": "none"}, []),
        ({"defaultRoute": "net1"}, ["10.23.0.1"]),
        ({"defaultRoute": "literal"}, ["10.23.0.1"]),
        ({"defaultRoute": "literal", "gateway": "peer"}, []),
        (LITERAL | {"gateway": "peer"}, ["10.23.0.7"]),
        (LITERAL | {"peer": {"address": "10.23.0.7"}}, []),
    ],
)
def test_a_default_route_of_an_island_leads_nowhere_but_to_the_peer(changes: dict[str, Any], dead: list[str]) -> None:
    assert [str(gateway) for gateway in dead_gateways(taken(**changes))] == dead


@pytest.mark.parametrize(
    ("image", "taken"),
    [
        ("kindest/node:v1.32.2@sha256:f226", "kindest/node@sha256:f226"),
        ("mirror.lab:5000/kindest/node:v1.32.2@sha256:f226", "mirror.lab:5000/kindest/node@sha256:f226"),
        ("mirror.lab:5000/node@sha256:f226", "mirror.lab:5000/node@sha256:f226"),
        ("node:v1@sha256:f226", "node@sha256:f226"),
        ("localhost/kalico-node:v1.32.2", "localhost/kalico-node:v1.32.2"),
    ],
)
def test_an_image_goes_by_its_digest_alone_where_it_has_one(image: str, taken: str) -> None:
    assert by_digest(image) == taken


def test_a_network_is_told_with_its_peers_and_its_dhcp_servers_address_and_mac() -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/24"}
    leased = {"name": "leased", "subnet": "10.41.0.0/24", "peer": True, "ipam": {"type": "dhcp"}}
    networks = lab(networks=[network(peer=True), lan, leased], pods=[]).networks
    facts = [{"name": network.name, "subnet": str(network.subnet)} for network in networks]
    printed = {"ext-net": "eth0 9a:00:00:00:00:09\n", "leased": "eth0 9a:00:00:00:00:0a\n"}
    assert told_of_containers(networks, facts, printed, {"leased": "eth0 9a:00:00:00:00:0b\n"}) == [
        facts[0] | {"peer": {"address": "10.23.255.254", "mac": "9a:00:00:00:00:09"}},
        facts[1],
        facts[2]
        | {"peer": {"address": "10.41.0.253", "mac": "9a:00:00:00:00:0a"}}
        | {"dhcp_server": {"address": "10.41.0.254", "mac": "9a:00:00:00:00:0b"}},
    ]
