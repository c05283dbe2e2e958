"""Every rule of the config: what is refused, by which key, and how it is said."""

import ast
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.settings import ConfigError
from components.settings.faults import Faults
from components.settings.ipam import IPAM_TYPES, HostLocal
from tests.lab_config import ROOT, faults, lab, network, pod

MANIFEST = {"source": "/srv/a.yaml", "sha256": "a" * 64}
LAN = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}}

WHEREABOUTS = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"type": "whereabouts"}}
STATIC = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"type": "static"}}
EVERYWHERE = {"dst": "0.0.0.0/0"}
BEYOND = {"dst": "10.9.0.0/16"}
BEYOND6 = {"dst": "fd09::/64"}
DUAL: dict[str, Any] = {"subnet6": "fd23::/64", "gateway6": "fd23::1"}
WITHOUT_SUBNET: dict[str, dict[str, Any]] = {
    "gateway": {"gateway": "10.40.0.1"},
    "ipam.rangeEnd": {"ipam": {"rangeEnd": "10.40.0.9"}},
    "peer.address": {"peer": {"address": "10.40.0.9"}},
    "nodeAddresses": {"nodeAddresses": ["10.40.0.9"]},
}
LAN6: dict[str, Any] = {"name": "lan", "subnet6": "fd40::/64"}
OUTWARD = {"gateway": "10.40.0.254", "defaultRoute": "net1"}
NO_NETWORKS: dict[str, Any] = {"networks": [], "pods": []}
ON_LAN = {"name": "lan", "address": "10.40.0.7"}
ON = pod(networks=[ON_LAN])
NODES = "10.40.254.7"


class TakesAny(HostLocal):
    """Stands for a type by which no pod can have an address of its choice."""

    fixes_addresses = False


class KnowsNoRange(HostLocal):
    """Stands for a type whose addresses are others' to give."""

    def capacity(self) -> None:  # type: ignore[override]
        return None

    def occupies(self) -> tuple[()]:
        return ()


@pytest.fixture(autouse=True)
def other_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types with what host-local has not."""
    monkeypatch.setitem(IPAM_TYPES, "takes-any", TakesAny)
    monkeypatch.setitem(IPAM_TYPES, "knows-no-range", KnowsNoRange)


IMAGES: dict[str, Callable[[str], dict[str, Any]]] = {
    "nodeImage": lambda name: {"nodeImage": name},
    "multusImage": lambda name: {"multusImage": name},
    "whereaboutsImage": lambda name: {"networks": [WHEREABOUTS], "pods": [], "whereaboutsImage": name},
    "dhcpServerImage": lambda name: {"dhcpServerImage": name},
    "pods[0].image": lambda name: {"pods": [pod(image=name)]},
}

ROUTES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "routes": lambda route: network(routes=[route]),
    "ipam.routes": lambda route: network(ipam={"routes": [route]}),
}


def nodes(*names: Any) -> dict[str, Any]:
    """A lab of two workers, of which these join the network."""
    return {"workers": 2, "networks": [network(nodes=list(names))]}


def on(node: str, **changes: Any) -> dict[str, Any]:
    """A lab of two workers and a pod on that one."""
    return {"workers": 2, "networks": [network(**changes)], "pods": [pod(node=node)]}


def fixed(*, without: str = "", workers: int = 1, node: Any = None, count: Any = None, **keys: Any) -> dict[str, Any]:
    """A lab with a pod whose attachment has these keys."""
    attachment = {key: value for key, value in ({"name": "ext-net"} | keys).items() if key != without}
    return {"workers": workers, "pods": [pod(networks=[attachment], node=node, count=count)]}


def made_by(plugin: str, **changes: Any) -> dict[str, Any]:
    """A lab whose network has that plugin, and no pods."""
    without = "" if "mode" in changes else "mode"
    return {"networks": [network(without=without, plugin=plugin, **changes)], "pods": []}


def peer(said: Any, **changes: Any) -> dict[str, Any]:
    """A lab whose network has a peer of which that is said, and no pods."""
    return {"networks": [network(peer=said, **changes)], "pods": []}


def leased(without: str = "", **ipam: Any) -> dict[str, Any]:
    """A lab whose network has DHCP with these keys, and no pods; `of_network` are the network's own."""
    own = ipam.pop("of_network", {})
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "gateway": "10.40.0.1"} | own | {"ipam": {"type": "dhcp"} | ipam}
    return {"networks": [{key: value for key, value in lan.items() if key != without}], "pods": []}


