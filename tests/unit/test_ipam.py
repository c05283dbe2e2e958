"""The table of IPAM types, and the section of the CNI config that each of them gives."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from components.settings.faults import Faults, Section
from components.settings.ipam import IPAM_TYPES, HostLocal, read_ipam
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
    ipam = read({"type": name, "rangeStart": "10.23.0.100"})
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
