"""What of a lab cannot be on the machine at hand. Pure: others gather the facts."""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from components.settings.blocks import Address, Subnet, within
from components.settings.checks import subnets
from components.settings.families import key_of
from components.settings.faults import Fault, known
from components.settings.lab import LabSettings
from components.settings.networks import NetworkSettings
from components.settings.plugins import Macvlan

LEAST_PREFIX = 8
"""Of a route to a subnet; VPNs set less, such as 0.0.0.0/1, in the place of a default route."""


@dataclass(frozen=True, kw_only=True)
class EngineNetwork:
    """A network that the engine has already."""

    name: str
    subnets: tuple[Subnet, ...]
    parent: str | None
    """The link of the machine on which it lies, where it lies on one."""
    lab: str | None
    """The lab that made it; None where none did."""


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    links: Mapping[str, int]
    """With their MTU."""
    carries_none: Mapping[str, str] = field(default_factory=dict)
    """Those on which the kernel makes no macvlan or ipvlan, and why (it is ...)."""
    neighbours: tuple[tuple[Address, str, str], ...] = ()
    """Addresses that are in use on a link, that link, and whose they are: the machine's own, and its routers'."""
    default_link: str | None
    """The link of the default route."""
    routes: tuple[tuple[Subnet, str], ...]
    """Where each subnet is reached, by link; without default routes."""
    engine: str
    """The name of the engine that makes the networks."""
    makes_vlans: bool
    """Whether the engine makes a link PARENT.VLAN that the machine has not."""
    addresses_nodes: bool
    """Whether the engine gives each node, peer and DHCP server of a network an address of its `node_range`."""
    engine_networks: tuple[EngineNetwork, ...]
    """Also those of the lab itself, if it runs already."""
    features: frozenset[str]
    """Those of FEATURES that the kernel has, as far as it tells."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A kind of link that not every kernel makes, or IPv6."""

    module: str
    """The module that brings it, where it is not built in."""
    option: str
    """The kernel's option that it is built by."""
    key: str = ""
    """What of a network asks for it; '' where an engine does, by its own ways."""
    wanted: Callable[[NetworkSettings], bool] = lambda _: False


FEATURES = {
    "dummy": Feature(module="dummy", option="CONFIG_DUMMY"),
    "macvlan": Feature(
        module="macvlan", option="CONFIG_MACVLAN", key="mode", wanted=lambda network: network.plugin.on_network
    ),
    "ipvlan": Feature(
        module="ipvlan", option="CONFIG_IPVLAN", key="plugin", wanted=lambda network: network.plugin.name == "ipvlan"
    ),
    "bridge": Feature(
        module="bridge", option="CONFIG_BRIDGE", key="plugin", wanted=lambda network: network.plugin.name == "bridge"
    ),
    "vlan": Feature(
        module="8021q", option="CONFIG_VLAN_8021Q", key="vlan", wanted=lambda network: network.vlan is not None
    ),
    "ipv6": Feature(
        module="ipv6",
        option="CONFIG_IPV6",
        key="subnet6",
        wanted=lambda network: any(side.version == 6 for side in network.sides),
    ),
}
"""By kind of link, as `ip link add type` names it; and IPv6."""


def asks_kernel(network: NetworkSettings) -> bool:
    """Whether a network that is made may ask the kernel for more than a macvlan, which it has: a plugin is changed on
    the network as it is, and a bridge may yet have to be made."""
    return network.plugin.name != Macvlan.name


def asks_parent(network: NetworkSettings) -> bool:
    return network.parent is not None and network.mtu is not None


def standing_faults(
    settings: LabSettings, features: frozenset[str] | None, links: Mapping[str, int], made: Collection[str]
) -> tuple[Fault, ...]:
    """What the machine has not for networks that are `made`, by what it tells of itself in files.

    `features`: of the kernel, None where nobody asks for one. `links`: with their MTU.
    """
    missing = () if features is None else missing_features(settings, features, made)
    mtus = [_mtu_faults(f"networks[{i}]", network, links) for i, network in enumerate(settings.networks)]
    return (*missing, *(fault for faults in mtus for fault in faults))


