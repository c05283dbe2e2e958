"""The self-test's plan out of the config, and what is made of what the pods have."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.annotations import NETWORK_STATUS
from components.checks import judge
from components.checks.judge import Result
from components.checks.plan import MANY, ExpectedRoute, Peer, Plan, expected_routes, from_json, pairs, plan, to_json
from components.checks.run import Answer, answers, check, homes_of, look_into
from tests.lab_config import lab, network, pod

MAC = "02:00:00:00:00:01"
PEER = Peer(network="ext-net", address="10.23.0.50", container="kalico-peer-ext-net", mac="02:00:00:00:00:50")


def listed(
    name: str, *ips: str, interface: str = "net1", node: str = "kalico-worker", mac: str = MAC
) -> dict[str, Any]:
    """A pod as the API lists it."""
    status = [{"name": "default/ext-net", "interface": interface, "ips": list(ips), "mac": mac}]
    metadata = {"name": name, "namespace": "default", "annotations": {NETWORK_STATUS: json.dumps(status)}}
    return {"metadata": metadata, "spec": {"nodeName": node}}


def link(*addresses: str, name: str = "net1", flags: str = "UP LOWER_UP", mtu: int = 1500, mac: str = MAC) -> Any:
    info = [
        {"local": address.split("/")[0], "prefixlen": int(address.split("/")[1]), "scope": "global"}
        for address in addresses
    ]
    return {"ifname": name, "flags": flags.split(), "mtu": mtu, "address": mac, "addr_info": info}


def route(dst: str, dev: str = "net1", gw: str = "") -> dict[str, str]:
    return {"dst": dst, "dev": dev} | ({"gateway": gw} if gw else {})


SUBNET = route("10.23.0.0/16")
DEFAULT = route("default", gw="10.23.0.1")
ETH0 = route("default", dev="eth0", gw="169.254.1.1")
WAY = "192.0.2.1 from 10.23.0.100 via 10.23.0.1 dev net1 table 1002 uid 0"
LITERAL = lab(networks=[network(defaultRoute="literal")])


class Nodes:
    """Answers for every node: what a test laid down for a request's beginning, else a bare yes."""

    def __init__(self, facts: dict[str, Any], **said: Answer) -> None:
        self.facts, self.said = facts, said
        self.asked: list[str] = []

    def ask(self, requests: Any) -> list[Answer]:
        self.asked += requests
        return [self.answer(*request.split()) for request in requests]

    def answer(self, what: str, pod: str, *words: str) -> Answer:
        if what == "pod":
            return Answer(ok=True, said=json.dumps(self.facts[pod.split("/")[1]]))
        if what == "here" and what not in self.said:
            return Answer(ok=True, said=json.dumps(facts() | {"links": [link("10.23.0.50/16", name="eth0", mtu=1300)]}))
        usual = {"api": "200 1.0", "near": MAC, "way": WAY, "sole": ""}
        return self.said.get(what, Answer(ok=True, said=usual.get(what, "1.0")))


