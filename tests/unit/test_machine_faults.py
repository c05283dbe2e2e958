"""What of a lab cannot be on a machine, by facts about it that others gather."""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import pytest

from components.settings import EngineNetwork, LabError, MachineFacts, machine_faults, missing_features
from components.settings.machine import FEATURES
from tests.lab_config import lab, network

MACHINE = MachineFacts(
    links={"lo": 65536, "eth0": 1500, "eth7": 9000},
    carries_none={"lo": "not of Ethernet"},
    default_link="eth0",
    routes=(
        (IPv4Network("192.168.1.0/24"), "eth0"),
        (IPv4Network("172.17.0.0/16"), "docker0"),
    ),
    engine="docker",
    makes_vlans=True,
    addresses_nodes=True,
    engine_networks=(
        EngineNetwork(name="bridge", subnets=(IPv4Network("172.17.0.0/16"),), parent=None, lab=None),
        EngineNetwork(name="host", subnets=(), parent=None, lab=None),
    ),
    features=frozenset(FEATURES),
)


def with_networks(*networks: EngineNetwork) -> MachineFacts:
    return replace(MACHINE, engine_networks=(*MACHINE.engine_networks, *networks))


def engines(
    name: str, subnet: str = "10.99.0.0/16", parent: str | None = None, lab: str | None = None
) -> EngineNetwork:
    return EngineNetwork(name=name, subnets=(IPv4Network(subnet),), parent=parent, lab=lab)


def said(machine: MachineFacts = MACHINE, **changes: Any) -> list[str]:
    return [str(fault) for fault in machine_faults(lab(**changes), machine)]


def on_eth0(**changes: Any) -> dict[str, Any]:
    return {"networks": [network(parent="eth0", **changes)], "pods": []}


def test_the_default_lab_is_in_nobodys_way() -> None:
    assert said() == []


@pytest.mark.parametrize("parent", ["eth0", "eth7"])
def test_a_parent_that_is_named_is_meant_though_the_default_route_is_on_it(parent: str) -> None:
    assert said(networks=[network(parent=parent)]) == []


def test_a_parent_that_is_missing_is_named_with_one_that_is_like_it() -> None:
    assert said(networks=[network(parent="eth1")]) == [
        "networks[0].parent: the machine has no interface 'eth1'; did you mean eth7?"
    ]
    assert said(networks=[network(parent="wlan")]) == [
        "networks[0].parent: the machine has no interface 'wlan'; take one of: eth0, eth7"
    ]


def test_a_parent_that_carries_no_macvlan_is_refused_where_the_network_is_new() -> None:
    on_lo = lab(networks=[network(parent="lo")])
    assert [str(fault) for fault in machine_faults(on_lo, MACHINE)] == [
        "networks[0].parent: lo is not of Ethernet, and nothing can be on it; take another parent"
    ]
    assert machine_faults(on_lo, MACHINE, {"ext-net"}) == ()


def test_a_tagged_interface_on_a_port_of_a_bridge_is_a_parent() -> None:
    machine = replace(MACHINE, carries_none={"eth7": "a port of a bridge"})
    assert said(machine, networks=[network(parent="eth7", vlan=5)]) == []
    assert said(machine, networks=[network(parent="eth7")]) == [
        "networks[0].parent: eth7 is a port of a bridge, and nothing can be on it; take another parent"
    ]


def test_a_parent_of_somebody_elses_network_is_refused() -> None:
    machine = with_networks(engines("theirs", parent="eth7"), engines("others", parent="eth7.5", lab="other"))
    problem = "is the parent of the engine's network"
    remedy = "take another parent or remove that network"
    assert said(machine, networks=[network(parent="eth7")]) == [
        f"networks[0].parent: eth7 {problem} 'theirs'; {remedy}"
    ]
    assert said(machine, networks=[network(parent="eth7", vlan=5)]) == [
        f"networks[0].parent: eth7.5 {problem} 'others'; {remedy}"
    ]
    assert said(machine, networks=[network(parent="eth7", vlan=6)]) == []


def test_passthru_does_not_take_the_interface_of_the_default_route() -> None:
    assert said(**on_eth0(mode="passthru")) == [
        "networks[0].mode: passthru takes eth0 whole, and the machine's default route is on it; "
        "take another mode or another parent"
    ]
    assert said(networks=[network(parent="eth7", mode="passthru")], pods=[]) == []
    assert said(**on_eth0(mode="passthru", vlan=5)) == []


