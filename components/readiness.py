"""The end of every `up`: all that the lab has is Ready, and what really runs is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components import scripts
from components.calico import Calico
from components.kind_cluster import KindCluster
from components.multus import Multus
from components.objects import observe
from components.pods import Pods
from components.settings import Source
from components.workspace import Workspace

NODE = {"apiVersion": "v1", "kind": "Node"}
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, kw_only=True)
class ReadinessArgs:
    cluster: KindCluster
    workspace: Workspace
    calico: Calico
    multus: Multus
    pods: Pods
    sources: tuple[Source, ...]


class Readiness(pulumi.ComponentResource):
    cluster: pulumi.Output[dict[str, Any]]
    versions: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: ReadinessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Readiness", name, None, opts)
        report = scripts.run(
            f"{name}-report",
            create="wait-ready",
            environment=args.workspace.environment | {"WORKER": args.cluster.workers[0], "SECONDS_AT_MOST": "300"},
            # Asked again when anything that has a version is another, or a pod is.
            triggers=[
                args.cluster.running.id,
                args.multus.conf.id,
                *(source.sha256 for source in args.sources),
                *args.pods.ids,
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.calico, args.multus, args.pods]),
        )
        # A node is there, with its address and version, when it has joined; no preview waits for the report first.
        contents = pulumi.ResourceOptions.merge(args.cluster.contents, pulumi.ResourceOptions(parent=self))
        running = args.cluster.running.id
        nodes = [
            observe(f"{name}-{node}", NODE, running.apply(lambda _, node=node: node), contents)
            for node in args.cluster.nodes
        ]
        self.cluster = pulumi.Output.all(*(pulumi.Output.all(each.metadata, each.status) for each in nodes)).apply(
            lambda found: {
                "name": args.workspace.cluster_name,
                "engine": args.workspace.engine.name,
                "kubeconfig": str(args.workspace.kubeconfig),
                "nodes": [node_facts(*parts) for parts in found],
            }
        )
        self.versions = report.stdout.apply(versions)
        self.register_outputs({"cluster": self.cluster, "versions": self.versions})


def node_facts(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, str]:
    """A node's name, role (control-plane or worker), address on the cluster's network, and version."""
    (address,) = [each["address"] for each in status["addresses"] if each["type"] == "InternalIP"]
    return {
        "name": metadata["name"],
        "role": "control-plane" if CONTROL_PLANE in metadata.get("labels", {}) else "worker",
        "address": address,
        "version": status["nodeInfo"]["kubeletVersion"],
    }


def versions(report: str) -> dict[str, str]:
    """The lines of the report, `THING VERSION`, by thing."""
    return dict(line.split(" ", 1) for line in report.splitlines() if " " in line)
