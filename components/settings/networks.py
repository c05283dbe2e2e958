"""One network: what can be said of it, and what of that fits together."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface

from components.settings.blocks import Address, Span, Subnet, node_range
from components.settings.dhcp import AskedServer, ServerSettings
from components.settings.faults import NOWHERE, Section, shown
from components.settings.ipam import Dhcp, Ipam, WorkerRange, read_ipam
from components.settings.names import (
    ENGINES_OWN,
    INTERFACE,
    LABEL,
    LABELS_RULE,
    no_worker,
    worker_called,
)
from components.settings.node_addresses import read_node_addresses
from components.settings.peers import PeerSettings, read_peer
from components.settings.plugins import KEYS, MacvlanMode, Plugin, read_plugin
from components.settings.routes import (
    BY_DEFAULT,
    DefaultRoute,
    Route,
    has_default,
    read_default_route,
    read_routes,
)

LEAST_MTU, MOST_MTU = 68, 65535
"""IPv4's own bounds (RFC 791), which are the kernel's: with less than 68 an interface loses its IPv4 addresses.

Less than 576 works, and a lab may want to see what it does to what runs over it.
"""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """One L2: a macvlan network of the engine, joined by workers, and the NAD of the same name.

    By a plugin that makes a bridge on each node it is an L2 on each of these workers, and nothing of the engine's.
    """

    name: str
    subnet: Subnet
    gateway: Address | None
    parent: str | None
    """An interface of the machine; None: the network is an island."""
    plugin: Plugin
    """By which pods get their interface."""
    mtu: int | None
    """In bytes; None: the parent's."""
    vlan: int | None
    """The tag of the network's frames on its parent."""
    nodes: tuple[str, ...]
    """The workers that join it, by their full names in their order."""
    ipam: Ipam
    routes: tuple[Route, ...]
    """Routes besides those in `ipam`."""
    default_route: DefaultRoute
    node_addresses: tuple[IPv4Interface, ...] = ()
    """Of `nodes`, in their order, with the subnet's prefix length; empty: they have none on it."""
    node_range: Subnet
    """Where the engine takes the nodes' own addresses from, apart from the pods' range and the gateway."""
    peer: PeerSettings | None = None
    """The lab's own neighbour of the pods."""
    dhcp_server: ServerSettings | None = None
    """The lab's own, where the IPAM asks for one."""

    @property
    def mode(self) -> MacvlanMode:
        """Of the workers' own interfaces on it."""
        return self.plugin.link_mode

    @property
    def link(self) -> str | None:
        """The interface of the machine that the network lies on: `eth0`, with a vlan `eth0.7`."""
        return f"{self.parent}.{self.vlan}" if self.parent and self.vlan else self.parent

    @property
    def has_routes_plugin(self) -> bool:
        """Whether kalico-routes follows the plugin that makes the interface."""
        return self.gateway is not None and self.default_route in (DefaultRoute.SOURCE, DefaultRoute.NET1)

    @property
    def ranges(self) -> tuple[WorkerRange, ...]:
        """Each joining worker's part of the range; empty where the IPAM type has one range for all of them."""
        return self.ipam.ranges(self.nodes)


def read_network(section: Section, workers: Sequence[str]) -> NetworkSettings:
    """`workers`: the names of all; empty where they could not be read."""
    plugin = read_plugin(section)
    subnet = section.subnet("subnet")
    hosts = subnet if subnet is not NOWHERE and subnet.num_addresses >= 4 else Subnet("0.0.0.0/0")
    asked_peer = read_peer(section)
    gateway_is_peer = asked_peer is not None and asked_peer.is_gateway
    gateway = asked_peer.gateway(hosts) if asked_peer and gateway_is_peer else section.address("gateway")
    ipam_section = section.mapping("ipam")
    ipam = read_ipam(ipam_section, subnet, gateway)
    span = None if ipam_section.faulty else ipam.occupies()
    routes = read_routes(section, hosts, gateway, span)
    default_route = read_default_route(section, {"ipam.routes": ipam.routes, "routes": routes}, gateway)
    if default_route is DefaultRoute.LITERAL and not has_default((*ipam.routes, *routes)):
        routes = (BY_DEFAULT, *routes)
    nodes = _nodes(section, workers)
    network = NetworkSettings(
        name=_name(section),
        subnet=subnet,
        gateway=gateway,
        parent=_parent(section),
        plugin=plugin,
        mtu=section.bounded("mtu", LEAST_MTU, MOST_MTU, "what IPv4 and the kernel take"),
        vlan=section.bounded("vlan", 1, 4094, "the tags of 802.1Q"),
        nodes=nodes,
        ipam=ipam,
        routes=routes,
        default_route=default_route,
        node_addresses=read_node_addresses(section, subnet, gateway, span, nodes),
        node_range=NOWHERE,
    )
    section.closed(told=KEYS)
    _check_link(network, section)
    for route in routes:
        if route.dst in [other.dst for other in ipam.routes]:
            section.fault("routes", f"{route.dst} is in `ipam.routes` too", "say it in one place")
    if isinstance(ipam, Dhcp):
        _check_leased_routes(routes, ipam, gateway, section)
    if subnet is NOWHERE:
        return network
    if gateway is not None and not gateway_is_peer and not subnet.network_address < gateway < subnet.broadcast_address:
        section.fault("gateway", f"{gateway} is no host address of {subnet}", "take one from the subnet")
    if asked_peer:
        asked_peer.check(subnet, gateway, span, network.parent)
        if asked_peer.address in [address.ip for address in network.node_addresses]:
            section.fault("peer.address", f"{asked_peer.address} is one of `nodeAddresses` too", "take another one")
        if plugin.without_peer:
            section.fault("peer", f"{plugin.without_peer} keeps pods apart from it", "take another mode, or drop it")
    if ipam_section.faulty:
        return network
    if isinstance(ipam, Dhcp) and not plugin.on_network:
        problem = f"dhcp, and nobody answers it on a {plugin.name} of a node's own"
        ipam_section.fault("type", problem, "take another type or `plugin`")
        return network
    asked_server = ipam.server if isinstance(ipam, Dhcp) else None
    if asked_server and span:
        _check_server(asked_server, ipam_section, span, network, asked_peer.address if asked_peer else None)
    try:
        _ = network.ranges
    except ValueError:
        problem = f"the range holds {ipam.capacity()} addresses, and {len(network.nodes)} workers need a part each"
        section.fault("ipam", problem, "widen the range or let fewer join (`nodes`)")
    others = [asked.address for asked in (asked_peer, asked_server) if asked]
    others = [*others, *(route.gw for route in (*ipam.routes, *routes))]
    points = [gateway, *others, *(address.ip for address in network.node_addresses)]
    occupied = [(address, address) for address in points if address] + ([span] if span else [])
    block = node_range(subnet, occupied)
    if block is None and not plugin.on_network:
        return network
    if block is None:
        section.fault(
            "subnet",
            f"{subnet} has no block left for the nodes' own addresses beside the pods' range",
            "shrink the range or take a larger subnet (a /28 at least)",
        )
        return network
    peer = asked_peer.placed(subnet, gateway, [*occupied, (block[0], block[-1])]) if asked_peer else None
    occupied += [(block[0], block[-1]), *([(peer.address.ip, peer.address.ip)] if peer else [])]
    server = asked_server.placed(ipam_section, subnet, occupied) if asked_server else None
    return NetworkSettings(**{**vars(network), "node_range": block, "peer": peer, "dhcp_server": server})


