"""What the machine and its engine tell, read from their own words."""

import gzip
import os
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import pytest

from components.engines import ENGINES, EngineError
from components.machine import (
    carries_none,
    default_link,
    engine_networks,
    facts,
    features,
    known_features,
    links,
    makes_links,
    mtus,
    own_addresses,
    own_addresses6,
    routers6_of,
    routers_of,
    routes6_of,
    routes_of,
)
from components.settings.machine import FEATURES, EngineNetwork, MachineFacts

# As podman 4.3.1 prints it: a lab's network without addresses, a cluster's, and podman's own.
PODMAN = """\
[
     {
          "name": "ext-net",
          "id": "a777110a3cfb24ac17b1511da7c1ffe624d817903c9c8fe2fe689d5f1130f83c",
          "driver": "macvlan",
          "network_interface": "kalico-2873f67b",
          "created": "2025-11-25T02:54:34.671743333Z",
          "ipv6_enabled": false,
          "internal": true,
          "dns_enabled": false,
          "labels": {
               "kalico": "lab",
               "kalico.subnet": "10.23.0.0/16",
               "kalico.subnet6": "fd23::/64"
          },
          "options": {
               "mode": "bridge"
          },
          "ipam_options": {
               "driver": "none"
          }
     },
     {
          "name": "lab",
          "id": "d65260184a38f29a582c27f06db3bbfad0976aff0327e609de13fdf376d5722e",
          "driver": "bridge",
          "network_interface": "podman1",
          "created": "2025-11-25T02:54:34.949678551Z",
          "subnets": [
               {
                    "subnet": "fc00:4f91:b041:e019::/64",
                    "gateway": "fc00:4f91:b041:e019::1"
               },
               {
                    "subnet": "10.89.0.0/24",
                    "gateway": "10.89.0.1"
               }
          ],
          "ipv6_enabled": true,
          "internal": false,
          "dns_enabled": true,
          "ipam_options": {
               "driver": "host-local"
          }
     },
     {
          "name": "podman",
          "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9",
          "driver": "bridge",
          "network_interface": "podman0",
          "created": "2025-11-25T02:58:34.976003588Z",
          "subnets": [
               {
                    "subnet": "10.88.0.0/16",
                    "gateway": "10.88.0.1"
               }
          ],
          "ipv6_enabled": false,
          "internal": false,
          "dns_enabled": false,
          "ipam_options": {
               "driver": "host-local"
          }
     }
]
"""

# In docker's format (its API's NetworkInspect): the same, another's network on a link, and docker's own without IPAM.
DOCKER = """\
[
    {
        "Name": "ext-net",
        "Id": "1f0e9b1f3c",
        "Scope": "local",
        "Driver": "macvlan",
        "EnableIPv6": false,
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [{"Subnet": "10.23.0.0/16", "IPRange": "10.23.254.0/24", "Gateway": "10.23.0.1"}]
        },
        "Internal": true,
        "Containers": {},
        "Options": {"macvlan_mode": "bridge", "parent": "kalico-2873f67b"},
        "Labels": {"kalico": "lab", "kalico.subnet": "10.23.0.0/16", "kalico.subnet6": "fd23::/64"}
    },
    {
        "Name": "lab",
        "Driver": "bridge",
        "EnableIPv6": true,
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [{"Subnet": "fc00:f853:ccd:e793::/64"}, {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]
        },
        "Options": {"com.docker.network.bridge.enable_ip_masquerade": "true"},
        "Labels": {}
    },
    {
        "Name": "lan",
        "Driver": "macvlan",
        "IPAM": {"Driver": "default", "Options": null, "Config": [{"Subnet": "192.168.1.0/24"}]},
        "Options": {"parent": "eth0.50"},
        "Labels": null
    },
    {
        "Name": "host",
        "Driver": "host",
        "IPAM": {"Driver": "default", "Options": null, "Config": null},
        "Options": {},
        "Labels": {}
    }
]
"""