def test_an_mtu_is_at_most_that_of_the_link() -> None:
    assert said(**on_eth0(mtu=1500)) == []
    assert said(**on_eth0(mtu=1501)) == [
        "networks[0].mtu: 1501 is more than eth0's own 1500; give less or raise that of eth0"
    ]
    assert len(said(**on_eth0(mtu=1501, vlan=5))) == 1
    machine = replace(MACHINE, links={**MACHINE.links, "eth7.5": 1496})
    assert said(machine, networks=[network(parent="eth7", vlan=5, mtu=1496)]) == []
    assert said(machine, networks=[network(parent="eth7", vlan=5, mtu=1500)]) == [
        "networks[0].mtu: 1500 is more than eth7.5's own 1496; give less or raise that of eth7.5"
    ]
    assert said(networks=[network(mtu=9000)]) == []


ETH7_5 = "make it first (ip link add link eth7 name eth7.5 up type vlan id 5)"


def test_a_tagged_interface_has_to_be_there_where_the_engine_does_not_make_it() -> None:
    tagged: dict[str, Any] = {"networks": [network(parent="eth7", vlan=5)]}
    podman = replace(MACHINE, engine="podman", makes_vlans=False)
    assert said(**tagged) == []
    assert said(podman, **tagged) == [
        f"networks[0].vlan: podman does not make eth7.5, and the machine has none; {ETH7_5}"
    ]
    there = {**MACHINE.links, "eth7.5": 9000}
    assert said(replace(podman, links=there), **tagged) == []
    del there["eth7"]
    assert said(replace(podman, links=there), **tagged) == []


def test_a_tag_on_a_tagged_interface_is_beyond_any_engine() -> None:
    machine = replace(MACHINE, links={"eth7.5": 9000})
    assert said(machine, networks=[network(parent="eth7.5", vlan=6)]) == [
        "networks[0].vlan: docker does not make eth7.5.6, and the machine has none; "
        "make it first (ip link add link eth7.5 name eth7.5.6 up type vlan id 6)"
    ]


def test_a_network_of_the_engines_with_the_same_name_is_not_taken_over() -> None:
    assert said(with_networks(engines("ext-net"))) == [
        "networks[0].name: the engine has a network 'ext-net' that this lab did not make; "
        "choose another name or remove it"
    ]


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("podSubnet", {"podSubnet": "172.17.0.0/16"}),
        ("serviceSubnet", {"serviceSubnet": "172.17.128.0/17"}),
        (
            "networks[0].subnet",
            {"networks": [{"name": "lan", "subnet": "172.17.0.0/24", "ipam": {"rangeEnd": "172.17.0.99"}}], "pods": []},
        ),
    ],
    ids=["pods", "services", "network"],
)
def test_no_subnet_is_that_of_an_engines_network_said_once(key: str, changes: dict[str, Any]) -> None:
    [fault] = machine_faults(lab(**changes), MACHINE)
    assert fault.key == key
    assert fault.problem.endswith("overlaps the engine's network 'bridge' 172.17.0.0/16")
    assert fault.remedy == "take another subnet"


@pytest.mark.parametrize("key", ["podSubnet", "serviceSubnet"])
def test_no_subnet_is_on_a_route_of_the_machines(key: str) -> None:
    changes: dict[str, Any] = {key: "192.168.0.0/16"}
    assert said(**changes) == [
        f"{key}: 192.168.0.0/16 overlaps the machine's route to 192.168.1.0/24 by eth0; take another subnet"
    ]


def test_no_subnet_is_that_of_another_labs_network() -> None:
    assert said(with_networks(engines("theirs", "10.23.0.0/16", lab="other"))) == [
        "networks[0].subnet: 10.23.0.0/16 overlaps the engine's network 'theirs' 10.23.0.0/16; take another subnet"
    ]


def test_no_subnet_of_ipv6_is_that_of_the_engine_or_the_machine_but_by_its_very_parent() -> None:
    dual = network(subnet6="fd00::/56")
    machine = replace(MACHINE, routes=(*MACHINE.routes, (IPv6Network("fd00:0:0:7::/64"), "eth0")))
    told = "networks[0].subnet6: fd00::/56 overlaps {}; take another subnet"
    assert said(machine, networks=[dual]) == [told.format("the machine's route to fd00:0:0:7::/64 by eth0")]
    assert said(machine, networks=[dual | {"parent": "eth0"}]) == []
    theirs = EngineNetwork(name="theirs", subnets=(IPv6Network("fd00::/64"),), parent=None, lab="other")
    assert said(with_networks(theirs), networks=[dual]) == [told.format("the engine's network 'theirs' fd00::/64")]


