"""By which CNI plugin pods get their interface on a network: one class per plugin and the table of all of them.

A new plugin is one class and one row in `PLUGINS`: its keys, its checks and its section of the CNI config.
"""

# ruff: noqa: ARG002, ARG003 (every plugin takes the same arguments; not each needs them all)

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from components.settings.faults import Section, shown

Mode = TypeVar("Mode", bound=StrEnum)


class MacvlanMode(StrEnum):
    BRIDGE = "bridge"
    PRIVATE = "private"
    VEPA = "vepa"
    PASSTHRU = "passthru"

    @property
    def takes_parent_whole(self) -> bool:
        """Whether the kernel allows one macvlan alone on the parent.

        A macvlan on a macvlan lies on the same parent: a pod's on eth1 is a second one beside eth1.
        """
        return self is MacvlanMode.PASSTHRU

    @property
    def keeps_apart(self) -> bool:
        """Whether no macvlan on the parent can reach another one there."""
        return self in (MacvlanMode.PASSTHRU, MacvlanMode.PRIVATE)


class IpvlanMode(StrEnum):
    L2 = "l2"
    L3 = "l3"
    L3S = "l3s"


class Plugin(Protocol):
    """What the rest of the lab asks of a plugin."""

    name: ClassVar[str]
    """Its `type` in the CNI config, and the kind of link that the kernel has to make."""
    keys: ClassVar[tuple[str, ...]]
    """The keys of a network that not every plugin has."""
    modes: ClassVar[tuple[str, ...]]
    shares_mac: ClassVar[bool]
    """Whether a pod has its node's MAC on the network."""
    on_network: ClassVar[bool]
    """Whether pods are on a network of the engine's, by the interface with which their node has joined it. If not, each
    node has a bridge of its own."""
    machine_apart: ClassVar[str]
    """Why pods do not reach the machine itself over it."""

    @classmethod
    def read(cls, section: Section) -> "Plugin":
        """Read and check `keys` that no one else reads (`mode`); faults are noted in the network's section."""

    @property
    def link_mode(self) -> MacvlanMode:
        """Of the macvlan by which a node joins."""

    def without_peer(self, parent: str | None) -> str:
        """What of it keeps pods apart from a neighbour on `parent` (None: an island); '' where nothing does."""

    @property
    def pods_apart(self) -> str:
        """Why pods do not reach each other; '' where they do, as far as the network goes."""

    def config(self, network: str, master: str) -> dict[str, Any]:
        """Its section of the CNI config without MTU and IPAM. `master`: the node's interface on the network."""


@dataclass(frozen=True, kw_only=True)
class Macvlan:
    """An interface with a MAC of its own on the node's."""

    name: ClassVar[str] = "macvlan"
    keys: ClassVar[tuple[str, ...]] = ("mode", "parent", "vlan", "peer", "nodeAddresses")
    modes: ClassVar[tuple[str, ...]] = tuple(MacvlanMode)
    shares_mac: ClassVar[bool] = False
    on_network: ClassVar[bool] = True
    machine_apart: ClassVar[str] = "a macvlan does not reach its own parent"

    mode: MacvlanMode = MacvlanMode.BRIDGE

    @classmethod
    def read(cls, section: Section) -> "Macvlan":
        return cls(mode=_mode(section, cls.name, MacvlanMode, MacvlanMode.BRIDGE))

    @property
    def link_mode(self) -> MacvlanMode:
        return self.mode

    def without_peer(self, parent: str | None) -> str:
        if self.mode is MacvlanMode.VEPA and not parent:  # there is no switch to send frames back
            return f"{self.mode} without a `parent`"
        return self.mode.value if self.mode.keeps_apart else ""

    @property
    def pods_apart(self) -> str:
        if self.mode is MacvlanMode.BRIDGE:
            return ""
        return f"{self.mode} keeps those of one parent apart, unless a switch sends them back"

    def config(self, network: str, master: str) -> dict[str, Any]:
        return {"type": self.name, "master": master, "mode": self.mode.value}


