"""Where nodes get their addresses on a network, which part of its range each worker has, and what it lies on."""

import ipaddress
import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings.blocks import node_range, widest_range, within
from components.settings.ipam import split
from tests.lab_config import lab, network, pod


def subnets(shortest: int, longest: int) -> st.SearchStrategy[IPv4Network]:
    return st.builds(
        lambda address, prefix: ipaddress.IPv4Network((address, prefix), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(shortest, longest),
    )


@st.composite
def subnets_with_spans(draw: st.DrawFn) -> tuple[IPv4Network, list[tuple[IPv4Address, IPv4Address]]]:
    subnet = draw(subnets(8, 30))
    ends = st.tuples(*[st.integers(0, subnet.num_addresses - 1)] * 2)
    return subnet, [(subnet[min(pair)], subnet[max(pair)]) for pair in draw(st.lists(ends, max_size=3))]


@given(subnets_with_spans())
def test_the_nodes_range_lies_in_the_subnet_and_touches_nothing_that_is_taken(
    given: tuple[IPv4Network, list[tuple[IPv4Address, IPv4Address]]],
) -> None:
    subnet, occupied = given
    block = node_range(subnet, occupied)
    if block is None:
        return
    assert block.subnet_of(subnet)
    assert block.num_addresses <= min(256, subnet.num_addresses // 4)
    assert subnet.network_address not in block
    assert subnet.broadcast_address not in block
    assert not [span for span in occupied if span[0] <= block.broadcast_address and block.network_address <= span[1]]


@given(subnets(8, 28))
def test_a_subnet_in_which_nothing_is_taken_has_a_range_for_the_nodes(subnet: IPv4Network) -> None:
    assert node_range(subnet, []) is not None


@given(subnets(8, 28), st.sampled_from([None, "first", "last"]))
def test_where_nobody_says_a_range_pods_have_one_beside_the_gateway_and_the_nodes(
    subnet: IPv4Network, placed: str | None
) -> None:
    gateway = {"first": subnet[1], "last": subnet[-2]}[placed] if placed else None
    start, end = widest_range(subnet, gateway)
    assert int(subnet[1]) <= int(start) <= int(end) <= int(subnet[-2])
    assert gateway is None or not within(gateway, (start, end))
    block = node_range(subnet, [(start, end), *([(gateway, gateway)] if gateway else [])])
    # As large as it can be: the nodes' block follows at once.
    assert block is not None
    assert block[0] == end + 1


@given(subnets_with_spans())
def test_no_range_for_the_nodes_means_that_no_block_is_free(
    given: tuple[IPv4Network, list[tuple[IPv4Address, IPv4Address]]],
) -> None:
    subnet, occupied = given
    if subnet.prefixlen > 28 or subnet.prefixlen < 20 or node_range(subnet, occupied) is not None:
        return
    spans = [*occupied, (subnet.network_address, subnet.network_address), (subnet[-1], subnet[-1])]
    for block in subnet.subnets(new_prefix=max(24, subnet.prefixlen + 2)):
        assert any(span[0] <= block[-1] and block[0] <= span[1] for span in spans), block


def test_the_whole_of_ipv4_without_a_free_block_is_found_out_at_once() -> None:
    everything = IPv4Network("0.0.0.0/0")
    assert node_range(everything, [(everything[1], everything[-2])]) is None


@st.composite
def ranges_for_workers(draw: st.DrawFn) -> tuple[IPv4Address, IPv4Address, int]:
    """A range and a number of workers that each have an address in it."""
    start = draw(st.integers(0, 2**32 - 1))
    end = draw(st.integers(start, min(2**32 - 1, start + draw(st.sampled_from([0, 3, 50, 2**31])))))
    return IPv4Address(start), IPv4Address(end), draw(st.integers(1, min(30, end - start + 1)))


@given(ranges_for_workers())
def test_the_parts_of_a_range_follow_each_other_and_are_all_of_it(given: tuple[IPv4Address, IPv4Address, int]) -> None:
    start, end, workers = given
    parts = split(start, end, workers)
    assert len(parts) == workers
    assert (parts[0][0], parts[-1][1]) == (start, end)
    assert all(int(first) <= int(last) for first, last in parts)
    assert all(int(last) + 1 == int(first) for (_, last), (first, _) in itertools.pairwise(parts))


@given(ranges_for_workers())
def test_no_part_is_larger_than_another_by_more_than_one(given: tuple[IPv4Address, IPv4Address, int]) -> None:
    sizes = [int(last) - int(first) + 1 for first, last in split(*given)]
    assert max(sizes) - min(sizes) <= 1


@given(ranges_for_workers())
def test_a_single_worker_has_the_whole_range(given: tuple[IPv4Address, IPv4Address, int]) -> None:
    start, end, _ = given
    assert split(start, end, 1) == ((start, end),)


def test_fewer_addresses_than_parts_are_refused() -> None:
    start = IPv4Address("10.23.0.100")
    with pytest.raises(ValueError, match=r"10\.23\.0\.100 to 10\.23\.0\.101 has 2 addresses, too few for 3 parts"):
        split(start, start + 1, 3)


def test_each_worker_has_its_part_in_the_workers_order() -> None:
    [taken] = lab(workers=3, networks=[network(nodes=["worker3", "worker"])], pods=[]).networks
    assert [(part.worker, str(part), part.size) for part in taken.ranges] == [
        ("kalico-worker", "10.23.0.100 to 10.23.0.169", 70),
        ("kalico-worker3", "10.23.0.170 to 10.23.0.240", 71),
    ]


def test_the_seeds_network_has_the_seeds_range_for_its_one_worker() -> None:
    [part] = lab().networks[0].ranges
    assert (part.worker, str(part)) == ("kalico-worker", "10.23.0.100 to 10.23.0.240")


@given(st.integers(1, 30), st.data())
def test_an_address_of_the_range_is_in_one_part(workers: int, data: st.DataObject) -> None:
    [taken] = lab(workers=workers, pods=[]).networks
    address = IPv4Address("10.23.0.100") + data.draw(st.integers(0, 140))
    assert [address in part for part in taken.ranges].count(True) == 1


def test_a_network_lies_on_its_parent_by_its_tag_if_it_has_one() -> None:
    def link(**changes: Any) -> str | None:
        return lab(networks=[network(**changes)]).networks[0].link

    assert (link(), link(parent="eth7"), link(parent="eth7", vlan=12)) == (None, "eth7", "eth7.12")


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, False),
        ({"mtu": 1500}, False),
        ({"mtu": 1501}, True),
        ({"mtu": 9000, "parent": "eth7"}, False),
        ({"mtu": 9000, "plugin": "bridge", "without": "mode"}, False),
    ],
)
def test_an_island_that_carries_more_than_a_link_by_itself_lies_on_a_bridge(
    changes: dict[str, Any], needs: bool
) -> None:
    assert lab(networks=[network(**changes)]).networks[0].needs_bridge is needs