def test_what_a_lab_has_already_is_not_in_its_own_way() -> None:
    """Its macvlan network on its parent, and kind's own, which has no label, with the route there."""
    machine = with_networks(
        engines("ext-net", "10.23.0.0/16", parent="eth7", lab="kalico"), engines("kalico", "10.89.0.0/24")
    )
    machine = replace(machine, routes=(*machine.routes, (IPv4Network("10.89.0.0/24"), "podman1")))
    changes: dict[str, Any] = {"networks": [network(parent="eth7")]}
    assert said(machine, **changes) == []
    assert len(said(machine, **changes, clusterName="another")) == 3


def test_what_is_new_in_a_lab_does_not_take_the_nodes_own_addresses_from_them() -> None:
    machine = with_networks(engines("ext-net", "10.23.0.0/16", lab="kalico"), engines("kalico", "10.89.0.0/24"))
    machine = replace(machine, routes=(*machine.routes, (IPv4Network("10.89.0.0/24"), "podman1")))
    lan = {"name": "lan", "subnet": "10.89.0.0/16", "ipam": {"rangeEnd": "10.89.7.9"}}
    told = "{}: 10.89.0.0/16 overlaps the engine's network 'kalico' 10.89.0.0/24; take another subnet"

    def found(made: set[str], moved: set[str], **changes: Any) -> list[str]:
        return [str(fault) for fault in machine_faults(lab(**changes), machine, made, moved)]

    two = {"networks": [network(), lan]}
    assert found({"ext-net"}, set(), **two) == [told.format("networks[1].subnet")]
    assert found({"ext-net", "lan"}, set(), **two) == []
    assert found({"ext-net"}, {"podSubnet"}, podSubnet="10.89.0.0/16") == [told.format("podSubnet")]
    assert found({"ext-net"}, set(), podSubnet="10.89.0.0/16") == []


def test_of_a_lab_that_has_its_cluster_only_the_new_networks_are_looked_at() -> None:
    lan = {"name": "lan", "subnet": "192.168.1.0/24", "ipam": {"rangeEnd": "192.168.1.20"}, "parent": "eth8"}
    settings = lab(networks=[network(parent="eth9"), lan], podSubnet="172.17.0.0/16")
    machine = replace(MACHINE, features=frozenset())
    every = [fault.key for fault in machine_faults(settings, machine)]
    assert sorted(every) == [
        *("networks[0].mode", "networks[0].parent"),
        *("networks[1].mode", "networks[1].parent", "networks[1].subnet"),
        "podSubnet",
    ]
    for made in ({"ext-net"}, {"ext-net", "lan"}, set()):
        asked = [f"networks[{i}]" for i, name in enumerate(["ext-net", "lan"]) if name not in made]
        found = [fault.key for fault in machine_faults(settings, machine, made)]
        assert found == [key for key in every if key.split(".")[0] in asked]


def test_of_a_cluster_that_is_there_a_subnet_is_looked_at_when_it_moves() -> None:
    settings = lab(podSubnet="172.17.0.0/16", serviceSubnet="192.168.0.0/16")
    moves: list[set[str]] = [set(), {"podSubnet"}, {"serviceSubnet"}, {"podSubnet", "serviceSubnet"}]
    for moved in moves:
        assert {fault.key for fault in machine_faults(settings, MACHINE, {"ext-net"}, moved)} == moved


def test_a_plugin_is_asked_for_on_a_network_that_is_there_and_all_else_it_has() -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "subnet6": "fd40::/64", "parent": "eth7", "vlan": 5}
    settings = lab(networks=[lan | {"plugin": "ipvlan"}], pods=[])
    [fault] = machine_faults(settings, replace(MACHINE, features=frozenset()), {"lan"})
    assert fault.key == "networks[0].plugin"
    assert fault.problem == "lan needs ipvlan, and the kernel has none (module ipvlan)"


def test_of_a_bridge_on_each_node_nobody_knows_whether_it_is_there() -> None:
    own = {"name": "own", "subnet": "10.40.0.0/16", "subnet6": "fd40::/64", "plugin": "bridge"}
    settings = lab(networks=[own], pods=[])
    found = machine_faults(settings, replace(MACHINE, features=frozenset()), {"own"})
    assert [fault.key for fault in found] == ["networks[0].plugin", "networks[0].subnet6"]


def test_an_mtu_is_at_most_that_of_the_link_on_a_network_that_is_there_too() -> None:
    settings = lab(networks=[network(parent="eth0", mtu=1501)])
    assert machine_faults(settings, MACHINE, {"ext-net"}) == machine_faults(settings, MACHINE)
    gone = replace(MACHINE, links={"eth7": 1500})
    assert machine_faults(settings, gone, {"ext-net"}) == ()  # `drift` says so


