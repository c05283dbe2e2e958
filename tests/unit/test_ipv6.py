"""Networks of IPv6, beside IPv4 and alone: what is taken, what the plugins and the peer get, what the checks expect."""

import itertools
import json
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.attachments import MASTER, confs, dead_gateways, nad_config, ranges
from components.checks.plan import ExpectedRoute, Peer, expected_network, expected_routes, from_json, plan, to_json
from components.checks.run import Answer
from components.engines import ENGINES
from components.network_joins import facts
from components.peers import told_of_containers
from components.pods import net1_address, networks_annotation
from components.settings import NetworkSettings
from components.settings.blocks import free_host, widest_range, within
from components.settings.ipam import split
from components.settings.plugins import PLUGINS
from tests.lab_config import lab, network, pod
from tests.unit.test_checks import MAC, SUBNET, Nodes, checked, failed, link, listed, route

DUAL: dict[str, Any] = {"subnet6": "fd23::/64", "gateway6": "fd23::1"}
SIX: dict[str, Any] = {"name": "six", "subnet6": "fd41::/64", "gateway6": "fd41::1"}


def taken(workers: int = 1, **changes: Any) -> NetworkSettings:
    """The default network with an IPv6 of its own and these changes."""
    return lab(workers=workers, networks=[network(**DUAL | changes)], pods=[]).networks[0]


def alone(**changes: Any) -> NetworkSettings:
    return lab(networks=[SIX | changes], pods=[]).networks[0]


def ipam(made: NetworkSettings) -> dict[str, Any]:
    found = json.loads(nad_config(made, "eth1", listed=True))
    section: dict[str, Any] = found["plugins"][0]["ipam"]
    return section


RANGE = {"subnet": "10.23.0.0/16", "rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.240", "gateway": "10.23.0.1"}
RANGE6 = {"subnet": "fd23::/64", "rangeStart": "fd23::100", "rangeEnd": "fd23::ffff", "gateway": "fd23::1"}


def test_host_local_has_a_set_of_ranges_for_each_family() -> None:
    assert ipam(taken()) == {"type": "host-local", "ranges": [[RANGE], [RANGE6]], "routes": []}


def test_ipv6_alone_has_one_range_as_ipv4_alone_has() -> None:
    assert ipam(alone()) == {
        "type": "host-local",
        "subnet": "fd41::/64",
        "rangeStart": "fd41::100",
        "rangeEnd": "fd41::ffff",
        "routes": [],
        "gateway": "fd41::1",
    }


def test_each_worker_has_its_part_of_both_ranges() -> None:
    both = taken(workers=2)
    first, second = (json.loads(config)["plugins"][0]["ipam"]["ranges"] for config in confs(both))
    assert first == [[RANGE | {"rangeEnd": "10.23.0.169"}], [RANGE6 | {"rangeEnd": "fd23::807f"}]]
    assert second == [[RANGE | {"rangeStart": "10.23.0.170"}], [RANGE6 | {"rangeStart": "fd23::8080"}]]
    assert ranges(both) == (
        "kalico-worker: 10.23.0.100 to 10.23.0.169 and fd23::100 to fd23::807f, "
        "kalico-worker2: 10.23.0.170 to 10.23.0.240 and fd23::8080 to fd23::ffff"
    )
    told = facts(both, "kalico-worker eth1 9a:01\nkalico-worker2 eth1 9a:02\n")
    assert (told["subnet"], told["subnet6"]) == ("10.23.0.0/16", "fd23::/64")
    assert told["nodes"][1]["range"] == "10.23.0.170 to 10.23.0.240 and fd23::8080 to fd23::ffff"


@pytest.mark.parametrize(
    ("said", "start", "end"),
    [
        ({}, "fd23::100", "fd23::ffff"),
        ({"rangeStart6": "fd23::1:0"}, "fd23::1:0", "fd23::1:ffff"),
        ({"rangeEnd6": "fd23::1:0:0"}, "fd23::100", "fd23::1:0:0"),
        ({"rangeStart6": "fd23::ffff:ffff:ffff:fff0"}, "fd23::ffff:ffff:ffff:fff0", "fd23::ffff:ffff:ffff:ffff"),
        ({"rangeStart6": "fd23:0:0:0:0:0:0:00AB"}, "fd23::ab", "fd23::ffff"),
    ],
)
def test_a_range_of_ipv6_is_never_the_whole_subnet_unless_somebody_says_so(
    said: dict[str, str], start: str, end: str
) -> None:
    assert [tuple(map(str, span)) for span in taken(ipam=said).ipam.occupies()][1] == (start, end)