def _name(section: Section) -> str:
    name = section.text("name")
    if name in ENGINES_OWN:
        section.fault("name", f"{name!r} is one of the engine's own", "choose another name")
    if name and not LABEL.fullmatch(name):
        section.fault("name", f"Kubernetes refuses {shown(name)}", LABELS_RULE)
    return name


def _parent(section: Section) -> str | None:
    parent = section.text("parent", "") or None
    if parent and not INTERFACE.fullmatch(parent):
        remedy = "give an interface of the machine: at most 15 characters, no blanks"
        section.fault("parent", f"{shown(parent)} names no interface", remedy)
    return parent


def _nodes(section: Section, workers: Sequence[str]) -> tuple[str, ...]:
    """The workers that join, in their own order, however they are listed."""
    given = section.texts("nodes")
    if not section.has("nodes"):
        return tuple(workers)
    if not given and not section.faulty_at("nodes"):
        section.fault("nodes", "[] names no worker", "name one at least, or drop the key for all of them")
    joining: list[str] = []
    for i, name in enumerate(given):
        worker = worker_called(name, workers)
        if not workers:
            continue
        if worker is None and name.endswith("control-plane"):
            section.fault(f"nodes[{i}]", f"{shown(name)} is a control plane, which stays out", "name workers alone")
        elif worker is None:
            section.fault(f"nodes[{i}]", *no_worker(name, workers))
        elif worker in joining:
            section.fault(f"nodes[{i}]", f"{worker} is there twice", "name each once")
        else:
            joining.append(worker)
    return tuple(worker for worker in workers if worker in joining)


def _check_leased_routes(routes: Sequence[Route], ipam: Dhcp, gateway: Address | None, section: Section) -> None:
    for route in (route for route in routes if route is not BY_DEFAULT):
        if ipam.server is None:
            problem = f"{route.dst}, and the network's own DHCP server tells the routes"
            section.fault("routes", problem, "drop it, or say it there")
        elif route.gw is None and gateway is None:
            problem = f"{route.dst} leads by no gateway, and DHCP tells one with each"
            section.fault("routes", problem, "give it a `gw`, or give `gateway`")


def _check_server(
    asked: AskedServer, ipam: Section, span: Span, network: NetworkSettings, peer: Address | None
) -> None:
    taken = [(network.gateway, "the gateway"), (peer, "the peer's")]
    taken += [(address.ip, "one of `nodeAddresses` too") for address in network.node_addresses]
    asked.check(ipam, network.subnet, taken, span, network.parent)
    if network.plugin.without_peer:
        ipam.fault("server", f"{network.plugin.without_peer} keeps pods apart from it", "take another mode or type")


def _check_link(network: NetworkSettings, section: Section) -> None:
    if network.vlan and not network.parent and not section.faulty_at("vlan"):
        section.fault("vlan", f"{network.vlan} is a tag on a parent, and there is none", "give `parent` or drop it")
    if network.link and network.vlan and INTERFACE.fullmatch(network.parent or "") and len(network.link) > 15:
        section.fault("vlan", f"the interface {network.link} has more than 15 characters", "rename the parent")
    if network.mode.takes_parent_whole and len(network.nodes) > 1:
        section.fault(
            "mode",
            f"{network.mode} leaves room for one macvlan on the parent, and {len(network.nodes)} workers join",
            "name one worker in `nodes` or take another mode",
        )
