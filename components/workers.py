"""The workers: containers that the lab makes as kind would and joins to its cluster, one by one and at any time."""

from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_command.local as local

from components import scripts
from components.drift import Drift
from components.engines import by_digest
from components.kind_cluster import KindCluster
from components.macvlan_networks import MacvlanNetworks
from components.settings import LabSettings
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    settings: LabSettings
    workspace: Workspace
    cluster: KindCluster
    macvlans: MacvlanNetworks
    drift: Drift


class Workers(pulumi.ComponentResource):
    """Up when each is a node of the cluster and runs; it is Ready only once it has a CNI.

    kind makes no node after the cluster. One more worker would be another cluster; and with it, all of Calico would
    have to wait until the first worker has joined.
    """

    made: dict[str, local.Command]
    """By name; its id is another when the worker is."""
    running: local.Command
    """Its id is another after every start of a node. Prints NODE ROLE ADDRESS VERSION for each worker."""
    id: pulumi.Output[str]
    """Another when any node of the cluster is: what is made in all of them is then made again."""
    names: tuple[str, ...]
    nodes: tuple[str, ...]
    """The control plane, too."""
    told: pulumi.Output[str]
    """NODE ROLE ADDRESS VERSION of each node."""

    def __init__(self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Workers", name, None, opts)
        settings, cluster = args.settings, args.cluster
        self.names, self.nodes = settings.worker_names, settings.node_names
        self.made = {worker: self._worker(name, worker, args) for worker in self.names}
        self.running = scripts.run(
            f"{name}-running",
            create="nodes-run",
            environment=args.workspace.environment | {"SECONDS_AT_MOST": "120"},
            because=partial(args.drift.in_nodes, "node", self.names),
            lines=self.names,
            triggers=[cluster.running.id, *(each.id for each in self.made.values())],
            # A node that was stopped starts only when the networks it has joined are there.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[cluster.running, *self.made.values(), *args.macvlans.made.values()]
            ),
        )
        self.id = pulumi.Output.all(cluster.id, *(each.id for each in self.made.values())).apply(" ".join)
        self.told = pulumi.Output.all(cluster.running.stdout, self.running.stdout).apply("\n".join)
        self.register_outputs({"id": self.id})

    def _worker(self, name: str, worker: str, args: WorkersArgs) -> local.Command:
        return scripts.run(
            f"{name}-{worker}",
            create="worker-create",
            delete="worker-delete",
            environment=args.workspace.environment
            | {"NODE": worker, "IMAGE": by_digest(args.settings.node_image), "SECONDS_AT_MOST": "120"},
            lines=args.workspace.engine.node_words,
            triggers=[args.cluster.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.cluster.running], deleted_with=args.cluster.made),
        )