def facts(*routes: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {"links": [link(**changes) if changes else link("10.23.0.100/16")], "routes": [list(routes), []]}


def checked(settings: Any, nodes: Nodes, *pods: dict[str, Any], peers: tuple[Peer, ...] = ()) -> list[Result]:
    homes = {pod["spec"]["nodeName"]: nodes for pod in pods} | {peer.container: nodes for peer in peers}
    return check(replace(plan(settings), peers=peers), pods, homes)


def failed(results: list[Result]) -> list[tuple[str, str]]:
    return [(each.name, each.figure) for each in results if each.ok is False]


def test_the_plan_says_what_the_config_says() -> None:
    made = plan(lab())
    assert (made.api, [each.pod for each in made.interfaces]) == ("10.96.0.1", ["default/samplepod"])
    expected = made.networks["ext-net"]
    assert (expected.subnets, expected.pods_apart, expected.bridges, expected.mtu) == (
        ("10.23.0.0/16",),
        "",
        False,
        None,
    )
    assert (expected.routes, expected.leaves_by, expected.second_default) == ((), ("10.23.0.1",), False)
    assert expected.ranges == {"kalico-worker": (("10.23.0.100", "10.23.0.240"),)}


def test_each_pod_of_a_count_and_each_interface_is_planned_by_its_name() -> None:
    fixed = {"name": "ext-net", "address": "10.23.0.150", "mac": "02:00:00:00:00:17"}
    made = plan(lab(pods=[pod(name="a", count=2, networks=["ext-net"]), pod(name="b", networks=["ext-net", fixed])]))
    assert [(each.pod, each.interface, each.addresses, each.mac) for each in made.interfaces] == [
        ("default/a-1", "net1", (), None),
        ("default/a-2", "net1", (), None),
        ("default/b", "net1", (), None),
        ("default/b", "net2", ("10.23.0.150",), "02:00:00:00:00:17"),
    ]


def test_a_plan_is_the_same_when_it_was_written_and_read() -> None:
    made = plan(lab(workers=2, networks=[network(peer={"address": "10.23.0.50"})]))
    assert made.peers == (replace(PEER, mac=""),)
    assert from_json(to_json(made)) == made


def test_routes_go_by_their_own_gateway_else_the_networks() -> None:
    routes = [{"dst": "10.50.0.0/16", "gw": "10.23.0.9"}, {"dst": "10.51.0.7/32"}]
    settings = lab(networks=[network(routes=routes)])
    assert expected_routes(settings.networks[0]) == (
        ExpectedRoute(dst="10.50.0.0/16", gw="10.23.0.9"),
        ExpectedRoute(dst="10.51.0.7", gw="10.23.0.1"),
    )


@pytest.mark.parametrize("count", range(MANY + 1))
def test_of_a_few_each_asks_every_other(count: int) -> None:
    assert pairs(["a"] * count, list(map(str, range(count)))) == list(itertools.permutations(range(count), 2))


def test_of_a_few_nobody_asks_its_own_pod() -> None:
    assert pairs(["a"] * 3, ["one", "one", "two"]) == [(0, 2), (1, 2), (2, 0), (2, 1)]


@pytest.mark.parametrize("count", [MANY + 1, 20, 110])
def test_of_many_each_is_asked_both_ways_and_so_is_each_two_of_the_nodes(count: int) -> None:
    nodes = [f"node{min(i, 3)}" for i in range(count)]
    asked = pairs(nodes, list(map(str, range(count))))
    assert len(asked) == len(set(asked)) < 4 * count
    assert {(b, a) for a, b in asked} == set(asked)
    assert {a for a, _ in asked} == set(range(count))
    assert {(nodes[a], nodes[b]) for a, b in asked} >= set(itertools.permutations(set(nodes), 2))
    assert all(a != b for a, b in asked)


@pytest.mark.parametrize("counts", [(3, 3, 3), (7, 1), (1, 7), (4, 2, 2), (5, 0, 3), (1, 1, 9)])
def test_of_many_each_is_asked_of_another_pod_however_many_interfaces_a_pod_has(counts: tuple[int, ...]) -> None:
    pods = [f"pod{i}" for i, count in enumerate(counts) for _ in range(count)]
    asked = pairs(["node"] * len(pods), pods)
    assert {a for a, _ in asked} == set(range(len(pods)))
    assert {(b, a) for a, b in asked} == set(asked)
    assert all(pods[a] != pods[b] for a, b in asked)
    assert len(asked) <= 2 * len(pods)


def test_of_pods_with_as_many_interfaces_each_has_two_to_ask() -> None:
    asked = pairs(["node"] * 9, [f"pod{i // 3}" for i in range(9)])
    assert [sum(a == i for a, _ in asked) for i in range(9)] == [2] * 9


def test_many_of_a_pod_that_is_alone_ask_nobody() -> None:
    assert pairs(["node"] * (MANY + 1), ["pod"] * (MANY + 1)) == []


def test_the_seeds_pod_passes_with_its_second_default_route_pointed_out() -> None:
    nodes = Nodes({"samplepod": facts(DEFAULT, ETH0, SUBNET)})
    results = checked(LITERAL, nodes, listed("samplepod", "10.23.0.100"))
    assert failed(results) == []
    assert [each.name for each in results if each.ok] == [
        *("link", "address", "MAC", "MTU", "routes"),
        *("DNS", "API", "duplicates"),
    ]
    (note,) = [each for each in results if each.name == "default routes"]
    assert note.figure.startswith("2: net1 (10.23.0.1), eth0 (169.254.1.1); the first wins")


def test_default_routes_are_counted_by_family() -> None:
    routes = [{"dst": "::/0", "dev": f"net{i}", "gateway": f"fd{i}::1"} for i in (1, 2)]
    one_of_each = judge.Facts(links={}, routes=(DEFAULT, routes[0]))
    assert judge.default_routes("default/a", one_of_each) is None
    two_of_ipv6 = judge.default_routes("default/a", judge.Facts(links={}, routes=(DEFAULT, *routes)))
    assert two_of_ipv6
    assert two_of_ipv6.figure == "2 of IPv6: net1 (fd1::1), net2 (fd2::1); the first wins"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (link("10.23.0.100/16", flags="UP"), ("link", "is not up (UP)")),
        (link("10.23.0.100/24"), ("address", "10.23.0.100/24, not 10.23.0.100/16")),
        (link(), ("address", "none, not 10.23.0.100/16")),
        (link("10.23.0.100/16", mac="02:00:00:00:00:99"), ("MAC", f"02:00:00:00:00:99, not {MAC}")),
        (link("10.23.0.100/16", mtu=1400), ("MTU", "1400, not 1500")),
        (link("10.23.0.100/16", name="net2"), ("interface", "there is none in the pod's namespace")),
    ],
)
def test_what_an_interface_is_and_should_not_be(seen: Any, told: tuple[str, str]) -> None:
    nodes = Nodes({"samplepod": {"links": [seen], "routes": [[SUBNET], []]}})
    settings = lab(networks=[network(mtu=1500)])
    assert failed(checked(settings, nodes, listed("samplepod", "10.23.0.100"))) == [told]


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([SUBNET], "lacks default via 10.23.0.1"),
        ([DEFAULT], "lacks 10.23.0.0/16"),
        ([SUBNET, route("default", gw="10.23.0.2")], "lacks default via 10.23.0.1"),
        ([SUBNET, DEFAULT, route("10.9.0.0/16")], "has 10.9.0.0/16 besides"),
        ([DEFAULT, ETH0, route("10.23.0.0/16", dev="eth0")], "lacks 10.23.0.0/16"),
    ],
)
def test_routes_that_are_missing_or_nobody_asked_for(routes: list[dict[str, str]], told: str) -> None:
    nodes = Nodes({"samplepod": facts(*routes)})
    assert failed(checked(LITERAL, nodes, listed("samplepod", "10.23.0.100"))) == [("routes", told)]


