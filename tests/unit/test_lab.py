"""The settings: what the defaults are, what is refused and how it is said, and where nodes get their addresses."""

import ipaddress
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.settings import ConfigError, LabSettings, NetworkSettings, PodSettings, Source, load
from components.settings.ipam import IPAM_TYPES, HostLocal
from components.settings.lab import EngineChoice, MacvlanMode, node_range
from tests.lab_config import PINS, config, faults, lab, network, pod

SEEDS_NETWORK = NetworkSettings(
    name="ext-net",
    subnet=IPv4Network("10.23.0.0/16"),
    gateway=IPv4Address("10.23.0.1"),
    parent=None,
    mode=MacvlanMode.BRIDGE,
    ipam=HostLocal(
        range_start=IPv4Address("10.23.0.100"),
        range_end=IPv4Address("10.23.0.240"),
        routes=(IPv4Network("0.0.0.0/0"),),
    ),
    node_range=IPv4Network("10.23.254.0/24"),
)

SEEDS_LAB = LabSettings(
    cluster_name="kalico",
    engine=EngineChoice.AUTO,
    workers=1,
    pod_subnet=IPv4Network("10.24.0.0/16"),
    service_subnet=IPv4Network("10.96.0.0/16"),
    node_image="kindest/node:v1.32.2@sha256:f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f",
    feature_gates=(),
    calico_manifest=Source(
        location="https://raw.githubusercontent.com/projectcalico/calico/v3.29.2/manifests/tigera-operator.yaml",
        sha256="dd1aebc0ca9ba2c8ef0f2135040f9b8bd4dc4977a1322852abb30136ce77d2ac",
    ),
    multus_manifest=Source(
        location="https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/v4.2.3/"
        "deployments/multus-daemonset-thick.yml",
        sha256="3deea054dc2dca607c2c859e5f31a8fb82389f68c13b5f8be054607151391290",
    ),
    multus_image="ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick",
    cni_plugins=Source(
        location="https://github.com/containernetworking/plugins/releases/download/v1.8.0/"
        "cni-plugins-linux-amd64-v1.8.0.tgz",
        sha256="ab3bda535f9d90766cccc90d3dddb5482003dd744d7f22bcf98186bf8eea8be6",
    ),
    networks=(SEEDS_NETWORK,),
    pods=(
        PodSettings(
            name="samplepod",
            image="alpine",
            command=("/bin/ash", "-c", "trap : TERM INT; sleep infinity & wait"),
            networks=("ext-net",),
        ),
    ),
)


def test_the_defaults_are_the_seeds_lab() -> None:
    assert lab() == SEEDS_LAB


def test_the_plugins_are_those_of_the_nodes_architecture() -> None:
    assert load(config(), PINS, "arm64").cni_plugins == Source(
        location="https://github.com/containernetworking/plugins/releases/download/v1.8.0/"
        "cni-plugins-linux-arm64-v1.8.0.tgz",
        sha256="57ce466fc3b79db1f19b8f4c63e07a1112306efa53c94fe810a2150dd9e07ddb",
    )


