"""One network: what can be said of it, and what of that fits together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from components.settings.blocks import Address, Interface, Span, Subnet, is_host, node_range, size
from components.settings.dhcp import AskedServer, ServerSettings
from components.settings.families import Side, read_address, refuse_others, side_of
from components.settings.faults import NOWHERE, Section, known, shown
from components.settings.ipam import IPAM_KEYS, IPAM_TYPES, Ipam, WorkerRange, read_ipam
from components.settings.names import (
    ENGINES_OWN,
    INTERFACE,
    LABEL,
    LABELS_RULE,
    no_worker,
    worker_called,
)
from components.settings.node_addresses import read_node_addresses
from components.settings.peers import AskedPeer, PeerSettings, read_peer
from components.settings.plugins import KEYS, MacvlanMode, Plugin, read_plugin
from components.settings.routes import DefaultRoute, Route, by_default, defaults, read_default_route, read_routes

SHORTEST_PREFIX6, LONGEST_PREFIX6 = 8, 124
"""Of a subnet of IPv6: all that is private is an /8, and with less than 16 addresses only pods have room."""
SMALLEST, SMALLEST_ON_NODE = 28, 30
"""The longest prefix of a subnet of IPv4: with room for the nodes' own block, and where they have none."""

LEAST_MTU6 = 1280
"""IPv6's own bound (RFC 8200): with less the kernel takes IPv6 off an interface."""

BESIDE_RANGE = ("server", "leaseTime", "routes")
"""Keys of `ipam` that say nothing of the range."""

BESIDE_PODS = ("parent", "plugin", "mode", "mtu", "vlan", "peer", "nodeAddresses", "defaultRoute", "routes")
"""Keys of a network that can be faulty and leave what its pods are held against as it is said."""

LEAST_MTU, MOST_MTU = 68, 65535
"""IPv4's own bounds (RFC 791), which are the kernel's: with less than 68 an interface loses its IPv4 addresses.

Less than 576 works, and a lab may want to see what it does to what runs over it.
"""

LINKS_MTU = 1500
"""In bytes, what a link that is made has unless it is told."""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """One L2: a macvlan network of the engine, joined by workers, and the NAD of the same name.

    By a plugin that makes a bridge on each node it is an L2 on each of these workers, and nothing of the engine's.
    """

    name: str
    sides: tuple[Side, ...]
    """IPv4 first, where it has both families."""
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
    node_addresses: tuple[Interface, ...] = ()
    """Of `nodes`, in their order, with the subnet's prefix length; empty: they have none on it."""
    node_range: Subnet
    """Where the engine takes the nodes' own addresses from, of IPv4 alone, apart from the pods' range and the
    gateway."""
    peer: PeerSettings | None = None
    """The lab's own neighbour of the pods."""
    dhcp_server: ServerSettings | None = None
    """The lab's own, where the IPAM asks for one."""

    @property
    def subnet(self) -> Subnet:
        return self.sides[0].subnet

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        return tuple(side.subnet for side in self.sides)

    @property
    def gateway(self) -> Address | None:
        return self.sides[0].gateway

    @property
    def gateways(self) -> tuple[Address, ...]:
        """One a family at most."""
        return tuple(side.gateway for side in self.sides if side.gateway)

    @property
    def mode(self) -> MacvlanMode:
        """Of the workers' own interfaces on it."""
        return self.plugin.link_mode

    @property
    def link(self) -> str | None:
        """The interface of the machine that the network lies on: `eth0`, with a vlan `eth0.7`."""
        return f"{self.parent}.{self.vlan}" if self.parent and self.vlan else self.parent

    @property
    def needs_bridge(self) -> bool:
        """Whether it is an island that carries more than a link has by itself: it then lies on a bridge of the lab's
        own, since no engine's island has another MTU."""
        return self.plugin.on_network and self.parent is None and (self.mtu or 0) > LINKS_MTU

    @property
    def has_routes_plugin(self) -> bool:
        """Whether kalico-routes follows the plugin that makes the interface."""
        return bool(self.gateways) and self.default_route in (DefaultRoute.SOURCE, DefaultRoute.NET1)

    @property
    def has_second_default(self) -> bool:
        """Whether its pods have a default route beside eth0's, which is of IPv4, at its metric."""
        routes = (*self.ipam.routes, *self.routes)
        return self.default_route is DefaultRoute.LITERAL and bool(defaults(routes, 4))

    @property
    def ranges(self) -> tuple[WorkerRange, ...]:
        """Each joining worker's part of the range; empty where the IPAM type has one range for all of them."""
        return self.ipam.ranges(self.nodes)