def subnets() -> st.SearchStrategy[IPv6Network]:
    base = int(IPv6Address("fd00::"))
    return st.builds(
        lambda host, prefix: IPv6Network((base + host, prefix), strict=False),
        st.integers(0, 2**120 - 1),
        st.integers(8, 124),
    )


@given(subnets(), st.sampled_from([None, "first", "last"]))
def test_where_nobody_says_a_range_there_is_room_beside_it_for_the_gateway_and_the_peer(
    subnet: IPv6Network, placed: str | None
) -> None:
    gateway = {"first": subnet[1], "last": subnet[-1]}[placed] if placed else None
    span = widest_range(subnet, gateway)
    assert all(address in subnet for address in span)
    assert int(span[0]) <= int(span[1])
    assert gateway is None or not within(gateway, span)
    host = free_host(subnet, [span, *([(gateway, gateway)] if gateway else [])])
    assert host is not None
    assert host in subnet
    assert host not in (gateway, subnet[0])
    assert not within(host, span)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(1, 30))
def test_the_parts_of_a_range_of_ipv6_follow_each_other_and_are_all_of_it(start: int, more: int, workers: int) -> None:
    first = IPv6Address("fd23::") + start
    last = first + max(more, workers)
    parts = split(first, last, workers)
    assert (len(parts), parts[0][0], parts[-1][1]) == (workers, first, last)
    assert all(int(end) + 1 == int(begin) for (_, end), (begin, _) in itertools.pairwise(parts))


SHARED6 = {"range": "fd23::/64", "range_start": "fd23::100", "range_end": "fd23::ffff"}


def test_whereabouts_has_a_range_of_each_family_and_no_gateway_but_that_of_each_route() -> None:
    """It would write the one that it can be told to the addresses of both."""
    said = {"type": "whereabouts", "rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.240"}
    routes = [{"dst": "10.9.0.0/16"}, {"dst": "fd09::/64"}, {"dst": "fd08::/64", "gw": "fd23::7"}]
    made = taken(workers=2, ipam=said, routes=routes)
    assert ipam(made) == {
        "type": "whereabouts",
        "ipRanges": [
            {"range": "10.23.0.0/16", "range_start": "10.23.0.100", "range_end": "10.23.0.240"},
            SHARED6,
        ],
        "routes": [
            {"dst": "10.9.0.0/16", "gw": "10.23.0.1"},
            {"dst": "fd09::/64", "gw": "fd23::1"},
            {"dst": "fd08::/64", "gw": "fd23::7"},
        ],
        "log_level": "error",
    }
    assert (made.ranges, made.ipam.capacity()) == ((), 141)
    both = (("10.23.0.100", "10.23.0.240"), ("fd23::100", "fd23::ffff"))
    assert expected_network(made).ranges == {"kalico-worker": both, "kalico-worker2": both}


def test_whereabouts_of_ipv6_alone_is_written_as_that_of_ipv4_alone() -> None:
    made = alone(ipam={"type": "whereabouts", "routes": [{"dst": "fd09::/64"}]})
    assert ipam(made) == {
        "type": "whereabouts",
        "range": "fd41::/64",
        "range_start": "fd41::100",
        "range_end": "fd41::ffff",
        "routes": [{"dst": "fd09::/64"}],
        "log_level": "error",
        "gateway": "fd41::1",
    }