def subnet(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


SHOWN = {
    "podman": (
        PODMAN,
        (
            EngineNetwork(
                name="ext-net",
                subnets=(subnet("10.23.0.0/16"), subnet("fd23::/64")),
                parent="kalico-2873f67b",
                lab="lab",
            ),
            EngineNetwork(
                name="lab", subnets=(subnet("fc00:4f91:b041:e019::/64"), subnet("10.89.0.0/24")), parent=None, lab=None
            ),
            EngineNetwork(name="podman", subnets=(subnet("10.88.0.0/16"),), parent=None, lab=None),
        ),
    ),
    "docker": (
        DOCKER,
        (
            EngineNetwork(
                name="ext-net",
                subnets=(subnet("10.23.0.0/16"), subnet("fd23::/64")),
                parent="kalico-2873f67b",
                lab="lab",
            ),
            EngineNetwork(
                name="lab", subnets=(subnet("fc00:f853:ccd:e793::/64"), subnet("172.18.0.0/16")), parent=None, lab=None
            ),
            EngineNetwork(name="lan", subnets=(subnet("192.168.1.0/24"),), parent="eth0.50", lab=None),
            EngineNetwork(name="host", subnets=(), parent=None, lab=None),
        ),
    ),
}
every_engine = pytest.mark.parametrize("name", ENGINES)
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts an engine on PATH that has networks `a` and `b` and runs a piece of shell when these are inspected."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()

    def write(name: str, inspected: str) -> None:
        tool = tmp_path / "bin" / name
        listed = '"network ls --quiet") printf "a\\nb\\n" ;;'
        tool.write_text(f'#!/bin/sh\ncase "$*" in\n{listed}\n"network inspect a b")\n{inspected}\n;;\nesac\n')
        tool.chmod(0o755)

    return write


@every_engine
def test_the_networks_of_an_engine_are_read_from_what_it_shows(install: Install, name: str) -> None:
    shown, networks = SHOWN[name]
    install(name, f"cat <<'END'\n{shown}END")
    assert engine_networks(ENGINES[name]) == networks


@every_engine
def test_a_network_that_goes_in_between_is_left_out(install: Install, name: str) -> None:
    shown, networks = SHOWN[name]
    install(name, f"cat <<'END'\n{shown}END\necho 'no such network: b' >&2; exit 1")
    assert engine_networks(ENGINES[name]) == networks


@every_engine
@pytest.mark.parametrize("prints", ["echo '[]'", "true"])
def test_an_engine_that_stops_answering_is_an_error_with_its_words(install: Install, name: str, prints: str) -> None:
    install(name, f"{prints}; echo 'the server is gone' >&2; exit 1")
    with pytest.raises(
        EngineError, match=f"^{name} does not tell its networks .*network inspect.*: the server is gone"
    ):
        engine_networks(ENGINES[name])


@every_engine
def test_an_engine_without_networks_is_not_asked_about_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / name).write_text('#!/bin/sh\n[ "$*" = "network ls --quiet" ]\n')
    (tmp_path / name).chmod(0o755)
    assert engine_networks(ENGINES[name]) == ()