def read_network(section: Section, workers: Sequence[str]) -> NetworkSettings:
    """`workers`: the names of all; empty where they could not be read."""
    plugin = read_plugin(section)
    # IPv4 is asked for where there is neither.
    versions = [4] * (section.has("subnet") or not section.has("subnet6")) + [6] * section.has("subnet6")
    asked_peer = read_peer(section, versions)
    smallest = SMALLEST if plugin.on_network else SMALLEST_ON_NODE
    sides = tuple(_side(section, version, asked_peer, smallest) for version in versions)
    refuse_others(section, ["subnet", "gateway"], versions)
    ipam_section = section.mapping("ipam")
    ipam = read_ipam(ipam_section, sides)
    # A key that is not known may be the range's.
    ranged = not ipam_section.faulty_beside(*BESIDE_RANGE)
    spans = ipam.occupies() if ranged else ()
    of_family: dict[int, Span] = {span[0].version: span for span in spans}
    sides = tuple(replace(side, span=of_family.get(side.version)) for side in sides)
    routes = read_routes(section, sides)
    if ipam.by_server:
        _check_leased_routes(routes, ipam, sides, section)
    default_route = read_default_route(section, {"ipam.routes": ipam.routes, "routes": routes}, sides)
    if default_route is DefaultRoute.LITERAL:
        routes = (*by_default(sides, (*ipam.routes, *routes)), *routes)
    nodes = _nodes(section, workers)
    network = NetworkSettings(
        name=_name(section),
        sides=sides,
        parent=_parent(section),
        plugin=plugin,
        mtu=section.bounded("mtu", LEAST_MTU, MOST_MTU, "what IPv4 and the kernel take"),
        vlan=section.bounded("vlan", 1, 4094, "the tags of 802.1Q"),
        nodes=nodes,
        ipam=ipam,
        routes=routes,
        default_route=default_route,
        node_addresses=read_node_addresses(section, side_of(sides, 4), nodes),
        node_range=NOWHERE,
    )
    section.closed(told=KEYS, inner={"ipam": IPAM_KEYS, "peer": ("address", "address6", "forward")})
    _check_link(network, section)
    for route in routes:
        if route.dst in [other.dst for other in ipam.routes]:
            section.fault("routes", f"{route.dst} is in `ipam.routes` too", "say it in one place")
    _check_families(sides, ipam, section)
    if not all(side.is_known for side in sides):
        return network
    for side in sides:
        _check_side(network, side, section, asked_peer)
    if asked_peer:
        for address in asked_peer.addresses.values():
            if address in [own.ip for own in network.node_addresses]:
                section.fault("peer.address", f"{address} is one of `nodeAddresses` too", "take another one")
        if apart := plugin.without_peer(network.parent):
            section.fault("peer", f"{apart} keeps pods apart from it", "take another mode, or drop it")
    if ipam_section.faulty_at("type"):
        return network
    if ipam.by_server and (plugin.shares_mac or not plugin.on_network):
        problem = f"dhcp, and nobody answers it on a {plugin.name} of a node's own"
        if plugin.shares_mac:
            problem = f"dhcp leases an address to a MAC, and by {plugin.name} a pod has its node's own"
        ipam_section.fault("type", problem, "take another type or `plugin`")
        return network
    leased = side_of(sides, 4)
    if ipam.server and leased:
        _check_server(ipam.server, ipam_section, leased, network, asked_peer.addresses[4] if asked_peer else None)
    try:
        _ = network.ranges if ranged else ()
    except ValueError:
        first, last = min(spans, key=size)
        holds = f"the range {first} to {last} holds {ipam.capacity()} addresses"
        problem = f"{holds}, and {len(network.nodes)} workers need a part each"
        section.fault("ipam", problem, "widen the range or let fewer join (`nodes`)")
    if section.faulty_at("plugin"):
        return network
    others = [*(asked_peer.addresses.values() if asked_peer else ()), ipam.server.address if ipam.server else None]
    others += [route.gw for route in (*ipam.routes, *routes)]
    points = [*network.gateways, *others, *(address.ip for address in network.node_addresses)]
    occupied = [*((address, address) for address in points if address), *spans]
    block = node_range(network.subnet, occupied) if isinstance(network.subnet, IPv4Network) else None
    if block is None and not plugin.on_network:
        return network
    if block is None and network.subnet.version == 4:
        section.fault(
            "subnet",
            f"{network.subnet} has no block left for the nodes' own addresses beside the pods' range",
            f"shrink the range or take a larger subnet (a /{SMALLEST} at least)",
        )
        return network
    found = network
    if block is not None:
        found = replace(network, node_range=block)
        occupied.append((block[0], block[-1]))
    # The server first: a peer that comes or goes then leaves it where it is, and with it the NAD and the pods.
    server = ipam.server.placed(ipam_section, network.subnet, occupied) if ipam.server else None
    occupied += [(server.address.ip, server.address.ip)] if server else []
    peer = asked_peer.placed(sides, occupied) if asked_peer else None
    # Where one of these could not be read, others would lie elsewhere.
    if any(map(section.faulty_at, ("ipam", "routes", "peer", "nodeAddresses"))):
        return network
    return replace(found, peer=peer, dhcp_server=server)