@pytest.mark.parametrize(
    ("subnet", "said", "last"),
    [
        # The last host is host-local's alone.
        ("fd41::/120", {}, "fd41::fe"),
        ("fd41::/120", {"gateway6": "fd41::fe"}, "fd41::fd"),
        ("fd41::/120", {"gateway6": "fd41::ff"}, "fd41::fe"),
        ("fd41::/120", {"rangeEnd6": "fd41::fe"}, "fd41::fe"),
        ("fd41::/64", {"rangeStart6": "fd41::ffff:ffff:ffff:fff0"}, "fd41::ffff:ffff:ffff:fffe"),
        ("fd41::/48", {"rangeStart6": "fd41::ffff:ffff:ffff:fff0"}, "fd41::ffff:ffff:ffff:ffff"),
    ],
)
def test_whereabouts_ends_where_it_can_count_to(subnet: str, said: dict[str, str], last: str) -> None:
    gateway = {"gateway6": said.get("gateway6", "fd41::1")}
    ends = {key: value for key, value in said.items() if key != "gateway6"}
    made = alone(**gateway, subnet6=subnet, ipam={"type": "whereabouts"} | ends)
    assert str(made.ipam.occupies()[0][1]) == last


@pytest.mark.parametrize("plugin", PLUGINS)
def test_whichever_plugin_makes_the_interface_it_has_addresses_of_both_families(plugin: str) -> None:
    for made in (taken(without="mode", plugin=plugin), alone(plugin=plugin)):
        first = json.loads(nad_config(made, "eth1"))["plugins"][0]
        assert (first["type"], first["ipam"]) == (plugin, ipam(made))
        assert expected_network(made).subnets == tuple(str(side.subnet) for side in made.sides)
        assert [side.version for side in made.sides] == [span[0].version for span in made.ipam.occupies()]


STATIC: dict[str, Any] = (
    {"ipam": {"type": "static"}} | SIX | {"name": "lan", "subnet": "10.40.0.0/16", "gateway": "10.40.0.1"}
)


def test_static_has_each_route_by_the_gateway_of_its_family() -> None:
    routes = [{"dst": "10.9.0.0/16"}, {"dst": "fd09::/64"}, {"dst": "fd08::/64", "gw": "fd41::7"}]
    [lan] = lab(networks=[STATIC | {"routes": routes}], pods=[]).networks
    assert ipam(lan) == {
        "type": "static",
        "routes": [
            {"dst": "10.9.0.0/16", "gw": "10.40.0.1"},
            {"dst": "fd09::/64", "gw": "fd41::1"},
            {"dst": "fd08::/64", "gw": "fd41::7"},
        ],
    }


@pytest.mark.parametrize(
    ("networks", "said", "asked"),
    [
        (STATIC, {"address": "10.40.0.7", "address6": "fd41::7"}, {"ips": ["10.40.0.7/16", "fd41::7/64"]}),
        (SIX | {"ipam": {"type": "static"}, "name": "lan"}, {"address6": "fd41::7"}, {"ips": ["fd41::7/64"]}),
        (STATIC | {"ipam": {}}, {"address6": "fd41::107"}, {"ips": ["fd41::107/64"]}),
        (
            STATIC | {"ipam": {}},
            {"address": "10.40.0.7", "address6": "fd41::107"},
            # In CNI_ARGS host-local reads one alone.
            {"cni-args": {"ips": ["10.40.0.7/16", "fd41::107/64"]}},
        ),
    ],
    ids=["static", "static of IPv6 alone", "one of host-local", "both of host-local"],
)
def test_a_pod_asks_for_its_addresses_in_the_form_that_the_plugin_reads(
    networks: dict[str, Any], said: dict[str, str], asked: dict[str, Any]
) -> None:
    [one] = lab(networks=[networks], pods=[pod(networks=[{"name": "lan", **said}])]).pods
    assert json.loads(networks_annotation(one)) == [{"name": "lan", "namespace": "default"} | asked]


@pytest.mark.parametrize(
    ("changes", "gateway"),
    [
        ({}, ["10.23.0.1", "fd23::1"]),
        ({"without": "gateway6"}, "10.23.0.1"),
        ({"without": "gateway"}, "fd23::1"),
    ],
)
def test_the_routes_plugin_is_told_the_gateways_that_there_are(changes: dict[str, Any], gateway: Any) -> None:
    routes = json.loads(nad_config(taken(**changes), "eth1"))["plugins"][1]
    assert routes == {"type": "kalico-routes", "defaultRoute": "source", "gateway": gateway}


