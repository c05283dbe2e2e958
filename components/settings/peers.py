"""The lab's own neighbour on a network: what can be said of it, and which address it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.settings.blocks import Address, Interface, Span, Subnet, free_host, interface, is_host, within
from components.settings.families import FAMILIES, Side, key_of, read_address, refuse_others
from components.settings.faults import Section


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A container that answers on the network."""

    address: Interface
    """With the prefix length of the network's subnet; as the network's gateway it has that very address."""
    address6: Interface | None = None
    """The same of IPv6, where the one above is of IPv4."""
    forward: bool
    """Whether it passes on what comes to it as the gateway, to where the machine's own containers get (by IPv4)."""

    @property
    def addresses(self) -> tuple[Interface, ...]:
        return (self.address, self.address6) if self.address6 else (self.address,)


@dataclass(frozen=True, kw_only=True)
class AskedPeer:
    """What a network's config says of its peer, before it is known which addresses are whose."""

    network: Section
    peer: Section
    addresses: Mapping[int, Address | None]
    """By family; None: the lab chooses one."""
    forward: bool
    gateway_of: frozenset[int]
    """The families whose gateway it is to be."""

    def gateway(self, hosts: Subnet) -> Address:
        """The address that it has as the gateway of `hosts`: its own, else the first."""
        return self.addresses[hosts.version] or hosts[1]

    def check(self, side: Side, parent: str | None) -> None:
        """Its address in one family. (A gateway is held against the pods' addresses with the range.)"""
        key, address = side.key("address"), self.addresses[side.version]
        if address is None:
            if parent and not self.peer.faulty:
                # The first host of a LAN is its router more often than not.
                problem = f"{parent} may have others on it, by whichever address the lab would choose"
                self.network.fault("peer", problem, f"give it one that is free there (`peer: {{{key}: ...}}`)")
            return
        if not is_host(address, side.subnet):
            self.peer.fault(key, f"{address} is no host address of {side.subnet}", "take one from the subnet")
        elif side.version in self.gateway_of:
            return
        elif address == side.gateway:
            remedy = f"take another one, or give `{side.key('gateway')}: peer`"
            self.peer.fault(key, f"{address} is the gateway", remedy)
        elif side.span and within(address, side.span):
            problem = f"{address} lies in the pods' range {side.span[0]} to {side.span[1]}"
            self.peer.fault(key, problem, "move either")

    def placed(self, sides: Sequence[Side], occupied: Iterable[Span]) -> PeerSettings | None:
        """With its addresses: those of config, the gateway's, or the highest host that is not `occupied`."""
        occupied = [*occupied]
        addresses: list[Interface] = []
        for side in sides:
            address = self.addresses[side.version]
            if address is None:
                address = side.gateway if side.version in self.gateway_of else free_host(side.subnet, occupied)
            if address is None:
                problem = f"{side.subnet} has no address left for it"
                self.network.fault("peer", problem, "shrink the range or take a larger subnet")
                return None
            addresses.append(interface(address, side.subnet.prefixlen))
        first, *six = addresses
        return PeerSettings(address=first, address6=six[0] if six else None, forward=self.forward)


def container_name(cluster_name: str, network_name: str) -> str:
    return f"{cluster_name}-peer-{network_name}"


def read_peer(section: Section, versions: Sequence[int]) -> AskedPeer | None:
    """What the section of a network says of a peer; `gateway: peer` asks for one, too. `versions`: its families."""
    keys = {version: key_of("gateway", version) for version in FAMILIES}
    gateway_of = frozenset(version for version, key in keys.items() if section.says(key, "peer"))
    peer = section.switch("peer", bool(gateway_of), {version: key_of("address", version) for version in versions})
    if peer is None:
        for version in sorted(gateway_of):
            remedy = "drop `peer: false` or give an address"
            section.fault(keys[version], "it is to be the peer, and there is none", remedy)
        return None
    addresses = {version: read_address(peer, "address", version) for version in versions}
    refuse_others(peer, ["address"], versions)
    forward = peer.boolean("forward", default=False)
    peer.closed()
    if forward and 4 not in gateway_of:
        problem = "it passes on IPv4 alone, and nobody" if gateway_of else "nobody"
        peer.fault("forward", f"{problem} sends it what is to go on", "give `gateway: peer` or drop it")
    return AskedPeer(network=section, peer=peer, addresses=addresses, forward=forward, gateway_of=gateway_of)
