"""The table of IPAM types, and the section of the CNI config that each of them gives."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from components.settings.dhcp import AskedServer
from components.settings.faults import Faults, Section
from components.settings.ipam import IPAM_TYPES, Dhcp, HostLocal, Static, Whereabouts, read_ipam
from components.settings.routes import Route

SUBNET = IPv4Network("10.23.0.0/16")
GATEWAY = IPv4Address("10.23.0.1")


def read(values: dict[str, Any], gateway: IPv4Address | None = GATEWAY) -> Any:
    faults = Faults()
    ipam = read_ipam(Section(values, "ipam", faults), SUBNET, gateway)
    assert [str(fault) for fault in faults.found] == []
    return ipam


@pytest.mark.parametrize(
    ("values", "gateway", "start", "end"),
    [
        ({}, None, "10.23.0.1", "10.23.253.255"),
        ({}, "10.23.0.1", "10.23.0.2", "10.23.253.255"),
        # The nodes' block is then the last but one.
        ({}, "10.23.254.9", "10.23.0.1", "10.23.252.255"),
        ({"rangeStart": "10.23.0.100"}, "10.23.0.1", "10.23.0.100", "10.23.253.255"),
        ({"rangeStart": "10.23.254.7"}, None, "10.23.254.7", "10.23.255.254"),
        ({"rangeEnd": "10.23.255.254"}, None, "10.23.0.1", "10.23.255.254"),
    ],
)
def test_host_local_is_taken_where_nothing_is_said_and_serves_all_but_the_gateway_and_the_nodes_block(
    values: dict[str, str], gateway: str | None, start: str, end: str
) -> None:
    assert read(values, gateway=IPv4Address(gateway) if gateway else None) == HostLocal(
        range_start=IPv4Address(start), range_end=IPv4Address(end), routes=()
    )


@pytest.mark.parametrize("name", IPAM_TYPES)
def test_every_type_writes_its_own_name_into_the_config(name: str) -> None:
    ipam = read({"type": name})
    assert isinstance(ipam, IPAM_TYPES[name])
    assert ipam.config(SUBNET, GATEWAY)["type"] == name


def test_host_locals_config_is_the_seeds_with_the_key_that_it_reads() -> None:
    ipam = HostLocal(
        range_start=IPv4Address("10.23.0.100"),
        range_end=IPv4Address("10.23.0.240"),
        routes=(Route(dst=IPv4Network("0.0.0.0/0")),),
    )
    assert ipam.config(SUBNET, GATEWAY) == {
        "type": "host-local",
        "subnet": "10.23.0.0/16",
        "rangeStart": "10.23.0.100",
        "rangeEnd": "10.23.0.240",
        "routes": [{"dst": "0.0.0.0/0"}],
        "gateway": "10.23.0.1",
    }


def test_a_network_without_a_gateway_names_none() -> None:
    config = read({"rangeStart": "10.23.0.100"}, gateway=None).config(SUBNET, None)
    assert "gateway" not in config
    assert config["routes"] == []


def test_a_range_holds_both_its_ends() -> None:
    ipam = read({"rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.240"})
    assert ipam.capacity() == 141
    assert ipam.occupies() == (IPv4Address("10.23.0.100"), IPv4Address("10.23.0.240"))


def test_a_workers_config_is_that_of_its_own_part() -> None:
    ipam = read({"rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.240"})
    whole = ipam.config(SUBNET, GATEWAY)
    first, second = ipam.ranges(["lab-worker", "lab-worker2"])
    assert ipam.config(SUBNET, GATEWAY, part=first) == whole | {"rangeEnd": "10.23.0.169"}
    assert ipam.config(SUBNET, GATEWAY, part=second) == whole | {"rangeStart": "10.23.0.170"}


@pytest.mark.parametrize("name", IPAM_TYPES)
def test_the_keys_that_a_type_is_known_by_are_those_that_it_reads(name: str) -> None:
    for key in {key for type_ in IPAM_TYPES.values() for key in type_.keys}:
        faults = Faults()
        read_ipam(Section({"type": name, key: {}}, "ipam", faults), SUBNET, GATEWAY)
        foreign = [fault.key for fault in faults.found if "no such key" in fault.problem]
        assert foreign == ([] if key in IPAM_TYPES[name].keys else [f"ipam.{key}"])
        assert not [fault for fault in faults.found if fault.problem == "unknown key"]


def test_static_knows_no_address_and_each_of_its_routes_names_the_gateway() -> None:
    """The plugin has a gateway only for addresses of its own config, and takes those of the pod in their place."""
    ipam = read({"type": "static", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.23.0.2"}]})
    further = [Route(dst=IPv4Network("10.8.0.0/16"))]
    assert ipam.config(SUBNET, GATEWAY, further) == {
        "type": "static",
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "10.23.0.1"},
            {"dst": "10.9.0.0/16", "gw": "10.23.0.2"},
            {"dst": "10.8.0.0/16", "gw": "10.23.0.1"},
        ],
    }


def test_a_route_of_static_leads_to_the_link_where_the_network_has_no_gateway() -> None:
    ipam = read({"type": "static", "routes": [{"dst": "10.9.0.0/16"}]}, gateway=None)
    assert ipam.config(SUBNET, None)["routes"] == [{"dst": "10.9.0.0/16"}]


def test_static_leaves_it_to_the_pods_what_is_given_out() -> None:
    ipam = read({"type": "static"})
    assert ipam == Static(routes=())
    assert (ipam.capacity(), ipam.occupies(), ipam.ranges(["lab-worker", "lab-worker2"])) == (None, None, ())


def test_whereabouts_reads_a_range_under_names_of_its_own() -> None:
    values = {"rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.240", "routes": [{"dst": "10.9.0.0/16"}]}
    ipam = read({"type": "whereabouts"} | values)
    config = {
        "type": "whereabouts",
        "range": "10.23.0.0/16",
        "range_start": "10.23.0.100",
        "range_end": "10.23.0.240",
        "routes": [{"dst": "10.9.0.0/16"}, {"dst": "10.8.0.0/16", "gw": "10.23.0.2"}],
        "log_level": "error",
    }
    further = [Route(dst=IPv4Network("10.8.0.0/16"), gw=IPv4Address("10.23.0.2"))]
    assert ipam.config(SUBNET, GATEWAY, further) == config | {"gateway": "10.23.0.1"}
    assert ipam.config(SUBNET, None, further) == config


@pytest.mark.parametrize("values", [{}, {"rangeStart": "10.23.0.100"}, {"rangeEnd": "10.23.255.254"}])
def test_whereabouts_serves_what_host_local_would_and_every_worker_all_of_it(values: dict[str, str]) -> None:
    ipam, local = read({"type": "whereabouts"} | values), read(values)
    assert isinstance(ipam, Whereabouts)
    assert (ipam.occupies(), ipam.capacity()) == (local.occupies(), local.capacity())
    assert ipam.ranges(["lab-worker", "lab-worker2"]) == ()


def test_the_labs_dhcp_server_hands_out_the_range_that_host_local_would_and_all_workers_share_it() -> None:
    for said in ({}, {"rangeStart": "10.23.0.100"}, {"rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.199"}):
        local, leased = read({"type": "host-local"} | said), read({"type": "dhcp"} | said)
        assert (leased.occupies(), leased.capacity()) == (local.occupies(), local.capacity())
        assert leased.ranges(["lab-worker", "lab-worker2"]) == ()


def test_a_dhcp_server_that_is_not_the_labs_hands_out_what_it_likes() -> None:
    ipam = read({"type": "dhcp", "server": False})
    assert ipam == Dhcp(server=None, span=None)
    assert (ipam.capacity(), ipam.occupies(), ipam.ranges(["lab-worker"])) == (None, None, ())


@pytest.mark.parametrize(
    ("said", "server"),
    [
        ({}, AskedServer(address=None, lease_time="1h")),
        ({"server": True, "leaseTime": "2m"}, AskedServer(address=None, lease_time="2m")),
        ({"server": {}, "leaseTime": "120"}, AskedServer(address=None, lease_time="120")),
        ({"server": {"address": "10.23.0.9"}}, AskedServer(address=IPv4Address("10.23.0.9"), lease_time="1h")),
    ],
)
def test_a_dhcp_network_has_a_server_of_the_labs_unless_it_says_otherwise(
    said: dict[str, Any], server: AskedServer
) -> None:
    assert read({"type": "dhcp"} | said).server == server


@pytest.mark.parametrize(
    ("routes", "asked_for"),
    [([], []), (["10.9.0.0/16"], []), (["0.0.0.0/0"], ["routers"]), (["10.9.0.0/16", "0.0.0.0/0"], ["routers"])],
)
def test_a_lease_is_asked_for_a_default_route_where_the_network_wants_one_and_for_routes_at_all_times(
    routes: list[str], asked_for: list[str]
) -> None:
    """The plugin asks for the router by itself: the pod would then have a second default route."""
    config = read({"type": "dhcp"}).config(SUBNET, GATEWAY, [Route(dst=IPv4Network(dst)) for dst in routes])
    assert config["request"][0] == {"skipDefault": True}
    assert [each["option"] for each in config["request"][1:]] == ["subnet-mask", "121", *asked_for]
