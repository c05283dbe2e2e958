"""What of a lab cannot be on the machine at hand. Pure: others gather the facts."""

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.settings.checks import subnets
from components.settings.faults import Fault
from components.settings.lab import LabSettings
from components.settings.networks import NetworkSettings

Subnet = ipaddress.IPv4Network


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """Without what belongs to the lab itself, if it runs already."""

    links: Mapping[str, int]
    """The machine's interfaces, with their MTU."""
    default_link: str | None
    """The interface of the default route."""
    parents_in_use: Mapping[str, str]
    """By interface: the engine's macvlan network that lies on it."""
    routes: tuple[tuple[Subnet, str], ...]
    """Where the machine's routes lead, and by which interface."""
    engine_networks: tuple[tuple[str, Subnet], ...]
    """The engine's networks; one with two subnets is there twice."""
    features: frozenset[str]
    """Those of FEATURES that the kernel has."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something of the kernel's that not every machine has."""

    module: str
    """The module that brings it, where it is not built in."""
    key: str
    """What of a network asks for it."""
    wanted: Callable[[NetworkSettings], bool]


FEATURES: dict[str, Feature] = {
    "macvlan": Feature(module="macvlan", key="mode", wanted=lambda _: True),
    "vlan": Feature(module="8021q", key="vlan", wanted=lambda network: network.vlan is not None),
}


def missing_features(settings: LabSettings, available: frozenset[str]) -> tuple[Fault, ...]:
    """What networks ask of the kernel and it does not have. `available`: names of FEATURES."""
    return tuple(
        Fault(
            key=f"networks[{i}].{feature.key}",
            problem=f"{network.name} needs {name}, and the kernel has none (module {feature.module})",
            remedy=f"load it (modprobe {feature.module}), take a kernel that has it, or leave it out",
        )
        for i, network in enumerate(settings.networks)
        for name, feature in FEATURES.items()
        if feature.wanted(network) and name not in available
    )


def machine_faults(settings: LabSettings, machine: MachineFacts) -> tuple[Fault, ...]:
    """What the machine is in the way of, the kernel's missing features among it."""
    faults = list(missing_features(settings, machine.features))
    for i, network in enumerate(settings.networks):
        faults += _parent_faults(f"networks[{i}]", network, machine)
        if any(name == network.name for name, _ in machine.engine_networks):
            problem = f"the engine has a network {network.name!r} that this lab did not make"
            faults.append(Fault(key=f"networks[{i}].name", problem=problem, remedy="choose another name or remove it"))
    parents = {f"networks[{i}].subnet": {network.parent, network.link} for i, network in enumerate(settings.networks)}
    for key, subnet in subnets(settings.pod_subnet, settings.service_subnet, settings.networks):
        for where in _overlapping(subnet, machine, parents.get(key, set())):
            faults.append(Fault(key=key, problem=f"{subnet} overlaps {where}", remedy="take another subnet"))
    return tuple(faults)


def _parent_faults(key: str, network: NetworkSettings, machine: MachineFacts) -> list[Fault]:
    """A parent is only ever one that the config names: the default route's is then meant, too."""
    if network.parent is None or network.link is None:
        return []
    if network.parent not in machine.links:
        near = difflib.get_close_matches(network.parent, machine.links, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"take one of: {', '.join(sorted(machine.links))}"
        return [Fault(key=f"{key}.parent", problem=f"the machine has no interface {network.parent!r}", remedy=remedy)]
    faults = []
    if other := machine.parents_in_use.get(network.link):
        problem = f"{network.link} is the parent of the engine's network {other!r}"
        faults.append(Fault(key=f"{key}.parent", problem=problem, remedy="take another parent or remove that network"))
    if network.mode.takes_parent_whole and network.link == machine.default_link:
        problem = f"{network.mode} takes {network.link} whole, and the machine's default route is on it"
        faults.append(Fault(key=f"{key}.mode", problem=problem, remedy="take another mode or another parent"))
    if network.mtu and network.mtu > machine.links[network.parent]:
        problem = f"{network.mtu} is more than {network.parent}'s own {machine.links[network.parent]}"
        faults.append(Fault(key=f"{key}.mtu", problem=problem, remedy="give less or raise the parent's"))
    return faults


def _overlapping(subnet: Subnet, machine: MachineFacts, parents: set[str | None]) -> list[str]:
    """What of the machine's own lies in `subnet`; not what leads to the very parents: people join their own LAN."""
    networks = [(name, other) for name, other in machine.engine_networks if subnet.overlaps(other)]
    # The machine has a route to each of the engine's networks: said once.
    said = {other for _, other in networks}
    return [f"the engine's network {name!r} {other}" for name, other in networks] + [
        f"the machine's route to {other} by {device}"
        for other, device in dict.fromkeys(machine.routes)
        if other.prefixlen and subnet.overlaps(other) and other not in said and device not in parents
    ]