@pytest.mark.parametrize(("routes", "told"), [([SUBNET, route("10.9.0.0/16", gw="10.23.0.7")], []), ([], ["routes"])])
def test_routes_that_a_dhcp_server_of_anothers_tells_are_its_own_affair(
    routes: list[dict[str, str]], told: list[str]
) -> None:
    settings = lab(networks=[network() | {"ipam": {"type": "dhcp", "server": False}, "defaultRoute": "none"}])
    nodes = Nodes({"samplepod": facts(*routes)})
    results = checked(settings, nodes, listed("samplepod", "10.23.0.100"))
    assert [name for name, _ in failed(results)] == told


@pytest.mark.parametrize(("address", "worker"), [("10.23.0.100", "kalico-worker2"), ("10.23.0.99", "kalico-worker")])
def test_a_lease_is_of_the_servers_range_whichever_worker_has_it(address: str, worker: str) -> None:
    ipam = {"type": "dhcp", "rangeStart": "10.23.0.100", "rangeEnd": "10.23.0.199"}
    settings = lab(workers=2, networks=[network() | {"ipam": ipam}])
    nodes = Nodes({"samplepod": {"links": [link(f"{address}/16")], "routes": [[SUBNET], []]}})
    wrong = [("address", f"{address}/16, not one of 10.23.0.100 to 10.23.0.199")] if address == "10.23.0.99" else []
    assert failed(checked(settings, nodes, listed("samplepod", address, node=worker))) == wrong


