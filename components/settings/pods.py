"""One pod, or several of a kind: what can be said, and what fits the networks that it attaches to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.settings.blocks import Address, Interface, hosts, interface, is_host, within
from components.settings.families import FAMILIES, Side, key_of, read_address, refuse_others
from components.settings.faults import Section, shown
from components.settings.ipam import IPAM_TYPES
from components.settings.names import (
    IMAGE,
    IMAGES_RULE,
    LABEL,
    LABELS_RULE,
    NAMESPACES_OWN,
    no_worker,
    short_name,
    worker_called,
)
from components.settings.networks import NetworkSettings
from components.settings.routes import DefaultRoute, defaults

MOST_PODS = 110
"""What a kubelet runs at most, unless told otherwise."""

SYSTEM_PODS = ("kube-proxy", "calico-node", "kube-multus-ds")
"""Of these every worker has one; what else the cluster runs has room on the control plane."""


@dataclass(frozen=True, kw_only=True)
class AttachmentSettings:
    network: str
    address: Interface | None = None
    """With the prefix length of the network's subnet; None: the network's IPAM gives one."""
    address6: Interface | None = None
    """The same of IPv6."""
    mac: str | None = None
    by_capability: bool = False
    """Whether they reach the plugin by the capability `ips`."""

    @property
    def addresses(self) -> tuple[Interface, ...]:
        return tuple(filter(None, (self.address, self.address6)))


@dataclass(frozen=True, kw_only=True)
class PodSettings:
    name: str
    namespace: str
    image: str
    command: tuple[str, ...]
    networks: tuple[AttachmentSettings, ...]
    count: int | None
    """How many of a kind, NAME-1 to NAME-count; None: one, by the name itself."""
    node: str | None
    """The worker it has to run on, by its full name."""
    nodes: tuple[str, ...]
    """The only workers that it can run on, since they alone join its networks (or are `node`); empty: any."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{i + 1}" for i in range(self.count)) if self.count else (self.name,)

    def each(self) -> tuple["PodSettings", ...]:
        """The pods that this stands for, one by one."""
        return tuple(replace(self, name=name, count=None) for name in self.names)


Known = Mapping[str, NetworkSettings | None]
"""The networks by name; None where one has faults, so that nothing can be compared with it."""


def room_for_pods(in_cluster: bool) -> int:
    """How many pods of the lab a worker runs at most. `in_cluster`: whether it has whereabouts' daemon, too."""
    return MOST_PODS - len(SYSTEM_PODS) - in_cluster


def read_pod(section: Section, networks: Known, workers: Sequence[str], room: int) -> PodSettings:
    """`workers`: the names of all; empty where they could not be read. `room`: how many pods each of them runs."""
    count = section.bounded("count", 1, room * max(len(workers), 1), f"{room} on a worker at most")
    node = _node(section, workers)
    items = section.entries("networks", "name")
    names = [_network(item, networks) for item in items]
    known = [network for name in names if (network := networks.get(name)) is not None]
    pod = PodSettings(
        name=section.text("name"),
        namespace=section.text("namespace", "default"),
        image=section.text("image", "alpine"),
        command=section.texts("command"),
        networks=(),
        count=count,
        node=node,
        nodes=_nodes(section, node, known, workers),
    )
    attachments = tuple(
        _attachment(item, name, networks.get(name), pod) for item, name in zip(items, names, strict=True)
    )
    section.closed()
    _check_names(pod, section)
    _check_ways_out(section, known)
    return replace(pod, networks=attachments)


def _check_ways_out(section: Section, networks: Sequence[NetworkSettings]) -> None:
    """By kalico-routes' `net1` a pod has one default route in a family, whoever else has made one before."""
    outward = [network for network in networks if network.default_route is DefaultRoute.NET1]
    families = {gateway.version for network in outward for gateway in network.gateways}
    others = [
        network
        for network in networks
        if network.default_route is DefaultRoute.LITERAL
        if any(defaults((*network.ipam.routes, *network.routes), version) for version in families)
    ]
    if len(outward) > 1 or others:
        names = [network.name for network in networks if network in (*outward, *others)]
        ways = " and ".join(dict.fromkeys(f"`{each.default_route}`" for each in (*outward, *others)))
        problem = f"{' and '.join(names)} each take the pod's default route (`defaultRoute` is {ways})"
        section.fault("networks", problem, "attach to one such network, once")


def _node(section: Section, workers: Sequence[str]) -> str | None:
    given = section.text("node", "")
    if not given or not workers:
        return None
    worker = worker_called(given, workers)
    if worker is None:
        section.fault("node", *no_worker(given, workers))
    return worker


def _network(item: Section, networks: Known) -> str:
    name = item.text("name")
    if name and name not in networks and "" not in networks:
        known = f"known are: {', '.join(networks)}" if networks else "there is none in `networks`"
        item.fault("name", f"there is no network {shown(name)}", known)
    return name


def _nodes(
    section: Section, node: str | None, networks: Sequence[NetworkSettings], workers: Sequence[str]
) -> tuple[str, ...]:
    """Where the pod can run: see `PodSettings.nodes`."""
    joining = tuple(worker for worker in workers if all(worker in network.nodes for network in networks))
    if node:
        for network in networks:
            if node not in network.nodes:
                join = ", ".join(short_name(worker) for worker in network.nodes)
                remedy = f"take one of those that do ({join}) or add it to the network's `nodes`"
                section.fault("node", f"{node} does not join {network.name}", remedy)
        return (node,)
    if workers and not joining:
        wanted = ", ".join(dict.fromkeys(network.name for network in networks))
        section.fault("networks", f"no worker joins all of {wanted}", "add one to the `nodes` of each")
    return joining if len(joining) < len(workers) else ()


