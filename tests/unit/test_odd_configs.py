"""No config, however odd, ends in anything but settings or its faults."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.config import merged
from components.settings import ConfigError, LabSettings, MachineFacts, load, machine_faults, missing_features
from tests.lab_config import DECLARED, PINS, config, network, pod

KNOWN_KEYS = sorted(DECLARED)
INNER_KEYS = [
    *("name", "subnet", "gateway", "parent", "mode", "mtu", "vlan", "nodes", "ipam", "routes", "peer", "forward"),
    *("type", "rangeStart", "rangeEnd", "dst", "gw", "source", "sha256"),
    *("server", "leaseTime"),
    *("defaultRoute", "nodeAddresses", "bnk", "network"),
    *("subnet6", "gateway6", "rangeStart6", "rangeEnd6", "address6", "plugin"),
    *("namespace", "image", "command", "networks", "address", "mac", "count", "node"),
]
ODD_TEXTS = [
    *("", " ", "\n", "\x00", "0", "-1", "9" * 5000, "true", "v1", "host-local", "bridge", "ext-net", "samplepod"),
    *(
        "0.0.0.0/0",
        "0.0.0.0/32",
        "255.255.255.255/32",
        "10.0.0.0/31",
        "10.0.0.0/32",
        "10.0.0.0/30",
        "10.0.0.0/28",
        "10.23.0.0/16",
    ),
    *("fd23::/64", "fd40::/64", "fd40::7", "::/0", "::/128", "ff00::/8", "::ffff:10.0.0.1", "fd40::/127", "fd40::%a"),
    *("0.0.0.1", "255.255.255.255", "10.23.0.1", "10.23.255.255", "10.0.0.0/33", "::", "fe80::1%eth0/64", "1.2.3.4/a"),
    *(
        "\ud800",
        "\u202e",
        "worker",
        "worker2",
        "kalico-worker",
        "default",
        "passthru",
        "ipvlan",
        "l3",
        "net1",
        "literal",
        "02:00:00:00:00:01",
        "a" * 64,
    ),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**12, -(10**12), 4094, 110, 31, 30, 2])
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=4)
    | st.dates()
    | st.sampled_from(ODD_TEXTS)
    | st.ip_addresses(network="10.23.0.0/16").map(str)
)
KEYS = st.sampled_from(INNER_KEYS) | st.text(max_size=8) | st.integers() | st.none() | st.booleans()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
LISTS = st.lists(st.dictionaries(st.sampled_from(INNER_KEYS), ANYTHING, max_size=6), max_size=3)


RICH = config(
    workers=3,
    multusImage="localhost/multus:1",
    featureGates={"Some": True},
    quickReadiness=True,
    calicoManifest={"source": "https://mirror.lab/a.yaml", "sha256": "a" * 64},
    networks=[
        network(nodes=["worker", "worker3"], mtu=1400, parent="eth7", vlan=7, routes=[{"dst": "10.9.0.0/16"}]),
        {
            "name": "lan",
            "subnet": "10.40.0.0/24",
            "ipam": {"rangeEnd": "10.40.0.20", "routes": [{"dst": "10.8.0.0/16", "gw": "10.40.0.30"}]}
            | {"rangeStart6": "fd40::20", "rangeEnd6": "fd40::2ff"},
            "routes": [{"dst": "fd08::/64", "gw": "fd40::2"}],
            "gateway": "peer",
            "peer": {"address": "10.40.0.200", "address6": "fd40::9", "forward": True},
            "subnet6": "fd40::/64",
            "gateway6": "fd40::1",
            "defaultRoute": "none",
        },
        {"name": "whole", "subnet": "10.41.0.0/24", "ipam": {"rangeEnd": "10.41.0.20"}, "nodes": ["worker2"]}
        | {"mode": "passthru"},
        {"name": "own", "subnet": "10.42.0.0/24", "gateway": "10.42.0.1", "nodes": ["worker", "worker2"]}
        | {"ipam": {"type": "static", "routes": [{"dst": "0.0.0.0/0"}]}, "nodeAddresses": ["10.42.0.2", "10.42.0.3"]}
        | {"defaultRoute": "literal"},
        {"name": "six", "subnet6": "fd41::/64", "gateway6": "peer", "ipam": {"type": "static"}},
        {"name": "shared", "subnet": "10.44.0.0/24", "subnet6": "fd44::/64"}
        | {"ipam": {"type": "whereabouts", "rangeStart": "10.44.0.20", "rangeEnd6": "fd44::9999"}},
        {"name": "leased", "subnet": "10.43.0.0/24", "gateway": "10.43.0.1", "routes": [{"dst": "10.7.0.0/16"}]}
        | {"ipam": {"type": "dhcp", "server": {"address": "10.43.0.2"}, "rangeStart": "10.43.0.9", "leaseTime": "5m"}},
        {"name": "by-ip", "subnet": "10.45.0.0/24", "plugin": "ipvlan", "mode": "l2", "peer": True},
        {"name": "apart", "subnet": "10.46.0.0/24", "subnet6": "fd46::/64", "plugin": "bridge", "mtu": 1400},
        {"name": "small", "subnet": "10.47.0.0/30", "plugin": "bridge", "ipam": {"type": "static"}},
    ],
    pods=[
        pod(networks=["ext-net", {"name": "lan", "address": "10.40.0.4", "mac": "02:00:00:00:00:01"}], node="worker"),
        pod(name="six", networks=[{"name": "six", "address6": "fd41::50"}, {"name": "lan", "address6": "fd40::20"}])
        | {"node": "worker"},
        pod(name="many", networks=["lan", "lan"], count=5, namespace="team"),
        pod(name="own", networks=[{"name": "own", "address": "10.42.0.50"}, "leased"]),
        pod(name="others", networks=["by-ip", "apart", {"name": "small", "address": "10.47.0.1"}]),
    ],
    nodeAnnotations={"bnk": True, "network": "own"},
)
"""A config that says all that can be said."""


def test_the_config_that_odd_ones_are_made_from_is_sound() -> None:
    assert isinstance(load(RICH, PINS, "amd64"), LabSettings)


def settings_or_faults(values: dict[str, Any]) -> LabSettings | None:
    """Anything but settings or a message that can be printed, a line for each fault, fails the test."""
    try:
        return load(values, PINS, "amd64")
    except ConfigError as error:
        faults, message = error.faults, str(error)
    message.encode()
    assert len(message.split("\n")) == 1 + len(faults) > 1
    assert all(fault.key and fault.problem and fault.remedy for fault in faults)
    return None


@st.composite
def mutations(draw: st.DrawFn) -> dict[str, Any]:
    """RICH with one to three places of it replaced, left out or added to."""
    values = copy.deepcopy(RICH)
    for _ in range(draw(st.integers(1, 3))):
        inside: Any = values
        while True:
            places = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(inside[place], (dict, list)) and draw(st.integers(0, 3)):
                inside = inside[place]
                continue
            match draw(st.sampled_from(["replace", "replace", "leave out", "add", "repeat"])):
                case "replace":
                    inside[place] = copy.deepcopy(draw(st.sampled_from(ODD_TEXTS) | ANYTHING | others(inside[place])))
                case "leave out":
                    del inside[place]
                case "add" if isinstance(inside, dict):
                    inside[draw(KEYS)] = draw(ANYTHING)
                case _ if isinstance(inside, list):
                    inside.append(copy.deepcopy(inside[place]))
            break
    return values


def others(value: Any) -> st.SearchStrategy[Any]:
    """Values like those that RICH has elsewhere, and numbers in the place of numbers."""
    return st.integers(-1, 5000) if isinstance(value, int) else st.sampled_from(list(leaves(RICH)))


def leaves(value: Any) -> Iterator[Any]:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield inner
        yield from leaves(inner)


@settings(max_examples=400)
@given(mutations())
def test_no_change_of_a_sound_config_ends_in_anything_but_settings_or_faults(values: dict[str, Any]) -> None:
    settings_or_faults(values)


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=12), ANYTHING | LISTS, max_size=8))
@example({"featureGates": {1: True, "a": True}})
@example({"networks": [{"name": "a", "subnet": "0.0.0.0/0"}]})
@example({"\ud800\n": "\ud800", "clusterName": "\ud800"})
@example({"workers": 10**12, "pods": [{"name": "a", "count": 10**12}]})
def test_no_config_however_odd_ends_in_anything_but_settings_or_its_faults(odd: dict[str, Any]) -> None:
    settings_or_faults(config() | odd)


@given(
    ANYTHING | st.dictionaries(st.sampled_from(INNER_KEYS), ANYTHING, max_size=6), st.sampled_from(["networks", "pods"])
)
def test_no_network_or_pod_however_odd_ends_in_anything_else(odd: Any, key: str) -> None:
    [base] = config()[key]
    settings_or_faults(config(**{key: [odd]}))
    settings_or_faults(config(**{key: [base | odd if isinstance(odd, dict) else base, odd]}))


@pytest.mark.parametrize("key", KNOWN_KEYS)
def test_no_number_however_large_ends_in_anything_else(key: str) -> None:
    """Beyond what Python writes in digits."""
    for odd in (10**5000, [10**5000], [{10**5000: 1}], {10**5000: 10**5000}, [{"name": 10**5000, "count": 10**5000}]):
        assert settings_or_faults(config(**{key: odd})) is None


@pytest.mark.parametrize("depth", [10, 500, 100_000])
@pytest.mark.parametrize("key", ["networks", "featureGates"])
def test_no_text_however_deep_ends_in_anything_else(key: str, depth: int) -> None:
    """As Pulumi hands it over."""
    text = "[" * depth + "]" * depth
    assert settings_or_faults(merged(DECLARED, {key: text}, {})) is None


ADDRESSES = st.integers(0, 40).map(lambda i: f"10.40.0.{i}")
ADDRESSES6 = st.integers(0, 40).map(lambda i: f"fd40::{i:x}")


@st.composite
def labs(draw: st.DrawFn) -> dict[str, Any]:
    """Configs of which many are sound: workers, one network of few addresses of one family or both, pods on it."""
    workers = draw(st.integers(1, 4))
    nodes = draw(st.none() | st.lists(st.sampled_from(["worker", "worker2", "worker3"]), min_size=1, unique=True))
    lan: dict[str, Any] = {
        "name": "lan",
        "subnet": "10.40.0.0/24",
        "ipam": {"rangeStart": draw(ADDRESSES), "rangeEnd": draw(ADDRESSES)},
    }
    fixed = {"address": ADDRESSES}
    if draw(st.booleans()):
        lan |= {
            "subnet6": "fd40::/64",
            "ipam": lan["ipam"] | {"rangeStart6": draw(ADDRESSES6), "rangeEnd6": "fd40::30"},
        }
        fixed |= {"address6": ADDRESSES6}
    attachment = st.fixed_dictionaries({"name": st.just("lan")}, optional=fixed)
    described = st.fixed_dictionaries(
        {"networks": st.lists(st.just("lan") | attachment, max_size=3)},
        optional={"count": st.integers(1, 4), "node": st.sampled_from(["worker", "worker2"])},
    )
    pods = draw(st.lists(described, max_size=4))
    return config(
        workers=workers,
        networks=[lan | ({"nodes": nodes} if nodes else {})],
        pods=[each | {"name": f"pod{i}"} for i, each in enumerate(pods)],
    )


@settings(max_examples=300)
@given(labs())
def test_what_is_taken_has_an_address_for_every_pod_where_it_can_run(values: dict[str, Any]) -> None:
    taken = settings_or_faults(values)
    if taken is None:
        return
    [lan] = taken.networks
    parts = {part.worker: part for part in lan.ranges}
    assert tuple(parts) == lan.nodes
    pods = [each for kind in taken.pods for each in kind.each()]
    fixed = [address.ip for one in pods for each in one.networks for address in each.addresses]
    assert len(set(fixed)) == len(fixed)
    assert sum(len(one.networks) for one in pods) <= sum(part.size for part in parts.values())
    for one in pods:
        assert set(one.nodes) <= set(lan.nodes) or not one.networks
        for attachment in one.networks:
            for address in attachment.addresses:
                [home] = one.nodes or lan.nodes
                assert address.ip in parts[home]
    for worker, part in parts.items():
        assert sum(len(one.networks) for one in pods if one.nodes == (worker,)) <= part.size


@given(mutations())
def test_no_machine_is_too_odd_for_what_is_taken(values: dict[str, Any]) -> None:
    taken = settings_or_faults(values)
    if taken is not None:
        bare = MachineFacts(
            links={},
            default_link=None,
            routes=(),
            engine="podman",
            makes_vlans=False,
            addresses_nodes=False,
            engine_networks=(),
            features=frozenset(),
        )
        assert {str(fault) for fault in missing_features(taken, bare.features)} <= {
            str(fault) for fault in machine_faults(taken, bare)
        }