def test_what_is_bound_to_the_interfaces_address_leaves_by_the_networks_gateway() -> None:
    pods, seen = listed("samplepod", "10.23.0.100"), {"samplepod": facts(SUBNET, ETH0)}
    (way,) = [each for each in checked(lab(), Nodes(seen), pods) if each.name == "way out"]
    assert (way.ok, way.figure) == (True, "from 10.23.0.100 via 10.23.0.1 dev net1")
    by_eth0 = Answer(ok=True, said="192.0.2.1 from 10.23.0.100 via 169.254.1.1 dev eth0 uid 0")
    told = f"from 10.23.0.100 via 10.23.0.1 dev net1, not {by_eth0.said}"
    assert failed(checked(lab(), Nodes(seen, way=by_eth0), pods)) == [("way out", told)]
    by_net10 = Answer(ok=True, said="192.0.2.1 from 10.23.0.100 via 10.23.0.1 dev net10 uid 0")
    assert [name for name, _ in failed(checked(lab(), Nodes(seen, way=by_net10), pods))] == ["way out"]


def test_a_default_route_that_is_to_be_net1s_is_looked_for() -> None:
    settings = lab(networks=[network(defaultRoute="net1")])
    for routes, told in (([SUBNET, DEFAULT], []), ([SUBNET, ETH0], [("routes", "lacks default via 10.23.0.1")])):
        nodes = Nodes({"samplepod": facts(*routes)})
        assert failed(checked(settings, nodes, listed("samplepod", "10.23.0.100"))) == told


def test_an_address_of_another_workers_part_is_told() -> None:
    nodes = Nodes({"samplepod": facts(SUBNET)})
    settings = lab(workers=2, networks=[network(ipam={"rangeEnd": "10.23.0.103"})])
    results = checked(settings, nodes, listed("samplepod", "10.23.0.100", node="kalico-worker2"))
    assert failed(results) == [("address", "10.23.0.100/16, not one of 10.23.0.102 to 10.23.0.103")]


def test_an_address_that_two_pods_have_is_told_of_both() -> None:
    nodes = Nodes({name: facts(SUBNET) for name in ("a", "b")})
    settings = lab(pods=[pod(name="a"), pod(name="b")])
    results = checked(settings, nodes, listed("a", "10.23.0.100"), listed("b", "10.23.0.100"))
    assert [figure for name, figure in failed(results) if name == "address"] == [
        f"10.23.0.100/16, which default/{other} has too" for other in "ba"
    ]


def test_a_fixed_address_and_mac_are_those_of_the_config() -> None:
    nodes = Nodes({"samplepod": facts(SUBNET)})
    fixed = {"name": "ext-net", "address": "10.23.0.150", "mac": "02:00:00:00:00:17"}
    results = checked(lab(pods=[pod(networks=[fixed])]), nodes, listed("samplepod", "10.23.0.100"))
    assert failed(results) == [("address", "10.23.0.100/16, not 10.23.0.150"), ("MAC", f"{MAC}, not 02:00:00:00:00:17")]


def test_a_pod_that_is_not_there_or_lacks_an_interface_is_told_and_the_others_are_checked() -> None:
    nodes = Nodes({"c": facts(SUBNET)})
    settings = lab(pods=[pod(name=name) for name in "abc"])
    results = checked(settings, nodes, listed("b", interface="net7"), listed("c", "10.23.0.100"))
    assert failed(results) == [("interface", "there is no such pod"), ("interface", "there is none")]
    assert [each.pod for each in results if each.ok and each.name == "API"] == ["default/c"]


