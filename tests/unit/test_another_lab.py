"""A `clusterName` that changes: what of the lab before is in the way of the next, which is then refused."""

import ipaddress
from typing import Any

import pytest

from components.settings.machine import FEATURES, EngineNetwork, MachineFacts, machine_faults
from tests.lab_config import lab

BEFORE = MachineFacts(
    links={"eth0": 1500, "eth7": 1500},
    default_link="eth0",
    routes=((ipaddress.IPv4Network("10.89.0.0/24"), "podman1"),),
    engine="podman",
    makes_vlans=False,
    addresses_nodes=False,
    engine_networks=(
        # kind's own has the cluster's name, and no label.
        EngineNetwork(name="kalico", subnets=(ipaddress.IPv4Network("10.89.0.0/24"),), parent=None, lab=None),
        EngineNetwork(name="lan", subnets=(ipaddress.IPv4Network("10.40.0.0/24"),), parent="eth7", lab="kalico"),
    ),
    features=frozenset(FEATURES),
)
"""A machine on which the lab `kalico` is up."""
LAN = {"name": "lan", "subnet": "10.40.0.0/24", "parent": "eth7"}
APART = {"name": "lan2", "subnet": "10.41.0.0/24", "parent": "eth0"}


@pytest.mark.parametrize(
    ("networks", "refused"),
    [
        ([LAN], {"name", "subnet", "parent"}),
        ([APART | {"name": "lan"}], {"name"}),
        ([APART | {"subnet": "10.40.0.0/24"}], {"subnet"}),
        ([APART | {"parent": "eth7"}], {"parent"}),
        ([APART], set()),
        ([], set()),
    ],
    ids=["all", "name", "subnet", "parent", "another network", "none"],
)
def test_another_lab_is_refused_for_what_its_networks_share_with_the_one_before_alone(
    networks: list[dict[str, Any]], refused: set[str]
) -> None:
    faults = machine_faults(lab(clusterName="other", networks=networks, pods=[]), BEFORE)
    assert {fault.key.removeprefix("networks[0].") for fault in faults} == refused
