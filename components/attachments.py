"""The NetworkAttachmentDefinitions: one a network, by the network's name.

Where one worker joins, the NAD has the CNI config itself. Where several do, each has an interface of its own, and
with host-local, which keeps its leases on each node, a part of the range: the config then lies on the nodes, and Multus
finds it by name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts
from components.annotations import CONTENT, NAMESPACE, digest
from components.cni_plugins import ROUTES_PLUGIN
from components.drift import Drift
from components.kind_cluster import KindCluster
from components.multus import Multus
from components.network_joins import NetworkJoins, master
from components.objects import KubernetesObject, repairable
from components.settings import NetworkSettings, WorkerRange
from components.settings.blocks import Address, Subnet
from components.settings.plugins import bridge_on_node
from components.settings.routes import DefaultRoute
from components.whereabouts import Whereabouts
from components.workers import Workers
from components.workspace import Workspace

CNI_VERSION = "0.3.1"
RANGES = "kalico/ranges"
"""The annotation of a NAD whose config lies on the nodes: which worker hands out what."""
LEASES = "kalico/leases"
"""The annotation of a NAD whose pods get leases of the lab's own server, which nothing else of the NAD tells."""
CONFS = "/etc/cni/multus/net.d"
"""Where Multus looks on a node for the config of a NAD that has none, by its name."""
MASTER = "@MASTER@"
"""Stands for the node's interface in a config that is written on that node."""


@dataclass(frozen=True, kw_only=True)
class AttachmentsArgs:
    networks: tuple[NetworkSettings, ...]
    cluster_subnets: tuple[Subnet, ...]
    workspace: Workspace
    cluster: KindCluster
    workers: Workers
    joins: NetworkJoins
    multus: Multus
    whereabouts: Whereabouts | None
    """There where a network has its addresses from it."""
    leases: Mapping[str, Sequence[pulumi.Resource]]
    """By network, what has to be there before a pod of it asks for a lease."""
    drift: Drift


class Attachments(pulumi.ComponentResource):
    nads: dict[str, KubernetesObject]
    """By network; a NAD is another when anything of the network is, and its pods with it."""

    def __init__(self, name: str, args: AttachmentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            "kalico:lab:Attachments", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts)
        )
        for network in args.networks:
            if network.has_second_default:
                pulumi.log.warn(two_default_routes(network), self)
            if not network.plugin.on_network and len(network.nodes) > 1:
                pulumi.log.info(bridges_apart(network), self)
            if network.ipam.by_server and not network.ipam.server and not network.parent:
                pulumi.log.warn(unanswered(network), self)
            for gateway in dead_gateways(network):
                pulumi.log.info(
                    f"network {network.name}: its gateway {gateway} is nothing unless you put something there "
                    f"({'`gateway: peer` has the lab do it, ' if network.plugin.on_network else ''}"
                    "`defaultRoute: none` leads nobody to it)",
                    self,
                )
        self.nads = {network.name: self._nad(name, network, args) for network in args.networks}
        self.register_outputs({})

    def _nad(self, name: str, network: NetworkSettings, args: AttachmentsArgs) -> KubernetesObject:
        made_with: list[pulumi.Resource] = []
        if not network.plugin.on_network:
            # Pods of a node that was started again are attached anew, and no join tells of that.
            made_with = [*self._bridges(name, network, args), *(node.running for node in args.workers.on(network))]
        if len(network.nodes) > 1:
            made_with += self._confs_on_nodes(name, network, args)
            spec: dict[str, Any] = {}
            annotations: dict[str, Any] = {CONTENT: digest("")}
            if network.ranges:
                annotations[RANGES] = ranges(network)
        else:
            made_with += args.joins.of(network)
            config = (
                args.joins.printed(network).apply(master).apply(partial(nad_config, network, keep=args.cluster_subnets))
            )
            spec = {"config": config}
            annotations = {CONTENT: config.apply(digest)}
        if network.dhcp_server:
            annotations[LEASES] = leases(network)
        document, again = repairable(
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": network.name, "namespace": NAMESPACE, "annotations": annotations},
                "spec": spec,
            },
            args.drift.nad(network.name),
        )
        # The NAD's kind comes with Multus's manifest; its daemon need not run yet.
        kinds = [made for made in args.multus.objects if made.is_crd]
        needed: list[pulumi.Resource] = [*kinds, *made_with]
        if args.whereabouts and network.ipam.in_cluster:
            needed.append(args.whereabouts.files)
        needed += args.leases.get(network.name, ())
        opts = pulumi.ResourceOptions(parent=self, depends_on=needed, replace_with=made_with)
        return KubernetesObject(f"{name}-{network.name}", document, pulumi.ResourceOptions.merge(again, opts))

    def _bridges(self, name: str, network: NetworkSettings, args: AttachmentsArgs) -> list[local.Command]:
        """The plugin makes a bridge with a node's first pod, and nobody removes it with the last one."""
        return [
            scripts.run(
                f"{name}-{network.name}-bridge-{node.name}",
                delete="bridge-delete",
                environment=args.workspace.environment | {"NODE": node.name, "BRIDGE": bridge_on_node(network.name)},
                triggers=[node.id],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[node.running], deleted_with=node.made),
            )
            for node in args.workers.on(network)
        ]

    def _confs_on_nodes(self, name: str, network: NetworkSettings, args: AttachmentsArgs) -> list[local.Command]:
        thing, file = f"conf.{network.name}", f"{CONFS}/kalico-{network.name}.conflist"
        nodes = args.workers.on(network)
        joins = args.joins.of(network) or [node.running for node in nodes]
        return [
            scripts.run(
                f"{name}-{network.name}-conf-{node.name}",
                create="attachment-conf",
                delete="node-files-delete",
                environment=args.workspace.environment
                | {"NODE": node.name, "NETWORK": network.name, "FILE": file, "CONFIG": config}
                | {"REMOVED": f"{file} /run/kalico/{thing}"},
                because=partial(args.drift.in_nodes, thing, [node.name]),
                triggers=[join.id],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[join], deleted_with=node.made),
            )
            for node, join, config in zip(nodes, joins, confs(network, args.cluster_subnets), strict=True)
        ]


