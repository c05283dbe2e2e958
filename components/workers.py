"""The workers: containers that the lab makes as kind would and joins to its cluster, one by one and at any time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_command.local as local

from components import scripts
from components.drift import Drift
from components.engines import by_digest
from components.kind_cluster import KindCluster
from components.macvlan_networks import MacvlanNetworks
from components.settings import LabSettings, NetworkSettings
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    settings: LabSettings
    workspace: Workspace
    cluster: KindCluster
    macvlans: MacvlanNetworks
    drift: Drift


@dataclass(frozen=True, kw_only=True)
class Node:
    """A worker, or the control plane."""

    name: str
    id: pulumi.Output[str]
    """Another when the node is: what is made in it is then made again."""
    made: local.Command
    """With which all that is in it goes."""
    running: local.Command
    """Its id is another after every start of the node. Prints NODE ROLE ADDRESS VERSION."""


class Workers(pulumi.ComponentResource):
    """Up when each is a node of the cluster and runs; it is Ready only once it has a CNI.

    kind makes no node after its cluster: with workers of kind's, one more would mean another cluster, and Calico would
    have to wait until the first has joined.
    """

    nodes: dict[str, Node]
    """By name, the control plane first."""
    id: pulumi.Output[str]
    """Another when any node of the cluster is."""
    started: pulumi.Output[str]
    """Another after every start of any node, and when any is another."""
    told: pulumi.Output[str]
    """NODE ROLE ADDRESS VERSION of each node."""

    def __init__(self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Workers", name, None, opts)
        settings, cluster = args.settings, args.cluster
        control_plane = Node(name=settings.control_plane, id=cluster.id, made=cluster.made, running=cluster.running)
        workers = [self._worker(name, worker, args) for worker in settings.worker_names]
        self.nodes = {node.name: node for node in (control_plane, *workers)}
        self.id = pulumi.Output.all(*(node.id for node in self)).apply(" ".join)
        self.started = pulumi.Output.all(*(node.running.id for node in self)).apply(" ".join)
        self.told = pulumi.Output.all(*(node.running.stdout for node in self)).apply("\n".join)
        self.register_outputs({"id": self.id})

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @property
    def names(self) -> list[str]:
        """The workers' names, without the control plane's."""
        return list(self.nodes)[1:]

    def on(self, network: NetworkSettings) -> list[Node]:
        """Those that join the network, in their order."""
        return [self.nodes[worker] for worker in network.nodes]

    @property
    def running(self) -> list[pulumi.Resource]:
        """There when every node runs."""
        return [node.running for node in self]

    def _worker(self, name: str, worker: str, args: WorkersArgs) -> Node:
        made = scripts.run(
            f"{name}-{worker}",
            create="worker-create",
            delete="worker-delete",
            environment=args.workspace.environment
            | {"NODE": worker, "IMAGE": by_digest(args.settings.node_image), "SECONDS_AT_MOST": "120"},
            because=partial(args.drift.worker, worker),
            lines=args.workspace.engine.node_words,
            triggers=[args.cluster.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.cluster.running], deleted_with=args.cluster.made),
        )
        running = scripts.run(
            f"{name}-{worker}-running",
            create="node-run",
            environment=args.workspace.environment | {"NODE": worker, "SECONDS_AT_MOST": "120"},
            because=partial(args.drift.in_nodes, "node", [worker]),
            triggers=[made.id],
            # A node that was stopped starts only when the networks it has joined are there.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[made, *args.macvlans.made.values()]),
        )
        return Node(name=worker, id=made.id, made=made, running=running)