@pytest.mark.parametrize(
    ("changes", "routes"),
    [
        ({}, ["0.0.0.0/0", "::/0"]),
        ({"without": "gateway6"}, ["0.0.0.0/0"]),
        ({"without": "gateway"}, ["::/0"]),
        ({"routes": [{"dst": "::/0", "gw": "fd23::7"}]}, ["0.0.0.0/0", "::/0"]),
    ],
)
def test_the_literal_nad_has_a_default_route_by_each_gateway(changes: dict[str, Any], routes: list[str]) -> None:
    made = taken(defaultRoute="literal", **changes)
    assert [each["dst"] for each in json.loads(nad_config(made, "eth1"))["ipam"]["routes"]] == routes
    # eth0's is of IPv4.
    assert made.has_second_default == ("0.0.0.0/0" in routes)


def test_without_a_default_route_there_is_none_of_ipv6_either() -> None:
    config = json.loads(nad_config(taken(defaultRoute="none"), "eth1"))
    assert config["ipam"]["routes"] == []
    assert config["type"] == "macvlan"


@pytest.mark.parametrize(
    ("changes", "addresses"),
    [
        ({"peer": True}, ["10.23.255.254/16", "fd23::ffff:ffff:ffff:ffff/64"]),
        ({"peer": {"address6": "fd23::9"}}, ["10.23.255.254/16", "fd23::9/64"]),
        ({"gateway6": "peer"}, ["10.23.255.254/16", "fd23::1/64"]),
        ({"gateway": "peer", "gateway6": "peer", "peer": {"address6": "fd23::9"}}, ["10.23.0.1/16", "fd23::9/64"]),
    ],
)
def test_a_peer_has_an_address_of_each_family(changes: dict[str, Any], addresses: list[str]) -> None:
    made = taken(**changes)
    assert made.peer
    assert list(map(str, made.peer.addresses)) == addresses
    [told] = told_of_containers([made], [{"name": "ext-net"}], {"ext-net": "eth0 9a:01\n"}, {})
    said = [address.split("/")[0] for address in addresses]
    assert told["peer"] == {"address": said[0], "address6": said[1], "mac": "9a:01"}


def test_the_peer_of_ipv6_alone_has_that_one() -> None:
    made = alone(peer=True)
    assert made.peer
    assert [str(address) for address in made.peer.addresses] == ["fd41::ffff:ffff:ffff:ffff/64"]
    [told] = told_of_containers([made], [{"name": "six"}], {"six": "eth0 9a:01\n"}, {})
    assert told["peer"] == {"address6": "fd41::ffff:ffff:ffff:ffff", "mac": "9a:01"}
    assert facts(made, "kalico-worker eth1 9a:02")["subnet6"] == "fd41::/64"
    assert "subnet" not in facts(made, "kalico-worker eth1 9a:02")


@pytest.mark.parametrize(
    ("changes", "dead"),
    [
        ({}, ["10.23.0.1", "fd23::1"]),
        ({"gateway": "peer", "gateway6": "peer"}, []),
        ({"gateway": "peer"}, ["fd23::1"]),
        ({"gateway6": "peer"}, ["10.23.0.1"]),
        ({"gateway": "peer", "defaultRoute": "literal"}, ["fd23::1"]),
        ({"gateway": "peer", "peer": {"address6": "fd23::1"}, "defaultRoute": "none", "without": "gateway6"}, []),
    ],
)
def test_a_gateway_of_either_family_that_is_nothing_is_told(changes: dict[str, Any], dead: list[str]) -> None:
    assert [str(gateway) for gateway in dead_gateways(taken(**changes))] == dead


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_knows_nothing_of_ipv6_but_the_label(name: str) -> None:
    label = "kalico.subnet6=fd23::/64"
    words = list(ENGINES[name].network_words(taken()))
    place = words.index(label)
    assert tuple(words[: place - 1] + words[place + 1 :]) == ENGINES[name].network_words(lab().networks[0])
    words = list(ENGINES[name].network_words(alone()))
    assert not {"--subnet", "--ip-range", "--gateway", "--ipv6"} & set(words)
    assert ("--ipam-driver" in words) == (name == "podman")


