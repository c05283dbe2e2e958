"""The lab's settings: what can be said of the cluster, and how networks and pods come to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components.settings import checks
from components.settings.blocks import Subnet
from components.settings.dhcp import server_name
from components.settings.faults import NOWHERE, ConfigError, Fault, Faults, Section, known_as, shown
from components.settings.names import (
    ENGINES_OWN,
    FEATURE_GATE,
    IMAGE,
    IMAGES_RULE,
    LABEL,
    LONGEST_CLUSTER_NAME,
    RUN_FOLDERS_OWN,
    worker_names,
)
from components.settings.networks import NetworkSettings, is_sound, read_network
from components.settings.node_annotations import read_node_annotations
from components.settings.peers import container_name
from components.settings.pods import PodSettings, read_pod, room_for_pods

SHA256 = re.compile(r"[0-9a-f]{64}")

MOST_WORKERS = 30
"""So that a slip of the key is refused: a machine that carries more nodes as containers is rare."""

POLICY_GATE = "MutatingAdmissionPolicy"
"""The feature gate behind `quickReadiness`."""

POLICY_SINCE = 32
"""The minor version of Kubernetes 1 that it came with."""

NODE_VERSION = re.compile(r":v1\.([0-9]{2})\b[^/@]*(?:@|$)")
"""A version of Kubernetes in a node image's tag, as kind writes it; a v1.0 is somebody's own."""

BLOCK_PREFIX = 26
"""Calico gives each node a block of so many addresses (manifests/calico-installation.yaml)."""


WHEREABOUTS_MANIFESTS = {
    "whereaboutsManifest": "whereabouts",
    "whereaboutsPoolsManifest": "whereabouts-pools",
    "whereaboutsReservationsManifest": "whereabouts-reservations",
}
"""The key that names another file, for each of its files by the name of the pin."""


class EngineChoice(StrEnum):
    AUTO = "auto"
    PODMAN = "podman"
    DOCKER = "docker"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that the lab takes from outside: a URL or a path, and its sha256 in hex."""

    location: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class WhereaboutsSettings:
    manifests: tuple[Source, ...]
    """Its daemon and rights, and the kinds of its pools and reservations."""
    image: str