def missing_features(settings: LabSettings, available: frozenset[str], made: Collection[str] = ()) -> tuple[Fault, ...]:
    """What networks ask of the kernel and it does not have. `available`: names of FEATURES. `made`: of these networks
    the pods' plugin alone is asked for; a network of the engine's has the rest."""
    return tuple(
        Fault(
            key=f"networks[{i}].{feature.key}",
            problem=f"{network.name} needs {name}, and the kernel has none (module {feature.module})",
            remedy=f"load it (modprobe {feature.module}), take a kernel that has it, or leave it out",
        )
        for i, network in enumerate(settings.networks)
        for name, feature in FEATURES.items()
        if network.name not in made or not network.plugin.on_network or feature.key == "plugin"
        if feature.wanted(network) and name not in available
    )


def machine_faults(
    settings: LabSettings, machine: MachineFacts, made: Collection[str] | None = None, moved: Collection[str] = ()
) -> tuple[Fault, ...]:
    """What the machine is in the way of, the kernel's missing features among it.

    `made`: of a lab that has its cluster, the networks that are there too; then only the others are looked at, and of
    the cluster's subnets those with a key in `moved`.
    The lab's own networks are in nobody's way, since config says where the next are. kind's, which has the cluster's
    name and the nodes' addresses, is in the way of subnets alone: where another is taken, it stays or comes again.
    """
    apart = [each for each in machine.engine_networks if each.lab != settings.cluster_name]
    others = [each for each in apart if each.name != settings.cluster_name]
    faults = list(standing_faults(settings, machine.features, machine.links, made or ()))
    new = {i: network for i, network in enumerate(settings.networks) if network.name not in (made or ())}
    for i in new:
        faults += [*_range_faults(i, settings, machine.neighbours), *_given_faults(i, settings, machine.neighbours)]
    if machine.addresses_nodes:
        faults += node_range_faults(settings, [network.name for network in new.values()])
    for i, network in new.items():
        faults += _parent_faults(f"networks[{i}]", network, machine, others)
        if network.plugin.on_network and any(other.name == network.name for other in others):
            problem = f"the engine has a network {network.name!r} that this lab did not make"
            faults.append(Fault(key=f"networks[{i}].name", problem=problem, remedy="choose another name or remove it"))
    parents = {
        f"networks[{i}].{side.key('subnet')}": {network.parent, network.link}
        for i, network in new.items()
        for side in network.sides
    }
    for key, subnet in subnets(settings.pod_subnet, settings.service_subnet, settings.networks):
        if made is not None and key not in parents and key not in moved:
            continue
        for where in _overlapping(subnet, machine, apart, parents.get(key, set())):
            faults.append(Fault(key=key, problem=f"{subnet} overlaps {where}", remedy="take another subnet"))
    return tuple(faults)


