"""What has to hold on the lab's networks, as its settings say it; what the pods have is only compared with that."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.settings import LabSettings, NetworkSettings
from components.settings.blocks import EVERYWHERE, Span, Subnet
from components.settings.peers import container_name
from components.settings.routes import DefaultRoute

MANY = 6
"""Up to so many interfaces on a network each asks every other; beyond, see `pairs`."""

DEFAULT, DEFAULT6 = "default", "::/0"
"""The destination of a default route: of IPv4 as `ip` writes it, which it does of IPv6, too."""


@dataclass(frozen=True, kw_only=True)
class ExpectedRoute:
    dst: str
    """As `ip` writes it, or DEFAULT6."""
    gw: str | None = None
    """None: by none, or by one that the plugin chose; not compared."""


@dataclass(frozen=True, kw_only=True)
class ExpectedNetwork:
    subnets: tuple[str, ...]
    pods_apart: str
    """Why pods do not reach each other on it; '' where they do."""
    bridges: bool
    """Whether each node has a bridge of its own, and pods reach those on their own node alone."""
    machine_apart: str
    """Why pods do not reach the machine itself over it."""
    mtu: int | None
    """None: whatever the parent's is."""
    routes: tuple[ExpectedRoute, ...]
    """Of the main table, by the interface on this network, besides those to the subnets."""
    leaves_by: tuple[str, ...]
    """The gateways, one a family, by which what is bound to the interface's address leaves; else as all of the pod."""
    second_default: bool
    """Whether the pods have a default route beside eth0's, at its metric: their cluster may then be out of reach."""
    others_routes: bool
    """Whether somebody else tells the pods routes besides; the lab does not know which."""
    ranges: Mapping[str, tuple[tuple[str, str], ...]]
    """By worker, the first and the last address that it hands out, in each family; empty where that is not the lab's
    to say."""


@dataclass(frozen=True, kw_only=True)
class ExpectedInterface:
    pod: str
    """NAMESPACE/NAME."""
    network: str
    interface: str
    addresses: tuple[str, ...] = ()
    """That it has to have, one a family at most."""
    mac: str | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A neighbour on a network that is no pod, by one of its addresses."""

    network: str
    address: str
    container: str
    mac: str = ""
    """'' until the engine was asked."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    api: str
    """The address of the API's service."""
    networks: Mapping[str, ExpectedNetwork]
    interfaces: tuple[ExpectedInterface, ...]
    peers: tuple[Peer, ...] = ()
    nodes: tuple[str, ...] = ()
    """What is asked whether it still has all that the lab has put there: nodes, and DHCP servers."""


def plan(settings: LabSettings) -> Plan:
    return Plan(
        api=str(settings.service_subnet[1]),
        networks={network.name: expected_network(network) for network in settings.networks},
        interfaces=tuple(
            ExpectedInterface(
                pod=f"{pod.namespace}/{pod.name}",
                network=attachment.network,
                interface=f"net{i}",
                addresses=tuple(str(address.ip) for address in attachment.addresses),
                mac=attachment.mac,
            )
            for pod in itertools.chain.from_iterable(kind.each() for kind in settings.pods)
            for i, attachment in enumerate(pod.networks, 1)
        ),
        peers=tuple(
            Peer(
                network=network.name,
                address=str(address.ip),
                container=container_name(settings.cluster_name, network.name),
            )
            for network in settings.networks
            if network.peer
            for address in network.peer.addresses
        ),
        nodes=(*settings.node_names, *settings.dhcp_servers),
    )


def expected_network(network: NetworkSettings) -> ExpectedNetwork:
    spans = network.ipam.occupies()
    shared = {node: as_text(spans) for node in network.nodes} if spans else {}
    return ExpectedNetwork(
        subnets=tuple(str(side.subnet) for side in network.sides),
        pods_apart=network.plugin.pods_apart,
        bridges=not network.plugin.on_network,
        machine_apart=network.plugin.machine_apart,
        mtu=network.mtu,
        routes=expected_routes(network),
        leaves_by=tuple(map(str, network.gateways)) if by_source(network) else (),
        others_routes=network.ipam.by_server and network.ipam.server is None,
        second_default=network.has_second_default,
        ranges=shared | {part.worker: as_text(part.spans) for part in network.ranges},
    )


def as_text(spans: Sequence[Span]) -> tuple[tuple[str, str], ...]:
    return tuple((str(first), str(last)) for first, last in spans)


def expected_routes(network: NetworkSettings) -> tuple[ExpectedRoute, ...]:
    """The routes that a pod has by its interface on `network`, besides those to the subnets."""
    gateways = {side.version: side.gateway for side in network.sides}
    routes = tuple(
        ExpectedRoute(
            dst=written(route.dst),
            gw=str(gateway) if (gateway := route.gw or gateways[route.dst.version]) else None,
        )
        for route in (*network.ipam.routes, *network.routes)
    )
    if network.default_route is not DefaultRoute.NET1:
        return routes
    return (*routes, *(ExpectedRoute(dst=written(EVERYWHERE[gw.version]), gw=str(gw)) for gw in network.gateways))


def written(dst: Subnet) -> str:
    if dst.prefixlen == 0:
        return DEFAULT if dst.version == 4 else DEFAULT6
    return str(dst[0] if dst.prefixlen == dst.max_prefixlen else dst)


def by_source(network: NetworkSettings) -> bool:
    return network.has_routes_plugin and network.default_route is DefaultRoute.SOURCE


def to_json(plan: Plan) -> str:
    return json.dumps(asdict(plan))


def from_json(text: str) -> Plan:
    """Raises ValueError, KeyError or TypeError for what `to_json` has not written."""
    said: dict[str, Any] = json.loads(text)
    return Plan(
        api=said["api"],
        networks={name: _network(each) for name, each in said["networks"].items()},
        interfaces=tuple(
            ExpectedInterface(**{**each, "addresses": tuple(each["addresses"])}) for each in said["interfaces"]
        ),
        peers=tuple(Peer(**each) for each in said["peers"]),
        nodes=tuple(said["nodes"]),
    )


def _network(said: Mapping[str, Any]) -> ExpectedNetwork:
    lists = {
        "subnets": tuple(said["subnets"]),
        "routes": tuple(ExpectedRoute(**route) for route in said["routes"]),
        "leaves_by": tuple(said["leaves_by"]),
        "ranges": {node: tuple((first, last) for first, last in spans) for node, spans in said["ranges"].items()},
    }
    return ExpectedNetwork(**{**said, **lists})


def pairs(nodes: Sequence[str], pods: Sequence[str]) -> list[tuple[int, int]]:
    """Who asks whom on a network: each every other; of many each the next in a ring, and one on each other node. No pod
    asks itself.

    `nodes`, `pods`: where and whose each interface is. With two pods every interface is in some pair, and so is every
    two of the nodes.
    """
    count = len(nodes)
    if count <= MANY:
        return [(a, b) for a, b in itertools.permutations(range(count), 2) if pods[a] != pods[b]]
    # Every pod's first interface, then every pod's second; who has one of its own pod next to it asks the next other.
    around = sorted(range(count), key=lambda i: pods[:i].count(pods[i]))
    ring = {
        (a, b)
        for i, a in enumerate(around)
        for b in itertools.islice((b for b in around[i + 1 :] + around[:i] if pods[b] != pods[a]), 1)
    }
    first = {node: nodes.index(node) for node in nodes}
    across = set(itertools.combinations(sorted(first.values()), 2))
    return sorted({pair for a, b in ring | across for pair in ((a, b), (b, a))})