def test_all_that_can_be_said_is_taken_as_said() -> None:
    source = {"source": "/srv/a.yaml", "sha256": "a" * 64}
    taken = lab(
        clusterName="other",
        engine="docker",
        podSubnet="10.30.0.0/20",
        serviceSubnet="10.31.0.0/20",
        nodeImage="localhost/node:1",
        featureGates={"Some": True, "Other": False},
        calicoManifest=source,
        multusManifest=source | {"source": "/srv/b.yaml"},
        cniPluginsArchive=source | {"source": "/srv/c.tgz"},
        networks=[
            {
                "name": "lan",
                "subnet": "10.40.0.0/24",
                "gateway": "10.40.0.254",
                "parent": "eth7",
                "mode": "private",
                "ipam": {
                    "type": "host-local",
                    "rangeStart": "10.40.0.10",
                    "rangeEnd": "10.40.0.20",
                    "routes": [{"dst": "10.50.0.0/16"}, {"dst": "10.51.0.0/16"}],
                },
            },
        ],
        pods=[{"name": "one", "image": "busybox", "command": ["sleep", "1"], "networks": ["lan"]}, {"name": "two"}],
    )
    assert taken == LabSettings(
        cluster_name="other",
        engine=EngineChoice.DOCKER,
        workers=1,
        pod_subnet=IPv4Network("10.30.0.0/20"),
        service_subnet=IPv4Network("10.31.0.0/20"),
        node_image="localhost/node:1",
        feature_gates=(("Other", False), ("Some", True)),
        calico_manifest=Source(location="/srv/a.yaml", sha256="a" * 64),
        multus_manifest=Source(location="/srv/b.yaml", sha256="a" * 64),
        multus_image="ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick",
        cni_plugins=Source(location="/srv/c.tgz", sha256="a" * 64),
        networks=(
            NetworkSettings(
                name="lan",
                subnet=IPv4Network("10.40.0.0/24"),
                gateway=IPv4Address("10.40.0.254"),
                parent="eth7",
                mode=MacvlanMode.PRIVATE,
                ipam=HostLocal(
                    range_start=IPv4Address("10.40.0.10"),
                    range_end=IPv4Address("10.40.0.20"),
                    routes=(IPv4Network("10.50.0.0/16"), IPv4Network("10.51.0.0/16")),
                ),
                node_range=IPv4Network("10.40.0.128/26"),
            ),
        ),
        pods=(
            PodSettings(name="one", image="busybox", command=("sleep", "1"), networks=("lan",)),
            PodSettings(name="two", image="alpine", command=(), networks=()),
        ),
    )


def test_a_version_without_a_pin_is_taken_with_a_manifest_of_ones_own() -> None:
    source = {"source": "/srv/multus.yaml", "sha256": "b" * 64}
    taken = lab(multusVersion="v9.9.9", multusManifest=source)
    assert taken.multus_manifest == Source(location="/srv/multus.yaml", sha256="b" * 64)
    assert taken.multus_image == "ghcr.io/k8snetworkplumbingwg/multus-cni:v9.9.9-thick"


@pytest.mark.parametrize("workers", ["1", 1])
def test_a_number_may_come_as_the_text_that_pulumi_makes_of_it(workers: Any) -> None:
    assert lab(workers=workers).workers == 1


def test_several_workers_are_taken_where_no_lease_can_collide() -> None:
    assert lab(workers="3", networks=[], pods=[]).workers == 3


def test_a_lab_without_networks_and_pods_is_one() -> None:
    bare = lab(networks=[], pods=[])
    assert (bare.networks, bare.pods) == ((), ())


@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_every_macvlan_mode_is_taken_by_its_name(mode: MacvlanMode) -> None:
    assert lab(networks=[network(mode=mode.value)]).networks[0].mode is mode


