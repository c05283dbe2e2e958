"""The lab's settings: what can be said, what is taken where nothing is said, and what fits together."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components.settings.faults import NOWHERE, Faults, Section, shown
from components.settings.ipam import Ipam, read_ipam

Address = ipaddress.IPv4Address
Subnet = ipaddress.IPv4Network

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123 label: what Kubernetes takes as the name of a pod's host or a NAD."""

LONGEST_CLUSTER_NAME = 63 - len("-control-plane")
"""kind names each node CLUSTER-ROLE, and that is the node's host name."""

INTERFACE = re.compile(r"[^\s/]{1,15}")
"""What the kernel takes as the name of an interface."""

ENGINES_OWN = ("bridge", "default", "host", "none", "podman")
"""Networks that an engine has by itself."""

RUN_FOLDERS_OWN = ("docker", "engine")
"""What lies beside the clusters' folders of live files."""

SHA256 = re.compile(r"[0-9a-f]{64}")


class EngineChoice(StrEnum):
    AUTO = "auto"
    PODMAN = "podman"
    DOCKER = "docker"


class MacvlanMode(StrEnum):
    BRIDGE = "bridge"
    PRIVATE = "private"
    VEPA = "vepa"
    PASSTHRU = "passthru"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that the lab takes from outside: a URL or a path, and its sha256 in hex."""

    location: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """One L2: a macvlan network of the engine, joined by the workers, and the NAD of the same name."""

    name: str
    subnet: Subnet
    gateway: Address | None
    parent: str | None
    mode: MacvlanMode
    ipam: Ipam
    node_range: Subnet
    """Where the engine takes the nodes' own addresses from, apart from the pods' range and the gateway."""


@dataclass(frozen=True, kw_only=True)
class PodSettings:
    name: str
    image: str
    command: tuple[str, ...]
    networks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LabSettings:
    cluster_name: str
    engine: EngineChoice
    workers: int
    pod_subnet: Subnet
    service_subnet: Subnet
    node_image: str
    feature_gates: tuple[tuple[str, bool], ...]
    calico_manifest: Source
    multus_manifest: Source
    multus_image: str
    cni_plugins: Source
    networks: tuple[NetworkSettings, ...]
    pods: tuple[PodSettings, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that comes from upstream as a file."""
        return self.calico_manifest, self.multus_manifest, self.cni_plugins


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
    pod_subnet = section.subnet("podSubnet")
    service_subnet = section.subnet("serviceSubnet")
    multus_version = section.text("multusVersion")
    settings = LabSettings(
        cluster_name=cluster_name,
        engine=section.choice("engine", EngineChoice, EngineChoice.AUTO),
        workers=workers,
        pod_subnet=pod_subnet,
        service_subnet=service_subnet,
        node_image=section.text("nodeImage"),
        feature_gates=_feature_gates(section),
        calico_manifest=_source(
            section,
            "calicoManifest",
            "calicoVersion",
            upstream["calico-operator"],
            section.text("calicoVersion"),
        ),
        multus_manifest=_source(section, "multusManifest", "multusVersion", upstream["multus-thick"], multus_version),
        multus_image=f"ghcr.io/k8snetworkplumbingwg/multus-cni:{multus_version}-thick",
        cni_plugins=_source(
            section,
            "cniPluginsArchive",
            "cniPluginsVersion",
            upstream[f"cni-plugins-{arch}"],
            section.text("cniPluginsVersion"),
        ),
        networks=tuple(_network(item) for item in section.sections("networks")),
        pods=tuple(_pod(item) for item in section.sections("pods")),
    )
    section.closed()
    _check_cluster(settings, section)
    _check_names(settings, faults)
    _check_overlaps(settings, faults)
    _check_references(settings, faults)
    faults.raise_if_any()
    return settings


def node_range(subnet: Subnet, occupied: Iterable[tuple[Address, Address]]) -> Subnet | None:
    """The highest small block of `subnet` that touches none of the `occupied` spans, for the nodes.

    At most 256 addresses, at most a quarter of the subnet, never with the subnet's first or last address.
    None where nothing is left.
    """
    if subnet.prefixlen > 28:
        return None
    prefix = max(24, subnet.prefixlen + 2)
    size = 2 ** (32 - prefix)
    spans = [*occupied, (subnet.network_address,) * 2, (subnet.broadcast_address,) * 2]
    start = int(subnet.broadcast_address) + 1 - size
    while start >= int(subnet.network_address):
        touched = [int(first) for first, last in spans if int(first) < start + size and start <= int(last)]
        if not touched:
            return Subnet((start, prefix))
        # The block below the span: a range of millions of addresses is passed in one step.
        start = min(touched) // size * size - size
    return None


def _feature_gates(section: Section) -> tuple[tuple[str, bool], ...]:
    gates = section.pairs("featureGates")
    for name, value in gates.items():
        if not isinstance(name, str):
            section.fault(f"featureGates.{name}", f"{name!r} is not a name", "put it in quotes")
        if not isinstance(value, bool):
            section.fault(f"featureGates.{name}", f"{shown(value)} is neither true nor false", "give true or false")
    return tuple(sorted((str(name), value is True) for name, value in gates.items()))


def _source(
    section: Section, key: str, version_key: str, pins: Mapping[str, Mapping[str, str]], version: str
) -> Source:
    """What `key` names, else what is pinned for `version`."""
    if section.has(key):
        given = section.mapping(key)
        source = Source(location=given.text("source"), sha256=given.text("sha256"))
        if source.sha256 and not SHA256.fullmatch(source.sha256):
            given.fault("sha256", f"{source.sha256!r} is no sha256", "give 64 hexadecimal digits in lower case")
        given.closed()
        return source
    section.mapping(key)
    pin = pins.get(version)
    if pin is None:
        section.fault(
            version_key,
            f"no checksum is known for {version!r} (known: {', '.join(pins)})",
            f"take a known version or give `{key}` with source and sha256",
        )
        return Source(location="", sha256="")
    return Source(location=pin["url"], sha256=pin["sha256"])


