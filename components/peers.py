"""The peers: a neighbour of the pods on each network that asks for one, in a container beside the cluster's nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import pulumi
import pulumi_command.local as local

from components import scripts
from components.drift import Drift
from components.engines import by_digest
from components.macvlan_networks import MacvlanNetworks
from components.settings import LabSettings, NetworkSettings, PeerSettings
from components.settings.blocks import Interface
from components.settings.families import key_of
from components.settings.peers import container_name
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class PeersArgs:
    settings: LabSettings
    workspace: Workspace
    macvlans: MacvlanNetworks
    drift: Drift


class OnNetworkArgs(Protocol):
    """What is needed of the lab for a container on one of its networks."""

    @property
    def workspace(self) -> Workspace: ...
    @property
    def macvlans(self) -> MacvlanNetworks: ...
    @property
    def drift(self) -> Drift: ...


class Peers(pulumi.ComponentResource):
    """Made while the cluster is. A peer is up when it has its address on its network.

    It runs the node image: that is on the machine anyway, and has what one needs to look at a network.
    """

    made: dict[str, local.Command]
    """By network; prints INTERFACE MAC."""

    def __init__(self, name: str, args: PeersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Peers", name, None, opts)
        self.made = {
            network.name: self._peer(name, network, network.peer, args)
            for network in args.settings.networks
            if network.peer
        }
        self.register_outputs({})

    def _peer(self, name: str, network: NetworkSettings, peer: PeerSettings, args: PeersArgs) -> local.Command:
        return on_network(
            f"{name}-{network.name}",
            network,
            container=container_name(args.workspace.cluster_name, network.name),
            image=args.settings.node_image,
            addresses=peer.addresses,
            environment={"UPLINK": args.workspace.engine.default_network if peer.forward else ""},
            args=args,
            parent=self,
        )


def on_network(
    name: str,
    network: NetworkSettings,
    *,
    container: str,
    image: str,
    addresses: Sequence[Interface],
    environment: Mapping[str, str],
    role: str = "peer",
    command: Sequence[str] = (),
    args: OnNetworkArgs,
    parent: pulumi.Resource,
) -> local.Command:
    """A container beside the nodes on the network, by those addresses alone; it runs `command`, or nothing."""
    made = args.macvlans.made[network.name]
    return scripts.run(
        name,
        create="peer-create",
        delete="peer-delete",
        environment=args.workspace.environment
        | {"NETWORK": network.name, "PEER": container, "ROLE": role, "IMAGE": by_digest(image)}
        | {"ADDRESS": " ".join(map(str, addresses)), **environment},
        because=partial(args.drift.in_nodes, f"{role}.{network.name}", [container], kind=role),
        lines=command,
        triggers=[made.id],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[made]),
    )


def peers_of(args: PeersArgs) -> dict[str, local.Command]:
    """The peers by network; where nobody asks for one there is no such layer, and nothing of it in the plan."""
    return Peers("peers", args).made if any(network.peer for network in args.settings.networks) else {}


def with_containers(
    facts: pulumi.Output[list[dict[str, Any]]],
    networks: Sequence[NetworkSettings],
    peers: Mapping[str, local.Command],
    servers: Mapping[str, local.Command],
) -> pulumi.Output[list[dict[str, Any]]]:
    """The `facts` of each network, by its name, with those of its peer and of its DHCP server: address and mac."""
    if not (peers or servers):
        return facts
    printed = [pulumi.Output.all(**{name: each.stdout for name, each in made.items()}) for made in (peers, servers)]
    return pulumi.Output.all(facts, *printed).apply(lambda found: told_of_containers(networks, *found))


def told_of_containers(
    networks: Sequence[NetworkSettings],
    facts: Sequence[Mapping[str, Any]],
    peers: Mapping[str, str],
    servers: Mapping[str, str],
) -> list[dict[str, Any]]:
    """`peers`, `servers`: by network, INTERFACE MAC."""
    told: dict[str, dict[str, Any]] = {network.name: {} for network in networks}
    for network in networks:
        if network.peer:
            told[network.name]["peer"] = _told(network.peer.addresses, peers[network.name])
        if network.dhcp_server:
            told[network.name]["dhcp_server"] = _told([network.dhcp_server.address], servers[network.name])
    return [{**each, **told[each["name"]]} for each in facts]


def _told(addresses: Sequence[Interface], printed: str) -> dict[str, str]:
    by_family = {key_of("address", address.version): str(address.ip) for address in addresses}
    return by_family | {"mac": printed.split()[1]}