def is_sound(section: Section) -> bool:
    """Whether a network's section says well enough what pods are held against."""
    return not section.faulty_beside(*BESIDE_PODS, *(f"ipam.{key}" for key in BESIDE_RANGE))


def _side(section: Section, version: int, peer: AskedPeer | None, smallest: int) -> Side:
    """What the section says of the network in one family. `smallest`: the longest prefix of IPv4 that has room."""
    key, other = ("subnet6", "subnet") if version == 6 else ("subnet", "subnet6")
    side = Side(subnet=section.subnet(key, version, other))
    if version == 6 and known(side.subnet) and not SHORTEST_PREFIX6 <= side.subnet.prefixlen <= LONGEST_PREFIX6:
        bounds = f"give a /{SHORTEST_PREFIX6} to /{LONGEST_PREFIX6}; a /64 is the rule"
        section.fault(key, f"{side.subnet} is none that a network has", bounds)
    if version == 4 and known(side.subnet) and not side.is_known:
        section.fault(key, f"{side.subnet} has no room for hosts", f"take a larger subnet (a /{smallest} at least)")
    if peer and version in peer.gateway_of:
        return replace(side, gateway=peer.gateway(side.hosts))
    if section.says(side.key("gateway"), "peer"):  # which there is none of, and that is said
        return side
    return replace(side, gateway=read_address(section, "gateway", version))


def _check_side(network: NetworkSettings, side: Side, section: Section, peer: AskedPeer | None) -> None:
    is_peer = peer is not None and side.version in peer.gateway_of
    if side.gateway is not None and not is_peer and not is_host(side.gateway, side.subnet):
        key = side.key("gateway")
        section.fault(key, f"{side.gateway} is no host address of {side.subnet}", "take one from the subnet")
    if side.version == 6 and network.mtu and network.mtu < LEAST_MTU6:
        section.fault("mtu", f"{network.mtu} is too little for IPv6", f"give {LEAST_MTU6} or more, or drop `subnet6`")
    if peer:
        peer.check(side, network.parent)


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


def _check_families(sides: Sequence[Side], ipam: Ipam, section: Section) -> None:
    for side in sides:
        if side.is_known and side.version not in ipam.families:
            able = [name for name, type_ in IPAM_TYPES.items() if side.version in type_.families]
            problem = f"{side.subnet}: the IPAM type has no address of IPv{side.version} for a pod"
            section.fault(side.key("subnet"), problem, f"drop it or take type {' or '.join(able)}")


def _check_leased_routes(routes: Sequence[Route], ipam: Ipam, sides: Sequence[Side], section: Section) -> None:
    for route in routes:
        side = side_of(sides, route.dst.version)
        if ipam.server is None:
            problem = f"{route.dst}, and the network's own DHCP server tells the routes"
            section.fault("routes", problem, "drop it, or say it there")
        elif route.gw is None and side and side.gateway is None:
            problem = f"{route.dst} leads by no gateway, and DHCP tells one with each"
            section.fault("routes", problem, "give it a `gw`, or give `gateway`")


def _check_server(
    asked: AskedServer, ipam: Section, side: Side, network: NetworkSettings, peer: Address | None
) -> None:
    taken = [(side.gateway, "the gateway"), (peer, "the peer's")]
    taken += [(address.ip, "one of `nodeAddresses` too") for address in network.node_addresses]
    asked.check(ipam, side, taken, network.parent)
    if apart := network.plugin.without_peer(network.parent):
        ipam.fault("server", f"{apart} keeps pods apart from it", "take another mode or type")


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