REFUSED: list[tuple[str, dict[str, Any], str, str, str]] = [
    # What is wrong, the config's changes, and the fault: its key, a piece of the problem, a piece of the remedy.
    # Keys
    ("an unknown key", {"colour": "red"}, "colour", "unknown key", "known here: calicoManifest, calicoVersion, "),
    ("a mistyped key", {"worker": 1}, "worker", "unknown key", "did you mean `workers`?"),
    (
        "the seed's rangeStop",
        {"networks": [network() | {"ipam": {"rangeStart": "10.23.0.100", "rangeStop": "10.23.0.240"}}]},
        "networks[0].ipam.rangeStop",
        "unknown key",
        "did you mean `rangeEnd`?",
    ),
    (
        "a mistyped key of a network",
        {"networks": [network(subnett="10.23.0.0/16")]},
        "networks[0].subnett",
        "unknown key",
        "did you mean `subnet`?",
    ),
    (
        "a mistyped key of a pod",
        {"pods": [pod(network=["ext-net"])]},
        "pods[0].network",
        "unknown key",
        "did you mean `networks`?",
    ),
    (
        "a mistyped key of a route",
        {"networks": [network(ipam={"routes": [{"dst": "10.9.0.0/16", "dest": "10.9.0.0/16"}]})]},
        "networks[0].ipam.routes[0].dest",
        "unknown key",
        "did you mean `dst`?",
    ),
    (
        "a mistyped key of a source",
        {"calicoManifest": MANIFEST | {"sha": "a"}},
        "calicoManifest.sha",
        "unknown key",
        "did you mean `sha256`?",
    ),
    ("a missing name", {"networks": [network(without="name")]}, "networks[0].name", "missing", "give a text"),
    ("a missing subnet", {"networks": [network(without="subnet")]}, "networks[0].subnet", "missing", "give a subnet"),
    (
        "a route to nowhere",
        {"networks": [network(ipam={"routes": [{}]})]},
        "networks[0].ipam.routes[0].dst",
        "missing",
        "give a subnet",
    ),
    # Types
    ("a list as text", {"networks": "ext-net"}, "networks", "'ext-net' is not a list", "begin each item with `- `"),
    ("a mapping as text", {"featureGates": "All"}, "featureGates", "'All' is not a mapping", "give keys and values"),
    ("a network as text", {"networks": ["ext-net"]}, "networks[0]", "'ext-net' is not a mapping", "keys and values"),
    (
        "an ipam as text",
        {"networks": [network() | {"ipam": "host-local"}]},
        "networks[0].ipam",
        "'host-local' is not a mapping",
        "give keys and values",
    ),
    ("a manifest as text", {"calicoManifest": "/a"}, "calicoManifest", "'/a' is not a mapping", "keys and values"),
    ("a number in words", {"workers": "one"}, "workers", "'one' is not a whole number", "give a whole number"),
    ("a broken number", {"workers": 1.5}, "workers", "1.5 is not a whole number", "give a whole number"),
    ("a word for a truth", {"selfTest": "no"}, "selfTest", "'no' is not true or false", "give true or false"),
    ("a truth for a number", {"workers": True}, "workers", "True is not a whole number", "give a whole number"),
    ("a text as a number", {"clusterName": 5}, "clusterName", "5 is not a text", "give a text"),
    ("a version as a number", {"calicoVersion": 3.29}, "calicoVersion", "3.29 is not a text", "give a text"),
    ("an empty text", {"nodeImage": " "}, "nodeImage", "' ' is not a text", "give a text"),
    ("a command as text", {"pods": [pod(command="sleep 1")]}, "pods[0].command", "is not a list", "begin each item"),
    (
        "a number in a command",
        {"pods": [pod(command=["sleep", 1])]},
        "pods[0].command[1]",
        "1 is not a text",
        "put it in quotes",
    ),
    (
        "a gate that is neither on nor off",
        {"featureGates": {"Some": "yes"}},
        "featureGates.Some",
        "'yes' is neither true nor false",
        "give true or false",
    ),
    (
        "quick readiness without the gate of its policy",
        {"quickReadiness": True, "featureGates": {"MutatingAdmissionPolicy": False}},
        "featureGates.MutatingAdmissionPolicy",
        "quickReadiness does not work without it",
        "drop either",
    ),
    *(
        (
            f"quick readiness on {image}",
            {"quickReadiness": True, "nodeImage": image},
            "quickReadiness",
            f"Kubernetes v1.{minor} of `nodeImage` has no MutatingAdmissionPolicy",
            "take an image of v1.32 or later, or drop quickReadiness",
        )
        for image, minor in (
            ("kindest/node:v1.31.4", 31),
            (f"kindest/node:v1.29.14@sha256:{'a' * 64}", 29),
            ("mirror.lab:5000/kindest/node:v1.31", 31),
            ("localhost/node:v1.30.0-own", 30),
        )
    ),
    ("a gate without a name", {"featureGates": {1: True}}, "featureGates.1", "1 is not a name", "put it in quotes"),
    # Names
    ("an unknown engine", {"engine": "nerdctl"}, "engine", "'nerdctl' is not known", "known are: auto, podman, docker"),
    (
        "an unknown mode",
        {"networks": [network(mode="l4")]},
        "networks[0].mode",
        "'l4' is not known",
        "known are: bridge, private, vepa, passthru",
    ),
    (
        "a way to addresses that is no name",
        {"networks": [network(ipam={"type": 5})]},
        "networks[0].ipam.type",
        "5 is not a text",
        "give a text",
    ),
    (
        "an unknown way to addresses",
        {"networks": [network(ipam={"type": "whereabout"})]},
        "networks[0].ipam.type",
        "'whereabout' is not known",
        f"known are: {', '.join(IPAM_TYPES)}",
    ),
    (
        "a cluster in capitals",
        {"clusterName": "Kalico"},
        "clusterName",
        "'Kalico' cannot name a cluster and its nodes",
        "use lower case letters",
    ),
    ("a cluster with a line's end", {"clusterName": "kalico\n"}, "clusterName", "cannot name", "lower case letters"),
    ("a name too long for kind's nodes", {"clusterName": "a" * 50}, "clusterName", "cannot name", "at most 49"),
    (
        "a network in capitals",
        {"networks": [network(name="Ext")], "pods": []},
        "networks[0].name",
        "Kubernetes refuses 'Ext'",
        "use lower case letters, digits and -",
    ),
    (
        "a pod that begins with a dash",
        {"pods": [pod(name="-pod")]},
        "pods[0].name",
        "Kubernetes refuses '-pod'",
        "use lower case letters",
    ),
    ("a pod's name too long", {"pods": [pod(name="a" * 64)]}, "pods[0].name", "Kubernetes refuses", "use lower case"),
    (
        "two networks of one name",
        {"networks": [network(), network(subnet="10.33.0.0/16", gateway=None) | {"ipam": {}}]},
        "networks[1].name",
        "'ext-net' is there twice",
        "give each its own name",
    ),
    ("two pods of one name", {"pods": [pod(), pod()]}, "pods[1].name", "'samplepod' is there twice", "its own name"),
    (
        "a network that is not there",
        {"pods": [pod(networks=["ext-net", "int-net"])]},
        "pods[0].networks[1]",
        "there is no network 'int-net'",
        "known are: ext-net",
    ),
    (
        "a network where there is none",
        {"networks": []},
        "pods[0].networks[0]",
        "there is no network 'ext-net'",
        "there is none in `networks`",
    ),
    # Subnets and addresses
    (
        "host bits",
        {"podSubnet": "10.24.3.0/16"},
        "podSubnet",
        "10.24.3.0/16 has host bits set",
        "write 10.24.0.0/16",
    ),
    (
        "a subnet for loopback",
        {"networks": [network(subnet="127.0.0.0/16", gateway="127.0.0.1", ipam={"rangeStart": "127.0.0.9"})]},
        "networks[0].subnet",
        "127.0.0.0/16 is for loopback, multicast or one link alone",
        "private subnet",
    ),
    (
        "a network named as the cluster's",
        {"networks": [network(name="kalico")], "pods": []},
        "networks[0].name",
        "'kalico' is the cluster's own network",
        "another name",
    ),
    (
        "a network named as one of the engine's",
        {"networks": [network(name="host")], "pods": []},
        "networks[0].name",
        "'host' is one of the engine's own",
        "another name",
    ),
    ("a cluster named as a folder beside it", {"clusterName": "docker"}, "clusterName", "'docker' is taken", "another"),
    (
        "a parent that names no interface",
        {"networks": [network(parent="no such; if")]},
        "networks[0].parent",
        "'no such; if' names no interface",
        "at most 15 characters",
    ),
    (
        "a missing prefix",
        {"networks": [network(subnet="10.23.0.0")]},
        "networks[0].subnet",
        "10.23.0.0 has no prefix length",
        "address/prefix, such as 10.23.0.0/16",
    ),
    ("a subnet of IPv6", {"podSubnet": "fd00::/56"}, "podSubnet", "fd00::/56 is IPv6", "give an IPv4 subnet"),
    ("no subnet at all", {"podSubnet": "pods"}, "podSubnet", "'pods' is not a subnet", "address/prefix"),
    ("a subnet that means nothing", {"podSubnet": "0.0.0.0/32"}, "podSubnet", "too small", "give a /8 to /24"),
    ("no subnet for services", {"serviceSubnet": "0.0.0.0/32"}, "serviceSubnet", "kubeadm refuses", "a /12 to /28"),
    ("too many services", {"serviceSubnet": "10.0.0.0/11"}, "serviceSubnet", "kubeadm refuses 10.0.0.0/11", "a /12 to"),
    ("a small pod subnet", {"podSubnet": "10.24.0.0/25"}, "podSubnet", "10.24.0.0/25 is too small", "/8 to /24"),
    (
        "pods on the services' subnet",
        {"serviceSubnet": "10.24.128.0/20"},
        "serviceSubnet",
        "10.24.128.0/20 overlaps podSubnet 10.24.0.0/16",
        "keep the subnets apart",
    ),
    (
        "a network on the pods' subnet",
        {"podSubnet": "10.0.0.0/8"},
        "networks[0].subnet",
        "10.23.0.0/16 overlaps podSubnet 10.0.0.0/8",
        "keep the subnets apart",
    ),
    (
        "a network on the services' subnet",
        {"serviceSubnet": "10.23.16.0/20"},
        "networks[0].subnet",
        "10.23.0.0/16 overlaps serviceSubnet 10.23.16.0/20",
        "keep the subnets apart",
    ),
    (
        "two networks on one subnet",
        {"networks": [network(), {"name": "two", "subnet": "10.23.128.0/17"}]},
        "networks[1].subnet",
        "10.23.128.0/17 overlaps networks[0].subnet 10.23.0.0/16",
        "keep the subnets apart",
    ),
    (
        "a range's end of another network",
        {"networks": [network(ipam={"rangeEnd": "10.24.0.240"})]},
        "networks[0].ipam.rangeEnd",
        "10.24.0.240 is no host address of 10.23.0.0/16",
        "take one of 10.23.0.1 to 10.23.255.254",
    ),
    (
        "a range that starts with the network's own address",
        {"networks": [network(ipam={"rangeStart": "10.23.0.0"})]},
        "networks[0].ipam.rangeStart",
        "10.23.0.0 is no host address of 10.23.0.0/16",
        "take one of 10.23.0.1 to",
    ),
    (
        "the seed's broken address",
        {"networks": [network(ipam={"rangeEnd": "10.23.240"})]},
        "networks[0].ipam.rangeEnd",
        "'10.23.240' is not an IPv4 address",
        "write four numbers, such as 10.23.0.1",
    ),
    (
        "a range that runs backwards",
        {"networks": [network(ipam={"rangeStart": "10.23.0.240", "rangeEnd": "10.23.0.100"})]},
        "networks[0].ipam.rangeStart",
        "10.23.0.240 comes after rangeEnd 10.23.0.100",
        "swap the two",
    ),
    (
        "the gateway in the pods' range",
        {"networks": [network(gateway="10.23.0.100")]},
        "networks[0].ipam.rangeStart",
        "the gateway 10.23.0.100 lies in the range 10.23.0.100 to 10.23.0.240",
        "move either",
    ),
    (
        "a gateway of another network",
        {"networks": [network(gateway="10.24.0.1")]},
        "networks[0].gateway",
        "10.24.0.1 is no host address of 10.23.0.0/16",
        "take one from the subnet",
    ),
    (
        "the broadcast address as gateway",
        {"networks": [network(gateway="10.23.255.255")]},
        "networks[0].gateway",
        "10.23.255.255 is no host address of 10.23.0.0/16",
        "take one from the subnet",
    ),
    (
        "a default route by no gateway",
        {"networks": [network(without="gateway", ipam={"routes": [EVERYWHERE]}, defaultRoute="literal")]},
        "networks[0].ipam.routes",
        "a default route, but the network has no gateway",
        "give `gateway` or drop it",
    ),
    (
        "a range for fewer pods than there are",
        {
            "networks": [network(ipam={"rangeEnd": "10.23.0.101"})],
            "pods": [pod(name=name) for name in ("one", "two", "three")],
        },
        "networks[0].ipam",
        "the range 10.23.0.100 to 10.23.0.101 holds 2 addresses, the pods want 3",
        "widen the range",
    ),
    (
        "a pod that wants two interfaces of a range for one",
        {"networks": [network(ipam={"rangeEnd": "10.23.0.100"})], "pods": [pod(networks=["ext-net", "ext-net"])]},
        "networks[0].ipam",
        "holds 1 addresses, the pods want 2",
        "widen the range",
    ),
    (
        "a range that leaves nothing to the nodes",
        {
            "networks": [
                {"name": "ext-net", "subnet": "10.23.0.0/24", "ipam": {"rangeEnd": "10.23.0.254"}},
            ]
        },
        "networks[0].subnet",
        "10.23.0.0/24 has no block left for the nodes' own addresses",
        "shrink the range or take a larger subnet",
    ),
    (
        "a subnet of two addresses",
        {"networks": [{"name": "ext-net", "subnet": "10.23.0.0/31"}]},
        "networks[0].subnet",
        "10.23.0.0/31 has no room for hosts",
        "a /28 at least",
    ),
    *(
        (
            f"a bridge on a /{prefix} with {type_}",
            {
                "networks": [STATIC | {"plugin": "bridge", "subnet": f"10.40.0.0/{prefix}", "ipam": {"type": type_}}],
                "pods": [pod(networks=[ON_LAN | {"address": "10.40.0.0"}])],
            },
            "networks[0].subnet",
            f"10.40.0.0/{prefix} has no room for hosts",
            "take a larger subnet (a /30 at least)",
        )
        for prefix in (31, 32)
        for type_ in ("static", "host-local")
    ),
    (
        "the last address of all",
        {"networks": [{"name": "ext-net", "subnet": "255.255.255.255/32"}]},
        "networks[0].subnet",
        "255.255.255.255/32 has no room for hosts",
        "a /28 at least",
    ),
    # Sources
    (
        "a checksum that is none",
        {"multusManifest": {"source": "/srv/a.yaml", "sha256": "abc"}},
        "multusManifest.sha256",
        "'abc' is no sha256",
        "give 64 hexadecimal digits",
    ),
    (
        "a manifest without a checksum",
        {"calicoManifest": {"source": "/srv/a.yaml"}},
        "calicoManifest.sha256",
        "missing",
        "give a text",
    ),
    *(
        (
            f"a {key} without a pin or {source}",
            {key: "v0.0.1"},
            key,
            f"no checksum is known for 'v0.0.1' (known: {known}",
            f"give `{source}` with source and sha256",
        )
        for key, known, source in (
            ("calicoVersion", "v3.29.2", "calicoManifest"),
            ("multusVersion", "v4.2.3", "multusManifest"),
            ("cniPluginsVersion", "v1.8.0", "cniPluginsArchive"),
        )
    ),
    (
        "a whereaboutsVersion without a pin or some of its files",
        {
            "networks": [WHEREABOUTS],
            "pods": [],
            "whereaboutsVersion": "v0.0.1",
            "whereaboutsPoolsManifest": MANIFEST,
        },
        "whereaboutsVersion",
        "no checksum is known for 'v0.0.1' (known: v0.8.0",
        "give `whereaboutsManifest` and `whereaboutsReservationsManifest` with source and sha256",
    ),
    # What is said of a range by one end alone
    *(
        (
            f"a range that ends at {end} before it begins",
            {"networks": [network(**more) | {"ipam": {key: end}}], "pods": []},
            f"networks[0].ipam.{key}",
            f"{end} comes before {start}, where the range begins by itself",
            remedy,
        )
        for end, key, start, remedy, more in (
            ("fd23::50", "rangeEnd6", "fd23::100", "take a later one, or give `rangeStart6` too", DUAL),
            ("10.23.0.1", "rangeEnd", "10.23.0.2", "take a later one", {}),
        )
    ),
    # Keys and values that belong elsewhere
    *(
        (
            f"a key {key} beside {place}",
            {"networks": [network() | {key: value}]},
            f"networks[0].{key}",
            "unknown key",
            f"`{key}` is a key of `{place}`, put it there",
        )
        for place, key, value in (
            ("ipam", "type", "static"),
            ("ipam", "rangeStart", "10.23.0.9"),
            ("ipam", "leaseTime", "1h"),
            ("peer", "address", "10.23.0.9"),
            ("peer", "forward", True),
        )
    ),
    (
        "a server's address in the server's place",
        leased(server="10.40.0.2"),
        "networks[0].ipam.server",
        "'10.40.0.2' is neither true nor false",
        "write `{address: 10.40.0.2}`",
    ),
    (
        "a peer's address in the peer's place",
        peer("fd23::9", **DUAL),
        "networks[0].peer",
        "'fd23::9' is neither true nor false",
        "write `{address6: fd23::9}`",
    ),
    (
        "a command that begins with nothing",
        {"pods": [pod(command=["", "sleep"])]},
        "pods[0].command[0]",
        "'' names no program",
        "drop the key for the image's own",
    ),
    # Workers
    ("no worker", {"workers": 0}, "workers", "0 leaves nothing that joins a network", "give 1 or more"),
    ("less than no worker", {"workers": "-1"}, "workers", "-1 leaves nothing that joins", "give 1 or more"),
    ("more workers than there are machines", {"workers": 31}, "workers", "31 are more than one machine", "1 to 30"),
    (
        "fewer blocks than nodes",
        {"workers": 4, "podSubnet": "10.24.0.0/24"},
        "podSubnet",
        "10.24.0.0/24 has 4 blocks (/26), and each of the 5 nodes needs one",
        "take a larger subnet",
    ),
    ("pods all over IPv4", {"podSubnet": "16.0.0.0/7"}, "podSubnet", "kubeadm refuses 16.0.0.0/7", "a /8 to /24"),
    # Mappings in place of lists
    ("networks as a mapping", {"networks": {}}, "networks", "{} is not a list", "begin each item with `- `"),
    ("gates as an empty list", {"featureGates": []}, "featureGates", "[] is not a mapping", "give keys and values"),
    # Names
    (
        "a gate that Kubernetes cannot have",
        {"featureGates": {"all-alpha": True}},
        "featureGates.all-alpha",
        "'all-alpha' is no name of a feature gate",
        "a capital first",
    ),
    ("a cluster that ends with a dash", {"clusterName": "lab-"}, "clusterName", "'lab-' cannot name", "not at an end"),
    ("a pod that ends with a dash", {"pods": [pod(name="pod-")]}, "pods[0].name", "refuses 'pod-'", "not at an end"),
    (
        "a network of 64 characters",
        {"networks": [network(name="a" * 64)], "pods": []},
        "networks[0].name",
        "Kubernetes refuses 'aaa",
        "at most 63",
    ),
    (
        "a name too long with its number behind",
        {"pods": [pod(name="a" * 62, count=2)]},
        "pods[0].name",
        "Kubernetes refuses 'aaa",
        "at most 63 with -2 behind",
    ),
    (
        "a namespace in capitals",
        {"pods": [pod(namespace="Team")]},
        "pods[0].namespace",
        "Kubernetes refuses 'Team'",
        "use lower case letters",
    ),
    *(
        (f"the namespace {name}", {"pods": [pod(namespace=name)]}, "pods[0].namespace", "the cluster's own", "another")
        for name in ("kube-system", "kube-lab", "calico-system", "tigera-operator", "local-path-storage")
    ),
    (
        "a name that a count brings about",
        {"pods": [pod(name="a", count=2), pod(name="a-2")]},
        "pods[1].name",
        "'a-2' is there twice",
        "give each its own name",
    ),
    *(
        (f"the parent {name!r}", {"networks": [network(parent=name)]}, "networks[0].parent", "no interface", "at most")
        for name in ("a/b", "eth0:1", ".", "..", "sixteen-letters.", "eth0\n", "\u00e9th0")
    ),
    # Images and sources
    *(
        (f"the image {name[:9]!r} for {key}", change(name), key, f"{name[:9]}", "registry/path:tag")
        for name in ("Alpine", "a b", "alpine:", "alpine@sha256:abc", "-/a", "a//b", "http://a/b", "a" * 256)
        for key, change in IMAGES.items()
    ),
    (
        "a version that no image can have",
        {"multusVersion": "v 4", "multusManifest": MANIFEST},
        "multusVersion",
        "multus-cni:v 4-thick' names no image",
        "registry/path:tag",
    ),
    *(
        (
            f"a file at {location}",
            {"multusManifest": MANIFEST | {"source": location}},
            "multusManifest.source",
            f"'{location}' cannot be had",
            "a path, or a URL of http or https",
        )
        for location in ("ftp://mirror.lab/a.yaml", "file:///srv/a.yaml", "https://", "s3://bucket/a")
    ),
    # Networks
    *(
        (f"an mtu of {mtu}", {"networks": [network(mtu=mtu)]}, "networks[0].mtu", f"{mtu} is out of", "68 to 65535")
        for mtu in (67, 65536, -1)
    ),
    *(
        (
            f"vlan {vlan}",
            {"networks": [network(vlan=vlan, parent="eth0")]},
            "networks[0].vlan",
            f"{vlan} is out of",
            "1 to 4094",
        )
        for vlan in (0, 4095)
    ),
    ("an mtu in words", {"networks": [network(mtu="jumbo")]}, "networks[0].mtu", "'jumbo' is not a whole", "68 to"),
    ("a vlan on nothing", {"networks": [network(vlan=7)]}, "networks[0].vlan", "7 is a tag on a parent", "`parent`"),
    (
        "a vlan on a parent with a long name",
        {"networks": [network(vlan=4000, parent="enp0s31f6u2")]},
        "networks[0].vlan",
        "the interface enp0s31f6u2.4000 has more than 15 characters",
        "rename the parent",
    ),
    (
        "two networks on one parent",
        {"networks": [network(parent="eth7"), LAN | {"parent": "eth7"}]},
        "networks[1].parent",
        "networks[0] is on eth7 too",
        "tell them apart by `vlan`",
    ),
    (
        "two networks on one vlan",
        {"networks": [network(parent="eth7", vlan=5), LAN | {"parent": "eth7.5"}]},
        "networks[1].parent",
        "networks[0] is on eth7.5 too",
        "tell them apart by `vlan`",
    ),
    (
        "passthru for two nodes",
        {"workers": 2, "networks": [network(mode="passthru")], "pods": []},
        "networks[0].mode",
        "passthru leaves room for one macvlan on the parent, and 2 workers join",
        "name one worker in `nodes`",
    ),
    (
        "passthru for a pod",
        {"networks": [network(mode="passthru")]},
        "pods[0].networks[0]",
        "ext-net is passthru: its node has the one macvlan that the parent takes",
        "take another mode",
    ),
    ("a node that is not there", nodes("worker3"), "networks[0].nodes[0]", "no worker 'worker3'", "worker, worker2"),
    ("a node of another lab", nodes("e2e-worker"), "networks[0].nodes[0]", "no worker 'e2e-worker'", "worker, worker2"),
    ("a control plane", nodes("kalico-control-plane"), "networks[0].nodes[0]", "stays out", "name workers alone"),
    ("a node twice", nodes("worker", "kalico-worker"), "networks[0].nodes[1]", "kalico-worker is there twice", "once"),
    ("no node at all", nodes(), "networks[0].nodes", "[] names no worker", "drop the key for all of them"),
    ("a node as a number", nodes(2), "networks[0].nodes[0]", "2 is not a text", "put it in quotes"),
    (
        "a subnet that means this network",
        {"networks": [LAN | {"subnet": "0.40.0.0/16"}], "pods": []},
        "networks[0].subnet",
        "0.40.0.0/16 is no subnet that hosts can be in",
        "private subnet",
    ),
    ("a gateway of IPv6", {"networks": [network(gateway="fd00::1")]}, "networks[0].gateway", "fd00::1 is IPv6", "IPv4"),
    # Routes
    *(
        (
            f"{what} by {key}",
            {"networks": [change({"dst": "10.9.0.0/16", "gw": gw})]},
            f"networks[0].{key}[0].gw",
            problem,
            remedy,
        )
        for key, change in ROUTES.items()
        for what, gw, problem, remedy in (
            ("a route out of another subnet", "10.24.0.1", "10.24.0.1 is no host address of 10.23.0.0/16", "take one"),
            ("a route through a pod", "10.23.0.101", "10.23.0.101 lies in the pods' range 10.23.0.100", "move either"),
            ("a route through IPv6", "fd00::1", "fd00::1 is IPv6", "give an IPv4 address"),
        )
    ),
    (
        "a route twice",
        {"networks": [network(routes=[{"dst": "10.9.0.0/16"}, {"dst": "10.9.0.0/16", "gw": "10.23.0.2"}])]},
        "networks[0].routes[1].dst",
        "10.9.0.0/16 is there twice",
        "drop one",
    ),
    (
        "a route in both places",
        {"networks": [network(ipam={"routes": [BEYOND]}, routes=[BEYOND | {"gw": "10.23.0.2"}])]},
        "networks[0].routes",
        "10.9.0.0/16 is in `ipam.routes` too",
        "say it in one place",
    ),
    *(
        (
            f"a route to {dst} by {key}, and {way}",
            {"networks": [change({"dst": dst}) | {"defaultRoute": way}]},
            f"networks[0].{key}[0].dst",
            f"{dst} leads {taken} away from eth0",
            remedy,
        )
        for key, change in ROUTES.items()
        for dst, way, taken, remedy in (
            ("10.96.0.0/16", "source", "serviceSubnet 10.96.0.0/16", "take routes without 10.96.0.0/16"),
            ("10.24.7.0/24", "none", "podSubnet 10.24.0.0/16", "take routes without 10.24.0.0/16"),
            ("10.0.0.0/8", "source", "podSubnet 10.24.0.0/16 and serviceSubnet 10.96.0.0/16", "`defaultRoute: net1`"),
            ("0.0.0.0/1", "none", "podSubnet 10.24.0.0/16 and serviceSubnet 10.96.0.0/16", "`defaultRoute: net1`"),
            ("10.96.0.0/16", "net1", "serviceSubnet 10.96.0.0/16", "take routes without 10.96.0.0/16"),
            ("10.24.7.0/24", "net1", "podSubnet 10.24.0.0/16", "take routes without 10.24.0.0/16"),
        )
    ),
    (
        "a route to the whole cluster by a network whose way out is one of IPv6",
        {
            "networks": [
                network(without="gateway", subnet6="fd23::/64", gateway6="fd23::1", defaultRoute="net1")
                | {"routes": [{"dst": "10.0.0.0/8", "gw": "10.23.0.2"}]}
            ]
        },
        "networks[0].routes[0].dst",
        "10.0.0.0/8 leads podSubnet 10.24.0.0/16 and serviceSubnet 10.96.0.0/16 away from eth0",
        "take routes without 10.24.0.0/16 and 10.96.0.0/16",
    ),
    (
        "a default route of the network by no gateway",
        {"networks": [network(without="gateway", routes=[EVERYWHERE], defaultRoute="literal")]},
        "networks[0].routes",
        "a default route, but the network has no gateway",
        "give `gateway` or drop it",
    ),
    (
        "a way that there is not",
        {"networks": [network(defaultRoute="net2")]},
        "networks[0].defaultRoute",
        "'net2'",
        "net1",
    ),
    *(
        (
            f"a default route by {key} beside {way}",
            {"networks": [change(EVERYWHERE) | {"defaultRoute": way}]},
            f"networks[0].{key}",
            f"a default route, and `defaultRoute` is {way}",
            "`defaultRoute: literal`",
        )
        for key, change in ROUTES.items()
        for way in ("source", "net1", "none")
    ),
    *(
        (
            f"{way} by no gateway",
            {"networks": [network(without="gateway", defaultRoute=way)]},
            "networks[0].defaultRoute",
            f"{way}, but the network has no gateway",
            "give `gateway`",
        )
        for way in ("net1", "literal")
    ),
    *(
        (
            what,
            {"networks": [network(defaultRoute="net1"), LAN | OUTWARD], "pods": [pod(networks=names)]},
            "pods[0].networks",
            f"{' and '.join(names)} each take the pod's default route",
            "once",
        )
        for what, names in (
            ("two default routes", ["ext-net", "lan"]),
            ("the same default route twice", ["lan", "lan"]),
        )
    ),
    *(
        (
            f"a default route beside another: {', '.join(names)}",
            {
                "networks": [network(defaultRoute="literal"), LAN | OUTWARD],
                "pods": [pod(networks=names)],
            },
            "pods[0].networks",
            f"{' and '.join(names)} each take the pod's default route (`defaultRoute` is `net1` and `literal`)",
            "once",
        )
        for names in (["ext-net", "lan"], ["lan", "ext-net"])
    ),
    (
        "the node's block in the way of a route's gateway",
        {
            "networks": [
                LAN
                | {"subnet": "10.40.0.0/28", "ipam": {"rangeStart": "10.40.0.1", "rangeEnd": "10.40.0.7"}}
                | {"routes": [{"dst": "10.9.0.0/16", "gw": "10.40.0.9"}]}
            ],
            "pods": [],
        },
        "networks[0].subnet",
        "has no block left",
        "a /28 at least",
    ),
    # Pods
    *(
        (
            f"{count} pods",
            {"pods": [pod(count=count)]},
            "pods[0].count",
            f"{count} is out of bounds",
            "give 1 to 107, 107 on a worker",
        )
        for count in (0, -1, 108, 110, 10**12)
    ),
    (
        "pods for which whereabouts' own leaves no room",
        {"networks": [WHEREABOUTS], "pods": [pod(networks=["lan"], count=107)]},
        "pods[0].count",
        "107 is out of bounds",
        "give 1 to 106, 106 on a worker",
    ),
    *(
        (
            f"more pods than one of two workers runs, by {how}",
            {
                "workers": 2,
                "networks": [network() | joining, LAN | {"ipam": {}}],
                "pods": [kept(count=100), kept(name="b", count=50)],
            },
            "pods",
            "150 pods on 1 worker that they have to run on (kalico-worker2)",
            "let them run on others, too: each runs 107 at most",
        )
        for how, joining, kept in (
            ("`node`", {}, partial(pod, networks=["lan"], node="worker2")),
            ("`nodes`", {"nodes": ["worker2"]}, partial(pod, networks=["ext-net"])),
        )
    ),
    (
        "more pods than the workers run",
        {"pods": [pod(name="a", networks=[], count=60), pod(name="b", networks=[], count=51)]},
        "pods",
        "111 pods on 1 worker",
        "each runs 107 at most, beside the cluster's own",
    ),
    ("a worker that is not there", on("worker3"), "pods[0].node", "there is no worker 'worker3'", "worker, worker2"),
    (
        "a worker that does not join",
        on("worker2", nodes=["worker"]),
        "pods[0].node",
        "kalico-worker2 does not join ext-net",
        "those that do (worker)",
    ),
    (
        "networks that no worker joins both of",
        {
            "workers": 2,
            "networks": [network(nodes=["worker"]), LAN | {"nodes": ["worker2"]}],
            "pods": [pod(networks=["lan", "ext-net", "lan"])],
        },
        "pods[0].networks",
        "no worker joins all of lan, ext-net",
        "add one to the `nodes` of each",
    ),
    ("an attachment as a number", {"pods": [pod(networks=[5])]}, "pods[0].networks[0]", "5 is not a text", "give"),
    ("an attachment of none", fixed(without="name"), "pods[0].networks[0].name", "missing", "give a text"),
    (
        "a mistyped key of an attachment",
        fixed(adress="10.23.0.100"),
        "pods[0].networks[0].adress",
        "unknown key",
        "did you mean `address`?",
    ),
    (
        "an attachment to a network that is not there",
        fixed(name="lan"),
        "pods[0].networks[0].name",
        "there is no network 'lan'",
        "known are: ext-net",
    ),
    # Plugins
    (
        "a plugin that is not known",
        made_by("macvtap"),
        "networks[0].plugin",
        "'macvtap' is not known",
        "known are: macvlan, ipvlan, bridge",
    ),
    ("a plugin that is no name", {"networks": [network(plugin=5)]}, "networks[0].plugin", "5 is not a text", "a text"),
    (
        "an ipvlan's mode by default",
        {"networks": [network(mode="l3s")]},
        "networks[0].mode",
        "l3s is a mode of ipvlan, and the plugin is macvlan",
        "give `plugin: ipvlan`, or take one of: bridge, private, vepa, passthru",
    ),
    (
        "a macvlan's mode of an ipvlan",
        made_by("ipvlan", mode="vepa"),
        "networks[0].mode",
        "vepa is a mode of macvlan, and the plugin is ipvlan",
        "give `plugin: macvlan`, or take one of: l2, l3, l3s",
    ),
    ("no mode of an ipvlan", made_by("ipvlan", mode="l4"), "networks[0].mode", "'l4' is not known", "l2, l3, l3s"),
    *(
        (
            f"a bridge with a {key}",
            made_by("bridge", **{key: value}),
            f"networks[0].{key}",
            "plugin bridge has no such key",
            f"`{key}` is a key of macvlan and ipvlan",
        )
        for key, value in (
            ("mode", "bridge"),
            ("parent", "eth7"),
            ("vlan", 7),
            ("peer", True),
            ("nodeAddresses", [NODES.replace("40", "23", 1)]),
        )
    ),
    *(
        (
            f"a bridge whose {key} is to be a peer",
            made_by("bridge", **given),
            f"networks[0].{key}",
            "plugin bridge has no peer",
            "give an address, or take macvlan or ipvlan",
        )
        for key, given in {
            "gateway": {"gateway": "peer"},
            "gateway6": {"subnet6": "fd23::/64", "gateway6": "peer"},
        }.items()
    ),
    (
        "a peer that an ipvlan keeps its pods apart from",
        made_by("ipvlan", mode="l3", peer=True),
        "networks[0].peer",
        "l3 keeps pods apart from it",
        "take another mode, or drop it",
    ),
    (
        "a MAC of an ipvlan's own",
        made_by("ipvlan") | {"pods": [pod(networks=[{"name": "ext-net", "mac": "02:00:00:00:00:01"}])]},
        "pods[0].networks[0].mac",
        "02:00:00:00:00:01: by ipvlan a pod has its node's own on ext-net",
        "drop it, or take another `plugin`",
    ),
    (
        "dhcp on a bridge that leads to no server",
        {
            "networks": [{"name": "lan", "subnet": "10.40.0.0/16", "plugin": "bridge", "ipam": {"type": "dhcp"}}],
            "pods": [],
        },
        "networks[0].ipam.type",
        "dhcp, and nobody answers it on a bridge of a node's own",
        "take another type or `plugin`",
    ),
    (
        "dhcp where all pods of a node have its MAC",
        leased(server=False, of_network={"plugin": "ipvlan"}),
        "networks[0].ipam.type",
        "dhcp leases an address to a MAC, and by ipvlan a pod has its node's own",
        "take another type or `plugin`",
    ),
    # Fixed addresses and MACs
    *(
        (f"the fixed address {address}", fixed(address=address), "pods[0].networks[0].address", problem, remedy)
        for address, problem, remedy in (
            ("10.24.0.100", "10.24.0.100 is no host address of 10.23.0.0/16", "take one of 10.23.0.1 to"),
            ("10.23.0.0", "10.23.0.0 is no host address", "take one of"),
            ("10.23.255.255", "10.23.255.255 is no host address", "take one of"),
            ("10.23.0.1", "10.23.0.1 is the gateway of ext-net", "take another one"),
            ("10.23.0.99", "10.23.0.99 is not in the range of ext-net", "take one of 10.23.0.100 to 10.23.0.240"),
            ("10.23.0.100/16", "'10.23.0.100/16' is not an IPv4 address", "write four numbers"),
            ("fd00::7", "fd00::7 is IPv6", "give an IPv4 address"),
        )
    ),
    *(
        (f"the MAC {mac!r}", fixed(mac=mac), "pods[0].networks[0].mac", problem, remedy)
        for mac, problem, remedy in (
            ("02:00:00:00:00", "'02:00:00:00:00' is not a MAC", 'in quotes, such as "02:'),
            ("02-00-00-00-00-01", "is not a MAC", "six pairs"),
            ("0g:00:00:00:00:01", "is not a MAC", "six pairs"),
            ("02:00:00:00:00:01\n", "is not a MAC", "six pairs"),
            (102003040, "102003040 is not a MAC", "in quotes"),
            ("01:00:5e:00:00:01", "01:00:5e:00:00:01 is a multicast MAC", "second digit is even"),
            ("FF:FF:FF:FF:FF:FF", "ff:ff:ff:ff:ff:ff is a multicast MAC", "second digit is even"),
            ("00:00:00:00:00:00", "is no interface's MAC", "begins with 02"),
        )
    ),
    ("one address for two", fixed(address="10.23.0.100", count=2), "pods[0].networks[0].address", "2 pods", "`count`"),
    (
        "one MAC for two",
        fixed(mac="02:00:00:00:00:01", count=2),
        "pods[0].networks[0].mac",
        "that of 2 pods",
        "`count`",
    ),
    (
        "an address twice",
        {"pods": [pod(networks=[{"name": "ext-net", "address": "10.23.0.100"}] * 2)]},
        "pods[0].networks[1].address",
        "10.23.0.100 is that of pods[0].networks[0].address too",
        "give each its own",
    ),
    (
        "a MAC twice, however it is written",
        {
            "pods": [
                pod(networks=[{"name": "ext-net", "mac": "02:00:00:00:00:0a"}]),
                pod(name="b", networks=["ext-net", {"name": "ext-net", "mac": "02:00:00:00:00:0A"}]),
            ]
        },
        "pods[1].networks[1].mac",
        "02:00:00:00:00:0a is that of pods[0].networks[0].mac too",
        "give each its own",
    ),
    (
        "an address of a part, for a pod that may run elsewhere",
        fixed(address="10.23.0.240", workers=2),
        "pods[0].networks[0].address",
        "10.23.0.240 is in kalico-worker2's part of the range, the pod may run elsewhere",
        "give `node: worker2`",
    ),
    (
        "an address of another worker's part",
        fixed(address="10.23.0.240", workers=2, node="worker"),
        "pods[0].networks[0].address",
        "10.23.0.240 is in kalico-worker2's part of the range, the pod runs on kalico-worker",
        "take one of 10.23.0.100 to 10.23.0.169 or give `node: worker2`",
    ),
    (
        "a fixed address of an IPAM type that gives none",
        {
            "networks": [LAN | {"ipam": {"type": "takes-any", "rangeEnd": "10.40.0.99"}}],
            "pods": [pod(networks=[ON_LAN])],
        },
        "pods[0].networks[0].address",
        "10.40.0.7: the IPAM of lan fixes no address",
        "drop it or take type host-local or static or knows-no-range",
    ),
    (
        "a fixed address of the nodes' own",
        {
            "networks": [LAN | {"ipam": {"type": "knows-no-range"}}],
            "pods": [pod(networks=[ON_LAN | {"address": NODES}])],
        },
        "pods[0].networks[0].address",
        "10.40.254.7 is one of the nodes' own 10.40.254.0/24",
        "take another one",
    ),
    # The peer
    ("a peer in words", peer("yes"), "networks[0].peer", "'yes' is neither true nor false", "give true, or keys"),
    ("a peer as a list", peer([]), "networks[0].peer", "[] is neither true nor false", "give true, or keys"),
    ("a mistyped key of a peer", peer({"forwards": True}), "networks[0].peer.forwards", "unknown key", "`forward`?"),
    *(
        (f"the peer {address}", peer({"address": address}), "networks[0].peer.address", problem, remedy)
        for address, problem, remedy in (
            ("10.24.0.7", "10.24.0.7 is no host address of 10.23.0.0/16", "take one from the subnet"),
            ("10.23.255.255", "10.23.255.255 is no host address", "take one from the subnet"),
            ("10.23.0.1", "10.23.0.1 is the gateway", "give `gateway: peer`"),
            ("10.23.0.150", "10.23.0.150 lies in the pods' range 10.23.0.100 to 10.23.0.240", "move either"),
            ("10.23.0", "'10.23.0' is not an IPv4 address", "write four numbers"),
        )
    ),
    (
        "a peer that is the gateway of another subnet",
        peer({"address": "10.24.0.1"}, gateway="peer"),
        "networks[0].peer.address",
        "10.24.0.1 is no host address of 10.23.0.0/16",
        "take one from the subnet",
    ),
    (
        "a peer that is the gateway, in the range",
        peer({"address": "10.23.0.150"}, gateway="peer"),
        "networks[0].ipam.rangeStart",
        "the gateway 10.23.0.150 lies in the range",
        "move either",
    ),
    (
        "a gateway that is a peer that is not to be",
        peer(False, gateway="peer"),
        "networks[0].gateway",
        "there is none",
        "drop `peer: false`",
    ),
    (
        "a peer to which nothing is sent that it could forward",
        peer({"forward": True}),
        "networks[0].peer.forward",
        "nobody sends it",
        "give `gateway: peer`",
    ),
    *(
        (f"a peer on a network that is {mode}", peer(True, mode=mode), "networks[0].peer", mode, "take another mode")
        for mode in ("private", "passthru")
    ),
    *(
        (f"a peer among others{how}", peer(True, parent="eth7", **keys), "networks[0].peer", "eth7 may have", "free")
        for how, keys in {"": {}, " as the gateway": {"gateway": "peer"}}.items()
    ),
    (
        "a peer with the address of a worker",
        peer({"address": "10.23.10.10"}, nodeAddresses=["10.23.10.10"]),
        "networks[0].peer.address",
        "10.23.10.10 is one of `nodeAddresses` too",
        "take another one",
    ),
    (
        "a peer on a network that is full",
        peer(
            True,
            subnet="10.23.0.0/28",
            gateway="10.23.0.12",
            ipam={"rangeStart": "10.23.0.1", "rangeEnd": "10.23.0.7"},
            routes=[{"dst": f"10.9.{i}.0/24", "gw": f"10.23.0.{i}"} for i in (13, 14)],
        ),
        "networks[0].peer",
        "10.23.0.0/28 has no address left for it",
        "take a larger subnet",
    ),
    (
        "a fixed address that is the peer's",
        {
            "networks": [LAN | {"ipam": {"type": "knows-no-range"}, "peer": {"address": "10.40.0.7"}}],
            "pods": [pod(networks=[ON_LAN])],
        },
        "pods[0].networks[0].address",
        "10.40.0.7 is the peer's of lan",
        "take another one",
    ),
    # A key of another type
    (
        "a range where every pod has its own address",
        {"networks": [STATIC | {"ipam": {"type": "static", "rangeStart": "10.40.0.100"}}], "pods": []},
        "networks[0].ipam.rangeStart",
        "static has no such key",
        "`rangeStart` is a key of host-local",
    ),
    (
        "a mistyped key of a type",
        {"networks": [STATIC | {"ipam": {"type": "static", "route": []}}], "pods": []},
        "networks[0].ipam.route",
        "unknown key",
        "did you mean `routes`?",
    ),
    # whereabouts
    (
        "a fixed address where whereabouts gives them",
        {"networks": [WHEREABOUTS], "pods": [pod(networks=[ON_LAN])]},
        "pods[0].networks[0].address",
        "10.40.0.7: the IPAM of lan fixes no address",
        "drop it or take type host-local or static",
    ),
    (
        "a key of whereabouts's own config",
        {"networks": [WHEREABOUTS | {"ipam": {"type": "whereabouts", "range_start": "10.40.0.9"}}], "pods": []},
        "networks[0].ipam.range_start",
        "unknown key",
        "did you mean `rangeStart`?",
    ),
    (
        "a range of whereabouts's for fewer pods than there are, whichever their workers",
        {
            "workers": 2,
            "networks": [WHEREABOUTS | {"ipam": {"type": "whereabouts", "rangeEnd": "10.40.0.2"}}],
            "pods": [pod(networks=["lan"], count=3)],
        },
        "networks[0].ipam",
        "holds 2 addresses, the pods want 3",
        "widen the range",
    ),
    (
        "a range of whereabouts's with the gateway in it",
        {
            "networks": [
                WHEREABOUTS
                | {"gateway": "10.40.0.5", "ipam": {"type": "whereabouts", "rangeStart": "10.40.0.2"}}
                | {"defaultRoute": "none"}
            ],
            "pods": [],
        },
        "networks[0].ipam.rangeStart",
        "the gateway 10.40.0.5 lies in the range",
        "move either",
    ),
    *(
        (
            f"whereabouts {what}",
            {
                "networks": [WHEREABOUTS | {"subnet6": subnet, "ipam": {"type": "whereabouts", key: given}}],
                "pods": [],
            },
            f"networks[0].ipam.{key}",
            f"{given} is further on in {subnet} than the type counts",
            remedy,
        )
        for what, subnet, key, given, remedy in (
            ("to the last address", "fd40::/120", "rangeEnd6", "fd40::ff", "take one of fd40::1 to fd40::fe"),
            ("from the last address", "fd40::/120", "rangeStart6", "fd40::ff", "take one of fd40::1 to fd40::fe"),
            ("beyond 64 bits", "fd40::/48", "rangeEnd6", "fd40:0:0:1::", "to fd40::ffff:ffff:ffff:ffff"),
        )
    ),
    # Static addresses
    (
        "a pod without an address where it needs its own",
        {"networks": [STATIC], "pods": [pod(networks=["lan"])]},
        "pods[0].networks[0].address",
        "missing",
        "lan gives none by itself: give a host address of 10.40.0.0/16",
    ),
    (
        "pods of a count without addresses where each needs its own",
        {"networks": [STATIC], "pods": [pod(networks=["lan"], count=2)]},
        "pods[0].networks[0].address",
        "missing",
        "to each pod, without `count`",
    ),
    (
        "pods of a count with one address between them",
        {"networks": [STATIC], "pods": [pod(networks=[ON_LAN], count=2)]},
        "pods[0].networks[0].address",
        "10.40.0.7 cannot be that of 2 pods",
        "drop it or `count`",
    ),
    (
        "a static address of two pods",
        {"networks": [STATIC], "pods": [pod(networks=[ON_LAN]), pod(name="b", networks=[ON_LAN])]},
        "pods[1].networks[0].address",
        "10.40.0.7 is that of pods[0].networks[0].address too",
        "give each its own",
    ),
    (
        "a static address that is the gateway",
        {"networks": [STATIC | {"gateway": "10.40.0.7"}], "pods": [pod(networks=[ON_LAN])]},
        "pods[0].networks[0].address",
        "10.40.0.7 is the gateway of lan",
        "take another one",
    ),
    (
        "a static address of the nodes' block",
        {"networks": [STATIC], "pods": [pod(networks=[ON_LAN | {"address": NODES}])]},
        "pods[0].networks[0].address",
        "10.40.254.7 is one of the nodes' own 10.40.254.0/24",
        "take another one",
    ),
    (
        "a static address that a worker has",
        {"networks": [STATIC | {"nodeAddresses": ["10.40.0.7"]}], "pods": [pod(networks=[ON_LAN])]},
        "pods[0].networks[0].address",
        "10.40.0.7 is that of networks[0].nodeAddresses[0] too",
        "give each its own",
    ),
    # The workers' own addresses
    (
        "a worker's address of another network",
        {"networks": [network(nodeAddresses=["10.24.0.5"])]},
        "networks[0].nodeAddresses[0]",
        "10.24.0.5 is no host address of 10.23.0.0/16",
        "take one from the subnet",
    ),
    (
        "a worker's address that is the gateway",
        {"networks": [network(nodeAddresses=["10.23.0.1"])]},
        "networks[0].nodeAddresses[0]",
        "10.23.0.1 is the network's gateway",
        "take another one",
    ),
    (
        "a worker's address in the pods' range",
        {"networks": [network(nodeAddresses=["10.23.0.100"])]},
        "networks[0].nodeAddresses[0]",
        "10.23.0.100 lies in the pods' range 10.23.0.100 to 10.23.0.240",
        "move either",
    ),
    (
        "an address of two workers",
        {"workers": 2, "networks": [network(nodeAddresses=["10.23.10.10", "10.23.10.10"])]},
        "networks[0].nodeAddresses[1]",
        "10.23.10.10 is there twice",
        "give each worker its own",
    ),
    (
        "fewer addresses than workers that join",
        {"workers": 3, "networks": [network(nodes=["worker", "worker3"], nodeAddresses=["10.23.10.10"])]},
        "networks[0].nodeAddresses",
        "1 for 2 workers that join",
        "give one for each in the workers' order, or drop the key",
    ),
    (
        "no address at all",
        {"networks": [network(nodeAddresses=[])]},
        "networks[0].nodeAddresses",
        "0 for 1 worker that joins",
        "or drop the key",
    ),
    (
        "an address with a prefix",
        {"networks": [network(nodeAddresses=["10.23.10.10/16"])]},
        "networks[0].nodeAddresses[0]",
        "'10.23.10.10/16' is not an IPv4 address",
        "such as 10.23.0.1",
    ),
    # Annotations of the nodes
    (
        "the address of a worker that has none",
        {"nodeAnnotations": {"bnk": True}},
        "nodeAnnotations.bnk",
        "the workers have no address on ext-net: it is the pods' alone",
        "give ext-net `nodeAddresses`, or name another `network`",
    ),
    *(
        (
            f"the address of a worker that cannot have one: {what}",
            {"networks": [changed], "pods": [], "nodeAnnotations": {"bnk": True}},
            "nodeAnnotations.bnk",
            "the workers have no address on lan: it is the pods' alone",
            "drop it, or name another `network` that has `nodeAddresses`",
        )
        for what, changed in {"IPv6": LAN6, "a bridge": LAN | {"plugin": "bridge"}}.items()
    ),
    *(
        (
            f"a network that is not there, of nothing that is told{how}",
            {"nodeAnnotations": {"network": "nope"}} | more,
            "nodeAnnotations.network",
            "there is no network 'nope'",
            remedy,
        )
        for how, more, remedy in (
            ("", {}, "known are: ext-net"),
            (" among none", NO_NETWORKS, "drop it: there is none in `networks`"),
        )
    ),
    (
        "the workers' address on a network that is not there",
        {"nodeAnnotations": {"bnk": True, "network": "lan"}},
        "nodeAnnotations.network",
        "there is no network 'lan'",
        "known are: ext-net",
    ),
    (
        "the workers' address without a network",
        {"nodeAnnotations": {"bnk": True}, "networks": [], "pods": []},
        "nodeAnnotations.bnk",
        "there is no network that a worker has an address on",
        "give `networks` or drop it",
    ),
    (
        "a mistyped annotation",
        {"nodeAnnotations": {"bnkk": True}},
        "nodeAnnotations.bnkk",
        "unknown key",
        "did you mean `bnk`?",
    ),
    # Ranges
    (
        "a range for fewer workers than join",
        {"workers": 3, "networks": [network(ipam={"rangeEnd": "10.23.0.101"})], "pods": []},
        "networks[0].ipam",
        "holds 2 addresses, and 3 workers need a part each",
        "let fewer join",
    ),
    (
        "a worker's part for fewer pods than are bound to it",
        {
            "workers": 2,
            "networks": [network(ipam={"rangeEnd": "10.23.0.103"})],
            "pods": [pod(count=3, node="worker2")],
        },
        "networks[0].ipam",
        "kalico-worker2 (10.23.0.102 to 10.23.0.103) has 2 addresses of the range, the pods that run there alone want",
        "widen the range or move pods",
    ),
    (
        "the parts of two workers for fewer pods than can run nowhere else",
        {
            "workers": 3,
            "networks": [
                network(ipam={"rangeEnd": "10.23.0.102"}),
                LAN | {"nodes": ["worker", "worker2"]},
            ],
            "pods": [pod(networks=["ext-net", "lan"], count=2), pod(name="b", node="worker")],
        },
        "networks[0].ipam",
        "has 2 addresses of the range, the pods that run there alone want 3",
        "widen the range or move pods",
    ),
    (
        "a range for fewer pods than a count asks for",
        {"networks": [network(ipam={"rangeEnd": "10.23.0.109"})], "pods": [pod(count=11)]},
        "networks[0].ipam",
        "holds 10 addresses, the pods want 11",
        "widen the range",
    ),
    # IPv6
    *(
        (f"the IPv6 subnet {given}", {"networks": [network(subnet6=given)]}, "networks[0].subnet6", problem, remedy)
        for given, problem, remedy in (
            ("fd23::1/64", "fd23::1/64 has host bits set", "write fd23::/64"),
            ("fd23::", "fd23:: has no prefix length", "such as fd23::/64"),
            ("fd23:://64", "'fd23:://64' is not a subnet", "address/prefix, such as fd23::/64"),
            ("fd23::%eth0/64", "is not a subnet", "such as fd23::/64"),
            ("10.33.0.0/16", "10.33.0.0/16 is IPv4", "give an IPv6 subnet, or say it by `subnet`"),
            ("fe80::/64", "fe80::/64 is for loopback, multicast or one link alone", "fd00::/8"),
            ("ff05::/64", "ff05::/64 is for loopback, multicast or one link alone", "fd00::/8"),
            ("::ffff:0:0/112", "is for loopback, multicast or one link alone", "fd00::/8"),
            ("::/0", "::/0 is none that a network has", "give a /8 to /124"),
            ("fd23::/125", "fd23::/125 is none that a network has", "a /64 is the rule"),
            ("fd23::/128", "fd23::/128 is none that a network has", "a /64 is the rule"),
        )
    ),
    (
        "an IPv6 subnet by IPv4's key",
        {"networks": [LAN | {"subnet": "fd40::/64"}], "pods": []},
        "networks[0].subnet",
        "fd40::/64 is IPv6",
        "give an IPv4 subnet, or say it by `subnet6`",
    ),
    *(
        (f"{key} without an IPv6 subnet", {"networks": [changed]}, f"networks[0].{key}", "has no `subnet6`", "drop it")
        for key, changed in {
            "gateway6": network(gateway6="fd23::1"),
            "ipam.rangeStart6": network(ipam={"rangeStart6": "fd23::100"}),
            "ipam.rangeEnd6": network(ipam={"rangeEnd6": "fd23::100"}),
            "peer.address6": network(peer={"address6": "fd23::9"}),
        }.items()
    ),
    *(
        (f"{key} without an IPv4 subnet", {"networks": [LAN6 | changed], "pods": []}, f"networks[0].{key}", *why)
        for why in [("the network has no `subnet`", "give `subnet` or drop")]
        for key, changed in WITHOUT_SUBNET.items()
    ),
    *(
        (f"{key} {given}", {"networks": [network(**DUAL | changed)]}, f"networks[0].{key}", problem, remedy)
        for key, given, changed, problem, remedy in (
            ("gateway6", "10.23.0.1", {"gateway6": "10.23.0.1"}, "10.23.0.1 is IPv4", "or say it by `gateway`"),
            ("gateway", "fd23::1", {"gateway": "fd23::1"}, "fd23::1 is IPv6", "or say it by `gateway6`"),
            ("gateway6", "fd24::1", {"gateway6": "fd24::1"}, "fd24::1 is no host address of fd23::/64", "take one"),
            ("gateway6", "fd23::", {"gateway6": "fd23::"}, "fd23:: is no host address of fd23::/64", "take one"),
            ("gateway6", "fe80::1%e", {"gateway6": "fe80::1%e"}, "'fe80::1%e' is not an IPv6 address", "groups"),
            (
                "ipam.rangeStart6",
                "::200",
                {"gateway6": "fd23::200"},
                "the gateway fd23::200 lies in the",
                "move either",
            ),
            ("peer.address6", "10.23.0.9", {"peer": {"address6": "10.23.0.9"}}, "is IPv4", "or say it by `address`"),
            ("peer.address", "fd23::9", {"peer": {"address": "fd23::9"}}, "is IPv6", "or say it by `address6`"),
            ("peer.address6", "fd24::9", {"peer": {"address6": "fd24::9"}}, "no host address of fd23::/64", "take one"),
            ("peer.address6", "fd23::1", {"peer": {"address6": "fd23::1"}}, "is the gateway", "`gateway6: peer`"),
            (
                "peer.address6",
                "fd23::100",
                {"peer": {"address6": "fd23::100"}},
                "lies in the pods' range fd23::100",
                "",
            ),
            ("peer", "unsaid", {"peer": {"address": "10.23.0.9"}, "parent": "eth7"}, "eth7 may have", "address6: ..."),
            (
                "peer.forward",
                "by IPv6",
                {"gateway6": "peer", "peer": {"forward": True}},
                "IPv4 alone",
                "`gateway: peer`",
            ),
            ("gateway6", "none", {"gateway6": "peer", "peer": False}, "there is none", "drop `peer: false`"),
            ("mtu", "1279", {"mtu": 1279}, "1279 is too little for IPv6", "give 1280 or more, or drop `subnet6`"),
            ("routes[1].dst", "twice", {"routes": [BEYOND6, BEYOND6]}, "fd09::/64 is there twice", "drop one"),
        )
    ),
    *(
        (
            f"a range of {start} to {end}",
            {"networks": [network(ipam={"rangeStart6": start, "rangeEnd6": end}, **DUAL)]},
            f"networks[0].ipam.{key}",
            problem,
            remedy,
        )
        for start, end, key, problem, remedy in (
            (
                "fd24::100",
                "fd23::200",
                "rangeStart6",
                "fd24::100 is no host address of fd23::/64",
                "take one of fd23::1 to",
            ),
            ("fd23::100", "fd24::200", "rangeEnd6", "fd24::200 is no host address", "to fd23::ffff:ffff:ffff:ffff"),
            ("fd23::200", "fd23::100", "rangeStart6", "fd23::200 comes after rangeEnd6 fd23::100", "swap the two"),
            ("10.23.0.9", "fd23::100", "rangeStart6", "10.23.0.9 is IPv4", "or say it by `rangeStart`"),
            ("fd23::100", "fd23::1g", "rangeEnd6", "'fd23::1g' is not an IPv6 address", "such as fd23::1"),
        )
    ),
    *(
        (f"{what} by {key}", {"networks": [change(route) | more]}, f"networks[0].{key}[0].{part}", problem, remedy)
        for key, change in ROUTES.items()
        for what, route, more, part, problem, remedy in (
            ("a route of IPv6 without it", BEYOND6, {}, "dst", "fd09::/64, and the network has no `subnet6`", "drop"),
            (
                "a route of two families",
                BEYOND6 | {"gw": "10.23.0.2"},
                DUAL,
                "gw",
                "10.23.0.2 is IPv4",
                "give an IPv6 address, as `dst` is one",
            ),
            (
                "a route of IPv6 out of another subnet",
                BEYOND6 | {"gw": "fd24::1"},
                DUAL,
                "gw",
                "fd24::1 is no host address of fd23::/64",
                "take one from the subnet",
            ),
            (
                "a route of IPv6 through a pod",
                BEYOND6 | {"gw": "fd23::100"},
                DUAL,
                "gw",
                "fd23::100 lies in the pods' range fd23::100 to fd23::ffff",
                "move either",
            ),
        )
    ),
    (
        "a default route of IPv6 by no gateway",
        {"networks": [network(subnet6="fd23::/64", routes=[{"dst": "::/0"}], defaultRoute="literal")]},
        "networks[0].routes",
        "a default route, but the network has no gateway6",
        "give `gateway6` or drop it",
    ),
    (
        "the way out by neither gateway",
        {"networks": [network(without="gateway", subnet6="fd23::/64", defaultRoute="net1")]},
        "networks[0].defaultRoute",
        "net1, but the network has no gateway",
        "give `gateway` or `gateway6` or take",
    ),
    *(
        (
            f"a fixed address {given} by {key}",
            {"networks": [network(**DUAL, peer=True)], "pods": [pod(networks=[{"name": "ext-net", key: given}])]},
            f"pods[0].networks[0].{key}",
            problem,
            remedy,
        )
        for key, given, problem, remedy in (
            ("address6", "10.23.0.150", "10.23.0.150 is IPv4", "or say it by `address`"),
            ("address", "fd23::150", "fd23::150 is IPv6", "or say it by `address6`"),
            ("address6", "fd24::150", "fd24::150 is no host address of fd23::/64", "take one of fd23::1 to"),
            ("address6", "fd23::1", "fd23::1 is the gateway of ext-net", "take another one"),
            ("address6", "fd23::ffff:ffff:ffff:ffff", "is the peer's of ext-net", "take another one"),
            ("address6", "fd23::99", "fd23::99 is not in the range", "take one of fd23::100 to fd23::ffff"),
        )
    ),
    (
        "a fixed address of a family that is not there",
        fixed(address6="fd23::150"),
        "pods[0].networks[0].address6",
        "the network has no `subnet6`",
        "give `subnet6` or drop it",
    ),
    (
        "an address of IPv6 for two",
        {
            "networks": [network(**DUAL)],
            "pods": [pod(networks=[{"name": "ext-net", "address6": "fd23::150"}], count=2)],
        },
        "pods[0].networks[0].address6",
        "fd23::150 cannot be that of 2 pods",
        "drop it or `count`",
    ),
    (
        "an address of IPv6 twice",
        {
            "networks": [network(**DUAL)],
            "pods": [pod(name=name, networks=[{"name": "ext-net", "address6": "fd23::150"}]) for name in "ab"],
        },
        "pods[1].networks[0].address6",
        "fd23::150 is that of pods[0].networks[0].address6 too",
        "give each its own",
    ),
    *(
        (
            f"a static network's pod without {lacking}",
            {"networks": [STATIC | {"subnet6": "fd40::/64"}], "pods": [pod(networks=[{"name": "lan", **said}])]},
            f"pods[0].networks[0].{lacking}",
            "missing",
            "give a host address of",
        )
        for lacking, said in {"address6": {"address": "10.40.0.7"}, "address": {"address6": "fd40::7"}}.items()
    ),
    (
        "networks on one IPv6 subnet",
        {"networks": [network(**DUAL), LAN | {"subnet6": "fd23::/48"}]},
        "networks[1].subnet6",
        "fd23::/48 overlaps networks[0].subnet6 fd23::/64",
        "keep the subnets apart",
    ),
    (
        "an IPv6 range with less addresses than pods",
        {
            "networks": [network(ipam={"rangeStart6": "fd23::1:1", "rangeEnd6": "fd23::1:3"}, **DUAL)],
            "pods": [pod(count=4)],
        },
        "networks[0].ipam",
        "holds 3 addresses, the pods want 4",
        "widen the range",
    ),
    (
        "an IPv6 range with less addresses than workers",
        {
            "networks": [network(ipam={"rangeStart6": "fd23::7", "rangeEnd6": "fd23::7"}, **DUAL)],
            "workers": 2,
            "pods": [],
        },
        "networks[0].ipam",
        "the range fd23::7 to fd23::7 holds 1 addresses, and 2 workers need a part each",
        "widen the range",
    ),
    (
        "an address of IPv6 in another worker's part",
        {
            "networks": [network(**DUAL)],
            "workers": 2,
            "pods": [pod(networks=[{"name": "ext-net", "address6": "fd23::ffff"}], node="worker")],
        },
        "pods[0].networks[0].address6",
        "fd23::ffff is in kalico-worker2's part of the range, the pod runs on kalico-worker",
        "give `node: worker2`",
    ),
    # DHCP
    *(
        (
            what,
            leased(without=without, of_network={"subnet6": "fd40::/64"}, **said),
            "networks[0].subnet6",
            "fd40::/64: the IPAM type has no address of IPv6 for a pod",
            "drop it or take type host-local or static or whereabouts",
        )
        for what, without, said in (
            ("IPv6 beside the IPv4 that DHCP leases", "", {}),
            ("IPv6 beside what a server of another's leases", "", {"server": False}),
            ("IPv6 alone where DHCP leases IPv4", "subnet", {}),
        )
    ),
    (
        "an address for a pod whose address is leased",
        leased() | {"pods": [pod(networks=[ON_LAN])]},
        "pods[0].networks[0].address",
        "10.40.0.7: the IPAM of lan fixes no address",
        "drop it or take type host-local or static",
    ),
    (
        "routes where the server tells them",
        leased(routes=[BEYOND]),
        "networks[0].ipam.routes",
        "dhcp has no such key",
        "`routes` is a key of host-local and static",
    ),
    (
        "a range of a server that is not the lab's",
        leased(server=False, rangeStart="10.40.0.9"),
        "networks[0].ipam.rangeStart",
        "the lab has no say in it with `server: false`",
        "drop it",
    ),
    (
        "a lease time of a server that is not the lab's",
        leased(server=False, leaseTime="1h"),
        "networks[0].ipam.leaseTime",
        "the lab has no say in it",
        "drop it",
    ),
    (
        "routes of a server that is not the lab's",
        leased(server=False, of_network={"routes": [BEYOND]}),
        "networks[0].routes",
        "10.9.0.0/16, and the network's own DHCP server tells the routes",
        "say it there",
    ),
    (
        "a route by DHCP to the link itself",
        leased(without="gateway", of_network={"routes": [BEYOND]}),
        "networks[0].routes",
        "10.9.0.0/16 leads by no gateway, and DHCP tells one with each",
        "give it a `gw`",
    ),
    ("a server in words", leased(server="dnsmasq"), "networks[0].ipam.server", "neither true nor false", "give true"),
    (
        "a mistyped key of a server",
        leased(server={"adress": "10.40.0.9"}),
        "networks[0].ipam.server.adress",
        "unknown key",
        "did you mean `address`?",
    ),
    (
        "a lease for a while",
        leased(leaseTime="a while"),
        "networks[0].ipam.leaseTime",
        "'a while' is no length of time",
        "such as 10m",
    ),
    ("a lease without end", leased(leaseTime="infinite"), "networks[0].ipam.leaseTime", "no length of time", "10m"),
    ("a lease of a number", leased(leaseTime=3600), "networks[0].ipam.leaseTime", "3600 is not", "a text such as 1h"),
    (
        "a lease that dnsmasq would lengthen",
        leased(leaseTime="119"),
        "networks[0].ipam.leaseTime",
        "119 is out of bounds",
        "give 2m to 52w",
    ),
    ("a lease of years", leased(leaseTime="53w"), "networks[0].ipam.leaseTime", "53w is out of bounds", "2m to 52w"),
    (
        "a server on a parent by an address of the lab's choice",
        leased(of_network={"parent": "eth7"}),
        "networks[0].ipam.server",
        "eth7 may have others on it, and a DHCP server of their own",
        "say `server: false` where it has",
    ),
    (
        "a server elsewhere",
        leased(server={"address": "10.41.0.9"}),
        "networks[0].ipam.server.address",
        "10.41.0.9 is no host address of 10.40.0.0/16",
        "take one from the subnet",
    ),
    (
        "a server by an address that it hands out",
        leased(server={"address": "10.40.0.9"}),
        "networks[0].ipam.server.address",
        "10.40.0.9 lies in the range 10.40.0.2 to 10.40.253.255 that it hands out",
        "move either",
    ),
    (
        "a server that is the gateway",
        leased(server={"address": "10.40.0.1"}),
        "networks[0].ipam.server.address",
        "10.40.0.1 is the gateway",
        "take another one",
    ),
    (
        "a server that is the peer",
        leased(server={"address": NODES}, of_network={"peer": {"address": NODES}}),
        "networks[0].ipam.server.address",
        f"{NODES} is the peer's",
        "take another one",
    ),
    (
        "a server that is a node",
        leased(server={"address": NODES}, of_network={"nodeAddresses": [NODES]}),
        "networks[0].ipam.server.address",
        f"{NODES} is one of `nodeAddresses` too",
        "take another one",
    ),
    (
        "a server that no pod reaches",
        leased(of_network={"mode": "private"}),
        "networks[0].ipam.server",
        "private keeps pods apart from it",
        "take another mode or type",
    ),
    *(
        (
            f"an island whose frames nobody sends back, with {given}",
            {"networks": [network(mode="vepa", **given)], "pods": []},
            "networks[0].peer",
            "vepa without a `parent` keeps pods apart from it",
            "take another mode, or drop it",
        )
        for given in ({"peer": True}, {"gateway": "peer"})
    ),
    (
        "a server on an island whose frames nobody sends back",
        leased(of_network={"mode": "vepa"}),
        "networks[0].ipam.server",
        "vepa without a `parent` keeps pods apart from it",
        "take another mode or type",
    ),
    (
        "a subnet without an address for the server",
        leased(
            rangeStart="10.40.0.1",
            rangeEnd="10.40.0.7",
            of_network={"subnet": "10.40.0.0/28", "gateway": "10.40.0.12"}
            | {"routes": [{"dst": f"10.9.{i}.0/24", "gw": f"10.40.0.{i}"} for i in (13, 14)]},
        ),
        "networks[0].ipam.server",
        "10.40.0.0/28 has no address left for it",
        "take a larger subnet",
    ),
    (
        "a range of leases for fewer pods than there are",
        leased(rangeStart="10.40.0.10", rangeEnd="10.40.0.11") | {"pods": [pod(networks=["lan"], count=3)]},
        "networks[0].ipam",
        "holds 2 addresses, the pods want 3",
        "widen the range",
    ),
]


