"""The lab's own DHCP server: which address it has, and what it is told to hand out."""

import json
from typing import Any

import pytest

from components.attachments import leases, nad_config
from components.checks.plan import plan
from components.dhcp import dnsmasq, nodes_with_leases
from components.settings import LabSettings, NetworkSettings
from components.settings.blocks import within
from tests.lab_config import lab, network

LAN = {"name": "lan", "subnet": "10.40.0.0/24", "gateway": "10.40.0.1"}


def leased(ipam: dict[str, Any] | None = None, **changes: Any) -> LabSettings:
    workers = changes.pop("workers", 1)
    lan = LAN | {"ipam": {"type": "dhcp", "rangeEnd": "10.40.0.99"} | (ipam or {})} | changes
    return lab(networks=[lan], pods=[], workers=workers)


def taken(ipam: dict[str, Any] | None = None, **changes: Any) -> NetworkSettings:
    [lan] = leased(ipam, **changes).networks
    return lan


def address(lan: NetworkSettings) -> str:
    assert lan.dhcp_server
    return str(lan.dhcp_server.address)


def options(lan: NetworkSettings) -> list[str]:
    """What the server tells with a lease, by the number of the option."""
    assert lan.dhcp_server
    words = dnsmasq(lan, lan.dhcp_server)
    return [word.removeprefix("--dhcp-option=") for word in words if word.startswith("--dhcp-option=")]


def test_a_network_whose_addresses_are_no_leases_of_the_labs_has_no_server() -> None:
    for settings in (lab(), lab(networks=[LAN | {"ipam": {"type": "dhcp", "server": False}}], pods=[])):
        assert settings.networks[0].dhcp_server is None
        assert settings.dhcp_servers == ()
    assert nodes_with_leases(lab()) == ()


def test_the_server_takes_the_highest_host_that_is_nobodys() -> None:
    assert address(taken()) == "10.40.0.254/24"
    assert address(taken(gateway="10.40.0.254")) == "10.40.0.253/24"
    assert address(taken(gateway="peer", peer={"address": "10.40.0.254"})) == "10.40.0.253/24"
    assert address(taken(nodeAddresses=["10.40.0.254"])) == "10.40.0.253/24"
    assert address(taken(peer={"address": "10.40.0.254"})) == "10.40.0.253/24"


@pytest.mark.parametrize("peer", [True, {"address": "10.40.0.250"}])
def test_a_peer_that_comes_or_goes_leaves_the_server_where_it_is(peer: Any) -> None:
    alone, beside = taken(), taken(peer=peer)
    assert (beside.dhcp_server, beside.node_range) == (alone.dhcp_server, alone.node_range)
    assert leases(beside) == leases(alone)


def test_neither_range_nor_nodes_block_nor_peer_has_the_servers_address() -> None:
    for ipam in ({}, {"rangeStart": "10.40.0.150", "rangeEnd": "10.40.0.254"}, {"server": {"address": "10.40.0.254"}}):
        lan = taken(ipam, peer=True)
        [span] = lan.ipam.occupies()
        assert lan.dhcp_server
        assert lan.peer
        own = lan.dhcp_server.address.ip
        assert not within(own, span)
        assert own not in lan.node_range
        assert own != lan.peer.address.ip


def test_a_server_on_a_parent_has_the_address_that_it_is_told() -> None:
    assert address(taken({"server": {"address": "10.40.0.200"}}, parent="eth7")) == "10.40.0.200/24"


def test_the_server_hands_out_the_range_for_as_long_as_config_says_and_answers_nothing_else() -> None:
    lan = taken({"rangeStart": "10.40.0.10", "leaseTime": "10m"})
    assert lan.dhcp_server
    words = dnsmasq(lan, lan.dhcp_server)
    assert words[0] == "dnsmasq"
    assert "--dhcp-range=10.40.0.10,10.40.0.99,255.255.255.0,10m" in words
    assert "--dhcp-lease-max=90" in words
    assert {"--port=0", "--conf-file=/dev/null", "--keep-in-foreground", "--dhcp-authoritative"} <= set(words)