@dataclass(frozen=True, kw_only=True)
class Ipvlan:
    """An interface with the node's own MAC, told apart by its address: for networks that allow one MAC a port."""

    name: ClassVar[str] = "ipvlan"
    keys: ClassVar[tuple[str, ...]] = ("mode", "parent", "vlan", "peer", "nodeAddresses")
    modes: ClassVar[tuple[str, ...]] = tuple(IpvlanMode)
    shares_mac: ClassVar[bool] = True
    on_network: ClassVar[bool] = True
    machine_apart: ClassVar[str] = "an ipvlan does not reach its own parent"

    mode: IpvlanMode = IpvlanMode.L2

    @classmethod
    def read(cls, section: Section) -> "Ipvlan":
        return cls(mode=_mode(section, cls.name, IpvlanMode, IpvlanMode.L2))

    @property
    def link_mode(self) -> MacvlanMode:
        return MacvlanMode.BRIDGE

    def without_peer(self, parent: str | None) -> str:
        return "" if self.mode is IpvlanMode.L2 else self.mode.value

    @property
    def pods_apart(self) -> str:
        return "" if self.mode is IpvlanMode.L2 else f"{self.mode} has no neighbours, its node routes for it"

    def config(self, network: str, master: str) -> dict[str, Any]:
        return {"type": self.name, "master": master, "mode": self.mode.value}


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """A port of a bridge that the plugin makes on each node, and that has no other way out: pods of one node reach each
    other, and nobody else."""

    name: ClassVar[str] = "bridge"
    keys: ClassVar[tuple[str, ...]] = ()
    modes: ClassVar[tuple[str, ...]] = ()
    shares_mac: ClassVar[bool] = False
    on_network: ClassVar[bool] = False
    machine_apart: ClassVar[str] = "the node's bridge leads nowhere else"

    @classmethod
    def read(cls, section: Section) -> "Bridge":
        return cls()

    @property
    def link_mode(self) -> MacvlanMode:
        return MacvlanMode.BRIDGE

    def without_peer(self, parent: str | None) -> str:
        return ""

    @property
    def pods_apart(self) -> str:
        return ""

    def config(self, network: str, master: str) -> dict[str, Any]:
        return {"type": self.name, "bridge": bridge_on_node(network), "isGateway": False}


PLUGINS: dict[str, type[Plugin]] = {plugin.name: plugin for plugin in (Macvlan, Ipvlan, Bridge)}
KEYS = frozenset(key for plugin in PLUGINS.values() for key in plugin.keys)


def read_plugin(section: Section) -> Plugin:
    """The plugin that a network's section names (macvlan where it names none)."""
    given = section.text("plugin", Macvlan.name)
    plugin = PLUGINS.get(given)
    if plugin is None:
        if given:
            section.fault("plugin", f"{shown(given)} is not known", f"known are: {', '.join(PLUGINS)}")
        return Macvlan()  # Which keys another has, nobody knows.
    for key in sorted(KEYS.difference(plugin.keys)):
        able = [other for other, type_ in PLUGINS.items() if key in type_.keys]
        if section.has(key):
            section.fault(key, f"plugin {given} has no such key", f"`{key}` is a key of {' and '.join(able)}")
        for gateway in ("gateway", "gateway6"):
            if key == "peer" and section.says(gateway, "peer"):
                section.fault(gateway, f"plugin {given} has no peer", f"give an address, or take {' or '.join(able)}")
    return plugin.read(section)


def _mode(section: Section, plugin: str, kind: type[Mode], default: Mode) -> Mode:
    """A mode of another plugin is refused by that plugin's name."""
    for other, type_ in PLUGINS.items():
        for mode in type_.modes:
            if mode not in list(kind) and section.says("mode", mode):
                remedy = f"give `plugin: {other}`, or take one of: {', '.join(kind)}"
                section.fault("mode", f"{mode} is a mode of {other}, and the plugin is {plugin}", remedy)
                return default
    return section.choice("mode", kind, default)


def bridge_on_node(network: str) -> str:
    """The name of a network's bridge on each node; an interface's has 15 characters at most."""
    name = f"br-{network}"
    return name if len(name) <= 15 else f"br-{hashlib.sha256(network.encode()).hexdigest()[:12]}"