@pytest.mark.parametrize("said", [Answer(ok=False, said="timed out"), Answer(ok=True, said="503 1.0")])
def test_an_api_that_does_not_answer_is_a_failure_but_where_the_config_puts_a_route_in_its_way(said: Answer) -> None:
    for settings, routes, ok in ((lab(), [SUBNET], False), (LITERAL, [SUBNET, DEFAULT], None)):
        nodes = Nodes({"samplepod": facts(*routes)}, api=said)
        (api,) = [each for each in checked(settings, nodes, listed("samplepod", "10.23.0.100")) if each.name == "API"]
        assert api.ok is ok


def two(nodes: Nodes, peers: tuple[Peer, ...] = (), **changes: Any) -> list[Result]:
    settings = lab(networks=[network(**changes)], pods=[pod(name="a"), pod(name="b")])
    pods = listed("a", "10.23.0.100"), listed("b", "10.23.0.101", mac="02:00:00:00:00:02")
    return checked(settings, nodes, *pods, peers=peers)


def both(**said: Answer) -> Nodes:
    b = facts(SUBNET) | {"links": [link("10.23.0.101/16", mac="02:00:00:00:00:02", mtu=1400)]}
    return Nodes({"a": facts(SUBNET), "b": b}, **said)


def test_another_mac_than_the_pods_behind_its_address_is_told() -> None:
    told = failed(two(both(near=Answer(ok=True, said=MAC))))
    why = "another has the address, or the pod another MAC"
    assert told == [("neighbour", f"10.23.0.101, {MAC}, not 02:00:00:00:00:02: {why}")]


def test_a_large_packet_is_as_large_as_the_smaller_mtu() -> None:
    nodes = both()
    two(nodes)
    assert {request.split()[-1] for request in nodes.asked if request.startswith("large ")} == {str(1400 - 28)}


def test_what_cannot_listen_is_told_of_what_would_be_sent_there_and_not_asked() -> None:
    nodes = both(serve=Answer(ok=False, said="the port is taken"))
    told = [name for name, figure in failed(two(nodes)) if "the port is taken" in figure]
    assert sorted(told) == ["TCP", "TCP", "large packet", "large packet"]
    assert not [request for request in nodes.asked if request.startswith(("tcp ", "large "))]


@pytest.mark.parametrize("mode", ["private", "vepa"])
def test_pods_that_the_mode_keeps_apart_are_not_asked_of_each_other_and_a_note_says_so(mode: str) -> None:
    nodes = both()
    notes = [each.figure for each in two(nodes, mode=mode) if each.ok is None and each.what == "ext-net"]
    assert f"between pods were not asked: {mode} keeps those of one parent apart" in notes[0]
    assert not [request for request in nodes.asked if request.startswith(("near ", "tcp ", "large "))]


def test_of_a_peer_that_a_switch_may_keep_apart_the_note_says_that_it_was_not_asked() -> None:
    nodes = both()
    changes = {"mode": "vepa", "parent": "eth7", "peer": {"address": PEER.address}}
    notes = [each.figure for each in two(nodes, peers=(PEER,), **changes) if each.ok is None and each.what == "ext-net"]
    assert notes[0].startswith("between pods, to and from the peer were not asked: vepa keeps those of one parent")
    assert not [request for request in nodes.asked if request.startswith(("near ", "tcp ", "large "))]


def test_a_pod_that_is_on_a_network_twice_is_asked_by_address_and_not_of_itself() -> None:
    nodes = Nodes({"samplepod": facts(SUBNET)})
    status = [
        {"name": "default/ext-net", "interface": f"net{i}", "ips": [f"10.23.0.10{i}"], "mac": MAC} for i in (1, 2)
    ]
    seen = listed("samplepod")
    seen["metadata"]["annotations"][NETWORK_STATUS] = json.dumps(status)
    checked(lab(pods=[pod(networks=["ext-net", "ext-net"])]), nodes, seen)
    served = [request.split()[2] for request in nodes.asked if request.startswith("serve ")]
    assert served == ["-", "-"]
    assert not [request for request in nodes.asked if request.startswith("tcp ")]


