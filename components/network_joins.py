"""The workers on the networks: each gets an interface, without an address unless config gives it one."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts
from components.drift import Drift
from components.macvlan_networks import MacvlanNetworks
from components.settings import NetworkSettings
from components.settings.plugins import bridge_on_node
from components.workers import Workers
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class NetworkJoinsArgs:
    networks: tuple[NetworkSettings, ...]
    workspace: Workspace
    workers: Workers
    macvlans: MacvlanNetworks
    drift: Drift


class NetworkJoins(pulumi.ComponentResource):
    """A network is joined when each of its workers has an interface on it that is known by its MAC."""

    made: dict[str, dict[str, local.Command]]
    """By network that workers join, by worker; prints NODE INTERFACE MAC [ADDRESS/PREFIX]."""
    networks: pulumi.Output[list[dict[str, Any]]]

    def __init__(self, name: str, args: NetworkJoinsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:NetworkJoins", name, None, opts)
        self.made = {}
        for network in args.networks:
            if network.plugin.on_network:
                self.made[network.name] = {
                    worker: self._join(name, network, worker, address, args)
                    for worker, address in own_addresses(network).items()
                }
        self.networks = pulumi.Output.all(
            *(self.printed(network).apply(partial(facts, network)) for network in args.networks)
        )
        self.register_outputs({"networks": self.networks})

    def of(self, network: NetworkSettings) -> Sequence[local.Command]:
        """The joins of a network, in its workers' order; none where its plugin needs none."""
        return tuple(self.made.get(network.name, {}).values())

    def printed(self, network: NetworkSettings) -> pulumi.Output[str]:
        """A line for each worker: NODE INTERFACE and more. Where none joins, it is the bridge that the plugin makes."""
        if joins := self.of(network):
            return pulumi.Output.all(*(each.stdout for each in joins)).apply("\n".join)
        lines = [f"{node} {bridge_on_node(network.name)}" for node in network.nodes]
        return pulumi.Output.from_input("\n".join(lines))

    def _join(
        self, name: str, network: NetworkSettings, worker: str, address: str, args: NetworkJoinsArgs
    ) -> local.Command:
        made, node = args.macvlans.made[network.name], args.workers.nodes[worker]
        subnets = " ".join(map(str, network.subnets))
        earlier = [joins[worker] for joins in self.made.values() if worker in joins]
        return scripts.run(
            f"{name}-{network.name}-{worker}",
            create="network-join",
            delete="network-leave",
            environment=args.workspace.environment
            | {"NODE": worker, "NETWORK": network.name, "ADDRESS": address, "SUBNETS": subnets},
            because=partial(args.drift.in_nodes, f"join.{network.name}", [worker]),
            triggers=[node.id, made.id],
            opts=pulumi.ResourceOptions(
                parent=self,
                # One after the other: the first network is eth1, the second eth2.
                depends_on=[made, node.running, *earlier],
                deleted_with=node.made,
            ),
        )


def own_addresses(network: NetworkSettings) -> dict[str, str]:
    """By worker that joins: its own address, with the prefix; '' where it is to have none."""
    return dict(itertools.zip_longest(network.nodes, map(str, network.node_addresses), fillvalue=""))


def interfaces(joined: str) -> dict[str, str]:
    """By node: its interface, of lines such as `kalico-worker eth1 9a:..`."""
    return {node: interface for node, interface, *_ in map(str.split, joined.splitlines())}


def master(joined: str) -> str:
    """The interface of the one worker on a network."""
    (interface,) = interfaces(joined).values()
    return interface


def facts(network: NetworkSettings, joined: str) -> dict[str, Any]:
    """A network's name and subnet, and its nodes: each with its interface, and its address and range if it has them."""
    ranges = {part.worker: {"range": str(part)} for part in network.ranges}
    addresses = {node: {"address": address} for node, address in own_addresses(network).items() if address}
    return {
        "name": network.name,
        **{side.key("subnet"): str(side.subnet) for side in network.sides},
        "nodes": [
            {"name": node, "interface": interface} | addresses.get(node, {}) | ranges.get(node, {})
            for node, interface in interfaces(joined).items()
        ],
    }
