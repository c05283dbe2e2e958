"""What has to hold on the lab's networks, as its settings say it; what the pods have is only compared with that."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.settings import LabSettings, NetworkSettings
from components.settings.ipam import Dhcp
from components.settings.peers import container_name
from components.settings.routes import DefaultRoute

MANY = 6
"""Up to so many interfaces on a network each asks every other; beyond, see `pairs`."""

DEFAULT = "default"
"""The destination of a default route, as `ip` writes it."""


@dataclass(frozen=True, kw_only=True)
class ExpectedRoute:
    dst: str
    """As `ip` writes it."""
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
    leaves_by: str | None
    """The gateway by which what is bound to the interface's address leaves; None: as all else of the pod does."""
    second_default: bool
    """Whether the pods have a default route beside eth0's, at its metric: their cluster may then be out of reach."""
    others_routes: bool
    """Whether somebody else tells the pods routes besides; the lab does not know which."""
    ranges: Mapping[str, tuple[str, str]]
    """By worker, the first and the last address that it hands out; empty where that is not the lab's to say."""


@dataclass(frozen=True, kw_only=True)
class ExpectedInterface:
    pod: str
    """NAMESPACE/NAME."""
    network: str
    interface: str
    address: str | None = None
    mac: str | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A neighbour on a network that is no pod."""

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
                address=str(attachment.address.ip) if attachment.address else None,
                mac=attachment.mac,
            )
            for pod in itertools.chain.from_iterable(kind.each() for kind in settings.pods)
            for i, attachment in enumerate(pod.networks, 1)
        ),
        peers=tuple(
            Peer(
                network=network.name,
                address=str(network.peer.address.ip),
                container=container_name(settings.cluster_name, network.name),
            )
            for network in settings.networks
            if network.peer
        ),
        nodes=(*settings.node_names, *settings.dhcp_servers),
    )


def expected_network(network: NetworkSettings) -> ExpectedNetwork:
    span = network.ipam.occupies()
    shared = {node: (str(span[0]), str(span[1])) for node in network.nodes} if span else {}
    return ExpectedNetwork(
        subnets=(str(network.subnet),),
        pods_apart=network.plugin.pods_apart,
        bridges=not network.plugin.on_network,
        machine_apart=network.plugin.machine_apart,
        mtu=network.mtu,
        routes=expected_routes(network),
        leaves_by=str(network.gateway) if by_source(network) else None,
        others_routes=isinstance(network.ipam, Dhcp) and network.ipam.server is None,
        second_default=network.default_route is DefaultRoute.LITERAL,
        ranges=shared | {part.worker: (str(part.start), str(part.end)) for part in network.ranges},
    )


def expected_routes(network: NetworkSettings) -> tuple[ExpectedRoute, ...]:
    """The routes that a pod has by its interface on `network`, besides that to the subnet."""
    routes = tuple(
        ExpectedRoute(
            dst=DEFAULT if route.dst.prefixlen == 0 else str(route.dst).removesuffix("/32"),
            gw=str(gateway) if (gateway := route.gw or network.gateway) else None,
        )
        for route in (*network.ipam.routes, *network.routes)
    )
    if network.default_route is not DefaultRoute.NET1:
        return routes
    return (*routes, ExpectedRoute(dst=DEFAULT, gw=str(network.gateway)))


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
        interfaces=tuple(ExpectedInterface(**each) for each in said["interfaces"]),
        peers=tuple(Peer(**each) for each in said["peers"]),
        nodes=tuple(said["nodes"]),
    )


def _network(said: Mapping[str, Any]) -> ExpectedNetwork:
    lists = {
        "subnets": tuple(said["subnets"]),
        "routes": tuple(ExpectedRoute(**route) for route in said["routes"]),
        "ranges": {node: (first, last) for node, (first, last) in said["ranges"].items()},
    }
    return ExpectedNetwork(**{**said, **lists})


def pairs(nodes: Sequence[str]) -> list[tuple[int, int]]:
    """Who asks whom on a network: each every other; of many each the next in a ring, and one on each other node.

    `nodes`: where each interface is. Every interface is in some pair, and so is every two of the nodes.
    """
    count = len(nodes)
    if count <= MANY:
        return list(itertools.permutations(range(count), 2))
    ring = {(i, (i + 1) % count) for i in range(count)}
    first = {node: nodes.index(node) for node in nodes}
    across = set(itertools.combinations(sorted(first.values()), 2))
    return sorted({pair for a, b in ring | across for pair in ((a, b), (b, a))})