def _network(section: Section) -> NetworkSettings:
    subnet = section.subnet("subnet")
    gateway = section.address("gateway")
    ipam_section = section.mapping("ipam")
    ipam = read_ipam(ipam_section, subnet, gateway)
    network = NetworkSettings(
        name=section.text("name"),
        subnet=subnet,
        gateway=gateway,
        parent=section.text("parent", "") or None,
        mode=section.choice("mode", MacvlanMode, MacvlanMode.BRIDGE),
        ipam=ipam,
        node_range=NOWHERE,
    )
    section.closed()
    if subnet is NOWHERE:
        return network
    if gateway is not None and not subnet.network_address < gateway < subnet.broadcast_address:
        section.fault("gateway", f"{gateway} is no host address of {subnet}", "take one from the subnet")
    if ipam_section.faulty:
        return network
    occupied = [(gateway, gateway)] if gateway else []
    occupied += [span] if (span := ipam.occupies()) else []
    block = node_range(subnet, occupied)
    if block is None:
        section.fault(
            "subnet",
            f"{subnet} has no block left for the nodes' own addresses beside the pods' range",
            "shrink the range or take a larger subnet (a /28 at least)",
        )
        return network
    return NetworkSettings(**{**vars(network), "node_range": block})


def _pod(section: Section) -> PodSettings:
    pod = PodSettings(
        name=section.text("name"),
        image=section.text("image", "alpine"),
        command=section.texts("command"),
        networks=section.texts("networks"),
    )
    section.closed()
    return pod


def _check_cluster(settings: LabSettings, section: Section) -> None:
    name = settings.cluster_name
    if name and (not LABEL.fullmatch(name) or len(name) > LONGEST_CLUSTER_NAME):
        section.fault(
            "clusterName",
            f"{name!r} cannot name a cluster and its nodes",
            f"use lower case letters, digits and -, at most {LONGEST_CLUSTER_NAME}",
        )
    if settings.workers < 1:
        section.fault("workers", f"{settings.workers} leaves nothing that joins a network", "give 1 or more")
    elif settings.workers > 1 and settings.networks:
        section.fault(
            "workers",
            "host-local keeps its leases on each node, so several workers hand out one address twice",
            "give 1 (a range of its own for each worker is not built yet)",
        )
    if settings.pod_subnet is not NOWHERE and settings.pod_subnet.prefixlen > 24:
        section.fault("podSubnet", f"{settings.pod_subnet} is too small for the nodes' blocks", "give a /24 or larger")
    if settings.service_subnet is not NOWHERE and not 12 <= settings.service_subnet.prefixlen <= 28:
        section.fault("serviceSubnet", f"kubeadm refuses {settings.service_subnet}", "give a /12 to /28")


def _check_names(settings: LabSettings, faults: Faults) -> None:
    if settings.cluster_name in (*RUN_FOLDERS_OWN, *ENGINES_OWN):
        faults.add("clusterName", f"{settings.cluster_name!r} is taken", "choose another name")
    for i, network in enumerate(settings.networks):
        if network.name in (settings.cluster_name, *ENGINES_OWN) and network.name:
            taken = "the cluster's own network" if network.name == settings.cluster_name else "one of the engine's own"
            faults.add(f"networks[{i}].name", f"{network.name!r} is {taken}", "choose another name")
        if network.parent and not INTERFACE.fullmatch(network.parent):
            remedy = "give an interface of the machine: at most 15 characters, no blanks"
            faults.add(f"networks[{i}].parent", f"{network.parent!r} names no interface", remedy)
    for key, names in (
        ("networks", [network.name for network in settings.networks]),
        ("pods", [pod.name for pod in settings.pods]),
    ):
        counts = Counter(names)
        for i, name in enumerate(names):
            if name and not LABEL.fullmatch(name):
                faults.add(f"{key}[{i}].name", f"Kubernetes refuses {name!r}", "use lower case letters, digits and -")
            if name and counts[name] > 1 and names.index(name) != i:
                faults.add(f"{key}[{i}].name", f"{name!r} is there twice", "give each its own name")


def _check_overlaps(settings: LabSettings, faults: Faults) -> None:
    subnets = [("podSubnet", settings.pod_subnet), ("serviceSubnet", settings.service_subnet)]
    subnets += [(f"networks[{i}].subnet", network.subnet) for i, network in enumerate(settings.networks)]
    known = [(key, subnet) for key, subnet in subnets if subnet is not NOWHERE]
    for i, (key, subnet) in enumerate(known):
        for other_key, other in known[:i]:
            if subnet.overlaps(other):
                faults.add(key, f"{subnet} overlaps {other_key} {other}", "keep the subnets apart")


def _check_references(settings: LabSettings, faults: Faults) -> None:
    names = [network.name for network in settings.networks]
    wanted = Counter(name for pod in settings.pods for name in pod.networks)
    for i, pod in enumerate(settings.pods):
        for j, name in enumerate(pod.networks):
            if name not in names:
                known = f"known are: {', '.join(names)}" if names else "there is none in `networks`"
                faults.add(f"pods[{i}].networks[{j}]", f"there is no network {name!r}", known)
    for i, network in enumerate(settings.networks):
        if network.subnet is not NOWHERE and wanted[network.name] > network.ipam.capacity() > 0:
            faults.add(
                f"networks[{i}].ipam",
                f"the range holds {network.ipam.capacity()} addresses, the pods want {wanted[network.name]}",
                "widen the range",
            )
