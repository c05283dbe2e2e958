"""What of a lab cannot be on a machine, by facts about it that others gather."""

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from components.settings import MachineFacts, machine_faults, missing_features
from components.settings.machine import FEATURES
from tests.lab_config import lab, network

MACHINE = MachineFacts(
    links={"lo": 65536, "eth0": 1500, "eth7": 9000},
    default_link="eth0",
    parents_in_use={},
    routes=(
        (IPv4Network("0.0.0.0/0"), "eth0"),
        (IPv4Network("192.168.1.0/24"), "eth0"),
        (IPv4Network("172.17.0.0/16"), "docker0"),
    ),
    engine_networks=(("bridge", IPv4Network("172.17.0.0/16")),),
    features=frozenset(FEATURES),
)


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
        "networks[0].parent: the machine has no interface 'wlan'; take one of: eth0, eth7, lo"
    ]


def test_a_parent_of_somebody_elses_network_is_refused() -> None:
    machine = replace(MACHINE, parents_in_use={"eth7": "theirs", "eth7.5": "others"})
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


def test_an_mtu_is_at_most_the_parents() -> None:
    assert said(**on_eth0(mtu=1500)) == []
    assert said(**on_eth0(mtu=1501)) == [
        "networks[0].mtu: 1501 is more than eth0's own 1500; give less or raise the parent's"
    ]
    assert said(networks=[network(mtu=9000)]) == []


def test_a_network_of_the_engines_with_the_same_name_is_not_taken_over() -> None:
    machine = replace(MACHINE, engine_networks=(("ext-net", IPv4Network("10.99.0.0/16")),))
    assert said(machine) == [
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


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_asked_for_by_the_networks_that_need_it(name: str) -> None:
    """By key and index: of the two networks here, the second has all that there is."""
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}, "parent": "eth7", "vlan": 5}
    settings = lab(networks=[network(), lan])
    asked = [fault.key for fault in missing_features(settings, frozenset(FEATURES) - {name})]
    plain = missing_features(lab(), frozenset(FEATURES) - {name})
    assert f"networks[1].{FEATURES[name].key}" in asked
    assert len(asked) == 1 + len(plain)


def test_nothing_is_asked_for_that_no_network_needs() -> None:
    assert missing_features(lab(networks=[], pods=[]), frozenset()) == ()


def test_all_of_it_comes_at_once() -> None:
    machine = replace(MACHINE, features=frozenset())
    found = machine_faults(lab(networks=[network(parent="eth9")], podSubnet="192.168.0.0/16"), machine)
    assert [fault.key for fault in found] == ["networks[0].mode", "networks[0].parent", "podSubnet"]