def _attachment(item: Section, name: str, network: NetworkSettings | None, pod: PodSettings) -> AttachmentSettings:
    addresses = {version: read_address(item, "address", version) for version in FAMILIES}
    mac = item.mac("mac")
    item.closed()
    said = {key_of("address", version): address for version, address in addresses.items()}
    for key, value in (said | {"mac": mac}).items():
        if value is not None and pod.count and pod.count > 1:
            item.fault(key, f"{value} cannot be that of {pod.count} pods", "drop it or `count`")
    if network is None:
        return AttachmentSettings(network=name, mac=mac)
    if network.mode.takes_parent_whole:
        item.fault(
            "name",
            f"{name} is {network.mode}: its node has the one macvlan that the parent takes",
            "take another mode, or leave the pod off it",
        )
    if mac is not None and network.plugin.shares_mac:
        problem = f"{mac}: by {network.plugin.name} a pod has its node's own on {name}"
        item.fault("mac", problem, "drop it, or take another `plugin`")
    refuse_others(item, ["address"], [side.version for side in network.sides])
    fixed: dict[int, Interface] = {}
    for side in network.sides:
        key, address = side.key("address"), addresses[side.version]
        if address is not None:
            _check_address(item, address, side, network, pod)
            fixed[side.version] = interface(address, side.subnet.prefixlen)
        elif network.ipam.needs_addresses and not item.faulty_at(key):
            remedy = f"{name} gives none by itself: give a host address of {side.subnet}"
            if pod.count and pod.count > 1:
                remedy += " to each pod, without `count`"
            item.fault(key, "missing", remedy)
    return AttachmentSettings(
        network=name,
        address=fixed.get(4),
        address6=fixed.get(6),
        mac=mac,
        by_capability=network.ipam.needs_addresses,
    )


def _check_address(item: Section, address: Address, side: Side, network: NetworkSettings, pod: PodSettings) -> None:
    key, subnet, span = side.key("address"), side.subnet, side.span
    peers = [each.ip for each in network.peer.addresses] if network.peer else []
    if not network.ipam.fixes_addresses:
        able = [name for name, type_ in IPAM_TYPES.items() if type_.fixes_addresses]
        item.fault(
            key,
            f"{address}: the IPAM of {network.name} fixes no address",
            f"drop it or take type {' or '.join(able)}",
        )
    elif not is_host(address, subnet):
        first, last = hosts(subnet)
        item.fault(key, f"{address} is no host address of {subnet}", f"take one of {first} to {last}")
    elif address == side.gateway:
        item.fault(key, f"{address} is the gateway of {network.name}", "take another one")
    elif address in peers:
        item.fault(key, f"{address} is the peer's of {network.name}", "take another one")
    elif span and not within(address, span):
        remedy = f"take one of {span[0]} to {span[1]} or widen the range"
        item.fault(key, f"{address} is not in the range of {network.name}", remedy)
    elif not span and address in network.node_range:
        item.fault(key, f"{address} is one of the nodes' own {network.node_range}", "take another one")
    else:
        _check_part(item, key, address, network, pod)


def _check_part(item: Section, key: str, address: Address, network: NetworkSettings, pod: PodSettings) -> None:
    """Where each worker has a part of the range, an address can only be had on its own worker."""
    ranges = network.ranges
    home = next((part.worker for part in ranges if address in part), None)
    nodes = pod.nodes or network.nodes
    if home is None or nodes == (home,):
        return
    if len(nodes) > 1:
        remedy = f"give `node: {short_name(home)}` or drop the address"
        item.fault(key, f"{address} is in {home}'s part of the range, the pod may run elsewhere", remedy)
        return
    own = next((part for part in ranges if part.worker in nodes), None)
    if own is not None:
        remedy = f"take one of {own} or give `node: {short_name(home)}`"
        item.fault(key, f"{address} is in {home}'s part of the range, the pod runs on {nodes[0]}", remedy)


def _check_names(pod: PodSettings, section: Section) -> None:
    if pod.command and not pod.command[0].strip():
        remedy = "name one, or drop the key for the image's own"
        section.fault("command[0]", f"{shown(pod.command[0])} names no program", remedy)
    if pod.name and not LABEL.fullmatch(pod.names[-1]):
        problem = f"Kubernetes refuses {shown(pod.names[-1])}"
        section.fault("name", problem, LABELS_RULE + (f" with -{pod.count} behind" if pod.count else ""))
    if pod.namespace and not LABEL.fullmatch(pod.namespace):
        section.fault("namespace", f"Kubernetes refuses {shown(pod.namespace)}", LABELS_RULE)
    elif NAMESPACES_OWN.fullmatch(pod.namespace):
        section.fault("namespace", f"{pod.namespace!r} is one of the cluster's own", "choose another name")
    if pod.image and not IMAGE.fullmatch(pod.image):
        section.fault("image", f"{shown(pod.image)} names no image", IMAGES_RULE)