SMALL = {"rangeStart": "10.40.0.2", "rangeEnd": "10.40.0.3"}
BESIDE: list[tuple[str, dict[str, Any], str, str]] = [
    # What is wrong twice, the config's changes, and the two faults by their keys.
    (
        "an mtu, and a pod's address",
        {"networks": [LAN | {"mtu": 3}], "pods": [pod(networks=[ON_LAN | {"address": "10.99.0.7"}])]},
        "networks[0].mtu",
        "pods[0].networks[0].address",
    ),
    (
        "a mode, and a pod without an address",
        {"networks": [STATIC | {"mode": "brid"}], "pods": [pod(networks=["lan"])]},
        "networks[0].mode",
        "pods[0].networks[0].address",
    ),
    (
        "a vlan on nothing, and a range for fewer pods",
        {"networks": [LAN | {"vlan": 7, "ipam": SMALL}], "pods": [pod(networks=["lan"], count=50)]},
        "networks[0].vlan",
        "networks[0].ipam",
    ),
    (
        "an mtu, and workers without an address to tell",
        {"networks": [network(mtu=3)], "nodeAnnotations": {"bnk": True}},
        "networks[0].mtu",
        "nodeAnnotations.bnk",
    ),
    (
        "a plugin, and a pod's address",
        {
            "networks": [{"name": "lan", "subnet": "10.40.0.0/16", "plugin": "macvtap"}],
            "pods": [pod(networks=[ON_LAN | {"address": "10.99.0.7"}])],
        },
        "networks[0].plugin",
        "pods[0].networks[0].address",
    ),
    (
        "a lease time, and a server elsewhere",
        leased(leaseTime="x", server={"address": "10.99.0.1"}),
        "networks[0].ipam.leaseTime",
        "networks[0].ipam.server.address",
    ),
    (
        "a plugin, and a server elsewhere",
        leased(server={"address": "10.99.0.1"}, of_network={"plugin": "macvtap"}),
        "networks[0].plugin",
        "networks[0].ipam.server.address",
    ),
    (
        "a lease time, and a plugin that no server answers",
        leased(leaseTime="x", of_network={"plugin": "bridge"}),
        "networks[0].ipam.leaseTime",
        "networks[0].ipam.type",
    ),
    (
        "a lease time, and a peer that is handed out",
        leased(leaseTime="x", of_network={"peer": {"address": "10.40.0.9"}}),
        "networks[0].ipam.leaseTime",
        "networks[0].peer.address",
    ),
    (
        "a route, and a range for fewer workers than join",
        {"workers": 3, "networks": [LAN | {"ipam": SMALL | {"routes": [{"dst": "x"}]}}], "pods": []},
        "networks[0].ipam.routes[0].dst",
        "networks[0].ipam",
    ),
    (
        "a range, and a subnet without room for the nodes",
        {"networks": [LAN | {"subnet": "10.40.0.0/29", "ipam": {"rangeEnd": "10.41.0.3"}}], "pods": []},
        "networks[0].ipam.rangeEnd",
        "networks[0].subnet",
    ),
    *(
        (
            f"a pod's {key}, and a range for fewer pods",
            {"networks": [LAN | {"ipam": SMALL}], "pods": [pod(networks=["lan"], count=50, **{key: "A B"})]},
            f"pods[0].{key}",
            "networks[0].ipam",
        )
        for key in ("image", "namespace")
    ),
    (
        "a pod's image, and more pods than the workers run",
        {"pods": [pod(name="a", networks=[], count=60, image="A B"), pod(name="b", networks=[], count=60)]},
        "pods[0].image",
        "pods",
    ),
]