MANIFEST = {"source": "/srv/a.yaml", "sha256": "a" * 64}

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
    ("a gate without a name", {"featureGates": {1: True}}, "featureGates.1", "1 is not a name", "put it in quotes"),
    # Names
    ("an unknown engine", {"engine": "nerdctl"}, "engine", "'nerdctl' is not known", "known are: auto, podman, docker"),
    (
        "an unknown mode",
        {"networks": [network(mode="l2")]},
        "networks[0].mode",
        "'l2' is not known",
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
    ("a subnet that means nothing", {"podSubnet": "0.0.0.0/32"}, "podSubnet", "too small", "give a /24 or larger"),
    ("no subnet for services", {"serviceSubnet": "0.0.0.0/32"}, "serviceSubnet", "kubeadm refuses", "a /12 to /28"),
    ("too many services", {"serviceSubnet": "10.0.0.0/11"}, "serviceSubnet", "kubeadm refuses 10.0.0.0/11", "a /12 to"),
    ("a small pod subnet", {"podSubnet": "10.24.0.0/25"}, "podSubnet", "10.24.0.0/25 is too small", "/24 or larger"),
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
        {"networks": [network(without="gateway")]},
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
        "the range holds 2 addresses, the pods want 3",
        "widen the range",
    ),
    (
        "a pod that wants two interfaces of a range for one",
        {"networks": [network(ipam={"rangeEnd": "10.23.0.100"})], "pods": [pod(networks=["ext-net", "ext-net"])]},
        "networks[0].ipam",
        "the range holds 1 addresses, the pods want 2",
        "widen the range",
    ),
    (
        "a range that leaves nothing to the nodes",
        {"networks": [{"name": "ext-net", "subnet": "10.23.0.0/24"}]},
        "networks[0].subnet",
        "10.23.0.0/24 has no block left for the nodes' own addresses",
        "shrink the range or take a larger subnet",
    ),
    (
        "a subnet of two addresses",
        {"networks": [{"name": "ext-net", "subnet": "10.23.0.0/31"}]},
        "networks[0].subnet",
        "10.23.0.0/31 has no block left",
        "a /28 at least",
    ),
    (
        "the last address of all",
        {"networks": [{"name": "ext-net", "subnet": "255.255.255.255/32"}]},
        "networks[0].subnet",
        "255.255.255.255/32 has no block left",
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
            f"a {key} without a pin",
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
    # Workers
    ("no worker", {"workers": 0}, "workers", "0 leaves nothing that joins a network", "give 1 or more"),
    ("less than no worker", {"workers": "-1"}, "workers", "-1 leaves nothing that joins", "give 1 or more"),
    ("several workers on host-local", {"workers": 2}, "workers", "several workers hand out one address", "give 1"),
]


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
    ],
    ids=["subnet", "subnet and a start", "subnet and an end", "start", "end", "key", "ipam"],
)
def test_what_could_not_be_read_brings_no_faults_of_its_stand_in(key: str, changes: dict[str, Any]) -> None:
    [fault] = faults(networks=[changes])
    assert fault.key == f"networks[0].{key}"


KNOWN_KEYS = sorted({*config(), "calicoManifest", "multusManifest", "cniPluginsArchive", "featureGates"})
INNER_KEYS = [
    *("name", "subnet", "gateway", "parent", "mode", "ipam", "image", "command", "networks"),
    *("type", "rangeStart", "rangeEnd", "routes", "dst", "source", "sha256"),
]
ODD_TEXTS = [
    *("", " ", "\n", "\x00", "0", "-1", "9" * 5000, "true", "v1", "host-local", "bridge", "ext-net", "samplepod"),
    *("0.0.0.0/0", "0.0.0.0/32", "255.255.255.255/32", "10.0.0.0/31", "10.0.0.0/30", "10.0.0.0/28", "10.23.0.0/16"),
    *("0.0.0.1", "255.255.255.255", "10.23.0.1", "10.23.255.255", "10.0.0.0/33", "::", "fe80::1%eth0/64", "1.2.3.4/a"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
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


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=12), ANYTHING | LISTS, max_size=8))
@example({"featureGates": {1: True, "a": True}})
@example({"networks": [{"name": "a", "subnet": "0.0.0.0/0"}]})
def test_no_config_however_odd_ends_in_anything_but_settings_or_its_faults(odd: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert isinstance(load(config() | odd, PINS, "amd64"), LabSettings)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "subnet": st.sampled_from(ODD_TEXTS),
            "gateway": st.sampled_from(ODD_TEXTS) | ANYTHING,
            "mode": ANYTHING,
            "parent": ANYTHING,
            "ipam": st.dictionaries(st.sampled_from(INNER_KEYS), st.sampled_from(ODD_TEXTS) | ANYTHING, max_size=4),
        },
    )
)
def test_no_network_however_odd_ends_in_anything_but_settings_or_its_faults(odd: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert isinstance(load(config(networks=[network() | odd]), PINS, "amd64"), LabSettings)


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