@pytest.mark.parametrize("way", ["source", "net1", "none"])
def test_a_lease_brings_no_default_route_where_the_network_wants_no_second_one(way: str) -> None:
    lan = taken(defaultRoute=way)
    assert options(lan) == ["3"]
    assert "routers" not in nad_config(lan, "eth1")


def test_with_literal_a_lease_brings_the_gateway_as_the_router_for_whoever_reads_either_option() -> None:
    lan = taken(defaultRoute="literal")
    assert options(lan) == ["3,10.40.0.1", "121,0.0.0.0/0,10.40.0.1"]
    assert "routers" in nad_config(lan, "eth1")


def test_a_default_route_that_names_another_gateway_is_told_with_that_one() -> None:
    lan = taken(defaultRoute="literal", gateway=None, routes=[{"dst": "0.0.0.0/0", "gw": "10.40.0.250"}])
    assert options(lan) == ["3,10.40.0.250", "121,0.0.0.0/0,10.40.0.250"]


def test_a_lease_brings_the_networks_routes_each_with_its_gateway() -> None:
    """With option 121 a client passes over option 3 (RFC 3442): the default route is in both."""
    routes = [{"dst": "10.9.0.0/16"}, {"dst": "10.8.0.0/16", "gw": "10.40.0.250"}]
    assert options(taken(routes=routes)) == ["3", "121,10.9.0.0/16,10.40.0.1,10.8.0.0/16,10.40.0.250"]
    assert options(taken(routes=routes, defaultRoute="literal")) == [
        "3,10.40.0.1",
        "121,0.0.0.0/0,10.40.0.1,10.9.0.0/16,10.40.0.1,10.8.0.0/16,10.40.0.250",
    ]


def test_the_nad_names_dhcp_and_nothing_of_the_range() -> None:
    config = json.loads(nad_config(taken(), "eth1"))
    assert config["plugins"][0]["ipam"] == {
        "type": "dhcp",
        "request": [{"skipDefault": True}, {"option": "subnet-mask"}, {"option": "121"}],
    }
    assert config["plugins"][1] == {"type": "kalico-routes", "defaultRoute": "source", "gateway": "10.40.0.1"}


def test_what_the_nad_says_beside_its_config_is_another_when_the_leases_are() -> None:
    said = leases(taken())
    assert said == "10.40.0.2 to 10.40.0.99, for 1h by 10.40.0.254"
    for change in ({"rangeStart": "10.40.0.9"}, {"leaseTime": "5m"}, {"server": {"address": "10.40.0.200"}}):
        assert leases(taken(change)) != said


def test_every_worker_that_joins_such_a_network_has_the_daemon_and_no_other() -> None:
    lan = LAN | {"ipam": {"type": "dhcp", "rangeEnd": "10.40.0.99"}}
    settings = lab(
        workers=3,
        pods=[],
        networks=[
            network(),
            lan | {"nodes": ["worker3"]},
            lan
            | {"name": "b", "subnet": "10.41.0.0/24"}
            | {"gateway": None, "ipam": {"type": "dhcp", "server": False}, "nodes": ["worker3", "worker"]},
        ],
    )
    assert nodes_with_leases(settings) == ("kalico-worker", "kalico-worker3")
    assert settings.dhcp_servers == settings.containers == ("kalico-dhcp-lan",)


def test_the_self_test_expects_an_address_of_the_range_on_whichever_worker() -> None:
    expected = plan(leased(workers=2)).networks["lan"]
    assert expected.ranges == dict.fromkeys(("kalico-worker", "kalico-worker2"), (("10.40.0.2", "10.40.0.99"),))
    assert not expected.others_routes


def test_of_anothers_server_it_takes_any_address_of_the_subnet_and_whatever_routes() -> None:
    settings = lab(networks=[LAN | {"ipam": {"type": "dhcp", "server": False}}], pods=[])
    expected = plan(settings).networks["lan"]
    assert expected.ranges == {}
    assert expected.others_routes