@pytest.mark.parametrize(("changes", "one", "other"), [row[1:] for row in BESIDE], ids=[row[0] for row in BESIDE])
def test_no_fault_hides_another(changes: dict[str, Any], one: str, other: str) -> None:
    assert {one, other} <= {fault.key for fault in faults(**changes)}


@pytest.mark.parametrize(
    ("changes", "key", "problem", "remedy"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_used_is_refused_by_key_with_problem_and_remedy(
    changes: dict[str, Any], key: str, problem: str, remedy: str
) -> None:
    found = faults(**changes)
    matching = [fault for fault in found if fault.key == key and problem in fault.problem and remedy in fault.remedy]
    assert matching, "\n".join(str(fault) for fault in found)


@pytest.mark.parametrize(("changes"), [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_nothing_is_said_twice(changes: dict[str, Any]) -> None:
    said = [str(fault) for fault in faults(**changes)]
    assert sorted(set(said)) == sorted(said)


def test_all_faults_come_in_one_message() -> None:
    ipam = {"rangeStart": "10.23.0.100", "rangeStop": "10.23.0.240"}
    with pytest.raises(ConfigError) as caught:
        lab(worker=2, podSubnet="10.24.3.0/16", networks=[network() | {"ipam": ipam}])
    message = str(caught.value)
    assert "nothing was touched" in message.splitlines()[0]
    assert "  - worker: unknown key; did you mean `workers`?" in message.splitlines()
    assert "  - podSubnet: 10.24.3.0/16 has host bits set; write 10.24.0.0/16" in message.splitlines()
    assert "  - networks[0].ipam.rangeStop: unknown key; did you mean `rangeEnd`?" in message.splitlines()


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("subnet", network(subnet="10.23.0.0")),
        ("subnet", network(subnet="10.23.0.0") | {"ipam": {"rangeStart": "10.23.0.100"}}),
        ("subnet", network(subnet="10.23.0.0") | {"ipam": {"rangeEnd": "10.23.0.100"}}),
        ("ipam.rangeStart", network(ipam={"rangeStart": "10.23.100"})),
        ("ipam.rangeEnd", network(ipam={"rangeEnd": "10.23.240"})),
        ("ipam.rangeStop", network() | {"ipam": {"rangeStart": "10.23.0.100", "rangeStop": "10.23.0.240"}}),
        ("ipam", network() | {"ipam": "host-local"}),
        ("subnet", network(subnet="10.23.0.0", gateway="peer", peer={"address": "10.23.0.7"})),
        ("peer.address", network(gateway="peer", peer={"address": "10.23.7"})),
        ("nodeAddresses", network(nodeAddresses=[])),
        ("gateway", network(gateway="peer", peer=False)),
        ("ipam.rangeEnd", network(ipam={"rangeEnd": "10.22.0.9"})),
        ("routes[0]", network(routes=["10.9.0.0/16"])),
        ("routes[0]", network(routes=[None])),
        ("nodes[0]", network(nodes=["wörker"])),
        (
            "ipam.server.address",
            network(parent="eth7") | {"ipam": {"type": "dhcp", "server": {"address": "10.23.7"}}},
        ),
    ],
    ids=[
        "subnet",
        "subnet and a start",
        "subnet and an end",
        "start",
        "end",
        "key",
        "ipam",
        "subnet and a peer",
        "peer",
        "workers' addresses",
        "peer that is not to be",
        "end out of the subnet",
        "route as a text",
        "no route",
        "workers",
        "server",
    ],
)
def test_what_could_not_be_read_brings_no_faults_of_its_stand_in(key: str, changes: dict[str, Any]) -> None:
    [fault] = faults(networks=[changes])
    assert fault.key == f"networks[0].{key}"


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("calicoManifest", {"calicoManifest": "x"}),
        ("calicoVersion", {"calicoVersion": 3}),
        ("networks[0]", {"networks": ["ext-net"]}),
        ("pods[0]", {"pods": [None]}),
        ("networks[1].name", {"networks": [LAN, LAN | {"subnet": "10.50.0.0/16", "ipam": {}}], "pods": [ON]}),
        ("networks[1].name", {"networks": [LAN | {"subnet": "10.50.0.0/16", "ipam": {}}, LAN], "pods": [ON]}),
        ("whereaboutsVersion", {"networks": [WHEREABOUTS], "pods": [], "whereaboutsVersion": "v0.9.0"}),
        ("vlan", {"networks": [network(parent="eth7", vlan="1_0")]}),
        ("workers", {"workers": "1_0"}),
        ("podSubnet", {"podSubnet": "8.0.0.0/7", "networks": [network(routes=[{"dst": "8.8.0.0/16"}])]}),
    ],
)
def test_one_thing_that_is_wrong_is_one_fault(key: str, changes: dict[str, Any]) -> None:
    [fault] = faults(**changes)
    assert fault.key.endswith(key)


