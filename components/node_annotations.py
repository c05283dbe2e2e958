"""Annotations of the workers: the address on a network that others (F5 BNK) read in OVN-Kubernetes' own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from components import scripts
from components.annotations import BECAUSE, CONTENT, NODE_ADDRESS
from components.drift import Drift
from components.kind_cluster import KindCluster
from components.network_joins import NetworkJoins
from components.settings import NetworkSettings
from components.workers import Workers
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class NodeAnnotationsArgs:
    network: NetworkSettings | None
    """None: no node is annotated."""
    workspace: Workspace
    cluster: KindCluster
    workers: Workers
    joins: NetworkJoins
    drift: Drift


def annotate_nodes(name: str, args: NodeAnnotationsArgs) -> None:
    """The annotations and their output `node_annotations`, where a network is to be told of; else nothing."""
    if args.network:
        pulumi.export("node_annotations", NodeAnnotations(name, args, args.network).told)


class NodeAnnotations(pulumi.ComponentResource):
    """Up when each worker on the network tells the address that its interface has, asked of the node."""

    told: pulumi.Output[dict[str, dict[str, str]]]
    """By node, the value of each annotation."""

    def __init__(
        self,
        name: str,
        args: NodeAnnotationsArgs,
        network: NetworkSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("kalico:lab:NodeAnnotations", name, None, opts)
        if away := [name for name in args.workers.names if name not in network.nodes]:
            pulumi.log.info(untold(network, away), self)
        joins = args.joins.of(network)
        command = scripts.run(
            # Of another network it is replaced, not made beside: the last of two would take off what the first wrote.
            f"{name}-bnk",
            create="node-annotate",
            delete="node-annotate-delete",
            environment=args.workspace.environment
            | {
                "NETWORK": network.name,
                "KEY": NODE_ADDRESS,
                "BECAUSE_KEY": BECAUSE,
                "CONTENT_KEY": CONTENT,
            },
            because=partial(args.drift.annotations, network.nodes),
            lines=network.nodes,
            # Another join may be another address.
            triggers=[each.id for each in joins],
            opts=pulumi.ResourceOptions(parent=self, depends_on=joins, deleted_with=args.cluster.made),
        )
        self.told = command.stdout.apply(told)
        self.register_outputs({"told": self.told})


def untold(network: NetworkSettings, away: Sequence[str]) -> str:
    """The message that the workers `away` are not on the network and get no annotation."""
    return f"network {network.name}: {', '.join(away)} did not join it (`nodes`) and will have no {NODE_ADDRESS}"


def told(printed: str) -> dict[str, dict[str, str]]:
    """The lines of node-annotate.sh, NODE VALUE."""
    return {node: {NODE_ADDRESS: value} for node, value in (line.split(" ", 1) for line in printed.splitlines())}