def confs(network: NetworkSettings, keep: Sequence[Subnet] = ()) -> list[str]:
    """The CNI config of each worker that joins, in their order: a list of plugins, as its file has to hold."""
    parts = {part.worker: part for part in network.ranges}
    return [nad_config(network, MASTER, parts.get(node), keep=keep, listed=True) for node in network.nodes]


def nad_config(
    network: NetworkSettings,
    master: str,
    part: WorkerRange | None = None,
    *,
    keep: Sequence[Subnet] = (),
    listed: bool = False,
) -> str:
    """The CNI config of a NAD, as JSON: of one plugin, or of a list of them.

    `master`: the worker's interface on the network. `part`: of the range, where it is one worker's config. `keep`: what
    stays on eth0 whatever the default route is. `listed`: a list even of one. An address or a MAC that a pod asks for
    reaches the plugins by CNI_ARGS; a type that lives by the pods' addresses gets them by the capability that is made
    for them.
    """
    head = {"cniVersion": CNI_VERSION, "name": network.name}
    plugin = network.plugin.config(network.name, master)
    if network.mtu is not None:
        plugin["mtu"] = network.mtu
    if network.ipam.needs_addresses:
        plugin["capabilities"] = {"ips": True}
    plugin["ipam"] = network.ipam.config(network.sides, network.routes, part)
    if not listed and not network.has_routes_plugin:
        return json.dumps(head | plugin)
    chained = [routes_config(network, keep)] if network.has_routes_plugin else []
    return json.dumps(head | {"plugins": [plugin, *chained]})


def routes_config(network: NetworkSettings, keep: Sequence[Subnet]) -> dict[str, Any]:
    """The section of kalico-routes, which sees to the default route."""
    first, *further = map(str, network.gateways)
    gateway: str | list[str] = [first, *further] if further else first
    config = {"type": ROUTES_PLUGIN, "defaultRoute": network.default_route.value, "gateway": gateway}
    if network.default_route is DefaultRoute.NET1:
        return config | {"keep": [str(subnet) for subnet in keep]}
    return config


def two_default_routes(network: NetworkSettings) -> str:
    """The warning about `defaultRoute: literal`."""
    return (
        f"network {network.name} (`defaultRoute: literal`): its pods have a second default route of eth0's metric. "
        "Cluster DNS and the API time out until the neighbour entry of a dead gateway has failed, and are lost behind "
        "a living one; `source` and `net1` keep them"
    )


def unanswered(network: NetworkSettings) -> str:
    """The warning about `server: false` on a network without a `parent`."""
    return (
        f"network {network.name} (`server: false`): nobody answers DHCP on it unless you put a server there, and its "
        "pods wait in vain (`server: true` has the lab do it, `parent` leads to where one is)"
    )


def bridges_apart(network: NetworkSettings) -> str:
    """The message that each of several workers has a bridge of its own."""
    return (
        f"network {network.name} (`plugin: {network.plugin.name}`): each of its {len(network.nodes)} workers has a "
        "bridge of its own, and pods reach those on their own worker alone (macvlan and ipvlan join the workers)"
    )


def ranges(network: NetworkSettings) -> str:
    """`worker: a to b, worker2: c to d`; of two families `a to b and c to d`."""
    return ", ".join(f"{part.worker}: {part}" for part in network.ranges)


def leases(network: NetworkSettings) -> str:
    spans, server = network.ipam.occupies(), network.dhcp_server
    return "".join(
        f"{first} to {last}, for {server.lease_time} by {server.address.ip}" for first, last in spans if server
    )


def dead_gateways(network: NetworkSettings) -> tuple[Address, ...]:
    """The gateways that default routes lead to and that are nothing: on an island there is only the lab's own peer."""
    if network.parent or network.default_route is DefaultRoute.NONE:
        return ()
    sides = {side.version: side for side in network.sides}
    routes = [route for route in (*network.ipam.routes, *network.routes) if route.dst.prefixlen == 0]
    by_routes = [route.gw or sides[route.dst.version].gateway for route in routes]
    gateways = network.gateways if network.has_routes_plugin else by_routes
    alive = [address.ip for address in network.peer.addresses] if network.peer else []
    return tuple(gateway for gateway in gateways if gateway and gateway not in alive)