@pytest.mark.parametrize(
    ("key", "changes", "address"),
    [
        ("peer.address", {"peer": {"address": "10.40.7"}}, "10.40.255.254"),
        ("routes[0].gw", {"routes": [BEYOND | {"gw": "10.40.7"}]}, NODES),
        ("plugin", {"plugin": "brigde"}, NODES),
        ("nodes[0]", {"nodes": ["worker9"]}, "10.40.0.7"),
    ],
    ids=["peer", "gateway of a route", "plugin", "workers"],
)
def test_no_pods_address_is_held_against_a_stand_in(key: str, changes: dict[str, Any], address: str) -> None:
    [fault] = faults(networks=[STATIC | changes], pods=[pod(networks=[ON_LAN | {"address": address}])])
    assert fault.key == f"networks[0].{key}"


SETTINGS = ROOT / "components/settings"


def rules() -> set[tuple[Path, int, int]]:
    """Every place of the settings that notes a fault: its file, its first and its last line."""
    return {
        (path, node.lineno, node.end_lineno or node.lineno)
        for path in SETTINGS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith((".fault", "faults.add"))
        and ast.unparse(node.func) != "self._faults.add"
    }


def test_the_table_goes_through_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: set[tuple[Path, int]] = set()
    add = Faults.add

    def noticing(self: Faults, key: str, problem: str, remedy: str) -> None:
        frame = sys._getframe(1)
        while frame is not None and Path(frame.f_code.co_filename).parent == SETTINGS:
            noted.add((Path(frame.f_code.co_filename), frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]
        add(self, key, problem, remedy)

    monkeypatch.setattr(Faults, "add", noticing)
    for row in REFUSED:
        with suppress(ConfigError):
            lab(**row[1])
    silent = [
        f"{path.name}:{first}"
        for path, first, last in sorted(rules())
        if not any(file == path and first <= line <= last for file, line in noted)
    ]
    assert silent == []
    assert len(rules()) > 50
