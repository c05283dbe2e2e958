"""The macvlan networks: each an L2 of the engine, beside the cluster."""

import hashlib
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_command.local as local

from components import scripts
from components.drift import Drift
from components.settings import NetworkSettings
from components.workspace import Workspace

BRIDGE_PREFIX = "kalico-"
"""With eight hex digits behind it: an interface's name has 15 characters at most."""


@dataclass(frozen=True, kw_only=True)
class MacvlanNetworksArgs:
    networks: tuple[NetworkSettings, ...]
    workspace: Workspace
    drift: Drift


class MacvlanNetworks(pulumi.ComponentResource):
    """Made while the cluster is, and outlives it."""

    made: dict[str, local.Command]
    """By network that pods are on by an interface of their node."""

    def __init__(self, name: str, args: MacvlanNetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:MacvlanNetworks", name, None, opts)
        self.made = {
            network.name: self._network(name, network, args) for network in args.networks if network.plugin.on_network
        }
        self.register_outputs({})

    def _network(self, name: str, network: NetworkSettings, args: MacvlanNetworksArgs) -> local.Command:
        engine = args.workspace.engine
        return scripts.run(
            f"{name}-{network.name}",
            create="network-create",
            delete="network-delete",
            environment=args.workspace.environment
            | {
                "NETWORK": network.name,
                "BRIDGE": bridge_name(args.workspace.cluster_name, network.name),
                "PARENT": network.link or "",
                "SUBNET": " ".join(map(str, network.subnets)),
                "MODE": network.mode.value,
                "MTU": str(network.mtu) if network.needs_bridge else "",
                "ISLAND": "engine" if engine.makes_islands else "bridge",
            },
            because=partial(args.drift.network, network.name),
            lines=engine.network_words(network),
            opts=pulumi.ResourceOptions(parent=self),
        )


def bridge_name(cluster_name: str, network_name: str) -> str:
    """The name of the bridge that a network without a parent may need, of its own on this machine."""
    return BRIDGE_PREFIX + hashlib.sha256(f"{cluster_name}/{network_name}".encode()).hexdigest()[:8]
