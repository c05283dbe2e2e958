"""The bridge of an island, and the master that a NAD gets from what the join printed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.macvlan_networks import bridge_name, master


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_bridges_name_is_one_that_the_kernel_takes(cluster: str, network: str) -> None:
    assert re.fullmatch(r"kalico-[0-9a-f]{8}", bridge_name(cluster, network))
    assert len(bridge_name(cluster, network)) <= 15


def test_each_network_of_each_lab_has_a_bridge_of_its_own_and_keeps_it() -> None:
    names = [(cluster, network) for cluster in ("kalico", "kalico-e2e") for network in ("ext-net", "lan")]
    assert len({bridge_name(*each) for each in names}) == len(names)
    assert bridge_name("kalico", "ext-net") == bridge_name("kalico", "ext-net")


def test_the_master_is_the_interface_that_all_workers_have() -> None:
    assert master("kalico-worker eth1 9a:00:00:00:00:01") == "eth1"
    assert master("kalico-worker eth2 9a:00:00:00:00:01\nkalico-worker2 eth2 9a:00:00:00:00:02\n") == "eth2"


def test_workers_whose_interfaces_differ_cannot_have_one_nad() -> None:
    with pytest.raises(ValueError, match=r"interfaces on the network differ \(eth1, eth2\): a NAD needs one"):
        master("kalico-worker eth1 9a:00:00:00:00:01\nkalico-worker2 eth2 9a:00:00:00:00:02\n")


def test_no_worker_at_all_has_no_master() -> None:
    with pytest.raises(ValueError, match="a NAD needs one"):
        master("")