@every_engine
def test_an_engine_that_is_not_there_or_hangs_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=f"{name} does not tell its networks"):
        engine_networks(ENGINES[name])

    def hangs(words: list[str], *, timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr("components.engines.subprocess.run", hangs)
    with pytest.raises(EngineError, match="timed out after 20 seconds"):
        engine_networks(ENGINES[name])


# As Linux prints it; the second default route is worse, one subnet is rejected, one route is down.
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
podman1\t0000590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t80FFFFFF\t0\t0\t0
*\t0000FE0A\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0000FD0A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_routes_are_subnets_with_their_links_but_for_default_routes() -> None:
    assert routes_of(ROUTES) == ((subnet("10.89.0.0/24"), "podman1"), (subnet("192.0.2.0/25"), "eth0"))


ROUTES6 = f"""\
fc00905cbb69d2f3{"0" * 16} 40 {"0" * 32} 00 {"0" * 32} 00000100 00000003 00000000 00000001  podman1
fd000000000000000000000000000000 40 {"0" * 32} 00 {"0" * 32} 00000100 00000003 00000000 00000001     eth0
fd550000000000000000000000000000 30 {"0" * 32} 00 fd000000000000000000000000000009 00000400 1 0 00000003     eth0
fe800000000000000000000000000000 40 {"0" * 32} 00 {"0" * 32} 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 {"0" * 32} 00 fd000000000000000000000000000001 00000400 2 0 00000003     eth0
fd660000000000000000000000000000 40 {"0" * 32} 00 {"0" * 32} ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000001 80 {"0" * 32} 00 {"0" * 32} 00000000 00000002 00000000 80200001       lo
fd000000000000000000000000000000 80 {"0" * 32} 00 {"0" * 32} 00000000 00000003 00000000 00100001     eth0
ff000000000000000000000000000000 08 {"0" * 32} 00 {"0" * 32} 00000100 00000002 00000000 00000001     eth0
"""
"""Two links' own, one by a router, and what is none of the lab's business: links' own kinds, refused, own addresses."""


def test_routes_of_ipv6_are_subnets_with_their_links_but_for_what_every_link_has() -> None:
    assert routes6_of(ROUTES6) == (
        (subnet("fc00:905c:bb69:d2f3::/64"), "podman1"),
        (subnet("fd00::/64"), "eth0"),
        (subnet("fd55::/48"), "eth0"),
    )


def test_the_default_link_is_that_of_the_default_route_with_the_lowest_metric() -> None:
    assert default_link(ROUTES) == "eth0"
    assert default_link("\n".join(ROUTES.splitlines()[:1] + ROUTES.splitlines()[3:])) is None
    assert default_link("") is None


def test_routers_are_the_gateways_of_default_routes() -> None:
    assert routers_of(ROUTES) == {(IPv4Address("192.0.2.1"), "eth0"), (IPv4Address("192.0.2.1"), "wlan0")}
    assert routers_of(ROUTES.replace("010200C0", "00000000")) == set()
    assert routers6_of(ROUTES6) == {(IPv6Address("fd00::1"), "eth0")}


# Of Linux's own text, the parts that tell something: a network of the engine's, the loopback, and the uplink's.
TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.89.0.0/23 3 0 6
        |-- 10.89.0.0
           /24 link UNICAST
        |-- 10.89.0.1
           /32 host LOCAL
        |-- 10.89.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.2
        /32 host LOCAL
"""
IF_INET6 = """\
fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def test_the_machines_own_addresses_are_on_the_links_of_their_nearest_routes() -> None:
    own = {(IPv4Address("10.89.0.1"), "podman1"), (IPv4Address("192.0.2.2"), "eth0")}
    assert own_addresses(TRIE + TRIE.replace("Main", "Local"), ROUTES) == own
    wider = "wlan0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    assert own_addresses(TRIE, ROUTES + wider) == own
    assert own_addresses(TRIE, "") == set()
    assert own_addresses6(IF_INET6) == {(IPv6Address("fd00::2"), "eth0"), (IPv6Address("::1"), "lo")}


CONFIG = """\
CONFIG_MACVLAN=y
CONFIG_MACVTAP=m
# CONFIG_DUMMY is not set
# CONFIG_VLAN_8021Q is not set
"""
MODULES = (
    "kernel/drivers/net/macvlan.ko\nkernel/drivers/net/dummy.ko.xz: \nkernel/net/8021q/8021q.ko.zst: kernel/a.ko\n"
)


@pytest.mark.parametrize(
    ("loaded", "config", "modules", "known"),
    [
        (set(), CONFIG, None, {"macvlan"}),
        (set(), CONFIG, MODULES, {"macvlan"}),
        ({"dummy", "8021q"}, CONFIG, "", {"macvlan", "dummy", "vlan"}),
        (set(), None, MODULES, {"macvlan", "dummy", "vlan"}),
        ({"kvm"}, None, MODULES, {"macvlan", "dummy", "vlan"}),
        (set(), None, None, set(FEATURES)),
    ],
    ids=["options", "a module that is not installed", "loaded", "modules alone", "loaded as well", "nothing is told"],
)
def test_a_kernel_has_what_it_is_not_known_to_lack(
    loaded: set[str], config: str | None, modules: str | None, known: set[str]
) -> None:
    assert known_features(loaded, config, modules) == known


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a machine, by their paths."""
    for folder in ("sys/class/net/eth0", "sys/class/net/lo", "sys/module/kvm", "proc/net", "boot"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sys/class/net/bonding_masters").touch()
    (tmp_path / "sys/class/net/eth0/mtu").write_text("1400\n")
    (tmp_path / "sys/class/net/lo/mtu").write_text("65536\n")
    (tmp_path / "sys/class/net/lo/type").write_text("772\n")
    (tmp_path / "proc/net/route").write_text(ROUTES)
    (tmp_path / "proc/net/ipv6_route").write_text(ROUTES6)
    (tmp_path / "proc/net/if_inet6").write_text(IF_INET6.splitlines()[0])
    (tmp_path / "proc/net/fib_trie").write_text(TRIE)
    return tmp_path


def test_links_are_those_that_the_kernel_lists(root: Path) -> None:
    assert links(root) == {"eth0", "lo"}
    assert mtus(root) == {"eth0": 1400, "lo": 65536}
    assert "lo" in links()


def test_a_link_that_goes_while_it_is_read_is_none(root: Path) -> None:
    (root / "sys/class/net/eth0/mtu").unlink()
    assert mtus(root) == {"lo": 65536}


def test_a_link_of_another_kind_or_that_is_a_part_of_another_carries_no_macvlan(root: Path) -> None:
    for name, kind, beside in (
        ("eth1", "1", []),
        ("wg0", "65534", []),
        ("veth0", "1", ["brport"]),
        ("eth2", "1", ["bonding_slave", "master"]),
        ("eth3", "1", ["master"]),  # as of a VRF
    ):
        link = root / "sys/class/net" / name
        for folder in beside:
            (link / folder).mkdir(parents=True)
        link.mkdir(exist_ok=True)
        (link / "mtu").write_text("1500\n")
        (link / "type").write_text(f"{kind}\n")
    assert carries_none(root) == {
        "eth2": "a part of a bond",
        "lo": "not of Ethernet",
        "veth0": "a port of a bridge",
        "wg0": "not of Ethernet",
    }


def test_a_kernel_that_was_started_without_ipv6_has_none_whatever_it_was_built_with(root: Path) -> None:
    (root / f"boot/config-{os.uname().release}").write_text("CONFIG_IPV6=y\n")
    assert features(root) == {"ipv6"}
    (root / "proc/net/if_inet6").unlink()
    assert features(root) == set()


def test_features_are_read_where_the_kernel_or_the_distribution_puts_them(root: Path) -> None:
    assert features(root) == set(FEATURES)
    modules = root / "lib/modules" / os.uname().release
    modules.mkdir(parents=True)
    (modules / "modules.builtin").write_text("kernel/drivers/net/macvlan.ko\n")
    (modules / "modules.dep").write_text("kernel/drivers/net/dummy.ko.xz:\n")
    assert features(root) - {"ipv6"} == {"macvlan", "dummy"}
    (root / f"boot/config-{os.uname().release}").write_text(CONFIG)
    assert features(root) - {"ipv6"} == {"macvlan"}
    (root / "sys/module/8021q").mkdir()
    assert features(root) - {"ipv6"} == {"macvlan", "vlan"}
    (root / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_DUMMY=m\n"))
    assert features(root) - {"ipv6"} == {"dummy", "vlan"}


@pytest.mark.parametrize(
    ("mask", "may"), [("000001fffeffffff", True), ("0000000000000000", False), ("00000000a80425fb", False)]
)
def test_a_process_makes_links_if_it_has_the_capability(root: Path, mask: str, may: bool) -> None:
    """The last is root's in a container."""
    (root / "proc/self").mkdir()
    (root / "proc/self/status").write_text(f"Name:\tpython3\nCapPrm:\t000001ffffffffff\nCapEff:\t{mask}\n")
    assert makes_links(root) is may


def test_a_machine_that_does_not_tell_capabilities_counts_as_without(root: Path) -> None:
    assert not makes_links(root)


def test_all_facts_come_together(root: Path, install: Install) -> None:
    install("podman", f"cat <<'END'\n{PODMAN}END")
    assert facts(ENGINES["podman"], root) == MachineFacts(
        links={"eth0": 1400, "lo": 65536},
        carries_none={"lo": "not of Ethernet"},
        neighbours=(
            (IPv4Address("10.89.0.1"), "podman1", "this machine's own"),
            (IPv4Address("192.0.2.2"), "eth0", "this machine's own"),
            (IPv6Address("fd00::2"), "eth0", "this machine's own"),
            (IPv4Address("192.0.2.1"), "eth0", "the router of this machine's default route"),
            (IPv4Address("192.0.2.1"), "wlan0", "the router of this machine's default route"),
            (IPv6Address("fd00::1"), "eth0", "the router of this machine's default route"),
        ),
        default_link="eth0",
        routes=(*routes_of(ROUTES), *routes6_of(ROUTES6)),
        engine="podman",
        makes_vlans=False,
        addresses_nodes=False,
        engine_networks=SHOWN["podman"][1],
        features=frozenset(FEATURES),
    )
