"""The settings: what the defaults are, and that all that can be said is taken."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from components.settings import (
    AttachmentSettings,
    LabSettings,
    NetworkSettings,
    PodSettings,
    Source,
    WhereaboutsSettings,
    load,
)
from components.settings.families import Side
from components.settings.ipam import HostLocal
from components.settings.lab import MOST_WORKERS, EngineChoice
from components.settings.plugins import Macvlan, MacvlanMode
from components.settings.routes import DefaultRoute, Route
from tests.lab_config import PINS, config, lab, network, pod

SEEDS_SPAN = (IPv4Address("10.23.0.100"), IPv4Address("10.23.0.240"))
SEEDS_NETWORK = NetworkSettings(
    name="ext-net",
    sides=(Side(subnet=IPv4Network("10.23.0.0/16"), gateway=IPv4Address("10.23.0.1"), span=SEEDS_SPAN),),
    parent=None,
    plugin=Macvlan(mode=MacvlanMode.BRIDGE),
    mtu=None,
    vlan=None,
    nodes=("kalico-worker",),
    ipam=HostLocal(spans=(SEEDS_SPAN,), routes=()),
    routes=(),
    default_route=DefaultRoute.SOURCE,
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
            namespace="default",
            image="alpine",
            command=("/bin/ash", "-c", "trap : TERM INT; sleep infinity & wait"),
            networks=(AttachmentSettings(network="ext-net"),),
            count=None,
            node=None,
            nodes=(),
        ),
    ),
    quick_readiness=False,
    dhcp_server_image="quay.io/poseidon/dnsmasq:v0.5.0-47-g28ff327",
    self_test=True,
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
        workers=3,
        podSubnet="10.30.0.0/20",
        serviceSubnet="10.31.0.0/20",
        nodeImage="localhost/node:1",
        featureGates={"Some": True, "Other": False},
        quickReadiness="true",
        selfTest="false",
        calicoManifest=source,
        multusManifest=source | {"source": "https://mirror.lab/b.yaml"},
        multusImage="mirror.lab:5000/multus:v4",
        dhcpServerImage="mirror.lab:5000/dnsmasq:1",
        cniPluginsArchive=source | {"source": "/srv/c.tgz"},
        networks=[
            {
                "name": "lan",
                "subnet": "10.40.0.0/24",
                "gateway": "10.40.0.254",
                "parent": "eth7",
                "mode": "private",
                "mtu": 9000,
                "vlan": "7",
                "nodes": ["worker3", "other-worker"],
                "ipam": {
                    "type": "host-local",
                    "rangeStart": "10.40.0.10",
                    "rangeEnd": "10.40.0.20",
                    "routes": [{"dst": "10.50.0.0/16"}, {"dst": "10.51.0.0/16", "gw": "10.40.0.253"}],
                },
                "routes": [{"dst": "10.52.0.0/16"}],
                "defaultRoute": "none",
            },
        ],
        pods=[
            {
                "name": "one",
                "namespace": "team",
                "image": "busybox",
                "command": ["sleep", "1"],
                "networks": [{"name": "lan", "address": "10.40.0.20", "mac": "02:00:00:00:00:0A"}, "lan"],
                "node": "worker3",
            },
            {"name": "two", "networks": ["lan"], "count": 2},
            {"name": "three"},
        ],
    )
    assert taken == LabSettings(
        cluster_name="other",
        engine=EngineChoice.DOCKER,
        workers=3,
        pod_subnet=IPv4Network("10.30.0.0/20"),
        service_subnet=IPv4Network("10.31.0.0/20"),
        node_image="localhost/node:1",
        feature_gates=(("Other", False), ("Some", True)),
        calico_manifest=Source(location="/srv/a.yaml", sha256="a" * 64),
        multus_manifest=Source(location="https://mirror.lab/b.yaml", sha256="a" * 64),
        multus_image="mirror.lab:5000/multus:v4",
        dhcp_server_image="mirror.lab:5000/dnsmasq:1",
        cni_plugins=Source(location="/srv/c.tgz", sha256="a" * 64),
        networks=(
            NetworkSettings(
                name="lan",
                sides=(
                    Side(
                        subnet=IPv4Network("10.40.0.0/24"),
                        gateway=IPv4Address("10.40.0.254"),
                        span=(IPv4Address("10.40.0.10"), IPv4Address("10.40.0.20")),
                    ),
                ),
                parent="eth7",
                plugin=Macvlan(mode=MacvlanMode.PRIVATE),
                mtu=9000,
                vlan=7,
                nodes=("other-worker", "other-worker3"),
                ipam=HostLocal(
                    spans=((IPv4Address("10.40.0.10"), IPv4Address("10.40.0.20")),),
                    routes=(
                        Route(dst=IPv4Network("10.50.0.0/16")),
                        Route(dst=IPv4Network("10.51.0.0/16"), gw=IPv4Address("10.40.0.253")),
                    ),
                ),
                routes=(Route(dst=IPv4Network("10.52.0.0/16")),),
                default_route=DefaultRoute.NONE,
                node_range=IPv4Network("10.40.0.128/26"),
            ),
        ),
        pods=(
            PodSettings(
                name="one",
                namespace="team",
                image="busybox",
                command=("sleep", "1"),
                networks=(
                    AttachmentSettings(network="lan", address=IPv4Interface("10.40.0.20/24"), mac="02:00:00:00:00:0a"),
                    AttachmentSettings(network="lan"),
                ),
                count=None,
                node="other-worker3",
                nodes=("other-worker3",),
            ),
            PodSettings(
                name="two",
                namespace="default",
                image="alpine",
                command=(),
                networks=(AttachmentSettings(network="lan"),),
                count=2,
                node=None,
                nodes=("other-worker", "other-worker3"),
            ),
            PodSettings(
                name="three",
                namespace="default",
                image="alpine",
                command=(),
                networks=(),
                count=None,
                node=None,
                nodes=(),
            ),
        ),
        quick_readiness=True,
        self_test=False,
    )


def test_a_version_without_a_pin_is_taken_with_a_manifest_of_ones_own() -> None:
    source = {"source": "/srv/multus.yaml", "sha256": "b" * 64}
    taken = lab(multusVersion="v9.9.9", multusManifest=source)
    assert taken.multus_manifest == Source(location="/srv/multus.yaml", sha256="b" * 64)
    assert taken.multus_image == "ghcr.io/k8snetworkplumbingwg/multus-cni:v9.9.9-thick"


@pytest.mark.parametrize(
    "image",
    [
        "kindest/node:v1.32.0",
        "kindest/node:v1.33.1@sha256:" + "a" * 64,
        "kindest/node@sha256:" + "a" * 64,
        "kindest/node:latest",
        "localhost/node",
        "localhost/node:v1.0.2",
        "localhost/node:v1",
    ],
)
def test_quick_readiness_is_taken_with_any_image_whose_tag_tells_no_earlier_kubernetes(image: str) -> None:
    assert lab(quickReadiness=True, nodeImage=image).quick_readiness


def test_an_earlier_kubernetes_is_taken_without_quick_readiness() -> None:
    assert lab(nodeImage="kindest/node:v1.31.4").node_image == "kindest/node:v1.31.4"


@pytest.mark.parametrize("workers", ["1", 1])
def test_a_number_may_come_as_the_text_that_pulumi_makes_of_it(workers: Any) -> None:
    assert lab(workers=workers).workers == 1


def test_multus_image_follows_its_version_until_it_is_named() -> None:
    source = {"source": "/srv/multus.yaml", "sha256": "b" * 64}
    named = lab(multusVersion="v9.9.9", multusManifest=source, multusImage="localhost/multus:1")
    assert named.multus_image == "localhost/multus:1"


@pytest.mark.parametrize("workers", [1, 2, 3, MOST_WORKERS])
def test_every_worker_joins_a_network_that_names_none_and_has_a_part_of_its_range(workers: int) -> None:
    taken = lab(workers=workers)
    assert taken.networks[0].nodes == taken.worker_names
    assert tuple(part.worker for part in taken.networks[0].ranges) == taken.worker_names


def test_a_pod_of_a_count_is_so_many_pods_by_number() -> None:
    [three] = lab(pods=[pod(count=3)]).pods
    assert [each.name for each in three.each()] == ["samplepod-1", "samplepod-2", "samplepod-3"]
    assert {replace(each, name="samplepod", count=3) for each in three.each()} == {three}


def test_a_count_of_one_is_counted_so_that_one_more_leaves_it_alone() -> None:
    [one], [two] = lab(pods=[pod(count=1)]).pods, lab(pods=[pod(count=2)]).pods
    assert one.each() == two.each()[:1]


def test_a_pod_without_a_count_is_itself() -> None:
    [plain] = lab().pods
    assert plain.each() == (plain,)


def test_one_name_in_two_namespaces_is_two_pods() -> None:
    assert len(lab(pods=[pod(), pod(namespace="team")]).pods) == 2


def test_a_pod_can_run_where_all_of_its_networks_are() -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}, "nodes": ["worker2", "worker3"]}
    taken = lab(
        workers=3,
        networks=[network(nodes=["worker", "worker2"]), lan],
        pods=[
            pod(name="both", networks=["ext-net", "lan"]),
            pod(name="one", networks=["lan"]),
            pod(name="none", networks=[]),
            pod(name="named", networks=["lan"], node="kalico-worker3"),
        ],
    )
    assert {each.name: each.nodes for each in taken.pods} == {
        "both": ("kalico-worker2",),
        "one": ("kalico-worker2", "kalico-worker3"),
        "none": (),
        "named": ("kalico-worker3",),
    }


def test_a_lab_without_networks_and_pods_is_one() -> None:
    bare = lab(networks=[], pods=[])
    assert (bare.networks, bare.pods) == ((), ())


@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_every_macvlan_mode_is_taken_by_its_name(mode: MacvlanMode) -> None:
    assert lab(networks=[network(mode=mode.value)], pods=[]).networks[0].mode is mode


def test_the_workers_addresses_have_the_networks_prefix_and_the_engine_gives_none_of_them_away() -> None:
    taken = lab(workers=2, networks=[network(nodeAddresses=["10.23.254.7", "10.23.10.11"])])
    [ext] = taken.networks
    assert ext.node_addresses == (IPv4Interface("10.23.254.7/16"), IPv4Interface("10.23.10.11/16"))
    assert ext.node_range == IPv4Network("10.23.253.0/24")
    assert lab().networks[0].node_addresses == ()


def test_a_network_is_told_of_in_annotations_where_that_is_asked_for_and_the_first_where_none_is_named() -> None:
    own = {"nodeAddresses": ["10.40.0.2"], "name": "own", "subnet": "10.40.0.0/24", "ipam": {"type": "static"}}
    networks = [network(nodeAddresses=["10.23.10.10"]), own]

    def told(**annotations: Any) -> str | None:
        found = lab(networks=networks, nodeAnnotations=annotations).annotated_network
        return found.name if found else None

    assert told(bnk=True) == "ext-net"
    assert told(bnk=True, network="own") == "own"
    assert told(bnk=False, network="own") is None
    assert told() is None


def test_a_pod_of_a_static_network_has_the_address_that_it_says() -> None:
    lan = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"type": "static"}}
    pods = [pod(networks=[{"name": "lan", "address": f"10.40.0.{i}"}], name=f"pod{i}") for i in (7, 8)]
    taken = lab(workers=2, networks=[lan], pods=pods)
    assert [each.networks[0].address for each in taken.pods] == [
        IPv4Interface("10.40.0.7/16"),
        IPv4Interface("10.40.0.8/16"),
    ]
    assert taken.networks[0].ranges == ()


SHARED = {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"type": "whereabouts"}}


def test_a_lab_has_whereabouts_where_a_network_asks_for_it_alone() -> None:
    assert lab().whereabouts is None
    taken = lab(networks=[network(), SHARED]).whereabouts
    assert taken is not None
    assert taken.image == "ghcr.io/k8snetworkplumbingwg/whereabouts:v0.8.0"
    published = "https://raw.githubusercontent.com/k8snetworkplumbingwg/whereabouts/v0.8.0/doc/crds/"
    assert [manifest.location.removeprefix(published) for manifest in taken.manifests] == [
        "daemonset-install.yaml",
        "whereabouts.cni.cncf.io_ippools.yaml",
        "whereabouts.cni.cncf.io_overlappingrangeipreservations.yaml",
    ]


def test_each_of_whereabouts_files_and_its_image_may_be_another() -> None:
    names = ("whereaboutsManifest", "whereaboutsPoolsManifest", "whereaboutsReservationsManifest")
    others = {name: {"source": f"/srv/{name}.yaml", "sha256": "b" * 64} for name in names}
    taken = lab(networks=[network(), SHARED], whereaboutsVersion="v9.9.9", **others)
    files = tuple(Source(location=f"/srv/{name}.yaml", sha256="b" * 64) for name in names)
    image = "ghcr.io/k8snetworkplumbingwg/whereabouts:v9.9.9"
    assert taken.whereabouts == WhereaboutsSettings(manifests=files, image=image)
    assert taken.sources[-3:] == files
    named = lab(networks=[network(), SHARED], whereaboutsImage="localhost/whereabouts:1").whereabouts
    assert named is not None
    assert named.image == "localhost/whereabouts:1"


def test_what_nobody_asks_whereabouts_for_is_no_file_of_the_lab() -> None:
    assert len(lab().sources) == 3


def test_a_version_of_whereabouts_that_nobody_asks_for_needs_no_checksum() -> None:
    assert lab(whereaboutsVersion="v0.9.0").whereabouts is None


def test_an_empty_word_of_a_command_is_one_like_any_other() -> None:
    [one] = lab(pods=[pod(command=["sh", "-c", ""])]).pods
    assert one.command == ("sh", "-c", "")
