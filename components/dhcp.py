"""DHCP for the networks whose pods get leases: the plugin's daemon in the workers, and a server on the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pulumi
import pulumi_command.local as local

from components import scripts
from components.cni_plugins import CniPlugins
from components.drift import Drift
from components.engines import by_digest
from components.macvlan_networks import MacvlanNetworks
from components.peers import on_network
from components.settings import LabSettings, NetworkSettings
from components.settings.dhcp import ServerSettings, server_name
from components.settings.ipam import CLASSLESS_ROUTES
from components.workers import Workers
from components.workspace import Workspace

LEASES = "kalico-dhcp-leases"
ROUTERS = "3"
"""The DHCP option."""


@dataclass(frozen=True, kw_only=True)
class LeasesArgs:
    settings: LabSettings
    workspace: Workspace
    macvlans: MacvlanNetworks
    workers: Workers
    plugins: CniPlugins
    drift: Drift


class Leases(pulumi.ComponentResource):
    """A lease can be had when the daemon answers the plugin and the server runs."""

    daemons: dict[str, local.Command]
    """By worker that joins such a network."""
    servers: dict[str, local.Command]
    """By network, of those that have one of the lab's own; prints INTERFACE MAC."""
    absent: dict[str, local.Command]
    """By network, of those that have another's."""

    def __init__(self, name: str, args: LeasesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Leases", name, None, opts)
        self.servers = {
            network.name: self._server(name, network, network.dhcp_server, args)
            for network in args.settings.networks
            if network.dhcp_server
        }
        self.absent = {
            network.name: self._none(name, network, args)
            for network in networks_with_leases(args.settings)
            if not network.dhcp_server
        }
        self.daemons = {worker: self._daemon(name, worker, args) for worker in nodes_with_leases(args.settings)}
        self.register_outputs({})

    def _daemon(self, name: str, worker: str, args: LeasesArgs) -> local.Command:
        node = args.workers.nodes[worker]
        return scripts.run(
            f"{name}-daemon-{worker}",
            create="dhcp-daemon",
            delete="dhcp-daemon-delete",
            environment=args.workspace.environment
            | {"NODE": worker, "LEASES": scripts.script(LEASES), "SECONDS_AT_MOST": "60"},
            because=partial(args.drift.in_nodes, "dhcp", [worker]),
            triggers=[args.plugins.made[worker].id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node.running], deleted_with=node.made),
        )

    def _none(self, name: str, network: NetworkSettings, args: LeasesArgs) -> local.Command:
        """In the place of a server: if there was one, it goes before a pod asks again, not at the end of the update."""
        return scripts.run(
            f"{name}-{network.name}",
            environment=args.workspace.environment | {"NETWORK": network.name},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _server(self, name: str, network: NetworkSettings, server: ServerSettings, args: LeasesArgs) -> local.Command:
        return on_network(
            f"{name}-{network.name}",
            network,
            container=server_name(args.workspace.cluster_name, network.name),
            image=args.settings.dhcp_server_image,
            addresses=[server.address],
            environment={"TOOLS": by_digest(args.settings.node_image)},
            role="server",
            command=dnsmasq(network, server),
            args=args,
            parent=self,
        )


@dataclass(frozen=True, kw_only=True)
class Leased:
    """By network; empty where none has leases."""

    servers: Mapping[str, local.Command] = field(default_factory=dict)
    needed: Mapping[str, Sequence[local.Command]] = field(default_factory=dict)
    """What a lease takes."""


def leased(name: str, args: LeasesArgs) -> Leased:
    """Where no network has leases there is no such layer, and nothing of it."""
    networks = networks_with_leases(args.settings)
    if not networks:
        return Leased()
    leases = Leases(name, args)
    needed = {
        network.name: [
            *(leases.daemons[worker] for worker in network.nodes),
            (leases.servers | leases.absent)[network.name],
        ]
        for network in networks
    }
    return Leased(servers=leases.servers, needed=needed)


def networks_with_leases(settings: LabSettings) -> list[NetworkSettings]:
    return [network for network in settings.networks if network.ipam.by_server]


def nodes_with_leases(settings: LabSettings) -> tuple[str, ...]:
    """The workers that join such a network, in their order."""
    joining = {node for network in networks_with_leases(settings) for node in network.nodes}
    return tuple(node for node in settings.worker_names if node in joining)


def dnsmasq(network: NetworkSettings, server: ServerSettings) -> list[str]:
    """The command of the server, which hands out the network's range and routes and answers nothing else.

    Without `--no-ping`: it asks first whether anybody has an address, since it knows of no lease when it is made anew.
    """
    ((first, last),) = network.ipam.occupies()
    routes = [(route.dst, str(route.gw or network.gateway)) for route in network.routes]
    # Without a value option 3 is not sent; dnsmasq else tells itself as the router.
    options = [",".join([ROUTERS, *(gateway for dst, gateway in routes if dst.prefixlen == 0)])]
    if routes:
        options.append(",".join([CLASSLESS_ROUTES, *(f"{dst},{gateway}" for dst, gateway in routes)]))
    return [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--port=0",
        "--no-resolv",
        "--no-hosts",
        "--except-interface=lo",
        "--bind-dynamic",
        f"--dhcp-range={first},{last},{network.subnet.netmask},{server.lease_time}",
        f"--dhcp-lease-max={network.ipam.capacity()}",
        *(f"--dhcp-option={option}" for option in options),
        "--dhcp-authoritative",
        "--dhcp-leasefile=/run/leases",
        "--log-dhcp",
        "--log-facility=-",
    ]