@dataclass(frozen=True, kw_only=True)
class LabSettings:
    cluster_name: str
    engine: EngineChoice
    workers: int
    pod_subnet: Subnet
    service_subnet: Subnet
    node_image: str
    feature_gates: tuple[tuple[str, bool], ...]
    quick_readiness: bool
    """Whether Calico's pods are probed at shorter intervals than its operator says."""
    calico_manifest: Source
    multus_manifest: Source
    multus_image: str
    cni_plugins: Source
    networks: tuple[NetworkSettings, ...]
    pods: tuple[PodSettings, ...]
    dhcp_server_image: str
    self_test: bool
    """Whether `up` ends with the self-test."""
    annotated_network: NetworkSettings | None = None
    """The one on which the workers' addresses are told in their annotations; None: none is."""
    whereabouts: WhereaboutsSettings | None = None
    """None: no network has its addresses from it."""

    @property
    def worker_names(self) -> tuple[str, ...]:
        return worker_names(self.cluster_name, self.workers)

    @property
    def control_plane(self) -> str:
        return f"{self.cluster_name}-control-plane"

    @property
    def node_names(self) -> tuple[str, ...]:
        return (self.control_plane, *self.worker_names)

    @property
    def dhcp_servers(self) -> tuple[str, ...]:
        """The lab's own, by the names of their containers."""
        return tuple(server_name(self.cluster_name, each.name) for each in self.networks if each.dhcp_server)

    @property
    def containers(self) -> tuple[str, ...]:
        """What the lab has beside the nodes, by name: peers and DHCP servers."""
        peers = tuple(container_name(self.cluster_name, each.name) for each in self.networks if each.peer)
        return peers + self.dhcp_servers

    @property
    def cluster_subnets(self) -> tuple[Subnet, ...]:
        """Whose addresses are reached by a pod's eth0, whatever its default route is."""
        return self.pod_subnet, self.service_subnet

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that comes from upstream as a file."""
        whereabouts = self.whereabouts.manifests if self.whereabouts else ()
        return self.calico_manifest, self.multus_manifest, self.cni_plugins, *whereabouts


class LabError(ConfigError):
    """Of a config that says enough for the machine to be looked at, too."""

    def __init__(self, faults: tuple[Fault, ...], settings: LabSettings, unsound: frozenset[str]) -> None:
        super().__init__(faults)
        self.settings = settings
        self.unsound = unsound
        """The names of the networks that nothing can be compared with."""


def load(config: Mapping[str, Any], upstream: Mapping[str, Mapping[str, Mapping[str, str]]], arch: str) -> LabSettings:
    """Check the whole config and freeze it.

    `config`: the plain values by key, lists and mappings already decoded. `upstream`: what is pinned, as
    {thing: {version: {url, sha256, ...}}}. `arch`: amd64 or arm64, the nodes' own. Raises ConfigError with
    every fault.
    """
    faults = Faults()
    section = Section(config, "", faults)
    cluster_name = section.text("clusterName")
    workers = section.integer("workers")
    # Empty where they could not be read: nothing is then compared with them.
    known_workers = worker_names(cluster_name, workers) if cluster_name and 1 <= workers <= MOST_WORKERS else ()
    calico_manifest, _ = _source(section, "calicoVersion", "calicoManifest", upstream["calico-operator"])
    multus_manifest, multus_version = _source(section, "multusVersion", "multusManifest", upstream["multus-thick"])
    cni_plugins, _ = _source(section, "cniPluginsVersion", "cniPluginsArchive", upstream[f"cni-plugins-{arch}"])
    network_sections = section.sections("networks")
    networks = tuple(read_network(item, known_workers) for item in network_sections)
    in_cluster = any(network.ipam.in_cluster for network in networks)
    whereabouts = _whereabouts(section, upstream, in_cluster)
    room = room_for_pods(in_cluster)
    names = [network.name for network in networks]
    # Of two of one name nobody knows which a pod means.
    sound = {i: is_sound(item) and names.count(names[i]) == 1 for i, item in enumerate(network_sections)}
    known_networks = {network.name: network if sound[i] else None for i, network in enumerate(networks)}
    # Those whose workers' own addresses can be told, too.
    annotated = {
        network.name: network if sound[i] and not network_sections[i].faulty_at("nodeAddresses") else None
        for i, network in enumerate(networks)
    }
    pod_sections = section.sections("pods")
    settings = LabSettings(
        cluster_name=cluster_name,
        engine=section.choice("engine", EngineChoice, EngineChoice.AUTO),
        workers=workers,
        pod_subnet=section.subnet("podSubnet"),
        service_subnet=section.subnet("serviceSubnet"),
        node_image=section.text("nodeImage"),
        feature_gates=_feature_gates(section),
        quick_readiness=section.boolean("quickReadiness", False),
        calico_manifest=calico_manifest,
        multus_manifest=multus_manifest,
        multus_image=section.text("multusImage", f"ghcr.io/k8snetworkplumbingwg/multus-cni:{multus_version}-thick"),
        cni_plugins=cni_plugins,
        dhcp_server_image=section.text("dhcpServerImage"),
        networks=networks,
        pods=tuple(read_pod(item, known_networks, known_workers, room) for item in pod_sections),
        self_test=section.boolean("selfTest", True),
        annotated_network=read_node_annotations(section.mapping("nodeAnnotations"), annotated),
        whereabouts=whereabouts if in_cluster else None,
    )
    section.closed()
    _check_cluster(settings, section)
    _check_gates(settings, section)
    _check_images(settings, section)
    # Whatever else of a pod could not be read makes it want less than it does.
    placed = [pod for pod, item in zip(settings.pods, pod_sections, strict=True) if not item.faulty_at("node")]
    checks.check_names(networks, settings.pods, faults)
    cluster = {"podSubnet": settings.pod_subnet, "serviceSubnet": settings.service_subnet}
    checks.check_routes(
        {key: subnet for key, subnet in cluster.items() if not section.faulty_at(key)},
        [(i, each) for i, each in enumerate(networks) if not network_sections[i].faulty_at("defaultRoute")],
        faults,
    )
    checks.check_overlaps(settings.pod_subnet, settings.service_subnet, networks, faults)
    checks.check_parents(networks, faults)
    checks.check_duplicates(networks, settings.pods, faults)
    if known_workers:
        checks.check_ranges([(i, network) for i, network in enumerate(networks) if sound[i]], placed, faults)
        checks.check_count(known_workers, placed, room, faults)
    if not section.faulty_at("clusterName") and not section.faulty_at("engine"):
        unsound = frozenset(network.name for network in networks if known_networks[network.name] is None)
        faults.raise_if_any(lambda found: LabError(found, settings, unsound))
    faults.raise_if_any()
    return settings


def _feature_gates(section: Section) -> tuple[tuple[str, bool], ...]:
    gates = section.pairs("featureGates")
    for name, value in gates.items():
        key = f"featureGates.{known_as(name)}"
        if not isinstance(name, str):
            section.fault(key, f"{shown(name)} is not a name", "put it in quotes")
        elif not FEATURE_GATE.fullmatch(name):
            remedy = "write it as Kubernetes does: letters and digits, a capital first"
            section.fault(key, f"{shown(name)} is no name of a feature gate", remedy)
        if not isinstance(value, bool):
            section.fault(key, f"{shown(value)} is neither true nor false", "give true or false")
    return tuple(sorted((known_as(name), value is True) for name, value in gates.items()))


Pins = Mapping[str, Mapping[str, str]]
"""{version: {url, sha256, ...}} of one thing."""


def _source(section: Section, version_key: str, key: str, pins: Pins) -> tuple[Source, str]:
    [source], version = _sources(section, version_key, {key: pins}, needed=True)
    return source, version


def _sources(
    section: Section, version_key: str, pins: Mapping[str, Pins], *, needed: bool
) -> tuple[tuple[Source, ...], str]:
    """For each key of `pins` what it names, else what is pinned for the version; and that. `needed`: by the lab."""
    version = section.text(version_key)
    sources: list[Source] = []
    lacking: list[str] = []
    for key, pinned in pins.items():
        given = section.mapping(key)
        if section.has(key):
            sources.append(_given(given))
            continue
        pin = pinned.get(version, {"url": "", "sha256": ""})
        sources.append(Source(location=pin["url"], sha256=pin["sha256"]))
        if version not in pinned:
            lacking.append(key)
    if lacking and needed and not section.faulty_at(version_key):
        keys = " and ".join(f"`{key}`" for key in lacking)
        section.fault(
            version_key,
            f"no checksum is known for {shown(version)} (known: {', '.join(pins[lacking[0]])})",
            f"take a known version or give {keys} with source and sha256",
        )
    return tuple(sources), version


def _given(section: Section) -> Source:
    source = Source(location=section.text("source"), sha256=section.text("sha256"))
    scheme, found, rest = source.location.partition("://")
    if found and (scheme.lower() not in ("http", "https") or not rest.strip("/")):
        section.fault("source", f"{shown(source.location)} cannot be had", "give a path, or a URL of http or https")
    if source.sha256 and not SHA256.fullmatch(source.sha256):
        section.fault("sha256", f"{shown(source.sha256)} is no sha256", "give 64 hexadecimal digits in lower case")
    section.closed()
    return source


def _whereabouts(section: Section, upstream: Mapping[str, Pins], needed: bool) -> WhereaboutsSettings:
    """Read even where no network asks for it, so that its keys are known and their faults, too."""
    pins = {key: upstream[thing] for key, thing in WHEREABOUTS_MANIFESTS.items()}
    manifests, version = _sources(section, "whereaboutsVersion", pins, needed=needed)
    return WhereaboutsSettings(
        manifests=manifests,
        image=section.text("whereaboutsImage", f"ghcr.io/k8snetworkplumbingwg/whereabouts:{version}"),
    )


def _check_cluster(settings: LabSettings, section: Section) -> None:
    name, workers = settings.cluster_name, settings.workers
    pods, services = settings.pod_subnet, settings.service_subnet
    if name and (not LABEL.fullmatch(name) or len(name) > LONGEST_CLUSTER_NAME):
        section.fault(
            "clusterName",
            f"{shown(name)} cannot name a cluster and its nodes",
            f"use lower case letters, digits and - (not at an end), at most {LONGEST_CLUSTER_NAME}",
        )
    if name in (*RUN_FOLDERS_OWN, *ENGINES_OWN):
        section.fault("clusterName", f"{name!r} is taken", "choose another name")
    for i, network in enumerate(settings.networks):
        if name and network.name == name:
            section.fault(f"networks[{i}].name", f"{name!r} is the cluster's own network", "choose another name")
    if workers < 1 and not section.faulty_at("workers"):
        section.fault("workers", f"{workers} leaves nothing that joins a network", "give 1 or more")
    if workers > MOST_WORKERS:
        section.fault("workers", f"{shown(workers)} are more than one machine carries", f"give 1 to {MOST_WORKERS}")
    elif 8 <= pods.prefixlen <= 24 and (blocks := 2 ** (BLOCK_PREFIX - pods.prefixlen)) < workers + 1:
        problem = f"{pods} has {blocks} blocks (/{BLOCK_PREFIX}), and each of the {workers + 1} nodes needs one"
        section.fault("podSubnet", problem, "take a larger subnet")
    if pods is not NOWHERE and pods.prefixlen > 24:
        section.fault("podSubnet", f"{pods} is too small for the nodes' blocks", "give a /8 to /24")
    if pods is not NOWHERE and pods.prefixlen < 8:
        # A node's block is a /24 for kubeadm, and the two may not be more than 16 bits apart.
        section.fault("podSubnet", f"kubeadm refuses {pods}", "give a /8 to /24")
    if services is not NOWHERE and not 12 <= services.prefixlen <= 28:
        section.fault("serviceSubnet", f"kubeadm refuses {services}", "give a /12 to /28")


def _check_gates(settings: LabSettings, section: Section) -> None:
    if settings.quick_readiness and dict(settings.feature_gates).get(POLICY_GATE) is False:
        section.fault(f"featureGates.{POLICY_GATE}", "quickReadiness does not work without it", "drop either")
    version = NODE_VERSION.search(settings.node_image)
    if settings.quick_readiness and version and int(version[1]) < POLICY_SINCE:
        section.fault(
            "quickReadiness",
            f"Kubernetes v1.{version[1]} of `nodeImage` has no {POLICY_GATE}",
            f"take an image of v1.{POLICY_SINCE} or later, or drop quickReadiness",
        )


def _check_images(settings: LabSettings, section: Section) -> None:
    image_key = "multusImage" if section.has("multusImage") else "multusVersion"
    images = {
        "nodeImage": settings.node_image,
        "dhcpServerImage": settings.dhcp_server_image,
        image_key: settings.multus_image,
    }
    if settings.whereabouts:
        key = "whereaboutsImage" if section.has("whereaboutsImage") else "whereaboutsVersion"
        images[key] = settings.whereabouts.image
    for key, image in images.items():
        if image and not section.faulty_at(key) and not IMAGE.fullmatch(image):
            section.fault(key, f"{shown(image)} names no image", IMAGES_RULE)