def _parent_faults(
    key: str, network: NetworkSettings, machine: MachineFacts, others: Sequence[EngineNetwork]
) -> list[Fault]:
    """A parent is only ever one that the config names: the default route's is then meant, too."""
    parent, link = network.parent, network.link
    if parent is None or link is None:
        return []
    faults = []
    if link not in machine.links:
        if parent not in machine.links:
            able = [name for name in machine.links if name not in machine.carries_none]
            near = difflib.get_close_matches(parent, able, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"take one of: {', '.join(sorted(able))}"
            return [Fault(key=f"{key}.parent", problem=f"the machine has no interface {parent!r}", remedy=remedy)]
        # docker takes what follows the first dot for the tag.
        if not machine.makes_vlans or "." in parent:
            problem = f"{machine.engine} does not make {link}, and the machine has none"
            remedy = f"make it first (ip link add link {parent} name {link} up type vlan id {network.vlan})"
            faults.append(Fault(key=f"{key}.vlan", problem=problem, remedy=remedy))
    # (A tagged interface takes its frames before the one that it lies on hands them to a bridge or a bond.)
    if link in machine.carries_none:
        problem = f"{link} is {machine.carries_none[link]}, and nothing can be on it"
        faults.append(Fault(key=f"{key}.parent", problem=problem, remedy="take another parent"))
    for other in others:
        if other.parent == link:
            problem = f"{link} is the parent of the engine's network {other.name!r}"
            remedy = "take another parent or remove that network"
            faults.append(Fault(key=f"{key}.parent", problem=problem, remedy=remedy))
    if network.mode.takes_parent_whole and link == machine.default_link:
        problem = f"{network.mode} takes {link} whole, and the machine's default route is on it"
        faults.append(Fault(key=f"{key}.mode", problem=problem, remedy="take another mode or another parent"))
    return faults


Neighbours = Sequence[tuple[Address, str, str]]
"""As in MachineFacts."""


def given_faults(settings: LabSettings, neighbours: Neighbours, names: Collection[str]) -> tuple[Fault, ...]:
    """Which addresses that config gives on networks of these `names` somebody on their very link has already."""
    looked_at = [i for i, network in enumerate(settings.networks) if network.name in names]
    return tuple(fault for i in looked_at for fault in _given_faults(i, settings, neighbours))


def _on_link(network: NetworkSettings, neighbours: Neighbours) -> dict[Address, str]:
    """Who is on the very link of a network: whose each address is."""
    return {address: whose for address, link, whose in neighbours if link == network.link}


def _range_faults(i: int, settings: LabSettings, neighbours: Neighbours) -> Iterator[Fault]:
    network = settings.networks[i]
    for side in network.sides:
        for address, whose in _on_link(network, neighbours).items():
            if side.span and within(address, side.span):
                problem = f"the range {side.span[0]} to {side.span[1]} has {address}, which is {whose}"
                remedy = f"leave it out by `{side.key('rangeStart')}` and `{side.key('rangeEnd')}`"
                yield Fault(key=f"networks[{i}].ipam", problem=problem, remedy=remedy)


def _given_faults(i: int, settings: LabSettings, neighbours: Neighbours) -> Iterator[Fault]:
    network = settings.networks[i]
    here = _on_link(network, neighbours)
    given = [(f"networks[{i}].nodeAddresses[{j}]", address.ip) for j, address in enumerate(network.node_addresses)]
    if network.peer:
        given += [(f"networks[{i}].peer", address.ip) for address in network.peer.addresses]
    if network.dhcp_server:
        given.append((f"networks[{i}].ipam.server", network.dhcp_server.address.ip))
    given += [
        (f"pods[{j}].networks[{k}].{key_of('address', address.version)}", address.ip)
        for j, pod in enumerate(settings.pods)
        for k, attachment in enumerate(pod.networks)
        if attachment.network == network.name
        for address in attachment.addresses
    ]
    for key, address in given:
        if address in here:
            yield Fault(key=key, problem=f"{address} is {here[address]}", remedy="take another one")


def _mtu_faults(key: str, network: NetworkSettings, links: Mapping[str, int]) -> list[Fault]:
    on = network.link if network.link in links else network.parent
    if on is None or on not in links or not network.mtu or network.mtu <= links[on]:
        return []
    problem = f"{network.mtu} is more than {on}'s own {links[on]}"
    return [Fault(key=f"{key}.mtu", problem=problem, remedy=f"give less or raise that of {on}")]


def node_range_faults(settings: LabSettings, names: Collection[str]) -> tuple[Fault, ...]:
    """Which networks of these `names` have more nodes, peer and DHCP server counted in, than addresses for them; of an
    engine that gives each of these one."""
    looked_at = [(i, network) for i, network in enumerate(settings.networks) if network.name in names]
    return tuple(fault for i, network in looked_at for fault in _node_range_faults(f"networks[{i}]", network))


def _node_range_faults(key: str, network: NetworkSettings) -> list[Fault]:
    if not network.plugin.on_network or not known(network.node_range):
        return []
    there, others = network.node_range.num_addresses, [network.peer, network.dhcp_server]
    needed = len(network.nodes) + len([each for each in others if each])
    if network.subnet.version == 6 or needed <= there:  # of IPv6 alone, they are of a pool of the engine's
        return []
    named = [name for name, each in zip(("the peer", "the DHCP server"), others, strict=True) if each]
    *first, last = [f"{len(network.nodes)} worker{'s' * (len(network.nodes) > 1)}", *named]
    takers = f"{', '.join(first)} and {last}" if first else last
    problem = f"{takers} take {needed} addresses of the nodes' part {network.node_range} of it, which has {there}"
    remedy = "take a larger subnet, or let fewer join (`nodes`)"
    return [Fault(key=f"{key}.subnet", problem=problem, remedy=remedy)]


def _overlapping(
    subnet: Subnet, machine: MachineFacts, others: Sequence[EngineNetwork], parents: set[str | None]
) -> list[str]:
    """What of the machine's own lies in `subnet`; not what leads to the very parents: people join their own LAN."""
    # The machine has a route to each of the engine's networks: said once, or not at all of the lab's own.
    known = {each for network in machine.engine_networks for each in network.subnets}
    return [
        f"the engine's network {other.name!r} {each}"
        for other in others
        for each in other.subnets
        if subnet.overlaps(each)
    ] + [
        f"the machine's route to {each} by {link}"
        for each, link in dict.fromkeys(machine.routes)
        if each.prefixlen >= LEAST_PREFIX and subnet.overlaps(each) and each not in known and link not in parents
    ]