def test_networks_share_a_parent_by_their_tags() -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}, "parent": "eth7"}
    links = [each.link for each in lab(networks=[network(parent="eth7", vlan=5), lan, lan | WAN]).networks]
    assert links == ["eth7.5", "eth7", "eth7.6"]


WAN = {"name": "wan", "subnet": "10.41.0.0/16", "ipam": {"rangeEnd": "10.41.0.99"}, "vlan": 6}


def test_passthru_is_taken_for_one_node_without_pods() -> None:
    taken = lab(workers=2, networks=[network(mode="passthru", nodes=["worker2"])], pods=[])
    assert taken.networks[0].nodes == ("kalico-worker2",)


def test_an_address_of_its_own_workers_part_is_taken() -> None:
    attachment = {"name": "ext-net", "address": "10.23.0.240"}
    taken = lab(workers=2, pods=[pod(networks=[attachment], node="worker2")])
    assert str(taken.pods[0].networks[0].address) == "10.23.0.240/16"


def test_the_one_worker_that_joins_needs_no_name_for_a_fixed_address() -> None:
    attachment = {"name": "ext-net", "address": "10.23.0.240"}
    taken = lab(workers=2, networks=[network(nodes=["worker2"])], pods=[pod(networks=[attachment])])
    assert taken.pods[0].nodes == ("kalico-worker2",)


@pytest.mark.parametrize(
    ("way", "dst"),
    [("net1", "10.0.0.0/8"), ("net1", "0.0.0.0/1"), ("literal", "10.96.0.0/16"), ("source", "10.25.0.0/16")],
)
def test_a_route_that_takes_no_more_of_the_cluster_than_the_default_route_is_taken(way: str, dst: str) -> None:
    """By net1 pods and services have narrower routes of their own by eth0."""
    [net] = lab(networks=[network(routes=[{"dst": dst}], defaultRoute=way)]).networks
    assert dst in [str(route.dst) for route in net.routes]


def test_default_routes_of_two_families_are_in_nobodys_way() -> None:
    by_ipv6 = {"name": "six", "subnet6": "fd41::/64", "gateway6": "fd41::1", "defaultRoute": "literal"}
    [both] = lab(networks=[network(defaultRoute="net1"), by_ipv6], pods=[pod(networks=["ext-net", "six"])]).pods
    assert [each.network for each in both.networks] == ["ext-net", "six"]
