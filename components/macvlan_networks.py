"""The macvlan networks of the engine, and the workers' interfaces on them."""

import hashlib
from dataclasses import dataclass

import pulumi

from components import scripts
from components.kind_cluster import KindCluster
from components.settings import NetworkSettings
from components.workspace import Workspace

BRIDGE_PREFIX = "kalico-"
"""With eight hex digits behind it: an interface's name has 15 characters at most."""


@dataclass(frozen=True, kw_only=True)
class MacvlanNetworksArgs:
    networks: tuple[NetworkSettings, ...]
    workspace: Workspace
    cluster: KindCluster


class MacvlanNetworks(pulumi.ComponentResource):
    """Each network is made beside the cluster and outlives it; the joins belong to the cluster."""

    masters: dict[str, pulumi.Output[str]]
    """By network: the interface that the workers have on it."""

    def __init__(self, name: str, args: MacvlanNetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:MacvlanNetworks", name, None, opts)
        self.masters = {network.name: self._network(name, network, args) for network in args.networks}
        self.register_outputs({"masters": self.masters})

    def _network(self, name: str, network: NetworkSettings, args: MacvlanNetworksArgs) -> pulumi.Output[str]:
        engine = args.workspace.engine
        words = engine.network_words(network)
        environment = args.workspace.environment | {"NETWORK": network.name}
        made = scripts.run(
            f"{name}-{network.name}",
            create="network-create",
            delete="network-delete",
            environment=environment
            | {
                "BRIDGE": bridge_name(args.workspace.cluster_name, network.name),
                "PARENT": network.parent or "",
                "ISLAND": "engine" if engine.makes_islands else "bridge",
            },
            lines=words,
            opts=pulumi.ResourceOptions(parent=self),
        )
        joined = scripts.run(
            f"{name}-{network.name}-join",
            create="network-join",
            environment=environment,
            lines=args.cluster.workers,
            triggers=[args.cluster.id, made.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[made]),
        )
        return joined.stdout.apply(master)


def bridge_name(cluster_name: str, network_name: str) -> str:
    """The name of the bridge that a network without a parent may need, of its own on this machine."""
    return BRIDGE_PREFIX + hashlib.sha256(f"{cluster_name}/{network_name}".encode()).hexdigest()[:8]


def master(joined: str) -> str:
    """The interface in lines such as `kalico-worker eth1 9a:..`; a NAD names one for all workers."""
    interfaces = sorted({line.split()[1] for line in joined.splitlines()})
    if len(interfaces) != 1:
        raise ValueError(f"the workers' interfaces on the network differ ({', '.join(interfaces)}): a NAD needs one")
    return interfaces[0]
