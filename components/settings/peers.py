"""The lab's own neighbour on a network: what can be said of it, and which address it has."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from components.settings.blocks import Address, Span, Subnet, free_host
from components.settings.faults import Section


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A container that answers on the network."""

    address: ipaddress.IPv4Interface
    """With the prefix length of the network's subnet; as the network's gateway it has that very address."""
    forward: bool
    """Whether it passes on what comes to it as the gateway, to where the machine's own containers get."""


@dataclass(frozen=True, kw_only=True)
class AskedPeer:
    """What a network's config says of its peer, before it is known which addresses are whose."""

    network: Section
    peer: Section
    address: Address | None
    """None: the lab chooses one."""
    forward: bool
    is_gateway: bool

    def gateway(self, hosts: Subnet) -> Address:
        """The address that it has as the gateway of `hosts`: its own, else the first."""
        return self.address or hosts[1]

    def check(self, subnet: Subnet, gateway: Address | None, span: Span | None, parent: str | None) -> None:
        """`span`: the pods' addresses. (A gateway is held against them with the range.)"""
        if self.address is None:
            if parent and not self.peer.faulty:
                # The first host of a LAN is its router more often than not.
                problem = f"{parent} may have others on it, by whichever address the lab would choose"
                self.network.fault("peer", problem, "give it one that is free there (`peer: {address: ...}`)")
            return
        if not subnet.network_address < self.address < subnet.broadcast_address:
            self.peer.fault("address", f"{self.address} is no host address of {subnet}", "take one from the subnet")
        elif self.is_gateway:
            return
        elif self.address == gateway:
            remedy = "take another one, or give `gateway: peer`"
            self.peer.fault("address", f"{self.address} is the gateway", remedy)
        elif span and span[0] <= self.address <= span[1]:
            problem = f"{self.address} lies in the pods' range {span[0]} to {span[1]}"
            self.peer.fault("address", problem, "move either")

    def placed(self, subnet: Subnet, gateway: Address | None, occupied: Iterable[Span]) -> PeerSettings | None:
        """With its address: that of config, the gateway's, or the highest host that is not `occupied`."""
        address = self.address or (gateway if self.is_gateway else free_host(subnet, occupied))
        if address is None:
            problem = f"{subnet} has no address left for it"
            self.network.fault("peer", problem, "shrink the range or take a larger subnet")
            return None
        return PeerSettings(address=ipaddress.IPv4Interface((address, subnet.prefixlen)), forward=self.forward)


def container_name(cluster_name: str, network_name: str) -> str:
    return f"{cluster_name}-peer-{network_name}"


def read_peer(section: Section) -> AskedPeer | None:
    """What the section of a network says of a peer; `gateway: peer` asks for one, too."""
    is_gateway = section.says("gateway", "peer")
    peer = section.switch("peer", default=is_gateway)
    if peer is None:
        if is_gateway:
            section.fault("gateway", "it is to be the peer, and there is none", "drop `peer: false` or give an address")
        return None
    address, forward = peer.address("address"), peer.boolean("forward", default=False)
    peer.closed()
    if forward and not is_gateway:
        peer.fault("forward", "nobody sends it what is to go on", "give `gateway: peer` or drop it")
    return AskedPeer(network=section, peer=peer, address=address, forward=forward, is_gateway=is_gateway)