def test_the_address_of_net1_is_that_of_ipv4_where_it_has_one() -> None:
    def told(*ips: str) -> str | None:
        return net1_address([{"interface": "net1", "ips": list(ips)}])

    assert told("fd23::100", "10.23.0.100") == "10.23.0.100"
    assert told("fd23::100") == "fd23::100"


def test_the_plan_of_the_checks_has_both_families() -> None:
    fixed = {"name": "ext-net", "address": "10.23.0.150", "address6": "fd23::150"}
    settings = lab(networks=[network(**DUAL, peer=True)], pods=[pod(networks=[fixed])])
    made = plan(settings)
    expected = made.networks["ext-net"]
    assert expected.subnets == ("10.23.0.0/16", "fd23::/64")
    assert expected.leaves_by == ("10.23.0.1", "fd23::1")
    assert expected.ranges == {"kalico-worker": (("10.23.0.100", "10.23.0.240"), ("fd23::100", "fd23::ffff"))}
    assert made.interfaces[0].addresses == ("10.23.0.150", "fd23::150")
    assert [peer.address for peer in made.peers] == ["10.23.255.254", "fd23::ffff:ffff:ffff:ffff"]
    assert from_json(to_json(made)) == made


def test_a_default_route_of_each_family_is_expected_as_it_is_told_apart() -> None:
    four, six = ExpectedRoute(dst="default", gw="10.23.0.1"), ExpectedRoute(dst="::/0", gw="fd23::1")
    assert expected_routes(taken(defaultRoute="net1")) == (four, six)
    assert expected_routes(taken(defaultRoute="literal")) == (four, six)
    [one] = expected_routes(taken(defaultRoute="none", routes=[{"dst": "fd09::7/128"}]))
    assert one == ExpectedRoute(dst="fd09::7", gw="fd23::1")


SETTINGS = lab(networks=[network(**DUAL)])
SUBNET6 = route("fd23::/64")
IPS = ("10.23.0.100", "fd23::100")


def seen(
    *addresses: str, routes6: tuple[dict[str, str], ...] = (SUBNET6,), state: str = "", **more: Any
) -> dict[str, dict[str, Any]]:
    """What `ip` says in the pod; `state`: of the last address."""
    found = link(*(addresses or ("10.23.0.100/16", "fd23::100/64")))
    if state:
        found["addr_info"][-1][state] = True
    found["addr_info"] += more.get("besides", [])
    return {"samplepod": {"links": [found], "routes": [[SUBNET], list(routes6)]}}


class BothWays(Nodes):
    """Nodes whose way out is by the gateway of whichever family is asked for."""

    def answer(self, what: str, pod: str, *words: str) -> Answer:
        if what == "way":
            gateway = "fd23::1" if ":" in words[0] else "10.23.0.1"
            return Answer(ok=True, said=f"far from {words[0]} via {gateway} dev net1 table 1003")
        return super().answer(what, pod, *words)


def test_a_pod_of_both_families_passes_with_a_way_out_of_each() -> None:
    results = checked(SETTINGS, BothWays(seen()), listed("samplepod", *IPS))
    assert failed(results) == []
    assert [each.figure for each in results if each.name in ("address", "routes", "way out")] == [
        "10.23.0.100/16, fd23::100/64",
        "10.23.0.0/16, fd23::/64",
        "from 10.23.0.100 via 10.23.0.1 dev net1",
        "from fd23::100 via fd23::1 dev net1",
    ]


ROUTERS = {"local": "fd99::7", "prefixlen": 64, "scope": "global", "dynamic": True}