def test_a_peer_and_every_pod_ask_each_other() -> None:
    nodes = both(near=Answer(ok=True, said=PEER.mac))
    asked = [
        (each.name, each.pod, each.what) for each in two(nodes, peers=(PEER,)) if "the peer" in each.what and each.ok
    ]
    assert sorted(asked) == sorted(
        (name, f"default/{pod}", f"net1 {way} the peer")
        for pod in "ab"
        for name, way in (("neighbour", "to"), ("TCP", "to"), ("large packet", "to"), ("TCP", "from"))
    )
    served = {
        tuple(request.split()[1:4]): request.split()[4] for request in nodes.asked if request.startswith("serve ")
    }
    peer = served[PEER.container, "-", PEER.address]
    assert f"tcp default/a net1 10.23.0.100 {PEER.address} {peer}" in nodes.asked
    a = served["default/a", "net1", "10.23.0.100"]
    assert f"tcp {PEER.container} - {PEER.address} 10.23.0.100 {a}" in nodes.asked


def test_a_large_packet_to_the_peer_is_as_large_as_the_smaller_mtu() -> None:
    """The peer's is 1300 here."""
    nodes = both()
    two(nodes, peers=(PEER,))
    assert {
        request.split()[-1] for request in nodes.asked if f" {PEER.address} " in request and "large" in request
    } == {str(1300 - 28)}


def test_a_peer_that_does_not_answer_is_told_of_every_way_to_it_and_back_and_the_rest_is_asked() -> None:
    gone = Answer(ok=False, said="it does not answer")
    results = two(both(here=gone, near=Answer(ok=False, said="no neighbour")), peers=(PEER,))
    told = {(each.name, each.what) for each in results if each.ok is False and "peer" in each.what}
    assert told == {
        ("neighbour", "net1 to the peer"),
        ("TCP", "net1 to the peer"),
        ("large packet", "net1 to the peer"),
        ("TCP", "net1 from the peer"),
    }
    assert ("TCP", "net1 to b net1") in {(each.name, each.what) for each in results if each.ok}


def test_a_peer_on_a_network_without_pods_is_asked_nothing() -> None:
    nodes = Nodes({"samplepod": facts(SUBNET)})
    checked(lab(), nodes, listed("samplepod", "10.23.0.100"), peers=(replace(PEER, network="another"),))
    assert not [request for request in nodes.asked if PEER.container in request]


def test_who_else_has_a_pods_address_is_told_once_and_what_would_go_to_either_is_not_judged() -> None:
    class Doubled(Nodes):
        def answer(self, what: str, pod: str, *words: str) -> Answer:
            if what == "sole" and pod == "default/a":
                return Answer(ok=True, said=f"02:00:00:00:00:99 {MAC}")
            if what in ("tcp", "large", "near") and "10.23.0.100" in words:
                return Answer(ok=False, said="it went to the other")
            return super().answer(what, pod, *words)

    usual = both()
    doubled = Doubled(usual.facts)
    why = "02:00:00:00:00:99 has 10.23.0.100, too; what goes there and back was not judged"
    results = two(doubled, peers=(PEER,))
    assert [each for each in failed(results) if each[0] != "neighbour"] == [("duplicates", why)]
    assert {each.what for each in results if "peer" in each.what} == {"net1 to the peer", "net1 from the peer"}
    assert {each.pod for each in results if "peer" in each.what} == {"default/b"}


def test_a_probe_that_cannot_be_sent_is_a_failure_of_its_own_and_packets_are_judged() -> None:
    results = two(both(sole=Answer(ok=False, said="no such device")))
    told = [("duplicates", f"10.23.0.10{i}, no such device") for i in (0, 1)]
    assert [each for each in failed(results) if each[0] == "duplicates"] == told
    assert [each for each in results if each.name == "TCP" and each.ok]