@pytest.mark.parametrize(("route", "count"), [("0.0.0.0/1", 0), ("10.0.0.0/7", 0), ("10.0.0.0/8", 2)])
def test_a_vpns_halves_of_a_default_route_are_no_subnets(route: str, count: int) -> None:
    machine = replace(MACHINE, routes=((IPv4Network(route), "tun0"),))
    found = [fault.key for fault in machine_faults(lab(serviceSubnet="172.20.0.0/16"), machine)]
    assert found == ["podSubnet", "networks[0].subnet"][:count]


def lan(**changes: Any) -> dict[str, Any]:
    """A network on the machine's own subnet."""
    lan = {
        "name": "lan",
        "subnet": "192.168.1.0/24",
        "ipam": {"rangeStart": "192.168.1.10", "rangeEnd": "192.168.1.20"},
    }
    return {"networks": [lan | changes], "pods": []}


def test_a_network_may_be_the_machines_own_by_its_very_parent() -> None:
    assert said(**lan(parent="eth0")) == []


@pytest.mark.parametrize("changes", [{}, {"parent": "eth7"}], ids=["island", "another parent"])
def test_a_network_is_not_the_machines_own_by_any_other(changes: dict[str, Any]) -> None:
    assert said(**lan(**changes)) == [
        "networks[0].subnet: 192.168.1.0/24 overlaps the machine's route to 192.168.1.0/24 by eth0; take another subnet"
    ]


def on_the_lan(whose: str, *addresses: str, link: str = "eth0") -> MachineFacts:
    return replace(MACHINE, neighbours=tuple((ip_address(each), link, whose) for each in addresses))


def test_a_range_on_a_parent_leaves_out_who_is_there_as_far_as_the_machine_knows() -> None:
    machine = on_the_lan("the router of this machine's default route", "192.168.1.20", "192.168.1.21")
    assert said(machine, **lan(parent="eth0")) == [
        "networks[0].ipam: the range 192.168.1.10 to 192.168.1.20 has 192.168.1.20, which is the router of this "
        "machine's default route; leave it out by `rangeStart` and `rangeEnd`"
    ]
    assert machine_faults(lab(**lan(parent="eth0")), machine, {"lan"}) == ()
    for elsewhere in (replace(machine, neighbours=()), on_the_lan("anybody's", "192.168.1.20", link="eth7")):
        assert said(elsewhere, **lan(parent="eth0")) == []
    assert said(on_the_lan("anybody's", "192.168.1.20"), **lan(parent="eth0", vlan=5)) == []
    six = lan(parent="eth0", subnet6="fd40::/64", ipam={"rangeStart": "192.168.1.10", "rangeEnd": "192.168.1.19"})
    assert said(on_the_lan("anybody's", "fd40::100", "fd40::2", "192.168.1.20"), **six) == [
        "networks[0].ipam: the range fd40::100 to fd40::ffff has fd40::100, which is anybody's; "
        "leave it out by `rangeStart6` and `rangeEnd6`"
    ]


def test_nobody_on_a_parent_gets_an_address_that_the_machine_knows_to_be_anothers() -> None:
    machine = on_the_lan("this machine's own", "192.168.1.5", "192.168.1.6", "192.168.1.7")
    one = lan(parent="eth0", peer={"address": "192.168.1.5"}, nodeAddresses=["192.168.1.6"], ipam={"type": "static"})[
        "networks"
    ]
    pods = [{"name": "one", "image": "alpine", "networks": [{"name": "lan", "address": "192.168.1.7"}]}]
    assert said(machine, networks=one, pods=pods) == [
        "networks[0].nodeAddresses[0]: 192.168.1.6 is this machine's own; take another one",
        "networks[0].peer: 192.168.1.5 is this machine's own; take another one",
        "pods[0].networks[0].address: 192.168.1.7 is this machine's own; take another one",
    ]
    leased = {"type": "dhcp", "server": {"address": "192.168.1.5"}, "rangeStart": "192.168.1.9"}
    assert said(machine, **lan(parent="eth0", ipam=leased)) == [
        "networks[0].ipam.server: 192.168.1.5 is this machine's own; take another one"
    ]


def test_a_network_with_a_tag_may_be_that_of_the_tagged_interface() -> None:
    machine = replace(MACHINE, routes=((IPv4Network("192.168.1.0/24"), "eth7.5"),))
    assert said(machine, **lan(parent="eth7", vlan=5)) == []
    assert len(said(machine, **lan(parent="eth7", vlan=6))) == 1