@pytest.mark.parametrize(
    ("ips", "found", "told"),
    [
        (IPS[:1], seen("10.23.0.100/16"), [("address", "10.23.0.100/16, none of fd23::/64")]),
        (IPS, seen("10.23.0.100/16"), [("address", "10.23.0.100/16, not 10.23.0.100/16, fd23::100/64")]),
        (IPS, seen(state="tentative"), [("address", "fd23::100, which cannot be used yet (tentative)")]),
        (IPS, seen(state="dadfailed"), [("address", "fd23::100, which another has (dadfailed)")]),
        (
            ("10.23.0.100", "fd23::99"),
            seen("10.23.0.100/16", "fd23::99/64"),
            [("address", "10.23.0.100/16, fd23::99/64, not one of fd23::100 to fd23::ffff")],
        ),
        (IPS, seen(routes6=()), [("routes", "lacks fd23::/64")]),
        (
            IPS,
            seen(routes6=(SUBNET6, route("default", gw="fd23::1"))),
            [("routes", "has ::/0 via fd23::1 besides")],
        ),
        # What a router on the link tells the pod is not the config's business.
        (IPS, seen(besides=[ROUTERS]), []),
        (IPS, seen(routes6=(SUBNET6, route("default", gw="fe80::1") | {"protocol": "ra"})), []),
    ],
)
def test_what_an_interface_of_both_families_is_and_should_not_be(
    ips: tuple[str, ...], found: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    assert failed(checked(SETTINGS, BothWays(found), listed("samplepod", *ips))) == told


def test_both_fixed_addresses_are_those_of_the_config() -> None:
    fixed = {"name": "ext-net", "address": "10.23.0.100", "address6": "fd23::150"}
    settings = lab(networks=[network(**DUAL)], pods=[pod(networks=[fixed])])
    told = failed(checked(settings, BothWays(seen()), listed("samplepod", *IPS)))
    assert told == [("address", "10.23.0.100/16, fd23::100/64, not fd23::150")]


def test_pods_and_the_peer_are_asked_of_each_other_in_both_families() -> None:
    settings = lab(networks=[network(**DUAL)], pods=[pod(name="a"), pod(name="b")])
    nodes = BothWays({"a": seen()["samplepod"], "b": seen("10.23.0.101/16", "fd23::101/64")["samplepod"]})
    peer = Peer(network="ext-net", address="10.23.0.9", container="kalico-peer-ext-net", mac=MAC)
    peers = (peer, replace(peer, address="fd23::9"))
    pods = listed("a", *IPS), listed("b", "10.23.0.101", "fd23::101")
    assert failed(checked(settings, nodes, *pods, peers=peers)) == []
    of_a = [request for request in nodes.asked if request.startswith(("near default/a ", "tcp default/a "))]
    assert [request.split()[:5] for request in of_a] == [
        [what, "default/a", "net1", source, target]
        for end in ("101", "9")
        for source, target in (("10.23.0.100", f"10.23.0.{end}"), ("fd23::100", f"fd23::{end}"))
        for what in ("near", "tcp")
    ]
    back = [request.split()[3:5] for request in nodes.asked if request.startswith(f"tcp {peer.container} ")]
    assert back == [["10.23.0.9", f"10.23.0.10{i}"] for i in (0, 1)] + [["fd23::9", f"fd23::10{i}"] for i in (0, 1)]
    sizes = {request.split()[4]: request.split()[-1] for request in nodes.asked if request.startswith("large ")}
    assert (sizes["10.23.0.101"], sizes["fd23::101"]) == (str(1500 - 28), str(1500 - 48))
    assert (sizes["10.23.0.9"], sizes["fd23::9"]) == (str(1500 - 28), str(1500 - 48))


def test_who_else_has_an_address_is_asked_of_both_families_and_told_of_the_one() -> None:
    class Doubled(BothWays):
        def answer(self, what: str, pod: str, *words: str) -> Answer:
            if (what, *words) == ("sole", "net1", "fd23:0000:0000:0000:0000:0000:0000:0100"):
                return Answer(ok=True, said="02:00:00:00:00:99")
            return super().answer(what, pod, *words)

    nodes = Doubled(seen())
    why = "02:00:00:00:00:99 has fd23::100, too; what goes there and back was not judged"
    assert failed(checked(SETTINGS, nodes, listed("samplepod", *IPS))) == [("duplicates", why)]
    assert "sole default/samplepod net1 10.23.0.100" in nodes.asked


def test_a_config_on_the_nodes_is_one_line_with_both_families() -> None:
    assert "\n" not in "".join(nad_config(taken(workers=2), MASTER, part) for part in taken(workers=2).ranges)