def test_a_pod_that_waits_for_an_address_of_a_range_that_is_used_up_is_told_and_the_others_are_checked() -> None:
    """As the API lists one whose sandbox could not be made: on its node, without a word of its networks."""
    waits: dict[str, Any] = {
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"nodeName": "kalico-worker"},
        "status": {"phase": "Pending"},
    }
    nodes = Nodes({"a": facts(SUBNET)})
    results = checked(lab(pods=[pod(name="a"), pod(name="b")]), nodes, listed("a", "10.23.0.100"), waits)
    assert [(each.pod, each.name, each.figure) for each in results if each.ok is False] == [
        ("default/b", "interface", "there is none")
    ]
    of_a = {each.name for each in results if each.pod == "default/a" and each.ok}
    assert of_a == {"link", "address", "MAC", "MTU", "routes", "DNS", "API", "duplicates", "way out"}
    plan_ = plan(lab(pods=[pod(name="a"), pod(name="b")]))
    assert homes_of(plan_, [listed("a", "10.23.0.100"), waits, listed("else", "10.23.0.9")]) == {
        "default/a": "kalico-worker",
        "default/b": "kalico-worker",
    }


def test_where_to_look_is_shown_of_a_few_pods_and_once_of_their_node(tmp_path: Path, monkeypatch: Any) -> None:
    """One of them has no interface and no namespace: the node's own words are then all there is."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    class Telling(Nodes):
        def answer(self, what: str, pod: str = "", *words: str) -> Answer:
            return Answer(ok=True, said="", more=(f"{what} {pod}",)) if what != "pod" else Answer(ok=False, said="gone")

    results = [Result(name="TCP", pod=f"default/{name}", what="net1", ok=False, figure="") for name in "aabcd"]
    homes = {"default/a": "kalico-worker", "default/b": "kalico-worker"}
    nodes = Telling({})
    lines = look_into(results, homes, {"kalico-worker": nodes}, tmp_path)
    for name in "ab":
        assert lines.count(f"default/{name}: events") == 1
        assert lines.count(f"AddedInterface of {name}") == 1
        assert f"multus said {name}" in lines
        assert lines[lines.index(f"journal {name}") - 1].startswith(f"default/{name}: kubelet and containerd of")
        assert f"state default/{name}" in lines
    assert "AddedInterface of c" in lines
    assert "default/d: events" not in lines
    assert lines[-2:] == ["kalico-worker: its own links", "links "]
    assert nodes.asked.count("links") == 1


KUBECTL = """#!/bin/bash
case "$*" in
  *involvedObject.name=*) words=$* && words=${words#*involvedObject.name=} && echo "AddedInterface of ${words%% *}" ;;
  *app=multus*) [[ $* == *spec.nodeName=kalico-worker* ]] && echo pod/multus ;;
  *'logs --namespace kube-system pod/multus'*) printf 'multus said %s\n' a b else ;;
  *) exit 97 ;;
esac
"""


def test_answers_are_read_with_what_came_before_them() -> None:
    told = answers(["0 ok 1.0\n", "2 more a\n", "2 more b\n", "\n", "2 ok\n", "1 failed no answer\n"])
    assert told == {
        "0": Answer(ok=True, said="1.0"),
        "1": Answer(ok=False, said="no answer"),
        "2": Answer(ok=True, said="", more=("a", "b")),
    }


def test_a_line_says_where_to_look_only_of_a_failure() -> None:
    result = Result(name="TCP", pod="default/a", what="net1 to b net1", ok=True, figure="10.23.0.101", where="there")
    assert str(result) == "ok    a net1 to b net1: TCP 10.23.0.101"
    assert str(replace(result, ok=False)) == "FAIL  a net1 to b net1: TCP 10.23.0.101 (look at there)"


def test_the_summary_counts() -> None:
    result = Result(name="TCP", pod="a/b", what="", ok=True, figure="")
    results = [result, replace(result, ok=False), replace(result, ok=None)]
    assert judge.summary(results) == "self-test: 1 passed, 1 failed, 1 note"
    said = json.loads(judge.as_output(results))
    assert (said["passed"], said["failed"], len(said["checks"])) == (1, 1, 3)


def test_a_plan_without_pods_asks_nobody() -> None:
    assert check(Plan(api="", networks={}, interfaces=()), [], {}) == []