def test_what_the_kernel_lacks_is_named_with_its_module() -> None:
    settings = lab(networks=[network(parent="eth7", vlan=5)])
    [fault] = missing_features(settings, frozenset({"macvlan"}))
    assert str(fault) == (
        "networks[0].vlan: ext-net needs vlan, and the kernel has none (module 8021q); "
        "load it (modprobe 8021q), take a kernel that has it, or leave it out"
    )
    assert machine_faults(settings, replace(MACHINE, features=frozenset({"macvlan"}))) == (fault,)


@pytest.mark.parametrize("name", [name for name, feature in FEATURES.items() if feature.key])
def test_a_feature_is_asked_for_by_the_networks_that_need_it(name: str) -> None:
    """By key and index: of the networks here, the second has a vlan, and each other one a plugin of its own."""
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}, "parent": "eth7", "vlan": 5}
    others = [
        {"name": f"net{i}", "subnet": f"10.{i}.0.0/16", "subnet6": f"fd{i}::/64", "plugin": plugin}
        for i, plugin in ((42, "ipvlan"), (43, "bridge"))
    ]
    settings = lab(networks=[network(), lan, *others])
    asked = [fault.key for fault in missing_features(settings, frozenset(FEATURES) - {name})]
    needed = {"macvlan": [0, 1, 2], "vlan": [1], "ipvlan": [2], "bridge": [3], "ipv6": [2, 3]}[name]
    assert asked == [f"networks[{i}].{FEATURES[name].key}" for i in needed]


def test_a_subnet_of_ipv6_takes_a_kernel_that_has_it() -> None:
    settings = lab(networks=[network(subnet6="fd23::/64")])
    [fault] = missing_features(settings, frozenset(FEATURES) - {"ipv6"})
    assert str(fault).startswith("networks[0].subnet6: ext-net needs ipv6, and the kernel has none (module ipv6); ")


def test_an_ipvlan_that_the_kernel_cannot_make_is_refused_by_its_name() -> None:
    settings = lab(networks=[network(without="mode", plugin="ipvlan")])
    [fault] = machine_faults(settings, replace(MACHINE, features=frozenset({"macvlan"})))
    assert str(fault) == (
        "networks[0].plugin: ext-net needs ipvlan, and the kernel has none (module ipvlan); "
        "load it (modprobe ipvlan), take a kernel that has it, or leave it out"
    )


def test_a_bridge_on_each_node_is_in_no_network_of_the_engines_way() -> None:
    own = with_networks(engines("ext-net"))
    assert said(own, networks=[network(without="mode", plugin="bridge")]) == []


def test_nothing_is_asked_for_that_no_network_needs() -> None:
    assert missing_features(lab(networks=[], pods=[]), frozenset()) == ()


def test_all_of_it_comes_at_once() -> None:
    machine = replace(MACHINE, features=frozenset())
    found = machine_faults(lab(networks=[network(parent="eth9")], podSubnet="192.168.0.0/16"), machine)
    assert [fault.key for fault in found] == ["networks[0].mode", "networks[0].parent", "podSubnet"]


@pytest.mark.parametrize(
    ("workers", "changes", "takers"),
    [
        (4, {}, ""),
        (3, {"peer": True}, ""),
        (5, {}, "5 workers take"),
        (4, {"peer": True}, "4 workers and the peer take"),
        (3, {"peer": True, "ipam": {"type": "dhcp"}}, "3 workers, the peer and the DHCP server take"),
    ],
)
def test_the_nodes_part_has_an_address_for_all_that_the_engine_gives_one(
    workers: int, changes: dict[str, Any], takers: str
) -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/28", "ipam": {"rangeEnd": "10.40.0.6"}} | changes
    lan["ipam"] |= {"rangeEnd": "10.40.0.6"}
    settings = lab(workers=workers, networks=[lan], pods=[])
    refusal = (
        f"networks[0].subnet: {takers} {workers + len(changes)} addresses of the nodes' part 10.40.0.8/30 of it, which "
        "has 4; take a larger subnet, or let fewer join (`nodes`)"
    )
    assert [str(fault) for fault in machine_faults(settings, MACHINE)] == ([refusal] if takers else [])
    assert machine_faults(settings, replace(MACHINE, addresses_nodes=False)) == ()


def test_of_a_network_that_could_not_be_read_whole_nobody_counts_the_nodes_addresses() -> None:
    with pytest.raises(LabError) as caught:
        lab(workers=2, networks=[network(routes=[{"dst": "10.9.0.7/16"}])], pods=[])
    assert caught.value.unsound == set()
    assert machine_faults(caught.value.settings, MACHINE) == ()
