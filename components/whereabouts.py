"""whereabouts, the IPAM plugin that keeps its leases in the cluster: there where a network asks for it."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts, upstream
from components.drift import Drift
from components.kind_cluster import KindCluster
from components.multus import daemonset_documents
from components.objects import register
from components.settings import WhereaboutsSettings
from components.workers import Node, Workers
from components.workspace import Workspace

PROJECT = "whereabouts"
"""How the repository of its image ends, upstream's and a mirror's."""

FOLDER = "/etc/cni/net.d/whereabouts.d"
PLUGIN = "/opt/cni/bin/whereabouts"
FILES = (f"{FOLDER}/whereabouts.kubeconfig", f"{FOLDER}/whereabouts.conf", PLUGIN)
"""What its daemon puts on a node, in that order."""

SCHEDULE = "*/5 * * * *"
"""When its reconciler gives back the leases of pods that are gone. Upstream's is once a day, at night."""


@dataclass(frozen=True, kw_only=True)
class WhereaboutsArgs:
    settings: WhereaboutsSettings | None
    """None: no network has its addresses from it."""
    workspace: Workspace
    cluster: KindCluster
    workers: Workers
    drift: Drift


def whereabouts_for(name: str, args: WhereaboutsArgs) -> "Whereabouts | None":
    return Whereabouts(name, args, args.settings) if args.settings else None


class Whereabouts(pulumi.ComponentResource):
    """Up when its daemon, which is its reconciler too, runs on every node, and the plugin and its files are there."""

    image: str
    files: local.Command
    """They are on every node."""

    def __init__(
        self,
        name: str,
        args: WhereaboutsArgs,
        settings: WhereaboutsSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "kalico:lab:Whereabouts", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts)
        )
        self.image = settings.image
        published = [
            document
            for manifest in settings.manifests
            for document in upstream.documents(manifest, args.workspace.cache)
        ]
        objects, daemon = register(
            self,
            name,
            daemon_documents(published, settings.image),
            before_workloads=lambda _: [self._left(name, node, args) for node in args.workers],
        )
        self.files = scripts.run(
            f"{name}-files",
            create="daemon-files",
            environment=args.workspace.environment
            | {
                "DAEMON": "whereabouts",
                "FILES": " ".join(FILES),
                "SECONDS_AT_MOST": "300",
                "NODES": " ".join(args.workers.nodes),
            },
            because=partial(args.drift.in_nodes, "whereabouts", list(args.workers.nodes)),
            triggers=[args.workers.id],
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*args.workers.running, *objects, *daemon], deleted_with=args.cluster.made
            ),
        )
        self.register_outputs({})

    def _left(self, name: str, node: Node, args: WhereaboutsArgs) -> local.Command:
        """The daemon leaves what it has put on a node, and there is its mark: made before it, so that both go when that
        is gone."""
        return scripts.run(
            f"{name}-left-{node.name}",
            delete="node-files-delete",
            environment=args.workspace.environment
            | {"NODE": node.name, "REMOVED": f"{FOLDER} {PLUGIN} /run/kalico/whereabouts"},
            triggers=[node.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node.running], deleted_with=node.made),
        )


def daemon_documents(documents: list[dict[str, Any]], image: str) -> list[dict[str, Any]]:
    """Upstream's documents with the image pinned, room for the daemon, SCHEDULE, and the right to get a pod.

    The reconciler looks again at a pod that is just starting; one that it may not get it takes for gone, and gives the
    address to another.
    """
    changed = daemonset_documents(documents, image, PROJECT)
    for document in changed:
        if document["kind"] == "ConfigMap" and document.get("data"):
            document["data"]["cron-expression"] = SCHEDULE
        for rule in document.get("rules") or []:
            if "pods" in (rule.get("resources") or []):
                rule["verbs"] = sorted({*rule["verbs"], "get"})
    return changed
