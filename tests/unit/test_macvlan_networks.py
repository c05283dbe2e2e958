"""The bridge of an island."""

import re

from hypothesis import given
from hypothesis import strategies as st

from components.macvlan_networks import bridge_name


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_bridges_name_is_one_that_the_kernel_takes(cluster: str, network: str) -> None:
    assert re.fullmatch(r"kalico-[0-9a-f]{8}", bridge_name(cluster, network))
    assert len(bridge_name(cluster, network)) <= 15


def test_each_network_of_each_lab_has_a_bridge_of_its_own_and_keeps_it() -> None:
    names = [(cluster, network) for cluster in ("kalico", "kalico-e2e") for network in ("ext-net", "lan")]
    assert len({bridge_name(*each) for each in names}) == len(names)
    assert bridge_name("kalico", "ext-net") == bridge_name("kalico", "ext-net")
